/* SPDX-License-Identifier: GPL-2.0 */
/* luo_label.c: labels of sessions and files. It calls luo_notes.c and below. */
#ifndef _LUO_LABEL_H
#define _LUO_LABEL_H

#include <linux/kho/abi/luo_notes.h>
#include <linux/types.h>

int luo_label_check(const char *text, size_t len);
int luo_label_set(char **label, const char *text, size_t len);
ssize_t luo_label_emit(char *const *label, char *page);

void luo_label_begin(void);
void luo_label_tell(const char *session, const u64 *token, const char *label);
void luo_label_serialize(void);

int luo_label_restore(void (*fn)(const struct luo_label_ser *ser));

#endif /* _LUO_LABEL_H */
