/* SPDX-License-Identifier: GPL-2.0 */
/* luo_owner.c: who controls what */
#ifndef _LUO_OWNER_H
#define _LUO_OWNER_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/types.h>
#include <linux/workqueue.h>

struct luo_owner;
struct luo_process;
struct pid;
struct task_struct;

/**
 * struct luo_owner_ops - what an owner is of
 * @died:    called when the owner has exited, and before there is another one, in process
 *           context without a lock
 * @changed: called in an operation when it was made another one, or none
 */
struct luo_owner_ops {
	void (*died)(struct luo_owner *owner);
	void (*changed)(struct luo_owner *owner);
};

/**
 * struct luo_owner - who holds control of a session, or of the root
 * @process: a process does; NULL when none does
 * @list:    among what @process owns
 * @next:    a process that is about to become the owner; NULL otherwise
 * @is_fd:   a file descriptor of the device does; may be read without a lock
 * @setting: held by who makes another process the owner
 * @work:    deals with the exit of @process
 * @deaths:  how many times that is still to be done
 * @ops:     NULL for the root
 */
struct luo_owner {
	struct luo_process *process;
	struct list_head list;
	struct luo_process *next;
	bool is_fd;
	struct mutex setting;	/* see above */
	struct work_struct work;
	atomic_t deaths;
	const struct luo_owner_ops *ops;
};

enum luo_owner_kind {
	LUO_OWNER_NONE,
	LUO_OWNER_PROCESS,
	LUO_OWNER_FD,
};

/**
 * struct luo_act - a change that is made by leave of an owner
 * @list:   among all that are under way
 * @owner:  the owner of what is changed; NULL until it has begun
 * @task:   who changes it
 * @by_own: @task acts for the session's own owner
 */
struct luo_act {	/* on the stack of its task, with __cleanup(luo_act_end) */
	struct list_head list;
	struct luo_owner *owner;
	struct task_struct *task;
	bool by_own;
};

extern struct luo_owner luo_root_owner;

void luo_owner_init(struct luo_owner *owner, const struct luo_owner_ops *ops);
void luo_owner_end(struct luo_owner *owner);
int luo_owner_set(struct luo_owner *owner, struct pid *pid);
int luo_owner_confirm(struct luo_owner *owner, pid_t nr);
void luo_owner_inherit(struct luo_owner *owner);
int luo_owner_settle(struct luo_owner *owner);
int luo_owner_settle_all(unsigned long deadline);
enum luo_owner_kind luo_owner_get(struct luo_owner *owner, pid_t *nr);
int luo_owner_take_fd(struct luo_owner *owner);
void luo_owner_drop_fd(struct luo_owner *owner);
int luo_owner_open_device(void);
int luo_act_begin(struct luo_act *act, struct luo_owner *owner);
void luo_act_end(struct luo_act *act);

#endif /* _LUO_OWNER_H */
