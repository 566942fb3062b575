// SPDX-License-Identifier: GPL-2.0
/*
 * Keeping preserved memory from the page allocator.
 *
 * That is memblock's to do, whose cost is the square of the number of its
 * regions, and whose memory for them is scarce while all but KHO's scratch areas
 * is out of bounds. So preserved memory is gone through by address, and what
 * lies close together is reserved as one region, however much that is: there are
 * at most some 4096 regions.
 *
 * The gaps within a region are most of the machine's memory when preserved pages
 * lie all over it, and nothing else can have unmovable memory then, as the
 * scratch areas are CMA. No part of memblock can bound their sum: with every
 * other page preserved half of the memory is gaps, and to reserve these pages one
 * by one takes millions of regions. So it is the time that is bounded.
 * memblock_free_all() is followed by kho_free_early(), which gives all gaps to
 * the page allocator before it is first asked for a page. Gaps are found by going
 * through the tree of what is preserved again. Nobody preserved the tree itself, and
 * its memory is free by then. So the tree is copied first, which takes 4 KiB for
 * 128 MiB and each order that something in these is preserved with.
 *
 * With CONFIG_DEFERRED_STRUCT_PAGE_INIT only a part of the struct pages exists by
 * then. The gaps in the rest are freed with the section that they are in: when
 * the page allocator runs out and grows its zone, or by the threads of
 * page_alloc_init_late(). So early boot can always have what it could have with
 * nothing reserved but preserved pages. These threads initialise the struct pages
 * of preserved memory as well: that is a cost per page, which early boot need not
 * wait for. A page that is restored before gets its struct page from kho_settle().
 */

#define pr_fmt(fmt) "KHO: " fmt

#include <linux/bitmap.h>
#include <linux/bitops.h>
#include <linux/count_zeros.h>
#include <linux/init.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/kexec_handover.h>
#include <linux/log2.h>
#include <linux/math.h>
#include <linux/memblock.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/nodemask.h>
#include <linux/panic.h>
#include <linux/pfn.h>
#include <linux/printk.h>
#include <linux/sizes.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "kexec_handover_internal.h"

/* A gap that is kept along is at most this part of all memory, or 2 MiB. */
#define KHO_MAX_GAP_SHIFT	12

/* The tree of what is preserved, of which kho_keep() makes a copy, and which orders are in it */
static struct kho_radix_node *kho_tree __initdata;
static unsigned long kho_orders __initdata;

/* How much is reserved */
static phys_addr_t kho_kept_size __initdata;

/* What is about to be reserved */
static struct {
	phys_addr_t start;
	phys_addr_t end;
	phys_addr_t free_end;	/* of the free range that @start is in */
	phys_addr_t max_gap;
} kho_kept __initdata;

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

	kho_kept_size += size;
	if (size && (memblock_reserve(kho_kept.start, size) ||
		     memblock_reserved_mark_noinit(kho_kept.start, size)))
		panic("KHO: no room to keep preserved memory reserved");
}

/* Go on to @phys, which is not below what was kept before. */
static void __init kho_keep_from(phys_addr_t phys)
{
	if (phys <= kho_kept.free_end && phys <= kho_kept.end + kho_kept.max_gap)
		return;
	kho_reserve_kept();
	kho_kept.start = phys;
	kho_kept.end = phys;
	kho_kept.free_end = kho_free_range_end(phys);
}

/*
 * Find the first key that is not below @key, and set @key to it and @leaf to the
 * leaf that it is in.
 */
static bool __init kho_find_key(struct kho_radix_node *node, unsigned int level,
				unsigned long *key, struct kho_radix_leaf **leaf)
{
	unsigned long size, next;
	unsigned int i;

	if (!level) {
		*leaf = (struct kho_radix_leaf *)node;
		size = 1UL << KHO_BITMAP_SIZE_LOG2;
		next = find_next_bit((*leaf)->bitmap, size, *key % size);
		*key = round_down(*key, size) + next;
		return next < size;
	}

	size = 1UL << ((level - 1) * KHO_TABLE_SIZE_LOG2 + KHO_BITMAP_SIZE_LOG2);
	for (i = *key / size % (1 << KHO_TABLE_SIZE_LOG2); i < 1 << KHO_TABLE_SIZE_LOG2; i++) {
		next = round_down(*key, size) + size;
		if (node->table[i] &&
		    kho_find_key(phys_to_virt(node->table[i]), level - 1, key, leaf))
			return true;
		*key = next;
	}
	return false;
}

