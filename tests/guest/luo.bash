# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034  # the variables are for the scripts
#
# What a script of a test begins with in the guest: . luo.bash
# The first command that fails ends the script, in the root of live update's directory, and says which it was.

set -eEo pipefail
shopt -s globstar nullglob
trap 'echo "failed: $BASH_COMMAND" >&2' ERR
LUO=/sys/kernel/config/liveupdate
TESTDEV=/sys/module/liveupdate_testdev/parameters
FLB=/sys/module/liveupdate_test/parameters
cd $LUO

declare -A errors=(
	[EACCES]='Permission denied'
	[EBADF]='Bad file descriptor'
	[EAGAIN]='Resource temporarily unavailable'
	[EBUSY]='Device or resource busy'
	[EDEADLK]='Resource deadlock avoided'
	[EDQUOT]='Disk quota exceeded'
	[EEXIST]='File exists'
	[EHWPOISON]='Memory page has hardware error'
	[EINVAL]='Invalid argument'
	[EIO]='Input/output error'
	[ENAMETOOLONG]='File name too long'
	[ENFILE]='Too many open files in system'
	[ENODEV]='No such device'
	[ENOEXEC]='Exec format error'
	[ENOENT]='No such file or directory'
	[ENOMEM]='Cannot allocate memory'
	[ENOTEMPTY]='Directory not empty'
	[EOPNOTSUPP]='Operation not supported'
	[EPERM]='Operation not permitted'
	[ESRCH]='No such process'
	[EXDEV]='Invalid cross-device link'
)

# expect WANT COMMAND…: COMMAND prints that.
expect() {
	local have
	have=$("${@:2}")
	[[ $have == "$1" ]] || {
		echo "${*:2}: '$have', expected '$1'" >&2
		return 1
	}
}

# shows DIR NAME=VALUE…: what the attributes of a directory read.
shows() {
	local pair
	for pair in "${@:2}"; do
		expect "${pair#*=}" cat "$1/${pair%%=*}"
	done
}

# last_failed TEXT: that is what failed last, however often something has.
last_failed() {
	local nr text
	read -r nr text <last_error
	expect "$1" echo "$text"
}

# luo_snapshot: set snapshot to all that can be seen of live update, but for what failed last. No process is made for
# it.
luo_snapshot() {
	local file lines
	snapshot=
	for file in "$LUO"/**; do
		[[ $file != */last_error ]] || continue
		lines=()
		# Some can only be written.
		[[ -d $file ]] || { mapfile -t lines <"$file"; } 2>/dev/null || :
		snapshot+="${file#"$LUO/"}: ${lines[*]}"$'\n'
	done
}

# fails ERROR SCRIPT: SCRIPT fails with that errno, and has nothing else to say.
fails() {
	local said rc=0
	said=$(
		trap - ERR
		set +e
		eval "$2" 2>&1
	) || rc=$?
	if ((rc == 0)) || [[ $said != *": ${errors[$1]}" || $said == *$'\n'* ]]; then
		printf 'expected %s: %q\nstatus %d: %s\n' "$1" "$2" $rc "$said" >&2
		return 1
	fi
}

# refused ERROR SCRIPT: SCRIPT fails like that, and changes nothing.
refused() {
	local before
	luo_snapshot
	before=$snapshot
	fails "$@"
	luo_snapshot
	if [[ $snapshot != "$before" ]]; then
		printf 'something was changed by: %q\n' "$2" >&2
		diff <(echo "$before") <(echo "$snapshot") >&2
	fi
}

# kexec_refused ERROR: the kexec that is loaded is refused with that errno.
# shellcheck disable=SC2016  # fails evaluates it
kexec_refused() {
	fails "$1" 'said=$(kexec -e 2>&1) && exit; echo ": ${said##*: }"; false'
}

