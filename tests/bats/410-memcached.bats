#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# bats file_tags=without-debug
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

# run_it: until it serves, and its memory is preserved
run_it() {
	vm_run -t 60 "$EXAMPLES/memcached run </dev/null &>/run/memcached.log &"'
		until [[ -d '"$LUO"'/sessions/memcached/0 ]]; do kill -0 $!; sleep 0.05; done'
}

@test "100,000 items are there after a live update, each by its value, at a hit rate of 100 %" {
	run_it
	vm_run -t 120 'luo-items set 100000; luo-items stat curr_items'
	assert_output 100000
	vm_load
	phase 'memcached: save' vm_run "$EXAMPLES/memcached save"
	phase_kexec
	phase 'memcached: restore' run_it
	vm_run -t 120 'luo-items check 100000; for stat in curr_items get_hits get_misses; do luo-items stat $stat; done'
	assert_output $'100000\n100000\n0'
	vm_run 'kill $(</run/memcached-live/pid)'
	examples_end
	phases_show
}
