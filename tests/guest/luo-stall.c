// SPDX-License-Identifier: GPL-2.0
/*
 * luo-stall - system calls that last as long as a program in user space likes
 *
 * usage: luo-stall write FD   write(2) a page to FD, which nobody has yet, as a page of userfaultfd(2)
 *        luo-stall close DIR  a file system on DIR, by FUSE, with one file, "file": who closes that waits, once there
 *                             was a line on standard input
 *
 * Both print "stalled" when somebody waits, and let go when standard input ends. Of the second the first line is
 * "ready".
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE	4096

static void say(const char *text)
{
	puts(text);
	fflush(stdout);
}

/* Wait until standard input ends. */
static void wait_for_end(void)
{
	char c;

	while (read(0, &c, 1) > 0)
		;
}

/* Is there something to be read, or nothing ever again? */
static int is_asked_to(void)
{
	struct pollfd pollfd = { .events = POLLIN };

	return poll(&pollfd, 1, 0) > 0 && pollfd.revents & POLLIN;
}

static void *serve_page(void *arg)
{
	int uffd = *(int *)arg;
	struct uffd_msg msg;
	struct uffdio_zeropage zero;

	if (read(uffd, &msg, sizeof(msg)) != sizeof(msg) || msg.event != UFFD_EVENT_PAGEFAULT)
		err(1, "userfaultfd");
	say("stalled");
	wait_for_end();
	zero = (struct uffdio_zeropage){ .range = { msg.arg.pagefault.address & -PAGE, PAGE } };
	if (ioctl(uffd, UFFDIO_ZEROPAGE, &zero))
		err(1, "zero page");
	return NULL;
}

static int stall_write(int fd)
{
	char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { (uintptr_t)page, PAGE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	pthread_t thread;
	ssize_t len;

	if (page == MAP_FAILED || uffd < 0 || ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &reg))
		err(1, "userfaultfd");
	if (pthread_create(&thread, NULL, serve_page, &uffd))
		errx(1, "no thread");
	len = pwrite(fd, page, PAGE, 0);
	if (len != PAGE)
		err(1, "write: %zd", len);
	pthread_join(thread, NULL);
	return 0;
}

/* Answer a request, with an error or with what belongs to it. */
static void answer(int fuse, uint64_t unique, int error, const void *data, size_t len)
{
	char out[sizeof(struct fuse_out_header) + 256];
	struct fuse_out_header head = {
		.len = sizeof(head) + len,
		.error = error,
		.unique = unique,
	};

	memcpy(out, &head, sizeof(head));
	memcpy(out + sizeof(head), data, len);
	/* Who asked may be gone. */
	if (write(fuse, out, head.len) != (ssize_t)head.len && errno != ENOENT)
		err(1, "answer");
}

static struct fuse_attr attr_of(uint64_t node)
{
	return (struct fuse_attr){
		.ino = node,
		.mode = node == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0666,
		.nlink = 1,
	};
}

static void serve(int fuse, const char *request)
{
	const struct fuse_in_header *in = (const void *)request;
	struct fuse_init_out init = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_write = PAGE,
	};
	struct fuse_entry_out entry = { .nodeid = 2, .attr = attr_of(2) };
	struct fuse_attr_out attr = { .attr = attr_of(in->nodeid) };
	struct fuse_open_out open = { .fh = 1 };

	switch (in->opcode) {
	case FUSE_INIT:
		answer(fuse, in->unique, 0, &init, sizeof(init));
		break;
	case FUSE_LOOKUP:
		answer(fuse, in->unique, 0, &entry, sizeof(entry));
		break;
	case FUSE_GETATTR:
		answer(fuse, in->unique, 0, &attr, sizeof(attr));
		break;
	case FUSE_OPEN:
		answer(fuse, in->unique, 0, &open, sizeof(open));
		break;
	case FUSE_FLUSH:
		if (is_asked_to()) {
			say("stalled");
			wait_for_end();
		}
		answer(fuse, in->unique, 0, NULL, 0);
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		break;
	case FUSE_RELEASE:
		answer(fuse, in->unique, 0, NULL, 0);
		break;
	default:
		answer(fuse, in->unique, -ENOSYS, NULL, 0);
	}
}

static int stall_close(const char *dir)
{
	static char request[FUSE_MIN_READ_BUFFER + PAGE] __attribute__((aligned(8)));
	int fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	char options[128];

	if (fuse < 0)
		err(1, "/dev/fuse");
	snprintf(options, sizeof(options), "fd=%d,rootmode=40755,user_id=0,group_id=0,allow_other", fuse);
	if (mount("luo-stall", dir, "fuse.luo-stall", 0, options))
		err(1, "mount %s", dir);
	say("ready");
	while (read(fuse, request, sizeof(request)) > 0)
		serve(fuse, request);
	/* Unmounted */
	return errno == ENODEV ? 0 : 1;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "write"))
		return stall_write(atoi(argv[2]));
	if (argc == 3 && !strcmp(argv[1], "close"))
		return stall_close(argv[2]);
	errx(2, "usage: luo-stall write FD | close DIR");
}
