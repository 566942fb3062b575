// SPDX-License-Identifier: GPL-2.0
/*
 * Keeping preserved memory from the page allocator.
 *
 * That is memblock's to do, whose cost is the square of the number of its
 * regions, and whose memory for them is scarce while all but KHO's scratch areas
 * is out of bounds. So preserved memory is gone through by address, and what
 * lies close together is reserved as one, however much that is. The gaps in
 * between go to the page allocator later. They are listed in their own struct
 * pages, which needs no memory.
 */

#include <linux/bitops.h>
#include <linux/count_zeros.h>
#include <linux/init.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/kexec_handover.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/math.h>
#include <linux/memblock.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/panic.h>
#include <linux/pfn.h>
#include <linux/sizes.h>

#include "kexec_handover_internal.h"

/* A gap that is kept along is at most this part of all memory, or 2 MiB. */
#define KHO_MAX_GAP_SHIFT	12

/* What is about to be reserved */
static struct {
	phys_addr_t start;
	phys_addr_t end;
	phys_addr_t free_end;	/* of the free range that @start is in */
	phys_addr_t max_gap;
} kho_kept __initdata;

static struct list_head kho_gaps __initdata = LIST_HEAD_INIT(kho_gaps);

static void __init kho_keep_gap(phys_addr_t start, phys_addr_t end)
{
	struct page *page = pfn_to_page(PHYS_PFN(start));

	for (; start < end; start += PAGE_SIZE)
		kho_get_preserved_page(start, 0);

	page->private = PHYS_PFN(end) - page_to_pfn(page);
	list_add_tail(&page->lru, &kho_gaps);
}

static phys_addr_t __init kho_free_range_end(phys_addr_t phys)
{
	phys_addr_t start, end;
	u64 i;

	for_each_free_mem_range(i, NUMA_NO_NODE, MEMBLOCK_NONE, &start, &end, NULL) {
		if (start <= phys && phys < end)
			return end;
	}
	return phys;
}

/* Nobody can go on without: what was preserved would be given away. */
static void __init kho_reserve_kept(void)
{
	phys_addr_t size = kho_kept.end - kho_kept.start;

	if (size && (memblock_reserve(kho_kept.start, size) ||
		     memblock_reserved_mark_noinit(kho_kept.start, size)))
		panic("KHO: no room to keep preserved memory reserved");
}

/* Called with addresses that ascend. */
static void __init kho_keep_one(phys_addr_t phys, unsigned int order)
{
	phys_addr_t end = phys + (PAGE_SIZE << order);

	kho_mark_preserved(phys, order);

	if (phys > kho_kept.free_end || phys > kho_kept.end + kho_kept.max_gap) {
		kho_reserve_kept();
		kho_kept.start = phys;
		kho_kept.free_end = kho_free_range_end(phys);
	} else if (phys > kho_kept.end) {
		kho_keep_gap(kho_kept.end, phys);
	}
	kho_kept.end = max(kho_kept.end, end);
}

/* Find the first key that is not below @key, and set @key to it. */
static bool __init kho_find_key(struct kho_radix_node *node, unsigned int level,
				unsigned long *key)
{
	struct kho_radix_leaf *leaf;
	unsigned long size, next;
	unsigned int i;

	if (!level) {
		leaf = (struct kho_radix_leaf *)node;
		size = 1UL << KHO_BITMAP_SIZE_LOG2;
		next = find_next_bit(leaf->bitmap, size, *key % size);
		*key = round_down(*key, size) + next;
		return next < size;
	}

	size = 1UL << ((level - 1) * KHO_TABLE_SIZE_LOG2 + KHO_BITMAP_SIZE_LOG2);
	for (i = *key / size % (1 << KHO_TABLE_SIZE_LOG2); i < 1 << KHO_TABLE_SIZE_LOG2; i++) {
		next = round_down(*key, size) + size;
		if (node->table[i] &&
		    kho_find_key(phys_to_virt(node->table[i]), level - 1, key))
			return true;
		*key = next;
	}
	return false;
}

/* Where we are among the preserved memory of one order */
struct kho_cursor {
	unsigned long key;
	phys_addr_t phys;
	unsigned int order;
};

static bool __init kho_move_cursor(struct kho_cursor *cursor, unsigned long key,
				   struct kho_radix_node *root)
{
	unsigned int order = cursor->order;

	if (!kho_find_key(root, KHO_TREE_MAX_DEPTH - 1, &key))
		return false;
	cursor->key = key;
	cursor->phys = kho_decode_radix_key(key, &cursor->order);
	return cursor->order == order;
}

/**
 * kho_keep() - keep what is preserved from the page allocator
 * @root: root of the tree that tells what is preserved, which has it sorted by
 *        order, and by address within an order
 *
 * Context: early boot, while memblock is what allocates. Panics when that has no
 * room for what is to be reserved.
 */
void __init kho_keep(struct kho_radix_node *root)
{
	struct kho_cursor cursors[BITS_PER_LONG - PAGE_SHIFT], *first;
	unsigned int nr = 0, order, i;

	for (order = 0; order < ARRAY_SIZE(cursors); order++) {
		cursors[nr].order = order;
		if (kho_move_cursor(&cursors[nr], kho_encode_radix_key(0, order), root))
			nr++;
	}

	kho_kept.max_gap = max(SZ_2M, memblock_phys_mem_size() >> KHO_MAX_GAP_SHIFT);
	while (nr) {
		first = cursors;
		for (i = 1; i < nr; i++) {
			if (cursors[i].phys < first->phys)
				first = &cursors[i];
		}
		kho_keep_one(first->phys, first->order);
		if (!kho_move_cursor(first, first->key + 1, root))
			*first = cursors[--nr];
	}
	kho_reserve_kept();
}

static void __init kho_free_gap(unsigned long pfn, unsigned long end)
{
	totalram_pages_add(end - pfn);
	while (pfn < end) {
		unsigned int order = min3(count_trailing_zeros(pfn), ilog2(end - pfn),
					  MAX_PAGE_ORDER);

		memblock_free_pages(pfn, order);
		pfn += 1UL << order;
	}
}

/* By now the struct pages of all memory are there, which freeing looks at. */
static int __init kho_free_gaps(void)
{
	struct page *page, *next;
	unsigned long nr;

	list_for_each_entry_safe(page, next, &kho_gaps, lru) {
		nr = page->private;
		page->private = 0;
		kho_free_gap(page_to_pfn(page), page_to_pfn(page) + nr);
	}
	return 0;
}
core_initcall(kho_free_gaps);
