// SPDX-License-Identifier: GPL-2.0
/*
 * The words of a command, taken apart as its synopsis says: what is printed for
 * people is what is parsed.
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "luo-sh.h"

/* The next word of a synopsis, not terminated; NULL behind the last one */
static const char *next_word(const char **synopsis, size_t *len)
{
	const char *word = *synopsis + strspn(*synopsis, " ");

	*len = strcspn(word, " ");
	*synopsis = word + *len;
	return *len ? word : NULL;
}

static bool is_value(const char *synopsis)
{
	return synopsis[0] == ' ' && isupper(synopsis[1]);
}

static bool is_repeatable(const char *synopsis)
{
	return !strncmp(synopsis + strcspn(synopsis, "[]"), "]...", 4);
}

/* Find an option's place in the synopsis, behind its name. */
static const char *find_option(const char *synopsis, const char *name, size_t len)
{
	const char *found = synopsis;

	while ((found = strstr(found, "--"))) {
		found += 2;
		if (len && !strncmp(found, name, len) && strchr(" ]", found[len]))
			return found + len;
	}
	return NULL;
}

const char *args_option(const struct args *args, const char *name)
{
	int i;

	for (i = 0; i < args->nr_options; i++)
		if (!strcmp(args->options[i].name, name))
			return args->options[i].value;
	return NULL;
}

/* Does the command take another command, behind "--"? If not, that only ends the options. */
static bool takes_rest(const struct command *command)
{
	return strstr(command->synopsis, "-- ");
}

/* Does it do without one? */
static bool may_lack_rest(const struct command *command)
{
	return !takes_rest(command) || strstr(command->synopsis, "[-- ");
}

/* The words that the synopsis wants, and no others */
static int check_words(const struct command *command, const struct args *args)
{
	const char *synopsis = command->synopsis, *word;
	int min = 0, max = 0;
	char name[32];
	size_t len;

	while ((word = next_word(&synopsis, &len))) {
		if ((len == 2 && !strncmp(word, "--", 2)) || (len == 3 && !strncmp(word, "[--", 3)))
			break;
		if (!strncmp(word, "--", 2)) {
			snprintf(name, sizeof(name), "%.*s", (int)len - 2, word + 2);
			if (!args_option(args, name))
				return complain(STATUS_USAGE, "%s: --%s is missing",
						command->name, name);
		}
		if (!strncmp(word, "--", 2) || !strncmp(word, "[--", 3)) {
			if (is_value(synopsis))
				next_word(&synopsis, &len);
			continue;
		}
		min += word[0] != '[';
		max = !strncmp(word + len - 3, "...", 3) ? INT_MAX : max + 1;
	}

	if (args->nr < min || args->nr > max || (!args->rest && !may_lack_rest(command)))
		return complain(STATUS_USAGE, "usage: luo-sh %s%s%s %s",
				command->object ?: "", command->object ? " " : "",
				command->name, command->synopsis);
	return STATUS_OK;
}

/*
 * @arg is "--name" or "--name=value", @next what follows it. Returns how many
 * words were used, 0 for none.
 */
static int parse_option(const struct command *command, char *arg, char *next, struct args *args)
{
	struct option_word *option = &args->options[args->nr_options];
	char *value = strchr(arg, '=');
	const char *found, *wrong = NULL;

	if (value)
		*value++ = '\0';
	option->name = arg + 2;
	found = find_option(command->synopsis, option->name, strlen(option->name));
	if (!found)
		wrong = "no such option";
	else if (!value && is_value(found) && !next)
		wrong = "a value is missing";
	else if (value && !is_value(found))
		wrong = "takes no value";
	else if (args_option(args, option->name) && !is_repeatable(found))
		wrong = "given twice";
	if (wrong) {
		complain(STATUS_USAGE, "%s: %s: %s", command->name, arg, wrong);
		return 0;
	}

	args->nr_options++;
	option->value = value ?: is_value(found) ? next : "";
	return !value && is_value(found) ? 2 : 1;
}

int args_parse(const struct command *command, int argc, char **argv, struct args *args)
{
	int i = 0, used;

	*args = (struct args){
		.words = calloc(argc + 1, sizeof(*args->words)),
		.options = calloc(argc + 1, sizeof(*args->options)),
	};
	if (!args->words || !args->options)
		return fail(ENOMEM, "%s", command->name);

	while (i < argc && strcmp(argv[i], "--")) {
		/* The one option that is short */
		if (!strcmp(argv[i], "-r") && find_option(command->synopsis, "recursive", 9)) {
			args->options[args->nr_options++] = (struct option_word){ "recursive", "" };
			i++;
			continue;
		}
		if (strncmp(argv[i], "--", 2)) {
			args->words[args->nr++] = argv[i++];
			continue;
		}
		used = parse_option(command, argv[i], argv[i + 1], args);
		if (!used)
			return STATUS_USAGE;
		i += used;
	}
	if (i + 1 < argc && takes_rest(command))
		args->rest = argv + i + 1;
	else
		while (++i < argc)
			args->words[args->nr++] = argv[i];
	return check_words(command, args);
}

void args_free(struct args *args)
{
	free(args->words);
	free(args->options);
}
