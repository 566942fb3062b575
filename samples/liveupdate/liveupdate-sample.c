// SPDX-License-Identifier: GPL-2.0
/*
 * Sample: a file type that is preserved across a live update.
 *
 * Every open file of /dev/liveupdate-sample is a note, of one page at most: what
 * is written replaces its text. What is preserved of a note is that text. All
 * notes share a ledger, which counts what was ever written; it is preserved with
 * the first note and finished with the last:
 *
 *	# exec 5<>/dev/liveupdate-sample
 *	# echo 'remember the milk' >&5
 *	# cat /sys/module/liveupdate_sample/parameters/written
 *	18
 *
 * Documentation/core-api/liveupdate.rst goes through it.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/anon_inodes.h>
#include <linux/atomic.h>
#include <linux/cleanup.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/liveupdate.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

/*
 * What is handed over of a note. Another layout is another compatible string: a
 * kernel that does not know it then leaves the note alone.
 */
#define NOTE_COMPATIBLE		"liveupdate-sample-note-v1"

struct note_ser {
	u64 len;
	char text[PAGE_SIZE - sizeof(u64)];
} __packed;

/* What is handed over of the ledger */
#define LEDGER_COMPATIBLE	"liveupdate-sample-ledger-v1"

struct ledger_ser {
	u64 written;
} __packed;

struct note {
	struct mutex lock;	/* protects the text */
	size_t len;
	char text[sizeof_field(struct note_ser, text)];
};

static atomic64_t ledger;	/* bytes written to all notes */

static int ledger_show(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%lld\n", atomic64_read(&ledger));
}

static const struct kernel_param_ops ledger_ops = { .get = ledger_show };
module_param_cb(written, &ledger_ops, NULL, 0444);

/* The device */

static struct note *note_new(void)
{
	struct note *note = kzalloc_obj(*note);

	if (note)
		mutex_init(&note->lock);
	return note;
}

static int note_open(struct inode *inode, struct file *file)
{
	file->private_data = note_new();
	return file->private_data ? 0 : -ENOMEM;
}

static int note_release(struct inode *inode, struct file *file)
{
	kfree(file->private_data);
	return 0;
}

static ssize_t note_read(struct file *file, char __user *buf, size_t count,
			 loff_t *pos)
{
	struct note *note = file->private_data;

	guard(mutex)(&note->lock);
	return simple_read_from_buffer(buf, count, pos, note->text, note->len);
}

static ssize_t note_write(struct file *file, const char __user *buf, size_t count,
			  loff_t *pos)
{
	struct note *note = file->private_data;

	if (count > sizeof(note->text))
		return -EFBIG;

	guard(mutex)(&note->lock);
	if (copy_from_user(note->text, buf, count)) {
		note->len = 0;
		return -EFAULT;
	}
	note->len = count;
	atomic64_add(count, &ledger);
	return count;
}

static const struct file_operations note_fops = {
	.owner = THIS_MODULE,
	.open = note_open,
	.release = note_release,
	.read = note_read,
	.write = note_write,
};

static struct miscdevice note_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "liveupdate-sample",
	.fops = &note_fops,
};

/* The ledger, which lives as long as a note is preserved */

static int ledger_preserve(struct liveupdate_flb_op_args *args)
{
	struct ledger_ser *ser = kho_alloc_preserve(sizeof(*ser));

	if (IS_ERR(ser))
		return PTR_ERR(ser);
	args->data = virt_to_phys(ser);
	args->obj = ser;
	pr_info("ledger: preserved\n");
	return 0;
}

static void ledger_unpreserve(struct liveupdate_flb_op_args *args)
{
	kho_unpreserve_free(args->obj);
	pr_info("ledger: unpreserved\n");
}

static int ledger_retrieve(struct liveupdate_flb_op_args *args)
{
	args->obj = liveupdate_preserved_data(args->data, sizeof(struct ledger_ser));
	if (!args->obj)
		return -EINVAL;
	pr_info("ledger: retrieved\n");
	return 0;
}

static void ledger_finish(struct liveupdate_flb_op_args *args)
{
	kho_restore_free(args->obj);
	pr_info("ledger: finished\n");
}

static const struct liveupdate_flb_ops ledger_flb_ops = {
	.preserve = ledger_preserve,
	.unpreserve = ledger_unpreserve,
	.retrieve = ledger_retrieve,
	.finish = ledger_finish,
	.owner = THIS_MODULE,
};

static struct liveupdate_flb ledger_flb = {
	.ops = &ledger_flb_ops,
	.compatible = LEDGER_COMPATIBLE,
};

