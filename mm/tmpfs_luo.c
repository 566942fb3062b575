// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: a tmpfs over a live update
 *
 * The handler for the root directory of a tmpfs, with which all of the tmpfs is preserved.
 * What is saved is of the format ``tmpfs-v1``, see include/linux/kho/abi/tmpfs_v1.h. It
 * takes some 150 bytes for an entry, besides its name, target and extended attributes, and
 * 28 for each further extent of a file.
 *
 * These come back in the next kernel:
 *
 * Entries
 *   Directories, regular files, symlinks, FIFOs, sockets, device nodes, with their names,
 *   in the order in which readdir(3) gave them. Hard links stay hard links.
 * Metadata
 *   Owner, group, mode, inode number, flags of chattr(1), extended attributes, ACLs, and
 *   times, as they are when the machine reboots.
 * Content
 *   Each page stays where it is in RAM. Holes stay holes.
 * Mount options
 *   size, nr_inodes, mode, uid, gid, huge, noswap, inode64, casefold, strict_encoding, ro, and
 *   of the mount that was preserved its source, nosuid, nodev, noexec, noatime and the like.
 * Quotas
 *   usrquota, grpquota, their limits by default, and those that each user and group had when
 *   the tmpfs was preserved. Grace periods begin anew.
 *
 * Not kept are what fallocate(2) reserved behind the end of a file, files that have no name
 * any more, memory policies of files, locks, leases, watches, what is mounted in the tmpfs,
 * where it was mounted, and its UUID.
 *
 * While it is preserved, what is in its files can be written, but for their sizes: what is
 * put into holes is preserved as it comes. All else but times stays as it is: to create,
 * remove, rename, link, truncate, extend, or change metadata gets EBUSY, and so does a
 * remount, and umount(2) without MNT_DETACH, as its root is open.
 *
 * Whoever retrieves it, which takes CAP_SYS_ADMIN, gets the root of a new mount, which is
 * mounted nowhere yet, as fsmount(2) returns it, but open for reading: move_mount(2) puts
 * it somewhere, and ``mount -c --bind /proc/self/fd/N`` a copy of it. (Without -c, mount(8)
 * reads the link, which is "/", and mounts that.) Each time it is retrieved there is another
 * mount of the one tmpfs. It takes as long as there are entries. Pages come as those of
 * memfds do.
 *
 * Refused with an errno are:
 *
 * EBUSY
 *   A tmpfs with a file that was preserved before it had a name; or which something was
 *   still changing when it was preserved.
 * EHWPOISON
 *   A file with a page whose memory has failed. When it fails later, the reboot is refused.
 * EINVAL
 *   A directory that is not the root of its tmpfs.
 * EOPNOTSUPP
 *   A tmpfs with mpol=; that is mounted with mapped ids; whose source is longer than 255
 *   bytes; on arm64, pages with tags of the Memory Tagging Extension. In the next kernel: one
 *   with quotas or casefold, where the kernel has no CONFIG_TMPFS_QUOTA or CONFIG_UNICODE.
 * EPERM
 *   Without CAP_SYS_ADMIN in the initial user namespace; or a tmpfs that was mounted in
 *   another one.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/capability.h>
#include <linux/cleanup.h>
#include <linux/dcache.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/kho/abi/tmpfs_v1.h>
#include <linux/liveupdate.h>
#include <linux/magic.h>
#include <linux/mnt_namespace.h>
#include <linux/mount.h>
#include <linux/mutex.h>
#include <linux/percpu_counter.h>
#include <linux/shmem_fs.h>
#include <linux/string.h>
#include <uapi/linux/mount.h>

#include "memfd_luo.h"
#include "tmpfs_luo.h"

