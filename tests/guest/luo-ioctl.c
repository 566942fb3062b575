// SPDX-License-Identifier: GPL-2.0
/*
 * luo-ioctl - a program that uses /dev/liveupdate, one command after the other
 *
 * What the ABI consists of is written down here again, on purpose: a header that was changed by mistake would
 * change both sides.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fault.h"

static const char usage_text[] =
	"usage: luo-ioctl COMMAND...\n"
	"\n"
	"Each argument is a command with its own arguments, and \"-\" takes commands from stdin, a line each, until\n"
	"that ends. Each prints one line, which is \"ok\", the name of an errno, or what is said below.\n"
	"\n"
	"open, close           the device; its descriptor is inherited by what \"run\" starts\n"
	"create NAME           a session, which is the one that the next commands are for\n"
	"retrieve NAME         the same for an incoming one\n"
	"inherit FD            the same for one that is open here as descriptor FD\n"
	"use N                 the N-th session that was created, retrieved or inherited, from 0 on\n"
	"preserve FD TOKEN     our descriptor FD\n"
	"fetch TOKEN FD        retrieve a file, as our descriptor FD\n"
	"finish                the session\n"
	"name                  of the session: prints it\n"
	"link                  what /proc says that the session's descriptor is\n"
	"cloexec               whether that is closed by exec: yes or no\n"
	"drop                  close the session's descriptor\n"
	"run SCRIPT            in bash: prints what that prints\n"
	"fault N               have the N-th allocation fail of the next of those that are ioctls, which\n"
	"                      then prints before its line whether there was one: hit or missed\n"
	"compat                have the next of those that are ioctls be a 32-bit program's\n"
	"leave KIB             so much memory that the kernel and everybody can hardly get more; without KIB: as before.\n"
	"                      We need none ourselves\n"
	"raw dev|session KEY=VALUE...\n"
	"                      an ioctl as it is told. nr=, type=: of the command; size=: what the first word says;\n"
	"                      room=: bytes up to memory that is not there; name=TEXT: at byte 8; zN=, uN=: 32-bit or\n"
	"                      64-bit value at byte N; fill=BYTE: all but the first word; readonly=1; null=1\n";

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

struct name_arg {
	uint32_t size;
	uint32_t reserved;
	char name[64];
};

#define TYPE			0xba
#define CREATE_SESSION		_IO(TYPE, 0x00)
#define RETRIEVE_SESSION	_IO(TYPE, 0x01)
#define PRESERVE_FD		_IO(TYPE, 0x40)
#define RETRIEVE_FD		_IO(TYPE, 0x41)
#define FINISH			_IO(TYPE, 0x42)
#define GET_NAME		_IO(TYPE, 0x43)

static int device = -1;
static int sessions[4096];
static int nr_sessions;
static int *session = sessions;
static char fault[16];
static bool is_compat;

static uint64_t number(const char *text)
{
	uint64_t value;
	char *end;

	errno = 0;
	value = text ? strtoull(text, &end, 0) : 0;
	if (!text || errno || end == text || *end)
		errx(2, "not a number: %s", text ?: "");
	return value;
}

/* Tells how a system call went; false when it failed. */
static int tell(int ret)
{
	puts(ret < 0 ? strerrorname_np(errno) : "ok");
	return ret >= 0;
}

#ifdef __x86_64__
/* An ioctl as a 32-bit program makes it, whose addresses have 32 bits, too */
static int ioctl_32(int fd, unsigned long cmd, void *arg)
{
	uint32_t size = *(uint32_t *)arg;
	void *low = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	int ret = 54;

	if (low == MAP_FAILED)
		err(2, "mmap");
	memcpy(low, arg, size);
	asm volatile("int $0x80" : "+a"(ret) : "b"(fd), "c"(cmd), "d"(low)
		     : "memory", "r8", "r9", "r10", "r11");
	memcpy(arg, low, size);
	munmap(low, size);
	if (ret >= 0)
		return ret;
	errno = -ret;
	return -1;
}
#else
static int ioctl_32(int fd, unsigned long cmd, void *arg)
{
	(void)fd;
	(void)cmd;
	(void)arg;
	errx(2, "no 32-bit programs here");
}
#endif

/* An ioctl that its user waits for, with the fault that was asked for. */
static int call(int fd, unsigned long cmd, void *arg)
{
	int ret;

	if (is_compat) {
		is_compat = false;
		return ioctl_32(fd, cmd, arg);
	}
	if (!*fault)
		return ioctl(fd, cmd, arg);
	fault_begin(fault);
	ret = ioctl(fd, cmd, arg);
	fputs(fault_end() ? "hit " : "missed ", stdout);
	*fault = '\0';
	return ret;
}

