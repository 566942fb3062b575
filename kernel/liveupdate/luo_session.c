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

#include "luo_abi.h"
#include "luo_session.h"
#include "luo_state.h"

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

/*
 * An outgoing session whose owner died holds nothing any more, until it has an owner
 * again. An incoming one keeps what it has: the next one goes on.
 */
static void luo_session_abandon(struct luo_owner *owner)
{
	struct luo_session *session = container_of(owner, struct luo_session, owner);

	if (session->sessions != &luo_outgoing)
		return;
	CLASS(luo_op, busy)(LUO_MUST);
	if (busy)
		return;
	luo_file_set_abandon(&session->files);
	luo_note_change(session->name, NULL, "abandon");
}

/* An abandoned session can be used again. */
static void luo_session_reopen(struct luo_owner *owner)
{
	luo_file_set_reopen(&container_of(owner, struct luo_session, owner)->files);
}

static const struct luo_owner_ops luo_session_owner_ops = {
	.died = luo_session_abandon,
	.changed = luo_session_reopen,
};

static struct luo_session *luo_session_new(const char *name, struct luo_session_list *sessions,
					   gfp_t gfp)
{
	struct luo_session *session = kzalloc_obj(*session, gfp);

	if (!session)
		return NULL;

	kref_init(&session->ref);
	strscpy(session->name, name);
	session->sessions = sessions;
	RB_CLEAR_NODE(&session->name_node);
	INIT_LIST_HEAD(&session->list);
	luo_file_set_init(&session->files, session->name, sessions == &luo_incoming);
	luo_owner_init(&session->owner, &luo_session_owner_ops);
	return session;
}

/**
 * luo_session_alloc() - make an incoming session that nobody sees yet
 * @name: its name, of 1 to 63 bytes
 *
 * Return: the session, with one reference.
 */
struct luo_session *luo_session_alloc(const char *name)
{
	return luo_session_new(name, &luo_incoming, LUO_GFP_NOFAIL);
}

static void luo_session_free(struct kref *ref)
{
	struct luo_session *session = container_of(ref, struct luo_session, ref);

	luo_owner_end(&session->owner);
	luo_file_set_destroy(&session->files);
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

static int luo_session_create_op(struct luo_session *session)
{
	CLASS(luo_op, busy)(LUO_KILLABLE);

	return busy ?: luo_session_publish(session);
}

/**
 * luo_session_create() - make an outgoing session
 * @name:  its name, of 1 to 63 bytes
 * @is_fd: a file descriptor will stand for it; else it belongs to the root's
 *         owner, if there is one
 *
 * Context: process context.
 * Return: the session, which lives until luo_session_remove(); or
 * * -EBUSY: the reboot is under way
 * * -EINTR: the caller is being killed
 * * -EEXIST: there is a session of that name
 * * -ENOSPC: the hand-over format cannot carry more sessions
 * * -ENOMEM
 */
struct luo_session *luo_session_create(const char *name, bool is_fd)
{
	struct luo_session *session;
	int err;

	session = luo_session_new(name, &luo_outgoing, GFP_KHO | __GFP_ACCOUNT);
	if (!session)
		return ERR_PTR(-ENOMEM);
	session->owner.is_fd = is_fd;
	err = luo_session_create_op(session);
	if (err) {
		luo_session_put(session);
		return ERR_PTR(err);
	}

	if (is_fd)
		luo_notify(LUO_SESSION_ARRIVED, session);
	else
		luo_owner_inherit(&session->owner);
	luo_note_change(session->name, NULL, "create");
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
		luo_session_remove(session, LUO_MUST);
		return;
	}

	luo_session_finish(session, false);
	luo_owner_drop_fd(&session->owner);
	luo_session_put(session);
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
	if (!err) {
		luo_file_set_arrive(&session->files);
		luo_notify(LUO_SESSION_ARRIVED, session);
	}
	luo_session_put(session);
	return err;
}

