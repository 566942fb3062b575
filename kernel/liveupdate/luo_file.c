// SPDX-License-Identifier: GPL-2.0
/*
 * Files: what is preserved under a token, from the day it is given to us until
 * the next kernel gives it up; and the handlers that know each type.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cleanup.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kexec_handover.h>
#include <linux/list_private.h>
#include <linux/module.h>
#include <linux/rbtree.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <linux/wait.h>

#include "luo_internal.h"

DECLARE_RWSEM(luo_handlers_rwsem);
static LIST_HEAD(luo_handlers);

/* Where who unregisters a handler waits for the files that it is held for. */
static DECLARE_WAIT_QUEUE_HEAD(luo_handler_wait);

/*
 * The files in our hands, preserved or retrieved, by what identifies their
 * content: none may be there twice, in whatever sessions.
 */
static DEFINE_MUTEX(luo_ids_lock);
static struct rb_root luo_ids = RB_ROOT;

static int luo_id_cmp(struct rb_node *a, const struct rb_node *b)
{
	unsigned long x = rb_entry(a, struct luo_file, id_node)->id;
	unsigned long y = rb_entry(b, struct luo_file, id_node)->id;

	return x < y ? -1 : x > y;
}

static int luo_id_key_cmp(const void *id, const struct rb_node *node)
{
	unsigned long x = *(const unsigned long *)id;
	unsigned long y = rb_entry(node, struct luo_file, id_node)->id;

	return x < y ? -1 : x > y;
}

static unsigned long luo_id_of(struct liveupdate_file_handler *fh, struct file *file)
{
	return fh->ops->get_id ? fh->ops->get_id(file) : (unsigned long)file;
}

/* Claim the content of lf->file. Returns 0, or -EBUSY when it is claimed. */
static int luo_id_claim(struct luo_file *lf)
{
	lf->id = luo_id_of(lf->fh, lf->file);
	guard(mutex)(&luo_ids_lock);
	if (!rb_find_add(&lf->id_node, &luo_ids, luo_id_cmp))
		return 0;
	RB_CLEAR_NODE(&lf->id_node);
	return -EBUSY;
}

static void luo_id_release(struct luo_file *lf)
{
	guard(mutex)(&luo_ids_lock);
	/* One that is carried on has left the claim to the incoming one. */
	if (RB_EMPTY_NODE(&lf->id_node))
		return;
	rb_erase(&lf->id_node, &luo_ids);
	RB_CLEAR_NODE(&lf->id_node);
}

/*
 * Hold a handler for a file: it stays registered, with its FLBs, and so does the
 * module of each. Not yet while its module is initialising: it may have FLBs to
 * register, and may still fail. Called under luo_handlers_rwsem.
 */
static bool luo_handler_get(struct liveupdate_file_handler *fh)
{
	struct module *owner = fh->ops->owner;

	if ((owner && module_is_coming(owner)) || !try_module_get(owner))
		return false;
	if (!luo_flb_get_modules(fh)) {
		module_put(owner);
		return false;
	}
	atomic_long_inc(&ACCESS_PRIVATE(fh, files));
	return true;
}

static void luo_handler_put(struct liveupdate_file_handler *fh)
{
	struct module *owner = fh->ops->owner;

	luo_flb_put_modules(fh);
	if (atomic_long_dec_and_test(&ACCESS_PRIVATE(fh, files)))
		wake_up_all(&luo_handler_wait);
	module_put(owner);
}

/**
 * luo_handler_lock_unused() - lock all handlers while no file holds one of them
 * @fh: that handler; waits for its files
 *
 * Context: process context. Takes luo_handlers_rwsem for writing.
 */
void luo_handler_lock_unused(struct liveupdate_file_handler *fh)
{
	for (;;) {
		wait_event(luo_handler_wait, !atomic_long_read(&ACCESS_PRIVATE(fh, files)));
		down_write(&luo_handlers_rwsem);
		if (!atomic_long_read(&ACCESS_PRIVATE(fh, files)))
			return;
		up_write(&luo_handlers_rwsem);
	}
}

/* The handler that takes @file, or NULL. */
static struct liveupdate_file_handler *luo_handler_for_file(struct file *file)
{
	struct liveupdate_file_handler *fh;

