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

@test "a kexec that nobody does is late" {
	! VM_BOOT_SECONDS=1 vm_await_kernel || return
	# shellcheck disable=SC2154  # of lib/vm
	assert_equal "$vm_failure" late
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
	expect_kernel_report 'Kernel panic - not syncing: sysrq triggered crash'
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
	expect_kernel_report 'lkdtm: Performing direct entry EXCEPTION'
}

@test "a warning is found in the kernel's log, also one from before a kexec" {
	vm_run 'echo WARNING >/sys/kernel/debug/provoke-crash/DIRECT'
	vm_kexec
	run kernel_log_clean
	assert_failure
	assert_line --partial 'WARNING: '
	expect_kernel_report 'WARNING: .*lkdtm'
}

@test "a line that looks like trouble is enough" {
	vm_run 'echo "WARNING: not really" >/dev/kmsg'
	guest_note 'after the line'
	run kernel_log_clean
	assert_failure
	expect_kernel_line 'not really'
}

# A line for each pattern in lib/trouble, as a kernel prints it
declare -gA TROUBLE=(
	['WARNING: ']='WARNING: CPU: 0 PID: 59 at drivers/misc/x.c:164 x+0xa/0x10'
	['BUG: ']='BUG: kernel NULL pointer dereference, address: 0000000000000000'
	['BUG [^ ]+ \(']='BUG kmalloc-64 (Not tainted): Right Redzone overwritten'
	['kernel BUG at']='kernel BUG at mm/x.c:1!'
	['Oops']='Oops: Oops: 0002 [#1] SMP'
	['Internal error: ']='Internal error: Undefined instruction: 0000000002000000 [#1]  SMP'
	['Kernel panic']='Kernel panic - not syncing: x'
	['PANIC: ']='traps: PANIC: double fault, error_code: 0x0'
	['cut here']='------------[ cut here ]------------'
	['Call [Tt]race:']='Call trace:'
	['general protection fault']='traps: luo-hold[59] general protection fault ip:0 sp:0 error:0'
	['Unable to handle']='Unable to handle kernel paging request at virtual address dfff800000000000'
	['synchronous external abort']='Internal error: synchronous external abort: 0000000096000410 [#1]  SMP'
	['SError Interrupt']='SError Interrupt on CPU0, code 0x00000000be000000 -- SError'
	['Insufficient stack space']='Insufficient stack space to handle exception!'
	['INFO: task']='INFO: task bash:59 blocked for more than 120 seconds.'
	['INFO: rcu']='rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:'
	['INFO: possible']='INFO: possible recursive locking detected'
	['INFO: suspicious']='INFO: suspicious RCU usage.'
	['INFO: trying to register']='INFO: trying to register non-static key.'
	['soft lockup']='watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [bash:59]'
	['hard LOCKUP']='watchdog: Watchdog detected hard LOCKUP on cpu 0'
	['possible .* deadlock']='WARNING: possible circular locking dependency, a possible unsafe deadlock'
	['turning off the locking correctness validator']='turning off the locking correctness validator.'
	['lockdep is turned off']='INFO: lockdep is turned off.'
	['sleeping function called']='BUG: sleeping function called from invalid context at mm/x.c:1'
	['scheduling while atomic']='BUG: scheduling while atomic: bash/59/0x00000002'
	['Bad page']='BUG: Bad page state in process bash  pfn:12345'
	['bad_page']=' bad_page+0x1/0x2'
	['page dumped because']='page dumped because: VM_BUG_ON_PAGE(x)'
	['pagealloc: ']='pagealloc: memory corruption'
	['refcount_t:']='refcount_t: underflow; use-after-free.'
	['list_add corruption']='list_add corruption. prev->next should be next (x), but was y. (prev=z).'
	['list_del corruption']='list_del corruption. prev->next should be x, but was y. (prev=z)'
	['ODEBUG: ']='ODEBUG: free active (active state 0) object type: x'
	['UBSAN:']='UBSAN: shift-out-of-bounds in x.c:1:2'
	['KASAN:']='BUG: KASAN: slab-use-after-free in x'
	['KFENCE:']='BUG: KFENCE: use-after-free read in x'
	['KCSAN:']='BUG: KCSAN: data-race in x / y'
	['unreferenced object']='unreferenced object 0xffff888012345678 (size 64):'
	['[Oo]ut of memory']='Memory cgroup out of memory: Killed process 59 (luo-hold) total-vm:1kB'
	['segfault at']='luo-hold[59]: segfault at 0 ip 0000000000401000 sp 00007ffc00000000 error 4 in luo-hold[401000+1000]'
	['traps: .*\[[0-9]+\]']='traps: luo-hold[59] trap invalid opcode ip:401000 sp:7ffc00000000 error:0'
	['unhandled exception: ']='luo-hold[59]: unhandled exception: DABT (lower EL), ESR 0x0000000092000044'
	['Busy inodes']='VFS: Busy inodes after unmount of tmpfs (tmpfs)'
	['already present!']="debugfs: Directory 'x' with parent 'y' already present!"
	['already exists in']="debugfs: 'x' already exists in 'y'"
	['cannot create duplicate filename']="sysfs: cannot create duplicate filename '/kernel/x'"
	['nobody cared']='irq 9: nobody cared (try booting with the "irqpoll" option)'
	['harness: trouble: ']='harness: trouble: the kernel is tainted: 512'
)

