#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# bats file_tags=without-debug
#
# The faults that make mutants makes, and how it tells which of them are noticed. On this machine, without a guest: luo-sh
# is what has the faults, and it has tests of this file's own.
#
# Needs: deps mutants
# shellcheck disable=SC2030,SC2031  # each test has its own

bats_require_minimum_version 1.8.0
bats_load_library bats-support
bats_load_library bats-assert
load lib/vm

setup_file() {
	export OUT=$BATS_FILE_TMPDIR/out
	mutate 20261127 "$OUT/mutated"
}

# mutate SEED DIR: choose 200, and write the files that have them.
mutate() {
	MUTANTS=200 SEED=$1 "$VM_REPO/tests/mutants/mutate" write "$VM_REPO/build/linux" "$VM_BUILD/obj" "$2" >/dev/null
}

# chosen DIR FILTER: what jq makes of those that were chosen.
chosen() {
	jq -sr "$2" "$1/chosen"
}

@test "make mutants chooses the same mutants by the same seed, and others by another" {
	mutate 20261127 "$OUT/again"
	diff -r "$OUT/mutated" "$OUT/again"
	mutate 1 "$OUT/other"
	run diff -q "$OUT/mutated/chosen" "$OUT/other/chosen"
	assert_failure 1
	# Each is another one, and those that always come first are among them.
	assert_equal "$(chosen "$OUT/mutated" '[.[].key] | unique | length')" 200
	run -0 grep -vxFf <(chosen "$OUT/mutated" '.[].key') "$VM_REPO/tests/mutants/first"
	refute_output --regexp '^[^#]'
}

@test "each operator has as many mutants as the others, and each file about as many" {
	assert_equal "$(chosen "$OUT/mutated" 'group_by(.operator) | map("\(.[0].operator) \(length)") | join(" ")')" \
		'constant 40 drop 40 error 40 lock 40 negate 40'
	# A header may have less to choose from.
	assert_equal "$(chosen "$OUT/mutated" 'group_by(.path) | map(select(length > 6)) | length')" 0
	assert [ "$(chosen "$OUT/mutated" 'group_by(.path) | length')" -ge 55 ]
}

@test "each file with its mutants compiles as it does without" {
	for file in "$OUT"/mutated/{mm,kernel/liveupdate}/*.c; do
		[[ $file != */luo_mutant.c ]] || continue
		path=${file#"$OUT/mutated/"}
		command=$(sed -nE '1{s/^[^ ]* := //;s/ ; .*//p}' "$VM_BUILD/obj/${path%/*}/.$(basename "$path" .c).o.cmd")
		# Its headers lie beside it, or are those of the tree.
		command=${command% -c -o *}
		(cd "$VM_BUILD/obj" && eval "${command%% *} -I$OUT/mutated/include -I$OUT/mutated/${path%/*}" \
			"-I$VM_REPO/build/linux/${path%/*} ${command#* } -Werror -fsyntax-only" "$file")
	done
}

# luo_sh_mutant KEY: set number to the number of that mutant.
luo_sh_mutant() {
	number=$(jq -r --arg key "$1" 'select(.key == $key).number' "$OUT/mutated/chosen")
	assert [ -n "$number" ]
}

@test "a mutant that a test fails with is noticed by that test, one that none fails with is not, and neither is tried again" {
	cp -r "$VM_REPO/build/linux/tools/luo-sh" "$OUT/luo-sh"
	cp "$OUT"/mutated/tools/luo-sh/* "$OUT/luo-sh"
	ln -s "$VM_REPO/build/linux" "$OUT/luo-sh/kernel"
	export LUO_SH=$OUT/bin/luo-sh MUTANT_TESTS=$BATS_TEST_TMPDIR/tests
	make -s -C "$OUT/luo-sh" O="$OUT/bin"
	mkdir "$MUTANT_TESTS"
	echo '* host' >"$MUTANT_TESTS/files"
	# A line with @test would be one of this file.
	sed 's/^TEST/@test/' >"$MUTANT_TESTS/host.bats" <<-'END'
		TEST "the version is told" {
			"$LUO_SH" version
			echo version >>"$RAN"
		}

		TEST "the help of a command has the common options" {
			run "$LUO_SH" help version
			[[ $output == *--json* ]]
		}

		TEST "this one fails always" {
			false
		}
	END
	export RAN=$BATS_TEST_TMPDIR/ran
	key='tools/luo-sh/help.c:help_command:drop: print_common();'
	luo_sh_mutant "$key"
	# That one, and one of the kernel, which luo-sh cannot notice.
	jq -c --argjson n "$number" 'select(.number == $n or .path == "mm/luo_extent.c")' "$OUT/mutated/chosen" |
		awk '!seen[$0 ~ /help.c/]++' >"$BATS_TEST_TMPDIR/chosen"
	mkdir -p "$BATS_TEST_TMPDIR/run/mutated"
	cp "$BATS_TEST_TMPDIR/chosen" "$BATS_TEST_TMPDIR/run/mutated"
	run -0 env MUTANTS=200 MUTANT_JOBS=1 "$VM_REPO/tests/mutants/run" mutants "$BATS_TEST_TMPDIR/run"
	assert_line --regexp "^$number drop tools/luo-sh/help.c:[0-9]+ [0-9]+ s: noticed by host: the help of a command has the common options\$"
	assert_line --regexp '^[0-9]+ [a-z]+ mm/luo_extent.c:[0-9]+ [0-9]+ s: not noticed$'
	assert_line 'mutants: 1 noticed, 0 equivalent, 1 not noticed'
	run -0 grep -F 'noticed**' "$BATS_TEST_TMPDIR/run/mutants.md"
	assert_line --partial 'mm/luo_extent.c'

	# With a reason it is equivalent; what is there is not run again.
	jq -r 'select(.path == "mm/luo_extent.c") | .key + "\tluo-sh has no extents"' "$BATS_TEST_TMPDIR/chosen" >"$MUTANT_TESTS/equivalent"
	rm "$RAN"
	run -0 env MUTANTS=200 "$VM_REPO/tests/mutants/run" mutants "$BATS_TEST_TMPDIR/run"
	assert_output 'mutants: 1 noticed, 1 equivalent, 0 not noticed'
	assert [ ! -e "$RAN" ]
}

@test "MUTANTS=10 tries the first ten alone, SHARD=1/2 every other one of them, MUTANT_JOBS=2 two at a time" {
	export MUTANT_TESTS=$BATS_TEST_TMPDIR/tests
	mkdir -p "$MUTANT_TESTS" "$BATS_TEST_TMPDIR/run/mutated"
	echo '* host' >"$MUTANT_TESTS/files"
	# The first two wait for each other.
	sed 's/^TEST/@test/' >"$MUTANT_TESTS/host.bats" <<-'END'
		TEST "this one meets another" {
			number=${LUO_MUTANT%@*}
			mkdir "$MEET/$number" || true
			((number > 3)) || until [[ -d $MEET/1 && -d $MEET/3 ]]; do :; done
		}
	END
	export MEET=$BATS_TEST_TMPDIR/meet
	mkdir "$MEET"
	cp "$OUT/mutated/chosen" "$BATS_TEST_TMPDIR/run/mutated"
	run -0 timeout 60 env MUTANTS=10 SHARD=1/2 MUTANT_JOBS=2 "$VM_REPO/tests/mutants/run" mutants "$BATS_TEST_TMPDIR/run"
	assert_equal "$(jq -s -c 'map(.number) | sort' "$BATS_TEST_TMPDIR/run/results")" '[1,3,5,7,9]'
	assert_line 'mutants: 0 noticed, 0 equivalent, 5 not noticed'
}
