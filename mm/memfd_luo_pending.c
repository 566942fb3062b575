// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: pages of a memfd that are pending
 *
 * The file has all of them from the beginning: its blocks are accounted, and its
 * memory is charged to the control group of the process that retrieved it. In the
 * page cache it has an entry for them, a large one for many pages that follow each
 * other in the file and in RAM. To shmem these are what a page in swap is, so
 * holes, SEEK_DATA, truncation and accounting are shmem's own. Two things are
 * different: a page that is touched is not read but found, at the place that the
 * entry tells; and what is truncated is freed here.
 *
 * Until then KHO has the pages, claimed, and their struct pages are not those of
 * pages in use. What KHO has as one is restored at once: as one folio when the
 * file can have it as that, else as single pages, each of which is marked by
 * PG_swapbacked then, which it will need anyway. The others stay pending.
 *
 * A page that is touched brings some along that follow it, and the background all
 * the others.
 */

#include <linux/bits.h>
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/kexec_handover.h>
#include <linux/log2.h>
#include <linux/math.h>
#include <linux/memcontrol.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/pagemap.h>
#include <linux/pfn.h>
#include <linux/rcupdate_wait.h>
#include <linux/sched/mm.h>
#include <linux/shmem_fs.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/swap.h>
#include <linux/swapops.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "internal.h"
#include "memfd_luo.h"
#include "shmem_luo.h"

/* Single pages that come at a time. A file of no more has them from the beginning. */
#define PENDING_BATCH		16

/* As many come at once where they have an entry in common: what one node has room for */
#define PENDING_GROUP_ORDER	XA_CHUNK_SHIFT
#define PENDING_GROUP		BIT(PENDING_GROUP_ORDER)

/* The order of an entry at most: 1 GiB, so that numbers of pages are an int */
#define PENDING_MAX_ORDER	(const_ilog2(SZ_1G) - PAGE_SHIFT)

/* The background tries again after this at least when there is no memory. */
#define PENDING_RETRY_MS	100

/* At first the background leaves the processors to those who start again. */
static unsigned int background_delay_ms = 1000;
module_param(background_delay_ms, uint, 0644);
MODULE_PARM_DESC(background_delay_ms,
		 "How long after a memfd was retrieved its pages begin to be brought, in milliseconds");

/**
 * memfd_luo_background_delay() - when is the background to begin with a file's pages?
 *
 * Return: how long after the file was retrieved, in milliseconds.
 */
unsigned int memfd_luo_background_delay(void)
{
	return READ_ONCE(background_delay_ms);
}

/**
 * struct memfd_luo_in - a file that was retrieved
 * @lock:  keeps an entry from being split, and pages from being restored and put
 *         into the page cache, by two at a time; and a file that is being preserved
 *         from either. Taken under invalidate_lock, and by those who have no folio
 *         of the file locked.
 * @inode: the file
 * @memcg: the control group that its pending pages are charged to
 * @work:  brings them in the background
 * @xas:   where memfd_luo_pend() has come to
 */
struct memfd_luo_in {
	struct mutex lock;	/* see above */
	struct inode *inode;
	struct mem_cgroup *memcg;
	struct delayed_work work;
	struct xa_state xas;
};

/*
 * A pending entry: a marker's type, so that nobody takes it for a place in swap;
 * SHMEM_PENDING_BIT, and the first page's number.
 */
#define PENDING_PFN_SHIFT	4
static_assert(!(SHMEM_PENDING_BIT >> PENDING_PFN_SHIFT));
/* A physical address has 52 bits at most. */
static_assert(SWP_TYPE_SHIFT - PENDING_PFN_SHIFT >= 52 - PAGE_SHIFT);

static softleaf_t pending_entry(u64 pfn)
{
	return swp_entry(SWP_PTE_MARKER, SHMEM_PENDING_BIT | pfn << PENDING_PFN_SHIFT);
}

static u64 pending_pfn(softleaf_t entry)
{
	return swp_offset(entry) >> PENDING_PFN_SHIFT;
}

/* The entry for what is @nr pages further on */
static softleaf_t pending_entry_at(softleaf_t entry, unsigned long nr)
{
	return pending_entry(pending_pfn(entry) + nr);
}

