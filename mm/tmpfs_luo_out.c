// SPDX-License-Identifier: GPL-2.0
/*
 * A tmpfs that is preserved.
 *
 * First it is fixed: operations that change names, sizes or metadata fail from then on.
 * Each of them looks for that under the lock of an inode, so one that did not see it has
 * finished when the walk through the tree has got that lock. The walk comes to
 * the inodes in the order in which they are numbered, so that it needs no recursion, and
 * holds the lock of one at a time.
 *
 * Nothing is allocated once the reboot is under way: what can change until then, times
 * and the number of pages, is written to where it has a place already.
 */

#include <linux/cleanup.h>
#include <linux/dcache.h>
#include <linux/delayed_call.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/kdev_t.h>
#include <linux/kexec_handover.h>
#include <linux/maple_tree.h>
#include <linux/mnt_namespace.h>
#include <linux/mount.h>
#include <linux/mutex.h>
#include <linux/pagemap.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <linux/quota.h>
#include <linux/quotaops.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uidgid.h>
#include <linux/unicode.h>
#include <linux/xattr.h>

#include "memfd_luo.h"
#include "shmem_luo.h"
#include "tmpfs_luo.h"

/**
 * struct tmpfs_luo_node - an inode of a tmpfs that is preserved
 * @list:   in the list of all, in the order of their numbers
 * @dentry: the first name of it that was found, which has it pinned
 * @ser:    what is handed over of it
 * @out:    its pages; NULL when it has none
 * @index:  its number
 * @links:  how many names of it were found
 */
struct tmpfs_luo_node {
	struct list_head list;
	struct dentry *dentry;
	struct tmpfs_v1_inode *ser;
	struct memfd_luo_out *out;
	u32 index;
	u32 links;
};

/**
 * struct tmpfs_luo_out - a tmpfs that is preserved
 * @ser:     what is handed over
 * @sb:      the tmpfs
 * @nodes:   its inodes
 * @links:   those of them that may have several names, by address
 * @quotas:  what is handed over of quotas
 * @inodes:  what is handed over of inodes
 * @bytes:   what is handed over that has no fixed size
 * @lock:    protects @extents, and in @ser and the inodes how many pages there are
 * @extents: what is handed over of pages
 */
struct tmpfs_luo_out {
	struct tmpfs_v1_ser *ser;
	struct super_block *sb;
	struct list_head nodes;
	struct xarray links;
	struct tmpfs_luo_chain quotas;
	struct tmpfs_luo_chain inodes;
	struct tmpfs_luo_chain bytes;
	struct mutex lock;	/* see above */
	struct tmpfs_luo_chain extents;
};

static struct inode *node_inode(const struct tmpfs_luo_node *node)
{
	return d_inode(node->dentry);
}

/* The pages of a file, of which memfd_luo_out.c tells */

static int add_extent(struct memfd_luo_out *out, const struct luo_extent *extent)
{
	struct tmpfs_luo_out *tmpfs = out->tmpfs;
	struct tmpfs_v1_extent *record;
	int err;

	err = luo_extent_preserve(extent);
	if (err)
		return err;
	guard(mutex)(&tmpfs->lock);
	record = tmpfs_luo_push(&tmpfs->extents, sizeof(*record));
	if (!record) {
		luo_extent_unpreserve(extent);
		return -ENOMEM;
	}
	*record = (struct tmpfs_v1_extent) {
		.index = extent->index,
		.pfn = extent->pfn,
		.order = extent->order,
		.nr = extent->nr,
		.inode = out->index,
	};
	tmpfs->ser->extents = tmpfs_luo_chain_phys(&tmpfs->extents);
	tmpfs->ser->nr_extents++;
	tmpfs->ser->nr_pages += extent->nr;
	out->inode->nr_pages += extent->nr;
	return 0;
}

static int file_close(struct memfd_luo_out *out)
{
	const struct luo_extent extent = out->growing;

	out->growing.nr = 0;
	return extent.nr ? add_extent(out, &extent) : 0;
}

/* While the file is walked through, all of an extent is added at once. */
static int file_add(struct memfd_luo_out *out, const struct luo_extent *folios)
{
	struct luo_extent extent = *folios;
	int err;

	extent.chunk = TMPFS_V1_CHUNK_ORDER;
	if (!out->walker)
		return add_extent(out, &extent);
	if (out->growing.nr && luo_extent_follows(&out->growing, &extent)) {
		out->growing.nr += extent.nr;
		return 0;
	}
	err = file_close(out);
	if (!err)
		out->growing = extent;
	return err;
}

