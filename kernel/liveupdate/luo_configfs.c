// SPDX-License-Identifier: GPL-2.0
/*
 * The configfs front end: live update driven with mkdir, echo and cat.
 * Documentation/ABI/testing/configfs-liveupdate describes what users see.
 *
 * It translates between directories and the core's sessions and files, and
 * holds no state that the core does not have. Directories under sessions/ are
 * the user's, made by mkdir; those under incoming/ are ours, made and removed
 * from a workqueue: a store or a make_group() must not do it, as both hold
 * locks that configfs_{register,unregister}_group() take.
 *
 * make_group() runs under su_mutex, so what it calls must not wait for a
 * handler; what is slow is done by a store, or in release(), which the last
 * step of rmdir(2) calls with su_mutex dropped.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/cleanup.h>
#include <linux/configfs.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/init.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "luo_internal.h"

/* A token's directory, outgoing or incoming */
struct luo_file_dir {
	struct config_group group;
	struct luo_file *file;
};

/* A session's directory, outgoing or incoming */
struct luo_session_dir {
	struct config_group group;
	struct luo_session *session;
	/* Of one that is ours: */
	struct list_head todo;	/* in luo_dirs_todo, while there is something to do */
	bool is_gone;		/* the session is, protected by luo_dirs_lock */
	bool is_registered;
};

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
static DECLARE_WAIT_QUEUE_HEAD(luo_dirs_wait);

static struct config_group luo_sessions_group;
static struct config_group luo_incoming_group;

static struct luo_file *to_luo_file(struct config_item *item)
{
	return container_of(to_config_group(item), struct luo_file_dir, group)->file;
}

static struct luo_session *to_luo_session(struct config_item *item)
{
	return container_of(to_config_group(item), struct luo_session_dir, group)->session;
}

/* One word, with or without a newline behind it. */
static bool luo_is_word(const char *page, size_t count, const char *word)
{
	return strlen(page) == count && sysfs_streq(page, word);
}

/* Unlike config_group_init_type_name() this says when there is no memory. */
static int luo_dir_init(struct config_group *group, const char *name,
			const struct config_item_type *type)
{
	int err = config_item_set_name(&group->cg_item, "%s", name);

	if (err)
		return err;
	group->cg_item.ci_type = type;
	config_group_init(group);
	return 0;
}

/* The process that a store names, with a reference; NULL for "none". */
static struct pid *luo_parse_owner(const char *page, size_t count)
{
	int pidfd, err;

	if (luo_is_word(page, count, "none"))
		return NULL;
	err = luo_parse_pidfd(page, count, &pidfd);
	return err ? ERR_PTR(err) : luo_pidfd_get_tgid(pidfd);
}

static ssize_t luo_owner_emit(struct luo_session *session, char *page)
{
	pid_t nr;

	if (!luo_owner_get(session, &nr))
		return sysfs_emit(page, "none\n");
	return sysfs_emit(page, "%d\n", nr);
}

static ssize_t luo_owner_store(struct luo_session *session, const char *page,
			       size_t count)
{
	struct pid *pid = luo_parse_owner(page, count);
	int err;

	if (IS_ERR(pid))
		return PTR_ERR(pid);
	err = luo_owner_set(session, pid);
	put_pid(pid);
	return err ?: count;
}

/* Attributes that sessions have in both directions */

static ssize_t luo_session_owner_show(struct config_item *item, char *page)
{
	struct luo_session *session = to_luo_session(item);

	if (READ_ONCE(session->is_held))
		return sysfs_emit(page, "fd\n");
	return luo_owner_emit(session, page);
}

static ssize_t luo_session_owner_store(struct config_item *item, const char *page,
				       size_t count)
{
	return luo_owner_store(to_luo_session(item), page, count);
}
CONFIGFS_ATTR(luo_session_, owner);

static ssize_t luo_session_files_show(struct config_item *item, char *page)
{
	struct luo_session *session = to_luo_session(item);

	luo_owner_flush(session);
	return sysfs_emit(page, "%llu\n", READ_ONCE(session->nr_files));
}
CONFIGFS_ATTR_RO(luo_session_, files);

/* Attributes that tokens have in both directions */

