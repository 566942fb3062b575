#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# bats file_tags=without-debug
#
# examples/memcached: Debian's memcached has its items after a live update.
#
# Needs: debroot stable

# shellcheck disable=SC2016,SC2154  # what is quoted is for the guest, and vm_run sets stderr

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

# run_fails MESSAGE [VARIABLE=VALUE…]: memcached ends with that, and what was kept of it is there.
run_fails() {
	vm_run -e 1 -t 60 "${*:2} $EXAMPLES/memcached run </dev/null 2>&1 | tail -n 1; exit \${PIPESTATUS[0]}"
	assert_output "$EXAMPLES/memcached: $1"
	vm_run "! pidof memcached; cat $LUO/incoming/memcached/files"
	assert_output 3
}

@test "a memcached that cannot take its items, or was forgotten to be saved, or runs twice, loses none in silence" {
	vm_run -t 60 'export MEMORY=64
		'"$EXAMPLES/memcached run </dev/null &>/run/memcached.log &"'
		until [[ -d '"$LUO"'/sessions/memcached/0 ]]; do kill -0 $!; sleep 0.05; done'
	vm_run -t 120 'luo-items set 1000'
	vm_run -e 1 "$EXAMPLES/memcached run"
	assert_equal "$stderr" "$EXAMPLES/memcached: memcached runs already"
	vm_load
	vm_run "$EXAMPLES/memcached save"
	vm_run -e 1 "MEMORY=64 $EXAMPLES/memcached run"
	assert_equal "$stderr" "$EXAMPLES/memcached: memcached is saved for the next kernel; '$EXAMPLES/memcached drop' gives that up"
	vm_jump
	run_fails 'was kept with MEMORY=64M, which 128M is not: nothing was changed' MEMORY=128
	vm_run -t 60 'export MEMORY=64
		'"$EXAMPLES/memcached run </dev/null &>/run/memcached.log &"'
		until [[ -d '"$LUO"'/sessions/memcached/0 ]]; do kill -0 $!; sleep 0.05; done'
	vm_run -t 120 'luo-items check 1000; luo-items stat curr_items'
	assert_output 1000
	# Forgotten
	vm_kexec
	vm_run -t 60 'export MEMORY=64
		'"$EXAMPLES/memcached run </dev/null &>/run/memcached.log &"'
		until [[ -d '"$LUO"'/sessions/memcached/0 ]]; do kill -0 $!; sleep 0.05; done
		cat /run/memcached.log'
	assert_line "$EXAMPLES/memcached: it was not saved before the kexec: it begins anew"
	vm_run "$EXAMPLES/memcached save; $EXAMPLES/memcached drop; ls $LUO/sessions $LUO/incoming"
	refute_output --partial memcached
}

# serves: until it does
serves() {
	vm_run -t 90 "until [[ -d $LUO/sessions/two/0 ]]; do sleep 0.1; done"
}

@test "as a service it is saved when systemd goes to another kernel, and only then" {
	vm_run -t 60 'mkdir /usr/local/lib/luo-examples
		cp /boot/examples/{memcached,keep.bash} /usr/local/lib/luo-examples
		cp /boot/examples/systemd/memcached@.service /etc/systemd/system
		echo MEMORY=64 >/etc/default/memcached-two
		systemctl daemon-reload
		systemctl enable --now memcached@two'
	serves
	vm_run -t 60 "systemctl stop memcached@two; ls $LUO/sessions; systemctl is-failed memcached@two || :"
	assert_output inactive
	vm_run 'systemctl start memcached@two'
	serves
	vm_run -t 120 'luo-items set 1000'
	vm_load
	vm_spawn 'luo-kexec -n; exec systemctl kexec'
	vm_await_kernel
	serves
	vm_run -t 120 'luo-items check 1000; luo-items stat curr_items'
	assert_output 1000
	vm_run -t 60 "systemctl disable --now memcached@two; ls $LUO/sessions $LUO/incoming"
	refute_output --partial two
}