# A line of each who prints little, that is not normal
declare -gA TERSE=(
	['luo']='luo: s/1: freeze: EIO'
	['KHO']='KHO: disabling KHO revival'
	['memfd_luo[a-z_]*']='memfd_luo: what was saved is damaged, memory stays reserved: -EINVAL'
	['tmpfs_luo[a-z_]*']='tmpfs_luo: what was saved is damaged, memory stays reserved: -EINVAL'
	['liveupdate[a-z_]*( test)?']='liveupdate test: x: -ENOMEM'
	['kmemleak']='kmemleak: Kernel memory leak detector disabled'
)

# One for each that is normal
declare -gA NORMAL=(
	['KHO: scratch scale is [0-9]+%']='KHO: scratch scale is 200%'
	['KHO: scratch areas: lowmem: [0-9]+MiB global: [0-9]+MiB pernode: [0-9]+MiB']='KHO: scratch areas: lowmem: 16MiB global: 112MiB pernode: 16MiB'
	['KHO: found kexec handover data\.']='KHO: found kexec handover data.'
	['KHO: exec from: [^ ]+ \(count [0-9]+\)']='KHO: exec from: 7.3.4 (count 1)'
	['KHO: kept [0-9]+ MiB, with [0-9]+ MiB of gaps that are free by now']='KHO: kept 3 MiB, with 1 MiB of gaps that are free by now'
	['luo: hand-over [0-9]+, format [^ ]+']='luo: hand-over 1, format luo-v1'
	['kmemleak: Kernel memory leak detector initialized \(mem pool available: [0-9]+\)']='kmemleak: Kernel memory leak detector initialized (mem pool available: 15679)'
	['kmemleak: Automatic memory scanning thread (started|ended)']='kmemleak: Automatic memory scanning thread started'
	['kmemleak: Cannot allocate a scan area, scanning the full object']='kmemleak: Cannot allocate a scan area, scanning the full object'
	['liveupdate_sample: ledger: (preserved|unpreserved|retrieved|finished)']='liveupdate_sample: ledger: unpreserved'
	['luo: Retrieved live update data, liveupdate number: [0-9]+']='luo: Retrieved live update data, liveupdate number: 2'
	['liveupdate test: Registered [0-9]+ FLBs with file handler: \[[^ ]+\]']='liveupdate test: Registered 3 FLBs with file handler: [memfd-v2]'
	['liveupdate test: [^ ]+: (preserve|unpreserve|finish) was triggered']='liveupdate test: liveupdate-test-flb-v0: finish was triggered'
	['liveupdate test: [^ ]+: found flb data from the previous boot']='liveupdate test: liveupdate-test-flb-v0: found flb data from the previous boot'
)

