/* SPDX-License-Identifier: GPL-2.0 */
/* luo_lost.c: what the reboot leaves behind. It calls luo_notes.c and below. */
#ifndef _LUO_LOST_H
#define _LUO_LOST_H

#include <linux/types.h>

int luo_lost_set_drop(bool drop);
bool luo_lost_is_drop(void);
int luo_lost_reserve(void);
void luo_lost_unreserve(u64 nr);
void luo_lost_arrive(u64 nr);

bool luo_lost_begin(void);
void luo_lost_cancel(void);
void luo_lost_tell(const char *session, u64 token, const char *compatible, int err);
void luo_lost_serialize(void);

int luo_lost_restore(void);
ssize_t luo_lost_emit(char *buf, size_t size);

#endif /* _LUO_LOST_H */
