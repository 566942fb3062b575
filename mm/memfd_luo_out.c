// SPDX-License-Identifier: GPL-2.0
/*
 * Writing what is handed over of a memfd. Nothing is allocated once the reboot
 * is under way.
 */

#include <linux/align.h>
#include <linux/bitops.h>
#include <linux/cleanup.h>
#include <linux/container_of.h>
#include <linux/cred.h>
#include <linux/dcache.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/memfd.h>
#include <linux/kho/abi/memfd_v3.h>
#include <linux/list.h>
#include <linux/memfd.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/string.h>
#include <linux/uidgid.h>
#include <linux/vmalloc.h>

#include "memfd_luo.h"

/* The seals of a file, -EOPNOTSUPP when there is one that the formats do not know */
static int known_seals(struct file *file)
{
	int seals = memfd_get_seals(file);

	return seals >= 0 && seals & ~MEMFD_LUO_ALL_SEALS ? -EOPNOTSUPP : seals;
}

/* memfd-v2: an array of folios */

/* Have room for @capacity entries; what is there is kept. */
static int v2_resize(struct memfd_luo_out *out, u64 capacity)
{
	struct memfd_luo_folio_ser *entries;
	struct kho_vmalloc folios = {};
	int err;

	/* All of the file is a hole. */
	if (!capacity)
		return 0;
	entries = __vcalloc(capacity, sizeof(*entries), GFP_KHO);
	if (!entries)
		return -ENOMEM;
	err = kho_preserve_vmalloc(entries, &folios);
	if (err) {
		vfree(entries);
		return err;
	}

	if (out->entries) {
		memcpy(entries, out->entries, out->v2->nr_folios * sizeof(*entries));
		kho_unpreserve_vmalloc(&out->v2->folios);
		vfree(out->entries);
	}
	out->v2->folios = folios;
	out->entries = entries;
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

static void v2_add_folio(struct memfd_luo_out *out, u64 pfn, u64 index)
{
	out->entries[out->v2->nr_folios++] = (struct memfd_luo_folio_ser) {
		.pfn = pfn,
		.flags = MEMFD_LUO_FOLIO_FLAGS,
		.index = index,
	};
}

static int v2_add(struct memfd_luo_out *out, const struct memfd_luo_extent *extent)
{
	u64 nr_before = out->v2->nr_folios, done;
	int err = 0;

	for (done = 0; done < extent->nr; done += 1UL << extent->order) {
		if (out->v2->nr_folios == out->capacity)
			err = v2_resize(out, max(2 * out->capacity,
						 PAGE_SIZE / sizeof(*out->entries)));
		if (!err)
			err = kho_preserve_folio(pfn_folio(extent->pfn + done));
		if (err)
			goto err_unpreserve;
		v2_add_folio(out, extent->pfn + done, extent->index + done);
	}
	return 0;

err_unpreserve:
	while (out->v2->nr_folios > nr_before)
		kho_unpreserve_folio(pfn_folio(out->entries[--out->v2->nr_folios].pfn));
	return err;
}

static int v2_save(struct memfd_luo_out *out, struct file *file, u64 size)
{
	int seals = known_seals(file);

	if (seals < 0)
		return seals;
	out->v2->seals = seals;
	out->v2->pos = file->f_pos;
	out->v2->size = size;
	return 0;
}

static int v2_each(struct memfd_luo_out *out, memfd_luo_extent_fn fn, struct memfd_luo_out *arg)
{
	struct folio *folio;
	int err;
	u64 i;

	for (i = 0; i < out->v2->nr_folios; i++) {
		folio = pfn_folio(out->entries[i].pfn);
		err = fn(arg, &(struct memfd_luo_extent) {
			.index = out->entries[i].index,
			.pfn = out->entries[i].pfn,
			.nr = folio_nr_pages(folio),
			.order = folio_order(folio),
		});
		if (err)
			return err;
		cond_resched();
	}
	return 0;
}

static int preserve_folio(struct memfd_luo_out *out, const struct memfd_luo_extent *extent)
{
	return kho_preserve_folio(pfn_folio(extent->pfn));
}

static int v2_preserve(struct memfd_luo_out *out)
{
	return v2_each(out, preserve_folio, out);
}

static int unpreserve_folio(struct memfd_luo_out *out, const struct memfd_luo_extent *extent)
{
	kho_unpreserve_folio(pfn_folio(extent->pfn));
	return 0;
}

static void v2_unpreserve(struct memfd_luo_out *out)
{
	v2_each(out, unpreserve_folio, out);
}

static void v2_free(struct memfd_luo_out *out)
{
	if (out->entries) {
		kho_unpreserve_vmalloc(&out->v2->folios);
		vfree(out->entries);
	}
	kho_unpreserve_free(out->v2);
}

static u64 v2_phys(struct memfd_luo_out *out)
{
	return virt_to_phys(out->v2);
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
	.read = memfd_luo_read_v2,
	.read_size = memfd_luo_read_size_v2,
	.is_stock = true,
};

/* memfd-v3: what is handed over of several files shares a page */

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
	out->v3->magic = MEMFD_V3_MAGIC;
	return 0;
}

