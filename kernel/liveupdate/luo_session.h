/* SPDX-License-Identifier: GPL-2.0 */
/* luo_session.c: named sets of files. It calls luo_file.c, luo_owner.c and below. */
#ifndef _LUO_SESSION_H
#define _LUO_SESSION_H

#include <linux/container_of.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/liveupdate.h>
#include <linux/mutex.h>
#include <linux/rbtree.h>
#include <linux/types.h>
#include "luo_file.h"
#include "luo_label.h"
#include "luo_owner.h"

/**
 * struct luo_session - a named set of files
 * @ref:          one of the list it is in, one of each user
 * @name:         NUL-terminated, 1 to 63 bytes of any kind
 * @sessions:     the list it belongs to
 * @name_node:    in @sessions, by name; cleared once it was taken out
 * @list:         in @sessions, in the order of their making
 * @files:        its files
 * @owner:        its owner
 * @dir:          of the front end that shows a session it hears of as a directory
 */
struct luo_session {
	struct kref ref;
	char name[LIVEUPDATE_SESSION_NAME_LENGTH];
	struct luo_session_list *sessions;
	struct rb_node name_node;
	struct list_head list;
	struct luo_file_set files;
	struct luo_owner owner;
	void *dir;
};

/* The session of a file */
static inline struct luo_session *luo_session_of(const struct luo_file *lf)
{
	return container_of(lf->set, struct luo_session, files);
}

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

/* Sessions of a list, in the order of their making */
#define luo_for_each_session(s, sessions)	list_for_each_entry(s, &(sessions)->list, list)

struct luo_session *luo_session_find(const char *name,
				     struct luo_session_list *sessions);
void luo_session_release(struct luo_session *session);
struct luo_session *luo_session_create(const char *name, bool is_fd);
int luo_session_remove(struct luo_session *session, bool killable);
struct luo_session *luo_session_alloc(const char *name);
int luo_session_arrive(struct luo_session *session);
void luo_session_get(struct luo_session *session);
void luo_session_put(struct luo_session *session);
int luo_session_finish(struct luo_session *session, bool discard);
bool luo_sessions_exist(void);
int luo_sessions_prepare(void);
void luo_sessions_unprepare(void);
int luo_session_prepare(struct luo_session *session);
int luo_sessions_freeze(void);
void luo_sessions_freeze_or_drop(void);
void luo_sessions_tell_stalled(void);
int luo_session_label(struct luo_session *session, const char *text, size_t len);
void luo_sessions_tell_labels(void);
void luo_sessions_restore_label(const struct luo_label_ser *ser);

#endif /* _LUO_SESSION_H */
