#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# bats file_tags=without-debug,without-ci
#
# A next kernel that cannot have what the old one had as one: transparent huge pages come back as single pages, and
# are huge pages again in a kernel that has them, where nobody touched them.
#
# Needs: nothp

load lib/common
load lib/luo

# nothp_next: kexec into the kernel without huge pages.
nothp_next() {
	vm_next "$VM_REPO/build/$ARCH-nothp/$ARCH_IMAGE"
	vm_kexec
	luo_run '[[ ! -e /sys/kernel/mm/transparent_hugepage ]]'
}

# preserve_huge: a file of 16 huge pages
preserve_huge() {
	luo_run <<-'END'
		echo always >/sys/kernel/mm/transparent_hugepage/shmem_enabled
		luo-hold make memfd,size=32M,seed=1,via=mmap,fd=5 -- bash -c '. luo.bash
			mkdir sessions/s sessions/s/1
			echo self:5 >sessions/s/1/fd
			grep -qx "ShmemHugePages: *32768 kB" /proc/meminfo'
	END
}

# retrieve LINE: the file, with all its bytes. That line is in meminfo then.
retrieve() {
	luo_run "line='$1'; export line" <<-'END'
		luo-hold make null,fd=5 -- bash -c '. luo.bash
			echo self:5 >incoming/s/1/fd
			luo-hold check open,fd=5,size=32M,seed=1,via=mmap
			grep -x "$line" /proc/meminfo
			echo 1 >incoming/s/finish'
	END
}

@test "huge pages come back as single pages in a kernel that has none" {
	preserve_huge
	nothp_next
	retrieve 'Shmem: *[3-9][0-9][0-9][0-9][0-9] kB'
}

@test "huge pages that a kernel without them carried on are huge pages again in one that has them" {
	preserve_huge
	nothp_next
	vm_next "$VM_BUILD/$ARCH_IMAGE"
	vm_kexec
	retrieve 'ShmemHugePages: *32768 kB'
}