static bool is_pending(void *entry)
{
	return xa_is_value(entry) && shmem_is_pending(radix_to_swp_entry(entry));
}

/* The entry at @index, with its first page and its order; false when it is no pending one */
static bool find_pending(struct address_space *mapping, pgoff_t index, softleaf_t *entry,
			 pgoff_t *base, unsigned int *order)
{
	XA_STATE(xas, &mapping->i_pages, index);
	void *found;

	guard(rcu)();
	do
		found = xas_load(&xas);
	while (xas_retry(&xas, found));
	if (!is_pending(found))
		return false;
	*entry = radix_to_swp_entry(found);
	*order = xas_get_order(&xas);
	*base = round_down(index, 1UL << *order);
	return true;
}

/* The first page from @index on that is pending, ULONG_MAX when there is none */
static pgoff_t next_pending(struct address_space *mapping, pgoff_t index)
{
	XA_STATE(xas, &mapping->i_pages, index);
	void *entry;

	guard(rcu)();
	xas_for_each(&xas, entry, ULONG_MAX) {
		if (!xas_retry(&xas, entry) && is_pending(entry))
			return max(index, xas.xa_index);
		if (need_resched()) {
			xas_pause(&xas);
			cond_resched_rcu();
		}
	}
	return ULONG_MAX;
}

/* Split the pending entry at @index until it is of @order there, or less. */
static int split_pending(struct address_space *mapping, pgoff_t index, unsigned int order,
			 gfp_t gfp)
{
	XA_STATE(xas, &mapping->i_pages, index);
	unsigned int cur, next;
	softleaf_t entry;
	pgoff_t base, i;
	void *old, *new;

	do {
		xas_lock_irq(&xas);
		xas_set_order(&xas, index, 0);
		old = xas_load(&xas);
		cur = is_pending(old) ? xas_get_order(&xas) : 0;
		for (; cur > order; cur = next) {
			next = max(order, xas_try_split_min_order(cur));
			base = round_down(index, 1UL << cur);
			xas_set_order(&xas, index, next);
			xas_try_split(&xas, old, cur);
			if (xas_error(&xas))
				break;
			entry = radix_to_swp_entry(old);
			for (i = 0; i < 1UL << cur; i += 1UL << next) {
				new = swp_to_radix_entry(pending_entry_at(entry, i));
				__xa_store(&mapping->i_pages, base + i, new, 0);
			}
			xas_set_order(&xas, index, 0);
			old = xas_load(&xas);
		}
		xas_unlock_irq(&xas);
	} while (xas_nomem(&xas, gfp & GFP_RECLAIM_MASK));
	return xas_error(&xas);
}

static bool is_restored(u64 pfn)
{
	return folio_test_swapbacked(pfn_folio(pfn));
}

static bool key_is_poisoned(u64 key, unsigned int order)
{
	return luo_extent_is_poisoned(&(struct luo_extent) { .pfn = key, .nr = 1UL << order });
}

/* Restore as single pages what KHO has as one. */
static void restore_pages(u64 key)
{
	unsigned int order = kho_claimed_order(PFN_PHYS(key));
	struct page *page = kho_restore_claimed(PFN_PHYS(key), false);
	unsigned long i;

	for (i = 0; i < 1UL << order; i++)
		folio_set_swapbacked(page_folio(page + i));
}

/*
 * The order of the folio that the page at @index can come back in: of what KHO has
 * as one, if the file has all of that, and where a folio can be.
 */
static unsigned int folio_order_at(softleaf_t entry, pgoff_t base, unsigned int entry_order,
				   pgoff_t index)
{
	u64 pfn = pending_pfn(entry), key;
	unsigned int order;

	if (!IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE) || !entry_order ||
	    is_restored(pfn + index - base))
		return 0;
	key = luo_page_key(pfn + index - base, &order);
	if (key == U64_MAX || order > min(entry_order, MAX_PAGECACHE_ORDER) || key < pfn ||
	    !IS_ALIGNED(base + key - pfn, 1UL << order) || key_is_poisoned(key, order))
		return 0;
	return order;
}