	lockdep_assert_held(&luo_handlers_rwsem);
	list_private_for_each_entry(fh, &luo_handlers, list) {
		if (fh->ops->can_preserve(fh, file))
			return fh;
	}
	return NULL;
}

/* The same for a compatible string. */
static struct liveupdate_file_handler *luo_handler_by_name(const char *compatible)
{
	struct liveupdate_file_handler *fh;

	lockdep_assert_held(&luo_handlers_rwsem);
	list_private_for_each_entry(fh, &luo_handlers, list) {
		if (!strcmp(fh->compatible, compatible))
			return fh;
	}
	return NULL;
}

/* Let the handler, with its module, and the file go. */
static void luo_file_release(struct luo_file *lf)
{
	if (lf->file)
		fput(lf->file);
	lf->file = NULL;
	if (lf->fh)
		luo_handler_put(lf->fh);
	lf->fh = NULL;
}

/*
 * Lock a file under which others are locked: those that its handler asks for, or
 * the copy of it that is carried on. Files depend on each other in one direction.
 */
DEFINE_GUARD(luo_file, struct luo_file *,
	     mutex_lock_nest_lock(&_T->lock, &luo_freeze_rwsem), mutex_unlock(&_T->lock))

static struct liveupdate_file_op_args luo_file_args(struct luo_file *lf)
{
	lockdep_assert(lockdep_is_held(&lf->lock) ||
		       lockdep_is_held_type(&luo_freeze_rwsem, 0));

	return (struct liveupdate_file_op_args) {
		.handler = lf->fh,
		.session = (struct liveupdate_session *)lf->session,
		.retrieve_status = lf->state == LUO_FILE_FAILED ? lf->err :
				   lf->session->sessions == &luo_incoming && lf->file,
		.file = lf->file,
		.serialized_data = lf->data,
		.private_data = lf->private,
	};
}

static int luo_token_cmp(struct rb_node *a, const struct rb_node *b)
{
	u64 x = rb_entry(a, struct luo_file, token_node)->token;
	u64 y = rb_entry(b, struct luo_file, token_node)->token;

	return x < y ? -1 : x > y;
}

static struct luo_file *luo_file_new(struct luo_session *session, u64 token)
{
	gfp_t gfp = session->sessions == &luo_incoming ? LUO_GFP_NOFAIL : GFP_KHO;
	struct luo_file *lf = kzalloc_obj(*lf, gfp);

	if (!lf)
		return ERR_PTR(-ENOMEM);

	kref_init(&lf->ref);
	lf->session = session;
	lf->token = token;
	RB_CLEAR_NODE(&lf->id_node);
	INIT_LIST_HEAD(&lf->list);
	mutex_init(&lf->lock);

	guard(mutex)(&session->lock);
	if (session->abandoned || rb_find_add(&lf->token_node, &session->files, luo_token_cmp)) {
		luo_file_put(lf);
		return ERR_PTR(session->abandoned ? -ESRCH : -EEXIST);
	}
	return lf;
}

static void luo_file_free(struct kref *ref)
{
	struct luo_file *lf = container_of(ref, struct luo_file, ref);

	mutex_destroy(&lf->lock);
	kfree(lf);
}

/**
 * luo_file_put() - drop a reference
 * @lf: the file
 */
void luo_file_put(struct luo_file *lf)
{
	kref_put(&lf->ref, luo_file_free);
}

static int luo_token_key_cmp(const void *token, const struct rb_node *node)
{
	u64 x = *(const u64 *)token;
	u64 y = rb_entry(node, struct luo_file, token_node)->token;

	return x < y ? -1 : x > y;
}

/**
 * luo_file_find() - find a file by its token
 * @session: the session
 * @token:   the token
 *
 * Return: the file, with a reference, or NULL.
 */
struct luo_file *luo_file_find(struct luo_session *session, u64 token)
{
	struct luo_file *lf;
	struct rb_node *node;

	guard(mutex)(&session->lock);
	node = rb_find(&token, &session->files, luo_token_key_cmp);
	if (!node)
		return NULL;
	lf = rb_entry(node, struct luo_file, token_node);
	kref_get(&lf->ref);
	return lf;
}

