// SPDX-License-Identifier: GPL-2.0
/*
 * Sessions: named sets of files that are handed over, and come back, as one.
 *
 * Outgoing sessions are made by front ends and will go to the next kernel;
 * incoming ones are made by the reader of the hand-over and stay until they
 * are finished. The two have names of their own.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cleanup.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/kexec_handover.h>
#include <linux/rbtree.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "luo_internal.h"

struct luo_session_list luo_outgoing = {
	.lock = __MUTEX_INITIALIZER(luo_outgoing.lock),
	.by_name = RB_ROOT,
	.list = LIST_HEAD_INIT(luo_outgoing.list),
};

struct luo_session_list luo_incoming = {
	.lock = __MUTEX_INITIALIZER(luo_incoming.lock),
	.by_name = RB_ROOT,
	.list = LIST_HEAD_INIT(luo_incoming.list),
};

static int luo_session_cmp(struct rb_node *a, const struct rb_node *b)
{
	return strcmp(rb_entry(a, struct luo_session, name_node)->name,
		      rb_entry(b, struct luo_session, name_node)->name);
}

static int luo_session_name_cmp(const void *name, const struct rb_node *node)
{
	return strcmp(name, rb_entry(node, struct luo_session, name_node)->name);
}

/**
 * luo_session_alloc() - make a session that nobody sees yet
 * @name:     its name, of 1 to 63 bytes
 * @sessions: the list it will be published in
 *
 * Return: the session, with one reference; or NULL when there is no memory, for
 * an outgoing one.
 */
struct luo_session *luo_session_alloc(const char *name,
				      struct luo_session_list *sessions)
{
	gfp_t gfp = sessions == &luo_incoming ? LUO_GFP_NOFAIL : GFP_KHO;
	struct luo_session *session = kzalloc_obj(*session, gfp);

	if (!session)
		return NULL;

	kref_init(&session->ref);
	strscpy(session->name, name);
	session->sessions = sessions;
	RB_CLEAR_NODE(&session->name_node);
	INIT_LIST_HEAD(&session->list);
	mutex_init(&session->lock);
	session->files = RB_ROOT;
	INIT_LIST_HEAD(&session->file_list);
	luo_owner_init(&session->owner, session);
	return session;
}

static void luo_session_free(struct kref *ref)
{
	struct luo_session *session = container_of(ref, struct luo_session, ref);
	struct luo_file *lf, *next;

	luo_owner_end(&session->owner);
	rbtree_postorder_for_each_entry_safe(lf, next, &session->files, token_node)
		luo_file_put(lf);
	mutex_destroy(&session->lock);
	kfree(session);
}

void luo_session_get(struct luo_session *session)
{
	kref_get(&session->ref);
}

void luo_session_put(struct luo_session *session)
{
	kref_put(&session->ref, luo_session_free);
}

/*
 * Let a session be found in its list, which takes over the caller's reference.
 * Fails with -EEXIST when the name is taken, or as reserve_sessions() does;
 * then the reference is still the caller's.
 */
static int luo_session_publish(struct luo_session *session)
{
	struct luo_session_list *sessions = session->sessions;
	int err;

	guard(mutex)(&sessions->lock);
	if (rb_find_add(&session->name_node, &sessions->by_name, luo_session_cmp)) {
		RB_CLEAR_NODE(&session->name_node);
		return -EEXIST;
	}

	if (sessions == &luo_outgoing) {
		err = luo_abi_reserve_sessions(sessions->nr + 1);
		if (err) {
			rb_erase(&session->name_node, &sessions->by_name);
			RB_CLEAR_NODE(&session->name_node);
			return err;
		}
	}

	list_add_tail(&session->list, &sessions->list);
	sessions->nr++;
	return 0;
}

/* Undo luo_session_publish(), but for the reference. */
static void luo_session_withdraw(struct luo_session *session)
{
	struct luo_session_list *sessions = session->sessions;

	guard(mutex)(&sessions->lock);
	rb_erase(&session->name_node, &sessions->by_name);
	RB_CLEAR_NODE(&session->name_node);
	list_del_init(&session->list);
	sessions->nr--;
	/* Less room than there was can always be had. */
	if (sessions == &luo_outgoing)
		luo_abi_reserve_sessions(sessions->nr);
}

