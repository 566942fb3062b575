// SPDX-License-Identifier: GPL-2.0
/*
 * luo-fuzz - give live update what nobody would give it
 *
 * Several processes at once write to every attribute there is and make ioctls. What they give is drawn from a seed:
 * valid input, that with some bytes changed, or any bytes. A call may only succeed or fail with an errno that is
 * documented. Nothing is done that would finish a session named keep-something.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define CONFIGFS	"/sys/kernel/config/liveupdate"
#define SYSFS		"/sys/kernel/liveupdate"
#define MAX_ATTRS	4096
#define MAX_INPUT	5000
#define FIRST_FD	16
#define NR_FDS		8
#define NR_SESSIONS	8

static const char usage_text[] =
	"usage: luo-fuzz attributes|ioctls PROCESSES CALLS SEED\n"
	"\n"
	"CALLS of each of PROCESSES. Prints how many calls were made, and how many of them succeeded.\n";

/* Counted where a call is made, by all processes together, and by this one */
static struct counts {
	unsigned long calls;
	unsigned long succeeded;
} *counts;
static unsigned long calls_here;

static uint64_t state;

static uint64_t any(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static unsigned int below(unsigned int end)
{
	return any() % end;
}

/* A call was made, which returned @ret. */
static int made(long ret)
{
	calls_here++;
	__atomic_fetch_add(&counts->calls, 1, __ATOMIC_RELAXED);
	if (ret >= 0)
		__atomic_fetch_add(&counts->succeeded, 1, __ATOMIC_RELAXED);
	return ret;
}

/* What fails with one of these was told why. */
static void check_errno(const char *what)
{
	static const int known[] = {
		E2BIG, EACCES, EAGAIN, EBADF, EBUSY, EDQUOT, EEXIST, EFAULT, EINVAL, EMFILE, ENAMETOOLONG, ENODEV,
		ENOENT, ENOEXEC, ENOTEMPTY, ENOTTY, EOPNOTSUPP, EPERM, ESRCH,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(known); i++)
		if (errno == known[i])
			return;
	err(1, "%s", what);
}

/* Change some bytes of @len in @buf, which has room for MAX_INPUT. Returns the new length. */
static size_t mutate(unsigned char *buf, size_t len)
{
	unsigned int times = 1 + below(4);
	size_t at, n;

	while (times--) {
		at = below(len + 1);
		switch (below(6)) {
		case 0:
			if (at < len)
				buf[at] ^= 1 << below(8);
			break;
		case 1:
			if (at < len)
				buf[at] = any();
			break;
		case 2:
			len = at;
			break;
		case 3:
			n = 1 + below(20);
			if (len + n > MAX_INPUT)
				break;
			memmove(buf + at + n, buf + at, len - at);
			memset(buf + at, "0 \n:9-\0\377"[below(8)], n);
			len += n;
			break;
		case 4:
			if (2 * len > MAX_INPUT)
				break;
			memcpy(buf + len, buf, len);
			len *= 2;
			break;
		case 5:
			n = below(8);
			if (at + n > len)
				break;
			memmove(buf + at, buf + at + n, len - at - n);
			len -= n;
		}
	}
	return len;
}

static size_t any_input(unsigned char *buf)
{
	static const char *const valid[] = {
		"self", "none", "luo-v1", "luo-v5", "discard", "1", "-10000", "normal", "\\x2f",
	};
	size_t len;

	if (!below(8)) {
		for (len = 0; len < MAX_INPUT && below(len > 100 ? 2000 : 20); len++)
			buf[len] = any();
		return len;
	}
	if (below(2))
		len = sprintf((char *)buf, "%s:%u", below(4) ? "self" : "17", FIRST_FD + below(NR_FDS));
	else
		len = sprintf((char *)buf, "%s", valid[below(ARRAY_SIZE(valid))]);
	if (below(2))
		buf[len++] = '\n';
	return below(3) ? len : mutate(buf, len);
}

static int is_kept(const char *text)
{
	return !!strstr(text, "keep-");
}

/* Attributes */

static char *attrs[MAX_ATTRS];
static int nr_attrs;

static int add_attr(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)ftw;
	if (type == FTW_F && nr_attrs < MAX_ATTRS)
		attrs[nr_attrs++] = strdup(path);
	return 0;
}

static void find_attrs(void)
{
	while (nr_attrs)
		free(attrs[--nr_attrs]);
	nftw(CONFIGFS, add_attr, 16, FTW_PHYS);
	nftw(SYSFS, add_attr, 16, FTW_PHYS);
}

/* The name of a session or of a token that may be there, or of anything */
static void any_dir(char *path, size_t size)
{
	unsigned char name[MAX_INPUT + 1];
	size_t len, i;

	len = below(2) ? sprintf((char *)name, "s%u", below(4)) : sprintf((char *)name, "s%u/%u", below(4), below(4));
	if (!below(4))
		len = mutate(name, len);
	name[len] = '\0';
	/* A path that leaves sessions/ would be another file's. */
	for (i = 0; i + 1 < len; i++)
		if (name[i] == '.' && name[i + 1] == '.')
			name[i] = '_';
	snprintf(path, size, CONFIGFS "/sessions/%s", name);
}

static void fuzz_dir(void)
{
	char path[2 * MAX_INPUT];

	any_dir(path, sizeof(path));
	if (made(below(3) ? mkdir(path, 0755) : rmdir(path)))
		check_errno(path);
}

