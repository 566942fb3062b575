// SPDX-License-Identifier: GPL-2.0
/*
 * Hand-over formats: which there are, which one is chosen, and the room that is
 * reserved in it.
 *
 * A format makes room for what is handed over as sessions, files and FLBs come,
 * and its root is given to KHO as long as there is a session. The reboot path
 * only fills in what is there, see luo_handover.c.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cleanup.h>
#include <linux/errno.h>
#include <linux/init.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/luo.h>
#include <linux/liveupdate.h>
#include <linux/lockdep.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "luo_abi.h"
#include "luo_buf.h"
#include "luo_state.h"

static const struct luo_abi *const luo_abis[LUO_NR_ABIS] = {
	[LUO_V1] = &luo_abi_v1,
	[LUO_V5] = &luo_abi_v5,
};

/* The format that is chosen; changed with the gate closed */
const struct luo_abi *luo_abi = IS_ENABLED(CONFIG_LIVEUPDATE_DEFAULT_LUO_V5) ?
				&luo_abi_v5 : &luo_abi_v1;

/* Its root, while KHO has it */
static void *luo_abi_root;

/* Protects luo_abi_root, and what the root is made of: sessions and FLBs */
static DEFINE_MUTEX(luo_abi_lock);

/**
 * luo_abi_by_name() - find a format
 * @name: its name, with or without a newline behind it
 *
 * Return: the format, or NULL when there is none of that name.
 */
const struct luo_abi *luo_abi_by_name(const char *name)
{
	int i;

	for (i = 0; i < LUO_NR_ABIS; i++) {
		if (sysfs_streq(name, luo_abis[i]->compatible))
			return luo_abis[i];
	}
	return NULL;
}

static int luo_abi_param_set(const char *val, const struct kernel_param *kp)
{
	const struct luo_abi *abi = luo_abi_by_name(val);

	if (!abi)
		return -EINVAL;
	luo_abi = abi;
	return 0;
}

static const struct kernel_param_ops luo_abi_param_ops = {
	.set = luo_abi_param_set,
};

#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "liveupdate."
module_param_cb(abi, &luo_abi_param_ops, NULL, 0);

/**
 * luo_abi_identify() - tell the format of a hand-over
 * @blob: its root
 * @size: of @blob, in bytes
 * @name: set to what it calls itself, or NULL when it is of no known kind
 *
 * Return: the format, or NULL when it is none of those that are known.
 */
const struct luo_abi *luo_abi_identify(const void *blob, size_t size, const char **name)
{
	int i;

	for (i = 0; i < LUO_NR_ABIS; i++) {
		*name = luo_abis[i]->identify(blob, size);
		if (*name)
			return strcmp(*name, luo_abis[i]->compatible) ? NULL : luo_abis[i];
	}
	return NULL;
}

/**
 * luo_abi_emit() - list the formats
 * @page: filled in, a page, with the one that is written in brackets
 *
 * Return: how many bytes that are.
 */
ssize_t luo_abi_emit(char *page)
{
	const struct luo_abi *chosen = READ_ONCE(luo_abi);
	ssize_t len = 0;
	int i;

	for (i = 0; i < LUO_NR_ABIS; i++)
		len += sysfs_emit_at(page, len, luo_abis[i] == chosen ? "%s[%s]" : "%s%s",
				     i ? " " : "", luo_abis[i]->compatible);
	return len + sysfs_emit_at(page, len, "\n");
}

/* Let KHO have the root of the chosen format, in which there is a session. */
static int luo_abi_publish(void)
{
	size_t size;
	void *root;
	int err;

	lockdep_assert_held(&luo_abi_lock);
	if (luo_abi_root)
		return 0;
	root = luo_abi->root(&size);
	err = kho_add_subtree(LUO_KHO_ENTRY_NAME, root, size);
	if (!err)
		luo_abi_root = root;
	return err;
}

static void luo_abi_withdraw(void)
{
	lockdep_assert_held(&luo_abi_lock);
	if (luo_abi_root)
		kho_remove_subtree(luo_abi_root);
	luo_abi_root = NULL;
}

/**
 * luo_abi_reserve_sessions() - get room to hand over sessions
 * @nr: how many; 0 gives all back. Less than there were can always be had.
 *
 * Context: in an operation, or with the gate closed, and luo_outgoing.lock.
 * Return: 0, -ENOSPC when the format cannot carry so many, or -ENOMEM.
 */