/**
 * luo_file_add() - make an empty token in an outgoing session
 * @session: the session
 * @token:   the token
 *
 * Context: process context.
 * Return: the file, which lives until luo_file_remove(); or
 * * -EBUSY: the reboot is under way
 * * -EEXIST: the token is taken
 * * -ESRCH: the session's owner died
 * * -ENOMEM
 */
struct luo_file *luo_file_add(struct luo_session *session, u64 token)
{
	guard(rwsem_read)(&luo_freeze_rwsem);
	if (luo_is_frozen())
		return ERR_PTR(-EBUSY);
	return luo_file_new(session, token);
}

/**
 * luo_file_add_incoming() - add what the previous kernel preserved
 * @session:    an incoming session that was not published yet
 * @token:      the token it was preserved under
 * @compatible: its handler's compatible string, which need not be known here
 * @data:       its handler's handle
 *
 * Return: 0, or -EEXIST when the token is taken.
 */
int luo_file_add_incoming(struct luo_session *session, u64 token,
			  const char *compatible, u64 data)
{
	struct luo_file *lf = luo_file_new(session, token);

	if (IS_ERR(lf))
		return PTR_ERR(lf);

	strscpy(lf->compatible, compatible);
	lf->data = data;
	lf->state = LUO_FILE_PRESERVED;
	list_add_tail(&lf->list, &session->file_list);
	session->nr_files++;
	return 0;
}

/* Undo all that luo_file_preserve() did before it let the file be seen. */
static void luo_file_undo(struct luo_file *lf)
{
	struct liveupdate_file_op_args args = luo_file_args(lf);

	lf->fh->ops->unpreserve(&args);
	luo_flb_file_unpreserve(lf->fh);
	luo_session_unreserve_file(lf->session);
	luo_id_release(lf);
	luo_file_release(lf);
	lf->private = NULL;
}

/**
 * luo_file_unpreserve() - undo luo_file_preserve()
 * @lf: the file of an outgoing session; an empty token is left as it is
 *
 * Context: process context, luo_freeze_rwsem held for reading and not frozen;
 * takes as long as the handler takes for the file.
 */
void luo_file_unpreserve(struct luo_file *lf)
{
	guard(mutex)(&lf->lock);
	if (lf->state != LUO_FILE_PRESERVED)
		return;
	luo_session_uncommit_file(lf->session, lf);
	luo_file_undo(lf);
	lf->compatible[0] = '\0';
	WRITE_ONCE(lf->state, LUO_FILE_EMPTY);
}

/**
 * luo_file_remove() - unpreserve a file, and give its token up
 * @lf: the file of an outgoing session, not to be used any more
 *
 * Once the reboot is under way this leaves the file alone.
 *
 * Context: process context; takes as long as the handler takes for the file.
 */
void luo_file_remove(struct luo_file *lf)
{
	struct luo_session *session = lf->session;

	guard(rwsem_read)(&luo_freeze_rwsem);
	if (luo_is_frozen())
		return;

	luo_file_unpreserve(lf);
	scoped_guard(mutex, &session->lock)
		rb_erase(&lf->token_node, &session->files);
	luo_file_put(lf);
}

/* Have a handler preserve a file; one that is carried on is claimed already. */
static int luo_file_preserve_by(struct luo_file *lf, struct liveupdate_file_handler *fh,
				struct file *file, bool is_carried)
{
	struct liveupdate_file_op_args args;
	int err;

	lf->fh = fh;
	lf->file = get_file(file);

	err = is_carried ? 0 : luo_id_claim(lf);
	if (err)
		goto err_release;

	err = luo_session_reserve_file(lf->session);
	if (err)
		goto err_unclaim;

	err = luo_flb_file_preserve(fh);
	if (err)
		goto err_unreserve;

	args = luo_file_args(lf);
	err = fh->ops->preserve(&args);
	if (err)
		goto err_flb;

	lf->data = args.serialized_data;
	lf->private = args.private_data;
	err = luo_session_commit_file(lf->session, lf);
	if (err) {
		luo_file_undo(lf);
		return err;
	}
	strscpy(lf->compatible, fh->compatible);
	WRITE_ONCE(lf->state, LUO_FILE_PRESERVED);
	return 0;

err_flb:
	luo_flb_file_unpreserve(fh);
err_unreserve:
	luo_session_unreserve_file(lf->session);
err_unclaim:
	luo_id_release(lf);
err_release:
	luo_file_release(lf);
	return err;
}

