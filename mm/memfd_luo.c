// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: memfds over a live update
 *
 * The handlers for memfds, and for tmpfs files that have no name any more. What
 * is saved is of the format ``memfd-v3``, see include/linux/kho/abi/memfd_v3.h,
 * or when the hand-over is in the base kernel's format, of ``memfd-v2``, see
 * include/linux/kho/abi/memfd.h. A file that is preserved when the format of the
 * hand-over changes goes over to the other. Either is read.
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
 *   by who retrieves it, and of mode 0777 or, where F_SEAL_EXEC says so, 0666.
 *
 * The rest does not: the file is a memfd, open for reading and writing. One that
 * is not open for both is refused with EACCES rather than given back with more
 * rights than it had, seals that are not known with EOPNOTSUPP.
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
 * To retrieve a file takes as long as it has extents, not pages. It is there as a
 * whole: its size, its blocks, where it has data, what it costs the control group
 * of who retrieved it. A page gets into the page cache when it is touched first,
 * with some that follow, and the others in the background. That begins
 * memfd_luo_lazy.background_delay_ms (a kernel parameter, and a file below
 * /sys/module) after the file was retrieved, 1000 unless set. Until then they can
 * be neither moved nor swapped out, and mincore(2) says that they are not there.
 * What is freed, by truncation or with the file, is memory of the kernel then. A
 * file that is preserved again gets all of its pages first.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/memfd.h>
#include <linux/kho/abi/memfd_v3.h>
#include <linux/liveupdate.h>
#include <linux/memcontrol.h>
#include <linux/memfd.h>
#include <linux/pagemap.h>
#include <linux/rcupdate_wait.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <linux/wait.h>
#include <uapi/linux/memfd.h>

#include "internal.h"
#include "memfd_luo.h"

/* Folios that are taken at a time, and how many extents they can be */
#define MEMFD_LUO_BATCH		256
#define MEMFD_LUO_EXTENTS	16

/* F_SEAL_EXEC on a file that can be executed brings these along. */
#define MEMFD_LUO_EXEC_SEALS	(F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | \
				 F_SEAL_FUTURE_WRITE)

/* Files that are frozen, and those who wait until none is */
static atomic_t memfd_luo_nr_frozen;
static DECLARE_WAIT_QUEUE_HEAD(memfd_luo_thaw_wait);

static struct memfd_luo_extent memfd_luo_extent_of(struct folio *folio)
{
	return (struct memfd_luo_extent) {
		.index = folio->index,
		.pfn = folio_pfn(folio),
		.nr = folio_nr_pages(folio),
		.order = folio_order(folio),
	};
}

static bool memfd_luo_follows(const struct memfd_luo_extent *extent, struct folio *folio)
{
	return folio->index == extent->index + extent->nr &&
	       folio_pfn(folio) == extent->pfn + extent->nr &&
	       folio_order(folio) == extent->order;
}

static int memfd_luo_put(struct memfd_luo_out *out, const struct memfd_luo_extent *extent)
{
	u64 pfn;

	for (pfn = extent->pfn; pfn < extent->pfn + extent->nr; pfn += 1UL << extent->order) {
		folio_put(pfn_folio(pfn));
		cond_resched();
	}
	return 0;
}

/* Preserve a folio that is held and locked. */
static int memfd_luo_add(struct memfd_luo_out *out, struct folio *folio)
{
	const struct memfd_luo_extent extent = memfd_luo_extent_of(folio);
	int err;

	scoped_guard(mutex, &out->lock)
		err = out->format->add(out, &extent);
	if (err)
		return err;

	/*
	 * Whether it is dirty and uptodate may change until the machine
	 * reboots, and a clean folio may be dropped by the next kernel. So make
	 * it both, for good.
	 */
	folio_mark_dirty(folio);
	if (!folio_test_uptodate(folio)) {
		folio_zero_range(folio, 0, folio_size(folio));
		flush_dcache_folio(folio);
		folio_mark_uptodate(folio);
	}
	return 0;
}

static const struct memfd_luo_format *memfd_luo_format(struct liveupdate_file_handler *handler);

