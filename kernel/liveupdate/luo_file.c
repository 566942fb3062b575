// SPDX-License-Identifier: GPL-2.0
/*
 * Files: what is preserved under a token, from preserve until the next kernel
 * finishes it; and sets of files, which are handed over and finished as one.
 *
 * struct luo_file_set is embedded in a session. A file is in its set's tree of tokens
 * from luo_file_add() on, and in its list while it is not empty.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kexec_handover.h>
#include <linux/limits.h>
#include <linux/rbtree.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "luo_abi.h"
#include "luo_file.h"
#include "luo_flb.h"
#include "luo_handler.h"
#include "luo_label.h"
#include "luo_lost.h"
#include "luo_op.h"
#include "luo_state.h"

/*
 * The files in our hands, preserved or retrieved, by what identifies their
 * content: none may be there twice, in whatever sessions.
 */
static DEFINE_MUTEX(luo_ids_lock);
static struct rb_root luo_ids = RB_ROOT;

/* What "last_error" says of a file that has a token already */
#define LUO_PRESERVED_AS	"already preserved as"

/* Files that would be handed over now, those of incoming sessions among them */
static atomic64_t luo_nr_files;

static int luo_id_cmp(struct rb_node *a, const struct rb_node *b)
{
	unsigned long x = rb_entry(a, struct luo_file, id_node)->id;
	unsigned long y = rb_entry(b, struct luo_file, id_node)->id;

	return x < y ? -1 : x > y;
}

static int luo_id_key_cmp(const void *id, const struct rb_node *node)
{
	unsigned long x = *(const unsigned long *)id;
	unsigned long y = rb_entry(node, struct luo_file, id_node)->id;

	return x < y ? -1 : x > y;
}

static unsigned long luo_id_of(struct liveupdate_file_handler *fh, struct file *file)
{
	return fh->ops->get_id ? fh->ops->get_id(file) : (unsigned long)file;
}

/* Claim the content of lf->file. Returns 0, or -EBUSY when it is claimed. */
static int luo_id_claim(struct luo_file *lf)
{
	const struct luo_file *other;
	struct rb_node *node;

	lf->id = luo_id_of(lf->fh, lf->file);
	guard(mutex)(&luo_ids_lock);
	node = rb_find_add(&lf->id_node, &luo_ids, luo_id_cmp);
	if (!node)
		return 0;
	RB_CLEAR_NODE(&lf->id_node);
	/* The user finds it by its name only: no other list tells which file is which. */
	other = rb_entry(node, struct luo_file, id_node);
	luo_set_user_error(other->set->error.name, &other->token, LUO_PRESERVED_AS, -EBUSY);
	return -EBUSY;
}

static void luo_id_release(struct luo_file *lf)
{
	guard(mutex)(&luo_ids_lock);
	/* One that is carried on has left the claim to the incoming one. */
	if (RB_EMPTY_NODE(&lf->id_node))
		return;
	rb_erase(&lf->id_node, &luo_ids);
	RB_CLEAR_NODE(&lf->id_node);
	luo_clear_last_error(&lf->set->error, &lf->token, LUO_PRESERVED_AS);
}

/* Let the handler, with its module, and the file go. */
static void luo_file_release(struct luo_file *lf)
{
	lockdep_assert_held(&lf->lock);
	if (lf->file)
		fput(lf->file);
	lf->file = NULL;
	if (lf->fh)
		luo_handler_put(lf->fh);
	lf->fh = NULL;
}

/*
 * Call a handler, which may wait for a user as long as that likes: the reboot path may
 * pass the operation by meanwhile, and leave the file behind.
 */
static void luo_file_call_begin(struct luo_file *lf)
{
	lf->called = true;
	luo_op_wait_begin();
}

static void luo_file_call_end(struct luo_file *lf)
{
	luo_op_wait_end();
	lf->called = false;
}

static struct liveupdate_file_op_args luo_file_args(struct luo_file *lf)
{
	lockdep_assert(lockdep_is_held(&lf->lock) ||
		       lockdep_is_held_type(&luo_gate, 0));

	return (struct liveupdate_file_op_args) {
		.handler = lf->fh,
		.session = (struct liveupdate_session *)lf->set,
		.retrieve_status = lf->state == LUO_FILE_FAILED ? lf->err :
				   lf->set->is_incoming && lf->file,
		.file = lf->file,
		.serialized_data = lf->data,
		.private_data = lf->private,
	};
}

static int luo_token_cmp(struct rb_node *a, const struct rb_node *b)
{
	u64 x = rb_entry(a, struct luo_file, token_node)->token;
	u64 y = rb_entry(b, struct luo_file, token_node)->token;

	return x < y ? -1 : x > y;
}

static struct luo_file *luo_file_new(struct luo_file_set *set, u64 token)
{
	gfp_t gfp = GFP_KHO;
	struct luo_file *lf;

	/* Whoever calls reboot(2) is charged nothing. */
	if (set->is_incoming)
		gfp = LUO_GFP_NOFAIL;
	else if (!set->carries)
		gfp |= __GFP_ACCOUNT;
	lf = kzalloc_obj(*lf, gfp);
	if (!lf)
		return ERR_PTR(-ENOMEM);

	kref_init(&lf->ref);
	lf->set = set;
	lf->token = token;
	RB_CLEAR_NODE(&lf->id_node);
	INIT_LIST_HEAD(&lf->list);
	mutex_init(&lf->lock);

	guard(mutex)(&set->lock);
	if (set->state == LUO_SET_ABANDONED) {
		luo_file_put(lf);
		return ERR_PTR(-ESRCH);
	}
	if (rb_find_add(&lf->token_node, &set->tokens, luo_token_cmp)) {
		luo_file_put(lf);
		return ERR_PTR(-EEXIST);
	}
	return lf;
}

static void luo_file_free(struct kref *ref)
{
	struct luo_file *lf = container_of(ref, struct luo_file, ref);

	if (lf->label)
		luo_label_set(&lf->label, NULL, 0);
	mutex_destroy(&lf->lock);
	kfree(lf);
}

/**
 * luo_file_get() - take a reference
 * @lf: the file
 */
void luo_file_get(struct luo_file *lf)
{
	kref_get(&lf->ref);
}

/**
 * luo_file_put() - drop a reference
 * @lf: the file
 */
void luo_file_put(struct luo_file *lf)
{
	kref_put(&lf->ref, luo_file_free);
}

static int luo_token_key_cmp(const void *token, const struct rb_node *node)
{
	u64 x = *(const u64 *)token;
	u64 y = rb_entry(node, struct luo_file, token_node)->token;

	return x < y ? -1 : x > y;
}

