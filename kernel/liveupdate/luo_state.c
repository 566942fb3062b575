// SPDX-License-Identifier: GPL-2.0
/*
 * What all of live update goes by: whether it is in use, the number of the hand-over, the
 * gate that keeps operations and the reboot path apart, the last error, and the chain that
 * tells front ends of changes.
 *
 * Whatever changes what is handed over, or takes from what was, is an operation. It
 * may call handlers, and these may wait for the user: for a page fault that a program
 * serves, say. The reboot path waits until no operation is left, but not for ever,
 * and lets none begin meanwhile.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cleanup.h>
#include <linux/errname.h>
#include <linux/errno.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/kstrtox.h>
#include <linux/lockdep.h>
#include <linux/minmax.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/ratelimit.h>
#include <linux/sched/signal.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "luo_op.h"
#include "luo_state.h"
#include "luo_text.h"

struct luo_gate luo_gate = {
	.lock = __SPIN_LOCK_UNLOCKED(luo_gate.lock),
	.wait = __WAIT_QUEUE_HEAD_INITIALIZER(luo_gate.wait),
	.closing = __MUTEX_INITIALIZER(luo_gate.closing),
#ifdef CONFIG_DEBUG_LOCK_ALLOC
	.dep_map = STATIC_LOCKDEP_MAP_INIT("luo_gate", &luo_gate),
#endif
};

/* Tells front ends what happened, see enum luo_event. */
BLOCKING_NOTIFIER_HEAD(luo_notifier);

/*
 * Changes are gathered for this long before they are told, and for longer when there
 * were many: uevents wake programs in user space, and users make changes as fast as
 * they like. So no more than LUO_MAX_CHANGES are told in a second.
 */
#define LUO_CHANGES_DELAY	(HZ / 10)

/* Protects the three below, but for those changes that are just being told. */
static DEFINE_SPINLOCK(luo_changes_lock);
static struct luo_changes luo_changes_of[2];
static struct luo_changes *luo_changes = &luo_changes_of[0];
static unsigned int luo_changes_delay = LUO_CHANGES_DELAY;

#define LUO_MAX_FREEZE_TIMEOUT_MS	600000

static unsigned int luo_freeze_timeout_ms = 10000;

static DEFINE_SPINLOCK(luo_error_lock);
static struct {
	struct luo_error error;
	char name[LIVEUPDATE_SESSION_NAME_LENGTH];	/* what it is about, or empty */
} luo_last_error;
static_assert(sizeof(luo_last_error.name) >= LIVEUPDATE_FLB_COMPAT_LENGTH);

/* A user to whom a session was given can have something fail as often as they like. */
static DEFINE_RATELIMIT_STATE(luo_error_log, 5 * HZ, 100);

static bool luo_enabled;

/* Hand-overs in a row that led to this kernel, set before there is anything else */
static u64 luo_number;

static int __init luo_parse_enable(char *arg)
{
	return kstrtobool(arg, &luo_enabled);
}
early_param("liveupdate", luo_parse_enable);

/**
 * liveupdate_enabled() - is live update in use on this boot?
 *
 * Set by ``liveupdate=on`` on the kernel's command line; needs KHO.
 *
 * Context: any, from early_initcall on.
 * Return: true when it is.
 */
bool liveupdate_enabled(void)
{
	return luo_enabled;
}

/**
 * luo_disable() - KHO is not in use, so live update is not
 *
 * Context: early_initcall.
 */
void __init luo_disable(void)
{
	luo_enabled = false;
}

/**
 * luo_set_number() - record how many hand-overs in a row led to this kernel
 * @number: that number, as the previous kernel says
 *
 * Context: early_initcall.
 */
void __init luo_set_number(u64 number)
{
	luo_number = number;
}

/**
 * luo_get_number() - how many hand-overs in a row led to this kernel
 *
 * Return: that number, 0 after a boot without a hand-over.
 */
u64 luo_get_number(void)
{
	return luo_number;
}

/**
 * luo_set_freeze_timeout() - choose how long the reboot path waits for operations
 * @text: in milliseconds, 0 to 600000, decimal
 *
 * Return: 0, or -EINVAL.
 */
