// SPDX-License-Identifier: GPL-2.0
/*
 * The device front end: /dev/liveupdate, for programs that were written for it.
 * include/uapi/linux/liveupdate.h describes its ioctls.
 *
 * The descriptor of the device has exclusive control, as the root's owner in
 * configfs has. A session is a file descriptor: an outgoing session lives as
 * long as that is open; when that of an incoming one is closed the session is
 * finished, unless there is something to lose.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/anon_inodes.h>
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/liveupdate.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/security.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "luo_core.h"
#include "luo_session.h"
#include "luo_state.h"

union luo_arg {
	struct liveupdate_ioctl_create_session create;
	struct liveupdate_ioctl_retrieve_session retrieve;
	struct liveupdate_session_preserve_fd preserve_fd;
	struct liveupdate_session_retrieve_fd retrieve_fd;
	struct liveupdate_session_finish finish;
	struct liveupdate_session_get_name get_name;
};

/**
 * struct luo_call - an ioctl that is being executed
 * @arg:     its argument, with zeros where the user's is shorter
 * @user:    where that is
 * @size:    how many bytes of it go back
 * @session: whose file descriptor it is made on; NULL for the device's
 */
struct luo_call {
	union luo_arg arg;
	void __user *user;
	size_t size;
	struct luo_session *session;
};

/**
 * struct luo_ioctl - what an ioctl is made of
 * @cmd:      its number
 * @size:     the size of its argument as we know it
 * @min_size: the size that the user's must have at least
 * @list:     the sessions that it is for; NULL for all
 * @execute:  does it
 */
struct luo_ioctl {
	unsigned int cmd;
	size_t size;
	size_t min_size;
	struct luo_session_list *list;
	int (*execute)(struct luo_call *call);
};

#define LUO_IOCTL(_cmd, _execute, _size, _min_size, _list) {		\
	.cmd = _cmd,							\
	.size = _size,							\
	.min_size = _min_size,						\
	.list = _list,							\
	.execute = _execute,						\
}

static int luo_respond(struct luo_call *call)
{
	return copy_to_user(call->user, &call->arg, call->size) ? -EFAULT : 0;
}

/*
 * Give the user the descriptor that a file will have. Nobody can use it before
 * it is installed, so this comes first: what fails after that can be undone.
 */
static int luo_respond_fd(struct luo_call *call, s32 *fd)
{
	int err;

	*fd = get_unused_fd_flags(O_CLOEXEC);
	if (*fd < 0)
		return *fd;
	err = luo_respond(call);
	if (err)
		put_unused_fd(*fd);
	return err;
}

static long luo_do_ioctl(const struct luo_ioctl *ioctl, unsigned int cmd,
			 struct luo_call *call)
{
	u32 size;
	int err;

	err = get_user(size, (u32 __user *)call->user);
	if (err)
		return err;
	if (ioctl->cmd != cmd)
		return -ENOIOCTLCMD;
	if (ioctl->list && call->session->sessions != ioctl->list)
		return -EINVAL;
	if (size < ioctl->min_size)
		return -EINVAL;
	err = copy_struct_from_user(&call->arg, ioctl->size, call->user, size);
	if (err)
		return err;

	call->size = min_t(size_t, size, ioctl->size);
	return ioctl->execute(call);
}

/* A session's file descriptor */

static int luo_session_preserve_fd(struct luo_call *call)
{
	struct liveupdate_session_preserve_fd *arg = &call->arg.preserve_fd;
	struct luo_file *lf;
	struct file *file;
	int err;

	file = fget(arg->fd);
	if (!file)
		return -EBADF;
	lf = luo_file_add_preserved(&call->session->files, arg->token, file);
	fput(file);
	if (IS_ERR(lf))
		return PTR_ERR(lf);
	err = luo_respond(call);
	if (err)
		luo_file_remove(lf, LUO_MUST);
	return err;
}

static int luo_session_retrieve_fd(struct luo_call *call)
{
	struct liveupdate_session_retrieve_fd *arg = &call->arg.retrieve_fd;
	struct luo_file *lf;
	struct file *file;
	int err;

	lf = luo_file_find(&call->session->files, arg->token);
	if (!lf)
		return -ENOENT;

	err = luo_respond_fd(call, &arg->fd);
	if (err)
		goto out;
	err = luo_file_retrieve(lf, &file);
	if (err)
		goto err_fd;
	err = security_file_receive(file);
	if (err)
		goto err_file;
	fd_install(arg->fd, file);
	luo_file_mark_retrieved(lf);
	luo_file_put(lf);
	return 0;

err_file:
	fput(file);
err_fd:
	put_unused_fd(arg->fd);
out:
	luo_file_put(lf);
	return err;
}

static int luo_session_do_finish(struct luo_call *call)
{
	int err;

	if (call->arg.finish.reserved)
		return -EINVAL;
	err = luo_session_finish(call->session, true);
	/* Finished is finished. */
	if (err && err != -ENOENT)
		return err;
	return luo_respond(call);
}

static int luo_session_get_name(struct luo_call *call)
{
	struct liveupdate_session_get_name *arg = &call->arg.get_name;

	if (arg->reserved)
		return -EINVAL;
	strscpy_pad((char *)arg->name, call->session->name, sizeof(arg->name));
	return luo_respond(call);
}

