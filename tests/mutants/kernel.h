/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Have lockdep_assert_held() look whether the lock is held, by whomever: a kernel that is
 * quick to boot has no lockdep.
 */
#ifndef _LUO_MUTANT_H
#define _LUO_MUTANT_H

#include <linux/bug.h>
#include <linux/lockdep.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>

static inline bool luo_mutant_may_hold(const void *lock)
{
	return true;
}

#undef lockdep_assert_held
#define lockdep_assert_held(l)						\
	WARN_ON_ONCE(!_Generic((l),					\
			       struct mutex *: mutex_is_locked,		\
			       struct rw_semaphore *: rwsem_is_locked,	\
			       spinlock_t *: spin_is_locked,		\
			       default: luo_mutant_may_hold)(l))
#undef lockdep_assert_held_write
#define lockdep_assert_held_write(l)	lockdep_assert_held(l)

#endif /* _LUO_MUTANT_H */
