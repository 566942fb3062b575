// SPDX-License-Identifier: GPL-2.0
/*
 * File-lifecycle-bound objects (FLBs): state that many files share, say that of
 * an IOMMU. It is preserved with the first of them and goes with the last.
 *
 * An FLB lives in each direction as long as a file depends on it or somebody
 * holds a reference. Only files count for the hand-over.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cleanup.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/kexec_handover.h>
#include <linux/list_private.h>
#include <linux/liveupdate.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rbtree.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "luo_internal.h"

/* That a handler depends on an FLB */
struct luo_flb_link {
	struct liveupdate_flb *flb;
	struct list_head list;
};

/*
 * What is handed over of an FLB.
 * @node:       in its luo_flb_records, by @compatible
 * @compatible: the FLB's compatible string
 * @data:       the handle of its preserve()
 * @files:      how many files depend on it
 */
struct luo_flb_record {
	struct rb_node node;
	char compatible[LIVEUPDATE_FLB_COMPAT_LENGTH];
	u64 data;
	u64 files;
};

/* The records of one direction */
struct luo_flb_records {
	struct rb_root by_name;
	u64 nr;
};

/* The FLBs that handlers depend on, protected by luo_handlers_rwsem */
static LIST_HEAD(luo_flbs);

/* Protects both, with the room that is made for the outgoing ones. */
static DEFINE_MUTEX(luo_flb_records_lock);
static struct luo_flb_records luo_flb_outgoing = { .by_name = RB_ROOT };
static struct luo_flb_records luo_flb_incoming = { .by_name = RB_ROOT };

/* FLBs are defined statically, and may be asked for before they are registered. */
static struct luo_flb_private *luo_flb_private(struct liveupdate_flb *flb)
{
	struct luo_flb_private *private = &ACCESS_PRIVATE(flb, private);
	static DEFINE_SPINLOCK(lock);

	/* Pairs with the release below: who sees it set sees what it is about. */
	if (smp_load_acquire(&private->initialized))
		return private;
	guard(spinlock)(&lock);
	if (!private->initialized) {
		mutex_init(&private->incoming.lock);
		mutex_init(&private->outgoing.lock);
		INIT_LIST_HEAD(&private->list);
		/* Pairs with the acquire above. */
		smp_store_release(&private->initialized, true);
	}
	return private;
}

/* Records */

static int luo_flb_record_cmp(struct rb_node *a, const struct rb_node *b)
{
	return strcmp(rb_entry(a, struct luo_flb_record, node)->compatible,
		      rb_entry(b, struct luo_flb_record, node)->compatible);
}

static int luo_flb_record_key_cmp(const void *compatible, const struct rb_node *node)
{
	return strcmp(compatible, rb_entry(node, struct luo_flb_record, node)->compatible);
}

static struct luo_flb_record *luo_flb_record_add(struct luo_flb_records *records,
						 const char *compatible)
{
	gfp_t gfp = records == &luo_flb_incoming ? LUO_GFP_NOFAIL : GFP_KHO;
	struct luo_flb_record *record __free(kfree) = kzalloc_obj(*record, gfp);
	int err;

	if (!record)
		return ERR_PTR(-ENOMEM);
	strscpy(record->compatible, compatible);

	guard(mutex)(&luo_flb_records_lock);
	if (rb_find_add(&record->node, &records->by_name, luo_flb_record_cmp))
		return ERR_PTR(-EEXIST);
	if (records == &luo_flb_outgoing) {
		err = luo_abi_reserve_flbs(records->nr + 1);
		if (err) {
			rb_erase(&record->node, &records->by_name);
			return ERR_PTR(err);
		}
	}
	records->nr++;
	return_ptr(record);
}

static void luo_flb_record_remove(struct luo_flb_records *records,
				  struct luo_flb_record *record)
{
	guard(mutex)(&luo_flb_records_lock);
	rb_erase(&record->node, &records->by_name);
	records->nr--;
	/* Less room than there was can always be had. */
	if (records == &luo_flb_outgoing)
		luo_abi_reserve_flbs(records->nr);
	kfree(record);
}

