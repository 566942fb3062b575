#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
#
# The scripts of the project, where users have it: in a clone of theirs, interrupted, and on a terminal.
#
# Needs: stock

bats_load_library bats-support
bats_load_library bats-assert
load lib/vm
load lib/copy

@test "what cannot be built in is refused at once, in a line" {
	for dir in 'with space' with,comma with:colon "with'quote"; do
		clone "$BATS_TEST_TMPDIR/$dir"
		run make -s -C "$BATS_TEST_TMPDIR/$dir" kernel
		assert_failure
		assert_line --index 0 --partial 'error: this directory cannot be built in'
		assert [ ! -e "$BATS_TEST_TMPDIR/$dir/build" ]
		rm -rf "${BATS_TEST_TMPDIR:?}/$dir"
	done
}

# lock [NAME]: what build_lock or build_lock_of says, and that it has the lock, for as long as the input is open.
lock() { bash -c '. scripts/lib.sh; build_lock${1:+_of} "$@"; echo has it; ! read -r' bash "$@"; }

# says FILE LINE: it does, by and by.
says() {
	local deadline=$((SECONDS + 20))
	until grep -qx "$2" "$1"; do
		((SECONDS <= deadline))
		read -rt 0.1 <> <(:) || :
	done
}

@test "a build waits for one of the same kernel and for one of all, and not for another kernel's" {
	clone "$BATS_TEST_TMPDIR/clone"
	cd "$BATS_TEST_TMPDIR/clone"
	for next in a '' b; do
		mkfifo open
		lock a <open >first &
		exec {open}>open
		says first 'has it'
		# shellcheck disable=SC2086 # no name is none
		lock $next </dev/null >second {open}>&- &
		second=$!
		[[ $next == b ]] || says second 'waiting for another build here to end'
		[[ $next != b ]] || says second 'has it'
		exec {open}>&-
		wait "$second"
		says second 'has it'
		rm open
	done
}

@test "make clean leaves what was downloaded, and a clone as it came, and make distclean nothing" {
	dir=$BATS_TEST_TMPDIR/clone
	clone "$dir"
	run make -s -C "$dir" clean
	assert_success
	assert_output ''
	mkdir -p "$dir"/build/{apt,linux,x86_64/obj,x86_64-debug,arm64/obj,sysroot-1-x86_64}
	touch "$dir"/build/{base.version,root-1-x86_64.cpio.gz,x86_64/{bzImage,debian-stable.img}}
	run make -s -C "$dir" clean
	assert_success
	assert_output ''
	run ls -A "$dir/build" "$dir/build/x86_64"
	assert_output "$dir/build:
apt
lock
root-1-x86_64.cpio.gz
sysroot-1-x86_64
x86_64

$dir/build/x86_64:
debian-stable.img"
	make -s -C "$dir" distclean
	assert [ ! -e "$dir/build" ]
}

@test "make kernel, make stock-kernel and make tools make nothing again, and need no network for it" {
	run in_copy unshare -n make kernel stock-kernel tools
	assert_success
	refute_output --regexp 'download|unpack|copying|configuring|compiling|root:'
}

@test "make install puts all where DESTDIR says, and V=1 shows how" {
	run in_copy make install DESTDIR="$BATS_TEST_TMPDIR/root" V=1
	assert_success
	assert_line --regexp '^install .*luo-sh'
	run "$BATS_TEST_TMPDIR/root/usr/sbin/luo-sh" help
	assert_success
	assert_line --partial 'luo-sh'
}

# targets: those that make help and the README name, and the settings that go through.
targets() {
	make -s -C "$VM_REPO" help | sed -nE 's/^make ([a-z-]+).*/\1/p'
	# shellcheck disable=SC2016  # marks of the README
	grep -oE '`make [a-z][a-z-]*' "$VM_REPO/README.md" | cut -d ' ' -f 2
	sed -n 's/^export //p' "$VM_REPO/Makefile" | tr ' ' '\n'
}

@test "each target and setting that users are told of is run by what the table of them says" {
	# shellcheck disable=SC2016  # marks of the table
	table=$(sed -n '/^## Targets and settings/,/^## /p' "$VM_REPO/tests/README.md" | sed -nE 's/^\| `([^`]+)` \| `([^`]+)` \|.*/\1 \2/p')
	while read -r target; do
		by=$(awk -v t="$target" '$1 == t { print $2 }' <<<"$table")
		case $by in
		*.bats) ran=$(sed -nE 's/^@test "(.*)" \{$/\1/p' "$VM_REPO/tests/bats/$by") ;;
		'') fail "the table does not have $target" ;;
		*) ran=$(<"$VM_REPO/$by") ;;
		esac
		[[ $target == [A-Z]* ]] || target="make $target"
		grep -qE "(^|[^a-z-])$target([^a-z-]|\$)" <<<"$ran" || fail "$by does not run $target"
	done < <(targets | sort -u)
}

