#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# bats file_tags=memory
#
# Memory that is broken: who reads a page of it gets an error, never bytes, and so it is in the next kernel.

load lib/common
load lib/luo

# The file of each test: 16 MiB of seed 1, whose page at 4 MiB gets poisoned.
poisoned=part=4M:4K
others=part=0:4M+4100K:12284K

# file_back: retrieve it, with a hole for the page that was poisoned.
file_back() {
	luo_run "others=$others" <<-'END'
		luo-hold make null,fd=5 -- bash -c '. luo.bash
			echo self:5 >incoming/s/1/fd
			luo-hold check open,fd=5,seed=1,size=16M,$1 open,fd=5,part=4M:4K' bash $others
		echo 1 >incoming/s/finish
	END
}

@test "a file with a poisoned page cannot be preserved until the page is punched out" {
	luo_run "poisoned=$poisoned others=$others" <<-'END'
		luo-hold make memfd,size=16M,seed=1,fd=5 -- bash -c '. luo.bash
			luo-hold poison open,fd=5,$1
			mkdir sessions/s sessions/s/1
			refused EHWPOISON "echo self:5 >sessions/s/1/fd"
			refused EHWPOISON "echo self:5 >sessions/s/1/fd"
			fails EIO "luo-hold check open,fd=5,seed=1,$1 >/dev/null"
			luo-hold check open,fd=5,seed=1,$2
			fallocate -p -o 4M -l 4K /proc/self/fd/5
			echo self:5 >sessions/s/1/fd' bash $poisoned $others
	END
	vm_kexec
	file_back
}

@test "a file with a poisoned page in a huge one cannot be preserved" {
	luo_run "poisoned=$poisoned" <<-'END'
		echo always >/sys/kernel/mm/transparent_hugepage/shmem_enabled
		luo-hold make memfd,size=16M,seed=1,via=mmap,fd=5 -- bash -c '. luo.bash
			luo-hold poison open,fd=5,$1
			mkdir sessions/s sessions/s/1
			refused EHWPOISON "echo self:5 >sessions/s/1/fd"
			fails EIO "luo-hold check open,fd=5,seed=1,$1 >/dev/null"' bash $poisoned
		echo never >/sys/kernel/mm/transparent_hugepage/shmem_enabled
		luo_end
	END
}

@test "a file with a poisoned page that lies in scratch cannot be preserved, and keeps nobody waiting" {
	luo_run <<-'END'
		luo-hold make memfd,size=256M,seed=1,fd=5 -- bash -c '. luo.bash
			page=$(scratch_page 5)
			[[ -n $page ]]
			luo-hold poison open,fd=5,part=$((page * 4))K:4K
			mkdir sessions/s sessions/s/1
			refused EHWPOISON "echo self:5 >sessions/s/1/fd"'
		luo_end
	END
}

@test "a page that is poisoned after its file was preserved stops the kexec until the file is unpreserved" {
	expect_kernel_line 'luo: s/1: freeze: EHWPOISON'
	vm_load
	luo_run "poisoned=$poisoned others=$others" <<-'END'
		luo-hold make memfd,size=16M,seed=1,fd=5 -- bash -c '. luo.bash
			mkdir sessions/s sessions/s/1
			echo self:5 >sessions/s/1/fd
			luo-hold poison open,fd=5,$1
			fails EHWPOISON "echo 1 >prepare"
			last_failed "EHWPOISON freeze s/1"
			kexec_refused EHWPOISON
			last_failed "EHWPOISON freeze s/1"
			shows . state=normal
			shows sessions/s/1 state=preserved
			rmdir sessions/s/1
			mkdir sessions/s/1
			fails EIO "luo-hold check open,fd=5,seed=1,$1 >/dev/null"
			luo-hold check open,fd=5,seed=1,$2
			refused EHWPOISON "echo self:5 >sessions/s/1/fd"
			fallocate -p -o 4M -l 4K /proc/self/fd/5
			echo self:5 >sessions/s/1/fd' bash $poisoned $others
	END
	vm_jump
	file_back
}

@test "a page that is poisoned before anybody touched it gives an error, and the others do not" {
	luo_run "poisoned=$poisoned" <<-'END'
		luo-hold make memfd,size=16M,seed=1,fd=5 -- bash -c '. luo.bash
			mkdir sessions/s sessions/s/1
			echo self:5 >sessions/s/1/fd
			luo-hold frames open,fd=5,$1
			luo-hold frames open,fd=5,part=8M:4K' bash $poisoned
	END
	# shellcheck disable=SC2154  # vm_run sets lines
	frames=("${lines[@]}")
	vm_kexec
	luo_run "poisoned=$poisoned frames='${frames[*]}'" <<-'END'
		background 100000000
		luo-hold make null,fd=5 -- bash -c '. luo.bash
			echo self:5 >incoming/s/1/fd
			# EBUSY: the kernel has no use for such a page yet that it could end.
			for frame in $2; do
				echo $frame >/sys/kernel/debug/hwpoison/corrupt-pfn || :
			done 2>/dev/null
			expect 0 cached 5
			fails EIO "luo-hold check open,fd=5,seed=1,$1 >/dev/null"
			rc=0
			luo-hold check open,fd=5,seed=1,$1,via=mmap || rc=$?
			expect 135 echo $rc
			luo-hold check open,fd=5,seed=1,part=0:4M+4100K:4092K+8196K:8188K
			fails EIO "luo-hold check open,fd=5,seed=1,part=8M:4K >/dev/null"
			echo 1 >incoming/s/finish
			fails EIO "luo-hold check open,fd=5,seed=1,$1 >/dev/null"' bash $poisoned "$frames"
	END
}