/* Outgoing */

static void luo_flb_unpreserve_unused(struct liveupdate_flb *flb)
{
	struct luo_flb_state *state = &luo_flb_private(flb)->outgoing;
	struct liveupdate_flb_op_args args = {
		.flb = flb,
		.data = state->data,
		.obj = state->obj,
	};

	if (!state->live || state->record || state->refs)
		return;
	flb->ops->unpreserve(&args);
	state->live = false;
	state->obj = NULL;
	module_put(flb->ops->owner);
}

static int luo_flb_preserve(struct liveupdate_flb *flb)
{
	struct luo_flb_state *state = &luo_flb_private(flb)->outgoing;
	struct liveupdate_flb_op_args args = { .flb = flb };
	int err;

	if (state->live)
		return 0;
	if (!try_module_get(flb->ops->owner))
		return -ENODEV;
	err = flb->ops->preserve(&args);
	if (err) {
		module_put(flb->ops->owner);
		return err;
	}
	state->data = args.data;
	state->obj = args.obj;
	state->live = true;
	return 0;
}

static int luo_flb_add_first_file(struct liveupdate_flb *flb)
{
	struct luo_flb_state *state = &luo_flb_private(flb)->outgoing;
	struct luo_flb_record *record;
	int err;

	record = luo_flb_record_add(&luo_flb_outgoing, flb->compatible);
	if (IS_ERR(record))
		return PTR_ERR(record);
	err = luo_flb_preserve(flb);
	if (err) {
		luo_flb_record_remove(&luo_flb_outgoing, record);
		return err;
	}
	record->data = state->data;
	state->record = record;
	return 0;
}

static int luo_flb_add_file(struct liveupdate_flb *flb)
{
	struct luo_flb_state *state = &luo_flb_private(flb)->outgoing;
	int err;

	guard(mutex)(&state->lock);
	if (!state->record) {
		err = luo_flb_add_first_file(flb);
		if (err)
			return err;
	}
	state->record->files++;
	return 0;
}

static void luo_flb_remove_file(struct liveupdate_flb *flb)
{
	struct luo_flb_state *state = &luo_flb_private(flb)->outgoing;

	guard(mutex)(&state->lock);
	if (--state->record->files)
		return;
	luo_flb_record_remove(&luo_flb_outgoing, state->record);
	state->record = NULL;
	luo_flb_unpreserve_unused(flb);
}

/**
 * luo_flb_file_preserve() - a file is about to be preserved
 * @fh: its handler
 *
 * Return: 0; or, with nothing changed, a negative errno: -ENODEV when the module
 * of an FLB is going, -ENOSPC when the hand-over format cannot carry more FLBs,
 * -ENOMEM, or whatever an FLB's preserve() says.
 */
int luo_flb_file_preserve(struct liveupdate_file_handler *fh)
{
	struct list_head *links = &ACCESS_PRIVATE(fh, flb_list);
	struct luo_flb_link *link;
	int err;

	guard(rwsem_read)(&luo_handlers_rwsem);
	list_for_each_entry(link, links, list) {
		err = luo_flb_add_file(link->flb);
		if (err) {
			list_for_each_entry_continue_reverse(link, links, list)
				luo_flb_remove_file(link->flb);
			return err;
		}
	}
	return 0;
}

/**
 * luo_flb_file_unpreserve() - a file was unpreserved
 * @fh: its handler
 */
void luo_flb_file_unpreserve(struct liveupdate_file_handler *fh)
{
	struct luo_flb_link *link;

	guard(rwsem_read)(&luo_handlers_rwsem);
	list_for_each_entry_reverse(link, &ACCESS_PRIVATE(fh, flb_list), list)
		luo_flb_remove_file(link->flb);
}

