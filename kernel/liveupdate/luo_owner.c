// SPDX-License-Identifier: GPL-2.0
/*
 * Ownership: who holds exclusive control, of live update on this machine or of
 * one session.
 *
 * An owner is a process, by its struct pid: not a number, which another process
 * may get, and not a task, which goes when the process execs from a thread. It
 * ends by itself when the process exits, of which the pid's own wait queue
 * tells. Who was forked by the owner acts for it.
 *
 * The root's owner and an open /dev/liveupdate are one lock: whoever has one
 * keeps others from both.
 */

#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/mutex.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "luo_internal.h"

/* Where deaths are dealt with. */
static struct workqueue_struct *luo_owner_wq;

/* Protects all owners. Nothing but the wait queue's lock is taken under it. */
static DEFINE_MUTEX(luo_owner_lock);

/* The root's owner, whether it asked for that, and whether the device is open */
static struct {
	struct luo_owner owner;
	bool claimed;
	bool device;
} luo_root;

/* As pidfd_poll() has it: the whole process, be it reaped or not. */
static bool luo_pid_is_dead(struct pid *pid)
{
	struct task_struct *task;

	guard(rcu)();
	task = pid_task(pid, PIDTYPE_PID);
	return !task || (READ_ONCE(task->exit_state) && !delay_group_leader(task));
}

/* Called in whatever context the process exits in. */
static int luo_owner_wake(wait_queue_entry_t *wait, unsigned int mode, int sync,
			  void *key)
{
	struct luo_owner *owner = container_of(wait, struct luo_owner, wait);

	queue_work(luo_owner_wq, &owner->work);
	return 0;
}

/* The pid of a live owner, or NULL: who has exited is none, told of it or not. */
static struct pid *luo_owner_pid(struct luo_owner *owner)
{
	lockdep_assert_held(&luo_owner_lock);
	return owner->pid && !luo_pid_is_dead(owner->pid) ? owner->pid : NULL;
}

static void luo_owner_unbind(struct luo_owner *owner)
{
	lockdep_assert_held(&luo_owner_lock);
	if (!owner->pid)
		return;
	remove_wait_queue(&owner->pid->wait_pidfd, &owner->wait);
	put_pid(owner->pid);
	owner->pid = NULL;
}

/* For a process that was found alive. */
static void luo_owner_bind(struct luo_owner *owner, struct pid *pid)
{
	luo_owner_unbind(owner);
	owner->pid = get_pid(pid);
	add_wait_queue(&pid->wait_pidfd, &owner->wait);
	/* If it exited before that, nobody told us. */
	if (luo_pid_is_dead(pid))
		queue_work(luo_owner_wq, &owner->work);
}

/* Is there an owner whose death was not dealt with yet? */
static bool luo_owner_is_dying(struct luo_owner *owner)
{
	return owner->pid && !luo_owner_pid(owner);
}

static void luo_owner_work(struct work_struct *work)
{
	struct luo_owner *owner = container_of(work, struct luo_owner, work);

	/* There may be another owner by now; and not each wakeup is an exit. */
	scoped_guard(mutex, &luo_owner_lock) {
		if (!luo_owner_is_dying(owner))
			return;
	}

	/* A session gets no other owner before this is done, see luo_owner_set(). */
	if (owner->session)
		luo_session_abandon(owner->session);

	guard(mutex)(&luo_owner_lock);
	if (!luo_owner_is_dying(owner))
		return;
	luo_owner_unbind(owner);
	if (owner == &luo_root.owner)
		luo_root.claimed = false;
}

/* Have the death of an owner dealt with, if it is dead. */
static void luo_owner_settle(struct luo_owner *owner)
{
	/* An exit can be seen before it is told. */
	scoped_guard(mutex, &luo_owner_lock) {
		if (luo_owner_is_dying(owner))
			queue_work(luo_owner_wq, &owner->work);
	}
	flush_work(&owner->work);
}

/**
 * luo_owner_init() - let there be no owner
 * @owner:   the owner
 * @session: of which session, or NULL for the root
 */
void luo_owner_init(struct luo_owner *owner, struct luo_session *session)
{
	owner->pid = NULL;
	owner->session = session;
	init_waitqueue_func_entry(&owner->wait, luo_owner_wake);
	INIT_LIST_HEAD(&owner->wait.entry);
	INIT_WORK(&owner->work, luo_owner_work);
}

/**
 * luo_owner_end() - let there be no owner any more
 * @owner: the owner
 *
 * Context: process context, without a lock of ours: waits for the owner's death
 * to be dealt with, if that is under way.
 */
void luo_owner_end(struct luo_owner *owner)
{
	scoped_guard(mutex, &luo_owner_lock)
		luo_owner_unbind(owner);
	cancel_work_sync(&owner->work);
}

static bool luo_acts_for(struct pid *pid)
{
	struct task_struct *task;

	guard(rcu)();
	for (task = current; task != &init_task; task = rcu_dereference(task->real_parent)) {
		if (task_tgid(task) == pid)
			return true;
	}
	return false;
}

/* May current do what the owner of @session, or of the root, may? */
static int luo_owner_check_locked(struct luo_session *session)
{
	struct pid *root = luo_owner_pid(&luo_root.owner);
	struct pid *own = session ? luo_owner_pid(&session->owner) : NULL;

	if (root && luo_acts_for(root))
		return 0;
	if (own)
		return luo_acts_for(own) ? 0 : -EBUSY;
	return root || luo_root.device ? -EBUSY : 0;
}

