// SPDX-License-Identifier: GPL-2.0
/*
 * Live Update Orchestrator, core: boot, reboot, and the state between them.
 *
 * At boot the hand-over from the previous kernel is found and read; in the
 * reboot path what is to be handed over is frozen and serialized. luo_handover.c
 * goes through what there is, luo_session.c and luo_file.c keep it.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cleanup.h>
#include <linux/errno.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/kexec.h>
#include <linux/kexec_handover.h>
#include <linux/liveupdate.h>
#include <linux/workqueue.h>

#include "../kexec_internal.h"
#include "luo_abi.h"
#include "luo_buf.h"
#include "luo_core.h"
#include "luo_label.h"
#include "luo_lost.h"
#include "luo_notes.h"
#include "luo_session.h"
#include "luo_state.h"
#include "luo_timeline.h"

/* The previous kernel's hand-over, if there is one: its format and its root */
static const struct luo_abi *luo_abi_in;
static void *luo_blob_in;

/* The linker has what the formats and file handlers list follow this. */
static const struct liveupdate_versions_header luo_versions_header
	__used __section(".liveupdate_versions_header") __aligned(8) = {
	.magic = LIVEUPDATE_VERSIONS_MAGIC,
	.version = LIVEUPDATE_VERSIONS_VERSION,
};

/**
 * luo_get_state() - what live update is about on this machine now
 *
 * Return: the state; LUO_STATE_UPDATED as long as a session of the previous
 * kernel's was not finished.
 */
enum luo_state luo_get_state(void)
{
	if (luo_is_frozen())
		return LUO_STATE_FROZEN;
	return READ_ONCE(luo_incoming.nr) ? LUO_STATE_UPDATED : LUO_STATE_NORMAL;
}

/**
 * luo_state_name() - what users know a state by
 * @state: the state
 *
 * Return: its name.
 */
const char *luo_state_name(enum luo_state state)
{
	static const char *const names[] = {
		[LUO_STATE_NORMAL] = "normal",
		[LUO_STATE_UPDATED] = "updated",
		[LUO_STATE_FROZEN] = "frozen",
	};

	return names[state];
}

/* Take the hand-over in @blob, if it is of a format that we know. */
static int __init luo_identify_handover(void *blob, size_t size)
{
	const char *name;
	u64 number;
	int err;

	luo_abi_in = luo_abi_identify(blob, size, &name);
	if (!luo_abi_in) {
		luo_set_named_error(name ?: "LUO", "hand-over format", -EPROTONOSUPPORT);
		return 0;
	}

	luo_blob_in = luo_buf_take(virt_to_phys(blob), size);
	luo_restore_flbs(luo_abi_in, blob);
	err = luo_abi_in->read_number(blob, &number);
	if (err)
		return err;
	luo_set_number(number);
	pr_info("hand-over %llu, format %s\n", number, luo_abi_in->compatible);
	return 0;
}

/*
 * Find the previous kernel's hand-over and tell its format. Whatever it is, we
 * boot; what cannot be read stays reserved.
 */
static int __init luo_find_handover(void)
{
	phys_addr_t phys;
	void *blob = NULL;
	size_t size;
	int err;

	if (liveupdate_enabled() && !kho_is_enabled()) {
		pr_warn("disabled, as KHO is\n");
		luo_disable();
	}
	if (!liveupdate_enabled())
		return 0;

	err = kho_retrieve_subtree(LUO_KHO_ENTRY_NAME, &phys, &size);
	if (err == -ENOENT)
		return 0;
	if (!err) {
		blob = liveupdate_preserved_data(phys, size);
		err = blob ? luo_identify_handover(blob, size) : -EFAULT;
	}
	if (err)
		luo_set_last_error(NULL, NULL, "hand-over", err);
	return 0;
}
early_initcall(luo_find_handover);

/* Nothing of the notes is needed for the hand-over. */
static void luo_read_notes(void)
{
	int err = luo_notes_restore(), lost, labels;

	if (err == -ENOENT)
		return;
	if (!err) {
		lost = luo_lost_restore();
		labels = luo_label_restore(luo_sessions_restore_label);
		err = luo_timeline_restore() ?: lost ?: labels;
		luo_notes_forget(!err);
	}
	if (err)
		luo_set_last_error(NULL, NULL, "notes of the hand-over", err);
}

/* Reading takes time with the number of files; the boot need not wait for it. */
static void luo_read_handover(struct work_struct *work)
{
	if (luo_abi_in) {
		luo_restore_sessions(luo_abi_in, luo_blob_in);
		luo_buf_free(luo_blob_in);
	}
	luo_read_notes();
	liveupdate_phase(LIVEUPDATE_PHASE_READ);
	luo_notify(LUO_STATE_CHANGED, NULL);
}

static DECLARE_WORK(luo_read_work, luo_read_handover);

/* After the front ends, which are initialised as devices are. */
static int __init luo_start_reading(void)
{
	if (!liveupdate_enabled())
		return 0;
	luo_notes_publish();
	queue_work(system_dfl_wq, &luo_read_work);
	return 0;
}
late_initcall(luo_start_reading);

/**
 * luo_wait_for_incoming() - wait until the hand-over has been read
 *
 * Context: process context, without a lock of ours.
 */
void luo_wait_for_incoming(void)
{
	flush_work(&luo_read_work);
}