static bool memfd_luo_is_walker(struct inode *inode)
{
	struct memfd_luo_out *out;

	guard(rcu)();
	out = READ_ONCE(SHMEM_I(inode)->luo);
	return out && READ_ONCE(out->walker) == current;
}

/**
 * memfd_luo_begin_add() - a page is about to be put into a hole of a file
 * @inode: the file's inode
 * @gfp:   how the page will be allocated; adjusted for a page that stays
 *
 * Sleeps while the machine reboots.
 *
 * Context: process context, no folio of the file locked.
 * Return: 0, to be followed by memfd_luo_end_add(); or -EINTR.
 */
int memfd_luo_begin_add(struct inode *inode, gfp_t *gfp)
{
	if (memfd_luo_is_walker(inode))
		return 0;

	for (;;) {
		filemap_invalidate_lock_shared(inode->i_mapping);
		if (likely(!SHMEM_I(inode)->luo))
			return 0;
		if (!atomic_read(&memfd_luo_nr_frozen))
			break;
		filemap_invalidate_unlock_shared(inode->i_mapping);
		if (wait_event_killable(memfd_luo_thaw_wait,
					!atomic_read(&memfd_luo_nr_frozen)))
			return -EINTR;
	}
	/* Neither from CMA, which KHO's scratch memory is, nor to be moved. */
	*gfp &= ~__GFP_MOVABLE;
	return 0;
}

/**
 * memfd_luo_end_add() - a page was put into a hole of a file
 * @inode: the file's inode
 * @folio: the page, locked; or NULL when there was none to be had
 *
 * Return: 0; or a negative errno when it cannot be preserved, and must not stay.
 */
int memfd_luo_end_add(struct inode *inode, struct folio *folio)
{
	struct memfd_luo_out *out = SHMEM_I(inode)->luo;
	int err = 0;

	if (memfd_luo_is_walker(inode))
		return 0;
	if (out && folio) {
		folio_get(folio);
		err = memfd_luo_add(out, folio);
		if (err)
			folio_put(folio);
	}
	filemap_invalidate_unlock_shared(inode->i_mapping);
	return err;
}

/* How many folios the file has up to @last, be they in swap. */
static u64 memfd_luo_count(struct address_space *mapping, pgoff_t last)
{
	XA_STATE(xas, &mapping->i_pages, 0);
	void *entry;
	u64 nr = 0;

	guard(rcu)();
	xas_for_each(&xas, entry, last) {
		if (xas_retry(&xas, entry))
			continue;
		if (++nr % XA_CHECK_SCHED == 0) {
			xas_pause(&xas);
			cond_resched_rcu();
		}
	}
	return nr;
}

/*
 * Hold a folio that is in the page cache, if that takes nothing else: it may have
 * to be moved, zeroed or waited for. Where it may stay is the same for all of a
 * page block; the last one is in @block. Called with the mapping's lock held.
 */
static bool memfd_luo_try_hold(struct folio *folio, unsigned long *block)
{
	bool ok;

	if (!folio_trylock(folio))
		return false;
	ok = folio_test_uptodate(folio) && folio_test_dirty(folio);
	if (ok && folio_pfn(folio) >> pageblock_order != *block) {
		ok = folio_is_longterm_pinnable(folio);
		*block = ok ? folio_pfn(folio) >> pageblock_order : ULONG_MAX;
	}
	if (ok)
		folio_get(folio);
	folio_unlock(folio);
	return ok;
}

/*
 * Hold and preserve the folios from @index on, up to @last, as long as that is
 * easy; at most a batch. Return how many extents they are, and set @index to the
 * next one that the file has, behind @last when there is none.
 */
