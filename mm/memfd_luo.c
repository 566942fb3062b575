// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: memfds over a live update
 *
 * The handler for memfds, and for tmpfs files that have no name any more. What
 * it saves is of the format ``memfd-v2``, see include/linux/kho/abi/memfd.h.
 *
 * These come back in the next kernel:
 *
 * Content
 *   Every page that the file has stays where it is in RAM. Holes stay holes.
 * Size, position and seals
 *   As they are when the machine reboots.
 *
 * The rest does not: the file is a memfd without a name, open for reading and
 * writing, of mode 0777 or, where F_SEAL_EXEC says so, 0666. A file that is
 * not open for both is refused with EACCES rather than given back with more
 * rights than it had, seals that are not known with EOPNOTSUPP.
 *
 * A file that is preserved goes on being used. Its size is fixed (truncate(2),
 * fallocate(2) and writing past its end get EPERM), its pages are pinned, and
 * what is put into its holes is preserved as it comes. From the moment that
 * the machine reboots, who needs a new page of it sleeps.
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
#include <linux/liveupdate.h>
#include <linux/memcontrol.h>
#include <linux/memfd.h>
#include <linux/pagemap.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <linux/wait.h>
#include <uapi/linux/memfd.h>

#include "internal.h"
#include "memfd_luo.h"

/* Folios that are pinned at a time */
#define MEMFD_LUO_BATCH		64

/* F_SEAL_EXEC on a file that can be executed brings these along. */
#define MEMFD_LUO_EXEC_SEALS	(F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | \
				 F_SEAL_FUTURE_WRITE)

/**
 * struct memfd_luo_out - a preserved file
 * @lock:     protects the rest while pages come in: invalidate_lock is only
 *            shared by those who put them there
 * @ser:      what is handed over
 * @entries:  its folios, in memory from vmalloc() that is preserved too
 * @capacity: how many entries there is room for
 * @walker:   who is preserving what the file has, holding invalidate_lock; it
 *            must not wait for itself should a page have gone under its hands
 * @rcu:      for looking at @walker without a lock
 */
struct memfd_luo_out {
	struct mutex lock;	/* see above */
	struct memfd_luo_ser *ser;
	struct memfd_luo_folio_ser *entries;
	u64 capacity;
	struct task_struct *walker;
	struct rcu_head rcu;
};

/* Files that are frozen, and those who wait until none is */
static atomic_t memfd_luo_nr_frozen;
static DECLARE_WAIT_QUEUE_HEAD(memfd_luo_thaw_wait);

/* Have room for @capacity entries; what is there is kept. */
static int memfd_luo_resize(struct memfd_luo_out *out, u64 capacity)
{
	struct memfd_luo_folio_ser *entries;
	struct kho_vmalloc folios = {};
	int err;

	entries = __vcalloc(capacity, sizeof(*entries), GFP_KERNEL | __GFP_NOWARN);
	if (!entries)
		return -ENOMEM;
	err = kho_preserve_vmalloc(entries, &folios);
	if (err) {
		vfree(entries);
		return err;
	}

	if (out->entries) {
		memcpy(entries, out->entries, out->ser->nr_folios * sizeof(*entries));
		kho_unpreserve_vmalloc(&out->ser->folios);
		vfree(out->entries);
	}
	out->ser->folios = folios;
	out->entries = entries;
	out->capacity = capacity;
	return 0;
}

/* Preserve a folio that is pinned and locked. */
static int memfd_luo_add(struct memfd_luo_out *out, struct folio *folio)
{
	struct memfd_luo_ser *ser = out->ser;
	int err;

	guard(mutex)(&out->lock);
	if (ser->nr_folios == out->capacity) {
		err = memfd_luo_resize(out, max(2 * out->capacity,
						PAGE_SIZE / sizeof(*out->entries)));
		if (err)
			return err;
	}
	err = kho_preserve_folio(folio);
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

	out->entries[ser->nr_folios++] = (struct memfd_luo_folio_ser) {
		.pfn = folio_pfn(folio),
		.flags = MEMFD_LUO_FOLIO_FLAGS,
		.index = folio->index,
	};
	return 0;
}

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
		err = try_grab_folio(folio, 1, FOLL_PIN);
		if (!err) {
			err = memfd_luo_add(out, folio);
			if (err)
				unpin_folio(folio);
		}
	}
	filemap_invalidate_unlock_shared(inode->i_mapping);
	return err;
}