/* KHO tells nothing to an image that user space has put together. */
static int luo_check_image(void)
{
	if (kexec_image->file_mode || !luo_sessions_exist())
		return 0;
	luo_set_last_error(NULL, NULL, "image of kexec_load(2)", -EOPNOTSUPP);
	return -EOPNOTSUPP;
}

/*
 * Have nothing under way any more; with @pass nothing but what waits for a user, after the
 * same time. Fails as liveupdate_reboot().
 */
static int luo_close_gate(bool pass)
{
	unsigned long deadline = luo_freeze_deadline();
	int err;

	luo_wait_for_incoming();
	err = luo_owner_settle_all(deadline) ?: luo_gate_close(deadline, LUO_KILLABLE);
	if (err == -ETIMEDOUT && pass)
		err = luo_gate_pass();
	if (err != -ETIMEDOUT)
		return err;
	luo_sessions_tell_stalled();
	return -EBUSY;
}

static int luo_freeze_sessions(bool drop)
{
	if (!drop)
		return luo_sessions_freeze();
	luo_sessions_freeze_or_drop();
	return 0;
}

static void luo_serialize_notes(void)
{
	if (!luo_notes_exist())
		return;
	luo_notes_begin();
	luo_lost_serialize();
	luo_label_begin();
	luo_sessions_tell_labels();
	luo_label_serialize();
	luo_timeline_serialize();
	luo_notes_end();
}

static int luo_freeze(void)
{
	bool drop = luo_lost_begin();
	int err = luo_close_gate(drop);

	if (!err) {
		err = luo_check_image() ?: luo_freeze_sessions(drop);
		if (err) {
			luo_gate_undo();
		} else {
			luo_serialize();
			liveupdate_phase(LIVEUPDATE_PHASE_FROZEN);
			luo_serialize_notes();
		}
		luo_gate_open(!err);
	}
	if (err)
		luo_lost_cancel();
	return err;
}

/* The image that was loaded when all was prepared, while it is; only compared */
static const struct kimage *luo_prepared_image;

/* luo_prepare() succeeded last. Written with the gate closed, may be read without. */
static bool luo_was_prepared;

/**
 * liveupdate_forget_image() - an image is freed
 * @image: the image, which was loaded or was to be
 *
 * Context: any.
 */
void liveupdate_forget_image(const struct kimage *image)
{
	cmpxchg(&luo_prepared_image, image, NULL);
}

/*
 * Note which image is loaded. That is all that kexec's lock is held for: a reboot that
 * meets it fails.
 */
static int luo_note_image(void)
{
	int err = -ENOEXEC;

	if (!kexec_trylock())
		return -EBUSY;
	if (kexec_image) {
		err = luo_check_image();
		WRITE_ONCE(luo_prepared_image, kexec_image);
	}
	kexec_unlock();
	return err;
}

/**
 * luo_prepare() - do now what liveupdate_reboot() could fail with
 * @begin: do; false to undo it
 *
 * What is got for that is kept until it is undone, or until something changes what would
 * be handed over. No freeze() is called.
 *
 * Context: process context, without a lock of ours.
 * Return: 0; or, with nothing changed but that what was prepared before is not any more,
 * * -ENOEXEC: no image is loaded
 * * -EBUSY: one is being loaded
 * * as liveupdate_reboot()
 */
int luo_prepare(bool begin)
{
	int err;

	WRITE_ONCE(luo_was_prepared, false);
	err = luo_close_gate(false);
	if (err)
		return err;
	luo_gate_undo();
	if (begin) {
		err = luo_note_image() ?: luo_sessions_prepare();
		if (!err)
			luo_gate_set_undo(luo_sessions_unprepare);
		WRITE_ONCE(luo_was_prepared, !err);
	}
	luo_gate_open(false);
	return err;
}

/**
 * luo_get_prepared() - is all prepared for the reboot?
 *
 * Return: that; it may change at any time.
 */
enum luo_prepared luo_get_prepared(void)
{
	if (!READ_ONCE(luo_was_prepared))
		return LUO_PREPARED_NONE;
	return luo_gate_can_undo() && READ_ONCE(luo_prepared_image) ?
	       LUO_PREPARED_READY : LUO_PREPARED_STALE;
}

/**
 * liveupdate_reboot() - freeze and write what is handed over to the next kernel
 *
 * Waits for operations that are under way, for freeze_timeout_ms at most: no user can
 * hold it up for longer. With on_error=drop it then goes without what they have in hand,
 * and without what cannot be frozen or carried on.
 *
 * Context: called by the kexec path of reboot(2) alone, with all processes
 * still there.
 * Return: 0, and from now on nothing can be changed; or a negative errno, the
 * kexec must not happen and the machine goes on as before:
 * * -EBUSY: it was called before; or an operation did not end in time
 * * -EINTR: the caller is being killed
 * * -EOPNOTSUPP: the image was loaded by kexec_load(2), and there are sessions
 * * as luo_sessions_freeze()
 */
int liveupdate_reboot(void)
{
	int err;

	if (!liveupdate_enabled())
		return 0;

	liveupdate_phase(LIVEUPDATE_PHASE_REQUESTED);
	err = luo_freeze();
	if (!err)
		luo_notify(LUO_STATE_CHANGED, NULL);
	return err;
}
