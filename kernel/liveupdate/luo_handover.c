// SPDX-License-Identifier: GPL-2.0
/*
 * The hand-over as a whole: serialize all sessions, files and FLBs in the chosen format,
 * restore those of the previous kernel from its format, and go over to another format.
 *
 * The loops are here, once: a format appends entries and goes through them.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/errno.h>
#include <linux/lockdep.h>
#include <linux/string.h>

#include "luo_abi.h"
#include "luo_buf.h"
#include "luo_core.h"
#include "luo_file.h"
#include "luo_flb.h"
#include "luo_session.h"
#include "luo_state.h"
#include "luo_text.h"

/* Serialize */

static u64 luo_serialize_files(const struct luo_file_set *set)
{
	struct luo_file_ser *ser;
	struct luo_file *lf;
	u64 nr = 0;

	luo_for_each_file(lf, set) {
		ser = luo_abi->append_file();
		strscpy_pad(ser->compatible, lf->compatible);
		ser->data = lf->data;
		ser->token = lf->token;
		nr++;
	}
	return nr;
}

/**
 * luo_serialize() - write what is handed over to the room that was reserved for it
 *
 * Context: the reboot path, the gate closed. Allocates nothing and cannot fail.
 */
void luo_serialize(void)
{
	struct luo_flb_header_ser *flbs;
	struct luo_session *session;
	struct luo_session_ser *ser;
	u64 nr = 0;

	lockdep_assert_held_write(&luo_gate);
	if (!luo_outgoing.nr)
		return;

	luo_abi->begin();
	luo_for_each_session(session, &luo_outgoing) {
		if (session->files.state == LUO_SET_ABANDONED)
			continue;
		ser = luo_abi->append_session(session->files.buffer[luo_abi->nr]);
		strscpy_pad(ser->name, session->name);
		ser->file_set_ser.count = luo_serialize_files(&session->files);
		nr++;
	}
	flbs = luo_abi->end(nr);
	flbs->pgcnt = luo_buf_nr_pages(flbs);
	flbs->count = luo_flb_serialize((void *)(flbs + 1));
}

/* Restore. Each returns 0; or, after it was reported, a negative errno. */

static int luo_restore_flb(const void *entry, void *arg)
{
	const struct luo_flb_ser *ser = entry;

	if (!luo_is_string(ser->name, sizeof(ser->name)))
		return -EINVAL;
	return luo_flb_add_incoming(ser->name, ser->data, ser->count);
}

/**
 * luo_restore_flbs() - restore the FLBs that the previous kernel preserved
 * @abi:  the format of its hand-over
 * @blob: the root of its hand-over
 *
 * Comes before luo_restore_sessions(), and early: drivers ask for them. Those that are
 * damaged are reported, and left reserved.
 *
 * Context: early_initcall.
 */
void luo_restore_flbs(const struct luo_abi *abi, const void *blob)
{
	u64 phys;
	int err = abi->find_flbs(blob, &phys);

	if (err == -ENODATA)
		return;
	if (err) {
		luo_set_last_error(NULL, NULL, "FLBs of the hand-over", err);
		return;
	}
	err = luo_abi_each_flb(phys, luo_restore_flb, NULL);
	if (err)
		luo_set_last_error(NULL, NULL, "an FLB of the hand-over", err);
}

static int luo_restore_file(const void *entry, void *arg)
{
	const struct luo_file_ser *ser = entry;
	struct luo_file_set *set = arg;
	int err = -EINVAL;

	if (luo_is_string(ser->compatible, sizeof(ser->compatible)))
		err = luo_file_add_incoming(set, ser->token, ser->compatible, ser->data);
	if (err)
		luo_set_last_error(&set->error, NULL, "a file of it is lost", err);
	return err;
}