int luo_set_freeze_timeout(const char *text)
{
	unsigned int ms;

	if (kstrtouint(text, 10, &ms) || ms > LUO_MAX_FREEZE_TIMEOUT_MS)
		return -EINVAL;
	WRITE_ONCE(luo_freeze_timeout_ms, ms);
	return 0;
}

/**
 * luo_get_freeze_timeout() - how long does the reboot path wait for operations?
 *
 * Return: the time, in milliseconds.
 */
unsigned int luo_get_freeze_timeout(void)
{
	return READ_ONCE(luo_freeze_timeout_ms);
}

/**
 * luo_freeze_deadline() - when does who begins to wait for operations give up?
 *
 * Return: the time, in jiffies.
 */
unsigned long luo_freeze_deadline(void)
{
	return jiffies + msecs_to_jiffies(luo_get_freeze_timeout());
}

static int luo_freeze_timeout_param_set(const char *val, const struct kernel_param *kp)
{
	return luo_set_freeze_timeout(val);
}

static const struct kernel_param_ops luo_freeze_timeout_param_ops = {
	.set = luo_freeze_timeout_param_set,
};

/* The name that users know live update by, and not this file's */
#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "liveupdate."
module_param_cb(freeze_timeout_ms, &luo_freeze_timeout_param_ops, NULL, 0);

/* How long the reboot path waits for what no user can hold up */
#define LUO_PASS_TIMEOUT	(10 * HZ)

static void luo_gate_set(bool closed, bool frozen)
{
	guard(spinlock)(&luo_gate.lock);
	WRITE_ONCE(luo_gate.closed, closed);
	/* Once frozen, who was passed by does not go on any more. */
	luo_gate.passed &= frozen;
	WRITE_ONCE(luo_gate.frozen, frozen);
	if (!closed)
		wake_up_all(&luo_gate.wait);
}

/* Whether all operations have ended, or with @pass all that do not wait */
static bool luo_gate_is_quiet(bool pass)
{
	guard(spinlock)(&luo_gate.lock);
	if (luo_gate.nr_ops != (pass ? atomic_read(&luo_gate.waits) : 0))
		return false;
	luo_gate.passed = pass;
	return true;
}

static int luo_gate_do_close(unsigned long deadline, bool killable, bool pass)
{
	long left;
	int err;

	if (!killable)
		mutex_lock(&luo_gate.closing);
	else if (mutex_lock_killable(&luo_gate.closing))
		return -EINTR;
	if (luo_is_frozen()) {
		err = -EBUSY;
		goto err_unlock;
	}
	luo_gate_set(true, false);
	left = max_t(long, deadline - jiffies, 0);
	left = wait_event_killable_timeout(luo_gate.wait, luo_gate_is_quiet(pass), left);
	if (left > 0) {
		WRITE_ONCE(luo_gate.closer, current);
		rwsem_acquire(&luo_gate.dep_map, 0, 0, _THIS_IP_);
		return 0;
	}
	luo_gate_set(false, false);
	err = left ? -EINTR : -ETIMEDOUT;
err_unlock:
	mutex_unlock(&luo_gate.closing);
	return err;
}

/**
 * luo_gate_close() - have no operation left, and none begin
 * @deadline: when to give up waiting for operations, in jiffies
 * @killable: it need not be done when the caller is being killed
 *
 * Context: process context, without a lock of ours.
 * Return: 0, to be followed by luo_gate_open(); or
 * * -EBUSY: the reboot is under way
 * * -EINTR: the caller is being killed
 * * -ETIMEDOUT: there are operations that did not end in time
 */
int luo_gate_close(unsigned long deadline, bool killable)
{
	return luo_gate_do_close(deadline, killable, false);
}

/**
 * luo_gate_pass() - the same, but leave operations behind that wait
 *
 * These change nothing, and hold locks that they wait under, until luo_gate_open().
 *
 * Context: process context, without a lock of ours.
 * Return: as luo_gate_close(); -ETIMEDOUT when one neither waits nor ends.
 */
int luo_gate_pass(void)
{
	return luo_gate_do_close(jiffies + LUO_PASS_TIMEOUT, LUO_KILLABLE, true);
}

/**
 * luo_gate_open() - let operations begin again
 * @frozen: from now on they get -EBUSY
 */