/* Undo that a folio was charged which was not put into the page cache. */
static void uncharge_folio(struct memfd_luo_in *in, struct folio *folio)
{
	mem_cgroup_uncharge(folio);
	mem_cgroup_reserve(in->memcg, folio_nr_pages(folio), GFP_KERNEL | __GFP_NOFAIL);
}

/* A folio is in the page cache, and not to be dropped by reclaim. */
static void folio_came(struct memfd_luo_in *in, struct folio *folio)
{
	folio_mark_uptodate(folio);
	folio_mark_dirty(folio);
	folio_add_lru(folio);
	/* Each folio of a preserved file is held, see memfd_luo_preserve(). */
	if (SHMEM_I(in->inode)->luo_out)
		folio_get(folio);
}

/*
 * Put a folio into the page cache that is locked, in the place of @entry. It was
 * charged when the file was retrieved.
 */
static int insert_folio(struct memfd_luo_in *in, struct folio *folio, pgoff_t index,
			softleaf_t entry, gfp_t gfp)
{
	struct address_space *mapping = in->inode->i_mapping;
	int err;

	mem_cgroup_charge_reserved(folio, in->memcg);
	err = shmem_add_to_page_cache(folio, mapping, index, swp_to_radix_entry(entry), gfp);
	if (err)
		uncharge_folio(in, folio);
	else
		folio_came(in, folio);
	return err;
}

/* Have single pages that can be used. */
static void restore_range(u64 pfn, unsigned long nr)
{
	unsigned int order;

	for (; nr; pfn++, nr--) {
		if (!is_restored(pfn))
			restore_pages(luo_page_key(pfn, &order));
	}
}

/* A single page, restored, is about to be put into the page cache at @index. */
static void prepare_single(struct memfd_luo_in *in, struct folio *folio, pgoff_t index)
{
	__folio_set_locked(folio);
	folio_get(folio);
	folio->mapping = in->inode->i_mapping;
	folio->index = index;
	mem_cgroup_charge_reserved(folio, in->memcg);
}

/* It was, or was not. It is locked still, and has the reference that its entry had. */
static void end_single(struct memfd_luo_in *in, struct folio *folio, bool came)
{
	if (came) {
		folio_came(in, folio);
		return;
	}
	folio->mapping = NULL;
	uncharge_folio(in, folio);
	folio_put(folio);
}

/* Single pages of one node, the last of which is @folio, that were put into the page cache */
struct pending_count {
	struct folio *folio;
	unsigned int nr;
};

static void end_count(struct pending_count *count)
{
	if (!count->nr)
		return;
	lruvec_stat_mod_folio(count->folio, NR_FILE_PAGES, count->nr);
	lruvec_stat_mod_folio(count->folio, NR_SHMEM, count->nr);
	count->folio->mapping->nrpages += count->nr;
	count->nr = 0;
}

/* Called with the mapping's lock held. */
static void count_single(struct pending_count *count, struct folio *folio)
{
	if (count->nr && folio_nid(count->folio) != folio_nid(folio))
		end_count(count);
	count->folio = folio;
	count->nr++;
}

/*
 * Split @entry, which a group has in common, and put the pages into the page cache in
 * its place, from @index on. What others see meanwhile are pending entries, or pages
 * that are locked.
 */
static int replace_group(struct address_space *mapping, pgoff_t index, softleaf_t entry, gfp_t gfp)
{
	XA_STATE(xas, &mapping->i_pages, index);
	void *old = swp_to_radix_entry(entry);
	struct pending_count count = {};
	unsigned int order, next, i;
	struct folio *folio;

	do {
		xas_lock_irq(&xas);
		xas_set_order(&xas, index, 0);
		if (xas_load(&xas) != old || xas_get_order(&xas) != PENDING_GROUP_ORDER) {
			xas_set_err(&xas, -EEXIST);
			goto unlock;
		}
		for (order = PENDING_GROUP_ORDER; order; order = next) {
			next = xas_try_split_min_order(order);
			for (i = 0; i < PENDING_GROUP; i += 1U << order) {
				xas_set_order(&xas, index + i, next);
				xas_try_split(&xas, old, order);
				if (xas_error(&xas))
					goto unlock;
			}
		}
		xas_set_order(&xas, index, 0);
		xas_load(&xas);
		for (i = 0; i < PENDING_GROUP; i++, xas_next(&xas)) {
			folio = pfn_folio(pending_pfn(entry) + i);
			xas_store(&xas, folio);
			count_single(&count, folio);
		}
		end_count(&count);
unlock:
		xas_unlock_irq(&xas);
	} while (xas_nomem(&xas, gfp & GFP_RECLAIM_MASK));
	return xas_error(&xas);
}

