// SPDX-License-Identifier: GPL-2.0
/*
 * The folios of a memfd that is back from the previous kernel.
 *
 * The file has all of them from the beginning: its blocks are accounted, and its
 * memory is charged to who retrieved it. A folio gets into the page cache when
 * it is first touched, with some that follow it, and the rest is brought there
 * in the background. Until then it is pending, and KHO has it still, as nobody's.
 *
 * The page cache alone does not tell a pending page from a hole. So shmem asks
 * here where it would take something for a hole, and tells what is truncated.
 */

#include <linux/bitmap.h>
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/memfd.h>
#include <linux/math.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#include <linux/swap.h>
#include <linux/workqueue.h>

#include "internal.h"
#include "memfd_luo.h"

/* Folios that come at a time. A file of no more pages has them from the beginning. */
#define LAZY_BATCH	16

/* At first the background leaves the processors to those who start again. */
static unsigned int background_delay_ms = 1000;
module_param(background_delay_ms, uint, 0644);
MODULE_PARM_DESC(background_delay_ms,
		 "How long after a memfd was retrieved its pages begin to be brought, in milliseconds");

#define LAZY_END	ULONG_MAX

/**
 * struct memfd_luo_lazy - what a file has that is not in the page cache
 * @lock:       protects the rest
 * @inode:      the file
 * @nr_pending: how many pages that is; looked at without the lock as well
 * @in:         which they are, NULL when there are none
 * @memcg:      who they are charged to
 * @gone:       for each folio, whether it is pending no more
 * @restored:   for the first folio of what KHO had as one: it was taken from KHO
 * @work:       brings them in the background
 */
struct memfd_luo_lazy {
	struct mutex lock;	/* see above */
	struct inode *inode;
	unsigned long nr_pending;
	struct memfd_luo_in *in;
	struct mem_cgroup *memcg;
	unsigned long *gone;
	unsigned long *restored;
	struct delayed_work work;
};

/* The first extent that ends behind @index, or NULL */
static struct memfd_luo_extent *lazy_extent(const struct memfd_luo_lazy *lazy, pgoff_t index)
{
	struct memfd_luo_extent *extents = lazy->in->extents;
	u64 low = 0, high = lazy->in->nr_extents, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (extents[mid].index + extents[mid].nr <= index)
			low = mid + 1;
		else
			high = mid;
	}
	return low < lazy->in->nr_extents ? &extents[low] : NULL;
}

/* The folio of an extent that @index is in; or its first one, if that comes later */
static u64 folio_number(const struct memfd_luo_extent *extent, pgoff_t index)
{
	if (index <= extent->index)
		return extent->first;
	return extent->first + ((index - extent->index) >> extent->order);
}

static u64 end_number(const struct memfd_luo_extent *extent)
{
	return extent->first + (extent->nr >> extent->order);
}

static pgoff_t folio_start(const struct memfd_luo_extent *extent, u64 number)
{
	return extent->index + ((number - extent->first) << extent->order);
}

/* The first page from @index on that is pending, LAZY_END when there is none. */
static pgoff_t next_pending(const struct memfd_luo_lazy *lazy, pgoff_t index,
			    struct memfd_luo_extent **extent)
{
	const struct memfd_luo_extent *end;
	u64 number;

	if (!lazy->in)
		return LAZY_END;
	*extent = lazy_extent(lazy, index);
	end = lazy->in->extents + lazy->in->nr_extents;
	for (; *extent && *extent < end; (*extent)++) {
		number = find_next_zero_bit(lazy->gone, end_number(*extent),
					    folio_number(*extent, index));
		if (number < end_number(*extent))
			return max(index, folio_start(*extent, number));
	}
	return LAZY_END;
}

/* The file has all that it will have in the page cache. */
static void lazy_done(struct memfd_luo_lazy *lazy)
{
	memfd_luo_in_free(lazy->in);
	lazy->in = NULL;
	mem_cgroup_put(lazy->memcg);
	kvfree(lazy->gone);
}

/* A folio is pending no more. */
static void lazy_gone(struct memfd_luo_lazy *lazy, const struct memfd_luo_extent *extent,
		      u64 number)
{
	__set_bit(number, lazy->gone);
	/* Who sees this sees it in the page cache: memfd_luo_populate(), memfd_luo_pending() */
	smp_store_release(&lazy->nr_pending, lazy->nr_pending - (1UL << extent->order));
}