# each_has_a_line LINES PATTERN…: each pattern has a line in that array, which it matches, and there are no others.
each_has_a_line() {
	local -n samples=$1
	local pattern
	for pattern in "${@:2}"; do
		[[ -n ${samples[$pattern]-} ]] || fail "no line of 000-harness: $pattern"
		grep -qE "$pattern" <<<"${samples[$pattern]}" || fail "does not match its line: $pattern"
	done
	assert_equal ${#samples[@]} $(($# - 1))
}

@test "each pattern of trouble, and of what is normal, has a line here that it matches" {
	each_has_a_line TROUBLE "${KERNEL_TROUBLE[@]}"
	each_has_a_line TERSE "${KERNEL_TERSE[@]}"
	each_has_a_line NORMAL "${KERNEL_NORMAL[@]}"
	# Each in the forms that a console has, and none of a line of another's that only has it inside
	for stamp in '' '[    1.234567] ' '[   12.345678][   T59] '; do
		assert_equal "$(printf "$stamp%s\r\n" "${NORMAL[@]}" | kernel_trouble)" ''
		run kernel_trouble < <(printf "$stamp%s\r\n" "${TROUBLE[@]}" "${TERSE[@]}")
		assert_equal ${#lines[@]} $((${#TROUBLE[@]} + ${#TERSE[@]}))
	done
	assert_equal "$(kernel_trouble <<<'[    1.234567] systemd[1]: luo: x')" ''
	# More than a normal line has
	assert_equal "$(kernel_trouble <<<'luo: hand-over 1, format luo-v1: EIO')" 'luo: hand-over 1, format luo-v1: EIO'
}

@test "each line of trouble on the console fails a test, and a normal one does not" {
	printf '%s\n' "${TROUBLE[@]}" "${TERSE[@]}" >"$BATS_TEST_TMPDIR/trouble"
	printf '%s\n' "${NORMAL[@]}" >"$BATS_TEST_TMPDIR/normal"
	for file in normal trouble; do
		vm_push "$BATS_TEST_TMPDIR/$file"
		vm_run "while IFS= read -r line; do echo \"\$line\" >/dev/kmsg; done </tmp/$file"
		guest_note 'after the lines'
		run kernel_log_clean
		[[ $file == trouble ]] || assert_success
	done
	assert_failure
	for line in "${TROUBLE[@]}" "${TERSE[@]}"; do
		assert_line --partial "$line"
	done
	expect_kernel_report 'luo: s/1: freeze: EIO'
}

@test "a line of trouble that is expected is no excuse for another one" {
	vm_run 'echo "luo: s/1: freeze: EIO" >/dev/kmsg; echo "luo: s/2: freeze: EIO" >/dev/kmsg'
	guest_note 'after the lines'
	expect_kernel_line 'luo: s/1: freeze: EIO'
	run kernel_log_clean
	assert_failure
	refute_line --partial s/1
	assert_line --partial 'luo: s/2: freeze: EIO'
	expect_kernel_line 'luo: s/2: freeze: EIO'
	kernel_log_clean
}

@test "a taint that no line tells of is found after the test, and before a kexec" {
	vm_run 'echo 512 >/proc/sys/kernel/tainted'
	run teardown
	assert_failure
	assert_line 'harness: trouble: the kernel is tainted: 512'
	# It is told once, and others still are.
	vm_run 'echo 8192 >/proc/sys/kernel/tainted'
	vm_kexec
	run kernel_log_clean
	assert_failure
	assert_line --partial 'harness: trouble: the kernel is tainted: 8192'
	expect_kernel_line 'harness: trouble: the kernel is tainted: 8192'
	vm_run 'cat /proc/sys/kernel/tainted'
	assert_output 0
}

@test "what leaks in a debug kernel is found before a kexec and at the end, and so is a kmemleak that gave up" {
	[[ ${DEBUG-} == 1 ]] || skip 'no debug kernel'
	vm_run '. look.bash; look_leaks'
	assert_output ''
	# A sample of the kernel's, which forgets what it has allocated
	vm_run 'insmod /boot/kmemleak-test.ko'
	vm_kexec
	run kernel_log_clean
	assert_failure
	assert_line --partial 'unreferenced object'
	vm_run 'echo off >/sys/kernel/debug/kmemleak'
	run guest_stop
	assert_failure
	assert_output --partial 'kmemleak is disabled'
	expect_kernel_report 'unreferenced object'
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
	expect_kernel_report 'lkdtm: FAIL: survived array bounds overflow'
}

@test "a kernel line that was expected and did not come fails the test" {
	expect_kernel_line 'never said'
	run teardown
	assert_failure
	assert_output --partial 'did not say: never said'
	expect_nothing
}

@test "what comes after the last test is found at the file's end" {
	vm_run 'echo "WARNING: late" >/dev/kmsg'
	guest_note 'after the line'
	# The end of the file looks at the same guest, and goes on with it here.
	vm_stop() { :; }
	count() { :; }
	run teardown_file
	assert_failure
	assert_line --partial 'WARNING: late'
	expect_kernel_line 'WARNING: late'
}

@test "a session that is left behind is found, outgoing or incoming and whatever its name, and removed" {
	vm_run -e any "mkdir $LUO/sessions/left $LUO/sessions/left/1 $LUO/sessions/.hidden"
	((status == 0)) || skip 'this kernel has no liveupdate in configfs'
	vm_kexec
	vm_run "mkdir $LUO/sessions/left $LUO/sessions/left/1 $LUO/sessions/.hidden"
	run teardown
	assert_failure
	for dir in {sessions,incoming}/{left,.hidden}; do
		assert_line "left behind: $LUO/$dir/"
	done
	vm_run "cat $LUO/state >/dev/null; ls -A $LUO/sessions $LUO/incoming"
	assert_output "$LUO/incoming:

$LUO/sessions:"
}

@test "an owner, a format and faults that are left behind are found, and set back" {
	vm_run "cd $LUO || exit
		echo luo-v5 >abi
		for attr in /sys/module/liveupdate_test*/parameters/{fail_*,hold_reboot}; do
			[[ ! -e \$attr ]] || echo 1 >\$attr
		done
		sleep 1000 &>/dev/null &
		exec 9</proc/\$!
		echo 9 >owner"
	run teardown
	assert_failure
	assert_line --regexp '^left behind: owner (pid:)?[0-9]+$'
	assert_line 'left behind: abi luo-v1 [luo-v5]'
	for attr in {testdev/parameters/fail_{preserve,freeze,retrieve,can_finish},test/parameters/fail_{preserve,retrieve}}; do
		assert_line "left behind: /sys/module/liveupdate_$attr 1"
	done
	assert_line 'left behind: /sys/module/liveupdate_testdev/parameters/hold_reboot Y'
	vm_run ". look.bash; look_state; cat $LUO/owner $LUO/abi"
	assert_output $'none\n[luo-v1] luo-v5'
}

# kunit EDIT: tests/kunit of a console that was edited by sed.
kunit() {
	sed -E "$1" >"$BATS_TEST_TMPDIR/console" <<-'END'
		[    0.100000] KTAP version 1
		[    0.100001] 1..2
		[    0.100002]     KTAP version 1
		[    0.100003]     # Subtest: first
		[    0.100004]     1..3
		[    0.100005]     ok 1 a
		[    0.100006]         KTAP version 1
		[    0.100007]         # Subtest: b
		[    0.100008]         ok 1 of 1
		[    0.100009]     ok 2 b
		[    0.100010]     ok 3 c
		[    0.100011] # first: pass:3 fail:0 skip:0 total:3
		[    0.100012] # Totals: pass:3 fail:0 skip:0 total:3
		[    0.100013] ok 1 first
		[    0.100014]     KTAP version 1
		[    0.100015]     # Subtest: second
		[    0.100016]     1..1
		[    0.100017]     ok 1 d
		[    0.100018] ok 2 second
		[    0.200000] KHO: found kexec handover data.
	END
	run "$VM_REPO/tests/kunit" "$BATS_TEST_TMPDIR/console"
}

@test "unit tests that are fewer or more than planned, fail, are skipped, or have the kernel in trouble are told" {
	kunit ''
	assert_success
	assert_output 'ok 1 kunit: first: a
ok 2 kunit: first: b
ok 3 kunit: first: c
ok 4 kunit: second: d'
	kunit 's/ok 3 c/& # SKIP has no c/'
	assert_success
	assert_line 'ok 3 kunit: first: c # skip has no c'

	kunit '/ok 2 b/d'
	assert_failure
	assert_line 'not ok 3 kunit: first: 2 cases came of 3'
	kunit 's/(.*) ok 3 c/&\n\1 ok 4 e/'
	assert_failure
	assert_line --regexp '^not ok .*first: 4 cases came of 3$'
	kunit '/ 1\.\.3$/d'
	assert_failure
	kunit '/ 1\.\.2$/d'
	assert_failure
	kunit 's/ok 1 a/not &/'
	assert_failure
	assert_line 'not ok 1 kunit: first: a'
	kunit 's/ok 1 first/not &/'
	assert_failure
	assert_line --regexp '^not ok .*first: the suite itself$'
	kunit '/0\.100018/,$d'
	assert_failure
	assert_line --regexp '^not ok .*second: no end, after 1 cases of 1$'
	kunit '/0\.100014/,$d'
	assert_failure
	assert_line --regexp '^not ok .*1 suites came of 2$'
	kunit 'd'
	assert_failure
	kunit '$s/KHO.*/WARNING: CPU: 0 PID: 1 at x/'
	assert_failure
	assert_line '# [    0.200000] WARNING: CPU: 0 PID: 1 at x'
}

@test "no script of a test negates a command that set -e then passes over" {
	# With || behind it, it decides.
	run grep -nE '^[[:space:]]*! [^|&]*$' "$BATS_TEST_DIRNAME"/*.bats
	assert_output ''
}

@test "trouble of one test is not blamed on the next" {
	kernel_log_clean
}

# prompted: the shell behind COPROC has a prompt, which it prints for each empty line.
prompted() {
	echo >&"${COPROC[1]}"
	read -rt 1 -d '#' _ <&"${COPROC[0]}"
}

@test "with KEEP=1 a guest whose test failed is kept, with a shell in it, and the next test gets another" {
	local dir=$BATS_TEST_TMPDIR/nested kept=$VM_REPO/build/kept/nested.1
	mkdir "$dir"
	ln -s "$VM_LIB" "$dir/lib"
	# What looks like a test here bats would take for one.
	sed 's/^test/@test/' >"$dir/nested.bats" <<-'END'
		load lib/common
		test "fails" {
			vm_run 'echo 6 >/tmp/mark'
			false
		}
		test "goes on" {
			vm_run '[[ ! -e /tmp/mark ]]'
		}
	END
	run env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME="$HOME" TMPDIR="$BATS_TEST_TMPDIR" ARCH="$ARCH" CONFIG="${CONFIG-}" DEBUG="${DEBUG-}" \
		VM_ACCEL="$VM_ACCEL" KEEP=1 bats --formatter tap "$dir/nested.bats" 3>&-
	assert_failure
	assert_line 'not ok 1 fails'
	assert_line 'ok 2 goes on'
	assert_line --partial "UNIX:$kept/shell.sock"
	coproc socat - "UNIX:$kept/shell.sock" 3>&-
	vm_until "$VM_SECONDS" prompted
	echo 'echo "mark $(($(</tmp/mark) * 7))"; busybox poweroff -f' >&"${COPROC[1]}"
	output=$(timeout "$VM_SECONDS" cat <&"${COPROC[0]}")
	VM_DIR=$kept vm_until "$VM_SECONDS" vm_dead
	rm -r "$kept"
	assert_output --partial 'mark 42'
}
