// SPDX-License-Identifier: GPL-2.0
/*
 * A directory as a pax archive, and back, by libarchive: names of any bytes, owners,
 * modes, times, extended attributes, ACLs, hard and symbolic links, holes, FIFOs and
 * devices. Sockets are left out, as they are of no use without who listens.
 *
 * Whoever may write to the directory meanwhile cannot lead out of it: each file is
 * looked up in its directory's descriptor and no link is followed.
 */
#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive.h"
#include "luo-sh.h"

#define BLOCK		(256 << 10)

/* Headers of a member that has a long name and attributes */
#define MEMBER_SIZE	2048

/* What is unpacked lies there until all of it is. It is not packed, if it was left behind. */
#define PARTIAL		".luo-sh.partial"

/* What is seen to of each file. @path is below the directory, "." itself. */
struct walk {
	int (*visit)(struct walk *walk, const char *path, int fd, const struct stat *st);
	/* What the user calls the directory, for errors */
	const char *root;
	uint64_t size;
	struct archive *archive;
	struct archive *disk;
	struct archive_entry_linkresolver *links;
	char *buffer;
};

static int walk_failed(const struct walk *walk, const char *path, int err)
{
	return fail(err, "%s/%s", walk->root, path);
}

/* @fd is opened with O_PATH, or another for what is a file or directory. */
static int open_content(int fd)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

static int walk_file(struct walk *walk, int dir, const char *name, const char *path);

/* Takes @fd. */
static int walk_directory(struct walk *walk, int fd, const char *path)
{
	bool is_root = !strcmp(path, ".");
	struct dirent *entry;
	int status = STATUS_OK;
	char *below;
	DIR *dir;

	dir = fdopendir(fd);
	if (!dir) {
		status = walk_failed(walk, path, errno);
		close(fd);
		return status;
	}
	while (!status) {
		errno = 0;
		entry = readdir(dir);
		if (!entry) {
			if (errno)
				status = walk_failed(walk, path, errno);
			break;
		}
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") ||
		    (is_root && !strcmp(entry->d_name, PARTIAL)))
			continue;
		if (asprintf(&below, "%s%s%s", is_root ? "" : path, is_root ? "" : "/",
			     entry->d_name) < 0) {
			status = walk_failed(walk, path, ENOMEM);
			break;
		}
		status = walk_file(walk, fd, entry->d_name, below);
		free(below);
	}
	closedir(dir);
	return status;
}

static int walk_file(struct walk *walk, int dir, const char *name, const char *path)
{
	int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC), content = -1, status;
	struct stat st;

	if (fd < 0 || fstat(fd, &st)) {
		status = walk_failed(walk, path, errno);
	} else if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) {
		content = open_content(fd);
		status = content < 0 ? walk_failed(walk, path, errno) :
			 walk->visit(walk, path, content, &st);
	} else {
		status = S_ISSOCK(st.st_mode) ? STATUS_OK : walk->visit(walk, path, fd, &st);
	}
	if (fd >= 0)
		close(fd);
	if (!status && S_ISDIR(st.st_mode))
		return walk_directory(walk, content, path);
	if (content >= 0)
		close(content);
	return status;
}

static int walk_all(struct walk *walk, const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), status;

	walk->root = path;
	if (fd < 0)
		return fail(errno, "%s", path);
	status = walk_file(walk, fd, ".", ".");
	close(fd);
	return status;
}

/* A file of several names is counted by its part for each. */
static int measure_file(struct walk *walk, const char *path, int fd, const struct stat *st)
{
	(void)path;
	(void)fd;
	walk->size += MEMBER_SIZE;
	if (S_ISREG(st->st_mode))
		walk->size += (uint64_t)st->st_blocks * 512 / (st->st_nlink ?: 1);
	return STATUS_OK;
}

/* Sets @size to what the archive of a directory takes at most. */
int archive_measure(const char *path, uint64_t *size)
{
	struct walk walk = { .visit = measure_file };
	int status = walk_all(&walk, path);

	*size = walk.size;
	return status;
}

