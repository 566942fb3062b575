// SPDX-License-Identifier: GPL-2.0
/*
 * The pages of a memfd that is preserved. What it has is held, and handed over; what
 * is put into its holes, too. While the machine reboots, who wants to do so sleeps.
 */

#include <linux/atomic.h>
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/jump_label.h>
#include <linux/kexec_handover.h>
#include <linux/math.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/pagemap.h>
#include <linux/rcupdate_wait.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#include <linux/swap.h>
#include <linux/wait.h>
#include <linux/xarray.h>

#ifdef CONFIG_ARM64_MTE
#include <asm/mte.h>
#endif

#include "internal.h"
#include "memfd_luo.h"

/* Folios that are taken at a time, and how many extents they can be */
#define MEMFD_LUO_BATCH		256
#define MEMFD_LUO_EXTENTS	16

/* How often a folio is looked for that is not where it may stay */
#define MEMFD_LUO_TRIES		10

/* Files that are frozen, and those who wait until none is */
static atomic_t memfd_luo_nr_frozen;
static DECLARE_WAIT_QUEUE_HEAD(memfd_luo_thaw_wait);

/**
 * memfd_luo_is_noswap() - are a file's pages never written to swap?
 * @inode: the file
 *
 * Return: whether they are unevictable, be the file preserved or not.
 */
bool memfd_luo_is_noswap(struct inode *inode)
{
	struct shmem_sb_info *sbinfo = inode->i_sb->s_fs_info;

	return sbinfo->noswap || SHMEM_I(inode)->flags & SHMEM_F_LOCKED;
}

static bool memfd_luo_follows(const struct luo_extent *extent, struct folio *folio)
{
	return folio->index == extent->index + extent->nr &&
	       folio_pfn(folio) == extent->pfn + extent->nr &&
	       folio_order(folio) == extent->order;
}

static struct luo_extent memfd_luo_extent_of(struct folio *folio)
{
	return (struct luo_extent) {
		.index = folio->index,
		.pfn = folio_pfn(folio),
		.nr = folio_nr_pages(folio),
		.order = folio_order(folio),
	};
}

/* Tags are not memory that KHO knows of. */
static bool memfd_luo_is_tagged(const struct luo_extent *extent)
{
#ifdef CONFIG_ARM64_MTE
	u64 pfn;

	for (pfn = extent->pfn; system_supports_mte() && pfn < luo_extent_end(extent); pfn++) {
		/* Huge pages have the flag where they begin. */
		if (PageHuge(pfn_to_page(pfn)) ?
		    folio_test_hugetlb_mte_tagged(pfn_folio(pfn)) :
		    page_mte_tagged(pfn_to_page(pfn)))
			return true;
		cond_resched();
	}
#endif
	return false;
}

/**
 * memfd_luo_add_extent() - have an extent handed over, and preserved
 * @out:    what tells of its file, locked
 * @extent: the extent, each page of which is held
 *
 * Return: 0; -EHWPOISON; -EOPNOTSUPP when its pages have tags; -ENOMEM.
 */
int memfd_luo_add_extent(struct memfd_luo_out *out, const struct luo_extent *extent)
{
	if (luo_extent_is_poisoned(extent))
		return -EHWPOISON;
	if (memfd_luo_is_tagged(extent))
		return -EOPNOTSUPP;
	return out->format->add(out, extent);
}

/* Preserve a folio that is held and locked. */
static int memfd_luo_add(struct memfd_luo_out *out, struct folio *folio)
{
	const struct luo_extent extent = memfd_luo_extent_of(folio);
	int err;

	scoped_guard(mutex, &out->lock)
		err = memfd_luo_add_extent(out, &extent);
	if (err)
		return err;

	/*
	 * Whether it is dirty and uptodate may change until the machine
	 * reboots, and a clean folio may be dropped by the next kernel. So make
	 * it both, for good.
	 */
	folio_mark_dirty(folio);
	if (!folio_test_uptodate(folio)) {
		folio_zero_range(folio, 0, folio_size(folio));
		flush_dcache_folio(folio);
		folio_mark_uptodate(folio);
	}
	return 0;
}

