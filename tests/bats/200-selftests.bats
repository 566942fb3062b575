#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
#
# The base kernel's own tests of live update, unmodified: programs that were written for /dev/liveupdate find in
# this kernel what they know.
#
# Needs: selftests

# shellcheck disable=SC2154  # vm_run sets status, output, stderr

load lib/common

SELFTESTS=$VM_REPO/build/$ARCH/selftests
SELFTEST_NAMES=(liveupdate luo_kexec_simple luo_multi_session luo_stress_files luo_stress_sessions)

setup_file() {
	local name
	for name in "${SELFTEST_NAMES[@]}"; do
		if [[ ! -x $SELFTESTS/$name ]]; then
			echo "${SELFTESTS#"$VM_REPO/"}/$name is missing (scripts/selftests?)"
			return 1
		fi
	done
	guest_start
}

# selftest NAME [ARGUMENT…]: push it, also to the kernel after a kexec, and run it.
selftest() {
	vm_push "$SELFTESTS/$1"
	vm_run -t $((4 * VM_SECONDS)) "/tmp/$*"
}

# over_a_kexec NAME: its first stage, which leaves a process that holds the sessions; the kexec; its second stage.
over_a_kexec() {
	selftest "$1"
	assert_line --partial 'You may now perform kexec reboot.'
	vm_kexec
	selftest "$1" -s 2
	assert_output --regexp '--- .* KEXEC TEST PASSED .*---'
	vm_run "cat $LUO/state && ls $LUO/incoming"
	assert_output normal
}

@test "liveupdate: all its cases pass" {
	selftest liveupdate
	# The plan, and as many cases, numbered, none of which was skipped.
	assert_line --regexp '^1\.\.[1-9][0-9]*$'
	planned=$(sed -n 's/^1\.\.//p' <<<"$output")
	((planned == $(grep -c '^TEST_F(' "$VM_REPO/build/linux/tools/testing/selftests/liveupdate/liveupdate.c")))
	assert_equal "$(grep -cE '^ok [0-9]+ [^#]*$' <<<"$output")" "$planned"
	refute_output --partial 'not ok'
	assert_line "# Totals: pass:$planned fail:0 xfail:0 xpass:0 skip:0 error:0"
}

@test "luo_kexec_simple passes" {
	over_a_kexec luo_kexec_simple
}

@test "luo_multi_session passes" {
	over_a_kexec luo_multi_session
}

@test "luo_stress_files passes" {
	over_a_kexec luo_stress_files
}

@test "luo_stress_sessions passes" {
	over_a_kexec luo_stress_sessions
}