static int memfd_luo_preserve_easy(struct memfd_luo_out *out, struct address_space *mapping,
				   pgoff_t *index, pgoff_t last)
{
	struct memfd_luo_extent extents[MEMFD_LUO_EXTENTS];
	XA_STATE(xas, &mapping->i_pages, *index);
	unsigned long block = ULONG_MAX;
	int nr = 0, nr_folios = 0, err, i;
	struct folio *folio;
	bool follows;

	*index = last + 1;
	xas_lock_irq(&xas);
	xas_for_each(&xas, folio, last) {
		follows = nr && !xa_is_value(folio) && memfd_luo_follows(&extents[nr - 1], folio);
		if (nr_folios++ == MEMFD_LUO_BATCH || (nr == ARRAY_SIZE(extents) && !follows) ||
		    xa_is_value(folio) || !memfd_luo_try_hold(folio, &block)) {
			*index = xas.xa_index;
			break;
		}
		if (follows)
			extents[nr - 1].nr += folio_nr_pages(folio);
		else
			extents[nr++] = memfd_luo_extent_of(folio);
	}
	xas_unlock_irq(&xas);

	guard(mutex)(&out->lock);
	for (i = 0; i < nr; i++) {
		err = out->format->add(out, &extents[i]);
		if (err) {
			while (i < nr)
				memfd_luo_put(out, &extents[i++]);
			return err;
		}
	}
	return nr;
}

/* The same for the one folio at @index, be it in swap, or where it cannot stay. */
static int memfd_luo_preserve_hard(struct memfd_luo_out *out, struct file *file, pgoff_t *index)
{
	loff_t start = (loff_t)*index << PAGE_SHIFT;
	struct folio *folio;
	pgoff_t offset;
	long nr;
	int err;

	/* This moves it out of CMA, and gets it back from swap. */
	nr = memfd_pin_folios(file, start, start, &folio, 1, &offset);
	if (nr < 0)
		return nr;
	*index = folio_next_index(folio);
	folio_lock(folio);
	err = memfd_luo_add(out, folio);
	if (!err)
		folio_get(folio);
	folio_unlock(folio);
	unpin_folio(folio);
	return err;
}

static int memfd_luo_preserve_folios(struct memfd_luo_out *out, struct file *file)
{
	struct address_space *mapping = file->f_mapping;
	loff_t size = i_size_read(file_inode(file));
	pgoff_t index = 0, last;
	int err = 0;

	if (!size)
		return 0;
	last = (size - 1) >> PAGE_SHIFT;

	if (out->format->reserve)
		err = out->format->reserve(out, memfd_luo_count(mapping, last));

	while (!err && index <= last) {
		if (fatal_signal_pending(current))
			return -EINTR;
		err = memfd_luo_preserve_easy(out, mapping, &index, last);
		/* Nothing was easy, and there is something. */
		if (!err && index <= last)
			err = memfd_luo_preserve_hard(out, file, &index);
		err = min(err, 0);
		cond_resched();
	}
	if (!err && out->format->close)
		err = out->format->close(out);
	return err;
}

/* Free what told of a file, and nothing else. */
static void memfd_luo_out_drop(struct memfd_luo_out *out)
{
	out->format->free(out);
	mutex_destroy(&out->lock);
	kfree_rcu(out, rcu);
}

static void memfd_luo_out_free(struct memfd_luo_out *out)
{
	out->format->unpreserve(out);
	out->format->each(out, memfd_luo_put, out);
	memfd_luo_out_drop(out);
}

static struct memfd_luo_out *memfd_luo_out_alloc(const struct memfd_luo_format *format)
{
	struct memfd_luo_out *out = kzalloc_obj(*out, GFP_KHO);
	int err;

	if (!out)
		return ERR_PTR(-ENOMEM);
	out->format = format;
	err = format->alloc(out);
	if (err) {
		kfree(out);
		return ERR_PTR(err);
	}
	mutex_init(&out->lock);
	return out;
}

