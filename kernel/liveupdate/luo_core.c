// SPDX-License-Identifier: GPL-2.0
/*
 * Live Update Orchestrator, core: boot, reboot, and the state between them.
 *
 * At boot the hand-over from the previous kernel is found and read; in the
 * reboot path what is to be handed over is frozen and written. Sessions and
 * files are kept in luo_session.c and luo_file.c.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cleanup.h>
#include <linux/errname.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/liveupdate.h>
#include <linux/kstrtox.h>
#include <linux/mm.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/workqueue.h>

#include "luo_internal.h"

/*
 * Held for reading by whatever changes what is handed over, or takes from what
 * was; for writing while the reboot path freezes it. After that luo.frozen
 * turns changes away.
 */
DECLARE_RWSEM(luo_freeze_rwsem);

/* Tells front ends what happened, see enum luo_event. */
BLOCKING_NOTIFIER_HEAD(luo_notifier);

static struct {
	bool enabled;
	bool frozen;
	u64 number;
	const struct luo_abi *abi_in;
	void *blob_in;
} luo;

/* The linker has what the formats and file handlers list follow this. */
static const struct liveupdate_versions_header luo_versions_header
	__used __section(".liveupdate_versions_header") __aligned(8) = {
	.magic = LIVEUPDATE_VERSIONS_MAGIC,
	.version = LIVEUPDATE_VERSIONS_VERSION,
};

static DEFINE_SPINLOCK(luo_error_lock);
static char luo_error[LUO_ERROR_LENGTH];

static int __init luo_parse_enable(char *arg)
{
	return kstrtobool(arg, &luo.enabled);
}
early_param("liveupdate", luo_parse_enable);

/**
 * liveupdate_enabled() - is live update in use on this boot?
 *
 * Set by ``liveupdate=on`` on the kernel's command line; needs KHO.
 *
 * Context: any, from early_initcall on.
 * Return: true when it is.
 */
bool liveupdate_enabled(void)
{
	return luo.enabled;
}

/**
 * liveupdate_preserved_data() - reach what the previous kernel preserved
 * @phys: its physical address, as the hand-over says
 * @size: how many bytes are expected there
 *
 * A hand-over is input from outside. This is how to reach anything that it
 * points to: it checks that the address is one that the previous kernel
 * preserved and that this one did not take back yet, and that as much is there.
 *
 * Context: any, from early_initcall on.
 * Return: where it is, or NULL when it is not.
 */
void *liveupdate_preserved_data(u64 phys, u64 size)
{
	int order = kho_preserved_order(phys);

	if (order < 0 || size > PAGE_SIZE << order)
		return NULL;
	return phys_to_virt(phys);
}
EXPORT_SYMBOL_GPL(liveupdate_preserved_data);

/**
 * luo_is_frozen() - has what is handed over been fixed for good?
 *
 * Context: asked under luo_freeze_rwsem by whoever is about to change
 * something; without it the answer is only good for showing.
 * Return: true when it has: nothing may be changed, freed or moved any more.
 */
bool luo_is_frozen(void)
{
	return READ_ONCE(luo.frozen);
}

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

/**
 * luo_get_number() - how many hand-overs in a row led to this kernel
 *
 * Return: that number, 0 after a boot without a hand-over.
 */
u64 luo_get_number(void)
{
	return luo.number;
}

/**
 * luo_notify() - tell front ends what happened
 * @event:   what
 * @session: to which session, or NULL
 *
 * Context: process context, without a lock of ours.
 */
void luo_notify(enum luo_event event, struct luo_session *session)
{
	blocking_notifier_call_chain(&luo_notifier, event, session);
}

/**
 * luo_get_last_error() - the last operation that failed
 * @buf: filled in, of LUO_ERROR_LENGTH bytes; empty when none failed
 */
void luo_get_last_error(char *buf)
{
	guard(spinlock)(&luo_error_lock);
	strscpy(buf, luo_error, LUO_ERROR_LENGTH);
}

/**
 * luo_set_last_error() - remember what failed, and log it
 * @session: the session it failed for, or NULL
 * @file:    the file in it, or NULL
 * @what:    what failed
 * @err:     negative errno, or 0 when @what says it all
 */
void luo_set_last_error(const struct luo_session *session,
			const struct luo_file *file, const char *what, int err)
{
	char text[LUO_ERROR_LENGTH];
	size_t len = 0;

	if (session) {
		luo_format_name(session->name, text);
		len = strlen(text);
		if (file)
			len += scnprintf(text + len, sizeof(text) - len, "/%llu",
					 file->token);
		len += scnprintf(text + len, sizeof(text) - len, ": ");
	}
	len += scnprintf(text + len, sizeof(text) - len, "%s", what);
	if (err && errname(-err))
		scnprintf(text + len, sizeof(text) - len, ": %s", errname(-err));
	else if (err)
		scnprintf(text + len, sizeof(text) - len, ": %d", err);

	pr_warn("%s\n", text);

	guard(spinlock)(&luo_error_lock);
	strscpy(luo_error, text, sizeof(luo_error));
}

/* Take the hand-over in @blob, if it is of a format that we know. */
static int __init luo_identify_handover(void *blob, size_t size)
{
	char short_name[LIVEUPDATE_SESSION_NAME_LENGTH];
	char text[LUO_NAME_TEXT_LENGTH + 32];
	const char *name;

	luo.abi_in = luo_abi_identify(blob, size, &name);
	if (luo.abi_in) {
		luo.blob_in = luo_abi_take(virt_to_phys(blob), size);
		luo.abi_in->read_flbs(blob);
		return luo.abi_in->read_number(blob, &luo.number);
	}

	strscpy(short_name, name ?: "LUO");
	luo_format_name(short_name, text);
	strcat(text, ": unknown hand-over format");
	luo_set_last_error(NULL, NULL, text, 0);
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

	if (luo.enabled && !kho_is_enabled()) {
		pr_warn("disabled, as KHO is\n");
		luo.enabled = false;
	}
	if (!luo.enabled)
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
	else if (luo.abi_in)
		pr_info("hand-over %llu, format %s\n", luo.number,
			luo.abi_in->compatible);
	return 0;
}
early_initcall(luo_find_handover);

/* Reading takes time with the number of files; the boot need not wait for it. */
static void luo_read_handover(struct work_struct *work)
{
	luo.abi_in->read(luo.blob_in);
	luo_abi_free(luo.blob_in);
	luo_notify(LUO_STATE_CHANGED, NULL);
}

static DECLARE_WORK(luo_read_work, luo_read_handover);

/* After the front ends, which are initialised as devices are. */
static int __init luo_start_reading(void)
{
	if (luo.abi_in)
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

/**
 * liveupdate_reboot() - freeze and write what is handed over to the next kernel
 *
 * Context: called by the kexec path of reboot(2) alone, with all processes
 * still there.
 * Return: 0, and from now on nothing can be changed; or a negative errno, the
 * kexec must not happen and the machine goes on as before:
 * * -EBUSY: it was called before
 * * as luo_sessions_freeze()
 */
int liveupdate_reboot(void)
{
	int err;

	if (!liveupdate_enabled())
		return 0;

	luo_wait_for_incoming();
	luo_owner_flush_all();

	scoped_guard(rwsem_write, &luo_freeze_rwsem) {
		if (luo.frozen)
			return -EBUSY;
		err = luo_sessions_freeze();
		if (err)
			return err;
		luo_abi->write();
		WRITE_ONCE(luo.frozen, true);
	}

	luo_notify(LUO_STATE_CHANGED, NULL);
	return 0;
}
