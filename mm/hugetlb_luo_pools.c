// SPDX-License-Identifier: GPL-2.0
/*
 * How many huge pages are handed over, by size and node, see
 * include/linux/kho/abi/hugetlb_v1.h.
 *
 * The next kernel's pools are what was asked for including these pages. So it reads
 * the counts before it makes the pools, those of gigantic pages while memblock is
 * all that allocates. A pool counts the pages as allocated from then on, as they were
 * before the reboot: of &struct hstate, waiting_huge_pages_node tells how many of
 * these nobody has retrieved. When the last file is finished, none is waited for any
 * more.
 *
 * The counts are not to be trusted. Counts that are wrong make a pool smaller or larger
 * than it was to be until then.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bits.h>
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/hugetlb.h>
#include <linux/hugetlb_luo.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/hugetlb_v1.h>
#include <linux/liveupdate.h>
#include <linux/memblock.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/nodemask.h>
#include <linux/numa.h>
#include <linux/printk.h>

#include "hugetlb_luo.h"
#include "luo_extent.h"

#define NR_POOLS	((PAGE_SIZE - sizeof(struct hugetlb_v1_pools)) / \
			 sizeof(struct hugetlb_v1_pool))

/* Outgoing */

/* Protects the counts. Taken by who puts a page into a preserved file, too. */
static DEFINE_MUTEX(pools_lock);
/* A page, which KHO has while the FLB is preserved */
static struct hugetlb_v1_pools *pools_out;

static struct hugetlb_v1_pool *get_pool(unsigned int nid, unsigned int order)
{
	struct hugetlb_v1_pool *pool;
	u64 i;

	for (i = 0; i < pools_out->nr; i++) {
		pool = &pools_out->pools[i];
		if (pool->nid == nid && pool->order == order)
			return pool;
	}
	if (pools_out->nr == NR_POOLS)
		return NULL;
	pool = &pools_out->pools[pools_out->nr++];
	*pool = (struct hugetlb_v1_pool) { .nid = nid, .order = order };
	return pool;
}

static void uncount_until(const struct luo_extent *extent, u64 end)
{
	u64 pfn;

	for (pfn = extent->pfn; pfn < end; pfn += 1UL << extent->order)
		get_pool(pfn_to_nid(pfn), extent->order)->nr--;
}

/**
 * hugetlb_luo_count() - huge pages are going to be handed over
 * @extent: the pages
 *
 * Context: process context.
 * Return: 0; or -ENOSPC when there are more sizes and nodes than can be told.
 */
int hugetlb_luo_count(const struct luo_extent *extent)
{
	struct hugetlb_v1_pool *pool;
	u64 pfn;

	guard(mutex)(&pools_lock);
	for (pfn = extent->pfn; pfn < luo_extent_end(extent); pfn += 1UL << extent->order) {
		pool = get_pool(pfn_to_nid(pfn), extent->order);
		if (!pool) {
			uncount_until(extent, pfn);
			return -ENOSPC;
		}
		pool->nr++;
	}
	return 0;
}

/**
 * hugetlb_luo_uncount() - undo hugetlb_luo_count()
 * @extent: the pages
 *
 * Context: process context.
 */
void hugetlb_luo_uncount(const struct luo_extent *extent)
{
	guard(mutex)(&pools_lock);
	uncount_until(extent, luo_extent_end(extent));
}

static int pools_preserve(struct liveupdate_flb_op_args *args)
{
	int err;

	err = kho_preserve_pages(virt_to_page(pools_out), 1);
	if (err)
		return err;
	err = kho_add_subtree(HUGETLB_V1_POOLS, pools_out, PAGE_SIZE);
	if (err) {
		kho_unpreserve_pages(virt_to_page(pools_out), 1);
		return err;
	}
	args->data = virt_to_phys(pools_out);
	return 0;
}

static void pools_unpreserve(struct liveupdate_flb_op_args *args)
{
	kho_remove_subtree(pools_out);
	kho_unpreserve_pages(virt_to_page(pools_out), 1);
}

/* Incoming */

static bool __init pool_is_valid(const struct hugetlb_v1_pool *pool)
{
	return pool->nid < MAX_NUMNODES && pool->order < BITS_PER_LONG - PAGE_SHIFT &&
	       pool->nr <= PHYS_PFN(memblock_phys_mem_size()) >> pool->order;
}

