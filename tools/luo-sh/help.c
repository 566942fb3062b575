// SPDX-License-Identifier: GPL-2.0
/* What the table of commands tells: help, and what the completion for bash needs */
#include <stdio.h>
#include <string.h>

#include "luo-sh.h"

int cmd_version(const struct args *args)
{
	(void)args;
	out(new_object("luo-sh", json_object_new_string(LUO_SH_VERSION)));
	return STATUS_OK;
}

int cmd_help(const struct args *args)
{
	const struct command *command;

	(void)args;
	puts("usage: luo-sh [-j|-p] [OBJECT] COMMAND ...\n"
	     "\n"
	     "Drive live update: keep open files over a kexec into another kernel.\n"
	     "\n"
	     "  -j, --json     print JSON, on a line\n"
	     "  -p, --pretty   print JSON for people\n"
	     "  -V, --version  print the version\n"
	     "  -h, --help     print this\n");
	for (command = commands; command->name; command++)
		printf("  %s%s%s%s%s\n        %s\n", command->object ?: "",
		       command->object ? " " : "", command->name, *command->synopsis ? " " : "",
		       command->synopsis, command->what);
	puts("\nSee luo-sh(8).");
	return STATUS_OK;
}

/* The table as it is, for luo-sh.bash */
int cmd_completion(const struct args *args)
{
	const struct command *command;

	(void)args;
	for (command = commands; command->name; command++)
		printf("%s%s%s %s\n", command->object ?: "", command->object ? " " : "",
		       command->name, command->synopsis);
	return STATUS_OK;
}
