/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's readers of memfd-v2, memfd-v3, memfd-v4 and hugetlb-v1, for user space.
 */
#ifndef _FUZZ_READERS_H
#define _FUZZ_READERS_H

#include "shim.h"
#include "memory.h"

/* What only writing needs is nowhere. */
#pragma weak __vcalloc
#pragma weak __vmalloc
#pragma weak find_first_zero_bit
#pragma weak kho_alloc_preserve
#pragma weak kho_preserve_vmalloc
#pragma weak kho_unpreserve_free
#pragma weak kho_unpreserve_vmalloc
#pragma weak list_add
#pragma weak list_del
#pragma weak list_del_init
#pragma weak list_empty
#pragma weak set_page_private
#pragma weak vfree
#pragma weak virt_to_page
#pragma weak virt_to_phys

#include <linux/kho/abi/memfd_v4.h>
#include "../../mm/luo_extent.c"
#include "../../mm/memfd_luo_v2.c"
#include "../../mm/memfd_luo_v3.c"
#include "../../mm/memfd_luo_in.c"

#endif /* _FUZZ_READERS_H */