/**
 * luo_file_find() - find a file by its token
 * @set:   the set that it is looked for in
 * @token: the token
 *
 * Return: the file, with a reference, or NULL.
 */
struct luo_file *luo_file_find(struct luo_file_set *set, u64 token)
{
	struct luo_file *lf;
	struct rb_node *node;

	guard(mutex)(&set->lock);
	node = rb_find(&token, &set->tokens, luo_token_key_cmp);
	if (!node)
		return NULL;
	lf = rb_entry(node, struct luo_file, token_node);
	kref_get(&lf->ref);
	return lf;
}

/**
 * luo_file_add() - make an empty token in an outgoing session
 * @set:   the outgoing session's set
 * @token: the token
 *
 * Context: process context.
 * Return: the file, which lives until luo_file_remove(); or
 * * -EBUSY: the reboot is under way
 * * -EINTR: the caller is being killed
 * * -EEXIST: the token is taken
 * * -ESRCH: the session's owner died
 * * -ENOMEM
 */
struct luo_file *luo_file_add(struct luo_file_set *set, u64 token)
{
	CLASS(luo_op, busy)(LUO_KILLABLE);
	if (busy)
		return ERR_PTR(busy);
	return luo_file_new(set, token);
}

/**
 * luo_file_label() - set, change or remove the label of a token
 * @lf:   the file of an outgoing session
 * @text: the label, which luo_label_check() takes
 * @len:  its length, 0 to remove the label
 *
 * Context: process context.
 * Return: 0; or, and then nothing was changed:
 * * -EBUSY: the reboot is under way
 * * -EINTR: the caller is being killed
 * * -ENOMEM
 */
int luo_file_label(struct luo_file *lf, const char *text, size_t len)
{
	int err;

	CLASS(luo_op, busy)(LUO_KILLABLE);
	if (busy)
		return busy;
	err = luo_label_set(&lf->label, text, len);
	/* A token that is given up may outlive its set. */
	if (!err && !RB_EMPTY_NODE(&lf->token_node))
		luo_note_change(lf->set->error.name, &lf->token, "label");
	return err;
}

/**
 * luo_file_set_tell_labels() - serialize the labels of a set and its files
 * @set: the set of a session
 *
 * Context: the reboot path, the gate closed, between luo_label_begin() and
 *          luo_label_serialize().
 */
void luo_file_set_tell_labels(struct luo_file_set *set)
{
	struct luo_file *lf;

	lockdep_assert_held_write(&luo_gate);
	luo_label_tell(set->error.name, NULL, set->label);
	luo_for_each_file(lf, set)
		luo_label_tell(set->error.name, &lf->token, lf->label);
}

/**
 * luo_file_add_incoming() - add what the previous kernel preserved
 * @set:        the set of an incoming session that was not published yet
 * @token:      the token it was preserved under
 * @compatible: its handler's compatible string, which need not be known here
 * @data:       its handler's handle
 *
 * Return: 0, or -EEXIST when the token is taken.
 */
int luo_file_add_incoming(struct luo_file_set *set, u64 token, const char *compatible, u64 data)
{
	struct luo_file *lf = luo_file_new(set, token);

	if (IS_ERR(lf))
		return PTR_ERR(lf);

	strscpy(lf->compatible, compatible);
	lf->data = data;
	lf->state = LUO_FILE_PRESERVED;
	list_add_tail(&lf->list, &set->list);
	set->nr++;
	return 0;
}

static u64 luo_file_size(struct luo_file *lf)
{
	if (!lf->file)
		return 0;
	return lf->fh && lf->fh->ops->file_size ? lf->fh->ops->file_size(lf->file) :
						  i_size_read(file_inode(lf->file));
}

/* Count the file with a size, 0 when it is not preserved. Fails with -EDQUOT. */
static int luo_file_charge(struct luo_file *lf, u64 size)
{
	struct luo_file_set *set = lf->set;
	u64 bytes = set->bytes - lf->size;

	lockdep_assert_held(&set->lock);
	if (size > lf->size && (bytes > set->limit || size > set->limit - bytes))
		return -EDQUOT;
	set->bytes = bytes + size;
	lf->size = size;
	return 0;
}

/*
 * Have room to hand one more file over, or to tell that it is lost. Fails with -EDQUOT when
 * it is larger than what the set may preserve besides, and as luo_abi_reserve_files() does.
 */
static int luo_file_reserve(struct luo_file *lf)
{
	struct luo_file_set *set = lf->set;
	int err;

	guard(mutex)(&set->lock);
	err = luo_file_charge(lf, luo_file_size(lf));
	if (err)
		return err;
	err = luo_abi_reserve_files(set->buffer, set->nr + 1);
	if (err)
		goto err_charge;
	/* A copy has the room of what it is one of. */
	if (!set->carries) {
		err = luo_lost_reserve();
		if (err)
			goto err_abi;
	}
	set->nr++;
	return 0;

err_abi:
	/* Less room than there was can always be had. */
	luo_abi_reserve_files(set->buffer, set->nr);
err_charge:
	luo_file_charge(lf, 0);
	return err;
}

static void luo_file_unreserve(struct luo_file *lf)
{
	struct luo_file_set *set = lf->set;

	guard(mutex)(&set->lock);
	luo_file_charge(lf, 0);
	/* Less room than there was can always be had. */
	luo_abi_reserve_files(set->buffer, --set->nr);
	if (!set->carries)
		luo_lost_unreserve(1);
}

/*
 * Have a preserved file, whose size does not change any more, handed over. Fails with
 * -EDQUOT when it has grown too large, and with -ESRCH when the owner died meanwhile.
 */
static int luo_file_link(struct luo_file *lf)
{
	struct luo_file_set *set = lf->set;
	int err;

	guard(mutex)(&set->lock);
	if (set->state == LUO_SET_ABANDONED)
		return -ESRCH;
	err = luo_file_charge(lf, luo_file_size(lf));
	if (err)
		return err;
	list_add_tail(&lf->list, &set->list);
	set->changes++;
	if (!set->carries)
		atomic64_inc(&luo_nr_files);
	return 0;
}

static void luo_file_unlink(struct luo_file *lf)
{
	struct luo_file_set *set = lf->set;

	guard(mutex)(&set->lock);
	list_del_init(&lf->list);
	set->changes++;
	if (!set->carries)
		atomic64_dec(&luo_nr_files);
}

/* Undo what the handler did to have the file handed over. */
static void luo_file_unsave(struct luo_file *lf)
{
	struct liveupdate_file_op_args args = luo_file_args(lf);

	luo_file_call_begin(lf);
	if (lf->file)
		lf->fh->ops->unpreserve(&args);
	else
		lf->fh->ops->uncarry(&args);
	luo_file_call_end(lf);
}