static int luo_session_remove_op(struct luo_session *session, bool killable)
{
	CLASS(luo_op, busy)(killable);

	if (busy)
		return busy;
	luo_file_set_unpreserve(&session->files);
	luo_session_withdraw(session);
	return 0;
}

/**
 * luo_session_remove() - give an outgoing session up, with all its files
 * @session:  the session
 * @killable: it need not be done when the caller is being killed
 *
 * Once it was removed this does nothing. The reference of luo_session_create() goes.
 *
 * Context: process context, without a lock of ours.
 * Return: 0; or, and then it is as it was:
 * * -EBUSY: the reboot is under way
 * * -EINTR: the caller is being killed
 */
int luo_session_remove(struct luo_session *session, bool killable)
{
	int err;

	/* Nobody else removes it. */
	if (RB_EMPTY_NODE(&session->name_node))
		return 0;
	err = luo_session_remove_op(session, killable);
	if (err)
		return err;
	if (session->owner.is_fd)
		luo_notify(LUO_SESSION_GONE, session);
	luo_note_change(session->name, NULL, "remove");
	luo_session_put(session);
	return 0;
}

static int luo_sessions_freeze_all(void)
{
	struct luo_session *session;
	int err;

	luo_for_each_session(session, &luo_outgoing) {
		err = luo_file_set_freeze(&session->files);
		if (err) {
			list_for_each_entry_continue_reverse(session, &luo_outgoing.list, list)
				luo_file_set_unfreeze(&session->files);
			return err;
		}
	}
	return 0;
}

/* Make an outgoing session of what is left of an incoming one; @drop what cannot be. */
static int luo_session_carry(struct luo_session *session, bool drop)
{
	struct luo_session *copy = NULL;
	int err = -EBUSY;

	/* An operation that is passed by may be finishing it. */
	if (session->files.state == LUO_SET_OPEN) {
		/* Whoever calls reboot(2) is charged nothing. */
		copy = luo_session_new(session->name, &luo_outgoing, GFP_KHO);
		err = copy ? luo_session_publish(copy) : -ENOMEM;
	}
	if (!err)
		return luo_file_set_carry(&session->files, &copy->files, drop);
	luo_set_last_error(&session->files.error, NULL, "carry on", err);
	if (copy)
		luo_session_put(copy);
	if (!drop)
		return err;
	luo_file_set_lose(&session->files, err);
	return 0;
}

/* Incoming sessions have copies that are handed over, see luo_sessions_prepare(). */
static bool luo_sessions_are_carried;

/**
 * luo_sessions_unprepare() - undo luo_sessions_prepare(), as far as it came
 *
 * Context: process context, the gate closed.
 */
void luo_sessions_unprepare(void)
{
	struct luo_session *session, *next;

	lockdep_assert_held_write(&luo_gate);
	list_for_each_entry_safe(session, next, &luo_outgoing.list, list) {
		if (!session->files.carries)
			continue;
		luo_file_set_unpreserve(&session->files);
		luo_session_withdraw(session);
		luo_session_put(session);
	}
	luo_sessions_are_carried = false;
}

static int luo_sessions_carry(bool drop)
{
	struct luo_session *session;
	int err;

	lockdep_assert_held_write(&luo_gate);
	if (luo_sessions_are_carried)
		return 0;
	luo_for_each_session(session, &luo_incoming) {
		err = luo_session_carry(session, drop);
		if (err)
			return err;
	}
	luo_sessions_are_carried = true;
	return 0;
}

static int luo_sessions_check(void)
{
	struct luo_session *session;
	int err;

	luo_for_each_session(session, &luo_outgoing) {
		err = luo_file_set_check(&session->files);
		if (err)
			return err;
	}
	return 0;
}

/**
 * luo_sessions_prepare() - do now what luo_sessions_freeze() could fail with
 *
 * Incoming sessions are carried on, and stay so until luo_sessions_unprepare(); files are
 * asked whether they could be frozen.
 *
 * Context: process context, the gate closed.
 * Return: 0; or, with nothing changed, as luo_sessions_freeze().
 */
