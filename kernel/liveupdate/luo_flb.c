// SPDX-License-Identifier: GPL-2.0
/*
 * File-lifecycle-bound objects (FLBs): state that many files share, say that of
 * an IOMMU. It is preserved with the first of them and goes with the last.
 *
 * An FLB lives in each direction as long as a file depends on it or somebody
 * holds a reference. Only files count for the hand-over.
 *
 * While a file holds a reference on its handler the handler's links to FLBs do not
 * change, see luo_handler.c: they are gone through without a lock.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cleanup.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/kexec_handover.h>
#include <linux/liveupdate.h>
#include <linux/lockdep.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rbtree.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "luo_abi.h"
#include "luo_flb.h"
#include "luo_handler.h"
#include "luo_state.h"

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

/* Protects both, with the room that is made for the outgoing ones. */
static DEFINE_MUTEX(luo_flb_records_lock);
static struct luo_flb_records luo_flb_outgoing = { .by_name = RB_ROOT };
static struct luo_flb_records luo_flb_incoming = { .by_name = RB_ROOT };

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

	lockdep_assert_held(&state->lock);
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

	lockdep_assert_held(&state->lock);
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

	lockdep_assert_held(&state->lock);
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
	struct luo_flb_link *link;
	int err;

	luo_for_each_flb_link(link, fh) {
		err = luo_flb_add_file(link->flb);
		if (err) {
			list_for_each_entry_continue_reverse(link, luo_flb_links(fh), list)
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

	list_for_each_entry_reverse(link, luo_flb_links(fh), list)
		luo_flb_remove_file(link->flb);
}

/**
 * luo_flb_nr_outgoing() - how many FLBs files depend on
 *
 * Context: the gate closed.
 * Return: that number.
 */
u64 luo_flb_nr_outgoing(void)
{
	lockdep_assert_held_write(&luo_gate);
	return luo_flb_outgoing.nr;
}

/**
 * luo_flb_serialize() - serialize the FLBs that files depend on
 * @ser: the array, of as many entries as were reserved
 *
 * Context: the reboot path, the gate closed.
 * Return: how many there are.
 */
u64 luo_flb_serialize(struct luo_flb_ser *ser)
{
	struct luo_flb_record *record, *next;
	u64 nr = 0;

	lockdep_assert_held_write(&luo_gate);
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

	lockdep_assert_held(&state->lock);
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

	lockdep_assert_held(&state->lock);
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

	lockdep_assert_held(&state->lock);
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
	if (!err) {
		luo_clear_named_error(flb->compatible, "retrieve FLB");
		return 0;
	}
	luo_set_named_error(flb->compatible, "retrieve FLB", err);
	if (discard)
		return 0;
	state->finishing--;
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

	luo_for_each_flb_link(link, fh) {
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
	struct luo_flb_link *link;
	int err;

	luo_for_each_flb_link(link, fh) {
		err = luo_flb_begin_finish(link->flb, discard);
		if (err) {
			list_for_each_entry_continue_reverse(link, luo_flb_links(fh), list)
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

	luo_for_each_flb_link(link, fh)
		luo_flb_cancel_finish(link->flb);
}

/**
 * luo_flb_file_finish() - a file of the previous kernel's was finished
 * @fh: its handler, after luo_flb_file_begin_finish()
 */
void luo_flb_file_finish(struct liveupdate_file_handler *fh)
{
	struct luo_flb_link *link;

	list_for_each_entry_reverse(link, luo_flb_links(fh), list)
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
