// SPDX-License-Identifier: GPL-2.0
/* The table of commands, and the way to them */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "luo-sh.h"

const struct command commands[] = {
	{ "session", "create", "NAME", "make a session for the next kernel",
	  .func = cmd_session_create },
	{ "session", "list", "", "list the sessions", .func = cmd_session_list, .alias = "ls" },
	{ "session", "show", "NAME", "show a session and its files", .func = cmd_session_show },
	{ "session", "label", "NAME TEXT", "give a session a text for people",
	  .func = cmd_session_label },
	{ "session", "delete", "NAME", "give up a session, and unpreserve its files",
	  .func = cmd_session_delete, .alias = "rm" },
	{ "session", "finish", "NAME", "end an incoming session of which all was retrieved",
	  .func = cmd_session_finish },
	{ "session", "discard", "[NAME] [--all] [--yes]",
	  "end an incoming session, and drop what was not retrieved; or give up all there are",
	  .func = cmd_session_discard },
	{ "session", "claim", "NAME [--pid PID]", "bind a session to a process",
	  .func = cmd_session_claim },
	{ "session", "release", "NAME", "bind a session to none", .func = cmd_session_release },
	{ "fd", "preserve", "NAME TOKEN --fd N [--pid PID]", "preserve an open file",
	  .func = cmd_fd_preserve },
	{ "fd", "unpreserve", "NAME TOKEN", "unpreserve a file", .func = cmd_fd_unpreserve,
	  .alias = "rm" },
	{ "fd", "label", "NAME TOKEN TEXT", "give a file a text, which can stand for its token",
	  .func = cmd_fd_label },
	{ "fd", "list", "[NAME] [TOKEN] [--recursive]",
	  "list the files, or what is in a tmpfs that came", .func = cmd_fd_list, .alias = "ls" },
	{ "fd", "retrieve", "NAME TOKEN [--mount DIR] [--fd N] [--rewind] [-- COMMAND...]",
	  "run a command with a file open as 3, or N; or mount a tmpfs", .func = cmd_fd_retrieve,
	  .is_last = true },
	{ "fd", "new", "[--fd N] [--size SIZE] -- COMMAND...",
	  "run a command with a new file in memory open as 3, or N", .func = cmd_fd_new,
	  .is_offline = true, .is_last = true },
	{ "fd", "save", "NAME TOKEN FILE...", "preserve what is in plain files",
	  .func = cmd_fd_save },
	{ "fd", "restore", "NAME TOKEN FILE...", "write that to files again",
	  .func = cmd_fd_restore },
	{ NULL, "save", "DIR NAME", "preserve a directory, with all that is in it, in a session",
	  .func = cmd_save },
	{ NULL, "restore", "NAME DIR", "write what is in a directory again", .func = cmd_restore },
	{ "owner", "show", "", "show which process has control of live update",
	  .func = cmd_owner_show },
	{ "owner", "take", "[--pid PID]", "give control to a process", .func = cmd_owner_take },
	{ "owner", "release", "", "let go of control", .func = cmd_owner_release },
	{ NULL, "run", "-- COMMAND...", "run a command that has control until it ends",
	  .func = cmd_run, .is_last = true },
	{ NULL, "status", "[NAME]", "show all there is, or a session", .func = cmd_status },
	{ NULL, "why", "", "show what would keep a kexec from going through now",
	  .func = cmd_why },
	{ NULL, "monitor", "", "print each state that comes", .func = cmd_monitor },
	{ NULL, "wait", "STATE [--timeout SECONDS]", "wait for a state", .func = cmd_wait },
	{ NULL, "timeline", "", "show how long each phase of the last live update took",
	  .func = cmd_timeline },
	{ NULL, "check",
	  "IMAGE [--initrd FILE] [--no-initrd] [--cmdline TEXT] [--reuse-cmdline] [--module FILE]... [--need VERSION]... [--skip-memory]",
	  "can that kernel take what is preserved?", .func = cmd_check, .is_offline = true },
	{ NULL, "prepare", "[--undo]",
	  "try what the reboot into the loaded kernel could fail with", .func = cmd_prepare },
	{ NULL, "kexec",
	  "IMAGE [--initrd FILE] [--no-initrd] [--cmdline TEXT] [--reuse-cmdline] [--module FILE]... [--dry-run] [--now] [--skip-memory]",
	  "check, and go to that kernel", .func = cmd_kexec, .is_last = true },
	{ NULL, "dump", "[FILE] [--memory CORE]", "decode what is handed over", .func = cmd_dump,
	  .is_offline = true },
	{ NULL, "batch", "FILE", "run the commands in a file, or on stdin (-)", .func = cmd_batch,
	  .is_offline = true },
	{ NULL, "version", "", "print the version", .func = cmd_version, .is_offline = true },
	{ NULL, "help", "[OBJECT] [COMMAND] [--brief]",
	  "print what there is, or what a command does",
	  .func = cmd_help, .is_offline = true },
	{ NULL, "completion", "SHELL", "print the completion for bash, zsh or fish",
	  .func = cmd_completion, .is_offline = true },
	{}
};