static bool memfd_luo_is_walker(struct inode *inode)
{
	struct memfd_luo_out *out;

	guard(rcu)();
	out = READ_ONCE(SHMEM_I(inode)->luo_out);
	return out && READ_ONCE(out->walker) == current;
}

/**
 * memfd_luo_begin_put() - keep a file from being preserved or frozen, or not to be
 * @mapping: its pages
 * @outp:    where the file has what tells of it
 *
 * Context: process context. Sleeps while the machine reboots, if the file is preserved.
 * Return: 0, with invalidate_lock held shared; or -EINTR when the caller is being killed.
 */
int memfd_luo_begin_put(struct address_space *mapping, struct memfd_luo_out **outp)
{
	for (;;) {
		filemap_invalidate_lock_shared(mapping);
		if (likely(!*outp) || !atomic_read(&memfd_luo_nr_frozen))
			return 0;
		filemap_invalidate_unlock_shared(mapping);
		if (wait_event_killable(memfd_luo_thaw_wait,
					!atomic_read(&memfd_luo_nr_frozen)))
			return -EINTR;
	}
}

/**
 * memfd_luo_begin_add() - a page is about to be put into a hole
 * @inode: the file
 * @gfp:   adjusted for a page that will not be moved
 *
 * See struct shmem_luo_ops.
 *
 * Context: process context, no folio of the file locked. Sleeps while the machine
 *          reboots.
 * Return: 0, to be followed by memfd_luo_end_add(); or -EINTR when the caller is
 * being killed.
 */
int memfd_luo_begin_add(struct inode *inode, gfp_t *gfp)
{
	int err;

	/* It must not wait for itself should a page be gone that it goes for. */
	if (memfd_luo_is_walker(inode))
		return 0;

	err = memfd_luo_begin_put(inode->i_mapping, &SHMEM_I(inode)->luo_out);
	/* Neither from CMA, which KHO's scratch memory is, nor to be moved. */
	if (!err && SHMEM_I(inode)->luo_out)
		*gfp &= ~__GFP_MOVABLE;
	return err;
}

/**
 * memfd_luo_end_add() - a page was put into a hole, or was not
 * @inode: the file
 * @folio: the page, locked; or NULL
 *
 * Return: 0; or when it must not stay: -EAGAIN, and another one may; -ENOMEM; or
 * -EHWPOISON.
 */
int memfd_luo_end_add(struct inode *inode, struct folio *folio)
{
	struct memfd_luo_out *out = SHMEM_I(inode)->luo_out;
	int err = 0;

	if (memfd_luo_is_walker(inode))
		return 0;
	if (out && folio) {
		/* Allocated before the file was preserved: its owner tries again. */
		err = folio_is_longterm_pinnable(folio) ? memfd_luo_add(out, folio) : -EAGAIN;
		if (!err)
			folio_get(folio);
	}
	filemap_invalidate_unlock_shared(inode->i_mapping);
	return err;
}

/* How many folios the file can have up to @last, be they in swap, or pending. */
static u64 memfd_luo_count(struct address_space *mapping, pgoff_t last)
{
	XA_STATE(xas, &mapping->i_pages, 0);
	u64 nr = 0, seen = 0;
	void *entry;

	guard(rcu)();
	xas_for_each(&xas, entry, last) {
		if (xas_retry(&xas, entry))
			continue;
		nr += xa_is_value(entry) ? 1UL << xas_get_order(&xas) : 1;
		if (++seen % XA_CHECK_SCHED == 0) {
			xas_pause(&xas);
			cond_resched_rcu();
		}
	}
	return nr;
}

/*
 * Hold a folio that is in the page cache, if that takes nothing else: it may have
 * to be moved, zeroed or waited for. Where it may stay is the same for all of a
 * page block; the last one is in @block. Called with the mapping's lock held.
 */
