// SPDX-License-Identifier: GPL-2.0
/*
 * What the reboot leaves behind: whether it may, room to tell the next kernel, and what the
 * previous one told.
 *
 * It tells that beside the hand-over, see include/linux/kho/abi/luo_notes.h. Room for each
 * file that could be lost is got when that is allowed, and later with each file: the reboot
 * path only fills it in.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/kho/abi/luo_notes.h>
#include <linux/kho_block.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/sprintf.h>
#include <linux/string.h>

#include "luo_buf.h"
#include "luo_lost.h"
#include "luo_notes.h"
#include "luo_state.h"
#include "luo_text.h"

/* Written under luo_lost_lock, may be read without */
static bool luo_lost_drop;

/* How many files could be lost, those of incoming sessions among them */
static atomic64_t luo_lost_nr_files;

/* Protects the room for records */
static DEFINE_MUTEX(luo_lost_lock);
static struct kho_block_set luo_lost_blocks =
	KHO_BLOCK_SET_INIT(luo_lost_blocks, sizeof(struct luo_lost_ser));

/* Set while the reboot path may write them; and where it is */
static bool luo_lost_telling;
static struct kho_block_set_it luo_lost_next;
static u64 luo_lost_nr_told;

/* What the previous kernel left behind, as it told; does not change once it was read */
struct luo_lost {
	struct list_head list;
	struct luo_lost_ser ser;
};

static LIST_HEAD(luo_lost_list);

/* Have room to tell of all files; or as much as before, and -ENOMEM. */
static int luo_lost_resize(void)
{
	lockdep_assert_held(&luo_lost_lock);
	if (!luo_notes_exist())
		return -ENOMEM;
	return kho_block_set_grow(&luo_lost_blocks, atomic64_read(&luo_lost_nr_files));
}

/**
 * luo_lost_set_drop() - choose what the reboot does with a file that cannot go
 * @drop: leave it behind, and tell the next kernel; else the reboot is refused
 *
 * Context: process context, without a lock of ours.
 * Return: 0; or, with nothing changed,
 * * -EBUSY: the reboot is under way
 * * -ENOMEM: there is no room to tell of all files
 */
int luo_lost_set_drop(bool drop)
{
	int err = 0;

	guard(mutex)(&luo_lost_lock);
	if (luo_lost_telling || luo_is_frozen())
		return -EBUSY;
	WRITE_ONCE(luo_lost_drop, drop);
	/* Whoever adds a file now sees that, or its file is counted: see luo_lost_reserve() */
	smp_mb();
	if (drop)
		err = luo_lost_resize();
	if (!drop || err) {
		WRITE_ONCE(luo_lost_drop, false);
		kho_block_set_destroy(&luo_lost_blocks);
	}
	return err;
}

/**
 * luo_lost_is_drop() - is a file that cannot go left behind?
 *
 * Return: true when it is.
 */
bool luo_lost_is_drop(void)
{
	return READ_ONCE(luo_lost_drop);
}

/**
 * luo_lost_reserve() - get room to tell that one more file is lost
 *
 * Context: in an operation, or with the gate closed, and the lock of the set.
 * Return: 0, or -ENOMEM.
 */
int luo_lost_reserve(void)
{
	int err;

	/* Fully ordered, for luo_lost_set_drop() */
	atomic64_inc_return(&luo_lost_nr_files);
	if (!luo_lost_is_drop())
		return 0;
	guard(mutex)(&luo_lost_lock);
	err = luo_lost_is_drop() ? luo_lost_resize() : 0;
	if (err)
		atomic64_dec(&luo_lost_nr_files);
	return err;
}

/**
 * luo_lost_unreserve() - files cannot be lost any more
 * @nr: how many
 *
 * Context: in an operation, or with the gate closed.
 */
void luo_lost_unreserve(u64 nr)
{
	if (atomic64_sub_return(nr, &luo_lost_nr_files) || !luo_lost_is_drop())
		return;
	guard(mutex)(&luo_lost_lock);
	if (!atomic64_read(&luo_lost_nr_files) && !luo_lost_telling)
		kho_block_set_destroy(&luo_lost_blocks);
}

/**
 * luo_lost_arrive() - files of an incoming session could be lost
 * @nr: how many
 *
 * Context: process context, before luo_lost_set_drop().
 */
void luo_lost_arrive(u64 nr)
{
	atomic64_add(nr, &luo_lost_nr_files);
}

/**
 * luo_lost_begin() - may files be left behind in this reboot?
 *
 * What the answer is does not change until luo_lost_cancel(). Nothing here allocates.
 *
 * Context: the reboot path, without a lock of ours.
 * Return: true when they may.
 */
