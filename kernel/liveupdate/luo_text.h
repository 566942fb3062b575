/* SPDX-License-Identifier: GPL-2.0 */
/* luo_text.c: what users read and write, to what the core takes, and back */
#ifndef _LUO_TEXT_H
#define _LUO_TEXT_H

#include <linux/liveupdate.h>
#include <linux/string.h>
#include <linux/types.h>

/* Room for the escaped form of a session's name, its NUL included */
#define LUO_NAME_TEXT_LENGTH	(4 * (LIVEUPDATE_SESSION_NAME_LENGTH - 1) + 1)

size_t luo_line_length(const char *text, size_t len);
int luo_parse_u64(const char *text, size_t len, u64 *value);
int luo_parse_pidfd(const char *text, size_t len, int *pidfd);
int luo_parse_pair(const char *text, size_t len, int *pidfd, int *fd);
int luo_parse_name(const char *text, char *name);
void luo_format_name(const char *name, char *text);

/* Is there a string that is not empty, and ends within the @size bytes of a member? */
static inline bool luo_is_string(const char *s, size_t size)
{
	return *s && strnlen(s, size) < size;
}

#endif /* _LUO_TEXT_H */
