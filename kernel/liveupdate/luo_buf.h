/* SPDX-License-Identifier: GPL-2.0 */
/* luo_buf.c: preserved buffers. Over KHO alone. */
#ifndef _LUO_BUF_H
#define _LUO_BUF_H

#include <linux/types.h>

int luo_buf_resize(void **buf, size_t size);
u64 luo_buf_nr_pages(const void *buf);
void *luo_buf_take(u64 phys, u64 size);
void luo_buf_free(void *buf);

#endif /* _LUO_BUF_H */
