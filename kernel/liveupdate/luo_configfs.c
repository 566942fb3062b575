// SPDX-License-Identifier: GPL-2.0
/*
 * The configfs front end: live update driven with mkdir, echo and cat.
 * Documentation/ABI/testing/configfs-liveupdate describes what users see.
 *
 * It translates between directories and the core's sessions and files, and
 * holds no state that the core does not have. Directories under sessions/ are
 * the user's, made by mkdir; those under incoming/ are ours, see
 * luo_configfs_dirs.c.
 *
 * make_group() runs under su_mutex, so what it calls must not wait for a
 * handler; what is slow is done by a store, or in release(), which the last
 * step of rmdir(2) calls with su_mutex dropped.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/capability.h>
#include <linux/cleanup.h>
#include <linux/configfs.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/liveupdate.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <linux/task_work.h>

#include "luo_abi.h"
#include "luo_configfs_dirs.h"
#include "luo_core.h"
#include "luo_handler.h"
#include "luo_label.h"
#include "luo_lost.h"
#include "luo_pidfd.h"
#include "luo_session.h"
#include "luo_state.h"
#include "luo_text.h"
#include "luo_timeline.h"

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

/* A process that is the owner reads as its number behind this. */
#define LUO_OWNER_PREFIX	"pid:"

/* The process that a store names, with a reference; NULL for "none". */
static struct pid *luo_parse_owner(const char *page, size_t count)
{
	int pidfd, err;

	if (luo_is_word(page, count, "none"))
		return NULL;
	err = luo_parse_pidfd(page, count, &pidfd);
	return err ? ERR_PTR(err) : luo_pidfd_get_tgid(pidfd);
}

static ssize_t luo_owner_emit(struct luo_owner *owner, char *page)
{
	enum luo_owner_kind kind;
	pid_t nr;

	kind = luo_owner_get(owner, &nr);
	/* Without the prefix it would be a descriptor's when it is written. */
	if (kind == LUO_OWNER_PROCESS)
		return sysfs_emit(page, LUO_OWNER_PREFIX "%d\n", nr);
	return sysfs_emit(page, kind == LUO_OWNER_FD ? "fd\n" : "none\n");
}

static ssize_t luo_owner_store(struct luo_owner *owner, const char *page, size_t count)
{
	size_t prefix = str_has_prefix(page, LUO_OWNER_PREFIX);
	struct pid *pid;
	int err, nr;

	/* What is read can be written, and makes nobody the owner: a number may be another's. */
	if (luo_is_word(page, count, "fd"))
		return luo_owner_confirm(owner, 0) ?: count;
	if (prefix) {
		err = luo_parse_pidfd(page + prefix, count - prefix, &nr);
		if (err || nr < 0)
			return -EINVAL;
		return luo_owner_confirm(owner, nr) ?: count;
	}

	pid = luo_parse_owner(page, count);
	if (IS_ERR(pid))
		return PTR_ERR(pid);
	err = luo_owner_set(owner, pid);
	put_pid(pid);
	return err ?: count;
}

static ssize_t luo_prepared_emit(enum luo_prepared prepared, char *page)
{
	static const char *const names[] = {
		[LUO_PREPARED_NONE] = "none",
		[LUO_PREPARED_READY] = "ready",
		[LUO_PREPARED_STALE] = "stale",
	};

	return sysfs_emit(page, "%s\n", names[prepared]);
}

/* Attributes that sessions have in both directions */

static ssize_t luo_session_owner_show(struct config_item *item, char *page)
{
	return luo_owner_emit(&to_luo_session(item)->owner, page);
}

static ssize_t luo_session_owner_store(struct config_item *item, const char *page,
				       size_t count)
{
	return luo_owner_store(&to_luo_session(item)->owner, page, count);
}
CONFIGFS_ATTR(luo_session_, owner);

static ssize_t luo_session_files_show(struct config_item *item, char *page)
{
	struct luo_session *session = to_luo_session(item);

	return luo_owner_settle(&session->owner) ?:
	       sysfs_emit(page, "%llu\n", READ_ONCE(session->files.nr));
}
CONFIGFS_ATTR_RO(luo_session_, files);

