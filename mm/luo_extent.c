// SPDX-License-Identifier: GPL-2.0
/*
 * Keeping the pages of files over a kexec.
 *
 * KHO has a key for each piece of memory that it preserves: a physical address
 * and an order. The kernel that hands over preserves an extent by as few keys as
 * its format has for it. The kernel that takes over does not compute them again:
 * it takes those that it finds, as KHO may have made smaller ones, at the border
 * of two nodes for example.
 *
 * A key is claimed when its file is retrieved, which nobody else can do then. Its
 * pages count as the machine's memory from that moment. It is restored when one
 * of its pages is needed, and only then are its struct pages touched.
 */

#include <linux/align.h>
#include <linux/bits.h>
#include <linux/kexec_handover.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/pfn.h>
#include <linux/sched.h>

#include "luo_extent.h"

/* The order of the key for what begins at @pfn in an extent that is preserved */
static unsigned int key_order(const struct luo_extent *extent, u64 pfn)
{
	u64 chunk = 1UL << extent->chunk;

	if (extent->order)
		return extent->order;
	return IS_ALIGNED(pfn, chunk) && luo_extent_end(extent) - pfn >= chunk ? extent->chunk : 0;
}

static void unpreserve_until(const struct luo_extent *extent, u64 end)
{
	unsigned int order;
	u64 pfn;

	for (pfn = extent->pfn; pfn < end; pfn += 1UL << order) {
		order = key_order(extent, pfn);
		kho_unpreserve_pages(pfn_to_page(pfn), 1UL << order);
		cond_resched();
	}
}

/**
 * luo_extent_preserve() - have KHO preserve an extent
 * @extent: the extent
 *
 * Context: process context.
 * Return: 0; or -ENOMEM, and nothing is preserved.
 */
int luo_extent_preserve(const struct luo_extent *extent)
{
	unsigned int order;
	u64 pfn;
	int err;

	for (pfn = extent->pfn; pfn < luo_extent_end(extent); pfn += 1UL << order) {
		order = key_order(extent, pfn);
		err = kho_preserve_pages(pfn_to_page(pfn), 1UL << order);
		if (err) {
			unpreserve_until(extent, pfn);
			return err;
		}
		cond_resched();
	}
	return 0;
}

/**
 * luo_extent_unpreserve() - undo luo_extent_preserve()
 * @extent: the extent
 *
 * Context: process context.
 */
void luo_extent_unpreserve(const struct luo_extent *extent)
{
	unpreserve_until(extent, luo_extent_end(extent));
}

/**
 * luo_extent_has_poison() - look for a page that has failed
 * @extent: the extent
 *
 * Context: process context.
 * Return: whether there is one.
 */
bool luo_extent_has_poison(const struct luo_extent *extent)
{
	u64 pfn;

	for (pfn = extent->pfn; pfn < luo_extent_end(extent); pfn++) {
		if (PageHWPoison(pfn_to_page(pfn)))
			return true;
		cond_resched();
	}
	return false;
}

/**
 * luo_extent_is_valid() - can an extent that was handed over be one?
 * @extent:     the extent
 * @file_pages: how many pages the file's size is
 *
 * The last folio may reach beyond the size. That KHO has the pages is for
 * luo_extent_claim() to find out.
 *
 * Return: whether it can.
 */
bool luo_extent_is_valid(const struct luo_extent *extent, u64 file_pages)
{
	unsigned int order = extent->order;

	return order < BITS_PER_LONG - PAGE_SHIFT && extent->nr &&
	       extent->pfn <= PHYS_PFN(PHYS_ADDR_MAX) &&
	       extent->nr <= PHYS_PFN(PHYS_ADDR_MAX) - extent->pfn &&
	       extent->index < file_pages &&
	       extent->nr <= ALIGN(file_pages, 1UL << order) - extent->index &&
	       IS_ALIGNED(extent->index | extent->pfn | extent->nr, 1UL << order);
}

/**
 * luo_page_order() - the order of the key that begins at a page
 * @pfn: the page, which need not exist
 *
 * Return: the order, whether the key is claimed or not; or -ENOENT.
 */
int luo_page_order(u64 pfn)
{
	int order;

	if (pfn > PHYS_PFN(PHYS_ADDR_MAX))
		return -ENOENT;
	order = kho_preserved_order(PFN_PHYS(pfn));
	return order < 0 ? kho_claimed_order(PFN_PHYS(pfn)) : order;
}

/**
 * luo_claimed_count() - have memory that was claimed count as the machine's
 * @claimed: what was claimed and does not count yet
 */
void luo_claimed_count(struct luo_claimed *claimed)
{
	if (claimed->nr)
		adjust_managed_page_count(claimed->page, claimed->nr);
	claimed->nr = 0;
}

