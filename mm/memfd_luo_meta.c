// SPDX-License-Identifier: GPL-2.0
/*
 * What a memfd is besides its pages, of whichever size these are.
 */

#include <linux/dcache.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/kho/abi/memfd.h>
#include <linux/kho/abi/memfd_v4.h>
#include <linux/memfd.h>
#include <linux/posix_acl.h>
#include <linux/string.h>
#include <linux/uidgid.h>

#include "memfd_luo.h"

static bool has_acl(struct inode *inode)
{
	struct posix_acl *acl = get_cached_acl(inode, ACL_TYPE_ACCESS);

	if (is_uncached_acl(acl) || !acl)
		return false;
	posix_acl_release(acl);
	return true;
}

/**
 * memfd_luo_get_meta() - look at what a file is
 * @file:   the file
 * @flags:  what it is that its type alone can tell
 * @format: the format that has to tell all of it
 * @meta:   set to what it is
 *
 * Return: 0; -EOPNOTSUPP for a file that has what the format cannot tell.
 */
int memfd_luo_get_meta(struct file *file, u32 flags, const struct memfd_luo_format *format,
		       struct memfd_luo_meta *meta)
{
	const char *name = file->f_path.dentry->d_name.name;
	struct inode *inode = file_inode(file);
	int seals = memfd_get_seals(file);

	if (seals < 0)
		return seals;
	*meta = (struct memfd_luo_meta) {
		.size = i_size_read(inode),
		.pos = file->f_pos,
		.seals = seals,
		.flags = flags | (file->f_flags & O_APPEND ? MEMFD_V4_APPEND : 0),
		.uid = from_kuid(&init_user_ns, inode->i_uid),
		.gid = from_kgid(&init_user_ns, inode->i_gid),
		.mode = inode->i_mode & S_IALLUGO,
		/* Another file's name is not one that a memfd can have. */
		.name = str_has_prefix(name, "memfd:") ? name : "memfd:",
	};
	return meta->seals & ~MEMFD_LUO_ALL_SEALS || meta->flags & ~format->flags ||
	       has_acl(inode) ? -EOPNOTSUPP : 0;
}

/* Owner and mode come first: what F_SEAL_EXEC brings along depends on the mode. */
static int set_owner(struct inode *inode, const struct memfd_luo_meta *meta)
{
	kuid_t uid = make_kuid(&init_user_ns, meta->uid);
	kgid_t gid = make_kgid(&init_user_ns, meta->gid);

	if (!uid_valid(uid) || !gid_valid(gid))
		return -EINVAL;
	inode->i_uid = uid;
	inode->i_gid = gid;
	inode->i_mode = (inode->i_mode & ~S_IALLUGO) | meta->mode;
	return 0;
}

/**
 * memfd_luo_set_meta() - have a new file be what another one was
 * @file: the file, empty, which nobody else has yet
 * @meta: what it was
 *
 * Return: 0; -EINVAL; or what memfd_add_seals() says.
 */
int memfd_luo_set_meta(struct file *file, const struct memfd_luo_meta *meta)
{
	struct inode *inode = file_inode(file);
	int err = 0;

	if (meta->has_owner)
		err = set_owner(inode, meta);
	if (!err)
		err = memfd_add_seals(file, meta->seals);
	if (err)
		return err;
	if (meta->flags & MEMFD_V4_APPEND) {
		file->f_flags |= O_APPEND;
		file->f_iocb_flags = iocb_flags(file);
	}
	vfs_setpos(file, meta->pos, MAX_LFS_FILESIZE);
	i_size_write(inode, meta->size);
	return 0;
}
