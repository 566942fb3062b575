// SPDX-License-Identifier: GPL-2.0
/*
 * luo-bench - what a live update costs, counted in the guest's instructions
 *
 * The init of a guest in which nothing else runs, of both kernels of a live update. The kernel's command line says
 * what to do: bench=CASE:N:FRONT, where FRONT is device or configfs. Under QEMU's -icount shift=0 an instruction
 * takes a nanosecond, and the time stamp counter, which a kexec leaves alone, counts them. It prints lines of
 * "bench PHASE VALUE".
 *
 * What the ioctl ABI consists of is written down here again: it is what both kernels have, ours and the base's.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <linux/kexec.h>
#include <linux/memfd.h>
#include <linux/reboot.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#define PAGE 4096UL
#define MIB (1UL << 20)
#define DIR "/sys/kernel/config/liveupdate"

struct session_arg {
	uint32_t size;
	int32_t fd;
	char name[64];
};

struct file_arg {
	uint32_t size;
	int32_t fd;
	uint64_t token;
};

struct finish_arg {
	uint32_t size;
	uint32_t reserved;
};

#define CREATE_SESSION		_IO(0xba, 0x00)
#define RETRIEVE_SESSION	_IO(0xba, 0x01)
#define PRESERVE_FD		_IO(0xba, 0x40)
#define RETRIEVE_FD		_IO(0xba, 0x41)
#define FINISH			_IO(0xba, 0x42)

static char cmdline[1024];
static unsigned long n;
static int configfs;
static int device = -1;
static int *sessions, *files;

/* PID 1 has nobody to tell: the kernel panics, and the guest ends. */
static void __attribute__((format(printf, 1, 2), noreturn)) fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("bench failed ");
	vprintf(format, args);
	printf(": %m\n");
	exit(1);
}

static void check(long ret, const char *what)
{
	if (ret < 0)
		fail("%s", what);
}

static void say(const char *phase, uint64_t value)
{
	printf("bench %s %" PRIu64 "\n", phase, value);
}

static uint64_t now(void)
{
	return __rdtsc();
}

/*
 * Device probing and the like would be counted along; and the worker that makes and removes sessions' directories
 * begins with a tick, so that what of it is counted depends on when the last one was. This ends with one.
 */
static void settle(void)
{
	nanosleep(&(struct timespec){ .tv_sec = 2 }, NULL);
}

/* Free memory, with what the processor keeps for itself, and without such as can only be had for a while */
static uint64_t free_memory(int without_cma)
{
	uint64_t pages = 0, value;
	char line[256];
	FILE *file;

	file = fopen("/proc/zoneinfo", "r");
	if (!file)
		fail("/proc/zoneinfo");
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, " nr_free_pages %" SCNu64, &value) == 1 ||
		    sscanf(line, " count: %" SCNu64, &value) == 1)
			pages += value;
		if (without_cma && sscanf(line, " nr_free_cma %" SCNu64, &value) == 1)
			pages -= value;
	}
	fclose(file);
	return pages * PAGE;
}

/* What the files hold: which they have pages of, and what is in these. */

struct layout {
	const char *name;
	unsigned long nr_sessions;
	unsigned long nr_files;	/* of a session */
	unsigned long nr_pages;	/* of a file */
	unsigned long stride;	/* from one to the next that is written */
	int is_scattered;	/* in memory */
	int is_large;		/* all pages are allocated, of those written only a word */
	unsigned int shift;	/* of the size of huge pages, which a word is written of each 2 MiB of */
	unsigned long nr_entries;	/* of a tmpfs: files of a page each */
};

static struct layout layout;

