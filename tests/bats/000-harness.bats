#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
#
# The harness itself: each thing that can happen to a guest is reported as what it is.
# shellcheck disable=SC2016  # what is quoted is for the guest
# shellcheck disable=SC2154  # vm_run sets status, output, stderr

load lib/common

@test "a command's exit status, stdout and stderr come back" {
	vm_run -e 3 'echo out; echo err >&2; exit 3'
	assert_equal "$status" 3
	assert_output out
	assert_equal "$stderr" err
}

@test "an exit status that was not expected fails the test" {
	run vm_run 'exit 4'
	assert_failure 1
	assert_line 'vm_run: exit status 4, expected 0'
	vm_run -e any 'exit 5'
	assert_equal "$status" 5
}

@test "a guest that was to fail and did not fails the test" {
	run vm_run -f dead true
	assert_failure
	assert_line 'vm_run: the guest was to be dead, and is not'
}

@test "a command that dies of a signal has status 128 and its number" {
	vm_run -e 137 'kill -KILL $$'
	vm_run -e 139 'bash -c "kill -SEGV \$\$"'
}

@test "output comes back byte for byte, also when there is much of it" {
	vm_run 'printf "\0\1\377\r\n\n"; seq 200000'
	assert_equal "$(od -An -c -N 6 "$VM_DIR/stdout" | tr -s ' ')" ' \0 001 377 \r \n \n'
	assert_equal "$(tail -c +7 "$VM_DIR/stdout" | sha256sum)" "$(seq 200000 | sha256sum)"
}

@test "a script of several lines keeps its quotes" {
	vm_run "a='two  words'
		printf '%s\n' \"\$a\" '\$a' \"it's\""
	assert_line -n 0 'two  words'
	assert_line -n 1 '$a'
	assert_line -n 2 "it's"
}

@test "bash, dash and busybox sh are there, and the test helper" {
	vm_run 'for sh in bash dash "busybox sh"; do $sh -c "echo $sh \$((6 * 7))"; done'
	assert_output $'bash 42\ndash 42\nbusybox sh 42'
	vm_run 'luo-hold --help'
}

@test "a command past its deadline is late, and is killed" {
	vm_run -f late -t 1 'sleep 1000 & sleep 1000'
	vm_run 'while pidof sleep; do :; done'
}

@test "a process that is spawned goes on, and can be ended" {
	vm_spawn 'echo hello >/tmp/spawned; exec sleep 1000'
	pid=$output
	vm_run "until [ -s /tmp/spawned ]; do :; done; kill $pid"
}

@test "orphans are reaped" {
	vm_run 'for i in 1 2 3; do (true &); done
		for try in $(seq 100); do ps -o stat | grep -q Z || exit 0; sleep 0.05; done
		ps; exit 1'
}

@test "a file is pushed" {
	vm_push "$BATS_TEST_FILENAME"
	vm_run "sha256sum </tmp/${BATS_TEST_FILENAME##*/}"
	assert_output "$(sha256sum <"$BATS_TEST_FILENAME")"
}

@test "kexec ends in another kernel, three times in a row" {
	for _ in 1 2 3; do
		before=$(<"$VM_DIR/boot_id")
		vm_kexec
		vm_run 'cat /proc/sys/kernel/random/boot_id; cut -d . -f 1 /proc/uptime'
		assert_not_equal "${lines[0]}" "$before"
		assert_equal "${lines[0]}" "$(<"$VM_DIR/boot_id")"
		((lines[1] < VM_BOOT_SECONDS))
	done
}

@test "a kexec that is refused leaves the machine as it was" {
	vm_run 'sysctl -qw kernel.kexec_load_disabled=0; echo here >/tmp/mark'
	# Nothing is loaded, so kexec -e itself has nothing to go to.
	vm_load() { :; }
	vm_kexec_fails
	assert_output --partial 'Nothing has been loaded'
	vm_run 'cat /tmp/mark /proc/sys/kernel/random/boot_id'
	assert_output "here
$(<"$VM_DIR/boot_id")"
}

@test "vm_kexec_fails fails when the kexec goes through" {
	run vm_kexec_fails
	assert_failure
	assert_output --partial 'the kexec went through'
}

