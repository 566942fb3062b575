/* SPDX-License-Identifier: GPL-2.0 */
/* luo_flb.c: the life of FLBs. It calls luo_handler.c and below. */
#ifndef _LUO_FLB_H
#define _LUO_FLB_H

#include <linux/liveupdate.h>
#include <linux/types.h>

int luo_flb_file_preserve(struct liveupdate_file_handler *fh);
void luo_flb_file_unpreserve(struct liveupdate_file_handler *fh);
int luo_flb_file_retrieve(struct liveupdate_file_handler *fh);
int luo_flb_file_begin_finish(struct liveupdate_file_handler *fh, bool discard);
void luo_flb_file_cancel_finish(struct liveupdate_file_handler *fh);
void luo_flb_file_finish(struct liveupdate_file_handler *fh);
int luo_flb_add_incoming(const char *compatible, u64 data, u64 count);
u64 luo_flb_serialize(struct luo_flb_ser *ser);
u64 luo_flb_nr_outgoing(void);

#endif /* _LUO_FLB_H */
