// SPDX-License-Identifier: GPL-2.0
/*
 * The formats memfd-v3, memfd-v4 and hugetlb-v1: extents, of which the first ones lie beside
 * what else is told of a file, and several files share a page.
 *
 * Nothing is allocated once the reboot is under way. What is read is not to be
 * trusted: see memfd_luo_in_lock in memfd_luo.c.
 */

#include <linux/align.h>
#include <linux/bitops.h>
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/hugetlb_v1.h>
#include <linux/kho/abi/memfd.h>
#include <linux/kho/abi/memfd_v4.h>
#include <linux/list.h>
#include <linux/liveupdate.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/pfn.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "memfd_luo.h"

#define V3_PER_PAGE	((PAGE_SIZE - sizeof(struct memfd_v3_page)) / \
			 sizeof(struct memfd_v3_extent))

static struct luo_extent v3_extent(const struct memfd_v3_extent *extent)
{
	return (struct luo_extent) {
		.index = extent->index,
		.pfn = extent->pfn,
		.nr = extent->nr,
		.order = min_t(u64, extent->order, U8_MAX),
		.chunk = MEMFD_V3_CHUNK_ORDER,
	};
}

/* Writing it */

/* Pages that have room for more, listed; page->private has a bit for each place that is used. */
#define V3_SLOTS	MIN(PAGE_SIZE / MEMFD_V3_SER_SIZE, BITS_PER_LONG)
static LIST_HEAD(v3_pages);
static DEFINE_MUTEX(v3_pages_lock);

static int v3_alloc(struct memfd_luo_out *out)
{
	struct page *page;
	unsigned int slot;
	void *mem;

	guard(mutex)(&v3_pages_lock);
	page = list_first_entry_or_null(&v3_pages, struct page, lru);
	if (!page) {
		mem = kho_alloc_preserve(PAGE_SIZE);
		if (IS_ERR(mem))
			return PTR_ERR(mem);
		page = virt_to_page(mem);
		set_page_private(page, 0);
		list_add(&page->lru, &v3_pages);
	}

	slot = find_first_zero_bit(&page->private, V3_SLOTS);
	__set_bit(slot, &page->private);
	if (find_first_zero_bit(&page->private, V3_SLOTS) == V3_SLOTS)
		list_del_init(&page->lru);
	out->v3 = page_address(page) + slot * MEMFD_V3_SER_SIZE;
	out->v3->magic = out->format->magic;
	return 0;
}

static void free_slot(struct memfd_luo_out *out)
{
	struct page *page = virt_to_page(out->v3);

	guard(mutex)(&v3_pages_lock);
	__clear_bit(offset_in_page(out->v3) / MEMFD_V3_SER_SIZE, &page->private);
	memset(out->v3, 0, sizeof(*out->v3));
	if (page->private) {
		if (list_empty(&page->lru))
			list_add(&page->lru, &v3_pages);
		return;
	}
	list_del(&page->lru);
	kho_unpreserve_free(page_address(page));
}

static struct memfd_v3_extent *last_extent(struct memfd_luo_out *out)
{
	if (out->last)
		return &out->last->extents[out->last->nr - 1];
	return out->v3->nr ? &out->v3->extents[out->v3->nr - 1] : NULL;
}

static struct memfd_v3_extent *push_extent(struct memfd_luo_out *out)
{
	struct memfd_v3_page *page;

	if (!out->last && out->v3->nr < MEMFD_V3_NR_INLINE)
		return &out->v3->extents[out->v3->nr++];
	if (!out->last || out->last->nr == V3_PER_PAGE) {
		page = kho_alloc_preserve(PAGE_SIZE);
		if (IS_ERR(page))
			return NULL;
		*(out->last ? &out->last->next : &out->v3->more) = virt_to_phys(page);
		out->last = page;
	}
	return &out->last->extents[out->last->nr++];
}

static void store_extent(struct memfd_v3_extent *to, const struct luo_extent *extent)
{
	*to = (struct memfd_v3_extent) {
		.index = extent->index,
		.pfn = extent->pfn,
		.order = extent->order,
		.nr = extent->nr,
	};
}

static bool follows_last(const struct memfd_v3_extent *last, const struct luo_extent *next)
{
	struct luo_extent extent;

	if (!last)
		return false;
	extent = v3_extent(last);
	return luo_extent_follows(&extent, next);
}

/* Have KHO told of the last extent, which has grown as far as it does. */
static int v3_close(struct memfd_luo_out *out)
{
	struct luo_extent extent;
	int err;

	if (!out->is_open)
		return 0;
	extent = v3_extent(last_extent(out));
	err = luo_extent_preserve(&extent);
	/* What is left open was not preserved, and is not unpreserved. */
	if (!err)
		out->is_open = false;
	return err;
}