static void v3_free_ser(struct memfd_luo_out *out)
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

#define V3_PER_PAGE	((PAGE_SIZE - sizeof(struct memfd_v3_page)) / \
			 sizeof(struct memfd_v3_extent))

static struct memfd_v3_extent *v3_last(struct memfd_luo_out *out)
{
	if (out->last)
		return &out->last->extents[out->last->nr - 1];
	return out->v3->nr ? &out->v3->extents[out->v3->nr - 1] : NULL;
}

static struct memfd_v3_extent *v3_push(struct memfd_luo_out *out)
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

/* Of which order KHO is told of what begins at @pfn in an extent. */
static unsigned int v3_key_order(const struct memfd_v3_extent *extent, u64 pfn)
{
	u64 chunk = 1UL << MEMFD_V3_CHUNK_ORDER;

	if (extent->order)
		return extent->order;
	return IS_ALIGNED(pfn, chunk) && extent->pfn + extent->nr - pfn >= chunk ?
	       MEMFD_V3_CHUNK_ORDER : 0;
}

static void v3_unpreserve_extent(const struct memfd_v3_extent *extent, u64 end)
{
	unsigned int order;
	u64 pfn;

	for (pfn = extent->pfn; pfn < end; pfn += 1UL << order) {
		order = v3_key_order(extent, pfn);
		kho_unpreserve_pages(pfn_to_page(pfn), 1UL << order);
	}
}

static int v3_preserve_extent(const struct memfd_v3_extent *extent)
{
	unsigned int order;
	u64 pfn;
	int err;

	for (pfn = extent->pfn; pfn < extent->pfn + extent->nr; pfn += 1UL << order) {
		order = v3_key_order(extent, pfn);
		err = kho_preserve_pages(pfn_to_page(pfn), 1UL << order);
		if (err) {
			v3_unpreserve_extent(extent, pfn);
			return err;
		}
	}
	return 0;
}

/* Have KHO told of the last extent, which has grown as far as it does. */
static int v3_close(struct memfd_luo_out *out)
{
	int err = 0;

	if (out->is_open) {
		err = v3_preserve_extent(v3_last(out));
		/* What is left open was not preserved, and is not unpreserved. */
		if (!err)
			out->is_open = false;
	}
	return err;
}

static bool v3_follows(const struct memfd_v3_extent *last, const struct memfd_v3_extent *next)
{
	return last && last->order == next->order && last->index + last->nr == next->index &&
	       last->pfn + last->nr == next->pfn;
}

/* While the file is walked through, KHO is told of all of an extent at once. */
static int v3_add_walked(struct memfd_luo_out *out, const struct memfd_v3_extent *extent)
{
	struct memfd_v3_extent *last = v3_last(out);
	int err;

	if (out->is_open && v3_follows(last, extent)) {
		last->nr += extent->nr;
		return 0;
	}
	err = v3_close(out);
	if (err)
		return err;
	last = v3_push(out);
	if (!last)
		return -ENOMEM;
	*last = *extent;
	out->is_open = true;
	return 0;
}

/*
 * Later it is told of a folio at a time. An extent that came so must not grow to
 * where it would have been told of a chunk.
 */
