#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# bats file_tags=with-faults
#
# The same as 600-faults, of what was handed over, and of the boot that finds it.
# shellcheck disable=SC2016,SC2030,SC2031  # what is quoted is for the guest; vm_run sets output

load lib/common
load lib/luo
load lib/faults

# What an attempt that does not fail retrieves is there once: the next one has the next token.
@test "retrieving memfds, of each format" {
	expect_kernel_line 'luo: s/[0-9]+: retrieve: ENOMEM'
	for abi in luo-v5 luo-v1; do
		luo_run "abi=$abi data=$DATA" <<-'END'
			echo $abi >abi
			luo-hold preserve sessions/s/% 100 memfd,size=4M,seed=1,data=$data >/dev/null
		END
		vm_kexec
		fault_run "data=$DATA" <<-'END'
			token=0
			settled_snapshot() {
				snapshot=$(grep . incoming/s/{state,files,retrieved})
			}
			each_fault 'luo-fault $nth write incoming/s/$token/fd self:5' 'token=$((token + 1))'
			((refused))
			each_fault 'luo-ioctl open "retrieve s" "fault $nth" "fetch $token 5"' 'token=$((token + 1))'
			((refused))
			((token < 100))
			luo-hold retrieve incoming/s/% 100 memfd,size=4M,seed=1,data=$data >/dev/null
			echo 1 >incoming/s/finish
		END
	done
}

# What is touched, and what is behind it for some pages, is brought into the page cache.
@test "touching what was retrieved" {
	for abi in luo-v5 luo-v1; do
		luo_run "abi=$abi" <<-'END'
			echo $abi >abi
			luo-hold preserve sessions/s/1 1 memfd,size=16M,seed=1,via=scattered >/dev/null
		END
		vm_kexec
		fault_run <<-'END'
			background 1000000
			luo-hold make null,fd=5 -- bash -c '
				. luo.bash
				. fault.bash
				echo self:5 >incoming/s/1/fd
				at=0
				each_fault "luo-fault \$nth read /proc/self/fd/5 \$at" "((at += 256 << 10))"
				((at && at < 16 << 20))
				luo-hold check open,fd=5,size=16M,seed=1'
			echo 1 >incoming/s/finish
		END
	done
}

# For one page of it two allocations have to fail in a row. What the control group is charged stays the same.
@test "a page cache without memory for what is touched, and for what the background brings" {
	luo_run <<-'END'
		luo-hold preserve sessions/s/% 2 memfd,size=16M,seed=1
	END
	vm_kexec
	fault_run <<-'END'
		new_group
		background 1000000
		in_group luo-hold make null,fd=5 -- bash -c '. luo.bash
			. fault.bash
			echo self:5 >incoming/s/0/fd
			before=$(<$group/memory.current)
			fail_in memfd_luo_get_pending 2000
			expect 1000 grep -c "error reading.*${errors[ENOMEM]}" \
				<(dd if=/proc/self/fd/5 of=/dev/null bs=4K skip=99 count=1 conv=noerror 2>&1)
			expect 0 left
			expect 16 cached 5
			gained=$(($(<$group/memory.current) - before))
			echo "bytes charged: $gained"
			((-2 << 20 < gained && gained < 2 << 20))
			luo-hold check open,fd=5,size=16M,seed=1'
		background 1
		luo-hold make null,fd=5 -- bash -c '. luo.bash
			. fault.bash
			fail_in pending_work 100
			echo self:5 >incoming/s/1/fd
			until [[ $(left) == 0 ]]; do :; done
			until [[ $(cached 5) == 4096 ]]; do :; done
			luo-hold check open,fd=5,size=16M,seed=2'
		echo 1 >incoming/s/finish
		until grep -qx "shmem 0" $group/memory.stat; do :; done
	END
}

