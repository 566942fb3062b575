// SPDX-License-Identifier: GPL-2.0
/*
 * Reading what the previous kernel handed over of a memfd. None of it is to be
 * trusted: an address is one to use when KHO has memory there, and it is taken
 * from KHO before it is read or freed, so that this cannot happen twice.
 */

#define pr_fmt(fmt) "memfd_luo: " fmt

#include <linux/align.h>
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/memfd.h>
#include <linux/kho/abi/memfd_v3.h>
#include <linux/liveupdate.h>
#include <linux/math.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>

#include "memfd_luo.h"

/* Take 2^order pages back from KHO, which nobody did before. */
static void *take_pages(u64 phys, unsigned int order)
{
	struct page *page;

	if (kho_preserved_order(phys) != order)
		return NULL;
	page = kho_restore_pages(phys, 1UL << order);
	return page ? page_address(page) : NULL;
}

/**
 * memfd_luo_in_free() - forget about a file
 * @in: the file, whose folios are somebody else's
 */
void memfd_luo_in_free(struct memfd_luo_in *in)
{
	kvfree(in->extents);
	kfree(in);
}

static struct memfd_luo_in *in_alloc(u64 nr_extents, gfp_t gfp)
{
	struct memfd_luo_in *in = kzalloc_obj(*in, gfp);

	if (!in)
		return NULL;
	/* One of no extents has room for one. */
	in->extents = kvmalloc_objs(*in->extents, nr_extents + 1, gfp);
	if (in->extents)
		return in;
	kfree(in);
	return NULL;
}

/**
 * memfd_luo_key() - what KHO has as one
 * @in: the file
 * @extent: one of its extents
 * @pfn: a page of that
 * @order: set to the order of what KHO has as one
 *
 * Return: its first page.
 */
u64 memfd_luo_key(const struct memfd_luo_in *in, const struct memfd_luo_extent *extent, u64 pfn,
		  unsigned int *order)
{
	u64 chunk = 1UL << in->chunk_order;
	u64 key = pfn - pfn % chunk;

	*order = extent->order;
	if (*order || key < extent->pfn || key + chunk > extent->pfn + extent->nr)
		return pfn;
	*order = in->chunk_order;
	return key;
}

/* Add an extent, or make the last one longer. What cannot be one is noted to be damaged. */
static void add_extent(struct memfd_luo_in *in, struct memfd_luo_extent extent)
{
	struct memfd_luo_extent *last = in->nr_extents ? &in->extents[in->nr_extents - 1] : NULL;
	u64 pages = DIV_ROUND_UP_ULL(in->size, PAGE_SIZE);
	unsigned int order = extent.order;

	/* The last folio may reach beyond the size. */
	if (order > MAX_PAGECACHE_ORDER ||
	    (order && !IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE)) ||
	    extent.flags & ~MEMFD_LUO_FOLIO_FLAGS || !extent.nr ||
	    extent.pfn > U64_MAX - extent.nr || extent.index >= pages ||
	    extent.nr > ALIGN(pages, 1UL << order) - extent.index ||
	    !IS_ALIGNED(extent.index | extent.pfn | extent.nr, 1UL << order))
		extent = (struct memfd_luo_extent){ .order = MEMFD_LUO_DAMAGED };

	if (last && !in->chunk_order && last->order == extent.order &&
	    last->flags == extent.flags && last->index + last->nr == extent.index &&
	    last->pfn + last->nr == extent.pfn)
		last->nr += extent.nr;
	else
		in->extents[in->nr_extents++] = extent;
}

/* memfd-v2 */

#define V2_PER_PAGE	(PAGE_SIZE / sizeof(struct memfd_luo_folio_ser))

static struct memfd_luo_ser *v2_ser(u64 data)
{
	struct memfd_luo_ser *ser = liveupdate_preserved_data(data, sizeof(*ser));

