// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: files of huge pages over a live update
 *
 * The handler for memfds of huge pages, and for files of a mounted hugetlbfs that have
 * no name any more. What is saved is of the format ``hugetlb-v1``, see
 * include/linux/kho/abi/hugetlb_v1.h. They come back as memfds do: with their content,
 * size, position, seals, name, owner, group and mode, and O_APPEND. Each huge page
 * stays where it is in RAM. Holes stay holes.
 *
 * A file that is preserved goes on being used. Its size is fixed, and it has no holes
 * made: truncate(2), fallocate(2) and MADV_REMOVE get EPERM. What is put into its holes
 * is preserved as it comes; from the moment that the machine reboots, who needs a new
 * page of it sleeps. A page for a hole is taken from outside of KHO's scratch memory: who
 * needs it gets SIGBUS where the pool has none there, and cannot get one. Pages of the file
 * are neither migrated nor, when the pool is made smaller, given away. What was reserved by
 * mmap(2), and has no page yet, is not handed over: who maps the file in the next kernel
 * reserves it there.
 *
 * To retrieve a file takes as long as it has extents, not pages. It is there as a whole; a
 * page is made one of the pool again when it is touched first, and the others in the
 * background, see background_delay_ms of memfds. Until then they are pending, and mincore(2)
 * says that they are not there.
 *
 * The pools of the next kernel are what was asked for including these pages, which count
 * as allocated from the beginning: what ``hugepages=`` and the like say, less what comes,
 * is allocated at boot. Pages that nobody asked for are surplus: they are given away when
 * the file that has them goes. Whoever retrieves a file is charged for it, by the hugetlb
 * and the memory cgroup.
 *
 * Refused with an errno are:
 *
 * EACCES
 *   A file that is not open for reading and writing.
 * EXDEV
 *   A file of a hugetlbfs that was mounted with a size, whose limit the next kernel does
 *   not have.
 * EADDRNOTAVAIL
 *   A file with a page from hugetlb_cma= that cannot be moved from there.
 * EHWPOISON
 *   A file with a page whose memory has failed. When it fails later, the reboot is refused.
 * ENODEV
 *   In the next kernel: it has no huge pages of that size. The file can be carried on, or
 *   given up.
 * ENOSPC
 *   More sizes and nodes than can be told, some 250.
 * EOPNOTSUPP
 *   Seals that are not known; on arm64, pages with tags of the Memory Tagging Extension.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bitfield.h>
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hugetlb.h>
#include <linux/hugetlb_luo.h>
#include <linux/init.h>
#include <linux/jump_label.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/hugetlb_v1.h>
#include <linux/liveupdate.h>
#include <linux/memfd.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/pagemap.h>
#include <linux/pfn.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <uapi/linux/memfd.h>

#include "hugetlb_luo.h"
#include "internal.h"
#include "memfd_luo.h"

DEFINE_STATIC_KEY_FALSE(hugetlb_luo_key);

static unsigned int size_log2(const struct memfd_luo_meta *meta)
{
	return FIELD_GET(HUGETLB_V1_SIZE_MASK, meta->flags);
}

/**
 * hugetlb_luo_hstate() - find the pool that a file's pages are of
 * @meta: what was handed over of the file
 *
 * Return: the pool, or NULL.
 */
struct hstate *hugetlb_luo_hstate(const struct memfd_luo_meta *meta)
{
	return size_log2(meta) < BITS_PER_LONG ? size_to_hstate(1UL << size_log2(meta)) : NULL;
}

static int get_meta(struct file *file, struct memfd_luo_meta *meta)
{
	u32 flags = FIELD_PREP(HUGETLB_V1_SIZE_MASK, huge_page_shift(hstate_file(file)));

	return memfd_luo_get_meta(file, flags, &hugetlb_luo_v1, meta);
}

static int save(struct memfd_luo_out *out, struct file *file)
{
	struct memfd_luo_meta meta;

	return get_meta(file, &meta) ?: out->format->save(out, &meta);
}