static int file_alloc(struct memfd_luo_out *out)
{
	return 0;
}

static void file_free(struct memfd_luo_out *out)
{
}

/* The tmpfs looks at all extents at once: see tmpfs_luo_check_tree(). */
static int file_each(struct memfd_luo_out *out,
		     int (*fn)(void *arg, const struct luo_extent *extent), void *arg)
{
	return 0;
}

static const struct memfd_luo_format file_format = {
	.alloc = file_alloc,
	.add = file_add,
	.close = file_close,
	.each = file_each,
	.free = file_free,
};

static int preserve_pages(struct tmpfs_luo_out *tmpfs, struct tmpfs_luo_node *node)
{
	struct memfd_luo_out *out = memfd_luo_out_alloc(&file_format);
	int err;

	if (IS_ERR(out))
		return PTR_ERR(out);
	out->tmpfs = tmpfs;
	out->inode = node->ser;
	out->index = node->index;
	err = memfd_luo_preserve_pages(out, node_inode(node));
	if (err) {
		memfd_luo_out_drop(out);
		return err;
	}
	node->out = out;
	return 0;
}

/* What an inode is besides its pages */

static struct tmpfs_v1_time time_of(struct timespec64 time)
{
	return (struct tmpfs_v1_time) { .sec = time.tv_sec, .nsec = time.tv_nsec };
}

static void save_times(struct tmpfs_luo_node *node)
{
	struct inode *inode = node_inode(node);

	node->ser->atime = time_of(inode_get_atime(inode));
	node->ser->mtime = time_of(inode_get_mtime(inode));
	node->ser->ctime = time_of(inode_get_ctime(inode));
	node->ser->btime = time_of(SHMEM_I(inode)->i_crtime);
}

static int save_bytes(struct tmpfs_luo_out *out, const void *data, size_t size)
{
	out->ser->nr_bytes += size;
	return tmpfs_luo_write(&out->bytes, data, size);
}

static int save_xattr(struct tmpfs_luo_out *out, struct tmpfs_luo_node *node, const char *name,
		      const void *value, size_t size)
{
	const struct tmpfs_v1_xattr ser = { .size = size, .name_len = strlen(name) };

	node->ser->nr_xattrs++;
	return save_bytes(out, &ser, sizeof(ser)) ?: save_bytes(out, name, ser.name_len) ?:
	       save_bytes(out, value, size);
}

static int save_acl(struct tmpfs_luo_out *out, struct tmpfs_luo_node *node, int type)
{
	struct posix_acl *acl = get_cached_acl(node_inode(node), type);
	size_t size;
	void *value;
	int err;

	if (!acl || is_uncached_acl(acl))
		return 0;
	value = posix_acl_to_xattr(&init_user_ns, acl, &size, GFP_KHO);
	posix_acl_release(acl);
	if (!value)
		return -ENOMEM;
	err = save_xattr(out, node, posix_acl_xattr_name(type), value, size);
	kfree(value);
	return err;
}

static int save_xattrs(struct tmpfs_luo_out *out, struct tmpfs_luo_node *node)
{
	struct simple_xattr *xattr;
	int err;

	list_for_each_entry(xattr, &SHMEM_I(node_inode(node))->xattrs, node) {
		err = save_xattr(out, node, xattr->name, xattr->value, xattr->size);
		if (err)
			return err;
	}
	return save_acl(out, node, ACL_TYPE_ACCESS) ?: save_acl(out, node, ACL_TYPE_DEFAULT);
}

static int save_target(struct tmpfs_luo_out *out, struct tmpfs_luo_node *node)
{
	struct inode *inode = node_inode(node);
	DEFINE_DELAYED_CALL(done);
	const char *target;
	int err;

	target = inode->i_link ?: inode->i_op->get_link(node->dentry, inode, &done);
	if (IS_ERR(target))
		return PTR_ERR(target);
	node->ser->size = strlen(target);
	err = save_bytes(out, target, node->ser->size);
	do_delayed_call(&done);
	return err;
}

