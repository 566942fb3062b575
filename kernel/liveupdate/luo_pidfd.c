// SPDX-License-Identifier: GPL-2.0
/*
 * Processes by descriptor: never by number, which another one may get.
 */

#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/pid.h>
#include <linux/proc_fs.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/security.h>

#include "luo_pidfd.h"

/**
 * luo_pidfd_get_pid() - the process behind a descriptor of the caller's
 * @pidfd: a pidfd, an open /proc/PID directory, or a PIDFD_SELF_* sentinel
 *
 * Return: the pid, with a reference, its process possibly gone; or -EBADF.
 */
struct pid *luo_pidfd_get_pid(int pidfd)
{
	struct pid *pid;

	if (pidfd == PIDFD_SELF_THREAD)
		return get_task_pid(current, PIDTYPE_PID);
	if (pidfd == PIDFD_SELF_THREAD_GROUP)
		return get_task_pid(current, PIDTYPE_TGID);

	CLASS(fd, f)(pidfd);
	if (fd_empty(f))
		return ERR_PTR(-EBADF);

	pid = pidfd_pid(fd_file(f));
	if (IS_ERR(pid))
		pid = tgid_pidfd_to_pid(fd_file(f));
	return IS_ERR(pid) ? pid : get_pid(pid);
}

/**
 * luo_pidfd_get_tgid() - the same, of the whole process if @pidfd is a thread's
 * @pidfd: as for luo_pidfd_get_pid()
 *
 * Return: the pid, with a reference; or
 * * -EBADF: as luo_pidfd_get_pid()
 * * -EPERM: it is a kernel thread
 * * -ESRCH: the process is gone
 */
struct pid *luo_pidfd_get_tgid(int pidfd)
{
	struct pid *pid = luo_pidfd_get_pid(pidfd), *tgid;
	struct task_struct *task;

	if (IS_ERR(pid))
		return pid;
	task = get_pid_task(pid, PIDTYPE_PID);
	put_pid(pid);
	if (!task)
		return ERR_PTR(-ESRCH);
	if (task->flags & PF_KTHREAD)
		tgid = ERR_PTR(-EPERM);
	else
		tgid = get_task_pid(task, PIDTYPE_TGID) ?: ERR_PTR(-ESRCH);
	put_task_struct(task);
	return tgid;
}

/**
 * luo_pidfd_get_file() - a file out of a process's table
 * @pidfd: the process, as for luo_pidfd_get_pid()
 * @fd:    the descriptor in its table
 *
 * Return: the file, with a reference; or
 * * -EBADF: @pidfd is no process, or @fd is not open there, or was opened with
 *   O_PATH
 * * -ESRCH: the process is gone
 * * -EPERM: the caller may not, as for pidfd_getfd(2)
 * * -EACCES: a security module does not let the caller receive such a file
 * * -EINTR: a fatal signal came while waiting for the process to exec
 */
struct file *luo_pidfd_get_file(int pidfd, int fd)
{
	struct task_struct *task;
	struct file *file;
	struct pid *pid;
	int err = 0;

	pid = luo_pidfd_get_pid(pidfd);
	if (IS_ERR(pid))
		return ERR_CAST(pid);
	task = get_pid_task(pid, PIDTYPE_PID);
	put_pid(pid);
	if (!task)
		return ERR_PTR(-ESRCH);

	file = pidfd_task_fget(task, fd);
	if (!IS_ERR(file)) {
		if (file->f_mode & FMODE_PATH)
			err = -EBADF;
		else if (!same_thread_group(task, current))
			err = security_file_receive(file);
	}
	put_task_struct(task);
	if (err) {
		fput(file);
		return ERR_PTR(err);
	}
	return file;
}
