// SPDX-License-Identifier: GPL-2.0
/*
 * Preserved buffers: memory that is contiguous, and found by its physical address in
 * the next kernel. Outgoing ones are resized while what they are for comes and goes;
 * incoming ones are taken from KHO before they are read, and freed.
 */

#include <linux/errno.h>
#include <linux/export.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/block.h>
#include <linux/liveupdate.h>
#include <linux/mm.h>

#include "luo_buf.h"

/**
 * luo_buf_resize() - have a buffer of a size
 * @buf:  points to it, or to NULL; preserved and zeroed
 * @size: the size that is needed, in bytes; 0 frees it
 *
 * Contents are not kept: only the reboot path writes them. A buffer of twice the
 * size that is needed is kept, so that going back and forth costs nothing.
 *
 * Return: 0; or, with @buf as it was, -ENOSPC when there cannot be so much, or
 * -ENOMEM.
 */
int luo_buf_resize(void **buf, size_t size)
{
	unsigned int order = size ? get_order(size) : 0;
	struct folio *folio;
	int err;

	if (*buf && size) {
		unsigned int have = folio_order(virt_to_folio(*buf));

		if (have == order || have == order + 1)
			return 0;
	}

	if (size) {
		if (order > MAX_PAGE_ORDER)
			return -ENOSPC;
		folio = folio_alloc(GFP_KHO | __GFP_ZERO, order);
		if (!folio)
			return -ENOMEM;
		err = kho_preserve_folio(folio);
		if (err) {
			folio_put(folio);
			return err;
		}
	}

	kho_unpreserve_free(*buf);
	*buf = size ? folio_address(folio) : NULL;
	return 0;
}

/**
 * luo_buf_nr_pages() - how large is a buffer?
 * @buf: the buffer
 *
 * Return: the number of its pages.
 */
u64 luo_buf_nr_pages(const void *buf)
{
	return folio_nr_pages(virt_to_folio(buf));
}

/**
 * liveupdate_preserved_data() - reach what the previous kernel preserved
 * @phys: its physical address, as the hand-over says
 * @size: how many bytes are expected there
 *
 * A hand-over is input from outside. This is how to reach anything that it
 * points to: it checks that the address is one that the previous kernel
 * preserved and that this one did not take back yet, and that as much is there.
 *
 * Context: any, from early_initcall on.
 * Return: where it is, or NULL when it is not.
 */
void *liveupdate_preserved_data(u64 phys, u64 size)
{
	int order = kho_preserved_order(phys);

	if (order < 0 || size > PAGE_SIZE << order)
		return NULL;
	return phys_to_virt(phys);
}
EXPORT_SYMBOL_GPL(liveupdate_preserved_data);

/**
 * luo_buf_take() - take a buffer of the previous kernel's from KHO
 * @phys: its physical address, as the hand-over says
 * @size: how many bytes are expected there
 *
 * Comes before it is read: so nothing is read, or freed, twice, whatever points to
 * it a second time.
 *
 * Return: where it is, for luo_buf_free(); or NULL when there is no such memory,
 * or no more.
 */
void *luo_buf_take(u64 phys, u64 size)
{
	void *buf = liveupdate_preserved_data(phys, size);

	return buf && kho_restore_folio(phys) ? buf : NULL;
}

/**
 * luo_buf_free() - free what luo_buf_take() took
 * @buf: where it is
 */
void luo_buf_free(void *buf)
{
	folio_put(virt_to_folio(buf));
}

/*
 * Go through the entries of a block that was taken. It is freed when all were
 * understood. Returns how many were.
 */
static u64 luo_buf_each_in_block(struct kho_block_header_ser *block, size_t size,
				 luo_entry_fn fn, void *arg)
{
	void *entry = block + 1;
	u64 i, understood = 0;

	for (i = 0; i < block->count; i++, entry += size)
		understood += !fn(entry, arg);
	if (understood == block->count)
		luo_buf_free(block);
	return understood;
}

/**
 * luo_buf_each() - go through the entries of a chain of blocks
 * @phys:       the physical address of the first block, 0 when there is none
 * @size:       of an entry, in bytes
 * @fn:         called for each entry; returns a negative errno for one that it does not
 *              understand
 * @arg:        what it is given
 * @understood: is increased by how many it understood
 *
 * Blocks of which all entries were understood are freed. A chain that runs in a circle ends
 * where it comes to a block that was taken.
 *
 * Return: 0; or, and then what comes before that was gone through, what is wrong with the
 * chain: -EFAULT or -EINVAL.
 */
int luo_buf_each(u64 phys, size_t size, luo_entry_fn fn, void *arg, u64 *understood)
{
	const u64 max = (KHO_BLOCK_SIZE - sizeof(struct kho_block_header_ser)) / size;
	struct kho_block_header_ser *block;
	u64 next;

	for (; phys; phys = next) {
		block = liveupdate_preserved_data(phys, KHO_BLOCK_SIZE);
		if (!block)
			return -EFAULT;
		if (!block->count || block->count > max)
			return -EINVAL;
		if (!luo_buf_take(phys, KHO_BLOCK_SIZE))
			return -EFAULT;
		next = block->next;
		*understood += luo_buf_each_in_block(block, size, fn, arg);
	}
	return 0;
}
