#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
#
# examples/memcached: Debian's memcached has its items after a live update.
#
# Needs: debroot stable

# shellcheck disable=SC2016  # what is quoted is for the guest

load lib/common
load lib/examples

setup_file() {
	guest_start -r stable -m 1G
	examples_share
	vm_run 'systemctl disable --now memcached'
}

# 100,000 items of up to 500 bytes: as commands that set them and get them, and as what the answer has to be.
ITEMS='
items() {
	mawk -v what=$1 "BEGIN {
		for (i = 0; i < 100000; i++) {
			value = sprintf(\"%0*d\", 1 + i % 500, i * 7919)
			if (what == \"set\")
				printf \"set key%d 0 0 %d noreply\r\n%s\r\n\", i, length(value), value
			else if (what == \"get\")
				printf \"get key%d\r\n\", i
			else
				printf \"VALUE key%d 0 %d\r\n%s\r\nEND\r\n\", i, length(value), value
		}
		if (what != \"values\")
			print \"quit\r\"
	}"
}
stat() {
	exec 4<>/dev/tcp/127.0.0.1/11211
	printf "stats\r\nquit\r\n" >&4
	tr -d "\r" <&4 | sed -n "s/^STAT $1 //p"
}
exec 3<>/dev/tcp/127.0.0.1/11211 || exit
'

# check_items: each is there, as it was set, and each was found in the cache.
check_items() {
	vm_run -t 120 "$ITEMS"'
		items get >&3 &
		cmp <(items values) - <&3
		stat curr_items; stat get_hits; stat get_misses'
	assert_output $'100000\n100000\n0'
}

# run_it: until it serves, and its memory is preserved
run_it() {
	vm_run -t 60 "$EXAMPLES/memcached run </dev/null &>/run/memcached.log &"'
		until [[ -d '"$LUO"'/sessions/memcached/0 ]]; do kill -0 $!; sleep 0.05; done'
}

@test "100,000 items are there after a live update, each by its value, at a hit rate of 100 %" {
	run_it
	vm_run -t 120 "$ITEMS"'
		items set >&3
		cat <&3
		stat curr_items'
	assert_output 100000
	vm_load
	phase 'memcached: save' vm_run "$EXAMPLES/memcached save"
	phase_kexec
	phase 'memcached: restore' run_it
	check_items
	vm_run 'kill $(</run/memcached-live/pid)'
	examples_end
	phases_show
}
