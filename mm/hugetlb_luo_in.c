// SPDX-License-Identifier: GPL-2.0
/*
 * The pages of a file of huge pages that the previous kernel handed over.
 *
 * When the file is retrieved its pages are claimed, entered in its reserve map, and
 * charged: that may fail. Its pool counts them already, see hugetlb_luo_pools.c. Until
 * somebody looks for a page it is pending: KHO has it, and the page cache nothing. hugetlb
 * asks for it, by hugetlb_luo_bring(), before it looks into the page cache. Then it is
 * restored and adopted by the pool, which cannot fail. The background brings all others
 * after a while; so does who truncates. A file can be preserved again while pages are
 * pending, and they stay that.
 */

#include <linux/bitmap.h>
#include <linux/bsearch.h>
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/hugetlb.h>
#include <linux/hugetlb_cgroup.h>
#include <linux/hugetlb_luo.h>
#include <linux/jiffies.h>
#include <linux/kexec_handover.h>
#include <linux/list.h>
#include <linux/memcontrol.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/pagemap.h>
#include <linux/pfn.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/workqueue.h>

#include "hugetlb_luo.h"
#include "internal.h"
#include "memfd_luo.h"

/*
 * Pages that follow each other, in huge pages.
 * @index: of the first in the file
 * @nr:    how many
 * @pfn:   of the first in RAM
 * @bit:   of the first in the bitmap
 */
struct pending_extent {
	u64 index;
	u64 nr;
	u64 pfn;
	u64 bit;
};

/**
 * struct hugetlb_luo_in - a file that was retrieved
 * @lock:       protects @pending, and keeps a page from being brought twice
 * @inode:      the file
 * @h:          its pool
 * @charge:     the hugetlb cgroup that pending pages are charged to
 * @memcg:      the memory cgroup that they are charged to, or NULL
 * @work:       brings them in the background
 * @pending:    a bit for each page, set while it is pending
 * @nr_pending: how many are. Looked at without @lock by who needs not know that the last
 *              one is being brought.
 * @nr_pages:   how many there were
 * @nr:         number of @extents
 * @extents:    the pages, by index once the file is retrieved
 */
struct hugetlb_luo_in {
	struct mutex lock;	/* see above */
	struct inode *inode;
	struct hstate *h;
	struct hugetlb_luo_charge charge;
	struct mem_cgroup *memcg;
	struct delayed_work work;
	unsigned long *pending;
	unsigned long nr_pending;
	u64 nr_pages;
	u64 nr;
	struct pending_extent extents[] __counted_by(nr);
};

/* Restore a page that is claimed, for the pool. */
static struct folio *adopt(struct hstate *h, u64 pfn, struct hugetlb_luo_charge *charge)
{
	const struct luo_extent extent = { .pfn = pfn, .nr = pages_per_huge_page(h) };
	bool is_poisoned = luo_extent_is_poisoned(&extent);
	struct folio *folio;

	folio = page_folio(kho_restore_claimed(PFN_PHYS(pfn), true));
	hugetlb_luo_adopt(h, folio, charge);
	/* Which of its small pages it is cannot be told where they have no struct page. */
	if (is_poisoned) {
		folio_set_hwpoison(folio);
		folio_set_hugetlb_raw_hwp_unreliable(folio);
	}
	return folio;
}

/* Whether a page is to be held that comes: one that is pending was preserved without that. */
static bool is_held(struct inode *inode)
{
	struct memfd_luo_out *out = HUGETLBFS_I(inode)->luo_out;

	return out && !out->walker;
}

/* Bring a page that is pending. Called with @in locked. */
static void bring_page(struct hugetlb_luo_in *in, const struct pending_extent *extent, u64 i)
{
	struct address_space *mapping = in->inode->i_mapping;
	unsigned int order = huge_page_order(in->h);
	struct folio *folio;

	folio = adopt(in->h, extent->pfn + (i << order), &in->charge);
	if (in->memcg)
		mem_cgroup_charge_reserved(folio, in->memcg);
	lruvec_stat_mod_folio(folio, NR_HUGETLB, pages_per_huge_page(in->h));
	__folio_mark_uptodate(folio);
	__folio_set_locked(folio);
	while (__filemap_add_folio(mapping, folio, (extent->index + i) << order,
				   GFP_KERNEL | __GFP_NOFAIL, NULL))
		cond_resched();
	/* See hugetlb_add_to_page_cache(). */
	folio_mark_dirty(folio);
	folio_set_hugetlb_migratable(folio);
	folio_unlock(folio);
	if (!is_held(in->inode))
		folio_put(folio);
	__clear_bit(extent->bit + i, in->pending);
	WRITE_ONCE(in->nr_pending, in->nr_pending - 1);
}