static const struct luo_ioctl luo_session_ioctls[] = {
	LUO_IOCTL(LIVEUPDATE_SESSION_PRESERVE_FD, luo_session_preserve_fd,
		  sizeof(struct liveupdate_session_preserve_fd),
		  offsetofend(struct liveupdate_session_preserve_fd, token),
		  &luo_outgoing),
	LUO_IOCTL(LIVEUPDATE_SESSION_RETRIEVE_FD, luo_session_retrieve_fd,
		  sizeof(struct liveupdate_session_retrieve_fd),
		  offsetofend(struct liveupdate_session_retrieve_fd, token),
		  &luo_incoming),
	LUO_IOCTL(LIVEUPDATE_SESSION_FINISH, luo_session_do_finish,
		  sizeof(struct liveupdate_session_finish),
		  offsetofend(struct liveupdate_session_finish, reserved),
		  &luo_incoming),
	LUO_IOCTL(LIVEUPDATE_SESSION_GET_NAME, luo_session_get_name,
		  sizeof(struct liveupdate_session_get_name),
		  offsetofend(struct liveupdate_session_get_name, name),
		  NULL),
};

static long luo_session_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct luo_call call = {
		.user = (void __user *)arg,
		.session = file->private_data,
	};
	unsigned int nr = _IOC_NR(cmd) - LIVEUPDATE_CMD_SESSION_BASE;

	if (nr >= ARRAY_SIZE(luo_session_ioctls))
		return -EINVAL;
	return luo_do_ioctl(&luo_session_ioctls[nr], cmd, &call);
}

static int luo_session_close(struct inode *inode, struct file *file)
{
	luo_session_release(file->private_data);
	return 0;
}

static const struct file_operations luo_session_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = luo_session_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.release = luo_session_close,
};

/* Installs a file for a session, whose reference it takes over on success. */
static int luo_session_install(struct luo_session *session, int fd)
{
	char name[sizeof("[luo_session] ") + LIVEUPDATE_SESSION_NAME_LENGTH];
	struct file *file;

	snprintf(name, sizeof(name), "[luo_session] %s", session->name);
	file = anon_inode_getfile(name, &luo_session_fops, session, O_RDWR);
	if (IS_ERR(file))
		return PTR_ERR(file);
	fd_install(fd, file);
	return 0;
}

/* The device's file descriptor */

static int luo_create_session(struct luo_call *call)
{
	struct liveupdate_ioctl_create_session *arg = &call->arg.create;
	struct luo_session *session;
	int err;

	if (!arg->name[0] || strnlen(arg->name, sizeof(arg->name)) == sizeof(arg->name))
		return -EINVAL;
	err = luo_respond_fd(call, &arg->fd);
	if (err)
		return err;

	session = luo_session_create(arg->name, true);
	if (IS_ERR(session)) {
		err = PTR_ERR(session);
		goto err_fd;
	}
	err = luo_session_install(session, arg->fd);
	if (err)
		goto err_session;
	return 0;

err_session:
	luo_session_remove(session, LUO_MUST);
err_fd:
	put_unused_fd(arg->fd);
	return err;
}

static int luo_retrieve_session(struct luo_call *call)
{
	struct liveupdate_ioctl_retrieve_session *arg = &call->arg.retrieve;
	struct luo_session *session;
	int err;

	if (strnlen(arg->name, sizeof(arg->name)) == sizeof(arg->name))
		return -ENOENT;
	session = luo_session_find(arg->name, &luo_incoming);
	if (!session)
		return -ENOENT;

	err = luo_respond_fd(call, &arg->fd);
	if (err)
		goto err_put;
	err = luo_owner_take_fd(&session->owner);
	if (err)
		goto err_fd;
	err = luo_session_install(session, arg->fd);
	if (err)
		goto err_drop;
	return 0;

err_drop:
	luo_owner_drop_fd(&session->owner);
err_fd:
	put_unused_fd(arg->fd);
err_put:
	luo_session_put(session);
	return err;
}

static const struct luo_ioctl luo_device_ioctls[] = {
	LUO_IOCTL(LIVEUPDATE_IOCTL_CREATE_SESSION, luo_create_session,
		  sizeof(struct liveupdate_ioctl_create_session),
		  offsetofend(struct liveupdate_ioctl_create_session, name),
		  NULL),
	LUO_IOCTL(LIVEUPDATE_IOCTL_RETRIEVE_SESSION, luo_retrieve_session,
		  sizeof(struct liveupdate_ioctl_retrieve_session),
		  offsetofend(struct liveupdate_ioctl_retrieve_session, name),
		  NULL),
};

static long luo_device_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct luo_call call = { .user = (void __user *)arg };
	unsigned int nr = _IOC_NR(cmd) - LIVEUPDATE_CMD_BASE;

	if (nr >= ARRAY_SIZE(luo_device_ioctls))
		return -EINVAL;
	return luo_do_ioctl(&luo_device_ioctls[nr], cmd, &call);
}

static int luo_device_open(struct inode *inode, struct file *file)
{
	luo_wait_for_incoming();
	return luo_owner_open_device();
}

static int luo_device_release(struct inode *inode, struct file *file)
{
	luo_owner_drop_fd(&luo_root_owner);
	return 0;
}

static const struct file_operations luo_device_fops = {
	.owner = THIS_MODULE,
	.open = luo_device_open,
	.release = luo_device_release,
	.unlocked_ioctl = luo_device_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice luo_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "liveupdate",
	.fops = &luo_device_fops,
};

static int __init luo_device_init(void)
{
	return liveupdate_enabled() ? misc_register(&luo_device) : 0;
}
device_initcall(luo_device_init);