static void choose_layout(const char *name)
{
	const struct layout layouts[] = {
		{ "empty", 0, 0, 0, 1, 0, 0, 0, 0 },
		{ "memfd", 1, 1, n * MIB / PAGE, 1, 0, 0, 0, 0 },
		{ "sparse", 1, 1, n * MIB / PAGE, n * MIB / PAGE / 16, 0, 0, 0, 0 },
		{ "scattered", 1, 1, n * MIB / PAGE, 1, 1, 0, 0, 0 },
		{ "huge", 1, 1, n * MIB / PAGE, 512, 0, 0, 21, 0 },
		{ "files", 1, n, 1, 1, 0, 0, 0, 0 },
		{ "sessions", n, 1, 1, 1, 0, 0, 0, 0 },
		{ "tmpfs", 1, 1, 1, 2, 0, 0, 0, n },
		{ "ram", !!n, 1, 0, 512, 0, 1, 0, 0 },	/* n percent of what is free */
	};
	size_t i;

	for (i = 0; i < sizeof(layouts) / sizeof(*layouts); i++)
		if (!strcmp(layouts[i].name, name))
			layout = layouts[i];
	if (!layout.name)
		fail("no case %s", name);
}

static uint64_t word(unsigned long file, unsigned long page, unsigned long index)
{
	return (file << 40) + (page << 9) + index + 1;
}

/* How much of a page */
static ssize_t part(void)
{
	return layout.is_large || layout.shift ? 8 : PAGE;
}

static void put(const char *text, const char *format, ...)
{
	char path[256];
	va_list args;
	int fd;

	va_start(args, format);
	vsnprintf(path, sizeof(path), format, args);
	va_end(args);
	fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fail("%s", path);
	close(fd);
}

/* Have huge pages. They cannot be written but through a mapping. */
static void write_huge_file(int fd, unsigned long file)
{
	size_t size = layout.nr_pages * PAGE;
	unsigned long page;
	char *map, text[32];

	snprintf(text, sizeof(text), "%zu", size >> layout.shift);
	put(text, "/sys/kernel/mm/hugepages/hugepages-%ukB/nr_hugepages", 1U << (layout.shift - 10));
	check(ftruncate(fd, size), "ftruncate");
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		fail("mmap");
	for (page = 0; page < layout.nr_pages; page += layout.stride)
		*(uint64_t *)(map + page * PAGE) = word(file, page, 0);
	munmap(map, size);
}

static void write_file(int fd, unsigned long file)
{
	static uint64_t buf[PAGE / 8];
	ssize_t len = part();
	unsigned long page;
	int spacer = -1, i;

	if (layout.is_scattered)
		spacer = memfd_create("spacer", 0);
	check(ftruncate(fd, layout.nr_pages * PAGE), "ftruncate");
	if (layout.is_large)
		check(fallocate(fd, 0, 0, layout.nr_pages * PAGE), "fallocate");
	for (page = 0; page < layout.nr_pages; page += layout.stride) {
		for (i = 0; i < len / 8; i++)
			buf[i] = word(file, page, i);
		if (pwrite(fd, buf, len, page * PAGE) != len ||
		    (spacer >= 0 && pwrite(spacer, buf, 1, page * PAGE) != 1))
			fail("write");
	}
	if (spacer >= 0)
		close(spacer);
}

/* Read a file, in a loop that does nothing else, and say whether it is what was written. */
static uint64_t read_file(int fd)
{
	static char buf[MIB];
	uint64_t start = now();
	ssize_t len;

	if (layout.stride > 1)
		return 0;
	while ((len = read(fd, buf, sizeof(buf))) > 0)
		;
	check(len, "read");
	return now() - start;
}

static void check_file(int fd, unsigned long file)
{
	static uint64_t buf[PAGE / 8];
	ssize_t len = part();
	unsigned long page;
	struct stat st;
	int i;

	if (layout.is_large) {
		check(fstat(fd, &st), "fstat");
		layout.nr_pages = st.st_size / PAGE;
	}
	for (page = 0; page < layout.nr_pages; page += layout.stride) {
		if (pread(fd, buf, len, page * PAGE) != len)
			fail("read page %lu of file %lu", page, file);
		for (i = 0; i < len / 8; i++)
			if (buf[i] != word(file, page, i))
				fail("word %d of page %lu of file %lu is %" PRIx64, i, page, file, buf[i]);
	}
}

