// SPDX-License-Identifier: GPL-2.0
/*
 * Chains of pages, which a tmpfs is handed over in: see include/linux/kho/abi/tmpfs_v1.h.
 *
 * One that is read is not to be trusted. Each of its pages is claimed before it is looked
 * at, so that a chain which comes to a page a second time ends there, and no other file
 * has the page.
 */

#include <linux/err.h>
#include <linux/errno.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/pfn.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "tmpfs_luo.h"

/* Writing it */

/* Have the last page have room for more, of which @capacity bytes can be used. */
static struct tmpfs_v1_page *page_with_room(struct tmpfs_luo_chain *chain, u64 capacity)
{
	struct tmpfs_v1_page *page;

	if (chain->last && chain->last->used < capacity)
		return chain->last;
	page = kho_alloc_preserve(PAGE_SIZE);
	if (IS_ERR(page))
		return NULL;
	if (chain->last)
		chain->last->next = virt_to_phys(page);
	else
		chain->first = page;
	chain->last = page;
	return page;
}

/**
 * tmpfs_luo_push() - add a record to a chain of records
 * @chain: the chain
 * @size:  the size of each of its records
 *
 * Return: the record, zeroed; or NULL when there is no memory.
 */
void *tmpfs_luo_push(struct tmpfs_luo_chain *chain, size_t size)
{
	struct tmpfs_v1_page *page = page_with_room(chain, TMPFS_LUO_CAPACITY(size));
	void *record;

	if (!page)
		return NULL;
	record = page->data + page->used;
	page->used += size;
	return record;
}

/**
 * tmpfs_luo_write() - add to a chain of bytes
 * @chain: the chain
 * @data:  the bytes
 * @size:  how many
 *
 * Return: 0, or -ENOMEM, and some may have been added.
 */
int tmpfs_luo_write(struct tmpfs_luo_chain *chain, const void *data, size_t size)
{
	struct tmpfs_v1_page *page;
	size_t some;

	for (; size; data += some, size -= some) {
		page = page_with_room(chain, TMPFS_LUO_CAPACITY(1));
		if (!page)
			return -ENOMEM;
		some = min(size, TMPFS_LUO_CAPACITY(1) - page->used);
		memcpy(page->data + page->used, data, some);
		page->used += some;
	}
	return 0;
}

/**
 * tmpfs_luo_chain_phys() - the physical address of a chain
 * @chain: the chain
 *
 * Return: that of its first page, 0 when there is none.
 */
u64 tmpfs_luo_chain_phys(const struct tmpfs_luo_chain *chain)
{
	return chain->first ? virt_to_phys(chain->first) : 0;
}

/**
 * tmpfs_luo_chain_free() - free a chain that was written
 * @chain: the chain
 */
void tmpfs_luo_chain_free(struct tmpfs_luo_chain *chain)
{
	struct tmpfs_v1_page *page;
	u64 phys;

	for (phys = tmpfs_luo_chain_phys(chain); phys; ) {
		page = phys_to_virt(phys);
		phys = page->next;
		kho_unpreserve_free(page);
		cond_resched();
	}
	*chain = (struct tmpfs_luo_chain) {};
}

/* Reading it */

static int claim_page(u64 phys, struct luo_claimed *claimed)
{
	int order = luo_claim(phys, claimed);

	if (order > 0)
		luo_unclaim(phys, claimed);
	return order ? -EINVAL : 0;
}

/**
 * tmpfs_luo_claim_chain() - make the pages of a chain the caller's alone
 * @phys:     physical address of its first page; or 0
 * @size:     the size of each of its records, 1 for bytes
 * @nr:       how many records it is to have
 * @nr_pages: set to how many pages were claimed, also when this fails
 * @claimed:  counts them
 *
 * Context: process context.
 * Return: 0; or -EINVAL, to be followed by tmpfs_luo_unclaim_chain().
 */
int tmpfs_luo_claim_chain(u64 phys, size_t size, u64 nr, u64 *nr_pages,
			  struct luo_claimed *claimed)
{
	const u64 capacity = TMPFS_LUO_CAPACITY(size);
	const struct tmpfs_v1_page *page;
	u64 found = 0;

	for (*nr_pages = 0; phys; phys = page->next) {
		if (claim_page(phys, claimed))
			return -EINVAL;
		++*nr_pages;
		page = phys_to_virt(phys);
		if (!page->used || page->used > capacity || page->used % size ||
		    (page->next && page->used != capacity))
			return -EINVAL;
		found += page->used / size;
		cond_resched();
	}
	return found == nr ? 0 : -EINVAL;
}

