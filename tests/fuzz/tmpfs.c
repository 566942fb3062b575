// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's reader of tmpfs-v1, given any bytes for what was handed over of a tmpfs. The first piece of memory is what
 * the hand-over points to.
 */
#include "shim.h"
#include "memory.h"
#include "vfs.h"

/* What only writing needs is nowhere. */
#pragma weak kho_alloc_preserve
#pragma weak virt_to_phys

#include "../../mm/luo_extent.c"
#include "../../mm/tmpfs_luo_chain.c"
#include "../../mm/tmpfs_luo_in.c"

/* What files got */
static struct {
	struct inode *inode;
	struct luo_extent extent;
} got[MAX_PAGES];
static unsigned int nr_got;

int tmpfs_luo_from_attrs(u32 attrs)
{
	return attrs & ~0x2000ff ? -EINVAL : 0;
}

int memfd_luo_begin_in(struct inode *inode)
{
	assert(S_ISREG(inode->i_mode) && !inode->info.luo_in);
	if (!vfs_take())
		return -ENOMEM;
	inode->info.luo_in = calloc(1, sizeof(struct memfd_luo_in));
	return 0;
}

int memfd_luo_pend(struct inode *inode, const struct luo_extent *extent)
{
	unsigned int i;

	assert(extent->nr && extent->index < DIV_ROUND_UP((u64)inode->i_size, PAGE_SIZE));
	if (!vfs_take())
		return -ENOMEM;
	for (i = 0; i < nr_got; i++) {
		if (got[i].inode == inode && got[i].extent.index < extent->index + extent->nr &&
		    extent->index < got[i].extent.index + got[i].extent.nr)
			return -EINVAL;
	}
	assert(nr_got < MAX_PAGES);
	got[nr_got].inode = inode;
	got[nr_got++].extent = *extent;
	inode->info.luo_in->nr_pages += extent->nr;
	return 0;
}

void memfd_luo_unpend_all(struct inode *inode)
{
	unsigned int i;

	for (i = 0; i < nr_got; i++) {
		if (got[i].inode == inode)
			got[i--] = got[--nr_got];
	}
}

int memfd_luo_account_in(struct inode *inode, u64 nr_pages)
{
	assert(nr_pages == inode->info.luo_in->nr_pages);
	if (!vfs_take())
		return -ENOMEM;
	inode->info.luo_in->accounted = nr_pages;
	return 0;
}

void memfd_luo_unaccount_in(struct inode *inode, u64 nr_pages)
{
	assert(inode->info.luo_in->accounted == nr_pages);
	inode->info.luo_in->accounted = 0;
}

/* The file has its pages from now on: here they are freed at once. */
void memfd_luo_start_in(struct inode *inode, u64 nr_pages)
{
	unsigned int i;

	assert(inode->info.luo_in->accounted == nr_pages);
	inode->info.luo_in->accounted = 0;
	for (i = 0; i < nr_got; i++) {
		if (got[i].inode != inode)
			continue;
		nr_pages -= got[i].extent.nr;
		luo_extent_free(&got[i].extent);
		got[i--] = got[--nr_got];
	}
	assert(!nr_pages);
}

static void retrieve(void)
{
	unsigned int nr = count(PRESERVED);
	struct file *file;
	struct dentry *it;

	file = tmpfs_luo_retrieve_tree(BASE);
	assert(!nr_got && !count(CLAIMED) && !count(TAKEN));
	for (it = dentries; it; it = it->next)
		assert(!it->inode->info.luo_in || !it->inode->info.luo_in->accounted);
	if (IS_ERR(file))
		assert(count(PRESERVED) == nr && !nr_managed);
	else
		assert(the_sbinfo.luo_root == file);
	vfs_free();
}

static void discard(void)
{
	unsigned int nr = count(PRESERVED);

	if (tmpfs_luo_discard_tree(BASE))
		assert(count(PRESERVED) == nr && !nr_managed);
	assert(!count(CLAIMED) && !count(TAKEN));
}

static void carry(void)
{
	unsigned int nr = count(PRESERVED);
	u64 size;

	if (!tmpfs_luo_carry_tree(BASE)) {
		assert(nr_held && !tmpfs_luo_tree_size(BASE, &size));
		tmpfs_luo_uncarry_tree(BASE);
	}
	assert(!nr_held && count(PRESERVED) == nr && !count(CLAIMED) && !nr_managed);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static void (*const uses[])(void) = { retrieve, retrieve, retrieve, discard, carry, carry };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(uses); i++) {
		/* With memory for all, for little more than the tmpfs, and for some of it, which the input tells */
		vfs_left = i == 1 ? 6 : i == 2 && size ? data[size - 1] % 64 : UINT_MAX;
		hold_limit = i == 4 || !size ? MAX_PAGES : data[size - 1] % 8;
		memory_load(data, size);
		uses[i]();
		memory_unload();
	}
	return 0;
}