/* To count takes as long as claiming many pages does, so it is done for a zone at a time. */
static void claimed_add(struct luo_claimed *claimed, u64 pfn, long nr)
{
	struct page *page = pfn_to_page(pfn);

	if (claimed->nr && page_zone(page) != page_zone(claimed->page))
		luo_claimed_count(claimed);
	claimed->page = page;
	claimed->nr += nr;
}

/**
 * luo_claim() - make memory a file's alone
 * @phys:    its physical address, which need not make sense
 * @claimed: counts it
 *
 * Return: the order of the key; or -ENOENT when there is none, or it is claimed.
 */
int luo_claim(u64 phys, struct luo_claimed *claimed)
{
	int order = kho_claim(phys);

	if (order >= 0)
		claimed_add(claimed, PHYS_PFN(phys), 1L << order);
	return order;
}

/**
 * luo_unclaim() - undo luo_claim()
 * @phys:    the physical address
 * @claimed: does not count it any more
 *
 * Return: the order of the key.
 */
unsigned int luo_unclaim(u64 phys, struct luo_claimed *claimed)
{
	unsigned int order = kho_unclaim(phys);

	claimed_add(claimed, PHYS_PFN(phys), -(1L << order));
	return order;
}

static void unclaim_until(const struct luo_extent *extent, u64 end, struct luo_claimed *claimed)
{
	u64 pfn;

	for (pfn = extent->pfn; pfn < end; pfn += 1UL << luo_unclaim(PFN_PHYS(pfn), claimed))
		cond_resched();
}

/**
 * luo_extent_claim() - make the pages of an extent a file's alone
 * @extent:  the extent, valid
 * @claimed: counts them
 *
 * Context: process context.
 * Return: 0; or -EINVAL when KHO has not preserved them, as folios of the order
 * given, or they are claimed: nothing is claimed then.
 */
int luo_extent_claim(const struct luo_extent *extent, struct luo_claimed *claimed)
{
	u64 pfn;
	int order;

	for (pfn = extent->pfn; pfn < luo_extent_end(extent); pfn += 1UL << order) {
		order = luo_claim(PFN_PHYS(pfn), claimed);
		if (order < 0)
			goto err_unclaim;
		if ((1UL << order) > luo_extent_end(extent) - pfn ||
		    (extent->order && order != extent->order)) {
			luo_unclaim(PFN_PHYS(pfn), claimed);
			goto err_unclaim;
		}
		cond_resched();
	}
	return 0;

err_unclaim:
	unclaim_until(extent, pfn, claimed);
	return -EINVAL;
}

/**
 * luo_extent_unclaim() - undo luo_extent_claim()
 * @extent:  the extent, of which nothing was restored
 * @claimed: does not count its pages any more
 *
 * Context: process context.
 */
void luo_extent_unclaim(const struct luo_extent *extent, struct luo_claimed *claimed)
{
	unclaim_until(extent, luo_extent_end(extent), claimed);
}

/**
 * luo_key_free() - free the pages of a key
 * @pfn:   the first page of a key that is claimed
 * @order: the key's order
 *
 * Context: process context.
 */
void luo_key_free(u64 pfn, unsigned int order)
{
	const struct luo_extent extent = { .pfn = pfn, .nr = 1UL << order };
	/* A page that has failed is kept from the page allocator only if it is freed by itself. */
	bool is_folio = order <= MAX_PAGE_ORDER && !luo_extent_is_poisoned(&extent);
	struct page *page = kho_restore_claimed(PFN_PHYS(pfn), is_folio);
	u64 i;

	if (is_folio) {
		put_page(page);
		return;
	}
	for (i = 0; i < 1UL << order; i++)
		put_page(page + i);
}

/**
 * luo_extent_free() - free the pages of an extent
 * @extent: the extent, which is claimed
 *
 * Context: process context.
 */
void luo_extent_free(const struct luo_extent *extent)
{
	int order;
	u64 pfn;

	for (pfn = extent->pfn; pfn < luo_extent_end(extent); pfn += 1UL << order) {
		order = kho_claimed_order(PFN_PHYS(pfn));
		luo_key_free(pfn, order);
		cond_resched();
	}
}

/**
 * luo_page_key() - find the key that a page belongs to
 * @pfn:   a page that is claimed
 * @order: set to the key's order
 *
 * Return: the first page of the key; or U64_MAX when that was restored.
 */
u64 luo_page_key(u64 pfn, unsigned int *order)
{
	u64 key;

	for (*order = 0; *order < BITS_PER_LONG - PAGE_SHIFT; (*order)++) {
		key = round_down(pfn, 1UL << *order);
		if (kho_claimed_order(PFN_PHYS(key)) == *order)
			return key;
	}
	return U64_MAX;
}
