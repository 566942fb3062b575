// SPDX-License-Identifier: GPL-2.0
/*
 * Ownership: who holds exclusive control, of live update on this machine or of
 * one session: nobody, a process, or a file descriptor of /dev/liveupdate.
 *
 * A process is its struct pid: not a number, which another process may get, and
 * not a task, which goes when the process execs from a thread. Its control ends
 * by itself when it exits, of which the pid's own wait queue tells: once for all
 * that the process controls, as the exit holds tasklist_lock meanwhile. Who has
 * the owner among its ancestors acts for it.
 *
 * The root's owner and an open /dev/liveupdate are one lock: whoever has one
 * keeps others from both. What has the device is its descriptor, and not who
 * opened it, so no process acts for that in configfs.
 *
 * To change something by leave of the owner is an act. Whoever becomes the owner
 * waits for the acts that he would not have allowed: when he is the owner no such
 * act is under way, and none begins.
 */

#include <linux/atomic.h>
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/liveupdate.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/rbtree.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "luo_owner.h"
#include "luo_state.h"

/**
 * struct luo_process - a process that is, or becomes, the owner of something
 * @ref:    one of luo_processes, one of @work while that is queued, one of each user
 * @pid:    the process, with a reference
 * @node:   in luo_processes, by @pid, while there is something that it owns
 * @owners: what it owns
 * @wait:   in the wait queue of @pid, as long as @node is in luo_processes
 * @work:   has its exit dealt with
 */
struct luo_process {
	struct kref ref;
	struct pid *pid;
	struct rb_node node;
	struct list_head owners;
	wait_queue_entry_t wait;
	struct work_struct work;
};

/* Where deaths are dealt with. */
static struct workqueue_struct *luo_owner_wq;

/* Deaths that are not dealt with yet, and who waits for those of an owner, or for all */
static atomic_t luo_owner_deaths;
static DECLARE_WAIT_QUEUE_HEAD(luo_owner_wait);

/*
 * Protects all owners, processes and acts. No lock but those of wait queues and
 * workqueues is taken under it.
 */
static DEFINE_MUTEX(luo_owner_lock);

static struct rb_root luo_processes = RB_ROOT;

/* The acts that are under way, and who waits for some of them to end */
static LIST_HEAD(luo_acts);
static DECLARE_WAIT_QUEUE_HEAD(luo_acts_wait);

/* As pidfd_poll() has it: the whole process, be it reaped or not. */
static bool luo_pid_is_dead(struct pid *pid)
{
	struct task_struct *task;

	guard(rcu)();
	task = pid_task(pid, PIDTYPE_PID);
	return !task || (READ_ONCE(task->exit_state) && !delay_group_leader(task));
}

static int luo_process_cmp(struct rb_node *a, const struct rb_node *b)
{
	struct pid *x = rb_entry(a, struct luo_process, node)->pid;
	struct pid *y = rb_entry(b, struct luo_process, node)->pid;

	return x < y ? -1 : x > y;
}

static void luo_process_free(struct kref *ref)
{
	struct luo_process *process = container_of(ref, struct luo_process, ref);

	put_pid(process->pid);
	kfree(process);
}

static void luo_process_put(struct luo_process *process)
{
	kref_put(&process->ref, luo_process_free);
}

static void luo_death_dealt(void)
{
	if (atomic_dec_and_test(&luo_owner_deaths))
		wake_up_all(&luo_owner_wait);
}

/* Have a process's death dealt with. May be called in any context. */
static void luo_process_queue(struct luo_process *process)
{
	atomic_inc(&luo_owner_deaths);
	kref_get(&process->ref);
	if (!queue_work(luo_owner_wq, &process->work)) {
		luo_process_put(process);
		luo_death_dealt();
	}
}

/* Called in whatever context the process exits in; whoever woke us keeps us in the queue. */
static int luo_process_wake(wait_queue_entry_t *wait, unsigned int mode, int sync,
			    void *key)
{
	luo_process_queue(container_of(wait, struct luo_process, wait));
	return 0;
}

/* The death of an owner was dealt with. */
static void luo_owner_dealt(struct luo_owner *owner)
{
	/* The owner may be freed once nobody waits for its deaths. */
	if (atomic_dec_and_test(&owner->deaths))
		wake_up_all(&luo_owner_wait);
	luo_death_dealt();
}