void luo_gate_open(bool frozen)
{
	rwsem_release(&luo_gate.dep_map, _THIS_IP_);
	WRITE_ONCE(luo_gate.closer, NULL);
	luo_gate_set(false, frozen);
	mutex_unlock(&luo_gate.closing);
}

/**
 * luo_gate_set_undo() - all is prepared for the reboot
 * @undo: called, once, before an operation changes something, with the gate closed; does
 *        not fail
 *
 * Context: the gate closed.
 */
void luo_gate_set_undo(void (*undo)(void))
{
	lockdep_assert_held_write(&luo_gate);
	WRITE_ONCE(luo_gate.undo, undo);
}

/**
 * luo_gate_undo() - undo what is prepared for the reboot, if it is
 *
 * Context: the gate closed.
 */
void luo_gate_undo(void)
{
	void (*undo)(void) = luo_gate.undo;

	lockdep_assert_held_write(&luo_gate);
	WRITE_ONCE(luo_gate.undo, NULL);
	if (undo)
		undo();
}

/**
 * luo_gate_can_undo() - is there what luo_gate_undo() would undo?
 *
 * Context: any. The answer is good for showing.
 * Return: true when there is.
 */
bool luo_gate_can_undo(void)
{
	return READ_ONCE(luo_gate.undo);
}

/*
 * Whether it is known by now that an operation can begin, or cannot, as @err says. With
 * -EAGAIN what is prepared has to be undone first.
 */
static bool luo_op_try(int *err)
{
	guard(spinlock)(&luo_gate.lock);
	*err = luo_gate.frozen ? -EBUSY : 0;
	if (luo_gate.closed && !*err)
		return false;
	if (!*err && READ_ONCE(luo_gate.undo))
		*err = -EAGAIN;
	luo_gate.nr_ops += !*err;
	return true;
}

/*
 * Have what is prepared undone. An operation can only be under way when it was; and that
 * the reboot is under way is for luo_op_try() to say.
 */
static int luo_op_undo(bool killable)
{
	int err = luo_gate_close(jiffies, killable);

	if (err)
		return err == -EINTR ? err : 0;
	luo_gate_undo();
	luo_gate_open(false);
	return 0;
}

/**
 * luo_op_begin() - begin an operation; see CLASS(luo_op, ...)
 * @killable: it need not be done when the caller is being killed
 *
 * Context: process context, without a lock of ours. Waits while the reboot path
 *          freezes, or a format is chosen.
 * Return: 0, to be followed by luo_op_end(); or
 * * -EBUSY: the reboot is under way
 * * -EINTR: the caller is being killed
 */
int luo_op_begin(bool killable)
{
	int err;

	for (;;) {
		if (!killable)
			wait_event(luo_gate.wait, luo_op_try(&err));
		else if (wait_event_killable(luo_gate.wait, luo_op_try(&err)))
			return -EINTR;
		if (err != -EAGAIN)
			break;
		err = luo_op_undo(killable);
		if (err)
			return err;
	}
	if (!err)
		rwsem_acquire_read(&luo_gate.dep_map, 0, 0, _THIS_IP_);
	return err;
}

/**
 * luo_op_end() - end an operation
 */
void luo_op_end(void)
{
	rwsem_release(&luo_gate.dep_map, _THIS_IP_);
	guard(spinlock)(&luo_gate.lock);
	luo_gate.nr_ops--;
	if (luo_gate.closed)
		wake_up_all(&luo_gate.wait);
}

/**
 * luo_op_may_go_on() - may an operation that has waited go on, with the gate closed?
 *
 * Context: in luo_op_try_wait_end() alone.
 * Return: true; or false when it was passed by, and waits again.
 */
bool luo_op_may_go_on(void)
{
	/* The reboot path calls handlers, too, and is no operation. */
	if (READ_ONCE(luo_gate.closer) == current)
		return true;
	guard(spinlock)(&luo_gate.lock);
	if (luo_gate.passed)
		atomic_inc(&luo_gate.waits);
	return !luo_gate.passed;
}

/**
 * luo_op_sleep() - wait until an operation that was passed by may go on
 *
 * Context: in an operation. When the reboot is under way that is never.
 */
void luo_op_sleep(void)
{
	wait_event(luo_gate.wait, luo_op_try_wait_end());
}

