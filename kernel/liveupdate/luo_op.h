/* SPDX-License-Identifier: GPL-2.0 */
/* luo_state.c: how an operation waits for a user, and for what he may hold up. */
#ifndef _LUO_OP_H
#define _LUO_OP_H

#include <linux/atomic.h>
#include <linux/cleanup.h>
#include <linux/compiler.h>
#include <linux/mutex.h>
#include <linux/wait.h>
#include "luo_state.h"

bool luo_op_may_go_on(void);
void luo_op_sleep(void);
int luo_op_do_lock(struct mutex *lock, bool killable);

/**
 * luo_op_wait_begin() - an operation begins to wait, maybe for a user
 *
 * Until luo_op_wait_end() it changes nothing that is handed over: the reboot path may
 * pass it by.
 *
 * Context: in an operation, or with the gate closed, which changes nothing.
 */
static inline void luo_op_wait_begin(void)
{
	atomic_inc(&luo_gate.waits);
	/* Who closes the gate sets that before it counts who waits. */
	smp_mb__after_atomic();
	if (unlikely(READ_ONCE(luo_gate.closed)))
		wake_up_all(&luo_gate.wait);
}

/**
 * luo_op_try_wait_end() - an operation goes on, unless it was passed by
 *
 * Context: as luo_op_wait_begin(), after it.
 * Return: true when it goes on.
 */
static inline bool luo_op_try_wait_end(void)
{
	atomic_dec(&luo_gate.waits);
	/* Who has counted this one has set that before. */
	smp_mb__after_atomic();
	/* Pairs with the gate's lock: who reads that it is open again reads what was set before. */
	if (likely(!smp_load_acquire(&luo_gate.closed) && !READ_ONCE(luo_gate.passed)))
		return true;
	return luo_op_may_go_on();
}

/**
 * luo_op_wait_end() - an operation goes on, as soon as it may
 *
 * Context: as luo_op_wait_begin(), after it.
 */
static inline void luo_op_wait_end(void)
{
	if (unlikely(!luo_op_try_wait_end()))
		luo_op_sleep();
}

static inline void luo_op_lock(struct mutex *lock)
{
	if (!mutex_trylock(lock))
		luo_op_do_lock(lock, LUO_MUST);
}

static inline int luo_op_lock_killable(struct mutex *lock)
{
	return mutex_trylock(lock) ? 0 : luo_op_do_lock(lock, LUO_KILLABLE);
}

/* A lock that one may hold who waits for a user, in an operation or with the gate closed */
DEFINE_GUARD(luo_op_mutex, struct mutex *, luo_op_lock(_T), mutex_unlock(_T))
DEFINE_GUARD_COND(luo_op_mutex, _kill, luo_op_lock_killable(_T), _RET == 0)

#endif /* _LUO_OP_H */
