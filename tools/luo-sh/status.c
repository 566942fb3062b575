// SPDX-License-Identifier: GPL-2.0
/* What live update is about, and waiting for that to change */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "luo-sh.h"

int cmd_status(const struct args *args)
{
	/* The state first: who has read it finds all sessions. */
	struct json_object *obj = luo_root();

	(void)args;
	json_object_object_add(obj, SESSIONS, luo_sessions(SESSIONS));
	json_object_object_add(obj, INCOMING, luo_sessions(INCOMING));
	json_object_object_add(obj, "lost", luo_lost());
	out(obj);
	return STATUS_OK;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/*
 * Have @func see each value of a file, the present one first, until it returns true, or
 * until @deadline. configfs tells nobody of a change, sysfs does.
 */
static int follow(const char *path, double deadline,
		  bool (*func)(const char *state, const void *data), const void *data)
{
	struct pollfd pollfd = { .events = POLLPRI };
	int status = STATUS_OK, ret = 1;
	char state[32];
	double left;
	ssize_t len;

	pollfd.fd = open(path, O_RDONLY | O_CLOEXEC);
	if (pollfd.fd < 0)
		return fail(errno, "%s", path);
	while (ret > 0) {
		len = pread(pollfd.fd, state, sizeof(state) - 1, 0);
		if (len < 0) {
			ret = -1;
			break;
		}
		state[len] = '\0';
		state[strcspn(state, "\n")] = '\0';
		if (func(state, data))
			break;
		left = fmax(0, ceil((deadline - now()) * 1000));
		ret = poll(&pollfd, 1, isinf(deadline) ? -1 : fmin(left, INT_MAX));
	}
	if (ret < 0)
		status = fail(errno, "%s", path);
	else if (!ret)
		status = complain(STATUS_TIMEOUT, "%s: still %s", path, state);
	close(pollfd.fd);
	return status;
}

static bool is_state(const char *state, const void *wanted)
{
	return !strcmp(state, wanted);
}

static bool is_empty(const char *outgoing, const void *wanted)
{
	return !strcmp(outgoing, "0") == !strcmp(wanted, "empty");
}

int cmd_wait(const struct args *args)
{
	static const struct {
		const char *name;
		const char *path;
		bool (*func)(const char *value, const void *wanted);
	} states[] = {
		{ "normal", SYSFS_STATE, is_state }, { "updated", SYSFS_STATE, is_state },
		{ "frozen", SYSFS_STATE, is_state },
		{ "outgoing", SYSFS_OUTGOING, is_empty }, { "empty", SYSFS_OUTGOING, is_empty },
	};
	const char *timeout = args_option(args, "timeout");
	double deadline = INFINITY, seconds;
	char *end;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(states) && strcmp(states[i].name, args->words[0]); i++)
		;
	if (i == ARRAY_SIZE(states))
		return complain(STATUS_USAGE,
				"wait %s: the states are normal, updated, frozen, outgoing, empty",
				args->words[0]);
	if (timeout) {
		seconds = strtod(timeout, &end);
		if (end == timeout || *end || !(seconds >= 0))
			return complain(STATUS_USAGE, "--timeout %s: not a number of seconds",
					timeout);
		deadline = now() + seconds;
	}
	return follow(states[i].path, deadline, states[i].func, args->words[0]);
}

static bool print_state(const char *state, const void *data)
{
	(void)data;
	out(new_object("state", json_object_new_string(state)));
	return false;
}

int cmd_monitor(const struct args *args)
{
	(void)args;
	return follow(SYSFS_STATE, INFINITY, print_state, NULL);
}
