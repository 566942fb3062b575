// SPDX-License-Identifier: GPL-2.0
/*
 * Hand-over formats: which there are, which one is written, and what those that
 * write and read them have in common.
 *
 * A format makes room for what is handed over as sessions, files and FLBs come,
 * and its root is given to KHO as long as there is a session. The reboot path
 * only fills in what is there.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cleanup.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/gfp.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/luo.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/overflow.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "luo_internal.h"

static const struct luo_abi *const luo_abis[LUO_NR_ABIS] = {
	[LUO_V1] = &luo_abi_v1,
	[LUO_V5] = &luo_abi_v5,
};

/* The format that is written, protected by luo_freeze_rwsem */
const struct luo_abi *luo_abi = IS_ENABLED(CONFIG_LIVEUPDATE_DEFAULT_LUO_V5) ?
				&luo_abi_v5 : &luo_abi_v1;

/* Its root, while KHO has it */
static void *luo_abi_root;

/* Protects luo_abi_root, and what the root is made of: sessions and FLBs */
static DEFINE_MUTEX(luo_abi_lock);

static const struct luo_abi *luo_abi_by_name(const char *name)
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
	ssize_t len = 0;
	int i;

	guard(rwsem_read)(&luo_freeze_rwsem);
	for (i = 0; i < LUO_NR_ABIS; i++)
		len += sysfs_emit_at(page, len, luo_abis[i] == luo_abi ? "%s[%s]" : "%s%s",
				     i ? " " : "", luo_abis[i]->compatible);
	return len + sysfs_emit_at(page, len, "\n");
}

/* Let KHO have the root of a format that there is room in, or take it back. */
static int luo_abi_publish(const struct luo_abi *abi, bool is_public)
{
	size_t size;
	void *root;
	int err;

	if (is_public == !!luo_abi_root)
		return 0;
	if (is_public) {
		root = abi->root(&size);
		err = kho_add_subtree(LUO_KHO_ENTRY_NAME, root, size);
		if (!err)
			luo_abi_root = root;
		return err;
	}
	kho_remove_subtree(luo_abi_root);
	luo_abi_root = NULL;
	return 0;
}

/**
 * luo_abi_reserve_sessions() - get room to hand over sessions
 * @nr: how many; 0 gives all back. Less than there were can always be had.
 *
 * Context: luo_freeze_rwsem held, and luo_outgoing.lock.
 * Return: 0, -ENOSPC when the format cannot carry so many, or -ENOMEM.
 */
int luo_abi_reserve_sessions(u64 nr)
{
	int err;

	guard(mutex)(&luo_abi_lock);
	if (!nr)
		luo_abi_publish(luo_abi, false);
	err = luo_abi->reserve_sessions(nr);
	if (!err && nr) {
		err = luo_abi_publish(luo_abi, true);
		if (err)
			luo_abi->reserve_sessions(0);
	}
	return err;
}

/**
 * luo_abi_reserve_flbs() - get room to hand over FLBs
 * @nr: how many; less than there were can always be had
 *
 * Context: luo_freeze_rwsem held, and there is a session.
 * Return: 0, -ENOSPC when the format cannot carry so many, or -ENOMEM.
 */
int luo_abi_reserve_flbs(u64 nr)
{
	guard(mutex)(&luo_abi_lock);
	return luo_abi->reserve_flbs(nr);
}

/**
 * luo_abi_reserve_files() - get room to hand over the files of a session
 * @session: the session
 * @nr:      how many; 0 gives all back. Less than there were can always be had.
 *
 * Context: luo_freeze_rwsem held, and the session's lock.
 * Return: 0, -ENOSPC when the format cannot carry so many, or -ENOMEM.
 */
int luo_abi_reserve_files(struct luo_session *session, u64 nr)
{
	return luo_abi->reserve_files(&session->room[luo_abi->nr], nr);
}

static void luo_abi_release(const struct luo_abi *abi)
{
	struct luo_session *session;

	luo_for_each_session(session, &luo_outgoing)
		abi->reserve_files(&session->room[abi->nr], 0);
	abi->reserve_sessions(0);
}

