// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/kernel/config/liveupdate-test: a directory in which links can be made, to any
 * directory of another configfs subsystem. The item of that lives as long as the link.
 */

#include <linux/configfs.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/mutex.h>

static int testlink_allow(struct config_item *src, struct config_item *target)
{
	config_item_get(target);
	return 0;
}

static void testlink_drop(struct config_item *src, struct config_item *target)
{
	config_item_put(target);
}

static const struct configfs_item_operations testlink_ops = {
	.allow_link = testlink_allow,
	.drop_link = testlink_drop,
};

static const struct config_item_type testlink_type = {
	.ct_owner = THIS_MODULE,
	.ct_item_ops = &testlink_ops,
};

static struct configfs_subsystem testlink_subsys = {
	.su_group = {
		.cg_item = {
			.ci_namebuf = "liveupdate-test",
			.ci_type = &testlink_type,
		},
	},
	.su_mutex = __MUTEX_INITIALIZER(testlink_subsys.su_mutex),
};

static int __init testlink_init(void)
{
	config_group_init(&testlink_subsys.su_group);
	return configfs_register_subsystem(&testlink_subsys);
}
device_initcall(testlink_init);
