// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's readers of memfd-v2 and memfd-v3, given any bytes for what was handed over of a file. The first piece
 * of memory is what the hand-over points to; in memfd-v3 it tells of two files.
 */
#include "shim.h"
#include "memory.h"

#include <linux/kho/abi/memfd_v3.h>
/* As many pages as there is memory for here */
#undef MEMFD_V3_CHUNK_ORDER
#define MEMFD_V3_CHUNK_ORDER 2

#include "../../mm/memfd_luo_in.c"

unsigned long totalram_pages(void)
{
	return MAX_PAGES;
}

struct folio *pfn_folio(unsigned long pfn)
{
	return memory[pfn - BASE / PAGE_SIZE].mem;
}

void free_page(unsigned long address)
{
	struct memory_page *page = memory_page_of((void *)address);

	assert(page->is_split);
	memory_free(page);
}

/* Is there something that was taken and not freed? */
static bool is_leaking(void)
{
	struct memory_page *page;

	for (page = memory; page < memory + nr_memory; page++) {
		if (page->mem && page->state == TAKEN)
			return true;
	}
	return false;
}

/* What a file is made of is the file's alone, within its size, and in order. It is used, and freed. */
static void use_file(struct memfd_luo_in *in)
{
	u64 i, done, index, key, next = 0, pages = 0;
	struct memfd_luo_extent *extent;
	struct memory_page *page;
	unsigned int order;

	for (extent = in->extents; extent < in->extents + in->nr_extents; extent++) {
		assert(extent->index >= next);
		next = extent->index + extent->nr;
		for (done = 0; done < extent->nr; done += 1u << extent->order) {
			key = memfd_luo_key(in, extent, extent->pfn + done, &order);
			if (key == extent->pfn + done)
				memfd_luo_restore(extent, key, order);
			page = memory_page_of(pfn_folio(extent->pfn + done));
			index = extent->index + done;
			for (i = 0; i < 1u << extent->order; i++)
				assert(page[i].state == TAKEN && page[i].is_split == !extent->order);
			assert(index % (1u << extent->order) == 0);
			assert(index * PAGE_SIZE < in->size);
			memset(page->mem, 0xff, PAGE_SIZE << extent->order);
			folio_put(pfn_folio(extent->pfn + done));
			pages += 1u << extent->order;
		}
	}
	assert(pages == in->nr_pages);
}

static void read_memfd(u64 data, bool is_v3, bool is_retrieved)
{
	u64 size;
	int err = is_v3 ? memfd_luo_read_size_v3(data, &size) : memfd_luo_read_size_v2(data, &size);
	struct memfd_luo_in *in = is_v3 ? memfd_luo_read_v3(data, 0) : memfd_luo_read_v2(data, 0);

	assert(IS_ERR(in) || (!err && size == in->size));
	if (IS_ERR(in))
		return;
	if (is_retrieved && !memfd_luo_claim(in))
		use_file(in);
	else
		memfd_luo_put_folios(in);
	memfd_luo_in_free(in);
	assert(!is_leaking());
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	int i;

	for (i = 0; i < 4; i++) {
		memory_load(data, size);
		read_memfd(BASE, i / 2, i % 2);
		if (i / 2)
			read_memfd(BASE + MEMFD_V3_SER_SIZE, true, i % 2);
		memory_unload();
	}
	return 0;
}