/**
 * luo_owner_check() - may the caller change a session, or make one?
 * @session: the session; NULL for what is the root's
 *
 * What the file modes say comes on top of that.
 *
 * Context: process context.
 * Return: 0; or -EBUSY when there is an owner that the caller does not act for,
 * or @session belongs to a file descriptor of the device.
 */
int luo_owner_check(struct luo_session *session)
{
	if (session && READ_ONCE(session->is_held))
		return -EBUSY;
	guard(mutex)(&luo_owner_lock);
	return luo_owner_check_locked(session);
}

/* Returns -EAGAIN when the last owner's death is to be dealt with first. */
static int luo_owner_try_set(struct luo_session *session, struct pid *pid)
{
	struct luo_owner *owner = session ? &session->owner : &luo_root.owner;
	int err;

	guard(rwsem_read)(&luo_freeze_rwsem);
	if (luo_is_frozen() || (session && READ_ONCE(session->is_held)))
		return -EBUSY;

	guard(mutex)(&luo_owner_lock);
	if (luo_owner_is_dying(owner))
		return -EAGAIN;
	err = luo_owner_check_locked(session);
	if (err)
		return err;
	if (pid && luo_pid_is_dead(pid))
		return -ESRCH;

	if (!session && luo_root.device && pid != owner->pid) {
		if (pid)
			return -EBUSY;
		luo_root.claimed = false;
		return 0;
	}

	if (!pid)
		luo_owner_unbind(owner);
	else if (pid != owner->pid)
		luo_owner_bind(owner, pid);
	if (session)
		luo_session_reopen(session);
	else
		luo_root.claimed = !!pid;
	return 0;
}

/**
 * luo_owner_set() - make a process the owner
 * @session: of this session; NULL for the root
 * @pid:     the process; NULL for none
 *
 * Context: process context, without a lock of ours; waits for the last owner's
 * death to be dealt with, which must not hit the next one.
 * Return: 0; or, and then nothing was changed:
 * * -EBUSY: there is an owner that the caller does not act for; or the root is
 *   to go to another process while the device is open; or @session belongs to a
 *   file descriptor of the device; or the reboot is under way
 * * -ESRCH: the process is gone
 */
int luo_owner_set(struct luo_session *session, struct pid *pid)
{
	int err;

	do {
		luo_owner_settle(session ? &session->owner : &luo_root.owner);
		err = luo_owner_try_set(session, pid);
	} while (err == -EAGAIN);
	return err;
}

/**
 * luo_owner_inherit() - give a new session the owner that the root has
 * @session: the session, which has none
 */
void luo_owner_inherit(struct luo_session *session)
{
	struct pid *pid;

	guard(mutex)(&luo_owner_lock);
	pid = luo_owner_pid(&luo_root.owner);
	if (pid)
		luo_owner_bind(&session->owner, pid);
}

/**
 * luo_owner_flush() - wait until the death of an owner has been dealt with
 * @session: the session's owner
 *
 * Whoever has seen the process exit and calls this finds its session abandoned.
 *
 * Context: process context, without a lock of ours.
 */
void luo_owner_flush(struct luo_session *session)
{
	luo_owner_settle(&session->owner);
}

/**
 * luo_owner_flush_all() - the same for all owners
 *
 * Context: process context, without a lock of ours.
 */
void luo_owner_flush_all(void)
{
	flush_workqueue(luo_owner_wq);
}

/**
 * luo_owner_get() - who is the owner?
 * @session: of this session; NULL for the root
 * @nr:      set to its number as the caller's pid namespace has it, which is 0
 *           when it is not to be seen there
 *
 * Return: true, or false when there is no owner.
 */
bool luo_owner_get(struct luo_session *session, pid_t *nr)
{
	struct luo_owner *owner = session ? &session->owner : &luo_root.owner;

	guard(mutex)(&luo_owner_lock);
	if (!luo_owner_pid(owner))
		return false;
	*nr = pid_vnr(owner->pid);
	return true;
}

/**
 * luo_owner_open_device() - /dev/liveupdate is being opened
 *
 * Return: 0; or -EBUSY when it is open, or the root has an owner that the caller
 * does not act for.
 */
int luo_owner_open_device(void)
{
	int err;

	guard(mutex)(&luo_owner_lock);
	if (luo_root.device)
		return -EBUSY;
	err = luo_owner_check_locked(NULL);
	if (err)
		return err;
	if (!luo_owner_pid(&luo_root.owner)) {
		luo_owner_bind(&luo_root.owner, task_tgid(current));
		luo_root.claimed = false;
	}
	luo_root.device = true;
	return 0;
}

/**
 * luo_owner_close_device() - the last descriptor of /dev/liveupdate was closed
 */
void luo_owner_close_device(void)
{
	guard(mutex)(&luo_owner_lock);
	luo_root.device = false;
	if (!luo_root.claimed)
		luo_owner_unbind(&luo_root.owner);
}

static int __init luo_owner_init_root(void)
{
	luo_owner_init(&luo_root.owner, NULL);
	luo_owner_wq = alloc_workqueue("luo_owner", WQ_UNBOUND, 0);
	return luo_owner_wq ? 0 : -ENOMEM;
}
core_initcall(luo_owner_init_root);
