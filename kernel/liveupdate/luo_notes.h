/* SPDX-License-Identifier: GPL-2.0 */
/* luo_notes.c: notes beside the hand-over. It calls luo_buf.c and below. */
#ifndef _LUO_NOTES_H
#define _LUO_NOTES_H

#include <linux/types.h>

extern void *luo_notes_root;

void luo_notes_publish(void);
bool luo_notes_exist(void);
void luo_notes_begin(void);
void *luo_notes_add(const char *name, size_t size);
void luo_notes_end(void);

int luo_notes_restore(void);
const void *luo_notes_get(const char *name, size_t size);
void luo_notes_forget(bool understood);

#endif /* _LUO_NOTES_H */