/**
 * luo_session_create() - make an outgoing session
 * @name:    its name, of 1 to 63 bytes
 * @is_held: a file descriptor will stand for it; else it belongs to the root's
 *           owner, if there is one
 *
 * Context: process context.
 * Return: the session, which lives until luo_session_remove(); or
 * * -EBUSY: the reboot is under way
 * * -EEXIST: there is a session of that name
 * * -ENOSPC: the hand-over format cannot carry more sessions
 * * -ENOMEM
 */
struct luo_session *luo_session_create(const char *name, bool is_held)
{
	struct luo_session *session;
	int err;

	scoped_guard(rwsem_read, &luo_freeze_rwsem) {
		if (luo_is_frozen())
			return ERR_PTR(-EBUSY);

		session = luo_session_alloc(name, &luo_outgoing);
		if (!session)
			return ERR_PTR(-ENOMEM);
		session->is_held = is_held;
		err = luo_session_publish(session);
		if (err) {
			luo_session_put(session);
			return ERR_PTR(err);
		}
	}

	if (is_held)
		luo_notify(LUO_SESSION_ARRIVED, session);
	else
		luo_owner_inherit(session);
	return session;
}

/**
 * luo_session_find() - find a session by its name
 * @name:     the name
 * @sessions: the list to look in
 *
 * Return: the session, with a reference, or NULL.
 */
struct luo_session *luo_session_find(const char *name,
				     struct luo_session_list *sessions)
{
	struct luo_session *session;
	struct rb_node *node;

	guard(mutex)(&sessions->lock);
	node = rb_find(name, &sessions->by_name, luo_session_name_cmp);
	if (!node)
		return NULL;
	session = rb_entry(node, struct luo_session, name_node);
	luo_session_get(session);
	return session;
}

/**
 * luo_session_hold() - have a file descriptor stand for an incoming session
 * @session: the session; the caller's reference becomes the descriptor's
 *
 * Return: 0, or -EINVAL when there is one already; then the reference is still
 * the caller's.
 */
int luo_session_hold(struct luo_session *session)
{
	guard(mutex)(&session->lock);
	if (session->is_held)
		return -EINVAL;
	session->is_held = true;
	return 0;
}

/**
 * luo_session_unhold() - undo luo_session_hold()
 * @session: the session; the reference is the caller's again
 */
void luo_session_unhold(struct luo_session *session)
{
	guard(mutex)(&session->lock);
	session->is_held = false;
}

/**
 * luo_session_release() - the last file descriptor of a session was closed
 * @session: the session, not to be used any more
 *
 * An outgoing session goes. An incoming one is finished, unless a file of it was
 * not retrieved: then it stays, for whoever comes next.
 *
 * Context: process context, without a lock of ours.
 */
void luo_session_release(struct luo_session *session)
{
	if (session->sessions == &luo_outgoing) {
		luo_session_remove(session);
		return;
	}

	luo_session_finish(session, false);
	luo_session_unhold(session);
	luo_session_put(session);
}

/* Unpreserve all files; none comes back, as those in the list are all there is. */
static void luo_session_unpreserve(struct luo_session *session)
{
	struct luo_file *lf;

	lockdep_assert_held(&luo_freeze_rwsem);
	for (;;) {
		scoped_guard(mutex, &session->lock) {
			lf = list_last_entry_or_null(&session->file_list, struct luo_file,
						     list);
			if (!lf)
				return;
			kref_get(&lf->ref);
		}
		luo_file_unpreserve(lf);
		luo_file_put(lf);
		cond_resched();
	}
}

/**
 * luo_session_abandon() - the owner of a session died
 * @session: the session
 *
 * An outgoing session holds nothing any more, until it has an owner again. An
 * incoming one keeps what it has: the next one goes on.
 *
 * Context: process context; takes as long as the handlers take for the files.
 */
