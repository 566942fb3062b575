/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Between the files of the handlers for memfds. A call goes down only:
 *
 *   memfd_luo.c          the handlers
 *   hugetlb_luo.c        the handler for those of huge pages
 *   tmpfs_luo.c          the handler for a tmpfs, and files in it
 *   memfd_luo_meta.c     what a file is besides its pages
 *   memfd_luo_out.c      the pages of a file that is preserved
 *   memfd_luo_in.c       what the previous kernel handed over
 *   memfd_luo_pending.c  pages that are not in the page cache yet
 *   memfd_luo_v2.c       the format memfd-v2
 *   memfd_luo_v3.c       the formats memfd-v3 and memfd-v4, and hugetlb-v1
 *   luo_extent.c         extents of any file type, over KHO
 */
#ifndef _MM_MEMFD_LUO_H
#define _MM_MEMFD_LUO_H

#include <linux/swap.h> /* 7.2: leafops.h needs it */
#include <linux/leafops.h>
#include <linux/mutex.h>
#include <linux/types.h>

#include "luo_extent.h"

struct address_space;
struct file;
struct folio;
struct inode;
struct memfd_luo_folio_ser;
struct memfd_luo_ser;
struct memfd_v3_page;
struct memfd_v3_ser;
struct task_struct;
struct tmpfs_luo_out;
struct tmpfs_v1_inode;

/**
 * struct memfd_luo_meta - what is handed over of a file besides its pages
 * @size:      its size, in bytes
 * @pos:       its position
 * @seals:     F_SEAL_*
 * @flags:     MEMFD_V4_*, or HUGETLB_V1_*
 * @uid:       its owner, where it @has_owner
 * @gid:       its group, likewise
 * @mode:      its permissions, likewise
 * @has_owner: the format tells of owner, group, permissions
 * @name:      its name, "memfd:...", which is good as long as the file is, or the lock held
 */
struct memfd_luo_meta {
	u64 size;
	u64 pos;
	u32 seals;
	u32 flags;
	u32 uid;
	u32 gid;
	u32 mode;
	bool has_owner;
	const char *name;
};

/**
 * struct memfd_luo_out - a file that is preserved
 * @lock:     protects the rest while pages come in: invalidate_lock is only
 *            shared by those who put them there
 * @format:   the format that it is handed over in
 * @v2:       what is handed over in memfd-v2,
 * @entries:  its folios, in memory from vmalloc() that is preserved too,
 * @orders:   the order of each,
 * @capacity: and how many there is room for
 * @v3:       what is handed over in memfd-v3,
 * @last:     its last page of extents, NULL when there is none,
 * @is_open:  and whether KHO was not told of the last extent yet
 * @tmpfs:    the tmpfs that the file is handed over with,
 * @inode:    what is handed over of it there,
 * @index:    its number,
 * @growing:  and the extent that grows while the file is walked through; it has
 *            no pages when there is none
 * @walker:   the task that is preserving what the file has, which holds
 *            invalidate_lock
 * @rcu:      for looking at @walker without a lock
 */
struct memfd_luo_out {
	struct mutex lock;	/* see above */
	const struct memfd_luo_format *format;
	union {
		struct {
			struct memfd_luo_ser *v2;
			struct memfd_luo_folio_ser *entries;
			u8 *orders;
			u64 capacity;
		};
		struct {
			struct memfd_v3_ser *v3;
			struct memfd_v3_page *last;
			bool is_open;
		};
		struct {
			struct tmpfs_luo_out *tmpfs;
			struct tmpfs_v1_inode *inode;
			u32 index;
			struct luo_extent growing;
		};
	};
	struct task_struct *walker;
	struct rcu_head rcu;
};

/**
 * struct memfd_luo_visitor - callbacks for what a file was handed over as
 * @page:   Optional. Pages that list extents, and nobody else's, before they are
 *          looked at
 * @extent: Optional. An extent, which the callback may not rely on to be valid
 * @done:   Optional. The same pages, when they are not looked at any more
 * @arg:    the callbacks' own
 *
 * The first error that one of them returns ends the walk.
 */
struct memfd_luo_visitor {
	int (*page)(void *arg, u64 phys, unsigned int order);
	int (*extent)(void *arg, const struct luo_extent *extent);
	int (*done)(void *arg, u64 phys, unsigned int order);
	void *arg;
};

/**
 * struct memfd_luo_format - a format that a file is handed over in
 * @alloc:      begin with a file that has nothing yet
 * @reserve:    as many folios are about to be added; may be NULL
 * @add:        add an extent, and have it preserved: all or nothing
 * @close:      all that the file had was added; may be NULL
 * @save:       save what can change until the machine reboots
 * @each:       call a function for all extents, in the order they were added in,
 *              until it returns an error, which is returned
 * @preserve:   have KHO know of all extents; cannot fail where it did before
 * @unpreserve: have KHO know of none of them
 * @free:       free what tells of the file
 * @phys:       the physical address that is handed over
 * @load:       read what a file was handed over as, but for its extents
 * @walk:       visit its pages and extents; after @load succeeded, under the same
 *              memfd_luo_in_lock
 * @hold:       preserve what @load reads; may be NULL where @walk tells of all
 * @unhold:     undo @hold
 * @drop:       give up what @load reads; may be NULL likewise
 * @magic:      what it begins with, if anything
 * @flags:      those of &struct memfd_luo_meta that it can tell
 * @has_owner:  it tells of owner, group, permissions and name
 */