/*
 * Find the next run of indices from @first to @last that have a page, be it in
 * swap: return how many entries of the mapping it takes, at most @max, and
 * set @first to its first index and @end to the one behind its last.
 */
static unsigned long memfd_luo_next_run(struct address_space *mapping,
					pgoff_t *first, pgoff_t last,
					pgoff_t *end, unsigned long max)
{
	XA_STATE(xas, &mapping->i_pages, *first);
	unsigned long nr = 0;
	void *entry;

	guard(rcu)();
	xas_for_each(&xas, entry, last) {
		if (xas_retry(&xas, entry))
			continue;
		if (!nr)
			*first = xas.xa_index;
		else if (xas.xa_index != *end)
			break;
		*end = xas.xa_index + (1UL << xas_get_order(&xas));
		if (++nr == max)
			break;
	}
	return nr;
}

/* How many entries of the mapping up to @last have a page. */
static unsigned long memfd_luo_count(struct address_space *mapping, pgoff_t last)
{
	pgoff_t index = 0, end;
	unsigned long nr, sum = 0;

	for (; index <= last; index = end) {
		nr = memfd_luo_next_run(mapping, &index, last, &end, XA_CHECK_SCHED);
		if (!nr)
			break;
		sum += nr;
		cond_resched();
	}
	return sum;
}

/* Pin and preserve what the file has from @first on, up to @end, not included. */
static int memfd_luo_preserve_run(struct memfd_luo_out *out, struct file *file,
				  pgoff_t first, pgoff_t end)
{
	loff_t stop = min_t(loff_t, (loff_t)end << PAGE_SHIFT,
			    i_size_read(file_inode(file)));
	struct folio *folios[MEMFD_LUO_BATCH];
	pgoff_t offset;
	long i, nr;
	int err;

	while (first < end) {
		/* This moves them out of CMA, and gets them back from swap. */
		nr = memfd_pin_folios(file, (loff_t)first << PAGE_SHIFT, stop - 1,
				      folios, ARRAY_SIZE(folios), &offset);
		if (nr < 0)
			return nr;

		for (i = 0; i < nr; i++) {
			folio_lock(folios[i]);
			err = memfd_luo_add(out, folios[i]);
			folio_unlock(folios[i]);
			if (err) {
				unpin_folios(folios + i, nr - i);
				return err;
			}
		}
		first = folio_next_index(folios[nr - 1]);
		cond_resched();
	}
	return 0;
}

static int memfd_luo_preserve_folios(struct memfd_luo_out *out, struct file *file)
{
	struct address_space *mapping = file->f_mapping;
	loff_t size = i_size_read(file_inode(file));
	pgoff_t index = 0, last, end;
	unsigned long nr;
	int err;

	if (!size)
		return 0;
	last = (size - 1) >> PAGE_SHIFT;

	nr = memfd_luo_count(mapping, last);
	if (!nr)
		return 0;
	err = memfd_luo_resize(out, nr);

	for (; !err && index <= last; index = end) {
		if (fatal_signal_pending(current))
			return -EINTR;
		if (!memfd_luo_next_run(mapping, &index, last, &end, XA_CHECK_SCHED))
			break;
		err = memfd_luo_preserve_run(out, file, index, end);
	}
	return err;
}

static void memfd_luo_out_free(struct memfd_luo_out *out)
{
	struct memfd_luo_ser *ser = out->ser;

	while (ser->nr_folios) {
		struct folio *folio = pfn_folio(out->entries[--ser->nr_folios].pfn);

		kho_unpreserve_folio(folio);
		unpin_folio(folio);
		cond_resched();
	}
	if (out->entries) {
		kho_unpreserve_vmalloc(&ser->folios);
		vfree(out->entries);
	}
	kho_unpreserve_free(ser);
	mutex_destroy(&out->lock);
	kfree_rcu(out, rcu);
}

static struct memfd_luo_out *memfd_luo_out_alloc(void)
{
	struct memfd_luo_out *out = kzalloc_obj(*out);

