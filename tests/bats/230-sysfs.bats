#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
#
# /sys/kernel/liveupdate: the state and the number without configfs; and being told when the state changes.
# shellcheck disable=SC2016  # what is quoted is for the guest

load lib/common
load lib/owner

@test "state, number and outgoing can be read by everybody, and not be written" {
	owner_run 'sys=/sys/kernel/liveupdate
		[[ $(ls $sys | paste -sd " ") == "number outgoing state" ]] || ls $sys
		shows normal state $sys/state; shows 0 number $sys/{number,outgoing}
		[[ $(stat -c %a:%u $sys/{state,number,outgoing} | sort -u) == 444:0 ]] || stat $sys/*
		setpriv --reuid 1000 --regid 1000 --clear-groups bash -c "shows normal $sys/state; shows 0 $sys/number $sys/outgoing"'
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
	# What is told of the sessions themselves is of the tests below.
	owner_run 'sys=/sys/kernel/liveupdate
		shows updated $sys/state state; shows 1 $sys/number number
		luo-watch poll $sys/state >/tmp/polled & poller=$!
		luo-watch uevent LIVEUPDATE_STATE= >/tmp/uevents & listener=$!
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

# In the guest: watch_events; what was told of sessions and files until told_events COUNT is in /tmp/told, a line each.
EVENTS='
watch_events() {
	luo-watch uevent @/kernel/liveupdate >/tmp/uevents & listener=$!
	luo-watch poll /sys/kernel/liveupdate/outgoing >/tmp/outgoing & poller=$!
	trap "kill $listener $poller" EXIT
	until [[ -s /tmp/uevents && -s /tmp/outgoing ]]; do :; done
	for pid in $listener $poller; do until grep -q "^State:.S" /proc/$pid/status; do :; done; done
}
told_events() {
	until grep -o "EVENT=.*" /tmp/uevents | sed -e "s/ SEQNUM=[0-9]*//" -e "s/ \$//" >/tmp/told; (($(wc -l </tmp/told) >= $1)); do :; done
	cat /tmp/told
}
'

@test "each change of a session and its files sends a uevent, and outgoing counts and wakes who polls it" {
	vm_run "cd $LUO; $OWNER_PRELUDE$EVENTS"'
		watch_events
		agent A
		file 5 x; file 6 y
		mkdir sessions/s sessions/s/1 sessions/s/2 "sessions/a\\x2fb"
		put self:5 sessions/s/1/fd
		until [[ $(tail -n 1 /tmp/outgoing) == 1 ]]; do :; done
		put self:6 sessions/s/2/fd
		until [[ $(tail -n 1 /tmp/outgoing) == 2 ]]; do :; done
		rmdir sessions/s/1
		until [[ $(tail -n 1 /tmp/outgoing) == 1 ]]; do :; done
		# What fails changes nothing.
		try mkdir sessions/s; try put self:6 sessions/s/2/fd
		rmdir "sessions/a\\x2fb"
		tell A "put self sessions/s/owner"; end A; shows abandoned sessions/s/state
		shows 0 /sys/kernel/liveupdate/outgoing
		until [[ $(tail -n 1 /tmp/outgoing) == 0 ]]; do :; done
		put none sessions/s/owner; put self:6 sessions/s/2/fd
		until [[ $(tail -n 1 /tmp/outgoing) == 1 ]]; do :; done
		told_events 8; cat /tmp/outgoing; exec 2>/dev/null'
	assert_output 'File exists
Device or resource busy
EVENT=create SESSION=s
EVENT=create SESSION=a\x2fb
EVENT=preserve SESSION=s TOKEN=1
EVENT=preserve SESSION=s TOKEN=2
EVENT=unpreserve SESSION=s TOKEN=1
EVENT=remove SESSION=a\x2fb
EVENT=abandon SESSION=s
EVENT=preserve SESSION=s TOKEN=2
0
1
2
1
0
1'
	vm_kexec
	vm_run "cd $LUO; $OWNER_PRELUDE$EVENTS"'
		shows updated state; shows 1 /sys/kernel/liveupdate/outgoing
		watch_events
		exec 5</dev/null; put self:5 incoming/s/2/fd; put self:5 incoming/s/2/fd; put 1 incoming/s/finish
		until [[ $(tail -n 1 /tmp/outgoing) == 0 ]]; do :; done
		told_events 2; cat /tmp/outgoing; exec 2>/dev/null'
	assert_output 'EVENT=retrieve SESSION=s TOKEN=2
EVENT=finish SESSION=s
1
0'
}

@test "changes faster than 100 a second are counted, and one uevent tells how many were missed" {
	vm_run "cd $LUO; $OWNER_PRELUDE$EVENTS"'
		watch_events
		# 3,000 of them: on the slowest machine more than a second has room for.
		for ((i = 0; i < 1500; i++)); do echo sessions/s$i; done >/tmp/names
		xargs mkdir </tmp/names; xargs rmdir </tmp/names
		total() { grep -o "EVENT=[a-z]*\( MISSED=[0-9]*\)\?" /tmp/uevents | awk -F= "/MISSED/ { n += \$NF; next } { n++ } END { print n + 0 }"; }
		until (($(total) == 3000)); do :; done
		grep -c "EVENT=[cr]" /tmp/uevents; grep -c EVENT=missed /tmp/uevents; exec 2>/dev/null'
	((lines[0] >= 100 && lines[0] < 3000 && lines[1] > 0))
}