/* The pages of a file that is preserved */

/**
 * hugetlb_luo_is_preserved() - is a file preserved?
 * @inode: the file
 *
 * Context: its inode lock held, or a page of it that is to be allocated under its fault
 *          mutex.
 * Return: whether it is.
 */
bool hugetlb_luo_is_preserved(struct inode *inode)
{
	return hugetlb_luo_is_on() && READ_ONCE(HUGETLBFS_I(inode)->luo_out);
}

static int add_extent(void *arg, const struct luo_extent *extent)
{
	struct memfd_luo_out *out = arg;
	int err;

	err = hugetlb_luo_count(extent);
	if (err)
		return err;
	scoped_guard(mutex, &out->lock)
		err = memfd_luo_add_extent(out, extent);
	if (err)
		hugetlb_luo_uncount(extent);
	return err;
}

/* Hold and preserve a page, which may stay where it is. */
static int add_folio(struct memfd_luo_out *out, struct folio *folio)
{
	const struct luo_extent extent = {
		.index = folio->index,
		.pfn = folio_pfn(folio),
		.nr = folio_nr_pages(folio),
		.order = folio_order(folio),
	};
	int err = add_extent(out, &extent);

	if (!err)
		folio_get(folio);
	return err;
}

/**
 * hugetlb_luo_begin_add() - a page is about to be put into a hole
 * @inode: the file
 *
 * Context: process context, the page's fault mutex held. Sleeps while the machine reboots.
 * Return: 0, to be followed by hugetlb_luo_end_add(); or -EINTR when the caller is being
 * killed.
 */
int hugetlb_luo_begin_add(struct inode *inode)
{
	return hugetlb_luo_is_on() ?
	       memfd_luo_begin_put(inode->i_mapping, &HUGETLBFS_I(inode)->luo_out) : 0;
}

/**
 * hugetlb_luo_end_add() - a page was put into a hole, or was not
 * @inode: the file
 * @folio: the page, locked
 * @err:   0, or why it was not
 *
 * A page that cannot be preserved is taken out of the page cache again.
 *
 * Return: 0; or @err; or -EBUSY, -ENOMEM, -ENOSPC, -EHWPOISON.
 */
int hugetlb_luo_end_add(struct inode *inode, struct folio *folio, int err)
{
	struct memfd_luo_out *out;

	if (!hugetlb_luo_is_on())
		return err;
	out = HUGETLBFS_I(inode)->luo_out;
	/* Who preserves the file comes to it yet, if there is a walker. */
	if (!err && out && !out->walker) {
		err = folio_is_longterm_pinnable(folio) ? add_folio(out, folio) : -EBUSY;
		if (err)
			filemap_remove_folio(folio);
	}
	filemap_invalidate_unlock_shared(inode->i_mapping);
	return err;
}

/*
 * Move the page at @index to where it may stay, and preserve it. Nobody else refers to
 * it for long.
 */
static int add_moved(struct memfd_luo_out *out, struct file *file, pgoff_t index)
{
	loff_t start = (loff_t)index << PAGE_SHIFT;
	loff_t end = min_t(loff_t, start + huge_page_size(hstate_file(file)),
			   i_size_read(file_inode(file)));
	struct folio *folio;
	pgoff_t offset;
	long nr;
	int err;

	nr = memfd_pin_folios(file, start, end - 1, &folio, 1, &offset);
	if (nr < 0)
		return nr;
	err = add_folio(out, folio);
	unpin_folio(folio);
	return err;
}

/*
 * Preserve what is found from @index on, as long as it may stay where it is, and set
 * @index to where that ends. Return 1 when there is a page that may not; 0; or an error.
 */