/*
 * Bring the pages of a group, which have an entry in common; the folio at @index is
 * the caller's then. Set @nr to how many came.
 */
static int bring_group(struct memfd_luo_in *in, pgoff_t index, softleaf_t entry,
		       struct folio **foliop, long *nr, gfp_t gfp)
{
	pgoff_t start = round_down(index, PENDING_GROUP);
	u64 pfn = pending_pfn(entry);
	struct folio *folio;
	unsigned int i;
	int err;

	restore_range(pfn, PENDING_GROUP);
	for (i = 0; i < PENDING_GROUP; i++)
		prepare_single(in, pfn_folio(pfn + i), start + i);
	err = replace_group(in->inode->i_mapping, start, entry, gfp);
	for (i = 0; i < PENDING_GROUP; i++) {
		folio = pfn_folio(pfn + i);
		end_single(in, folio, !err);
		if (!err && start + i == index) {
			*foliop = folio;
			continue;
		}
		folio_unlock(folio);
		if (!err)
			folio_put(folio);
	}
	*nr = err ? 0 : PENDING_GROUP;
	return err;
}

/* Single pages that have an entry each */
struct pending_singles {
	unsigned int nr;
	pgoff_t index[PENDING_BATCH];
	softleaf_t entry[PENDING_BATCH];
	bool came[PENDING_BATCH];
};

/* Find those from @index on to the end of the batch that it is in. */
static void find_singles(struct address_space *mapping, pgoff_t index,
			 struct pending_singles *singles)
{
	XA_STATE(xas, &mapping->i_pages, index);
	void *entry;

	singles->nr = 0;
	guard(rcu)();
	xas_for_each(&xas, entry, round_up(index + 1, PENDING_BATCH) - 1) {
		if (xas_retry(&xas, entry))
			continue;
		if (!is_pending(entry) || xas_get_order(&xas))
			break;
		singles->index[singles->nr] = xas.xa_index;
		singles->entry[singles->nr++] = radix_to_swp_entry(entry);
	}
}

static struct folio *single_folio(const struct pending_singles *singles, unsigned int i)
{
	return pfn_folio(pending_pfn(singles->entry[i]));
}

/* Put them into the page cache where their entries are still. Return how many. */
static long replace_singles(struct address_space *mapping, struct pending_singles *singles)
{
	XA_STATE(xas, &mapping->i_pages, 0);
	struct pending_count count = {};
	struct folio *folio;
	unsigned int i;
	long nr = 0;

	xas_lock_irq(&xas);
	for (i = 0; i < singles->nr; i++) {
		xas_set(&xas, singles->index[i]);
		singles->came[i] = xas_load(&xas) == swp_to_radix_entry(singles->entry[i]);
		if (!singles->came[i])
			continue;
		folio = single_folio(singles, i);
		/* There is a place, so nothing is allocated for it. */
		xas_store(&xas, folio);
		count_single(&count, folio);
		nr++;
	}
	end_count(&count);
	xas_unlock_irq(&xas);
	return nr;
}

/*
 * Bring single pages, the one at @index and some behind it, all of which have entries
 * of their own. Set @nr to how many came; if the first one did, it is the caller's.
 */
static int bring_singles(struct memfd_luo_in *in, pgoff_t index, struct folio **foliop, long *nr)
{
	struct address_space *mapping = in->inode->i_mapping;
	struct pending_singles singles;
	struct folio *folio;
	unsigned int i;

	find_singles(mapping, index, &singles);
	for (i = 0; i < singles.nr; i++) {
		restore_range(pending_pfn(singles.entry[i]), 1);
		prepare_single(in, single_folio(&singles, i), singles.index[i]);
	}
	*nr = replace_singles(mapping, &singles);
	for (i = 0; i < singles.nr; i++) {
		folio = single_folio(&singles, i);
		end_single(in, folio, singles.came[i]);
		if (singles.came[i] && singles.index[i] == index) {
			*foliop = folio;
			continue;
		}
		folio_unlock(folio);
		if (singles.came[i])
			folio_put(folio);
	}
	return singles.nr && singles.came[0] && singles.index[0] == index ? 0 : -EEXIST;
}

