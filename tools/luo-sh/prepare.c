// SPDX-License-Identifier: GPL-2.0
/* Have the kernel try what the reboot into the image that is loaded could fail with */
#include <stdio.h>
#include <string.h>

#include "luo-sh.h"

#define PREPARE		"prepare"

/* The session is named by last_error, when it is one that stands in the way. */
static void say_last_error(int status, const char *before)
{
	const char *last = luo_read(NULL, "last_error");

	if (last && strcmp(last, before) && *luo_last_error())
		complain(status, "last_error: %s", luo_last_error());
}

/* A kernel that has no such thing says it when it reboots. */
int prepare(void)
{
	const char *last = luo_read(NULL, "last_error");
	char before[DIR_SIZE];
	int status;

	if (!luo_exists(PREPARE))
		return STATUS_OK;
	snprintf(before, sizeof(before), "%s", last ?: "");
	status = luo_write("1", NULL, PREPARE);
	if (status)
		say_last_error(status, before);
	return status;
}

int unprepare(void)
{
	return luo_exists(PREPARE) ? luo_write("0", NULL, PREPARE) : STATUS_OK;
}

int cmd_prepare(const struct args *args)
{
	const char *state;
	int status;

	if (!luo_exists(PREPARE))
		return complain(STATUS_UNSUPPORTED, "%s/" PREPARE ": this kernel has none",
				LUO_DIR);
	status = args_option(args, "undo") ? unprepare() : prepare();
	state = luo_read(NULL, PREPARE);
	if (!status && state)
		out(new_object(PREPARE, json_object_new_string(state)));
	return status;
}
