// SPDX-License-Identifier: GPL-2.0
/*
 * A file type to test live update with: open files of /dev/liveupdate-test hold
 * a number each, which is written and read as text and can be preserved. Writing
 * fd:N links the file to the one that the writer has open as N: reading gives that
 * one's inode number, too, and where one is preserved the other has to be.
 *
 * A callback that is told to fail says EBUSY for can_finish() and EIO else. The
 * module parameters preserved and frozen tell how many files are just that.
 *
 * As long as hold_reboot is set a reboot by kexec waits: all is frozen then, and
 * processes still run. As long as hold_retrieve is, who retrieves a file waits.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/anon_inodes.h>
#include <linux/atomic.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/liveupdate.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/notifier.h>
#include <linux/reboot.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

#include "liveupdate_fail.h"

#define TESTDEV_COMPATIBLE	"liveupdate-test-v1"

struct testdev_file {
	u64 value;
	struct file *link;
};

/* What is handed over */
struct testdev_ser {
	u64 value;
	bool is_linked;
	u64 link;		/* the token of that file */
};

LIVEUPDATE_FAIL(preserve);
LIVEUPDATE_FAIL(check);
LIVEUPDATE_FAIL(freeze);
LIVEUPDATE_FAIL(retrieve);
LIVEUPDATE_FAIL(can_finish);

static atomic_t testdev_preserved;
module_param_named(preserved, testdev_preserved.counter, int, 0444);
static atomic_t testdev_frozen;
module_param_named(frozen, testdev_frozen.counter, int, 0444);

static bool hold_reboot, hold_retrieve;
static DECLARE_WAIT_QUEUE_HEAD(testdev_hold_wait);

static int testdev_hold_set(const char *val, const struct kernel_param *kp)
{
	int err = param_set_bool(val, kp);

	wake_up_all(&testdev_hold_wait);
	return err;
}

static const struct kernel_param_ops testdev_hold_ops = {
	.set = testdev_hold_set,
	.get = param_get_bool,
};
module_param_cb(hold_reboot, &testdev_hold_ops, &hold_reboot, 0644);
module_param_cb(hold_retrieve, &testdev_hold_ops, &hold_retrieve, 0644);

static int testdev_reboot(struct notifier_block *nb, unsigned long action, void *data)
{
	wait_event(testdev_hold_wait, !READ_ONCE(hold_reboot));
	return NOTIFY_DONE;
}

static struct notifier_block testdev_reboot_nb = {
	.notifier_call = testdev_reboot,
};

static int testdev_open(struct inode *inode, struct file *file)
{
	file->private_data = kzalloc_obj(struct testdev_file);
	return file->private_data ? 0 : -ENOMEM;
}

static void testdev_set_link(struct testdev_file *tf, struct file *link)
{
	if (tf->link)
		fput(tf->link);
	tf->link = link;
}

static int testdev_release(struct inode *inode, struct file *file)
{
	struct testdev_file *tf = file->private_data;

	testdev_set_link(tf, NULL);
	kfree(tf);
	return 0;
}

static ssize_t testdev_read(struct file *file, char __user *buf, size_t count,
			    loff_t *pos)
{
	struct testdev_file *tf = file->private_data;
	char text[48];
	int len = scnprintf(text, sizeof(text), "%llu", tf->value);

	if (tf->link)
		len += scnprintf(text + len, sizeof(text) - len, " %llu",
				 (u64)file_inode(tf->link)->i_ino);
	len += scnprintf(text + len, sizeof(text) - len, "\n");
	return simple_read_from_buffer(buf, count, pos, text, len);
}

static ssize_t testdev_write(struct file *file, const char __user *buf,
			     size_t count, loff_t *pos)
{
	struct testdev_file *tf = file->private_data;
	struct file *link;
	char text[24] = "";
	int fd;

	if (count >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, buf, count))
		return -EFAULT;

	if (sscanf(text, "fd:%d", &fd) == 1) {
		link = fget(fd);
		if (!link)
			return -EBADF;
		testdev_set_link(tf, link);
		return count;
	}
	testdev_set_link(tf, NULL);
	return kstrtou64(text, 10, &tf->value) ?: count;
}

static const struct file_operations testdev_fops = {
	.owner = THIS_MODULE,
	.open = testdev_open,
	.release = testdev_release,
	.read = testdev_read,
	.write = testdev_write,
};

static bool testdev_can_preserve(struct liveupdate_file_handler *handler,
				 struct file *file)
{
	return file->f_op == &testdev_fops;
}

