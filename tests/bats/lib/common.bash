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
load lib/trouble

# shellcheck disable=SC2034  # for the tests
LUO=/sys/kernel/config/liveupdate

# guest_start [ARGUMENT…]: vm_start, with a look at what the boot said.
guest_start() {
	mkdir -p "$VM_DIR"
	local -a arguments=("$@")
	# In a test, what it began with stays to be looked at.
	: "${since:=$(guest_seen)}"
	declare -p arguments >"$VM_DIR/arguments"
	if vm_start "$@" && guest_note booted && kernel_log_clean; then
		return
	fi
	guest_log
	return 1
}

# guest_stop: vm_stop, and before it all that this kernel can be asked for. Fails when something is wrong.
guest_stop() {
	local rc=0
	if vm_alive; then
		output=
		vm_run '. look.bash
			look_state
			look_kernel 0
			look_leaks' || rc=1
		guest_forgive
		[[ -z $output ]] || rc=1
	fi
	vm_stop
	return "$rc"
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

# guest_seen: up to where the tests so far have looked at the console's log.
guest_seen() {
	cat "$VM_DIR/seen" 2>/dev/null || echo 0
}

# guest_log: the console since the last test's end, or what there is up to the position that is its argument.
guest_log() {
	echo "--- the guest's console:"
	tail -c "+$((since + 1))" "$VM_DIR/console.log" | head -c "$((${1-$(guest_position)} - since))" | tr -d '\r'
	echo "---"
}

# guest_forgive: take from output what belongs to a report that the test expects.
guest_forgive() {
	[[ -z $kernel_report ]] || output=$(grep -v '^harness: trouble: the kernel is tainted' <<<"$output" || true)
}

# kernel_log_clean [POSITION]: no trouble on the console since the last test's end, over a kexec too, but for what is
# expected.
# shellcheck disable=SC2120  # teardown has a position
kernel_log_clean() {
	local trouble
	[[ -z $kernel_report ]] || return 0
	trouble=$(guest_log "$@" | kernel_trouble)
	((${#kernel_lines[@]} == 0)) || trouble=$(grep -vE "$(one_of "${kernel_lines[@]}")" <<<"$trouble" || true)
	[[ -n $trouble ]] || return 0
	echo "the guest's kernel is in trouble:"
	echo "$trouble"
	return 1
}

# expect_kernel_line PATTERN: this test makes the kernel say that (an extended regular expression). It fails when
# the kernel does not. All other trouble is still trouble.
expect_kernel_line() {
	kernel_lines+=("$1")
	kernel_expected+=("$1")
}

# allow_kernel_line PATTERN: this test may make the kernel say that: chance decides.
allow_kernel_line() {
	kernel_lines+=("$1")
}

# expect_kernel_report PATTERN: this test makes the kernel report a bug, and say that. What else there is of trouble
# is taken to be of the report.
expect_kernel_report() {
	kernel_report=$1
	kernel_expected+=("$1")
}

# expect_nothing: as a test begins.
expect_nothing() {
	kernel_lines=()
	kernel_expected=()
	kernel_report=
}
expect_nothing

# count NAME N: so many of those were tried, by this file: for Documentation/hardening.md.
count() {
	local counts=$VM_REPO/build/$ARCH/counts
	mkdir -p "$counts"
	echo "$(basename "$BATS_TEST_FILENAME" .bats) $2" >>"$counts/$1"
}

# guest_keep: leave the guest as the test left it, for a person to look at, with a shell if it still answers.
guest_keep() {
	local kept
	kept=$VM_REPO/build/kept/$(basename "$BATS_TEST_FILENAME" .bats).$BATS_TEST_NUMBER
	vm_spawn 'while PS1="kept# " /usr/bin/setsid -cw bash --norc <>/dev/hvc0 >&0 2>&1; do :; done' >/dev/null || :
	rm -rf "$kept"
	mkdir -p "${kept%/*}"
	mv "$VM_DIR" "$kept"
	mkdir "$VM_DIR"
	cp "$kept/arguments" "$VM_DIR"
	echo "the guest is kept, as process $(<"$kept/pid"):"
	echo "socat -,raw,echo=0,escape=0x1d UNIX:$kept/shell.sock    a shell in it, which Ctrl-] leaves"
	echo "socat - UNIX:$kept/monitor.sock    QEMU's monitor, where quit ends it"
}

setup_file() {
	guest_start
}

# After the last test the console has been looked at by nobody.
teardown_file() {
	local rc=0 end
	since=$(guest_seen)
	guest_stop || rc=1
	if [[ -e $VM_DIR/console.log ]]; then
		end=$(guest_position)
		kernel_log_clean "$end" || rc=1
	fi
	[[ ! -e $VM_DIR/kexecs ]] || count kexecs "$(wc -c <"$VM_DIR/kexecs")"
	return "$rc"
}

setup() {
	guest_setup
}

# guest_setup: what comes before each test. One may have killed its guest: the next gets another.
guest_setup() {
	local -a arguments
	expect_nothing
	since=$(guest_seen)
	# A mutant is in the first kernel or in the next ones: each test has to begin with a first one then.
	if [[ -n ${LUO_MUTANT-}${MUTANTS_REACHED-} && -e $VM_DIR/kexecs ]]; then
		vm_stop
		rm "$VM_DIR/kexecs"
	fi
	if ! vm_alive; then
		# shellcheck source=/dev/null
		. "$VM_DIR/arguments"
		guest_start "${arguments[@]}"
	fi
}

# shellcheck disable=SC2154  # vm_failure is of lib/vm
teardown() {
	local rc=0 pattern end log
	# No guest was there for a test that is skipped.
	[[ -e $VM_DIR/console.log ]] || return 0
	if [[ $vm_failure == hung ]]; then
		if [[ -n ${BATS_TEST_COMPLETED:-} ]]; then
			vm_stop
		else
			vm_where
			[[ ${KEEP:-0} != 0 ]] || vm_stop
		fi
	elif vm_alive; then
		guest_note "end of test $BATS_TEST_NUMBER" '. look.bash
			look_state
			look_kernel 0' || rc=1
		guest_forgive
		if [[ -n $output ]]; then
			echo "$output"
			rc=1
		fi
	fi
	end=$(guest_position)
	log=$(guest_log "$end")
	[[ -z ${MUTANTS_REACHED-} ]] || {
		echo "$BATS_TEST_DESCRIPTION"
		grep -o 'mutants reached, .*' <<<"$log" || true
	} >>"$MUTANTS_REACHED"
	for pattern in "${kernel_expected[@]}"; do
		if ! grep -qE "$pattern" <<<"$log"; then
			echo "the guest's kernel did not say: $pattern"
			rc=1
		fi
	done
	kernel_log_clean "$end" || rc=1
	if ((rc)) || [[ -z ${BATS_TEST_COMPLETED:-} ]]; then
		echo "$log"
	fi
	echo "$end" >"$VM_DIR/seen"
	if [[ ${KEEP:-0} != 0 ]] && vm_alive && { ((rc)) || [[ -z ${BATS_TEST_COMPLETED:-} ]]; }; then
		guest_keep
	fi
	return "$rc"
}
