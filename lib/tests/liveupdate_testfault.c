// SPDX-License-Identifier: GPL-2.0
/*
 * Allocations that fail in what nobody can tell to let them: work that is done at
 * boot, before there are processes.
 *
 * With liveupdate_testfault.function=NAME on the kernel's command line, of a
 * function that takes part in that, its first call has its first allocation of
 * slab memory fail, its second call the second, and so on, until a call has no
 * more. The module parameters hits and missed tell how many calls had one that
 * failed, and that one had none.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/error-injection.h>
#include <linux/gfp.h>
#include <linux/init.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/ptrace.h>
#include <linux/sched.h>

static char *function;
module_param(function, charp, 0444);
static unsigned int hits;
module_param(hits, uint, 0444);
static bool missed;
module_param(missed, bool, 0444);

/* Who is in the function, and how many allocations it is away from the one to fail */
static struct task_struct *testfault_task;
static unsigned int testfault_left;

static int testfault_begin(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	if (missed)
		return 0;
	testfault_left = 1 + hits;
	WRITE_ONCE(testfault_task, current);
	return 0;
}
NOKPROBE_SYMBOL(testfault_begin);

static int testfault_end(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	if (READ_ONCE(testfault_task) != current)
		return 0;
	WRITE_ONCE(testfault_task, NULL);
	if (testfault_left)
		missed = true;
	else
		hits++;
	return 0;
}
NOKPROBE_SYMBOL(testfault_end);

/* In should_failslab(cache, gfp_flags) */
static int testfault_allocation(struct kprobe *kp, struct pt_regs *regs)
{
	gfp_t gfp = (__force gfp_t)regs_get_kernel_argument(regs, 1);

	/* Nor what debugging allocates beside, see gfp_nested_mask(). */
	if (READ_ONCE(testfault_task) != current || !testfault_left ||
	    gfp & (__GFP_NOFAIL | __GFP_NOMEMALLOC))
		return 0;
	if (--testfault_left)
		return 0;
	regs_set_return_value(regs, -ENOMEM);
	override_function_with_return(regs);
	return 1;
}
NOKPROBE_SYMBOL(testfault_allocation);

/* A probe with one is not optimized: what is optimized cannot return in the function's stead. */
static void testfault_stepped(struct kprobe *kp, struct pt_regs *regs, unsigned long flags)
{
}

static struct kretprobe testfault_kretprobe = {
	.entry_handler = testfault_begin,
	.handler = testfault_end,
};

static struct kprobe testfault_kprobe = {
	.symbol_name = "should_failslab",
	.pre_handler = testfault_allocation,
	.post_handler = testfault_stepped,
};

static int __init testfault_init(void)
{
	int err;

	if (!function)
		return 0;

	testfault_kretprobe.kp.symbol_name = function;
	err = register_kprobe(&testfault_kprobe);
	if (err)
		return err;
	err = register_kretprobe(&testfault_kretprobe);
	if (err)
		unregister_kprobe(&testfault_kprobe);
	return err;
}
device_initcall(testfault_init);