/* Find the last key that is not above @key, and set @key to it. */
static bool __init kho_find_key_back(struct kho_radix_node *node, unsigned int level,
				     unsigned long *key)
{
	struct kho_radix_leaf *leaf;
	unsigned long size, before;
	int i;

	if (!level) {
		leaf = (struct kho_radix_leaf *)node;
		size = *key % (1UL << KHO_BITMAP_SIZE_LOG2) + 1;
		before = find_last_bit(leaf->bitmap, size);
		*key -= size - 1 - before;
		return before < size;
	}

	size = 1UL << ((level - 1) * KHO_TABLE_SIZE_LOG2 + KHO_BITMAP_SIZE_LOG2);
	for (i = *key / size % (1 << KHO_TABLE_SIZE_LOG2); i >= 0; i--) {
		before = round_down(*key, size) - 1;
		if (node->table[i] &&
		    kho_find_key_back(phys_to_virt(node->table[i]), level - 1, key))
			return true;
		*key = before;
	}
	return false;
}

/* Where we are among the preserved memory of one order */
struct kho_cursor {
	struct kho_radix_leaf *leaf;
	unsigned long key;
	phys_addr_t phys;
	unsigned int order;
};

struct kho_cursors {
	struct kho_cursor cursor[BITS_PER_LONG - PAGE_SHIFT];
	unsigned int nr;
};

static bool __init kho_move_cursor(struct kho_cursor *cursor, unsigned long key)
{
	unsigned int order = cursor->order;

	if (!kho_find_key(kho_tree, KHO_TREE_MAX_DEPTH - 1, &key, &cursor->leaf))
		return false;
	cursor->key = key;
	cursor->phys = kho_decode_radix_key(key, &cursor->order);
	return cursor->order == order;
}

/* Set cursors to what is preserved and ends after @phys, of each of @orders. */
static void __init kho_seek(struct kho_cursors *cursors, unsigned long orders, phys_addr_t phys)
{
	struct kho_cursor *cursor;
	unsigned int order;

	cursors->nr = 0;
	for_each_set_bit(order, &orders, ARRAY_SIZE(cursors->cursor)) {
		cursor = &cursors->cursor[cursors->nr];
		cursor->order = order;
		if (kho_move_cursor(cursor, kho_encode_radix_key(phys, order)))
			cursors->nr++;
	}
}

/* Return what is preserved at the lowest address, or NULL when there is no more. */
static struct kho_cursor *__init kho_first(struct kho_cursors *cursors)
{
	struct kho_cursor *first = cursors->cursor;
	unsigned int i;

	for (i = 1; i < cursors->nr; i++) {
		if (cursors->cursor[i].phys < first->phys)
			first = &cursors->cursor[i];
	}
	return cursors->nr ? first : NULL;
}

/* Return where the preserved memory of @last ends, a key of the leaf that @cursor is in. */
static phys_addr_t __init kho_cursor_end(const struct kho_cursor *cursor, unsigned long last)
{
	phys_addr_t nr = last - cursor->key + 1;

	return cursor->phys + (nr << (PAGE_SHIFT + cursor->order));
}

/* Move @cursor on behind @last, a key of its leaf. */
static void __init kho_next(struct kho_cursors *cursors, struct kho_cursor *cursor,
			    unsigned long last)
{
	if (!kho_move_cursor(cursor, last + 1))
		*cursor = cursors->cursor[--cursors->nr];
}

