#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# bats file_tags=without-debug,without-ci
#
# Pages of 1 GiB come back, and are taken off what the next kernel allocates before it has an allocator.

load lib/common
load lib/luo

setup_file() {
	[[ ${ARCH-} != arm64 ]] || skip "a test of x86_64's sizes"
	guest_start -m 7G
	vm_run 'cat /proc/cmdline'
	echo "$output" >"$VM_DIR/cmdline"
}

# kexec_with ARGUMENT: replace the kernel by one with this on its command line, too.
kexec_with() {
	vm_kexec "$(<"$VM_DIR/cmdline") ${1-}"
}

@test "a page of 1 GiB comes back, whatever the next kernel is asked for, and its pool is that" {
	local arguments before after
	kexec_with 'hugepagesz=1G hugepages=3'
	luo_run <<<'expect "3 3 0 0" pool 1048576'
	while read -r arguments before after; do
		luo_run <<-'END'
			[[ $(pool 1048576) != 0* ]] || pool_has 1048576 1
			luo-hold preserve sessions/s/1 1 memfd,flags=1G+sealing,size=1G,part=3M:2M+1020M:4M,seed=1,via=mmap
			luo-hold preserve sessions/s/2 1 memfd,size=3M,seed=2
		END
		kexec_with "${arguments//+/ }"
		luo_run "before='${before//,/ }' after='${after//,/ }'" <<-'END'
			expect "$before" pool 1048576
			luo-hold make null,fd=5 null,fd=6 -- bash -c '. luo.bash
				echo self:5 >incoming/s/1/fd
				echo self:6 >incoming/s/2/fd
				expect "$1" pool 1048576
				luo-hold check open,fd=5,size=1G,part=3M:2M+1020M:4M,seed=1 open,fd=5,part=0:3M+5M:2M+1016M:4M,via=mmap
				luo-hold check open,fd=6,size=3M,seed=2
				expect "$1" pool 1048576
				echo 1 >incoming/s/finish' bash "$before"
			expect "$after" pool 1048576
		END
	done <<-'END'
		hugepagesz=1G+hugepages=3 3,2,0,0 3,3,0,0
		hugepagesz=1G+hugepages=1 1,0,0,0 1,1,0,0
		hugepagesz=1G+hugepages=0:2 2,1,0,0 2,2,0,0
		hugepagesz=1G 1,0,0,1 0,0,0,0
	END
}

@test "files of 1 GiB pages are carried on, given up, and preserved again" {
	luo_run <<-'END'
		pool_has 1048576 2
		luo-hold preserve sessions/s/1 1 memfd,flags=1G,size=2G,part=1G:2M,seed=1,via=mmap
		luo-hold preserve sessions/t/1 1 memfd,flags=1G,size=1G,part=0:2M,seed=2,via=mmap
		expect "2 0 0 0" pool 1048576
	END
	kexec_with hugepagesz=1G
	luo_run <<-'END'
		expect "2 0 0 2" pool 1048576
		echo discard >incoming/t/finish
		expect "1 0 0 1" pool 1048576
	END
	kexec_with hugepagesz=1G
	luo_run <<-'END'
		expect "1 0 0 1" pool 1048576
		luo-hold make null,fd=5 -- bash -c '. luo.bash
			echo self:5 >incoming/s/1/fd
			luo-hold check open,fd=5,size=2G,part=1G:2M,seed=1 open,fd=5,part=0:2M
			expect "1 0 0 1" pool 1048576
			echo 1 >incoming/s/finish
			mkdir -p sessions/u/1
			echo self:5 >sessions/u/1/fd'
	END
	kexec_with hugepagesz=1G
	luo_run <<-'END'
		luo-hold retrieve incoming/u/1 1 memfd,flags=1G,size=2G,part=1G:2M,seed=1
		echo 1 >incoming/u/finish
		expect "0 0 0 0" pool 1048576
	END
}
