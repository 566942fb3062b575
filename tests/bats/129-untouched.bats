#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# bats file_tags=memory
#
# A retrieved memfd's pages get into the page cache when they are touched, and all of them in the background. Nobody
# can tell but by a look into the page cache: what is done to a file whose pages are not there does what it does to any.

load lib/common
load lib/luo

setup_file() { swap_start -m "${VM_MEMORY/512M/1G}"; }

# untouched FILE…: preserve each FILE under token 0, 1, 2… of session s, and go to a kernel that does nothing in the
# background.
untouched() {
	luo_run "files=(${*@Q})" <<-'END'
		for token in "${!files[@]}"; do
			luo-hold preserve sessions/s/$token 1 "${files[token]}"
		done
	END
	vm_kexec
	luo_run <<<'background 100000000'
}

# retrieved: the script on stdin with the files as 5, 6, 7…
retrieved() {
	local script
	script=$(cat)
	luo_run <<<"retrieved s ${script@Q}"
}

@test "pages come when they are touched, a few at a time; size, blocks and data are there from the beginning" {
	untouched memfd,size=64M,seed=1 memfd,size=8M,data=4K:4K+12K:8K+2M:64K+5000K:4K,seed=2 memfd,size=64K,seed=3
	retrieved <<-'END'
		expect 0 cached 5
		expect 0 cached 6
		expect 16 cached 7
		luo-hold check open,fd=5,size=64M,part=none open,fd=6,part=none open,fd=7,part=none
		expect 0 cached 5
		expect 0 cached 6
		# Up to 16, 64 or 512, as they lie in memory
		luo-hold check open,fd=5,part=5M:1,seed=1 >/dev/null
		few=$(cached 5)
		((0 < few && few <= 512))
		luo-hold check open,fd=5,part=64K:1,seed=1,via=mmap >/dev/null
		more=$(($(cached 5) - few))
		((0 < more && more <= 512))
		luo-hold check open,fd=6,data=4K:4K+12K:8K+2M:64K+5000K:4K,seed=2 open,fd=7,seed=3 open,fd=5,seed=1 >/dev/null
		expect 16384 cached 5
		expect 20 cached 6
	END
	assert_line --regexp '^fd=5 size=67108864 pos=0 blocks=131072 .* data=0:67108864 '
	assert_line --regexp '^fd=6 size=8388608 pos=0 blocks=160 .* data=4096:4096\+12288:8192\+2097152:65536\+5120000:4096 '
}

@test "the background brings all of them, while others touch them" {
	untouched memfd,size=128M,seed=1
	luo_run <<<'background 0'
	retrieved <<-'END'
		for i in 1 2 3; do
			luo-hold check open,fd=5,size=128M,seed=1 &
			pids+=($!)
		done
		until [[ $(cached 5) == 32768 ]]; do :; done
		for pid in "${pids[@]}"; do
			wait $pid
		done
	END
}

@test "read in every way" {
	untouched memfd,size=5000K,seed=1 memfd,size=5000K,seed=2 memfd,size=5000K,seed=3 memfd,size=5000K,seed=4 \
		memfd,size=8M,seed=5
	retrieved <<-'END'
		luo-hold check open,fd=5,seed=1 open,fd=6,seed=2,via=mmap open,fd=7,seed=3,via=splice open,fd=8,seed=4,via=direct
		# With some pages there, it could be one huge one.
		luo-hold check open,fd=9,part=1M:1+3M:1,seed=5 open,fd=9,seed=5,via=collapse
		expect 2048 cached 9
	END
}