static const struct {
	u32 attr;
	int flag;
} mount_flags[] = {
	{ MOUNT_ATTR_RDONLY, MNT_READONLY },
	{ MOUNT_ATTR_NOSUID, MNT_NOSUID },
	{ MOUNT_ATTR_NODEV, MNT_NODEV },
	{ MOUNT_ATTR_NOEXEC, MNT_NOEXEC },
	{ MOUNT_ATTR_NOATIME, MNT_NOATIME },
	{ MOUNT_ATTR_NODIRATIME, MNT_NODIRATIME },
	{ MOUNT_ATTR_NOSYMFOLLOW, MNT_NOSYMFOLLOW },
};

/**
 * tmpfs_luo_to_attrs() - what mount_setattr(2) calls the flags of a mount
 * @mnt_flags: MNT_*
 *
 * Return: MOUNT_ATTR_*.
 */
u32 tmpfs_luo_to_attrs(int mnt_flags)
{
	u32 attrs = 0;
	int i;

	for (i = 0; i < ARRAY_SIZE(mount_flags); i++) {
		if (mnt_flags & mount_flags[i].flag)
			attrs |= mount_flags[i].attr;
	}
	if (!(mnt_flags & (MNT_NOATIME | MNT_RELATIME)))
		attrs |= MOUNT_ATTR_STRICTATIME;
	return attrs;
}

/**
 * tmpfs_luo_from_attrs() - undo tmpfs_luo_to_attrs()
 * @attrs: MOUNT_ATTR_*, which need not make sense
 *
 * Return: MNT_*, or -EINVAL.
 */
int tmpfs_luo_from_attrs(u32 attrs)
{
	int i, flags = 0;

	for (i = 0; i < ARRAY_SIZE(mount_flags); i++) {
		if (attrs & mount_flags[i].attr)
			flags |= mount_flags[i].flag;
		attrs &= ~mount_flags[i].attr;
	}
	if (attrs & ~MOUNT_ATTR_STRICTATIME || (attrs && flags & MNT_NOATIME))
		return -EINVAL;
	return attrs || flags & MNT_NOATIME ? flags : flags | MNT_RELATIME;
}

/* The root of a tmpfs that was retrieved is the kernel's, and carried on by whoever reboots. */
static bool may_preserve(struct file *file)
{
	struct super_block *sb = file_inode(file)->i_sb;
	struct shmem_sb_info *sbinfo = sb->s_fs_info;

	return sb->s_user_ns == &init_user_ns &&
	       (READ_ONCE(sbinfo->luo_root) == file || capable(CAP_SYS_ADMIN));
}

static int tmpfs_luo_preserve(struct liveupdate_file_op_args *args)
{
	struct tmpfs_luo_out *out;

	if (!may_preserve(args->file))
		return -EPERM;
	if (args->file->f_path.dentry != file_inode(args->file)->i_sb->s_root)
		return -EINVAL;
	out = tmpfs_luo_preserve_tree(args->file);
	if (IS_ERR(out))
		return PTR_ERR(out);
	args->private_data = out;
	args->serialized_data = tmpfs_luo_out_phys(out);
	return 0;
}

static void tmpfs_luo_unpreserve(struct liveupdate_file_op_args *args)
{
	tmpfs_luo_unpreserve_tree(args->private_data);
}

static int tmpfs_luo_check(struct liveupdate_file_op_args *args)
{
	return tmpfs_luo_check_tree(args->private_data);
}

static int tmpfs_luo_freeze(struct liveupdate_file_op_args *args)
{
	return tmpfs_luo_freeze_tree(args->private_data);
}

static void tmpfs_luo_unfreeze(struct liveupdate_file_op_args *args)
{
	tmpfs_luo_unfreeze_tree(args->private_data);
}

static int tmpfs_luo_retrieve(struct liveupdate_file_op_args *args)
{
	struct file *file;
	int err;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	ACQUIRE(mutex_kill, lock)(&memfd_luo_in_lock);
	err = ACQUIRE_ERR(mutex_kill, &lock);
	if (err)
		return err;
	file = tmpfs_luo_retrieve_tree(args->serialized_data);
	if (IS_ERR(file))
		return PTR_ERR(file);
	args->file = file;
	return 0;
}