static bool memfd_luo_try_hold(struct folio *folio, unsigned long *block)
{
	bool ok;

	if (!folio_trylock(folio))
		return false;
	ok = folio_test_uptodate(folio) && folio_test_dirty(folio);
	if (ok && folio_pfn(folio) >> pageblock_order != *block) {
		ok = folio_is_longterm_pinnable(folio);
		*block = ok ? folio_pfn(folio) >> pageblock_order : ULONG_MAX;
	}
	if (ok)
		folio_get(folio);
	folio_unlock(folio);
	return ok;
}

/* The pages that are pending at the place that @xas has come to, if that is what they are. */
static bool memfd_luo_take_pending(struct xa_state *xas, void *entry, struct luo_extent *extent)
{
	unsigned int order = xas_get_order(xas);

	return memfd_luo_pending_extent(entry, round_down(xas->xa_index, 1UL << order), order,
					extent);
}

/*
 * Hold and preserve the folios from @index on, up to @last, as long as that takes
 * nothing else; at most a batch. Set @index to the first one that was not, behind
 * @last when there is none. Return whether there were any, or a negative errno.
 */
static int memfd_luo_preserve_batch(struct memfd_luo_out *out, struct address_space *mapping,
				    pgoff_t *index, pgoff_t last)
{
	struct luo_extent extents[MEMFD_LUO_EXTENTS] __uninitialized;
	XA_STATE(xas, &mapping->i_pages, *index);
	int nr = 0, nr_folios = 0, err, i;
	unsigned long block = ULONG_MAX;
	pgoff_t next = last + 1;
	bool follows, ok;
	void *entry;

	xas_lock_irq(&xas);
	xas_for_each(&xas, entry, last) {
		follows = nr && !xa_is_value(entry) && memfd_luo_follows(&extents[nr - 1], entry);
		/* A folio is not held before there is a place for it. */
		ok = nr_folios++ < MEMFD_LUO_BATCH && (follows || nr < ARRAY_SIZE(extents));
		if (ok && xa_is_value(entry))
			ok = memfd_luo_take_pending(&xas, entry, &extents[nr]);
		else if (ok)
			ok = memfd_luo_try_hold(entry, &block);
		if (!ok) {
			next = xas.xa_index;
			break;
		}
		if (follows)
			extents[nr - 1].nr += folio_nr_pages(entry);
		else if (xa_is_value(entry))
			nr++;
		else
			extents[nr++] = memfd_luo_extent_of(entry);
	}
	xas_unlock_irq(&xas);

	/* Should one of them fail, those behind it are held, too. */
	*index = next;
	guard(mutex)(&out->lock);
	for (i = 0; i < nr; i++) {
		err = memfd_luo_add_extent(out, &extents[i]);
		if (err)
			return err;
	}
	return nr;
}

/*
 * Move a folio to where it may stay. The caller's reference goes. Return -EAGAIN after a
 * while when others have it for the moment: who compacts memory, say.
 */
static int memfd_luo_move(struct folio *folio)
{
	int err = -EAGAIN;
#ifdef CONFIG_MIGRATION
	struct migration_target_control mtc = {
		.nid = NUMA_NO_NODE,
		/* The caller is told, and nobody killed. */
		.gfp_mask = GFP_USER | __GFP_NOWARN | __GFP_RETRY_MAYFAIL,
		.reason = MR_LONGTERM_PIN,
	};
	LIST_HEAD(folios);

	/* What is on the LRU may be in a batch, too, which refers to it until it is drained. */
	if (!folio_test_lru(folio) ||
	    folio_ref_count(folio) != folio_expected_ref_count(folio) + 1)
		lru_add_drain_all();
	if (folio_isolate_lru(folio)) {
		list_add(&folio->lru, &folios);
		node_stat_mod_folio(folio, NR_ISOLATED_ANON + folio_is_file_lru(folio),
				    folio_nr_pages(folio));
		folio_put(folio);
		err = migrate_pages(&folios, alloc_migration_target, NULL, (unsigned long)&mtc,
				    MIGRATE_SYNC, MR_LONGTERM_PIN, NULL);
		putback_movable_pages(&folios);
		folio = NULL;
		err = err > 0 ? -EAGAIN : err;
	}
#endif
	if (folio)
		folio_put(folio);
	if (err == -EAGAIN)
		schedule_timeout_killable(1);
	return err;
}