static int testdev_preserve(struct liveupdate_file_op_args *args)
{
	struct testdev_ser *ser;

	if (liveupdate_fails(&fail_preserve))
		return -EIO;

	ser = kho_alloc_preserve(sizeof(*ser));
	if (IS_ERR(ser))
		return PTR_ERR(ser);
	args->serialized_data = virt_to_phys(ser);
	atomic_inc(&testdev_preserved);
	return 0;
}

static void testdev_unpreserve(struct liveupdate_file_op_args *args)
{
	kho_unpreserve_free(phys_to_virt(args->serialized_data));
	atomic_dec(&testdev_preserved);
}

static int testdev_check(struct liveupdate_file_op_args *args)
{
	struct testdev_file *tf = args->file->private_data;
	u64 token;

	if (liveupdate_fails(&fail_check))
		return -EIO;
	return tf->link ? liveupdate_get_token_outgoing(args->session, tf->link, &token) : 0;
}

static int testdev_freeze(struct liveupdate_file_op_args *args)
{
	struct testdev_ser *ser = phys_to_virt(args->serialized_data);
	struct testdev_file *tf = args->file->private_data;

	int err;

	if (liveupdate_fails(&fail_freeze))
		return -EIO;
	if (tf->link) {
		err = liveupdate_get_token_outgoing(args->session, tf->link, &ser->link);
		if (err)
			return err;
	}
	ser->is_linked = tf->link;
	ser->value = tf->value;
	atomic_inc(&testdev_frozen);
	return 0;
}

static void testdev_unfreeze(struct liveupdate_file_op_args *args)
{
	atomic_dec(&testdev_frozen);
}

static int testdev_retrieve(struct liveupdate_file_op_args *args)
{
	struct testdev_ser *ser;
	struct file *file, *link;
	struct testdev_file *tf;
	int err;

	wait_event(testdev_hold_wait, !READ_ONCE(hold_retrieve));
	if (liveupdate_fails(&fail_retrieve))
		return -EIO;

	ser = liveupdate_preserved_data(args->serialized_data, sizeof(*ser));
	if (!ser)
		return -EINVAL;
	if (ser->is_linked) {
		err = liveupdate_get_file_incoming(args->session, ser->link, &link);
		if (err)
			return err;
	}
	tf = kzalloc_obj(*tf);
	if (!tf)
		return -ENOMEM;
	file = anon_inode_getfile_fmode("[liveupdate-test]", &testdev_fops, tf, O_RDWR,
					FMODE_PREAD | FMODE_PWRITE);
	if (IS_ERR(file)) {
		kfree(tf);
		return PTR_ERR(file);
	}
	if (ser->is_linked)
		tf->link = get_file(link);
	tf->value = ser->value;
	kho_restore_free(ser);
	args->file = file;
	return 0;
}

static bool testdev_can_finish(struct liveupdate_file_op_args *args)
{
	return !liveupdate_fails(&fail_can_finish);
}

static void testdev_finish(struct liveupdate_file_op_args *args)
{
	if (args->retrieve_status <= 0)
		kho_restore_free(liveupdate_preserved_data(args->serialized_data,
							   sizeof(struct testdev_ser)));
}

static const struct liveupdate_file_ops testdev_file_ops = {
	.can_preserve = testdev_can_preserve,
	.preserve = testdev_preserve,
	.unpreserve = testdev_unpreserve,
	.check = testdev_check,
	.freeze = testdev_freeze,
	.unfreeze = testdev_unfreeze,
	.retrieve = testdev_retrieve,
	.can_finish = testdev_can_finish,
	.finish = testdev_finish,
	.owner = THIS_MODULE,
};

LIVEUPDATE_FILE_HANDLER(testdev_handler, TESTDEV_COMPATIBLE, &testdev_file_ops);

static struct miscdevice testdev_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "liveupdate-test",
	.fops = &testdev_fops,
};

static int __init testdev_init(void)
{
	int err;

	err = liveupdate_register_file_handler(&testdev_handler);
	if (err)
		return err;
	err = misc_register(&testdev_misc);
	if (err)
		goto err_handler;
	err = register_reboot_notifier(&testdev_reboot_nb);
	if (err)
		goto err_misc;
	return 0;

err_misc:
	misc_deregister(&testdev_misc);
err_handler:
	liveupdate_unregister_file_handler(&testdev_handler);
	return err;
}
module_init(testdev_init);

static void __exit testdev_exit(void)
{
	unregister_reboot_notifier(&testdev_reboot_nb);
	misc_deregister(&testdev_misc);
	liveupdate_unregister_file_handler(&testdev_handler);
}
module_exit(testdev_exit);

MODULE_DESCRIPTION("File type to test live update with");
MODULE_LICENSE("GPL");
