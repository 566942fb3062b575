// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: memfds over a live update
 *
 * The handlers for memfds, and for tmpfs files that have no name any more. What
 * is saved is of the format ``memfd-v3``, see include/linux/kho/abi/memfd_v3.h;
 * of ``memfd-v4``, see include/linux/kho/abi/memfd_v4.h, where the file needs that;
 * or when the hand-over is in the base kernel's format, of ``memfd-v2``, see
 * include/linux/kho/abi/memfd.h. A file that is preserved when the format of the
 * hand-over changes goes over to the other. All are read.
 *
 * These come back in the next kernel:
 *
 * Content
 *   Every page that the file has stays where it is in RAM. Holes stay holes.
 * Size, position and seals
 *   As they are when the machine reboots.
 *
 * Name, owner, group and mode
 *   As well, with ``memfd-v3``. With ``memfd-v2`` the file has no name, is owned
 *   by who retrieves it, and of mode 0777 or, with F_SEAL_EXEC, 0666.
 *
 * O_APPEND, and that pages are never written to swap
 *   With ``memfd-v4``, which is written for files that have one of these.
 *
 * Refused with an errno, rather than lost, are:
 *
 * EACCES
 *   A file that is not open for reading and writing, which would come back with
 *   more rights than it had.
 * EHWPOISON
 *   A file with a page whose memory has failed. When it fails later, the reboot is
 *   refused.
 * EOPNOTSUPP
 *   Seals that are not known; a POSIX ACL, as its mask would come back as the
 *   group's permissions; O_APPEND, or no swap, with ``memfd-v2``; on arm64, pages
 *   with tags of the Memory Tagging Extension.
 *
 * Not kept are extended attributes, the memory policy, locks and leases, the flags
 * of open(2) but for O_APPEND, times, and on which mount the file was: it is a
 * memfd, open for reading and writing.
 *
 * What ``memfd-v3`` tells of a file grows with the number of its extents, which
 * are folios that follow each other in the file and in RAM: a file that is of a
 * piece takes 512 bytes, however large it is, and a file of holes nothing more.
 *
 * A file that is preserved goes on being used. Its size is fixed (truncate(2),
 * fallocate(2) and writing past its end get EPERM), its pages stay where they
 * are, and what is put into its holes is preserved as it comes. From the moment
 * that the machine reboots, who needs a new page of it sleeps.
 *
 * While it is preserved its pages are unevictable, userfaultfd may fill its holes
 * as writing does, and F_SEAL_WRITE gets EBUSY, as each page is held.
 *
 * To retrieve a file takes as long as it has extents, not pages. It is there as a
 * whole: its size, its blocks, where it has data, what it costs the control group
 * of the process that retrieved it. A page gets into the page cache when it is
 * touched first, with some that follow, and the others in the background. That
 * begins memfd_luo_pending.background_delay_ms (a kernel parameter, and a file below
 * /sys/module) after the file was retrieved, 1000 unless set. Until then they are
 * pending: they can be neither moved nor written to swap, mincore(2) says that they
 * are not there, and /proc/PID/smaps counts them as swap. Pages that KHO has as one
 * come as a large folio, if the kernel has transparent huge pages, else one by one.
 * A file can be preserved again while pages are pending, and they stay that.
 *
 * A file that nobody retrieved is carried on by the next reboot as it came: neither
 * is it made nor a page touched, and nobody is charged.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/jump_label.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/memfd.h>
#include <linux/kho/abi/memfd_v4.h>
#include <linux/liveupdate.h>
#include <linux/memfd.h>
#include <linux/mutex.h>
#include <linux/pagemap.h>
#include <linux/shmem_fs.h>
#include <uapi/linux/memfd.h>

#include "memfd_luo.h"
#include "shmem_luo.h"

static const struct memfd_luo_format *memfd_luo_format(struct liveupdate_file_handler *handler);

/* What a file is besides its pages */

static u32 memfd_luo_flags(struct file *file)
{
	u32 flags = 0;

	if (file->f_flags & O_APPEND)
		flags |= MEMFD_V4_APPEND;
	if (memfd_luo_is_noswap(file_inode(file)))
		flags |= MEMFD_V4_NOSWAP;
	return flags;
}

static int memfd_luo_save(struct memfd_luo_out *out, struct file *file)
{
	struct memfd_luo_meta meta;

	return memfd_luo_get_meta(file, memfd_luo_flags(file), out->format, &meta) ?:
	       out->format->save(out, &meta);
}

static struct file *memfd_luo_make_file(const struct memfd_luo_meta *meta)
{
	unsigned int flags = MFD_ALLOW_SEALING;
	struct inode *inode;
	struct file *file;
	int err;