static void add_session(int fd)
{
	if (nr_sessions == (int)(sizeof(sessions) / sizeof(*sessions)))
		errx(2, "too many sessions");
	session = &sessions[nr_sessions++];
	*session = fd;
}

static void session_ioctl(unsigned long cmd, const char *name)
{
	struct session_arg arg = { .size = sizeof(arg) };

	/* As long as it is, without a NUL behind it when there is no room for one. */
	memcpy(arg.name, name, strnlen(name, sizeof(arg.name)));
	if (tell(call(device, cmd, &arg)))
		add_session(arg.fd);
}

static void fetch(uint64_t token, int fd)
{
	struct file_arg arg = { .size = sizeof(arg), .token = token };

	if (!tell(call(*session, RETRIEVE_FD, &arg)))
		return;
	if (dup2(arg.fd, fd) < 0)
		err(2, "dup2");
	if (arg.fd != fd)
		close(arg.fd);
	else
		fcntl(fd, F_SETFD, 0);
}

static void get_name(void)
{
	struct name_arg arg = { .size = sizeof(arg) };

	if (ioctl(*session, GET_NAME, &arg))
		tell(-1);
	else
		printf("%.64s\n", arg.name);
}

static void get_link(void)
{
	char path[64], text[256];
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", *session);
	len = readlink(path, text, sizeof(text));
	if (len < 0)
		tell(-1);
	else
		printf("%.*s\n", (int)len, text);
}

static void raw(char *args)
{
	unsigned int nr = 0, type = TYPE, size = 0, null = 0, readonly = 0, room = 4096;
	int fd = !strncmp(args, "dev", 3) ? device : *session;
	char *map, *buf, *key, *value, *sets[32];
	int nr_sets = 0, i;

	strsep(&args, " ");
	map = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED || munmap(map + 2 * 4096, 4096))
		err(2, "mmap");
	while ((key = strsep(&args, " "))) {
		value = strchr(key, '=');
		if (!value)
			errx(2, "not KEY=VALUE: %s", key);
		*value++ = '\0';
		if (!strcmp(key, "nr"))
			nr = number(value);
		else if (!strcmp(key, "type"))
			type = number(value);
		else if (!strcmp(key, "size"))
			size = number(value);
		else if (!strcmp(key, "room"))
			room = number(value);
		else if (!strcmp(key, "null"))
			null = 1;
		else if (!strcmp(key, "readonly"))
			readonly = 1;
		else if (nr_sets < 32) {
			value[-1] = '=';
			sets[nr_sets++] = key;
		}
	}
	buf = map + 2 * 4096 - room;
	if (room >= sizeof(uint32_t))
		memcpy(buf, &(uint32_t){ size }, sizeof(uint32_t));
	for (i = 0; i < nr_sets; i++) {
		value = strchr(sets[i], '=') + 1;
		if (!strncmp(sets[i], "fill=", 5))
			memset(buf + 4, number(value), room - 4);
		else if (!strncmp(sets[i], "name=", 5))
			memcpy(buf + 8, value, strlen(value));
		else if (sets[i][0] == 'z')
			memcpy(buf + atoi(sets[i] + 1), &(uint32_t){ number(value) }, sizeof(uint32_t));
		else if (sets[i][0] == 'u')
			memcpy(buf + atoi(sets[i] + 1), &(uint64_t){ number(value) }, sizeof(uint64_t));
		else
			errx(2, "not known: %s", sets[i]);
	}
	if (readonly && mprotect(map, 2 * 4096, PROT_READ))
		err(2, "mprotect");
	tell(ioctl(fd, _IO(type, nr), null ? NULL : buf));
	munmap(map, 2 * 4096);
}

static void run(const char *script)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		execlp("bash", "bash", "-c", script, NULL);
		err(127, "bash");
	}
	if (pid < 0 || waitpid(pid, NULL, 0) < 0)
		err(2, "run");
}

/* The zones of memory, in KiB. What is in scratch areas is not for the kernel. */
static struct zone {
	uint64_t managed;
	uint64_t have;
} zones[32];
static size_t nr_zones;
static uint64_t all_managed;

