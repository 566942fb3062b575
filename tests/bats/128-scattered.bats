#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# bats file_tags=without-debug
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