/**
 * luo_op_do_lock() - take a lock that others may hold while they wait for a user
 * @lock:     the lock
 * @killable: give up when the caller is being killed
 *
 * Context: in luo_op_lock() and luo_op_lock_killable() alone.
 * Return: 0, or -EINTR.
 */
int luo_op_do_lock(struct mutex *lock, bool killable)
{
	int err = 0;

	for (;;) {
		luo_op_wait_begin();
		if (killable)
			err = mutex_lock_killable_nest_lock(lock, &luo_gate);
		else
			mutex_lock_nest_lock(lock, &luo_gate);
		if (luo_op_try_wait_end())
			return err;
		/* Who passed us by may want it. */
		if (!err)
			mutex_unlock(lock);
		luo_op_sleep();
		if (err)
			return err;
	}
}

/**
 * luo_is_frozen() - has what is handed over been fixed for good?
 *
 * Context: any. The answer is good for showing, and for who keeps the gate closed.
 * Return: true when it has: nothing may be changed, freed or moved any more.
 */
bool luo_is_frozen(void)
{
	return READ_ONCE(luo_gate.frozen);
}

/**
 * luo_notify() - tell front ends what happened
 * @event:   what
 * @session: to which session, or NULL
 *
 * Context: process context, without a lock of ours.
 */
void luo_notify(enum luo_event event, void *session)
{
	blocking_notifier_call_chain(&luo_notifier, event, session);
}

static void luo_tell_changes(struct work_struct *work)
{
	struct luo_changes *changes;

	scoped_guard(spinlock, &luo_changes_lock) {
		changes = luo_changes;
		luo_changes = &luo_changes_of[changes == luo_changes_of];
		luo_changes->nr = 0;
		luo_changes->missed = 0;
		luo_changes_delay = max(LUO_CHANGES_DELAY, changes->nr * HZ / LUO_MAX_CHANGES);
	}
	blocking_notifier_call_chain(&luo_notifier, LUO_CHANGED, changes);
}

static DECLARE_DELAYED_WORK(luo_changes_work, luo_tell_changes);

/**
 * luo_note_change() - have front ends told what happened to a session, or a file of it
 * @session: the session's name
 * @token:   of the file, or NULL
 * @what:    what happened: a word for users; a string that stays
 *
 * Each operation calls this, so it costs little: a worker tells it a moment later.
 *
 * Context: process context.
 */
void luo_note_change(const char *session, const u64 *token, const char *what)
{
	struct luo_change *change;

	guard(spinlock)(&luo_changes_lock);
	if (luo_changes->nr == LUO_MAX_CHANGES) {
		luo_changes->missed++;
		return;
	}
	if (!luo_changes->nr)
		queue_delayed_work(system_dfl_wq, &luo_changes_work, luo_changes_delay);
	change = &luo_changes->change[luo_changes->nr++];
	strscpy(change->session, session);
	change->what = what;
	change->has_file = token;
	change->token = token ? *token : 0;
}

/**
 * luo_errname() - what users know an errno by
 * @err: negative
 * @buf: for one that has no name
 *
 * Return: its name, or its number.
 */
const char *luo_errname(int err, char buf[LUO_ERRNAME_LENGTH])
{
	const char *name = errname(-err);

	if (name)
		return name;
	snprintf(buf, LUO_ERRNAME_LENGTH, "%d", err);
	return buf;
}

static void luo_log_error(const char *name, const u64 *token, const char *what, int err)
{
	char text[LUO_NAME_TEXT_LENGTH] = "", slash_token[24] = "";
	char number[LUO_ERRNAME_LENGTH];

	if (!__ratelimit(&luo_error_log))
		return;
	if (name)
		luo_format_name(name, text);
	if (token)
		snprintf(slash_token, sizeof(slash_token), "/%llu", *token);
	pr_warn("%s%s%s%s: %s\n", text, slash_token, name ? ": " : "", what,
		luo_errname(err, number));
}

static void luo_error_set(struct luo_error *error, const u64 *token, const char *what, int err)
{
	lockdep_assert_held(&luo_error_lock);
	error->nr++;
	error->err = err;
	error->what = what;
	error->has_token = token;
	error->token = token ? *token : 0;
}

