/* SPDX-License-Identifier: GPL-2.0 */
/* luo_buf.c: preserved buffers. Over KHO alone. */
#ifndef _LUO_BUF_H
#define _LUO_BUF_H

#include <linux/types.h>

/*
 * Called for each entry of a container; returns a negative errno for one that it does not
 * understand
 */
typedef int (*luo_entry_fn)(const void *entry, void *arg);

int luo_buf_resize(void **buf, size_t size);
u64 luo_buf_nr_pages(const void *buf);
void *luo_buf_take(u64 phys, u64 size);
void luo_buf_free(void *buf);
int luo_buf_each(u64 phys, size_t size, luo_entry_fn fn, void *arg, u64 *understood);

#endif /* _LUO_BUF_H */