int luo_sessions_prepare(void)
{
	int err;

	lockdep_assert_held_write(&luo_gate);
	err = luo_sessions_carry(false) ?: luo_sessions_check();
	if (err)
		luo_sessions_unprepare();
	return err;
}

/**
 * luo_session_prepare() - could this outgoing session be handed over now?
 * @session: the session
 *
 * Context: process context, without a lock of ours; takes as long as the handlers take.
 * Return: 0; or, with nothing changed,
 * * -EBUSY: the reboot is under way
 * * -EINTR: the caller is being killed
 * * -EEXIST: an incoming session has its name
 * * -ESRCH: its owner died
 * * what the check() of a handler says
 */
int luo_session_prepare(struct luo_session *session)
{
	struct luo_session *incoming;

	CLASS(luo_op, busy)(LUO_KILLABLE);
	if (busy)
		return busy;
	incoming = luo_session_find(session->name, &luo_incoming);
	if (incoming) {
		luo_session_put(incoming);
		luo_set_last_error(&session->files.error, NULL, "carry on", -EEXIST);
		return -EEXIST;
	}
	return luo_file_set_prepare(&session->files);
}

/**
 * luo_sessions_exist() - is there anything to hand over?
 *
 * Context: the reboot path, the gate closed.
 * Return: true when there is a session, outgoing and not abandoned or incoming.
 */
bool luo_sessions_exist(void)
{
	struct luo_session *session;

	lockdep_assert_held_write(&luo_gate);
	if (luo_incoming.nr)
		return true;
	luo_for_each_session(session, &luo_outgoing) {
		if (session->files.state != LUO_SET_ABANDONED)
			return true;
	}
	return false;
}

/**
 * luo_sessions_freeze() - freeze every session, or none
 *
 * Incoming sessions that are left are carried on; what that needs is got before
 * anything is frozen.
 *
 * Context: the reboot path, the gate closed.
 * Return: 0; or, with nothing changed,
 * * -EEXIST: an incoming session has the name of an outgoing one
 * * as luo_file_set_carry()
 * * what a handler's freeze() failed with
 */
int luo_sessions_freeze(void)
{
	int err;

	lockdep_assert_held_write(&luo_gate);
	err = luo_sessions_carry(false) ?: luo_sessions_freeze_all();
	/* Also what was prepared: whoever tries it again is told why, or gets it anew. */
	if (err)
		luo_sessions_unprepare();
	return err;
}

/* Freeze the files that can be; false when others were found that cannot. */
static bool luo_sessions_try_freeze(struct list_head *lost)
{
	struct luo_session *session;
	bool any = false;

	luo_for_each_session(session, &luo_outgoing) {
		if (session->files.state != LUO_SET_ABANDONED)
			any |= luo_file_set_freeze_or_lose(&session->files, lost);
	}
	if (!any)
		return true;
	list_for_each_entry_reverse(session, &luo_outgoing.list, list) {
		if (session->files.state != LUO_SET_ABANDONED)
			luo_file_set_unfreeze(&session->files);
	}
	return false;
}

/**
 * luo_sessions_freeze_or_drop() - freeze every file that can be, and leave the others behind
 *
 * What depends on a file that is left behind is, too: its handler's freeze() fails then.
 *
 * Context: the reboot path, the gate closed, after luo_lost_begin().
 */
void luo_sessions_freeze_or_drop(void)
{
	struct luo_session *session;
	LIST_HEAD(lost);

	lockdep_assert_held_write(&luo_gate);
	luo_sessions_carry(true);
	while (!luo_sessions_try_freeze(&lost))
		;
	luo_files_drop(&lost);
	luo_for_each_session(session, &luo_outgoing)
		luo_file_set_pass(&session->files);
}

static bool luo_sessions_tell_stalled_of(struct luo_session_list *sessions)
{
	struct luo_session *session;

	guard(mutex)(&sessions->lock);
	luo_for_each_session(session, sessions) {
		if (luo_file_set_stalled(&session->files))
			return true;
	}
	return false;
}

