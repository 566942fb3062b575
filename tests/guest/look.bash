# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the harness asks a guest for, after each test and before each kexec: . look.bash
# Each function prints what is wrong, a line each, and nothing when all is well. Trouble with the kernel begins with
# "harness: trouble: ".

LUO=/sys/kernel/config/liveupdate

# look_kernel ALLOWED: is this kernel tainted, by other bits than these, since it was last asked? The next kernel
# starts untainted.
look_kernel() {
	local tainted known=0 reached=/sys/module/luo_mutant/parameters/reached
	[[ ! -e $reached ]] || echo - >$reached
	read -r tainted </proc/sys/kernel/tainted
	[[ ! -e /run/look.tainted ]] || read -r known </run/look.tainted
	echo "$tainted" >/run/look.tainted
	known=$((tainted & ~known & ~$1))
	((known == 0)) || echo "harness: trouble: the kernel is tainted: $known"
}

# look_leaks: what leaked in this kernel, where kmemleak is compiled in.
look_leaks() {
	local leaks=/sys/kernel/debug/kmemleak cmdline
	if [[ ! -e $leaks ]]; then
		# Where lib/vm has a debug kernel, the configuration tells; it takes a while to unpack.
		read -r cmdline </proc/cmdline
		[[ $cmdline != *page_poison=1* ]] || ! zcat /proc/config.gz | grep -qx CONFIG_DEBUG_KMEMLEAK=y ||
			echo "harness: trouble: kmemleak cannot be asked"
		return 0
	fi
	# The first look is for what changes meanwhile; objects younger than five seconds are not reported.
	if echo scan >$leaks && sleep 5 && echo scan >$leaks; then
		head -n 200 $leaks
	else
		echo "harness: trouble: kmemleak is disabled"
	fi 2>/dev/null
}

left() {
	echo "left behind: $*"
}

# look_sessions: sessions of any name, outgoing and incoming. They are removed.
look_sessions() {
	local dir
	for dir in "$LUO"/{sessions,incoming}/*/; do
		left "$dir"
		case $dir in
		*/sessions/*) rmdir -- "$dir"*/ "$dir" ;;
		*) echo discard >"${dir}finish" ;;
		esac
	done
}

# look_holders OWNER: the processes that are what "owner" reads: one, or those that have the device open.
look_holders() {
	local fd pid
	if [[ $1 == pid:* ]]; then
		echo "${1#pid:}"
		return
	fi
	for fd in /proc/[0-9]*/fd/*; do
		[[ $(readlink "$fd") != /dev/liveupdate ]] || { pid=${fd#/proc/} && echo "${pid%%/*}"; }
	done
}

# look_owner: an owner of live update. Its process is killed, so that the rest can be set back. One that a test killed
# is the owner until it has exited.
look_owner() {
	local owner try pid holder
	for pid in '' killed; do
		for ((try = 0; try < 100; try++)); do
			read -r owner <"$LUO/owner"
			[[ $owner != none ]] || return 0
			sleep 0.02
		done
		left "owner $owner${pid:+, }$pid"
		for holder in $(look_holders "$owner"); do
			[[ $holder == 1 ]] || kill -KILL "$holder"
		done
	done
}

# look_abi: a hand-over format that is not the one that this kernel began with.
look_abi() {
	local word abi began=luo-v1 cmdline
	read -r abi <"$LUO/abi"
	read -r cmdline </proc/cmdline
	for word in $cmdline; do
		[[ $word != liveupdate.abi=* || " $abi " != *[\ \[]"${word#*=}"[\ \]]* ]] || began=${word#*=}
	done
	if [[ $abi != *"[$began]"* ]]; then
		left "abi $abi"
		echo "$began" >"$LUO/abi"
	fi
}

# look_on_error: what cannot go is still left behind.
look_on_error() {
	local on_error
	read -r on_error <"$LUO/on_error"
	if [[ $on_error != '[refuse] '* ]]; then
		left "on_error $on_error"
		echo refuse >"$LUO/on_error"
	fi
}

# look_faults: what is still to fail, or is held.
look_faults() {
	local attr value times
	for attr in /sys/module/liveupdate_test*/parameters/{fail_*,hold_reboot}; do
		read -r value <"$attr"
		if [[ $value != [0N] ]]; then
			left "$attr $value"
			echo 0 >"$attr"
		fi
	done
	for attr in /sys/kernel/debug/fail*/probability; do
		read -r value <"$attr"
		read -r times <"${attr%/*}/times"
		if [[ $value != 0 && $times != 0 ]]; then
			left "$attr $value, times $times"
			echo 0 >"$attr"
		fi
	done
}

# look_state: what a test has left of its own. All of it is set back, so that the next test does not fail, too.
look_state() {
	shopt -s nullglob dotglob
	if [[ -d $LUO ]]; then
		# All directories are there, and those of sessions that were finished are gone.
		read -r _ <"$LUO/state"
		look_owner
		look_sessions
		look_abi
		look_on_error
	fi 2>&1
	look_faults 2>&1
}
