// SPDX-License-Identifier: GPL-2.0
/* A directory, saved in a session as one file, and restored */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "archive.h"
#include "machine.h"

/*
 * Tokens that are for this alone. A directory that is saved again gets the next one
 * before the one before is unpreserved: the highest is the latest that is complete.
 */
#define FIRST_TOKEN	(UINT64_C(1) << 63)
#define LAST_TOKEN	(FIRST_TOKEN + 0xffff)

static bool is_ours(const char *token, uint64_t *nr)
{
	*nr = strtoumax(token, NULL, 10);
	return *nr >= FIRST_TOKEN && *nr <= LAST_TOKEN;
}

/* The tokens that a session has for this, by number. NULL when there is no session. */
static struct json_object *find_saved(const char *dir)
{
	struct json_object *session = luo_exists(dir) ? luo_session(dir) : NULL, *tokens, *list;
	const char *token;
	uint64_t nr;
	size_t i;

	if (!session)
		return NULL;
	list = json_object_new_array();
	tokens = json_object_object_get(session, "tokens");
	for (i = 0; i < json_object_array_length(tokens); i++) {
		token = get_string(json_object_array_get_idx(tokens, i), "token");
		if (is_ours(token, &nr))
			json_object_array_add(list, json_object_new_string(token));
	}
	json_object_put(session);
	return list;
}

static const char *last_of(struct json_object *tokens)
{
	size_t nr = json_object_array_length(tokens);

	return nr ? json_object_get_string(json_object_array_get_idx(tokens, nr - 1)) : NULL;
}

static int unpreserve_all(const char *dir, struct json_object *tokens)
{
	int status = STATUS_OK;
	char token[DIR_SIZE];
	const char *nr;
	size_t i;

	for (i = 0; i < json_object_array_length(tokens) && !status; i++) {
		nr = json_object_get_string(json_object_array_get_idx(tokens, i));
		status = luo_token_dir(dir, nr, token) ?: luo_remove_dir(token);
	}
	return status;
}

/* Preserve it beside what was saved before, which goes when that has been done. */
static int replace_saved(const char *dir, int memory)
{
	struct json_object *saved = find_saved(dir);
	const char *last = last_of(saved);
	char number[24], token[DIR_SIZE];
	uint64_t nr = FIRST_TOKEN;
	int status = luo_list_status();

	if (last && is_ours(last, &nr) && nr++ == LAST_TOKEN)
		status = fail(ENOSPC, "%s", dir);
	snprintf(number, sizeof(number), "%" PRIu64, nr);
	status = status ?: luo_token_dir(dir, number, token) ?: preserve(token, -1, memory) ?:
		 unpreserve_all(dir, saved);
	json_object_put(saved);
	return status;
}

int cmd_save(const struct args *args)
{
	const char *path = args->words[0];
	int memory = -1, status;
	char dir[DIR_SIZE];
	bool is_new = false;
	uint64_t size;

	status = luo_session_dir(SESSIONS, args->words[1], dir) ?: archive_measure(path, &size) ?:
		 machine_has_memory(size, path);
	if (status)
		return status;
	memory = memfd_create("luo-sh", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (memory < 0)
		return fail(errno, "%s", path);
	status = archive_pack(path, size, memory);
	if (!status && lseek(memory, 0, SEEK_SET) < 0)
		status = fail(errno, "%s", path);
	status = status ?: luo_make_dir(dir, &is_new);
	if (!status) {
		status = replace_saved(dir, memory);
		if (status && is_new)
			luo_remove_dir(dir);
	}
	close(memory);
	return status ?: did("saved", dir);
}

int cmd_restore(const struct args *args)
{
	struct json_object *saved;
	char dir[DIR_SIZE], token[DIR_SIZE];
	int fd, status;

	status = luo_session_dir(INCOMING, args->words[0], dir);
	if (status)
		return status;
	if (!luo_exists(dir))
		return explain(&(struct refusal){ REFUSED_OPEN, ENOENT, .dir = dir });
	saved = find_saved(dir);
	if (!saved || !last_of(saved))
		status = luo_list_status() ?:
			 complain(STATUS_FAILED, "%s/%s: no directory was saved there",
				  LUO_DIR, dir);
	status = status ?: luo_token_dir(dir, last_of(saved), token) ?: retrieve(token, &fd);
	json_object_put(saved);
	if (status)
		return status;
	status = archive_unpack(fd, args->words[1]);
	close(fd);
	return status ?: did("restored", dir);
}
