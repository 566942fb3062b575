// SPDX-License-Identifier: GPL-2.0
/*
 * Directories in configfs. Those that are ours, of incoming sessions and of sessions of
 * the device's, are made and removed from a workqueue: a store or a make_group() must not
 * do it, as both hold locks that configfs_{register,unregister}_group() take.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/cleanup.h>
#include <linux/configfs.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/notifier.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "luo_configfs_dirs.h"
#include "luo_file.h"
#include "luo_session.h"
#include "luo_state.h"
#include "luo_text.h"

/* Set before there is anything to do */
static const struct luo_dirs *luo_dirs;

/*
 * The directories that are ours are made and removed by a worker, one at a time.
 * Who has a session by a file descriptor does not look for its directory: such
 * ones are left for a tick, so that not each of many wakes the worker.
 */
#define LUO_DIRS_DELAY	1

/* When there is no memory for one, it is tried again. */
#define LUO_DIRS_RETRY_DELAY	HZ

static void luo_dirs_work(struct work_struct *work);
static DECLARE_DELAYED_WORK(luo_dirs_worker, luo_dirs_work);

/* Which are left to make or remove, in the order in which they became so */
static LIST_HEAD(luo_dirs_todo);
static DEFINE_SPINLOCK(luo_dirs_lock);

/* How many of them were not done yet, and who waits until there is none */
static atomic_t luo_dirs_left;
static DECLARE_WAIT_QUEUE_HEAD(luo_dirs_done);

/**
 * luo_file_dir_new() - allocate the directory of a token
 * @session: the token's session
 *
 * Return: the directory, whose file is still to be set, or NULL when there is no memory.
 */
struct luo_file_dir *luo_file_dir_new(struct luo_session *session)
{
	struct luo_file_dir *dir = kzalloc_obj(*dir, GFP_KERNEL_ACCOUNT);

	if (dir) {
		dir->session = session;
		luo_session_get(session);
	}
	return dir;
}

/**
 * luo_file_dir_free() - free the directory of a token
 * @dir: the directory, with or without a file
 */
void luo_file_dir_free(struct luo_file_dir *dir)
{
	if (!IS_ERR_OR_NULL(dir->file))
		luo_file_put(dir->file);
	luo_session_put(dir->session);
	kfree(dir);
}

/**
 * luo_dir_init() - initialize a directory
 * @group: the directory
 * @name:  its name
 * @type:  its type
 *
 * Unlike config_group_init_type_name() this says when there is no memory.
 *
 * Return: 0 or -ENOMEM.
 */
int luo_dir_init(struct config_group *group, const char *name,
		 const struct config_item_type *type)
{
	int err = config_item_set_name(&group->cg_item, "%s", name);

	if (err)
		return err;
	group->cg_item.ci_type = type;
	config_group_init(group);
	return 0;
}

/* The tokens of an incoming session are its default groups: they go with it. */
static int luo_session_dir_fill(struct luo_session_dir *dir)
{
	char name[sizeof("18446744073709551615")];
	struct luo_file *lf;
	int err;

	luo_for_each_file(lf, &dir->session->files) {
		struct luo_file_dir *file_dir = luo_file_dir_new(dir->session);

		if (!file_dir)
			return -ENOMEM;
		file_dir->file = lf;
		luo_file_get(lf);
		snprintf(name, sizeof(name), "%llu", lf->token);
		err = luo_dir_init(&file_dir->group, name, luo_dirs->incoming_file);
		if (err) {
			luo_file_dir_free(file_dir);
			return err;
		}
		configfs_add_default_group(&file_dir->group, &dir->group);
	}
	return 0;
}

static int luo_session_dir_add(struct luo_session_dir *dir)
{
	bool is_incoming = dir->session->sessions == &luo_incoming;
	char text[LUO_NAME_TEXT_LENGTH];
	int err;

	luo_format_name(dir->session->name, text);
	err = config_item_set_name(&dir->group.cg_item, "%s", text);
	if (!err && is_incoming)
		err = luo_session_dir_fill(dir);
	if (!err)
		err = configfs_register_group(is_incoming ? luo_dirs->incoming :
							    luo_dirs->sessions, &dir->group);
	if (err) {
		configfs_remove_default_groups(&dir->group);
		luo_set_last_error(&dir->session->files.error, NULL, "configfs", err);
	}
	dir->is_registered = !err;
	return err;
}