/* While the file is walked through, KHO is told of all of an extent at once. */
static int add_walked(struct memfd_luo_out *out, const struct luo_extent *extent)
{
	struct memfd_v3_extent *last = last_extent(out);
	int err;

	if (out->is_open && follows_last(last, extent)) {
		last->nr += extent->nr;
		return 0;
	}
	err = v3_close(out);
	if (err)
		return err;
	last = push_extent(out);
	if (!last)
		return -ENOMEM;
	store_extent(last, extent);
	out->is_open = true;
	return 0;
}

/*
 * Later it is told of a folio at a time. An extent that came so must not grow to
 * where it would have been told of a chunk.
 */
static int add_late(struct memfd_luo_out *out, const struct luo_extent *extent)
{
	struct memfd_v3_extent *last = last_extent(out);
	int err;

	err = luo_extent_preserve(extent);
	if (err)
		return err;
	if (follows_last(last, extent) &&
	    (last->order || !IS_ALIGNED(extent->pfn + 1, 1UL << MEMFD_V3_CHUNK_ORDER))) {
		last->nr += extent->nr;
		return 0;
	}
	last = push_extent(out);
	if (!last) {
		luo_extent_unpreserve(extent);
		return -ENOMEM;
	}
	store_extent(last, extent);
	return 0;
}

static int v3_add(struct memfd_luo_out *out, const struct luo_extent *folios)
{
	struct luo_extent extent = *folios;
	int err;

	extent.chunk = MEMFD_V3_CHUNK_ORDER;
	err = out->walker ? add_walked(out, &extent) : add_late(out, &extent);
	if (!err)
		out->v3->nr_pages += extent.nr;
	return err;
}

static int v3_save(struct memfd_luo_out *out, const struct memfd_luo_meta *meta)
{
	struct memfd_v3_ser *ser = out->v3;

	ser->seals = meta->seals;
	ser->flags = meta->flags;
	ser->pos = meta->pos;
	ser->size = meta->size;
	ser->uid = meta->uid;
	ser->gid = meta->gid;
	ser->mode = meta->mode;
	/* A file on a tmpfs can have such a name, and a longer one. */
	if (strscpy(ser->name, meta->name) < 0)
		strscpy(ser->name, "memfd:");
	return 0;
}

/* The extent that next_extent() returns next */
struct v3_cursor {
	struct memfd_v3_page *page;
	u64 i;
};

static struct memfd_v3_extent *next_extent(struct memfd_luo_out *out, struct v3_cursor *cursor)
{
	u64 more;

	if (!cursor->page && cursor->i < out->v3->nr)
		return &out->v3->extents[cursor->i++];
	if (!cursor->page || cursor->i == cursor->page->nr) {
		more = cursor->page ? cursor->page->next : out->v3->more;
		if (!more)
			return NULL;
		cursor->page = phys_to_virt(more);
		cursor->i = 0;
	}
	return &cursor->page->extents[cursor->i++];
}

static int v3_each(struct memfd_luo_out *out,
		   int (*fn)(void *arg, const struct luo_extent *extent), void *arg)
{
	struct v3_cursor cursor = {};
	struct memfd_v3_extent *it;
	struct luo_extent extent;
	int err;

	while ((it = next_extent(out, &cursor))) {
		extent = v3_extent(it);
		err = fn(arg, &extent);
		if (err)
			return err;
		cond_resched();
	}
	return 0;
}

static int preserve_extent(void *arg, const struct luo_extent *extent)
{
	return luo_extent_preserve(extent);
}

static int v3_preserve(struct memfd_luo_out *out)
{
	return v3_each(out, preserve_extent, NULL);
}

/* One that is left open was not preserved. */
static void v3_unpreserve(struct memfd_luo_out *out)
{
	struct memfd_v3_extent *open = out->is_open ? last_extent(out) : NULL;
	struct v3_cursor cursor = {};
	struct memfd_v3_extent *it;
	struct luo_extent extent;

	while ((it = next_extent(out, &cursor)) && it != open) {
		extent = v3_extent(it);
		luo_extent_unpreserve(&extent);
	}
}

static void v3_free(struct memfd_luo_out *out)
{
	struct memfd_v3_page *page;
	u64 phys = out->v3->more;

	while (phys) {
		page = phys_to_virt(phys);
		phys = page->next;
		kho_unpreserve_free(page);
	}
	free_slot(out);
}

static u64 v3_phys(struct memfd_luo_out *out)
{
	return virt_to_phys(out->v3);
}

/* Reading it */

static struct memfd_v3_ser *find_ser(u64 data)
{
	u64 offset = data % PAGE_SIZE;
	void *page;

	if (offset % sizeof(struct memfd_v3_ser) || kho_preserved_order(data - offset))
		return NULL;
	page = liveupdate_preserved_data(data - offset, PAGE_SIZE);
	return page ? page + offset : NULL;
}

