/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The door between the layers of the Live Update Orchestrator; calls go down:
 *
 *   front ends   luo_configfs.c  luo_ioctl.c  luo_sysfs.c
 *   core         luo_session.c  luo_owner.c  luo_file.c  luo_flb.c  luo_pidfd.c
 *                luo_core.c
 *   hand-over    luo_abi.c  luo_abi_v1.c  luo_abi_v5.c
 *
 * Upwards the core only tells luo_notifier what happened.
 *
 * Locks, outermost first:
 *
 *   luo_freeze_rwsem    read by whatever changes what is handed over, written
 *                       by the reboot path
 *   luo_file.lock       one file's life; handlers are called under it
 *   luo_session.lock    a session's files; held briefly
 *   luo_session_list.lock
 *                       a list of sessions; held briefly
 *   luo_handlers_rwsem  which handlers and FLBs there are; FLBs are called under
 *                       it, and luo_flb_state.lock
 *   luo_abi_lock        the room for what is handed over
 */
#ifndef _LINUX_LUO_INTERNAL_H
#define _LINUX_LUO_INTERNAL_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/liveupdate.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/rbtree.h>
#include <linux/rwsem.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

struct luo_abi;
struct pid;
struct task_struct;

/**
 * enum luo_file_state - where a file is in its life
 * @LUO_FILE_EMPTY:     outgoing, a token without a file
 * @LUO_FILE_PRESERVED: outgoing, it will be handed over; incoming, it was
 *                      handed over and no user has got it yet
 * @LUO_FILE_RETRIEVED: incoming, a user has got it
 * @LUO_FILE_FAILED:    incoming, the last attempt to retrieve it failed
 * @LUO_FILE_FINISHED:  incoming, given up by the kernel
 */
enum luo_file_state {
	LUO_FILE_EMPTY,
	LUO_FILE_PRESERVED,
	LUO_FILE_RETRIEVED,
	LUO_FILE_FAILED,
	LUO_FILE_FINISHED,
};

/**
 * struct luo_owner - the process that holds control of something
 * @pid:     the process, with a reference; NULL when there is none
 * @wait:    in the wait queue of @pid, which tells of its exit
 * @work:    deals with the exit
 * @session: what it holds control of; NULL for the root
 */
struct luo_owner {
	struct pid *pid;
	wait_queue_entry_t wait;
	struct work_struct work;
	struct luo_session *session;
};

/**
 * struct luo_file - a token in a session, and the file under it
 * @ref:        one of the session's, one of who works on it
 * @session:    the session, which outlives it
 * @token:      the user's name for the file
 * @token_node: in @session's files, by token
 * @list:       in @session's file_list, unless it is empty
 * @lock:       protects all below
 * @state:      written under @lock, may be read without
 * @compatible: the handler's compatible string, "" in an empty token
 * @fh:         the handler, with a reference on its module; NULL when none was
 *              needed yet
 * @file:       the file, with a reference; NULL when there is none, or when
 *              nobody needed an incoming one yet
 * @id:         what the handler says identifies the file's content
 * @id_node:    among the files that are in LUO's hands, by @id
 * @data:       the handler's handle that is handed over
 * @private:    the handler's own
 * @err:        why the last attempt to retrieve it failed
 * @retriever:  the task that is retrieving it
 */
struct luo_file {
	struct kref ref;
	struct luo_session *session;
	u64 token;
	struct rb_node token_node;
	struct list_head list;
	struct mutex lock;	/* see above */
	enum luo_file_state state;
	char compatible[LIVEUPDATE_HNDL_COMPAT_LENGTH];
	struct liveupdate_file_handler *fh;
	struct file *file;
	unsigned long id;
	struct rb_node id_node;
	u64 data;
	void *private;
	int err;
	struct task_struct *retriever;
};

/* The hand-over formats */
enum luo_abi_nr {
	LUO_V1,
	LUO_V5,
	LUO_NR_ABIS,
};

/**
 * struct luo_session - a named set of files that live and are handed over as one
 * @ref:          one of the list it is in, one of each user
 * @name:         NUL-terminated, 1 to 63 bytes of any kind
 * @sessions:     the list it belongs to
 * @name_node:    in @sessions, by name; cleared once it was taken out
 * @list:         in @sessions, in the order of their making
 * @lock:         protects all below
 * @files:        its tokens
 * @file_list:    those that are not empty, in the order of their preservation
 * @nr_files:     how many they are, with those that are about to be
 * @nr_retrieved: how many of them were retrieved
 * @finishing:    somebody finishes it, or did
 * @abandoned:    its owner died: nothing can be preserved in it, and it is not
 *                handed over
 * @is_held:      a file descriptor of the device stands for it
 * @is_carried:   it is what is left of an incoming one, only for the hand-over
 * @owner:        its owner
 * @dir:          of the front end that shows a session it hears of as a directory
 * @room:         the hand-over formats', to write the files to
 */
