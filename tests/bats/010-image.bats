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

@test "the readers of hand-overs stand any bytes for 30 seconds" {
	"$VM_REPO/scripts/fuzz" 30
}

@test "the image lists the formats and file types that the kernel understands" {
	run readelf -p .liveupdate_versions "$VM_BUILD/obj/vmlinux"
	assert_success
	assert_line --regexp '\] +luo-v1$'
	assert_line --regexp '\] +memfd-v2$'

	# The head of the section, and strings of one size behind it
	"$ARCH_GNU-objcopy" -O binary -j .liveupdate_versions "$VM_BUILD/obj/vmlinux" "$BATS_TEST_TMPDIR/versions"
	run od -A n -t x4 -N 8 "$BATS_TEST_TMPDIR/versions"
	assert_output ' 4c565550 00000001'
	size=$(stat -c %s "$BATS_TEST_TMPDIR/versions")
	assert_equal $(((size - 8) % 48)) 0
}