/* A tmpfs, with directories of 100 files each. Returns its root. */
static int make_tmpfs(void)
{
	unsigned long entry;
	char path[64];
	int fd;

	check(mkdir("/tree", 0755), "mkdir");
	check(mount("tree", "/tree", "tmpfs", 0, "size=0,nr_inodes=0"), "mount");
	for (entry = 0; entry < layout.nr_entries; entry++) {
		snprintf(path, sizeof(path), "/tree/%lu", entry / 100);
		if (!(entry % 100))
			check(mkdir(path, 0755), path);
		snprintf(path, sizeof(path), "/tree/%lu/%lu", entry / 100, entry);
		fd = open(path, O_RDWR | O_CREAT, 0600);
		check(fd, path);
		write_file(fd, entry);
		close(fd);
	}
	return open("/tree", O_RDONLY | O_DIRECTORY);
}

static void check_tmpfs(int root)
{
	unsigned long entry;
	char path[64];
	int fd;

	for (entry = 0; entry < layout.nr_entries; entry++) {
		snprintf(path, sizeof(path), "%lu/%lu", entry / 100, entry);
		fd = openat(root, path, O_RDONLY);
		check(fd, path);
		check_file(fd, entry);
		close(fd);
	}
}

/* The two front ends */

static int open_session(unsigned long cmd, unsigned long nr)
{
	struct session_arg arg = { .size = sizeof(arg) };

	snprintf(arg.name, sizeof(arg.name), "s%lu", nr);
	check(ioctl(device, cmd, &arg), "session");
	return arg.fd;
}

static void make_dir(const char *format, ...)
{
	char path[256];
	va_list args;

	va_start(args, format);
	vsnprintf(path, sizeof(path), format, args);
	va_end(args);
	if (mkdir(path, 0755))
		fail("%s", path);
}

static void create_session(unsigned long nr)
{
	if (configfs)
		make_dir(DIR "/sessions/s%lu", nr);
	else
		sessions[nr] = open_session(CREATE_SESSION, nr);
}

static void preserve_file(unsigned long nr, unsigned long token, int fd)
{
	struct file_arg arg = { .size = sizeof(arg), .fd = fd, .token = token };
	char pair[32];

	if (configfs) {
		make_dir(DIR "/sessions/s%lu/%lu", nr, token);
		snprintf(pair, sizeof(pair), "self:%d", fd);
		put(pair, DIR "/sessions/s%lu/%lu/fd", nr, token);
	} else {
		check(ioctl(sessions[nr], PRESERVE_FD, &arg), "preserve");
	}
}

/* The number that a retrieved file gets through configfs: what was open there is not closed. */
#define FIRST_FD 100

static int retrieve_file(unsigned long nr, unsigned long token)
{
	struct file_arg arg = { .size = sizeof(arg), .token = token };
	unsigned long index = nr * layout.nr_files + token;
	char pair[32];

	if (configfs) {
		snprintf(pair, sizeof(pair), "self:%lu", FIRST_FD + index);
		put(pair, DIR "/incoming/s%lu/%lu/fd", nr, token);
		return FIRST_FD + index;
	}
	check(ioctl(sessions[nr], RETRIEVE_FD, &arg), "retrieve");
	return arg.fd;
}

static void finish_session(unsigned long nr)
{
	struct finish_arg arg = { .size = sizeof(arg) };

	if (configfs)
		put("1", DIR "/incoming/s%lu/finish", nr);
	else
		check(ioctl(sessions[nr], FINISH, &arg), "finish");
}

/* Before the jump, and after it */

static void load_next(void)
{
	char next[sizeof(cmdline) + 16];
	int kernel, initrd;

	kernel = open("/next/bzImage", O_RDONLY);
	initrd = open("/next/initrd", O_RDONLY);
	snprintf(next, sizeof(next), "%s after", cmdline);
	check(syscall(SYS_kexec_file_load, kernel, initrd, strlen(next) + 1, next, 0), "kexec_file_load");
	close(kernel);
	close(initrd);
}

