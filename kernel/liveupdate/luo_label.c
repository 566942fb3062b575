// SPDX-License-Identifier: GPL-2.0
/*
 * Labels: a text for people that a session or a file can have. It is serialized beside the
 * hand-over, see include/linux/kho/abi/luo_notes.h.
 *
 * The room for a label is reserved when it is set, or came from the previous kernel: the
 * reboot path only fills it in.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bug.h>
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/gfp.h>
#include <linux/kho/abi/luo_notes.h>
#include <linux/kho_block.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "luo_buf.h"
#include "luo_label.h"
#include "luo_notes.h"
#include "luo_text.h"

/* Protects all labels and the room for them. */
static DEFINE_MUTEX(luo_label_lock);

/* Number of labels, which there is room for */
static u64 luo_nr_labels;
static struct kho_block_set luo_label_blocks =
	KHO_BLOCK_SET_INIT(luo_label_blocks, sizeof(struct luo_label_ser));

/* Set when labels are serialized: the room stays as it is from then on. */
static bool luo_label_is_serialized;
static struct kho_block_set_it luo_label_next;
static u64 luo_label_nr_told;

/**
 * luo_label_check() - check whether a text can be a label
 * @text: the text, which need not end with NUL
 * @len:  its length, in bytes
 *
 * Return: 0; or -EINVAL when it is longer than 255 bytes, or has control characters.
 */
int luo_label_check(const char *text, size_t len)
{
	size_t i;

	if (len >= LUO_LABEL_LENGTH)
		return -EINVAL;
	for (i = 0; i < len; i++) {
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return -EINVAL;
	}
	return 0;
}

/* Have room for so many labels. Less room than there was can always be had. */
static int luo_label_resize(u64 nr)
{
	int err = 0;

	lockdep_assert_held(&luo_label_lock);
	if (luo_label_is_serialized || nr == luo_nr_labels)
		return 0;
	if (nr < luo_nr_labels)
		kho_block_set_shrink(&luo_label_blocks, nr);
	else
		err = luo_notes_exist() ? kho_block_set_grow(&luo_label_blocks, nr) : -ENOMEM;
	if (!err)
		luo_nr_labels = nr;
	return err;
}

/**
 * luo_label_set() - set, change or remove a label
 * @label: the label, which is NULL while there is none
 * @text:  the new text, which luo_label_check() takes
 * @len:   its length, 0 to remove the label
 *
 * Context: process context, in an operation; or at boot; or, to remove it, any process
 *          context.
 * Return: 0, or -ENOMEM; to remove a label succeeds.
 */
int luo_label_set(char **label, const char *text, size_t len)
{
	char *new = NULL;
	int err;

	if (len) {
		new = kmemdup_nul(text, len, GFP_KERNEL_ACCOUNT);
		if (!new)
			return -ENOMEM;
	}
	scoped_guard(mutex, &luo_label_lock) {
		err = luo_label_resize(luo_nr_labels + !!new - !!*label);
		if (!err)
			swap(*label, new);
	}
	kfree(new);
	return err;
}

/**
 * luo_label_emit() - show a label
 * @label: the label
 * @page:  where to, see sysfs_emit()
 *
 * Return: the length.
 */
ssize_t luo_label_emit(char *const *label, char *page)
{
	guard(mutex)(&luo_label_lock);
	return sysfs_emit(page, "%s\n", *label ?: "");
}

/**
 * luo_label_begin() - begin to serialize labels
 *
 * Context: the reboot path, the gate closed, when nothing can fail any more.
 */
void luo_label_begin(void)
{
	guard(mutex)(&luo_label_lock);
	luo_label_is_serialized = true;
	kho_block_set_it_init(&luo_label_next, &luo_label_blocks);
}

/**
 * luo_label_tell() - serialize a label
 * @session: name of the session
 * @token:   of the file, or NULL for the session's own label
 * @label:   the label; nothing is done for NULL
 *
 * Context: between luo_label_begin() and luo_label_serialize().
 */
void luo_label_tell(const char *session, const u64 *token, const char *label)
{
	struct luo_label_ser *ser;

	if (!label)
		return;
	ser = kho_block_set_it_reserve_entry(&luo_label_next);
	if (WARN_ON_ONCE(!ser))
		return;
	strscpy_pad(ser->session, session);
	strscpy_pad(ser->text, label);
	ser->token = token ? *token : 0;
	ser->has_token = !!token;
	ser->reserved = 0;
	luo_label_nr_told++;
}

/**
 * luo_label_serialize() - add a note of all labels
 *
 * Context: after luo_label_begin(), between luo_notes_begin() and luo_notes_end().
 */
void luo_label_serialize(void)
{
	u64 phys;
	void *note;

	if (!luo_label_nr_told)
		return;
	/* The chain has no empty blocks. */
	kho_block_set_shrink(&luo_label_blocks, luo_label_nr_told);
	phys = kho_block_set_head_pa(&luo_label_blocks);
	note = luo_notes_add(LUO_NOTES_PROP_LABELS, sizeof(phys));
	if (note)
		memcpy(note, &phys, sizeof(phys));
}

static int luo_label_restore_one(const void *entry, void *arg)
{
	void (*const *fn)(const struct luo_label_ser *ser) = arg;
	const struct luo_label_ser *ser = entry;

	if (!luo_is_string(ser->session, sizeof(ser->session)) ||
	    !luo_is_string(ser->text, sizeof(ser->text)) ||
	    luo_label_check(ser->text, strlen(ser->text)) || ser->has_token > 1)
		return -EINVAL;
	(*fn)(ser);
	return 0;
}

/**
 * luo_label_restore() - read the labels that the previous kernel handed over
 * @fn: called for each
 *
 * Context: process context, once, at boot, with the previous kernel's notes.
 * Return: 0, or a negative errno for labels that are damaged.
 */
int luo_label_restore(void (*fn)(const struct luo_label_ser *ser))
{
	const void *note = luo_notes_get(LUO_NOTES_PROP_LABELS, sizeof(u64));
	u64 phys, nr = 0;

	if (IS_ERR_OR_NULL(note))
		return PTR_ERR_OR_ZERO(note);
	memcpy(&phys, note, sizeof(phys));
	return luo_buf_each(phys, sizeof(struct luo_label_ser), luo_label_restore_one, &fn, &nr);
}