/* Undo all that luo_file_preserve() did before it let the file be seen. */
static void luo_file_rollback(struct luo_file *lf)
{
	luo_file_unsave(lf);
	luo_flb_file_unpreserve(lf->fh);
	luo_file_unreserve(lf);
	luo_id_release(lf);
	luo_file_release(lf);
	lf->private = NULL;
}

/* Undo luo_file_preserve(). Returns false for an empty token, which is left as it is. */
static bool luo_file_unpreserve(struct luo_file *lf)
{
	lockdep_assert_held(&luo_gate);
	guard(luo_op_mutex)(&lf->lock);
	if (lf->state != LUO_FILE_PRESERVED)
		return false;
	luo_file_unlink(lf);
	luo_file_rollback(lf);
	lf->compatible[0] = '\0';
	WRITE_ONCE(lf->state, LUO_FILE_EMPTY);
	return true;
}

/* Remove a file, which nobody else does, in an operation. */
static void luo_file_do_remove(struct luo_file *lf)
{
	if (luo_file_unpreserve(lf))
		luo_note_change(lf->set->error.name, &lf->token, "unpreserve");
	scoped_guard(mutex, &lf->set->lock) {
		rb_erase(&lf->token_node, &lf->set->tokens);
		RB_CLEAR_NODE(&lf->token_node);
	}
	luo_file_put(lf);
}

/**
 * luo_file_remove() - unpreserve a file, and give its token up
 * @lf:       the file of an outgoing session
 * @killable: it need not be done when the caller is being killed
 *
 * Once it was removed this does nothing. The session's reference goes.
 *
 * Context: process context; takes as long as the handler takes for the file.
 * Return: 0; or, and then it is as it was:
 * * -EBUSY: the reboot is under way
 * * -EINTR: the caller is being killed
 */
int luo_file_remove(struct luo_file *lf, bool killable)
{
	/* Nobody else removes it; and when it was removed the set may be gone. */
	if (RB_EMPTY_NODE(&lf->token_node))
		return 0;
	CLASS(luo_op, busy)(killable);
	if (busy)
		return busy;

	luo_file_do_remove(lf);
	return 0;
}

/*
 * Have a handler preserve a file. One that is carried on is claimed already; without
 * a file the handler has carried it, and undoes that when this fails.
 */
static int luo_file_preserve_by(struct luo_file *lf, struct liveupdate_file_handler *fh,
				struct file *file, bool is_carried)
{
	struct liveupdate_file_op_args args;
	int err;

	lf->fh = fh;
	lf->file = file ? get_file(file) : NULL;

	err = is_carried ? 0 : luo_id_claim(lf);
	if (err)
		goto err_release;

	err = luo_file_reserve(lf);
	if (err)
		goto err_unclaim;

	err = luo_flb_file_preserve(fh);
	if (err)
		goto err_unreserve;

	if (file) {
		args = luo_file_args(lf);
		luo_file_call_begin(lf);
		err = fh->ops->preserve(&args);
		luo_file_call_end(lf);
		if (err)
			goto err_flb;
		lf->data = args.serialized_data;
		lf->private = args.private_data;
	}
	err = luo_file_link(lf);
	if (err) {
		luo_file_rollback(lf);
		return err;
	}
	strscpy(lf->compatible, fh->compatible);
	WRITE_ONCE(lf->state, LUO_FILE_PRESERVED);
	return 0;

err_flb:
	luo_flb_file_unpreserve(fh);
err_unreserve:
	luo_file_unreserve(lf);
err_unclaim:
	luo_id_release(lf);
err_release:
	if (!file)
		luo_file_unsave(lf);
	luo_file_release(lf);
	return err;
}

/* Preserve a file, in an operation. */
static int luo_file_do_preserve(struct luo_file *lf, struct file *file)
{
	struct liveupdate_file_handler *fh;
	int err;

	lockdep_assert_held(&luo_gate);
	ACQUIRE(luo_op_mutex_kill, lock)(&lf->lock);
	err = ACQUIRE_ERR(luo_op_mutex_kill, &lock);
	if (err)
		return err;
	if (lf->state != LUO_FILE_EMPTY)
		return -EBUSY;

	fh = luo_handler_get_for_file(file);
	if (!fh)
		return -ENOENT;
	err = luo_file_preserve_by(lf, fh, file, false);
	if (!err)
		luo_note_change(lf->set->error.name, &lf->token, "preserve");
	return err;
}

/**
 * luo_file_preserve() - preserve a file under a token
 * @lf:   the empty token
 * @file: the file; a reference of its own is taken
 *
 * Context: process context; takes as long as the handler takes for the file.
 * Return: 0; or, and then nothing was changed:
 * * -EBUSY: the token has a file, or the file is preserved, or was retrieved
 *   and its session not finished; or the reboot is under way
 * * -EINTR: the caller is being killed
 * * -ENOENT: no handler takes a file of this type
 * * -EDQUOT: it is larger than what the session may preserve besides
 * * -ENOSPC: the hand-over format cannot carry more files in a session
 * * -ESRCH: the session's owner died
 * * -ENOMEM
 * * whatever the handler's preserve() says
 */
int luo_file_preserve(struct luo_file *lf, struct file *file)
{
	CLASS(luo_op, busy)(LUO_KILLABLE);
	return busy ?: luo_file_do_preserve(lf, file);
}

/**
 * luo_file_add_preserved() - preserve a file under a new token
 * @set:   the outgoing session's set
 * @token: the token
 * @file:  the file; a reference of its own is taken
 *
 * Context: process context; takes as long as the handler takes for the file.
 * Return: the file, which lives until luo_file_remove(); or what luo_file_add() and
 * luo_file_preserve() say, and then nothing was changed.
 */
struct luo_file *luo_file_add_preserved(struct luo_file_set *set, u64 token, struct file *file)
{
	struct luo_file *lf;
	int err;

	CLASS(luo_op, busy)(LUO_KILLABLE);
	if (busy)
		return ERR_PTR(busy);
	lf = luo_file_new(set, token);
	if (IS_ERR(lf))
		return lf;
	err = luo_file_do_preserve(lf, file);
	if (err) {
		luo_file_do_remove(lf);
		return ERR_PTR(err);
	}
	return lf;
}