	if (!ser || ser->size > MAX_LFS_FILESIZE || ser->pos > MAX_LFS_FILESIZE ||
	    ser->folios.total_pages > totalram_pages() ||
	    ser->folios.order > MAX_PAGE_ORDER ||
	    ser->nr_folios > (u64)ser->folios.total_pages * V2_PER_PAGE)
		return ERR_PTR(-EINVAL);
	if (ser->flags || ser->seals & ~MEMFD_LUO_ALL_SEALS)
		return ERR_PTR(-EOPNOTSUPP);
	return ser;
}

/* The pages of the array, in their order, and those that point to them */
struct v2_pages {
	void **pages;
	u64 nr;
};

/* Take the pages of the array, and those that point to them, which come behind. */
static int v2_take_pages(struct kho_vmalloc kv, struct v2_pages *pages)
{
	u64 chunks = kv.total_pages, phys = kv.first.phys, nr = 0;
	struct kho_vmalloc_chunk *chunk;
	int i, j;
	void *p;

	while (phys) {
		chunk = take_pages(phys, 0);
		/* One that holds nothing can only be the last. */
		if (!chunk || (!chunk->phys[0] && chunk->hdr.next.phys))
			return -EINVAL;
		for (i = 0; i < ARRAY_SIZE(chunk->phys) && chunk->phys[i]; i++) {
			if (nr + (1UL << kv.order) > kv.total_pages)
				return -EINVAL;
			p = take_pages(chunk->phys[i], kv.order);
			if (!p)
				return -EINVAL;
			for (j = 0; j < 1 << kv.order; j++)
				pages->pages[nr++] = p + j * PAGE_SIZE;
		}
		pages->pages[chunks++] = chunk;
		phys = chunk->hdr.next.phys;
	}
	if (nr != kv.total_pages)
		return -EINVAL;
	pages->nr = chunks;
	return 0;
}

static void v2_add_folio(struct memfd_luo_in *in, const struct memfd_luo_folio_ser *folio)
{
	int order = kho_preserved_order(PFN_PHYS(folio->pfn));

	add_extent(in, (struct memfd_luo_extent) {
		.index = folio->index,
		.pfn = folio->pfn,
		.nr = order < 0 ? 0 : 1UL << order,
		.order = order < 0 ? MEMFD_LUO_DAMAGED : order,
		.flags = folio->flags & ~MEMFD_LUO_FOLIO_FLAGS ? U8_MAX : folio->flags,
	});
}

static int v2_take(struct memfd_luo_in *in, struct memfd_luo_ser *ser, u64 data,
		   struct v2_pages *pages)
{
	struct memfd_luo_folio_ser *folios;
	u64 i;
	int err;

	err = v2_take_pages(ser->folios, pages);
	if (err)
		return err;
	if (!take_pages(data, 0))
		return -EINVAL;

	for (i = 0; i < ser->nr_folios; i++) {
		folios = pages->pages[i / V2_PER_PAGE];
		v2_add_folio(in, &folios[i % V2_PER_PAGE]);
		cond_resched();
	}
	while (pages->nr)
		free_page((unsigned long)pages->pages[--pages->nr]);
	free_page((unsigned long)ser);
	return 0;
}

/**
 * memfd_luo_read_v2() - take what was handed over of a file, but for its folios
 * @data: the physical address of it, as was handed over
 * @gfp: how to allocate what tells of it
 *
 * Return: the file, for memfd_luo_in_free(); or an ERR_PTR:
 * * -EINVAL: there is none, or it is damaged: what was taken stays reserved
 * * -EOPNOTSUPP: it has flags or seals that are not known; nothing was taken
 * * -ENOMEM: nothing was taken
 */
struct memfd_luo_in *memfd_luo_read_v2(u64 data, gfp_t gfp)
{
	struct memfd_luo_ser *ser = v2_ser(data);
	struct v2_pages pages = {};
	struct memfd_luo_in *in;
	int err;

