/* SPDX-License-Identifier: GPL-2.0 */
/* luo_abi.c: which format is chosen, and the room in it. It calls formats and below. */
#ifndef _LUO_ABI_H
#define _LUO_ABI_H

#include "luo_format.h"

extern const struct luo_abi *luo_abi;

const struct luo_abi *luo_abi_by_name(const char *name);
const struct luo_abi *luo_abi_identify(const void *blob, size_t size, const char **name);
ssize_t luo_abi_emit(char *page);

int luo_abi_reserve_sessions(u64 nr);
int luo_abi_reserve_flbs(u64 nr);
int luo_abi_reserve_files(void *buffer[LUO_NR_ABIS], u64 nr);

int luo_abi_prepare(const struct luo_abi *abi, u64 nr_sessions, u64 nr_flbs);
void luo_abi_release(const struct luo_abi *abi);
void luo_abi_choose(const struct luo_abi *abi);
void luo_abi_change_root(void);

int luo_abi_each_flb(u64 phys, luo_entry_fn fn, void *arg);

#endif /* _LUO_ABI_H */
