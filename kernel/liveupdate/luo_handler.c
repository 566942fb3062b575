// SPDX-License-Identifier: GPL-2.0
/*
 * Handlers: which file types can be preserved, and the file-lifecycle-bound objects
 * (FLBs) that each depends on.
 *
 * A handler is referenced by each file that it works for. While it is referenced it
 * stays registered, the modules of it and of its FLBs stay loaded, and its list of
 * links to FLBs does not change: luo_flb.c goes through that list without a lock.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cleanup.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/list_private.h>
#include <linux/liveupdate.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <linux/wait.h>

#include "luo_abi.h"
#include "luo_handler.h"
#include "luo_internal.h"

/* Protects luo_handlers, luo_flbs and all links between them. */
static DECLARE_RWSEM(luo_handlers_rwsem);
static LIST_HEAD(luo_handlers);
static LIST_HEAD(luo_flbs);	/* FLBs that at least one handler is linked to */

/* Unregistering waits here until the handler's @files is 0. */
static DECLARE_WAIT_QUEUE_HEAD(luo_handler_wait);

/* FLBs */

/**
 * luo_flb_private_init() - initialize an FLB's private part
 * @flb: the FLB
 *
 * FLBs are defined statically, and may be asked for before they are registered.
 * Called by luo_flb_private() only.
 */
void luo_flb_private_init(struct liveupdate_flb *flb)
{
	struct luo_flb_private *private = &ACCESS_PRIVATE(flb, private);
	static DEFINE_SPINLOCK(lock);

	guard(spinlock)(&lock);
	if (private->initialized)
		return;
	mutex_init(&private->incoming.lock);
	mutex_init(&private->outgoing.lock);
	INIT_LIST_HEAD(&private->list);
	/* Pairs with the acquire in luo_flb_private(). */
	smp_store_release(&private->initialized, true);
}

static void luo_flb_unlink(struct luo_flb_link *link)
{
	struct luo_flb_private *private = luo_flb_private(link->flb);

	lockdep_assert_held_write(&luo_handlers_rwsem);
	if (!--private->users)
		list_del_init(&private->list);
	list_del(&link->list);
	kfree(link);
}

static struct luo_flb_link *luo_flb_find_link(struct liveupdate_file_handler *fh,
					      struct liveupdate_flb *flb)
{
	struct luo_flb_link *link;

	lockdep_assert_held(&luo_handlers_rwsem);
	luo_for_each_flb_link(link, fh) {
		if (link->flb == flb)
			return link;
	}
	return NULL;
}

/* References */

/* Hold the modules of all FLBs of a handler, or none of them. */
static bool luo_handler_get_flb_modules(struct liveupdate_file_handler *fh)
{
	struct luo_flb_link *link;

	lockdep_assert_held(&luo_handlers_rwsem);
	luo_for_each_flb_link(link, fh) {
		if (!try_module_get(link->flb->ops->owner)) {
			list_for_each_entry_continue_reverse(link, luo_flb_links(fh), list)
				module_put(link->flb->ops->owner);
			return false;
		}
	}
	return true;
}

/*
 * Reference a handler. Fails while its module is initializing, which may have FLBs to
 * register and may still fail, and once the module, or that of an FLB, is going.
 */
static bool luo_handler_try_get(struct liveupdate_file_handler *fh)
{
	struct module *owner = fh->ops->owner;

	lockdep_assert_held(&luo_handlers_rwsem);
	if ((owner && module_is_coming(owner)) || !try_module_get(owner))
		return false;
	if (!luo_handler_get_flb_modules(fh)) {
		module_put(owner);
		return false;
	}
	atomic_long_inc(&ACCESS_PRIVATE(fh, files));
	return true;
}

/**
 * luo_handler_get() - take another reference on a handler
 * @fh: the handler, which the caller has a reference on
 *
 * Context: process context; takes luo_handlers_rwsem for reading.
 * Return: @fh, with one more reference, or NULL when a module is going.
 */
struct liveupdate_file_handler *luo_handler_get(struct liveupdate_file_handler *fh)
{
	guard(rwsem_read)(&luo_handlers_rwsem);
	return luo_handler_try_get(fh) ? fh : NULL;
}

/**
 * luo_handler_is_chosen() - does a handler write the chosen format of the hand-over?
 * @fh: the handler
 *
 * Context: any. The answer holds in an operation, or with the gate closed.
 * Return: true when it does.
 */
bool luo_handler_is_chosen(const struct liveupdate_file_handler *fh)
{
	return !fh->abi || !strcmp(fh->abi, READ_ONCE(luo_abi)->compatible);
}

/**
 * luo_handler_get_for_file() - reference the handler that takes a file in the chosen format
 * @file: the file
 *
 * Context: process context; takes luo_handlers_rwsem for reading.
 * Return: the handler, with a reference, or NULL when there is none, for now.
 */
struct liveupdate_file_handler *luo_handler_get_for_file(struct file *file)
{
	struct liveupdate_file_handler *fh;

	guard(rwsem_read)(&luo_handlers_rwsem);
	list_private_for_each_entry(fh, &luo_handlers, list) {
		if (luo_handler_is_chosen(fh) && fh->ops->can_preserve(fh, file))
			return luo_handler_try_get(fh) ? fh : NULL;
	}
	return NULL;
}

/**
 * luo_handler_get_to_carry() - reference the handler that carries another one's files
 * @from: the other one, whose files were handed over
 *
 * That is @from itself if it writes the chosen format, else the first one of the same
 * callbacks that does.
 *
 * Context: process context; takes luo_handlers_rwsem for reading.
 * Return: the handler, with a reference, or NULL when there is none, for now.
 */