static ssize_t luo_session_last_error_show(struct config_item *item, char *page)
{
	return luo_emit_last_error(&to_luo_session(item)->files.error, page);
}
CONFIGFS_ATTR_RO(luo_session_, last_error);

static ssize_t luo_session_label_show(struct config_item *item, char *page)
{
	luo_wait_for_incoming();
	return luo_label_emit(&to_luo_session(item)->files.label, page);
}

/* Attributes that tokens have in both directions */

static ssize_t luo_file_label_show(struct config_item *item, char *page)
{
	luo_wait_for_incoming();
	return luo_label_emit(&to_luo_file(item)->label, page);
}

static ssize_t luo_file_compatible_show(struct config_item *item, char *page)
{
	char compatible[LIVEUPDATE_HNDL_COMPAT_LENGTH];

	return luo_file_get_compatible(to_luo_file(item), compatible) ?:
	       sysfs_emit(page, "%s\n", compatible);
}
CONFIGFS_ATTR_RO(luo_file_, compatible);

static ssize_t luo_file_size_show(struct config_item *item, char *page)
{
	u64 size;
	int err;

	err = luo_file_get_size(to_luo_file(item), &size);
	if (err == -ENODATA)
		return sysfs_emit(page, "\n");
	return err ?: sysfs_emit(page, "%llu\n", size);
}
CONFIGFS_ATTR_RO(luo_file_, size);

/* sessions/S/T/ */

static ssize_t luo_outgoing_file_fd_store(struct config_item *item,
					  const char *page, size_t count)
{
	struct luo_file *lf = to_luo_file(item);
	struct luo_act act __cleanup(luo_act_end) = { };
	int pidfd, fd, err;

	err = luo_parse_pair(page, count, &pidfd, &fd) ?:
	      luo_act_begin(&act, &luo_session_of(lf)->owner);
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
	int err;

	err = luo_owner_settle(&luo_session_of(lf)->owner);
	if (err)
		return err;
	if (READ_ONCE(lf->state) == LUO_FILE_EMPTY)
		return sysfs_emit(page, "empty\n");
	return sysfs_emit(page, luo_is_frozen() ? "frozen\n" : "preserved\n");
}
CONFIGFS_ATTR_RO(luo_outgoing_file_, state);

static ssize_t luo_outgoing_file_label_show(struct config_item *item, char *page)
{
	return luo_file_label_show(item, page);
}

static ssize_t luo_outgoing_file_label_store(struct config_item *item, const char *page,
					     size_t count)
{
	struct luo_file *lf = to_luo_file(item);
	struct luo_act act __cleanup(luo_act_end) = { };
	size_t len = luo_line_length(page, count);

	return luo_label_check(page, len) ?: luo_act_begin(&act, &luo_session_of(lf)->owner) ?:
	       luo_file_label(lf, page, len) ?: count;
}
CONFIGFS_ATTR(luo_outgoing_file_, label);

static struct configfs_attribute *luo_outgoing_file_attrs[] = {
	&luo_outgoing_file_attr_fd,
	&luo_outgoing_file_attr_state,
	&luo_outgoing_file_attr_label,
	&luo_file_attr_compatible,
	&luo_file_attr_size,
	NULL
};

static void luo_outgoing_file_release(struct config_item *item)
{
	struct luo_file_dir *dir = container_of(to_config_group(item),
						struct luo_file_dir, group);

	/* It is there only when the directory could not be made. */
	luo_file_remove(dir->file, LUO_MUST);
	luo_file_dir_free(dir);
}

static const struct configfs_item_operations luo_outgoing_file_ops = {
	.release = luo_outgoing_file_release,
};

static const struct config_item_type luo_outgoing_file_type = {
	.ct_owner = THIS_MODULE,
	.ct_item_ops = &luo_outgoing_file_ops,
	.ct_attrs = luo_outgoing_file_attrs,
	.ct_maker_owns = true,
};

/* sessions/S/ */

