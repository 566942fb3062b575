// SPDX-License-Identifier: GPL-2.0
/*
 * luo-hold - make files, hold them open, check what is in them
 *
 * The tests' hand inside the guest, for what a shell cannot do: memfds with seals, positions and holes,
 * contents that can be checked by value, thousands of files in one process. See usage() for what it is told.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <linux/memfd.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x0020
#endif
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#define MFD_EXEC 0x0010U
#endif

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define CHUNK (2 << 20)
#define MAX_RANGES 256

static const char usage_text[] =
	"usage: luo-hold make FILE... [-- COMMAND...]\n"
	"       luo-hold check FILE...\n"
	"       luo-hold preserve PATH COUNT FILE\n"
	"       luo-hold retrieve PATH COUNT FILE\n"
	"       luo-hold runs FILE...\n"
	"       luo-hold frames FILE\n"
	"       luo-hold poison FILE\n"
	"       luo-hold fill FILE\n"
	"       luo-hold filled FILE\n"
	"\n"
	"make      make the files; then become COMMAND, which inherits them, or print our pid and\n"
	"          their numbers and hold them until stdin ends\n"
	"check     compare files that are open here or can be opened with what FILE says of them, and\n"
	"          print what they are\n"
	"preserve  COUNT times, with % in PATH (SESSION/TOKEN) being 0, 1, 2...: make both directories,\n"
	"          make FILE and write it to PATH/fd. Adds the number to the seed.\n"
	"retrieve  the other end of it: get each file from PATH/fd and check it\n"
	"          With a COUNT of 1 both print what the file is.\n"
	"runs      print in how many runs of pages that follow each other in memory the files lie\n"
	"frames    print the number of each page frame that a FILE, or its part, lies in\n"
	"poison    have the kernel take the part of a FILE for memory that is broken, as a machine check would\n"
	"fill      write an open FILE page by page, by turns through write(2) and a mapping, and note in\n"
	"          its first eight bytes how far it is\n"
	"filled    check that a FILE was filled as far as it says, and print how far that is\n"
	"\n"
	"FILE is a type and KEY=VALUE pairs, all joined by commas. Types:\n"
	"  memfd                 memfd_create(2)\n"
	"  tmpfs, linked         a file on /dev/shm, unlinked at once or left there\n"
	"  tmpfile               one that has no name yet and can be given one, O_TMPFILE\n"
	"  dir, pipe, socket, path (opened with O_PATH), null\n"
	"  pidfd, proc           a pidfd or the /proc directory of pid=PID\n"
	"  open                  what path=PATH names; with fd=FD alone, FD as inherited\n"
	"Keys:\n"
	"  fd=FD                 the number that it gets (or has)\n"
	"  size=N                in bytes, or with K, M, G, T\n"
	"  seed=N                which content; without it: zeros\n"
	"  data=OFF:LEN+OFF:LEN  write only these ranges of pages, leave holes around them; or data=none\n"
	"  part=OFF:LEN+OFF:LEN  write or check only these ranges, whatever is around them\n"
	"  via=mmap              write or check through a mapping\n"
	"  via=splice, via=direct\n"
	"                        check through a pipe, or with O_DIRECT\n"
	"  via=collapse          the same as via=mmap, having asked for a huge page there before\n"
	"  via=scattered         write page by page, and allocate another between each two, given back at the end\n"
	"  via=shuffled          write page by page, no two neighbours in memory, and allocate another after each 64\n"
	"  via=uffd              write through userfaultfd(2), into holes; without a seed zeros\n"
	"  pos=N                 the file position\n"
	"  append=0, append=1    O_APPEND\n"
	"  acl=UID               a POSIX ACL that lets this user read\n"
	"  seals=S+S             seal shrink grow write future_write exec; check: none for none at all\n"
	"  flags=F+F             of memfd_create: cloexec sealing hugetlb noexec exec; default: sealing.\n"
	"                        64K, 2M, 32M and 1G are huge pages of that size, which are written via=mmap\n"
	"  name=NAME             of a memfd or a file on tmpfs\n"
	"  pid=PID, path=PATH\n";

struct word {
	const char *name;
	unsigned int value;
};

static const struct word seals[] = {
	{ "none", 0 },
	{ "seal", F_SEAL_SEAL },
	{ "shrink", F_SEAL_SHRINK },
	{ "grow", F_SEAL_GROW },
	{ "write", F_SEAL_WRITE },
	{ "future_write", F_SEAL_FUTURE_WRITE },
	{ "exec", F_SEAL_EXEC },
	{}
};

static const struct word memfd_flags[] = {
	{ "none", 0 },
	{ "cloexec", MFD_CLOEXEC },
	{ "sealing", MFD_ALLOW_SEALING },
	{ "hugetlb", MFD_HUGETLB },
	{ "64K", MFD_HUGETLB | MFD_HUGE_64KB },
	{ "2M", MFD_HUGETLB | MFD_HUGE_2MB },
	{ "32M", MFD_HUGETLB | MFD_HUGE_32MB },
	{ "1G", MFD_HUGETLB | MFD_HUGE_1GB },
	{ "noexec", MFD_NOEXEC_SEAL },
	{ "exec", MFD_EXEC },
	{}
};

enum via {
	VIA_WRITE,
	VIA_MMAP,
	VIA_SPLICE,
	VIA_DIRECT,
	VIA_COLLAPSE,
	VIA_SCATTERED,
	VIA_SHUFFLED,
	VIA_UFFD,
};

static const struct word vias[] = {
	{ "write", VIA_WRITE },
	{ "mmap", VIA_MMAP },
	{ "splice", VIA_SPLICE },
	{ "direct", VIA_DIRECT },
	{ "collapse", VIA_COLLAPSE },
	{ "scattered", VIA_SCATTERED },
	{ "shuffled", VIA_SHUFFLED },
	{ "uffd", VIA_UFFD },
	{}
};

struct range {
	uint64_t start;
	uint64_t end;
};

/* What a FILE argument says. Numbers that it does not mention are -1. */
struct file {
	char *type;
	char *name;
	char *path;
	int fd;
	long pid;
	int64_t size;
	int64_t seed;
	int64_t pos;
	int64_t seals;
	int64_t flags;
	int64_t append;
	int64_t acl;
	int maps_data;
	int is_partial;
	enum via via;
	int nr_data;
	struct range data[MAX_RANGES];
};

