// SPDX-License-Identifier: GPL-2.0
/* To the next kernel, if it can take what is preserved */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "next.h"
#include "services.h"

/* How long systemctl may take to ask, and systemd to begin: logind lets others delay it. */
#define ASK_SECONDS	60

/* What a systemctl that was killed may have asked for, systemd does by then. */
#define LATE_SECONDS	5

/*
 * Whoever else has control of live update keeps us out. Writing what the owner reads
 * changes nothing, and is allowed to the owner and its descendants alone.
 */
int check_owner(void)
{
	const char *owner = luo_read(NULL, "owner");
	char text[32];

	if (!owner || !strcmp(owner, "none"))
		return STATUS_OK;
	/* It stands where the next file that is read goes */
	snprintf(text, sizeof(text), "%s\n", owner);
	return luo_write(text, NULL, "owner");
}

/* What would end us between what we change and what we undo: read from a descriptor */
static int catch_signals(sigset_t *old)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGQUIT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, old);
	return signalfd(-1, &signals, SFD_CLOEXEC);
}

/* @was_asked is what counts when systemd cannot be asked any more. */
static bool systemd_is_stopping(bool was_asked)
{
	char state[16];

	systemctl_line("is-system-running", state, sizeof(state));
	return *state ? !strcmp(state, "stopping") : was_asked;
}

static time_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

/*
 * Run systemctl, until it ends, a signal comes or the time is up. It is killed then.
 * Says why not.
 */
static int run_systemctl(int signals, const sigset_t *mask)
{
	char *const argv[] = { "systemctl", "kexec", NULL };
	struct pollfd fds[2] = { { .events = POLLIN }, { .fd = signals, .events = POLLIN } };
	posix_spawnattr_t attributes;
	int err, result = 0, ready;
	pid_t pid;

	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setsigmask(&attributes, mask);
	err = posix_spawnp(&pid, argv[0], NULL, &attributes, argv, environ);
	posix_spawnattr_destroy(&attributes);
	if (err)
		return fail(err, "%s", argv[0]);
	fds[0].fd = syscall(SYS_pidfd_open, pid, 0);
	ready = poll(fds, ARRAY_SIZE(fds), ASK_SECONDS * 1000);
	if (!fds[0].revents)
		kill(pid, SIGKILL);
	waitpid(pid, &result, 0);
	close(fds[0].fd);
	if (!ready)
		return complain(STATUS_TIMEOUT, "systemctl kexec takes more than %d s",
				ASK_SECONDS);
	if (!fds[0].revents)
		return complain(STATUS_FAILED, "interrupted");
	return result ? complain(STATUS_FAILED, "systemctl kexec failed") : STATUS_OK;
}

/*
 * Have systemd stop the machine. It has begun to when this returns STATUS_OK.
 * systemctl can be among what systemd stops, as we can, and be killed before it could say
 * so. When it was heard nothing takes that back, so that a signal does not end the wait.
 */
static int ask_systemd(int signals, const sigset_t *mask)
{
	int status = run_systemctl(signals, mask);
	time_t deadline = now() + (status ? LATE_SECONDS : ASK_SECONDS);

	while (!systemd_is_stopping(!status)) {
		if (now() >= deadline) {
			if (!status)
				status = complain(STATUS_TIMEOUT,
						  "systemd did not begin to stop within %d s",
						  ASK_SECONDS);
			return complain(status, "nothing was stopped");
		}
		poll(NULL, 0, 200);
	}
	return STATUS_OK;
}

/* Without systemd, does not return when all goes well. */
static int go(bool is_now, int signals, const sigset_t *mask)
{
	const char *what;
	bool had_guard;
	int err;

	if (!is_now && services_are_systemd()) {
		had_guard = services_release_guard();
		err = ask_systemd(signals, mask);
		if (err && had_guard)
			services_restore_guard();
		return err;
	}
	sync();
	reboot(RB_KEXEC);
	err = errno;
	what = strchr(luo_last_error(), ' ');
	return fail(err, "reboot: %s", what ? what + 1 : "kexec");
}

/* What is changed here is as it was when this fails. */
static int run_kexec(const struct args *args, struct json_object *verdict,
		     const struct next *next)
{
	const char *abi = get_string(verdict, "abi");
	struct json_object *root = luo_root();
	const char *old = get_string(root, "abi");
	bool has_changed = *abi && strcmp(abi, old);
	int status = STATUS_OK, signals;
	sigset_t mask;

	signals = catch_signals(&mask);
	if (has_changed)
		status = luo_write(abi, NULL, "abi");
	if (!status) {
		status = next_load(next);
		if (!status) {
			status = prepare() ?: go(args_option(args, "now"), signals, &mask);
			if (status) {
				unprepare();
				next_unload();
			}
		}
		if (status && has_changed)
			luo_write(old, NULL, "abi");
	}
	close(signals);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	json_object_put(root);
	return status;
}

/*
 * Have the kernel look at the image, and at what it would have to hand over, where that takes
 * the place of no image that is loaded.
 */
static int try_load(const struct next *next)
{
	FILE *file = fopen("/sys/kernel/kexec_loaded", "re");
	bool is_free = file && fgetc(file) == '0';
	int status;

	if (file)
		fclose(file);
	if (!is_free)
		return complain(STATUS_OK, "%s: not tried to load, as an image is loaded",
				next->path);
	status = next_load(next);
	if (!status) {
		status = prepare();
		unprepare();
		next_unload();
	}
	return status;
}

int cmd_kexec(const struct args *args)
{
	struct json_object *verdict = NULL;
	struct next next;
	int status;

	status = next_open(args, &next);
	/* Without any it is empty. */
	next.has_cmdline = true;
	if (!status)
		status = check_owner() ?: check(args, &next, &verdict);
	if (!status && !args_option(args, "no-initrd"))
		status = next_check_initrd(&next);
	if (!status && args_option(args, "dry-run")) {
		if (next.initrd[0])
			json_object_object_add(verdict, "initrd",
					       json_object_new_string(next.initrd));
		status = try_load(&next);
		if (!status)
			out(json_object_get(verdict));
	} else if (!status) {
		status = run_kexec(args, verdict, &next);
	}
	json_object_put(verdict);
	next_close(&next);
	return status;
}