static ssize_t luo_file_compatible_show(struct config_item *item, char *page)
{
	char compatible[LIVEUPDATE_HNDL_COMPAT_LENGTH];

	luo_file_get_compatible(to_luo_file(item), compatible);
	return sysfs_emit(page, "%s\n", compatible);
}
CONFIGFS_ATTR_RO(luo_file_, compatible);

static ssize_t luo_file_size_show(struct config_item *item, char *page)
{
	u64 size;

	if (luo_file_get_size(to_luo_file(item), &size))
		return sysfs_emit(page, "\n");
	return sysfs_emit(page, "%llu\n", size);
}
CONFIGFS_ATTR_RO(luo_file_, size);

/* sessions/S/T/ */

static ssize_t luo_outgoing_file_fd_store(struct config_item *item,
					  const char *page, size_t count)
{
	struct luo_file *lf = to_luo_file(item);
	int pidfd, fd, err;

	err = luo_parse_pair(page, count, &pidfd, &fd) ?: luo_owner_check(lf->session);
	if (err)
		return err;

	struct file *file __free(fput) = luo_pidfd_get_file(pidfd, fd);

	if (IS_ERR(file))
		return PTR_ERR(file);

	return luo_file_preserve(lf, file) ?: count;
}
CONFIGFS_ATTR_WO(luo_outgoing_file_, fd);

static ssize_t luo_outgoing_file_state_show(struct config_item *item, char *page)
{
	struct luo_file *lf = to_luo_file(item);

	luo_owner_flush(lf->session);
	if (READ_ONCE(lf->state) == LUO_FILE_EMPTY)
		return sysfs_emit(page, "empty\n");
	return sysfs_emit(page, luo_is_frozen() ? "frozen\n" : "preserved\n");
}
CONFIGFS_ATTR_RO(luo_outgoing_file_, state);

static struct configfs_attribute *luo_outgoing_file_attrs[] = {
	&luo_outgoing_file_attr_fd,
	&luo_outgoing_file_attr_state,
	&luo_file_attr_compatible,
	&luo_file_attr_size,
	NULL
};

static void luo_outgoing_file_release(struct config_item *item)
{
	struct luo_file_dir *dir = container_of(to_config_group(item),
						struct luo_file_dir, group);

	luo_file_remove(dir->file);
	kfree(dir);
}

static const struct configfs_item_operations luo_outgoing_file_ops = {
	.release = luo_outgoing_file_release,
};

static const struct config_item_type luo_outgoing_file_type = {
	.ct_owner = THIS_MODULE,
	.ct_item_ops = &luo_outgoing_file_ops,
	.ct_attrs = luo_outgoing_file_attrs,
};

/* sessions/S/ */

static ssize_t luo_outgoing_session_state_show(struct config_item *item, char *page)
{
	struct luo_session *session = to_luo_session(item);

	luo_owner_flush(session);
	if (READ_ONCE(session->abandoned))
		return sysfs_emit(page, "abandoned\n");
	return sysfs_emit(page, luo_is_frozen() ? "frozen\n" : "open\n");
}
CONFIGFS_ATTR_RO(luo_outgoing_session_, state);

static struct configfs_attribute *luo_outgoing_session_attrs[] = {
	&luo_session_attr_owner,
	&luo_outgoing_session_attr_state,
	&luo_session_attr_files,
	NULL
};

static struct config_group *luo_outgoing_file_make(struct config_group *group,
						   const char *name)
{
	struct luo_session *session = to_luo_session(&group->cg_item);
	struct luo_file_dir *dir;
	u64 token;
	int err;

	err = luo_parse_u64(name, strlen(name), &token) ?: luo_owner_check(session);
	if (err)
		return ERR_PTR(err);

	dir = kzalloc_obj(*dir);
	if (!dir)
		return ERR_PTR(-ENOMEM);

	dir->file = luo_file_add(session, token);
	if (IS_ERR(dir->file)) {
		err = PTR_ERR(dir->file);
		goto err_free;
	}

	err = luo_dir_init(&dir->group, name, &luo_outgoing_file_type);
	if (err)
		goto err_remove;
	return &dir->group;

err_remove:
	luo_file_remove(dir->file);
err_free:
	kfree(dir);
	return ERR_PTR(err);
}

