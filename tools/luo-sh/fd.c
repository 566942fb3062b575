// SPDX-License-Identifier: GPL-2.0
/* Files: preserved, retrieved, and plain ones saved in memory */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "luo-sh.h"
#include "machine.h"

/* What is copied at a time, so that it can be told how much is done */
#define COPY_SIZE	(16 << 20)

static int parse_fd(const char *text, int *fd)
{
	char *end;
	unsigned long nr;

	errno = 0;
	nr = strtoul(text, &end, 10);
	if (!*text || text[strspn(text, "0123456789")] || errno || nr > INT_MAX) {
		complain(STATUS_USAGE, "--fd %s: not the number of a file descriptor", text);
		if (!explain_pair(text))
			advise(STATUS_USAGE, "ls -l /proc/$$/fd, which has those of a shell");
		return STATUS_USAGE;
	}
	*fd = nr;
	return STATUS_OK;
}

static int token_dir(const char *direction, const char *session, const char *token,
		     char dir[DIR_SIZE])
{
	char session_dir[DIR_SIZE];

	return luo_session_dir(direction, session, session_dir) ?:
	       luo_token_dir(session_dir, token, dir);
}

/* Preserve a file under a token, which is made if it is not there. */
int preserve(const char *dir, int pidfd, int fd)
{
	bool is_new;
	int status;

	status = luo_make_dir(dir, &is_new);
	if (status)
		return status;
	status = luo_write_pair(pidfd, fd, dir);
	if (status && is_new)
		luo_remove_dir(dir);
	return status;
}

/* Who preserves a file before anything is in it cannot write to it then. */
static void note_size(const char *dir)
{
	const char *size = luo_read(dir, "size");

	if (size && !strcmp(size, "0")) {
		note("%s: the file is empty, and its size is fixed while it is preserved",
		     strchr(dir, '/') + 1);
		advise(STATUS_OK, "truncate -s SIZE, or write to it, before it is preserved");
	}
}

int cmd_fd_preserve(const struct args *args)
{
	const char *pid = args_option(args, "pid");
	int pidfd = -1, fd, status;
	char dir[DIR_SIZE];

	status = parse_fd(args_option(args, "fd"), &fd) ?:
		 token_dir(SESSIONS, args->words[0], args->words[1], dir);
	if (status)
		return status;
	/* Without --pid it is ours, inherited. */
	if (pid)
		status = process_open(pid, &pidfd);
	if (status)
		return status;
	status = preserve(dir, pidfd, fd);
	if (pid)
		close(pidfd);
	if (!status)
		note_size(dir);
	return status ?: did("preserved", dir);
}

int cmd_fd_unpreserve(const struct args *args)
{
	char dir[DIR_SIZE];

	return token_dir(SESSIONS, args->words[0], args->words[1], dir) ?: luo_remove_dir(dir) ?:
	       did("unpreserved", dir);
}

int cmd_fd_label(const struct args *args)
{
	char dir[DIR_SIZE];

	return token_dir(SESSIONS, args->words[0], args->words[1], dir) ?:
	       luo_write_label(args->words[2], dir);
}

int cmd_fd_list(const struct args *args)
{
	bool wants_token = args->nr > 1;
	struct json_object *obj;
	char dir[DIR_SIZE];

	if (!args_option(args, "recursive") == wants_token)
		return complain(STATUS_USAGE, "list: --recursive wants NAME TOKEN");
	if (wants_token)
		return token_dir(INCOMING, args->words[0], args->words[1], dir) ?:
		       list_tmpfs(dir);
	if (args->nr)
		return cmd_session_show(args);
	obj = new_object(SESSIONS, luo_sessions(SESSIONS));
	json_object_object_add(obj, INCOMING, luo_sessions(INCOMING));
	out(obj);
	return STATUS_OK;
}

/* Put a tmpfs somewhere: what is retrieved is the root of a mount that is nowhere yet. */
static int retrieve_mount(const char *dir, const char *path)
{
	int root, status;

	root = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (root < 0)
		return fail(errno, "/dev/null");
	status = luo_write_pair(-1, root, dir);
	if (!status && move_mount(root, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH))
		status = fail(errno, "%s", path);
	close(root);
	return status;
}

