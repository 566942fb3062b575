/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Between the files of the handler for a tmpfs. A call goes down only:
 *
 *   tmpfs_luo.c        the handler
 *   tmpfs_luo_out.c    a tmpfs that is preserved
 *   tmpfs_luo_in.c     a tmpfs that the previous kernel handed over
 *   tmpfs_luo_chain.c  chains of pages, which a tmpfs is handed over in
 *
 * What these use of memfds' is in memfd_luo.h.
 */
#ifndef _MM_TMPFS_LUO_H
#define _MM_TMPFS_LUO_H

#include <linux/kho/abi/tmpfs_v1.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/types.h>
#include <linux/xarray.h>

#include "luo_extent.h"

struct file;
struct super_block;

/* Bytes of records of a size that a page of a chain has room for */
#define TMPFS_LUO_CAPACITY(size)	\
	((PAGE_SIZE - sizeof(struct tmpfs_v1_page)) / (size) * (size))
/* Records of a type that a page of a chain has room for */
#define TMPFS_LUO_PER_PAGE(type)	(TMPFS_LUO_CAPACITY(sizeof(type)) / sizeof(type))

/* tmpfs_luo_chain.c */

/**
 * struct tmpfs_luo_chain - a chain of pages that is written
 * @first: its first page, NULL when there is none
 * @last:  its last page
 */
struct tmpfs_luo_chain {
	struct tmpfs_v1_page *first;
	struct tmpfs_v1_page *last;
};

/**
 * struct tmpfs_luo_cursor - a place in a chain of bytes that is read
 * @page: the page
 * @at:   bytes of @page that were read
 * @left: bytes that were not read, in all pages
 */
struct tmpfs_luo_cursor {
	const struct tmpfs_v1_page *page;
	u64 at;
	u64 left;
};

void *tmpfs_luo_push(struct tmpfs_luo_chain *chain, size_t size);
int tmpfs_luo_write(struct tmpfs_luo_chain *chain, const void *data, size_t size);
u64 tmpfs_luo_chain_phys(const struct tmpfs_luo_chain *chain);
void tmpfs_luo_chain_free(struct tmpfs_luo_chain *chain);

int tmpfs_luo_claim_chain(u64 phys, size_t size, u64 nr, u64 *nr_pages,
			  struct luo_claimed *claimed);
void tmpfs_luo_unclaim_chain(u64 phys, u64 nr_pages, struct luo_claimed *claimed);
void tmpfs_luo_free_chain(u64 phys);
int tmpfs_luo_hold_chain(u64 phys);
void tmpfs_luo_unhold_chain(u64 phys);
struct tmpfs_luo_cursor tmpfs_luo_begin_read(u64 phys, u64 nr);
int tmpfs_luo_read(struct tmpfs_luo_cursor *cursor, void *data, size_t size);

int tmpfs_luo_each_extent(u64 phys, int (*fn)(void *arg, const struct luo_extent *extent,
					      u32 inode), void *arg);

/* tmpfs_luo_out.c */
struct tmpfs_luo_out;

struct tmpfs_luo_out *tmpfs_luo_preserve_tree(struct file *file);
void tmpfs_luo_unpreserve_tree(struct tmpfs_luo_out *out);
u64 tmpfs_luo_out_phys(struct tmpfs_luo_out *out);
int tmpfs_luo_check_tree(struct tmpfs_luo_out *out);
int tmpfs_luo_freeze_tree(struct tmpfs_luo_out *out);
void tmpfs_luo_unfreeze_tree(struct tmpfs_luo_out *out);

/* tmpfs_luo_in.c */
struct file *tmpfs_luo_retrieve_tree(u64 data);
int tmpfs_luo_carry_tree(u64 data);
void tmpfs_luo_uncarry_tree(u64 data);
int tmpfs_luo_discard_tree(u64 data);
int tmpfs_luo_tree_size(u64 data, u64 *size);

/* MNT_* of a mount, and MOUNT_ATTR_*, of which those are that users set */
u32 tmpfs_luo_to_attrs(int mnt_flags);
int tmpfs_luo_from_attrs(u32 attrs);

#endif /* _MM_TMPFS_LUO_H */