static struct folio *lazy_folio(struct memfd_luo_lazy *lazy, const struct memfd_luo_extent *extent,
				u64 number)
{
	u64 pfn = extent->pfn + ((number - extent->first) << extent->order), key;
	unsigned int order;

	key = memfd_luo_key(lazy->in, extent, pfn, &order);
	if (!__test_and_set_bit(extent->first + ((key - extent->pfn) >> extent->order),
				lazy->restored))
		memfd_luo_restore(extent, key, order);
	return pfn_folio(pfn);
}

/* The control group is set to who is charged. */
static int lazy_insert(struct memfd_luo_lazy *lazy, struct folio *folio, pgoff_t index,
		       unsigned int flags, gfp_t gfp)
{
	struct address_space *mapping = lazy->inode->i_mapping;
	int err;

	__folio_set_locked(folio);
	__folio_set_swapbacked(folio);

	/* What was reserved for it is there. */
	mem_cgroup_unreserve(lazy->memcg, folio_nr_pages(folio));
	mem_cgroup_charge(folio, NULL, GFP_KHO | __GFP_NOFAIL);

	err = shmem_add_to_page_cache(folio, mapping, index, NULL, gfp);
	if (err) {
		mem_cgroup_uncharge(folio);
		mem_cgroup_reserve(lazy->memcg, folio_nr_pages(folio), GFP_KHO | __GFP_NOFAIL);
		__folio_clear_swapbacked(folio);
		folio_unlock(folio);
		return err;
	}
	if (flags & MEMFD_LUO_FOLIO_UPTODATE)
		folio_mark_uptodate(folio);
	if (flags & MEMFD_LUO_FOLIO_DIRTY)
		folio_mark_dirty(folio);
	folio_add_lru(folio);
	folio_unlock(folio);
	folio_put(folio);
	return 0;
}

/*
 * Put a pending folio into the page cache, and what is pending of the @nr pages
 * that follow if that is easy. Return 0 or a negative errno.
 */
static int lazy_bring(struct memfd_luo_lazy *lazy, const struct memfd_luo_extent *extent,
		      pgoff_t index, unsigned int nr, gfp_t gfp)
{
	struct mem_cgroup *old = set_active_memcg(lazy->memcg);
	u64 first = folio_number(extent, index), number;
	int err = 0;

	for (number = first; number < lazy->in->nr_folios; number++) {
		while (number == end_number(extent))
			extent++;
		if (number > first && folio_start(extent, number) - index >= nr)
			break;
		if (test_bit(number, lazy->gone))
			continue;
		err = lazy_insert(lazy, lazy_folio(lazy, extent, number),
				  folio_start(extent, number), extent->flags, gfp);
		if (err)
			break;
		lazy_gone(lazy, extent, number);
		gfp |= __GFP_NORETRY | __GFP_NOWARN;
	}
	set_active_memcg(old);
	if (!lazy->nr_pending)
		lazy_done(lazy);
	return number > first ? 0 : err;
}

/**
 * memfd_luo_populate() - there may be a page where none was found
 * @inode: the file
 * @index: the page
 * @gfp:   how to allocate for it
 *
 * Context: process context, no folio of the file locked that is in it.
 * Return: 1 when there is one to be found now, 0 when there is not; or -ENOMEM.
 */
int memfd_luo_populate(struct inode *inode, pgoff_t index, gfp_t gfp)
{
	struct memfd_luo_lazy *lazy = SHMEM_I(inode)->luo_in;
	struct memfd_luo_extent *extent;
	int err;

	if (likely(!lazy))
		return 0;
	/* Of lazy_gone() */
	if (smp_load_acquire(&lazy->nr_pending)) {
		guard(mutex)(&lazy->lock);
		if (next_pending(lazy, index, &extent) == index) {
			err = lazy_bring(lazy, extent, index, LAZY_BATCH, gfp);
			return err ?: 1;
		}
	}
	/* It may have come since the caller looked. */
	return !!xa_load(&inode->i_mapping->i_pages, index);
}

/* Bring the next batch. Return 1 when there was one, 0 when there is none; or -ENOMEM. */
static int lazy_bring_next(struct memfd_luo_lazy *lazy, pgoff_t *index, gfp_t gfp)
{
	struct memfd_luo_extent *extent;
	int err;

	guard(mutex)(&lazy->lock);
	*index = next_pending(lazy, *index, &extent);
	if (*index == LAZY_END)
		return 0;
	err = lazy_bring(lazy, extent, *index, LAZY_BATCH, gfp);
	return err ?: 1;
}

static void lazy_queue(struct memfd_luo_lazy *lazy)
{
	queue_delayed_work(system_dfl_wq, &lazy->work,
			   msecs_to_jiffies(READ_ONCE(background_delay_ms)));
}