@test "retrieving and finishing sessions" {
	luo_run <<-'END'
		mkdir sessions/{a,b}{1..50}
		luo-hold preserve sessions/c%/1 100 memfd,size=1M,seed=1 >/dev/null
	END
	vm_kexec
	fault_run <<-'END'
		shrink_slabs
		free=$(mem_free)
		settled_snapshot() {
			snapshot=$(ls incoming)
		}
		nr=1
		# The device finishes what nothing of is left to retrieve, when it is closed.
		each_fault 'luo-ioctl open "fault $nth" "retrieve a$nr"' 'shows . state=updated; nr=$((nr + 1))'
		((refused))
		nr=1
		each_fault 'luo-fault $nth write incoming/b$nr/finish 1' 'shows . state=updated; nr=$((nr + 1))'
		nr=0
		each_fault 'luo-fault $nth write incoming/c$nr/finish discard' 'shows . state=updated; nr=$((nr + 1))'
		each_fault 'luo-ioctl open "retrieve c$nr" "fault $nth" finish' 'shows . state=updated; nr=$((nr + 1))'
		for finish in incoming/*/finish; do
			echo discard >$finish
		done
		shows . state=normal
		shrink_slabs
		gained=$(($(mem_free) - free))
		echo "MiB given back: $gained"
		((gained >= 99))
	END
}

# A worker makes the directory of a session of the device's; which one cannot be said beforehand.
@test "the directory of a session of the device's that cannot be made is made later" {
	expect_kernel_line 'luo: s: configfs: ENOMEM'
	fault_run <<-'END'
		only_in luo_dirs_work
		workers=$(grep -l ^kworker/u /proc/[0-9]*/comm)
		may_change='(^|/)last_error:'
		hit=1
		for ((nth = 1; hit; nth++)); do
			for worker in $workers; do
				echo $nth >${worker%comm}fail-nth
			done
			settled_snapshot
			luo-ioctl open 'create s' "run read -r _ <$LUO/state; ls $LUO/sessions" >/run/said
			same
			expect s tail -n 1 /run/said
			hit=
			for worker in $workers; do
				read -r left <${worker%comm}fail-nth
				((left)) || hit=1
			done
		done
		echo "$nth"
		((nth > 5))
		last_failed 'ENOMEM configfs s'
	END
}

# boot_with_faults FUNCTION: kexec, and what FUNCTION allocates fails in the next kernel; all is there that was handed
# over. Sets hits to how much failed.
boot_with_faults() {
	vm_kexec "$cmdline liveupdate_testfault.function=$1"
	luo_run <<-'END'
		shows . state=updated
		shows incoming/s state=preserved files=3
		expect $'1\n1' cat incoming/of-a-long-name-indeed-{0,1}/files
		cd /sys/module/liveupdate_testfault/parameters
		expect Y cat missed
		cat hits
	END
	hits=$output
}

# What does that is not called by a process.
@test "a boot that reads a hand-over" {
	expect_kernel_line 'luo: .*: configfs: ENOMEM'
	local cmdline hits
	vm_run 'cat /proc/cmdline'
	cmdline=$output
	luo_run <<-'END'
		luo-hold preserve sessions/of-a-long-name-indeed-%/18446744073709551615 2 memfd,size=64K,seed=1 >/dev/null
		luo-hold preserve sessions/s/% 3 memfd,size=64K,seed=1 >/dev/null
	END
	boot_with_faults luo_v1_read
	assert_equal "$hits" 0
	boot_with_faults luo_dirs_work
	((hits > 20))
	count faults "$hits"
	luo_run <<-'END'
		grep -q 'luo: .*: configfs: ENOMEM' <(dmesg)
		luo-hold retrieve incoming/of-a-long-name-indeed-%/18446744073709551615 2 memfd,size=64K,seed=1 >/dev/null
		luo-hold retrieve incoming/s/% 3 memfd,size=64K,seed=1 >/dev/null
		for finish in incoming/*/finish; do
			echo 1 >$finish
		done
	END
}
