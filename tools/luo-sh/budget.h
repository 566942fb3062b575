/* SPDX-License-Identifier: GPL-2.0 */
/* How much memory the next kernel needs, and has */
#ifndef BUDGET_H
#define BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All sizes are in bytes. */
struct budget {
	/* The machine */
	uint64_t page_size;
	uint64_t ram;
	unsigned int cpus;
	/* KHO's scratch areas, in the order in which kexec tries them: low, global, each node */
	uint64_t *areas;
	size_t nr_areas;

	/* The running kernel: its own memory, what is preserved, and what of that is huge pages */
	uint64_t kernel;
	uint64_t preserved;
	uint64_t huge;

	/* The next kernel: its image once it is loaded, and the initrd, packed and unpacked */
	uint64_t image;
	uint64_t image_align;
	uint64_t initrd;
	uint64_t rootfs;
	/* The root is a ramfs, whose pages cannot be moved. */
	bool is_ramfs;
	/* Reserved by its command line: crashkernel=, cma= */
	uint64_t reserved;
	/* Huge pages that its command line asks for, including those that are preserved */
	uint64_t pools;
};

enum budget_verdict {
	BUDGET_OK,
	/* No scratch area is large enough for the image, or for the initrd beside it. */
	BUDGET_AREA,
	/* The scratch areas are too small for the early boot. */
	BUDGET_SCRATCH,
	/* What is not preserved is too small for the rest of it. */
	BUDGET_MEMORY,
};

struct budget_result {
	enum budget_verdict verdict;
	/* With BUDGET_AREA of the segment that has no place, and of the largest hole */
	uint64_t scratch_needed;
	uint64_t scratch;
	uint64_t memory_needed;
	uint64_t memory;
	/* kho_scratch= in MiB, with which there is enough scratch memory */
	uint64_t low, global, node;
};

void budget_compute(const struct budget *budget, struct budget_result *result);

#endif /* BUDGET_H */