/**
 * luo_file_preserve() - preserve a file under a token
 * @lf:   the empty token
 * @file: the file; a reference of its own is taken
 *
 * Context: process context; takes as long as the handler takes for the file.
 * Return: 0; or, and then nothing was changed:
 * * -EBUSY: the token has a file, or the file is preserved, or was retrieved
 *   and its session not finished; or the reboot is under way
 * * -ENOENT: no handler takes a file of this type
 * * -ENOSPC: the hand-over format cannot carry more files in a session
 * * -ESRCH: the session's owner died
 * * -ENOMEM
 * * whatever the handler's preserve() says
 */
int luo_file_preserve(struct luo_file *lf, struct file *file)
{
	struct liveupdate_file_handler *fh;

	guard(rwsem_read)(&luo_freeze_rwsem);
	if (luo_is_frozen())
		return -EBUSY;

	guard(mutex)(&lf->lock);
	if (lf->state != LUO_FILE_EMPTY)
		return -EBUSY;

	scoped_guard(rwsem_read, &luo_handlers_rwsem) {
		fh = luo_handler_for_file(file);
		if (!fh || !luo_handler_get(fh))
			return -ENOENT;
	}
	return luo_file_preserve_by(lf, fh, file, false);
}

static int luo_file_convert_to(struct luo_file *lf, struct liveupdate_file_handler *to)
{
	struct liveupdate_file_op_args args = luo_file_args(lf);
	int err;

	if (lf->fh->ops->convert != to->ops->convert || !to->ops->convert)
		return -EOPNOTSUPP;
	err = luo_flb_file_preserve(to);
	if (err)
		return err;
	err = lf->fh->ops->convert(&args, to);
	if (err) {
		luo_flb_file_unpreserve(to);
		return err;
	}
	luo_flb_file_unpreserve(lf->fh);
	lf->data = args.serialized_data;
	lf->private = args.private_data;
	swap(lf->fh, to);
	strscpy(lf->compatible, lf->fh->compatible);
	luo_handler_put(to);
	return 0;
}

/**
 * luo_file_convert() - have a file handed over by the handler that takes it now
 * @lf: the file of an outgoing session
 *
 * Context: process context, luo_freeze_rwsem held for writing.
 * Return: 0; or, and then nothing was changed:
 * * -EOPNOTSUPP: its handler cannot leave it to the other one
 * * -ENOENT: no handler takes such a file any more
 * * whatever the handler's convert() says
 */
int luo_file_convert(struct luo_file *lf)
{
	struct liveupdate_file_handler *fh;
	int err;

	guard(mutex)(&lf->lock);
	if (lf->state != LUO_FILE_PRESERVED || lf->fh->ops->can_preserve(lf->fh, lf->file))
		return 0;
	scoped_guard(rwsem_read, &luo_handlers_rwsem) {
		fh = luo_handler_for_file(lf->file);
		if (!fh || !luo_handler_get(fh))
			return -ENOENT;
	}
	err = luo_file_convert_to(lf, fh);
	if (err)
		luo_handler_put(fh);
	return err;
}

/**
 * luo_file_freeze() - let a file's handler update what is handed over
 * @lf: a preserved file of an outgoing session
 *
 * Context: the reboot path, luo_freeze_rwsem held for writing.
 * Return: 0, or what the handler's freeze() says.
 */
int luo_file_freeze(struct luo_file *lf)
{
	struct liveupdate_file_op_args args;
	int err;

	if (!lf->fh->ops->freeze)
		return 0;

	args = luo_file_args(lf);
	err = lf->fh->ops->freeze(&args);
	if (!err)
		lf->data = args.serialized_data;
	return err;
}

/**
 * luo_file_unfreeze() - undo luo_file_freeze() that succeeded
 * @lf: the file
 *
 * Context: the reboot path, luo_freeze_rwsem held for writing.
 */
void luo_file_unfreeze(struct luo_file *lf)
{
	struct liveupdate_file_op_args args;

	if (!lf->fh->ops->unfreeze)
		return;

	args = luo_file_args(lf);
	lf->fh->ops->unfreeze(&args);
}

