// SPDX-License-Identifier: GPL-2.0
/*
 * Reading what the previous kernel handed over of a memfd. None of it is to be
 * trusted: an address is one to use when KHO has memory there, and it is taken
 * from KHO before it is read or freed, so that this cannot happen twice.
 */

#define pr_fmt(fmt) "memfd_luo: " fmt

#include <linux/align.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/kexec_handover.h>
#include <linux/liveupdate.h>
#include <linux/math.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "memfd_luo.h"

#define MEMFD_LUO_PER_PAGE	(PAGE_SIZE / sizeof(struct memfd_luo_folio_ser))

/* Take 2^order pages back from KHO, which nobody did before. */
static void *memfd_luo_take_pages(u64 phys, unsigned int order)
{
	struct page *page;

	if (kho_preserved_order(phys) != order)
		return NULL;
	page = kho_restore_pages(phys, 1UL << order);
	return page ? page_address(page) : NULL;
}

/* Take back the pages of the entries, and those that point to them. */
static int memfd_luo_take_saved(struct memfd_luo_in *in)
{
	const struct kho_vmalloc *kv = &in->ser.folios;
	unsigned long chunks = kv->total_pages;
	struct kho_vmalloc_chunk *chunk;
	u64 phys = kv->first.phys;
	int i, j;
	void *p;

	while (phys) {
		chunk = memfd_luo_take_pages(phys, 0);
		/* One that holds nothing can only be the last. */
		if (!chunk || (!chunk->phys[0] && chunk->hdr.next.phys))
			return -EINVAL;
		for (i = 0; i < ARRAY_SIZE(chunk->phys) && chunk->phys[i]; i++) {
			if (in->nr_saved + (1UL << kv->order) > kv->total_pages)
				return -EINVAL;
			p = memfd_luo_take_pages(chunk->phys[i], kv->order);
			if (!p)
				return -EINVAL;
			for (j = 0; j < 1 << kv->order; j++)
				in->saved[in->nr_saved++] = p + j * PAGE_SIZE;
		}
		in->saved[chunks++] = chunk;
		phys = chunk->hdr.next.phys;
	}
	if (in->nr_saved != kv->total_pages)
		return -EINVAL;
	in->nr_saved = chunks;
	return 0;
}

/**
 * memfd_luo_ser() - find what was handed over of a file
 * @data: the physical address of it, as was handed over
 *
 * Return: it, as it lies there; or an ERR_PTR:
 * * -EINVAL: there is none, or it cannot be true
 * * -EOPNOTSUPP: it has flags or seals that are not known
 */
struct memfd_luo_ser *memfd_luo_ser(u64 data)
{
	struct memfd_luo_ser *ser = liveupdate_preserved_data(data, sizeof(*ser));

	if (!ser || ser->size > MAX_LFS_FILESIZE || ser->pos > MAX_LFS_FILESIZE ||
	    ser->folios.total_pages > totalram_pages() ||
	    ser->folios.order > MAX_PAGE_ORDER ||
	    ser->nr_folios > (u64)ser->folios.total_pages * MEMFD_LUO_PER_PAGE)
		return ERR_PTR(-EINVAL);
	if (ser->flags || ser->seals & ~MEMFD_LUO_ALL_SEALS)
		return ERR_PTR(-EOPNOTSUPP);
	return ser;
}

static void memfd_luo_in_free(struct memfd_luo_in *in)
{
	kvfree(in->saved);
	kfree(in);
}

/**
 * memfd_luo_in_alloc() - take what was handed over of a file, but for its folios
 * @data: the physical address of it, as was handed over
 *
 * Return: it, for memfd_luo_free_saved(); or an ERR_PTR, and then what was taken
 * stays reserved for good:
 * * -EINVAL, -EOPNOTSUPP: as memfd_luo_ser(); or its array of entries is damaged
 * * -ENOMEM: nothing was taken
 */
