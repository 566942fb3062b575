// SPDX-License-Identifier: GPL-2.0
/*
 * Walks through what the previous kernel handed over of a memfd, in any format.
 *
 * None of that is to be trusted. So the first walk claims what it finds, before it
 * is looked at: what is not there, or there twice, is noticed, and nobody can
 * write to it meanwhile. Each other walk follows one that has claimed all. What a
 * walk has done is counted, so that another one can undo just that.
 */

#include <linux/errno.h>
#include <linux/kexec_handover.h>
#include <linux/math.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/pfn.h>
#include <linux/types.h>

#include "memfd_luo.h"

/*
 * Held while what the previous kernel handed over is read. None of that is to be
 * trusted: an address is one to use when KHO has memory there that nobody has
 * claimed, and is claimed before it is looked at, so that it cannot be there twice,
 * and nobody can write to it meanwhile.
 */
DEFINE_MUTEX(memfd_luo_in_lock);

static int claim_list(void *arg, u64 phys, unsigned int order)
{
	struct memfd_luo_pass *pass = arg;
	int found = luo_claim(phys, &pass->claimed);

	if (found >= 0 && found != order) {
		luo_unclaim(phys, &pass->claimed);
		found = -ENOENT;
	}
	if (found < 0)
		return -EINVAL;
	pass->nr_lists++;
	return 0;
}

static int claim_extent(void *arg, const struct luo_extent *extent)
{
	struct memfd_luo_pass *pass = arg;
	int err;

	if (!luo_extent_is_valid(extent, pass->file_pages))
		return -EINVAL;
	err = luo_extent_claim(extent, &pass->claimed);
	if (!err && pass->inode) {
		err = memfd_luo_pend(pass->inode, extent);
		if (err)
			luo_extent_unclaim(extent, &pass->claimed);
	}
	if (err)
		return err;
	pass->nr_pages += extent->nr;
	pass->nr_extents++;
	return 0;
}

static int unclaim_list(void *arg, u64 phys, unsigned int order)
{
	struct memfd_luo_pass *pass = arg;

	if (!pass->nr_lists)
		return -ECANCELED;
	pass->nr_lists--;
	luo_unclaim(phys, &pass->claimed);
	return 0;
}

static int unclaim_extent(void *arg, const struct luo_extent *extent)
{
	struct memfd_luo_pass *pass = arg;

	if (!pass->nr_extents)
		return -ECANCELED;
	pass->nr_extents--;
	luo_extent_unclaim(extent, &pass->claimed);
	return 0;
}

/**
 * memfd_luo_unclaim() - undo memfd_luo_claim()
 * @format: the format that the file came in
 * @data:   what was handed over of it
 * @pass:   what was claimed
 *
 * Context: process context, memfd_luo_in_lock held, format->load() called before.
 */
void memfd_luo_unclaim(const struct memfd_luo_format *format, u64 data, struct memfd_luo_pass *pass)
{
	const struct memfd_luo_visitor visitor = {
		.page = unclaim_list,
		.extent = unclaim_extent,
		.arg = pass,
	};

	if (pass->inode)
		memfd_luo_unpend_all(pass->inode);
	format->walk(data, &visitor);
	luo_claimed_count(&pass->claimed);
}

/**
 * memfd_luo_claim() - claim all that a file has, and what lists that
 * @format: the format that the file came in
 * @data:   what was handed over of it
 * @size:   the file's size, in bytes
 * @pass:   zeroed, but for @pass->inode, a new file whose pages they become pending
 *          as; counts what was claimed
 *
 * Context: process context, memfd_luo_in_lock held, format->load() called before.
 * Return: 0; or, and then nothing is claimed:
 * * -EINVAL: something of it is damaged, or is not there, or is there twice
 * * -ENOMEM
 */
int memfd_luo_claim(const struct memfd_luo_format *format, u64 data, u64 size,
		    struct memfd_luo_pass *pass)
{
	const struct memfd_luo_visitor visitor = {
		.page = claim_list,
		.extent = claim_extent,
		.arg = pass,
	};
	int err;