struct liveupdate_file_handler *luo_handler_get_to_carry(struct liveupdate_file_handler *from)
{
	struct liveupdate_file_handler *fh;

	guard(rwsem_read)(&luo_handlers_rwsem);
	if (luo_handler_is_chosen(from))
		return luo_handler_try_get(from) ? from : NULL;
	list_private_for_each_entry(fh, &luo_handlers, list) {
		if (fh->ops->carry == from->ops->carry && luo_handler_is_chosen(fh))
			return luo_handler_try_get(fh) ? fh : NULL;
	}
	return NULL;
}

/**
 * luo_handler_get_by_name() - reference the handler of a compatible string
 * @compatible: the compatible string
 *
 * Context: process context; takes luo_handlers_rwsem for reading.
 * Return: the handler, with a reference, or NULL when there is none, for now.
 */
struct liveupdate_file_handler *luo_handler_get_by_name(const char *compatible)
{
	struct liveupdate_file_handler *fh;

	guard(rwsem_read)(&luo_handlers_rwsem);
	list_private_for_each_entry(fh, &luo_handlers, list) {
		if (!strcmp(fh->compatible, compatible))
			return luo_handler_try_get(fh) ? fh : NULL;
	}
	return NULL;
}

/**
 * luo_handler_put() - drop a reference on a handler
 * @fh: the handler
 */
void luo_handler_put(struct liveupdate_file_handler *fh)
{
	struct module *owner = fh->ops->owner;
	struct luo_flb_link *link;

	luo_for_each_flb_link(link, fh)
		module_put(link->flb->ops->owner);
	if (atomic_long_dec_and_test(&ACCESS_PRIVATE(fh, files)))
		wake_up_all(&luo_handler_wait);
	module_put(owner);
}

/*
 * Wait for the last reference on a handler, and return with luo_handlers_rwsem held
 * for writing, so that there is no new one.
 */
static void luo_handler_lock_unused(struct liveupdate_file_handler *fh)
{
	for (;;) {
		wait_event(luo_handler_wait, !atomic_long_read(&ACCESS_PRIVATE(fh, files)));
		down_write(&luo_handlers_rwsem);
		if (!atomic_long_read(&ACCESS_PRIVATE(fh, files)))
			return;
		up_write(&luo_handlers_rwsem);
	}
}

/**
 * luo_handlers_emit() - list the compatible strings of all handlers
 * @page: filled in, a page, with a line each that tells which write the chosen format
 *
 * Return: how many bytes that are.
 */
ssize_t luo_handlers_emit(char *page)
{
	struct liveupdate_file_handler *fh;
	ssize_t len = 0;

	guard(rwsem_read)(&luo_handlers_rwsem);
	list_private_for_each_entry(fh, &luo_handlers, list)
		len += sysfs_emit_at(page, len, "%s%s\n", fh->compatible,
				     luo_handler_is_chosen(fh) ? " preserves" : "");
	return len;
}

/**
 * liveupdate_register_file_handler() - let files of a type be preserved
 * @fh: the handler, with its ops and its compatible string set
 *
 * Files that wait for a handler of this type can be retrieved from now on.
 *
 * Context: process context, e.g. a module's init.
 * Return: 0; or
 * * -EOPNOTSUPP: live update is not in use
 * * -EINVAL: a required callback, or the compatible string, is missing
 * * -EEXIST: there is a handler of that compatible string
 */
int liveupdate_register_file_handler(struct liveupdate_file_handler *fh)
{
	const struct liveupdate_file_ops *ops = fh->ops;
	struct liveupdate_file_handler *it;

	if (!liveupdate_enabled())
		return -EOPNOTSUPP;

	if (!ops->can_preserve || !ops->preserve || !ops->unpreserve ||
	    !ops->retrieve || !ops->finish || !ops->carry != !ops->uncarry ||
	    !fh->compatible[0])
		return -EINVAL;

	scoped_guard(rwsem_write, &luo_handlers_rwsem) {
		list_private_for_each_entry(it, &luo_handlers, list) {
			if (!strcmp(it->compatible, fh->compatible))
				return -EEXIST;
		}
		atomic_long_set(&ACCESS_PRIVATE(fh, files), 0);
		INIT_LIST_HEAD(&ACCESS_PRIVATE(fh, flb_list));
		list_add_tail(&ACCESS_PRIVATE(fh, list), &luo_handlers);
	}

	liveupdate_test_register(fh);
	return 0;
}
EXPORT_SYMBOL_GPL(liveupdate_register_file_handler);

/**
 * liveupdate_unregister_file_handler() - undo liveupdate_register_file_handler()
 * @fh: the handler
 *
 * Waits for the end of the files that the handler is held for: those that are
 * preserved, and those that were retrieved and their session not finished. Each
 * of them holds the handler's module, so in a module's exit there is none.
 *
 * Context: process context, e.g. a module's exit.
 */
void liveupdate_unregister_file_handler(struct liveupdate_file_handler *fh)
{
	struct luo_flb_link *link, *next;

	if (!liveupdate_enabled())
		return;

	scoped_guard(rwsem_write, &luo_handlers_rwsem)
		list_del(&ACCESS_PRIVATE(fh, list));
	luo_handler_lock_unused(fh);
	list_for_each_entry_safe(link, next, luo_flb_links(fh), list)
		luo_flb_unlink(link);
	up_write(&luo_handlers_rwsem);
}
EXPORT_SYMBOL_GPL(liveupdate_unregister_file_handler);

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
	list_add_tail(&no_free_ptr(link)->list, luo_flb_links(fh));
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