/* Bring the folio of @order at @index, which has an entry of its own. */
static int bring_large(struct memfd_luo_in *in, pgoff_t index, softleaf_t entry,
		       unsigned int order, struct folio **foliop, long *nr, gfp_t gfp)
{
	struct address_space *mapping = in->inode->i_mapping;
	struct folio *folio;
	int err;

	index = round_down(index, 1UL << order);
	/* Only if it was truncated meanwhile is it not as it was. */
	if (xa_load(&mapping->i_pages, index) != swp_to_radix_entry(entry))
		return -EEXIST;
	folio = page_folio(kho_restore_claimed(PFN_PHYS(pending_pfn(entry)), true));
	folio_set_large_rmappable(folio);
	__folio_set_swapbacked(folio);
	__folio_set_locked(folio);
	err = insert_folio(in, folio, index, entry, gfp);
	if (err) {
		folio_unlock(folio);
		return err;
	}
	*foliop = folio;
	*nr = 1L << order;
	return 0;
}

/* Bring what is pending at @index. Called with @in locked. */
static int bring_pages(struct memfd_luo_in *in, pgoff_t index, struct folio **foliop, long *nr,
		       gfp_t gfp)
{
	struct address_space *mapping = in->inode->i_mapping;
	unsigned int entry_order, order;
	softleaf_t entry;
	bool is_large;
	pgoff_t base;
	int err;

	if (!find_pending(mapping, index, &entry, &base, &entry_order))
		return -EEXIST;
	order = folio_order_at(entry, base, entry_order, index);
	is_large = order;
	if (!is_large && entry_order >= PENDING_GROUP_ORDER)
		order = PENDING_GROUP_ORDER;
	if (order < entry_order) {
		err = split_pending(mapping, index, order, gfp);
		if (err)
			return err;
	}
	if (!order)
		return bring_singles(in, index, foliop, nr);
	entry = pending_entry_at(entry, round_down(index, 1UL << order) - base);
	return is_large ? bring_large(in, index, entry, order, foliop, nr, gfp) :
			  bring_group(in, index, entry, foliop, nr, gfp);
}

/*
 * Bring what is pending at @index, and some that follows. The folio at @index is
 * locked then, and the reference is the caller's that its entry had.
 */
static int bring(struct memfd_luo_in *in, pgoff_t index, struct folio **foliop, gfp_t gfp)
{
	struct mem_cgroup *old = set_active_memcg(in->memcg);
	long nr = 0;
	int err;

	err = bring_pages(in, index, foliop, &nr, gfp);
	if (nr)
		shmem_recalc_inode(in->inode, 0, -nr);
	set_active_memcg(old);
	return err;
}

/**
 * memfd_luo_get_pending() - get a page that is not in the page cache yet
 * @inode:  the file
 * @index:  the page
 * @foliop: set to its folio, locked, with a reference for the caller
 * @nowait: the caller has other folios of the file locked
 * @gfp:    how to allocate for it
 *
 * Context: process context.
 * Return: 0; or
 * * -EEXIST: there is something else by now
 * * -EAGAIN: it would have to wait, with @nowait
 * * -EINTR: the caller is being killed
 * * -ENOMEM
 */
int memfd_luo_get_pending(struct inode *inode, pgoff_t index, struct folio **foliop,
			  bool nowait, gfp_t gfp)
{
	struct memfd_luo_in *in = SHMEM_I(inode)->luo_in;
	int err;

	if (nowait && !mutex_trylock(&in->lock))
		return -EAGAIN;
	if (!nowait && mutex_lock_killable(&in->lock))
		return -EINTR;
	err = bring(in, index, foliop, gfp);
	mutex_unlock(&in->lock);
	return err;
}

/**
 * memfd_luo_wait_pending() - wait until memfd_luo_get_pending() can be tried again
 * @inode: the file
 *
 * Context: process context, no folio of the file locked.
 * Return: 0; or -EINTR when the caller is being killed.
 */