/* Return the last key of those in a row that @cursor is at the first of. */
static unsigned long __init kho_last_in_row(const struct kho_cursor *cursor)
{
	unsigned long size = 1UL << KHO_BITMAP_SIZE_LOG2;
	unsigned long bit = cursor->key % size;

	return cursor->key - bit + find_next_zero_bit(cursor->leaf->bitmap, size, bit) - 1;
}

/*
 * Return the last key, of preserved memory that ends by @end, that there are only
 * gaps to which are kept. There are few words to a GiB, but many pages: no two
 * preserved pages of words beside each other are further apart than the words are
 * long.
 */
static unsigned long __init kho_last_kept(const struct kho_cursor *cursor, phys_addr_t end)
{
	phys_addr_t size = PAGE_SIZE << cursor->order;
	unsigned long nr, bit, last, word, i;

	if (2 * BITS_PER_LONG * size > kho_kept.max_gap || cursor->phys + size > end)
		return kho_last_in_row(cursor);

	bit = cursor->key % (1UL << KHO_BITMAP_SIZE_LOG2);
	nr = min(1UL << KHO_BITMAP_SIZE_LOG2, bit + (unsigned long)((end - cursor->phys) / size));
	last = bit;
	for (i = bit / BITS_PER_LONG; i < DIV_ROUND_UP(nr, BITS_PER_LONG); i++) {
		word = cursor->leaf->bitmap[i];
		if (nr < (i + 1) * BITS_PER_LONG)
			word &= BITMAP_LAST_WORD_MASK(nr);
		if (!word)
			break;
		last = i * BITS_PER_LONG + __fls(word);
	}
	return cursor->key - bit + last;
}

/* Return the end of what is preserved last below @phys, or 0. */
static phys_addr_t __init kho_end_before(phys_addr_t phys)
{
	phys_addr_t start, end = 0;
	unsigned int order, found;
	unsigned long key;

	if (!phys)
		return 0;
	for_each_set_bit(order, &kho_orders, BITS_PER_LONG) {
		key = kho_encode_radix_key(phys - 1, order);
		if (!kho_find_key_back(kho_tree, KHO_TREE_MAX_DEPTH - 1, &key))
			continue;
		start = kho_decode_radix_key(key, &found);
		if (found == order)
			end = max(end, start + (PAGE_SIZE << order));
	}
	return end;
}

/* Return the index of the region of memblock.reserved that @phys is in, or -1. */
static int __init kho_find_region(phys_addr_t phys)
{
	const struct memblock_region *regions = memblock.reserved.regions;
	int low = 0, high = memblock.reserved.cnt, middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (phys < regions[middle].base)
			high = middle;
		else if (phys >= regions[middle].base + regions[middle].size)
			low = middle + 1;
		else
			return middle;
	}
	return -1;
}

/* A range of pages, and what is done to those of it that kho_keep() keeps */
struct kho_range {
	unsigned long start;
	unsigned long end;
	int nid;		/* of whose gaps, or NUMA_NO_NODE */
	void (*preserved)(unsigned long pfn, unsigned long end, unsigned int order);
	void (*gap)(unsigned long pfn, unsigned long end);
	unsigned long nr_gap_pages;
};

/* Visit the part of a gap that is of the range and the node. */
static void __init kho_visit_gap(struct kho_range *range, phys_addr_t start, phys_addr_t end)
{
	struct memblock_region *region;
	int first = kho_find_region(start), i;
	unsigned long pfn, end_pfn;
	phys_addr_t at;

	/* What lies between two preserved pages is kept whole, or not at all. */
	for (i = first, at = start; at < end; i++) {
		if (i < 0 || i >= memblock.reserved.cnt)
			return;
		region = &memblock.reserved.regions[i];
		if (region->base > at || !memblock_is_reserved_noinit(region))
			return;
		at = region->base + region->size;
	}

	/* By now a region is of one node. */
	for (i = first, at = start; at < end; i++) {
		region = &memblock.reserved.regions[i];
		pfn = max(PHYS_PFN(at), range->start);
		at = region->base + region->size;
		end_pfn = min3(PHYS_PFN(at), PHYS_PFN(end), range->end);
		if (pfn >= end_pfn ||
		    (range->nid != NUMA_NO_NODE && range->nid != memblock_get_region_node(region)))
			continue;
		range->gap(pfn, end_pfn);
		range->nr_gap_pages += end_pfn - pfn;
	}
}