int luo_abi_reserve_sessions(u64 nr)
{
	int err;

	lockdep_assert_held(&luo_gate);
	guard(mutex)(&luo_abi_lock);
	if (!nr)
		luo_abi_withdraw();
	err = luo_abi->reserve_sessions(nr);
	if (!err && nr) {
		err = luo_abi_publish();
		if (err)
			luo_abi->reserve_sessions(0);
	}
	return err;
}

/**
 * luo_abi_reserve_flbs() - get room to hand over FLBs
 * @nr: how many; less than there were can always be had
 *
 * Context: in an operation, or with the gate closed, and there is a session.
 * Return: 0, -ENOSPC when the format cannot carry so many, or -ENOMEM.
 */
int luo_abi_reserve_flbs(u64 nr)
{
	lockdep_assert_held(&luo_gate);
	guard(mutex)(&luo_abi_lock);
	return luo_abi->reserve_flbs(nr);
}

/**
 * luo_abi_reserve_files() - get room to hand over the files of a session
 * @buffer: the session's buffers, one for each format
 * @nr:     how many; 0 gives all back. Less than there were can always be had.
 *
 * Context: in an operation, or with the gate closed, and the lock of the set.
 * Return: 0, -ENOSPC when the format cannot carry so many, or -ENOMEM.
 */
int luo_abi_reserve_files(void *buffer[LUO_NR_ABIS], u64 nr)
{
	lockdep_assert_held(&luo_gate);
	return luo_abi->reserve_files(&buffer[luo_abi->nr], nr);
}

/**
 * luo_abi_prepare() - have the room in another format that there is in the chosen one
 * @abi:         the other format
 * @nr_sessions: how many sessions there are
 * @nr_flbs:     how many FLBs
 *
 * The buffers for files are the caller's.
 *
 * Context: process context, the gate closed.
 * Return: 0, to be followed by luo_abi_choose() or luo_abi_release(); or, with no room,
 * -ENOSPC when the format cannot carry so many, or -ENOMEM.
 */
int luo_abi_prepare(const struct luo_abi *abi, u64 nr_sessions, u64 nr_flbs)
{
	int err;

	lockdep_assert_held_write(&luo_gate);
	guard(mutex)(&luo_abi_lock);
	err = abi->reserve_sessions(nr_sessions);
	if (err || !nr_sessions)
		return err;
	err = abi->reserve_flbs(nr_flbs);
	if (err)
		abi->reserve_sessions(0);
	return err;
}

/**
 * luo_abi_release() - undo luo_abi_prepare()
 * @abi: a format that is not the chosen one
 *
 * Context: process context, the gate closed.
 */
void luo_abi_release(const struct luo_abi *abi)
{
	lockdep_assert_held_write(&luo_gate);
	guard(mutex)(&luo_abi_lock);
	abi->reserve_sessions(0);
}

/**
 * luo_abi_choose() - have another format chosen
 * @abi: the format, in which there is room for what there is
 *
 * KHO has the root of the old one until luo_abi_change_root().
 *
 * Context: process context, the gate closed.
 */
void luo_abi_choose(const struct luo_abi *abi)
{
	lockdep_assert_held_write(&luo_gate);
	WRITE_ONCE(luo_abi, abi);
}

/**
 * luo_abi_change_root() - let KHO have the root of the format that was chosen
 *
 * Context: process context, the gate closed.
 */
void luo_abi_change_root(void)
{
	lockdep_assert_held_write(&luo_gate);
	guard(mutex)(&luo_abi_lock);
	if (!luo_abi_root)
		return;
	luo_abi_withdraw();
	/* It takes the place of the one that was just taken out. */
	WARN_ON_ONCE(luo_abi_publish());
}

/**
 * luo_abi_each_flb() - go through the FLBs of a hand-over
 * @phys: the physical address of their array's header
 * @fn:   called for each entry, a struct luo_flb_ser; returns a negative errno for one
 *        that it does not understand
 * @arg:  what it is given
 *
 * What was not understood may be of use to somebody: then the array is not freed.
 *
 * Return: 0; or a negative errno, of the array or the last one of @fn.
 */
int luo_abi_each_flb(u64 phys, luo_entry_fn fn, void *arg)
{
	struct luo_flb_header_ser *header;
	struct luo_flb_ser *ser;
	int err, ret = 0;
	u64 i;

	header = liveupdate_preserved_data(phys, sizeof(*header));
	if (!header)
		return -EFAULT;
	if (!luo_buf_take(phys, luo_flbs_size(header->count)))
		return -EINVAL;

	ser = (void *)(header + 1);
	for (i = 0; i < header->count; i++) {
		err = fn(&ser[i], arg);
		if (err)
			ret = err;
	}
	if (!ret)
		luo_buf_free(header);
	return ret;
}
