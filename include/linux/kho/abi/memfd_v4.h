/* SPDX-License-Identifier: GPL-2.0 */
/**
 * DOC: memfd-v4
 *
 * What is handed over of a memfd in the format ``memfd-v4`` is that of ``memfd-v3``,
 * with another first word, and with flags: MEMFD_V4_APPEND, each write goes to the
 * end of the file, and MEMFD_V4_NOSWAP, its pages are never written to swap. It is
 * written for those files only that need one, so that a kernel which reads
 * ``memfd-v3`` can take all others. A change of anything here is another format,
 * with another name.
 */
#ifndef _LINUX_KHO_ABI_MEMFD_V4_H
#define _LINUX_KHO_ABI_MEMFD_V4_H

#include <linux/bits.h>
#include <linux/kho/abi/memfd_v3.h>

#define MEMFD_V4_COMPATIBLE	"memfd-v4"

/* The first word of struct memfd_v3_ser */
#define MEMFD_V4_MAGIC		0x34646d65

/* Each write goes to the end of the file: O_APPEND. */
#define MEMFD_V4_APPEND		BIT(0)
/* Its pages are never written to swap. */
#define MEMFD_V4_NOSWAP		BIT(1)
#define MEMFD_V4_ALL_FLAGS	(MEMFD_V4_APPEND | MEMFD_V4_NOSWAP)

#endif /* _LINUX_KHO_ABI_MEMFD_V4_H */