static int luo_file_convert_to(struct luo_file *lf, struct liveupdate_file_handler *to)
{
	struct liveupdate_file_op_args args = luo_file_args(lf);
	int err;

	if (lf->fh->ops->convert != to->ops->convert || !to->ops->convert)
		return -EOPNOTSUPP;
	err = luo_flb_file_preserve(to);
	if (err)
		return err;
	err = lf->fh->ops->convert(&args, to);
	if (err) {
		luo_flb_file_unpreserve(to);
		return err;
	}
	luo_flb_file_unpreserve(lf->fh);
	lf->data = args.serialized_data;
	lf->private = args.private_data;
	swap(lf->fh, to);
	strscpy(lf->compatible, lf->fh->compatible);
	luo_handler_put(to);
	return 0;
}

/* Have a file handed over by the handler that takes it in the chosen format. */
static int luo_file_convert(struct luo_file *lf)
{
	struct liveupdate_file_handler *fh;
	int err;

	guard(mutex)(&lf->lock);
	if (lf->state != LUO_FILE_PRESERVED || luo_handler_is_chosen(lf->fh))
		return 0;
	fh = luo_handler_get_for_file(lf->file);
	if (!fh)
		return -ENOENT;
	err = luo_file_convert_to(lf, fh);
	if (err)
		luo_handler_put(fh);
	return err;
}

/**
 * luo_file_set_convert() - have files handed over by those handlers that take them now
 * @set:  the set of an outgoing session
 * @must: stop at the first file that cannot be converted
 *
 * Which one that is, last_error tells.
 *
 * Context: process context, the gate closed.
 * Return: 0; or, for the first file that cannot be and must, which is unchanged then:
 * * -EOPNOTSUPP: its handler cannot leave it to the other one
 * * -ENOENT: no handler takes such a file any more
 * * whatever the handler's convert() says
 */
int luo_file_set_convert(struct luo_file_set *set, bool must)
{
	struct luo_file *lf;
	int err;

	lockdep_assert_held_write(&luo_gate);
	set->changes++;
	luo_for_each_file(lf, set) {
		err = luo_file_convert(lf);
		if (err)
			luo_set_last_error(&set->error, &lf->token, "convert", err);
		if (err && must)
			return err;
	}
	return 0;
}

/* Could the file be frozen now? */
static int luo_file_check(struct luo_file *lf)
{
	struct liveupdate_file_op_args args;
	int err;

	/* One without a file was carried, and is as it was. */
	if (!lf->file || !lf->fh->ops->check)
		return 0;
	args = luo_file_args(lf);
	luo_file_call_begin(lf);
	err = lf->fh->ops->check(&args);
	luo_file_call_end(lf);
	if (err)
		luo_set_last_error(&lf->set->error, &lf->token, "freeze", err);
	return err;
}

/**
 * luo_file_set_check() - could all files be frozen now?
 * @set: the set of an outgoing session
 *
 * Context: process context, the gate closed.
 * Return: 0, or what the check() of a handler says.
 */
int luo_file_set_check(struct luo_file_set *set)
{
	struct luo_file *lf;
	int err;

	lockdep_assert_held_write(&luo_gate);
	luo_for_each_file(lf, set) {
		err = luo_file_check(lf);
		if (err)
			return err;
	}
	return 0;
}

/* The file of the least token, above @after unless that is NULL, with a reference; or NULL */
static struct luo_file *luo_file_next(struct luo_file_set *set, const struct luo_file *after)
{
	struct luo_file *lf = NULL, *other;
	struct rb_node *node;

	guard(mutex)(&set->lock);
	node = set->tokens.rb_node;
	while (node) {
		other = rb_entry(node, struct luo_file, token_node);
		if (after && other->token <= after->token) {
			node = node->rb_right;
		} else {
			lf = other;
			node = node->rb_left;
		}
	}
	if (lf)
		kref_get(&lf->ref);
	return lf;
}

static int luo_file_prepare(struct luo_file *lf)
{
	int err;

	ACQUIRE(luo_op_mutex_kill, lock)(&lf->lock);
	err = ACQUIRE_ERR(luo_op_mutex_kill, &lock);
	if (err)
		return err;
	return lf->state == LUO_FILE_PRESERVED ? luo_file_check(lf) : 0;
}

/**
 * luo_file_set_prepare() - could the files be frozen now? Others go on with them meanwhile.
 * @set: the set of an outgoing session
 *
 * Context: process context, in an operation.
 * Return: 0; or
 * * -EINTR: the caller is being killed
 * * -ESRCH: the session's owner died
 * * what the check() of a handler says
 */
int luo_file_set_prepare(struct luo_file_set *set)
{
	struct luo_file *lf = NULL, *next;
	u64 changes;
	int err = 0;

	scoped_guard(mutex, &set->lock) {
		if (set->state == LUO_SET_ABANDONED)
			return -ESRCH;
		set->prepared = 0;
		changes = set->changes;
	}
	while (!err && (next = luo_file_next(set, lf))) {
		if (lf)
			luo_file_put(lf);
		lf = next;
		err = luo_file_prepare(lf);
		cond_resched();
	}
	if (lf)
		luo_file_put(lf);
	if (err)
		return err;

	guard(mutex)(&set->lock);
	set->prepared = changes;
	return 0;
}

/**
 * luo_file_set_unprepare() - forget luo_file_set_prepare()
 * @set: the set of an outgoing session
 */
void luo_file_set_unprepare(struct luo_file_set *set)
{
	guard(mutex)(&set->lock);
	set->prepared = 0;
}

/**
 * luo_file_set_prepared() - were the files prepared, and are what they were then?
 * @set: the set of an outgoing session
 *
 * Return: that.
 */
enum luo_prepared luo_file_set_prepared(struct luo_file_set *set)
{
	guard(mutex)(&set->lock);
	if (!set->prepared)
		return LUO_PREPARED_NONE;
	return set->prepared == set->changes ? LUO_PREPARED_READY : LUO_PREPARED_STALE;
}

/*
 * Note that a file is not handed over, of which nothing is undone; it is told when that is
 * certain.
 */
static void luo_file_lose(struct luo_file *lf, const char *what, int err)
{
	luo_set_last_error(&lf->set->error, &lf->token, what, err);
	lf->lost = err;
}

static void luo_file_tell_lost(const struct luo_file *lf)
{
	luo_lost_tell(lf->set->error.name, lf->token, lf->compatible, lf->lost);
}

static int luo_file_freeze(struct luo_file *lf)
{
	struct liveupdate_file_op_args args;
	int err;

	/* One without a file was carried, and is as it was. */
	if (!lf->file || !lf->fh->ops->freeze)
		return 0;

	args = luo_file_args(lf);
	err = lf->fh->ops->freeze(&args);
	if (!err)
		lf->data = args.serialized_data;
	return err;
}