bool luo_lost_begin(void)
{
	guard(mutex)(&luo_lost_lock);
	luo_lost_telling = luo_lost_drop;
	return luo_lost_telling;
}

/**
 * luo_lost_cancel() - the reboot failed, and nothing was told
 *
 * Context: the reboot path, without a lock of ours.
 */
void luo_lost_cancel(void)
{
	guard(mutex)(&luo_lost_lock);
	luo_lost_telling = false;
}

/**
 * luo_lost_tell() - tell that a file is lost
 * @session:    its session
 * @token:      its token
 * @compatible: its handler's compatible string
 * @err:        why, a negative errno
 *
 * Context: the reboot path, the gate closed.
 */
void luo_lost_tell(const char *session, u64 token, const char *compatible, int err)
{
	struct luo_lost_ser *ser;

	if (!luo_lost_nr_told)
		kho_block_set_it_init(&luo_lost_next, &luo_lost_blocks);
	ser = kho_block_set_it_reserve_entry(&luo_lost_next);
	if (WARN_ON_ONCE(!ser))
		return;
	strscpy_pad(ser->session, session);
	strscpy_pad(ser->compatible, compatible);
	ser->token = token;
	ser->err = -err;
	ser->reserved = 0;
	luo_lost_nr_told++;
}

/**
 * luo_lost_serialize() - add a note of all that is lost, which nothing takes back any more
 *
 * Context: the reboot path, the gate closed, between luo_notes_begin() and luo_notes_end().
 */
void luo_lost_serialize(void)
{
	u64 phys;
	void *note;

	guard(mutex)(&luo_lost_lock);
	if (!luo_lost_nr_told)
		return;
	/* The chain has no empty blocks. */
	kho_block_set_shrink(&luo_lost_blocks, luo_lost_nr_told);
	phys = kho_block_set_head_pa(&luo_lost_blocks);
	note = luo_notes_add(LUO_NOTES_PROP_LOST, sizeof(phys));
	if (note)
		memcpy(note, &phys, sizeof(phys));
	pr_warn("%llu files are left behind\n", luo_lost_nr_told);
}

static int luo_lost_restore_file(const void *entry, void *arg)
{
	const struct luo_lost_ser *ser = entry;
	struct luo_lost *lost;

	if (!luo_is_string(ser->session, sizeof(ser->session)) ||
	    !luo_is_string(ser->compatible, sizeof(ser->compatible)) ||
	    !ser->err || ser->err > MAX_ERRNO) {
		luo_set_last_error(NULL, NULL, "a note of the hand-over", -EINVAL);
		return -EINVAL;
	}
	lost = kmalloc_obj(*lost, LUO_GFP_NOFAIL);
	lost->ser = *ser;
	list_add_tail(&lost->list, &luo_lost_list);
	return 0;
}

/**
 * luo_lost_restore() - read what the previous kernel left behind
 *
 * What is damaged of that is reported, left out, and left reserved.
 *
 * Context: process context, once, at boot, with the previous kernel's notes.
 * Return: 0, or a negative errno.
 */
int luo_lost_restore(void)
{
	const void *note = luo_notes_get(LUO_NOTES_PROP_LOST, sizeof(u64));
	u64 phys, nr = 0;
	int err;

	if (IS_ERR_OR_NULL(note))
		return PTR_ERR_OR_ZERO(note);
	memcpy(&phys, note, sizeof(phys));
	err = luo_buf_each(phys, sizeof(struct luo_lost_ser), luo_lost_restore_file, NULL, &nr);
	if (nr)
		pr_warn("the previous kernel left %llu files behind\n", nr);
	return err;
}

/**
 * luo_lost_emit() - list what the previous kernel left behind
 * @buf:  filled in; or NULL, to learn how large it has to be
 * @size: its size
 *
 * Context: process context, after luo_wait_for_incoming().
 * Return: how many bytes that are.
 */
ssize_t luo_lost_emit(char *buf, size_t size)
{
	char session[LUO_NAME_TEXT_LENGTH], compatible[LUO_NAME_TEXT_LENGTH];
	char number[LUO_ERRNAME_LENGTH];
	struct luo_lost *lost;
	size_t len = 0;

	list_for_each_entry(lost, &luo_lost_list, list) {
		luo_format_name(lost->ser.session, session);
		luo_format_name(lost->ser.compatible, compatible);
		len += snprintf(buf ? buf + len : NULL, buf ? size - len : 0, "%s/%llu %s %s",
				session, lost->ser.token, compatible,
				luo_errname(-(int)lost->ser.err, number));
		/* In the place of the NUL: there is no room for one at the end. */
		if (buf)
			buf[len] = '\n';
		len++;
	}
	return len;
}
