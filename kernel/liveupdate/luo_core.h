/* SPDX-License-Identifier: GPL-2.0 */
/*
 * luo_core.c: boot, reboot, and what state that leaves us in; luo_handover.c: all that is
 * handed over. They call luo_session.c and below; front ends call them.
 */
#ifndef _LUO_CORE_H
#define _LUO_CORE_H

#include <linux/types.h>

#include "luo_state.h"

struct luo_abi;

enum luo_state {
	LUO_STATE_NORMAL,
	LUO_STATE_UPDATED,
	LUO_STATE_FROZEN,
};

enum luo_state luo_get_state(void);
const char *luo_state_name(enum luo_state state);
void luo_wait_for_incoming(void);
int luo_prepare(bool begin);
enum luo_prepared luo_get_prepared(void);

void luo_serialize(void);
void luo_restore_flbs(const struct luo_abi *abi, const void *blob);
void luo_restore_sessions(const struct luo_abi *abi, const void *blob);
int luo_choose_format(const char *name);

#endif /* _LUO_CORE_H */
