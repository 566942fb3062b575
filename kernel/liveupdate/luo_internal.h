/* SPDX-License-Identifier: GPL-2.0 */
/* What luo_handler.c calls in lib/tests/liveupdate.c, the base kernel's own as well as ours */
#ifndef _LUO_INTERNAL_H
#define _LUO_INTERNAL_H

struct liveupdate_file_handler;

#ifdef CONFIG_LIVEUPDATE_TEST
void liveupdate_test_register(struct liveupdate_file_handler *fh);
#else
static inline void liveupdate_test_register(struct liveupdate_file_handler *fh)
{
}
#endif

#endif /* _LUO_INTERNAL_H */