/* An rmdir that was let through cannot fail any more. */
static int luo_outgoing_file_allow_drop(struct config_group *group,
					struct config_item *item)
{
	if (luo_is_frozen())
		return -EBUSY;
	return luo_owner_check(to_luo_session(&group->cg_item));
}

static const struct configfs_group_operations luo_outgoing_session_group_ops = {
	.make_group = luo_outgoing_file_make,
	.allow_drop = luo_outgoing_file_allow_drop,
};

static void luo_outgoing_session_release(struct config_item *item)
{
	struct luo_session_dir *dir = container_of(to_config_group(item),
						   struct luo_session_dir, group);

	luo_session_remove(dir->session);
	kfree(dir);
}

static const struct configfs_item_operations luo_outgoing_session_ops = {
	.release = luo_outgoing_session_release,
};

static const struct config_item_type luo_outgoing_session_type = {
	.ct_owner = THIS_MODULE,
	.ct_item_ops = &luo_outgoing_session_ops,
	.ct_group_ops = &luo_outgoing_session_group_ops,
	.ct_attrs = luo_outgoing_session_attrs,
};

/* sessions/ */

static struct config_group *luo_outgoing_session_make(struct config_group *group,
						      const char *text)
{
	char name[LIVEUPDATE_SESSION_NAME_LENGTH];
	struct luo_session_dir *dir;
	int err;

	err = luo_parse_name(text, name) ?: luo_owner_check(NULL);
	if (err)
		return ERR_PTR(err);

	dir = kzalloc_obj(*dir);
	if (!dir)
		return ERR_PTR(-ENOMEM);

	dir->session = luo_session_create(name, false);
	if (IS_ERR(dir->session)) {
		err = PTR_ERR(dir->session);
		goto err_free;
	}

	err = luo_dir_init(&dir->group, text, &luo_outgoing_session_type);
	if (err)
		goto err_remove;
	return &dir->group;

err_remove:
	luo_session_remove(dir->session);
err_free:
	kfree(dir);
	return ERR_PTR(err);
}

static int luo_outgoing_session_allow_drop(struct config_group *group,
					   struct config_item *item)
{
	if (luo_is_frozen())
		return -EBUSY;
	return luo_owner_check(to_luo_session(item));
}

static const struct configfs_group_operations luo_sessions_group_ops = {
	.make_group = luo_outgoing_session_make,
	.allow_drop = luo_outgoing_session_allow_drop,
};

static const struct config_item_type luo_sessions_type = {
	.ct_owner = THIS_MODULE,
	.ct_group_ops = &luo_sessions_group_ops,
};

/* incoming/S/T/ */

static ssize_t luo_incoming_file_fd_store(struct config_item *item,
					  const char *page, size_t count)
{
	struct luo_file *lf = to_luo_file(item);
	struct file *file __free(fput) = NULL;
	int pidfd, fd, err;
	struct pid *pid;
	bool is_self;

	err = luo_parse_pair(page, count, &pidfd, &fd) ?: luo_owner_check(lf->session);
	if (err)
		return err;

	/* Only the pointer is compared: no reference is needed for that. */
	pid = luo_pidfd_get_pid(pidfd);
	if (IS_ERR(pid))
		return PTR_ERR(pid);
	is_self = pid == task_pid(current) || pid == task_tgid(current);
	put_pid(pid);
	if (!is_self)
		return -EOPNOTSUPP;

	err = luo_file_retrieve(lf, &file);
	if (err)
		return err;

	err = receive_fd_replace(fd, file, 0);
	if (err < 0)
		return err;
	luo_file_mark_retrieved(lf);
	return count;
}
CONFIGFS_ATTR_WO(luo_incoming_file_, fd);

static ssize_t luo_incoming_file_state_show(struct config_item *item, char *page)
{
	static const char *const names[] = {
		[LUO_FILE_PRESERVED] = "preserved",
		[LUO_FILE_RETRIEVED] = "retrieved",
		[LUO_FILE_FAILED] = "failed",
		[LUO_FILE_FINISHED] = "finished",
	};

	return sysfs_emit(page, "%s\n", names[READ_ONCE(to_luo_file(item)->state)]);
}
CONFIGFS_ATTR_RO(luo_incoming_file_, state);

