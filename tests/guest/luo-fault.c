// SPDX-License-Identifier: GPL-2.0
/*
 * luo-fault - one system call, of which an allocation fails in the kernel
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/reboot.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fault.h"

static const char usage_text[] =
	"usage: luo-fault N mkdir PATH\n"
	"       luo-fault N rmdir PATH\n"
	"       luo-fault N read PATH OFFSET\n"
	"       luo-fault N write PATH TEXT\n"
	"       luo-fault N kexec\n"
	"\n"
	"Has the N-th allocation fail that the kernel makes for that, without opening PATH, and says\n"
	"whether there was one, \"hit\" or \"missed\", and what came of it, \"ok\" or the name of an errno. Descriptors\n"
	"that it inherits are what TEXT can be about.\n";

static int call(int fd, char **args)
{
	char byte;

	if (!strcmp(args[0], "mkdir"))
		return mkdir(args[1], 0755);
	if (!strcmp(args[0], "rmdir"))
		return rmdir(args[1]);
	if (!strcmp(args[0], "read"))
		return pread(fd, &byte, 1, strtoll(args[2], NULL, 0));
	if (!strcmp(args[0], "write"))
		return write(fd, args[2], strlen(args[2]));
	return syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_KEXEC, NULL);
}

int main(int argc, char **argv)
{
	static const char *const names[] = { "kexec", "mkdir rmdir", "read write" };
	const char *hit;
	int fd = -1, ret;

	if (argc < 3 || argc > 5 || !strstr(names[argc - 3], argv[2])) {
		fputs(usage_text, stderr);
		return 2;
	}
	if (argc == 5) {
		fd = open(argv[3], *argv[2] == 'r' ? O_RDONLY : O_WRONLY);
		if (fd < 0)
			err(1, "%s", argv[3]);
	}
	fault_begin(argv[1]);
	ret = call(fd, argv + 2);
	hit = fault_end() ? "hit" : "missed";
	printf("%s %s\n", hit, ret < 0 ? strerrorname_np(errno) : "ok");
	return 0;
}
