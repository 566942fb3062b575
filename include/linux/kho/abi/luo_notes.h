/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a kernel tells the next one beside a hand-over of live update.
 */
#ifndef _LINUX_KHO_ABI_LUO_NOTES_H
#define _LINUX_KHO_ABI_LUO_NOTES_H

#include <linux/liveupdate.h>
#include <linux/types.h>

/**
 * DOC: LUO-notes
 *
 * Notes are handed over in a KHO subtree of their own, an FDT, next to sessions in either
 * format. Who does not know them need not look at them, and a hand-over without them is
 * complete. ::
 *
 *   / {
 *       compatible = "luo-notes-v1";
 *       lost = <u64 physical address>;
 *       timeline = <struct luo_timeline_ser>;
 *       labels = <u64 physical address>;
 *   };
 *
 * ``lost`` is the first block of a chain, as include/linux/kho/abi/block.h has it, of
 * struct luo_lost_ser; there is none when nothing was lost.
 *
 * ``labels`` is the first block of such a chain of struct luo_label_ser; there is none when
 * nothing has a label.
 *
 * ``timeline`` tells when the phases of the old kernel began. It is aligned to 4 bytes.
 */

/* The name of the KHO subtree */
#define LUO_NOTES_KHO_ENTRY_NAME	"LUO-notes"

#define LUO_NOTES_COMPATIBLE		"luo-notes-v1"
#define LUO_NOTES_PROP_LOST		"lost"
#define LUO_NOTES_PROP_TIMELINE		"timeline"
#define LUO_NOTES_PROP_LABELS		"labels"

/**
 * struct luo_lost_ser - a file that was not handed over
 * @session:    its session's name, NUL-terminated
 * @compatible: its handler's compatible string, NUL-terminated
 * @token:      its token
 * @err:        why, a positive errno
 * @reserved:   0
 */
struct luo_lost_ser {
	char session[LIVEUPDATE_SESSION_NAME_LENGTH];
	char compatible[LIVEUPDATE_HNDL_COMPAT_LENGTH];
	u64 token;
	u32 err;
	u32 reserved;
} __packed;

/**
 * struct luo_timeline_ser - when the old kernel's phases of a live update began
 * @khz:   ticks of the clock in a millisecond, 0 when the clock is not stable
 * @ticks: the clock at each phase: enum liveupdate_phase, requested, frozen and jump
 */
struct luo_timeline_ser {
	u64 khz;
	u64 ticks[3];
};

/* Room for a label, its NUL included */
#define LUO_LABEL_LENGTH	256

/**
 * struct luo_label_ser - a label
 * @session:   name of the session, NUL-terminated
 * @token:     of the file that has the label, 0 for the session's own
 * @has_token: 1 for a file's, 0 for the session's own
 * @reserved:  0
 * @text:      the label, NUL-terminated, not empty, without control characters
 */
struct luo_label_ser {
	char session[LIVEUPDATE_SESSION_NAME_LENGTH];
	u64 token;
	u32 has_token;
	u32 reserved;
	char text[LUO_LABEL_LENGTH];
} __packed;

#endif /* _LINUX_KHO_ABI_LUO_NOTES_H */
