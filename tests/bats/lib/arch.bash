# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the harness knows about architectures, all of it. Sourced with ARCH (x86_64, arm64) set or unset.

: "${ARCH:=$(uname -m)}"
[[ $ARCH != aarch64 ]] || ARCH=arm64

# shellcheck disable=SC2034  # for those who source this
case $ARCH in
x86_64)
	ARCH_DEB=amd64
	ARCH_GNU=x86_64-linux-gnu
	ARCH_LOADER=lib64
	ARCH_IMAGE=bzImage
	ARCH_CONSOLE=ttyS0
	ARCH_QEMU=(qemu-system-x86_64 -machine q35)
	# Where the memory begins, as long as it is all of a piece.
	ARCH_RAM_BASE=0
	# What the next kernel has to boot in: its image, its root packed and unpacked, its early allocations.
	ARCH_SCRATCH=16M,112M,16M
	# Five levels of page tables cost an emulated guest a quarter of its time.
	ARCH_TCG_CPU=max,la57=off
	# The watchdog of 7.3 makes two processors compare their time with interrupts off, and looks at the clock for
	# when to give up. Before the boot has switched from jiffies that clock stands still then: with a stop_machine()
	# on the other processor neither goes on for ever. A guest's processors all have the host's time.
	# And on a busy host the emulated timer may not tick while the boot looks whether it does, which panics.
	ARCH_APPEND=' tsc=nowatchdog no_timer_check'
	# With the sanitizers ACPI's interpreter takes half a minute to route interrupts, which virtio does not need; but
	# only ACPI tells of more than one processor.
	ARCH_DEBUG_APPEND=' acpi=noirq'
	# A node without memory is there for a processor, and one that is not plugged in will do.
	ARCH_ABSENT_CPU=1
	;;
arm64)
	ARCH_DEB=arm64
	ARCH_GNU=aarch64-linux-gnu
	ARCH_LOADER=lib
	ARCH_IMAGE=Image
	ARCH_CONSOLE=ttyAMA0
	ARCH_QEMU=(qemu-system-aarch64 -machine virt)
	ARCH_RAM_BASE=0x40000000
	# kexec puts the image into the low area here, and the root above it: that area has to hold both.
	ARCH_SCRATCH=80M,112M,16M
	# Pointer authentication by QEMU's own algorithm: the architected one is slow to emulate.
	ARCH_TCG_CPU=max,pauth-impdef=on
	ARCH_APPEND=
	ARCH_DEBUG_APPEND=
	ARCH_ABSENT_CPU=
	;;
*)
	echo "ARCH=$ARCH: the test guest knows x86_64 and arm64" >&2
	exit 1
	;;
esac
