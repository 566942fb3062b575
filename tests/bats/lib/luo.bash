# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What tests of live update share. Sourced after lib/common.

# swap_start [ARGUMENT…]: guest_start, with an empty disk of 256 MiB to swap to, /dev/vda.
swap_start() {
	mkdir -p "$VM_DIR"
	truncate -s 256M "$VM_DIR/swap"
	guest_start "$@" -- -drive "file=$VM_DIR/swap,format=raw,if=virtio"
}

# luo_run [OPTION…] [LINE]: vm_run with the script on stdin, which gets what guest/luo.bash has, and LINE first.
luo_run() {
	local -a options=()
	while [[ ${1-} == -* ]]; do
		options+=("$1" "$2")
		shift 2
	done
	vm_run "${options[@]}" ". luo.bash${1:+$'\n'$1}
$(cat)"
}

# luo_survive FILE…: each FILE, told as to luo-hold, is after a kexec what it was before: in content, by value, and
# in all that luo-hold prints of it, its holes and blocks among it. A FILE is under token 0, 1, 2… of session s.
luo_survive() {
	local before line="files=(${*@Q})"
	luo_run "$line" <<-'END'
		for token in "${!files[@]}"; do
			luo-hold preserve sessions/s/$token 1 "${files[token]}" | sed 's/^fd=[0-9]*//'
		done
	END
	# shellcheck disable=SC2154  # vm_run sets output
	before=$output
	vm_kexec
	luo_run "$line" <<-'END'
		for token in "${!files[@]}"; do
			luo-hold retrieve incoming/s/$token 1 "${files[token]}" | sed 's/^fd=[0-9]*//'
		done
		echo 1 >incoming/s/finish
		shows . state=normal
	END
	assert_output "$before"
}

# luo_kexec_held [LINE]: kexec, with the script on stdin run after all was frozen and before the jump.
luo_kexec_held() {
	# shellcheck disable=SC2119  # without a script
	luo_kexec_hold
	luo_run "$@"
	luo_kexec_release
}

# luo_kexec_hold [SCRIPT]: kexec, right after SCRIPT, as far as all is frozen.
# shellcheck disable=SC2119,SC2120  # most have no script
luo_kexec_hold() {
	vm_run 'echo 1 >/sys/module/liveupdate_testdev/parameters/hold_reboot'
	vm_load
	vm_spawn "luo-kexec -n; ${1-}${1:+;} exec kexec -e"
	# shellcheck disable=SC2016  # for the guest
	luo_run <<<'until [[ $(<state) == frozen ]]; do :; done'
}

# luo_kexec_release: and go on.
luo_kexec_release() {
	vm_count
	# The kernel may be gone before the agent has answered.
	# shellcheck disable=SC2154  # vm_failure is of lib/vm
	vm_agent 2 spawn 'echo 0 >/sys/module/liveupdate_testdev/parameters/hold_reboot' || [[ $vm_failure == hung ]]
	vm_await_kernel
}
