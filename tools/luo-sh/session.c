// SPDX-License-Identifier: GPL-2.0
/* Sessions */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "luo-sh.h"

int cmd_session_create(const struct args *args)
{
	char dir[DIR_SIZE];

	return luo_session_dir(SESSIONS, args->words[0], dir) ?: luo_make_dir(dir, NULL) ?:
	       did("created", dir);
}

/* Both directions, without the files */
static struct json_object *list_all(struct json_object *outgoing, struct json_object *incoming)
{
	struct json_object *obj = new_object(SESSIONS, json_object_get(outgoing)), *list;
	size_t i;

	json_object_object_add(obj, INCOMING, json_object_get(incoming));
	json_object_object_foreach(obj, key, value) {
		(void)key;
		list = value;
		for (i = 0; i < json_object_array_length(list); i++)
			json_object_object_del(json_object_array_get_idx(list, i), "tokens");
	}
	return obj;
}

int cmd_session_list(const struct args *args)
{
	struct json_object *outgoing = luo_sessions(SESSIONS), *incoming = luo_sessions(INCOMING);

	(void)args;
	out(list_all(outgoing, incoming));
	json_object_put(outgoing);
	json_object_put(incoming);
	return STATUS_OK;
}

int cmd_session_show(const struct args *args)
{
	struct json_object *session, *list;
	char dir[DIR_SIZE];
	int status = luo_find_session(args->words[0], dir);

	if (status)
		return status;
	session = luo_session(dir);
	if (!session)
		return fail(ENOENT, "%s/%s", LUO_DIR, dir);
	*strchr(dir, '/') = '\0';
	list = json_object_new_array();
	json_object_array_add(list, session);
	out(new_object(dir, list));
	return STATUS_OK;
}

int cmd_session_label(const struct args *args)
{
	char dir[DIR_SIZE];

	return luo_session_dir(SESSIONS, args->words[0], dir) ?:
	       luo_write_label(args->words[1], dir);
}

/* Its tokens go first: none may be left when the session goes. */
static int delete_session(const char *dir)
{
	struct json_object *session = luo_session(dir), *tokens;
	int status = STATUS_OK;
	char token[DIR_SIZE];
	const char *name;
	size_t i;

	tokens = session ? json_object_object_get(session, "tokens") : NULL;
	for (i = tokens ? json_object_array_length(tokens) : 0; i && !status; i--) {
		name = get_string(json_object_array_get_idx(tokens, i - 1), "token");
		status = luo_token_dir(dir, name, token) ?: luo_remove_dir(token);
	}
	json_object_put(session);
	return status ?: luo_remove_dir(dir) ?: did("deleted", dir);
}

int cmd_session_delete(const struct args *args)
{
	char dir[DIR_SIZE];

	return luo_session_dir(SESSIONS, args->words[0], dir) ?: delete_session(dir);
}

static int finish(const char *name)
{
	char dir[DIR_SIZE];

	return luo_session_dir(INCOMING, name, dir) ?: luo_write("1\n", dir, "finish") ?:
	       did("finished", dir);
}

int cmd_session_finish(const struct args *args)
{
	return finish(args->words[0]);
}

static int discard_session(const char *dir)
{
	return luo_write("discard\n", dir, "finish") ?: did("discarded", dir);
}

/* Have @func see to each session of a direction. Goes on behind one that fails. */
static int each_session(const char *direction, struct json_object *sessions,
			int (*func)(const char *dir))
{
	int status = STATUS_OK, ret;
	char dir[DIR_SIZE];
	size_t i;

	for (i = 0; i < json_object_array_length(sessions); i++) {
		snprintf(dir, DIR_SIZE, "%s/%s", direction,
			 get_string(json_object_array_get_idx(sessions, i), "name"));
		ret = func(dir);
		status = status ?: ret;
	}
	return status;
}

/* Does the user want to lose all that is shown? */
static bool is_sure(size_t nr_outgoing, size_t nr_incoming)
{
	char answer[8];

	fprintf(stderr,
		"give up %zu sessions for the next kernel, and %zu of the previous one? [y/N] ",
		nr_outgoing, nr_incoming);
	return fgets(answer, sizeof(answer), stdin) && (*answer == 'y' || *answer == 'Y');
}

static int discard_all(bool is_asked)
{
	struct json_object *outgoing = luo_sessions(SESSIONS), *incoming = luo_sessions(INCOMING);
	size_t nr_outgoing = json_object_array_length(outgoing);
	size_t nr_incoming = json_object_array_length(incoming);
	int status = luo_list_status();

	if (!status && is_asked && nr_outgoing + nr_incoming) {
		out(list_all(outgoing, incoming));
		if (!is_sure(nr_outgoing, nr_incoming))
			status = complain(STATUS_FAILED, "nothing was given up");
	}
	if (!status) {
		status = each_session(SESSIONS, outgoing, delete_session);
		status = each_session(INCOMING, incoming, discard_session) ?: status;
	}
	json_object_put(outgoing);
	json_object_put(incoming);
	return status;
}

int cmd_session_discard(const struct args *args)
{
	bool is_all = args_option(args, "all");
	char dir[DIR_SIZE];

	if (is_all != !args->nr) {
		complain(STATUS_USAGE, "session discard: either NAME or --all");
		return advise(STATUS_USAGE, "luo-sh session list");
	}
	if (is_all)
		return discard_all(!args_option(args, "yes"));
	return luo_session_dir(INCOMING, args->words[0], dir) ?: discard_session(dir);
}