	/* Else F_SEAL_EXEC would bring seals along that the file did not have. */
	if (meta->seals & F_SEAL_EXEC)
		flags |= MFD_NOEXEC_SEAL;

	file = memfd_alloc_file(meta->name, flags);
	/* No memory for the inode is no space, to tmpfs. */
	if (file == ERR_PTR(-ENOSPC))
		return ERR_PTR(-ENOMEM);
	if (IS_ERR(file))
		return file;
	err = memfd_luo_set_meta(file, meta);
	if (err) {
		fput(file);
		return ERR_PTR(err);
	}
	inode = file_inode(file);
	if (meta->flags & MEMFD_V4_NOSWAP) {
		SHMEM_I(inode)->flags |= SHMEM_F_LOCKED;
		mapping_set_unevictable(inode->i_mapping);
	}
	return file;
}

/* Preserving a file */

static int memfd_luo_preserve(struct liveupdate_file_op_args *args)
{
	struct inode *inode = file_inode(args->file);
	struct memfd_luo_out *out;
	int err;

	if ((args->file->f_mode & (FMODE_READ | FMODE_WRITE)) != (FMODE_READ | FMODE_WRITE))
		return -EACCES;

	out = memfd_luo_out_alloc(memfd_luo_format(args->handler));
	if (IS_ERR(out))
		return PTR_ERR(out);
	err = memfd_luo_lock(inode);
	if (err) {
		memfd_luo_out_drop(out);
		return err;
	}
	err = memfd_luo_save(out, args->file) ?: memfd_luo_preserve_pages(out, inode);
	memfd_luo_unlock(inode);
	if (err) {
		memfd_luo_out_free(out);
		return err;
	}
	args->private_data = out;
	args->serialized_data = out->format->phys(out);
	return 0;
}

static void memfd_luo_unpreserve(struct liveupdate_file_op_args *args)
{
	memfd_luo_unpreserve_pages(file_inode(args->file));
	memfd_luo_out_free(args->private_data);
}

static int memfd_luo_add_copy(void *arg, const struct luo_extent *extent)
{
	struct memfd_luo_out *out = arg;

	return luo_extent_is_poisoned(extent) ? -EHWPOISON : out->format->add(out, extent);
}

static int memfd_luo_copy(struct memfd_luo_out *out, struct memfd_luo_out *from, struct file *file)
{
	int err;

	err = memfd_luo_save(out, file) ?: from->format->each(from, memfd_luo_add_copy, out);
	if (!err && out->format->close)
		err = out->format->close(out);
	return err;
}

/*
 * Hand the file over in the format of another handler. Both may have the same
 * folios known to KHO, so what one takes back is told again for the other.
 */
static int memfd_luo_convert(struct liveupdate_file_op_args *args,
			     struct liveupdate_file_handler *to)
{
	struct memfd_luo_out *from = args->private_data, *out;
	struct inode *inode = file_inode(args->file);
	int err;

	out = memfd_luo_out_alloc(memfd_luo_format(to));
	if (IS_ERR(out))
		return PTR_ERR(out);

	filemap_invalidate_lock(inode->i_mapping);
	memfd_luo_hold_in(inode);
	out->walker = current;
	err = memfd_luo_copy(out, from, args->file);
	WRITE_ONCE(out->walker, NULL);
	if (err)
		swap(from, out);
	else
		WRITE_ONCE(SHMEM_I(inode)->luo_out, out);
	/* Now @from goes, whichever that is. */
	from->format->unpreserve(from);
	WARN_ON_ONCE(out->format->preserve(out));
	memfd_luo_unlock_in(inode);
	filemap_invalidate_unlock(inode->i_mapping);

	memfd_luo_out_drop(from);
	if (err)
		return err;
	args->private_data = out;
	args->serialized_data = out->format->phys(out);
	return 0;
}

static int memfd_luo_check(struct liveupdate_file_op_args *args)
{
	struct memfd_luo_out *out = args->private_data;
	struct memfd_luo_meta meta;

	return memfd_luo_get_meta(args->file, memfd_luo_flags(args->file), out->format, &meta) ?:
	       memfd_luo_check_pages(out, args->file->f_mapping);
}

static int memfd_luo_freeze(struct liveupdate_file_op_args *args)
{
	struct memfd_luo_out *out = args->private_data;

	return memfd_luo_save(out, args->file) ?:
	       memfd_luo_freeze_pages(out, args->file->f_mapping);
}

static void memfd_luo_unfreeze(struct liveupdate_file_op_args *args)
{
	memfd_luo_unfreeze_pages();
}

/* What the previous kernel handed over */

