// SPDX-License-Identifier: GPL-2.0
/*
 * Live update's directory: what is written to it, and what it reads as JSON.
 * Sessions come and go while they are listed; one that is gone is left out.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "luo-sh.h"

/* The path of a file or directory of live update's; @dir is NULL for those at the top */
const char *luo_path(const char *dir, const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s%s%s", LUO_DIR, dir ?: "", dir && name ? "/" : "",
		 name ?: "");
	return path;
}

int luo_supported(void)
{
	if (!access(LUO_DIR "/state", F_OK))
		return STATUS_OK;
	if (!access(SYSFS_STATE, F_OK))
		return complain(STATUS_UNSUPPORTED, "%s: %s", LUO_DIR,
				"configfs is not mounted, or the kernel has no CONFIG_LIVEUPDATE_CONFIGFS");
	return complain(STATUS_UNSUPPORTED,
			"%s: %s (%s): the kernel has no live update, or was not booted with liveupdate=on kho=on",
			LUO_DIR, strerror(errno), strerrorname_np(errno));
}

bool luo_exists(const char *path)
{
	return !access(luo_path(path, NULL), F_OK);
}

/* Make a directory. With @is_new one that is there is as good. */
int luo_make_dir(const char *dir, bool *is_new)
{
	int err = mkdir(luo_path(dir, NULL), 0755) ? errno : 0;

	if (is_new) {
		*is_new = !err;
		if (err == EEXIST)
			return STATUS_OK;
	}
	return err ? explain(&(struct refusal){ REFUSED_MKDIR, err, .dir = dir }) : STATUS_OK;
}

int luo_remove_dir(const char *dir)
{
	return rmdir(luo_path(dir, NULL)) ?
	       explain(&(struct refusal){ REFUSED_RMDIR, errno, .dir = dir }) : STATUS_OK;
}

static int open_attribute(const char *dir, const char *name, int flags)
{
	return open(luo_path(dir, name), flags | O_CLOEXEC);
}

/* What a file reads, without the newline, until the next one is read; or NULL, and errno. */
const char *luo_read(const char *dir, const char *name)
{
	static char text[4096 + 1];
	int fd = open_attribute(dir, name, O_RDONLY);
	ssize_t len;

	if (fd < 0)
		return NULL;
	len = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (len < 0)
		return NULL;
	if (len && text[len - 1] == '\n')
		len--;
	text[len] = '\0';
	return text;
}

/* As luo_read(), of "owner": the number of a process, "none" or "fd" */
const char *luo_read_owner(const char *dir)
{
	static const char prefix[] = "pid:";
	const char *owner = luo_read(dir, "owner");
	bool is_process = owner && !strncmp(owner, prefix, strlen(prefix));

	return is_process ? owner + strlen(prefix) : owner;
}

const char *luo_last_error(void)
{
	const char *text = luo_read(NULL, "last_error") ?: "";
	const char *space = strchr(text, ' ');

	return space ? space + 1 : "";
}

/* A text for people; "" removes it. */
int luo_write_label(const char *label, const char *dir)
{
	char text[256 + 2];

	/* The kernel has the last word, but has to get all of it. */
	snprintf(text, sizeof(text), "%s\n", label);
	return luo_write(text, dir, "label") ?: did("labelled", dir);
}

/* How many errors there were since the boot */
uint64_t luo_nr_errors(void)
{
	return strtoumax(luo_read(NULL, "last_error") ?: "0", NULL, 10);
}

/* @refusal has where that is, and says what failed. */
static int write_and_close(int fd, const char *text, struct refusal *refusal)
{
	refusal->what = fd < 0 ? REFUSED_OPEN : REFUSED_WRITE;
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		refusal->err = errno;
	if (fd >= 0)
		close(fd);
	return refusal->err ? explain(refusal) : STATUS_OK;
}

int luo_write(const char *text, const char *dir, const char *name)
{
	struct refusal refusal = { .dir = dir, .name = name };

	return write_and_close(open_attribute(dir, name, O_WRONLY), text, &refusal);
}

/*
 * Write PIDFD:FD, or self:FD when @pidfd is negative. A retrieved file replaces
 * what has that number.
 */
int luo_write_pair(int pidfd, int fd, const char *dir)
{
	struct refusal refusal = {
		.dir = dir, .name = "fd", .pidfd = pidfd, .fd = fd, .nr_errors = luo_nr_errors(),
	};
	int attribute = open_attribute(dir, "fd", O_WRONLY), other;
	char text[32];

	if (attribute == fd) {
		other = fcntl(attribute, F_DUPFD_CLOEXEC, fd + 1);
		close(attribute);
		attribute = other;
	}
	if (pidfd < 0)
		snprintf(text, sizeof(text), "self:%d\n", fd);
	else
		snprintf(text, sizeof(text), "%d:%d\n", pidfd, fd);
	return write_and_close(attribute, text, &refusal);
}