static uint64_t parse_number(const char *text)
{
	static const char units[] = "KMGT";
	const char *unit;
	uint64_t value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 0);
	unit = *end ? strchr(units, *end) : NULL;
	if (unit) {
		value <<= 10 * (unit - units + 1);
		end++;
	}
	if (errno || end == text || *end)
		errx(2, "not a number: %s", text);
	return value;
}

static unsigned int parse_words(const struct word *words, char *text)
{
	unsigned int value = 0;
	const struct word *word;
	char *name;

	while ((name = strsep(&text, "+"))) {
		for (word = words; word->name && strcmp(word->name, name); word++)
			;
		if (!word->name)
			errx(2, "not known: %s", name);
		value |= word->value;
	}
	return value;
}

static void parse_data(struct file *file, char *text)
{
	struct range *range;
	char *item, *len;

	while ((item = strsep(&text, "+"))) {
		if (file->nr_data == MAX_RANGES)
			errx(2, "more than %d ranges", MAX_RANGES);
		len = strchr(item, ':');
		if (!len)
			errx(2, "not OFFSET:LENGTH: %s", item);
		*len++ = '\0';
		range = &file->data[file->nr_data++];
		range->start = parse_number(item);
		range->end = range->start + parse_number(len);
	}
}

static void parse_file(struct file *file, const char *arg)
{
	char *text = strdup(arg), *key, *value;

	*file = (struct file){ .fd = -1, .pid = -1, .size = -1, .seed = -1, .pos = -1, .seals = -1, .flags = -1,
			       .append = -1, .acl = -1 };
	file->type = strsep(&text, ",");
	file->name = "luo-hold";
	while ((key = strsep(&text, ","))) {
		value = strchr(key, '=');
		if (!value)
			errx(2, "not KEY=VALUE: %s", key);
		*value++ = '\0';
		if (!strcmp(key, "name"))
			file->name = value;
		else if (!strcmp(key, "path"))
			file->path = value;
		else if (!strcmp(key, "fd"))
			file->fd = parse_number(value);
		else if (!strcmp(key, "pid"))
			file->pid = parse_number(value);
		else if (!strcmp(key, "size"))
			file->size = parse_number(value);
		else if (!strcmp(key, "seed"))
			file->seed = parse_number(value);
		else if (!strcmp(key, "pos"))
			file->pos = parse_number(value);
		else if (!strcmp(key, "append"))
			file->append = parse_number(value);
		else if (!strcmp(key, "acl"))
			file->acl = parse_number(value);
		else if (!strcmp(key, "seals"))
			file->seals = parse_words(seals, value);
		else if (!strcmp(key, "flags"))
			file->flags = parse_words(memfd_flags, value);
		else if (!strcmp(key, "data"))
			file->maps_data = 1;
		else if (!strcmp(key, "part"))
			file->is_partial = 1;
		else if (!strcmp(key, "via"))
			file->via = parse_words(vias, value);
		else
			errx(2, "not known: %s", key);
		if ((!strcmp(key, "data") || !strcmp(key, "part")) && strcmp(value, "none"))
			parse_data(file, value);
	}
}