/**
 * tmpfs_luo_unclaim_chain() - undo tmpfs_luo_claim_chain()
 * @phys:     physical address of its first page; or 0
 * @nr_pages: how many pages were claimed
 * @claimed:  does not count them any more
 */
void tmpfs_luo_unclaim_chain(u64 phys, u64 nr_pages, struct luo_claimed *claimed)
{
	const struct tmpfs_v1_page *page;

	for (; nr_pages--; phys = page->next) {
		page = phys_to_virt(phys);
		luo_unclaim(phys, claimed);
		cond_resched();
	}
}

/**
 * tmpfs_luo_free_chain() - free a chain that was claimed
 * @phys: physical address of its first page; or 0
 */
void tmpfs_luo_free_chain(u64 phys)
{
	const struct tmpfs_v1_page *page;
	u64 next;

	for (; phys; phys = next) {
		page = phys_to_virt(phys);
		next = page->next;
		luo_key_free(PHYS_PFN(phys), 0);
		cond_resched();
	}
}

static void unhold_until(u64 phys, u64 end)
{
	const struct tmpfs_v1_page *page;

	for (; phys != end; phys = page->next) {
		page = phys_to_virt(phys);
		kho_unpreserve_pages(pfn_to_page(PHYS_PFN(phys)), 1);
		cond_resched();
	}
}

/**
 * tmpfs_luo_hold_chain() - have a chain preserved for the next kernel as it came
 * @phys: physical address of its first page, which is claimed; or 0
 *
 * Return: 0; or -ENOMEM, and nothing is preserved.
 */
int tmpfs_luo_hold_chain(u64 phys)
{
	const struct tmpfs_v1_page *page;
	u64 at;
	int err;

	for (at = phys; at; at = page->next) {
		page = phys_to_virt(at);
		err = kho_preserve_pages(pfn_to_page(PHYS_PFN(at)), 1);
		if (err) {
			unhold_until(phys, at);
			return err;
		}
		cond_resched();
	}
	return 0;
}

/**
 * tmpfs_luo_unhold_chain() - undo tmpfs_luo_hold_chain()
 * @phys: physical address of its first page; or 0
 */
void tmpfs_luo_unhold_chain(u64 phys)
{
	unhold_until(phys, 0);
}

/**
 * tmpfs_luo_begin_read() - begin to read a chain of bytes
 * @phys: physical address of its first page, which is claimed; or 0
 * @nr:   how many bytes it has
 *
 * Return: where it begins.
 */
struct tmpfs_luo_cursor tmpfs_luo_begin_read(u64 phys, u64 nr)
{
	return (struct tmpfs_luo_cursor) {
		.page = phys ? phys_to_virt(phys) : NULL,
		.left = nr,
	};
}

/**
 * tmpfs_luo_read() - read some of a chain of bytes
 * @cursor: where, which goes on
 * @data:   where to
 * @size:   how many
 *
 * Return: 0; or -EINVAL when there are not as many.
 */
int tmpfs_luo_read(struct tmpfs_luo_cursor *cursor, void *data, size_t size)
{
	size_t some;

	if (size > cursor->left)
		return -EINVAL;
	cursor->left -= size;
	for (; size; data += some, size -= some) {
		if (cursor->at == cursor->page->used) {
			cursor->page = phys_to_virt(cursor->page->next);
			cursor->at = 0;
		}
		some = min(size, cursor->page->used - cursor->at);
		memcpy(data, cursor->page->data + cursor->at, some);
		cursor->at += some;
	}
	return 0;
}

/**
 * tmpfs_luo_each_extent() - call a function for each extent of a chain
 * @phys: physical address of its first page, of a chain that is written, or claimed; or 0
 * @fn:   the function, which is given the number of the file's inode, too
 * @arg:  what it is given
 *
 * Return: 0, or the first error that the function returns, and it is called no more.
 */
int tmpfs_luo_each_extent(u64 phys, int (*fn)(void *arg, const struct luo_extent *extent,
					      u32 inode), void *arg)
{
	const struct tmpfs_v1_extent *it;
	const struct tmpfs_v1_page *page;
	struct luo_extent extent;
	u64 at;
	int err;

	for (; phys; phys = page->next) {
		page = phys_to_virt(phys);
		for (at = 0; at < page->used; at += sizeof(*it)) {
			it = (const void *)page->data + at;
			extent = (struct luo_extent) {
				.index = it->index,
				.pfn = it->pfn,
				.nr = it->nr,
				.order = min_t(u64, it->order, U8_MAX),
				.chunk = TMPFS_V1_CHUNK_ORDER,
			};
			err = fn(arg, &extent, it->inode);
			if (err)
				return err;
			cond_resched();
		}
	}
	return 0;
}