/* A name of the user's must not lead elsewhere. */
static bool is_name(const char *name)
{
	return *name && !strchr(name, '/') && strcmp(name, ".") && strcmp(name, "..") &&
	       strlen(name) <= NAME_MAX;
}

int luo_session_dir(const char *direction, const char *name, char dir[DIR_SIZE])
{
	char bytes[NAME_MAX + 1];

	if (!is_name(name))
		return explain_session_name(direction, name);
	unescape(name, bytes);
	snprintf(dir, DIR_SIZE, "%s/%s", direction, bytes);
	return STATUS_OK;
}

/*
 * The token of a session that has a label. Sets @dir when there is one only. Returns how
 * many there are.
 */
static int find_label(const char *session, const char *label, char dir[DIR_SIZE])
{
	DIR *tokens = opendir(luo_path(session, NULL));
	struct dirent *entry;
	char path[DIR_SIZE];
	const char *text;
	int nr = 0;

	while (tokens && (entry = readdir(tokens))) {
		if (!isdigit(entry->d_name[0]))
			continue;
		snprintf(path, DIR_SIZE, "%.*s/%.20s", DIR_SIZE - 22, session, entry->d_name);
		text = luo_read(path, "label");
		if (text && !strcmp(text, label)) {
			strcpy(dir, path);
			nr++;
		}
	}
	if (tokens)
		closedir(tokens);
	return nr;
}

/* @session is a directory; @token a number, or the label of one that is there. */
int luo_token_dir(const char *session, const char *token, char dir[DIR_SIZE])
{
	int nr;

	if (*token && !isdigit(*token)) {
		nr = find_label(session, token, dir);
		if (nr == 1)
			return STATUS_OK;
		if (nr > 1) {
			complain(STATUS_FAILED, "%s: there are %d tokens with that label", token,
				 nr);
			return advise(STATUS_FAILED, "the number of one: luo-sh fd list");
		}
	}
	if (!is_name(token) || token[strspn(token, "0123456789")] || (*token == '0' && token[1]))
		return explain_token(session, token);
	snprintf(dir, DIR_SIZE, "%s/%s", session, token);
	return STATUS_OK;
}

static int refuse_two(const char *name)
{
	complain(STATUS_FAILED,
		 "%s: there are two, one for the next kernel and one of the previous",
		 name);
	return advise(STATUS_FAILED, SESSIONS "/%s or " INCOMING "/%s as the name", name, name);
}

/* A session of either direction; @name may say which: incoming/NAME, sessions/NAME. */
int luo_find_session(const char *name, char dir[DIR_SIZE])
{
	static const char *const directions[] = { SESSIONS, INCOMING };
	const char *const *in = NULL;
	size_t i, len;

	for (i = 0; i < ARRAY_SIZE(directions); i++) {
		len = strlen(directions[i]);
		if (!strncmp(name, directions[i], len) && name[len] == '/') {
			name += len + 1;
			in = &directions[i];
		}
	}
	if (!in) {
		for (i = 0; i < ARRAY_SIZE(directions); i++) {
			int status = luo_session_dir(directions[i], name, dir);

			if (status)
				return status;
			if (!luo_exists(dir))
				continue;
			if (in)
				return refuse_two(name);
			in = &directions[i];
		}
	}
	return luo_session_dir(in ? *in : SESSIONS, name, dir) ?:
	       luo_exists(dir) ? STATUS_OK :
	       explain(&(struct refusal){ REFUSED_OPEN, ENOENT, .dir = dir });
}

static int is_subdirectory(const struct dirent *entry)
{
	return entry->d_type == DT_DIR && strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
}

static int list_status;

/* STATUS_OK when all that was listed could be read, and it was said what could not be */
int luo_list_status(void)
{
	return list_status;
}

/* Note what could not be read, unless it is gone. */
static void list_failed(const char *dir, const char *name)
{
	if (errno != ENOENT && errno != ENODEV)
		list_status = fail(errno, "%s", luo_path(dir, name));
}

/* A list of what @get makes of each directory in @dir */
static struct json_object *list_directories(const char *dir,
					    struct json_object *(*get)(const char *dir))
{
	struct json_object *list = json_object_new_array(), *obj;
	char path[PATH_MAX];
	struct dirent **entries;
	int nr, i;

	nr = scandir(luo_path(dir, NULL), &entries, is_subdirectory, versionsort);
	for (i = 0; i < nr; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, entries[i]->d_name);
		obj = get(path);
		if (obj)
			json_object_array_add(list, obj);
		free(entries[i]);
	}
	if (nr >= 0)
		free(entries);
	else
		list_failed(dir, NULL);
	return list;
}

static void add_string(struct json_object *obj, const char *text, const char *dir,
		       const char *name)
{
	if (text)
		json_object_object_add(obj, name, json_object_new_string(text));
	else
		list_failed(dir, name);
}

static void add_text(struct json_object *obj, const char *dir, const char *name)
{
	add_string(obj, luo_read(dir, name), dir, name);
}