static int archive_failed(struct archive *archive, const char *root, const char *path)
{
	int err = archive_errno(archive);

	/* What libarchive found by itself has no errno, or one of its own, below zero. */
	if (err > 0 && !strerrorname_np(err))
		err = 0;
	if (err > 0)
		return fail(err, "%s/%s", root, path);
	return complain(STATUS_FAILED, "%s/%s: %s", root, path,
			archive_error_string(archive) ?: "damaged");
}

/* All @size bytes of a file, holes as well, which libarchive leaves out by its own list */
static int pack_data(struct walk *walk, const char *path, int fd, int64_t size)
{
	static const char zeros[BLOCK];
	int64_t at = 0, data, len;
	const char *block;
	ssize_t got;

	while (at < size) {
		data = lseek(fd, at, SEEK_DATA);
		if (data < 0 && errno != ENXIO)
			return walk_failed(walk, path, errno);
		if (data < 0 || data > size)
			data = size;
		len = data > at ? data - at : size - at;
		if (len > BLOCK)
			len = BLOCK;
		if (data > at) {
			block = zeros;
			got = len;
		} else {
			block = walk->buffer;
			got = pread(fd, walk->buffer, len, at);
			if (got < 0)
				return walk_failed(walk, path, errno);
			if (!got)
				return complain(STATUS_FAILED, "%s/%s: changed while it was saved",
						walk->root, path);
			progress_add(got);
		}
		if (archive_write_data(walk->archive, block, got) != got)
			return archive_failed(walk->archive, walk->root, path);
		at += got;
	}
	return STATUS_OK;
}

/* What stat(2) does not tell. For a file or directory that is libarchive's to find out. */
static int describe(struct walk *walk, struct archive_entry *entry, int fd,
		    const struct stat *st, const char *path)
{
	char text[PATH_MAX];
	ssize_t len;

	archive_entry_copy_stat(entry, st);
	if (S_ISREG(st->st_mode) || S_ISDIR(st->st_mode)) {
		snprintf(text, sizeof(text), "/proc/self/fd/%d", fd);
		archive_entry_copy_sourcepath(entry, text);
		if (archive_read_disk_entry_from_file(walk->disk, entry, fd, st) != ARCHIVE_OK)
			return archive_failed(walk->disk, walk->root, path);
	} else if (S_ISLNK(st->st_mode)) {
		len = readlinkat(fd, "", text, sizeof(text) - 1);
		if (len < 0)
			return walk_failed(walk, path, errno);
		text[len] = '\0';
		archive_entry_set_symlink(entry, text);
	}
	return STATUS_OK;
}

static int pack_file(struct walk *walk, const char *path, int fd, const struct stat *st)
{
	struct archive_entry *entry = archive_entry_new(), *unused;
	int status;

	if (!entry)
		return walk_failed(walk, path, ENOMEM);
	archive_entry_set_pathname(entry, path);
	status = describe(walk, entry, fd, st, path);
	if (!status) {
		/* The second name of a file becomes a link to the first, without data. */
		archive_entry_linkify(walk->links, &entry, &unused);
		if (archive_write_header(walk->archive, entry) != ARCHIVE_OK)
			status = archive_failed(walk->archive, walk->root, path);
	}
	if (!status && archive_entry_filetype(entry) == AE_IFREG)
		status = pack_data(walk, path, fd, archive_entry_size(entry));
	archive_entry_free(entry);
	return status;
}

static bool open_archive(struct archive *archive, int to)
{
	return !archive_write_set_format_pax(archive) &&
	       !archive_write_set_format_option(archive, "pax", "hdrcharset", "BINARY") &&
	       !archive_write_set_bytes_per_block(archive, BLOCK) &&
	       !archive_write_open_fd(archive, to);
}

/* Write the archive of a directory of that size to a file that is empty. */
int archive_pack(const char *path, uint64_t size, int to)
{
	struct walk walk = {
		.visit = pack_file,
		.archive = archive_write_new(),
		.disk = archive_read_disk_new(),
		.links = archive_entry_linkresolver_new(),
		.buffer = malloc(BLOCK),
	};
	int status;

	progress_begin(path, size);
	if (!walk.archive || !walk.disk || !walk.links || !walk.buffer) {
		status = fail(ENOMEM, "%s", path);
	} else {
		archive_entry_linkresolver_set_strategy(walk.links,
							ARCHIVE_FORMAT_TAR_PAX_INTERCHANGE);
		archive_read_disk_set_behavior(walk.disk, ARCHIVE_READDISK_NO_FFLAGS);
		if (open_archive(walk.archive, to))
			status = walk_all(&walk, path);
		else
			status = archive_failed(walk.archive, path, ".");
		if (!status && archive_write_close(walk.archive) != ARCHIVE_OK)
			status = archive_failed(walk.archive, path, ".");
	}
	progress_end();
	archive_entry_linkresolver_free(walk.links);
	archive_read_free(walk.disk);
	archive_write_free(walk.archive);
	free(walk.buffer);
	return status;
}