/* Number an inode, of which a name was found. */
static struct tmpfs_luo_node *add_node(struct tmpfs_luo_out *out, struct dentry *dentry)
{
	struct tmpfs_luo_node *node = kzalloc_obj(*node, GFP_KHO);

	if (!node)
		return ERR_PTR(-ENOMEM);
	if (out->ser->nr_inodes == TMPFS_V1_MAX_INODES) {
		kfree(node);
		return ERR_PTR(-ENOSPC);
	}
	node->ser = tmpfs_luo_push(&out->inodes, sizeof(*node->ser));
	if (!node->ser) {
		kfree(node);
		return ERR_PTR(-ENOMEM);
	}
	node->dentry = dentry;
	node->index = out->ser->nr_inodes++;
	list_add_tail(&node->list, &out->nodes);
	return node;
}

/* A directory has one name only. */
static bool may_have_links(struct inode *inode)
{
	return !S_ISDIR(inode->i_mode) && READ_ONCE(inode->i_nlink) > 1;
}

/* Where an inode is in @links. As a number, as an address is not one that xarrays are for. */
static unsigned long link_key(struct inode *inode)
{
	return (unsigned long)inode / sizeof(long);
}

static struct tmpfs_luo_node *find_or_add_node(struct tmpfs_luo_out *out, struct dentry *dentry)
{
	struct inode *inode = d_inode(dentry);
	bool has_links = may_have_links(inode);
	struct tmpfs_luo_node *node;
	int err;

	node = has_links ? xa_load(&out->links, link_key(inode)) : NULL;
	if (!node)
		node = add_node(out, dentry);
	else
		has_links = false;
	if (IS_ERR(node))
		return node;
	if (has_links) {
		err = xa_err(xa_store(&out->links, link_key(inode), node, GFP_KHO));
		if (err)
			return ERR_PTR(err);
	}
	node->links++;
	return node;
}

static int save_entry(struct tmpfs_luo_out *out, struct dentry *dentry)
{
	struct tmpfs_luo_node *node = find_or_add_node(out, dentry);
	struct tmpfs_v1_dirent ser;

	if (IS_ERR(node))
		return PTR_ERR(node);
	ser.inode = node->index;
	ser.name_len = dentry->d_name.len;
	return save_bytes(out, &ser, sizeof(ser)) ?:
	       save_bytes(out, dentry->d_name.name, ser.name_len);
}

static int save_entries(struct tmpfs_luo_out *out, struct tmpfs_luo_node *node)
{
	struct maple_tree *entries = &SHMEM_I(node_inode(node))->dir_offsets.mt;
	unsigned long offset = 0;
	struct dentry *dentry;
	int err;

	mt_for_each(entries, dentry, offset, ULONG_MAX) {
		if (fatal_signal_pending(current))
			return -EINTR;
		err = save_entry(out, dentry);
		if (err)
			return err;
		node->ser->size++;
		cond_resched();
	}
	return 0;
}

static int save_file(struct tmpfs_luo_out *out, struct tmpfs_luo_node *node)
{
	struct inode *inode = node_inode(node);

	/* It was preserved by itself, before it had a name. */
	if (SHMEM_I(inode)->luo_out)
		return -EBUSY;
	if (SHMEM_I(inode)->seals != F_SEAL_SEAL)
		return -EOPNOTSUPP;
	node->ser->size = i_size_read(inode);
	return node->ser->size ? preserve_pages(out, node) : 0;
}

static int save_inode(struct tmpfs_luo_out *out, struct tmpfs_luo_node *node)
{
	struct inode *inode = node_inode(node);
	struct tmpfs_v1_inode *ser = node->ser;
	int err;

	if (SHMEM_I(inode)->fsflags & ~SHMEM_FL_USER_MODIFIABLE)
		return -EOPNOTSUPP;
	ser->mode = inode->i_mode;
	ser->nlink = inode->i_nlink;
	ser->uid = from_kuid(&init_user_ns, inode->i_uid);
	ser->gid = from_kgid(&init_user_ns, inode->i_gid);
	ser->ino = inode->i_ino;
	ser->flags = SHMEM_I(inode)->fsflags;
	if (S_ISCHR(inode->i_mode) || S_ISBLK(inode->i_mode))
		ser->rdev = huge_encode_dev(inode->i_rdev);
	save_times(node);

	err = S_ISLNK(inode->i_mode) ? save_target(out, node) : 0;
	if (!err)
		err = save_xattrs(out, node);
	if (!err && S_ISDIR(inode->i_mode))
		err = save_entries(out, node);
	if (!err && S_ISREG(inode->i_mode))
		err = save_file(out, node);
	return err;
}