static void luo_session_dir_remove(struct luo_session_dir *dir)
{
	if (dir->is_registered) {
		configfs_unregister_group(&dir->group);
		configfs_remove_default_groups(&dir->group);
	}
	config_group_put(&dir->group);
}

/* The next directory that is to be made, or removed if its session is gone */
static struct luo_session_dir *luo_dirs_next(bool *is_gone)
{
	struct luo_session_dir *dir;

	guard(spinlock)(&luo_dirs_lock);
	dir = list_first_entry_or_null(&luo_dirs_todo, struct luo_session_dir, todo);
	if (dir) {
		list_del_init(&dir->todo);
		*is_gone = dir->is_gone;
	}
	return dir;
}

/* Leave a directory for later, but if its session has gone meanwhile. */
static bool luo_dirs_defer(struct luo_session_dir *dir)
{
	guard(spinlock)(&luo_dirs_lock);
	if (!list_empty(&dir->todo))
		return false;
	list_add_tail(&dir->todo, &luo_dirs_todo);
	return true;
}

static void luo_dirs_work(struct work_struct *work)
{
	struct luo_session_dir *dir;
	bool is_gone;

	while ((dir = luo_dirs_next(&is_gone))) {
		if (is_gone) {
			luo_session_dir_remove(dir);
		} else if (luo_session_dir_add(dir) == -ENOMEM && luo_dirs_defer(dir)) {
			queue_delayed_work(system_dfl_wq, &luo_dirs_worker,
					   LUO_DIRS_RETRY_DELAY);
			return;
		}
		if (atomic_dec_and_test(&luo_dirs_left))
			wake_up_all(&luo_dirs_done);
		cond_resched();
	}
}

/* The session is the caller's; the directory may be removed before this returns. */
static void luo_dirs_add(struct luo_session *session, bool is_gone)
{
	struct luo_session_dir *dir = session->dir;

	scoped_guard(spinlock, &luo_dirs_lock) {
		dir->is_gone = is_gone;
		if (list_empty(&dir->todo)) {
			list_add_tail(&dir->todo, &luo_dirs_todo);
			atomic_inc(&luo_dirs_left);
		}
	}
	if (READ_ONCE(session->owner.is_fd))
		queue_delayed_work(system_dfl_wq, &luo_dirs_worker, LUO_DIRS_DELAY);
	else
		mod_delayed_work(system_dfl_wq, &luo_dirs_worker, 0);
}

/* Have a directory of ours made. */
static void luo_session_dir_new(struct luo_session *session)
{
	struct luo_session_dir *dir = kzalloc_obj(*dir, LUO_GFP_NOFAIL);

	INIT_LIST_HEAD(&dir->todo);
	dir->group.cg_item.ci_type = session->sessions == &luo_incoming ?
		luo_dirs->incoming_session : luo_dirs->held_session;
	config_group_init(&dir->group);
	dir->session = session;
	luo_session_get(session);
	session->dir = dir;
	luo_dirs_add(session, false);
}

/* Events may come from a store in the session's directory: only queue work. */
static int luo_dirs_notify(struct notifier_block *nb, unsigned long event, void *data)
{
	struct luo_session *session = data;

	switch (event) {
	case LUO_SESSION_ARRIVED:
		luo_session_dir_new(session);
		break;
	case LUO_SESSION_GONE:
		luo_dirs_add(session, true);
		break;
	}
	return NOTIFY_OK;
}

static struct notifier_block luo_dirs_nb = {
	.notifier_call = luo_dirs_notify,
};

/**
 * luo_dirs_start() - begin to make and remove directories
 * @dirs: where, and of which types; stays
 *
 * Return: 0, or -EEXIST when it was called before.
 */
int __init luo_dirs_start(const struct luo_dirs *dirs)
{
	luo_dirs = dirs;
	return blocking_notifier_chain_register(&luo_notifier, &luo_dirs_nb);
}

/**
 * luo_dirs_wait() - wait until the directories are what the sessions are
 *
 * Waits for a count, and not for the work: that takes the frag_sem of other directories,
 * which lockdep cannot tell apart from the caller's.
 *
 * Context: process context; a show() or store() may call it.
 * Return: 0, or -ERESTARTSYS when the caller is being killed.
 */
int luo_dirs_wait(void)
{
	mod_delayed_work(system_dfl_wq, &luo_dirs_worker, 0);
	return wait_event_killable(luo_dirs_done, !atomic_read(&luo_dirs_left));
}