	if (!out)
		return ERR_PTR(-ENOMEM);
	out->ser = kho_alloc_preserve(sizeof(*out->ser));
	if (IS_ERR(out->ser)) {
		int err = PTR_ERR(out->ser);

		kfree(out);
		return ERR_PTR(err);
	}
	mutex_init(&out->lock);
	return out;
}

/* What can change until the machine reboots. */
static int memfd_luo_save(struct memfd_luo_ser *ser, struct file *file)
{
	int seals = memfd_get_seals(file);

	if (seals < 0)
		return seals;
	if (seals & ~MEMFD_LUO_ALL_SEALS)
		return -EOPNOTSUPP;
	ser->seals = seals;
	ser->pos = file->f_pos;
	return 0;
}

static int memfd_luo_preserve(struct liveupdate_file_op_args *args)
{
	struct inode *inode = file_inode(args->file);
	struct memfd_luo_out *out;
	int err;

	if ((args->file->f_mode & (FMODE_READ | FMODE_WRITE)) != (FMODE_READ | FMODE_WRITE))
		return -EACCES;

	out = memfd_luo_out_alloc();
	if (IS_ERR(out))
		return PTR_ERR(out);

	inode_lock(inode);
	filemap_invalidate_lock(inode->i_mapping);
	shmem_freeze(inode, true);
	out->walker = current;
	WRITE_ONCE(SHMEM_I(inode)->luo, out);
	out->ser->size = i_size_read(inode);
	err = memfd_luo_save(out->ser, args->file);
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
	args->serialized_data = virt_to_phys(out->ser);
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

static int memfd_luo_freeze(struct liveupdate_file_op_args *args)
{
	struct address_space *mapping = args->file->f_mapping;
	struct memfd_luo_out *out = args->private_data;
	int err;

	err = memfd_luo_save(out->ser, args->file);
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

/*
 * Put a folio into the file; on failure it is as before. It stays off the LRU
 * lists, so that memfd_luo_remove() can still take it out.
 */
static int memfd_luo_insert(struct inode *inode, struct folio *folio, pgoff_t index)
{
	struct address_space *mapping = inode->i_mapping;
	gfp_t gfp = mapping_gfp_mask(mapping);
	int err;

	__folio_set_locked(folio);
	__folio_set_swapbacked(folio);

	/* A cgroup's limit is the writer's to be told of, not to be killed for. */
	err = mem_cgroup_charge(folio, NULL, gfp | __GFP_RETRY_MAYFAIL);
	if (err)
		goto err_unlock;
	err = shmem_add_to_page_cache(folio, mapping, index, NULL, gfp);
	if (err)
		goto err_uncharge;
	err = shmem_inode_acct_blocks(inode, folio_nr_pages(folio));
	if (err)
		goto err_remove;
	shmem_recalc_inode(inode, folio_nr_pages(folio), 0);
	folio_unlock(folio);
	return 0;

err_remove:
	filemap_remove_folio(folio);
err_uncharge:
	mem_cgroup_uncharge(folio);
err_unlock:
	__folio_clear_swapbacked(folio);
	folio_unlock(folio);
	return err;
}

/* Undo memfd_luo_insert(). */
static void memfd_luo_remove(struct inode *inode, struct folio *folio)
{
	folio_lock(folio);
	filemap_remove_folio(folio);
	shmem_recalc_inode(inode, 0, 0);
	mem_cgroup_uncharge(folio);
	__folio_clear_swapbacked(folio);
	folio_unlock(folio);
}

/* What memfd_luo_insert() put into the file is the file's alone from now on. */
static void memfd_luo_hand_in(struct folio *folio, unsigned int flags)
{
	folio_lock(folio);
	if (flags & MEMFD_LUO_FOLIO_UPTODATE)
		folio_mark_uptodate(folio);
	if (flags & MEMFD_LUO_FOLIO_DIRTY)
		folio_mark_dirty(folio);
	folio_add_lru(folio);
	folio_unlock(folio);
	folio_put(folio);
}

static struct file *memfd_luo_make_file(const struct memfd_luo_ser *ser)
{
	unsigned int flags = MFD_ALLOW_SEALING;
	struct file *file;
	int err;

	/* Else F_SEAL_EXEC would bring seals along that the file did not have. */
	if (ser->seals & F_SEAL_EXEC &&
	    (ser->seals & MEMFD_LUO_EXEC_SEALS) != MEMFD_LUO_EXEC_SEALS)
		flags |= MFD_NOEXEC_SEAL;

	file = memfd_alloc_file("memfd:", flags);
	if (IS_ERR(file))
		return file;
	err = memfd_add_seals(file, ser->seals);
	if (err) {
		fput(file);
		return ERR_PTR(err);
	}
	vfs_setpos(file, ser->pos, MAX_LFS_FILESIZE);
	i_size_write(file_inode(file), ser->size);
	return file;
}

/* Put all folios into the file, or none: it is charged to who retrieves it. */
static int memfd_luo_fill(struct memfd_luo_in *in)
{
	struct inode *inode;
	int err;
	u64 i;

	if (!in->file) {
		struct file *file = memfd_luo_make_file(&in->ser);

		if (IS_ERR(file))
			return PTR_ERR(file);
		in->file = file;
	}
	inode = file_inode(in->file);

	err = memfd_luo_take_folios(in);
	if (err)
		return err;

	for (i = 0; i < in->nr_taken; i++) {
		err = memfd_luo_insert(inode, memfd_luo_entry_folio(in, i),
				       memfd_luo_entry(in, i)->index);
		if (err)
			goto err_remove;
		cond_resched();
	}

	for (i = 0; i < in->nr_taken; i++) {
		memfd_luo_hand_in(memfd_luo_entry_folio(in, i),
				  memfd_luo_entry(in, i)->flags);
		cond_resched();
	}
	return 0;

err_remove:
	while (i) {
		memfd_luo_remove(inode, memfd_luo_entry_folio(in, --i));
		cond_resched();
	}
	return err;
}

static int memfd_luo_retrieve(struct liveupdate_file_op_args *args)
{
	struct memfd_luo_in *in = args->private_data;
	int err;

	if (!in) {
		in = memfd_luo_in_alloc(args->serialized_data);
		if (IS_ERR(in))
			return PTR_ERR(in);
		args->private_data = in;
	}

	err = memfd_luo_fill(in);
	if (err)
		return err;

	args->file = in->file;
	args->private_data = NULL;
	memfd_luo_free_saved(in);
	return 0;
}

static void memfd_luo_finish(struct liveupdate_file_op_args *args)
{
	struct memfd_luo_in *in = args->private_data;

	if (args->retrieve_status > 0)
		return;
	if (!in)
		in = memfd_luo_in_alloc(args->serialized_data);
	if (IS_ERR(in)) {
		pr_warn("what was saved is damaged, memory stays reserved: %pe\n", in);
		return;
	}

	memfd_luo_put_folios(in);
	if (in->file)
		fput(in->file);
	memfd_luo_free_saved(in);
}

static bool memfd_luo_can_preserve(struct liveupdate_file_handler *handler,
				   struct file *file)
{
	return shmem_file(file) && !file_inode(file)->i_nlink;
}

static unsigned long memfd_luo_get_id(struct file *file)
{
	return (unsigned long)file_inode(file);
}

static int memfd_luo_get_size(struct liveupdate_file_op_args *args, u64 *size)
{
	struct memfd_luo_in *in = args->private_data;
	struct memfd_luo_ser *ser;

	ser = in ? &in->ser : memfd_luo_ser(args->serialized_data);
	if (IS_ERR(ser))
		return PTR_ERR(ser);
	*size = ser->size;
	return 0;
}

static const struct liveupdate_file_ops memfd_luo_ops = {
	.can_preserve = memfd_luo_can_preserve,
	.preserve = memfd_luo_preserve,
	.unpreserve = memfd_luo_unpreserve,
	.freeze = memfd_luo_freeze,
	.unfreeze = memfd_luo_unfreeze,
	.retrieve = memfd_luo_retrieve,
	.finish = memfd_luo_finish,
	.get_id = memfd_luo_get_id,
	.get_size = memfd_luo_get_size,
	.owner = THIS_MODULE,
};

LIVEUPDATE_FILE_HANDLER(memfd_luo_handler, MEMFD_LUO_FH_COMPATIBLE, &memfd_luo_ops);

static int __init memfd_luo_init(void)
{
	int err = liveupdate_register_file_handler(&memfd_luo_handler);

	return err == -EOPNOTSUPP ? 0 : err;
}
late_initcall(memfd_luo_init);
