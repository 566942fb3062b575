// SPDX-License-Identifier: GPL-2.0
/*
 * Objects bound to the life of files, to test live update with: every file
 * handler there is depends on all of them.
 *
 * Module parameters, prefix liveupdate_test: the counts preserves, unpreserves,
 * retrieves and finishes have a number for each object; fail_preserve and
 * fail_retrieve make a callback fail, once, with EIO. root is the physical address
 * of the root of what is handed over, 0 while there is none; and notes, of the root of
 * what is told besides.
 */

#define pr_fmt(fmt) KBUILD_MODNAME " test: " fmt

#include <linux/errno.h>
#include <linux/io.h>
#include <linux/liveupdate.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/sysfs.h>

/* The module is called as all of live update is. */
#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "liveupdate_test."

#include "../../kernel/liveupdate/luo_abi.h"
#include "../../kernel/liveupdate/luo_notes.h"
#include "../../kernel/liveupdate/luo_internal.h"
#include "liveupdate_fail.h"

#define TEST_FLBS	3

/* What is handed over, by kernels of others too: that and the object's number */
#define TEST_FLB_MAGIC	0xfeedf00dcafebee0ULL

static unsigned int preserves[TEST_FLBS];
static unsigned int unpreserves[TEST_FLBS];
static unsigned int retrieves[TEST_FLBS];
static unsigned int finishes[TEST_FLBS];
module_param_array(preserves, uint, NULL, 0444);
module_param_array(unpreserves, uint, NULL, 0444);
module_param_array(retrieves, uint, NULL, 0444);
module_param_array(finishes, uint, NULL, 0444);

LIVEUPDATE_FAIL(preserve);
LIVEUPDATE_FAIL(retrieve);

static int test_root_get(char *buf, const struct kernel_param *kp)
{
	size_t size;
	void *root = luo_abi->root(&size);

	return sysfs_emit(buf, "%#llx\n", root ? (u64)virt_to_phys(root) : 0);
}

static int test_notes_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%#llx\n", luo_notes_root ? (u64)virt_to_phys(luo_notes_root) : 0);
}

static const struct kernel_param_ops test_root_ops = { .get = test_root_get };
module_param_cb(root, &test_root_ops, NULL, 0400);

static const struct kernel_param_ops test_notes_ops = { .get = test_notes_get };
module_param_cb(notes, &test_notes_ops, NULL, 0400);

static const struct liveupdate_flb_ops test_flb_ops;

#define TEST_FLB(i) {							\
	.ops = &test_flb_ops,						\
	.compatible = LIVEUPDATE_TEST_FLB_COMPATIBLE(i),		\
}

static struct liveupdate_flb test_flbs[TEST_FLBS] = {
	TEST_FLB(0),
	TEST_FLB(1),
	TEST_FLB(2),
};

static size_t test_flb_index(struct liveupdate_flb_op_args *args)
{
	return args->flb - test_flbs;
}

static u64 test_flb_magic(struct liveupdate_flb_op_args *args)
{
	return TEST_FLB_MAGIC + test_flb_index(args);
}

static int test_flb_preserve(struct liveupdate_flb_op_args *args)
{
	if (liveupdate_fails(&fail_preserve))
		return -EIO;

	args->data = test_flb_magic(args);
	args->obj = args->flb;
	preserves[test_flb_index(args)]++;
	return 0;
}

static void test_flb_unpreserve(struct liveupdate_flb_op_args *args)
{
	WARN_ON(args->data != test_flb_magic(args) || args->obj != args->flb);
	unpreserves[test_flb_index(args)]++;
}

static int test_flb_retrieve(struct liveupdate_flb_op_args *args)
{
	if (liveupdate_fails(&fail_retrieve))
		return -EIO;
	if (args->data != test_flb_magic(args))
		return -EINVAL;

	args->obj = args->flb;
	retrieves[test_flb_index(args)]++;
	return 0;
}

static void test_flb_finish(struct liveupdate_flb_op_args *args)
{
	WARN_ON(args->data != test_flb_magic(args) || args->obj != args->flb);
	finishes[test_flb_index(args)]++;
}

static const struct liveupdate_flb_ops test_flb_ops = {
	.preserve = test_flb_preserve,
	.unpreserve = test_flb_unpreserve,
	.retrieve = test_flb_retrieve,
	.finish = test_flb_finish,
	.owner = THIS_MODULE,
};

/**
 * liveupdate_test_register() - have files of a type depend on the test's objects
 * @fh: the handler of that type, just registered
 *
 * Context: liveupdate_register_file_handler().
 */
void liveupdate_test_register(struct liveupdate_file_handler *fh)
{
	int err, i;

	for (i = 0; i < TEST_FLBS; i++) {
		err = liveupdate_register_flb(fh, &test_flbs[i]);
		if (err)
			pr_err("%s: %pe\n", test_flbs[i].compatible, ERR_PTR(err));
	}
	WARN_ON(liveupdate_register_flb(fh, &test_flbs[0]) != -EEXIST);

	/* One can go, and come again. */
	liveupdate_unregister_flb(fh, &test_flbs[TEST_FLBS - 1]);
	WARN_ON(liveupdate_register_flb(fh, &test_flbs[TEST_FLBS - 1]));
}

MODULE_DESCRIPTION("Objects bound to the life of files, to test live update with");
MODULE_LICENSE("GPL");
