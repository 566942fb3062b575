// SPDX-License-Identifier: GPL-2.0
/*
 * The command line of the next kernel. What is handed over is lost to one that is
 * not told there to look at it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "image.h"

/* That of the running kernel */
static int read_cmdline(char text[CMDLINE_SIZE])
{
	int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, text, CMDLINE_SIZE - 1);
	int err = errno;

	if (fd >= 0)
		close(fd);
	if (len < 0)
		return fail(err, "/proc/cmdline");
	text[len] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return STATUS_OK;
}

/* Does the last word NAME=VALUE on a command line say yes? @if_none without one */
static bool is_on(const char *cmdline, const char *name, bool if_none)
{
	size_t len = strlen(name), word;
	bool value = if_none;

	for (; *cmdline; cmdline += word + strspn(cmdline + word, " ")) {
		word = strcspn(cmdline, " ");
		if (word > len + 1 && !strncmp(cmdline, name, len) && cmdline[len] == '=')
			value = strchr("1yYtT", cmdline[len + 1]) ||
				!strncmp(cmdline + len + 1, "on", 2);
	}
	return value;
}

/* Does the command say what it is to be? */
bool cmdline_is_given(const struct args *args)
{
	return args_option(args, "cmdline") || args_option(args, "reuse-cmdline");
}

/* What the command says it is to be, empty when it says nothing */
int cmdline_choose(const struct args *args, char text[CMDLINE_SIZE])
{
	const char *given = args_option(args, "cmdline");

	if (given && args_option(args, "reuse-cmdline"))
		return complain(STATUS_USAGE,
				"--cmdline and --reuse-cmdline are one too many");
	if (args_option(args, "reuse-cmdline"))
		return read_cmdline(text);
	if (given && strlen(given) >= CMDLINE_SIZE)
		return fail(E2BIG, "--cmdline");
	strcpy(text, given ?: "");
	return STATUS_OK;
}

/* Is live update on in a kernel with that? KHO may be on by itself, if it is here. */
int cmdline_check(const char *cmdline, const char *image)
{
	char here[CMDLINE_SIZE];
	int status = read_cmdline(here);

	if (status || (is_on(cmdline, "liveupdate", false) &&
		       is_on(cmdline, "kho", !is_on(here, "kho", false))))
		return status;
	return complain(STATUS_MISMATCH, "%s: its command line lacks liveupdate=on kho=on: %s",
			image, cmdline);
}
