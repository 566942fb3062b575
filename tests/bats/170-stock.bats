#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
#
# The base kernel as it is, with its own live update, before and after ours.
#
# Needs: stock

load lib/common
load lib/luo

# shellcheck disable=SC2034  # for lib/vm
setup_file() {
	VM_IMAGE=$VM_REPO/build/$ARCH-stock/$ARCH_IMAGE
	guest_start
}

# next stock|ours: kexec into that kernel.
next() {
	case $1 in
	stock) vm_next "$VM_REPO/build/$ARCH-stock/$ARCH_IMAGE" ;;
	ours) vm_next "$VM_BUILD/$ARCH_IMAGE" ;;
	esac
	vm_kexec
}

FILES='memfd,size=64M,seed=1,fd=5 memfd,size=1M,data=64K:64K+512K:4K,seed=2,fd=6'
CHECK='run luo-hold check open,fd=5,size=64M,seed=1 open,fd=6,size=1M,part=64K:64K,seed=2 >/dev/null && echo checked'
PARK='run touch /run/parked; exec sleep 1000'
PRESERVE=("open" "create s" "preserve 5 1" "preserve 6 18446744073709551615")

# park SCRIPT…: a program that has /dev/liveupdate open, as its commands say, and stays. It prints what it prints.
park() {
	vm_spawn "exec luo-hold make $1 -- luo-ioctl ${*:2} >/run/said 2>&1"
	vm_run 'until [[ -e /run/parked ]]; do :; done; cat /run/said'
}

# flbs_said WHAT COUNT: since the test began, the base's own test of three FLBs, which is in it, said that so often.
flbs_said() {
	assert_equal "$(guest_log | grep -c "liveupdate test: .*: $1")" "$2"
}

@test "a machine goes stock, ours, stock, ours, with each byte and each FLB" {
	park "$FILES" "${PRESERVE[@]@Q}" "${PARK@Q}"
	assert_output $'ok\nok\nok\nok'
	next ours
	luo_run <<-'END'
		shows . state=updated number=1 last_error=0
		shows incoming/s state=preserved files=2
		shows incoming/s/1 compatible=memfd-v2 size=67108864
		# Nobody asks for it here: it is carried on.
		echo luo-v5 >abi
	END
	next stock
	commands=("open" "retrieve s" "fetch 1 5" "fetch 18446744073709551615 6" "$CHECK" "finish" "drop"
		"${PRESERVE[@]:1}" "$PARK")
	park 'null,fd=5 null,fd=6' "${commands[@]@Q}"
	assert_output $'ok\nok\nok\nok\nchecked\nok\nok\nok\nok\nok'
	flbs_said 'found flb data from the previous boot' 3
	flbs_said 'finish was triggered' 3
	next ours
	luo_run <<-'END'
		shows . number=3
		luo-hold make null,fd=5 null,fd=6 -- bash -c '
			. luo.bash
			echo self:5 >incoming/s/1/fd
			echo self:6 >incoming/s/18446744073709551615/fd
			luo-hold check open,fd=5,size=64M,seed=1
			luo-hold check open,fd=6,size=1M,part=64K:64K,seed=2
			flb_counts
			echo 1 >incoming/s/finish
			flb_changed 0 0 1 1
			shows . state=normal'
	END
}

@test "what comes from a stock kernel goes through ours in either format, and to a stock one again" {
	next stock
	park "$FILES" "${PRESERVE[@]@Q}" "${PARK@Q}"
	for abi in luo-v1 luo-v5 luo-v1 luo-v5; do
		next ours
		luo_run "abi=$abi" <<-'END'
			shows . state=updated last_error=0
			shows incoming/s state=preserved files=2
			echo $abi >abi
		END
	done
	next stock
	commands=("open" "retrieve s" "fetch 1 5" "fetch 18446744073709551615 6" "$CHECK" "finish" "drop" "$PARK")
	park 'null,fd=5 null,fd=6' "${commands[@]@Q}"
	assert_output $'ok\nok\nok\nok\nchecked\nok\nok'
	next ours
}

@test "a machine goes ours, stock, ours, with sessions that were made by mkdir" {
	luo_run <<-'END'
		shows . state=normal
		for session in {1..60}; do
			luo-hold preserve sessions/s$session/1 1 memfd,size=8,seed=$session >/dev/null
		done
		luo-hold preserve sessions/many/% 100 memfd,size=8,seed=5 >/dev/null
		luo-hold preserve sessions/big/1 1 memfd,size=64M,seed=7
		shows sessions/big/1 compatible=memfd-v3
		mkdir sessions/empty
		# All is written as the next kernel understands it.
		echo luo-v5 >abi
		shows sessions/big/1 compatible=memfd-v2
	END
	next stock
	# What it does not take out of its sessions it forgets: so all is taken out, and parked again.
	commands=(open "retrieve big" "fetch 1 5" "run luo-hold check open,fd=5,size=64M,seed=7 >/dev/null && echo checked"
		finish drop "retrieve empty" finish drop "retrieve s60" "fetch 1 6" finish drop
		"create big" "preserve 5 1" "create s60" "preserve 6 1" "$PARK")
	park 'null,fd=5 null,fd=6' "${commands[@]@Q}"
	assert_line checked
	refute_line --regexp '^E'
	next ours
	luo_run <<-'END'
		expect $'big\ns60' ls incoming
		luo-hold retrieve incoming/big/1 1 memfd,size=64M,seed=7
		luo-hold retrieve incoming/s60/1 1 memfd,size=8,seed=60
		for finish in incoming/*/finish; do
			echo 1 >$finish
		done
	END
}

@test "with nothing preserved a stock kernel is the next one in any format" {
	luo_run <<-'END'
		shows . abi='[luo-v1] luo-v5' state=normal
	END
	next stock
	vm_run '[[ ! -e /sys/kernel/config/liveupdate && -c /dev/liveupdate ]]'
	next ours
	# It hands its empty hand-over over, too.
	luo_run <<-'END'
		shows . state=normal number=1
	END
}

@test "a stock kernel does not boot with luo-v1, as the documents say, and luo-sh does not go there with it" {
	expect_kernel_report 'Kernel panic - not syncing'
	luo_run <<-'END'
		luo-hold preserve sessions/s/1 1 memfd,size=64K,seed=1
		shows . abi='[luo-v1] luo-v5'
	END
	vm_next "$VM_REPO/build/$ARCH-stock/$ARCH_IMAGE"
	vm_run 'luo-sh -j kexec /boot/vmlinuz-next --initrd /boot/initrd-next --reuse-cmdline --dry-run'
	assert_equal "$(jq -r .abi <<<"$output")" luo-v5
	vm_load
	run vm_jump
	assert_failure
	vm_stop
	vm_next "$VM_BUILD/$ARCH_IMAGE"
}
