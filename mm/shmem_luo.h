/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Between shmem and what preserves its files over a live update.
 *
 * While live update is off, shmem pays for branches that are not taken. The key
 * is switched once, at boot.
 */
#ifndef _MM_SHMEM_LUO_H
#define _MM_SHMEM_LUO_H

#include <linux/gfp_types.h>
#include <linux/jump_label.h>
#include <linux/swap.h> /* 7.2: leafops.h needs it */
#include <linux/leafops.h>
#include <linux/shmem_fs.h>
#include <linux/types.h>
#include <linux/uidgid_types.h>

struct dentry;
struct folio;
struct inode;
struct qstr;
struct super_block;

/**
 * struct shmem_luo_ops - what shmem asks for
 * @begin_add:     a page is about to be put into a hole. Sleeps while the machine
 *                 reboots. @gfp is adjusted for a page that cannot be moved later.
 *                 Returns 0, to be followed by @end_add; or -EINTR. No folio of
 *                 the file may be locked.
 * @end_add:       the page was put there, locked; or @folio is NULL as there was
 *                 none to be had. Returns 0, or a negative errno when the page
 *                 cannot be preserved and must not stay; -EAGAIN: not this page.
 * @get_pending:   bring the page at @index, for which the page cache has a pending
 *                 entry. Returns 0, and the folio locked and with a reference;
 *                 -EEXIST when the entry is gone; -ENOMEM; -EINTR; or with @nowait,
 *                 from those who have folios locked, -EAGAIN.
 * @wait_pending:  wait until @get_pending can be tried again that had to wait. Returns
 *                 0, or -EINTR.
 * @put_pending:   @nr pages of @entry, which was removed from the page cache, are
 *                 freed
 * @split_pending: have no pending entry reach over the borders of a range, [start,
 *                 end), which is about to be truncated, and have the pages beside it
 * @evict:         the file is going away, truncated to nothing
 */
struct shmem_luo_ops {
	int (*begin_add)(struct inode *inode, gfp_t *gfp);
	int (*end_add)(struct inode *inode, struct folio *folio);
	int (*get_pending)(struct inode *inode, pgoff_t index, struct folio **foliop,
			   bool nowait, gfp_t gfp);
	int (*wait_pending)(struct inode *inode);
	void (*put_pending)(struct inode *inode, softleaf_t entry, unsigned long nr);
	void (*split_pending)(struct inode *inode, pgoff_t start, pgoff_t end);
	void (*evict)(struct inode *inode);
};

#ifdef CONFIG_LIVEUPDATE_MEMFD

DECLARE_STATIC_KEY_FALSE(shmem_luo_key);
extern const struct shmem_luo_ops *shmem_luo_ops;

static inline bool shmem_luo_is_on(void)
{
	return static_branch_unlikely(&shmem_luo_key);
}

/* The file is preserved: each of its pages stays where it is. */
static inline bool shmem_luo_is_preserved(struct inode *inode)
{
	return shmem_luo_is_on() && READ_ONCE(SHMEM_I(inode)->luo_out);
}

/* The file may have pending pages. */
static inline bool shmem_luo_is_retrieved(struct inode *inode)
{
	return shmem_luo_is_on() && READ_ONCE(SHMEM_I(inode)->luo_in);
}

/*
 * The tmpfs is preserved: names, sizes and metadata stay as they are. Called by each
 * operation that changes one of these, under the lock of an inode that the walk
 * through the tree takes after it has set the flag.
 */
static inline bool shmem_luo_is_fixed(const struct super_block *sb)
{
#ifdef CONFIG_LIVEUPDATE_TMPFS
	const struct shmem_sb_info *sbinfo = sb->s_fs_info;

	return shmem_luo_is_on() && READ_ONCE(sbinfo->luo_fixed);
#else
	return false;
#endif
}

#else

#define shmem_luo_ops	((const struct shmem_luo_ops *)NULL)

static inline bool shmem_luo_is_on(void)
{
	return false;
}

static inline bool shmem_luo_is_preserved(struct inode *inode)
{
	return false;
}

static inline bool shmem_luo_is_retrieved(struct inode *inode)
{
	return false;
}

static inline bool shmem_luo_is_fixed(const struct super_block *sb)
{
	return false;
}

#endif

/* In mm/shmem.c, for a tree that is made of what was handed over */
struct inode *shmem_luo_new_inode(struct super_block *sb, umode_t mode, dev_t rdev, kuid_t uid,
				  kgid_t gid);
int shmem_luo_link(struct dentry *parent, const struct qstr *name, struct inode *inode,
		   bool is_new);
int shmem_luo_set_target(struct inode *inode, const char *target);
int shmem_luo_set_xattr(struct inode *inode, const char *name, const void *value, size_t size);
int shmem_luo_set_flags(struct inode *inode, u32 flags);

/*
 * A pending entry is a marker, like the poisoned ones that shmem has in the page
 * cache, that has none of the markers' bits. See mm/memfd_luo_pending.c.
 */
#define SHMEM_PENDING_BIT	BIT(3)
static_assert(!(SHMEM_PENDING_BIT & PTE_MARKER_MASK));

static inline bool shmem_is_pending(softleaf_t entry)
{
	return shmem_luo_is_on() && softleaf_is_marker(entry) &&
	       swp_offset(entry) & SHMEM_PENDING_BIT;
}

#endif /* _MM_SHMEM_LUO_H */