/* A text for people, where there is one: not each kernel has them. */
static void add_label(struct json_object *obj, const char *dir)
{
	const char *label = luo_read(dir, "label");

	if (label && *label)
		json_object_object_add(obj, "label", json_object_new_string(label));
}

static void add_number(struct json_object *obj, const char *dir, const char *name)
{
	const char *text = luo_read(dir, name);
	struct json_object *value = NULL;

	if (!text) {
		list_failed(dir, name);
		return;
	}
	if (*text)
		value = json_object_new_uint64(strtoumax(text, NULL, 10));
	json_object_object_add(obj, name, value);
}

/* An object with what a directory is called; or NULL when it is gone. */
static struct json_object *new_named(const char *key, const char *dir)
{
	if (!luo_exists(dir)) {
		list_failed(dir, NULL);
		return NULL;
	}
	return new_object(key, json_object_new_string(strrchr(dir, '/') + 1));
}

static struct json_object *get_token(const char *dir)
{
	struct json_object *obj = new_named("token", dir);

	if (obj) {
		add_text(obj, dir, "state");
		add_text(obj, dir, "compatible");
		add_number(obj, dir, "size");
		add_label(obj, dir);
	}
	return obj;
}

/* The bytes of all files, as far as they are known */
static uint64_t total_size(struct json_object *tokens)
{
	struct json_object *token;
	uint64_t size = 0;
	size_t i;

	for (i = 0; i < json_object_array_length(tokens); i++) {
		token = json_object_array_get_idx(tokens, i);
		size += json_object_get_uint64(json_object_object_get(token, "size"));
	}
	return size;
}

struct json_object *luo_session(const char *dir)
{
	struct json_object *obj = new_named("name", dir), *tokens;

	if (obj) {
		add_text(obj, dir, "state");
		add_string(obj, luo_read_owner(dir), dir, "owner");
		add_number(obj, dir, "files");
		add_number(obj, dir, "retrieved");
		tokens = list_directories(dir, get_token);
		json_object_object_add(obj, "size", json_object_new_uint64(total_size(tokens)));
		add_label(obj, dir);
		json_object_object_add(obj, "tokens", tokens);
	}
	return obj;
}

struct json_object *luo_sessions(const char *direction)
{
	return list_directories(direction, luo_session);
}

/* The words of a text; one in brackets is without them and goes to @chosen, too. */
static struct json_object *split(const char *text, char *chosen, size_t size)
{
	struct json_object *list = json_object_new_array();
	size_t len;

	for (; *text; text += len + strspn(text + len, "\n ")) {
		len = strcspn(text, "\n ");
		if (*text == '[' && len > 2) {
			snprintf(chosen, size, "%.*s", (int)len - 2, text + 1);
			json_object_array_add(list, json_object_new_string(chosen));
		} else {
			json_object_array_add(list, json_object_new_string_len(text, len));
		}
	}
	return list;
}

/* The first word of each line: what is behind it may become more. */
static struct json_object *first_words(const char *text)
{
	struct json_object *list = json_object_new_array();

	for (; *text; text += strcspn(text, "\n"), text += strspn(text, "\n"))
		json_object_array_add(list, json_object_new_string_len(text, strcspn(text, "\n ")));
	return list;
}

/* What the previous kernel left behind */
struct json_object *luo_lost(void)
{
	struct json_object *list = json_object_new_array(), *obj;
	int fd = open_attribute(NULL, "lost", O_RDONLY);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
	char *line = NULL, *type, *errname;
	size_t size = 0;

	/* A session's name may have spaces: the other two words are the last ones. */
	while (file && getline(&line, &size, file) > 0) {
		line[strcspn(line, "\n")] = '\0';
		errname = strrchr(line, ' ');
		if (!errname)
			continue;
		*errname++ = '\0';
		type = strrchr(line, ' ');
		if (!type)
			continue;
		*type++ = '\0';
		obj = new_object("file", json_object_new_string(line));
		json_object_object_add(obj, "compatible", json_object_new_string(type));
		json_object_object_add(obj, "errno", json_object_new_string(errname));
		json_object_array_add(list, obj);
	}
	free(line);
	if (file)
		fclose(file);
	return list;
}

/* What live update's directory itself has */
struct json_object *luo_root(void)
{
	struct json_object *obj = json_object_new_object(), *abis;
	char abi[64] = "";

	add_text(obj, NULL, "state");
	add_number(obj, NULL, "number");
	add_string(obj, luo_read_owner(NULL), NULL, "owner");
	/* A kernel that speaks one format only does not say which */
	abis = split(luo_read(NULL, "abi") ?: "[luo-v1]", abi, sizeof(abi));
	json_object_object_add(obj, "abi", json_object_new_string(abi));
	json_object_object_add(obj, "abis", abis);
	json_object_object_add(obj, "handlers", first_words(luo_read(NULL, "handlers") ?: ""));
	add_string(obj, luo_last_error(), NULL, "last_error");
	return obj;
}
