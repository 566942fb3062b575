// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's readers of memfd-v2, memfd-v3, memfd-v4 and hugetlb-v1, given any bytes for what was handed over of a
 * file. The first piece of memory is what the hand-over points to; but in memfd-v2 it tells of two files.
 */
#include "readers.h"

/* What a file gets: more than there are pages cannot be claimed */
static struct luo_extent got[MAX_PAGES];
static unsigned int nr_got;
/* How many it can get before there is no memory for that */
static unsigned int got_limit;
static u64 got_pages;

int memfd_luo_pend(struct inode *inode, const struct luo_extent *extent)
{
	unsigned int i;

	/* What a file is made of is the file's alone, and within its size. */
	assert(extent->nr && extent->index < got_pages);
	assert(extent->index + extent->nr <= ALIGN(got_pages, 1ul << extent->order));
	if (nr_got == got_limit)
		return -ENOMEM;
	for (i = 0; i < nr_got; i++) {
		if (got[i].index < extent->index + extent->nr &&
		    extent->index < got[i].index + got[i].nr)
			return -EINVAL;
	}
	assert(nr_got < MAX_PAGES);
	got[nr_got++] = *extent;
	return 0;
}

void memfd_luo_unpend_all(struct inode *inode)
{
	nr_got = 0;
}

/* As a file that is retrieved: its pages are used, and freed. */
static void retrieve(const struct memfd_luo_format *format, u64 data, u64 size)
{
	struct memfd_luo_pass pass = { .inode = (struct inode *)&got };
	long managed = nr_managed;
	unsigned int i, order;
	u64 pages = 0, key;

	nr_got = 0;
	got_pages = DIV_ROUND_UP(size, PAGE_SIZE);
	if (memfd_luo_claim(format, data, size, &pass)) {
		assert(!nr_got && !count(CLAIMED) && !count(TAKEN) && nr_managed == managed);
		return;
	}
	memfd_luo_drop(format, data, false);
	for (i = 0; i < nr_got; i++) {
		pages += got[i].nr;
		key = luo_page_key(luo_extent_end(&got[i]) - 1, &order);
		assert(key < luo_extent_end(&got[i]) && key + (1ul << order) >= luo_extent_end(&got[i]));
		luo_extent_free(&got[i]);
	}
	assert(pages == pass.nr_pages && !count(CLAIMED) && !count(TAKEN));
	/* What told of the file is, too. */
	assert(nr_managed >= managed + (long)pages);
}

static void discard(const struct memfd_luo_format *format, u64 data, u64 size)
{
	struct memfd_luo_pass pass = {};
	unsigned int nr = count(FREED);

	if (memfd_luo_claim(format, data, size, &pass)) {
		assert(!count(CLAIMED) && count(FREED) == nr);
		return;
	}
	memfd_luo_drop(format, data, true);
	assert(!count(CLAIMED) && !count(TAKEN) && count(FREED) >= nr + pass.nr_pages);
}

static void carry(const struct memfd_luo_format *format, u64 data, u64 size)
{
	struct memfd_luo_pass pass = {};
	unsigned int nr = count(PRESERVED);
	long managed = nr_managed;

	if (!memfd_luo_claim(format, data, size, &pass)) {
		if (!memfd_luo_hold(format, data)) {
			assert(nr_held >= pass.nr_pages);
			memfd_luo_unhold(format, data);
		}
		assert(!nr_held);
		memfd_luo_unclaim(format, data, &pass);
	}
	assert(count(PRESERVED) == nr && !count(CLAIMED) && nr_managed == managed);
}

static void read_memfd(const struct memfd_luo_format *format, u64 data,
		       void (*use)(const struct memfd_luo_format *format, u64 data, u64 size))
{
	struct memfd_luo_meta meta;

	if (!format->load(format, data, &meta))
		use(format, data, meta.size);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static const struct memfd_luo_format *const formats[] = {
		&memfd_luo_v2, &memfd_luo_v3, &memfd_luo_v4, &hugetlb_luo_v1,
	};
	static void (*const uses[])(const struct memfd_luo_format *, u64, u64) = { retrieve, retrieve, discard, carry };
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(formats); i++) {
		for (j = 0; j < ARRAY_SIZE(uses); j++) {
			/* The second time there is less memory for both. */
			got_limit = hold_limit = j % 2 ? 2 : MAX_PAGES;
			memory_load(data, size);
			read_memfd(formats[i], BASE, uses[j]);
			if (i)
				read_memfd(formats[i], BASE + MEMFD_V3_SER_SIZE, uses[j]);
			memory_unload();
		}
	}
	return 0;
}