/* Go on counting from where the previous kernel was, if it handed that over. */
static int ledger_resume(void)
{
	struct ledger_ser *ser;
	int err;

	err = liveupdate_flb_get_incoming(&ledger_flb, (void **)&ser);
	if (err)
		return err == -ENODATA ? 0 : err;
	atomic64_set(&ledger, ser->written);
	liveupdate_flb_put_incoming(&ledger_flb);
	return 0;
}

/* The notes */

static bool note_can_preserve(struct liveupdate_file_handler *handler,
			      struct file *file)
{
	return file->f_op == &note_fops;
}

/* All that is allocated is allocated here. The note stays in use. */
static int note_preserve(struct liveupdate_file_op_args *args)
{
	struct note_ser *ser = kho_alloc_preserve(sizeof(*ser));

	if (IS_ERR(ser))
		return PTR_ERR(ser);
	args->serialized_data = virt_to_phys(ser);
	args->private_data = ser;
	return 0;
}

static void note_unpreserve(struct liveupdate_file_op_args *args)
{
	kho_unpreserve_free(args->private_data);
}

/*
 * The kexec is near: save what there is now. A device would be quiesced here, and
 * go on in an unfreeze(), should the kexec not come about.
 */
static int note_freeze(struct liveupdate_file_op_args *args)
{
	struct note *note = args->file->private_data;
	struct note_ser *ser = args->private_data;
	struct ledger_ser *ledger_ser;
	int err;

	scoped_guard(mutex, &note->lock) {
		memcpy(ser->text, note->text, note->len);
		ser->len = note->len;
	}

	err = liveupdate_flb_get_outgoing(&ledger_flb, (void **)&ledger_ser);
	if (err)
		return err;
	ledger_ser->written = atomic64_read(&ledger);
	liveupdate_flb_put_outgoing(&ledger_flb);
	return 0;
}

/* What the previous kernel saved; it is not trusted, neither in address nor size. */
static struct note_ser *note_saved(struct liveupdate_file_op_args *args)
{
	struct note_ser *ser = liveupdate_preserved_data(args->serialized_data,
							 sizeof(*ser));

	return ser && ser->len <= sizeof(ser->text) ? ser : NULL;
}

/* What was saved is freed last: until then this can fail, and be tried again. */
static int note_retrieve(struct liveupdate_file_op_args *args)
{
	struct note_ser *ser = note_saved(args);
	struct note *note;

	if (!ser)
		return -EINVAL;
	note = note_new();
	if (!note)
		return -ENOMEM;
	args->file = anon_inode_getfile_fmode("[liveupdate-sample]", &note_fops, note,
					      O_RDWR, FMODE_PREAD | FMODE_PWRITE);
	if (IS_ERR(args->file)) {
		kfree(note);
		return PTR_ERR(args->file);
	}
	memcpy(note->text, ser->text, ser->len);
	note->len = ser->len;
	kho_restore_free(ser);
	return 0;
}

static int note_get_size(struct liveupdate_file_op_args *args, u64 *size)
{
	struct note_ser *ser = note_saved(args);

	if (!ser)
		return -EINVAL;
	*size = ser->len;
	return 0;
}

/* A note that was retrieved is the user's; of one that was not all has to go. */
static void note_finish(struct liveupdate_file_op_args *args)
{
	struct note_ser *ser;

	if (args->retrieve_status > 0)
		return;
	ser = note_saved(args);
	if (ser)
		kho_restore_free(ser);
}

static const struct liveupdate_file_ops note_file_ops = {
	.can_preserve = note_can_preserve,
	.preserve = note_preserve,
	.unpreserve = note_unpreserve,
	.freeze = note_freeze,
	.retrieve = note_retrieve,
	.finish = note_finish,
	.get_size = note_get_size,
	.owner = THIS_MODULE,
};

LIVEUPDATE_FILE_HANDLER(note_handler, NOTE_COMPATIBLE, &note_file_ops);

/* The ledger comes before the first note can, the device when all is there. */
static int __init sample_init(void)
{
	int err;

	err = liveupdate_register_file_handler(&note_handler);
	if (err)
		return err;
	err = liveupdate_register_flb(&note_handler, &ledger_flb);
	if (err)
		goto err_handler;
	err = ledger_resume();
	if (err)
		goto err_handler;
	err = misc_register(&note_device);
	if (err)
		goto err_handler;
	return 0;

err_handler:
	liveupdate_unregister_file_handler(&note_handler);
	return err;
}
module_init(sample_init);

/* A note that is preserved holds the module: there is none here. */
static void __exit sample_exit(void)
{
	misc_deregister(&note_device);
	liveupdate_unregister_file_handler(&note_handler);
}
module_exit(sample_exit);

MODULE_DESCRIPTION("Sample: a file type that is preserved across a live update");
MODULE_LICENSE("GPL");
