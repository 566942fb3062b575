/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Have one allocation fail that the kernel makes for us, see Documentation/fault-injection
 */
#ifndef _FAULT_H
#define _FAULT_H

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fault_file = -1;

/* Of those that are made from now on, the one of this number; @nth is text. */
static inline void fault_begin(const char *nth)
{
	if (fault_file < 0)
		fault_file = open("/proc/thread-self/fail-nth", O_RDWR);
	if (fault_file < 0 || pwrite(fault_file, nth, strlen(nth), 0) < 0)
		err(2, "fail-nth");
}

/* Did it? Leaves errno alone. */
static inline bool fault_end(void)
{
	int error = errno;
	char left[16] = "";

	if (pread(fault_file, left, sizeof(left) - 1, 0) < 0 || pwrite(fault_file, "0", 1, 0) < 0)
		err(2, "fail-nth");
	errno = error;
	return !atoi(left);
}

#endif /* _FAULT_H */
