// SPDX-License-Identifier: GPL-2.0
/*
 * The words of a command, taken apart as its synopsis says: what is printed for
 * people is what is parsed. Options may be anywhere before "--", those that every
 * command takes also before the command.
 */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "luo-sh.h"

#define SHORT_OPTIONS	":hjpqvV"

/* Of those that a command has: getopt_long(3) returns this and up. */
#define FIRST_OPTION	256

bool is_help, is_version;

static const struct option common_options[] = {
	{ "help", no_argument, NULL, 'h' },
	{ "json", no_argument, NULL, 'j' },
	{ "pretty", no_argument, NULL, 'p' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "version", no_argument, NULL, 'V' },
	{}
};

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

/* The options in a synopsis. Returns how many there are. */
int command_options(const struct command *command, struct command_option options[MAX_OPTIONS])
{
	const char *synopsis = command->synopsis, *word;
	size_t len;
	int nr = 0;

	while ((word = next_word(&synopsis, &len))) {
		const char *name = word + (word[0] == '[');

		if (strncmp(name, "--", 2) || !islower(name[2]))
			continue;
		name += 2;
		snprintf(options[nr].name, sizeof(options[nr].name), "%.*s",
			 (int)strcspn(name, " ]"), name);
		options[nr].has_value = is_value(synopsis);
		if (options[nr].has_value)
			word = next_word(&synopsis, &len);
		options[nr].is_repeatable = len > 4 && !strncmp(word + len - 4, "]...", 4);
		nr++;
	}
	return nr;
}

