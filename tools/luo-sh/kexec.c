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
	char cmdline[CMDLINE_SIZE];
	int status;

	status = cmdline_choose(args, cmdline);
	if (!status && initrd && access(initrd, R_OK))
		status = fail(errno, "%s", initrd);
	if (!status)
		status = check_owner() ?: check(args, cmdline, &verdict);
	if (!status && args_option(args, "dry-run")) {
		if (initrd)
			json_object_object_add(verdict, "initrd", json_object_new_string(initrd));
		out(json_object_get(verdict));
	} else if (!status) {
		status = run_kexec(args, verdict, cmdline);
	}
	json_object_put(verdict);
	return status;
}
