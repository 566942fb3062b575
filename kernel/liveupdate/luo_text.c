// SPDX-License-Identifier: GPL-2.0
/*
 * The text that users read and write: numbers, PIDFD:FD pairs, session names.
 * Pure functions that anything may call in any context.
 */

#include <linux/ctype.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/hex.h>
#include <linux/kernel.h>
#include <linux/kstrtox.h>
#include <linux/limits.h>
#include <linux/overflow.h>
#include <linux/string.h>

#include "luo_text.h"

/**
 * luo_parse_u64() - read a number in canonical decimal
 * @text:  the digits, not NUL-terminated
 * @len:   how many they are
 * @value: set on success
 *
 * There is one way to write each number, so that a token and the directory
 * that is named by it are one to one: no sign, space, or leading zero.
 *
 * Return: 0, or -EINVAL when @text is anything else or does not fit.
 */
int luo_parse_u64(const char *text, size_t len, u64 *value)
{
	u64 v = 0;

	if (!len || (text[0] == '0' && len > 1))
		return -EINVAL;

	for (; len; text++, len--) {
		if (!isdigit(*text) || check_mul_overflow(v, 10, &v) ||
		    check_add_overflow(v, *text - '0', &v))
			return -EINVAL;
	}

	*value = v;
	return 0;
}

/* A number that is or could be a file descriptor; no table has INT_MAX. */
static int luo_parse_fd(const char *text, size_t len, int *fd)
{
	u64 v;
	int err = luo_parse_u64(text, len, &v);

	if (!err)
		*fd = min_t(u64, v, INT_MAX);
	return err;
}

/**
 * luo_line_length() - the length of a line without the newline at its end
 * @text: the line, which may have none
 * @len:  its length
 *
 * Return: the length.
 */
size_t luo_line_length(const char *text, size_t len)
{
	return len && text[len - 1] == '\n' ? len - 1 : len;
}

static int luo_parse_process(const char *text, size_t len, int *pidfd)
{
	int p, err;

	if (len == strlen("self") && !memcmp(text, "self", len)) {
		*pidfd = PIDFD_SELF_THREAD;
		return 0;
	}
	if (!len || *text != '-')
		return luo_parse_fd(text, len, pidfd);

	err = luo_parse_fd(text + 1, len - 1, &p);
	if (err)
		return err;
	if (-p != PIDFD_SELF_THREAD && -p != PIDFD_SELF_THREAD_GROUP)
		return -EINVAL;
	*pidfd = -p;
	return 0;
}

/**
 * luo_parse_pidfd() - read ``PIDFD``
 * @text:  what was written, with or without a newline at its end
 * @len:   its length
 * @pidfd: set on success, as for luo_parse_pair()
 *
 * Return: 0, or -EINVAL when @text is malformed.
 */
int luo_parse_pidfd(const char *text, size_t len, int *pidfd)
{
	return luo_parse_process(text, luo_line_length(text, len), pidfd);
}

/**
 * luo_parse_pair() - read ``PIDFD:FD``
 * @text:  what was written, with or without a newline at its end
 * @len:   its length
 * @pidfd: set on success to the descriptor or a PIDFD_SELF_* sentinel;
 *         ``self`` is PIDFD_SELF_THREAD
 * @fd:    set on success
 *
 * Return: 0, or -EINVAL when @text is malformed.
 */
int luo_parse_pair(const char *text, size_t len, int *pidfd, int *fd)
{
	const char *colon;
	int p, err;

	len = luo_line_length(text, len);
	colon = memchr(text, ':', len);
	if (!colon)
		return -EINVAL;
	err = luo_parse_process(text, colon - text, &p);
	if (!err)
		err = luo_parse_fd(colon + 1, text + len - colon - 1, fd);
	if (!err)
		*pidfd = p;
	return err;
}

/*
 * Names are shown as directories. What cannot be part of a directory's name is
 * written as \xHH, and so is a backslash that would read as such an escape.
 * This maps names to texts one to one.
 */
static bool luo_byte_is_escaped(unsigned char c)
{
	return c < ' ' || c == 0x7f || c == '/' || c == '\\' || c == '.';
}

/* The byte that an escape at @text stands for, or -1 when there is none. */
static int luo_unescape(const char *text)
{
	int hi, lo;

	if (text[0] != '\\' || text[1] != 'x')
		return -1;
	hi = hex_to_bin(text[2]);
	lo = hi < 0 ? -1 : hex_to_bin(text[3]);
	if (lo < 0 || isupper(text[2]) || isupper(text[3]) ||
	    !luo_byte_is_escaped(hi << 4 | lo))
		return -1;
	return hi << 4 | lo;
}

/**
 * luo_format_name() - the text that stands for a session's name
 * @name: the name
 * @text: filled in
 */
void luo_format_name(const char *name, char *text)
{
	bool dots = !strcmp(name, ".") || !strcmp(name, "..");
	const char *p;

	for (p = name; *p; p++) {
		unsigned char c = *p;
		bool plain;

		if (c == '\\')
			plain = luo_unescape(p) < 0;
		else if (c == '.')
			plain = !dots || p != name;
		else
			plain = !luo_byte_is_escaped(c);

		if (plain)
			*text++ = c;
		else
			text += sprintf(text, "\\x%02x", c);
	}
	*text = '\0';
}

/**
 * luo_parse_name() - the session's name that a text stands for
 * @text: what luo_format_name() gave, or would give
 * @name: filled in on success
 *
 * Return: 0; -ENAMETOOLONG when the name has more than 63 bytes; -EINVAL when
 * it is empty, or @text is not the way to write it.
 */
int luo_parse_name(const char *text, char *name)
{
	char again[LUO_NAME_TEXT_LENGTH];
	const char *p = text;
	size_t len = 0;

	while (*p) {
		int c = luo_unescape(p);

		if (len == LIVEUPDATE_SESSION_NAME_LENGTH - 1)
			return -ENAMETOOLONG;
		if (!c)
			return -EINVAL;
		name[len++] = c < 0 ? *p : c;
		p += c < 0 ? 1 : strlen("\\xHH");
	}
	name[len] = '\0';

	luo_format_name(name, again);
	return len && !strcmp(again, text) ? 0 : -EINVAL;
}
