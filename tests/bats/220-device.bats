#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
#
# /dev/liveupdate: its ioctls as the base kernel's include/uapi/linux/liveupdate.h has them, and what it has in
# common with configfs: the lock, and the sessions. Scripts print what is wrong, and nothing when all is well.
# shellcheck disable=SC2016  # what is quoted is for the guest

load lib/common
load lib/owner

# asks WANT NAME COMMAND: the luo-ioctl that is agent NAME answers a command with WANT. Prints what is wrong.
# claim NAME: that agent is the root's owner from now on, and so may what it runs change anything.
DEVICE_PRELUDE='
claim() {
	exec 9</proc/${pid[$1]}
	put 9 owner
	exec 9<&-
}

asks() {
	local said=$(ask "$2" "$3")
	[[ $said == "$1" ]] || echo "$2: $3: $said, expected: $1"
}

# asks_wrong NR SIZE: what is no ioctl NR of a session, whose struct has SIZE bytes
asks_wrong() {
	local short
	for short in 0 4 $(($2 - 1)); do asks EINVAL D "raw session nr=$1 size=$short"; done
	asks E2BIG D "raw session nr=$1 size=$(($2 + 8)) z$2=1"
	asks ENOTTY D "raw session nr=$1 type=0xbb size=$2"; asks EFAULT D "raw session nr=$1 null=1"
}
'