struct memfd_luo_format {
	int (*alloc)(struct memfd_luo_out *out);
	int (*reserve)(struct memfd_luo_out *out, u64 nr);
	int (*add)(struct memfd_luo_out *out, const struct luo_extent *extent);
	int (*close)(struct memfd_luo_out *out);
	int (*save)(struct memfd_luo_out *out, const struct memfd_luo_meta *meta);
	int (*each)(struct memfd_luo_out *out,
		    int (*fn)(void *arg, const struct luo_extent *extent), void *arg);
	int (*preserve)(struct memfd_luo_out *out);
	void (*unpreserve)(struct memfd_luo_out *out);
	void (*free)(struct memfd_luo_out *out);
	u64 (*phys)(struct memfd_luo_out *out);
	int (*load)(const struct memfd_luo_format *format, u64 data,
		    struct memfd_luo_meta *meta);
	int (*walk)(u64 data, const struct memfd_luo_visitor *visitor);
	int (*hold)(u64 data);
	void (*unhold)(u64 data);
	void (*drop)(u64 data);
	u32 magic;
	u32 flags;
	bool has_owner;
};

extern const struct memfd_luo_format memfd_luo_v2;
extern const struct memfd_luo_format memfd_luo_v3;
extern const struct memfd_luo_format memfd_luo_v4;
extern const struct memfd_luo_format hugetlb_luo_v1;

/**
 * struct memfd_luo_pass - what a walk has done
 * @inode:      the new file that the pages become pending of; or NULL
 * @file_pages: its size, in pages
 * @nr_pages:   number of pages in the extents
 * @nr_extents: number of extents
 * @nr_lists:   number of pieces of memory that list them
 * @claimed:    what does not count as memory yet
 */
struct memfd_luo_pass {
	struct inode *inode;
	u64 file_pages;
	u64 nr_pages;
	u64 nr_extents;
	u64 nr_lists;
	struct luo_claimed claimed;
};

/* memfd_luo_meta.c */
int memfd_luo_get_meta(struct file *file, u32 flags, const struct memfd_luo_format *format,
		       struct memfd_luo_meta *meta);
int memfd_luo_set_meta(struct file *file, const struct memfd_luo_meta *meta);

/* memfd_luo_out.c */
bool memfd_luo_is_noswap(struct inode *inode);
struct memfd_luo_out *memfd_luo_out_alloc(const struct memfd_luo_format *format);
void memfd_luo_out_free(struct memfd_luo_out *out);
void memfd_luo_out_drop(struct memfd_luo_out *out);
int memfd_luo_lock(struct inode *inode);
void memfd_luo_unlock(struct inode *inode);
int memfd_luo_preserve_pages(struct memfd_luo_out *out, struct inode *inode);
void memfd_luo_unpreserve_pages(struct inode *inode);
int memfd_luo_check_extent(void *arg, const struct luo_extent *extent);
bool memfd_luo_may_be_bad(void);
int memfd_luo_check_pages(struct memfd_luo_out *out, struct address_space *mapping);
int memfd_luo_freeze_pages(struct memfd_luo_out *out, struct address_space *mapping);
void memfd_luo_unfreeze_pages(void);
int memfd_luo_add_extent(struct memfd_luo_out *out, const struct luo_extent *extent);
int memfd_luo_begin_put(struct address_space *mapping, struct memfd_luo_out **outp);
int memfd_luo_begin_add(struct inode *inode, gfp_t *gfp);
int memfd_luo_end_add(struct inode *inode, struct folio *folio);

/* memfd_luo_in.c */
extern struct mutex memfd_luo_in_lock;
int memfd_luo_claim(const struct memfd_luo_format *format, u64 data, u64 size,
		    struct memfd_luo_pass *pass);
void memfd_luo_unclaim(const struct memfd_luo_format *format, u64 data,
		       struct memfd_luo_pass *pass);
void memfd_luo_drop(const struct memfd_luo_format *format, u64 data, bool all);
int memfd_luo_hold(const struct memfd_luo_format *format, u64 data);
void memfd_luo_unhold(const struct memfd_luo_format *format, u64 data);

/* memfd_luo_pending.c */
unsigned int memfd_luo_background_delay(void);
int memfd_luo_begin_in(struct inode *inode);
int memfd_luo_pend(struct inode *inode, const struct luo_extent *extent);
void memfd_luo_unpend_all(struct inode *inode);
int memfd_luo_account_in(struct inode *inode, u64 nr_pages);
void memfd_luo_unaccount_in(struct inode *inode, u64 nr_pages);
void memfd_luo_start_in(struct inode *inode, u64 nr_pages);
int memfd_luo_finish_in(struct inode *inode, u64 nr_pages);
bool memfd_luo_pending_extent(void *entry, pgoff_t base, unsigned int order,
			      struct luo_extent *extent);
int memfd_luo_lock_in(struct inode *inode);
void memfd_luo_hold_in(struct inode *inode);
void memfd_luo_unlock_in(struct inode *inode);

int memfd_luo_get_pending(struct inode *inode, pgoff_t index, struct folio **foliop,
			  bool nowait, gfp_t gfp);
int memfd_luo_wait_pending(struct inode *inode);
void memfd_luo_put_pending(struct inode *inode, softleaf_t entry, unsigned long nr);
void memfd_luo_split_pending(struct inode *inode, pgoff_t start, pgoff_t end);
void memfd_luo_evict(struct inode *inode);

#endif /* _MM_MEMFD_LUO_H */