static int memfd_luo_preserve(struct liveupdate_file_op_args *args)
{
	struct inode *inode = file_inode(args->file);
	struct memfd_luo_out *out;
	int err;

	if ((args->file->f_mode & (FMODE_READ | FMODE_WRITE)) != (FMODE_READ | FMODE_WRITE))
		return -EACCES;

	/* Nothing becomes pending that was not, so it stays that way. */
	err = memfd_luo_populate_all(inode);
	if (err)
		return err;
	out = memfd_luo_out_alloc(memfd_luo_format(args->handler));
	if (IS_ERR(out))
		return PTR_ERR(out);

	inode_lock(inode);
	filemap_invalidate_lock(inode->i_mapping);
	shmem_freeze(inode, true);
	WRITE_ONCE(out->walker, current);
	WRITE_ONCE(SHMEM_I(inode)->luo, out);
	err = out->format->save(out, args->file, i_size_read(inode));
	if (!err)
		err = memfd_luo_preserve_folios(out, args->file);
	WRITE_ONCE(out->walker, NULL);
	if (err) {
		WRITE_ONCE(SHMEM_I(inode)->luo, NULL);
		shmem_freeze(inode, false);
	}
	filemap_invalidate_unlock(inode->i_mapping);
	inode_unlock(inode);

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
	struct inode *inode = file_inode(args->file);

	inode_lock(inode);
	filemap_invalidate_lock(inode->i_mapping);
	WRITE_ONCE(SHMEM_I(inode)->luo, NULL);
	shmem_freeze(inode, false);
	filemap_invalidate_unlock(inode->i_mapping);
	inode_unlock(inode);

	memfd_luo_out_free(args->private_data);
}

static int memfd_luo_copy(struct memfd_luo_out *out, struct memfd_luo_out *from, struct file *file)
{
	int err;

	err = out->format->save(out, file, i_size_read(file_inode(file)));
	if (!err)
		err = from->format->each(from, out->format->add, out);
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
	out->walker = current;
	err = memfd_luo_copy(out, from, args->file);
	WRITE_ONCE(out->walker, NULL);
	if (err)
		swap(from, out);
	else
		WRITE_ONCE(SHMEM_I(inode)->luo, out);
	/* Now @from goes, whichever that is. */
	from->format->unpreserve(from);
	WARN_ON_ONCE(out->format->preserve(out));
	filemap_invalidate_unlock(inode->i_mapping);

	memfd_luo_out_drop(from);
	if (err)
		return err;
	args->private_data = out;
	args->serialized_data = out->format->phys(out);
	return 0;
}

static int memfd_luo_freeze(struct liveupdate_file_op_args *args)
{
	struct address_space *mapping = args->file->f_mapping;
	struct memfd_luo_out *out = args->private_data;
	int err;

	err = out->format->save(out, args->file, i_size_read(file_inode(args->file)));
	if (err)
		return err;

	/* Who holds the lock finishes what it is putting in, others will wait. */
	filemap_invalidate_lock(mapping);
	atomic_inc(&memfd_luo_nr_frozen);
	filemap_invalidate_unlock(mapping);
	return 0;
}

static void memfd_luo_unfreeze(struct liveupdate_file_op_args *args)
{
	if (atomic_dec_and_test(&memfd_luo_nr_frozen))
		wake_up_all(&memfd_luo_thaw_wait);
}

/* Owner and mode come first: what F_SEAL_EXEC brings along depends on the mode. */
static int memfd_luo_set_owner(struct inode *inode, const struct memfd_luo_in *in)
{
	kuid_t uid = make_kuid(&init_user_ns, in->uid);
	kgid_t gid = make_kgid(&init_user_ns, in->gid);

	if (!uid_valid(uid) || !gid_valid(gid))
		return -EINVAL;
	inode->i_uid = uid;
	inode->i_gid = gid;
	inode->i_mode = (inode->i_mode & ~S_IALLUGO) | in->mode;
	return 0;
}

static struct file *memfd_luo_make_file(const struct memfd_luo_in *in)
{
	unsigned int flags = MFD_ALLOW_SEALING;
	struct file *file;
	int err = 0;

	/* Else F_SEAL_EXEC would bring seals along that the file did not have. */
	if (in->seals & F_SEAL_EXEC &&
	    (in->seals & MEMFD_LUO_EXEC_SEALS) != MEMFD_LUO_EXEC_SEALS)
		flags |= MFD_NOEXEC_SEAL;

	file = memfd_alloc_file(in->name, flags);
	/* No memory for the inode is no space, to tmpfs. */
	if (file == ERR_PTR(-ENOSPC))
		return ERR_PTR(-ENOMEM);
	if (IS_ERR(file))
		return file;
	if (in->has_owner)
		err = memfd_luo_set_owner(file_inode(file), in);
	if (!err)
		err = memfd_add_seals(file, in->seals);
	if (err) {
		fput(file);
		return ERR_PTR(err);
	}
	vfs_setpos(file, in->pos, MAX_LFS_FILESIZE);
	i_size_write(file_inode(file), in->size);
	return file;
}