int memfd_luo_wait_pending(struct inode *inode)
{
	struct memfd_luo_in *in = SHMEM_I(inode)->luo_in;
	int err = mutex_lock_killable(&in->lock);

	if (!err)
		mutex_unlock(&in->lock);
	return err;
}

/**
 * memfd_luo_put_pending() - free pages that were truncated
 * @inode: the file
 * @entry: what the page cache had for them, and has no more
 * @nr:    number of pages
 *
 * Context: process context.
 */
void memfd_luo_put_pending(struct inode *inode, softleaf_t entry, unsigned long nr)
{
	struct memfd_luo_in *in = SHMEM_I(inode)->luo_in;
	u64 pfn = pending_pfn(entry), end = pfn + nr, key;
	struct folio *folio;
	unsigned int order;

	guard(mutex)(&in->lock);
	while (pfn < end) {
		if (!is_restored(pfn)) {
			key = luo_page_key(pfn, &order);
			if (key == pfn && 1UL << order <= end - pfn) {
				luo_key_free(pfn, order);
				pfn += 1UL << order;
				cond_resched();
				continue;
			}
			restore_pages(key);
		}
		folio = pfn_folio(pfn);
		pfn += folio_nr_pages(folio);
		folio_put(folio);
		cond_resched();
	}
	mem_cgroup_unreserve(in->memcg, nr);
}

/* Have no pending entry reach over the border before @index. */
static void split_border(struct address_space *mapping, pgoff_t index, gfp_t gfp)
{
	unsigned int order;
	softleaf_t entry;
	pgoff_t base;

	if (find_pending(mapping, index, &entry, &base, &order) && base < index)
		split_pending(mapping, index, min_t(unsigned int, __ffs(index - base), order), gfp);
}

/* Have the page at @index, of which a part may be truncated: that must not fail later. */
static void bring_border(struct memfd_luo_in *in, pgoff_t index, gfp_t gfp)
{
	struct folio *folio;

	if (!bring(in, index, &folio, gfp)) {
		folio_unlock(folio);
		folio_put(folio);
	}
}

/**
 * memfd_luo_split_pending() - a range of a file is about to be truncated
 * @inode: the file
 * @start: the first page that goes
 * @end:   the first one after it that stays
 *
 * Context: process context, no folio of the file locked.
 */
void memfd_luo_split_pending(struct inode *inode, pgoff_t start, pgoff_t end)
{
	gfp_t gfp = mapping_gfp_mask(inode->i_mapping) | __GFP_NOFAIL;
	struct memfd_luo_in *in = SHMEM_I(inode)->luo_in;

	guard(mutex)(&in->lock);
	split_border(inode->i_mapping, start, gfp);
	split_border(inode->i_mapping, end, gfp);
	if (start)
		bring_border(in, start - 1, gfp);
	bring_border(in, end, gfp);
}

static void pending_work(struct work_struct *work)
{
	struct memfd_luo_in *in = container_of(to_delayed_work(work), struct memfd_luo_in, work);
	struct address_space *mapping = in->inode->i_mapping;
	gfp_t gfp = mapping_gfp_mask(mapping) | __GFP_NORETRY | __GFP_NOWARN;
	struct folio *folio;
	pgoff_t index = 0;
	int err;

	while ((index = next_pending(mapping, index)) < ULONG_MAX) {
		scoped_guard(mutex, &in->lock)
			err = bring(in, index, &folio, gfp);
		if (err == -EEXIST)
			continue;
		if (err) {
			mod_delayed_work(system_dfl_wq, &in->work,
					 msecs_to_jiffies(max(memfd_luo_background_delay(),
							      PENDING_RETRY_MS)));
			return;
		}
		index = folio_next_index(folio);
		folio_unlock(folio);
		folio_put(folio);
		cond_resched();
	}
}