device_run() {
	local -a args=("$@")
	local last=$((${#args[@]} - 1))
	args[last]=$DEVICE_PRELUDE${args[last]}
	owner_run "${args[@]}"
}

@test "the device is open once" {
	device_run 'agent D luo-ioctl -
		asks ok D open
		refused "$BUSY" eval "exec 7<>/dev/liveupdate"
		asks EBUSY D open; asks "$BUSY" D "run try eval \"exec 7<>/dev/liveupdate\""
		agent E luo-ioctl -; asks EBUSY E open
		end D
		asks ok E open; end E; exec 7<>/dev/liveupdate; exec 7>&-'
}

@test "a root's owner, and what it has started, can open the device, and nobody else" {
	device_run 'agent A; tell A "put self owner"
		refused "$BUSY" eval "exec 7<>/dev/liveupdate"
		tell A "exec 7<>/dev/liveupdate"; shows pid:${pid[A]} owner
		# It is the owner as before, but the owner can become nobody else.
		tell A "mkdir sessions/x; rmdir sessions/x; refused \"$BUSY\" put none owner; put self owner
			exec 9</proc/$$; refused \"$BUSY\" put 9 owner"
		tell A "exec 7>&-; bash -c \"exec 7<>/dev/liveupdate; shows pid:${pid[A]} owner\""
		# It was claimed, and stays so.
		shows pid:${pid[A]} owner; refused "$BUSY" mkdir sessions/x
		tell A "put none owner"; shows none owner'
}

@test "an open device is the root's owner by its descriptor: configfs is for owners of sessions" {
	device_run 'mkdir sessions/s sessions/s/1 sessions/own; file 5 x
		agent A; agent B; tell B "put self sessions/own/owner"
		tell A "exec 7<>/dev/liveupdate"; shows fd owner
		for who in main A B; do
			run=eval; [[ $who == main ]] || run="tell $who"
			$run "file 6 x
				for text in self none fd pid:1; do refused \"$BUSY\" put \$text owner; done
				refused \"$BUSY\" mkdir sessions/x; refused \"$BUSY\" put luo-v5 abi
				refused \"$BUSY\" mkdir sessions/s/2; refused \"$BUSY\" rmdir sessions/s/1
				refused \"$BUSY\" put self:6 sessions/s/1/fd; refused \"$BUSY\" put self sessions/s/owner"
		done
		tell B "file 6 x; mkdir sessions/own/1; put self:6 sessions/own/1/fd; rmdir sessions/own/1
			exec 9</proc/${pid[A]}; put 9 sessions/own/owner"
		tell A "mkdir sessions/own/1; rmdir sessions/own/1; put none sessions/own/owner"
		refused "$BUSY" put self sessions/own/owner
		tell A "exec 7>&-"; shows none owner
		mkdir sessions/s/2; rmdir sessions/s/*/ sessions/s sessions/own'
}

@test "a device that is closed takes nothing that was claimed" {
	device_run 'agent A
		tell A "put self owner; exec 7<>/dev/liveupdate 7>&-"; shows pid:${pid[A]} owner
		refused "$BUSY" mkdir sessions/x
		end A; shows none owner
		exec 7<>/dev/liveupdate; shows fd owner; exec 7>&-; shows none owner'
}

@test "the device is its descriptor's, whoever has that and whoever opened it" {
	device_run 'agent A; tell A "exec 7<>/dev/liveupdate"; end A; shows none owner; mkdir sessions/x; rmdir sessions/x
		for claim in "" "put self owner;"; do
			agent A; tell A "$claim exec 7<>/dev/liveupdate; sleep 1000 & echo \$!" >/tmp/sleeper; end A
			shows fd owner; refused "$BUSY" mkdir sessions/x; refused "$BUSY" put self owner
			kill -KILL $(</tmp/sleeper); while [[ -e /proc/$(</tmp/sleeper) ]]; do :; done; rm /tmp/sleeper
			shows none owner; mkdir sessions/x; rmdir sessions/x
		done'
}

@test "a session of the device's is listed while it lives, and nobody can change it there" {
	device_run 'file 5 hello; agent D luo-ioctl -; claim D
		asks ok D open; asks ok D "create vm1"; asks vm1 D name; asks yes D cloexec
		asks "anon_inode:[luo_session] vm1" D link
		shows normal state; [[ $(ls sessions) == vm1 ]] || ls sessions
		shows fd sessions/vm1/owner; shows open sessions/vm1/state; shows 0 sessions/vm1/files
		asks ok D "preserve 5 42"; shows 1 sessions/vm1/files
		[[ $(ls sessions/vm1 | paste -sd " ") == "files label last_error limit owner prepare state" ]] || ls sessions/vm1
		for run in eval "ask D run\ "; do
			for script in "rmdir sessions/vm1:$PERM" "mkdir sessions/vm1/1:$PERM" "put self sessions/vm1/owner:$BUSY" \
				"put none sessions/vm1/owner:$BUSY"; do
				if [[ $run == eval ]]; then
					refused "${script#*:}" ${script%%:*}
				else
					# As one that acts for the owner, so that it is not that which keeps it out
					asks "${script#*:}" D "run try ${script%%:*}"
				fi
			done
		done
		# The names are of one space.
		asks "File exists" D "run try mkdir sessions/vm1"
		asks ok D "run try mkdir sessions/dir"; asks EEXIST D "create dir"; asks EEXIST D "create vm1"
		asks ok D drop; shows normal state; [[ $(ls sessions) == dir ]] || ls sessions
		asks ok D "run try mkdir sessions/vm1"
		end D; rmdir sessions/vm1 sessions/dir'
}

@test "the directory of a session of the device's comes and goes without being asked for" {
	device_run 'agent D luo-ioctl -; asks ok D open; asks ok D "create a"
		until [[ -d sessions/a ]]; do :; done
		asks ok D drop
		while [[ -d sessions/a ]]; do :; done; end D'
}

@test "names that no directory can have are listed escaped" {
	device_run 'luo-ioctl open "create a/b" "create ." "create .." $'"'create a\\nb'"' "create a\\x2fb" "create x\\y" \
			"create $(printf %063d 0)" "run cat state; ls -1b sessions" >/tmp/names
		[[ $(</tmp/names) == "$(printf "ok\n%.0s" {1..8})
normal
$(printf %063d 0)
\\\\x2e
\\\\x2e.
a\\\\x0ab
a\\\\x2fb
a\\\\x5cx2fb
x\\\\y" ]] || cat /tmp/names
		rm /tmp/names; shows normal state; [[ -z $(ls sessions) ]] || ls sessions'
}

@test "sessions of either come back through the other" {
	vm_spawn "$OWNER_PRELUDE"'
		mkdir sessions/dir sessions/dir/{1,2}
		file 5 dir1; put self:5 sessions/dir/1/fd; file 5 dir2; put self:5 sessions/dir/2/fd
		file 5 dev1; file 6 dev2
		exec luo-ioctl open "create dev" "preserve 5 1" "preserve 6 18446744073709551615" "create d/e/v" "preserve 5 1" \
			"run touch /tmp/ready; exec sleep 1000"'
	vm_run 'until [ -e /tmp/ready ]; do :; done'
	vm_kexec
	device_run 'shows updated state
		[[ $(ls incoming | paste -sd " ") == "d\\x2fe\\x2fv dev dir" ]] || ls incoming
		exec 5</dev/null; put self:5 incoming/dev/1/fd; holds dev1 5
		put self:5 incoming/dev/18446744073709551615/fd; holds dev2 5; put 1 incoming/dev/finish
		shows 0 incoming/d*2fv/files; put 1 incoming/d\\x2fe\\x2fv/finish
		agent D luo-ioctl -
		asks ok D open; asks ENOENT D "retrieve dev"; asks ok D "retrieve dir"; asks dir D name; asks yes D cloexec
		asks ok D "fetch 1 25"; asks dir1 D "run cat /proc/self/fd/25; echo"
		asks ok D "fetch 2 25"; asks dir2 D "run cat /proc/self/fd/25; echo"
		asks ok D finish; asks ok D finish; asks ENOENT D "fetch 1 25"; asks ENOENT D "retrieve dir"
		asks ok D drop
		shows normal state; [[ -z $(ls incoming) ]] || ls incoming'
}

@test "closing an incoming session's descriptor loses nothing, and finishes what was all retrieved" {
	owner_run 'for s in a b c; do mkdir sessions/$s sessions/$s/{1,2}; for t in 1 2; do
			file 5 $s$t; put self:5 sessions/$s/$t/fd; done; done'
	vm_kexec
	device_run 'shows updated state; agent D luo-ioctl -; asks ok D open
		# Nothing retrieved, one, both
		for n in 0 1; do
			asks ok D "retrieve a"; shows fd incoming/a/owner; asks EINVAL D "retrieve a"
			for script in "self:5 incoming/a/1/fd" "1 incoming/a/finish" "discard incoming/a/finish" "self incoming/a/owner"; do
				asks "$BUSY" D "run try put $script 5</dev/null"
			done
			((n == 0)) || { asks ok D "fetch 1 25"; asks a1 D "run cat /proc/self/fd/25; echo"; }
			asks ok D drop; shows ${n} incoming/a/retrieved; shows none incoming/a/owner; shows 2 incoming/a/files
		done
		asks "$BUSY" D "run try put 1 incoming/a/finish"; asks "$BUSY" D "run try put self incoming/a/owner"
		asks ok D "retrieve a"; asks ok D "fetch 1 25"; asks ok D "fetch 2 26"
		asks a1 D "run cat /proc/self/fd/25; echo"; asks a2 D "run cat /proc/self/fd/26; echo"
		asks ok D drop; shows updated state; [[ $(ls incoming | paste -sd " ") == "b c" ]] || ls incoming
		# Through configfs, after who had it was killed
		asks ok D "retrieve b"; asks ok D "fetch 2 25"; end D
		shows retrieving incoming/b/state; shows none incoming/b/owner
		exec 5</dev/null; for t in 1 2; do put self:5 incoming/b/$t/fd; holds b$t 5; done; put 1 incoming/b/finish
		# The other way round
		put self:5 incoming/c/1/fd; agent D luo-ioctl -; asks ok D open; asks ok D "retrieve c"
		asks ok D "fetch 1 25"; asks c1 D "run cat /proc/self/fd/25; echo"
		asks ok D "fetch 2 25"; asks c2 D "run cat /proc/self/fd/25; echo"; asks ok D finish
		shows normal state'
}

@test "an answer that cannot be delivered changes nothing" {
	device_run 'file 5 x; agent D luo-ioctl -; claim D; asks ok D open
		asks EFAULT D "raw dev nr=0 size=72 name=s readonly=1"; shows normal state; [[ -z $(ls sessions) ]] || ls sessions
		asks ok D "create s"
		asks EFAULT D "raw session nr=0x40 size=16 z4=5 u8=1 readonly=1"; shows 0 sessions/s/files
		asks EFAULT D "raw session nr=0x43 size=72 readonly=1"
		asks ok D "preserve 5 1"; asks ok D drop
		asks ok D "run try mkdir sessions/s sessions/s/1 sessions/s/2"
		asks ok D "run try put self:5 sessions/s/1/fd"
		asks ok D "run put none sessions/s/owner; file 5 y; try put self:5 sessions/s/2/fd"'
	vm_kexec
	device_run 'shows updated state; agent D luo-ioctl -; asks ok D open
		asks EFAULT D "raw dev nr=1 size=72 name=s readonly=1"; shows none incoming/s/owner
		asks ok D "retrieve s"
		asks EFAULT D "raw session nr=0x41 size=16 u8=1 readonly=1"; shows 0 incoming/s/retrieved
		shows preserved incoming/s/1/state
		asks ok D "fetch 1 25"; asks x D "run cat /proc/self/fd/25; echo"
		asks EFAULT D "raw session nr=0x41 size=16 u8=2 readonly=1"
		asks ok D drop; shows 1 incoming/s/retrieved
		asks ok D "retrieve s"; asks ok D "fetch 2 25"; asks y D "run cat /proc/self/fd/25; echo"; asks ok D finish
		shows normal state'
}

@test "each errno of an ioctl is what its description says" {
	device_run 'mkdir sessions/in sessions/in/1; file 5 in; put self:5 sessions/in/1/fd'
	vm_kexec
	device_run 'file 5 x; file 6 y; exec 8</dev/null; agent D luo-ioctl -; asks ok D open
		for nr in 0 1; do
			for size in 0 4 8 71; do asks EINVAL D "raw dev nr=$nr size=$size name=x"; done
			asks E2BIG D "raw dev nr=$nr size=76 name=x z72=1"; asks E2BIG D "raw dev nr=$nr size=4096 name=x z4092=1"
			asks ENOTTY D "raw dev nr=$nr type=0xbb size=72 name=x"
			asks EFAULT D "raw dev nr=$nr null=1"
			for room in 2 4 40; do asks EFAULT D "raw dev nr=$nr size=72 room=$room"; done
		done
		for nr in 2 0x3f 0x40 0x43 0xff; do asks EINVAL D "raw dev nr=$nr size=72 name=x"; done
		asks EINVAL D "raw dev nr=0 size=72"; asks EINVAL D "raw dev nr=0 size=72 fill=0x41 room=72"
		asks ENOENT D "raw dev nr=1 size=72"; asks ENOENT D "raw dev nr=1 size=72 fill=0x41 room=72"
		asks ENOENT D "retrieve x"; shows updated state; [[ -z $(ls sessions) ]] || ls sessions
		# A struct that is larger, of a program that is newer
		asks ok D "raw dev nr=0 size=80 name=larger"; asks EEXIST D "create larger"

		asks ok D "create out"
		asks_wrong 0x40 16; asks_wrong 0x43 72
		for nr in 0 1 2 0x3f 0x44 0xff; do asks EINVAL D "raw session nr=$nr size=72"; done
		asks EINVAL D "raw session nr=0x43 size=72 z4=1"
		# What is for incoming sessions
		asks EINVAL D "raw session nr=0x41 size=16 u8=1"; asks EINVAL D finish
		asks EBADF D "preserve 77 1"; asks EBADF D "raw session nr=0x40 size=16 z4=0xffffffff u8=1"
		asks ENOENT D "preserve 8 1"
		asks ok D "preserve 5 1"; asks EEXIST D "preserve 6 1"; asks EBUSY D "preserve 5 2"; asks ok D "preserve 6 2"
		shows 2 sessions/out/files; asks ok D drop

		asks ok D "retrieve in"; asks EINVAL D "retrieve in"
		asks EINVAL D "preserve 5 1"; asks ENOENT D "fetch 2 25"
		asks_wrong 0x41 16; asks_wrong 0x42 8
		asks EINVAL D "raw session nr=0x42 size=8 z4=1"
		shows 0 incoming/in/retrieved
		asks ok D "fetch 1 27"; asks in D "run cat /proc/self/fd/27; echo"; asks ok D finish
		shows normal state'
}

@test "LIVEUPDATE_SESSION_FINISH discards what was not retrieved" {
	device_run 'mkdir sessions/in sessions/in/{1,2}; file 5 a; put self:5 sessions/in/1/fd; file 5 b; put self:5 sessions/in/2/fd'
	vm_kexec
	device_run 'shows updated state; shows 2 /sys/kernel/liveupdate/outgoing
		agent D luo-ioctl -; asks ok D open; asks ok D "retrieve in"; asks ok D "fetch 1 25"; asks ok D finish
		asks a D "run cat /proc/self/fd/25; echo"; asks ENOENT D "fetch 2 26"
		shows normal state; shows 0 /sys/kernel/liveupdate/outgoing; [[ -z $(ls incoming) ]] || ls incoming'
}