/*
 * Hold and preserve the folio at @index, which may be in swap, or where it cannot
 * stay. Return -EAGAIN when it was moved, or is another one by now.
 */
static int memfd_luo_preserve_one(struct memfd_luo_out *out, struct address_space *mapping,
				  pgoff_t *index)
{
	gfp_t gfp = (mapping_gfp_mask(mapping) & ~__GFP_MOVABLE) | __GFP_RETRY_MAYFAIL;
	struct folio *folio = shmem_read_folio_gfp(mapping, *index, gfp);
	int err;

	if (IS_ERR(folio))
		return PTR_ERR(folio);
	err = folio_lock_killable(folio);
	if (err) {
		folio_put(folio);
		return err;
	}
	/* khugepaged may have put another one into its place. */
	if (folio->mapping != mapping)
		err = -EAGAIN;
	else if (folio_contain_hwpoisoned_page(folio))
		err = -EHWPOISON;
	else if (!folio_is_longterm_pinnable(folio))
		err = -EXDEV;
	else
		err = memfd_luo_add(out, folio);
	if (!err)
		*index = folio_next_index(folio);
	folio_unlock(folio);
	if (err == -EXDEV)
		return memfd_luo_move(folio) ?: -EAGAIN;
	if (err)
		folio_put(folio);
	return err;
}

static int memfd_luo_preserve_hard(struct memfd_luo_out *out, struct address_space *mapping,
				   pgoff_t *index)
{
	/* Huge pages are allocated as movable ones but for this. */
	unsigned int flags = memalloc_pin_save();
	int err = -EAGAIN, tries;

	for (tries = 0; err == -EAGAIN && tries < MEMFD_LUO_TRIES; tries++)
		err = fatal_signal_pending(current) ? -EINTR :
		      memfd_luo_preserve_one(out, mapping, index);
	memalloc_pin_restore(flags);
	return err == -EAGAIN ? -EBUSY : err;
}

/* Preserve what the file has; @index is set to the first page that is not held. */
static int memfd_luo_preserve_folios(struct memfd_luo_out *out, struct inode *inode,
				     pgoff_t *index)
{
	struct address_space *mapping = inode->i_mapping;
	loff_t size = i_size_read(inode);
	pgoff_t last;
	int err = 0;

	*index = 0;
	if (!size)
		return 0;
	last = (size - 1) >> PAGE_SHIFT;

	if (out->format->reserve)
		err = out->format->reserve(out, memfd_luo_count(mapping, last));

	while (!err && *index <= last) {
		if (fatal_signal_pending(current))
			return -EINTR;
		err = memfd_luo_preserve_batch(out, mapping, index, last);
		/* The batch made no progress: preserve the next folio instead. */
		if (!err && *index <= last)
			err = memfd_luo_preserve_hard(out, mapping, index);
		err = min(err, 0);
		cond_resched();
	}
	if (!err && out->format->close)
		err = out->format->close(out);
	return err;
}

/*
 * Hold what was allocated behind the file's end, which is not handed over: each folio
 * of a preserved file is held, so that none can be replaced.
 */
static void memfd_luo_hold_rest(struct inode *inode, pgoff_t end)
{
	struct folio_batch batch;
	pgoff_t index = end;
	int i;

	folio_batch_init(&batch);
	while (filemap_get_folios(inode->i_mapping, &index, ULONG_MAX, &batch)) {
		for (i = 0; i < folio_batch_count(&batch); i++) {
			/* The last one of the file may reach beyond its end. */
			if (batch.folios[i]->index < end)
				folio_put(batch.folios[i]);
		}
		folio_batch_init(&batch);
		cond_resched();
	}
}

