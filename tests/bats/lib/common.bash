# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What every bats file starts with: load lib/common. Gives it one guest, which lives from its first test to its
# last, and looks after each test whether that left the guest as it was.
#
# A file that wants another machine has a setup_file of its own: guest_start -m 2G -a 'more=on the=cmdline'.

bats_require_minimum_version 1.8.0
bats_load_library bats-support
bats_load_library bats-assert
bats_load_library bats-file

VM_DIR=$BATS_FILE_TMPDIR/vm
load lib/vm

LUO=/sys/kernel/config/liveupdate

# What no kernel may say, unless a test expects it.
KERNEL_TROUBLE='WARNING: |BUG: |kernel BUG at|Oops|Kernel panic|Call Trace:|general protection fault|cut here'
KERNEL_TROUBLE+='|INFO: (task|rcu|possible|suspicious|trying to register)|soft lockup|hard LOCKUP|possible .* deadlock'
KERNEL_TROUBLE+='|sleeping function called|scheduling while atomic|Bad page|bad_page|refcount_t:|UBSAN:|KASAN:|KFENCE:'
KERNEL_TROUBLE+='|KCSAN:|kmemleak: [0-9]|unreferenced object|list_(add|del) corruption|Out of memory|Unable to handle'
KERNEL_TROUBLE+='|ODEBUG: |pagealloc: |BUG [^ ]+ \(|page dumped because'

# guest_start [ARGUMENT…]: vm_start, with a look at what the boot said.
guest_start() {
	mkdir -p "$VM_DIR"
	local -a arguments=("$@")
	since=$(guest_position)
	declare -p arguments >"$VM_DIR/arguments"
	if vm_start "$@" && guest_note booted && kernel_log_clean; then
		return
	fi
	guest_log
	return 1
}

# guest_note TEXT [SCRIPT]: run SCRIPT in the guest, write a line to its kernel log and wait for that on the
# console: the console driver has a thread of its own, and what was printed before is there only then.
guest_note() {
	local note="harness: $1 ($RANDOM$RANDOM)"
	vm_run "${2:-}
		echo '$note' >/dev/kmsg" >/dev/null || return
	vm_until "$VM_SECONDS" grep -qF "$note" "$VM_DIR/console.log"
}

# guest_position: where the console's log ends now.
guest_position() {
	stat -c %s "$VM_DIR/console.log" 2>/dev/null || echo 0
}

# guest_log: the console since the test began.
guest_log() {
	echo "--- the guest's console:"
	tail -c "+$((since + 1))" "$VM_DIR/console.log" | tr -d '\r'
	echo "---"
}

# kernel_log_clean: no trouble on the console since the test began, over a kexec too.
kernel_log_clean() {
	local trouble
	trouble=$(guest_log | grep -E "$KERNEL_TROUBLE") || return 0
	echo "the guest's kernel is in trouble:"
	echo "$trouble"
	return 1
}

# expect_kernel_line PATTERN: this test makes the kernel say that (an extended regular expression). It fails when
# the kernel does not, and other trouble is taken to belong to it.
expect_kernel_line() {
	kernel_line=$1
}

# count NAME N: so many of those were tried, by this file: for Documentation/hardening.md.
count() {
	local counts=$VM_REPO/build/$ARCH/counts
	mkdir -p "$counts"
	echo "$(basename "$BATS_TEST_FILENAME" .bats) $2" >>"$counts/$1"
}

# Says which sessions are left behind. They are removed, so that the next test does not fail too.
SESSIONS_GONE="for session in $LUO/sessions/*/ $LUO/incoming/*/; do
		[ -d \"\$session\" ] || continue
		echo \"left behind: \$session\"
		case \$session in
		*/sessions/*) rmdir \"\$session\"*/ \"\$session\" ;;
		*) echo discard >\"\${session}finish\" ;;
		esac
	done 2>&1"

setup_file() {
	guest_start
}

teardown_file() {
	local rc=0
	since=$(guest_position)
	# Objects younger than five seconds are not reported yet.
	if vm_alive && vm_run '[ ! -e /sys/kernel/debug/kmemleak ] || {
		echo scan >/sys/kernel/debug/kmemleak
		sleep 5
		echo scan >/sys/kernel/debug/kmemleak
		cat /sys/kernel/debug/kmemleak
	}' >/dev/null && [[ -n $output ]]; then
		echo "kmemleak:"
		echo "$output"
		rc=1
	fi
	vm_stop
	[[ ! -e $VM_DIR/kexecs ]] || count kexecs "$(wc -c <"$VM_DIR/kexecs")"
	return "$rc"
}

# A test may have killed its guest: the next one gets another.
setup() {
	local -a arguments
	kernel_line=
	if ! vm_alive; then
		# shellcheck source=/dev/null
		. "$VM_DIR/arguments"
		guest_start "${arguments[@]}"
	fi
	# All that was printed before is there: guest_start and teardown wait for it.
	since=$(guest_position)
}

# shellcheck disable=SC2154  # vm_failure is of lib/vm
teardown() {
	local rc=0
	if [[ $vm_failure == hung ]]; then
		[[ -n ${BATS_TEST_COMPLETED:-} ]] || vm_where
		vm_stop
	elif vm_alive; then
		guest_note "end of test $BATS_TEST_NUMBER" "$SESSIONS_GONE" || rc=1
		if [[ -n $output ]]; then
			echo "$output"
			rc=1
		fi
	fi
	if [[ -z $kernel_line ]]; then
		kernel_log_clean || rc=1
	elif ! guest_log | grep -qE "$kernel_line"; then
		echo "the guest's kernel did not say: $kernel_line"
		rc=1
	fi
	if ((rc)) || [[ -z ${BATS_TEST_COMPLETED:-} ]]; then
		guest_log
	fi
	return "$rc"
}