/**
 * luo_flb_nr_outgoing() - how many FLBs files depend on
 *
 * Context: luo_freeze_rwsem held for writing.
 * Return: that number.
 */
u64 luo_flb_nr_outgoing(void)
{
	lockdep_assert_held_write(&luo_freeze_rwsem);
	return luo_flb_outgoing.nr;
}

/**
 * luo_flb_write() - write the FLBs that files depend on
 * @ser: the array, of as many entries as were reserved
 *
 * Context: the reboot path, luo_freeze_rwsem held for writing.
 * Return: how many were written.
 */
u64 luo_flb_write(struct luo_flb_ser *ser)
{
	struct luo_flb_record *record, *next;
	u64 nr = 0;

	lockdep_assert_held_write(&luo_freeze_rwsem);
	rbtree_postorder_for_each_entry_safe(record, next, &luo_flb_outgoing.by_name, node) {
		strscpy_pad(ser[nr].name, record->compatible);
		ser[nr].data = record->data;
		ser[nr].count = record->files;
		nr++;
	}
	return nr;
}

/**
 * liveupdate_flb_get_outgoing() - get the object that is being preserved
 * @flb:  the FLB
 * @objp: set on success; valid until liveupdate_flb_put_outgoing()
 *
 * Context: process context; not from the FLB's own callbacks.
 * Return: 0; -ENOENT when no file that depends on it is preserved; -EOPNOTSUPP
 * when live update is not in use.
 */
int liveupdate_flb_get_outgoing(struct liveupdate_flb *flb, void **objp)
{
	struct luo_flb_state *state = &luo_flb_private(flb)->outgoing;

	if (!liveupdate_enabled())
		return -EOPNOTSUPP;

	guard(mutex)(&state->lock);
	if (!state->live)
		return -ENOENT;
	state->refs++;
	*objp = state->obj;
	return 0;
}
EXPORT_SYMBOL_GPL(liveupdate_flb_get_outgoing);

/**
 * liveupdate_flb_put_outgoing() - undo liveupdate_flb_get_outgoing()
 * @flb: the FLB
 *
 * Context: process context; not from the FLB's own callbacks.
 */
void liveupdate_flb_put_outgoing(struct liveupdate_flb *flb)
{
	struct luo_flb_state *state = &luo_flb_private(flb)->outgoing;

	guard(mutex)(&state->lock);
	state->refs--;
	luo_flb_unpreserve_unused(flb);
}
EXPORT_SYMBOL_GPL(liveupdate_flb_put_outgoing);

/* Incoming */

/**
 * luo_flb_add_incoming() - add an FLB that the previous kernel preserved
 * @compatible: its compatible string, which need not be known here
 * @data:       its owner's handle
 * @count:      how many files depend on it
 *
 * Return: 0; -EINVAL when no file does; -EEXIST when it was added before.
 */
int luo_flb_add_incoming(const char *compatible, u64 data, u64 count)
{
	struct luo_flb_record *record;

	if (!count)
		return -EINVAL;
	record = luo_flb_record_add(&luo_flb_incoming, compatible);
	if (IS_ERR(record))
		return PTR_ERR(record);
	record->data = data;
	record->files = count;
	return 0;
}

/* Find what was handed over of an FLB, if anything was. */
static void luo_flb_find_record(struct liveupdate_flb *flb)
{
	struct luo_flb_state *state = &luo_flb_private(flb)->incoming;
	struct rb_node *node;

	if (state->record)
		return;
	guard(mutex)(&luo_flb_records_lock);
	node = rb_find(flb->compatible, &luo_flb_incoming.by_name, luo_flb_record_key_cmp);
	if (!node)
		return;
	state->record = rb_entry(node, struct luo_flb_record, node);
	state->data = state->record->data;
}