static int luo_abi_reserve(const struct luo_abi *abi)
{
	struct luo_session *session;
	int err;

	err = abi->reserve_sessions(luo_outgoing.nr);
	if (!err && luo_outgoing.nr)
		err = abi->reserve_flbs(luo_flb_nr_outgoing());
	luo_for_each_session(session, &luo_outgoing) {
		if (!err)
			err = abi->reserve_files(&session->room[abi->nr], session->nr_files);
	}
	if (err)
		luo_abi_release(abi);
	return err;
}

/**
 * liveupdate_is_stock_format() - is the hand-over to be read by the base kernel?
 *
 * Handlers that have a format of their own then preserve files in the base's.
 *
 * Context: any.
 * Return: whether the format that is chosen now is that of the base kernel.
 */
bool liveupdate_is_stock_format(void)
{
	return READ_ONCE(luo_abi) == &luo_abi_v5;
}
EXPORT_SYMBOL_GPL(liveupdate_is_stock_format);

/* Have all files preserved by those handlers that take them in this format. */
static int luo_abi_convert_files(void)
{
	struct luo_session *session;
	struct luo_file *lf;
	int err;

	luo_for_each_session(session, &luo_outgoing) {
		luo_for_each_file(lf, session) {
			err = luo_file_convert(lf);
			if (err)
				return err;
		}
	}
	return 0;
}

/**
 * luo_abi_choose() - choose the format of the hand-over to the next kernel
 * @name: its name, with or without a newline behind it
 *
 * What is preserved already is handed over in that format, too.
 *
 * Context: process context.
 * Return: 0; or, and then nothing was changed:
 * * -EBUSY: the reboot is under way
 * * -EINVAL: there is no such format
 * * -ENOSPC: it cannot carry as many sessions, or files in one, as there are
 * * -ENOMEM
 * * what a handler says that cannot preserve a file for the base kernel
 */
int luo_abi_choose(const char *name)
{
	const struct luo_abi *abi = luo_abi_by_name(name), *old = luo_abi;
	int err;

	if (!abi)
		return -EINVAL;

	guard(rwsem_write)(&luo_freeze_rwsem);
	if (luo_is_frozen())
		return -EBUSY;
	if (abi == old)
		return 0;
	scoped_guard(mutex, &luo_abi_lock)
		err = luo_abi_reserve(abi);
	if (err)
		return err;

	WRITE_ONCE(luo_abi, abi);
	err = luo_abi_convert_files();
	/* We ourselves understand what the base does. */
	if (err && liveupdate_is_stock_format()) {
		WRITE_ONCE(luo_abi, old);
		luo_abi_convert_files();
		guard(mutex)(&luo_abi_lock);
		luo_abi_release(abi);
		return err;
	}

	guard(mutex)(&luo_abi_lock);
	luo_abi_publish(old, false);
	luo_abi_release(old);
	/* It takes the place of the one that was just taken out. */
	if (luo_outgoing.nr)
		WARN_ON_ONCE(luo_abi_publish(abi, true));
	return 0;
}

/**
 * luo_room_resize() - have room that is contiguous in physical memory
 * @room: points to it, or to NULL; preserved and zeroed
 * @size: how large it is to be, in bytes; 0 gives it back
 *
 * Contents are not kept: only the reboot path writes there. Room for twice as
 * much as is needed is kept, so that going back and forth costs nothing.
 *
 * Return: 0; or, with @room as it was, -ENOSPC when there cannot be so much, or
 * -ENOMEM.
 */
int luo_room_resize(void **room, size_t size)
{
	unsigned int order = size ? get_order(size) : 0;
	struct folio *folio;
	int err;

	if (*room && size) {
		unsigned int have = folio_order(virt_to_folio(*room));

		if (have == order || have == order + 1)
			return 0;
	}

	if (size) {
		if (order > MAX_PAGE_ORDER)
			return -ENOSPC;
		folio = folio_alloc(GFP_KHO | __GFP_ZERO, order);
		if (!folio)
			return -ENOMEM;
		err = kho_preserve_folio(folio);
		if (err) {
			folio_put(folio);
			return err;
		}
	}

	kho_unpreserve_free(*room);
	*room = size ? folio_address(folio) : NULL;
	return 0;
}

/**
 * luo_flbs_resize() - have room for an array of FLBs, with its header
 * @header: points to it, or to NULL
 * @nr:     how many FLBs
 *
 * Return: as luo_room_resize().
 */