static int save_locked_inode(struct tmpfs_luo_out *out, struct tmpfs_luo_node *node)
{
	struct inode *inode = node_inode(node);
	int err;

	if (S_ISREG(inode->i_mode)) {
		err = memfd_luo_lock(inode);
		if (err)
			return err;
		err = save_inode(out, node);
		memfd_luo_unlock(inode);
		return err;
	}
	err = inode_lock_killable(inode);
	if (err)
		return err;
	err = save_inode(out, node);
	inode_unlock(inode);
	return err;
}

/*
 * An inode got a second name while its first was found, or lost one, by an operation that
 * had begun before the tmpfs was fixed.
 */
static bool links_changed(struct tmpfs_luo_out *out)
{
	struct tmpfs_luo_node *node;

	list_for_each_entry(node, &out->nodes, list) {
		if (!S_ISDIR(node_inode(node)->i_mode) && node->links != node->ser->nlink)
			return true;
	}
	return false;
}

static int save_tree(struct tmpfs_luo_out *out)
{
	struct tmpfs_luo_node *node = add_node(out, out->sb->s_root);
	int err;

	if (IS_ERR(node))
		return PTR_ERR(node);
	/* The list grows meanwhile. */
	list_for_each_entry(node, &out->nodes, list) {
		if (fatal_signal_pending(current))
			return -EINTR;
		err = save_locked_inode(out, node);
		if (err)
			return err;
		cond_resched();
	}
	return links_changed(out) ? -EBUSY : 0;
}

/* What a tmpfs is besides its tree. Called with s_umount held. */

static int save_source(struct tmpfs_v1_ser *ser, struct file *file)
{
	const char *source = mnt_source(file->f_path.mnt);

	return strscpy(ser->source, source ?: "none") < 0 ? -EOPNOTSUPP : 0;
}

static int save_quota(struct tmpfs_luo_out *out, u32 type, u32 id, const struct qc_dqblk *dqblk)
{
	struct tmpfs_v1_quota *quota = tmpfs_luo_push(&out->quotas, sizeof(*quota));

	if (!quota)
		return -ENOMEM;
	*quota = (struct tmpfs_v1_quota) {
		.type = type,
		.id = id,
		.limits = {
			.space = dqblk->d_spc_hardlimit,
			.inodes = dqblk->d_ino_hardlimit,
			.soft_space = dqblk->d_spc_softlimit,
			.soft_inodes = dqblk->d_ino_softlimit,
		},
	};
	out->ser->nr_quotas++;
	return 0;
}

static int save_quotas_of(struct tmpfs_luo_out *out, int type)
{
	struct super_block *sb = out->sb;
	struct qc_dqblk dqblk = {};
	struct kqid qid;
	qid_t id = 0;
	int err;

	if (!sb_has_quota_active(sb, type))
		return 0;
	do {
		qid = make_kqid(&init_user_ns, type, id);
		err = sb->s_qcop->get_nextdqblk(sb, &qid, &dqblk);
		if (err)
			break;
		id = from_kqid(&init_user_ns, qid);
		err = save_quota(out, type, id, &dqblk);
	} while (!err && ++id);
	return err == -ENOENT ? 0 : err;
}

static int save_quotas(struct tmpfs_luo_out *out)
{
	struct shmem_sb_info *sbinfo = out->sb->s_fs_info;
	const struct shmem_quota_limits *limits = &sbinfo->qlimits;
	struct tmpfs_v1_ser *ser = out->ser;

	ser->flags |= (sb_has_quota_active(out->sb, USRQUOTA) ? TMPFS_V1_USRQUOTA : 0) |
		      (sb_has_quota_active(out->sb, GRPQUOTA) ? TMPFS_V1_GRPQUOTA : 0);
	ser->defaults[USRQUOTA].space = limits->usrquota_bhardlimit;
	ser->defaults[USRQUOTA].inodes = limits->usrquota_ihardlimit;
	ser->defaults[GRPQUOTA].space = limits->grpquota_bhardlimit;
	ser->defaults[GRPQUOTA].inodes = limits->grpquota_ihardlimit;
	return save_quotas_of(out, USRQUOTA) ?: save_quotas_of(out, GRPQUOTA);
}

