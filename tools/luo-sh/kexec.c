// SPDX-License-Identifier: GPL-2.0
/* To the next kernel, if it can take what is preserved */
#include <errno.h>
#include <fcntl.h>
#include <linux/kexec.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "image.h"

/* systemd, when it is what runs the machine, stops it in order. */
#define SYSTEMD		"/run/systemd/system"

/* The command line of the running kernel, or an empty one */
static int read_cmdline(char *text, size_t size)
{
	int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, text, size - 1);
	int err = errno;

	if (fd >= 0)
		close(fd);
	if (len < 0)
		return fail(err, "/proc/cmdline");
	text[len] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return STATUS_OK;
}

/* Does the last word NAME=VALUE on a command line say yes? @if_none without one */
static bool is_on(const char *cmdline, const char *name, bool if_none)
{
	size_t len = strlen(name), word;
	bool value = if_none;

	for (; *cmdline; cmdline += word + strspn(cmdline + word, " ")) {
		word = strcspn(cmdline, " ");
		if (word > len + 1 && !strncmp(cmdline, name, len) && cmdline[len] == '=')
			value = strchr("1yYtT", cmdline[len + 1]) ||
				!strncmp(cmdline + len + 1, "on", 2);
	}
	return value;
}

static int choose_cmdline(const struct args *args, char *text, size_t size)
{
	const char *given = args_option(args, "cmdline");

	if (given && args_option(args, "reuse-cmdline"))
		return complain(STATUS_USAGE,
				"kexec: --cmdline and --reuse-cmdline are one too many");
	if (args_option(args, "reuse-cmdline"))
		return read_cmdline(text, size);
	if (given && strlen(given) >= size)
		return fail(E2BIG, "--cmdline");
	strcpy(text, given ?: "");
	return STATUS_OK;
}

/*
 * What is handed over is lost to a kernel that is not told to look at it. KHO may
 * be on by itself, if it is here.
 */
static int check_cmdline(const char *cmdline, struct json_object *verdict)
{
	char here[4096];
	int status = read_cmdline(here, sizeof(here));

	if (status)
		return status;
	if (!json_object_array_length(json_object_object_get(verdict, "needs")) ||
	    (is_on(cmdline, "liveupdate", false) &&
	     is_on(cmdline, "kho", !is_on(here, "kho", false))))
		return STATUS_OK;
	return complain(STATUS_MISMATCH, "%s: its command line lacks liveupdate=on kho=on: %s",
			get_string(verdict, "image"), cmdline);
}

/*
 * Whoever else has control of live update keeps us out. Writing the owner that
 * there is changes nothing, and is allowed to it and its descendants alone.
 */
static int check_owner(void)
{
	const char *owner = luo_read(NULL, "owner");
	char pid[16];

	if (!owner || !strcmp(owner, "none"))
		return STATUS_OK;
	/* It stands where the next file that is read goes */
	snprintf(pid, sizeof(pid), "%s", owner);
	return set_owner(NULL, pid);
}

static int load(const char *image, const char *initrd, const char *cmdline)
{
	int kernel_fd, initrd_fd = -1, status = STATUS_OK;

	kernel_fd = open(image, O_RDONLY | O_CLOEXEC);
	if (kernel_fd < 0)
		return fail(errno, "%s", image);
	if (initrd)
		initrd_fd = open(initrd, O_RDONLY | O_CLOEXEC);
	if (initrd && initrd_fd < 0)
		status = fail(errno, "%s", initrd);
	else if (syscall(SYS_kexec_file_load, kernel_fd, initrd_fd, strlen(cmdline) + 1, cmdline,
			 initrd ? 0UL : KEXEC_FILE_NO_INITRAMFS))
		status = fail(errno, "%s: kexec_file_load", image);
	close(kernel_fd);
	if (initrd_fd >= 0)
		close(initrd_fd);
	return status;
}

static void unload(void)
{
	syscall(SYS_kexec_file_load, -1, -1, 1UL, "", KEXEC_FILE_UNLOAD);
}

/* Does not return when all goes well. */
static int go(bool is_now)
{
	const char *last_error;
	int err;

	if (!is_now && !access(SYSTEMD, F_OK))
		return become((char *[]){ "systemctl", "kexec", NULL });
	sync();
	reboot(RB_KEXEC);
	err = errno;
	last_error = luo_read(NULL, "last_error");
	return fail(err, "reboot: %s", last_error && *last_error ? last_error : "kexec");
}

static int run_kexec(const struct args *args, struct json_object *verdict, const char *cmdline)
{
	const char *abi = get_string(verdict, "abi");
	struct json_object *root = luo_root();
	const char *old = get_string(root, "abi");
	bool has_changed = *abi && strcmp(abi, old);
	int status = STATUS_OK;

	if (has_changed)
		status = luo_write(abi, NULL, "abi");
	if (!status) {
		status = load(args->words[0], args_option(args, "initrd"), cmdline);
		if (!status) {
			status = go(args_option(args, "now"));
			unload();
		}
		if (has_changed)
			luo_write(old, NULL, "abi");
	}
	json_object_put(root);
	return status;
}

int cmd_kexec(const struct args *args)
{
	const char *initrd = args_option(args, "initrd");
	struct json_object *verdict = NULL;
	char cmdline[4096];
	int status;

	status = choose_cmdline(args, cmdline, sizeof(cmdline));
	if (!status && initrd && access(initrd, R_OK))
		status = fail(errno, "%s", initrd);
	if (!status)
		status = check_owner() ?: check(args, &verdict) ?: check_cmdline(cmdline, verdict);
	if (!status && args_option(args, "dry-run")) {
		json_object_object_add(verdict, "cmdline", json_object_new_string(cmdline));
		if (initrd)
			json_object_object_add(verdict, "initrd", json_object_new_string(initrd));
		out(json_object_get(verdict));
	} else if (!status) {
		status = run_kexec(args, verdict, cmdline);
	}
	json_object_put(verdict);
	return status;
}
