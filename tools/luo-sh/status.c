// SPDX-License-Identifier: GPL-2.0
/* What live update is about, and waiting for that to change */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "luo-sh.h"

/* Leave those out that are called otherwise. */
static void keep_named(struct json_object *sessions, const char *name)
{
	size_t i;

	for (i = json_object_array_length(sessions); i; i--)
		if (strcmp(get_string(json_object_array_get_idx(sessions, i - 1), "name"), name))
			json_object_array_del_idx(sessions, i - 1, 1);
}

/* Count the sessions that the next kernel is handed, and their files. */
static void count(struct json_object *sessions, uint64_t *nr_sessions, uint64_t *nr_files)
{
	struct json_object *session;
	size_t i;

	for (i = 0; i < json_object_array_length(sessions); i++) {
		session = json_object_array_get_idx(sessions, i);
		if (!strcmp(get_string(session, "state"), "abandoned"))
			continue;
		(*nr_sessions)++;
		*nr_files += json_object_get_uint64(json_object_object_get(session, "files"));
	}
}

/* What a kexec would do, and what a reboot */
static void describe_next(struct json_object *obj, char *text, size_t size)
{
	uint64_t sessions = 0, files = 0;
	int len;

	count(json_object_object_get(obj, SESSIONS), &sessions, &files);
	count(json_object_object_get(obj, INCOMING), &sessions, &files);
	if (!files) {
		snprintf(text, size, "a kexec hands over %s; a reboot loses nothing",
			 sessions ? "sessions without a file" : "nothing");
		return;
	}
	len = snprintf(text, size, "a kexec hands over %" PRIu64 " file%s of %" PRIu64 " session%s",
		       files, files == 1 ? "" : "s", sessions, sessions == 1 ? "" : "s");
	snprintf(text + len, size - len, " in %s; a reboot loses %s", get_string(obj, "abi"),
		 files == 1 ? "it" : "them");
}

int cmd_status(const struct args *args)
{
	const char *name = args->nr ? args->words[0] : NULL, *bare;
	/* The state first: who has read it finds all sessions. */
	struct json_object *obj = luo_root();
	char dir[DIR_SIZE], next[256];
	int status;

	json_object_object_add(obj, SESSIONS, luo_sessions(SESSIONS));
	json_object_object_add(obj, INCOMING, luo_sessions(INCOMING));
	json_object_object_add(obj, "lost", luo_lost());
	describe_next(obj, next, sizeof(next));
	if (name) {
		status = luo_session_dir(SESSIONS, name, dir);
		if (!status && !luo_exists(dir))
			status = luo_find_session(name, dir);
		if (status) {
			json_object_put(obj);
			return status;
		}
		bare = strchr(dir, '/') + 1;
		keep_named(json_object_object_get(obj, SESSIONS), bare);
		keep_named(json_object_object_get(obj, INCOMING), bare);
	}
	if (out_format == OUT_TEXT) {
		out(obj);
		puts(next);
	} else {
		json_object_object_add(obj, "next", json_object_new_string(next));
		out(obj);
	}
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
	if (i == ARRAY_SIZE(states)) {
		complain(STATUS_USAGE, "wait %s: no such state", args->words[0]);
		return advise(STATUS_USAGE, "normal, updated, frozen, outgoing or empty");
	}
	if (timeout) {
		seconds = strtod(timeout, &end);
		if (end == timeout || *end || !(seconds >= 0)) {
			complain(STATUS_USAGE, "--timeout %s: not a number of seconds", timeout);
			return advise(STATUS_USAGE, "--timeout 30, or 0.5");
		}
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