static struct configfs_attribute *luo_incoming_file_attrs[] = {
	&luo_incoming_file_attr_fd,
	&luo_incoming_file_attr_state,
	&luo_file_attr_compatible,
	&luo_file_attr_size,
	NULL
};

static void luo_incoming_file_release(struct config_item *item)
{
	kfree(container_of(to_config_group(item), struct luo_file_dir, group));
}

static const struct configfs_item_operations luo_incoming_file_ops = {
	.release = luo_incoming_file_release,
};

static const struct config_item_type luo_incoming_file_type = {
	.ct_owner = THIS_MODULE,
	.ct_item_ops = &luo_incoming_file_ops,
	.ct_attrs = luo_incoming_file_attrs,
};

/* incoming/S/ */

static ssize_t luo_incoming_session_state_show(struct config_item *item, char *page)
{
	struct luo_session *session = to_luo_session(item);
	u64 retrieved = READ_ONCE(session->nr_retrieved);

	if (retrieved == session->nr_files)
		return sysfs_emit(page, "retrieved\n");
	return sysfs_emit(page, retrieved ? "retrieving\n" : "preserved\n");
}
CONFIGFS_ATTR_RO(luo_incoming_session_, state);

static ssize_t luo_incoming_session_retrieved_show(struct config_item *item,
						   char *page)
{
	return sysfs_emit(page, "%llu\n", READ_ONCE(to_luo_session(item)->nr_retrieved));
}
CONFIGFS_ATTR_RO(luo_incoming_session_, retrieved);

static ssize_t luo_incoming_session_finish_store(struct config_item *item,
						 const char *page, size_t count)
{
	struct luo_session *session = to_luo_session(item);
	bool discard = luo_is_word(page, count, "discard");

	if (!discard && !luo_is_word(page, count, "1"))
		return -EINVAL;
	return luo_owner_check(session) ?: luo_session_finish(session, discard) ?: count;
}
CONFIGFS_ATTR_WO(luo_incoming_session_, finish);

static struct configfs_attribute *luo_incoming_session_attrs[] = {
	&luo_session_attr_owner,
	&luo_incoming_session_attr_state,
	&luo_session_attr_files,
	&luo_incoming_session_attr_retrieved,
	&luo_incoming_session_attr_finish,
	NULL
};

/* A session's directory that is ours, under sessions/ or incoming/ */

static void luo_our_session_release(struct config_item *item)
{
	struct luo_session_dir *dir = container_of(to_config_group(item),
						   struct luo_session_dir, group);

	luo_session_put(dir->session);
	kfree(dir);
}

static const struct configfs_item_operations luo_our_session_ops = {
	.release = luo_our_session_release,
};

static const struct config_item_type luo_incoming_session_type = {
	.ct_owner = THIS_MODULE,
	.ct_item_ops = &luo_our_session_ops,
	.ct_attrs = luo_incoming_session_attrs,
};

/* A session of the device's: nobody but its file descriptor may change it. */
static const struct config_item_type luo_held_session_type = {
	.ct_owner = THIS_MODULE,
	.ct_item_ops = &luo_our_session_ops,
	.ct_attrs = luo_outgoing_session_attrs,
};