/* Hold the handler of an incoming file; it may have come since last time. */
static int luo_file_hold_handler(struct luo_file *lf)
{
	struct liveupdate_file_handler *fh;

	if (lf->fh)
		return 0;
	guard(rwsem_read)(&luo_handlers_rwsem);
	fh = luo_handler_by_name(lf->compatible);
	if (!fh || !luo_handler_get(fh))
		return -ENODEV;
	lf->fh = fh;
	return 0;
}

static int luo_file_try_retrieve(struct luo_file *lf)
{
	struct liveupdate_file_op_args args;
	int err;

	args = luo_file_args(lf);
	lf->retriever = current;
	err = lf->fh->ops->retrieve(&args);
	lf->retriever = NULL;
	lf->private = args.private_data;
	if (err)
		return err;

	lf->file = args.file;
	/* A file that was made this moment cannot have been claimed. */
	WARN_ON_ONCE(luo_id_claim(lf));
	return 0;
}

/* Make the file of an incoming token, if that was not done. */
static int luo_file_make(struct luo_file *lf)
{
	int err;

	lockdep_assert_held(&lf->lock);
	if (lf->state == LUO_FILE_FINISHED)
		return -ENOENT;
	/* Set before the session's first file is locked to be finished. */
	if (READ_ONCE(lf->session->finishing))
		return -EBUSY;
	if (lf->file)
		return 0;

	err = luo_file_hold_handler(lf);
	if (!err) {
		err = luo_file_try_retrieve(lf);
		lf->err = err;
		WRITE_ONCE(lf->state, err ? LUO_FILE_FAILED : LUO_FILE_PRESERVED);
	}
	if (err)
		luo_set_last_error(lf->session, lf, "retrieve", err);
	return err;
}

/**
 * luo_file_retrieve() - get a file of an incoming session
 * @lf:    the file
 * @filep: set on success, with a reference for the caller, who calls
 *         luo_file_mark_retrieved() when the user has it
 *
 * The second time gives the same file. One that failed can be tried again.
 *
 * Context: process context; takes as long as the handler takes for the file.
 * Return: 0; or, and then nothing was lost:
 * * -EBUSY: the reboot is under way, or the session is being finished
 * * -ENODEV: no handler of the file's type is registered, for now
 * * -ENOENT: the session was finished
 * * whatever the handler's retrieve() says
 */
int luo_file_retrieve(struct luo_file *lf, struct file **filep)
{
	int err;

	guard(rwsem_read)(&luo_freeze_rwsem);
	if (luo_is_frozen())
		return -EBUSY;

	guard(luo_file)(lf);
	err = luo_file_make(lf);
	if (!err)
		*filep = get_file(lf->file);
	return err;
}

/**
 * luo_file_mark_retrieved() - a user has got a file of an incoming session
 * @lf: the file; nothing happens when its session was discarded meanwhile
 *
 * Context: process context.
 */
void luo_file_mark_retrieved(struct luo_file *lf)
{
	guard(mutex)(&lf->lock);
	if (lf->state != LUO_FILE_PRESERVED)
		return;
	WRITE_ONCE(lf->state, LUO_FILE_RETRIEVED);
	guard(mutex)(&lf->session->lock);
	lf->session->nr_retrieved++;
}

/**
 * luo_file_carry() - hand a file of an incoming session on to the next kernel
 * @lf: the file, retrieved or not
 * @to: an outgoing session
 *
 * Preserved is a file: one that nobody retrieved yet is made for that.
 *
 * Context: the reboot path, luo_freeze_rwsem held for writing.
 * Return: 0; or, and then nothing was lost:
 * * -ENODEV: no handler of the file's type is registered
 * * -ENOMEM
 * * whatever retrieving or preserving the file or an FLB of it says
 */
