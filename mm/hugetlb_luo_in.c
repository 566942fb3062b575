// SPDX-License-Identifier: GPL-2.0
/*
 * The pages of a file of huge pages that the previous kernel handed over.
 *
 * What can fail comes first: the pages are claimed, entered in the file's reserve map,
 * and charged. Then each is restored, and is adopted by its pool, which counts it
 * already, see hugetlb_luo_pools.c.
 */

#include <linux/err.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/hugetlb.h>
#include <linux/hugetlb_cgroup.h>
#include <linux/hugetlb_luo.h>
#include <linux/kexec_handover.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/pfn.h>
#include <linux/sched.h>

#include "hugetlb_luo.h"
#include "internal.h"
#include "memfd_luo.h"

/*
 * A file that is being retrieved, or given up.
 * @inode: the file, or NULL
 * @h:     the pool
 * @h_cg:  the hugetlb cgroup that the pages are charged to, or NULL
 * @memcg: the memory cgroup that they are charged to, or NULL
 */
struct hugetlb_luo_in {
	struct inode *inode;
	struct hstate *h;
	struct hugetlb_cgroup *h_cg;
	struct mem_cgroup *memcg;
};

/* Restore a page that is claimed, for the pool. */
static struct folio *adopt(struct hugetlb_luo_in *in, u64 pfn)
{
	const struct luo_extent extent = { .pfn = pfn, .nr = pages_per_huge_page(in->h) };
	bool is_poisoned = luo_extent_is_poisoned(&extent);
	struct folio *folio;

	folio = page_folio(kho_restore_claimed(PFN_PHYS(pfn), true));
	hugetlb_luo_adopt(in->h, folio, in->h_cg);
	if (in->memcg)
		mem_cgroup_charge_reserved(folio, in->memcg);
	lruvec_stat_mod_folio(folio, NR_HUGETLB, pages_per_huge_page(in->h));
	if (is_poisoned) {
		folio_set_hwpoison(folio);
		folio_set_hugetlb_raw_hwp_unreliable(folio);
	}
	return folio;
}

/* Put a page into the page cache, where there is nothing. */
static void put_into_file(struct hugetlb_luo_in *in, struct folio *folio, pgoff_t index)
{
	struct address_space *mapping = in->inode->i_mapping;

	__folio_mark_uptodate(folio);
	__folio_set_locked(folio);
	while (__filemap_add_folio(mapping, folio, index, GFP_KERNEL | __GFP_NOFAIL, NULL))
		cond_resched();
	/* See hugetlb_add_to_page_cache(). */
	folio_mark_dirty(folio);
	folio_set_hugetlb_migratable(folio);
	spin_lock(&in->inode->i_lock);
	in->inode->i_blocks += blocks_per_huge_page(in->h);
	spin_unlock(&in->inode->i_lock);
	folio_unlock(folio);
}

static int bring_extent(void *arg, const struct luo_extent *extent)
{
	struct hugetlb_luo_in *in = arg;
	struct folio *folio;
	u64 i;

	for (i = 0; i < extent->nr; i += pages_per_huge_page(in->h)) {
		folio = adopt(in, extent->pfn + i);
		put_into_file(in, folio, extent->index + i);
		folio_put(folio);
		cond_resched();
	}
	return 0;
}

static int reserve_extent(void *arg, const struct luo_extent *extent)
{
	struct hugetlb_luo_in *in = arg;
	unsigned int order = huge_page_order(in->h);

	if (extent->order != order)
		return -EINVAL;
	return hugetlb_luo_reserve(in->inode, extent->index >> order,
				   (extent->index + extent->nr) >> order);
}

static int charge(struct hugetlb_luo_in *in, u64 nr_pages)
{
	int err;

	err = hugetlb_cgroup_charge_cgroup(hstate_index(in->h), nr_pages, &in->h_cg);
	if (err || !mem_cgroup_charges_hugetlb())
		return err;
	in->memcg = get_mem_cgroup_from_mm(current->mm);
	err = mem_cgroup_reserve(in->memcg, nr_pages, GFP_KHO);
	if (err) {
		hugetlb_cgroup_uncharge_cgroup(hstate_index(in->h), nr_pages, in->h_cg);
		mem_cgroup_put(in->memcg);
	}
	return err;
}

/* Have all that may fail done for the pages, which are claimed. */
static int prepare(struct hugetlb_luo_in *in, u64 data, u64 nr_pages)
{
	const struct memfd_luo_visitor visitor = { .extent = reserve_extent, .arg = in };
	int err;

	err = hugetlb_luo_v1.walk(data, &visitor) ?: charge(in, nr_pages);
	if (err)
		hugetlb_luo_unreserve(in->inode);
	return err;
}

/**
 * hugetlb_luo_fill() - have a file with all its pages
 * @file: the file, a new one
 * @data: what was handed over of it
 * @size: its size, in bytes
 *
 * The pages are charged to the caller.
 *
 * Context: process context, memfd_luo_in_lock held, format->load() called before.
 * Return: 0; or, and the file has no page:
 * * -EINVAL: something of it is damaged, or is not there, or is there twice
 * * -EINTR: the caller is being killed
 * * -ENOMEM: also when a control group's limit does not allow for it
 */
int hugetlb_luo_fill(struct file *file, u64 data, u64 size)
{
	struct hugetlb_luo_in in = { .inode = file_inode(file), .h = hstate_file(file) };
	const struct memfd_luo_visitor visitor = { .extent = bring_extent, .arg = &in };
	struct memfd_luo_pass pass = {};
	int err;

	err = memfd_luo_claim(&hugetlb_luo_v1, data, size, &pass);
	if (err)
		return err;
	err = prepare(&in, data, pass.nr_pages);
	if (err) {
		memfd_luo_unclaim(&hugetlb_luo_v1, data, &pass);
		return err;
	}
	hugetlb_luo_v1.walk(data, &visitor);
	mem_cgroup_put(in.memcg);
	memfd_luo_drop(&hugetlb_luo_v1, data, false);
	return 0;
}

static int discard_extent(void *arg, const struct luo_extent *extent)
{
	struct hugetlb_luo_in *in = arg;
	u64 i;

	if (!in->h || extent->order != huge_page_order(in->h) || luo_extent_is_poisoned(extent)) {
		luo_extent_free(extent);
		return 0;
	}
	for (i = 0; i < extent->nr; i += pages_per_huge_page(in->h)) {
		folio_put(adopt(in, extent->pfn + i));
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
	struct hugetlb_luo_in in = { .h = h };
	const struct memfd_luo_visitor visitor = { .extent = discard_extent, .arg = &in };

	hugetlb_luo_v1.walk(data, &visitor);
	memfd_luo_drop(&hugetlb_luo_v1, data, false);
}
