/* SPDX-License-Identifier: GPL-2.0 */
/* luo_timeline.c: when the phases of a live update began. It calls luo_notes.c and below. */
#ifndef _LUO_TIMELINE_H
#define _LUO_TIMELINE_H

#include <linux/types.h>

void luo_timeline_serialize(void);
int luo_timeline_restore(void);
ssize_t luo_timeline_emit(char *page);

#endif /* _LUO_TIMELINE_H */