void luo_session_abandon(struct luo_session *session)
{
	if (session->sessions != &luo_outgoing)
		return;

	guard(rwsem_read)(&luo_freeze_rwsem);
	if (luo_is_frozen())
		return;
	scoped_guard(mutex, &session->lock)
		session->abandoned = true;
	luo_session_unpreserve(session);
}

/**
 * luo_session_reopen() - let an abandoned session be used again
 * @session: the session, which may be any
 */
void luo_session_reopen(struct luo_session *session)
{
	guard(mutex)(&session->lock);
	session->abandoned = false;
}

/**
 * luo_session_arrive() - let an incoming session be seen
 * @session: the session, with all its files; its list takes over the caller's
 *           reference
 *
 * Context: process context, without a lock of ours: front ends are told.
 * Return: 0, or -EEXIST when there is a session of that name; then the
 * reference is still the caller's.
 */
int luo_session_arrive(struct luo_session *session)
{
	int err;

	luo_session_get(session);
	err = luo_session_publish(session);
	if (!err)
		luo_notify(LUO_SESSION_ARRIVED, session);
	luo_session_put(session);
	return err;
}

/**
 * luo_session_remove() - give an outgoing session up, with all its files
 * @session: the session, not to be used any more
 *
 * Once the reboot is under way this leaves the session alone.
 *
 * Context: process context, without a lock of ours.
 */
void luo_session_remove(struct luo_session *session)
{
	scoped_guard(rwsem_read, &luo_freeze_rwsem) {
		if (luo_is_frozen())
			return;
		luo_session_unpreserve(session);
		luo_session_withdraw(session);
	}
	if (session->is_held)
		luo_notify(LUO_SESSION_GONE, session);
	luo_session_put(session);
}

/**
 * luo_session_reserve_file() - make room to hand one more file over
 * @session: an outgoing session
 *
 * Return: 0, or -ENOSPC when the format cannot carry so many files in a
 * session, or -ENOMEM.
 */
int luo_session_reserve_file(struct luo_session *session)
{
	int err;

	guard(mutex)(&session->lock);
	err = luo_abi_reserve_files(session, session->nr_files + 1);
	if (!err)
		session->nr_files++;
	return err;
}

/**
 * luo_session_commit_file() - have a file that was preserved handed over
 * @session: its session
 * @lf:      the file
 *
 * Return: 0, or -ESRCH when the session's owner died meanwhile.
 */
int luo_session_commit_file(struct luo_session *session, struct luo_file *lf)
{
	guard(mutex)(&session->lock);
	if (session->abandoned)
		return -ESRCH;
	list_add_tail(&lf->list, &session->file_list);
	return 0;
}

/**
 * luo_session_uncommit_file() - undo luo_session_commit_file()
 * @session: its session
 * @lf:      the file
 */
void luo_session_uncommit_file(struct luo_session *session, struct luo_file *lf)
{
	guard(mutex)(&session->lock);
	list_del_init(&lf->list);
}

/**
 * luo_session_unreserve_file() - undo luo_session_reserve_file()
 * @session: the session
 */
void luo_session_unreserve_file(struct luo_session *session)
{
	guard(mutex)(&session->lock);
	session->nr_files--;
	/* Less room than there was can always be had. */
	luo_abi_reserve_files(session, session->nr_files);
}

static void luo_session_unfreeze(struct luo_session *session)
{
	struct luo_file *lf;

	list_for_each_entry_reverse(lf, &session->file_list, list)
		luo_file_unfreeze(lf);
}

static int luo_session_freeze(struct luo_session *session)
{
	struct luo_file *lf;
	int err;

	luo_for_each_file(lf, session) {
		err = luo_file_freeze(lf);
		if (err) {
			luo_set_last_error(session, lf, "freeze", err);
			list_for_each_entry_continue_reverse(lf, &session->file_list, list)
				luo_file_unfreeze(lf);
			return err;
		}
	}
	return 0;
}

static int luo_sessions_freeze_all(void)
{
	struct luo_session *session;
	int err;

	luo_for_each_session(session, &luo_outgoing) {
		err = luo_session_freeze(session);
		if (err) {
			list_for_each_entry_continue_reverse(session, &luo_outgoing.list, list)
				luo_session_unfreeze(session);
			return err;
		}
	}
	return 0;
}

