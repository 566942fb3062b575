// SPDX-License-Identifier: GPL-2.0
/*
 * A security module that lets no process receive a file of another one while the
 * module parameter deny is set: neither by what live update does, nor by a message
 * or pidfd_getfd(2).
 */

#include <linux/array_size.h>
#include <linux/errno.h>
#include <linux/init.h>
#include <linux/lsm_hooks.h>
#include <linux/module.h>
#include <linux/moduleparam.h>

static bool deny;
module_param(deny, bool, 0644);

static int testlsm_file_receive(struct file *file)
{
	return READ_ONCE(deny) ? -EACCES : 0;
}

static struct security_hook_list testlsm_hooks[] __ro_after_init = {
	LSM_HOOK_INIT(file_receive, testlsm_file_receive),
};

static const struct lsm_id testlsm_id = {
	.name = "liveupdate_test",
	.id = LSM_ID_UNDEF,
};

static int __init testlsm_init(void)
{
	security_add_hooks(testlsm_hooks, ARRAY_SIZE(testlsm_hooks), &testlsm_id);
	return 0;
}

DEFINE_LSM(liveupdate_test) = {
	.id = &testlsm_id,
	.order = LSM_ORDER_LAST,
	.init = testlsm_init,
};