/* Remove what is in a directory, of which @fd is taken. Returns 0 or -1, and errno. */
static int clear_directory(int fd)
{
	DIR *dir = fdopendir(fd);
	struct dirent *entry;
	int ret = 0, below;

	if (!dir) {
		close(fd);
		return -1;
	}
	while (!ret && (entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		ret = unlinkat(fd, entry->d_name, 0);
		if (!ret || errno != EISDIR)
			continue;
		below = openat(fd, entry->d_name,
			       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		ret = below < 0 ? -1 : clear_directory(below);
		if (!ret)
			ret = unlinkat(fd, entry->d_name, AT_REMOVEDIR);
	}
	closedir(dir);
	return ret;
}

static int remove_partial(int dir)
{
	int fd = openat(dir, PARTIAL, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	return clear_directory(fd) ?: unlinkat(dir, PARTIAL, AT_REMOVEDIR);
}

static int unpack_data(struct archive *archive, struct archive *disk)
{
	const void *block;
	int64_t offset;
	size_t len;
	int ret;

	while (!(ret = archive_read_data_block(archive, &block, &len, &offset))) {
		if (archive_write_data_block(disk, block, len, offset) != ARCHIVE_OK)
			return STATUS_FAILED;
		progress_add(len);
	}
	return ret == ARCHIVE_EOF ? STATUS_OK : STATUS_FAILED;
}

static struct archive *new_disk(void)
{
	struct archive *disk = archive_write_disk_new();

	if (disk)
		archive_write_disk_set_options(disk, ARCHIVE_EXTRACT_OWNER |
					       ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_TIME |
					       ARCHIVE_EXTRACT_ACL | ARCHIVE_EXTRACT_XATTR |
					       ARCHIVE_EXTRACT_SECURE_SYMLINKS |
					       ARCHIVE_EXTRACT_SECURE_NODOTDOT |
					       ARCHIVE_EXTRACT_SECURE_NOABSOLUTEPATHS);
	return disk;
}

/*
 * Into the working directory. That itself is left alone: @root is set to what the
 * archive has of it, for the caller to free.
 */
static int unpack_files(struct archive *archive, const char *path, struct archive_entry **root)
{
	struct archive *disk = new_disk();
	struct archive_entry *entry;
	int status = STATUS_OK, ret = ARCHIVE_OK;
	const char *name = ".";

	if (!disk)
		return fail(ENOMEM, "%s", path);
	while (!status && !(ret = archive_read_next_header(archive, &entry))) {
		name = archive_entry_pathname(entry);
		if (!name) {
			status = complain(STATUS_FAILED, "%s: a name is damaged", path);
		} else if (!*root) {
			*root = archive_entry_clone(entry);
			if (!*root)
				status = fail(ENOMEM, "%s", path);
		} else if (archive_write_header(disk, entry) != ARCHIVE_OK) {
			status = archive_failed(disk, path, name);
		} else if (archive_entry_size(entry) > 0 && unpack_data(archive, disk)) {
			status = archive_failed(archive_errno(disk) ? disk : archive, path, name);
		} else if (archive_write_finish_entry(disk) != ARCHIVE_OK) {
			status = archive_failed(disk, path, name);
		}
	}
	if (!status && (ret != ARCHIVE_EOF || !*root))
		status = archive_failed(archive, path, ".");
	if (!status && archive_write_close(disk) != ARCHIVE_OK)
		status = archive_failed(disk, path, ".");
	archive_write_free(disk);
	return status;
}

/* See to each file in a directory, whose position is at the end then. */
static int each_name(int from, const char *path, int (*func)(int from, int to, const char *name),
		     int to)
{
	int fd = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), status = STATUS_OK;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		status = fail(errno, "%s", path);
		if (fd >= 0)
			close(fd);
		return status;
	}
	while (!status && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..") &&
		    func(from, to, entry->d_name))
			status = fail(errno, "%s/%s", path, entry->d_name);
	closedir(dir);
	return status;
}

static int check_free(int from, int to, const char *name)
{
	(void)from;
	if (!faccessat(to, name, F_OK, AT_SYMLINK_NOFOLLOW)) {
		errno = EEXIST;
		return -1;
	}
	return errno == ENOENT ? 0 : -1;
}

static int move_file(int from, int to, const char *name)
{
	return renameat2(from, name, to, name, RENAME_NOREPLACE);
}

/* Have the working directory be as the archive has it. */
static int set_root(struct archive_entry *root, const char *path)
{
	struct archive *disk = new_disk();
	int status = STATUS_OK;

	if (!disk)
		return fail(ENOMEM, "%s", path);
	if (archive_write_header(disk, root) != ARCHIVE_OK ||
	    archive_write_finish_entry(disk) != ARCHIVE_OK ||
	    archive_write_close(disk) != ARCHIVE_OK)
		status = archive_failed(disk, path, ".");
	archive_write_free(disk);
	return status;
}

/* All is unpacked aside, in @partial, before the first of it is moved to its place. */
static int unpack_into(struct archive *archive, int dir, int partial, const char *path)
{
	struct archive_entry *root = NULL;
	int status;

	if (fchdir(partial))
		return fail(errno, "%s", path);
	status = unpack_files(archive, path, &root) ?:
		 each_name(partial, path, check_free, dir) ?:
		 each_name(partial, path, move_file, dir);
	if (!status && (fchdir(dir) || unlinkat(dir, PARTIAL, AT_REMOVEDIR)))
		status = fail(errno, "%s", path);
	status = status ?: set_root(root, path);
	archive_entry_free(root);
	return status;
}

/* Is locked, so that nobody takes what another is unpacking for something left behind. */
static int open_directory(const char *path, bool *is_new)
{
	int fd, err;

	*is_new = !mkdir(path, 0700);
	if (!*is_new && errno != EEXIST)
		return -1;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || !flock(fd, LOCK_EX | LOCK_NB))
		return fd;
	err = errno == EWOULDBLOCK ? EBUSY : errno;
	close(fd);
	errno = err;
	return -1;
}