static void luo_file_unfreeze(struct luo_file *lf)
{
	struct liveupdate_file_op_args args;

	if (!lf->file || !lf->fh->ops->unfreeze)
		return;

	args = luo_file_args(lf);
	lf->fh->ops->unfreeze(&args);
}

/**
 * luo_file_set_freeze() - let the handlers of all files update what is handed over
 * @set: the set of an outgoing session
 *
 * Context: the reboot path, the gate closed.
 * Return: 0; or, with no file frozen, what the freeze() of a handler says.
 */
int luo_file_set_freeze(struct luo_file_set *set)
{
	struct luo_file *lf;
	int err;

	lockdep_assert_held_write(&luo_gate);
	luo_for_each_file(lf, set) {
		err = luo_file_freeze(lf);
		if (err) {
			luo_set_last_error(&set->error, &lf->token, "freeze", err);
			list_for_each_entry_continue_reverse(lf, &set->list, list)
				luo_file_unfreeze(lf);
			return err;
		}
	}
	return 0;
}

/**
 * luo_file_set_freeze_or_lose() - freeze those files that can be
 * @set:  the set of an outgoing session
 * @lost: gets the others, the last one first
 *
 * Context: the reboot path, the gate closed.
 * Return: true when there were others. Files that depend on them may have been frozen: so
 * these are unfrozen, and it is tried again without.
 */
bool luo_file_set_freeze_or_lose(struct luo_file_set *set, struct list_head *lost)
{
	struct luo_file *lf, *next;
	bool any = false;
	int err;

	lockdep_assert_held_write(&luo_gate);
	list_for_each_entry_safe(lf, next, &set->list, list) {
		err = lf->called ? -EBUSY : luo_file_freeze(lf);
		if (!err)
			continue;
		luo_file_lose(lf, lf->called ? "operation under way" : "freeze", err);
		list_move(&lf->list, lost);
		any = true;
	}
	return any;
}

/**
 * luo_files_drop() - leave files behind for good, and tell it
 * @lost: the files, those first that may depend on others
 *
 * What an operation that was passed by has in hand is left as it is.
 *
 * Context: the reboot path, the gate closed.
 */
void luo_files_drop(struct list_head *lost)
{
	struct luo_file *lf, *next;

	lockdep_assert_held_write(&luo_gate);
	list_for_each_entry_safe(lf, next, lost, list) {
		luo_file_tell_lost(lf);
		if (!lf->called)
			luo_file_unpreserve(lf);
		else
			luo_file_unlink(lf);
	}
}

/**
 * luo_file_set_pass() - leave files behind that operations have in hand that are passed by
 * @set: the set of an outgoing session
 *
 * Files that were about to be preserved are told as lost.
 *
 * Context: the reboot path, the gate closed.
 */
void luo_file_set_pass(struct luo_file_set *set)
{
	struct luo_file *lf;
	struct rb_node *node;

	lockdep_assert_held_write(&luo_gate);
	for (node = rb_first(&set->tokens); node; node = rb_next(node)) {
		lf = rb_entry(node, struct luo_file, token_node);
		if (!lf->called)
			continue;
		/* The operation does not come to that any more. */
		luo_flb_file_unpreserve(lf->fh);
		if (lf->state != LUO_FILE_EMPTY)
			continue;
		strscpy(lf->compatible, lf->fh->compatible);
		luo_file_lose(lf, "operation under way", -EBUSY);
		luo_file_tell_lost(lf);
	}
}

/**
 * luo_file_set_unfreeze() - undo luo_file_set_freeze() that succeeded
 * @set: the set
 *
 * Context: the reboot path, the gate closed.
 */
void luo_file_set_unfreeze(struct luo_file_set *set)
{
	struct luo_file *lf;

	lockdep_assert_held_write(&luo_gate);
	list_for_each_entry_reverse(lf, &set->list, list)
		luo_file_unfreeze(lf);
}

/* Hold the handler of an incoming file; it may have come since last time. */
static int luo_file_hold_handler(struct luo_file *lf)
{
	if (!lf->fh)
		lf->fh = luo_handler_get_by_name(lf->compatible);
	return lf->fh ? 0 : -ENODEV;
}

static int luo_file_try_retrieve(struct luo_file *lf)
{
	struct liveupdate_file_op_args args;
	int err;

	args = luo_file_args(lf);
	lf->retrieving = true;
	luo_file_call_begin(lf);
	err = lf->fh->ops->retrieve(&args);
	luo_file_call_end(lf);
	lf->retrieving = false;
	lf->private = args.private_data;
	if (err)
		return err;

	lf->file = args.file;
	/* A file that was made this moment cannot have been claimed. */
	WARN_ON_ONCE(luo_id_claim(lf));
	return 0;
}

/* Make the file of an incoming token, if that was not done. */
static int luo_file_retrieve_locked(struct luo_file *lf)
{
	int err;

	lockdep_assert_held(&lf->set->retrieve_lock);
	lockdep_assert_held(&lf->lock);
	if (lf->state == LUO_FILE_FINISHED)
		return -ENOENT;
	/* It is so before the set's first file is locked to be finished. */
	if (READ_ONCE(lf->set->state) != LUO_SET_OPEN)
		return -EBUSY;
	if (lf->file)
		return 0;

	err = luo_file_hold_handler(lf);
	if (!err) {
		err = luo_file_try_retrieve(lf);
		if (!err && lf->err)
			luo_clear_last_error(&lf->set->error, &lf->token, "retrieve");
		lf->err = err;
		WRITE_ONCE(lf->state, err ? LUO_FILE_FAILED : LUO_FILE_PRESERVED);
	}
	if (err)
		luo_set_last_error(&lf->set->error, &lf->token, "retrieve", err);
	return err;
}

/* Have what the next user of a file gets, which is there. */
static int luo_file_open(struct luo_file *lf, struct file **filep)
{
	struct liveupdate_file_op_args args;
	struct file *file;

	if (lf->fh->ops->open) {
		args = luo_file_args(lf);
		file = lf->fh->ops->open(&args);
		if (IS_ERR(file))
			return PTR_ERR(file);
	} else {
		file = get_file(lf->file);
	}
	*filep = file;
	return 0;
}

/**
 * luo_file_retrieve() - get a file of an incoming session
 * @lf:    the file
 * @filep: set on success, with a reference for the caller, who calls
 *         luo_file_mark_retrieved() when the user has it
 *
 * The second time gives the same file, unless its handler has another for each user. One
 * that failed can be tried again.
 *
 * Context: process context; takes as long as the handler takes for the file.
 * Return: 0; or, and then nothing was lost:
 * * -EBUSY: the reboot is under way, or the session is being finished
 * * -EINTR: the caller is being killed
 * * -ENODEV: no handler of the file's type is registered, for now
 * * -ENOENT: the session was finished
 * * whatever the handler's retrieve() or open() says
 */