static ssize_t luo_outgoing_session_state_show(struct config_item *item, char *page)
{
	struct luo_session *session = to_luo_session(item);
	int err;

	err = luo_owner_settle(&session->owner);
	if (err)
		return err;
	if (READ_ONCE(session->files.state) == LUO_SET_ABANDONED)
		return sysfs_emit(page, "abandoned\n");
	return sysfs_emit(page, luo_is_frozen() ? "frozen\n" : "open\n");
}
CONFIGFS_ATTR_RO(luo_outgoing_session_, state);

#define LUO_NO_LIMIT	"max"

static ssize_t luo_outgoing_session_limit_show(struct config_item *item, char *page)
{
	u64 limit = READ_ONCE(to_luo_session(item)->files.limit);

	if (limit == U64_MAX)
		return sysfs_emit(page, LUO_NO_LIMIT "\n");
	return sysfs_emit(page, "%llu\n", limit);
}

static ssize_t luo_outgoing_session_limit_store(struct config_item *item, const char *page,
						size_t count)
{
	u64 limit = U64_MAX;

	/* It is there to keep within bounds who was given the session, and so the file. */
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (!luo_is_word(page, count, LUO_NO_LIMIT) &&
	    luo_parse_u64(page, luo_line_length(page, count), &limit))
		return -EINVAL;
	luo_file_set_limit(&to_luo_session(item)->files, limit);
	return count;
}
CONFIGFS_ATTR(luo_outgoing_session_, limit);

static ssize_t luo_outgoing_session_prepare_show(struct config_item *item, char *page)
{
	return luo_prepared_emit(luo_file_set_prepared(&to_luo_session(item)->files), page);
}

static ssize_t luo_outgoing_session_prepare_store(struct config_item *item, const char *page,
						  size_t count)
{
	struct luo_session *session = to_luo_session(item);
	bool begin = luo_is_word(page, count, "1");
	struct luo_act act __cleanup(luo_act_end) = { };
	int err;

	if (!begin && !luo_is_word(page, count, "0"))
		return -EINVAL;
	err = luo_act_begin(&act, &session->owner);
	if (err)
		return err;
	if (begin)
		return luo_session_prepare(session) ?: count;
	luo_file_set_unprepare(&session->files);
	return count;
}
CONFIGFS_ATTR(luo_outgoing_session_, prepare);

static ssize_t luo_outgoing_session_label_show(struct config_item *item, char *page)
{
	return luo_session_label_show(item, page);
}

static ssize_t luo_outgoing_session_label_store(struct config_item *item, const char *page,
						size_t count)
{
	struct luo_session *session = to_luo_session(item);
	struct luo_act act __cleanup(luo_act_end) = { };
	size_t len = luo_line_length(page, count);

	return luo_label_check(page, len) ?: luo_act_begin(&act, &session->owner) ?:
	       luo_session_label(session, page, len) ?: count;
}
CONFIGFS_ATTR(luo_outgoing_session_, label);

static struct configfs_attribute *luo_outgoing_session_attrs[] = {
	&luo_session_attr_owner,
	&luo_outgoing_session_attr_state,
	&luo_session_attr_files,
	&luo_session_attr_last_error,
	&luo_outgoing_session_attr_limit,
	&luo_outgoing_session_attr_prepare,
	&luo_outgoing_session_attr_label,
	NULL
};

static struct config_group *luo_outgoing_file_make(struct config_group *group,
						   const char *name)
{
	struct luo_session *session = to_luo_session(&group->cg_item);
	struct luo_file_dir *dir;
	struct luo_act act __cleanup(luo_act_end) = { };
	u64 token;
	int err;

	err = luo_parse_u64(name, strlen(name), &token) ?: luo_act_begin(&act, &session->owner);
	if (err)
		return ERR_PTR(err);

	dir = luo_file_dir_new(session);
	if (!dir)
		return ERR_PTR(-ENOMEM);

	dir->file = luo_file_add(&session->files, token);
	if (IS_ERR(dir->file)) {
		err = PTR_ERR(dir->file);
		goto err_free;
	}
	luo_file_get(dir->file);

	err = luo_dir_init(&dir->group, name, &luo_outgoing_file_type);
	if (err)
		goto err_remove;
	return &dir->group;

err_remove:
	luo_file_remove(dir->file, LUO_MUST);
err_free:
	luo_file_dir_free(dir);
	return ERR_PTR(err);
}