/* Have the death of an owner dealt with. Called with luo_owner_lock. */
static void luo_owner_queue(struct luo_owner *owner)
{
	atomic_inc(&luo_owner_deaths);
	atomic_inc(&owner->deaths);
	if (!queue_work(luo_owner_wq, &owner->work))
		luo_owner_dealt(owner);
}

/* Each owner's death is dealt with by itself: a file of one may keep that one waiting. */
static void luo_process_work(struct work_struct *work)
{
	struct luo_process *process = container_of(work, struct luo_process, work);
	struct luo_owner *owner;

	/* Not each wakeup is an exit. */
	scoped_guard(mutex, &luo_owner_lock) {
		if (luo_pid_is_dead(process->pid)) {
			list_for_each_entry(owner, &process->owners, list)
				luo_owner_queue(owner);
		}
	}
	luo_process_put(process);
	luo_death_dealt();
}

/* Returns the process of a pid that owns nothing yet, with one reference, or NULL. */
static struct luo_process *luo_process_alloc(struct pid *pid)
{
	struct luo_process *process = kzalloc_obj(*process, GFP_KERNEL_ACCOUNT);

	if (!process)
		return NULL;
	kref_init(&process->ref);
	process->pid = get_pid(pid);
	INIT_LIST_HEAD(&process->owners);
	init_waitqueue_func_entry(&process->wait, luo_process_wake);
	INIT_WORK(&process->work, luo_process_work);
	return process;
}

/*
 * The process that may change what @owner owns, if it is alive, or NULL. One that
 * is about to become the owner is it already for all who begin to change something.
 */
static struct luo_process *luo_owner_process(struct luo_owner *owner)
{
	struct luo_process *process = owner->next ?: owner->process;

	lockdep_assert_held(&luo_owner_lock);
	return process && !luo_pid_is_dead(process->pid) ? process : NULL;
}

static void luo_owner_unbind(struct luo_owner *owner)
{
	struct luo_process *process = owner->process;

	lockdep_assert_held(&luo_owner_lock);
	if (!process)
		return;
	owner->process = NULL;
	list_del_init(&owner->list);
	if (!list_empty(&process->owners))
		return;
	remove_wait_queue(&process->pid->wait_pidfd, &process->wait);
	rb_erase(&process->node, &luo_processes);
	luo_process_put(process);
}

/* The reference stays the caller's. */
static void luo_owner_bind(struct luo_owner *owner, struct luo_process *process)
{
	struct rb_node *node;

	luo_owner_unbind(owner);
	node = rb_find_add(&process->node, &luo_processes, luo_process_cmp);
	if (node)
		process = rb_entry(node, struct luo_process, node);
	owner->process = process;
	list_add_tail(&owner->list, &process->owners);
	if (node)
		return;
	kref_get(&process->ref);
	add_wait_queue(&process->pid->wait_pidfd, &process->wait);
	/* If it exited before that, nobody told us. */
	if (luo_pid_is_dead(process->pid))
		luo_process_queue(process);
}

/* Is there an owner whose death was not dealt with yet? */
static bool luo_owner_is_dying(struct luo_owner *owner)
{
	lockdep_assert_held(&luo_owner_lock);
	return owner->process && luo_pid_is_dead(owner->process->pid);
}

static void luo_owner_died(struct luo_owner *owner)
{
	/* There may be another owner by now. */
	scoped_guard(mutex, &luo_owner_lock) {
		if (!luo_owner_is_dying(owner))
			return;
	}

	/* There is no other owner before this is done, see luo_owner_set(). */
	if (owner->ops)
		owner->ops->died(owner);

	guard(mutex)(&luo_owner_lock);
	if (luo_owner_is_dying(owner))
		luo_owner_unbind(owner);
}

static void luo_owner_work(struct work_struct *work)
{
	struct luo_owner *owner = container_of(work, struct luo_owner, work);

	luo_owner_died(owner);
	luo_owner_dealt(owner);
}

struct luo_owner luo_root_owner = {
	.list = LIST_HEAD_INIT(luo_root_owner.list),
	.setting = __MUTEX_INITIALIZER(luo_root_owner.setting),
	.work = __WORK_INITIALIZER(luo_root_owner.work, luo_owner_work),
};