static void before(void)
{
	unsigned long nr, token, index;
	uint64_t start, memory, left;

	if (layout.is_large) {
		load_next();
		layout.nr_pages = free_memory(1) / PAGE * n / 100;
	}
	for (index = 0; index < layout.nr_sessions * layout.nr_files; index++) {
		if (layout.nr_entries) {
			files[index] = make_tmpfs();
			continue;
		}
		files[index] = memfd_create("bench", MFD_ALLOW_SEALING | (layout.shift ? MFD_HUGETLB : 0) |
					    layout.shift << MFD_HUGE_SHIFT);
		check(files[index], "memfd_create");
		if (layout.shift)
			write_huge_file(files[index], index);
		else
			write_file(files[index], index);
	}
	if (!layout.is_large)
		load_next();
	if (!configfs)
		device = open("/dev/liveupdate", O_RDWR);
	settle();

	memory = free_memory(0);
	start = now();
	for (nr = 0; nr < layout.nr_sessions; nr++)
		create_session(nr);
	say("create", now() - start);

	start = now();
	for (nr = 0, index = 0; nr < layout.nr_sessions; nr++)
		for (token = 0; token < layout.nr_files; token++)
			preserve_file(nr, token, files[index++]);
	say("preserve", now() - start);
	left = free_memory(0);
	say("memory", memory > left ? memory - left : 0);

	settle();
	say("reboot", now());
	reboot(LINUX_REBOOT_CMD_KEXEC);
	fail("kexec");
}

/* What the kernel itself says of how long it took */
static void say_timeline(void)
{
	FILE *file = fopen(DIR "/timeline", "r");
	char line[64];

	while (file && fgets(line, sizeof(line), file))
		printf("timeline %s", line);
	if (file)
		fclose(file);
}

static void after(uint64_t start)
{
	unsigned long nr, token, index;
	uint64_t spent = 0;

	say("init", start);
	settle();

	start = now();
	if (configfs)
		close(open(DIR "/state", O_RDONLY));
	else
		device = open("/dev/liveupdate", O_RDWR);
	say("open", now() - start);

	start = now();
	for (nr = 0; nr < layout.nr_sessions && !configfs; nr++)
		sessions[nr] = open_session(RETRIEVE_SESSION, nr);
	say("sessions", now() - start);

	start = now();
	for (nr = 0, index = 0; nr < layout.nr_sessions; nr++)
		for (token = 0; token < layout.nr_files; token++)
			files[index++] = retrieve_file(nr, token);
	say("retrieve", now() - start);

	for (nr = 0; nr < index; nr++)
		spent += read_file(files[nr]);
	say("read", spent);
	for (nr = 0; nr < index; nr++) {
		if (layout.nr_entries)
			check_tmpfs(files[nr]);
		else
			check_file(files[nr], nr);
	}
	settle();

	start = now();
	for (nr = 0; nr < layout.nr_sessions; nr++)
		finish_session(nr);
	say("finish", now() - start);
	if (configfs)
		say_timeline();
	say("done", index);
	reboot(RB_AUTOBOOT);
}

int main(void)
{
	struct rlimit limit = { 1 << 20, 1 << 20 };
	char name[32] = "", front[32] = "", *arg;
	uint64_t start = now();
	int fd;

	mount("dev", "/dev", "devtmpfs", 0, NULL);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sys", "/sys", "sysfs", 0, NULL);
	mount("config", "/sys/kernel/config", "configfs", 0, NULL);
	fd = open("/dev/console", O_RDWR);
	dup2(fd, 1);
	setvbuf(stdout, NULL, _IOLBF, 0);
	check(setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");

	fd = open("/proc/cmdline", O_RDONLY);
	check(read(fd, cmdline, sizeof(cmdline) - 1), "cmdline");
	close(fd);
	cmdline[strcspn(cmdline, "\n")] = '\0';
	arg = strstr(cmdline, "bench=");
	if (!arg || sscanf(arg, "bench=%31[^:]:%lu:%31s", name, &n, front) != 3)
		fail("no bench= in %s", cmdline);
	configfs = !strcmp(front, "configfs");
	choose_layout(name);
	sessions = calloc(layout.nr_sessions + 1, sizeof(*sessions));
	files = calloc(layout.nr_sessions * layout.nr_files + 1, sizeof(*files));

	if (strstr(cmdline, " after"))
		after(start);
	else
		before();
	return 1;
}
