/* SPDX-License-Identifier: GPL-2.0 */
/* luo_abi_v1.c, luo_abi_v5.c: the hand-over formats. They call luo_buf.c and below. */
#ifndef _LUO_FORMAT_H
#define _LUO_FORMAT_H

#include <linux/kho/abi/luo.h>
#include <linux/overflow.h>
#include <linux/types.h>
#include "luo_buf.h"

/* The hand-over formats */
enum luo_abi_nr {
	LUO_V1,
	LUO_V5,
	LUO_NR_ABIS,
};

/**
 * struct luo_abi - a hand-over format: its root, and containers of entries
 * @nr:               its place among the formats
 * @compatible:       its name
 * @is_base:          the base kernel reads it: each file has to be preserved by a handler
 *                    that takes files in this format
 * @root:             what KHO is given, while there is room for a session
 * @reserve_sessions: get room to hand over @nr sessions; 0 gives all back.
 *                    -ENOSPC when the format cannot carry so many, -ENOMEM.
 * @reserve_files:    the same for @nr files of a session, whose buffer is @buffer
 * @reserve_flbs:     the same as @reserve_sessions for file-lifecycle-bound
 *                    objects; there is a session
 * @begin:            begin to serialize what there is room for. Called in the reboot
 *                    path, as are the next three; none of them allocates or can fail.
 * @append_session:   return the next session's entry. Its files, which are appended
 *                    next, go to @buffer, which @file_set_ser.files points to then.
 * @append_file:      return the next file's entry
 * @end:              all @nr_sessions were appended; return the head of the FLBs' array
 * @identify:         what @blob, of @size bytes, calls itself, if it is built as
 *                    this format is; else NULL
 * @read_number:      the number of the hand-over in such a blob of this very
 *                    format; -EINVAL when it has none
 * @find_flbs:        the physical address of the head of its array of FLBs; -ENODATA
 *                    when there is none, or what is wrong
 * @each_session:     call @fn for each struct luo_session_ser of the hand-over. What was
 *                    understood is freed, but for @blob; what was not stays reserved.
 *                    Returns 0, or what is wrong with the container.
 * @each_file:        the same for each struct luo_file_ser of a session
 */
struct luo_abi {
	enum luo_abi_nr nr;
	const char *compatible;
	bool is_base;
	void *(*root)(size_t *size);
	int (*reserve_sessions)(u64 nr);
	int (*reserve_files)(void **buffer, u64 nr);
	int (*reserve_flbs)(u64 nr);
	void (*begin)(void);
	struct luo_session_ser *(*append_session)(void *buffer);
	struct luo_file_ser *(*append_file)(void);
	struct luo_flb_header_ser *(*end)(u64 nr_sessions);
	const char *(*identify)(const void *blob, size_t size);
	int (*read_number)(const void *blob, u64 *number);
	int (*find_flbs)(const void *blob, u64 *phys);
	int (*each_session)(const void *blob, luo_entry_fn fn, void *arg);
	int (*each_file)(const struct luo_file_set_ser *set, luo_entry_fn fn, void *arg);
};

extern const struct luo_abi luo_abi_v1;
extern const struct luo_abi luo_abi_v5;

/* The size of an array of FLBs, with its head; too large for any buffer if it overflows */
static inline size_t luo_flbs_size(u64 nr)
{
	return size_add(sizeof(struct luo_flb_header_ser),
			size_mul(nr, sizeof(struct luo_flb_ser)));
}

#endif /* _LUO_FORMAT_H */