static int luo_flb_retrieve(struct liveupdate_flb *flb)
{
	struct luo_flb_state *state = &luo_flb_private(flb)->incoming;
	struct liveupdate_flb_op_args args = { .flb = flb, .data = state->data };
	int err;

	if (state->live)
		return 0;
	if (!try_module_get(flb->ops->owner))
		return -ENODEV;
	err = flb->ops->retrieve(&args);
	if (err) {
		module_put(flb->ops->owner);
		return err;
	}
	state->obj = args.obj;
	state->live = true;
	return 0;
}

static void luo_flb_finish_unused(struct liveupdate_flb *flb)
{
	struct luo_flb_state *state = &luo_flb_private(flb)->incoming;
	struct liveupdate_flb_op_args args = {
		.flb = flb,
		.data = state->data,
		.obj = state->obj,
	};

	if (!state->live || state->record || state->refs)
		return;
	flb->ops->finish(&args);
	state->live = false;
	state->obj = NULL;
	module_put(flb->ops->owner);
}

/*
 * A file is going to be finished. With the last one goes the object, and finish()
 * is given it, so it has to be there.
 */
static int luo_flb_begin_finish(struct liveupdate_flb *flb, bool discard)
{
	struct luo_flb_state *state = &luo_flb_private(flb)->incoming;
	int err;

	guard(mutex)(&state->lock);
	luo_flb_find_record(flb);
	state->finishing++;
	/* There is no record when the previous kernel had no such FLB. */
	if (!state->record || state->finishing < state->record->files)
		return 0;
	err = luo_flb_retrieve(flb);
	if (err) {
		luo_set_last_error(NULL, NULL, flb->compatible, err);
		if (discard)
			return 0;
		state->finishing--;
	}
	return err;
}

static void luo_flb_cancel_finish(struct liveupdate_flb *flb)
{
	struct luo_flb_state *state = &luo_flb_private(flb)->incoming;

	guard(mutex)(&state->lock);
	state->finishing--;
}

static void luo_flb_finish_file(struct liveupdate_flb *flb)
{
	struct luo_flb_state *state = &luo_flb_private(flb)->incoming;

	guard(mutex)(&state->lock);
	state->finishing--;
	if (!state->record || --state->record->files)
		return;
	luo_flb_record_remove(&luo_flb_incoming, state->record);
	state->record = NULL;
	luo_flb_finish_unused(flb);
}

/**
 * luo_flb_file_retrieve() - retrieve the FLBs that a file depends on
 * @fh: its handler
 *
 * Return: 0, or what the retrieve() of one of them says.
 */
int luo_flb_file_retrieve(struct liveupdate_file_handler *fh)
{
	struct luo_flb_link *link;
	int err;

	guard(rwsem_read)(&luo_handlers_rwsem);
	list_for_each_entry(link, &ACCESS_PRIVATE(fh, flb_list), list) {
		struct luo_flb_state *state = &luo_flb_private(link->flb)->incoming;

		guard(mutex)(&state->lock);
		luo_flb_find_record(link->flb);
		err = state->record ? luo_flb_retrieve(link->flb) : 0;
		if (err)
			return err;
	}
	return 0;
}

/**
 * luo_flb_file_begin_finish() - make sure that FLBs can go with a file
 * @fh:      its handler
 * @discard: they can also when they cannot be retrieved; then their memory stays
 *           reserved until the next boot
 *
 * Return: 0; or, with nothing changed, why an FLB of which this is the last file
 * cannot be retrieved.
 */
int luo_flb_file_begin_finish(struct liveupdate_file_handler *fh, bool discard)
{
	struct list_head *links = &ACCESS_PRIVATE(fh, flb_list);
	struct luo_flb_link *link;
	int err;

	guard(rwsem_read)(&luo_handlers_rwsem);
	list_for_each_entry(link, links, list) {
		err = luo_flb_begin_finish(link->flb, discard);
		if (err) {
			list_for_each_entry_continue_reverse(link, links, list)
				luo_flb_cancel_finish(link->flb);
			return err;
		}
	}
	return 0;
}