	if (IS_ERR(ser))
		return ERR_CAST(ser);
	in = in_alloc(ser->nr_folios, gfp);
	if (!in)
		return ERR_PTR(-ENOMEM);
	/* A page of entries, one that points to it, none full: at most. */
	pages.pages = kvmalloc_objs(*pages.pages, 2 * (u64)ser->folios.total_pages + 1, gfp);
	if (!pages.pages) {
		memfd_luo_in_free(in);
		return ERR_PTR(-ENOMEM);
	}

	in->pos = ser->pos;
	in->size = ser->size;
	in->seals = ser->seals;
	strscpy(in->name, "memfd:");
	err = v2_take(in, ser, data, &pages);
	kvfree(pages.pages);
	if (!err)
		return in;
	memfd_luo_in_free(in);
	return ERR_PTR(err);
}

/**
 * memfd_luo_read_size_v2() - the size of a file that nothing was taken of
 * @data: the physical address of it, as was handed over
 * @size: set to it, in bytes
 *
 * Return: 0; or -EINVAL or -EOPNOTSUPP as memfd_luo_read_v2().
 */
int memfd_luo_read_size_v2(u64 data, u64 *size)
{
	struct memfd_luo_ser *ser = v2_ser(data);

	if (IS_ERR(ser))
		return PTR_ERR(ser);
	*size = ser->size;
	return 0;
}

/* memfd-v3 */

#define V3_PER_PAGE	((PAGE_SIZE - sizeof(struct memfd_v3_page)) / \
			 sizeof(struct memfd_v3_extent))

/* Files that share a page are read one after the other. */
static DEFINE_MUTEX(v3_lock);

static struct memfd_v3_ser *v3_ser(u64 data)
{
	u64 offset = data % PAGE_SIZE;
	struct memfd_v3_ser *ser;
	void *page;

	if (offset % sizeof(*ser) || kho_preserved_order(data - offset))
		return ERR_PTR(-EINVAL);
	page = liveupdate_preserved_data(data - offset, PAGE_SIZE);
	if (!page)
		return ERR_PTR(-EINVAL);
	ser = page + offset;
	if (ser->magic != MEMFD_V3_MAGIC || ser->size > MAX_LFS_FILESIZE ||
	    ser->pos > MAX_LFS_FILESIZE || ser->mode & ~S_IALLUGO ||
	    ser->nr > MEMFD_V3_NR_INLINE || (ser->more && ser->nr != MEMFD_V3_NR_INLINE) ||
	    strnlen(ser->name, sizeof(ser->name)) == sizeof(ser->name))
		return ERR_PTR(-EINVAL);
	if (ser->flags || ser->seals & ~MEMFD_LUO_ALL_SEALS)
		return ERR_PTR(-EOPNOTSUPP);
	return ser;
}

/* Give the place up that told of a file, and its page when that was the last. */
static void v3_give_up(struct memfd_v3_ser *ser, u64 data)
{
	struct memfd_v3_ser *page = ser - data % PAGE_SIZE / sizeof(*ser);
	int i;

	ser->magic = 0;
	for (i = 0; i < PAGE_SIZE / sizeof(*page); i++) {
		if (page[i].magic)
			return;
	}
	kho_restore_free(page);
}

/* Returns how many pages they are said to be. */
static u64 v3_add_extents(struct memfd_luo_in *in, const struct memfd_v3_extent *extents, u64 nr)
{
	u64 i, pages = 0;

	for (i = 0; i < nr; i++) {
		pages += extents[i].nr;
		add_extent(in, (struct memfd_luo_extent) {
			.index = extents[i].index,
			.pfn = extents[i].pfn,
			.nr = extents[i].nr,
			.order = min_t(u64, extents[i].order, MEMFD_LUO_DAMAGED),
			.flags = MEMFD_LUO_FOLIO_FLAGS,
		});
	}
	return pages;
}