/* Whether an extent is before, has, or is behind a page of the file */
static int compare_page(const void *key, const void *entry)
{
	const struct pending_extent *extent = entry;
	const pgoff_t *index = key;

	if (*index < extent->index)
		return -1;
	return *index - extent->index >= extent->nr;
}

/**
 * hugetlb_luo_bring_page() - have the page cache have a page, if it is pending
 * @mapping: the file
 * @index:   the page, in huge pages
 *
 * Context: process context, no folio of the file locked.
 * Return: whether it was.
 */
bool hugetlb_luo_bring_page(struct address_space *mapping, pgoff_t index)
{
	struct hugetlb_luo_in *in = READ_ONCE(HUGETLBFS_I(mapping->host)->luo_in);
	struct pending_extent *extent;

	if (!in || !READ_ONCE(in->nr_pending))
		return false;
	guard(mutex)(&in->lock);
	extent = bsearch(&index, in->extents, in->nr, sizeof(*extent), compare_page);
	if (!extent || !test_bit(extent->bit + index - extent->index, in->pending))
		return false;
	bring_page(in, extent, index - extent->index);
	return true;
}

/* Bring what an extent has from @start to @end, in huge pages of the file. */
static void bring_extent(struct hugetlb_luo_in *in, const struct pending_extent *extent,
			 u64 start, u64 end)
{
	u64 i, to;

	if (end <= extent->index || start >= extent->index + extent->nr)
		return;
	to = min(end - extent->index, extent->nr);
	for (i = max(start, extent->index) - extent->index; i < to; i++) {
		scoped_guard(mutex, &in->lock) {
			if (test_bit(extent->bit + i, in->pending))
				bring_page(in, extent, i);
		}
		cond_resched();
	}
}

/**
 * hugetlb_luo_bring_range() - have the page cache have all pages of a range
 * @inode: the file
 * @start: where the range starts, in huge pages
 * @end:   where it ends
 *
 * Context: process context, no folio of the file locked.
 */
void hugetlb_luo_bring_range(struct inode *inode, u64 start, u64 end)
{
	struct hugetlb_luo_in *in = READ_ONCE(HUGETLBFS_I(inode)->luo_in);
	u64 i;

	for (i = 0; in && READ_ONCE(in->nr_pending) && i < in->nr; i++)
		bring_extent(in, &in->extents[i], start, end);
}

/**
 * hugetlb_luo_lock_pending() - keep the pending pages of a file pending
 * @inode: the file
 *
 * Context: process context, no fault mutex and no folio of the file locked.
 */
void hugetlb_luo_lock_pending(struct inode *inode)
{
	struct hugetlb_luo_in *in = HUGETLBFS_I(inode)->luo_in;

	if (in)
		mutex_lock(&in->lock);
}

/**
 * hugetlb_luo_unlock_pending() - undo hugetlb_luo_lock_pending()
 * @inode: the file
 */
void hugetlb_luo_unlock_pending(struct inode *inode)
{
	struct hugetlb_luo_in *in = HUGETLBFS_I(inode)->luo_in;

	if (in)
		mutex_unlock(&in->lock);
}

/* Call @fn for the pages of an extent that are pending, as hugetlb_luo_each_pending() does. */
static int each_pending_of(struct hugetlb_luo_in *in, const struct pending_extent *extent,
			   int (*fn)(void *arg, const struct luo_extent *extent), void *arg)
{
	const unsigned long end = extent->bit + extent->nr;
	unsigned int order = huge_page_order(in->h);
	unsigned long from, to;
	struct luo_extent run = { .order = order };
	int err = 0;

	for (from = extent->bit; !err && from < end; from = to) {
		from = find_next_bit(in->pending, end, from);
		to = find_next_zero_bit(in->pending, end, from);
		if (from == to)
			break;
		run.index = (extent->index + from - extent->bit) << order;
		run.pfn = extent->pfn + ((from - extent->bit) << order);
		run.nr = (u64)(to - from) << order;
		err = fn(arg, &run);
	}
	return err;
}

