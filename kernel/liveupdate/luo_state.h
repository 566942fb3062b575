/* SPDX-License-Identifier: GPL-2.0 */
/* luo_state.c: what all of live update goes by. It calls luo_text.c alone. */
#ifndef _LUO_STATE_H
#define _LUO_STATE_H

#include <linux/atomic.h>
#include <linux/cleanup.h>
#include <linux/gfp_types.h>
#include <linux/liveupdate.h>
#include <linux/lockdep_types.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>

/**
 * DOC: Locks of live update
 *
 * Outermost first. Under a lock may be taken those that are further down, where a
 * function needs them, and no other. Handlers are called under ``luo_file.lock``, those of
 * FLBs under ``luo_flb_state.lock``, both in an operation or with the gate closed, and may
 * take locks of their own and wait, killably. Front ends call the core with locks of theirs
 * held: configfs its ``frag_sem``, and ``su_mutex`` while a directory is made.
 *
 * ``luo_owner.setting``
 *   One task at a time makes another process an owner, for which it waits for acts.
 *
 * ``luo_gate``
 *   Keeps operations, which change what is handed over or take from what was, apart from
 *   the reboot path and from a change of the format. Both take it as a semaphore to lockdep.
 *
 * ``luo_file_set.retrieve_lock``
 *   One file of a session is retrieved at a time, with those that it asks for.
 *
 * ``luo_file.lock``
 *   The life of a file. That of another file is taken under it in two cases: of a file that
 *   a file asks for while it is retrieved, and of the copy that a file is carried on as.
 *
 * ``luo_flb_state.lock``
 *   The life of an FLB in one direction.
 *
 * ``luo_flb_records_lock``
 *   Which FLBs are handed over, and were.
 *
 * ``luo_session_list.lock``
 *   Which sessions there are in one direction.
 *
 * ``luo_file_set.lock``
 *   Files of a session: tokens, list, counts, buffers, state.
 *
 * ``luo_abi_lock``
 *   The root that KHO has of the hand-over, and the room for sessions and FLBs. KHO's own
 *   locks are taken under it, and under ``luo_file_set.lock`` for files.
 *
 * ``luo_lost_lock``
 *   The room to tell what the reboot leaves behind. KHO's own locks are taken under it.
 *
 * ``luo_label_lock``
 *   All labels, and the room to serialize them. KHO's own locks are taken under it.
 *
 * ``luo_handlers_rwsem``
 *   Which handlers and FLBs there are, and the links between them. can_preserve() is called
 *   under it.
 *
 * ``luo_ids_lock``
 *   Which files are preserved, or retrieved and not finished. ``luo_error_lock`` is taken
 *   under it.
 *
 * ``luo_owner_lock``
 *   Who owns what, and which acts are under way. Locks of wait queues and workqueues are
 *   taken under it.
 *
 * ``luo_error_lock``, ``luo_changes_lock``
 *   The last errors, and the changes that are still to be told. Spinlocks, under which
 *   only a workqueue's locks are taken.
 */

void luo_disable(void);
void luo_set_number(u64 number);
u64 luo_get_number(void);

/* For what the previous kernel preserved: it is not lost for lack of memory to know it by. */
#define LUO_GFP_NOFAIL (GFP_KERNEL | __GFP_NOFAIL)

/**
 * struct luo_gate - keeps operations and the reboot path apart
 * @lock:    protects all below but @waits and @closing
 * @nr_ops:  number of operations that are under way
 * @waits:   number of them that wait, maybe for a user, and change nothing meanwhile
 * @closed:  none begins
 * @passed:  nor does one that waits go on
 * @frozen:  nor ever will again; may be read without the lock
 * @wait:    for the last to end, and for being able to begin, and to go on
 * @closing: held by who has it closed
 * @closer:  who that is, for that task itself
 * @undo:    set while all is prepared for the reboot: undoes that, before an operation begins;
 *           protected by @closing, may be read without
 * @dep_map: as of a semaphore that operations hold for reading, and who has it
 *           closed for writing
 */
