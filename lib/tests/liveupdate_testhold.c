// SPDX-License-Identifier: GPL-2.0
/*
 * A collapse of pages into a huge one that is held at the point that matters: the
 * pages are locked, it was found that nobody else has them, and they are still in
 * the page cache. Who gets hold of one then has it when it is in no file any more.
 *
 * With the module parameter armed, the next madvise(MADV_COLLAPSE) is held there
 * until another task waits for the lock of a page, for ten seconds at most. The
 * parameter held says that it is, or was; and met, that another task came.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/array_size.h>
#include <linux/delay.h>
#include <linux/init.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/sched.h>

#define TESTHOLD_MS	10000

static bool armed;
module_param(armed, bool, 0644);
static bool held;
module_param(held, bool, 0444);
static bool met;
module_param(met, bool, 0444);

static struct task_struct *testhold_task;

static int testhold_begin(struct kprobe *kp, struct pt_regs *regs)
{
	if (READ_ONCE(armed))
		WRITE_ONCE(testhold_task, current);
	return 0;
}
NOKPROBE_SYMBOL(testhold_begin);

static int testhold_hold(struct kprobe *kp, struct pt_regs *regs)
{
	unsigned int ms;

	if (READ_ONCE(testhold_task) != current || !READ_ONCE(armed))
		return 0;
	WRITE_ONCE(armed, false);
	WRITE_ONCE(held, true);
	for (ms = 0; ms < TESTHOLD_MS && !READ_ONCE(met); ms++)
		mdelay(1);
	WRITE_ONCE(testhold_task, NULL);
	return 0;
}
NOKPROBE_SYMBOL(testhold_hold);

static int testhold_meet(struct kprobe *kp, struct pt_regs *regs)
{
	if (READ_ONCE(held) && READ_ONCE(testhold_task) && READ_ONCE(testhold_task) != current)
		WRITE_ONCE(met, true);
	return 0;
}
NOKPROBE_SYMBOL(testhold_meet);

static struct kprobe testhold_begin_probe = {
	.symbol_name = "madvise_collapse",
	.pre_handler = testhold_begin,
};

/* What a collapse of a file calls when it has all pages, and before it copies them */
static struct kprobe testhold_hold_probe = {
	.symbol_name = "try_to_unmap_flush",
	.pre_handler = testhold_hold,
};

static struct kprobe testhold_lock_probe = {
	.symbol_name = "__folio_lock",
	.pre_handler = testhold_meet,
};

static struct kprobe testhold_lock_killable_probe = {
	.symbol_name = "__folio_lock_killable",
	.pre_handler = testhold_meet,
};

static struct kprobe *const testhold_probes[] = {
	&testhold_begin_probe,
	&testhold_hold_probe,
	&testhold_lock_probe,
	&testhold_lock_killable_probe,
};

static int __init testhold_init(void)
{
	return register_kprobes((struct kprobe **)testhold_probes, ARRAY_SIZE(testhold_probes));
}
device_initcall(testhold_init);