struct memfd_luo_in *memfd_luo_in_alloc(u64 data)
{
	struct memfd_luo_ser *ser = memfd_luo_ser(data);
	struct memfd_luo_in *in;
	int err;

	if (IS_ERR(ser))
		return ERR_CAST(ser);
	in = kzalloc_obj(*in);
	if (!in)
		return ERR_PTR(-ENOMEM);
	in->ser = *ser;

	/* A page of entries, one that points to it, none full: at most. */
	in->saved = kvmalloc_objs(*in->saved, 2 * (u64)ser->folios.total_pages + 2);
	if (!in->saved) {
		memfd_luo_in_free(in);
		return ERR_PTR(-ENOMEM);
	}

	err = memfd_luo_take_saved(in);
	if (!err && !memfd_luo_take_pages(data, 0))
		err = -EINVAL;
	if (err) {
		memfd_luo_in_free(in);
		return ERR_PTR(err);
	}
	in->saved[in->nr_saved++] = ser;
	return in;
}

/**
 * memfd_luo_entry() - an entry of the file
 * @in: the file
 * @i:  which, below in->ser.nr_folios
 *
 * Return: the entry, which nobody has checked.
 */
struct memfd_luo_folio_ser *memfd_luo_entry(struct memfd_luo_in *in, u64 i)
{
	struct memfd_luo_folio_ser *page = in->saved[i / MEMFD_LUO_PER_PAGE];

	return &page[i % MEMFD_LUO_PER_PAGE];
}

/**
 * memfd_luo_entry_folio() - the folio of an entry
 * @in: the file
 * @i:  which, of those whose folios were taken
 *
 * Return: the folio.
 */
struct folio *memfd_luo_entry_folio(struct memfd_luo_in *in, u64 i)
{
	return pfn_folio(memfd_luo_entry(in, i)->pfn);
}

/* Take the folio of an entry back from KHO, if it can be one of the file's. */
static int memfd_luo_take_folio(struct memfd_luo_in *in, u64 i)
{
	const struct memfd_luo_folio_ser *entry = memfd_luo_entry(in, i);
	phys_addr_t phys = PFN_PHYS(entry->pfn);
	int order = kho_preserved_order(phys);

	if (order < 0 || order > MAX_PAGECACHE_ORDER ||
	    (order && !IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE)) ||
	    entry->flags & ~MEMFD_LUO_FOLIO_FLAGS ||
	    entry->index >= DIV_ROUND_UP_ULL(in->ser.size, PAGE_SIZE) ||
	    !IS_ALIGNED(entry->index, 1UL << order))
		return -EINVAL;

	return kho_restore_folio(phys) ? 0 : -EINVAL;
}

/**
 * memfd_luo_take_folios() - take the folios of all entries
 * @in: the file
 *
 * Return: 0; or -EINVAL at the first entry that is damaged.
 */
int memfd_luo_take_folios(struct memfd_luo_in *in)
{
	int err;

	for (; in->nr_taken < in->ser.nr_folios; in->nr_taken++) {
		err = memfd_luo_take_folio(in, in->nr_taken);
		if (err)
			return err;
		cond_resched();
	}
	return 0;
}

/**
 * memfd_luo_put_folios() - give up all folios, those too that were not taken yet
 * @in: the file
 */
void memfd_luo_put_folios(struct memfd_luo_in *in)
{
	u64 i;

	for (i = 0; i < in->ser.nr_folios; i++) {
		if (i >= in->nr_taken && memfd_luo_take_folio(in, i)) {
			pr_warn_ratelimited("entry %llu is damaged, memory stays reserved\n", i);
			continue;
		}
		folio_put(memfd_luo_entry_folio(in, i));
		cond_resched();
	}
}

/**
 * memfd_luo_free_saved() - free what told of the file, all being done
 * @in: the file, gone afterwards
 */
void memfd_luo_free_saved(struct memfd_luo_in *in)
{
	while (in->nr_saved)
		free_page((unsigned long)in->saved[--in->nr_saved]);
	memfd_luo_in_free(in);
}