struct luo_session {
	struct kref ref;
	char name[LIVEUPDATE_SESSION_NAME_LENGTH];
	struct luo_session_list *sessions;
	struct rb_node name_node;
	struct list_head list;
	struct mutex lock;	/* see above */
	struct rb_root files;
	struct list_head file_list;
	u64 nr_files;
	u64 nr_retrieved;
	bool finishing;
	bool abandoned;
	bool is_held;
	bool is_carried;
	struct luo_owner owner;
	void *dir;
	void *room[LUO_NR_ABIS];
};

/**
 * struct luo_session_list - all sessions of one direction
 * @lock:    protects all below
 * @by_name: the sessions by name
 * @list:    the same in the order of their making
 * @nr:      how many they are
 */
struct luo_session_list {
	struct mutex lock;	/* see above */
	struct rb_root by_name;
	struct list_head list;
	u64 nr;
};

extern struct luo_session_list luo_outgoing;
extern struct luo_session_list luo_incoming;

/* For what the previous kernel preserved: it is not lost for lack of memory to know it by. */
#define LUO_GFP_NOFAIL (GFP_KERNEL | __GFP_NOFAIL)

/* Files of a session, or sessions of a list: in the order of their making */
#define luo_for_each_file(f, s)		list_for_each_entry(f, &(s)->file_list, list)
#define luo_for_each_session(s, l)	list_for_each_entry(s, &(l)->list, list)

/* luo_core.c: boot, reboot, and what state that leaves us in */

enum luo_state {
	LUO_STATE_NORMAL,
	LUO_STATE_UPDATED,
	LUO_STATE_FROZEN,
};

/* What luo_notifier is told; called without a lock of ours, may sleep */
enum luo_event {
	LUO_SESSION_ARRIVED,	/* data: a session that no directory was made for */
	LUO_SESSION_GONE,	/* data: the same, out of its list */
	LUO_STATE_CHANGED,	/* data: NULL */
};

extern struct rw_semaphore luo_freeze_rwsem;
extern struct blocking_notifier_head luo_notifier;

bool luo_is_frozen(void);
enum luo_state luo_get_state(void);
const char *luo_state_name(enum luo_state state);
u64 luo_get_number(void);
void luo_wait_for_incoming(void);
void luo_notify(enum luo_event event, struct luo_session *session);

#define LUO_ERROR_LENGTH	384
void luo_get_last_error(char *buf);
void luo_set_last_error(const struct luo_session *session,
			const struct luo_file *file, const char *what, int err);

/* luo_session.c */

struct luo_session *luo_session_find(const char *name,
				     struct luo_session_list *sessions);
int luo_session_hold(struct luo_session *session);
void luo_session_unhold(struct luo_session *session);
void luo_session_release(struct luo_session *session);
struct luo_session *luo_session_create(const char *name, bool is_held);
void luo_session_remove(struct luo_session *session);
struct luo_session *luo_session_alloc(const char *name,
				      struct luo_session_list *sessions);
int luo_session_arrive(struct luo_session *session);
void luo_session_get(struct luo_session *session);
void luo_session_put(struct luo_session *session);
int luo_session_finish(struct luo_session *session, bool discard);
void luo_session_abandon(struct luo_session *session);
void luo_session_reopen(struct luo_session *session);
int luo_sessions_freeze(void);
int luo_session_reserve_file(struct luo_session *session);
void luo_session_unreserve_file(struct luo_session *session);
int luo_session_commit_file(struct luo_session *session, struct luo_file *lf);
void luo_session_uncommit_file(struct luo_session *session, struct luo_file *lf);

/* luo_owner.c */

void luo_owner_init(struct luo_owner *owner, struct luo_session *session);
void luo_owner_end(struct luo_owner *owner);
int luo_owner_check(struct luo_session *session);
int luo_owner_set(struct luo_session *session, struct pid *pid);
void luo_owner_inherit(struct luo_session *session);
void luo_owner_flush(struct luo_session *session);
void luo_owner_flush_all(void);
bool luo_owner_get(struct luo_session *session, pid_t *nr);
int luo_owner_open_device(void);
void luo_owner_close_device(void);

/* luo_file.c */

struct luo_file *luo_file_find(struct luo_session *session, u64 token);
struct luo_file *luo_file_add(struct luo_session *session, u64 token);
void luo_file_remove(struct luo_file *lf);
void luo_file_put(struct luo_file *lf);
void luo_file_unpreserve(struct luo_file *lf);
int luo_file_add_incoming(struct luo_session *session, u64 token,
			  const char *compatible, u64 data);
int luo_file_preserve(struct luo_file *lf, struct file *file);
int luo_file_convert(struct luo_file *lf);
int luo_file_freeze(struct luo_file *lf);
void luo_file_unfreeze(struct luo_file *lf);
int luo_file_retrieve(struct luo_file *lf, struct file **filep);
void luo_file_mark_retrieved(struct luo_file *lf);
int luo_file_carry(struct luo_file *lf, struct luo_session *to);
int luo_file_begin_finish(struct luo_file *lf, bool discard);
void luo_file_cancel_finish(struct luo_file *lf);
void luo_file_finish(struct luo_file *lf);
int luo_file_get_size(struct luo_file *lf, u64 *size);
void luo_file_get_compatible(struct luo_file *lf,
			     char *buf);
