#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
#
# How much a session may preserve, and who pays for the memory of the kernel that it takes.
# shellcheck disable=SC2016  # what is quoted is for the guest

load lib/common
load lib/luo

@test "limit is max, takes a number of bytes, and is for who may administer the system" {
	luo_run <<-'END'
		mkdir sessions/s
		shows sessions/s limit=max
		for limit in 0 4096 18446744073709551614 max; do
			echo $limit >sessions/s/limit
			shows sessions/s limit=$limit
		done
		echo 18446744073709551615 >sessions/s/limit
		shows sessions/s limit=max
		for limit in 18446744073709551616 -1 4K 0x10 010 "" " 1" "1 " MAX "1 2"; do
			refused EINVAL "echo '$limit' >sessions/s/limit"
		done
		# A user has the file when he has the session.
		chown -R 1000:1000 sessions/s
		refused EPERM 'setpriv --reuid 1000 --regid 1000 --clear-groups bash -c "echo 1 >sessions/s/limit"'
		rmdir sessions/s
	END
}

@test "what is larger than the limit leaves room for is refused with EDQUOT, and counts when it is preserved" {
	luo_run <<-'END'
		mkdir sessions/s sessions/s/{1,2,3}
		luo-hold make memfd,size=64K,fd=5 memfd,size=64K,fd=6 memfd,size=1M,fd=7 -- bash -c '. luo.bash
			echo 131071 >sessions/s/limit
			echo self:5 >sessions/s/1/fd
			refused EDQUOT "echo self:6 >sessions/s/2/fd"
			refused EDQUOT "echo self:7 >sessions/s/2/fd"
			echo 131072 >sessions/s/limit
			echo self:6 >sessions/s/2/fd
			# Less than there is: what is preserved stays.
			echo 4096 >sessions/s/limit
			shows sessions/s files=2 limit=4096
			luo_file 8
			echo self:8 >sessions/s/3/fd
			rmdir sessions/s/3
			mkdir sessions/s/3
			luo_file 9 x
			refused EDQUOT "echo self:9 >sessions/s/3/fd"
			rmdir sessions/s/1 sessions/s/2
			echo self:9 >sessions/s/3/fd
			# Another session has its own.
			mkdir sessions/t sessions/t/1
			echo self:7 >sessions/t/1/fd'
		luo_end
	END
}

@test "a session of the device has a limit, and one that is carried on has none" {
	luo_run <<-'END'
		luo-hold preserve sessions/s/% 2 memfd,size=64K,seed=1
		echo 1 >sessions/s/limit
		luo-hold make memfd,size=64K,fd=5 -- luo-ioctl open 'create dev' "run read -r _ <$LUO/state; echo 1 >$LUO/sessions/dev/limit" \
			'preserve 5 1' >/tmp/said
		expect 'ok ok EDQUOT' echo $(</tmp/said)
	END
	vm_kexec
	vm_kexec
	luo_run <<-'END'
		luo-hold retrieve incoming/s/% 2 memfd,size=64K,seed=1
		echo 1 >incoming/s/finish
	END
}

@test "a file that grows while it is being preserved counts as it was preserved" {
	luo_run <<-'END'
		mkdir sessions/s sessions/s/1
		echo 65536 >sessions/s/limit
		luo-hold make memfd,size=64K,append=1,fd=5 -- bash -c '. luo.bash
			coproc stall { exec luo-stall write 5; }
			expect stalled head -n 1 <&"${stall[0]}"
			{ echo self:5 >sessions/s/1/fd; } 2>/tmp/said &
			writer=$!
			until [[ $(</proc/$writer/stat) == *") D "* ]]; do :; done
			# Who has the lock of the file makes it larger.
			stall_pid=$stall_PID
			exec {stall[1]}>&-
			wait $stall_pid
			expect 69632 stat -Lc %s /proc/self/fd/5
			wait $writer || (($? == 1))
			grep -F "Disk quota exceeded" /tmp/said
			shows sessions/s files=0
			shows sessions/s/1 state=empty
			# All that it had counted for is there again.
			luo-hold make memfd,size=64K,fd=6 -- bash -c "echo self:6 >sessions/s/1/fd"'
		luo_end
	END
}

@test "the memory of tokens is the control group's of who makes them" {
	luo_run <<-'END'
		slab() { awk '$1 == "slab_unreclaimable" { print $2 }' $group/memory.stat; }
		new_group
		mkdir sessions/s
		in_group bash -c 'cd sessions/s && mkdir {1..100}'
		before=$(slab)
		in_group bash -c 'cd sessions/s && mkdir {101..1100}'
		# The kernel counts in batches.
		until (($(slab) - before >= 1000 * 400)); do :; done
		rmdir sessions/s/*/ sessions/s
		until (($(slab) < before)); do :; done
		rmdir $group
	END
}
