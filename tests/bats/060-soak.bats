#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
#
# What make soak makes of the logs of the files that it ran.

bats_require_minimum_version 1.8.0
bats_load_library bats-support
bats_load_library bats-assert
bats_load_library bats-file
load lib/vm

# What three runs of two files leave that all came to their end
setup() {
	export OUT=$BATS_TEST_TMPDIR/out DOC=$BATS_TEST_TMPDIR/doc
	mkdir -p "$OUT/counts" "$OUT/obj/include/config"
	echo 7.3.4 >"$OUT/obj/include/config/kernel.release"
	printf '%s\n' '610-races 150' '610-races 30' >"$OUT/counts/races"
	echo '630-soak 8' >"$OUT/counts/kexecs"
	for log in 610-races 610-races.1 630-soak; do
		printf '%s\n' 1..2 'ok 1 a' 'ok 2 b' '2 passed, 0 failed' >"$OUT/soak.$log.log"
	done
}

table() {
	run "$VM_REPO/scripts/soak" table
	echo "$output"
}

@test "make soak says of files that lost nothing that they did not" {
	table
	assert_success
	assert_file_contains "$DOC" '^| rounds of two or three .* | 180 | 0 |$'
	assert_file_contains "$DOC" '^| kexecs, .* | 8 | 0 |$'
}

@test "a test that failed is counted as lost, in what its file counts and nowhere else" {
	printf '%s\n' 1..2 'ok 1 a' 'not ok 2 b' '1 passed, 1 failed' >"$OUT/soak.610-races.1.log"
	table
	assert_failure
	assert_file_contains "$DOC" '^| rounds of two or three .* | 180 | 1 |$'
	assert_file_contains "$DOC" '^| kexecs, .* | 8 | 0 |$'
}

@test "a file that died makes no table, before or after its last test, or without a word" {
	for left in 2 3 0; do
		printf '%s\n' 1..2 'ok 1 a' 'ok 2 b' | head -n "$left" >"$OUT/soak.630-soak.log"
		table
		assert_failure
		assert_line "$OUT/soak.630-soak.log"
		assert_file_not_exist "$DOC"
	done
}