/* How many extents there are, in pages that nobody has taken; none for a circle. */
static int v3_count(const struct memfd_v3_ser *ser, u64 *nr)
{
	u64 phys, pages = 0;
	struct memfd_v3_page *page;

	*nr = ser->nr;
	for (phys = ser->more; phys; phys = page->next) {
		page = liveupdate_preserved_data(phys, PAGE_SIZE);
		if (!page || kho_preserved_order(phys) || !page->nr ||
		    page->nr > V3_PER_PAGE || pages++ > totalram_pages())
			return -EINVAL;
		*nr += page->nr;
	}
	return 0;
}

static int v3_take(struct memfd_luo_in *in, struct memfd_v3_ser *ser, u64 nr)
{
	struct memfd_v3_page *page;
	u64 phys = ser->more, next, pages, all = ser->nr_pages;

	pages = v3_add_extents(in, ser->extents, ser->nr);
	while (phys) {
		page = take_pages(phys, 0);
		/* It may be there twice, or tell otherwise than it did when counted. */
		if (!page || page->nr > nr - in->nr_extents)
			return -EINVAL;
		pages += v3_add_extents(in, page->extents, page->nr);
		next = page->next;
		free_page((unsigned long)page);
		phys = next;
	}
	return pages == all ? 0 : -EINVAL;
}

/**
 * memfd_luo_read_v3() - take what was handed over of a file, but for its folios
 * @data: the physical address of it, as was handed over
 * @gfp: how to allocate what tells of it
 *
 * Return: as memfd_luo_read_v2().
 */
struct memfd_luo_in *memfd_luo_read_v3(u64 data, gfp_t gfp)
{
	struct memfd_luo_in *in;
	struct memfd_v3_ser *ser;
	int err;
	u64 nr;

	guard(mutex)(&v3_lock);
	ser = v3_ser(data);
	if (IS_ERR(ser))
		return ERR_CAST(ser);
	err = v3_count(ser, &nr);
	if (err)
		return ERR_PTR(err);
	in = in_alloc(nr, gfp);
	if (!in)
		return ERR_PTR(-ENOMEM);

	in->pos = ser->pos;
	in->size = ser->size;
	in->seals = ser->seals;
	in->uid = ser->uid;
	in->gid = ser->gid;
	in->mode = ser->mode;
	in->has_owner = true;
	in->chunk_order = MEMFD_V3_CHUNK_ORDER;
	strscpy(in->name, ser->name);
	err = v3_take(in, ser, nr);
	/* The page of @ser itself may have been among them. */
	if (!err && kho_preserved_order(data - data % PAGE_SIZE))
		err = -EINVAL;
	if (err) {
		memfd_luo_in_free(in);
		return ERR_PTR(err);
	}
	v3_give_up(ser, data);
	return in;
}

/**
 * memfd_luo_read_size_v3() - the size of a file that nothing was taken of
 * @data: the physical address of it, as was handed over
 * @size: set to it, in bytes
 *
 * Return: 0; or -EINVAL or -EOPNOTSUPP as memfd_luo_read_v2().
 */
int memfd_luo_read_size_v3(u64 data, u64 *size)
{
	struct memfd_v3_ser *ser = v3_ser(data);

	if (IS_ERR(ser))
		return PTR_ERR(ser);
	*size = ser->size;
	return 0;
}

/* The folios, in either format */

static int compare_index(const void *a, const void *b)
{
	const struct memfd_luo_extent *first = a, *second = b;

	return first->index < second->index ? -1 : first->index > second->index;
}

/* Bring the extents into the order that they have in the file, and count. */
static int sort_extents(struct memfd_luo_in *in)
{
	struct memfd_luo_extent *extent, *end = in->extents + in->nr_extents;

	for (extent = in->extents; extent + 1 < end; extent++) {
		if (extent->index > extent[1].index) {
			sort_nonatomic(in->extents, in->nr_extents, sizeof(*extent),
				       compare_index, NULL);
			break;
		}
	}

	in->nr_folios = 0;
	in->nr_pages = 0;
	for (extent = in->extents; extent < end; extent++) {
		if (extent->order > MAX_PAGECACHE_ORDER ||
		    (extent > in->extents && extent[-1].index + extent[-1].nr > extent->index))
			return -EINVAL;
		extent->first = in->nr_folios;
		in->nr_folios += extent->nr >> extent->order;
		in->nr_pages += extent->nr;
	}
	return 0;
}