/*
 * The content: 64-bit words in arithmetic progression, which an emulated machine computes as fast as it reads them.
 * Both constants are odd and random: no word is where it could be taken for one of another place or another seed.
 */
#define PATTERN_STEP 0x9e3779b97f4a7c15u

static uint64_t pattern(int64_t seed, uint64_t index)
{
	return seed < 0 ? 0 : seed * 0xbf58476d1ce4e5b9u + (index + 1) * PATTERN_STEP;
}

static unsigned char pattern_byte(int64_t seed, uint64_t offset)
{
	uint64_t word = pattern(seed, offset / 8);

	return ((unsigned char *)&word)[offset % 8];
}

/* @buf gets what lies from @offset on. */
static void fill(char *buf, uint64_t offset, size_t len, int64_t seed)
{
	uint64_t step = seed < 0 ? 0 : PATTERN_STEP, word;
	size_t i = 0;

	for (; i < len && (offset + i) % 8; i++)
		buf[i] = pattern_byte(seed, offset + i);
	word = pattern(seed, (offset + i) / 8);
	for (; len - i >= 8; i += 8, word += step)
		memcpy(buf + i, &word, 8);
	for (; i < len; i++)
		buf[i] = pattern_byte(seed, offset + i);
}

/* Compare @buf with what lies from @offset on. Returns the number of bytes before the first that is different. */
static size_t compare(const char *buf, uint64_t offset, size_t len, int64_t seed)
{
	uint64_t step = seed < 0 ? 0 : PATTERN_STEP, word, have;
	size_t i = 0;

	for (; i < len && (offset + i) % 8; i++)
		if ((unsigned char)buf[i] != pattern_byte(seed, offset + i))
			return i;
	word = pattern(seed, (offset + i) / 8);
	for (; len - i >= 8; i += 8, word += step) {
		memcpy(&have, buf + i, 8);
		if (have != word)
			break;
	}
	for (; i < len; i++)
		if ((unsigned char)buf[i] != pattern_byte(seed, offset + i))
			return i;
	return len;
}

static size_t chunk(uint64_t offset, uint64_t end)
{
	/* Up to a multiple of CHUNK, so that a mapping of it begins in its first page. */
	size_t len = CHUNK - offset % CHUNK;

	return end - offset < len ? end - offset : len;
}

/* Ask for a huge page where @offset is; it need not be given. */
static void collapse(int fd, uint64_t offset)
{
	const size_t size = 2 << 20;
	char *area, *map;

	area = mmap(NULL, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (area == MAP_FAILED)
		err(1, "mmap");
	map = (char *)(((uintptr_t)area + size - 1) & -size);
	if (mmap(map, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, offset & -size) == MAP_FAILED)
		err(1, "mmap at %" PRIu64, offset);
	madvise(map, size, MADV_COLLAPSE);
	munmap(area, 2 * size);
}

/* What a file can be mapped in multiples of, as set by map() */
static uint64_t map_unit;

static void set_map_unit(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs))
		err(1, "statfs");
	map_unit = fs.f_type == HUGETLBFS_MAGIC ? fs.f_bsize : 4096;
}

/* What lies from @offset on, mapped; unmap() it before the next is mapped. */
static char *map(int fd, size_t len, uint64_t offset, int prot, enum via via)
{
	uint64_t in_page;
	char *start;

	if (via == VIA_COLLAPSE)
		collapse(fd, offset);
	set_map_unit(fd);
	in_page = offset % map_unit;
	/* A reservation would be of pages that are not to be had, perhaps. */
	start = mmap(NULL, len + in_page, prot, MAP_SHARED | MAP_NORESERVE, fd, offset - in_page);
	if (start == MAP_FAILED)
		err(1, "mmap at %" PRIu64, offset);
	return start + in_page;
}