/* Bring all pages of a small file. Return whether none lacked memory. */
static bool bring_all(struct memfd_luo_in *in)
{
	struct address_space *mapping = in->inode->i_mapping;
	struct folio *folio;
	pgoff_t index = 0;

	guard(mutex)(&in->lock);
	while ((index = next_pending(mapping, index)) < ULONG_MAX) {
		if (bring(in, index, &folio, mapping_gfp_mask(mapping) | __GFP_RETRY_MAYFAIL))
			return false;
		index = folio_next_index(folio);
		folio_unlock(folio);
		folio_put(folio);
	}
	return true;
}

static void in_free(struct memfd_luo_in *in)
{
	SHMEM_I(in->inode)->luo_in = NULL;
	mem_cgroup_put(in->memcg);
	mutex_destroy(&in->lock);
	kfree(in);
}

/**
 * memfd_luo_evict() - a file is going away, truncated to nothing
 * @inode: the file, which was retrieved
 *
 * Context: process context.
 */
void memfd_luo_evict(struct inode *inode)
{
	struct memfd_luo_in *in = SHMEM_I(inode)->luo_in;

	cancel_delayed_work_sync(&in->work);
	in_free(in);
}

/**
 * memfd_luo_begin_in() - begin with a file that is being retrieved
 * @inode: the file, all of it a hole, which nobody has yet
 *
 * Return: 0, or -ENOMEM.
 */
int memfd_luo_begin_in(struct inode *inode)
{
	struct memfd_luo_in *in = kzalloc_obj(*in, GFP_KHO);

	if (!in)
		return -ENOMEM;
	mutex_init(&in->lock);
	INIT_DELAYED_WORK(&in->work, pending_work);
	in->inode = inode;
	in->memcg = get_mem_cgroup_from_mm(current->mm);
	in->xas = (struct xa_state)__XA_STATE(&inode->i_mapping->i_pages, 0, 0, 0);
	SHMEM_I(inode)->luo_in = in;
	return 0;
}

/* The order of an entry that can begin @index pages into the file, for @nr pages */
static unsigned int entry_order(u64 index, u64 nr)
{
	return min3(index ? __ffs(index) : BITS_PER_LONG - 1UL, (unsigned long)ilog2(nr),
		    (unsigned long)PENDING_MAX_ORDER);
}

/* Whether there is an entry where @order is to be. The one before it may be where @xas is. */
static bool is_taken(struct xa_state *xas, pgoff_t index, unsigned int order)
{
	if (!order && index == xas->xa_index + 1 && xas_valid(xas))
		return xas_next(xas);
	xas_set_order(xas, index, order);
	return order ? xas_find_conflict(xas) : xas_load(xas);
}

/**
 * memfd_luo_pend() - let the pages of an extent be pending
 * @inode:  the file, for which memfd_luo_begin_in() was called
 * @extent: the extent, valid and claimed
 *
 * When this fails some of them may be.
 *
 * Return: 0; -ENOMEM; or -EINVAL when the file has some of the pages already.
 */
int memfd_luo_pend(struct inode *inode, const struct luo_extent *extent)
{
	struct xa_state *xas = &SHMEM_I(inode)->luo_in->xas;
	unsigned int order;
	softleaf_t entry;
	pgoff_t index;
	u64 done;

	for (done = 0; done < extent->nr; done += 1UL << order) {
		index = extent->index + done;
		order = entry_order(index, extent->nr - done);
		entry = pending_entry(extent->pfn + done);
		do {
			xas_lock_irq(xas);
			if (is_taken(xas, index, order))
				xas_set_err(xas, -EINVAL);
			else
				xas_store(xas, swp_to_radix_entry(entry));
			xas_unlock_irq(xas);
		} while (xas_nomem(xas, GFP_KHO));
		if (xas_error(xas))
			return xas_error(xas);
		cond_resched();
	}
	return 0;
}

/**
 * memfd_luo_unpend_all() - undo all memfd_luo_pend() of a file
 * @inode: the file, which nobody has yet
 */
void memfd_luo_unpend_all(struct inode *inode)
{
	XA_STATE(xas, &inode->i_mapping->i_pages, 0);
	void *entry;

	xas_lock_irq(&xas);
	xas_for_each(&xas, entry, ULONG_MAX) {
		xas_store(&xas, NULL);
		if (need_resched()) {
			xas_pause(&xas);
			xas_unlock_irq(&xas);
			cond_resched();
			xas_lock_irq(&xas);
		}
	}
	xas_unlock_irq(&xas);
}

