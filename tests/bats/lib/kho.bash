# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What KHO holds preserved, counted by the host: the guest's memory is a file of its, which the guest does not notice.
# Only until the first kexec: the next kernel has another tracker. Sourced after lib/common.

# kho_guest_start: guest_start, of a guest with such a memory.
# shellcheck disable=SC2154  # vm_run sets output
kho_guest_start() {
	mkdir -p "$VM_DIR"
	guest_start -- -object "memory-backend-file,id=ram,size=$VM_MEMORY,share=on,mem-path=$VM_DIR/ram" \
		-machine memory-backend=ram
	# Where the tracker is stays so; what is shown of it is cut off: more is handed over than when KHO began.
	vm_run 'base64 -w 0 /sys/kernel/debug/kho/out/fdt' >/dev/null
	base64 -d <<<"$output" >"$VM_DIR/fdt"
}

# preserved_pages: set output to the number of pages that KHO holds preserved.
preserved_pages() {
	output=$("$BATS_TEST_DIRNAME/lib/kho" "$VM_DIR/ram" "$ARCH_RAM_BASE" "$VM_DIR/fdt")
}