@test "make patches exports what git am makes the overlaid source of, file by file" {
	run in_copy make patches
	assert_success
	series=$(copied build/patches)
	mapfile -t files < <(sed -nE 's,^diff --git a/(.*) b/.*,\1,p' "$series"/*.patch | sort -u)
	assert [ ${#files[@]} -gt 100 ]
	base_repo "$BATS_TEST_TMPDIR/tree" "${files[@]}"
	run in_repo "$BATS_TEST_TMPDIR/tree" am "$series"/*.patch
	assert_success
	for file in "${files[@]}"; do
		cmp "$BATS_TEST_TMPDIR/tree/$file" "$VM_REPO/build/linux/$file"
	done
	# And that is all of what was changed.
	run sort "$VM_REPO/build/overlay.files"
	assert_output "$(printf '%s\n' "${files[@]}" | sort)"
	# Each says why it is there.
	for mail in "$series"/*.patch; do
		run sed -n '/^Subject: /,/^---$/p' "$mail"
		assert [ "$(wc -l <<<"$output")" -ge 5 ]
	done
}

# calls_of OBJECT SYMBOL: have an object of $calls call a function besides
calls_of() {
	"${ARCH_GNU}-gcc" -x c -c -o "$calls/more.o" - <<<"void $2(void); void more_$1(void); void more_$1(void) { $2(); }"
	"${ARCH_GNU}-ld" -r -o "$calls/both.o" "$objects/$1.o" "$calls/more.o"
	mv "$calls/both.o" "$objects/$1.o"
}

@test "a call upwards in kernel/liveupdate, a circle, and an include upwards fail the check of the layout" {
	calls=$BATS_TEST_TMPDIR
	objects=$calls/out/obj/kernel/liveupdate
	clone "$calls/clone"
	mkdir -p "$objects"
	cp "$VM_BUILD"/obj/kernel/liveupdate/luo_*.o "$objects"

	run env OUT="$calls/out" "$calls/clone/scripts/calls"
	assert_success
	assert_output ''

	calls_of luo_buf luo_file_get
	run env OUT="$calls/out" "$calls/clone/scripts/calls"
	assert_failure
	assert_line 'luo_buf.c calls luo_file, which is above it'
	assert_line --partial 'luo_buf.c            calls  luo_file.c'
	cp "$VM_BUILD/obj/kernel/liveupdate/luo_buf.o" "$objects"

	# Of the same line, which is no circle until the other one calls back
	calls_of luo_text luo_pidfd_get_file
	run env OUT="$calls/out" "$calls/clone/scripts/calls"
	refute_line --partial 'above it'
	refute_line --partial 'loop'
	calls_of luo_pidfd luo_format_name
	run env OUT="$calls/out" "$calls/clone/scripts/calls"
	assert_failure
	assert_line --regexp 'input contains a loop:.*luo_text'
	refute_line --partial 'above it'
	cp "$VM_BUILD"/obj/kernel/liveupdate/luo_{pidfd,text}.o "$objects"

	echo '#include "luo_core.h"' >>"$calls/clone/kernel/liveupdate/luo_flb.h"
	run env OUT="$calls/out" "$calls/clone/scripts/calls"
	assert_failure
	assert_output 'luo_flb.c includes luo_core, which is above it'
}

# type TEXT: into the terminal that make vm was started on.
type() { printf '%s' "$1" >&"$keys"; }

# shows PATTERN: the terminal shows a line of it, further down than what was seen before.
shows() {
	local deadline=$((SECONDS + 120))
	until tail -c "+$((seen + 1))" "$screen" | tr -d '\r' | grep -qE "$1"; do
		if ((SECONDS > deadline)); then
			echo "make vm does not show: $1"
			tail -n 20 "$screen"
			return 1
		fi
		read -rt 0.2 <> <(:) || :
	done
	seen=$(stat -c %s "$screen")
}

@test "make vm gives a shell with job control, which a kexec leads to another one of" {
	screen=$BATS_TEST_TMPDIR/screen
	seen=0
	: >"$screen"
	mkfifo "$BATS_TEST_TMPDIR/keys"
	# scripts/vm is what make vm runs once all is there.
	script -qfec "'$VM_REPO/scripts/vm'" "$screen" <"$BATS_TEST_TMPDIR/keys" >/dev/null 2>&1 3>&- &
	terminal=$!
	exec {keys}>"$BATS_TEST_TMPDIR/keys"
	shows '^guest# '
	type $'cat /proc/sys/kernel/random/boot_id | tr a-f A-F\n'
	shows '^[0-9A-F]{8}-'
	# Ctrl-C ends what runs, and nothing else.
	type $'echo begins; sleep 1000; echo "status $?"\n'
	shows '^begins'
	type $'\x03'
	shows '^guest# '
	type $'echo "jobs:$(jobs | wc -l)"\n'
	shows '^jobs:0'
	type $'mkdir /sys/kernel/config/liveupdate/sessions/a; luo-kexec\n'
	shows '^guest# '
	type $'ls /sys/kernel/config/liveupdate/incoming\n'
	shows '^a$'
	# Ctrl-A X
	type $'\x01x'
	wait "$terminal"
	exec {keys}>&-
}
