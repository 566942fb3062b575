// SPDX-License-Identifier: GPL-2.0
/*
 * The format memfd-v2, which is the base kernel's: an array of folios, in memory
 * from vmalloc(), which KHO has pages of its own to tell of.
 *
 * Nothing is allocated once the reboot is under way. What is read is not to be
 * trusted: see memfd_luo_in_lock in memfd_luo.c.
 */

#include <linux/bits.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/memfd.h>
#include <linux/liveupdate.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/pfn.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "memfd_luo.h"

#define MEMFD_LUO_FOLIO_FLAGS	(MEMFD_LUO_FOLIO_DIRTY | MEMFD_LUO_FOLIO_UPTODATE)

#define V2_PER_PAGE	(PAGE_SIZE / sizeof(struct memfd_luo_folio_ser))

static struct luo_extent v2_folio(const struct memfd_luo_folio_ser *entry, unsigned int order)
{
	return (struct luo_extent) {
		.index = entry->index,
		.pfn = entry->pfn,
		.nr = 1UL << order,
		.order = order,
	};
}

/* Writing it */

/* Have room for @capacity entries; what is there is kept. */
static int v2_resize(struct memfd_luo_out *out, u64 capacity)
{
	struct memfd_luo_folio_ser *entries;
	struct kho_vmalloc folios = {};
	int err = -ENOMEM;
	u8 *orders;

	/* All of the file is a hole. */
	if (!capacity)
		return 0;
	entries = __vcalloc(capacity, sizeof(*entries), GFP_KHO);
	orders = __vmalloc(capacity, GFP_KHO);
	if (entries && orders)
		err = kho_preserve_vmalloc(entries, &folios);
	if (err) {
		vfree(orders);
		vfree(entries);
		return err;
	}

	if (out->entries) {
		memcpy(entries, out->entries, out->v2->nr_folios * sizeof(*entries));
		memcpy(orders, out->orders, out->v2->nr_folios);
		kho_unpreserve_vmalloc(&out->v2->folios);
		vfree(out->orders);
		vfree(out->entries);
	}
	out->v2->folios = folios;
	out->entries = entries;
	out->orders = orders;
	out->capacity = capacity;
	return 0;
}

static int v2_alloc(struct memfd_luo_out *out)
{
	struct memfd_luo_ser *ser = kho_alloc_preserve(sizeof(*ser));

	if (IS_ERR(ser))
		return PTR_ERR(ser);
	out->v2 = ser;
	return 0;
}

static int v2_add_folio(struct memfd_luo_out *out, u64 index, u64 pfn, unsigned int order)
{
	const struct memfd_luo_folio_ser entry = {
		.pfn = pfn,
		.flags = MEMFD_LUO_FOLIO_FLAGS,
		.index = index,
	};
	const struct luo_extent folio = v2_folio(&entry, order);
	int err = 0;

	if (out->v2->nr_folios == out->capacity)
		err = v2_resize(out, max(2 * out->capacity, V2_PER_PAGE));
	if (!err)
		err = luo_extent_preserve(&folio);
	if (err)
		return err;
	out->orders[out->v2->nr_folios] = order;
	out->entries[out->v2->nr_folios++] = entry;
	return 0;
}

static int v2_each_from(struct memfd_luo_out *out, u64 i,
			int (*fn)(void *arg, const struct luo_extent *extent), void *arg)
{
	struct luo_extent folio;
	int err;

	for (; i < out->v2->nr_folios; i++) {
		folio = v2_folio(&out->entries[i], out->orders[i]);
		err = fn(arg, &folio);
		if (err)
			return err;
		cond_resched();
	}
	return 0;
}

static int v2_each(struct memfd_luo_out *out,
		   int (*fn)(void *arg, const struct luo_extent *extent), void *arg)
{
	return v2_each_from(out, 0, fn, arg);
}

static int preserve_folio(void *arg, const struct luo_extent *folio)
{
	return luo_extent_preserve(folio);
}

static int unpreserve_folio(void *arg, const struct luo_extent *folio)
{
	luo_extent_unpreserve(folio);
	return 0;
}

static int v2_add(struct memfd_luo_out *out, const struct luo_extent *extent)
{
	u64 nr_before = out->v2->nr_folios, done;
	int err;

	for (done = 0; done < extent->nr; done += 1UL << extent->order) {
		err = v2_add_folio(out, extent->index + done, extent->pfn + done, extent->order);
		if (err) {
			v2_each_from(out, nr_before, unpreserve_folio, NULL);
			out->v2->nr_folios = nr_before;
			return err;
		}
	}
	return 0;
}

static int v2_save(struct memfd_luo_out *out, const struct memfd_luo_meta *meta)
{
	out->v2->seals = meta->seals;
	out->v2->pos = meta->pos;
	out->v2->size = meta->size;
	return 0;
}

static int v2_preserve(struct memfd_luo_out *out)
{
	return v2_each(out, preserve_folio, NULL);
}

static void v2_unpreserve(struct memfd_luo_out *out)
{
	v2_each(out, unpreserve_folio, NULL);
}

static void v2_free(struct memfd_luo_out *out)
{
	if (out->entries) {
		kho_unpreserve_vmalloc(&out->v2->folios);
		vfree(out->orders);
		vfree(out->entries);
	}
	kho_unpreserve_free(out->v2);
}