/**
 * hugetlb_luo_each_pending() - go through the pending pages of a file
 * @inode: the file, locked by hugetlb_luo_lock_pending()
 * @fn:    is called for those that follow each other in the file and in RAM
 * @arg:   is passed to it
 *
 * Return: 0, or what @fn returned that was not 0.
 */
int hugetlb_luo_each_pending(struct inode *inode,
			     int (*fn)(void *arg, const struct luo_extent *extent), void *arg)
{
	struct hugetlb_luo_in *in = HUGETLBFS_I(inode)->luo_in;
	int err = 0;
	u64 i;

	for (i = 0; !err && in && in->nr_pending && i < in->nr; i++)
		err = each_pending_of(in, &in->extents[i], fn, arg);
	return err;
}

static void pending_work(struct work_struct *work)
{
	struct delayed_work *dwork = to_delayed_work(work);
	struct hugetlb_luo_in *in = container_of(dwork, struct hugetlb_luo_in, work);

	hugetlb_luo_bring_range(in->inode, 0, U64_MAX);
}

static void in_free(struct hugetlb_luo_in *in)
{
	mutex_destroy(&in->lock);
	kvfree(in->pending);
	kvfree(in);
}

static struct hugetlb_luo_in *in_alloc(struct inode *inode, const struct memfd_luo_pass *pass)
{
	struct hugetlb_luo_in *in = kvzalloc(struct_size(in, extents, pass->nr_extents), GFP_KHO);

	if (!in)
		return NULL;
	in->nr = pass->nr_extents;
	in->inode = inode;
	in->h = hstate_inode(inode);
	in->nr_pages = pass->nr_pages >> huge_page_order(in->h);
	in->pending = kvcalloc(BITS_TO_LONGS(in->nr_pages), sizeof(long), GFP_KHO);
	if (!in->pending) {
		kvfree(in);
		return NULL;
	}
	mutex_init(&in->lock);
	INIT_DELAYED_WORK(&in->work, pending_work);
	return in;
}

/* Where load_extent() is */
struct in_cursor {
	struct hugetlb_luo_in *in;
	u64 nr;
	u64 bit;
};

static int load_extent(void *arg, const struct luo_extent *extent)
{
	struct in_cursor *cursor = arg;
	struct hugetlb_luo_in *in = cursor->in;
	unsigned int order = huge_page_order(in->h);
	struct pending_extent *to = &in->extents[cursor->nr++];

	if (extent->order != order)
		return -EINVAL;
	*to = (struct pending_extent) {
		.index = extent->index >> order,
		.nr = extent->nr >> order,
		.pfn = extent->pfn,
		.bit = cursor->bit,
	};
	cursor->bit += to->nr;
	return hugetlb_luo_reserve(in->inode, to->index, to->index + to->nr);
}

static int compare_extents(const void *a, const void *b)
{
	const struct pending_extent *first = a, *second = b;

	return cmp_int(first->index, second->index);
}

static int charge(struct hugetlb_luo_in *in)
{
	unsigned long nr = in->nr_pages << huge_page_order(in->h);
	int err;

	err = hugetlb_luo_begin_charge(&in->charge, in->h, nr);
	if (err || !mem_cgroup_charges_hugetlb())
		return err;
	in->memcg = get_mem_cgroup_from_mm(current->mm);
	err = mem_cgroup_reserve(in->memcg, nr, GFP_KHO);
	if (err) {
		mem_cgroup_put(in->memcg);
		hugetlb_luo_end_charge(&in->charge);
	}
	return err;
}

