// SPDX-License-Identifier: GPL-2.0
/* What the table of commands tells: help, of all, of an object, of a command */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "luo-sh.h"

int cmd_version(const struct args *args)
{
	(void)args;
	out(new_object("luo-sh", json_object_new_string(LUO_SH_VERSION)));
	return STATUS_OK;
}

/* An option is the same thing in each command that has it. */
static const struct {
	const char *name;
	const char *what;
} options[] = {
	{ "all", "each session that there is" },
	{ "brief", "the commands alone, one on a line" },
	{ "cmdline", "the command line of the next kernel" },
	{ "dry-run", "check and try to load it, but do not go there" },
	{ "fd", "the number of the file descriptor" },
	{ "initrd", "the initrd of the next kernel" },
	{ "memory", "read what is handed over from a core, not from this machine" },
	{ "module", "a module that the next kernel will load" },
	{ "mount", "where to mount the tmpfs, a directory" },
	{ "need", "what that kernel has to understand, instead of what is preserved here" },
	{ "no-initrd", "the next kernel needs no initrd" },
	{ "now", "go at once, without systemd stopping services" },
	{ "pid", "the process, as PID or PID:INODE, the inode of its pidfd" },
	{ "recursive", "what is in the tmpfs; also: -r" },
	{ "reuse-cmdline", "the next kernel has the command line of this one" },
	{ "rewind", "have the command begin at the start of the file" },
	{ "size", "the size of the file, in bytes, or with K, M or G" },
	{ "skip-memory", "do not look whether that kernel has enough memory" },
	{ "timeout", "give up after so many seconds" },
	{ "undo", "give up what was prepared" },
	{ "yes", "do not ask" },
};

static const char *option_value(const char *synopsis, const char *name, int *len)
{
	const char *found = synopsis;
	size_t name_len = strlen(name);

	while ((found = strstr(found, "--"))) {
		found += 2;
		if (!strncmp(found, name, name_len) && found[name_len] == ' ') {
			found += name_len + 1;
			*len = strcspn(found, " ]");
			return found;
		}
	}
	*len = 0;
	return "";
}

/* The manual page that tells of a command; @command is NULL for all of an object */
static const char *page_of(const char *object, const struct command *command)
{
	static const char *const of_kexec[] = { "check", "kexec", "prepare", "why" };
	static char page[32];
	size_t i;

	snprintf(page, sizeof(page), "luo-sh%s%s(8)", object ? "-" : "", object ?: "");
	for (i = 0; !object && command && i < ARRAY_SIZE(of_kexec); i++)
		if (!strcmp(command->name, of_kexec[i]))
			return "luo-sh-kexec(8)";
	return !object && command && !strcmp(command->name, "dump") ? "luo-sh-dump(8)" : page;
}

static void print_common(void)
{
	puts("  -j, --json     print JSON, on a line\n"
	     "  -p, --pretty   print JSON for people\n"
	     "  -q, --quiet    no advice, and no progress\n"
	     "  -v, --verbose  say what was done\n"
	     "  -h, --help     print this\n"
	     "  -V, --version  print the version");
}

static void print_command(const struct command *command)
{
	printf("  %s%s%s\n        %s", command_name(command), *command->synopsis ? " " : "",
	       command->synopsis, command->what);
	if (command->alias)
		printf(" (also: %s)", command->alias);
	putchar('\n');
}

static void help_command(const struct command *command)
{
	struct command_option own[MAX_OPTIONS];
	int nr = command_options(command, own), i, len;
	const char *value;
	size_t j;

	printf("usage: luo-sh %s%s%s\n\n%c%s\n", command_name(command),
	       *command->synopsis ? " " : "", command->synopsis, toupper(*command->what),
	       command->what + 1);
	if (command->alias)
		printf("Also: %s%s%s\n", command->object ?: "", command->object ? " " : "",
		       command->alias);
	putchar('\n');
	for (i = 0; i < nr; i++) {
		value = option_value(command->synopsis, own[i].name, &len);
		for (j = 0; j < ARRAY_SIZE(options); j++)
			if (!strcmp(options[j].name, own[i].name))
				printf("  --%s%s%.*s\n        %s\n", own[i].name, len ? " " : "",
				       len, value, options[j].what);
	}
	print_common();
	printf("\nSee %s.\n", page_of(command->object, command));
}

static void help_object(const char *object)
{
	const struct command *command;

	printf("usage: luo-sh %s COMMAND ...\n\n", object);
	for (command = commands; command->name; command++)
		if (command->object && !strcmp(command->object, object))
			print_command(command);
	putchar('\n');
	print_common();
	printf("\nSee %s, and luo-sh %s COMMAND --help.\n", page_of(object, NULL), object);
}

static void help_all(void)
{
	const struct command *command;

	puts("usage: luo-sh [OBJECT] COMMAND ...\n"
	     "\n"
	     "Drive live update: keep open files over a kexec into another kernel.\n");
	print_common();
	putchar('\n');
	for (command = commands; command->name; command++)
		print_command(command);
	puts("\nSee luo-sh(8), and luo-sh [OBJECT] COMMAND --help.");
}

static struct json_object *describe(const struct command *command)
{
	struct json_object *obj = new_object("command",
					     json_object_new_string(command_name(command)));

	json_object_object_add(obj, "synopsis", json_object_new_string(command->synopsis));
	json_object_object_add(obj, "what", json_object_new_string(command->what));
	if (command->alias)
		json_object_object_add(obj, "alias", json_object_new_string(command->alias));
	return obj;
}

static bool is_asked(const struct command *command, const char *object, const char *name)
{
	if (!object && !name)
		return true;
	if (object && (!command->object || strcmp(command->object, object)))
		return false;
	return !name || command == find_command(object, name);
}

/* @name is NULL for all of an object, @object for what stands alone, both for all there is. */
int help(const char *object, const char *name)
{
	const struct command *command;
	struct json_object *list;

	if (out_format != OUT_TEXT) {
		list = json_object_new_array();
		for (command = commands; command->name; command++)
			if (is_asked(command, object, name))
				json_object_array_add(list, describe(command));
		out(new_object("commands", list));
	} else if (name) {
		help_command(find_command(object, name));
	} else if (object) {
		help_object(object);
	} else {
		help_all();
	}
	return STATUS_OK;
}

/* The table as it is, without those that have another name */
static int help_brief(void)
{
	const struct command *command;

	for (command = commands; command->name; command++)
		printf("%s%s%s\n", command_name(command), *command->synopsis ? " " : "",
		       command->synopsis);
	return STATUS_OK;
}

int cmd_help(const struct args *args)
{
	const char *object = NULL, *name = NULL;

	if (args_option(args, "brief"))
		return help_brief();
	if (args->nr && is_object(args->words[0])) {
		object = args->words[0];
		name = args->nr > 1 ? args->words[1] : NULL;
	} else if (args->nr) {
		name = args->words[0];
	}
	if ((name && !find_command(object, name)) || (!object && args->nr > 1)) {
		complain(STATUS_USAGE, "help %s%s%s: no such command", args->words[0],
			 args->nr > 1 ? " " : "", args->nr > 1 ? args->words[1] : "");
		return advise(STATUS_USAGE, "luo-sh help%s%s", object ? " " : "", object ?: "");
	}
	return help(object, name);
}
