// SPDX-License-Identifier: GPL-2.0
/*
 * The next kernel: what a command names, found and read, and loaded in a form that
 * kexec_file_load(2) takes.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/kexec.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "next.h"

#define BOOT_PARAMS	"/sys/kernel/boot_params/data"
#define RAMDISK_SIZE	0x21c

/* VERSION means files in /boot, by the names that distributions have for them. */
static bool find_version(const char *version, struct next *next)
{
	static const char *const names[] = {
		"/boot/initrd.img-%s", "/boot/initramfs-%s.img", "/boot/initrd-%s",
	};
	size_t i;

	if (strchr(version, '/') ||
	    snprintf(next->path, PATH_MAX, "/boot/vmlinuz-%s", version) >= PATH_MAX ||
	    access(next->path, F_OK))
		return false;
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(next->initrd, PATH_MAX, names[i], version);
		if (!access(next->initrd, F_OK))
			return true;
	}
	next->initrd[0] = '\0';
	return true;
}

static int copy_path(char to[PATH_MAX], const char *path)
{
	if (strlen(path) >= PATH_MAX)
		return fail(ENAMETOOLONG, "%s", path);
	strcpy(to, path);
	return STATUS_OK;
}

static int choose_initrd(const struct args *args, struct next *next)
{
	const char *given = args_option(args, "initrd");
	bool is_none = args_option(args, "no-initrd");

	if (given && is_none)
		return complain(STATUS_USAGE, "--initrd and --no-initrd are one too many");
	if (is_none)
		next->initrd[0] = '\0';
	if (given && copy_path(next->initrd, given))
		return STATUS_FAILED;
	if (next->initrd[0] && access(next->initrd, R_OK))
		return fail(errno, "%s", next->initrd);
	return STATUS_OK;
}

/* VERSION is no file, and none in /boot either: which are there? */
static int refuse_version(const char *version)
{
	char found[512] = "";
	glob_t files;
	size_t i, len = 0;

	fail_because(ENOENT, "nor is it a version in /boot", "%s", version);
	if (!glob("/boot/vmlinuz-*", 0, NULL, &files)) {
		for (i = 0; i < files.gl_pathc && len < sizeof(found); i++)
			len += snprintf(found + len, sizeof(found) - len, "%s%s", i ? " " : "",
					files.gl_pathv[i] + strlen("/boot/vmlinuz-"));
		globfree(&files);
	}
	return *found ? advise(STATUS_FAILED, "one of those that are there: %s", found) :
			STATUS_FAILED;
}

/*
 * Find and read what the words and options of a command name. next_close() has to
 * follow, whatever the status is.
 */
int next_open(const struct args *args, struct next *next)
{
	bool is_version, is_none = args_option(args, "no-initrd");
	int status;

	*next = (struct next){ .has_cmdline = cmdline_is_given(args) };
	is_version = find_version(args->words[0], next);
	if (!is_version && !strchr(args->words[0], '/') && access(args->words[0], F_OK))
		return refuse_version(args->words[0]);
	status = is_version ? STATUS_OK : copy_path(next->path, args->words[0]);
	status = status ?: cmdline_choose(args, next->cmdline) ?: choose_initrd(args, next) ?:
		 image_open(&next->image, next->path);
	if (status)
		return status;
	/* Nobody else than the image, or this kernel, can say what a command does not. */
	if (!next->has_cmdline && next->image.cmdline) {
		if (strlen(next->image.cmdline) >= CMDLINE_SIZE)
			return fail(E2BIG, "%s: .cmdline", next->path);
		strcpy(next->cmdline, next->image.cmdline);
		next->has_cmdline = true;
	} else if (!next->has_cmdline && is_version) {
		status = cmdline_read(next->cmdline);
		next->has_cmdline = true;
	}
	if (is_none)
		next->image.initrd.len = 0;
	return status;
}

void next_close(struct next *next)
{
	image_close(&next->image);
}

bool next_has_initrd(const struct next *next)
{
	return next->initrd[0] || next->image.initrd.len;
}

/* Did the boot loader give this kernel an initrd? */
static bool had_initrd(void)
{
	int fd = open(BOOT_PARAMS, O_RDONLY | O_CLOEXEC);
	uint32_t size = 0;

	if (fd >= 0) {
		if (pread(fd, &size, sizeof(size), RAMDISK_SIZE) != sizeof(size))
			size = 0;
		close(fd);
	}
	/* The last one is what initrds of distributions leave behind. */
	return size || !access("/sys/firmware/devicetree/base/chosen/linux,initrd-start", F_OK) ||
	       !access("/run/initramfs", F_OK);
}

/* Without an initrd that it needs the next kernel panics, and all is lost. */
int next_check_initrd(const struct next *next)
{
	static const char *const names[] = { "root=UUID=", "root=LABEL=", "root=/dev/mapper/" };
	size_t i;

	if (next_has_initrd(next))
		return STATUS_OK;
	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (strstr(next->cmdline, names[i]))
			return complain(STATUS_MISMATCH,
					"%s: only an initrd finds %s: say --initrd, or --no-initrd",
					next->path, names[i]);
	if (had_initrd())
		return complain(STATUS_MISMATCH,
				"%s: this kernel had an initrd: say --initrd, or --no-initrd",
				next->path);
	return STATUS_OK;
}

/* A file in memory with that in it, or -1 and errno */
static int memory_with(const struct input *content)
{
	int fd = memfd_create("luo-sh", MFD_CLOEXEC), err;
	size_t at = 0;
	ssize_t len = 0;

	while (fd >= 0 && at < content->len) {
		len = write(fd, content->data + at, content->len - at);
		if (len < 0)
			break;
		at += len;
	}
	if (fd >= 0 && len < 0) {
		err = errno;
		close(fd);
		errno = err;
		return -1;
	}
	return fd;
}

static int open_part(const char *path, const struct input *part)
{
	return part->len ? memory_with(part) : open(path, O_RDONLY | O_CLOEXEC);
}

/* Load it for a kexec, in place of what is loaded. */
int next_load(const struct next *next)
{
	bool has_initrd = next_has_initrd(next);
	int kernel_fd, initrd_fd = -1, status = STATUS_OK;

	if (!next->image.is_loadable)
		return fail(ENOEXEC, "%s: kexec_file_load(2) takes no %s here", next->path,
			    next->image.kind);
	kernel_fd = open_part(next->path, &next->image.kernel);
	if (kernel_fd < 0)
		return fail(errno, "%s", next->path);
	if (has_initrd) {
		if (next->initrd[0])
			initrd_fd = open(next->initrd, O_RDONLY | O_CLOEXEC);
		else
			initrd_fd = memory_with(&next->image.initrd);
	}
	if (has_initrd && initrd_fd < 0)
		status = fail(errno, "%s", next->initrd[0] ? next->initrd : next->path);
	else if (syscall(SYS_kexec_file_load, kernel_fd, initrd_fd, strlen(next->cmdline) + 1,
			 next->cmdline, has_initrd ? 0UL : KEXEC_FILE_NO_INITRAMFS))
		status = fail(errno, "%s: kexec_file_load", next->path);
	close(kernel_fd);
	if (initrd_fd >= 0)
		close(initrd_fd);
	return status;
}

void next_unload(void)
{
	syscall(SYS_kexec_file_load, -1, -1, 1UL, "", KEXEC_FILE_UNLOAD);
}