/* An rmdir that returns 0 has removed the file: its directory may be held, and go later. */
static int luo_outgoing_file_allow_drop(struct config_group *group,
					struct config_item *item)
{
	struct luo_act act __cleanup(luo_act_end) = { };

	return luo_act_begin(&act, &to_luo_session(&group->cg_item)->owner) ?:
	       luo_file_remove(to_luo_file(item), LUO_KILLABLE);
}

static const struct configfs_group_operations luo_outgoing_session_group_ops = {
	.make_group = luo_outgoing_file_make,
	.allow_drop = luo_outgoing_file_allow_drop,
};

static void luo_outgoing_session_release(struct config_item *item)
{
	struct luo_session_dir *dir = container_of(to_config_group(item),
						   struct luo_session_dir, group);

	/* It is there only when the directory could not be made. */
	luo_session_remove(dir->session, LUO_MUST);
	luo_session_put(dir->session);
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
	.ct_maker_owns = true,
};

/* sessions/ */

static struct config_group *luo_outgoing_session_make(struct config_group *group,
						      const char *text)
{
	char name[LIVEUPDATE_SESSION_NAME_LENGTH];
	struct luo_session_dir *dir;
	struct luo_act act __cleanup(luo_act_end) = { };
	int err;

	err = luo_parse_name(text, name) ?: luo_act_begin(&act, &luo_root_owner);
	if (err)
		return ERR_PTR(err);

	dir = kzalloc_obj(*dir, GFP_KERNEL_ACCOUNT);
	if (!dir)
		return ERR_PTR(-ENOMEM);

	dir->session = luo_session_create(name, false);
	if (IS_ERR(dir->session)) {
		err = PTR_ERR(dir->session);
		goto err_free;
	}
	luo_session_get(dir->session);

	err = luo_dir_init(&dir->group, text, &luo_outgoing_session_type);
	if (err)
		goto err_remove;
	return &dir->group;

err_remove:
	luo_session_remove(dir->session, LUO_MUST);
	luo_session_put(dir->session);
err_free:
	kfree(dir);
	return ERR_PTR(err);
}

static int luo_outgoing_session_allow_drop(struct config_group *group,
					   struct config_item *item)
{
	struct luo_act act __cleanup(luo_act_end) = { };