/* Go through what is kept of a range, by address. */
static void __init kho_visit(struct kho_range *range)
{
	phys_addr_t start = PFN_PHYS(range->start), at, end;
	struct kho_cursors cursors;
	struct kho_cursor *first;
	unsigned long last;

	at = kho_end_before(start);
	kho_seek(&cursors, kho_orders, start);
	while ((first = kho_first(&cursors))) {
		if (range->gap && at && at < first->phys)
			kho_visit_gap(range, at, first->phys);
		if (PHYS_PFN(first->phys) >= range->end)
			return;
		last = kho_last_in_row(first);
		end = kho_cursor_end(first, last);
		if (range->preserved)
			range->preserved(max(PHYS_PFN(first->phys), range->start),
					 min(PHYS_PFN(end), range->end), first->order);
		at = max(at, end);
		kho_next(&cursors, first, last);
	}
}

/* Have kho_restore_page() know the pages from @pfn to @end_pfn that are heads. */
static void __init kho_mark(unsigned long pfn, unsigned long end_pfn, unsigned int order)
{
	unsigned long step = 1UL << order;

	for (pfn = round_up(pfn, step); pfn < end_pfn; pfn += step)
		kho_mark_preserved(PFN_PHYS(pfn), order);
}

static void __init kho_free_gap(unsigned long pfn, unsigned long end_pfn)
{
	unsigned int order;

	totalram_pages_add(end_pfn - pfn);
	while (pfn < end_pfn) {
		order = min3(count_trailing_zeros(pfn), ilog2(end_pfn - pfn), MAX_PAGE_ORDER);
		memblock_free_initialised_pages(pfn, order);
		pfn += 1UL << order;
	}
}

/**
 * kho_free_gaps() - give the gaps in a range to the page allocator
 * @pfn: where the range starts, of which all struct pages are initialised
 * @end_pfn: its end
 * @nid: the node to look at, or NUMA_NO_NODE
 *
 * Called once for each page.
 *
 * Return: the number of pages given.
 */
unsigned long __init kho_free_gaps(unsigned long pfn, unsigned long end_pfn, int nid)
{
	struct kho_range range = { .start = pfn, .end = end_pfn, .nid = nid, .gap = kho_free_gap };

	if (kho_tree && pfn < end_pfn)
		kho_visit(&range);
	return range.nr_gap_pages;
}

#ifdef CONFIG_DEFERRED_STRUCT_PAGE_INIT

/* So many pages are settled at a time. */
#define KHO_SETTLE_PAGES	MAX_ORDER_NR_PAGES

/* Protects kho_settled. Taken within pgdat_resize_lock(), when any allocation grows a zone. */
static DEFINE_SPINLOCK(kho_settle_lock);
/* A bit for each KHO_SETTLE_PAGES, set when the struct pages of those kept are initialised */
static unsigned long *kho_settled;
static unsigned long kho_nr_settled;
/* Of each node, where the struct pages start that kho_free_early() found not initialised */
static unsigned long kho_first_deferred[MAX_NUMNODES] __initdata;

static void __init kho_settle_init(void)
{
	kho_nr_settled = DIV_ROUND_UP(PHYS_PFN(memblock_end_of_DRAM()), KHO_SETTLE_PAGES);
	kho_settled = memblock_alloc(BITS_TO_LONGS(kho_nr_settled) * sizeof(long), SMP_CACHE_BYTES);
	if (!kho_settled)
		panic("KHO: no room to tell which struct pages are initialised");
}

static void __init kho_init_gap(unsigned long pfn, unsigned long end_pfn)
{
	int nid;

	for (; pfn < end_pfn; pfn++) {
		nid = early_pfn_to_nid(pfn);
		if (pfn >= kho_first_deferred[nid])
			init_late_page(pfn, nid);
	}
}

