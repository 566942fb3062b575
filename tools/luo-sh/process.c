// SPDX-License-Identifier: GPL-2.0
/*
 * Processes by descriptor. A number may be another process's by the time that
 * it is used; a pidfd cannot, and neither can PID:INODE, the inode of a pidfd
 * being its process's for as long as the machine runs.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
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
 * Did one call us that runs a command as another user, and ends with it? What is bound
 * to it would be lost at once, and what was preserved with it. Sets @name.
 */
static bool has_brief_parent(char name[16])
{
	static const char *const brief[] = { "doas", "pkexec", "runuser", "su", "sudo" };
	bool is_brief = false;
	char path[32];
	FILE *file;
	size_t i;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)getppid());
	file = fopen(path, "re");
	if (!file)
		return false;
	if (fscanf(file, "%15s", name) == 1)
		for (i = 0; i < ARRAY_SIZE(brief) && !is_brief; i++)
			is_brief = !strcmp(name, brief[i]);
	fclose(file);
	return is_brief;
}

/*
 * A pidfd of PID or PID:INODE; without one, of the process that called us,
 * which is a shell mostly.
 */
int process_open(const char *pid, int *pidfd)
{
	uint64_t nr = getppid(), inode = 0;
	char name[16];
	const char *colon = NULL;
	struct stat st;

	if (pid) {
		colon = strchr(pid, ':');
		if (!parse_number(pid, colon ? ':' : '\0', INT_MAX, &nr) || !nr ||
		    (colon && !parse_number(colon + 1, '\0', UINT64_MAX, &inode)))
			return complain(STATUS_USAGE, "--pid %s: neither PID nor PID:INODE", pid);
	}

	if (!pid && has_brief_parent(name))
		return complain(STATUS_FAILED,
				"%s ends with this command, and what is bound to it: say --pid, --pid $$ for a shell",
				name);

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
