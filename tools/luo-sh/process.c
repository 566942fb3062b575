// SPDX-License-Identifier: GPL-2.0
/*
 * Processes by descriptor. A number may be another process's by the time that
 * it is used; a pidfd cannot, and neither can PID:INODE, the inode of a pidfd
 * being its process's for as long as the machine runs.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "luo-sh.h"

static bool parse_number(const char *text, char end, uint64_t max, uint64_t *value)
{
	char *behind;

	errno = 0;
	*value = strtoumax(text, &behind, 10);
	return *text >= '0' && *text <= '9' && !errno && *value <= max && *behind == end;
}

/*
 * A pidfd of PID or PID:INODE; without one, of the process that called us,
 * which is a shell mostly.
 */
int process_open(const char *pid, int *pidfd)
{
	uint64_t nr = getppid(), inode = 0;
	const char *colon = NULL;
	struct stat st;

	if (pid) {
		colon = strchr(pid, ':');
		if (!parse_number(pid, colon ? ':' : '\0', INT_MAX, &nr) || !nr ||
		    (colon && !parse_number(colon + 1, '\0', UINT64_MAX, &inode)))
			return complain(STATUS_USAGE, "--pid %s: neither PID nor PID:INODE", pid);
	}

	*pidfd = syscall(SYS_pidfd_open, (pid_t)nr, 0);
	if (*pidfd < 0)
		return fail(errno, "process %" PRIu64, nr);
	/* It can have been another one only if ours is gone now. */
	if ((!pid && (pid_t)nr != getppid()) ||
	    (colon && (fstat(*pidfd, &st) || st.st_ino != inode))) {
		close(*pidfd);
		return fail(ESRCH, "process %s", pid ?: "that called");
	}
	return STATUS_OK;
}

/* Become another program: what we have open and own is its own then. */
int become(char **argv)
{
	execvp(argv[0], argv);
	return fail(errno, "%s", argv[0]);
}