static bool unclaim(u64 pfn, unsigned int order)
{
	kho_unclaim(PFN_PHYS(pfn), order);
	return true;
}

static bool claim(u64 pfn, unsigned int order)
{
	return kho_claim(PFN_PHYS(pfn), order);
}

/* Go through what KHO has, of the first @nr pages, while @fn says so. Returns how far. */
static u64 each_key(const struct memfd_luo_in *in, bool (*fn)(u64 pfn, unsigned int order), u64 nr)
{
	const struct memfd_luo_extent *extent;
	unsigned int order;
	u64 pfn, done = 0;

	for (extent = in->extents; done < nr; extent++) {
		for (pfn = extent->pfn; pfn < extent->pfn + extent->nr && done < nr;
		     pfn += 1UL << order) {
			memfd_luo_key(in, extent, pfn, &order);
			if (!fn(pfn, order))
				return done;
			done += 1UL << order;
			cond_resched();
		}
	}
	return done;
}

/**
 * memfd_luo_claim() - make all folios this file's alone
 * @in: the file
 *
 * Nobody else can have them then. They are sorted by their place in the file.
 *
 * Return: 0; or -EINVAL when one is damaged, or not there: nothing is claimed then.
 */
int memfd_luo_claim(struct memfd_luo_in *in)
{
	u64 nr;
	int err;

	if (in->is_claimed)
		return 0;
	err = sort_extents(in);
	if (err)
		return err;
	nr = each_key(in, claim, in->nr_pages);
	if (nr < in->nr_pages) {
		each_key(in, unclaim, nr);
		return -EINVAL;
	}
	in->is_claimed = true;
	return 0;
}

/* Take what begins at @pfn in an extent back from KHO, which has it. */
static void restore_key(const struct memfd_luo_extent *extent, u64 pfn, unsigned int order)
{
	if (extent->order)
		WARN_ON_ONCE(!kho_restore_folio(PFN_PHYS(pfn)));
	else
		WARN_ON_ONCE(!kho_restore_pages(PFN_PHYS(pfn), 1UL << order));
}

/**
 * memfd_luo_restore() - have folios that can be used
 * @extent: an extent of a file that is claimed
 * @key: the first page, and
 * @order: the order of what KHO has as one in it, see memfd_luo_key()
 */
void memfd_luo_restore(const struct memfd_luo_extent *extent, u64 key, unsigned int order)
{
	kho_unclaim(PFN_PHYS(key), order);
	restore_key(extent, key, order);
}

/**
 * memfd_luo_put_folios() - give up all folios
 * @in: the file, of which none was restored
 */
void memfd_luo_put_folios(struct memfd_luo_in *in)
{
	const struct memfd_luo_extent *extent;
	unsigned int order = 0;
	u64 i, pfn, end;

	if (in->is_claimed)
		each_key(in, unclaim, in->nr_pages);
	for (i = 0; i < in->nr_extents; i++) {
		extent = &in->extents[i];
		end = extent->pfn + extent->nr;
		for (pfn = extent->pfn; pfn < end; pfn += 1UL << extent->order) {
			if (memfd_luo_key(in, extent, pfn, &order) == pfn) {
				if (kho_preserved_order(PFN_PHYS(pfn)) != order)
					break;
				restore_key(extent, pfn, order);
			}
			folio_put(pfn_folio(pfn));
			cond_resched();
		}
		if (pfn < end || extent->order == MEMFD_LUO_DAMAGED)
			pr_warn_ratelimited("extent %llu is damaged, memory stays reserved\n", i);
	}
}