static int add_batch(struct memfd_luo_out *out, struct address_space *mapping, pgoff_t *index,
		     pgoff_t last, bool *is_cma)
{
	struct folio_batch batch;
	struct folio *folio;
	int err = 0, i;

	folio_batch_init(&batch);
	if (!filemap_get_folios(mapping, index, last, &batch))
		*index = last + 1;
	for (i = 0; !err && i < folio_batch_count(&batch); i++) {
		folio = batch.folios[i];
		if (!folio_is_longterm_pinnable(folio)) {
			*is_cma = folio_test_hugetlb_cma(folio);
			*index = folio->index;
			err = 1;
		} else {
			err = add_folio(out, folio);
		}
	}
	folio_batch_release(&batch);
	return err;
}

static int add_folios(struct memfd_luo_out *out, struct file *file)
{
	loff_t size = i_size_read(file_inode(file));
	pgoff_t index = 0, last = (size - 1) >> PAGE_SHIFT;
	bool is_cma;
	int err = 0;

	while (!err && size && index <= last) {
		if (fatal_signal_pending(current))
			return -EINTR;
		err = add_batch(out, file->f_mapping, &index, last, &is_cma);
		if (err > 0) {
			err = add_moved(out, file, index);
			if (err && is_cma)
				err = -EADDRNOTAVAIL;
			index += pages_per_huge_page(hstate_file(file));
		}
		cond_resched();
	}
	return err ?: out->format->close(out);
}

static int put_extent(void *arg, const struct luo_extent *extent)
{
	u64 pfn;

	for (pfn = extent->pfn; pfn < luo_extent_end(extent); pfn += 1UL << extent->order) {
		/* Else it is pending. */
		if (kho_claimed_order(PFN_PHYS(pfn)) < 0)
			folio_put(pfn_folio(pfn));
	}
	hugetlb_luo_uncount(extent);
	return 0;
}

/*
 * Keep everybody from the pages of a file. It has those then that are pending, and
 * others in the page cache.
 */
static void lock_pages(struct inode *inode)
{
	filemap_invalidate_lock(inode->i_mapping);
	hugetlb_luo_lock_pending(inode);
}

static void unlock_pages(struct inode *inode)
{
	hugetlb_luo_unlock_pending(inode);
	filemap_invalidate_unlock(inode->i_mapping);
}

/* No page is let go of while KHO knows of it. Called with the pages locked. */
static void remove_pages(struct memfd_luo_out *out, struct inode *inode)
{
	WRITE_ONCE(HUGETLBFS_I(inode)->luo_out, NULL);
	out->format->unpreserve(out);
	out->format->each(out, put_extent, NULL);
}

static int preserve_pages(struct memfd_luo_out *out, struct file *file)
{
	struct inode *inode = file_inode(file);
	int err;

	filemap_invalidate_lock(inode->i_mapping);
	out->walker = current;
	WRITE_ONCE(HUGETLBFS_I(inode)->luo_out, out);
	filemap_invalidate_unlock(inode->i_mapping);
	/* Who puts a page into the file from now on allocates one that may stay. */
	hugetlb_luo_wait_for_faults();

	lock_pages(inode);
	err = hugetlb_luo_each_pending(inode, add_extent, out) ?: add_folios(out, file);
	if (err)
		remove_pages(out, inode);
	out->walker = NULL;
	unlock_pages(inode);
	return err;
}

static int hugetlb_luo_preserve(struct liveupdate_file_op_args *args)
{
	struct inode *inode = file_inode(args->file);
	struct memfd_luo_out *out;
	int err;

	if ((args->file->f_mode & (FMODE_READ | FMODE_WRITE)) != (FMODE_READ | FMODE_WRITE))
		return -EACCES;
	if (subpool_inode(inode))
		return -EXDEV;

	out = memfd_luo_out_alloc(&hugetlb_luo_v1);
	if (IS_ERR(out))
		return PTR_ERR(out);
	err = inode_lock_killable(inode);
	if (!err) {
		err = save(out, args->file) ?: preserve_pages(out, args->file);
		inode_unlock(inode);
	}
	if (err) {
		memfd_luo_out_drop(out);
		return err;
	}
	args->private_data = out;
	args->serialized_data = out->format->phys(out);
	return 0;
}