/* Have all that may fail done for the pages, which are claimed. */
static int prepare(struct hugetlb_luo_in *in, u64 data)
{
	struct in_cursor cursor = { .in = in };
	const struct memfd_luo_visitor visitor = { .extent = load_extent, .arg = &cursor };
	int err;

	err = hugetlb_luo_v1.walk(data, &visitor) ?: charge(in);
	if (err) {
		hugetlb_luo_unreserve(in->inode);
		return err;
	}
	sort(in->extents, in->nr, sizeof(in->extents[0]), compare_extents, NULL);
	bitmap_fill(in->pending, in->nr_pages);
	in->nr_pending = in->nr_pages;
	return 0;
}

static void start(struct hugetlb_luo_in *in)
{
	u64 i;

	for (i = 0; i < in->nr; i++)
		hugetlb_luo_expect(in->h, in->extents[i].pfn, in->extents[i].nr);
	in->inode->i_blocks = in->nr_pages * blocks_per_huge_page(in->h);
	WRITE_ONCE(HUGETLBFS_I(in->inode)->luo_in, in);
	queue_delayed_work(system_dfl_wq, &in->work,
			   msecs_to_jiffies(memfd_luo_background_delay()));
}

/**
 * hugetlb_luo_fill() - have a file with all its pages
 * @inode: the file, a new one
 * @data:  what was handed over of it
 * @size:  its size, in bytes
 *
 * The pages are charged to the caller.
 *
 * Context: process context, memfd_luo_in_lock held, format->load() called before.
 * Return: 0; or, and the file has no page:
 * * -EINVAL: something of it is damaged, or is not there, or is there twice
 * * -EINTR: the caller is being killed
 * * -ENOMEM: also when a control group's limit does not allow for it
 */
int hugetlb_luo_fill(struct inode *inode, u64 data, u64 size)
{
	struct memfd_luo_pass pass = {};
	struct hugetlb_luo_in *in;
	int err;

	err = memfd_luo_claim(&hugetlb_luo_v1, data, size, &pass);
	if (err)
		return err;
	in = in_alloc(inode, &pass);
	err = in ? prepare(in, data) : -ENOMEM;
	if (err) {
		if (in)
			in_free(in);
		memfd_luo_unclaim(&hugetlb_luo_v1, data, &pass);
		return err;
	}
	start(in);
	memfd_luo_drop(&hugetlb_luo_v1, data, false);
	return 0;
}

/**
 * hugetlb_luo_evict() - a file is going away
 * @inode: the file
 *
 * All its pages are in the page cache then.
 *
 * Context: process context.
 */
void hugetlb_luo_evict(struct inode *inode)
{
	struct hugetlb_luo_in *in = HUGETLBFS_I(inode)->luo_in;

	if (!in)
		return;
	cancel_delayed_work_sync(&in->work);
	hugetlb_luo_bring_range(inode, 0, U64_MAX);
	HUGETLBFS_I(inode)->luo_in = NULL;
	hugetlb_luo_end_charge(&in->charge);
	mem_cgroup_put(in->memcg);
	in_free(in);
}

static int discard_extent(void *arg, const struct luo_extent *extent)
{
	struct hstate *h = arg;
	struct folio *folio;
	u64 i;

	if (!h || extent->order != huge_page_order(h) || luo_extent_is_poisoned(extent)) {
		luo_extent_free(extent);
		return 0;
	}
	hugetlb_luo_expect(h, extent->pfn, extent->nr >> extent->order);
	for (i = 0; i < extent->nr; i += pages_per_huge_page(h)) {
		folio = adopt(h, extent->pfn + i, NULL);
		lruvec_stat_mod_folio(folio, NR_HUGETLB, pages_per_huge_page(h));
		folio_put(folio);
		cond_resched();
	}
	return 0;
}

/**
 * hugetlb_luo_discard() - give the pages of a file to their pool
 * @h:    the pool, or NULL when there is none of that size
 * @data: what was handed over of the file, which is claimed
 *
 * The pool gives those away that it has as surplus.
 *
 * Context: process context, memfd_luo_in_lock held, format->load() called before.
 */
void hugetlb_luo_discard(struct hstate *h, u64 data)
{
	const struct memfd_luo_visitor visitor = { .extent = discard_extent, .arg = h };

	hugetlb_luo_v1.walk(data, &visitor);
	memfd_luo_drop(&hugetlb_luo_v1, data, false);
}