	return luo_act_begin(&act, &to_luo_session(item)->owner) ?:
	       luo_session_remove(to_luo_session(item), LUO_KILLABLE);
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

/* A file that another one took the place of in its task's table */
struct luo_replaced {
	struct callback_head work;
	struct file *file;
};

static void luo_close_replaced(struct callback_head *work)
{
	struct luo_replaced *replaced = container_of(work, struct luo_replaced, work);

	filp_close(replaced->file, current->files);
	kfree(replaced);
}

/*
 * Have a file as number @fd. To close the one that was there may take as long as its
 * file system likes, so that is done when the store has returned.
 */
static int luo_install(int fd, struct file *file)
{
	struct luo_replaced *replaced = kmalloc_obj(*replaced);
	int err;

	if (!replaced)
		return -ENOMEM;
	err = receive_fd_replace_get(fd, file, 0, &replaced->file);
	if (err < 0 || !replaced->file) {
		kfree(replaced);
		return min(err, 0);
	}
	init_task_work(&replaced->work, luo_close_replaced);
	/* It fails for a task that is exiting, which does not write. */
	WARN_ON_ONCE(task_work_add(current, &replaced->work, TWA_RESUME));
	return 0;
}

static ssize_t luo_incoming_file_fd_store(struct config_item *item,
					  const char *page, size_t count)
{
	struct luo_file *lf = to_luo_file(item);
	struct file *file __free(fput) = NULL;
	struct luo_act act __cleanup(luo_act_end) = { };
	int pidfd, fd, err;
	struct pid *pid;
	bool is_self;

	err = luo_parse_pair(page, count, &pidfd, &fd) ?:
	      luo_act_begin(&act, &luo_session_of(lf)->owner);
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

	err = luo_install(fd, file);
	if (err)
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

CONFIGFS_ATTR_RO(luo_file_, label);

static struct configfs_attribute *luo_incoming_file_attrs[] = {
	&luo_incoming_file_attr_fd,
	&luo_incoming_file_attr_state,
	&luo_file_attr_label,
	&luo_file_attr_compatible,
	&luo_file_attr_size,
	NULL
};

static void luo_incoming_file_release(struct config_item *item)
{
	luo_file_dir_free(container_of(to_config_group(item), struct luo_file_dir, group));
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
	u64 retrieved = READ_ONCE(session->files.nr_retrieved);

	if (retrieved == session->files.nr)
		return sysfs_emit(page, "retrieved\n");
	return sysfs_emit(page, retrieved ? "retrieving\n" : "preserved\n");
}
CONFIGFS_ATTR_RO(luo_incoming_session_, state);

static ssize_t luo_incoming_session_retrieved_show(struct config_item *item,
						   char *page)
{
	return sysfs_emit(page, "%llu\n", READ_ONCE(to_luo_session(item)->files.nr_retrieved));
}
CONFIGFS_ATTR_RO(luo_incoming_session_, retrieved);

static ssize_t luo_incoming_session_finish_store(struct config_item *item,
						 const char *page, size_t count)
{
	struct luo_session *session = to_luo_session(item);
	bool discard = luo_is_word(page, count, "discard");
	struct luo_act act __cleanup(luo_act_end) = { };

	if (!discard && !luo_is_word(page, count, "1"))
		return -EINVAL;
	return luo_act_begin(&act, &session->owner) ?:
	       luo_session_finish(session, discard) ?: count;
}
CONFIGFS_ATTR_WO(luo_incoming_session_, finish);

CONFIGFS_ATTR_RO(luo_session_, label);

static struct configfs_attribute *luo_incoming_session_attrs[] = {
	&luo_session_attr_owner,
	&luo_incoming_session_attr_state,
	&luo_session_attr_files,
	&luo_session_attr_last_error,
	&luo_incoming_session_attr_retrieved,
	&luo_incoming_session_attr_finish,
	&luo_session_attr_label,
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

/* incoming/ */

static const struct config_item_type luo_incoming_type = {
	.ct_owner = THIS_MODULE,
};

/* The root */

static ssize_t luo_root_owner_show(struct config_item *item, char *page)
{
	return luo_owner_emit(&luo_root_owner, page);
}

static ssize_t luo_root_owner_store(struct config_item *item, const char *page,
				    size_t count)
{
	return luo_owner_store(&luo_root_owner, page, count);
}
CONFIGFS_ATTR(luo_root_, owner);

static ssize_t luo_root_state_show(struct config_item *item, char *page)
{
	int err;

	/* Whoever has read this finds sessions/ and incoming/ as it says. */
	luo_wait_for_incoming();
	err = luo_dirs_wait();
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
	struct luo_act act __cleanup(luo_act_end) = { };

	/* Nothing may be hidden behind a NUL. */
	if (strlen(page) != count)
		return -EINVAL;
	return luo_act_begin(&act, &luo_root_owner) ?: luo_choose_format(page) ?: count;
}
CONFIGFS_ATTR(luo_root_, abi);

static ssize_t luo_root_last_error_show(struct config_item *item, char *page)
{
	return luo_emit_last_error(NULL, page);
}
CONFIGFS_ATTR_RO(luo_root_, last_error);

static ssize_t luo_root_prepare_show(struct config_item *item, char *page)
{
	return luo_prepared_emit(luo_get_prepared(), page);
}

static ssize_t luo_root_prepare_store(struct config_item *item, const char *page, size_t count)
{
	bool begin = luo_is_word(page, count, "1");

	/* As reboot(2) this is for whoever may do it, whoever the owner is. */
	if (!capable(CAP_SYS_BOOT))
		return -EPERM;
	if (!begin && !luo_is_word(page, count, "0"))
		return -EINVAL;
	return luo_prepare(begin) ?: count;
}
CONFIGFS_ATTR(luo_root_, prepare);

static ssize_t luo_root_freeze_timeout_ms_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%u\n", luo_get_freeze_timeout());
}

static ssize_t luo_root_freeze_timeout_ms_store(struct config_item *item, const char *page,
						size_t count)
{
	/* Whoever was given the file to write: it decides over the whole machine. */
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (strlen(page) != count)
		return -EINVAL;
	return luo_set_freeze_timeout(page) ?: count;
}
CONFIGFS_ATTR(luo_root_, freeze_timeout_ms);

static ssize_t luo_root_on_error_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, luo_lost_is_drop() ? "refuse [drop]\n" : "[refuse] drop\n");
}

