/* SPDX-License-Identifier: GPL-2.0 */
/* luo_file.c: files, and sets of them. It calls luo_flb.c and below. */
#ifndef _LUO_FILE_H
#define _LUO_FILE_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/liveupdate.h>
#include <linux/mutex.h>
#include <linux/rbtree.h>
#include <linux/types.h>
#include "luo_format.h"
#include "luo_state.h"

/* States of a set of files */
enum luo_set_state {
	LUO_SET_OPEN,
	LUO_SET_ABANDONED,	/* outgoing: the owner died, nothing can be preserved */
	LUO_SET_FINISHING,	/* incoming: nothing can be retrieved */
	LUO_SET_FINISHED,	/* incoming */
};

/**
 * struct luo_file_set - files that are handed over, and finished, as one
 * @retrieve_lock: held by the task that retrieves a file of it, which may ask for others
 * @lock:          protects all below
 * @state:         written under @lock, may be read without
 * @tokens:        its files by token, the empty ones among them
 * @list:          those that are not empty, in the order of their preservation
 * @nr:            number of files in @list, with those that are about to be
 * @nr_retrieved:  number of them that were retrieved
 * @bytes:         the size of those in @list, in an outgoing set
 * @limit:         how large @bytes may become; may be read without @lock
 * @changes:       how often it changed what would be handed over of it, from 1
 * @prepared:      @changes when it was prepared, 0 when it was not
 * @is_incoming:   the previous kernel preserved them; does not change
 * @carries:       the incoming set that this outgoing one is a copy of, for the
 *                 hand-over alone; NULL for all others
 * @buffer:        where each hand-over format serializes the files to
 * @error:         what failed last
 * @label:         the session's, see luo_label_set()
 */
struct luo_file_set {
	struct mutex retrieve_lock;	/* see above */
	struct mutex lock;		/* see above */
	enum luo_set_state state;
	struct rb_root tokens;
	struct list_head list;
	u64 nr;
	u64 nr_retrieved;
	u64 bytes;
	u64 limit;
	u64 changes;
	u64 prepared;
	bool is_incoming;
	const struct luo_file_set *carries;
	void *buffer[LUO_NR_ABIS];
	struct luo_error error;
	char *label;
};

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
 * struct luo_file - a token in a session, and the file under it
 * @ref:        one of the set's, one of each user
 * @set:        the set, which outlives it
 * @token:      the user's name for the file
 * @token_node: in @set's tokens
 * @list:       in @set's list, unless it is empty
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
 * @size:       bytes that it counts for in its set's @limit, under the set's @lock
 * @lost:       why the reboot leaves it behind, 0 unless it does; with the gate closed
 * @label:      see luo_label_set()
 * @called:     its handler is called in an operation, and may wait for a user
 * @retrieving: its handler is called to retrieve it; under the set's @retrieve_lock
 */
struct luo_file {
	struct kref ref;
	struct luo_file_set *set;
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
	int lost;
	u64 size;
	char *label;
	bool called;
	bool retrieving;
};

/* Files of a set, in the order in which they were preserved */
#define luo_for_each_file(f, set)	list_for_each_entry(f, &(set)->list, list)

void luo_file_set_init(struct luo_file_set *set, const char *name, bool is_incoming);
void luo_file_set_destroy(struct luo_file_set *set);
void luo_file_set_arrive(struct luo_file_set *set);
void luo_file_set_tell_labels(struct luo_file_set *set);
void luo_file_set_limit(struct luo_file_set *set, u64 limit);
void luo_file_set_unpreserve(struct luo_file_set *set);
void luo_file_set_abandon(struct luo_file_set *set);
void luo_file_set_reopen(struct luo_file_set *set);
int luo_file_set_convert(struct luo_file_set *set, bool must);
int luo_file_set_check(struct luo_file_set *set);
int luo_file_set_prepare(struct luo_file_set *set);
void luo_file_set_unprepare(struct luo_file_set *set);
enum luo_prepared luo_file_set_prepared(struct luo_file_set *set);
int luo_file_set_freeze(struct luo_file_set *set);
void luo_file_set_unfreeze(struct luo_file_set *set);
bool luo_file_set_freeze_or_lose(struct luo_file_set *set, struct list_head *lost);
void luo_files_drop(struct list_head *lost);
void luo_file_set_pass(struct luo_file_set *set);
int luo_file_set_carry(struct luo_file_set *set, struct luo_file_set *to, bool drop);
void luo_file_set_lose(struct luo_file_set *set, int err);
int luo_file_set_finish(struct luo_file_set *set, bool discard);
bool luo_file_set_stalled(struct luo_file_set *set);

u64 luo_files_nr_outgoing(void);
struct luo_file *luo_file_find(struct luo_file_set *set, u64 token);
struct luo_file *luo_file_add(struct luo_file_set *set, u64 token);
int luo_file_label(struct luo_file *lf, const char *text, size_t len);
struct luo_file *luo_file_add_preserved(struct luo_file_set *set, u64 token, struct file *file);
int luo_file_add_incoming(struct luo_file_set *set, u64 token, const char *compatible, u64 data);
int luo_file_remove(struct luo_file *lf, bool killable);
void luo_file_get(struct luo_file *lf);
void luo_file_put(struct luo_file *lf);
int luo_file_preserve(struct luo_file *lf, struct file *file);
int luo_file_retrieve(struct luo_file *lf, struct file **filep);
void luo_file_mark_retrieved(struct luo_file *lf);
int luo_file_get_size(struct luo_file *lf, u64 *size);
int luo_file_get_compatible(struct luo_file *lf, char *buf);

#endif /* _LUO_FILE_H */