int cmd_fd_retrieve(const struct args *args)
{
	const char *number = args_option(args, "fd"), *path = args_option(args, "mount");
	char dir[DIR_SIZE];
	int fd, status;

	if (!path == !args->rest || (path && number))
		return complain(STATUS_USAGE, "retrieve: either --mount DIR or -- COMMAND...");
	if (path)
		return token_dir(INCOMING, args->words[0], args->words[1], dir) ?:
		       retrieve_mount(dir, path);
	status = parse_fd(number ?: "3", &fd) ?:
		 token_dir(INCOMING, args->words[0], args->words[1], dir) ?:
		 luo_write_pair(-1, fd, dir);
	/* What cannot seek has no position. */
	if (!status && args_option(args, "rewind") && lseek(fd, 0, SEEK_SET) < 0 &&
	    errno != ESPIPE)
		status = fail(errno, "%s", luo_path(dir, NULL));
	return status ?: become(args->rest);
}

/* A file that has no name, which nobody else can open */
int cmd_fd_new(const struct args *args)
{
	const char *number = args_option(args, "fd"), *text = args_option(args, "size");
	unsigned long long size = 0;
	int fd, memory, status;

	status = parse_fd(number ?: "3", &fd);
	if (!status && text && (!parse_size(&text, &size) || *text || size > INT64_MAX)) {
		complain(STATUS_USAGE, "--size %s: not a number of bytes, or with K, M or G",
			 args_option(args, "size"));
		status = advise(STATUS_USAGE, "--size 4096, or 512M");
	}
	if (status)
		return status;
	memory = memfd_create("luo-sh", MFD_ALLOW_SEALING);
	if (memory < 0 || ftruncate(memory, size) || dup2(memory, fd) < 0)
		return fail(errno, "memfd");
	if (memory != fd)
		close(memory);
	return become(args->rest);
}

/* Say why a file of that type is not saved. */
static int refuse_type(const char *path, mode_t mode)
{
	int status = fail_because(EINVAL, file_type(mode), "%s", path);

	return advise(status, S_ISDIR(mode) ? "luo-sh save DIR NAME, for a directory" :
		      "cat FILE >COPY, and save the copy");
}

/* Returns 0, or -1 and errno: EINVAL for what is no plain file, which has no size and no holes */
static int stat_plain(int fd, struct stat *st)
{
	if (fstat(fd, st))
		return -1;
	if (S_ISREG(st->st_mode))
		return 0;
	errno = EINVAL;
	return -1;
}

/*
 * The ranges of @from that are no holes go to @to, which is as long then.
 * Returns 0 or -1, and errno.
 */
static int copy_data(int from, int to)
{
	off_t data = 0, hole;
	struct stat st;

	if (stat_plain(from, &st) || ftruncate(to, st.st_size))
		return -1;
	while ((data = lseek(from, data, SEEK_DATA)) >= 0) {
		hole = lseek(from, data, SEEK_HOLE);
		if (hole < 0 || lseek(to, data, SEEK_SET) < 0)
			return -1;
		while (data < hole) {
			ssize_t len = sendfile(to, from, &data, hole - data < COPY_SIZE ?
					       hole - data : COPY_SIZE);

			if (len < 0)
				return -1;
			/* It got shorter in the meantime. */
			if (!len)
				return ftruncate(to, data);
			progress_add(len);
		}
	}
	return errno == ENXIO ? 0 : -1;
}

/* What is in a file of any kind, in memory that can be preserved */
static int save_file(const char *path, const char *dir)
{
	int from, memory = -1, status;
	struct stat st;

	from = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (from < 0)
		return fail(errno, "%s", path);
	if (stat_plain(from, &st))
		status = errno == EINVAL ? refuse_type(path, st.st_mode) : fail(errno, "%s", path);
	else
		status = machine_has_memory((uint64_t)st.st_blocks * 512, path);
	if (!status) {
		progress_begin(path, st.st_size);
		memory = memfd_create("luo-sh", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		/* Who retrieves it reads from its beginning. */
		if (memory < 0 || copy_data(from, memory) || lseek(memory, 0, SEEK_SET) < 0)
			status = fail(errno, "%s", path);
		else
			status = preserve(dir, -1, memory) ?: did("saved", dir);
		progress_end();
	}
	if (memory >= 0)
		close(memory);
	close(from);
	return status;
}

/* An open file once more, with a position of its own: others have that of @fd. */
static int reopen(int fd)
{
	struct stat st;
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return stat_plain(fd, &st) ? -1 : open(path, O_RDONLY | O_CLOEXEC);
}

/* Without a name, so that nothing is left when we are killed. Not all file systems have that. */
static int open_partial(const char *dir, char partial[PATH_MAX])
{
	int fd = open(dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);

	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR))
		fd = mkostemp(partial, O_CLOEXEC);
	return fd;
}