# What is written to files 0 and 1 of 32M, and what they are then
written() {
	retrieved <<-'END'
		luo-hold make open,fd=5,part=8K:8K,seed=9 open,fd=5,part=4M:100,seed=9,via=mmap open,fd=5,part=30M:4K,seed=9,via=collapse \
			open,fd=6,part=1M:4K+5M:64K+8191K:4K,seed=9 open,fd=6,part=3M:4K+9M:3M+16383K:4K,seed=9,via=mmap -- true
		luo-hold check open,fd=5,part=0:8K+16K:4080K+4194404:8M+20M:10M+30724K:2044K,seed=1 \
			open,fd=5,part=8K:8K+4M:100+30M:4K,seed=9 \
			open,fd=6,part=0:64K+30M:64K,seed=2 open,fd=6,part=1M:4K+3M:4K+5M:64K+8191K:4K+9M:3M+16383K:4K,seed=9 \
			open,fd=6,part=64K:960K+1028K:2044K+3076K:2044K+5184K:3007K+8195K:1021K+12M:4095K+16387K:14333K+30784K:1984K
	END
}

@test "written to, over pages and into holes between them" {
	untouched memfd,size=32M,seed=1 memfd,size=32M,data=0:64K+30M:64K,seed=2
	written
}

@test "written to, with huge pages" {
	untouched memfd,size=32M,seed=1 memfd,size=32M,data=0:64K+30M:64K,seed=2
	vm_run 'echo always >/sys/kernel/mm/transparent_hugepage/shmem_enabled'
	written
	vm_run 'echo never >/sys/kernel/mm/transparent_hugepage/shmem_enabled'
}

@test "files of huge pages, whole and with a hole punched into each" {
	vm_run 'echo always >/sys/kernel/mm/transparent_hugepage/shmem_enabled'
	untouched memfd,size=16M,seed=1 memfd,size=16M,seed=2
	retrieved <<-'END'
		fallocate -p -o 1M -l 2M /proc/self/fd/6
		fallocate -p -o 9000K -l 1 /proc/self/fd/6
		luo-hold check open,fd=5,size=16M,seed=1 open,fd=6,part=0:1M+3M:5928K+9216001:7M,seed=2 open,fd=6,part=1M:2M+9000K:1
	END
	vm_run 'echo never >/sys/kernel/mm/transparent_hugepage/shmem_enabled'
}

@test "truncated, and punched, on and off the edges of pages; the memory is given back" {
	untouched memfd,size=64M,seed=1 memfd,size=64M,seed=2 memfd,size=64M,seed=3 memfd,size=64M,seed=4
	retrieved <<-'END'
		free=$(mem_free)
		truncate -s 10001 /proc/self/fd/5
		truncate -s 64M /proc/self/fd/5
		fallocate -p -o 5000 -l 63M /proc/self/fd/6
		fallocate -p -o 1M -l 1M /proc/self/fd/7
		fallocate -p -o 1234567 -l 7 /proc/self/fd/7
		fallocate -p -o 4M -l 4K /proc/self/fd/7
		fallocate -p -l 64M /proc/self/fd/8
		gained=$(($(mem_free) - free))
		echo "MiB given back: $gained"
		((gained > 180))
		expect 1 cached 5
		luo-hold check open,fd=5,part=0:10001,seed=1 open,fd=5,part=10001:60M open,fd=6,part=0:5000+66065608:1000000,seed=2 \
			open,fd=6,part=5000:63M open,fd=7,part=0:1M+2M:2M+4100K:61436K,seed=3 open,fd=7,part=1M:1M+4M:4K open,fd=8
	END
	assert_line --regexp '^fd=5 .* blocks=24 .* data=0:12288 '
	assert_line --regexp '^fd=7 .* blocks=129016 .* data=0:1048576\+2097152:2097152\+4198400:'
	assert_line --regexp '^fd=8 .* blocks=0 .* data=none '
}

@test "allocated over, and sealed" {
	untouched memfd,size=32M,data=0:4K+1M:1M+20M:4K,seed=1 memfd,size=32M,seed=2
	retrieved <<-'END'
		fallocate -l 32M /proc/self/fd/5
		luo-hold make open,fd=6,seals=seal+shrink+grow+write+future_write -- true
		fails EPERM 'printf x >/proc/self/fd/6'
		luo-hold check open,fd=5,part=0:4K+1M:1M+20M:4K,seed=1 open,fd=5,part=4K:1020K+2M:18M+20484K:11M \
			open,fd=6,size=32M,seed=2,seals=seal+shrink+grow+write+future_write
	END
	assert_line --regexp '^fd=5 .* blocks=65536 .* data=0:4096\+1048576:1048576\+20971520:4096 '
}

