# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What KHO holds preserved, counted by the host: the guest's memory is a file of its, which the guest does not notice.
# Only until the first kexec: after that the tracker is not shown. Sourced after lib/common.

# kho_guest_start: guest_start, of a guest with such a memory.
kho_guest_start() {
	mkdir -p "$VM_DIR"
	guest_start -- -object "memory-backend-file,id=ram,size=$VM_MEMORY,share=on,mem-path=$VM_DIR/ram" \
		-machine memory-backend=ram
}

# preserved_pages: set output to the number of pages that KHO holds preserved.
# shellcheck disable=SC2154  # vm_run sets output
preserved_pages() {
	vm_run 'base64 -w 0 /sys/kernel/debug/kho/out/fdt' >/dev/null
	base64 -d <<<"$output" >"$VM_DIR/fdt"
	output=$("$BATS_TEST_DIRNAME/lib/kho" "$VM_DIR/ram" "$ARCH_RAM_BASE" "$VM_DIR/fdt")
}