static u64 v2_phys(struct memfd_luo_out *out)
{
	return virt_to_phys(out->v2);
}

/* Reading it */

static int v2_load(const struct memfd_luo_format *format, u64 data, struct memfd_luo_meta *meta)
{
	struct memfd_luo_ser *ser = liveupdate_preserved_data(data, sizeof(*ser));

	if (!ser || kho_preserved_order(data) || ser->size > MAX_LFS_FILESIZE ||
	    ser->pos > MAX_LFS_FILESIZE || ser->folios.order > MAX_PAGE_ORDER ||
	    ser->nr_folios > (u64)ser->folios.total_pages * V2_PER_PAGE)
		return -EINVAL;
	if (ser->flags || ser->seals & ~MEMFD_LUO_ALL_SEALS)
		return -EOPNOTSUPP;
	*meta = (struct memfd_luo_meta) {
		.size = ser->size,
		.pos = ser->pos,
		.seals = ser->seals,
		.name = "memfd:",
	};
	return 0;
}

static int visit_page(const struct memfd_luo_visitor *visitor, u64 phys, unsigned int order)
{
	return visitor->page ? visitor->page(visitor->arg, phys, order) : 0;
}

static int visit_done(const struct memfd_luo_visitor *visitor, u64 phys, unsigned int order)
{
	return visitor->done ? visitor->done(visitor->arg, phys, order) : 0;
}

/*
 * Where a walk is: @left folios are still to come, and those up to now that follow
 * each other are one extent, @run.
 */
struct v2_walk {
	const struct memfd_luo_visitor *visitor;
	struct luo_extent run;
	u64 left;
};

static int v2_end_run(struct v2_walk *walk)
{
	struct luo_extent run = walk->run;

	walk->run.nr = 0;
	return run.nr ? walk->visitor->extent(walk->visitor->arg, &run) : 0;
}

static int v2_walk_folio(struct v2_walk *walk, const struct memfd_luo_folio_ser *entry)
{
	int order = luo_page_order(entry->pfn);
	struct luo_extent folio;
	int err;

	/* One that is not uptodate has no content, and none is written. */
	if (order < 0 || entry->flags != MEMFD_LUO_FOLIO_FLAGS)
		return -EINVAL;
	folio = v2_folio(entry, order);
	if (walk->run.nr && luo_extent_follows(&walk->run, &folio)) {
		walk->run.nr += folio.nr;
		return 0;
	}
	err = v2_end_run(walk);
	walk->run = folio;
	return err;
}

/* Pages of entries that are one piece of memory */
static int v2_walk_entries(struct v2_walk *walk, u64 phys, unsigned int order)
{
	u64 i, nr = min(walk->left, V2_PER_PAGE << order);
	struct memfd_luo_folio_ser *entries;
	int err;

	err = visit_page(walk->visitor, phys, order);
	if (err)
		return err;
	entries = phys_to_virt(phys);
	/* Who does not ask for the folios may not have them any more. */
	for (i = 0; walk->visitor->extent && i < nr; i++) {
		err = v2_walk_folio(walk, &entries[i]);
		if (err)
			return err;
		cond_resched();
	}
	walk->left -= nr;
	return visit_done(walk->visitor, phys, order);
}

/* A page that tells of those; @next is set to the one that follows. */
static int v2_walk_chunk(struct v2_walk *walk, u64 phys, unsigned int order, u64 *left, u64 *next)
{
	struct kho_vmalloc_chunk *chunk;
	int err, i;

	err = visit_page(walk->visitor, phys, 0);
	if (err)
		return err;
	chunk = phys_to_virt(phys);
	*next = chunk->hdr.next.phys;
	/* One that holds nothing can only be the last. */
	if (!chunk->phys[0] && *next)
		return -EINVAL;
	for (i = 0; i < ARRAY_SIZE(chunk->phys) && chunk->phys[i]; i++) {
		if (*left < 1UL << order)
			return -EINVAL;
		err = v2_walk_entries(walk, chunk->phys[i], order);
		if (err)
			return err;
		*left -= 1UL << order;
	}
	return visit_done(walk->visitor, phys, 0);
}

static int v2_walk(u64 data, const struct memfd_luo_visitor *visitor)
{
	struct memfd_luo_ser *ser = phys_to_virt(data);
	struct v2_walk walk = { .visitor = visitor };
	u64 phys, left;
	unsigned int order;
	int err;

	err = visit_page(visitor, data, 0);
	if (err)
		return err;
	walk.left = ser->nr_folios;
	left = ser->folios.total_pages;
	order = ser->folios.order;
	for (phys = ser->folios.first.phys; phys; ) {
		err = v2_walk_chunk(&walk, phys, order, &left, &phys);
		if (err)
			return err;
	}
	err = v2_end_run(&walk);
	if (!err && (left || walk.left))
		err = -EINVAL;
	return err ?: visit_done(visitor, data, 0);
}

const struct memfd_luo_format memfd_luo_v2 = {
	.alloc = v2_alloc,
	.reserve = v2_resize,
	.add = v2_add,
	.save = v2_save,
	.each = v2_each,
	.preserve = v2_preserve,
	.unpreserve = v2_unpreserve,
	.free = v2_free,
	.phys = v2_phys,
	.load = v2_load,
	.walk = v2_walk,
};