/* Have the file, with all its folios or none: they are charged to who retrieves it. */
static struct file *memfd_luo_fill(struct memfd_luo_in *in)
{
	struct file *file;
	int err;

	err = memfd_luo_claim(in);
	if (err)
		return ERR_PTR(err);
	file = memfd_luo_make_file(in);
	if (IS_ERR(file))
		return file;
	err = memfd_luo_attach(file_inode(file), in);
	if (err) {
		fput(file);
		return ERR_PTR(err);
	}
	return file;
}

static int memfd_luo_retrieve(struct liveupdate_file_op_args *args)
{
	struct memfd_luo_in *in = args->private_data;
	struct file *file;

	if (!in) {
		in = memfd_luo_format(args->handler)->read(args->serialized_data, GFP_KHO);
		if (IS_ERR(in))
			return PTR_ERR(in);
		args->private_data = in;
	}

	file = memfd_luo_fill(in);
	if (IS_ERR(file))
		return PTR_ERR(file);

	args->file = file;
	args->private_data = NULL;
	return 0;
}

static void memfd_luo_finish(struct liveupdate_file_op_args *args)
{
	struct memfd_luo_in *in = args->private_data;

	if (args->retrieve_status > 0)
		return;
	/* Nobody could be told that it failed. */
	if (!in)
		in = memfd_luo_format(args->handler)->read(args->serialized_data,
							   GFP_KERNEL | __GFP_NOFAIL);
	if (IS_ERR(in)) {
		pr_warn("what was saved is damaged, memory stays reserved: %pe\n", in);
		return;
	}

	memfd_luo_put_folios(in);
	memfd_luo_in_free(in);
}

/* A kernel that hands over in another kernel's format means to go to such a one. */
static bool memfd_luo_can_preserve(struct liveupdate_file_handler *handler,
				   struct file *file)
{
	return shmem_file(file) && !file_inode(file)->i_nlink &&
	       memfd_luo_format(handler)->is_stock == liveupdate_is_stock_format();
}

static unsigned long memfd_luo_get_id(struct file *file)
{
	return (unsigned long)file_inode(file);
}

static int memfd_luo_get_size(struct liveupdate_file_op_args *args, u64 *size)
{
	struct memfd_luo_in *in = args->private_data;

	if (!in)
		return memfd_luo_format(args->handler)->read_size(args->serialized_data, size);
	*size = in->size;
	return 0;
}

static const struct liveupdate_file_ops memfd_luo_ops = {
	.can_preserve = memfd_luo_can_preserve,
	.preserve = memfd_luo_preserve,
	.unpreserve = memfd_luo_unpreserve,
	.convert = memfd_luo_convert,
	.freeze = memfd_luo_freeze,
	.unfreeze = memfd_luo_unfreeze,
	.retrieve = memfd_luo_retrieve,
	.finish = memfd_luo_finish,
	.get_id = memfd_luo_get_id,
	.get_size = memfd_luo_get_size,
	.owner = THIS_MODULE,
};

LIVEUPDATE_FILE_HANDLER(memfd_luo_handler_v2, MEMFD_LUO_FH_COMPATIBLE, &memfd_luo_ops);
LIVEUPDATE_FILE_HANDLER(memfd_luo_handler_v3, MEMFD_V3_COMPATIBLE, &memfd_luo_ops);

static const struct memfd_luo_format *memfd_luo_format(struct liveupdate_file_handler *handler)
{
	return handler == &memfd_luo_handler_v2 ? &memfd_luo_v2 : &memfd_luo_v3;
}

static int __init memfd_luo_init(void)
{
	int err = liveupdate_register_file_handler(&memfd_luo_handler_v2);

	if (!err)
		err = liveupdate_register_file_handler(&memfd_luo_handler_v3);
	return err == -EOPNOTSUPP ? 0 : err;
}
late_initcall(memfd_luo_init);