/* Have a file that is new, with all its pages. They are charged to the caller. */
static struct file *memfd_luo_fill(const struct memfd_luo_format *format, u64 data)
{
	struct memfd_luo_pass pass = {};
	struct memfd_luo_meta meta;
	struct file *file;
	int err;

	err = format->load(format, data, &meta);
	if (err)
		return ERR_PTR(err);
	file = memfd_luo_make_file(&meta);
	if (IS_ERR(file))
		return file;
	pass.inode = file_inode(file);

	err = memfd_luo_begin_in(pass.inode) ?: memfd_luo_claim(format, data, meta.size, &pass);
	if (err)
		goto err_put;
	err = memfd_luo_finish_in(pass.inode, pass.nr_pages);
	if (err)
		goto err_unclaim;
	memfd_luo_drop(format, data, false);
	return file;

err_unclaim:
	memfd_luo_unclaim(format, data, &pass);
err_put:
	fput(file);
	return ERR_PTR(err);
}

static int memfd_luo_retrieve(struct liveupdate_file_op_args *args)
{
	struct file *file;
	int err;

	err = mutex_lock_killable(&memfd_luo_in_lock);
	if (err)
		return err;
	file = memfd_luo_fill(memfd_luo_format(args->handler), args->serialized_data);
	mutex_unlock(&memfd_luo_in_lock);
	if (IS_ERR(file))
		return PTR_ERR(file);
	args->file = file;
	return 0;
}

/* Tell of what came in another format. */
static struct memfd_luo_out *memfd_luo_translate(const struct memfd_luo_format *format, u64 data,
						 const struct memfd_luo_format *to,
						 const struct memfd_luo_meta *meta)
{
	struct memfd_luo_out *out;
	struct memfd_luo_visitor visitor = { .extent = memfd_luo_add_copy };
	int err;

	if (meta->flags & ~to->flags)
		return ERR_PTR(-EOPNOTSUPP);
	out = memfd_luo_out_alloc(to);
	if (IS_ERR(out))
		return out;
	visitor.arg = out;
	out->walker = current;
	err = to->save(out, meta) ?: format->walk(data, &visitor);
	if (!err && to->close)
		err = to->close(out);
	out->walker = NULL;
	if (!err)
		return out;
	memfd_luo_out_free(out);
	return ERR_PTR(err);
}

static int memfd_luo_carry_as(struct liveupdate_file_op_args *args,
			      const struct memfd_luo_format *to, struct memfd_luo_meta *meta)
{
	const struct memfd_luo_format *format = memfd_luo_format(args->handler);
	struct memfd_luo_out *out;

	if (to == format)
		return memfd_luo_hold(format, args->serialized_data);

	/* It had no owner, so it is root's, as if root had retrieved it. */
	if (!format->has_owner)
		meta->mode = meta->seals & F_SEAL_EXEC ? 0666 : 0777;
	out = memfd_luo_translate(format, args->serialized_data, to, meta);
	if (IS_ERR(out))
		return PTR_ERR(out);
	args->private_data = out;
	args->serialized_data = to->phys(out);
	return 0;
}

/* Claiming it all first tells whether it is as it should be. */
static int memfd_luo_carry(struct liveupdate_file_op_args *args,
			   struct liveupdate_file_handler *to)
{
	const struct memfd_luo_format *format = memfd_luo_format(args->handler);
	u64 data = args->serialized_data;
	struct memfd_luo_pass pass = {};
	struct memfd_luo_meta meta;
	int err;

	guard(mutex)(&memfd_luo_in_lock);
	err = format->load(format, data, &meta) ?: memfd_luo_claim(format, data, meta.size, &pass);
	if (err)
		return err;
	err = memfd_luo_carry_as(args, memfd_luo_format(to), &meta);
	memfd_luo_unclaim(format, data, &pass);
	return err;
}

static void memfd_luo_uncarry(struct liveupdate_file_op_args *args)
{
	const struct memfd_luo_format *format = memfd_luo_format(args->handler);

	if (args->private_data) {
		memfd_luo_out_free(args->private_data);
		return;
	}
	guard(mutex)(&memfd_luo_in_lock);
	memfd_luo_unhold(format, args->serialized_data);
}

static void memfd_luo_finish(struct liveupdate_file_op_args *args)
{
	const struct memfd_luo_format *format = memfd_luo_format(args->handler);
	struct memfd_luo_pass pass = {};
	struct memfd_luo_meta meta;
	int err;

	if (args->retrieve_status > 0)
		return;
	guard(mutex)(&memfd_luo_in_lock);
	err = format->load(format, args->serialized_data, &meta) ?:
	      memfd_luo_claim(format, args->serialized_data, meta.size, &pass);
	/* Nobody could be told that it failed. */
	if (err)
		pr_warn("what was saved is damaged, memory stays reserved: %pe\n", ERR_PTR(err));
	else
		memfd_luo_drop(format, args->serialized_data, true);
}