/* Let go of the folios before @end, each of which is held. */
static void memfd_luo_put_folios(struct address_space *mapping, pgoff_t end)
{
	struct folio_batch batch;
	pgoff_t index = 0;
	int i;

	folio_batch_init(&batch);
	while (end && filemap_get_folios(mapping, &index, end - 1, &batch)) {
		for (i = 0; i < folio_batch_count(&batch); i++)
			folio_put(batch.folios[i]);
		folio_batch_release(&batch);
		cond_resched();
	}
}

/**
 * memfd_luo_out_drop() - free what told of a file, and nothing else
 * @out: the file
 */
void memfd_luo_out_drop(struct memfd_luo_out *out)
{
	out->format->free(out);
	mutex_destroy(&out->lock);
	kfree_rcu(out, rcu);
}

/**
 * memfd_luo_out_free() - have KHO know of no page of a file, and free what told of it
 * @out: the file
 */
void memfd_luo_out_free(struct memfd_luo_out *out)
{
	out->format->unpreserve(out);
	memfd_luo_out_drop(out);
}

/**
 * memfd_luo_out_alloc() - begin to tell of a file that has nothing yet
 * @format: the format to do so in
 *
 * Return: the file, or ERR_PTR(-ENOMEM).
 */
struct memfd_luo_out *memfd_luo_out_alloc(const struct memfd_luo_format *format)
{
	struct memfd_luo_out *out = kzalloc_obj(*out, GFP_KHO);
	int err;

	if (!out)
		return ERR_PTR(-ENOMEM);
	out->format = format;
	err = format->alloc(out);
	if (err) {
		kfree(out);
		return ERR_PTR(err);
	}
	mutex_init(&out->lock);
	return out;
}

/**
 * memfd_luo_lock() - keep everyone from the pages of a file
 * @inode: the file
 *
 * Return: 0; or -EINTR when the caller is being killed.
 */
int memfd_luo_lock(struct inode *inode)
{
	int err;

	err = inode_lock_killable(inode);
	if (err)
		return err;
	err = down_write_killable(&inode->i_mapping->invalidate_lock);
	if (err)
		goto err_inode;
	err = memfd_luo_lock_in(inode);
	if (!err)
		return 0;

	filemap_invalidate_unlock(inode->i_mapping);
err_inode:
	inode_unlock(inode);
	return err;
}

/**
 * memfd_luo_unlock() - undo memfd_luo_lock()
 * @inode: the file
 */
void memfd_luo_unlock(struct inode *inode)
{
	memfd_luo_unlock_in(inode);
	filemap_invalidate_unlock(inode->i_mapping);
	inode_unlock(inode);
}

static void memfd_luo_begin_out(struct inode *inode, struct memfd_luo_out *out)
{
	shmem_freeze(inode, true);
	/* Reclaim would try its pages, again and again. */
	mapping_set_unevictable(inode->i_mapping);
	WRITE_ONCE(out->walker, current);
	WRITE_ONCE(SHMEM_I(inode)->luo_out, out);
}

/* The file has nothing that is held or told of before @end, and what is held goes. */
static void memfd_luo_end_out(struct inode *inode, pgoff_t end)
{
	memfd_luo_put_folios(inode->i_mapping, end);
	WRITE_ONCE(SHMEM_I(inode)->luo_out, NULL);
	shmem_freeze(inode, false);
	if (!memfd_luo_is_noswap(inode)) {
		mapping_clear_unevictable(inode->i_mapping);
		shmem_unlock_mapping(inode->i_mapping);
	}
}

/**
 * memfd_luo_preserve_pages() - hold and preserve what a file has
 * @out:   what is to tell of it
 * @inode: the file, locked by memfd_luo_lock()
 *
 * Return: 0; or, and the file is as before:
 * * -EBUSY: a page cannot be moved from where it must not stay
 * * -EHWPOISON: memory of the file has failed
 * * -EINTR: the caller is being killed
 * * -ENOMEM
 * * -EOPNOTSUPP: its pages have tags
 */