/**
 * luo_flb_file_cancel_finish() - undo luo_flb_file_begin_finish()
 * @fh: the file's handler
 */
void luo_flb_file_cancel_finish(struct liveupdate_file_handler *fh)
{
	struct luo_flb_link *link;

	guard(rwsem_read)(&luo_handlers_rwsem);
	list_for_each_entry(link, &ACCESS_PRIVATE(fh, flb_list), list)
		luo_flb_cancel_finish(link->flb);
}

/**
 * luo_flb_file_finish() - a file of the previous kernel's was finished
 * @fh: its handler, after luo_flb_file_begin_finish()
 */
void luo_flb_file_finish(struct liveupdate_file_handler *fh)
{
	struct luo_flb_link *link;

	guard(rwsem_read)(&luo_handlers_rwsem);
	list_for_each_entry_reverse(link, &ACCESS_PRIVATE(fh, flb_list), list)
		luo_flb_finish_file(link->flb);
}

/**
 * liveupdate_flb_get_incoming() - get the object that was preserved
 * @flb:  the FLB
 * @objp: set on success; valid until liveupdate_flb_put_incoming()
 *
 * The first time this retrieves it. One that failed can be tried again.
 *
 * Context: process context, from early_initcall on; not from the FLB's own
 * callbacks.
 * Return: 0; or
 * * -ENODATA: nothing was handed over, or all files that depend on it are
 *   finished
 * * -ENODEV: the FLB's module is going
 * * -EOPNOTSUPP: live update is not in use
 * * whatever its retrieve() says
 */
int liveupdate_flb_get_incoming(struct liveupdate_flb *flb, void **objp)
{
	struct luo_flb_state *state = &luo_flb_private(flb)->incoming;
	int err;

	if (!liveupdate_enabled())
		return -EOPNOTSUPP;

	guard(mutex)(&state->lock);
	luo_flb_find_record(flb);
	if (!state->record && !state->live)
		return -ENODATA;
	err = luo_flb_retrieve(flb);
	if (err)
		return err;
	state->refs++;
	*objp = state->obj;
	return 0;
}
EXPORT_SYMBOL_GPL(liveupdate_flb_get_incoming);

/**
 * liveupdate_flb_put_incoming() - undo liveupdate_flb_get_incoming()
 * @flb: the FLB
 *
 * Context: process context; not from the FLB's own callbacks.
 */
void liveupdate_flb_put_incoming(struct liveupdate_flb *flb)
{
	struct luo_flb_state *state = &luo_flb_private(flb)->incoming;

	guard(mutex)(&state->lock);
	state->refs--;
	luo_flb_finish_unused(flb);
}
EXPORT_SYMBOL_GPL(liveupdate_flb_put_incoming);

/* Registration */

/**
 * luo_flb_get_modules() - hold the modules of all FLBs of a handler
 * @fh: the handler
 *
 * Context: luo_handlers_rwsem held.
 * Return: true; or false, with none held, when one of them is going.
 */
bool luo_flb_get_modules(struct liveupdate_file_handler *fh)
{
	struct list_head *links = &ACCESS_PRIVATE(fh, flb_list);
	struct luo_flb_link *link;

	list_for_each_entry(link, links, list) {
		if (!try_module_get(link->flb->ops->owner)) {
			list_for_each_entry_continue_reverse(link, links, list)
				module_put(link->flb->ops->owner);
			return false;
		}
	}
	return true;
}

/**
 * luo_flb_put_modules() - undo luo_flb_get_modules()
 * @fh: the handler, still held for a file
 */
void luo_flb_put_modules(struct liveupdate_file_handler *fh)
{
	struct luo_flb_link *link;

	list_for_each_entry(link, &ACCESS_PRIVATE(fh, flb_list), list)
		module_put(link->flb->ops->owner);
}