static void unmap(char *start, size_t len)
{
	uint64_t in_page = (uintptr_t)start % map_unit;

	munmap(start - in_page, (len + in_page + map_unit - 1) / map_unit * map_unit);
}

static int is_mapped(enum via via)
{
	return via == VIA_MMAP || via == VIA_COLLAPSE;
}

/* Through a pipe, which holds 64 KiB */
static ssize_t get_spliced(int fd, char *buf, size_t len, uint64_t offset)
{
	loff_t at = offset;
	ssize_t nr, got = 0;
	int fds[2];

	if (pipe(fds))
		err(1, "pipe");
	while ((size_t)got < len) {
		nr = splice(fd, &at, fds[1], NULL, len - got < 65536 ? len - got : 65536, 0);
		if (nr < 0)
			err(1, "splice at %" PRIu64, offset + got);
		if (nr == 0 || read(fds[0], buf + got, nr) != nr)
			break;
		got += nr;
	}
	close(fds[0]);
	close(fds[1]);
	return got;
}

static ssize_t get_direct(int fd, char *buf, size_t len, uint64_t offset)
{
	char path[64];
	ssize_t got;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	fd = open(path, O_RDONLY | O_DIRECT);
	if (fd < 0)
		err(1, "O_DIRECT");
	got = pread(fd, buf, len, offset);
	close(fd);
	return got;
}

static ssize_t get(int fd, char *buf, size_t len, uint64_t offset, enum via via)
{
	switch (via) {
	case VIA_SPLICE:
		return get_spliced(fd, buf, len, offset);
	case VIA_DIRECT:
		return get_direct(fd, buf, len, offset);
	default:
		return pread(fd, buf, len, offset);
	}
}

/* What keeps the pages of scattered files apart while they are written */
static int spacer = -1;

static void put_spacer(uint64_t offset)
{
	if (spacer < 0)
		spacer = memfd_create("spacer", 0);
	if (pwrite(spacer, "", 1, offset) != 1)
		err(1, "write between pages");
}

static void close_spacer(void)
{
	if (spacer >= 0)
		close(spacer);
	spacer = -1;
}

static void write_part(int fd, size_t len, uint64_t offset, int64_t seed, enum via via)
{
	static char buf[CHUNK];
	char *mapped;

	if (is_mapped(via)) {
		mapped = map(fd, len, offset, PROT_READ | PROT_WRITE, via);
		fill(mapped, offset, len, seed);
		unmap(mapped, len);
	} else {
		fill(buf, offset, len, seed);
		if (pwrite(fd, buf, len, offset) != (ssize_t)len)
			err(1, "write at %" PRIu64, offset);
	}
}

/* As whoever migrates a process does it: the page is made by one that is not faulting. */
static void write_uffd(int fd, struct range range, int64_t seed)
{
	size_t len = range.end - range.start;
	char *mapped = map(fd, len, range.start, PROT_READ | PROT_WRITE, VIA_MMAP);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { (uintptr_t)mapped, len },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	struct uffdio_zeropage zero = { .range = reg.range };
	struct uffdio_copy copy = { .dst = (uintptr_t)mapped, .len = len };
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	char *from;

	if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &reg))
		err(1, "userfaultfd");
	if (seed < 0) {
		if (ioctl(uffd, UFFDIO_ZEROPAGE, &zero))
			err(1, "zero page at %" PRIu64, range.start);
	} else {
		from = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (from == MAP_FAILED)
			err(1, "map");
		fill(from, range.start, len, seed);
		copy.src = (uintptr_t)from;
		if (ioctl(uffd, UFFDIO_COPY, &copy))
			err(1, "copy to %" PRIu64, range.start);
		munmap(from, len);
	}
	close(uffd);
	unmap(mapped, len);
}

/* Pages are allocated one after the other, most of them: neighbours in memory get places in the file far apart. */
static void write_shuffled(int fd, struct range range, int64_t seed)
{
	uint64_t count = (range.end - range.start) / 4096, page = 0, i;
	/* A prime: this comes by each page once, unless @count is a multiple. */
	const uint64_t step = 10007;

	if (range.start % 4096 || range.end % 4096 || !(count % step))
		errx(2, "cannot be shuffled: %" PRIu64 " to %" PRIu64, range.start, range.end);
	for (i = 0; i < count; i++, page = (page + step) % count) {
		write_part(fd, 4096, range.start + page * 4096, seed, VIA_WRITE);
		if (i % 64 == 63)
			put_spacer(i * 4096);
	}
}