/* A copy: what is checked by memblock can be so only while that is there. */
static struct hugetlb_v1_pool pools_in[NR_POOLS] __initdata;
static unsigned int nr_pools_in __initdata;

static int __init read_pools(phys_addr_t phys, size_t size)
{
	const struct hugetlb_v1_pools *pools;
	u64 i;

	if (size != PAGE_SIZE || offset_in_page(phys) ||
	    !memblock_is_region_memory(phys, PAGE_SIZE))
		return -EINVAL;
	pools = phys_to_virt(phys);
	if (pools->magic != HUGETLB_V1_POOLS_MAGIC || pools->nr > NR_POOLS)
		return -EINVAL;
	for (i = 0; i < pools->nr; i++) {
		if (!pool_is_valid(&pools->pools[i]))
			return -EINVAL;
		pools_in[i] = pools->pools[i];
	}
	nr_pools_in = pools->nr;
	return 0;
}

/**
 * hugetlb_luo_read_pools() - find how many pages the previous kernel handed over
 *
 * Context: early boot, before there is an allocator.
 */
void __init hugetlb_luo_read_pools(void)
{
	phys_addr_t phys;
	size_t size;

	if (liveupdate_enabled() && !kho_retrieve_subtree(HUGETLB_V1_POOLS, &phys, &size) &&
	    read_pools(phys, size))
		pr_warn("the counts that were handed over are damaged, pools are made without them\n");
}

/**
 * hugetlb_luo_incoming() - how many pages of a pool the previous kernel handed over
 * @h:   the pool, of which only the order is looked at
 * @nid: on which node, or NUMA_NO_NODE
 *
 * Context: while the kernel boots, also before there is an allocator.
 * Return: that number.
 */
unsigned long __init hugetlb_luo_incoming(const struct hstate *h, int nid)
{
	const struct hugetlb_v1_pool *pool;
	unsigned long nr = 0;

	for (pool = pools_in; pool < pools_in + nr_pools_in; pool++) {
		if (pool->order == h->order && (nid == NUMA_NO_NODE || pool->nid == nid) &&
		    node_online(pool->nid))
			nr += pool->nr;
	}
	return nr;
}

static void lose_all(void)
{
	struct hstate *h;
	int nid;

	for_each_hstate(h) {
		for_each_online_node(nid)
			hugetlb_luo_lose(h, nid, ULONG_MAX);
	}
}

/* What is in there was read when the kernel booted. */
static int pools_retrieve(struct liveupdate_flb_op_args *args)
{
	args->obj = liveupdate_preserved_data(args->data, PAGE_SIZE);
	return args->obj && !kho_preserved_order(args->data) ? 0 : -EINVAL;
}

static void pools_finish(struct liveupdate_flb_op_args *args)
{
	lose_all();
	kho_restore_free(args->obj);
}

static const struct liveupdate_flb_ops pools_ops = {
	.preserve = pools_preserve,
	.unpreserve = pools_unpreserve,
	.retrieve = pools_retrieve,
	.finish = pools_finish,
	.owner = THIS_MODULE,
};

static struct liveupdate_flb pools_flb = {
	.ops = &pools_ops,
	.compatible = HUGETLB_V1_POOLS_COMPATIBLE,
};

/**
 * hugetlb_luo_register_pools() - have the counts handed over along with files
 * @handler: the files' handler, which is registered
 *
 * Return: 0; -ENOMEM; or what liveupdate_register_flb() says.
 */
int __init hugetlb_luo_register_pools(struct liveupdate_file_handler *handler)
{
	void *obj;
	int err;

	pools_out = (void *)get_zeroed_page(GFP_KERNEL);
	if (!pools_out)
		return -ENOMEM;
	pools_out->magic = HUGETLB_V1_POOLS_MAGIC;
	err = liveupdate_register_flb(handler, &pools_flb);
	if (err) {
		free_page((unsigned long)pools_out);
		return err;
	}
	/* Counts came, and no file that they are for. */
	err = liveupdate_flb_get_incoming(&pools_flb, &obj);
	if (err)
		lose_all();
	else
		liveupdate_flb_put_incoming(&pools_flb);
	return 0;
}