static struct file *tmpfs_luo_open(struct liveupdate_file_op_args *args)
{
	if (!capable(CAP_SYS_ADMIN))
		return ERR_PTR(-EPERM);
	return open_detached_mount(&args->file->f_path, O_RDONLY | O_DIRECTORY);
}

static int tmpfs_luo_carry(struct liveupdate_file_op_args *args,
			   struct liveupdate_file_handler *to)
{
	guard(mutex)(&memfd_luo_in_lock);
	return tmpfs_luo_carry_tree(args->serialized_data);
}

static void tmpfs_luo_uncarry(struct liveupdate_file_op_args *args)
{
	guard(mutex)(&memfd_luo_in_lock);
	tmpfs_luo_uncarry_tree(args->serialized_data);
}

static void tmpfs_luo_finish(struct liveupdate_file_op_args *args)
{
	struct shmem_sb_info *sbinfo;
	int err;

	if (args->file) {
		sbinfo = file_inode(args->file)->i_sb->s_fs_info;
		WRITE_ONCE(sbinfo->luo_root, NULL);
	}
	if (args->retrieve_status > 0)
		return;
	guard(mutex)(&memfd_luo_in_lock);
	err = tmpfs_luo_discard_tree(args->serialized_data);
	/* Nobody could be told that it failed. */
	if (err)
		pr_warn("what was saved is damaged, memory stays reserved: %pe\n", ERR_PTR(err));
}

static bool tmpfs_luo_can_preserve(struct liveupdate_file_handler *handler, struct file *file)
{
	struct inode *inode = file_inode(file);

	/* That of devtmpfs, and of the initramfs, has another name. */
	return S_ISDIR(inode->i_mode) && inode->i_sb->s_magic == TMPFS_MAGIC &&
	       !strcmp(inode->i_sb->s_type->name, "tmpfs");
}

static unsigned long tmpfs_luo_get_id(struct file *file)
{
	return (unsigned long)file_inode(file)->i_sb;
}

static int tmpfs_luo_get_size(struct liveupdate_file_op_args *args, u64 *size)
{
	int err;

	ACQUIRE(mutex_kill, lock)(&memfd_luo_in_lock);
	err = ACQUIRE_ERR(mutex_kill, &lock);
	return err ?: tmpfs_luo_tree_size(args->serialized_data, size);
}

/* Without a limit, tmpfs does not count. */
static u64 tmpfs_luo_file_size(struct file *file)
{
	struct shmem_sb_info *sbinfo = file_inode(file)->i_sb->s_fs_info;

	return percpu_counter_sum_positive(&sbinfo->used_blocks) << PAGE_SHIFT;
}

static const struct liveupdate_file_ops tmpfs_luo_ops = {
	.can_preserve = tmpfs_luo_can_preserve,
	.preserve = tmpfs_luo_preserve,
	.unpreserve = tmpfs_luo_unpreserve,
	.check = tmpfs_luo_check,
	.freeze = tmpfs_luo_freeze,
	.unfreeze = tmpfs_luo_unfreeze,
	.retrieve = tmpfs_luo_retrieve,
	.open = tmpfs_luo_open,
	.carry = tmpfs_luo_carry,
	.uncarry = tmpfs_luo_uncarry,
	.finish = tmpfs_luo_finish,
	.get_id = tmpfs_luo_get_id,
	.get_size = tmpfs_luo_get_size,
	.file_size = tmpfs_luo_file_size,
	.owner = THIS_MODULE,
};

LIVEUPDATE_FILE_HANDLER(tmpfs_luo_handler, TMPFS_V1_COMPATIBLE, &tmpfs_luo_ops);

static int __init tmpfs_luo_init(void)
{
	return liveupdate_enabled() ? liveupdate_register_file_handler(&tmpfs_luo_handler) : 0;
}
late_initcall(tmpfs_luo_init);