# stall_begin: let somebody write to descriptor 5, who has the lock of that file until stall_end.
stall_begin() {
	coproc stall { exec luo-stall write 5; }
	expect stalled head -n 1 <&"${stall[0]}"
}
stall_end() {
	local fd=${stall[1]}
	exec {fd}>&-
	# shellcheck disable=SC2154  # coproc sets it
	wait "$stall_PID"
}

# waits PID: it waits in the kernel.
waits() {
	until [[ $(<"/proc/$1/stat") == *") D "* ]]; do :; done
}

# says STATUS TEXT COMMAND…: COMMAND ends with that status, and TEXT is all that luo-sh says, but for what to try.
says() {
	local rc=0
	"${@:3}" 2>/tmp/said || rc=$?
	expect "$1" echo $rc
	expect "luo-sh: $2" sed '/^luo-sh: try: /d' /tmp/said
}

# luo_file FD [TEXT]: a file on tmpfs that has no name any more, with TEXT in it.
luo_file() {
	local name=/dev/shm/luo-file.$BASHPID.$1
	eval "exec $1<>$name"
	rm "$name"
	printf '%s' "${2-}" >&"$1"
}

# luo_end: remove all outgoing sessions.
luo_end() {
	rmdir -- sessions/*/*/ sessions/*/
}

# preserve_devices FIRST LAST: a /dev/liveupdate-test under each of these tokens of session s, the token its number.
preserve_devices() {
	local token
	for token in $(seq "$1" "$2"); do
		mkdir "sessions/s/$token"
		exec 5<>/dev/liveupdate-test
		echo "$token" >&5
		echo self:5 >"sessions/s/$token/fd"
	done
}

# note TEXT TOKEN: preserve a note of the sample under session/TOKEN.
note() {
	mkdir -p "sessions/${2%/*}" "sessions/$2"
	exec 5<>/dev/liveupdate-sample
	echo "$1" >&5
	echo self:5 >"sessions/$2/fd"
	exec 5>&-
}

# flb_counts: set flb to how often the test's FLBs were preserved, unpreserved, retrieved and finished since the boot.
flb_counts() {
	local count
	flb=
	for count in preserves unpreserves retrieves finishes; do
		flb+="$(<$FLB/$count) "
	done
}

# flb_changed PRESERVES UNPRESERVES RETRIEVES FINISHES: they were so often since this was last asked.
flb_changed() {
	local -a before after
	local count i
	IFS=' ,' read -ra before <<<"$flb"
	flb_counts
	IFS=' ,' read -ra after <<<"$flb"
	for ((i = 0; i < 12; i++)); do
		((after[i] -= before[i])) || :
	done
	expect "$(for count; do echo -n "$count $count $count "; done)" echo "${after[*]} "
}

# new_group: a control group whose memory is watched. in_group COMMAND…: COMMAND in it, what it allocates too.
group=/sys/fs/cgroup/test
new_group() {
	echo +memory >/sys/fs/cgroup/cgroup.subtree_control
	mkdir $group
}
in_group() (
	echo $BASHPID >$group/cgroup.procs
	exec "$@"
)

# push_out: have at least 24 MiB of the group in swap.
push_out() {
	until (($(<$group/memory.swap.current) >= 24 << 20)); do
		echo 32M >$group/memory.reclaim || :
	done
}

# idle: a process that does nothing; its pid is in pid.
idle() {
	# What has our stdout keeps whoever runs this script waiting.
	sleep 1000 &>/dev/null &
	pid=$!
}

# shrink_slabs: have no memory kept that was freed: KASAN does so with much, and for long.
shrink_slabs() {
	local shrink
	for shrink in /sys/kernel/slab/*/shrink; do
		echo 1 >"$shrink"
	done
}

# mem_free: how much memory is free, in MiB, with what each processor keeps for itself.
mem_free() {
	awk '$1 == "nr_free_pages" || $1 == "count:" { n += $2 } END { print int(n / 256) }' /proc/zoneinfo
}

