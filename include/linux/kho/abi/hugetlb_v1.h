/* SPDX-License-Identifier: GPL-2.0 */
/**
 * DOC: hugetlb-v1
 *
 * A file of huge pages is handed over in the format ``hugetlb-v1`` as &struct
 * memfd_v3_ser, with another first word. Its flags have the size of its pages, and
 * HUGETLB_V1_APPEND. The order of each of its extents is that of its pages, and KHO
 * preserves each huge page as one.
 *
 * How many huge pages all files have, by size and node, is in the page that the KHO
 * subtree HUGETLB_V1_POOLS is. The next kernel reads it before it has an allocator:
 * its pools are so much smaller. The FLB HUGETLB_V1_POOLS_COMPATIBLE tells where the
 * same page is. The page tells of what is to be expected, and nothing relies on it.
 *
 * A change of anything here is another format, with another name.
 */
#ifndef _LINUX_KHO_ABI_HUGETLB_V1_H
#define _LINUX_KHO_ABI_HUGETLB_V1_H

#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/kho/abi/memfd_v4.h>
#include <linux/types.h>

#define HUGETLB_V1_COMPATIBLE	"hugetlb-v1"

/* The first word of struct memfd_v3_ser */
#define HUGETLB_V1_MAGIC	0x31677568

/* Flags: O_APPEND, and the binary logarithm of the page size in bytes */
#define HUGETLB_V1_APPEND	MEMFD_V4_APPEND
#define HUGETLB_V1_SIZE_SHIFT	8
#define HUGETLB_V1_SIZE_MASK	GENMASK(15, HUGETLB_V1_SIZE_SHIFT)
#define HUGETLB_V1_ALL_FLAGS	(HUGETLB_V1_APPEND | HUGETLB_V1_SIZE_MASK)

#define HUGETLB_V1_POOLS		"hugetlb"
#define HUGETLB_V1_POOLS_COMPATIBLE	"hugetlb-pools-v1"
#define HUGETLB_V1_POOLS_MAGIC		0x706c6f6f70677568ULL

/**
 * struct hugetlb_v1_pool - huge pages of one size on one node
 * @nid:   the node
 * @order: the size, as an order of pages
 * @nr:    number of huge pages
 */
struct hugetlb_v1_pool {
	u32 nid;
	u32 order;
	u64 nr;
} __packed;

/**
 * struct hugetlb_v1_pools - huge pages that are handed over
 * @magic: HUGETLB_V1_POOLS_MAGIC
 * @nr:    number of @pools, some of which may have no page
 * @pools: the pages, each node and size once, in no order
 */
struct hugetlb_v1_pools {
	u64 magic;
	u64 nr;
	struct hugetlb_v1_pool pools[];
} __packed;
static_assert(sizeof(struct hugetlb_v1_pools) == sizeof(struct hugetlb_v1_pool));

#endif /* _LINUX_KHO_ABI_HUGETLB_V1_H */