int luo_flbs_resize(struct luo_flb_header_ser **header, u64 nr)
{
	size_t size = size_add(sizeof(**header), size_mul(nr, sizeof(struct luo_flb_ser)));
	int err = luo_room_resize((void **)header, size);

	if (!err)
		(*header)->pgcnt = folio_nr_pages(virt_to_folio(*header));
	return err;
}

/**
 * luo_abi_is_string() - is there a string in a member of a hand-over?
 * @s:    the member
 * @size: of it, in bytes
 *
 * Return: true when it ends within the member, and is not empty.
 */
bool luo_abi_is_string(const char *s, size_t size)
{
	return *s && strnlen(s, size) < size;
}

/**
 * luo_abi_take() - take memory of the hand-over from KHO
 * @phys: its physical address, as the hand-over says
 * @size: how many bytes are expected there
 *
 * Comes before it is read: so nothing is read, or freed, twice, whatever points to
 * it a second time.
 *
 * Return: where it is, for luo_abi_free(); or NULL when there is no such memory,
 * or no more.
 */
void *luo_abi_take(u64 phys, u64 size)
{
	void *mem = liveupdate_preserved_data(phys, size);

	return mem && kho_restore_folio(phys) ? mem : NULL;
}

/**
 * luo_abi_free() - free what luo_abi_take() took
 * @mem: where it is
 */
void luo_abi_free(void *mem)
{
	folio_put(virt_to_folio(mem));
}

/*
 * The FLBs of an array; what can be read is. What was not understood may be of use
 * to somebody: then it lies.
 */
static int luo_abi_read_flb_array(u64 phys)
{
	struct luo_flb_header_ser *header;
	struct luo_flb_ser *ser;
	int err, ret = 0;
	u64 i;

	header = liveupdate_preserved_data(phys, sizeof(*header));
	if (!header)
		return -EFAULT;
	if (!luo_abi_take(phys, size_add(sizeof(*header),
					 size_mul(header->count, sizeof(*ser)))))
		return -EINVAL;

	ser = (void *)(header + 1);
	for (i = 0; i < header->count; i++) {
		err = -EINVAL;
		if (luo_abi_is_string(ser[i].name, sizeof(ser[i].name)))
			err = luo_flb_add_incoming(ser[i].name, ser[i].data, ser[i].count);
		if (err)
			ret = err;
	}
	if (!ret)
		luo_abi_free(header);
	return ret;
}

/**
 * luo_abi_read_flbs() - read an array of FLBs
 * @phys: the physical address of its header
 */
void luo_abi_read_flbs(u64 phys)
{
	int err = luo_abi_read_flb_array(phys);

	if (err)
		luo_set_last_error(NULL, NULL, "an FLB of the hand-over", err);
}

/**
 * luo_abi_read_file() - read a file
 * @session: its session, which nobody sees yet
 * @ser:     what was handed over of it
 *
 * Return: 0; or, after it was reported, a negative errno.
 */
int luo_abi_read_file(struct luo_session *session, const struct luo_file_ser *ser)
{
	int err = -EINVAL;

	if (luo_abi_is_string(ser->compatible, sizeof(ser->compatible)))
		err = luo_file_add_incoming(session, ser->token, ser->compatible, ser->data);
	if (err)
		luo_set_last_error(session, NULL, "a file of it is lost", err);
	return err;
}

/**
 * luo_abi_read_session() - read a session, and let it be seen
 * @ser:        what was handed over of it
 * @read_files: reads its files; what it fails with is reported
 *
 * Return: 0; or, after it was reported, a negative errno.
 */
int luo_abi_read_session(const struct luo_session_ser *ser,
			 int (*read_files)(struct luo_session *session,
					   const struct luo_file_set_ser *set))
{
	struct luo_session *session;
	int err;

	if (!luo_abi_is_string(ser->name, sizeof(ser->name))) {
		luo_set_last_error(NULL, NULL, "a session of the hand-over", -EINVAL);
		return -EINVAL;
	}
	session = luo_session_alloc(ser->name, &luo_incoming);
	err = read_files(session, &ser->file_set_ser);
	if (err)
		luo_set_last_error(session, NULL, "its files are lost", err);
	err = luo_session_arrive(session);
	if (err) {
		luo_set_last_error(session, NULL, "hand-over", err);
		luo_session_put(session);
	}
	return err;
}
