// SPDX-License-Identifier: GPL-2.0
/*
 * Notes: what a kernel tells the next one beside the hand-over, see
 * include/linux/kho/abi/luo_notes.h. This file keeps the root, an FDT in a preserved page;
 * its properties are of those who call luo_notes_add() and luo_notes_get().
 *
 * The page is allocated at boot. The reboot path writes it and allocates nothing.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bug.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/luo_notes.h>
#include <linux/libfdt.h>
#include <linux/mm.h>
#include <linux/printk.h>

#include "luo_buf.h"
#include "luo_notes.h"

/* The root that KHO has, NULL when there was no memory for it at boot */
void *luo_notes_root;

/* The first error since luo_notes_begin() */
static int luo_notes_err;

/* The previous kernel's root, between luo_notes_restore() and luo_notes_forget() */
static void *luo_notes_in;

/**
 * luo_notes_begin() - begin to write the notes, none of which is there then
 *
 * Context: the reboot path, the gate closed; or luo_notes_publish().
 */
void luo_notes_begin(void)
{
	void *fdt = luo_notes_root;

	luo_notes_err = fdt_create(fdt, PAGE_SIZE) ?:
			fdt_finish_reservemap(fdt) ?:
			fdt_begin_node(fdt, "") ?:
			fdt_property_string(fdt, "compatible", LUO_NOTES_COMPATIBLE);
}

/**
 * luo_notes_add() - add a note
 * @name: name of the property
 * @size: size of its value, in bytes
 *
 * Context: between luo_notes_begin() and luo_notes_end().
 * Return: the place of the value, aligned to 4 bytes, which may be written until the next
 * luo_notes_begin(); or NULL when there is no room.
 */
void *luo_notes_add(const char *name, size_t size)
{
	void *place;

	luo_notes_err = luo_notes_err ?:
			fdt_property_placeholder(luo_notes_root, name, size, &place);
	return luo_notes_err ? NULL : place;
}

/**
 * luo_notes_end() - all notes are there
 *
 * Context: after luo_notes_begin(), by the same caller.
 */
void luo_notes_end(void)
{
	luo_notes_err = luo_notes_err ?:
			fdt_end_node(luo_notes_root) ?:
			fdt_finish(luo_notes_root);
	WARN_ON_ONCE(luo_notes_err);
}

/**
 * luo_notes_publish() - have notes handed over
 *
 * Context: process context, once, at boot.
 */
void luo_notes_publish(void)
{
	void *root = NULL;
	int err;

	err = luo_buf_resize(&root, PAGE_SIZE);
	if (!err) {
		luo_notes_root = root;
		luo_notes_begin();
		luo_notes_end();
		err = kho_add_subtree(LUO_NOTES_KHO_ENTRY_NAME, root, PAGE_SIZE);
	}
	if (!err)
		return;
	pr_warn("no notes for the next kernel: %d\n", err);
	luo_notes_root = NULL;
	luo_buf_resize(&root, 0);
}

/**
 * luo_notes_exist() - can there be notes?
 *
 * Return: true when luo_notes_publish() succeeded.
 */
bool luo_notes_exist(void)
{
	return luo_notes_root;
}

static int luo_notes_check(const void *fdt, size_t size)
{
	if (size < FDT_V17_SIZE || fdt_check_header(fdt) || fdt_totalsize(fdt) > size)
		return -EINVAL;
	return fdt_node_check_compatible(fdt, 0, LUO_NOTES_COMPATIBLE) ? -EPROTONOSUPPORT : 0;
}

/**
 * luo_notes_restore() - find the previous kernel's notes
 *
 * Notes that are damaged stay reserved.
 *
 * Context: process context, once, at boot.
 * Return: 0, to be followed by luo_notes_forget(); or
 * * -ENOENT: there are none
 * * -EFAULT: they are not in preserved memory
 * * -EINVAL: they are no FDT
 * * -EPROTONOSUPPORT: they are of another format
 */
int luo_notes_restore(void)
{
	phys_addr_t root;
	size_t size;
	int err;

	if (kho_retrieve_subtree(LUO_NOTES_KHO_ENTRY_NAME, &root, &size))
		return -ENOENT;
	luo_notes_in = luo_buf_take(root, size);
	if (!luo_notes_in)
		return -EFAULT;
	err = luo_notes_check(luo_notes_in, size);
	if (err)
		luo_notes_in = NULL;
	return err;
}

/**
 * luo_notes_get() - get a note of the previous kernel's
 * @name: name of the property
 * @size: size of its value, in bytes
 *
 * Context: between luo_notes_restore() and luo_notes_forget().
 * Return: the value, aligned to 4 bytes; NULL when there is no such note; or
 * ERR_PTR(-EINVAL) when it is of another size.
 */
const void *luo_notes_get(const char *name, size_t size)
{
	int len;
	const void *prop = fdt_getprop(luo_notes_in, 0, name, &len);

	if (!prop)
		return NULL;
	return len == size ? prop : ERR_PTR(-EINVAL);
}

/**
 * luo_notes_forget() - the previous kernel's notes have been read
 * @understood: free them; else they stay reserved
 *
 * Context: as luo_notes_restore(), after it.
 */
void luo_notes_forget(bool understood)
{
	if (understood)
		luo_buf_free(luo_notes_in);
	luo_notes_in = NULL;
}
