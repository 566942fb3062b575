/* SPDX-License-Identifier: GPL-2.0 */
/* luo_handler.c: which file types there are. It calls luo_abi.c and below. */
#ifndef _LUO_HANDLER_H
#define _LUO_HANDLER_H

#include <asm/barrier.h>
#include <linux/list.h>
#include <linux/liveupdate.h>

/* A handler depends on an FLB */
struct luo_flb_link {
	struct liveupdate_flb *flb;
	struct list_head list;
};

static inline struct list_head *luo_flb_links(struct liveupdate_file_handler *fh)
{
	return &ACCESS_PRIVATE(fh, flb_list);
}

/* The FLBs of a handler that the caller holds a reference on, or luo_handlers_rwsem */
#define luo_for_each_flb_link(link, fh)	list_for_each_entry(link, luo_flb_links(fh), list)

void luo_flb_private_init(struct liveupdate_flb *flb);

/* Return what the core keeps in an FLB, initialized. */
static inline struct luo_flb_private *luo_flb_private(struct liveupdate_flb *flb)
{
	struct luo_flb_private *private = &ACCESS_PRIVATE(flb, private);

	/* Pairs with the release in luo_flb_private_init(). */
	if (!smp_load_acquire(&private->initialized))
		luo_flb_private_init(flb);
	return private;
}

struct liveupdate_file_handler *luo_handler_get(struct liveupdate_file_handler *fh);
struct liveupdate_file_handler *luo_handler_get_for_file(struct file *file);
struct liveupdate_file_handler *luo_handler_get_to_carry(struct liveupdate_file_handler *from);
struct liveupdate_file_handler *luo_handler_get_by_name(const char *compatible);
bool luo_handler_is_chosen(const struct liveupdate_file_handler *fh);
void luo_handler_put(struct liveupdate_file_handler *fh);
ssize_t luo_handlers_emit(char *page);

#endif /* _LUO_HANDLER_H */