int luo_file_carry(struct luo_file *lf, struct luo_session *to)
{
	struct liveupdate_file_handler *fh;
	struct luo_file *copy;
	int err;

	lockdep_assert_held_write(&luo_freeze_rwsem);
	guard(luo_file)(lf);
	err = luo_file_make(lf) ?: luo_flb_file_retrieve(lf->fh);
	if (err)
		return err;
	copy = luo_file_new(to, lf->token);
	if (IS_ERR(copy))
		return PTR_ERR(copy);
	/* In the chosen format it may be another's than it came by. */
	scoped_guard(rwsem_read, &luo_handlers_rwsem) {
		fh = luo_handler_for_file(lf->file) ?: lf->fh;
		if (!luo_handler_get(fh))
			return -ENODEV;
	}

	guard(luo_file)(copy);
	return luo_file_preserve_by(copy, fh, lf->file, true);
}

/**
 * liveupdate_get_file_incoming() - get another file of the session
 * @session: the session, as a callback is given it
 * @token:   the token that the file was preserved under
 * @filep:   set on success, without a reference: it is the session's until that
 *           is finished. Who wants it for longer uses get_file().
 *
 * For a file that is nothing without another. That is made if nobody asked for it
 * yet, and is still to be retrieved by the user.
 *
 * Context: a file's retrieve() only.
 * Return: 0; or
 * * -EDEADLK: the file asks for itself, directly or by way of others
 * * -ENODEV: no handler of the file's type is registered, for now
 * * -ENOENT: there is no such token in the session
 * * whatever its handler's retrieve() says
 */
int liveupdate_get_file_incoming(struct liveupdate_session *session, u64 token,
				 struct file **filep)
{
	struct luo_file *lf = luo_file_find((struct luo_session *)session, token);
	int err;

	lockdep_assert_held(&luo_freeze_rwsem);
	if (!lf)
		return -ENOENT;

	err = -EDEADLK;
	/* Nobody but us can have set it to us. */
	if (READ_ONCE(lf->retriever) != current) {
		guard(luo_file)(lf);
		err = luo_file_make(lf);
		if (!err)
			*filep = lf->file;
	}
	luo_file_put(lf);
	return err;
}
EXPORT_SYMBOL_GPL(liveupdate_get_file_incoming);

static int luo_token_of_id(struct luo_session *session, unsigned long id, u64 *tokenp)
{
	struct luo_file *lf;
	struct rb_node *node;

	guard(mutex)(&luo_ids_lock);
	node = rb_find(&id, &luo_ids, luo_id_key_cmp);
	if (!node)
		return -ENOENT;
	lf = rb_entry(node, struct luo_file, id_node);
	if (lf->session != session || READ_ONCE(lf->state) != LUO_FILE_PRESERVED)
		return -ENOENT;
	*tokenp = lf->token;
	return 0;
}

/**
 * liveupdate_get_token_outgoing() - under which token is a file preserved?
 * @session: the session, as a callback is given it
 * @file:    the file
 * @tokenp:  set on success
 *
 * For a file that is nothing without another: by this it notes which.
 *
 * Context: a file's preserve() or freeze(). What preserve() is told holds until
 * the user unpreserves the other file; what freeze() is told holds for good.
 * Return: 0, or -ENOENT when the file is not preserved in this session.
 */
int liveupdate_get_token_outgoing(struct liveupdate_session *session,
				  struct file *file, u64 *tokenp)
{
	struct liveupdate_file_handler *fh;

	guard(rwsem_read)(&luo_handlers_rwsem);
	fh = luo_handler_for_file(file);
	if (!fh)
		return -ENOENT;
	return luo_token_of_id((struct luo_session *)session, luo_id_of(fh, file), tokenp);
}
EXPORT_SYMBOL_GPL(liveupdate_get_token_outgoing);

/* Let go of a handler that was only needed to finish. */
static void luo_file_drop_handler(struct luo_file *lf)
{
	if (lf->state == LUO_FILE_PRESERVED && !lf->file)
		luo_file_release(lf);
}

/**
 * luo_file_begin_finish() - make sure that a file can be given up
 * @lf:      a file of an incoming session, of which none can be retrieved now
 * @discard: it can also when it was not retrieved
 *
 * Without its handler nobody knows what the file consists of; if that does not
 * come until luo_file_finish(), its memory stays reserved until the next boot.
 *
 * Return: 0; or
 * * -EBUSY: it was not retrieved, or its handler says so
 * * why an FLB that would be finished with it cannot be
 */
