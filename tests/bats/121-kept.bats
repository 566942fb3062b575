#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
#
# What a memfd is besides its content: kept over a live update, or refused when it is preserved, never lost in silence.

load lib/common
load lib/luo

setup_file() { swap_start; }

@test "a file that is appended to is so again, also when it was carried on; another one is of memfd-v3" {
	luo_run <<-'END'
		mkdir sessions/s sessions/s/{1,2}
		luo-hold make memfd,size=4K,seed=1,append=1,fd=5 memfd,size=4K,seed=2,pos=7,fd=6 -- bash -c '. luo.bash
			echo self:5 >sessions/s/1/fd
			echo self:6 >sessions/s/2/fd
			shows sessions/s/1 compatible=memfd-v4
			shows sessions/s/2 compatible=memfd-v3'
	END
	vm_kexec
	luo_run <<<'shows incoming/s/1 compatible=memfd-v4 state=preserved size=4096'
	vm_kexec
	luo_run <<-'END'
		luo-hold make null,fd=5 null,fd=6 -- bash -c '. luo.bash
			echo self:5 >incoming/s/1/fd
			echo self:6 >incoming/s/2/fd
			luo-hold check open,fd=5,size=4K,seed=1,pos=0,append=1 open,fd=6,size=4K,seed=2,pos=7,append=0
			echo more >&5
			luo-hold check open,fd=5,size=4101,part=0:4K,seed=1 >/dev/null
			expect more tail -c 5 /proc/self/fd/5
			echo 1 >incoming/s/finish'
	END
}

@test "O_APPEND that memfd-v2 cannot tell, or that came after the file was preserved, is refused with EOPNOTSUPP" {
	expect_kernel_line 'luo: s/1: convert: EOPNOTSUPP'
	expect_kernel_line 'luo: s/2: freeze: EOPNOTSUPP'
	luo_run <<-'END'
		mkdir sessions/s sessions/s/{1,2}
		luo-hold make memfd,size=4K,seed=1,append=1,fd=5 memfd,size=4K,seed=2,fd=6 -- bash -c '. luo.bash
			echo luo-v5 >abi
			refused EOPNOTSUPP "echo self:5 >sessions/s/1/fd"
			echo luo-v1 >abi
			echo self:5 >sessions/s/1/fd
			fails EOPNOTSUPP "echo luo-v5 >abi"
			shows . abi="[luo-v1] luo-v5" last_error="1 EOPNOTSUPP convert s/1"
			shows sessions/s/1 compatible=memfd-v4
			rmdir sessions/s/1
			echo self:6 >sessions/s/2/fd
			luo-hold make open,fd=6,append=1 -- true'
	END
	vm_load
	vm_kexec_fails
	assert_output --partial 'Operation not supported'
	luo_run <<-'END'
		shows . state=normal
		last_failed 'EOPNOTSUPP freeze s/2'
		rmdir sessions/s/2 sessions/s
	END
}

@test "a file with a POSIX ACL is refused with EOPNOTSUPP: its mask would be the group's permissions" {
	luo_run <<-'END'
		mkdir sessions/s sessions/s/1
		luo-hold make memfd,size=4K,seed=1,acl=1234,fd=5 -- bash -c '. luo.bash
			refused EOPNOTSUPP "echo self:5 >sessions/s/1/fd"
			chmod 600 /proc/self/fd/5'
		rmdir sessions/s/1 sessions/s
	END
}

@test "a file of a tmpfs without swap is never swapped out, also in the next kernel" {
	luo_run <<-'END'
		mkdir /tmp/noswap sessions/s sessions/s/{1,2}
		mount -t tmpfs -o noswap none /tmp/noswap
		exec 5<>/tmp/noswap/secret
		rm /tmp/noswap/secret
		luo-hold make open,fd=5,size=8M,part=0:8M,seed=1 memfd,size=64M,seed=2,fd=6 -- bash -c '. luo.bash
			echo self:5 >sessions/s/1/fd
			echo self:6 >sessions/s/2/fd'
		shows sessions/s/1 compatible=memfd-v4
		shows sessions/s/2 compatible=memfd-v3
		exec 5<&-
	END
	vm_kexec
	luo_run <<-'END'
		mkswap /dev/vda >/dev/null
		swapon /dev/vda
		new_group
		in_group luo-hold make null,fd=5 null,fd=6 -- bash -c '. luo.bash
			echo self:5 >incoming/s/1/fd
			echo self:6 >incoming/s/2/fd
			luo-hold check open,fd=5,size=8M,seed=1 open,fd=6,size=64M,seed=2
			echo 1 >incoming/s/finish
			push_out
			expect 2048 cached 5
			(($(cached 6) < 16384))'
		swapoff /dev/vda
		rmdir $group
	END
}