static void write_range(int fd, struct range range, int64_t seed, enum via via)
{
	uint64_t offset;
	size_t len;

	if (via == VIA_SHUFFLED) {
		write_shuffled(fd, range, seed);
		return;
	}
	if (via == VIA_UFFD) {
		write_uffd(fd, range, seed);
		return;
	}
	for (offset = range.start; offset < range.end; offset += len) {
		len = chunk(offset, range.end);
		if (via == VIA_SCATTERED) {
			if (len > 4096 - offset % 4096)
				len = 4096 - offset % 4096;
			put_spacer(offset);
		}
		write_part(fd, len, offset, seed, via);
	}
}

/* Compare, and say where the first difference is. */
static int check_range(int fd, struct range range, int64_t seed, enum via via)
{
	/* O_DIRECT wants it aligned */
	static char buf[CHUNK] __attribute__((aligned(4096)));
	uint64_t offset;
	size_t len, same;
	ssize_t got;
	char *have;

	for (offset = range.start; offset < range.end; offset += len) {
		len = chunk(offset, range.end);
		have = buf;
		got = len;
		if (is_mapped(via))
			have = map(fd, len, offset, PROT_READ, via);
		else
			got = get(fd, buf, len, offset, via);
		if (got < 0)
			err(1, "read at %" PRIu64, offset);
		if ((size_t)got != len) {
			warnx("ends at %" PRIu64 ", expected to reach %" PRIu64, offset + got, range.end);
			return -1;
		}
		same = compare(have, offset, len, seed);
		if (same != len) {
			warnx("byte %" PRIu64 " is 0x%02x, expected 0x%02x", offset + same, (unsigned char)have[same],
			      pattern_byte(seed, offset + same));
			return -1;
		}
		if (is_mapped(via))
			unmap(have, len);
	}
	return 0;
}

/* Where the file has data: the ranges between its holes. */
static int find_data(int fd, struct range *ranges)
{
	off_t start, end = 0;
	int nr = 0;

	while ((start = lseek(fd, end, SEEK_DATA)) >= 0) {
		end = lseek(fd, start, SEEK_HOLE);
		if (nr == MAX_RANGES)
			errx(1, "data in more than %d ranges", MAX_RANGES);
		ranges[nr++] = (struct range){ start, end };
	}
	return nr;
}

static int move_fd(int fd, int to)
{
	if (fd < 0)
		err(1, "make");
	if (to < 0 || to == fd)
		return fd;
	if (dup3(fd, to, fcntl(fd, F_GETFD) & FD_CLOEXEC ? O_CLOEXEC : 0) < 0)
		err(1, "dup to %d", to);
	close(fd);
	return to;
}

static int open_file(const struct file *file)
{
	char path[128];
	int fds[2];

	if (!strcmp(file->type, "memfd"))
		return memfd_create(file->name, file->flags < 0 ? MFD_ALLOW_SEALING : file->flags);
	if (!strcmp(file->type, "tmpfs") || !strcmp(file->type, "linked")) {
		snprintf(path, sizeof(path), "/dev/shm/%s", file->name);
		fds[0] = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
		if (fds[0] >= 0 && file->type[0] == 't')
			unlink(path);
		return fds[0];
	}
	if (!strcmp(file->type, "tmpfile"))
		return open("/dev/shm", O_RDWR | O_TMPFILE, 0600);
	if (!strcmp(file->type, "dir"))
		return open("/tmp", O_RDONLY | O_DIRECTORY);
	if (!strcmp(file->type, "path"))
		return open(file->path ?: "/dev/null", O_PATH);
	if (!strcmp(file->type, "null"))
		return open("/dev/null", O_RDWR);
	if (!strcmp(file->type, "pipe")) {
		/* Its other end stays open with it, whatever number that has. */
		return pipe(fds) ? -1 : fds[1];
	}
	if (!strcmp(file->type, "socket"))
		return socket(AF_UNIX, SOCK_STREAM, 0);
	if (!strcmp(file->type, "pidfd"))
		return dup(syscall(SYS_pidfd_open, file->pid, 0)); /* without close-on-exec */
	if (!strcmp(file->type, "proc")) {
		snprintf(path, sizeof(path), "/proc/%ld", file->pid);
		return open(path, O_RDONLY | O_DIRECTORY);
	}
	if (!strcmp(file->type, "open"))
		return file->path ? open(file->path, O_RDONLY) : file->fd;
	errx(2, "not a type: %s", file->type);
}