static void luo_flb_unlink(struct luo_flb_link *link)
{
	struct luo_flb_private *private = luo_flb_private(link->flb);

	if (!--private->users)
		list_del_init(&private->list);
	list_del(&link->list);
	kfree(link);
}

/**
 * luo_flb_unregister_all() - unregister all FLBs of a handler
 * @fh: the handler
 *
 * Context: luo_handlers_rwsem held for writing.
 */
void luo_flb_unregister_all(struct liveupdate_file_handler *fh)
{
	struct luo_flb_link *link, *next;

	lockdep_assert_held_write(&luo_handlers_rwsem);
	list_for_each_entry_safe(link, next, &ACCESS_PRIVATE(fh, flb_list), list)
		luo_flb_unlink(link);
}

static struct luo_flb_link *luo_flb_find_link(struct liveupdate_file_handler *fh,
					      struct liveupdate_flb *flb)
{
	struct luo_flb_link *link;

	list_for_each_entry(link, &ACCESS_PRIVATE(fh, flb_list), list) {
		if (link->flb == flb)
			return link;
	}
	return NULL;
}

/**
 * liveupdate_register_flb() - have files of a type depend on an FLB
 * @fh:  the handler of that type, which is registered
 * @flb: the FLB; it can be registered with more than one handler
 *
 * Context: process context, e.g. a module's init.
 * Return: 0; or
 * * -EBUSY: files of that type are preserved, or retrieved and not finished
 * * -EEXIST: they depend on it, or there is another of that compatible string
 * * -EINVAL: a callback, or the compatible string, is missing
 * * -ENOMEM
 * * -EOPNOTSUPP: live update is not in use
 */
int liveupdate_register_flb(struct liveupdate_file_handler *fh,
			    struct liveupdate_flb *flb)
{
	struct luo_flb_private *private = luo_flb_private(flb);
	struct luo_flb_link *link __free(kfree) = NULL;
	const struct liveupdate_flb_ops *ops = flb->ops;
	struct liveupdate_flb *it;

	if (!liveupdate_enabled())
		return -EOPNOTSUPP;
	if (!ops->preserve || !ops->unpreserve || !ops->retrieve || !ops->finish ||
	    !flb->compatible[0])
		return -EINVAL;

	link = kzalloc_obj(*link);
	if (!link)
		return -ENOMEM;

	guard(rwsem_write)(&luo_handlers_rwsem);
	if (luo_flb_find_link(fh, flb))
		return -EEXIST;
	if (atomic_long_read(&ACCESS_PRIVATE(fh, files)))
		return -EBUSY;
	if (!private->users) {
		list_private_for_each_entry(it, &luo_flbs, private.list) {
			if (!strcmp(it->compatible, flb->compatible))
				return -EEXIST;
		}
		list_add_tail(&private->list, &luo_flbs);
	}
	private->users++;
	link->flb = flb;
	list_add_tail(&no_free_ptr(link)->list, &ACCESS_PRIVATE(fh, flb_list));
	return 0;
}
EXPORT_SYMBOL_GPL(liveupdate_register_flb);

/**
 * liveupdate_unregister_flb() - undo liveupdate_register_flb()
 * @fh:  the handler
 * @flb: the FLB
 *
 * Waits for the end of the files that the handler is held for, as
 * liveupdate_unregister_file_handler() does. Each of them holds the FLB's module
 * too, so in a module's exit there is none.
 *
 * Context: process context, e.g. a module's exit.
 */
void liveupdate_unregister_flb(struct liveupdate_file_handler *fh,
			       struct liveupdate_flb *flb)
{
	struct luo_flb_link *link;

	if (!liveupdate_enabled())
		return;

	luo_handler_lock_unused(fh);
	link = luo_flb_find_link(fh, flb);
	if (!WARN_ON_ONCE(!link))
		luo_flb_unlink(link);
	up_write(&luo_handlers_rwsem);
}
EXPORT_SYMBOL_GPL(liveupdate_unregister_flb);
