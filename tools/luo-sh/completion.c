// SPDX-License-Identifier: GPL-2.0
/* The completions, which have the table of commands in them */
#include <stdio.h>
#include <string.h>

#include "luo-sh.h"

/* Where the table goes in the script for a shell */
#define TABLE	"@commands@"

static const struct {
	const char *shell;
	const char *script;
} scripts[] = {
	{ "bash",
#include "completion/luo-sh.bash.h"
	},
	{ "zsh",
#include "completion/luo-sh.zsh.h"
	},
	{ "fish",
#include "completion/luo-sh.fish.h"
	},
};

/* A command is there by each of its names. */
static void print_table(void)
{
	const struct command *command;

	for (command = commands; command->name; command++) {
		printf("%s %s\n", command_name(command), command->synopsis);
		if (command->alias)
			printf("%s%s%s %s\n", command->object ?: "", command->object ? " " : "",
			       command->alias, command->synopsis);
	}
}

int cmd_completion(const struct args *args)
{
	const char *table;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(scripts); i++) {
		if (strcmp(args->words[0], scripts[i].shell))
			continue;
		table = strstr(scripts[i].script, TABLE);
		fwrite(scripts[i].script, 1, table - scripts[i].script, stdout);
		print_table();
		fputs(table + strlen(TABLE), stdout);
		return STATUS_OK;
	}
	complain(STATUS_USAGE, "completion: %s: there is none for this shell", args->words[0]);
	return advise(STATUS_USAGE, "luo-sh completion bash, zsh or fish");
}
