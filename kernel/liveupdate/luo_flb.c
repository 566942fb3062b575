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
#include <linux/list_private.h>
#include <linux/liveupdate.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "luo_internal.h"

/* That a handler depends on an FLB */
struct luo_flb_link {
	struct liveupdate_flb *flb;
	struct list_head list;
};

/* An FLB that was handed over and is not finished */
struct luo_flb_in {
	struct list_head list;
	char compatible[LIVEUPDATE_FLB_COMPAT_LENGTH];
	u64 data;
	u64 files;
};

/* The FLBs that depend on handlers, protected by luo_handlers_rwsem */
static LIST_HEAD(luo_flbs);

/* Protects luo_flbs_in, and luo_nr_flbs_out with the room that is made for it. */
static DEFINE_MUTEX(luo_flbs_lock);
static LIST_HEAD(luo_flbs_in);
static u64 luo_nr_flbs_out;

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

/* Outgoing */

/* Make room for one more, or one less, FLB to hand over. */
static int luo_flb_reserve(int change)
{
	int err;

	guard(mutex)(&luo_flbs_lock);
	err = luo_abi->reserve_flbs(luo_nr_flbs_out + change);
	/* Less room than there was can always be had. */
	if (!err || change < 0) {
		luo_nr_flbs_out += change;
		err = 0;
	}
	return err;
}

static void luo_flb_unpreserve_unused(struct liveupdate_flb *flb)
{
	struct luo_flb_state *state = &luo_flb_private(flb)->outgoing;
	struct liveupdate_flb_op_args args = {
		.flb = flb,
		.data = state->data,
		.obj = state->obj,
	};

	if (!state->live || state->files || state->refs)
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

static int luo_flb_add_file(struct liveupdate_flb *flb)
{
	struct luo_flb_state *state = &luo_flb_private(flb)->outgoing;
	int err;

	guard(mutex)(&state->lock);
	if (!state->files) {
		err = luo_flb_reserve(1);
		if (err)
			return err;
		err = luo_flb_preserve(flb);
		if (err) {
			luo_flb_reserve(-1);
			return err;
		}
	}
	state->files++;
	return 0;
}

static void luo_flb_remove_file(struct liveupdate_flb *flb)
{
	struct luo_flb_state *state = &luo_flb_private(flb)->outgoing;

	guard(mutex)(&state->lock);
	if (--state->files)
		return;
	luo_flb_reserve(-1);
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
 * luo_flb_write() - write the FLBs that files depend on
 * @ser: the array, of as many entries as were reserved
 *
 * Context: the reboot path, luo_freeze_rwsem held for writing.
 * Return: how many were written.
 */
u64 luo_flb_write(struct luo_flb_ser *ser)
{
	struct liveupdate_flb *flb;
	u64 nr = 0;

	guard(rwsem_read)(&luo_handlers_rwsem);
	list_private_for_each_entry(flb, &luo_flbs, private.list) {
		struct luo_flb_state *state = &luo_flb_private(flb)->outgoing;

		guard(mutex)(&state->lock);
		if (!state->files)
			continue;
		strscpy_pad(ser[nr].name, flb->compatible);
		ser[nr].data = state->data;
		ser[nr].count = state->files;
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
 * Return: 0; -EINVAL when no file does; -EEXIST when it was added before;
 * -ENOMEM.
 */
int luo_flb_add_incoming(const char *compatible, u64 data, u64 count)
{
	struct luo_flb_in *in;

	if (!count)
		return -EINVAL;

	guard(mutex)(&luo_flbs_lock);
	list_for_each_entry(in, &luo_flbs_in, list) {
		if (!strcmp(in->compatible, compatible))
			return -EEXIST;
	}
	in = kzalloc_obj(*in);
	if (!in)
		return -ENOMEM;
	strscpy(in->compatible, compatible);
	in->data = data;
	in->files = count;
	list_add_tail(&in->list, &luo_flbs_in);
	return 0;
}

/* Take over what was handed over of an FLB, once. */
static void luo_flb_claim(struct liveupdate_flb *flb)
{
	struct luo_flb_state *state = &luo_flb_private(flb)->incoming;
	struct luo_flb_in *in;

	guard(mutex)(&luo_flbs_lock);
	list_for_each_entry(in, &luo_flbs_in, list) {
		if (strcmp(in->compatible, flb->compatible))
			continue;
		state->files = in->files;
		state->data = in->data;
		list_del(&in->list);
		kfree(in);
		return;
	}
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
	struct liveupdate_flb_op_args args = { .flb = flb, .data = state->data };

	if (!state->live || state->files || state->refs)
		return;
	args.obj = state->obj;
	flb->ops->finish(&args);
	state->live = false;
	state->obj = NULL;
	module_put(flb->ops->owner);
}

static void luo_flb_finish_file(struct liveupdate_flb *flb)
{
	struct luo_flb_state *state = &luo_flb_private(flb)->incoming;
	int err;

	guard(mutex)(&state->lock);
	if (!state->files)
		luo_flb_claim(flb);
	/* The previous kernel had no such FLB, or fewer files depended on it. */
	if (!state->files || --state->files)
		return;

	/* finish() is given the object, so it has to be there. */
	err = luo_flb_retrieve(flb);
	if (err)
		pr_warn("%s: cannot be finished: %pe\n", flb->compatible, ERR_PTR(err));
	luo_flb_finish_unused(flb);
}

/**
 * luo_flb_file_finish() - a file of the previous kernel's was finished
 * @fh: its handler
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
	if (!state->files)
		luo_flb_claim(flb);
	if (!state->files && !state->live)
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
 * * -EBUSY: files of that type are preserved
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
 * Context: process context, e.g. the exit of the FLB's module, which a file
 * that depends on the FLB holds.
 */
void liveupdate_unregister_flb(struct liveupdate_file_handler *fh,
			       struct liveupdate_flb *flb)
{
	struct luo_flb_link *link;

	if (!liveupdate_enabled())
		return;

	guard(rwsem_write)(&luo_handlers_rwsem);
	link = luo_flb_find_link(fh, flb);
	if (!WARN_ON_ONCE(!link))
		luo_flb_unlink(link);
}
EXPORT_SYMBOL_GPL(liveupdate_unregister_flb);