/* The owner and @uid read and write, nobody else anything. */
static void set_acl(int fd, uint32_t uid)
{
	const struct {
		uint32_t version;
		struct {
			uint16_t tag;
			uint16_t perm;
			uint32_t id;
		} entry[5];
	} acl = {
		2, { { 0x01, 6, -1 }, { 0x02, 4, uid }, { 0x04, 0, -1 }, { 0x10, 4, -1 }, { 0x20, 0, -1 } }
	};

	if (fsetxattr(fd, "system.posix_acl_access", &acl, sizeof(acl), 0))
		err(1, "acl");
}

static int make_file(const struct file *file, int64_t seed)
{
	int fd = move_fd(open_file(file), file->fd);
	int i;

	if (file->size >= 0 && ftruncate(fd, file->size))
		err(1, "truncate");
	for (i = 0; i < file->nr_data; i++)
		write_range(fd, file->data[i], seed, file->via);
	if (!file->maps_data && !file->is_partial && file->size > 0 && seed >= 0)
		write_range(fd, (struct range){ 0, file->size }, seed, file->via);
	close_spacer();
	if (file->pos >= 0 && lseek(fd, file->pos, SEEK_SET) < 0)
		err(1, "seek");
	if (file->seals >= 0 && fcntl(fd, F_ADD_SEALS, (int)file->seals))
		err(1, "seal");
	if (file->acl >= 0)
		set_acl(fd, file->acl);
	if (file->append >= 0 && fcntl(fd, F_SETFL, file->append ? O_APPEND : 0))
		err(1, "append");
	return fd;
}

static int differs(const char *what, int64_t have, int64_t want)
{
	if (want < 0 || have == want)
		return 0;
	warnx("%s is %" PRId64 ", expected %" PRId64, what, have, want);
	return -1;
}

/* What an open file is. */
struct info {
	struct stat st;
	off_t pos;
	int seals;
	int append;
	int nr_data;
	struct range data[MAX_RANGES];
};

static void get_info(int fd, struct info *info)
{
	if (fstat(fd, &info->st))
		err(1, "fd %d", fd);
	/* Looking for data moves the position of a file that others have open too: it is put back. */
	info->pos = lseek(fd, 0, SEEK_CUR);
	info->seals = fcntl(fd, F_GET_SEALS);
	info->append = !!(fcntl(fd, F_GETFL) & O_APPEND);
	info->nr_data = find_data(fd, info->data);
	lseek(fd, info->pos, SEEK_SET);
}

static void print_file(int fd)
{
	static struct info info;
	const struct word *word;
	int i;

	get_info(fd, &info);
	printf("fd=%d size=%" PRId64 " pos=%" PRId64 " blocks=%" PRId64 " seals=", fd, (int64_t)info.st.st_size,
	       (int64_t)info.pos, (int64_t)info.st.st_blocks);
	for (word = seals, i = 0; word->name; word++)
		if (info.seals > 0 ? word->value & info.seals : !info.seals && !word->value)
			printf("%s%s", i++ ? "+" : "", word->name);
	printf(" data=%s", info.nr_data ? "" : "none");
	for (i = 0; i < info.nr_data; i++)
		printf("%s%" PRIu64 ":%" PRIu64, i ? "+" : "", info.data[i].start,
		       info.data[i].end - info.data[i].start);
	printf(" mode=%o\n", info.st.st_mode & 0777);
}

/* Compare what @fd is with what @file says. */
static int check_file(const struct file *file, int fd, int64_t seed)
{
	static struct info info;
	int ret = 0, i;

	get_info(fd, &info);
	ret |= differs("size", info.st.st_size, file->size);
	ret |= differs("position", info.pos, file->pos);
	ret |= differs("set of seals", info.seals, file->seals);
	ret |= differs("O_APPEND", info.append, file->append);
	if (!file->maps_data && !file->is_partial)
		return ret | check_range(fd, (struct range){ 0, info.st.st_size }, seed, file->via);

	if (file->maps_data)
		ret |= differs("number of data ranges", info.nr_data, file->nr_data);
	for (i = 0; i < file->nr_data; i++) {
		if (file->maps_data && info.nr_data == file->nr_data) {
			ret |= differs("start of data", info.data[i].start, file->data[i].start);
			ret |= differs("end of data", info.data[i].end, file->data[i].end);
		}
		ret |= check_range(fd, file->data[i], seed, file->via);
	}
	return ret;
}