static void hugetlb_luo_unpreserve(struct liveupdate_file_op_args *args)
{
	struct inode *inode = file_inode(args->file);

	inode_lock(inode);
	lock_pages(inode);
	remove_pages(args->private_data, inode);
	unlock_pages(inode);
	inode_unlock(inode);
	memfd_luo_out_drop(args->private_data);
}

static int hugetlb_luo_check(struct liveupdate_file_op_args *args)
{
	struct memfd_luo_meta meta;

	return get_meta(args->file, &meta) ?:
	       memfd_luo_check_pages(args->private_data, args->file->f_mapping);
}

static int hugetlb_luo_freeze(struct liveupdate_file_op_args *args)
{
	struct memfd_luo_out *out = args->private_data;

	return save(out, args->file) ?: memfd_luo_freeze_pages(out, args->file->f_mapping);
}

static void hugetlb_luo_unfreeze(struct liveupdate_file_op_args *args)
{
	memfd_luo_unfreeze_pages();
}

/* What the previous kernel handed over */

static struct file *make_file(const struct memfd_luo_meta *meta)
{
	unsigned int flags = MFD_HUGETLB | MFD_ALLOW_SEALING | size_log2(meta) << MFD_HUGE_SHIFT;
	struct file *file;
	int err;

	if (!hugetlb_luo_hstate(meta))
		return ERR_PTR(-ENODEV);
	/* Else F_SEAL_EXEC would bring seals along that the file did not have. */
	if (meta->seals & F_SEAL_EXEC)
		flags |= MFD_NOEXEC_SEAL;
	file = memfd_alloc_file(meta->name, flags);
	/* No memory for the inode is no space, to hugetlbfs. */
	if (file == ERR_PTR(-ENOSPC))
		return ERR_PTR(-ENOMEM);
	if (IS_ERR(file))
		return file;
	err = memfd_luo_set_meta(file, meta);
	if (err) {
		fput(file);
		return ERR_PTR(err);
	}
	return file;
}

static int hugetlb_luo_retrieve(struct liveupdate_file_op_args *args)
{
	u64 data = args->serialized_data;
	struct memfd_luo_meta meta;
	struct file *file;
	int err;

	ACQUIRE(mutex_kill, lock)(&memfd_luo_in_lock);
	err = ACQUIRE_ERR(mutex_kill, &lock) ?: hugetlb_luo_v1.load(&hugetlb_luo_v1, data, &meta);
	if (err)
		return err;
	file = make_file(&meta);
	if (IS_ERR(file))
		return PTR_ERR(file);
	err = hugetlb_luo_fill(file_inode(file), data, meta.size);
	if (err) {
		fput(file);
		return err;
	}
	args->file = file;
	return 0;
}

static int count_extent(void *arg, const struct luo_extent *extent)
{
	u64 *nr = arg;
	int err = hugetlb_luo_count(extent);

	if (!err)
		++*nr;
	return err;
}

static int uncount_extent(void *arg, const struct luo_extent *extent)
{
	u64 *nr = arg;

	if (!*nr)
		return -ECANCELED;
	--*nr;
	hugetlb_luo_uncount(extent);
	return 0;
}

static void uncount_all(u64 data, u64 nr)
{
	const struct memfd_luo_visitor visitor = { .extent = uncount_extent, .arg = &nr };

	hugetlb_luo_v1.walk(data, &visitor);
}

/* Have all that came told of to the next kernel as well; it is claimed. */
static int carry_on(u64 data)
{
	u64 nr = 0;
	const struct memfd_luo_visitor visitor = { .extent = count_extent, .arg = &nr };
	int err;

	err = hugetlb_luo_v1.walk(data, &visitor) ?: memfd_luo_hold(&hugetlb_luo_v1, data);
	if (err)
		uncount_all(data, nr);
	return err;
}

