/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Between hugetlb and what preserves its files over a live update.
 *
 * While live update is off, hugetlb pays for branches that are not taken. The key
 * is switched once, at boot.
 */
#ifndef _LINUX_HUGETLB_LUO_H
#define _LINUX_HUGETLB_LUO_H

#include <linux/jump_label.h>
#include <linux/list.h>
#include <linux/types.h>

struct address_space;
struct folio;
struct hstate;
struct hugetlb_cgroup;
struct inode;

#ifdef CONFIG_LIVEUPDATE_HUGETLB

DECLARE_STATIC_KEY_FALSE(hugetlb_luo_key);

static inline bool hugetlb_luo_is_on(void)
{
	return static_branch_unlikely(&hugetlb_luo_key);
}

/* hugetlb_luo.c: what hugetlb asks for */
bool hugetlb_luo_is_preserved(struct inode *inode);
int hugetlb_luo_begin_add(struct inode *inode);
int hugetlb_luo_end_add(struct inode *inode, struct folio *folio, int err);

/* hugetlb_luo_in.c, likewise */
bool hugetlb_luo_bring_page(struct address_space *mapping, pgoff_t index);
void hugetlb_luo_bring_range(struct inode *inode, u64 start, u64 end);
void hugetlb_luo_evict(struct inode *inode);

/* Has the page cache not had a page that it has now? See hugetlb_luo_bring_page(). */
static inline bool hugetlb_luo_bring(struct address_space *mapping, pgoff_t index)
{
	return hugetlb_luo_is_on() && hugetlb_luo_bring_page(mapping, index);
}

/* hugetlb_luo_pools.c, likewise: before there is an allocator, and later */
void hugetlb_luo_read_pools(void);
unsigned long hugetlb_luo_incoming(const struct hstate *h, int nid);

/**
 * struct hugetlb_luo_charge - pages that are charged and not there yet
 * @list:     of all, for when a hugetlb cgroup goes
 * @h:        their pool
 * @h_cg:     the hugetlb cgroup, or NULL
 * @nr_pages: how many are left, in small pages
 *
 * All is protected by hugetlb_lock.
 */
struct hugetlb_luo_charge {
	struct list_head list;
	struct hstate *h;
	struct hugetlb_cgroup *h_cg;
	unsigned long nr_pages;
};

extern struct list_head hugetlb_luo_charges;

/* hugetlb.c: what hugetlb offers */
void hugetlb_luo_wait_for_faults(void);
int hugetlb_luo_reserve(struct inode *inode, long from, long to);
void hugetlb_luo_unreserve(struct inode *inode);
int hugetlb_luo_begin_charge(struct hugetlb_luo_charge *charge, struct hstate *h,
			     unsigned long nr_pages);
void hugetlb_luo_end_charge(struct hugetlb_luo_charge *charge);
void hugetlb_luo_expect(struct hstate *h, unsigned long pfn, unsigned long nr);
void hugetlb_luo_adopt(struct hstate *h, struct folio *folio, struct hugetlb_luo_charge *charge);
void hugetlb_luo_lose(struct hstate *h, int nid, unsigned long nr);

#else

static inline bool hugetlb_luo_is_on(void)
{
	return false;
}

static inline bool hugetlb_luo_is_preserved(struct inode *inode)
{
	return false;
}

static inline int hugetlb_luo_begin_add(struct inode *inode)
{
	return 0;
}

static inline int hugetlb_luo_end_add(struct inode *inode, struct folio *folio, int err)
{
	return err;
}

static inline bool hugetlb_luo_bring(struct address_space *mapping, pgoff_t index)
{
	return false;
}

static inline void hugetlb_luo_bring_range(struct inode *inode, u64 start, u64 end)
{
}

static inline void hugetlb_luo_evict(struct inode *inode)
{
}

static inline void hugetlb_luo_read_pools(void)
{
}

static inline unsigned long hugetlb_luo_incoming(const struct hstate *h, int nid)
{
	return 0;
}

#endif /* CONFIG_LIVEUPDATE_HUGETLB */
#endif /* _LINUX_HUGETLB_LUO_H */