static int v3_load(const struct memfd_luo_format *format, u64 data, struct memfd_luo_meta *meta)
{
	struct memfd_v3_ser *ser = find_ser(data);

	if (!ser || ser->magic != format->magic || ser->size > MAX_LFS_FILESIZE ||
	    ser->pos > MAX_LFS_FILESIZE || ser->mode & ~S_IALLUGO ||
	    ser->nr > MEMFD_V3_NR_INLINE || (ser->more && ser->nr != MEMFD_V3_NR_INLINE) ||
	    strnlen(ser->name, sizeof(ser->name)) == sizeof(ser->name))
		return -EINVAL;
	if (ser->flags & ~format->flags || ser->seals & ~MEMFD_LUO_ALL_SEALS)
		return -EOPNOTSUPP;
	*meta = (struct memfd_luo_meta) {
		.size = ser->size,
		.pos = ser->pos,
		.seals = ser->seals,
		.flags = ser->flags,
		.uid = ser->uid,
		.gid = ser->gid,
		.mode = ser->mode,
		.has_owner = true,
		.name = ser->name,
	};
	return 0;
}

static int walk_extents(const struct memfd_v3_extent *extents, u64 nr,
			const struct memfd_luo_visitor *visitor, u64 *nr_pages)
{
	struct luo_extent extent;
	int err;
	u64 i;

	for (i = 0; i < nr; i++) {
		extent = v3_extent(&extents[i]);
		*nr_pages += extent.nr;
		err = visitor->extent ? visitor->extent(visitor->arg, &extent) : 0;
		if (err)
			return err;
		cond_resched();
	}
	return 0;
}

static int walk_page(u64 phys, const struct memfd_luo_visitor *visitor, u64 *nr_pages, u64 *next)
{
	struct memfd_v3_page *page;
	int err;

	err = visitor->page ? visitor->page(visitor->arg, phys, 0) : 0;
	if (err)
		return err;
	page = phys_to_virt(phys);
	*next = page->next;
	if (!page->nr || page->nr > V3_PER_PAGE)
		return -EINVAL;
	err = walk_extents(page->extents, page->nr, visitor, nr_pages);
	if (!err && visitor->done)
		err = visitor->done(visitor->arg, phys, 0);
	return err;
}

static int v3_walk(u64 data, const struct memfd_luo_visitor *visitor)
{
	struct memfd_v3_ser *ser = phys_to_virt(data);
	u64 phys, nr_pages = 0;
	int err;

	err = walk_extents(ser->extents, ser->nr, visitor, &nr_pages);
	for (phys = ser->more; !err && phys; )
		err = walk_page(phys, visitor, &nr_pages, &phys);
	if (err)
		return err;
	/* The page of @ser itself may have been among them. */
	return nr_pages == ser->nr_pages && !kho_preserved_order(data - data % PAGE_SIZE) ?
	       0 : -EINVAL;
}

static int v3_hold(u64 data)
{
	return kho_preserve_pages(pfn_to_page(PHYS_PFN(data)), 1);
}

static void v3_unhold(u64 data)
{
	kho_unpreserve_pages(pfn_to_page(PHYS_PFN(data)), 1);
}

/* Give the place up that told of a file, and its page when that was the last. */
static void v3_drop(u64 data)
{
	struct memfd_v3_ser *ser = phys_to_virt(data), *page;
	int i;

	page = ser - data % PAGE_SIZE / sizeof(*ser);
	ser->magic = 0;
	for (i = 0; i < PAGE_SIZE / sizeof(*page); i++) {
		if (page[i].magic)
			return;
	}
	kho_restore_free(page);
}

#define V3_CALLBACKS			\
	.alloc = v3_alloc,		\
	.add = v3_add,			\
	.close = v3_close,		\
	.save = v3_save,		\
	.each = v3_each,		\
	.preserve = v3_preserve,	\
	.unpreserve = v3_unpreserve,	\
	.free = v3_free,		\
	.phys = v3_phys,		\
	.load = v3_load,		\
	.walk = v3_walk,		\
	.hold = v3_hold,		\
	.unhold = v3_unhold,		\
	.drop = v3_drop

const struct memfd_luo_format memfd_luo_v3 = {
	V3_CALLBACKS,
	.magic = MEMFD_V3_MAGIC,
	.has_owner = true,
};

const struct memfd_luo_format memfd_luo_v4 = {
	V3_CALLBACKS,
	.magic = MEMFD_V4_MAGIC,
	.flags = MEMFD_V4_ALL_FLAGS,
	.has_owner = true,
};

#ifdef CONFIG_LIVEUPDATE_HUGETLB
const struct memfd_luo_format hugetlb_luo_v1 = {
	V3_CALLBACKS,
	.magic = HUGETLB_V1_MAGIC,
	.flags = HUGETLB_V1_ALL_FLAGS,
	.has_owner = true,
};
#endif