static void read_zones(void)
{
	FILE *file = fopen("/proc/zoneinfo", "r");
	struct zone *zone = NULL;
	char line[256];
	uint64_t pages;

	if (!file)
		err(2, "/proc/zoneinfo");
	all_managed = nr_zones = 0;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, " managed %" SCNu64, &pages) == 1) {
			if (nr_zones == sizeof(zones) / sizeof(*zones))
				errx(2, "too many zones");
			zone = &zones[nr_zones++];
			*zone = (struct zone){ .managed = 4 * pages };
			all_managed += zone->managed;
		} else if (sscanf(line, " nr_free_pages %" SCNu64, &pages) == 1 ||
			   sscanf(line, " count: %" SCNu64, &pages) == 1) {
			zone->have += 4 * pages;
		} else if (sscanf(line, " nr_free_cma %" SCNu64, &pages) == 1) {
			zone->have -= 4 * pages;
		}
	}
	fclose(file);
}

/* What can be got while so much is kept free. Each zone keeps its part of that, and small ones all they have. */
static uint64_t can_be_got(uint64_t kept)
{
	uint64_t sum = 0, part;
	struct zone *zone;

	for (zone = zones; zone < zones + nr_zones; zone++) {
		part = kept * zone->managed / all_managed;
		if (zone->managed > all_managed / 8 && zone->have > part)
			sum += zone->have - part;
	}
	return sum;
}

/* How many KiB the kernel has to keep free so that no more than @kib can be got. */
static uint64_t all_but(uint64_t kib)
{
	uint64_t kept = 0, bit;

	read_zones();
	for (bit = 1 << 30; bit; bit >>= 1)
		if (can_be_got(kept + bit) > kib)
			kept += bit;
	return kept + 1;
}

static void leave(const char *kib)
{
	static char before[32], text[32];
	static int fd = -1;

	if (fd < 0) {
		fd = open("/proc/sys/vm/min_free_kbytes", O_RDWR);
		if (read(fd, before, sizeof(before)) < 0 || mlockall(MCL_CURRENT | MCL_FUTURE))
			err(2, "leave");
	}
	if (*kib)
		snprintf(text, sizeof(text), "%" PRIu64 "\n", all_but(number(kib)));
	tell(pwrite(fd, *kib ? text : before, strlen(*kib ? text : before), 0));
}

static void command(const char *text)
{
	char *line = strdup(text), *args = line, *name = strsep(&args, " ");
	char *first = args ?: "";

	if (!strcmp(name, "open")) {
		device = open("/dev/liveupdate", O_RDWR);
		tell(device);
	} else if (!strcmp(name, "close")) {
		tell(close(device));
	} else if (!strcmp(name, "create")) {
		session_ioctl(CREATE_SESSION, first);
	} else if (!strcmp(name, "retrieve")) {
		session_ioctl(RETRIEVE_SESSION, first);
	} else if (!strcmp(name, "inherit")) {
		add_session(number(args));
		tell(0);
	} else if (!strcmp(name, "use")) {
		session = &sessions[number(args)];
		tell(0);
	} else if (!strcmp(name, "preserve")) {
		struct file_arg arg = { .size = sizeof(arg) };

		arg.fd = number(strsep(&args, " "));
		arg.token = number(args);
		tell(call(*session, PRESERVE_FD, &arg));
	} else if (!strcmp(name, "fetch")) {
		uint64_t token = number(strsep(&args, " "));

		fetch(token, number(args));
	} else if (!strcmp(name, "finish")) {
		struct finish_arg arg = { .size = sizeof(arg) };

		tell(call(*session, FINISH, &arg));
	} else if (!strcmp(name, "name")) {
		get_name();
	} else if (!strcmp(name, "link")) {
		get_link();
	} else if (!strcmp(name, "cloexec")) {
		puts(fcntl(*session, F_GETFD) & FD_CLOEXEC ? "yes" : "no");
	} else if (!strcmp(name, "drop")) {
		tell(close(*session));
	} else if (!strcmp(name, "run")) {
		run(first);
	} else if (!strcmp(name, "fault")) {
		snprintf(fault, sizeof(fault), "%s", first);
	} else if (!strcmp(name, "compat")) {
		is_compat = true;
		tell(0);
	} else if (!strcmp(name, "leave")) {
		leave(first);
	} else if (!strcmp(name, "raw")) {
		raw(args);
	} else {
		errx(2, "not a command: %s", name);
	}
	fflush(stdout);
	free(line);
}

int main(int argc, char **argv)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	int i;

	if (argc < 2 || !strcmp(argv[1], "--help")) {
		fputs(usage_text, argc < 2 ? stderr : stdout);
		return argc < 2 ? 2 : 0;
	}
	for (i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-")) {
			command(argv[i]);
			continue;
		}
		while ((len = getline(&line, &size, stdin)) > 0) {
			line[len - (line[len - 1] == '\n')] = '\0';
			command(line);
		}
	}
	free(line);
	return 0;
}