/**
 * luo_sessions_tell_stalled() - tell which file is worked on for too long
 *
 * Context: process context, without a lock of ours.
 */
void luo_sessions_tell_stalled(void)
{
	if (!luo_sessions_tell_stalled_of(&luo_outgoing) &&
	    !luo_sessions_tell_stalled_of(&luo_incoming))
		luo_set_last_error(NULL, NULL, "operation under way", -EBUSY);
}

/**
 * luo_session_label() - set, change or remove the label of a session
 * @session: the outgoing session
 * @text:    the label, which luo_label_check() takes
 * @len:     its length, 0 to remove the label
 *
 * Context: process context.
 * Return: 0; or, and then nothing was changed:
 * * -EBUSY: the reboot is under way
 * * -EINTR: the caller is being killed
 * * -ENOMEM
 */
int luo_session_label(struct luo_session *session, const char *text, size_t len)
{
	int err;

	CLASS(luo_op, busy)(LUO_KILLABLE);
	if (busy)
		return busy;
	err = luo_label_set(&session->files.label, text, len);
	if (!err)
		luo_note_change(session->name, NULL, "label");
	return err;
}

/**
 * luo_sessions_tell_labels() - serialize the labels of all sessions that are handed over
 *
 * Those that are carried on have theirs as incoming sessions.
 *
 * Context: the reboot path, the gate closed, between luo_label_begin() and
 *          luo_label_serialize().
 */
void luo_sessions_tell_labels(void)
{
	struct luo_session *session;

	lockdep_assert_held_write(&luo_gate);
	luo_for_each_session(session, &luo_outgoing) {
		if (session->files.state != LUO_SET_ABANDONED && !session->files.carries)
			luo_file_set_tell_labels(&session->files);
	}
	luo_for_each_session(session, &luo_incoming)
		luo_file_set_tell_labels(&session->files);
}

/**
 * luo_sessions_restore_label() - give a label that was handed over to its session or file
 * @ser: the label; nothing is done when the session or the file did not come
 *
 * Context: process context, once for each, at boot, when all sessions have been restored.
 */
void luo_sessions_restore_label(const struct luo_label_ser *ser)
{
	struct luo_session *session = luo_session_find(ser->session, &luo_incoming);
	struct luo_file *lf = NULL;
	int err = 0;

	if (!session)
		return;
	if (ser->has_token)
		lf = luo_file_find(&session->files, ser->token);
	if (lf || !ser->has_token)
		err = luo_label_set(lf ? &lf->label : &session->files.label, ser->text,
				    strlen(ser->text));
	if (err)
		luo_set_last_error(&session->files.error, lf ? &lf->token : NULL, "label", err);
	if (lf)
		luo_file_put(lf);
	luo_session_put(session);
}

static int luo_session_finish_op(struct luo_session *session, bool discard)
{
	int err;

	CLASS(luo_op, busy)(LUO_KILLABLE);
	if (busy)
		return busy;
	err = luo_file_set_finish(&session->files, discard);
	if (!err)
		luo_session_withdraw(session);
	return err;
}

/**
 * luo_session_finish() - give up the kernel's side of an incoming session
 * @session: the session; the caller's reference stays the caller's
 * @discard: drop files that were not retrieved, too
 *
 * Context: process context.
 * Return: 0; or, and then nothing was changed:
 * * -EBUSY: the reboot is under way
 * * -EINTR: the caller is being killed
 * * as luo_file_set_finish()
 */
int luo_session_finish(struct luo_session *session, bool discard)
{
	int err = luo_session_finish_op(session, discard);

	if (err)
		return err;

	luo_notify(LUO_SESSION_GONE, session);
	luo_note_change(session->name, NULL, "finish");
	if (!READ_ONCE(luo_incoming.nr)) {
		liveupdate_phase(LIVEUPDATE_PHASE_FINISHED);
		luo_notify(LUO_STATE_CHANGED, NULL);
	}
	luo_session_put(session);
	return 0;
}
