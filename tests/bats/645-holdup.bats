#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
#
# A user to whom sessions were given does all that may hold a kexec up: it is refused within freeze_timeout_ms, or
# goes, and nobody else's bytes are lost. HOLDUP_ROUNDS is how often.
# shellcheck disable=SC2016  # what is quoted is for the guest

load lib/common
load lib/luo

ROUNDS=${HOLDUP_ROUNDS:-1}

# In the guest. pester is the user's: anything into each attribute of a session, as fast as can be.
HOLDUP='pester() {
	local file
	while :; do
		for file in "$1"/* "$1"/*/*; do
			echo self:5 >"$file"
			echo none >"$file"
			read -r _ <"$file"
		done
		mkdir "$1/1" "$1/2"
		rmdir "$1/1"
	done &>/dev/null
}
as_user() {
	setpriv --reuid 1000 --regid 1000 --clear-groups "$@"
}
export -f pester waits'

# before ROUND: a file of the user's is preserved, which a task of his writes to, from a page that nobody serves.
before() {
	luo_run "round=$1
$HOLDUP" <<-'END'
		luo-hold preserve sessions/root/% 8 memfd,size=256K,seed=$round
		mkdir sessions/user$round sessions/user$round/7
		chown -R 1000:1000 sessions/user$round
		echo 1 >/proc/sys/vm/unprivileged_userfaultfd
		export round
		as_user luo-hold make memfd,size=64K,fd=5,seed=$round -- bash -c '
			cd /sys/kernel/config/liveupdate
			mkfifo /tmp/stall
			luo-stall write 5 </tmp/stall >/tmp/stalled &
			echo $! >/tmp/stall.pid
			exec 7>/tmp/stall
			until [[ -s /tmp/stalled ]]; do :; done
			echo self:5 >sessions/user$round/7/fd 7>&- &
			waits $!
			pester sessions/user$round 7>&- &
			: >/tmp/ready
			exec sleep 1000' &>/dev/null &
		until [[ -e /tmp/ready ]]; do :; done
		echo 500 >freeze_timeout_ms
		from=${EPOCHREALTIME/.}
		kexec_refused EBUSY
		spent=$((${EPOCHREALTIME/.} - from))
		# With what kexec itself takes beside the loop on a machine that is as busy
		((spent < 500000 + 5000000)) || { echo "$spent us" >&2; false; }
		[[ $(<last_error) == *" EBUSY operation under way user$round/"* ]]
		# Without the write the loop goes on, and so does the machine.
		kill -KILL $(</tmp/stall.pid)
		until [[ $(<sessions/user$round/7/state) == preserved ]]; do :; done
		echo 10000 >freeze_timeout_ms
	END
}

# after ROUND: the user retrieves his file over a descriptor of a file system of his, which does not have it closed, and
# goes on with the loop: in this there is nothing to wait for.
after() {
	luo_run "round=$1
$HOLDUP" <<-'END'
		shows . state=updated
		luo-hold retrieve incoming/root/% 8 memfd,size=256K,seed=$round
		echo 1 >incoming/root/finish
		chown -R 1000:1000 incoming/user$round
		chmod 666 /dev/fuse
		export round
		as_user unshare -Urm bash -c '
			cd /sys/kernel/config/liveupdate
			mkdir /tmp/fuse
			mkfifo /tmp/in /tmp/out
			luo-stall close /tmp/fuse </tmp/in >/tmp/out &
			exec 7>/tmp/in 8</tmp/out
			read -r line <&8 && [[ $line == ready ]]
			{
				exec 6<>/tmp/fuse/file
				: >/tmp/opened
				until [[ -e /tmp/asked ]]; do :; done
				echo self:6 >incoming/user$round/7/fd
			} 7>&- 8<&- &
			until [[ -e /tmp/opened ]]; do :; done
			echo now >&7
			: >/tmp/asked
			read -r line <&8 && [[ $line == stalled ]]
			pester incoming/user$round &
			: >/tmp/ready
			exec sleep 1000' &>/dev/null &
		until [[ -e /tmp/ready ]]; do :; done
	END
}

@test "a user with sessions, userfaultfd, FUSE and loops cannot delay a kexec beyond the bound, nor lose others' bytes" {
	local round
	for ((round = 0; round < ROUNDS; round++)); do
		allow_kernel_line 'luo: (user[0-9]+/[0-9]+: )?operation under way: EBUSY'
		vm_load
		before "$round"
		vm_jump
		after "$round"
	done
	# What is the user's was carried on, from kernel to kernel.
	vm_kexec
	luo_run "rounds=$ROUNDS" <<-'END'
		for ((round = 0; round < rounds; round++)); do
			luo-hold retrieve incoming/user$round/7 1 memfd,size=64K,seed=$round
			echo 1 >incoming/user$round/finish
		done
		shows . state=normal
	END
	count holdups "$ROUNDS"
}
