/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Callbacks that fail when they are told to: writing N to the module parameter
 * fail_CALLBACK makes the Nth call of that callback from now on fail, once.
 */
#ifndef _LIVEUPDATE_FAIL_H
#define _LIVEUPDATE_FAIL_H

#include <linux/atomic.h>
#include <linux/moduleparam.h>

#define LIVEUPDATE_FAIL(callback)					\
	static atomic_t fail_##callback;				\
	module_param_named(fail_##callback, fail_##callback.counter, int, 0644)

/* Is this the call that was told to fail? */
static inline bool liveupdate_fails(atomic_t *countdown)
{
	return atomic_dec_if_positive(countdown) == 0;
}

#endif /* _LIVEUPDATE_FAIL_H */