static void fuzz_attribute(void)
{
	unsigned char buf[MAX_INPUT];
	const char *path;
	size_t len;
	ssize_t ret;
	int fd;

	if (!below(8)) {
		fuzz_dir();
		return;
	}
	path = attrs[below(nr_attrs)];
	fd = open(path, below(8) ? O_WRONLY : O_RDONLY);
	if (fd < 0) {
		made(fd);
		check_errno(path);
		return;
	}
	len = any_input(buf);
	if (is_kept(path) && strstr(path, "/finish") && len && (buf[0] == '1' || buf[0] == 'd'))
		buf[0] = '2';
	ret = fcntl(fd, F_GETFL) & O_WRONLY ? write(fd, buf, len) : read(fd, buf, sizeof(buf));
	if (made(ret) < 0)
		check_errno(path);
	close(fd);
}

/* Ioctls */

union any_arg {
	uint32_t size;
	unsigned char bytes[512];
	struct {
		uint32_t size;
		int32_t fd;
		char name[64];
	} session;
	struct {
		uint32_t size;
		int32_t fd;
		uint64_t token;
	} file;
};

static int device = -1;
static int sessions[NR_SESSIONS];
static char *page_end;

static size_t any_arg(union any_arg *arg, int fd)
{
	static const char *const names[] = { "f0", "f1", "f2", "in0", "in1", "in2" };
	size_t size;

	memset(arg, 0, sizeof(*arg));
	if (fd == device) {
		size = sizeof(arg->session);
		strcpy(arg->session.name, names[below(ARRAY_SIZE(names))]);
	} else {
		size = below(2) ? sizeof(arg->file) : 8;
		arg->file.fd = below(2) ? FIRST_FD + below(NR_FDS) : 0;
		arg->file.token = below(4);
	}
	arg->size = size;
	switch (below(4)) {
	case 0:
		arg->bytes[below(size)] ^= 1 << below(8);
		break;
	case 1:
		arg->size = any() >> below(32);
		break;
	case 2:
		size = 1 + below(sizeof(*arg));
		arg->size = below(2) ? size : below(2 * size);
		arg->bytes[below(sizeof(*arg))] = any();
	}
	return size;
}

static void fuzz_ioctl(void)
{
	static const unsigned char numbers[] = { 0x00, 0x01, 0x40, 0x41, 0x42, 0x43 };
	unsigned long cmd = _IO(0xba, numbers[below(ARRAY_SIZE(numbers))]);
	unsigned int slot = below(NR_SESSIONS);
	int fd = sessions[slot] < 0 || below(2) ? device : sessions[slot];
	union any_arg arg;
	size_t size = any_arg(&arg, fd);
	char *user = page_end - size;
	int ret;

	if (!below(16)) {
		close(sessions[slot]);
		sessions[slot] = -1;
		return;
	}
	if (!below(8))
		cmd ^= any() >> below(64);
	memcpy(user, &arg, size);
	if (!below(16))
		user = (char *)(any() >> below(64));
	/* A retrieved session that is finished is gone; one that is to be kept is not named here. */
	if (is_kept(arg.session.name))
		return;
	ret = made(ioctl(fd, cmd, user));
	if (ret < 0) {
		check_errno("ioctl");
		return;
	}
	if (user != page_end - size || size < 8)
		return;
	memcpy(&arg, user, size);
	if (fd == device) {
		close(sessions[slot]);
		sessions[slot] = arg.session.fd;
	} else if (cmd == _IO(0xba, 0x41)) {
		close(arg.file.fd);
	}
}

/* Files that can be preserved, and are meant by most of the numbers: others take their place */
static void open_files(void)
{
	int i;

	for (i = 0; i < NR_FDS; i++) {
		int fd = memfd_create("fuzz", MFD_ALLOW_SEALING);

		if (fd < 0 || ftruncate(fd, 4096) || dup2(fd, FIRST_FD + i) < 0)
			err(1, "memfd");
		close(fd);
	}
}

static void open_device(void)
{
	char *map = mmap(NULL, 2 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int i;

	if (map == MAP_FAILED || munmap(map + 4096, 4096))
		err(1, "mmap");
	page_end = map + 4096;
	for (i = 0; i < NR_SESSIONS; i++)
		sessions[i] = -1;
	device = open("/dev/liveupdate", O_RDWR);
	if (device < 0)
		err(1, "/dev/liveupdate");
}

int main(int argc, char **argv)
{
	int processes, i, status, failed = 0;
	unsigned long calls, tries;
	void (*fuzz)(void);

	if (argc != 5) {
		fputs(usage_text, stderr);
		return 2;
	}
	processes = atoi(argv[2]);
	calls = strtoul(argv[3], NULL, 0);
	counts = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (counts == MAP_FAILED)
		err(1, "mmap");
	fuzz = fuzz_attribute;
	if (!strcmp(argv[1], "ioctls")) {
		fuzz = fuzz_ioctl;
		open_device();
	}
	for (i = 0; i < processes; i++) {
		if (fork())
			continue;
		state = strtoull(argv[4], NULL, 0) * 1000 + i;
		setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 64, 64 });
		for (tries = 0; calls_here < calls; tries++) {
			if (tries % 256 == 0) {
				open_files();
				find_attrs();
			}
			fuzz();
		}
		exit(0);
	}
	while (wait(&status) > 0)
		failed |= status;
	printf("%lu calls, %lu succeeded\n", counts->calls, counts->succeeded);
	return !!failed;
}
