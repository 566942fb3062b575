// SPDX-License-Identifier: GPL-2.0
/*
 * How much memory the next kernel needs, and has. Explained, and shown to hold by
 * examples, in Documentation/admin-guide/liveupdate.rst; tests/bats/312-luo-sh-memory.bats
 * boots kernels at its bounds. Nothing is read here: machine.c fills in struct budget.
 *
 * A kernel that is handed memory over allocates from KHO's scratch areas alone
 * until kho_memory_init() has reserved what is preserved. kho_extend_scratch()
 * adds each GiB of RAM in which nothing is preserved. That is not counted on:
 * a page or two of what tells of the hand-over are enough to keep it from a GiB.
 */
#include "budget.h"

#define KIB(n)			((uint64_t)(n) << 10)
#define MIB(n)			((uint64_t)(n) << 20)
#define GIB(n)			((uint64_t)(n) << 30)

/* struct page, of each page of RAM */
#define STRUCT_PAGE_SIZE	64

/* vmemmap is allocated in these pieces, which a hole in a scratch area has to have room for. */
#define MEMMAP_PIECE		MIB(2)

/* Purgatory, boot parameters, device tree, command line, the list of scratch areas */
#define SMALL_SEGMENTS		KIB(256)

/* Static per-CPU data and its reserve in a distribution's kernel, and the log buffer's share */
#define PER_CPU			KIB(320)

/* Page tables, KFENCE's pool, small allocations: of the kernel, and of each node */
#define EARLY_OTHER		MIB(2)

/* alloc_large_system_hash(): from here on, each step makes the scale one larger */
#define HASH_ADAPT		GIB(64)
#define HASH_ADAPT_SHIFT	2

/* Free pages that the page allocator leaves alone, at most and as part of what it manages */
#define WATERMARK_MAX		MIB(100)
#define WATERMARK_PART		13

/* What the first programs have for themselves, which can be moved */
#define USER_MEMORY		MIB(16)

/* A tmpfs, which the root is, takes at most this part of what is managed at its mount. */
#define TMPFS_PART		2

/* Extents as they are handed over, as they are read, and nodes of the page cache, of each page */
#define FILE_PAGE_SIZE		64

/* kho_scratch= of what has to be low: bounce buffers where RAM reaches beyond 4 GiB */
#define LOW_SMALL		MIB(16)
#define LOW_LARGE		MIB(80)
#define LOW_LIMIT		GIB(3)

/* As KHO rounds scratch areas: SCRATCH_ALIGNMENT_BYTES with pages of 4 KiB */
#define SCRATCH_ALIGN		MIB(4)

static uint64_t round_up(uint64_t value, uint64_t align)
{
	return (value + align - 1) / align * align;
}

static uint64_t round_down(uint64_t value, uint64_t align)
{
	return value / align * align;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a < b ? 0 : a - b;
}

/* A hash table of alloc_large_system_hash(): a pointer for each 2^@scale bytes of RAM */
static uint64_t hash_size(uint64_t ram, unsigned int scale)
{
	uint64_t adapt, size = 8;

	for (adapt = HASH_ADAPT; adapt < ram; adapt <<= HASH_ADAPT_SHIFT)
		scale++;
	while (size < (ram >> scale) * 8)
		size *= 2;
	return size;
}

/* What is allocated early besides the image and the initrd */
static uint64_t early_size(const struct budget *budget, unsigned int nodes)
{
	return round_up(budget->ram / budget->page_size * STRUCT_PAGE_SIZE, MEMMAP_PIECE) +
	       /* Of the directory entries, and of the inodes */
	       hash_size(budget->ram, 13) + hash_size(budget->ram, 14) +
	       budget->cpus * PER_CPU + (1 + nodes) * EARLY_OTHER + budget->reserved;
}

/*
 * Place a segment where kexec_add_buffer() does: in the first area that has a hole
 * for it. Takes it off that hole. Returns false when there is none.
 */