	pass->file_pages = DIV_ROUND_UP_ULL(size, PAGE_SIZE);
	err = format->walk(data, &visitor);
	if (err)
		memfd_luo_unclaim(format, data, pass);
	else
		luo_claimed_count(&pass->claimed);
	return err;
}

static int free_list(void *arg, u64 phys, unsigned int order)
{
	luo_key_free(PHYS_PFN(phys), order);
	return 0;
}

static int free_extent(void *arg, const struct luo_extent *extent)
{
	luo_extent_free(extent);
	return 0;
}

/**
 * memfd_luo_drop() - free what told of a file
 * @format: the format that the file came in
 * @data:   what was handed over of it, which is claimed
 * @all:    also what the file has, and nobody else has it
 *
 * Context: process context, memfd_luo_in_lock held, format->load() called before.
 */
void memfd_luo_drop(const struct memfd_luo_format *format, u64 data, bool all)
{
	const struct memfd_luo_visitor visitor = {
		.extent = all ? free_extent : NULL,
		.done = free_list,
	};

	format->walk(data, &visitor);
	if (format->drop)
		format->drop(data);
}

static int hold_list(void *arg, u64 phys, unsigned int order)
{
	struct memfd_luo_pass *pass = arg;
	int err;

	err = kho_preserve_pages(pfn_to_page(PHYS_PFN(phys)), 1UL << order);
	if (!err)
		pass->nr_lists++;
	return err;
}

static int hold_extent(void *arg, const struct luo_extent *extent)
{
	struct memfd_luo_pass *pass = arg;
	int err;

	err = luo_extent_is_poisoned(extent) ? -EHWPOISON : luo_extent_preserve(extent);
	if (!err)
		pass->nr_extents++;
	return err;
}

static int unhold_list(void *arg, u64 phys, unsigned int order)
{
	struct memfd_luo_pass *pass = arg;

	if (!pass->nr_lists)
		return -ECANCELED;
	pass->nr_lists--;
	kho_unpreserve_pages(pfn_to_page(PHYS_PFN(phys)), 1UL << order);
	return 0;
}

static int unhold_extent(void *arg, const struct luo_extent *extent)
{
	struct memfd_luo_pass *pass = arg;

	if (!pass->nr_extents)
		return -ECANCELED;
	pass->nr_extents--;
	luo_extent_unpreserve(extent);
	return 0;
}

static void unhold(const struct memfd_luo_format *format, u64 data, struct memfd_luo_pass *pass)
{
	const struct memfd_luo_visitor visitor = {
		.page = unhold_list,
		.extent = unhold_extent,
		.arg = pass,
	};

	format->walk(data, &visitor);
}

/**
 * memfd_luo_unhold() - undo memfd_luo_hold()
 * @format: the format that the file came in
 * @data:   what was handed over of it
 *
 * Context: process context, memfd_luo_in_lock held, format->load() called before.
 */
void memfd_luo_unhold(const struct memfd_luo_format *format, u64 data)
{
	struct memfd_luo_pass all = { .nr_extents = U64_MAX, .nr_lists = U64_MAX };

	unhold(format, data, &all);
	if (format->unhold)
		format->unhold(data);
}

/**
 * memfd_luo_hold() - have what came preserved for the next kernel as it is
 * @format: the format that the file came in
 * @data:   what was handed over of it, which is claimed
 *
 * Context: process context, memfd_luo_in_lock held, format->load() called before.
 * Return: 0; or, and then nothing is preserved:
 * * -EHWPOISON: memory of the file has failed
 * * -ENOMEM
 */
int memfd_luo_hold(const struct memfd_luo_format *format, u64 data)
{
	struct memfd_luo_pass pass = {};
	const struct memfd_luo_visitor visitor = {
		.page = hold_list,
		.extent = hold_extent,
		.arg = &pass,
	};
	int err;

	err = format->walk(data, &visitor);
	if (!err && format->hold)
		err = format->hold(data);
	if (err)
		unhold(format, data, &pass);
	return err;
}
