// SPDX-License-Identifier: GPL-2.0
/* Sessions */
#include <errno.h>
#include <string.h>

#include "luo-sh.h"

int cmd_session_create(const struct args *args)
{
	char dir[DIR_SIZE];

	return luo_session_dir(SESSIONS, args->words[0], dir) ?: luo_make_dir(dir, NULL);
}

int cmd_session_list(const struct args *args)
{
	static const char *const directions[] = { SESSIONS, INCOMING };
	struct json_object *obj = json_object_new_object(), *list;
	size_t i, j;

	(void)args;
	for (i = 0; i < ARRAY_SIZE(directions); i++) {
		list = luo_sessions(directions[i]);
		for (j = 0; j < json_object_array_length(list); j++)
			json_object_object_del(json_object_array_get_idx(list, j), "tokens");
		json_object_object_add(obj, directions[i], list);
	}
	out(obj);
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

/* Its tokens go first: none may be left when the session goes. */
int cmd_session_delete(const struct args *args)
{
	char dir[DIR_SIZE], token[DIR_SIZE];
	struct json_object *session, *tokens;
	const char *name;
	int status;
	size_t i;

	status = luo_session_dir(SESSIONS, args->words[0], dir);
	if (status)
		return status;
	session = luo_session(dir);
	tokens = session ? json_object_object_get(session, "tokens") : NULL;
	for (i = tokens ? json_object_array_length(tokens) : 0; i && !status; i--) {
		name = get_string(json_object_array_get_idx(tokens, i - 1), "token");
		status = luo_token_dir(dir, name, token) ?: luo_remove_dir(token);
	}
	json_object_put(session);
	return status ?: luo_remove_dir(dir);
}

static int finish(const char *name, const char *how)
{
	char dir[DIR_SIZE];

	return luo_session_dir(INCOMING, name, dir) ?: luo_write(how, dir, "finish");
}

int cmd_session_finish(const struct args *args)
{
	return finish(args->words[0], "1\n");
}

int cmd_session_discard(const struct args *args)
{
	return finish(args->words[0], "discard\n");
}
