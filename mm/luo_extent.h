/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Extents: pages that follow each other in a file and in RAM. Each format of
 * each file type that is preserved page by page lists them in a way of its own;
 * keeping them over the kexec, and getting them back, is the same for all.
 */
#ifndef _MM_LUO_EXTENT_H
#define _MM_LUO_EXTENT_H

#include <linux/atomic.h>
#include <linux/compiler.h>
#include <linux/mm.h>
#include <linux/types.h>

struct page;

/**
 * struct luo_extent - pages that follow each other in a file and in RAM
 * @index: of the first page in the file
 * @pfn:   of the first page in RAM
 * @nr:    number of pages
 * @order: of each folio that they are; KHO preserves each folio as one
 * @chunk: with @order 0: the order of what KHO preserves as one where it is
 *         aligned in RAM and all of it belongs to the extent; else pages are
 *         preserved one by one
 */
struct luo_extent {
	u64 index;
	u64 pfn;
	u64 nr;
	u8 order;
	u8 chunk;
};

/**
 * struct luo_claimed - memory that was claimed, and does not count as memory yet
 * @page: one of its pages, all of which are in one zone
 * @nr:   number of pages; below 0 when it was unclaimed
 */
struct luo_claimed {
	struct page *page;
	long nr;
};

static inline u64 luo_extent_end(const struct luo_extent *extent)
{
	return extent->pfn + extent->nr;
}

static inline bool luo_extent_follows(const struct luo_extent *last, const struct luo_extent *next)
{
	return last->order == next->order && last->index + last->nr == next->index &&
	       last->pfn + last->nr == next->pfn;
}

/* The kernel that hands over */
int luo_extent_preserve(const struct luo_extent *extent);
void luo_extent_unpreserve(const struct luo_extent *extent);
bool luo_extent_has_poison(const struct luo_extent *extent);

/* Has any memory of the machine failed? */
static inline bool luo_any_is_poisoned(void)
{
#ifdef CONFIG_MEMORY_FAILURE
	return unlikely(atomic_long_read(&num_poisoned_pages));
#else
	return false;
#endif
}

/* Has memory of an extent failed? That is looked for only where any has. May sleep. */
static inline bool luo_extent_is_poisoned(const struct luo_extent *extent)
{
	return luo_any_is_poisoned() && luo_extent_has_poison(extent);
}

/* The kernel that takes over */
bool luo_extent_is_valid(const struct luo_extent *extent, u64 file_pages);
int luo_claim(u64 phys, struct luo_claimed *claimed);
unsigned int luo_unclaim(u64 phys, struct luo_claimed *claimed);
int luo_extent_claim(const struct luo_extent *extent, struct luo_claimed *claimed);
void luo_extent_unclaim(const struct luo_extent *extent, struct luo_claimed *claimed);
void luo_claimed_count(struct luo_claimed *claimed);
void luo_extent_free(const struct luo_extent *extent);
void luo_key_free(u64 pfn, unsigned int order);

int luo_page_order(u64 pfn);
u64 luo_page_key(u64 pfn, unsigned int *order);

#endif /* _MM_LUO_EXTENT_H */
