// SPDX-License-Identifier: GPL-2.0
/* What is in a tmpfs that came from the previous kernel */
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "luo-sh.h"

static const char *type_name(mode_t mode)
{
	return S_ISREG(mode) ? "file" : S_ISDIR(mode) ? "directory" : S_ISLNK(mode) ? "symlink" :
	       S_ISCHR(mode) ? "char" : S_ISBLK(mode) ? "block" : S_ISFIFO(mode) ? "fifo" :
	       "socket";
}

static struct json_object *new_entry(const char *path, const struct stat *st)
{
	struct json_object *entry = new_object("path", json_object_new_string(path));
	char text[32];

	json_object_object_add(entry, "type", json_object_new_string(type_name(st->st_mode)));
	snprintf(text, sizeof(text), "%04o", st->st_mode & 07777);
	json_object_object_add(entry, "mode", json_object_new_string(text));
	json_object_object_add(entry, "uid", json_object_new_int64(st->st_uid));
	json_object_object_add(entry, "gid", json_object_new_int64(st->st_gid));
	json_object_object_add(entry, "size", json_object_new_int64(st->st_size));
	json_object_object_add(entry, "links", json_object_new_int64(st->st_nlink));
	snprintf(text, sizeof(text), "%" PRIdMAX ".%09ld", (intmax_t)st->st_mtim.tv_sec,
		 st->st_mtim.tv_nsec);
	json_object_object_add(entry, "mtime", json_object_new_string(text));
	return entry;
}

/* A directory comes before what is in it, and what was made last comes first. */
static int list_tree(int root, struct json_object *entries)
{
	char path[32], *const paths[] = { path, NULL };
	int status = STATUS_OK;
	FTSENT *entry;
	FTS *tree;

	/* The dot is what has the link followed. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d/.", root);
	tree = fts_open(paths, FTS_PHYSICAL | FTS_XDEV, NULL);
	if (!tree)
		return fail(errno, "%s", path);
	while (!status && (errno = 0, entry = fts_read(tree))) {
		const char *name = entry->fts_path + strlen(path);

		if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR ||
		    entry->fts_info == FTS_NS)
			status = fail(entry->fts_errno, ".%s", name);
		else if (entry->fts_info != FTS_DP)
			json_object_array_add(entries, new_entry(*name ? name + 1 : ".",
								 entry->fts_statp));
	}
	if (!status && errno)
		status = fail(errno, "%s", path);
	fts_close(tree);
	return status;
}

/* It is retrieved for that, which loses nothing, and mounted nowhere. */
int list_tmpfs(const char *dir)
{
	struct json_object *entries;
	struct stat st;
	int root, status;

	root = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (root < 0)
		return fail(errno, "/dev/null");
	status = luo_write_pair(-1, root, dir);
	if (!status && (fstat(root, &st) || !S_ISDIR(st.st_mode)))
		status = fail(ENOTDIR, "%s/%s", LUO_DIR, dir);
	if (!status) {
		entries = json_object_new_array();
		status = list_tree(root, entries);
		if (status)
			json_object_put(entries);
		else
			out(new_object("entries", entries));
	}
	close(root);
	return status;
}
