/* SPDX-License-Identifier: GPL-2.0 */
/*
 * luo_configfs_dirs.c: directories of configfs, and the worker that makes and removes those
 * that are ours. luo_configfs.c, which has the attributes, calls it.
 */
#ifndef _LUO_CONFIGFS_DIRS_H
#define _LUO_CONFIGFS_DIRS_H

#include <linux/configfs.h>
#include <linux/list.h>
#include <linux/types.h>

struct luo_file;
struct luo_session;

/*
 * A token's directory, outgoing or incoming. It has a reference on the session, too, as
 * the file has none: another subsystem's symlink may hold the directory for longer.
 */
struct luo_file_dir {
	struct config_group group;
	struct luo_file *file;
	struct luo_session *session;
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

/**
 * struct luo_dirs - where directories that are ours are made, and of which types
 * @sessions:         parent of those for sessions of the device's
 * @incoming:         parent of those for incoming sessions
 * @held_session:     type of a session of the device's
 * @incoming_session: type of an incoming session
 * @incoming_file:    type of a token in it
 */
struct luo_dirs {
	struct config_group *sessions;
	struct config_group *incoming;
	const struct config_item_type *held_session;
	const struct config_item_type *incoming_session;
	const struct config_item_type *incoming_file;
};

struct luo_file_dir *luo_file_dir_new(struct luo_session *session);
void luo_file_dir_free(struct luo_file_dir *dir);
int luo_dir_init(struct config_group *group, const char *name,
		 const struct config_item_type *type);

int luo_dirs_start(const struct luo_dirs *dirs);
int luo_dirs_wait(void);

#endif /* _LUO_CONFIGFS_DIRS_H */
