#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# bats file_tags=without-debug,memory
#
# Memory whose pages lie scattered, in a machine that has hardly any room to boot in.

load lib/common
load lib/luo

setup_file() {
	guest_start -m 1G -a kho_scratch=4M,68M,0
}

@test "256 MiB of scattered pages come back" {
	luo_survive memfd,size=128M,seed=1,via=scattered memfd,size=128M,seed=2,via=scattered
}

# What is free where the kernel tells of its memory is what the first initcall has.
@test "scattered pages that lie all over leave the gaps to early boot" {
	local mib
	luo_run <<-'END'
		echo $((($(mem_free) - 80) / 2))
	END
	mib=$output
	((mib > 380))
	luo_run <<<"luo-hold preserve sessions/s/1 1 memfd,size=${mib}M,seed=1,via=scattered"
	vm_kexec
	vm_run 'dmesg | grep -E "KHO: kept|Memory:"'
	[[ $output =~ KHO:\ kept\ ([0-9]+)\ MiB ]]
	((BASH_REMATCH[1] > 2 * mib * 9 / 10))
	[[ $output =~ Memory:\ ([0-9]+)K/ ]]
	((BASH_REMATCH[1] / 1024 > mib * 9 / 10))
	luo_run <<-END
		luo-hold retrieve incoming/s/1 1 memfd,size=${mib}M,seed=1
		echo 1 >incoming/s/finish
	END
}
