/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The physical memory that the previous kernel preserved, made of the fuzzer's input.
 *
 * The input is one piece of memory after the other: a byte that says of which order it is, two that say how many
 * bytes of it are given, and those; the others are zero. They lie from BASE on, each aligned to its size. Each is an
 * allocation of its own, so that the sanitizers see what reaches beyond it, or into a page that was freed.
 */
#ifndef _FUZZ_MEMORY_H
#define _FUZZ_MEMORY_H

#include <sanitizer/asan_interface.h>

#define BASE		0x100000
#define MAX_PAGES	64

static struct memory_page {
	/* NULL where no memory is */
	void *mem;
	enum { PRESERVED, CLAIMED, TAKEN, FREED } state;
	/* Of a piece that begins here, else -1 */
	int order;
	/* Taken as pages that are freed one by one */
	bool is_split;
} memory[MAX_PAGES];

static unsigned int nr_memory;

/* What counts as memory of the machine since it was claimed, in pages */
static long nr_managed;

static void memory_load(const u8 *data, size_t size)
{
	unsigned int order, given, i;
	u8 *mem;

	nr_memory = 0;
	nr_managed = 0;
	for (; size >= 3; data += given, size -= given) {
		order = data[0] % 4;
		given = data[1] | data[2] << 8;
		data += 3;
		size -= 3;
		given = given < size ? given : size;
		given = given < PAGE_SIZE << order ? given : PAGE_SIZE << order;
		while (nr_memory % (1u << order))
			memory[nr_memory++] = (struct memory_page){ .order = -1 };
		if (nr_memory + (1u << order) > MAX_PAGES)
			return;
		mem = calloc(1, PAGE_SIZE << order);
		memcpy(mem, data, given);
		for (i = 0; i < 1u << order; i++)
			memory[nr_memory++] = (struct memory_page){
				.mem = mem + i * PAGE_SIZE,
				.order = i ? -1 : (int)order,
			};
	}
}

static void memory_unload(void)
{
	struct memory_page *page;

	for (page = memory; page < memory + nr_memory; page++) {
		if (page->order < 0)
			continue;
		ASAN_UNPOISON_MEMORY_REGION(page->mem, PAGE_SIZE << page->order);
		free(page->mem);
	}
}

/* The first page of a piece, or NULL */
static struct memory_page *memory_at(u64 phys)
{
	u64 n = (phys - BASE) / PAGE_SIZE;

	return phys >= BASE && phys % PAGE_SIZE == 0 && n < nr_memory && memory[n].order >= 0 ?
	       &memory[n] : NULL;
}

static struct memory_page *memory_page_of(const void *mem)
{
	struct memory_page *page;

	assert(mem);
	for (page = memory; page->mem != mem; page++)
		assert(page < memory + nr_memory - 1);
	return page;
}

static void memory_free(struct memory_page *page)
{
	assert(page->state == TAKEN);
	page->state = FREED;
	ASAN_POISON_MEMORY_REGION(page->mem, PAGE_SIZE);
}

int kho_preserved_order(phys_addr_t phys)
{
	struct memory_page *page = memory_at(phys);

	return page && page->state == PRESERVED ? page->order : -ENOENT;
}

int kho_claim(phys_addr_t phys)
{
	int order = kho_preserved_order(phys);

	if (order >= 0)
		memory_at(phys)->state = CLAIMED;
	return order;
}

int kho_claimed_order(phys_addr_t phys)
{
	struct memory_page *page = memory_at(phys);

	return page && page->state == CLAIMED ? page->order : -ENOENT;
}

unsigned int kho_unclaim(phys_addr_t phys)
{
	assert(memory_at(phys)->state == CLAIMED);
	memory_at(phys)->state = PRESERVED;
	return memory_at(phys)->order;
}

/* Anywhere in memory that is there */
void *phys_to_virt(u64 phys)
{
	u64 n = (phys - BASE) / PAGE_SIZE;

	assert(phys >= BASE && n < nr_memory && memory[n].mem);
	return memory[n].mem + phys % PAGE_SIZE;
}

struct page *pfn_to_page(unsigned long pfn)
{
	return phys_to_virt(PFN_PHYS(pfn));
}

void adjust_managed_page_count(struct page *page, long nr)
{
	nr_managed += nr;
}

/* What is preserved again, in pages, of which there may be no memory for more */
static unsigned int nr_held, hold_limit;

int kho_preserve_pages(struct page *page, unsigned long nr)
{
	if (nr_held + nr > hold_limit)
		return -ENOMEM;
	nr_held += nr;
	return 0;
}

void kho_unpreserve_pages(struct page *page, unsigned long nr)
{
	assert(nr_held >= nr);
	nr_held -= nr;
}

/* The kernel warns of what KHO does not have, and so does this. */
static void *memory_take(phys_addr_t phys, bool is_split)
{
	struct memory_page *page = memory_at(phys);
	int i;

	assert(kho_preserved_order(phys) >= 0);
	for (i = 0; i < 1 << page->order; i++) {
		page[i].state = TAKEN;
		page[i].is_split = is_split;
	}
	return page->mem;
}

struct folio *kho_restore_folio(phys_addr_t phys)
{
	return memory_take(phys, false);
}

struct page *kho_restore_pages(phys_addr_t phys, unsigned long nr)
{
	assert(nr == 1ul << kho_preserved_order(phys));
	return memory_take(phys, true);
}

struct page *kho_restore_claimed(phys_addr_t phys, bool is_folio)
{
	kho_unclaim(phys);
	return memory_take(phys, !is_folio);
}

void folio_put(struct folio *folio)
{
	struct memory_page *page = memory_page_of(folio);
	int i;

	if (page->is_split) {
		memory_free(page);
		return;
	}
	assert(page->order >= 0);
	for (i = 0; i < 1 << page->order; i++)
		memory_free(page + i);
}

void put_page(struct page *page)
{
	folio_put((struct folio *)page);
}

void kho_restore_free(void *p)
{
	folio_put(kho_restore_folio(BASE + (memory_page_of(p) - memory) * PAGE_SIZE));
}

/* What only writing needs is nowhere. */
#pragma weak folio_address
#pragma weak folio_alloc
#pragma weak folio_nr_pages
#pragma weak folio_order
#pragma weak get_order
#pragma weak kho_preserve_folio
#pragma weak kho_unpreserve_free

#include "../../kernel/liveupdate/luo_buf.c"

/* How many pieces are in a state */
static inline unsigned int count(int state)
{
	unsigned int nr = 0;
	struct memory_page *page;

	for (page = memory; page < memory + nr_memory; page++)
		nr += page->mem && page->state == state;
	return nr;
}

#endif /* _FUZZ_MEMORY_H */
