// SPDX-License-Identifier: GPL-2.0
/* Commands from a file, one a line, up to the first that fails */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "luo-sh.h"

/*
 * Cut the next word off a line: up to a space, or in quotes of one kind. NULL
 * when there is none, or a comment.
 */
static char *cut_word(char **line)
{
	char *word = *line + strspn(*line, " \t\n"), *end;

	if (!*word || *word == '#')
		return NULL;
	if (*word == '"' || *word == '\'') {
		end = strchr(word + 1, *word);
		word++;
	} else {
		end = word + strcspn(word, " \t\n");
	}
	/* A quote that is not closed goes on to the end. */
	end = end ?: word + strcspn(word, "\n");
	*line = end + !!*end;
	*end = '\0';
	return word;
}

static int run_line(char *line)
{
	/* The program, and words that have a character and a space behind it. */
	char **argv = calloc(strlen(line) / 2 + 3, sizeof(*argv));
	bool was_quiet = is_quiet, was_verbose = is_verbose;
	enum out_format format = out_format;
	int argc = 1, status = STATUS_OK;

	if (!argv)
		return fail(ENOMEM, "batch");
	argv[0] = "luo-sh";
	while ((argv[argc] = cut_word(&line)))
		argc++;
	if (argc > 1)
		status = run_command(argc, argv, true);
	free(argv);
	/* Options are of the line that they are on. */
	is_help = false;
	is_version = false;
	is_quiet = was_quiet;
	is_verbose = was_verbose;
	out_format = format;
	return status;
}

int cmd_batch(const struct args *args)
{
	const char *name = args->words[0];
	bool is_stdin = !strcmp(name, "-");
	FILE *file = is_stdin ? stdin : fopen(name, "re");
	int nr = 0, status = STATUS_OK;
	char *line = NULL;
	size_t size = 0;

	if (!file)
		return fail(errno, "%s", name);
	while (!status && getline(&line, &size, file) >= 0) {
		snprintf(error_prefix, ERROR_PREFIX_SIZE, "%s:%d: ", name, ++nr);
		status = run_line(line);
	}
	error_prefix[0] = '\0';
	if (!status && ferror(file))
		status = fail(errno, "%s", name);
	free(line);
	if (!is_stdin)
		fclose(file);
	return status;
}
