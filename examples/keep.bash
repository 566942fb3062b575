# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Files in memory that are kept over live updates, by what a shell can do alone. Sourced by the examples.
#
# A file has no name but a session and a token, and what makes or retrieves it leaves it open as descriptor $fd. It
# goes on being used while it is preserved, only its size is fixed then: when the kernel is replaced, there is nothing
# left to do for it.

luo=/sys/kernel/config/liveupdate

die() {
	echo "$0: $*" >&2
	exit 1
}

# new_file SIZE: one that nobody else could have opened while it had a name
new_file() {
	new_file_in /dev/shm "$1"
}

# new_huge_file SIZE PAGE: one of huge pages of that size, which the machine has to have, as hugepages= says it
new_huge_file() {
	local dir
	dir=$(mktemp -d)
	mount -t hugetlbfs -o "pagesize=$2" none "$dir"
	new_file_in "$dir" "$1"
	umount -l "$dir"
	rmdir "$dir"
}

new_file_in() {
	local name
	name=$(mktemp -p "$1")
	exec {fd}<>"$name"
	rm "$name"
	truncate -s "$2" "/proc/self/fd/$fd"
}

# preserve SESSION TOKEN FD: for the next kernel
preserve() {
	mkdir -p "$luo/sessions/$1/$2"
	echo "self:$3" >"$luo/sessions/$1/$2/fd"
}

# retrieve SESSION TOKEN: from the previous kernel. It fails if that had no such file; what is there and cannot be had
# ends the script, so that nobody begins anew by mistake.
retrieve() {
	# To read this waits until all is listed
	read -r _ <"$luo/state"
	[[ -d $luo/incoming/$1/$2 ]] || return
	exec {fd}</dev/null
	echo "self:$fd" >"$luo/incoming/$1/$2/fd" || exit
}

# finish SESSION: what was retrieved from it is ours alone now
finish() {
	echo 1 >"$luo/incoming/$1/finish"
}

# drop SESSION: do not hand it over
drop() {
	local dir
	for dir in "$luo/sessions/$1"/*/ "$luo/sessions/$1/"; do
		[[ ! -d $dir ]] || rmdir "$dir"
	done
}

# begin SESSION PIDFILE: only one may run, and what was saved for the next kernel is not to be replaced by mistake. What
# one left behind that ended without a save is of no use.
begin() {
	if [[ -e $2 ]] && kill -0 "$(<"$2")" 2>/dev/null; then
		die "$1 runs already"
	elif [[ -d $luo/sessions/$1/1 ]]; then
		die "$1 is saved for the next kernel; '$0 drop' gives that up"
	fi
	drop "$1"
}

# same_size FD SIZE: what was kept is as large as what is wanted, else nobody would find in it what he left there
same_size() {
	local have want
	have=$(stat -Lc %s "/proc/self/fd/$1")
	want=$(numfmt --from=iec "$2")
	((have == want)) || die "was kept with MEMORY=$(numfmt --to=iec "$have"), which $2 is not: nothing was changed"
}

# is_kexec: is the machine going down for a kexec? Where systemd cannot say, it may be.
is_kexec() {
	local jobs
	jobs=$(systemctl list-jobs --no-legend kexec.target) || return 0
	[[ $jobs == *' start '* ]]
}