/**
 * memfd_luo_account_in() - account what a file has, all of it pending
 * @inode:    the file
 * @nr_pages: number of pages, not 0
 *
 * Context: process context.
 * Return: 0; or
 * * -ENOMEM: the control group's limit does not allow for it
 * * -ENOSPC: overcommitment does not
 * * -EINTR: the caller is being killed
 */
int memfd_luo_account_in(struct inode *inode, u64 nr_pages)
{
	struct memfd_luo_in *in = SHMEM_I(inode)->luo_in;
	int err;

	/* A cgroup's limit is the caller's to be told of, not to be killed for. */
	err = mem_cgroup_reserve(in->memcg, nr_pages, GFP_KHO);
	if (err)
		return err;
	err = shmem_begin_swapped(inode, nr_pages);
	if (err)
		mem_cgroup_unreserve(in->memcg, nr_pages);
	return err;
}

/**
 * memfd_luo_unaccount_in() - undo memfd_luo_account_in()
 * @inode:    the file, after memfd_luo_unpend_all()
 * @nr_pages: number of pages
 */
void memfd_luo_unaccount_in(struct inode *inode, u64 nr_pages)
{
	shmem_recalc_inode(inode, 0, -nr_pages);
	mem_cgroup_unreserve(SHMEM_I(inode)->luo_in->memcg, nr_pages);
}

/**
 * memfd_luo_start_in() - have the pages of a file come, be it in the background
 * @inode:    the file, for which memfd_luo_account_in() was called
 * @nr_pages: number of pages
 *
 * Context: process context.
 */
void memfd_luo_start_in(struct inode *inode, u64 nr_pages)
{
	struct memfd_luo_in *in = SHMEM_I(inode)->luo_in;

	if (nr_pages <= PENDING_BATCH && bring_all(in))
		in_free(in);
	else
		queue_delayed_work(system_dfl_wq, &in->work,
				   msecs_to_jiffies(memfd_luo_background_delay()));
}

/**
 * memfd_luo_finish_in() - account what a file has, all of it pending, and have it come
 * @inode:    the file
 * @nr_pages: number of pages
 *
 * Context: process context.
 * Return: 0; or what memfd_luo_account_in() says.
 */
int memfd_luo_finish_in(struct inode *inode, u64 nr_pages)
{
	int err;

	if (!nr_pages)
		return 0;
	err = memfd_luo_account_in(inode, nr_pages);
	if (!err)
		memfd_luo_start_in(inode, nr_pages);
	return err;
}

/**
 * memfd_luo_pending_extent() - the pages of a pending entry
 * @entry:  an entry of the page cache
 * @base:   the first page that it is for
 * @order:  its order
 * @extent: set to the pages
 *
 * Return: whether it is a pending one.
 */
bool memfd_luo_pending_extent(void *entry, pgoff_t base, unsigned int order,
			      struct luo_extent *extent)
{
	if (!is_pending(entry))
		return false;
	*extent = (struct luo_extent) {
		.index = base,
		.pfn = pending_pfn(radix_to_swp_entry(entry)),
		.nr = 1UL << order,
	};
	return true;
}

/**
 * memfd_luo_lock_in() - keep the pending pages of a file pending
 * @inode: the file, of which all others have invalidate_lock, too
 *
 * Return: 0; or -EINTR when the caller is being killed.
 */
int memfd_luo_lock_in(struct inode *inode)
{
	struct memfd_luo_in *in = SHMEM_I(inode)->luo_in;

	return in ? mutex_lock_killable(&in->lock) : 0;
}

/**
 * memfd_luo_hold_in() - the same for those who cannot fail
 * @inode: the file
 */
void memfd_luo_hold_in(struct inode *inode)
{
	struct memfd_luo_in *in = SHMEM_I(inode)->luo_in;

	if (in)
		mutex_lock(&in->lock);
}

/**
 * memfd_luo_unlock_in() - undo memfd_luo_lock_in()
 * @inode: the file
 */
void memfd_luo_unlock_in(struct inode *inode)
{
	struct memfd_luo_in *in = SHMEM_I(inode)->luo_in;

	if (in)
		mutex_unlock(&in->lock);
}
