#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
#
# /sys/kernel/liveupdate: the state and the number without configfs; and being told when the state changes.
# shellcheck disable=SC2016  # what is quoted is for the guest

load lib/common
load lib/owner

@test "state and number read as in configfs, and cannot be written" {
	owner_run 'sys=/sys/kernel/liveupdate
		[[ $(ls $sys | paste -sd " ") == "number state" ]] || ls $sys
		shows normal state $sys/state; shows 0 number $sys/number
		[[ $(stat -c %a:%u $sys/{state,number} | sort -u) == 444:0 ]] || stat $sys/*
		setpriv --reuid 1000 --regid 1000 --clear-groups bash -c "shows normal $sys/state; shows 0 $sys/number"'
}

@test "they are there without configfs" {
	owner_run 'mount | grep -q " /sys/kernel/config " && cd / && umount /sys/kernel/config
		shows normal /sys/kernel/liveupdate/state; shows 0 /sys/kernel/liveupdate/number
		mount -t configfs configfs /sys/kernel/config'
}

@test "a change of the state wakes who polls it, and sends a uevent" {
	# Two sessions: the first one's end changes nothing yet.
	owner_run 'mkdir sessions/{a,b}'
	vm_kexec
	owner_run 'sys=/sys/kernel/liveupdate
		shows updated $sys/state state; shows 1 $sys/number number
		luo-watch poll $sys/state >/tmp/polled & poller=$!
		luo-watch uevent @/kernel/liveupdate >/tmp/uevents & listener=$!
		trap "kill $poller $listener" EXIT
		# Both have begun, and sleep.
		until [[ -s /tmp/polled && -s /tmp/uevents ]]; do :; done
		for pid in $poller $listener; do until grep -q "^State:.S" /proc/$pid/status; do :; done; done
		put 1 incoming/a/finish; shows updated $sys/state
		put 1 incoming/b/finish
		until [[ $(wc -l </tmp/polled) -ge 2 && $(wc -l </tmp/uevents) -ge 2 ]]; do :; done
		shows normal $sys/state state; shows 1 $sys/number
		[[ $(</tmp/polled) == "updated
normal" ]] || cat /tmp/polled
		[[ $(sed "s/ SEQNUM=[0-9]*//" /tmp/uevents) == "listening
change@/kernel/liveupdate ACTION=change DEVPATH=/kernel/liveupdate SUBSYSTEM=liveupdate LIVEUPDATE_STATE=normal " ]] ||
			cat /tmp/uevents
		rm /tmp/polled /tmp/uevents; exec 2>/dev/null'
}

@test "the number counts hand-overs in a row" {
	for number in 2 3; do
		owner_run 'mkdir sessions/s'
		vm_kexec
		owner_run 'shows '$number' number /sys/kernel/liveupdate/number; put 1 incoming/s/finish; shows normal state'
	done
	vm_kexec
	owner_run 'shows 0 number /sys/kernel/liveupdate/number; shows normal state /sys/kernel/liveupdate/state'
}
