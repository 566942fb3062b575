// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's reader of memfd-v2, given any bytes for what was handed over of a
 * file. The first piece of memory is what the hand-over points to.
 */
#include "shim.h"
#include "memory.h"

#include "../../mm/memfd_luo_in.c"

unsigned long totalram_pages(void)
{
	return MAX_PAGES;
}

struct folio *pfn_folio(unsigned long pfn)
{
	return memory_at(PFN_PHYS(pfn))->mem;
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

/* What a file is made of is the file's alone, and within its size. */
static void check_file(struct memfd_luo_in *in)
{
	struct memory_page *page;
	u64 i, index;

	for (i = 0; i < in->ser.nr_folios; i++) {
		page = memory_page_of(memfd_luo_entry_folio(in, i));
		index = memfd_luo_entry(in, i)->index;
		assert(page->state == TAKEN && !page->is_split);
		assert(index % (1u << page->order) == 0);
		assert(index * PAGE_SIZE < in->ser.size);
		memset(page->mem, 0xff, PAGE_SIZE << page->order);
	}
}

static void read_memfd(bool is_retrieved)
{
	struct memfd_luo_ser *ser = memfd_luo_ser(BASE);
	struct memfd_luo_in *in = memfd_luo_in_alloc(BASE);

	assert(IS_ERR(in) || !IS_ERR(ser));
	if (IS_ERR(in))
		return;
	if (is_retrieved && !memfd_luo_take_folios(in))
		check_file(in);
	memfd_luo_put_folios(in);
	memfd_luo_free_saved(in);
	assert(!is_leaking());
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	int is_retrieved;

	for (is_retrieved = 0; is_retrieved < 2; is_retrieved++) {
		memory_load(data, size);
		read_memfd(is_retrieved);
		memory_unload();
	}
	return 0;
}