int luo_file_begin_finish(struct luo_file *lf, bool discard)
{
	struct liveupdate_file_op_args args;
	int err;

	guard(mutex)(&lf->lock);
	if (lf->state != LUO_FILE_RETRIEVED && !discard)
		return -EBUSY;
	if (!lf->file) {
		if (luo_file_hold_handler(lf))
			return 0;
	} else if (lf->fh->ops->can_finish) {
		args = luo_file_args(lf);
		if (!lf->fh->ops->can_finish(&args))
			return -EBUSY;
	}

	err = luo_flb_file_begin_finish(lf->fh, discard);
	if (err)
		luo_file_drop_handler(lf);
	return err;
}

/**
 * luo_file_cancel_finish() - undo luo_file_begin_finish() that succeeded
 * @lf: the file
 */
void luo_file_cancel_finish(struct luo_file *lf)
{
	guard(mutex)(&lf->lock);
	if (!lf->fh)
		return;
	luo_flb_file_cancel_finish(lf->fh);
	luo_file_drop_handler(lf);
}

/**
 * luo_file_finish() - give a file up
 * @lf: a file of an incoming session, after luo_file_begin_finish()
 *
 * Context: process context.
 */
void luo_file_finish(struct luo_file *lf)
{
	struct liveupdate_file_op_args args;

	guard(mutex)(&lf->lock);
	if (lf->fh) {
		args = luo_file_args(lf);
		lf->fh->ops->finish(&args);
		luo_flb_file_finish(lf->fh);
	} else {
		luo_set_last_error(lf->session, lf, "discard, memory stays reserved",
				   -ENODEV);
	}
	luo_id_release(lf);
	luo_file_release(lf);
	lf->private = NULL;
	WRITE_ONCE(lf->state, LUO_FILE_FINISHED);
}

/**
 * luo_file_get_size() - how large is the file?
 * @lf:   the file
 * @size: set on success, in bytes
 *
 * Return: 0, or -ENODATA when there is no file or nobody can tell.
 */
int luo_file_get_size(struct luo_file *lf, u64 *size)
{
	struct liveupdate_file_handler *fh;
	struct liveupdate_file_op_args args;

	guard(mutex)(&lf->lock);
	if (lf->file) {
		*size = i_size_read(file_inode(lf->file));
		return 0;
	}
	if (lf->state == LUO_FILE_EMPTY || lf->state == LUO_FILE_FINISHED)
		return -ENODATA;

	/* The lock is enough to keep the handler, which need not be held for it. */
	guard(rwsem_read)(&luo_handlers_rwsem);
	fh = luo_handler_by_name(lf->compatible);
	if (!fh || !fh->ops->get_size)
		return -ENODATA;
	args = luo_file_args(lf);
	args.handler = fh;
	return fh->ops->get_size(&args, size) ? -ENODATA : 0;
}

/**
 * luo_file_get_compatible() - which handler takes the file
 * @lf:  the file
 * @buf: filled in, of LIVEUPDATE_HNDL_COMPAT_LENGTH bytes; "" in an empty token
 */
void luo_file_get_compatible(struct luo_file *lf, char *buf)
{
	guard(mutex)(&lf->lock);
	strscpy(buf, lf->compatible, LIVEUPDATE_HNDL_COMPAT_LENGTH);
}

/**
 * luo_handlers_emit() - list the compatible strings of all handlers
 * @page: filled in, a page, with a line each
 *
 * Return: how many bytes that are.
 */
ssize_t luo_handlers_emit(char *page)
{
	struct liveupdate_file_handler *fh;
	ssize_t len = 0;

	guard(rwsem_read)(&luo_handlers_rwsem);
	list_private_for_each_entry(fh, &luo_handlers, list)
		len += sysfs_emit_at(page, len, "%s\n", fh->compatible);
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
	    !ops->retrieve || !ops->finish || !fh->compatible[0])
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
	if (!liveupdate_enabled())
		return;

	scoped_guard(rwsem_write, &luo_handlers_rwsem)
		list_del(&ACCESS_PRIVATE(fh, list));
	luo_handler_lock_unused(fh);
	luo_flb_unregister_all(fh);
	up_write(&luo_handlers_rwsem);
}
EXPORT_SYMBOL_GPL(liveupdate_unregister_file_handler);