int luo_file_retrieve(struct luo_file *lf, struct file **filep)
{
	int err;

	CLASS(luo_op, busy)(LUO_KILLABLE);
	if (busy)
		return busy;

	ACQUIRE(luo_op_mutex_kill, retrieve)(&lf->set->retrieve_lock);
	err = ACQUIRE_ERR(luo_op_mutex_kill, &retrieve);
	if (err)
		return err;
	ACQUIRE(luo_op_mutex_kill, lock)(&lf->lock);
	err = ACQUIRE_ERR(luo_op_mutex_kill, &lock) ?: luo_file_retrieve_locked(lf);
	return err ?: luo_file_open(lf, filep);
}

/**
 * luo_file_mark_retrieved() - a user has got a file of an incoming session
 * @lf: the file; nothing happens when its session was discarded meanwhile
 *
 * Context: process context.
 */
void luo_file_mark_retrieved(struct luo_file *lf)
{
	scoped_guard(mutex, &lf->lock) {
		if (lf->state != LUO_FILE_PRESERVED)
			return;
		WRITE_ONCE(lf->state, LUO_FILE_RETRIEVED);
		guard(mutex)(&lf->set->lock);
		lf->set->nr_retrieved++;
	}
	liveupdate_phase(LIVEUPDATE_PHASE_RETRIEVED);
	luo_note_change(lf->set->error.name, &lf->token, "retrieve");
}

/* Carry a file that was made, which in the chosen format may be another handler's. */
static int luo_file_carry_retrieved(struct luo_file *lf, struct luo_file *copy)
{
	struct liveupdate_file_handler *fh;
	int err;

	err = luo_flb_file_retrieve(lf->fh);
	if (err)
		return err;
	fh = luo_handler_get_for_file(lf->file) ?: luo_handler_get(lf->fh);
	if (!fh)
		return -ENODEV;
	return luo_file_preserve_by(copy, fh, lf->file, true);
}

/* Carry what was saved of a file. */
static int luo_file_carry_saved(struct luo_file *lf, struct luo_file *copy)
{
	struct liveupdate_file_op_args args = luo_file_args(lf);
	struct liveupdate_file_handler *to;
	int err;

	to = luo_handler_get_to_carry(lf->fh);
	if (!to)
		return -ENODEV;
	err = luo_flb_file_retrieve(lf->fh) ?: lf->fh->ops->carry(&args, to);
	if (err) {
		luo_handler_put(to);
		return err;
	}
	copy->data = args.serialized_data;
	copy->private = args.private_data;
	return luo_file_preserve_by(copy, to, NULL, true);
}

/* Let go of a handler that was only needed for the moment. */
static void luo_file_drop_handler(struct luo_file *lf)
{
	if (lf->state == LUO_FILE_PRESERVED && !lf->file)
		luo_file_release(lf);
}

/* Make a file, if one may, unless its handler can carry it as it came. */
static int luo_file_retrieve_to_carry(struct luo_file *lf, bool may_retrieve)
{
	int err;

	/* An operation that is passed by has its lock. */
	if (lf->called)
		return -EBUSY;
	guard(luo_op_mutex)(&lf->lock);
	if (lf->file)
		return 0;
	err = luo_file_hold_handler(lf);
	if (err)
		return err;
	if (!lf->fh->ops->carry)
		return may_retrieve ? luo_file_retrieve_locked(lf) : -EBUSY;
	luo_file_drop_handler(lf);
	return 0;
}

/* Hand a file on, retrieved or not, as one of another set. */
static int luo_file_carry(struct luo_file *lf, struct luo_file_set *to)
{
	struct luo_file *copy;
	int err;

	lockdep_assert_held_write(&luo_gate);
	copy = luo_file_new(to, lf->token);
	if (IS_ERR(copy))
		return PTR_ERR(copy);

	guard(luo_op_mutex)(&lf->lock);
	guard(luo_op_mutex)(&copy->lock);
	if (lf->file)
		return luo_file_carry_retrieved(lf, copy);
	err = luo_file_hold_handler(lf);
	if (err)
		return err;
	err = luo_file_carry_saved(lf, copy);
	luo_file_drop_handler(lf);
	return err;
}

/**
 * luo_file_set_lose() - leave all files of an incoming session behind
 * @set: its set
 * @err: why
 *
 * Context: the reboot path, the gate closed.
 */
void luo_file_set_lose(struct luo_file_set *set, int err)
{
	struct luo_file *lf;

	luo_for_each_file(lf, set) {
		lf->lost = err;
		luo_file_tell_lost(lf);
	}
}

/*
 * Making a file may make others of the set, and what was saved of a file is gone when the
 * file is made: so all that have to be made are, before the first is carried.
 */
static int luo_file_set_retrieve_to_carry(struct luo_file_set *set, bool drop)
{
	/* An operation that is passed by may have it. */
	bool may_retrieve = mutex_trylock(&set->retrieve_lock);
	struct luo_file *lf;
	int err = 0;

	luo_for_each_file(lf, set) {
		lf->lost = 0;
		err = luo_file_retrieve_to_carry(lf, may_retrieve);
		if (!err)
			continue;
		luo_file_lose(lf, "carry on", err);
		if (!drop)
			break;
	}
	if (may_retrieve)
		mutex_unlock(&set->retrieve_lock);
	return drop ? 0 : err;
}

/**
 * luo_file_set_carry() - hand the files of an incoming session on to the next kernel
 * @set:  the incoming session's set
 * @to:   the set of the outgoing session that is a copy of it
 * @drop: leave those behind that cannot be, and tell it
 *
 * Context: the reboot path, the gate closed.
 * Return: 0; or without @drop, with nothing lost and @to with the files that were carried:
 * * -ENODEV: no handler of a file's type is registered, or none that writes the chosen
 *   format
 * * -ENOMEM
 * * whatever carrying, or preserving a file or an FLB of it says
 */
int luo_file_set_carry(struct luo_file_set *set, struct luo_file_set *to, bool drop)
{
	struct luo_file *lf;
	int err;

	lockdep_assert_held_write(&luo_gate);
	to->carries = set;
	err = luo_file_set_retrieve_to_carry(set, drop);
	if (err)
		return err;
	luo_for_each_file(lf, set) {
		if (!lf->lost) {
			err = luo_file_carry(lf, to);
			if (err)
				luo_file_lose(lf, "carry on", err);
		}
		if (err && !drop)
			return err;
		if (lf->lost)
			luo_file_tell_lost(lf);
	}
	return 0;
}

