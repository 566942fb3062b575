// SPDX-License-Identifier: GPL-2.0
/*
 * Select one of the mutants that are compiled into this kernel, and into the luo-sh that it
 * runs: luo_mutant=N@SIDE on the command line. SIDE is first for the kernel that the machine
 * was switched on with, next for those that a live update leads to, both for each. Command
 * lines go from kernel to kernel: the parameter tells which of them it is meant for.
 *
 * With none selected, the kernel collects which mutants are reached. Writing - to
 * /sys/module/luo_mutant/parameters/reached prints and forgets them, as a reboot does;
 * writing a number there adds one of luo-sh.
 */

#include <linux/bitmap.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/kexec_handover.h>
#include <linux/moduleparam.h>
#include <linux/reboot.h>
#include <linux/string.h>

#define NR_MUTANTS	4096

bool luo_mutant(int number);

static int luo_mutant_selected;
module_param_named(selected, luo_mutant_selected, int, 0444);

static DECLARE_BITMAP(luo_mutant_reached, NR_MUTANTS);

static int __init luo_mutant_setup(char *arg)
{
	char *side = strchr(arg, '@');
	int number;

	if (!side)
		return -EINVAL;
	*side++ = '\0';
	if (kstrtoint(arg, 10, &number))
		return -EINVAL;
	/* A number that no mutant has: nothing is collected where another kernel has the mutant. */
	luo_mutant_selected = -1;
	if (!strcmp(side, "both") || !strcmp(side, is_kho_boot() ? "next" : "first"))
		luo_mutant_selected = number;
	side[-1] = '@';
	return 0;
}
early_param("luo_mutant", luo_mutant_setup);

bool luo_mutant(int number)
{
	if (likely(luo_mutant_selected))
		return number == luo_mutant_selected;
	if (!test_bit(number, luo_mutant_reached))
		set_bit(number, luo_mutant_reached);
	return false;
}

static void luo_mutant_print(void)
{
	const char *side = is_kho_boot() ? "next" : "first";
	unsigned int number, len = 0;
	char line[512];

	for_each_set_bit(number, luo_mutant_reached, NR_MUTANTS) {
		len += scnprintf(line + len, sizeof(line) - len, " %u", number);
		if (len < sizeof(line) - 8)
			continue;
		pr_info("mutants reached, %s:%s\n", side, line);
		len = 0;
	}
	if (len)
		pr_info("mutants reached, %s:%s\n", side, line);
	bitmap_zero(luo_mutant_reached, NR_MUTANTS);
}

static int luo_mutant_reached_set(const char *val, const struct kernel_param *kp)
{
	unsigned int number;

	if (*val == '-') {
		luo_mutant_print();
		return 0;
	}
	if (kstrtouint(val, 10, &number) || number >= NR_MUTANTS)
		return -EINVAL;
	set_bit(number, luo_mutant_reached);
	return 0;
}

static const struct kernel_param_ops luo_mutant_reached_ops = {
	.set = luo_mutant_reached_set,
};
module_param_cb(reached, &luo_mutant_reached_ops, NULL, 0200);

static int luo_mutant_reboot(struct notifier_block *nb, unsigned long action, void *data)
{
	luo_mutant_print();
	return NOTIFY_DONE;
}

static struct notifier_block luo_mutant_notifier = {
	.notifier_call = luo_mutant_reboot,
};

static int __init luo_mutant_init(void)
{
	return register_reboot_notifier(&luo_mutant_notifier);
}
core_initcall(luo_mutant_init);
