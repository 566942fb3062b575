/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is handed over of a memfd in the format "memfd-v3". A change of anything
 * here is another format, with another name.
 */
#ifndef _LINUX_KHO_ABI_MEMFD_V3_H
#define _LINUX_KHO_ABI_MEMFD_V3_H

#include <linux/build_bug.h>
#include <linux/types.h>

#define MEMFD_V3_COMPATIBLE	"memfd-v3"

/**
 * struct memfd_v3_extent - folios that follow each other in the file and in RAM
 * @index: of their first page in the file
 * @pfn:   of their first page in RAM
 * @order: of each of the folios
 * @nr:    how many pages they are
 *
 * All of them are dirty and uptodate. KHO preserves folios of an order above 0 as
 * what they are. Of single pages it preserves 2^MEMFD_V3_CHUNK_ORDER as one where
 * as many, aligned in RAM, belong to the extent, and the others one by one.
 */
struct memfd_v3_extent {
	u64 index;
	u64 pfn:52;
	u64 order:12;
	u64 nr;
} __packed;

#define MEMFD_V3_CHUNK_ORDER	9

/**
 * struct memfd_v3_page - a page of extents
 * @next:    physical address of the next one, or 0
 * @nr:      how many extents there are in this one, at least one
 * @extents: the extents, in no order
 */
struct memfd_v3_page {
	u64 next;
	u64 nr;
	struct memfd_v3_extent extents[];
} __packed;

/* Pages of this kind are shared, by what a page has room for. */
#define MEMFD_V3_SER_SIZE	512
#define MEMFD_V3_NAME_LENGTH	256
#define MEMFD_V3_NR_INLINE	8
#define MEMFD_V3_MAGIC		0x33646d65

/**
 * struct memfd_v3_ser - a file
 * @magic:   MEMFD_V3_MAGIC
 * @seals:   F_SEAL_*
 * @size:    in bytes
 * @pos:     the file position
 * @uid:     owner, as the initial user namespace has it
 * @gid:     group, likewise
 * @mode:    permissions
 * @flags:   0
 * @nr:      how many of @extents there are
 * @more:    physical address of the first page of further ones, or 0
 * @name:    as /proc/PID/fd shows it, NUL-terminated: "memfd:..."
 * @extents: the first extents, in no order
 * @nr_pages: how many pages all extents are, together
 */
struct memfd_v3_ser {
	u32 magic;
	u32 seals;
	u64 size;
	u64 pos;
	u32 uid;
	u32 gid;
	u32 mode;
	u32 flags;
	u64 nr;
	u64 more;
	char name[MEMFD_V3_NAME_LENGTH];
	struct memfd_v3_extent extents[MEMFD_V3_NR_INLINE];
	u64 nr_pages;
} __packed;
static_assert(sizeof(struct memfd_v3_ser) == MEMFD_V3_SER_SIZE);

#endif /* _LINUX_KHO_ABI_MEMFD_V3_H */