/* Make the directory that is for what is not complete yet. Returns it, or -1 and errno. */
static int make_partial(int dir)
{
	if (remove_partial(dir) || mkdirat(dir, PARTIAL, 0700))
		return -1;
	return openat(dir, PARTIAL, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int unpack_to(int from, int dir, const char *path)
{
	struct archive *archive = archive_read_new();
	int partial = make_partial(dir), status;
	struct stat st;

	if (partial < 0 || fstat(from, &st)) {
		status = fail(errno, "%s", path);
	} else if (!archive || archive_read_support_format_tar(archive) ||
		   archive_read_open_fd(archive, from, BLOCK)) {
		status = fail(ENOMEM, "%s", path);
	} else {
		progress_begin(path, st.st_size);
		status = unpack_into(archive, dir, partial, path);
		progress_end();
		if (!status && syncfs(dir))
			status = fail(errno, "%s", path);
	}
	if (status)
		remove_partial(dir);
	archive_read_free(archive);
	if (partial >= 0)
		close(partial);
	return status;
}

/*
 * Unpack an archive into a directory, which is made if it is not there, and must not
 * have a file of the same name as one that comes. When it fails nothing is there of it.
 */
int archive_unpack(int from, const char *path)
{
	int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), dir, status;
	bool is_new;

	if (here < 0)
		return fail(errno, ".");
	dir = open_directory(path, &is_new);
	if (dir < 0) {
		status = fail(errno, "%s", path);
	} else {
		status = unpack_to(from, dir, path);
		close(dir);
	}
	/* libarchive works where we are. */
	if (fchdir(here) && !status)
		status = fail(errno, ".");
	if (status && is_new)
		rmdir(path);
	close(here);
	return status;
}