@test "pages of a preserved file are unevictable, and evictable again when it is unpreserved" {
	luo_run <<-'END'
		mkswap /dev/vda >/dev/null
		swapon /dev/vda
		new_group
		mkdir sessions/s sessions/s/1
		in_group luo-hold make memfd,size=64M,seed=1,fd=5 -- bash -c '. luo.bash
			echo self:5 >sessions/s/1/fd
			echo 32M >$group/memory.reclaim 2>/dev/null || :
			expect 16384 cached 5
			# What reclaim met it put aside, and does not meet again.
			until (($(awk "\$1 == \"unevictable\" { print \$2 }" $group/memory.stat) >= 64 << 20)); do
				echo 1M >$group/memory.reclaim 2>/dev/null || :
			done
			scanned() { awk "\$1 == \"pgscan\" { print \$2 }" $group/memory.stat; }
			before=$(scanned)
			echo 32M >$group/memory.reclaim 2>/dev/null || :
			(($(scanned) - before < 1024))
			rmdir sessions/s/1
			push_out
			luo-hold check open,fd=5,size=64M,seed=1'
		rmdir sessions/s $group
		swapoff /dev/vda
	END
}

@test "what is allocated behind the end of a file is neither handed over nor freed by unpreserving" {
	luo_run <<-'END'
		mkdir sessions/s sessions/s/{1,2}
		luo-hold make memfd,size=6K,seed=1,fd=5 memfd,size=0,fd=6 -- bash -c '. luo.bash
			for fd in 5 6; do
				fallocate --keep-size -o 0 -l 1M /proc/self/fd/$fd
			done
			for round in 1 2 3; do
				for fd in 5 6; do
					echo self:$fd >sessions/s/$((fd - 4))/fd
				done
				rmdir sessions/s/1 sessions/s/2
				mkdir sessions/s/1 sessions/s/2
			done
			luo-hold check open,fd=5,size=6K,seed=1
			expect 2048 stat -L -c %b /proc/self/fd/5
			expect 2048 stat -L -c %b /proc/self/fd/6
			luo-hold make open,fd=6,size=1M,part=0:1M,seed=2 -- true
			luo-hold check open,fd=6,size=1M,seed=2
			echo self:5 >sessions/s/1/fd
			echo self:6 >sessions/s/2/fd'
	END
	vm_kexec
	luo_run <<-'END'
		luo-hold make null,fd=5 null,fd=6 -- bash -c '. luo.bash
			echo self:5 >incoming/s/1/fd
			echo self:6 >incoming/s/2/fd
			luo-hold check open,fd=5,size=6K,seed=1 open,fd=6,size=1M,seed=2
			expect 16 stat -L -c %b /proc/self/fd/5
			echo 1 >incoming/s/finish'
	END
}

@test "userfaultfd fills holes of a preserved file, with a copy and with zeros, and they come back" {
	luo_run <<-'END'
		mkdir sessions/s sessions/s/1
		luo-hold make memfd,size=16M,data=0:4K,seed=1,fd=5 -- bash -c '. luo.bash
			echo self:5 >sessions/s/1/fd
			luo-hold make open,fd=5,part=2M:3M,seed=2,via=uffd -- true
			luo-hold make open,fd=5,part=8M:64K,via=uffd -- true
			luo-hold make open,fd=5,part=12M:4K,seed=3 -- true'
	END
	vm_kexec
	luo_run <<-'END'
		luo-hold make null,fd=5 -- bash -c '. luo.bash
			echo self:5 >incoming/s/1/fd
			luo-hold check open,fd=5,size=16M,part=0:4K,seed=1 open,fd=5,part=2M:3M,seed=2 \
				open,fd=5,part=8M:64K open,fd=5,part=12M:4K,seed=3
			echo 1 >incoming/s/finish'
	END
	assert_output --partial ' data=0:4096+2097152:3145728+8388608:65536+12582912:4096 '
}

@test "a reboot by a process whose group has no room for what is carried on works, and charges it nothing" {
	luo_run <<<'luo-hold preserve sessions/s/1 1 memfd,size=64M,seed=1'
	vm_kexec
	vm_load
	luo_run <<-'END'
		new_group
		echo 16M >$group/memory.max
	END
	vm_spawn 'luo-kexec -n; echo $$ >/sys/fs/cgroup/test/cgroup.procs; exec kexec -e'
	vm_await_kernel
	luo_run <<-'END'
		luo-hold retrieve incoming/s/1 1 memfd,size=64M,seed=1
		echo 1 >incoming/s/finish
	END
}