/* Give such a file the name, if it has none. */
static int name_partial(int fd, char partial[PATH_MAX])
{
	char *suffix = partial + strlen(partial) - 6, path[32];
	unsigned int nr;
	int ret;

	if (strcmp(suffix, "XXXXXX"))
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	do {
		if (getrandom(&nr, sizeof(nr), 0) < 0)
			return -1;
		sprintf(suffix, "%06x", nr & 0xffffff);
		ret = linkat(AT_FDCWD, path, AT_FDCWD, partial, AT_SYMLINK_FOLLOW);
	} while (ret && errno == EEXIST);
	return ret;
}

/* What is replaced has an owner and a mode, which its users count on. */
static int keep_owner(const char *path, int to)
{
	struct stat st;

	if (lstat(path, &st))
		return errno == ENOENT ? 0 : -1;
	if (!S_ISREG(st.st_mode))
		return 0;
	return fchown(to, st.st_uid, st.st_gid) ?: fchmod(to, st.st_mode & 07777);
}

/* Beside the file that it is to become, so that there is never half a file */
static int copy_beside(int from, const char *path)
{
	char partial[PATH_MAX], copy[PATH_MAX];
	int to = -1, dir_fd, ret = -1, err;
	const char *dir;

	if (snprintf(partial, sizeof(partial), "%s.XXXXXX", path) >= (int)sizeof(partial)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	dir = dirname(strcpy(copy, path));
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return -1;
	to = open_partial(dir, partial);
	if (to >= 0 && !copy_data(from, to) && !keep_owner(path, to) && !fsync(to) &&
	    !name_partial(to, partial))
		ret = rename(partial, path) ?: fsync(dir_fd);
	err = errno;
	if (ret && to >= 0)
		unlink(partial);
	if (to >= 0)
		close(to);
	close(dir_fd);
	errno = err;
	return ret;
}

/* Retrieve a file as @from, which is open for reading, at its beginning. */
int retrieve(const char *dir, int *from)
{
	int fd, status;

	/* A number for the file: what has it is replaced. */
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fail(errno, "/dev/null");
	status = luo_write_pair(-1, fd, dir);
	if (!status) {
		*from = reopen(fd);
		if (*from < 0)
			status = fail(errno, "%s/%s", LUO_DIR, dir);
	}
	close(fd);
	return status;
}

static int restore_file(const char *path, const char *dir)
{
	int from, status = retrieve(dir, &from);
	struct stat st;

	if (status)
		return status;
	progress_begin(path, fstat(from, &st) ? 0 : st.st_size);
	if (copy_beside(from, path))
		status = fail(errno, "%s", path);
	progress_end();
	close(from);
	return status ?: did("restored", dir);
}

/*
 * Have @func see to each of the files, under tokens that follow one another.
 * Stops at the first that fails.
 */
static int each_file(const struct args *args, const char *direction,
		     int (*func)(const char *path, const char *dir), int *nr_done)
{
	char dir[DIR_SIZE], token[256];
	int status = STATUS_OK, i;
	uint64_t first = 0;

	/* The first one is what the user wrote, for the errors */
	snprintf(token, sizeof(token), "%s", args->words[1]);
	for (i = 0; i < args->nr - 2 && !status; i++) {
		if (i)
			snprintf(token, sizeof(token), "%" PRIu64, first + i);
		status = token_dir(direction, args->words[0], token, dir);
		/* It may be written as a label. */
		if (!status && !i)
			first = strtoumax(strrchr(dir, '/') + 1, NULL, 10);
		status = status ?: func(args->words[2 + i], dir);
	}
	*nr_done = status ? i - 1 : i;
	return status;
}

static int unpreserve_file(const char *path, const char *dir)
{
	(void)path;
	return luo_remove_dir(dir);
}

int cmd_fd_save(const struct args *args)
{
	struct args done = *args;
	int nr_done, status;

	status = each_file(args, SESSIONS, save_file, &nr_done);
	if (status) {
		done.nr = 2 + nr_done;
		each_file(&done, SESSIONS, unpreserve_file, &nr_done);
	}
	return status;
}

int cmd_fd_restore(const struct args *args)
{
	int nr_done;

	return each_file(args, INCOMING, restore_file, &nr_done);
}