/* Have the death of an owner dealt with, if it is dead, and wait for that. */
static int luo_owner_wait_for(struct luo_owner *owner)
{
	/* An exit can be seen before it is told. */
	scoped_guard(mutex, &luo_owner_lock) {
		if (luo_owner_is_dying(owner))
			luo_owner_queue(owner);
	}
	return wait_event_killable(luo_owner_wait, !atomic_read(&owner->deaths)) ? -EINTR : 0;
}

/**
 * luo_owner_init() - let a session have no owner
 * @owner: the session's owner
 * @ops:   what is to be done when that changes
 */
void luo_owner_init(struct luo_owner *owner, const struct luo_owner_ops *ops)
{
	owner->process = NULL;
	owner->next = NULL;
	owner->is_fd = false;
	owner->ops = ops;
	INIT_LIST_HEAD(&owner->list);
	mutex_init(&owner->setting);
	INIT_WORK(&owner->work, luo_owner_work);
	atomic_set(&owner->deaths, 0);
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
	if (cancel_work_sync(&owner->work))
		luo_owner_dealt(owner);
	mutex_destroy(&owner->setting);
}

static bool luo_is_descendant_of(struct task_struct *task, struct luo_process *process)
{
	guard(rcu)();
	for (; task != &init_task; task = rcu_dereference(task->real_parent)) {
		if (task_tgid(task) == process->pid)
			return true;
	}
	return false;
}

/*
 * May @task do what the owner of a session, or of the root, may? Sets @by_own when it
 * is the session's own owner that it acts for.
 */
static int luo_owner_check(struct luo_owner *owner, struct task_struct *task, bool *by_own)
{
	struct luo_process *root = luo_owner_process(&luo_root_owner);
	bool is_root = owner == &luo_root_owner;
	struct luo_process *own = is_root ? NULL : luo_owner_process(owner);

	*by_own = false;
	if (!is_root && owner->is_fd)
		return -EBUSY;
	if (root && luo_is_descendant_of(task, root))
		return 0;
	if (own) {
		*by_own = true;
		return luo_is_descendant_of(task, own) ? 0 : -EBUSY;
	}
	return root || luo_root_owner.is_fd ? -EBUSY : 0;
}

/**
 * luo_act_begin() - begin to change a session, or what is the root's, by its owner's leave
 * @act:   filled in
 * @owner: the session's owner, which stays until luo_act_end(); or the root's
 *
 * What the file modes say comes on top of that. Nobody who would not have allowed it
 * becomes the owner until luo_act_end().
 *
 * Context: process context.
 * Return: 0; or -EBUSY when there is an owner that the caller does not act for.
 */
int luo_act_begin(struct luo_act *act, struct luo_owner *owner)
{
	int err;

	guard(mutex)(&luo_owner_lock);
	err = luo_owner_check(owner, current, &act->by_own);
	if (err)
		return err;
	act->owner = owner;
	act->task = current;
	list_add_tail(&act->list, &luo_acts);
	return 0;
}

/**
 * luo_act_end() - end what luo_act_begin() began
 * @act: the act; nothing happens if it did not begin
 */
void luo_act_end(struct luo_act *act)
{
	if (!act->owner)
		return;
	scoped_guard(mutex, &luo_owner_lock)
		list_del(&act->list);
	wake_up_all(&luo_acts_wait);
}

/* Is there an act under way that is not allowed now that @owner is another one's? */
static bool luo_is_acted_on(struct luo_owner *owner)
{
	struct luo_act *act;
	bool by_own;

	lockdep_assert_held(&luo_owner_lock);
	list_for_each_entry(act, &luo_acts, list) {
		/* What a session's own owner does goes on, whoever has the root. */
		if (act->owner != owner && (owner != &luo_root_owner || act->by_own))
			continue;
		if (luo_owner_check(act->owner, act->task, &by_own))
			return true;
	}
	return false;
}

static bool luo_has_to_wait(struct luo_owner *owner)
{
	guard(mutex)(&luo_owner_lock);
	return luo_is_acted_on(owner);
}

static int luo_owner_wait_for_acts(struct luo_owner *owner)
{
	long left = max_t(long, luo_freeze_deadline() - jiffies, 0);
	DEFINE_WAIT_FUNC(wait, woken_wake_function);
	int err = 0;

	add_wait_queue(&luo_acts_wait, &wait);
	while (!err && luo_has_to_wait(owner)) {
		if (fatal_signal_pending(current))
			err = -EINTR;
		else if (!left)
			err = -EBUSY;
		else
			left = wait_woken(&wait, TASK_KILLABLE, left);
	}
	remove_wait_queue(&luo_acts_wait, &wait);
	return err;
}