int memfd_luo_preserve_pages(struct memfd_luo_out *out, struct inode *inode)
{
	pgoff_t end = DIV_ROUND_UP_ULL(i_size_read(inode), PAGE_SIZE), index = 0;
	int err;

	memfd_luo_begin_out(inode, out);
	err = memfd_luo_preserve_folios(out, inode, &index);
	WRITE_ONCE(out->walker, NULL);
	if (err)
		memfd_luo_end_out(inode, index);
	else if (SHMEM_I(inode)->fallocend > end)
		/* Only fallocate(2) puts something behind the end. */
		memfd_luo_hold_rest(inode, end);
	return err;
}

/**
 * memfd_luo_unpreserve_pages() - let go of the pages of a file
 * @inode: the file, which is preserved. KHO goes on knowing of them.
 */
void memfd_luo_unpreserve_pages(struct inode *inode)
{
	inode_lock(inode);
	filemap_invalidate_lock(inode->i_mapping);
	memfd_luo_hold_in(inode);
	memfd_luo_end_out(inode, ULONG_MAX);
	memfd_luo_unlock(inode);
}

/**
 * memfd_luo_check_extent() - can an extent be handed over still?
 * @arg:    unused
 * @extent: the extent
 *
 * Return: 0; -EHWPOISON; or -EOPNOTSUPP when its pages have tags.
 */
int memfd_luo_check_extent(void *arg, const struct luo_extent *extent)
{
	if (luo_extent_is_poisoned(extent))
		return -EHWPOISON;
	return memfd_luo_is_tagged(extent) ? -EOPNOTSUPP : 0;
}

/**
 * memfd_luo_may_be_bad() - can memfd_luo_check_extent() fail on this machine?
 *
 * Return: whether it can.
 */
bool memfd_luo_may_be_bad(void)
{
#ifdef CONFIG_ARM64_MTE
	if (system_supports_mte())
		return true;
#endif
	return luo_any_is_poisoned();
}

/* A page may have become what cannot be handed over since it was preserved. */
static int memfd_luo_check_extents(struct memfd_luo_out *out)
{
	return memfd_luo_may_be_bad() ?
	       out->format->each(out, memfd_luo_check_extent, NULL) : 0;
}

/**
 * memfd_luo_check_pages() - would memfd_luo_freeze_pages() fail now?
 * @out:     what tells of the file
 * @mapping: its pages
 *
 * Return: 0, or what that would say.
 */
int memfd_luo_check_pages(struct memfd_luo_out *out, struct address_space *mapping)
{
	int err;

	filemap_invalidate_lock_shared(mapping);
	err = memfd_luo_check_extents(out);
	filemap_invalidate_unlock_shared(mapping);
	return err;
}

/**
 * memfd_luo_freeze_pages() - nothing is put into a file from now on
 * @out:     what tells of it
 * @mapping: its pages
 *
 * Return: 0; -EHWPOISON or -EOPNOTSUPP as for memfd_luo_preserve_pages(), and the
 * file is as before.
 */
int memfd_luo_freeze_pages(struct memfd_luo_out *out, struct address_space *mapping)
{
	int err;

	/* Who holds the lock finishes what it is putting in, others will wait. */
	filemap_invalidate_lock(mapping);
	err = memfd_luo_check_extents(out);
	if (!err)
		atomic_inc(&memfd_luo_nr_frozen);
	filemap_invalidate_unlock(mapping);
	return err;
}

/**
 * memfd_luo_unfreeze_pages() - undo memfd_luo_freeze_pages() of a file
 */
void memfd_luo_unfreeze_pages(void)
{
	if (atomic_dec_and_test(&memfd_luo_nr_frozen))
		wake_up_all(&memfd_luo_thaw_wait);
}
