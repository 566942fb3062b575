// SPDX-License-Identifier: GPL-2.0
/* What would keep a kexec from going through now: all of it, where kexec stops at the first */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "luo-sh.h"
#include "services.h"

#define PREPARE	"prepare"

static char read_flag(const char *path)
{
	FILE *file = fopen(path, "re");
	int flag = file ? fgetc(file) : EOF;

	if (file)
		fclose(file);
	return flag == EOF ? '?' : flag;
}

/* What no image helps with */
static void check_machine(void)
{
	const char *state = luo_read(NULL, "state");

	if (state && !strcmp(state, "frozen"))
		complain(STATUS_BUSY, "the reboot into the next kernel is under way");
	if (read_flag("/proc/sys/kernel/kexec_load_disabled") == '1') {
		complain(STATUS_FAILED, "no image can be loaded: kernel.kexec_load_disabled is 1");
		advise(STATUS_FAILED,
		       "a reboot, which loses all that is preserved: nothing else sets it back");
	}
}

static const char *get_element(struct json_object *list, size_t i)
{
	return json_object_get_string(json_object_array_get_idx(list, i));
}

static bool is_known(struct json_object *handlers, const char *compatible)
{
	size_t i;

	for (i = 0; i < json_object_array_length(handlers); i++)
		if (!strcmp(get_element(handlers, i), compatible))
			return true;
	return false;
}

/* Files that came and that no handler here can carry on */
static void check_incoming(void)
{
	struct json_object *root = luo_root(), *sessions = luo_sessions(INCOMING);
	struct json_object *handlers = json_object_object_get(root, "handlers");
	size_t i, j;

	for (i = 0; i < json_object_array_length(sessions); i++) {
		struct json_object *session = json_object_array_get_idx(sessions, i);
		struct json_object *tokens = json_object_object_get(session, "tokens");
		const char *name = get_string(session, "name");

		for (j = 0; j < json_object_array_length(tokens); j++) {
			struct json_object *token = json_object_array_get_idx(tokens, j);
			const char *compatible = get_string(token, "compatible");

			if (is_known(handlers, compatible))
				continue;
			complain(STATUS_FAILED, "%s/%s: there is no handler for %s, for now", name,
				 get_string(token, "token"), compatible);
			advise(STATUS_FAILED,
			       "modprobe the one that has it, or luo-sh session discard %s",
			       name);
		}
	}
	json_object_put(sessions);
	json_object_put(root);
}

/* Each session alone, which takes no image */
static void prepare_sessions(void)
{
	struct json_object *sessions = luo_sessions(SESSIONS);
	char dir[DIR_SIZE];
	size_t i;

	for (i = 0; i < json_object_array_length(sessions); i++) {
		struct json_object *session = json_object_array_get_idx(sessions, i);

		/* What is abandoned holds nothing up; a name that is taken is known. */
		snprintf(dir, DIR_SIZE, INCOMING "/%s", get_string(session, "name"));
		if (strcmp(get_string(session, "state"), "open") || luo_exists(dir))
			continue;
		snprintf(dir, DIR_SIZE, SESSIONS "/%s", get_string(session, "name"));
		if (!luo_read(dir, PREPARE) || luo_write("1", dir, PREPARE))
			continue;
		luo_write("0", dir, PREPARE);
	}
	json_object_put(sessions);
}

static void try_all(bool is_loaded)
{
	const char *state = luo_read(NULL, PREPARE);
	bool was_ready = state && !strcmp(state, "ready");

	if (!is_loaded)
		prepare_sessions();
	else if (!was_ready && !prepare())
		unprepare();
}

static void print_reasons(struct json_object *reasons, bool is_loaded)
{
	size_t nr = json_object_array_length(reasons), i;

	for (i = 0; i < nr; i++) {
		struct json_object *reason = json_object_array_get_idx(reasons, i);

		printf("%s\n", get_string(reason, "what"));
		if (*get_string(reason, "try"))
			printf("    try: %s\n", get_string(reason, "try"));
	}
	printf("%s; %s\n", nr ? "a kexec would fail" : "nothing is in the way of a kexec",
	       is_loaded ? "an image is loaded" :
	       "no image is loaded, luo-sh kexec VERSION loads one");
}

int cmd_why(const struct args *args)
{
	bool is_loaded = read_flag("/sys/kernel/kexec_loaded") == '1', is_used, is_blocked;
	struct json_object *reasons = json_object_new_array(), *obj;
	uint64_t size = 0;

	(void)args;
	capture_errors(reasons);
	check_machine();
	is_blocked = check_owner() || check_names();
	check_incoming();
	if (services_are_systemd())
		services_read(&is_used, &size);
	/* The kernel says that once more. */
	if (!is_blocked)
		try_all(is_loaded);
	capture_errors(NULL);

	is_blocked = json_object_array_length(reasons);
	if (out_format == OUT_TEXT) {
		print_reasons(reasons, is_loaded);
		json_object_put(reasons);
	} else {
		obj = new_object("blocked", json_object_new_boolean(is_blocked));
		json_object_object_add(obj, "loaded", json_object_new_boolean(is_loaded));
		json_object_object_add(obj, "reasons", reasons);
		out(obj);
	}
	return is_blocked ? STATUS_FAILED : STATUS_OK;
}