/* Returns -EAGAIN when the last owner's death is to be dealt with first. */
static int luo_owner_begin_set(struct luo_owner *owner, struct luo_process *process)
{
	bool by_own;
	int err;

	guard(mutex)(&luo_owner_lock);
	if (luo_owner_is_dying(owner))
		return -EAGAIN;
	err = luo_owner_check(owner, current, &by_own);
	if (err)
		return err;
	if (process && luo_pid_is_dead(process->pid))
		return -ESRCH;
	owner->next = process;
	return 0;
}

static int luo_owner_rebind(struct luo_owner *owner, struct luo_process *process)
{
	guard(mutex)(&luo_owner_lock);
	/* All of it may have come while acts were waited for. */
	if (luo_owner_is_dying(owner))
		return -EAGAIN;
	if (process && luo_pid_is_dead(process->pid))
		return -ESRCH;
	if (process && owner->process && process->pid == owner->process->pid)
		return 0;
	if (owner->is_fd)
		return -EBUSY;
	if (process)
		luo_owner_bind(owner, process);
	else
		luo_owner_unbind(owner);
	return 0;
}

static int luo_owner_commit_set(struct luo_owner *owner, struct luo_process *process)
{
	int err;

	CLASS(luo_op, busy)(LUO_KILLABLE);
	if (busy)
		return busy;
	err = luo_owner_rebind(owner, process);
	if (!err && owner->ops)
		owner->ops->changed(owner);
	return err;
}

static int luo_owner_try_set(struct luo_owner *owner, struct luo_process *process)
{
	int err;

	err = luo_owner_begin_set(owner, process);
	if (err)
		return err;
	err = luo_owner_wait_for_acts(owner) ?: luo_owner_commit_set(owner, process);
	guard(mutex)(&luo_owner_lock);
	owner->next = NULL;
	return err;
}

/**
 * luo_owner_set() - make a process the owner
 * @owner: of a session, or of the root
 * @pid:   the process; NULL for none
 *
 * Once this has returned, what the new owner does not allow has ended.
 *
 * Context: process context, without a lock of ours; waits for the last owner's
 * death to be dealt with, which must not hit the next one, and for acts that are
 * under way, these for freeze_timeout_ms at most.
 * Return: 0; or, and then nothing was changed:
 * * -EBUSY: there is an owner that the caller does not act for; or the device is
 *   open, or @owner a file descriptor's; or an act does not end; or the reboot is
 *   under way
 * * -EINTR: the caller is being killed
 * * -ENOMEM
 * * -ESRCH: the process is gone
 */
int luo_owner_set(struct luo_owner *owner, struct pid *pid)
{
	struct luo_process *process = NULL;
	int err;

	ACQUIRE(mutex_kill, lock)(&owner->setting);
	err = ACQUIRE_ERR(mutex_kill, &lock);
	if (err)
		return err;
	if (pid) {
		process = luo_process_alloc(pid);
		if (!process)
			return -ENOMEM;
	}
	do {
		err = luo_owner_wait_for(owner) ?: luo_owner_try_set(owner, process);
	} while (err == -EAGAIN);
	if (process)
		luo_process_put(process);
	return err;
}

/**
 * luo_owner_inherit() - give a new session the owner that the root has
 * @owner: the session's owner, which is none
 */
void luo_owner_inherit(struct luo_owner *owner)
{
	struct luo_process *process;

	guard(mutex)(&luo_owner_lock);
	process = luo_owner_process(&luo_root_owner);
	if (process)
		luo_owner_bind(owner, process);
}

/**
 * luo_owner_settle() - wait until the death of an owner has been dealt with
 * @owner: the owner
 *
 * Whoever has seen the process exit and calls this finds its session abandoned.
 *
 * Context: process context, without a lock of ours.
 * Return: 0; or -EINTR when the caller is being killed.
 */
int luo_owner_settle(struct luo_owner *owner)
{
	return luo_owner_wait_for(owner);
}

/**
 * luo_owner_settle_all() - the same for all owners that have exited
 * @deadline: when to give up, in jiffies
 *
 * Context: process context, without a lock of ours.
 * Return: 0; -EINTR when the caller is being killed; or -ETIMEDOUT.
 */
