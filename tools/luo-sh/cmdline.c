// SPDX-License-Identifier: GPL-2.0
/*
 * The command line of the next kernel. What is handed over is lost to one that is
 * not told there to look at it.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "image.h"

/* isspace() */
#define SPACES	" \t\n\v\f\r"

/* That of the running kernel */
int cmdline_read(char text[CMDLINE_SIZE])
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

/* How long the word is, which ends at a space that is not in quotes */
static size_t word_length(const char *text)
{
	bool is_quoted = false;
	size_t len;

	for (len = 0; text[len] && (is_quoted || !isspace(text[len])); len++)
		is_quoted ^= text[len] == '"';
	return len;
}

/* kstrtobool(): the first characters decide, and what says neither changes nothing. */
static bool parse_bool(const char *value, bool old)
{
	char decides = tolower(*value == 'o' || *value == 'O' ? value[1] : *value);

	if (*value == 'o' || *value == 'O')
		return decides == 'n' || (decides != 'f' && old);
	if (!decides)
		return old;
	return strchr("1eyt", decides) || (old && !strchr("0dnf", decides));
}

/*
 * What do the words NAME=VALUE on a command line say, by the kernel's rules? The last
 * one counts, quotes may be around the word or the value, and what is behind "--" is
 * for init. @value when there is none.
 */
static bool is_on(const char *cmdline, const char *name, bool value)
{
	size_t len = strlen(name), size;
	const char *word;

	for (; *(cmdline += strspn(cmdline, SPACES)); cmdline += size) {
		size = word_length(cmdline);
		word = cmdline + (*cmdline == '"');
		if (!strncmp(word, "--", 2) && (word[2] == '"' || word + 2 == cmdline + size))
			break;
		if (!strncmp(word, name, len) && word[len] == '=')
			value = parse_bool(word + len + 1 + (word[len + 1] == '"'), value);
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
		return cmdline_read(text);
	if (given && strlen(given) >= CMDLINE_SIZE)
		return fail(E2BIG, "--cmdline");
	strcpy(text, given ?: "");
	return STATUS_OK;
}

/* Is live update on in a kernel with that? KHO may be on by itself, if it is here. */
int cmdline_check(const char *cmdline, const char *image)
{
	char here[CMDLINE_SIZE];
	int status = cmdline_read(here);

	if (status || (is_on(cmdline, "liveupdate", false) &&
		       is_on(cmdline, "kho", !is_on(here, "kho", false))))
		return status;
	return complain(STATUS_MISMATCH, "%s: its command line lacks liveupdate=on kho=on: %s",
			image, cmdline);
}
