# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Files in memory that are kept over live updates, by what a shell can do alone. Sourced by the examples.
#
# A file has no name but a session and a token, and what makes or retrieves it leaves it open as descriptor $fd. It
# goes on being used while it is preserved, only its size is fixed then: when the kernel is replaced, there is nothing
# left to do for it.

luo=/sys/kernel/config/liveupdate

# new_file SIZE
new_file() {
	local name=/dev/shm/new.$BASHPID
	exec {fd}<>"$name"
	rm "$name"
	truncate -s "$1" "/proc/self/fd/$fd"
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