static int cmd_make(char **args)
{
	struct file file;
	int fds[256], nr = 0, i;
	char byte;

	for (; *args && strcmp(*args, "--"); args++) {
		if (nr == ARRAY_SIZE(fds))
			errx(2, "more than %zu files", ARRAY_SIZE(fds));
		parse_file(&file, *args);
		fds[nr++] = make_file(&file, file.seed);
	}
	if (*args && args[1]) {
		execvp(args[1], args + 1);
		err(127, "%s", args[1]);
	}
	printf("%d", getpid());
	for (i = 0; i < nr; i++)
		printf(" %d", fds[i]);
	printf("\n");
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
	return 0;
}

static int cmd_check(char **args)
{
	struct file file;
	int fd, ret = 0;

	for (; *args; args++) {
		parse_file(&file, *args);
		fd = open_file(&file);
		if (fd < 0)
			err(1, "%s", *args);
		print_file(fd);
		ret |= check_file(&file, fd, file.seed);
	}
	return ret ? 1 : 0;
}

/* @path with % being @nr. */
static void number_path(char *buf, size_t size, const char *path, unsigned int nr)
{
	const char *mark = strchr(path, '%');

	if (mark)
		snprintf(buf, size, "%.*s%u%s", (int)(mark - path), path, nr, mark + 1);
	else
		snprintf(buf, size, "%s", path);
}

static void write_fd(const char *path, int fd)
{
	char name[4096], text[32];
	int attr, len;

	snprintf(name, sizeof(name), "%s/fd", path);
	len = snprintf(text, sizeof(text), "self:%d\n", fd);
	attr = open(name, O_WRONLY);
	if (attr < 0 || write(attr, text, len) != len)
		err(1, "%s", name);
	close(attr);
}

static int cmd_preserve(char **args)
{
	const char *pattern_path = args[0];
	unsigned int count = parse_number(args[1]), i;
	char path[2048], *slash;
	struct file file;
	int fd;

	parse_file(&file, args[2]);
	for (i = 0; i < count; i++) {
		number_path(path, sizeof(path), pattern_path, i);
		slash = strrchr(path, '/');
		if (!slash)
			errx(2, "not SESSION/TOKEN: %s", path);
		*slash = '\0';
		if (mkdir(path, 0755) && errno != EEXIST)
			err(1, "%s", path);
		*slash = '/';
		if (mkdir(path, 0755))
			err(1, "%s", path);
		fd = make_file(&file, file.seed < 0 ? -1 : file.seed + i);
		write_fd(path, fd);
		if (count == 1)
			print_file(fd);
		close(fd);
	}
	return 0;
}

static int cmd_retrieve(char **args)
{
	unsigned int count = parse_number(args[1]), i;
	struct file file;
	char path[2048];
	int fd, ret = 0;

	parse_file(&file, args[2]);
	fd = file.fd < 0 ? 100 : file.fd;
	for (i = 0; i < count; i++) {
		number_path(path, sizeof(path), args[0], i);
		write_fd(path, fd);
		if (count == 1)
			print_file(fd);
		if (check_file(&file, fd, file.seed < 0 ? -1 : file.seed + i)) {
			warnx("%s: not what was preserved", path);
			ret = 1;
		}
		close(fd);
	}
	return ret;
}

/* Call @func for the frame of each page in @range. */
static void for_each_frame(int fd, struct range range, void (*func)(uint64_t frame))
{
	static uint64_t entries[CHUNK / 4096];
	const uint64_t frame_bits = (1ULL << 55) - 1;
	static int pagemap = -1;
	uint64_t offset, i;
	ssize_t bytes;
	char *mapped;
	size_t len;

	if (pagemap < 0)
		pagemap = open("/proc/self/pagemap", O_RDONLY);
	for (offset = range.start & -4096; offset < range.end; offset += len) {
		len = chunk(offset, range.end);
		mapped = map(fd, len, offset, PROT_READ, VIA_MMAP);
		if (madvise(mapped, len, MADV_POPULATE_READ))
			err(1, "populate at %" PRIu64, offset);
		bytes = (len + 4095) / 4096 * 8;
		if (pread(pagemap, entries, bytes, (uintptr_t)mapped / 4096 * 8) != bytes)
			err(1, "pagemap");
		unmap(mapped, len);
		for (i = 0; i * 4096 < len; i++) {
			if (!(entries[i] & frame_bits))
				errx(1, "no page at %" PRIu64, offset + i * 4096);
			func(entries[i] & frame_bits);
		}
	}
}