/* The tokens of an incoming session are its default groups: they go with it. */
static int luo_session_dir_fill(struct luo_session_dir *dir)
{
	char name[sizeof("18446744073709551615")];
	struct luo_file *lf;
	int err;

	luo_for_each_file(lf, dir->session) {
		struct luo_file_dir *file_dir = kzalloc_obj(*file_dir);

		if (!file_dir)
			return -ENOMEM;
		file_dir->file = lf;
		snprintf(name, sizeof(name), "%llu", lf->token);
		err = luo_dir_init(&file_dir->group, name, &luo_incoming_file_type);
		if (err) {
			kfree(file_dir);
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
		err = configfs_register_group(is_incoming ? &luo_incoming_group :
							    &luo_sessions_group, &dir->group);
	if (err) {
		configfs_remove_default_groups(&dir->group);
		luo_set_last_error(dir->session, NULL, "configfs", err);
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
			wake_up_all(&luo_dirs_wait);
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
	if (READ_ONCE(session->is_held))
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
		&luo_incoming_session_type : &luo_held_session_type;
	config_group_init(&dir->group);
	dir->session = session;
	luo_session_get(session);
	session->dir = dir;
	luo_dirs_add(session, false);
}

/* Events may come from a store in the session's directory: only queue work. */
static int luo_configfs_notify(struct notifier_block *nb, unsigned long event,
			       void *data)
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

static struct notifier_block luo_configfs_nb = {
	.notifier_call = luo_configfs_notify,
};

/* incoming/ */

static const struct config_item_type luo_incoming_type = {
	.ct_owner = THIS_MODULE,
};

/* The root */

static ssize_t luo_root_owner_show(struct config_item *item, char *page)
{
	return luo_owner_emit(NULL, page);
}

static ssize_t luo_root_owner_store(struct config_item *item, const char *page,
				    size_t count)
{
	return luo_owner_store(NULL, page, count);
}
CONFIGFS_ATTR(luo_root_, owner);

static ssize_t luo_root_state_show(struct config_item *item, char *page)
{
	int err;

	/*
	 * Whoever has read this finds sessions/ and incoming/ as it says. We are
	 * called under the frag_sem of this directory; making and removing
	 * others takes theirs, which lockdep cannot tell apart from it. So this
	 * waits for a count, and not for the work.
	 */
	luo_wait_for_incoming();
	mod_delayed_work(system_dfl_wq, &luo_dirs_worker, 0);
	err = wait_event_killable(luo_dirs_wait, !atomic_read(&luo_dirs_left));
	if (err)
		return err;
	return sysfs_emit(page, "%s\n", luo_state_name(luo_get_state()));
}
CONFIGFS_ATTR_RO(luo_root_, state);

static ssize_t luo_root_number_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%llu\n", luo_get_number());
}
CONFIGFS_ATTR_RO(luo_root_, number);

static ssize_t luo_root_handlers_show(struct config_item *item, char *page)
{
	return luo_handlers_emit(page);
}
CONFIGFS_ATTR_RO(luo_root_, handlers);

static ssize_t luo_root_abi_show(struct config_item *item, char *page)
{
	return luo_abi_emit(page);
}

static ssize_t luo_root_abi_store(struct config_item *item, const char *page,
				  size_t count)
{
	/* Nothing may be hidden behind a NUL. */
	if (strlen(page) != count)
		return -EINVAL;
	return luo_owner_check(NULL) ?: luo_abi_choose(page) ?: count;
}
CONFIGFS_ATTR(luo_root_, abi);

static ssize_t luo_root_last_error_show(struct config_item *item, char *page)
{
	char text[LUO_ERROR_LENGTH];

	luo_get_last_error(text);
	return sysfs_emit(page, "%s\n", text);
}
CONFIGFS_ATTR_RO(luo_root_, last_error);

static struct configfs_attribute *luo_root_attrs[] = {
	&luo_root_attr_owner,
	&luo_root_attr_state,
	&luo_root_attr_number,
	&luo_root_attr_handlers,
	&luo_root_attr_abi,
	&luo_root_attr_last_error,
	NULL
};

static const struct config_item_type luo_root_type = {
	.ct_owner = THIS_MODULE,
	.ct_attrs = luo_root_attrs,
};

static struct configfs_subsystem luo_subsys = {
	.su_group = {
		.cg_item = {
			.ci_namebuf = "liveupdate",
			.ci_type = &luo_root_type,
		},
	},
};

static int __init luo_configfs_init(void)
{
	int err;

	if (!liveupdate_enabled())
		return 0;

	config_group_init(&luo_subsys.su_group);
	mutex_init(&luo_subsys.su_mutex);
	config_group_init_type_name(&luo_sessions_group, "sessions", &luo_sessions_type);
	configfs_add_default_group(&luo_sessions_group, &luo_subsys.su_group);
	config_group_init_type_name(&luo_incoming_group, "incoming", &luo_incoming_type);
	configfs_add_default_group(&luo_incoming_group, &luo_subsys.su_group);

	err = configfs_register_subsystem(&luo_subsys);
	if (err)
		return err;
	return blocking_notifier_chain_register(&luo_notifier, &luo_configfs_nb);
}
device_initcall(luo_configfs_init);