static void __init kho_init_preserved(unsigned long pfn, unsigned long end_pfn, unsigned int order)
{
	kho_init_gap(pfn, end_pfn);
	kho_mark(pfn, end_pfn, order);
}

static void __init kho_settle_range(unsigned long pfn, unsigned long end_pfn)
{
	struct kho_range range = {
		.nid = NUMA_NO_NODE,
		.preserved = kho_init_preserved,
		.gap = kho_init_gap,
	};
	unsigned long nr, first, next = pfn / KHO_SETTLE_PAGES;

	guard(spinlock_irqsave)(&kho_settle_lock);
	nr = min(DIV_ROUND_UP(end_pfn, KHO_SETTLE_PAGES), kho_nr_settled);
	while ((first = find_next_zero_bit(kho_settled, nr, next)) < nr) {
		next = find_next_bit(kho_settled, nr, first);
		range.start = first * KHO_SETTLE_PAGES;
		range.end = next * KHO_SETTLE_PAGES;
		kho_visit(&range);
		bitmap_set(kho_settled, first, next - first);
	}
}

static bool __init kho_settle_preserved(phys_addr_t phys)
{
	unsigned long key, found, pfn = PHYS_PFN(phys);
	struct kho_radix_leaf *leaf;
	unsigned int order;

	for_each_set_bit(order, &kho_orders, BITS_PER_LONG) {
		key = kho_encode_radix_key(phys, order);
		found = key;
		if (!IS_ALIGNED(phys, PAGE_SIZE << order) ||
		    !kho_find_key(kho_tree, KHO_TREE_MAX_DEPTH - 1, &found, &leaf) || found != key)
			continue;
		kho_settle_range(pfn, pfn + (1UL << order));
		return true;
	}
	return false;
}

/* Nothing of __init is freed while there are deferred pages. */
static bool __ref kho_settle_deferred(phys_addr_t phys)
{
	return kho_settle_preserved(phys);
}

/**
 * kho_settle() - initialise the struct pages of a preservation, if they are not
 * @phys: its physical address, which need not make sense
 *
 * Called before page->private is looked at, which says what is preserved.
 *
 * Context: any.
 *
 * Return: false when nothing is preserved there, and the struct page may not be
 * initialised.
 */
bool kho_settle(phys_addr_t phys)
{
	return !deferred_pages_enabled() || kho_settle_deferred(phys);
}

/**
 * kho_init_kept() - initialise the struct pages of what is kept in a range
 * @pfn: where the range starts
 * @end_pfn: its end
 *
 * Called before what is free in the range goes to the page allocator, which looks
 * at the struct pages beside it.
 */
void __init kho_init_kept(unsigned long pfn, unsigned long end_pfn)
{
	unsigned long next;

	for (; kho_tree && pfn < end_pfn; pfn = next) {
		next = min(SECTION_ALIGN_UP(pfn + 1), end_pfn);
		kho_settle_range(pfn, next);
	}
}

static unsigned long __init kho_free_initialised(void)
{
	unsigned long nr = 0, end_pfn;
	pg_data_t *pgdat;

	for_each_online_pgdat(pgdat)
		kho_first_deferred[pgdat->node_id] = pgdat->first_deferred_pfn;
	for_each_online_pgdat(pgdat) {
		end_pfn = min(pgdat_end_pfn(pgdat), pgdat->first_deferred_pfn);
		kho_init_kept(pgdat->node_start_pfn, end_pfn);
		nr += kho_free_gaps(pgdat->node_start_pfn, end_pfn, pgdat->node_id);
	}
	return nr;
}

#else

static void __init kho_settle_init(void)
{
}

static unsigned long __init kho_free_initialised(void)
{
	struct kho_range all = {
		.end = PFN_UP(memblock_end_of_DRAM()),
		.nid = NUMA_NO_NODE,
		.preserved = kho_mark,
		.gap = kho_free_gap,
	};

	kho_visit(&all);
	return all.nr_gap_pages;
}

#endif /* CONFIG_DEFERRED_STRUCT_PAGE_INIT */