static void for_each_frame_of(const char *arg, void (*func)(uint64_t frame))
{
	struct file file;
	struct stat st;
	int fd, i;

	parse_file(&file, arg);
	fd = open_file(&file);
	if (fd < 0 || fstat(fd, &st))
		err(1, "%s", arg);
	for (i = 0; i < file.nr_data; i++)
		for_each_frame(fd, file.data[i], func);
	if (!file.maps_data && !file.is_partial)
		for_each_frame(fd, (struct range){ 0, st.st_size }, func);
}

static uint64_t nr_runs;

static void count_run(uint64_t frame)
{
	static uint64_t next;

	nr_runs += frame != next;
	next = frame + 1;
}

static int cmd_runs(char **args)
{
	for (; *args; args++)
		for_each_frame_of(*args, count_run);
	printf("%" PRIu64 "\n", nr_runs);
	return 0;
}

static void print_frame(uint64_t frame)
{
	printf("%" PRIu64 "\n", frame);
}

static int cmd_frames(char **args)
{
	for_each_frame_of(args[0], print_frame);
	return 0;
}

static void on_sigbus(int signal)
{
	(void)signal;
}

/* The kernel tells who has a page mapped that it takes for broken: us. */
static int cmd_poison(char **args)
{
	struct file file;
	uint64_t offset;
	char *mapped;
	int fd, i;

	signal(SIGBUS, on_sigbus);
	parse_file(&file, args[0]);
	fd = open_file(&file);
	for (i = 0; i < file.nr_data; i++) {
		for (offset = file.data[i].start & -4096; offset < file.data[i].end; offset += 4096) {
			mapped = map(fd, 4096, offset, PROT_READ, VIA_MMAP);
			/* The page is poisoned also when it could not be taken away, or split off, as somebody holds it. */
			if (madvise(mapped, 4096, MADV_HWPOISON) && errno != EBUSY && errno != EHWPOISON)
				err(1, "poison at %" PRIu64, offset);
			unmap(mapped, 4096);
		}
	}
	return 0;
}

static int cmd_fill(char **args)
{
	uint64_t offset, *mark;
	struct file file;
	int fd;

	parse_file(&file, args[0]);
	fd = open_file(&file);
	mark = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (mark == MAP_FAILED)
		err(1, "mmap");
	*mark = 4096;
	for (offset = 4096; offset < (uint64_t)file.size; offset += 4096) {
		write_range(fd, (struct range){ offset, offset + 4096 }, file.seed,
			    offset & 4096 ? VIA_MMAP : VIA_WRITE);
		__atomic_store_n(mark, offset + 4096, __ATOMIC_RELEASE);
	}
	return 0;
}

static int cmd_filled(char **args)
{
	struct file file;
	uint64_t mark;
	int fd;

	parse_file(&file, args[0]);
	fd = open_file(&file);
	if (pread(fd, &mark, sizeof(mark), 0) != sizeof(mark))
		err(1, "read");
	printf("%" PRIu64 "\n", mark);
	return check_range(fd, (struct range){ 4096, mark }, file.seed, VIA_WRITE) ? 1 : 0;
}

static const struct {
	const char *name;
	int min_args;
	int max_args;
	int (*func)(char **args);
} commands[] = {
	{ "make", 0, 1 << 20, cmd_make },
	{ "check", 1, 1 << 20, cmd_check },
	{ "preserve", 3, 3, cmd_preserve },
	{ "retrieve", 3, 3, cmd_retrieve },
	{ "runs", 1, 1 << 20, cmd_runs },
	{ "frames", 1, 1, cmd_frames },
	{ "poison", 1, 1, cmd_poison },
	{ "fill", 1, 1, cmd_fill },
	{ "filled", 1, 1, cmd_filled },
};

int main(int argc, char **argv)
{
	size_t i;

	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "help"))) {
		fputs(usage_text, stdout);
		return 0;
	}
	for (i = 0; argc > 1 && i < ARRAY_SIZE(commands); i++)
		if (!strcmp(argv[1], commands[i].name) && argc - 2 >= commands[i].min_args &&
		    argc - 2 <= commands[i].max_args)
			return commands[i].func(argv + 2);
	fputs(usage_text, stderr);
	return 2;
}