static void save_encoding(struct tmpfs_luo_out *out)
{
#if IS_ENABLED(CONFIG_UNICODE)
	if (!sb_has_encoding(out->sb))
		return;
	out->ser->casefold = out->sb->s_encoding->version;
	if (sb_has_strict_encoding(out->sb))
		out->ser->flags |= TMPFS_V1_STRICT_ENCODING;
#endif
}

static int save_options(struct tmpfs_luo_out *out, struct file *file)
{
	struct shmem_sb_info *sbinfo = out->sb->s_fs_info;
	struct tmpfs_v1_ser *ser = out->ser;

	if (sbinfo->mpol || is_idmapped_mnt(file->f_path.mnt))
		return -EOPNOTSUPP;
	ser->max_blocks = sbinfo->max_blocks;
	ser->max_inodes = sbinfo->max_inodes;
	ser->next_ino = sbinfo->next_ino;
	ser->mode = sbinfo->mode;
	ser->uid = from_kuid(&init_user_ns, sbinfo->uid);
	ser->gid = from_kgid(&init_user_ns, sbinfo->gid);
	ser->huge = sbinfo->huge;
	ser->flags = (sbinfo->noswap ? TMPFS_V1_NOSWAP : 0) |
		     (sbinfo->full_inums ? TMPFS_V1_INODE64 : 0) |
		     (sb_rdonly(out->sb) ? TMPFS_V1_RDONLY : 0);
	ser->mount_attrs = tmpfs_luo_to_attrs(READ_ONCE(file->f_path.mnt->mnt_flags));
	save_encoding(out);
	return save_source(ser, file) ?: save_quotas(out);
}

/* Have names, sizes and metadata stay as they are. */
static int fix(struct tmpfs_luo_out *out, struct file *file)
{
	struct shmem_sb_info *sbinfo = out->sb->s_fs_info;
	int err;

	err = down_write_killable(&out->sb->s_umount);
	if (err)
		return err;
	err = save_options(out, file);
	if (!err)
		WRITE_ONCE(sbinfo->luo_fixed, true);
	up_write(&out->sb->s_umount);
	return err;
}

static void unfix(struct tmpfs_luo_out *out)
{
	struct shmem_sb_info *sbinfo = out->sb->s_fs_info;

	WRITE_ONCE(sbinfo->luo_fixed, false);
}

static int unpreserve_extent(void *arg, const struct luo_extent *extent, u32 inode)
{
	luo_extent_unpreserve(extent);
	return 0;
}

/* No page is put into a file any more when its extents are looked at. */
static void drop_pages(struct tmpfs_luo_out *out)
{
	struct tmpfs_luo_node *node;

	list_for_each_entry(node, &out->nodes, list) {
		if (!node->out)
			continue;
		memfd_luo_unpreserve_pages(node_inode(node));
		memfd_luo_out_drop(node->out);
		cond_resched();
	}
	tmpfs_luo_each_extent(tmpfs_luo_chain_phys(&out->extents), unpreserve_extent, NULL);
}

static void out_free(struct tmpfs_luo_out *out)
{
	struct tmpfs_luo_node *node, *next;

	list_for_each_entry_safe(node, next, &out->nodes, list)
		kfree(node);
	xa_destroy(&out->links);
	tmpfs_luo_chain_free(&out->quotas);
	tmpfs_luo_chain_free(&out->inodes);
	tmpfs_luo_chain_free(&out->bytes);
	tmpfs_luo_chain_free(&out->extents);
	kho_unpreserve_free(out->ser);
	mutex_destroy(&out->lock);
	kfree(out);
}

static struct tmpfs_luo_out *out_alloc(struct super_block *sb)
{
	struct tmpfs_luo_out *out = kzalloc_obj(*out, GFP_KHO);

	if (!out)
		return ERR_PTR(-ENOMEM);
	out->ser = kho_alloc_preserve(PAGE_SIZE);
	if (IS_ERR(out->ser)) {
		int err = PTR_ERR(out->ser);

		kfree(out);
		return ERR_PTR(err);
	}
	out->ser->magic = TMPFS_V1_MAGIC;
	out->sb = sb;
	INIT_LIST_HEAD(&out->nodes);
	xa_init(&out->links);
	mutex_init(&out->lock);
	return out;
}

