#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# bats file_tags=without-debug,without-ci
#
# examples/vm: a virtual machine in the guest goes on where it stood when the guest's kernel is replaced.
#
# Needs: debroot stable

# shellcheck disable=SC2016,SC2154  # what is quoted is for the guest, and vm_run sets stderr

load lib/common
load lib/examples

setup_file() {
	guest_start -r stable -m 1G
	examples_share
}

# run_until ROUND: run it, until it has come to that round of its memory.
run_until() {
	vm_run -t 120 "MEMORY=64M HUGEPAGES=${HUGEPAGES-} $EXAMPLES/vm run -kernel /boot/counter -serial file:/run/serial </dev/null &>/run/vm.log &
		until grep -qs ' round $1 ' /run/serial; do kill -0 \$!; sleep 0.05; done"
}

# save: and add to serial what it has said here.
save() {
	vm_run "$EXAMPLES/vm save && tr -d '\r' </run/serial" >/dev/null
	cat "$VM_DIR/stdout" >>"$BATS_TEST_TMPDIR/serial"
}

# continuous MILLISECONDS: it has said each line once and whole, but for one that it was saved in the middle of, and its
# time never went back, nor on by so much.
continuous() {
	[[ -z $(tail -c 1 "$BATS_TEST_TMPDIR/serial") ]] || sed -i '$d' "$BATS_TEST_TMPDIR/serial"
	mawk -v max="$1" '
		NR == 1 && /^counter: started$/ { next }
		!/^count [0-9]+ round [0-9]+ uptime [0-9]+ ms$/ || $2 <= count || $6 <= up || $6 >= up + max {
			print NR ": " $0 " (after " up " ms)"
			bad = 1
		}
		{ count = $2; up = $6 }
		END { exit bad || NR < 10 }' "$BATS_TEST_TMPDIR/serial"
}

@test "it goes on over two live updates, with all of its memory, its count and its clock" {
	run_until 1
	for round in 3 5; do
		vm_load
		phase 'VM: save' save
		phase_kexec
		phase 'VM: restore, and two rounds' run_until $round
	done
	save
	# A machine that is not there for seconds does not notice.
	continuous 1000
	examples_end
	phases_show
}

@test "it goes on with its memory in huge pages" {
	guest_stop
	guest_start -r stable -m 1G -a hugepages=40
	examples_share
	HUGEPAGES=2M run_until 1
	vm_load
	phase 'VM: save' save
	phase_kexec
	HUGEPAGES=2M phase 'VM: restore, and two rounds' run_until 3
	# Its RAM is of the pool that this kernel was asked for.
	vm_run "paste -d ' ' /sys/kernel/mm/hugepages/hugepages-2048kB/{nr,surplus}_hugepages"
	assert_line '40 0'
	save
	continuous 1000
	examples_end
}

@test "a second one of the name is refused, and one that ends without a save leaves nothing in the way" {
	run_until 1
	vm_run -e 1 "MEMORY=64M $EXAMPLES/vm run"
	assert_equal "$stderr" "$EXAMPLES/vm: vm runs already"
	vm_run 'kill -9 $(</run/vm-live/pid)
		while pidof -q qemu-system-x86_64; do sleep 0.05; done
		rm /run/serial'
	run_until 1
	vm_run "$EXAMPLES/vm stop; rm /run/serial; ls $LUO/sessions"
	assert_output ''
	run_until 1
	vm_run "$EXAMPLES/vm save"
	vm_run -e 1 "MEMORY=64M $EXAMPLES/vm run"
	assert_equal "$stderr" "$EXAMPLES/vm: vm is saved for the next kernel; '$EXAMPLES/vm drop' gives that up"
	vm_load
	phase_kexec
	vm_run -e 1 "MEMORY=32M $EXAMPLES/vm run 2>&1"
	assert_output "$EXAMPLES/vm: was kept with MEMORY=64M, which 32M is not: nothing was changed"
	# It is there for the right one.
	run_until 3
	vm_run "$EXAMPLES/vm save; $EXAMPLES/vm drop; ls $LUO/sessions $LUO/incoming"
	refute_output --partial vm/
}