ssize_t luo_handlers_emit(char *page);

/* Protects which handlers, and which FLBs, there are. */
extern struct rw_semaphore luo_handlers_rwsem;
void luo_handler_lock_unused(struct liveupdate_file_handler *fh);

/* luo_flb.c */

int luo_flb_file_preserve(struct liveupdate_file_handler *fh);
void luo_flb_file_unpreserve(struct liveupdate_file_handler *fh);
int luo_flb_file_retrieve(struct liveupdate_file_handler *fh);
int luo_flb_file_begin_finish(struct liveupdate_file_handler *fh, bool discard);
void luo_flb_file_cancel_finish(struct liveupdate_file_handler *fh);
void luo_flb_file_finish(struct liveupdate_file_handler *fh);
bool luo_flb_get_modules(struct liveupdate_file_handler *fh);
void luo_flb_put_modules(struct liveupdate_file_handler *fh);
void luo_flb_unregister_all(struct liveupdate_file_handler *fh);
int luo_flb_add_incoming(const char *compatible, u64 data, u64 count);
u64 luo_flb_write(struct luo_flb_ser *ser);
u64 luo_flb_nr_outgoing(void);

#ifdef CONFIG_LIVEUPDATE_TEST
void liveupdate_test_register(struct liveupdate_file_handler *fh);
#else
static inline void liveupdate_test_register(struct liveupdate_file_handler *fh)
{
}
#endif

/* luo_pidfd.c */

struct pid *luo_pidfd_get_pid(int pidfd);
struct pid *luo_pidfd_get_tgid(int pidfd);
struct file *luo_pidfd_get_file(int pidfd, int fd);

/* luo_text.c: what users read and write, to what the core takes, and back */

/* Room for the escaped form of a session's name, its NUL included */
#define LUO_NAME_TEXT_LENGTH	(4 * (LIVEUPDATE_SESSION_NAME_LENGTH - 1) + 1)

int luo_parse_u64(const char *text, size_t len, u64 *value);
int luo_parse_pidfd(const char *text, size_t len, int *pidfd);
int luo_parse_pair(const char *text, size_t len, int *pidfd, int *fd);
int luo_parse_name(const char *text, char *name);
void luo_format_name(const char *name, char *text);

/**
 * struct luo_abi - a hand-over format
 * @nr:               its place among the formats
 * @compatible:       its name
 * @root:             what KHO is given, while there is room for a session
 * @reserve_sessions: get room to hand over @nr sessions; 0 gives all back.
 *                    -ENOSPC when the format cannot carry so many, -ENOMEM.
 * @reserve_files:    the same for @nr files of a session, whose room is @room
 * @write:            write all outgoing sessions to the room they have; called
 *                    in the reboot path, allocates nothing and cannot fail
 * @reserve_flbs:     the same as @reserve_sessions for file-lifecycle-bound
 *                    objects; there is a session
 * @identify:         what @blob, of @size bytes, calls itself, if it is built as
 *                    this format is; else NULL
 * @read_number:      the number of the hand-over in such a blob of this very
 *                    format; -EINVAL when it has none
 * @read_flbs:        the file-lifecycle-bound objects that are in it; called
 *                    before @read, and early: drivers ask for them
 * @read:             publish the sessions that are in it, and free what was read
 *                    but for @blob; what is broken is reported, left out and left
 *                    reserved
 */
struct luo_abi {
	enum luo_abi_nr nr;
	const char *compatible;
	void *(*root)(size_t *size);
	int (*reserve_sessions)(u64 nr);
	int (*reserve_files)(void **room, u64 nr);
	int (*reserve_flbs)(u64 nr);
	void (*write)(void);
	const char *(*identify)(const void *blob, size_t size);
	int (*read_number)(const void *blob, u64 *number);
	void (*read_flbs)(const void *blob);
	void (*read)(const void *blob);
};

extern const struct luo_abi luo_abi_v1;
extern const struct luo_abi luo_abi_v5;
extern const struct luo_abi *luo_abi;

/* luo_abi.c */

const struct luo_abi *luo_abi_identify(const void *blob, size_t size,
				       const char **name);
ssize_t luo_abi_emit(char *page);
int luo_abi_choose(const char *name);
int luo_abi_reserve_sessions(u64 nr);
int luo_abi_reserve_flbs(u64 nr);
int luo_abi_reserve_files(struct luo_session *session, u64 nr);

/* For formats alone: */
int luo_room_resize(void **room, size_t size);
int luo_flbs_resize(struct luo_flb_header_ser **header, u64 nr);
bool luo_abi_is_string(const char *s, size_t size);
void *luo_abi_take(u64 phys, u64 size);
void luo_abi_free(void *mem);
void luo_abi_read_flbs(u64 phys);
int luo_abi_read_file(struct luo_session *session, const struct luo_file_ser *ser);
int luo_abi_read_session(const struct luo_session_ser *ser,
			 int (*read_files)(struct luo_session *session,
					   const struct luo_file_set_ser *set));

#endif /* _LINUX_LUO_INTERNAL_H */
