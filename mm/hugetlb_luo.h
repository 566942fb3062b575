/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Between the files of the handler for huge pages. A call goes down only:
 *
 *   hugetlb_luo.c        the handler, and the pages of a file that is preserved
 *   hugetlb_luo_in.c     the pages of a file that the previous kernel handed over
 *   hugetlb_luo_pools.c  how many pages are handed over, or were
 *
 * What these use of memfds' is in memfd_luo.h.
 */
#ifndef _MM_HUGETLB_LUO_H
#define _MM_HUGETLB_LUO_H

#include <linux/types.h>

struct hstate;
struct inode;
struct liveupdate_file_handler;
struct luo_extent;
struct memfd_luo_meta;

struct hstate *hugetlb_luo_hstate(const struct memfd_luo_meta *meta);

/* hugetlb_luo_in.c */
int hugetlb_luo_fill(struct inode *inode, u64 data, u64 size);
void hugetlb_luo_discard(struct hstate *h, u64 data);
void hugetlb_luo_lock_pending(struct inode *inode);
void hugetlb_luo_unlock_pending(struct inode *inode);
int hugetlb_luo_each_pending(struct inode *inode,
			     int (*fn)(void *arg, const struct luo_extent *extent), void *arg);

/* hugetlb_luo_pools.c */
int hugetlb_luo_count(const struct luo_extent *extent);
void hugetlb_luo_uncount(const struct luo_extent *extent);
int hugetlb_luo_register_pools(struct liveupdate_file_handler *handler);

#endif /* _MM_HUGETLB_LUO_H */
