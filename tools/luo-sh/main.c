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
	{ "session", "list", "", "list the sessions", .func = cmd_session_list },
	{ "session", "show", "NAME", "show a session and its files", .func = cmd_session_show },
	{ "session", "delete", "NAME", "give up a session, and unpreserve its files",
	  .func = cmd_session_delete },
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
	{ "fd", "unpreserve", "NAME TOKEN", "unpreserve a file", .func = cmd_fd_unpreserve },
	{ "fd", "list", "[NAME] [TOKEN] [--recursive]",
	  "list the files, or what is in a tmpfs that came", .func = cmd_fd_list },
	{ "fd", "retrieve", "NAME TOKEN [--mount DIR] [--fd N] [-- COMMAND...]",
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
	{ NULL, "status", "", "show all there is", .func = cmd_status },
	{ NULL, "monitor", "", "print each state that comes", .func = cmd_monitor },
	{ NULL, "wait", "STATE [--timeout SECONDS]", "wait for a state", .func = cmd_wait },
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
	{ NULL, "help", "", "print this", .func = cmd_help, .is_offline = true },
	{ NULL, "completion", "", "print what the completion for bash needs",
	  .func = cmd_completion, .is_offline = true },
	{}
};

static const struct command *find_command(int argc, char **argv)
{
	const struct command *command;

	for (command = commands; command->name; command++) {
		if (!command->object) {
			if (!strcmp(argv[0], command->name))
				return command;
		} else if (argc > 1 && !strcmp(argv[0], command->object) &&
			   !strcmp(argv[1], command->name)) {
			return command;
		}
	}
	return NULL;
}

int run_command(int argc, char **argv, bool in_batch)
{
	const struct command *command = find_command(argc, argv);
	struct args args;
	int status, skip;

	if (!command)
		return complain(STATUS_USAGE, "%s%s%s: no such command, see luo-sh help", argv[0],
				argc > 1 ? " " : "", argc > 1 ? argv[1] : "");
	if (in_batch && command->is_last)
		return complain(STATUS_USAGE,
				"%s: becomes another program, so nothing could follow it",
				command->name);

	skip = command->object ? 2 : 1;
	status = args_parse(command, argc - skip, argv + skip, &args);
	if (!status && !command->is_offline)
		status = luo_supported();
	if (!status)
		status = command->func(&args) ?: luo_list_status();
	args_free(&args);
	return status;
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

static int run(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (!strcmp(argv[i], "-j") || !strcmp(argv[i], "--json"))
			out_format = OUT_JSON;
		else if (!strcmp(argv[i], "-p") || !strcmp(argv[i], "--pretty"))
			out_format = OUT_PRETTY;
		else if (!strcmp(argv[i], "-h") || !strcmp(argv[i], "--help"))
			return cmd_help(NULL);
		else if (!strcmp(argv[i], "-V") || !strcmp(argv[i], "--version"))
			return cmd_version(NULL);
		else
			return complain(STATUS_USAGE, "%s: no such option, see luo-sh help",
					argv[i]);
	}
	if (i == argc)
		return complain(STATUS_USAGE,
				"usage: luo-sh [-j|-p] [OBJECT] COMMAND, see luo-sh help");
	return run_command(argc - i, argv + i, false);
}

int main(int argc, char **argv)
{
	int status = open_streams() ?: run(argc, argv);

	/* What was asked for is done only when it was said, too. */
	if ((fflush(stdout) || ferror(stdout)) && !status)
		status = fail(errno, "stdout");
	return status;
}
