// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's readers of memfds, given what no machine at hand can have.
 *
 * More extents than an array of 40 bytes for each can be allocated for: of a file of 204.8 GiB and a page, scattered
 * page by page. One page of what lists them stands for all of its kind: it is changed, when it is asked for the last
 * time, to be the last one.
 *
 * And an extent over the border of two nodes, which KHO has in smaller pieces than the format says.
 */
#include "readers.h"

#define NR_EXTENTS	(INT32_MAX / 40 + 1ul)

int memfd_luo_pend(struct inode *inode, const struct luo_extent *extent)
{
	assert(!"no file is made");
}

void memfd_luo_unpend_all(struct inode *inode)
{
	assert(!"no file is made");
}

/* What the hand-over points to, the list, what v2 has its folios in, and a page of the file, in this order */
#define AT(n)		(BASE + (n) * PAGE_SIZE)

static u64 nr_seen, nr_lists;

static int see_extent(void *arg, const struct luo_extent *extent)
{
	assert(luo_extent_is_valid(extent, *(u64 *)arg));
	nr_seen += extent->nr;
	return 0;
}

static u64 v2_left;

static int v2_list(void *arg, u64 phys, unsigned int order)
{
	struct kho_vmalloc_chunk *chunk = phys_to_virt(phys);

	if (phys == AT(2))
		v2_left--;
	if (phys != AT(1) || v2_left > KHO_VMALLOC_SIZE)
		return 0;
	chunk->hdr.next.phys = 0;
	if (v2_left < KHO_VMALLOC_SIZE)
		chunk->phys[v2_left] = 0;
	return 0;
}

static int v3_list(void *arg, u64 phys, unsigned int order)
{
	struct memfd_v3_page *page = phys_to_virt(phys);

	if (!--nr_lists)
		page->next = 0;
	return 0;
}

static void walk(const struct memfd_luo_format *format, int (*list)(void *arg, u64 phys, unsigned int order))
{
	u64 file_pages = NR_EXTENTS;
	const struct memfd_luo_visitor visitor = { .page = list, .extent = see_extent, .arg = &file_pages };
	struct memfd_luo_meta meta;

	nr_seen = 0;
	assert(!format->load(format, AT(0), &meta) && meta.size == NR_EXTENTS * PAGE_SIZE);
	assert(!format->walk(AT(0), &visitor));
	assert(nr_seen >= NR_EXTENTS);
}

/* Four pages of zeros */
static void prepare(void)
{
	static const u8 pages[4 * 3];

	memory_load(pages, sizeof(pages));
	assert(nr_memory == 4);
}

static void try_v2(void)
{
	struct memfd_luo_folio_ser *entries;
	struct kho_vmalloc_chunk *chunk;
	struct memfd_luo_ser *ser;
	unsigned int i;

	prepare();
	ser = phys_to_virt(AT(0));
	chunk = phys_to_virt(AT(1));
	entries = phys_to_virt(AT(2));
	v2_left = DIV_ROUND_UP(NR_EXTENTS, V2_PER_PAGE);
	*ser = (struct memfd_luo_ser) {
		.size = NR_EXTENTS * PAGE_SIZE,
		.nr_folios = NR_EXTENTS,
		.folios = { .first.phys = AT(1), .total_pages = v2_left },
	};
	chunk->hdr.next.phys = AT(1);
	for (i = 0; i < KHO_VMALLOC_SIZE; i++)
		chunk->phys[i] = AT(2);
	for (i = 0; i < V2_PER_PAGE; i++)
		entries[i] = (struct memfd_luo_folio_ser) {
			.pfn = PHYS_PFN(AT(3)),
			.flags = MEMFD_LUO_FOLIO_FLAGS,
			.index = i,
		};
	walk(&memfd_luo_v2, v2_list);
	memory_unload();
}

static void try_v3(const struct memfd_luo_format *format)
{
	struct memfd_v3_page *page;
	struct memfd_v3_ser *ser;
	unsigned int i;

	prepare();
	ser = phys_to_virt(AT(0));
	page = phys_to_virt(AT(1));
	nr_lists = DIV_ROUND_UP(NR_EXTENTS - MEMFD_V3_NR_INLINE, V3_PER_PAGE);
	*ser = (struct memfd_v3_ser) {
		.magic = format->magic,
		.size = NR_EXTENTS * PAGE_SIZE,
		.nr = MEMFD_V3_NR_INLINE,
		.more = AT(1),
		.nr_pages = MEMFD_V3_NR_INLINE + nr_lists * V3_PER_PAGE,
	};
	page->next = AT(1);
	page->nr = V3_PER_PAGE;
	for (i = 0; i < MEMFD_V3_NR_INLINE; i++)
		ser->extents[i] = (struct memfd_v3_extent) { .index = i, .pfn = PHYS_PFN(AT(3)), .nr = 1 };
	for (i = 0; i < V3_PER_PAGE; i++)
		page->extents[i] = (struct memfd_v3_extent) { .index = i, .pfn = PHYS_PFN(AT(3)), .nr = 1 };
	walk(format, v3_list);
	memory_unload();
}

static void try_pieces(void)
{
	/* A page, and pieces of 2, 1, 1 and 2 pages, aligned as they must be */
	static const u8 pieces[] = { 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0 };
	struct memfd_luo_pass pass = {};
	struct memfd_luo_meta meta;
	struct memfd_v3_ser *ser;
	unsigned int i;

	memory_load(pieces, sizeof(pieces));
	assert(nr_memory == 8);
	ser = phys_to_virt(AT(0));
	*ser = (struct memfd_v3_ser) {
		.magic = MEMFD_V3_MAGIC,
		.size = 6 * PAGE_SIZE,
		.nr = 1,
		.nr_pages = 6,
		.extents[0] = { .pfn = PHYS_PFN(AT(2)), .nr = 6 },
	};
	assert(!memfd_luo_v3.load(&memfd_luo_v3, AT(0), &meta));
	assert(!memfd_luo_claim(&memfd_luo_v3, AT(0), meta.size, &pass) && pass.nr_pages == 6);
	memfd_luo_drop(&memfd_luo_v3, AT(0), true);
	for (i = 2; i < nr_memory; i++)
		assert(memory[i].state == FREED);
	memory_unload();
}

int main(void)
{
	try_pieces();
	try_v2();
	try_v3(&memfd_luo_v3);
	try_v3(&memfd_luo_v4);
	printf("%lu extents are read in each format\n", NR_EXTENTS);
	return 0;
}