static bool memfd_luo_can_preserve(struct liveupdate_file_handler *handler,
				   struct file *file)
{
	const struct memfd_luo_format *format = memfd_luo_format(handler);
	struct inode *inode = file_inode(file);

	if (!shmem_file(file))
		return false;
	/* One that is preserved may have got a name since, unless it is so with its tmpfs. */
	if (inode->i_nlink &&
	    (!READ_ONCE(SHMEM_I(inode)->luo_out) || shmem_luo_is_fixed(inode->i_sb)))
		return false;
	/* memfd-v2 has no other format beside it: preserve() says what it cannot tell. */
	return format == &memfd_luo_v2 || !(memfd_luo_flags(file) & ~format->flags);
}

static unsigned long memfd_luo_get_id(struct file *file)
{
	return (unsigned long)file_inode(file);
}

static int memfd_luo_get_size(struct liveupdate_file_op_args *args, u64 *size)
{
	const struct memfd_luo_format *format = memfd_luo_format(args->handler);
	struct memfd_luo_meta meta;
	int err;

	err = mutex_lock_killable(&memfd_luo_in_lock);
	if (err)
		return err;
	err = format->load(format, args->serialized_data, &meta);
	mutex_unlock(&memfd_luo_in_lock);
	if (!err)
		*size = meta.size;
	return err;
}

static const struct liveupdate_file_ops memfd_luo_ops = {
	.can_preserve = memfd_luo_can_preserve,
	.preserve = memfd_luo_preserve,
	.unpreserve = memfd_luo_unpreserve,
	.convert = memfd_luo_convert,
	.check = memfd_luo_check,
	.freeze = memfd_luo_freeze,
	.unfreeze = memfd_luo_unfreeze,
	.retrieve = memfd_luo_retrieve,
	.carry = memfd_luo_carry,
	.uncarry = memfd_luo_uncarry,
	.finish = memfd_luo_finish,
	.get_id = memfd_luo_get_id,
	.get_size = memfd_luo_get_size,
	.owner = THIS_MODULE,
};

LIVEUPDATE_FILE_HANDLER_ABI(memfd_luo_handler_v2, MEMFD_LUO_FH_COMPATIBLE, &memfd_luo_ops,
			    LUO_ABI_COMPATIBLE);
LIVEUPDATE_FILE_HANDLER_ABI(memfd_luo_handler_v3, MEMFD_V3_COMPATIBLE, &memfd_luo_ops,
			    LUO_FDT_COMPATIBLE);
LIVEUPDATE_FILE_HANDLER_ABI(memfd_luo_handler_v4, MEMFD_V4_COMPATIBLE, &memfd_luo_ops,
			    LUO_FDT_COMPATIBLE);

static const struct {
	struct liveupdate_file_handler *handler;
	const struct memfd_luo_format *format;
} memfd_luo_formats[] = {
	/* In the order in which they are asked whether a file is theirs: most are v3's */
	{ &memfd_luo_handler_v3, &memfd_luo_v3 },
	{ &memfd_luo_handler_v4, &memfd_luo_v4 },
	{ &memfd_luo_handler_v2, &memfd_luo_v2 },
};

static const struct memfd_luo_format *memfd_luo_format(struct liveupdate_file_handler *handler)
{
	int i = 0;

	while (memfd_luo_formats[i].handler != handler)
		i++;
	return memfd_luo_formats[i].format;
}

static const struct shmem_luo_ops memfd_luo_shmem_ops = {
	.begin_add = memfd_luo_begin_add,
	.end_add = memfd_luo_end_add,
	.get_pending = memfd_luo_get_pending,
	.wait_pending = memfd_luo_wait_pending,
	.put_pending = memfd_luo_put_pending,
	.split_pending = memfd_luo_split_pending,
	.evict = memfd_luo_evict,
};

DEFINE_STATIC_KEY_FALSE(shmem_luo_key);
const struct shmem_luo_ops *shmem_luo_ops __ro_after_init = &memfd_luo_shmem_ops;

static int __init memfd_luo_init(void)
{
	int i, err;

	if (!liveupdate_enabled())
		return 0;
	static_branch_enable(&shmem_luo_key);
	for (i = 0; i < ARRAY_SIZE(memfd_luo_formats); i++) {
		err = liveupdate_register_file_handler(memfd_luo_formats[i].handler);
		if (err)
			return err;
	}
	return 0;
}
late_initcall(memfd_luo_init);
