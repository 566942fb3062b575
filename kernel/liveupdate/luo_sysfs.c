// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/kernel/liveupdate: what state live update is in, for where configfs is
 * not mounted, and for whoever wants to be told: state and outgoing can be waited for
 * with poll(2), and each change of the state, of sessions and of files sends a uevent,
 * which configfs cannot.
 */

#include <linux/cleanup.h>
#include <linux/init.h>
#include <linux/kobject.h>
#include <linux/liveupdate.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#include "luo_core.h"
#include "luo_file.h"
#include "luo_state.h"
#include "luo_text.h"

/* Not in sysfs itself: a uevent is sent only for what belongs to a kset. */
static struct kset luo_kset;
static struct kobject luo_kobj;

/* What was told last, and its lock. */
static DEFINE_MUTEX(luo_told_lock);
static enum luo_state luo_told;
static u64 luo_told_outgoing;

static ssize_t state_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	luo_wait_for_incoming();
	return sysfs_emit(buf, "%s\n", luo_state_name(luo_get_state()));
}

static ssize_t number_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%llu\n", luo_get_number());
}

static ssize_t outgoing_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	luo_wait_for_incoming();
	return sysfs_emit(buf, "%llu\n", luo_files_nr_outgoing());
}

static struct kobj_attribute luo_state_attr = __ATTR_RO(state);
static struct kobj_attribute luo_number_attr = __ATTR_RO(number);
static struct kobj_attribute luo_outgoing_attr = __ATTR_RO(outgoing);

static struct attribute *luo_attrs[] = {
	&luo_state_attr.attr,
	&luo_number_attr.attr,
	&luo_outgoing_attr.attr,
	NULL
};
ATTRIBUTE_GROUPS(luo);

static const struct kobj_type luo_ktype = {
	.sysfs_ops = &kobj_sysfs_ops,
	.default_groups = luo_groups,
};

static void luo_tell_state(void)
{
	char env[32], *envp[] = { env, NULL };
	enum luo_state state;

	guard(mutex)(&luo_told_lock);
	state = luo_get_state();
	if (state == luo_told)
		return;
	luo_told = state;
	sysfs_notify(&luo_kobj, NULL, "state");
	snprintf(env, sizeof(env), "LIVEUPDATE_STATE=%s", luo_state_name(state));
	kobject_uevent_env(&luo_kobj, KOBJ_CHANGE, envp);
}

static void luo_tell_outgoing(void)
{
	u64 outgoing;

	guard(mutex)(&luo_told_lock);
	outgoing = luo_files_nr_outgoing();
	if (outgoing == luo_told_outgoing)
		return;
	luo_told_outgoing = outgoing;
	sysfs_notify(&luo_kobj, NULL, "outgoing");
}

static void luo_tell_change(const struct luo_change *change)
{
	char name[LUO_NAME_TEXT_LENGTH], session[sizeof("SESSION=") + LUO_NAME_TEXT_LENGTH];
	char event[32], token[32], *envp[] = { event, session, NULL, NULL };

	luo_format_name(change->session, name);
	snprintf(event, sizeof(event), "EVENT=%s", change->what);
	snprintf(session, sizeof(session), "SESSION=%s", name);
	if (change->has_file) {
		snprintf(token, sizeof(token), "TOKEN=%llu", change->token);
		envp[2] = token;
	}
	kobject_uevent_env(&luo_kobj, KOBJ_CHANGE, envp);
}

static void luo_tell_changes(const struct luo_changes *changes)
{
	char env[32], *envp[] = { "EVENT=missed", env, NULL };
	unsigned int i;

	luo_tell_outgoing();
	for (i = 0; i < changes->nr; i++)
		luo_tell_change(&changes->change[i]);
	if (!changes->missed)
		return;
	snprintf(env, sizeof(env), "MISSED=%lu", changes->missed);
	kobject_uevent_env(&luo_kobj, KOBJ_CHANGE, envp);
}

static int luo_sysfs_notify(struct notifier_block *nb, unsigned long event, void *data)
{
	/* Of sessions that arrive nothing else is told. */
	if (event == LUO_STATE_CHANGED) {
		luo_tell_state();
		luo_tell_outgoing();
	} else if (event == LUO_CHANGED) {
		luo_tell_changes(data);
	}
	return NOTIFY_OK;
}

static struct notifier_block luo_sysfs_nb = {
	.notifier_call = luo_sysfs_notify,
};

static int __init luo_sysfs_init(void)
{
	int err;

	if (!liveupdate_enabled())
		return 0;

	kset_init(&luo_kset);
	err = kobject_set_name(&luo_kset.kobj, "liveupdate");
	if (err)
		return err;
	luo_kobj.kset = &luo_kset;
	err = kobject_init_and_add(&luo_kobj, &luo_ktype, kernel_kobj, "liveupdate");
	if (err)
		return err;
	return blocking_notifier_chain_register(&luo_notifier, &luo_sysfs_nb);
}
device_initcall(luo_sysfs_init);