int luo_owner_settle_all(unsigned long deadline)
{
	long left = max_t(long, deadline - jiffies, 0);

	left = wait_event_killable_timeout(luo_owner_wait, !atomic_read(&luo_owner_deaths), left);
	if (left > 0)
		return 0;
	return left ? -EINTR : -ETIMEDOUT;
}

/**
 * luo_owner_get() - which kind of owner is there?
 * @owner: of a session, or of the root
 * @nr:    set to a process's number as the caller's pid namespace has it, which is
 *         0 when it is not to be seen there
 *
 * Return: which.
 */
enum luo_owner_kind luo_owner_get(struct luo_owner *owner, pid_t *nr)
{
	guard(mutex)(&luo_owner_lock);
	/* A process that is the root's owner goes on being it while the device is open. */
	if (owner->is_fd && owner != &luo_root_owner)
		return LUO_OWNER_FD;
	if (owner->process && !luo_pid_is_dead(owner->process->pid)) {
		*nr = pid_vnr(owner->process->pid);
		return LUO_OWNER_PROCESS;
	}
	return owner->is_fd ? LUO_OWNER_FD : LUO_OWNER_NONE;
}

/**
 * luo_owner_confirm() - let the process that is the owner stay it
 * @owner: of a session, or of the root
 * @nr:    the process's number as the caller's pid namespace has it, or 0
 *
 * Return: 0; or
 * * -EBUSY: there is an owner that the caller does not act for
 * * -ESRCH: the owner is another one
 */
int luo_owner_confirm(struct luo_owner *owner, pid_t nr)
{
	struct luo_process *process;
	bool by_own;
	int err;

	guard(mutex)(&luo_owner_lock);
	err = luo_owner_check(owner, current, &by_own);
	if (err)
		return err;
	process = luo_owner_process(owner);
	return process && nr > 0 && pid_vnr(process->pid) == nr ? 0 : -ESRCH;
}

/**
 * luo_owner_take_fd() - have a file descriptor be the owner of a session
 * @owner: the session's; a process that is it is so again after luo_owner_drop_fd()
 *
 * Context: process context, without a lock of ours; waits for acts that are under
 * way, for freeze_timeout_ms at most.
 * Return: 0; or
 * * -EBUSY: an act does not end
 * * -EINTR: the caller is being killed
 * * -EINVAL: a file descriptor is it already
 */
int luo_owner_take_fd(struct luo_owner *owner)
{
	int err;

	scoped_guard(mutex, &luo_owner_lock) {
		if (owner->is_fd)
			return -EINVAL;
		WRITE_ONCE(owner->is_fd, true);
		/* Programs take sessions over by the thousand, and mostly this is so. */
		if (!luo_is_acted_on(owner))
			return 0;
	}
	err = luo_owner_wait_for_acts(owner);
	if (err)
		luo_owner_drop_fd(owner);
	return err;
}

/**
 * luo_owner_drop_fd() - undo luo_owner_take_fd(), or luo_owner_open_device()
 * @owner: the session's owner, or the root's
 */
void luo_owner_drop_fd(struct luo_owner *owner)
{
	guard(mutex)(&luo_owner_lock);
	WRITE_ONCE(owner->is_fd, false);
}

/**
 * luo_owner_open_device() - /dev/liveupdate is being opened
 *
 * Does not wait for acts that are under way, as that would keep all of the machine's
 * misc devices from being opened. What is done through the device does, where it
 * takes a session over.
 *
 * Return: 0, to be followed by luo_owner_drop_fd() of the root's owner; or -EBUSY when
 * it is open, or the root has an owner that the caller does not act for.
 */
int luo_owner_open_device(void)
{
	bool by_own;
	int err;

	guard(mutex)(&luo_owner_lock);
	err = luo_root_owner.is_fd ? -EBUSY : luo_owner_check(&luo_root_owner, current, &by_own);
	if (!err)
		WRITE_ONCE(luo_root_owner.is_fd, true);
	return err;
}

static int __init luo_owner_init_root(void)
{
	if (!liveupdate_enabled())
		return 0;
	luo_owner_wq = alloc_workqueue("luo_owner", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	return luo_owner_wq ? 0 : -ENOMEM;
}
core_initcall(luo_owner_init_root);