static int hugetlb_luo_carry(struct liveupdate_file_op_args *args,
			     struct liveupdate_file_handler *to)
{
	u64 data = args->serialized_data;
	struct memfd_luo_pass pass = {};
	struct memfd_luo_meta meta;
	int err;

	guard(mutex)(&memfd_luo_in_lock);
	err = hugetlb_luo_v1.load(&hugetlb_luo_v1, data, &meta) ?:
	      memfd_luo_claim(&hugetlb_luo_v1, data, meta.size, &pass);
	if (err)
		return err;
	err = carry_on(data);
	memfd_luo_unclaim(&hugetlb_luo_v1, data, &pass);
	return err;
}

static void hugetlb_luo_uncarry(struct liveupdate_file_op_args *args)
{
	guard(mutex)(&memfd_luo_in_lock);
	memfd_luo_unhold(&hugetlb_luo_v1, args->serialized_data);
	uncount_all(args->serialized_data, U64_MAX);
}

static void hugetlb_luo_finish(struct liveupdate_file_op_args *args)
{
	u64 data = args->serialized_data;
	struct memfd_luo_pass pass = {};
	struct memfd_luo_meta meta;
	int err;

	if (args->retrieve_status > 0)
		return;
	guard(mutex)(&memfd_luo_in_lock);
	err = hugetlb_luo_v1.load(&hugetlb_luo_v1, data, &meta) ?:
	      memfd_luo_claim(&hugetlb_luo_v1, data, meta.size, &pass);
	/* Nobody could be told that it failed. */
	if (err)
		pr_warn("what was saved is damaged, memory stays reserved: %pe\n", ERR_PTR(err));
	else
		hugetlb_luo_discard(hugetlb_luo_hstate(&meta), data);
}

static bool hugetlb_luo_can_preserve(struct liveupdate_file_handler *handler, struct file *file)
{
	/* One that is preserved may have got a name since, which changes nothing. */
	return is_file_hugepages(file) &&
	       (!file_inode(file)->i_nlink || hugetlb_luo_is_preserved(file_inode(file)));
}

static unsigned long hugetlb_luo_get_id(struct file *file)
{
	return (unsigned long)file_inode(file);
}

static int hugetlb_luo_get_size(struct liveupdate_file_op_args *args, u64 *size)
{
	struct memfd_luo_meta meta;
	int err;

	ACQUIRE(mutex_kill, lock)(&memfd_luo_in_lock);
	err = ACQUIRE_ERR(mutex_kill, &lock) ?:
	      hugetlb_luo_v1.load(&hugetlb_luo_v1, args->serialized_data, &meta);
	if (!err)
		*size = meta.size;
	return err;
}

static const struct liveupdate_file_ops hugetlb_luo_ops = {
	.can_preserve = hugetlb_luo_can_preserve,
	.preserve = hugetlb_luo_preserve,
	.unpreserve = hugetlb_luo_unpreserve,
	.check = hugetlb_luo_check,
	.freeze = hugetlb_luo_freeze,
	.unfreeze = hugetlb_luo_unfreeze,
	.retrieve = hugetlb_luo_retrieve,
	.carry = hugetlb_luo_carry,
	.uncarry = hugetlb_luo_uncarry,
	.finish = hugetlb_luo_finish,
	.get_id = hugetlb_luo_get_id,
	.get_size = hugetlb_luo_get_size,
	.owner = THIS_MODULE,
};

LIVEUPDATE_FILE_HANDLER(hugetlb_luo_handler, HUGETLB_V1_COMPATIBLE, &hugetlb_luo_ops);

static int __init hugetlb_luo_init(void)
{
	int err;

	if (!liveupdate_enabled() || !hugepages_supported())
		return 0;
	static_branch_enable(&hugetlb_luo_key);
	err = liveupdate_register_file_handler(&hugetlb_luo_handler);
	return err ?: hugetlb_luo_register_pools(&hugetlb_luo_handler);
}
late_initcall(hugetlb_luo_init);
