# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Code blocks of documents, run in a guest as they stand. Sourced after lib/common and lib/luo.

# shellcheck disable=SC2154  # vm_run sets output

# run_part FILE NEXT: have a shell of the guest read FILE, and tell on the console what comes of it. With NEXT it goes to
# the next kernel.
run_part() {
	local seen script="cd /root; bash -s </tmp/part >/dev/console 2>&1"
	seen=$(guest_position)
	vm_push "$1"
	if [[ -n $2 ]]; then
		vm_spawn "luo-kexec -n; $script"
		vm_await_kernel
	else
		vm_run -t 60 "$script || :"
		guest_note 'the block ends'
	fi
	log+=$(tail -c "+$((seen + 1))" "$VM_DIR/console.log")$'\n%%\n'
}

# run_block FILE NR [SCRIPT [LINE]]: after SCRIPT in the guest, the shell reads LINE and the block. Sets judged to how
# many commands there were.
run_block() {
	local part=$BATS_TEST_TMPDIR/part script log='' next
	script=$(cd "$VM_REPO" && tests/blocks script "$1" "$2")
	[[ -z ${3-} ]] || luo_run <<<"$3"
	script=${4:+$4$'\n'}$script
	while [[ -n $script ]]; do
		printf '%s\n' "${script%%$'\n'%%*}" >"$part"
		next=
		! grep -qE '^(kexec|luo-sh kexec) |&& (kexec -e|luo-sh kexec)' "$part" || next=1
		script=${script#*%%}
		script=${script#$'\n'}
		run_part "$part" "$next"
		# How to go there need not be said.
		[[ -z $script || -n $next ]] || vm_kexec
	done
	run "$VM_REPO/tests/blocks" judge <<<"$log"
	assert_output --regexp '^judged [0-9]+$'
	# shellcheck disable=SC2034  # for the tests
	judged=${output#judged }
}