static void lazy_work(struct work_struct *work)
{
	struct memfd_luo_lazy *lazy = container_of(to_delayed_work(work),
						   struct memfd_luo_lazy, work);
	gfp_t gfp = mapping_gfp_mask(lazy->inode->i_mapping) | __GFP_NORETRY | __GFP_NOWARN;
	pgoff_t index = 0;
	int err;

	do {
		err = lazy_bring_next(lazy, &index, gfp);
		cond_resched();
	} while (err > 0);
	if (err)
		lazy_queue(lazy);
}

/**
 * memfd_luo_populate_all() - put all pending pages of a file into the page cache
 * @inode: the file
 *
 * Return: 0, -ENOMEM, or -EINTR when the caller is being killed.
 */
int memfd_luo_populate_all(struct inode *inode)
{
	struct memfd_luo_lazy *lazy = SHMEM_I(inode)->luo_in;
	gfp_t gfp = mapping_gfp_mask(inode->i_mapping) | __GFP_RETRY_MAYFAIL;
	pgoff_t index = 0;
	int err;

	if (!lazy)
		return 0;
	do {
		if (fatal_signal_pending(current))
			return -EINTR;
		err = lazy_bring_next(lazy, &index, gfp);
		cond_resched();
	} while (err > 0);
	return err;
}

/**
 * memfd_luo_pending() - how many pages a file has besides those in the page cache
 * @inode: the file
 *
 * Who looks for both has to ask this first: what comes meanwhile is then counted
 * twice rather than never.
 *
 * Return: the number.
 */
unsigned long memfd_luo_pending(struct inode *inode)
{
	struct memfd_luo_lazy *lazy = SHMEM_I(inode)->luo_in;

	/* Of lazy_gone() */
	return lazy ? smp_load_acquire(&lazy->nr_pending) : 0;
}

/* A folio that is only in part in what goes is dealt with like one that was never pending. */
static void lazy_discard_edge(struct memfd_luo_lazy *lazy, pgoff_t index, u64 lstart, u64 lend)
{
	struct memfd_luo_extent *extent;
	u64 start;

	if (next_pending(lazy, index, &extent) != index)
		return;
	start = (u64)folio_start(extent, folio_number(extent, index)) << PAGE_SHIFT;
	if (start < lstart || start + (PAGE_SIZE << extent->order) - 1 > lend)
		lazy_bring(lazy, extent, index, 1,
			   mapping_gfp_mask(lazy->inode->i_mapping) | __GFP_NOFAIL);
}

/**
 * memfd_luo_discard() - a range of a file is being truncated
 * @inode:  the file
 * @lstart: the first byte
 * @lend:   the last byte
 */
void memfd_luo_discard(struct inode *inode, u64 lstart, u64 lend)
{
	struct memfd_luo_lazy *lazy = SHMEM_I(inode)->luo_in;
	pgoff_t index = lstart >> PAGE_SHIFT;
	struct memfd_luo_extent *extent;
	u64 number;

	if (!lazy)
		return;

	guard(mutex)(&lazy->lock);
	lazy_discard_edge(lazy, index, lstart, lend);
	lazy_discard_edge(lazy, lend >> PAGE_SHIFT, lstart, lend);

	while ((index = next_pending(lazy, index, &extent)) <= lend >> PAGE_SHIFT) {
		number = folio_number(extent, index);
		folio_put(lazy_folio(lazy, extent, number));
		mem_cgroup_unreserve(lazy->memcg, 1U << extent->order);
		lazy_gone(lazy, extent, number);
		if (!lazy->nr_pending)
			lazy_done(lazy);
		cond_resched();
	}
}

/* The first byte from @offset on, before @end, that is pending; or -ENXIO. */
static loff_t seek_pending(const struct memfd_luo_lazy *lazy, loff_t offset, loff_t end)
{
	struct memfd_luo_extent *extent;
	pgoff_t index = next_pending(lazy, offset >> PAGE_SHIFT, &extent);

	if (offset >= end || index >= DIV_ROUND_UP_ULL(end, PAGE_SIZE))
		return -ENXIO;
	return max(offset, (loff_t)index << PAGE_SHIFT);
}

/* The byte behind the pages of an extent that are pending from @index on */
static loff_t lazy_run_end(const struct memfd_luo_lazy *lazy, const struct memfd_luo_extent *extent,
			   pgoff_t index)
{
	u64 number = find_next_bit(lazy->gone, end_number(extent), folio_number(extent, index));

	return (loff_t)folio_start(extent, number) << PAGE_SHIFT;
}