struct luo_gate {
	spinlock_t lock;	/* see above */
	unsigned int nr_ops;
	atomic_t waits;
	bool closed;
	bool passed;
	bool frozen;
	wait_queue_head_t wait;
	struct mutex closing;	/* see above */
	struct task_struct *closer;
	void (*undo)(void);
#ifdef CONFIG_DEBUG_LOCK_ALLOC
	struct lockdep_map dep_map;
#endif
};

extern struct luo_gate luo_gate;

int luo_op_begin(bool killable);
void luo_op_end(void);
int luo_gate_close(unsigned long deadline, bool killable);
int luo_gate_pass(void);
void luo_gate_open(bool frozen);
void luo_gate_set_undo(void (*undo)(void));
void luo_gate_undo(void);
bool luo_gate_can_undo(void);
bool luo_is_frozen(void);
int luo_set_freeze_timeout(const char *text);
unsigned int luo_get_freeze_timeout(void);
unsigned long luo_freeze_deadline(void);

/* An operation, to the end of the scope, if the variable is 0; else it is the errno. */
#define LUO_KILLABLE	true
#define LUO_MUST	false
DEFINE_CLASS(luo_op, int, if (!_T) luo_op_end(), luo_op_begin(killable), bool killable)

/**
 * enum luo_prepared - was what can fail of the reboot tried?
 * @LUO_PREPARED_NONE:  no, or it failed
 * @LUO_PREPARED_READY: yes, and nothing has changed since
 * @LUO_PREPARED_STALE: yes, but something has changed since
 */
enum luo_prepared {
	LUO_PREPARED_NONE,
	LUO_PREPARED_READY,
	LUO_PREPARED_STALE,
};

/* What luo_notifier is told; called without a lock of ours, may sleep */
enum luo_event {
	LUO_SESSION_ARRIVED,	/* data: a session that no directory was made for */
	LUO_SESSION_GONE,	/* data: the same, out of its list */
	LUO_STATE_CHANGED,	/* data: NULL */
	LUO_CHANGED,		/* data: a struct luo_changes */
};

/**
 * struct luo_change - what happened to a session, or to a file of it
 * @session:  its name
 * @what:     a word for users
 * @token:    of the file
 * @has_file: it is about a file
 */
struct luo_change {
	char session[LIVEUPDATE_SESSION_NAME_LENGTH];
	const char *what;
	u64 token;
	bool has_file;
};

#define LUO_MAX_CHANGES	100

/**
 * struct luo_changes - what happened since that was told last
 * @change: the first of it
 * @nr:     how many these are
 * @missed: how many there were besides
 */
struct luo_changes {
	struct luo_change change[LUO_MAX_CHANGES];
	unsigned int nr;
	unsigned long missed;
};

extern struct blocking_notifier_head luo_notifier;
void luo_notify(enum luo_event event, void *session);
void luo_note_change(const char *session, const u64 *token, const char *what);

/**
 * struct luo_error - what failed last, protected by luo_error_lock
 * @name:      of the session that it failed for, which does not change
 * @nr:        how many errors there were
 * @err:       negative errno; 0 when none is left that has not succeeded since
 * @what:      what failed
 * @token:     of the file that it failed for
 * @has_token: it failed for a file
 */
struct luo_error {
	const char *name;
	u64 nr;
	int err;
	bool has_token;
	const char *what;
	u64 token;
};

#define LUO_ERRNAME_LENGTH	16
const char *luo_errname(int err, char buf[LUO_ERRNAME_LENGTH]);
void luo_set_last_error(struct luo_error *of, const u64 *token, const char *what, int err);
void luo_set_named_error(const char *name, const char *what, int err);
void luo_set_user_error(const char *name, const u64 *token, const char *what, int err);
void luo_clear_last_error(struct luo_error *of, const u64 *token, const char *what);
void luo_clear_named_error(const char *name, const char *what);
ssize_t luo_emit_last_error(const struct luo_error *of, char *page);

#endif /* _LUO_STATE_H */
