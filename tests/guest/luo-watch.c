// SPDX-License-Identifier: GPL-2.0
/*
 * luo-watch - be told of changes, as a program that waits for them is
 *
 * usage: luo-watch poll FILE     print what FILE reads, and again each time that poll(2) says that it changed
 *        luo-watch uevent TEXT   print "listening", then each uevent that has TEXT in it, its strings joined by spaces
 *
 * Both go on until they are killed.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int watch_file(const char *path)
{
	struct pollfd pollfd = { .events = POLLPRI };
	char text[4096];
	ssize_t len;

	pollfd.fd = open(path, O_RDONLY);
	if (pollfd.fd < 0)
		err(1, "%s", path);
	for (;;) {
		len = pread(pollfd.fd, text, sizeof(text), 0);
		if (len < 0)
			err(1, "read");
		if (write(1, text, len) != len)
			err(1, "write");
		/* Without a deadline: who waits for us has one. */
		if (poll(&pollfd, 1, -1) < 0)
			err(1, "poll");
		if (!(pollfd.revents & POLLPRI))
			errx(1, "poll: events 0x%x", pollfd.revents);
	}
}

static int watch_uevents(const char *what)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT);
	char text[8192];
	ssize_t len, i;

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		err(1, "netlink");
	puts("listening");
	fflush(stdout);
	for (;;) {
		len = recv(fd, text, sizeof(text) - 1, 0);
		if (len < 0)
			err(1, "recv");
		for (i = 0; i < len; i++)
			if (!text[i])
				text[i] = ' ';
		text[len] = '\0';
		if (!strstr(text, what))
			continue;
		puts(text);
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "poll"))
		return watch_file(argv[2]);
	if (argc == 3 && !strcmp(argv[1], "uevent"))
		return watch_uevents(argv[2]);
	fputs("usage: luo-watch poll FILE\n       luo-watch uevent TEXT\n", stderr);
	return 2;
}