const char *command_name(const struct command *command)
{
	static char name[64];

	snprintf(name, sizeof(name), "%s%s%s", command->object ?: "",
		 command->object ? " " : "", command->name);
	return name;
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

static int advise_usage(const struct command *command)
{
	return advise(STATUS_USAGE, "luo-sh %s%s%s", command_name(command),
		      *command->synopsis ? " " : "", command->synopsis);
}

/* The words that the synopsis wants, and no others */
static int check_words(const struct command *command, const struct args *args)
{
	const char *synopsis = command->synopsis, *word, *missing = NULL;
	char option[32] = "", name[32];
	int min = 0, max = 0;
	size_t len;

	while ((word = next_word(&synopsis, &len))) {
		if ((len == 2 && !strncmp(word, "--", 2)) || (len == 3 && !strncmp(word, "[--", 3)))
			break;
		if (!strncmp(word, "--", 2)) {
			snprintf(name, sizeof(name), "%.*s", (int)len - 2, word + 2);
			if (!args_option(args, name))
				strcpy(option, name);
		}
		if (!strncmp(word, "--", 2) || !strncmp(word, "[--", 3)) {
			if (is_value(synopsis))
				next_word(&synopsis, &len);
			continue;
		}
		min += word[0] != '[';
		if (min > args->nr && !missing)
			missing = word;
		max = len > 3 && !strncmp(word + len - 3, "...", 3) ? INT_MAX : max + 1;
	}

	if (args->nr > max) {
		word = args->words[max];
		complain(STATUS_USAGE, "%s: %s: %s", command_name(command), word,
			 takes_rest(command) && !args->rest ?
			 "a command stands behind --" : "a word too many");
		if (explain_pair(word))
			return STATUS_USAGE;
	} else if (missing) {
		complain(STATUS_USAGE, "%s: %.*s is missing", command_name(command),
			 (int)strcspn(missing, " ."), missing);
	} else if (*option) {
		complain(STATUS_USAGE, "%s: --%s is missing", command_name(command), option);
	} else if (!args->rest && !may_lack_rest(command)) {
		complain(STATUS_USAGE, "%s: a command is missing, behind --",
			 command_name(command));
	} else {
		return STATUS_OK;
	}
	return advise_usage(command);
}

/* Note an option that every command takes. Returns false for another one. */
static bool common_option(int option)
{
	switch (option) {
	case 'h':
		is_help = true;
		break;
	case 'j':
		out_format = OUT_JSON;
		break;
	case 'p':
		out_format = OUT_PRETTY;
		break;
	case 'q':
		is_quiet = true;
		break;
	case 'v':
		is_verbose = true;
		break;
	case 'V':
		is_version = true;
		break;
	default:
		return false;
	}
	return true;
}

/* getopt_long(3) takes the beginning of a name for the name; nobody else shall. */
static bool is_whole(const char *word, const struct option *option)
{
	return strcspn(word + 2, "=") == strlen(option->name);
}

static int refuse_option(const char *before, const char *word, const char *wrong)
{
	int len = strncmp(word, "--", 2) ? (int)strlen(word) : (int)strcspn(word, "=");

	complain(STATUS_USAGE, "%s%s%.*s: %s", before, *before ? ": " : "", len, word, wrong);
	return advise(STATUS_USAGE, "luo-sh %s%s--help", before, *before ? " " : "");
}

/*
 * The options that stand before a command, or between an object and its command; argv[0]
 * is what is before them, which is @before to the user. Sets @nr to how many words that are.
 */
int args_begin(int argc, char **argv, const char *before, int *nr)
{
	int option, index, at;

	optind = 0;
	opterr = 0;
	do {
		at = optind ?: 1;
		index = -1;
		option = getopt_long(argc, argv, "+" SHORT_OPTIONS, common_options, &index);
		if (index >= 0 && !is_whole(argv[at], &common_options[index]))
			option = '?';
		if (option != -1 && !common_option(option))
			return refuse_option(before, argv[at], optopt && index < 0 &&
					     common_option(optopt) ? "takes no value" :
					     "no such option");
	} while (option != -1);
	*nr = optind - 1;
	return STATUS_OK;
}

/* The options that getopt_long(3) is to know */
static void fill_options(const struct command_option *own, int nr_own, struct option *options)
{
	int i;

	for (i = 0; i < nr_own; i++)
		options[i] = (struct option){
			own[i].name, own[i].has_value ? required_argument : no_argument, NULL,
			FIRST_OPTION + i,
		};
	memcpy(options + nr_own, common_options, sizeof(common_options));
}

/* Which of a command's options has the short form -r, or -1 */
static int recursive_option(const struct command_option *own, int nr_own)
{
	while (--nr_own >= 0 && strcmp(own[nr_own].name, "recursive"))
		;
	return nr_own;
}

/* argv[0] is the last word of the command. */
static int parse_options(const struct command *command, int argc, char **argv, struct args *args)
{
	struct option options[MAX_OPTIONS + ARRAY_SIZE(common_options)];
	struct command_option *own = args->own;
	int nr_own = command_options(command, own), option, index, at;
	const char *wrong;
	bool is_short;

	fill_options(own, nr_own, options);
	optind = 0;
	opterr = 0;
	while (true) {
		at = optind ?: 1;
		index = -1;
		option = getopt_long(argc, argv, "-" SHORT_OPTIONS "r", options, &index);
		if (option == -1)
			return STATUS_OK;
		if (option == 1) {
			args->words[args->nr++] = optarg;
			continue;
		}
		wrong = NULL;
		is_short = option == 'r';
		if (is_short)
			index = recursive_option(own, nr_own);
		if (is_short && index >= 0)
			option = FIRST_OPTION + index;
		if (index < 0 ? is_short : !is_short && !is_whole(argv[at], &options[index]))
			wrong = "no such option";
		else if (option == ':')
			wrong = "a value is missing";
		else if (option == '?')
			wrong = strchr(argv[at], '=') && optopt ? "takes no value" :
				"no such option";
		else if (option >= FIRST_OPTION && args_option(args, options[index].name) &&
			 !own[index].is_repeatable)
			wrong = "given twice";
		if (wrong)
			return refuse_option(command_name(command), argv[at], wrong);
		if (common_option(option))
			continue;
		args->options[args->nr_options].name = own[index].name;
		args->options[args->nr_options++].value = optarg ?: "";
	}
}

/* What follows a command, whose last word argv[0] is */
int args_parse(const struct command *command, int argc, char **argv, struct args *args)
{
	int status;

	*args = (struct args){
		.words = calloc(argc + 1, sizeof(*args->words)),
		.options = calloc(argc + 1, sizeof(*args->options)),
	};
	if (!args->words || !args->options)
		return fail(ENOMEM, "%s", command->name);

	status = parse_options(command, argc, argv, args);
	if (status || is_help || is_version)
		return status;
	if (takes_rest(command)) {
		if (optind < argc)
			args->rest = argv + optind;
	} else {
		while (optind < argc)
			args->words[args->nr++] = argv[optind++];
	}
	return check_words(command, args);
}

void args_free(struct args *args)
{
	free(args->words);
	free(args->options);
}