/**
 * kho_walk_blocks() - tell which blocks have preserved memory
 * @root: root of the tree that tells what is preserved
 * @shift: of the size of a block, which is not below that of a page
 * @block: is told the number of each, more than once of some
 * @data: is passed to it
 *
 * Return: 0, or what @block returned that was not 0.
 */
int __init kho_walk_blocks(struct kho_radix_node *root, unsigned int shift,
			   int (*block)(unsigned long nr, void *data), void *data)
{
	struct kho_cursor cursor;
	unsigned long key, nr;
	unsigned int order;
	int err = 0;

	kho_tree = root;
	for (order = 0; order < BITS_PER_LONG - PAGE_SHIFT; order++) {
		cursor.order = order;
		key = kho_encode_radix_key(0, order);
		while (kho_move_cursor(&cursor, key)) {
			nr = cursor.phys >> shift;
			do {
				err = block(nr, data);
				if (err)
					goto out;
				nr++;
			} while ((phys_addr_t)nr << shift < kho_cursor_end(&cursor, cursor.key));
			/* What else there is of the order in the block tells nothing new. */
			key = kho_encode_radix_key((phys_addr_t)nr << shift, order);
		}
	}
out:
	kho_tree = NULL;
	return err;
}

static struct kho_radix_node *__init kho_copy_tree(const struct kho_radix_node *node,
						   unsigned int level)
{
	struct kho_radix_node *copy = memblock_alloc(PAGE_SIZE, PAGE_SIZE);
	unsigned int i;

	if (!copy)
		panic("KHO: no room to tell what is preserved");
	memcpy(copy, node, PAGE_SIZE);
	for (i = 0; level && i < ARRAY_SIZE(copy->table); i++) {
		if (copy->table[i])
			copy->table[i] = virt_to_phys(kho_copy_tree(phys_to_virt(copy->table[i]),
								    level - 1));
	}
	return copy;
}

static void __init kho_free_tree(struct kho_radix_node *node, unsigned int level)
{
	unsigned int i;

	for (i = 0; level && i < ARRAY_SIZE(node->table); i++) {
		if (node->table[i])
			kho_free_tree(phys_to_virt(node->table[i]), level - 1);
	}
	free_reserved_page(virt_to_page(node));
}

/* All struct pages are initialised by now, and all gaps free. */
static int __init kho_forget(void)
{
	if (kho_tree)
		kho_free_tree(kho_tree, KHO_TREE_MAX_DEPTH - 1);
	kho_tree = NULL;
	return 0;
}
late_initcall(kho_forget);

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
	struct kho_cursors cursors;
	struct kho_cursor *first;
	unsigned long last;
	unsigned int i;

	kho_tree = kho_copy_tree(root, KHO_TREE_MAX_DEPTH - 1);
	kho_kept.max_gap = max(SZ_2M, memblock_phys_mem_size() >> KHO_MAX_GAP_SHIFT);
	kho_settle_init();

	kho_seek(&cursors, BIT(ARRAY_SIZE(cursors.cursor)) - 1, 0);
	for (i = 0; i < cursors.nr; i++)
		kho_orders |= BIT(cursors.cursor[i].order);

	while ((first = kho_first(&cursors))) {
		kho_keep_from(first->phys);
		last = kho_last_kept(first, kho_kept.free_end);
		kho_kept.end = max(kho_kept.end, kho_cursor_end(first, last));
		kho_next(&cursors, first, last);
	}
	kho_reserve_kept();
}

/**
 * kho_free_early() - give the gaps to the page allocator, and mark what is preserved
 *
 * Called once memblock_free_all() has given the page allocator the rest. Leaves
 * what has no struct pages yet to kho_init_kept() and kho_free_gaps().
 */
void __init kho_free_early(void)
{
	phys_addr_t freed;

	if (!kho_tree)
		return;
	freed = PFN_PHYS(kho_free_initialised());
	pr_info("kept %llu MiB, with %llu MiB of gaps that are free by now\n",
		(u64)kho_kept_size / SZ_1M, (u64)freed / SZ_1M);
}