/**
 * liveupdate_get_file_incoming() - get another file of the session
 * @session: the session, as a callback is given it
 * @token:   the token that the file was preserved under
 * @filep:   set on success, without a reference: it is the session's until that
 *           is finished. Who wants it for longer uses get_file().
 *
 * For a file that is nothing without another. That is made if nobody asked for it
 * yet, and is still to be retrieved by the user.
 *
 * Context: a file's retrieve() only.
 * Return: 0; or
 * * -EDEADLK: the file asks for itself, directly or by way of others
 * * -ENODEV: no handler of the file's type is registered, for now
 * * -ENOENT: there is no such token in the session
 * * whatever its handler's retrieve() says
 */
int liveupdate_get_file_incoming(struct liveupdate_session *session, u64 token,
				 struct file **filep)
{
	struct luo_file *lf = luo_file_find((struct luo_file_set *)session, token);
	int err = -EDEADLK;

	lockdep_assert_held(&luo_gate);
	if (!lf)
		return -ENOENT;

	lockdep_assert_held(&lf->set->retrieve_lock);
	/* The handler that asks does not wait while it does. */
	luo_op_wait_end();
	if (!lf->retrieving) {
		guard(luo_op_mutex)(&lf->lock);
		err = luo_file_retrieve_locked(lf);
		if (!err)
			*filep = lf->file;
	}
	luo_op_wait_begin();
	luo_file_put(lf);
	return err;
}
EXPORT_SYMBOL_GPL(liveupdate_get_file_incoming);

static int luo_token_of_id(struct luo_file_set *set, unsigned long id, u64 *tokenp)
{
	struct luo_file *lf;
	struct rb_node *node;
	bool is_there;

	scoped_guard(mutex, &luo_ids_lock) {
		node = rb_find(&id, &luo_ids, luo_id_key_cmp);
		if (!node)
			return -ENOENT;
		lf = rb_entry(node, struct luo_file, id_node);
		if (lf->set != set && lf->set != set->carries)
			return -ENOENT;
		*tokenp = lf->token;
	}

	/* A copy has the token of what it is one of. */
	lf = luo_file_find(set, *tokenp);
	if (!lf)
		return -ENOENT;
	is_there = READ_ONCE(lf->state) == LUO_FILE_PRESERVED && !READ_ONCE(lf->lost);
	luo_file_put(lf);
	return is_there ? 0 : -ENOENT;
}

/**
 * liveupdate_get_token_outgoing() - under which token is a file preserved?
 * @session: the session, as a callback is given it
 * @file:    the file
 * @tokenp:  set on success
 *
 * For a file that is nothing without another: by this it notes which.
 *
 * Context: a file's preserve() or freeze(). What preserve() is told holds until
 * the user unpreserves the other file; what freeze() is told holds for good.
 * Return: 0, or -ENOENT when the file is not preserved in this session.
 */
int liveupdate_get_token_outgoing(struct liveupdate_session *session,
				  struct file *file, u64 *tokenp)
{
	struct liveupdate_file_handler *fh = luo_handler_get_for_file(file);
	int err;

	if (!fh)
		return -ENOENT;
	err = luo_token_of_id((struct luo_file_set *)session, luo_id_of(fh, file), tokenp);
	luo_handler_put(fh);
	return err;
}
EXPORT_SYMBOL_GPL(liveupdate_get_token_outgoing);

/*
 * Make sure that a file can be finished. Without its handler nobody knows what the
 * file consists of: then its memory stays reserved until the next boot.
 */
static int luo_file_begin_finish(struct luo_file *lf, bool discard)
{
	struct liveupdate_file_op_args args;
	bool can_finish;
	int err;

	ACQUIRE(luo_op_mutex_kill, lock)(&lf->lock);
	err = ACQUIRE_ERR(luo_op_mutex_kill, &lock);
	if (err)
		return err;
	if (lf->state != LUO_FILE_RETRIEVED && !discard)
		return -EBUSY;
	if (!lf->file) {
		if (luo_file_hold_handler(lf))
			return 0;
	} else if (lf->fh->ops->can_finish) {
		args = luo_file_args(lf);
		luo_file_call_begin(lf);
		can_finish = lf->fh->ops->can_finish(&args);
		luo_file_call_end(lf);
		if (!can_finish)
			return -EBUSY;
	}

	err = luo_flb_file_begin_finish(lf->fh, discard);
	if (err)
		luo_file_drop_handler(lf);
	return err;
}

/* Undo luo_file_begin_finish() that succeeded. */
static void luo_file_cancel_finish(struct luo_file *lf)
{
	guard(luo_op_mutex)(&lf->lock);
	if (!lf->fh)
		return;
	luo_flb_file_cancel_finish(lf->fh);
	luo_file_drop_handler(lf);
}

/* Finish a file, after luo_file_begin_finish(). */
static void luo_file_finish(struct luo_file *lf)
{
	struct liveupdate_file_op_args args;

	guard(luo_op_mutex)(&lf->lock);
	if (lf->fh) {
		args = luo_file_args(lf);
		luo_file_call_begin(lf);
		lf->fh->ops->finish(&args);
		luo_file_call_end(lf);
		luo_flb_file_finish(lf->fh);
	} else {
		luo_set_last_error(&lf->set->error, &lf->token,
				   "discard, memory stays reserved", -ENODEV);
	}
	luo_id_release(lf);
	luo_file_release(lf);
	lf->private = NULL;
	WRITE_ONCE(lf->state, LUO_FILE_FINISHED);
}

static int luo_file_set_try_finish(struct luo_file_set *set, bool discard)
{
	struct luo_file *lf;
	int err;

	luo_for_each_file(lf, set) {
		err = luo_file_begin_finish(lf, discard);
		if (err) {
			list_for_each_entry_continue_reverse(lf, &set->list, list)
				luo_file_cancel_finish(lf);
			return err;
		}
	}
	luo_for_each_file(lf, set)
		luo_file_finish(lf);
	return 0;
}

/**
 * luo_file_set_finish() - finish all files
 * @set:     the set of an incoming session
 * @discard: also those that were not retrieved
 *
 * Context: process context, in an operation.
 * Return: 0; or, with nothing changed:
 * * -EBUSY: a file was not retrieved and @discard is not set; or its handler says that
 *   it is too early; or another task is finishing the set
 * * -EINTR: the caller is being killed
 * * -ENOENT: the set was finished before
 * * whatever the retrieve() of an FLB says that would be finished; with @discard that
 *   is only reported
 */