static bool luo_error_is(const struct luo_error *error, const u64 *token, const char *what)
{
	lockdep_assert_held(&luo_error_lock);
	return error->err && !strcmp(error->what, what) && error->has_token == !!token &&
	       (!token || error->token == *token);
}

static void luo_set_error(const char *name, struct luo_error *of, const u64 *token,
			  const char *what, int err)
{
	luo_log_error(name, token, what, err);

	guard(spinlock)(&luo_error_lock);
	luo_error_set(&luo_last_error.error, token, what, err);
	strscpy(luo_last_error.name, name ?: "");
	if (of)
		luo_error_set(of, token, what, err);
}

static void luo_clear_error(const char *name, struct luo_error *of, const u64 *token,
			    const char *what)
{
	guard(spinlock)(&luo_error_lock);
	if (luo_error_is(&luo_last_error.error, token, what) && !strcmp(luo_last_error.name, name))
		luo_last_error.error.err = 0;
	if (of && luo_error_is(of, token, what))
		of->err = 0;
}

/**
 * luo_set_last_error() - record what failed, and log it at a limited rate
 * @of:    the errors of the session it failed for, or NULL
 * @token: of the file in it that it failed for, or NULL
 * @what:  what failed; a string that stays
 * @err:   negative errno
 */
void luo_set_last_error(struct luo_error *of, const u64 *token, const char *what, int err)
{
	luo_set_error(of ? of->name : NULL, of, token, what, err);
}

/**
 * luo_set_named_error() - the same of what is no session
 * @name: what it failed for
 * @what: what failed; a string that stays
 * @err:  negative errno
 */
void luo_set_named_error(const char *name, const char *what, int err)
{
	char short_name[LIVEUPDATE_SESSION_NAME_LENGTH];

	/* One that was handed over can be longer. */
	strscpy(short_name, name);
	luo_set_error(short_name, NULL, NULL, what, err);
}

/**
 * luo_set_user_error() - record a mistake of a user's, for all, without a line in the log
 * @name:  the session that it is about
 * @token: of the file in it that it is about
 * @what:  what failed; a string that stays
 * @err:   negative errno
 *
 * luo_clear_last_error() clears it.
 */
void luo_set_user_error(const char *name, const u64 *token, const char *what, int err)
{
	guard(spinlock)(&luo_error_lock);
	luo_error_set(&luo_last_error.error, token, what, err);
	strscpy(luo_last_error.name, name);
}

/**
 * luo_clear_last_error() - what failed has succeeded
 * @of:    the errors of the session it failed for
 * @token: of the file in it that it failed for, or NULL
 * @what:  what failed
 */
void luo_clear_last_error(struct luo_error *of, const u64 *token, const char *what)
{
	luo_clear_error(of->name, of, token, what);
}

/**
 * luo_clear_named_error() - the same of what is no session
 * @name: what it failed for
 * @what: what failed
 */
void luo_clear_named_error(const char *name, const char *what)
{
	luo_clear_error(name, NULL, NULL, what);
}

/**
 * luo_emit_last_error() - show how many errors there were, and the last one
 * @of:   those of a session, or NULL for all
 * @page: where to, see sysfs_emit()
 *
 * Return: the number of bytes.
 */
ssize_t luo_emit_last_error(const struct luo_error *of, char *page)
{
	char name[LIVEUPDATE_SESSION_NAME_LENGTH], text[LUO_NAME_TEXT_LENGTH];
	char number[LUO_ERRNAME_LENGTH];
	struct luo_error error;
	int len;

	scoped_guard(spinlock, &luo_error_lock) {
		error = of ? *of : luo_last_error.error;
		strscpy(name, of ? of->name : luo_last_error.name);
	}
	len = sysfs_emit(page, "%llu", error.nr);
	if (error.err)
		len += sysfs_emit_at(page, len, " %s %s",
				     luo_errname(error.err, number), error.what);
	if (error.err && *name) {
		luo_format_name(name, text);
		len += sysfs_emit_at(page, len, " %s", text);
	}
	if (error.err && error.has_token)
		len += sysfs_emit_at(page, len, "/%llu", error.token);
	return len + sysfs_emit_at(page, len, "\n");
}
