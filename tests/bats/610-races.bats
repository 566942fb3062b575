#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
#
# What gets in each other's way, at the same time, on several processors and on one: nothing fails that must not, and
# nothing is lost or left. RACE_ROUNDS is how often each, SEED what the delays come from.

load lib/common
load lib/luo

ROUNDS=${RACE_ROUNDS:-$([[ ${DEBUG:-0} == 0 ]] && echo 150 || echo 30)}
SEED=${SEED:-$RANDOM}
# A kernel that checks itself is too slow for more than the host has: time leaps in it then.
CPUS=$([[ ${DEBUG:-0} == 0 ]] && echo 4 || echo 2)

setup_file() {
	guest_start -c "$CPUS"
}

# races NAME…: have each of them, on as many processors as there are. All memory of files is given back.
races() {
	echo "# seed $SEED" >&3
	vm_load
	luo_run -t "$((VM_SECONDS + ROUNDS))" "rounds=$ROUNDS seed=$SEED races=($*)" <<-'END'
		before=$(mem_files)
		for race in "${races[@]}"; do
			luo-race $race $rounds $seed
		done
		until [[ $(mem_files) == "$before" ]]; do :; done
		shows . state=normal owner=none
		shows $TESTDEV preserved=0 frozen=0
	END
	count races $(($# * ROUNDS))
}

outgoing_races() {
	expect_kernel_line 'luo: stop/0: freeze: EIO'
	races device module storm rmdir close death orphan abi kexec
}

# What is incoming is there once: it takes a kexec for each of these.
incoming_races() {
	local race
	expect_kernel_line 'luo: stop/0: freeze: EIO'
	for race in discard list carry; do
		vm_run "luo-race sessions $ROUNDS"
		vm_kexec
		races $race
	done
}

# kexecs_while_preserving: what was said to be preserved when the kexec came is there after it, byte for byte.
kexecs_while_preserving() {
	local round files bytes
	for ((round = 0; round < (ROUNDS + 74) / 75; round++)); do
		vm_load
		vm_spawn "luo-kexec -n; exec luo-race preserve $((SEED + round))"
		vm_await_kernel
		luo_run <<-'END'
			luo-race preserved
			shows . state=normal
		END
		read -r files _ bytes _ <<<"$output"
		((files > 100))
		count bytes "$bytes"
		count races 1
	done
}

@test "stores against rmdir, close, death, a refused kexec, the device and a module: several processors" {
	outgoing_races
}

@test "retrieving against finishing, discarding, the device and a refused kexec: several processors" {
	incoming_races
}

@test "a kexec while files are being preserved loses none that was preserved: several processors" {
	kexecs_while_preserving
}

@test "stores against rmdir, close, death, a refused kexec, the device and a module: 1 processor" {
	guest_stop
	guest_start -c 1
	outgoing_races
}

@test "retrieving against finishing, discarding, the device and a refused kexec: 1 processor" {
	incoming_races
}

@test "a kexec while files are being preserved loses none that was preserved: 1 processor" {
	kexecs_while_preserving
}