@test "a guest that powers off is dead" {
	vm_run -f dead 'poweroff -f'
}

@test "a guest whose QEMU is killed is dead, and the next one is another" {
	kill -KILL "$(<"$VM_DIR/pid")"
	vm_run -f dead true
	vm_until 10 vm_dead
	vm_start
	vm_run true
}

@test "a guest that panics is dead" {
	expect_kernel_line 'Kernel panic - not syncing: sysrq triggered crash'
	vm_run -f dead 'echo c >/proc/sysrq-trigger'
}

@test "a guest whose agent is stopped is hung" {
	vm_run -f hung -t 2 'kill -STOP $(pidof qemu-ga)'
}

@test "a guest whose processors are all stuck is hung" {
	vm_run -f hung -t 2 'for cpu in $(seq 0 $(($(nproc) - 1))); do
			taskset -c $cpu sh -c "echo HARDLOCKUP >/sys/kernel/debug/provoke-crash/DIRECT" &
		done
		wait'
}

@test "an oops is found in the kernel's log" {
	vm_run -e any 'echo EXCEPTION >/sys/kernel/debug/provoke-crash/DIRECT'
	guest_note 'after the oops'
	run kernel_log_clean
	assert_failure
	# Of what kind it is depends on what the kernel checks.
	assert_line --regexp 'Oops: '
	expect_kernel_line 'lkdtm: Performing direct entry EXCEPTION'
}

@test "a warning is found in the kernel's log, also one from before a kexec" {
	vm_run 'echo WARNING >/sys/kernel/debug/provoke-crash/DIRECT'
	vm_kexec
	run kernel_log_clean
	assert_failure
	assert_line --partial 'WARNING: '
	expect_kernel_line 'WARNING: .*lkdtm'
}

@test "a line that looks like trouble is enough" {
	vm_run 'echo "WARNING: not really" >/dev/kmsg'
	guest_note 'after the line'
	run kernel_log_clean
	assert_failure
	expect_kernel_line 'not really'
}

@test "what each of the kernel's checks begins with is trouble" {
	reports=('UBSAN: shift-out-of-bounds in x.c:1:2' 'BUG: KASAN: slab-use-after-free in x'
		'BUG kmalloc-64 (Not tainted): Right Redzone overwritten' 'pagealloc: memory corruption'
		'ODEBUG: free active (active state 0) object type: x' 'page dumped because: VM_BUG_ON_PAGE(x)')
	for report in "${reports[@]}"; do
		vm_run "echo ${report@Q} >/dev/kmsg"
	done
	guest_note 'after the lines'
	run kernel_log_clean
	assert_failure
	for report in "${reports[@]}"; do
		assert_line --partial "$report"
	done
	expect_kernel_line 'pagealloc: '
}

@test "a debug kernel checks what is undefined, and each object and free page" {
	[[ ${DEBUG-} == 1 ]] || skip 'no debug kernel'
	vm_run 'grep -w page_poison=1 /proc/cmdline || exit
		! grep "^pool_used *: 0$" /sys/kernel/debug/debug_objects/stats || exit
		echo ARRAY_BOUNDS >/sys/kernel/debug/provoke-crash/DIRECT'
	guest_note 'after it went out of bounds'
	run kernel_log_clean
	assert_failure
	assert_line --partial 'UBSAN: array-index-out-of-bounds'
	expect_kernel_line 'lkdtm: FAIL: survived array bounds overflow'
}

@test "a kernel line that was expected and did not come fails the test" {
	expect_kernel_line 'never said'
	run teardown
	assert_failure
	assert_output --partial 'did not say: never said'
	expect_kernel_line ''
}

@test "a session that is left behind is found, and removed" {
	vm_run -e any "mkdir $LUO/sessions/left $LUO/sessions/left/1"
	((status == 0)) || skip 'this kernel has no liveupdate in configfs'
	run teardown
	assert_failure
	assert_output --partial "left behind: $LUO/sessions/left"
	vm_run "[ ! -e $LUO/sessions/left ]"
}

@test "trouble of one test is not blamed on the next" {
	kernel_log_clean
}