static ssize_t luo_root_on_error_store(struct config_item *item, const char *page, size_t count)
{
	bool drop = luo_is_word(page, count, "drop");

	/* As freeze_timeout_ms, and drop loses what is others'. */
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (!drop && !luo_is_word(page, count, "refuse"))
		return -EINVAL;
	luo_wait_for_incoming();
	return luo_lost_set_drop(drop) ?: count;
}
CONFIGFS_ATTR(luo_root_, on_error);

/* As large as it is, which may be more than an attribute of text can be. */
static ssize_t luo_root_lost_read(struct config_item *item, void *buffer, size_t size)
{
	luo_wait_for_incoming();
	return luo_lost_emit(buffer, size);
}
CONFIGFS_BIN_ATTR_RO(luo_root_, lost, NULL, 0);

static ssize_t luo_root_timeline_show(struct config_item *item, char *page)
{
	luo_wait_for_incoming();
	return luo_timeline_emit(page);
}
CONFIGFS_ATTR_RO(luo_root_, timeline);

static struct configfs_attribute *luo_root_attrs[] = {
	&luo_root_attr_owner,
	&luo_root_attr_state,
	&luo_root_attr_number,
	&luo_root_attr_handlers,
	&luo_root_attr_abi,
	&luo_root_attr_last_error,
	&luo_root_attr_freeze_timeout_ms,
	&luo_root_attr_on_error,
	&luo_root_attr_prepare,
	&luo_root_attr_timeline,
	NULL
};

static struct configfs_bin_attribute *luo_root_bin_attrs[] = {
	&luo_root_attr_lost,
	NULL
};

static const struct config_item_type luo_root_type = {
	.ct_owner = THIS_MODULE,
	.ct_attrs = luo_root_attrs,
	.ct_bin_attrs = luo_root_bin_attrs,
};

static struct configfs_subsystem luo_subsys = {
	.su_group = {
		.cg_item = {
			.ci_namebuf = "liveupdate",
			.ci_type = &luo_root_type,
		},
	},
};

static const struct luo_dirs luo_our_dirs = {
	.sessions = &luo_sessions_group,
	.incoming = &luo_incoming_group,
	.held_session = &luo_held_session_type,
	.incoming_session = &luo_incoming_session_type,
	.incoming_file = &luo_incoming_file_type,
};

static int __init luo_configfs_init(void)
{
	if (!liveupdate_enabled())
		return 0;

	config_group_init(&luo_subsys.su_group);
	mutex_init(&luo_subsys.su_mutex);
	config_group_init_type_name(&luo_sessions_group, "sessions", &luo_sessions_type);
	configfs_add_default_group(&luo_sessions_group, &luo_subsys.su_group);
	config_group_init_type_name(&luo_incoming_group, "incoming", &luo_incoming_type);
	configfs_add_default_group(&luo_incoming_group, &luo_subsys.su_group);

	return configfs_register_subsystem(&luo_subsys) ?: luo_dirs_start(&luo_our_dirs);
}
device_initcall(luo_configfs_init);
