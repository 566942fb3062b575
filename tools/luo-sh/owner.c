// SPDX-License-Identifier: GPL-2.0
/* Who has control: of live update as a whole, of a session */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "luo-sh.h"

/* Bind live update (@dir is NULL) or a session to a process, by its pidfd */
int set_owner(const char *dir, const char *pid)
{
	char text[16];
	int pidfd, status;

	status = process_open(pid, &pidfd);
	if (status)
		return status;
	snprintf(text, sizeof(text), "%d\n", pidfd);
	status = luo_write(text, dir, "owner");
	close(pidfd);
	return status;
}

int cmd_session_claim(const struct args *args)
{
	char dir[DIR_SIZE];

	return luo_find_session(args->words[0], dir) ?: set_owner(dir, args_option(args, "pid")) ?:
	       did("claimed", dir);
}

int cmd_session_release(const struct args *args)
{
	char dir[DIR_SIZE];

	return luo_find_session(args->words[0], dir) ?: luo_write("none\n", dir, "owner") ?:
	       did("released", dir);
}

int cmd_owner_show(const struct args *args)
{
	const char *owner = luo_read_owner(NULL);

	(void)args;
	if (!owner)
		return fail(errno, LUO_DIR "/owner");
	out(new_object("owner", json_object_new_string(owner)));
	return STATUS_OK;
}

int cmd_owner_take(const struct args *args)
{
	return set_owner(NULL, args_option(args, "pid")) ?: did("took control", NULL);
}

int cmd_owner_release(const struct args *args)
{
	(void)args;
	return luo_write("none\n", NULL, "owner") ?: did("released control", NULL);
}

/* What owns live update goes on owning it over an execve(2), and until it exits. */
int cmd_run(const struct args *args)
{
	int status = luo_write("self\n", NULL, "owner");

	return status ?: become(args->rest);
}