/* Make an outgoing session of what is left of an incoming one. */
static int luo_session_carry(struct luo_session *session)
{
	struct luo_session *copy;
	struct luo_file *lf;
	int err;

	copy = luo_session_alloc(session->name, &luo_outgoing);
	if (!copy) {
		luo_set_last_error(session, NULL, "carry on", -ENOMEM);
		return -ENOMEM;
	}
	copy->is_carried = true;
	err = luo_session_publish(copy);
	if (err) {
		luo_set_last_error(session, NULL, "carry on", err);
		luo_session_put(copy);
		return err;
	}

	luo_for_each_file(lf, session) {
		err = luo_file_carry(lf, copy);
		if (err) {
			luo_set_last_error(session, lf, "carry on", err);
			return err;
		}
	}
	return 0;
}

/* Take back what luo_session_carry() made, as far as it came. */
static void luo_sessions_uncarry(void)
{
	struct luo_session *session, *next;

	list_for_each_entry_safe(session, next, &luo_outgoing.list, list) {
		if (!session->is_carried)
			continue;
		luo_session_unpreserve(session);
		luo_session_withdraw(session);
		luo_session_put(session);
	}
}

static int luo_sessions_carry(void)
{
	struct luo_session *session;
	int err;

	luo_for_each_session(session, &luo_incoming) {
		err = luo_session_carry(session);
		if (err)
			return err;
	}
	return 0;
}

/**
 * luo_sessions_freeze() - freeze every session, or none
 *
 * Incoming sessions that are left are carried on; what that needs is got before
 * anything is frozen.
 *
 * Context: the reboot path, luo_freeze_rwsem held for writing.
 * Return: 0; or, with nothing changed,
 * * -EEXIST: an incoming session has the name of an outgoing one
 * * as luo_file_carry()
 * * what a handler's freeze() failed with
 */
int luo_sessions_freeze(void)
{
	int err;

	lockdep_assert_held_write(&luo_freeze_rwsem);
	err = luo_sessions_carry() ?: luo_sessions_freeze_all();
	if (err)
		luo_sessions_uncarry();
	return err;
}

static int luo_session_try_finish(struct luo_session *session, bool discard)
{
	struct luo_file *lf;
	int err;

	luo_for_each_file(lf, session) {
		err = luo_file_begin_finish(lf, discard);
		if (err) {
			list_for_each_entry_continue_reverse(lf, &session->file_list, list)
				luo_file_cancel_finish(lf);
			return err;
		}
	}
	luo_for_each_file(lf, session)
		luo_file_finish(lf);
	return 0;
}

/**
 * luo_session_finish() - give up the kernel's side of an incoming session
 * @session: the session; the caller's reference stays the caller's
 * @discard: drop files that were not retrieved, too
 *
 * Context: process context.
 * Return: 0; or, and then nothing was changed:
 * * -EBUSY: a file was not retrieved and @discard is not set; or a handler
 *   says that it is too early; or somebody else is finishing the session; or
 *   the reboot is under way
 * * -ENOENT: the session was finished before
 * * whatever the retrieve() of an FLB says that would be finished; with
 *   @discard that is only reported
 */
int luo_session_finish(struct luo_session *session, bool discard)
{
	int err;

	scoped_guard(rwsem_read, &luo_freeze_rwsem) {
		if (luo_is_frozen())
			return -EBUSY;

		scoped_guard(mutex, &session->lock) {
			if (session->finishing)
				return RB_EMPTY_NODE(&session->name_node) ? -ENOENT : -EBUSY;
			WRITE_ONCE(session->finishing, true);
		}

		err = luo_session_try_finish(session, discard);
		if (err) {
			guard(mutex)(&session->lock);
			WRITE_ONCE(session->finishing, false);
			return err;
		}
		luo_session_withdraw(session);
	}

	luo_notify(LUO_SESSION_GONE, session);
	luo_notify(LUO_STATE_CHANGED, NULL);
	luo_session_put(session);
	return 0;
}
