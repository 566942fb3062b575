#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
#
# What can be said of the kernel without running it.

bats_load_library bats-support
bats_load_library bats-assert
load lib/vm

@test "the base kernel's own test of the in-kernel API compiles as it is" {
	"$VM_REPO/scripts/basetest"
}

@test "with make fuzz the readers of hand-overs stand any bytes, and nearly all of them is tried" {
	run env FUZZ_SECONDS=20 "$VM_REPO/scripts/fuzz"
	assert_success
	for file in luo_{abi{,_v1,_v5},buf,handover,label,lost,notes,timeline}.c luo_extent.c memfd_luo_{in,v2,v3}.c tmpfs_luo_{chain,in}.c; do
		read -r reached all < <(sed -nE "s/^fuzz: $file: ([0-9]+) of the ([0-9]+) .*/\1 \2/p" <<<"$output")
		((reached * 100 >= all * 97))
	done
}

@test "the readers take more extents than an array has room for, and one that KHO has in pieces" {
	"$VM_REPO/scripts/fuzz" limits
}

@test "the image lists the formats and file types that the kernel understands" {
	run readelf -p .liveupdate_versions "$VM_BUILD/obj/vmlinux"
	assert_success
	assert_line --regexp '\] +luo-v1$'
	assert_line --regexp '\] +memfd-v2$'
	assert_line --regexp '\] +memfd-v3$'
	assert_line --regexp '\] +memfd-v4$'
	assert_line --regexp '\] +hugetlb-v1$'
	assert_line --regexp '\] +tmpfs-v1$'

	# The head of the section, and strings of one size behind it
	"$ARCH_GNU-objcopy" -O binary -j .liveupdate_versions "$VM_BUILD/obj/vmlinux" "$BATS_TEST_TMPDIR/versions"
	run od -A n -t x4 -N 8 "$BATS_TEST_TMPDIR/versions"
	assert_output ' 4c565550 00000001'
	size=$(stat -c %s "$BATS_TEST_TMPDIR/versions")
	assert_equal $(((size - 8) % 48)) 0
}