static int luo_restore_session(const void *entry, void *arg)
{
	const struct luo_session_ser *ser = entry;
	const struct luo_abi *abi = arg;
	struct luo_session *session;
	int err;

	if (!luo_is_string(ser->name, sizeof(ser->name))) {
		luo_set_last_error(NULL, NULL, "a session of the hand-over", -EINVAL);
		return -EINVAL;
	}
	session = luo_session_alloc(ser->name);
	err = abi->each_file(&ser->file_set_ser, luo_restore_file, &session->files);
	if (err)
		luo_set_last_error(&session->files.error, NULL, "its files are lost", err);
	err = luo_session_arrive(session);
	if (err) {
		luo_set_last_error(&session->files.error, NULL, "hand-over", err);
		luo_session_put(session);
	}
	return err;
}

/**
 * luo_restore_sessions() - restore the sessions that the previous kernel preserved
 * @abi:  the format of its hand-over
 * @blob: the root of its hand-over
 *
 * What was read is freed. Sessions and files that are damaged are reported, left out,
 * and left reserved.
 *
 * Context: process context, without a lock of ours.
 */
void luo_restore_sessions(const struct luo_abi *abi, const void *blob)
{
	int err = abi->each_session(blob, luo_restore_session, (void *)abi);

	if (err)
		luo_set_last_error(NULL, NULL, "sessions of the hand-over", err);
}

/* Go over to another format */

static void luo_release_format(const struct luo_abi *abi)
{
	struct luo_session *session;

	luo_for_each_session(session, &luo_outgoing)
		abi->reserve_files(&session->files.buffer[abi->nr], 0);
	luo_abi_release(abi);
}

static int luo_prepare_format(const struct luo_abi *abi)
{
	struct luo_session *session;
	int err;

	err = luo_abi_prepare(abi, luo_outgoing.nr, luo_flb_nr_outgoing());
	if (err)
		return err;
	luo_for_each_session(session, &luo_outgoing) {
		err = abi->reserve_files(&session->files.buffer[abi->nr], session->files.nr);
		if (err) {
			luo_release_format(abi);
			return err;
		}
	}
	return 0;
}

/* Have files handed over by those handlers that take them in the chosen format. */
static int luo_convert_files(bool must)
{
	struct luo_session *session;
	int err;

	luo_for_each_session(session, &luo_outgoing) {
		err = luo_file_set_convert(&session->files, must);
		if (err)
			return err;
	}
	return 0;
}

static int luo_change_format(const struct luo_abi *abi)
{
	const struct luo_abi *old = luo_abi;
	int err;

	if (abi == old)
		return 0;
	err = luo_prepare_format(abi);
	if (err)
		return err;

	luo_abi_choose(abi);
	/* This kernel understands files of the base's, but not the other way round. */
	err = luo_convert_files(abi->is_base);
	if (err) {
		luo_abi_choose(old);
		luo_convert_files(false);
		luo_release_format(abi);
		return err;
	}
	luo_abi_change_root();
	luo_release_format(old);
	return 0;
}

/**
 * luo_choose_format() - choose the format of the hand-over to the next kernel
 * @name: its name, with or without a newline behind it
 *
 * What is preserved already is handed over in that format, too.
 *
 * Context: process context, without a lock of ours.
 * Return: 0; or, and then nothing was changed:
 * * -EBUSY: the reboot is under way; or an operation did not end in time
 * * -EINTR: the caller is being killed
 * * -EINVAL: there is no such format
 * * -ENOSPC: it cannot carry as many sessions, or files in one, as there are
 * * -ENOMEM
 * * what a handler says that cannot preserve a file for the base kernel
 */
int luo_choose_format(const char *name)
{
	const struct luo_abi *abi = luo_abi_by_name(name);
	int err;

	if (!abi)
		return -EINVAL;
	err = luo_gate_close(luo_freeze_deadline(), LUO_KILLABLE);
	if (err)
		return err == -ETIMEDOUT ? -EBUSY : err;
	luo_gate_undo();
	err = luo_change_format(abi);
	luo_gate_open(false);
	return err;
}
