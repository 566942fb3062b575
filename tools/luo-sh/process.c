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

static int refuse_pid(const char *pid)
{
	complain(STATUS_USAGE, "--pid %s: neither PID nor PID:INODE", pid);
	return advise(STATUS_USAGE, "--pid $$ for a shell, or --pid $(pidof -s PROGRAM)");
}

/* What a process is called, "" when it is gone; until this is called again */
const char *process_name(pid_t pid)
{
	static char name[16];
	char path[32];
	FILE *file;

	name[0] = '\0';
	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	file = fopen(path, "re");
	if (file && fgets(name, sizeof(name), file))
		name[strcspn(name, "\n")] = '\0';
	if (file)
		fclose(file);
	return name;
}

/* The number after a word at the begin of a line of a file in /proc, or 0 */
static pid_t read_number(const char *path, const char *word)
{
	FILE *file = fopen(path, "re");
	char line[256];
	pid_t nr = 0;

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, word, strlen(word)))
			nr = atoi(line + strlen(word));
	if (file)
		fclose(file);
	return nr;
}

/* The number of the process of a pidfd, of our own one when that is negative; 0 when it is gone */
pid_t process_of(int pidfd)
{
	char path[48];
	pid_t pid;

	if (pidfd < 0)
		return getpid();
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	pid = read_number(path, "Pid:");
	return pid > 0 ? pid : 0;
}

/* Is it us, or an ancestor of ours? */
bool process_acts_for(pid_t pid)
{
	pid_t ours = getpid();
	char path[32];

	while (ours > 0 && ours != pid) {
		snprintf(path, sizeof(path), "/proc/%d/status", (int)ours);
		ours = read_number(path, "PPid:");
	}
	return ours == pid;
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
			return refuse_pid(pid);
	}

	if (!pid && has_brief_parent(name)) {
		complain(STATUS_FAILED, "%s ends with this command, and what is bound to it", name);
		return advise(STATUS_FAILED, "--pid PID, which is --pid $$ in a shell");
	}

	*pidfd = syscall(SYS_pidfd_open, (pid_t)nr, 0);
	if (*pidfd < 0) {
		fail(errno, "process %" PRIu64, nr);
		return advise(STATUS_FAILED, "ps -e, which has those that there are");
	}
	/* It can have been another one only if ours is gone now. */
	if ((!pid && (pid_t)nr != getppid()) ||
	    (colon && (fstat(*pidfd, &st) || st.st_ino != inode))) {
		close(*pidfd);
		fail(ESRCH, "process %s", pid ?: "that called");
		return advise(STATUS_FAILED, "ps -e, which has those that there are");
	}
	return STATUS_OK;
}

/* Become another program: what we have open and own is its own then. */
int become(char **argv)
{
	execvp(argv[0], argv);
	return fail(errno, "%s", argv[0]);
}
