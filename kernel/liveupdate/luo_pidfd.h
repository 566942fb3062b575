/* SPDX-License-Identifier: GPL-2.0 */
/* luo_pidfd.c: processes by descriptor */
#ifndef _LUO_PIDFD_H
#define _LUO_PIDFD_H

struct file;
struct pid;

struct pid *luo_pidfd_get_pid(int pidfd);
struct pid *luo_pidfd_get_tgid(int pidfd);
struct file *luo_pidfd_get_file(int pidfd, int fd);

#endif /* _LUO_PIDFD_H */