static bool place(const struct budget *budget, uint64_t *used, uint64_t size, uint64_t align,
		  uint64_t *largest)
{
	uint64_t hole;
	size_t i;

	*largest = 0;
	for (i = 0; i < budget->nr_areas; i++) {
		hole = round_down(less(budget->areas[i], used[i]), align);
		if (hole > *largest)
			*largest = hole;
		if (hole >= size) {
			used[i] = budget->areas[i] - hole + size;
			return true;
		}
	}
	return false;
}

/* Scratch areas that are enough, with the struct pages on the nodes that they are of */
static void suggest(const struct budget *budget, struct budget_result *result,
		    unsigned int nodes, uint64_t segments, uint64_t early)
{
	uint64_t memmap = budget->ram / budget->page_size * STRUCT_PAGE_SIZE;
	uint64_t node = round_up((memmap + nodes - 1) / nodes, SCRATCH_ALIGN);
	uint64_t rest = segments + less(early, memmap) + budget->image_align;

	result->low = (budget->ram > LOW_LIMIT ? LOW_LARGE : LOW_SMALL) >> 20;
	result->global = round_up(rest, SCRATCH_ALIGN) >> 20;
	result->node = node >> 20;
}

/* The formula. @budget has at least one area and one processor. */
void budget_compute(const struct budget *budget, struct budget_result *result)
{
	unsigned int nodes = budget->nr_areas > 3 ? budget->nr_areas - 2 : 1;
	uint64_t image = round_up(budget->image, budget->image_align);
	uint64_t initrd = round_up(budget->initrd, budget->page_size);
	uint64_t early = early_size(budget, nodes), segments = SMALL_SEGMENTS + image + initrd;
	uint64_t used[budget->nr_areas], total = 0, holes = 0, largest, described, outside;
	uint64_t left, needed;
	size_t i;

	*result = (struct budget_result){ .verdict = BUDGET_OK };
	suggest(budget, result, nodes, segments, early);
	for (i = 0; i < budget->nr_areas; i++) {
		used[i] = 0;
		total += budget->areas[i];
	}

	/* The segments */
	result->scratch_needed = SMALL_SEGMENTS;
	if (place(budget, used, SMALL_SEGMENTS, budget->page_size, &largest)) {
		result->scratch_needed = image;
		if (place(budget, used, image, budget->image_align, &largest)) {
			result->scratch_needed = initrd;
			if (place(budget, used, initrd, budget->page_size, &largest))
				result->scratch_needed = 0;
		}
	}
	if (result->scratch_needed) {
		result->verdict = BUDGET_AREA;
		result->scratch = largest;
		return;
	}

	/* The early boot, in what is left */
	for (i = 0; i < budget->nr_areas; i++)
		holes += round_down(less(budget->areas[i], used[i]), MEMMAP_PIECE);
	result->scratch_needed = segments + early;
	result->scratch = segments + holes;
	if (holes < early)
		result->verdict = BUDGET_SCRATCH;

	/*
	 * The rest of the boot, up to where the files are retrieved. Pages that cannot be
	 * moved are never taken from a scratch area, which is MIGRATE_CMA by then.
	 */
	described = budget->preserved / budget->page_size * FILE_PAGE_SIZE;
	outside = less(budget->ram, total + budget->preserved);
	left = less(total, segments + early);
	needed = budget->kernel + described + less(budget->pools, budget->huge) +
		 min_u64(WATERMARK_MAX, outside / WATERMARK_PART);
	if (budget->is_ramfs)
		needed += budget->rootfs + less(USER_MEMORY, left);
	else
		needed = max_u64(needed + less(budget->rootfs + USER_MEMORY, left),
				 less(budget->rootfs * TMPFS_PART, left));
	result->memory_needed = needed;
	result->memory = outside;
	if (result->verdict == BUDGET_OK && outside < result->memory_needed)
		result->verdict = BUDGET_MEMORY;
}
