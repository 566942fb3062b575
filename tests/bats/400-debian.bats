#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# bats file_tags=without-debug
#
# A whole Debian as it comes, on a disk: what the other tests have a small root for is the same on a server.
#
# Needs: debroot stable

# shellcheck disable=SC2016  # what is quoted is for the guest

load lib/common
load lib/luo

setup_file() {
	guest_start -r stable
}

# preserve TEXT: under token 42 of session vm1, by a shell that is gone then; and on the disk.
preserve() {
	luo_run "echo '$1' >/root/text" <<-'END'
		luo_file 5 "$(</root/text)"
		mkdir -p sessions/vm1/42
		echo self:5 >sessions/vm1/42/fd
		shows sessions/vm1/42 state=preserved
	END
}

# find_again TEXT
find_again() {
	luo_run "text='$1'" <<-'END'
		expect "$text" cat /root/text
		shows incoming/vm1 state=preserved
		exec 5</dev/null
		echo self:5 >incoming/vm1/42/fd
		expect "$text" cat /proc/self/fd/5
		echo 1 >incoming/vm1/finish
		shows . state=normal
	END
}

@test "it comes up, and nothing of it fails" {
	vm_run 'systemctl is-system-running --wait; systemctl --failed --no-legend; stat -fc %T /; cat /proc/1/comm'
	assert_output $'running\next2/ext3\nsystemd'
}

@test "bytes survive kexec -e, and those on the disk do" {
	preserve 'before the jump'
	vm_kexec
	find_again 'before the jump'
}

@test "bytes survive a kexec that systemd does, after it has stopped all that runs" {
	preserve 'before the shutdown'
	vm_load
	vm_spawn 'exec systemctl kexec'
	vm_await_kernel
	find_again 'before the shutdown'
}