/**
 * tmpfs_luo_preserve_tree() - have a tmpfs handed over, which stays in use
 * @file: its root
 *
 * Context: process context.
 * Return: what the other functions are told; or, and the tmpfs is as before, an ERR_PTR():
 * * -EBUSY: a file of it is preserved already; an operation that had begun before got in
 *   the way; or what memfd_luo_preserve_pages() says
 * * -EHWPOISON: memory of a file has failed
 * * -EINTR: the caller is being killed
 * * -ENOMEM
 * * -ENOSPC: it has more inodes than can be numbered
 * * -EOPNOTSUPP: it has what cannot be told of
 */
struct tmpfs_luo_out *tmpfs_luo_preserve_tree(struct file *file)
{
	struct tmpfs_luo_out *out = out_alloc(file_inode(file)->i_sb);
	int err;

	if (IS_ERR(out))
		return out;
	err = fix(out, file);
	if (!err) {
		err = save_tree(out);
		if (err) {
			drop_pages(out);
			unfix(out);
		}
	}
	if (err) {
		out_free(out);
		return ERR_PTR(err);
	}
	out->ser->quotas = tmpfs_luo_chain_phys(&out->quotas);
	out->ser->inodes = tmpfs_luo_chain_phys(&out->inodes);
	out->ser->bytes = tmpfs_luo_chain_phys(&out->bytes);
	/* It was needed to find names alone. */
	xa_destroy(&out->links);
	return out;
}

/**
 * tmpfs_luo_unpreserve_tree() - undo tmpfs_luo_preserve_tree()
 * @out: the tmpfs
 *
 * Context: process context.
 */
void tmpfs_luo_unpreserve_tree(struct tmpfs_luo_out *out)
{
	drop_pages(out);
	unfix(out);
	out_free(out);
}

/**
 * tmpfs_luo_out_phys() - the physical address that is handed over
 * @out: the tmpfs
 *
 * Return: the address.
 */
u64 tmpfs_luo_out_phys(struct tmpfs_luo_out *out)
{
	return virt_to_phys(out->ser);
}

static int check_extent(void *arg, const struct luo_extent *extent, u32 inode)
{
	return memfd_luo_check_extent(NULL, extent);
}

/**
 * tmpfs_luo_check_tree() - would tmpfs_luo_freeze_tree() fail now?
 * @out: the tmpfs
 *
 * Context: process context.
 * Return: 0, or what that would say.
 */
int tmpfs_luo_check_tree(struct tmpfs_luo_out *out)
{
	if (!memfd_luo_may_be_bad())
		return 0;
	guard(mutex)(&out->lock);
	return tmpfs_luo_each_extent(tmpfs_luo_chain_phys(&out->extents), check_extent, NULL);
}

static void unfreeze_until(struct tmpfs_luo_out *out, struct tmpfs_luo_node *end)
{
	struct tmpfs_luo_node *node;

	list_for_each_entry(node, &out->nodes, list) {
		if (node == end)
			return;
		if (node->out)
			memfd_luo_unfreeze_pages();
	}
}

/**
 * tmpfs_luo_freeze_tree() - nothing is put into a file from now on
 * @out: the tmpfs
 *
 * Context: process context. Nothing is allocated.
 * Return: 0; -EHWPOISON or -EOPNOTSUPP as for memfds, and the tmpfs is as before.
 */
int tmpfs_luo_freeze_tree(struct tmpfs_luo_out *out)
{
	struct shmem_sb_info *sbinfo = out->sb->s_fs_info;
	struct tmpfs_luo_node *node;
	int err;

	list_for_each_entry(node, &out->nodes, list) {
		err = node->out ?
		      memfd_luo_freeze_pages(node->out, node_inode(node)->i_mapping) : 0;
		if (err) {
			unfreeze_until(out, node);
			return err;
		}
		save_times(node);
		cond_resched();
	}
	err = tmpfs_luo_check_tree(out);
	if (err)
		unfreeze_until(out, NULL);
	else
		out->ser->next_ino = READ_ONCE(sbinfo->next_ino);
	return err;
}

/**
 * tmpfs_luo_unfreeze_tree() - undo tmpfs_luo_freeze_tree()
 * @out: the tmpfs
 */
void tmpfs_luo_unfreeze_tree(struct tmpfs_luo_out *out)
{
	unfreeze_until(out, NULL);
}