static int v3_add_late(struct memfd_luo_out *out, const struct memfd_v3_extent *extent)
{
	struct memfd_v3_extent *last = v3_last(out);
	int err;

	err = v3_preserve_extent(extent);
	if (err)
		return err;
	if (v3_follows(last, extent) &&
	    (last->order || !IS_ALIGNED(extent->pfn + 1, 1UL << MEMFD_V3_CHUNK_ORDER))) {
		last->nr += extent->nr;
		return 0;
	}
	last = v3_push(out);
	if (!last) {
		v3_unpreserve_extent(extent, extent->pfn + extent->nr);
		return -ENOMEM;
	}
	*last = *extent;
	return 0;
}

static int v3_add(struct memfd_luo_out *out, const struct memfd_luo_extent *folios)
{
	const struct memfd_v3_extent extent = {
		.index = folios->index,
		.pfn = folios->pfn,
		.order = folios->order,
		.nr = folios->nr,
	};
	int err = out->walker ? v3_add_walked(out, &extent) : v3_add_late(out, &extent);

	if (!err)
		out->v3->nr_pages += extent.nr;
	return err;
}

static int v3_save(struct memfd_luo_out *out, struct file *file, u64 size)
{
	struct inode *inode = file_inode(file);
	struct memfd_v3_ser *ser = out->v3;
	int seals = known_seals(file);

	if (seals < 0)
		return seals;
	ser->seals = seals;
	ser->pos = file->f_pos;
	ser->size = size;
	ser->uid = from_kuid(&init_user_ns, inode->i_uid);
	ser->gid = from_kgid(&init_user_ns, inode->i_gid);
	ser->mode = inode->i_mode & S_IALLUGO;
	/* Another file's name is not one that a memfd can have. */
	if (strscpy(ser->name, file->f_path.dentry->d_name.name) < 0 ||
	    !str_has_prefix(ser->name, "memfd:"))
		strscpy(ser->name, "memfd:");
	return 0;
}

/* All extents; @i and @page are for this alone. */
#define v3_for_each_extent(extent, out, page, i)					\
	for (page = NULL, i = 0; (extent = v3_next(out, &page, &i)); i++)

static struct memfd_v3_extent *v3_next(struct memfd_luo_out *out, struct memfd_v3_page **page,
				       u64 *i)
{
	u64 more;

	if (!*page && *i < out->v3->nr)
		return &out->v3->extents[*i];
	if (!*page || *i == (*page)->nr) {
		more = *page ? (*page)->next : out->v3->more;
		if (!more)
			return NULL;
		*page = phys_to_virt(more);
		*i = 0;
	}
	return &(*page)->extents[*i];
}

static int v3_each(struct memfd_luo_out *out, memfd_luo_extent_fn fn, struct memfd_luo_out *arg)
{
	struct memfd_v3_extent *extent;
	struct memfd_v3_page *page;
	int err;
	u64 i;

	v3_for_each_extent(extent, out, page, i) {
		err = fn(arg, &(struct memfd_luo_extent) {
			.index = extent->index,
			.pfn = extent->pfn,
			.nr = extent->nr,
			.order = extent->order,
		});
		if (err)
			return err;
		cond_resched();
	}
	return 0;
}

static int v3_preserve(struct memfd_luo_out *out)
{
	struct memfd_v3_extent *extent;
	struct memfd_v3_page *page;
	int err;
	u64 i;

	v3_for_each_extent(extent, out, page, i) {
		err = v3_preserve_extent(extent);
		if (err)
			return err;
	}
	return 0;
}

/* One that is left open was not preserved. */
static void v3_unpreserve(struct memfd_luo_out *out)
{
	struct memfd_v3_extent *open = out->is_open ? v3_last(out) : NULL;
	struct memfd_v3_extent *extent;
	struct memfd_v3_page *page;
	u64 i;

	v3_for_each_extent(extent, out, page, i) {
		if (extent != open)
			v3_unpreserve_extent(extent, extent->pfn + extent->nr);
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
	v3_free_ser(out);
}

static u64 v3_phys(struct memfd_luo_out *out)
{
	return virt_to_phys(out->v3);
}

const struct memfd_luo_format memfd_luo_v3 = {
	.alloc = v3_alloc,
	.add = v3_add,
	.close = v3_close,
	.save = v3_save,
	.each = v3_each,
	.preserve = v3_preserve,
	.unpreserve = v3_unpreserve,
	.free = v3_free,
	.phys = v3_phys,
	.read = memfd_luo_read_v3,
	.read_size = memfd_luo_read_size_v3,
};