@test "the group that retrieved it pays for all of it, no more and no less, whoever touches it" {
	expect_kernel_line 'luo: s/1: retrieve: ENOMEM'
	untouched memfd,size=32M,seed=1 memfd,size=32M,seed=2
	luo_run <<-'END'
		new_group
		echo 40M >$group/memory.max
		in_group luo-hold make null,fd=5 -- bash -c '. luo.bash
			echo self:5 >incoming/s/0/fd
			expect 0 cached 5
			(($(<$group/memory.current) >= 33554432))
			fails ENOMEM "echo self:5 >incoming/s/1/fd"
			echo $BASHPID >/sys/fs/cgroup/cgroup.procs
			luo-hold check open,fd=5,size=32M,seed=1
			expect "shmem 33554432" grep -w shmem $group/memory.stat'
		expect 'oom_kill 0' grep -w oom_kill $group/memory.events
		luo-hold retrieve incoming/s/1 1 memfd,size=32M,seed=2
		echo 1 >incoming/s/finish
		until grep -qx 'shmem 0' $group/memory.stat; do :; done
		(($(<$group/memory.current) < 16777216))
	END
}

@test "touched bit by bit while memory is being swapped out" {
	untouched memfd,size=64M,seed=1
	luo_run <<-'END'
		mkswap /dev/vda >/dev/null
		swapon /dev/vda
		new_group
		in_group luo-hold make null,fd=5 -- bash -c '. luo.bash
			echo self:5 >incoming/s/0/fd
			luo-hold check open,fd=5,part=0:30M,seed=1
			push_out
			luo-hold check open,fd=5,part=20M:44M,seed=1
			swapoff /dev/vda
			luo-hold check open,fd=5,size=64M,seed=1'
		echo 1 >incoming/s/finish
	END
}

@test "its owner killed: what nobody touched is given back" {
	untouched memfd,size=128M,seed=1
	luo_run <<-'END'
		before=$(mem_free)
		coproc owner { exec luo-hold make null,fd=5 -- bash -c '. luo.bash
			echo self:5 >incoming/s/0/fd
			echo 1 >incoming/s/finish
			luo-hold check open,fd=5,part=1M:1M,seed=1
			exec sleep 1000'; }
		read -r -u ${owner[0]}
		kill -9 $owner_PID
		wait $owner_PID || :
		until (($(mem_free) - before > 124)); do :; done
	END
}

@test "preserved again, and lives through two more kernels that do not touch it" {
	untouched memfd,size=32M,seed=1 memfd,size=64M,data=4K:4K+12K:8K+2M:64K+5000K:4K,seed=2
	luo_run <<-'END'
		mkdir sessions/again sessions/again/{0,1}
		luo-hold make null,fd=5 null,fd=6 -- bash -c '
			echo self:5 >incoming/s/0/fd
			echo self:6 >incoming/s/1/fd
			echo 1 >incoming/s/finish
			echo self:5 >sessions/again/0/fd
			echo self:6 >sessions/again/1/fd'
	END
	vm_kexec
	luo_run <<-'END'
		background 100000000
		luo-hold make null,fd=5 null,fd=6 -- bash -c '
			echo self:5 >incoming/again/0/fd
			echo self:6 >incoming/again/1/fd'
		shows incoming/again state=retrieved
	END
	# It was not finished.
	vm_kexec
	luo_run <<-'END'
		luo-hold retrieve incoming/again/0 1 memfd,size=32M,seed=1
		luo-hold retrieve incoming/again/1 1 memfd,size=64M,data=4K:4K+12K:8K+2M:64K+5000K:4K,seed=2
		echo 1 >incoming/again/finish
		shows . state=normal
	END
}