bool is_object(const char *word)
{
	const struct command *command;

	for (command = commands; command->name; command++)
		if (command->object && !strcmp(command->object, word))
			return true;
	return false;
}

/* @object is NULL for a command that stands alone. */
const struct command *find_command(const char *object, const char *name)
{
	const struct command *command;

	for (command = commands; command->name; command++) {
		if (!object != !command->object || (object && strcmp(object, command->object)))
			continue;
		if (!strcmp(name, command->name) ||
		    (command->alias && !strcmp(name, command->alias)))
			return command;
	}
	return NULL;
}

static int refuse_command(const char *object, const char *name)
{
	complain(STATUS_USAGE, "%s%s%s: no such command", object ?: "", object ? " " : "", name);
	return advise(STATUS_USAGE, "luo-sh help%s%s", object ? " " : "", object ?: "");
}

/* What is behind the object, or the program, of which argv[0] is the last word */
static int run_of_object(const char *object, int argc, char **argv, bool in_batch)
{
	const struct command *command;
	struct args args = {};
	int status, skip;

	status = args_begin(argc, argv, object ?: "", &skip);
	if (status)
		return status;
	argc -= skip;
	argv += skip;
	if (argc > 1 && !object && is_object(argv[1]))
		return run_of_object(argv[1], argc - 1, argv + 1, in_batch);
	if (argc < 2) {
		if (is_help)
			return help(object, NULL);
		if (is_version)
			return cmd_version(NULL);
		complain(STATUS_USAGE, "%s%sa command is missing", object ?: "",
			 object ? ": " : "");
		return advise(STATUS_USAGE, "luo-sh help%s%s", object ? " " : "", object ?: "");
	}

	command = find_command(object, argv[1]);
	if (!command)
		return refuse_command(object, argv[1]);
	status = args_parse(command, argc - 1, argv + 1, &args);
	if (!status && is_help)
		status = help(object, command->name);
	else if (!status && is_version)
		status = cmd_version(NULL);
	else if (!status && in_batch && command->is_last)
		status = complain(STATUS_USAGE,
				  "%s: becomes another program, so nothing could follow it",
				  command_name(command));
	else if (!status)
		status = (command->is_offline ? STATUS_OK : luo_supported()) ?:
			 command->func(&args) ?: luo_list_status();
	args_free(&args);
	return status;
}

/* argv[0] is the program. */
int run_command(int argc, char **argv, bool in_batch)
{
	return run_of_object(NULL, argc, argv, in_batch);
}

/* What is opened must not get the number of a stream, or messages are written into it. */
static int open_streams(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		return fail(errno, "/dev/null");
	close(fd);
	return STATUS_OK;
}

int main(int argc, char **argv)
{
	int status = open_streams() ?: run_command(argc, argv, false);

	/* What was asked for is done only when it was said, too. */
	if ((fflush(stdout) || ferror(stdout)) && !status)
		status = fail(errno, "stdout");
	return status;
}