/**
 * memfd_luo_seek_hole_data() - the same as mapping_seek_hole_data() for memfds
 * @mapping: of the file
 * @offset:  where to begin, in bytes
 * @end:     the file's size, in bytes
 * @whence:  SEEK_HOLE or SEEK_DATA
 *
 * Return: the offset, or -ENXIO.
 */
loff_t memfd_luo_seek_hole_data(struct address_space *mapping, loff_t offset, loff_t end,
				int whence)
{
	struct memfd_luo_lazy *lazy = SHMEM_I(mapping->host)->luo_in;
	struct memfd_luo_extent *extent;
	loff_t pending, found;
	pgoff_t index;

	if (!lazy)
		return mapping_seek_hole_data(mapping, offset, end, whence);

	guard(mutex)(&lazy->lock);
	for (;;) {
		found = mapping_seek_hole_data(mapping, offset, end, whence);
		if (whence == SEEK_DATA) {
			pending = seek_pending(lazy, offset, end);
			return found < 0 || (pending >= 0 && pending < found) ? pending : found;
		}
		/* What looks like a hole may be pending, and what comes behind be none either. */
		index = next_pending(lazy, found >> PAGE_SHIFT, &extent);
		if (found < 0 || found >= end || index != found >> PAGE_SHIFT)
			return found;
		offset = lazy_run_end(lazy, extent, index);
		if (offset >= end)
			return end;
	}
}

static void lazy_free(struct memfd_luo_lazy *lazy)
{
	SHMEM_I(lazy->inode)->luo_in = NULL;
	mutex_destroy(&lazy->lock);
	kfree(lazy);
}

/**
 * memfd_luo_evict() - a file is going away, truncated to nothing
 * @inode: the file
 */
void memfd_luo_evict(struct inode *inode)
{
	struct memfd_luo_lazy *lazy = SHMEM_I(inode)->luo_in;

	if (lazy) {
		cancel_delayed_work_sync(&lazy->work);
		lazy_free(lazy);
	}
}

static struct memfd_luo_lazy *lazy_alloc(struct inode *inode, struct memfd_luo_in *in)
{
	struct memfd_luo_lazy *lazy = kzalloc_obj(*lazy, GFP_KHO);
	u64 nr = BITS_TO_LONGS(in->nr_folios);

	if (!lazy)
		return NULL;
	lazy->gone = kvcalloc(2 * nr, sizeof(*lazy->gone), GFP_KHO);
	if (!lazy->gone) {
		kfree(lazy);
		return NULL;
	}
	lazy->restored = lazy->gone + nr;
	mutex_init(&lazy->lock);
	INIT_DELAYED_WORK(&lazy->work, lazy_work);
	lazy->inode = inode;
	lazy->in = in;
	lazy->nr_pending = in->nr_pages;
	lazy->memcg = get_mem_cgroup_from_mm(current->mm);
	return lazy;
}

/**
 * memfd_luo_attach() - give a file all its folios
 * @inode: the file, all of it a hole so far, which nobody has yet
 * @in:    what it has, claimed; it belongs to the file then
 *
 * Return: 0; or -ENOMEM or -ENOSPC, @in is the caller's still.
 */
int memfd_luo_attach(struct inode *inode, struct memfd_luo_in *in)
{
	u64 nr_pages = in->nr_pages;
	struct memfd_luo_lazy *lazy;
	int err;

	if (!nr_pages) {
		memfd_luo_in_free(in);
		return 0;
	}
	lazy = lazy_alloc(inode, in);
	if (!lazy)
		return -ENOMEM;

	/* A cgroup's limit is the caller's to be told of, not to be killed for. */
	err = mem_cgroup_reserve(lazy->memcg, nr_pages, GFP_KHO);
	if (err)
		goto err_free;
	err = shmem_inode_acct_blocks(inode, nr_pages);
	if (err)
		goto err_unreserve;

	SHMEM_I(inode)->luo_in = lazy;
	shmem_recalc_inode(inode, nr_pages, 0);
	if (nr_pages <= LAZY_BATCH && !memfd_luo_populate_all(inode))
		lazy_free(lazy);
	else
		lazy_queue(lazy);
	return 0;

err_unreserve:
	mem_cgroup_unreserve(lazy->memcg, nr_pages);
err_free:
	kvfree(lazy->gone);
	mem_cgroup_put(lazy->memcg);
	lazy_free(lazy);
	return err;
}