int luo_file_set_finish(struct luo_file_set *set, bool discard)
{
	int err;

	lockdep_assert_held(&luo_gate);
	scoped_guard(mutex, &set->lock) {
		if (set->state != LUO_SET_OPEN)
			return set->state == LUO_SET_FINISHED ? -ENOENT : -EBUSY;
		WRITE_ONCE(set->state, LUO_SET_FINISHING);
	}
	err = luo_file_set_try_finish(set, discard);
	if (!err) {
		atomic64_sub(set->nr, &luo_nr_files);
		luo_lost_unreserve(set->nr);
	}
	guard(mutex)(&set->lock);
	WRITE_ONCE(set->state, err ? LUO_SET_OPEN : LUO_SET_FINISHED);
	return err;
}

/**
 * luo_file_get_size() - how large is the file?
 * @lf:   the file
 * @size: set on success, in bytes
 *
 * Return: 0; -ENODATA when there is no file or nobody can tell; or -EINTR when
 * the caller is being killed.
 */
int luo_file_get_size(struct luo_file *lf, u64 *size)
{
	struct liveupdate_file_handler *fh;
	struct liveupdate_file_op_args args;
	int err;

	ACQUIRE(mutex_kill, lock)(&lf->lock);
	err = ACQUIRE_ERR(mutex_kill, &lock);
	if (err)
		return err;
	if (lf->file) {
		*size = luo_file_size(lf);
		return 0;
	}
	if (lf->state == LUO_FILE_EMPTY || lf->state == LUO_FILE_FINISHED)
		return -ENODATA;

	fh = luo_handler_get_by_name(lf->compatible);
	if (!fh)
		return -ENODATA;
	args = luo_file_args(lf);
	args.handler = fh;
	err = fh->ops->get_size ? fh->ops->get_size(&args, size) : -ENODATA;
	luo_handler_put(fh);
	return err ? -ENODATA : 0;
}

/**
 * luo_file_get_compatible() - which handler takes the file
 * @lf:  the file
 * @buf: filled in, of LIVEUPDATE_HNDL_COMPAT_LENGTH bytes; "" in an empty token
 *
 * Return: 0; or -EINTR when the caller is being killed.
 */
int luo_file_get_compatible(struct luo_file *lf, char *buf)
{
	int err;

	ACQUIRE(mutex_kill, lock)(&lf->lock);
	err = ACQUIRE_ERR(mutex_kill, &lock);
	if (!err)
		strscpy(buf, lf->compatible, LIVEUPDATE_HNDL_COMPAT_LENGTH);
	return err;
}

/* Sets */

/**
 * luo_files_nr_outgoing() - how many files would be handed over now?
 *
 * Context: any.
 * Return: that number, with those of incoming sessions that are not finished.
 */
u64 luo_files_nr_outgoing(void)
{
	return atomic64_read(&luo_nr_files);
}

/**
 * luo_file_set_init() - begin with no file
 * @set:         the set
 * @name:        of the session it is embedded in, for messages
 * @is_incoming: the previous kernel preserved its files
 */
void luo_file_set_init(struct luo_file_set *set, const char *name, bool is_incoming)
{
	mutex_init(&set->retrieve_lock);
	mutex_init(&set->lock);
	set->tokens = RB_ROOT;
	INIT_LIST_HEAD(&set->list);
	set->is_incoming = is_incoming;
	set->limit = U64_MAX;
	set->changes = 1;
	set->error.name = name;
}

/**
 * luo_file_set_arrive() - count the files of a set that was restored
 * @set: the set of an incoming session
 */
void luo_file_set_arrive(struct luo_file_set *set)
{
	atomic64_add(set->nr, &luo_nr_files);
	luo_lost_arrive(set->nr);
}

/**
 * luo_file_set_limit() - limit what a set may preserve
 * @set:   the set of an outgoing session
 * @limit: in bytes; what is preserved already stays
 */
void luo_file_set_limit(struct luo_file_set *set, u64 limit)
{
	guard(mutex)(&set->lock);
	WRITE_ONCE(set->limit, limit);
}

/**
 * luo_file_set_destroy() - drop the tokens that are left
 * @set: the set, with none of its files preserved, which nobody can find
 */
void luo_file_set_destroy(struct luo_file_set *set)
{
	struct luo_file *lf, *next;

	rbtree_postorder_for_each_entry_safe(lf, next, &set->tokens, token_node)
		luo_file_put(lf);
	luo_label_set(&set->label, NULL, 0);
	mutex_destroy(&set->lock);
	mutex_destroy(&set->retrieve_lock);
}

/**
 * luo_file_set_unpreserve() - unpreserve all files
 * @set: the set of an outgoing session
 *
 * The caller ensures that none can be preserved meanwhile.
 *
 * Context: process context, in an operation, or the gate closed; takes as long as the
 * handlers take for the files.
 */
void luo_file_set_unpreserve(struct luo_file_set *set)
{
	struct luo_file *lf;

	for (;;) {
		scoped_guard(mutex, &set->lock) {
			lf = list_last_entry_or_null(&set->list, struct luo_file, list);
			if (!lf)
				return;
			kref_get(&lf->ref);
		}
		luo_file_unpreserve(lf);
		luo_file_put(lf);
		cond_resched();
	}
}

/**
 * luo_file_set_abandon() - unpreserve all files, and preserve no other
 * @set: the set of an outgoing session
 *
 * Context: process context, in an operation; as luo_file_set_unpreserve().
 */
void luo_file_set_abandon(struct luo_file_set *set)
{
	scoped_guard(mutex, &set->lock) {
		WRITE_ONCE(set->state, LUO_SET_ABANDONED);
		set->changes++;
	}
	luo_file_set_unpreserve(set);
}

/**
 * luo_file_set_reopen() - let an abandoned set have files again
 * @set: the set, which may be any
 */
void luo_file_set_reopen(struct luo_file_set *set)
{
	guard(mutex)(&set->lock);
	if (set->state == LUO_SET_ABANDONED)
		WRITE_ONCE(set->state, LUO_SET_OPEN);
}

/**
 * luo_file_set_stalled() - record the file that an operation is stalled on
 * @set: the set
 *
 * Context: process context, without luo_file.lock or luo_file_set.lock.
 * Return: true when there is one.
 */
bool luo_file_set_stalled(struct luo_file_set *set)
{
	struct luo_file *lf;
	struct rb_node *node;

	guard(mutex)(&set->lock);
	for (node = rb_first(&set->tokens); node; node = rb_next(node)) {
		lf = rb_entry(node, struct luo_file, token_node);
		if (mutex_is_locked(&lf->lock)) {
			luo_set_last_error(&set->error, &lf->token, "operation under way",
					   -EBUSY);
			return true;
		}
	}
	return false;
}