# retrieved SESSION SCRIPT: retrieve the files under tokens 0, 1, 2… of a session, run SCRIPT with them as 5, 6, 7…, and
# finish the session.
retrieved() {
	local token files=()
	for token in "incoming/$1"/[0-9]*/; do
		files+=("null,fd=$((5 + ${#files[@]}))")
	done
	# shellcheck disable=SC2016  # for the other shell
	luo-hold make "${files[@]}" -- bash -c '. luo.bash
		for token in incoming/$1/[0-9]*/; do
			token=${token%/}
			echo self:$((5 + ${token##*/})) >$token/fd
		done
		eval "$2"
		echo 1 >incoming/$1/finish' bash "$1" "$2"
}

# cached FD: how many pages of a file are in the page cache.
cached() {
	fincore -rnb -o pages "/proc/self/fd/$1"
}

# scratch_page FD [PART]: the first page of a file, or of a part of it, that lies in KHO's scratch memory, where it cannot
# stay when it is preserved.
scratch_page() {
	local kho=/sys/kernel/debug/kho/out
	luo-hold frames "open,fd=$1${2:+,part=$2}" | awk '
		FILENAME != "-" { area[++nr[FILENAME], FILENAME] = $1; next }
		{
			for (i = 1; i <= nr[starts] && !found; i++) {
				at = $1 * 4096 - area[i, starts]
				found = at >= 0 && at < area[i, lens] ? FNR : 0
			}
		}
		END { if (found) print found - 1 }' starts=$kho/scratch_phys lens=$kho/scratch_len $kho/scratch_phys $kho/scratch_len -
}

# background MILLISECONDS: how long a memfd's pages wait to be brought if nobody touches them.
background() {
	echo "$1" >/sys/module/memfd_luo_pending/parameters/background_delay_ms
}

# pool [SIZE]: a pool of huge pages, of that size in KiB (2048): how many there are, are free, are reserved, and are surplus.
pool() {
	local dir=/sys/kernel/mm/hugepages/hugepages-${1-2048}kB
	paste -d ' ' "$dir"/{nr,free,resv,surplus}_hugepages
}

# pool_has SIZE PAGES: have so many huge pages of that size in KiB.
pool_has() {
	echo "$2" >"/sys/kernel/mm/hugepages/hugepages-$1kB/nr_hugepages"
	expect "$2" cat "/sys/kernel/mm/hugepages/hugepages-$1kB/nr_hugepages"
}

# brought: how many small pages the huge ones are that files have, and that are not pending.
brought() {
	echo 1 >/proc/sys/vm/stat_refresh
	awk '$1 == "nr_hugetlb" { print $2 }' /proc/vmstat
}

# mem_files: how much memory files on tmpfs and memfds have, in kB.
mem_files() {
	echo 1 >/proc/sys/vm/stat_refresh
	awk '$1 == "Shmem:" { print $2 }' /proc/meminfo
}

# starve KIB FD…: preserve these in a session of the device's while there is no more memory than that, and print
# what each is told, and how many are preserved.
starve() {
	local agent fd rc=0
	local -a commands=()
	for fd in "${@:2}"; do
		commands+=("preserve $fd $fd")
	done
	# What each processor keeps for itself can be had, or not: have it keep little.
	echo 1000000 >/proc/sys/vm/percpu_pagelist_high_fraction
	echo 1 >/proc/sys/vm/stat_refresh
	# The agent is asked often whether this has ended, and needs memory to answer: it has to wait.
	agent=$(pidof qemu-ga)
	kill -STOP "$agent"
	until [[ $(<"/proc/$agent/status") == *'(stopped)'* ]]; do :; done
	# What is said needs a page, and the session its directory: they are there before.
	luo-ioctl open 'create starved' 'run cat state' "leave $1" "${commands[@]}" leave 'run cat sessions/starved/files' \
		>/tmp/said || rc=$?
	kill -CONT "$agent"
	sed 1,4d /tmp/said | paste -sd ' '
	rm /tmp/said
	cat state >/dev/null
	return $rc
}
