// SPDX-License-Identifier: GPL-2.0
/*
 * luo-proc - processes that a shell cannot be, or not fast enough
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/reboot.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LUO "/sys/kernel/config/liveupdate/"

static const char usage_text[] =
	"usage: luo-proc pidfd PID FD COMMAND...\n"
	"       luo-proc subreaper COMMAND...\n"
	"       luo-proc leaderless\n"
	"       luo-proc thread-exec COMMAND...\n"
	"       luo-proc race FIRST SECOND ROUNDS\n"
	"       luo-proc crash ROUNDS FILES\n"
	"       luo-proc kexec TIMES\n"
	"\n"
	"pidfd        become COMMAND, with a pidfd of PID as its descriptor FD\n"
	"subreaper    become COMMAND, as the parent of all its descendants that lose theirs\n"
	"leaderless   claim live update, and end the first thread; print \"alone\" and, when stdin ends, end\n"
	"thread-exec  exec COMMAND from a thread that is not the first\n"
	"race         two processes go for live update at the same time, ROUNDS times, each by writing \"owner\" or by\n"
	"             opening the \"device\"; print how often each had it. Fails when ever both or none has it\n"
	"crash        ROUNDS times: a process claims live update, makes a session, preserves FILES files, and is killed\n"
	"             somewhere on the way; fails when anything of it is left\n"
	"kexec        as many processes call reboot(2) for a kexec at the same time; print what each failed with\n";

static int write_file(const char *text, const char *format, ...)
{
	char path[256];
	va_list args;
	int fd, ret;

	va_start(args, format);
	vsnprintf(path, sizeof(path), format, args);
	va_end(args);
	fd = open(path, O_WRONLY);
	if (fd < 0)
		return -1;
	ret = write(fd, text, strlen(text)) < 0 ? -1 : 0;
	close(fd);
	return ret;
}

/* What a file reads, without the newline */
static const char *read_file(const char *format, ...)
{
	static char text[4096];
	char path[256];
	va_list args;
	ssize_t len;
	int fd;

	va_start(args, format);
	vsnprintf(path, sizeof(path), format, args);
	va_end(args);
	fd = open(path, O_RDONLY);
	len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (len <= 0)
		err(1, "%s", path);
	close(fd);
	text[len - 1] = '\0';
	return text;
}

/* The state of a thread of ours, as /proc tells it */
static char thread_state(pid_t tid)
{
	return strstr(read_file("/proc/self/task/%d/stat", tid), ") ")[2];
}

static void *last_thread(void *arg)
{
	char byte;

	(void)arg;
	while (thread_state(getpid()) != 'Z')
		sched_yield();
	puts("alone");
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
	/* This thread alone: the process ends as it is the last one. */
	syscall(SYS_exit, 0);
	return NULL;
}

static int cmd_pidfd(char **args)
{
	int pidfd = syscall(SYS_pidfd_open, atoi(args[0]), 0);

	/* The copy is not closed by exec. */
	if (pidfd < 0 || dup2(pidfd, atoi(args[1])) < 0)
		err(1, "pidfd");
	execvp(args[2], args + 2);
	err(127, "%s", args[2]);
}

static int cmd_subreaper(char **args)
{
	if (prctl(PR_SET_CHILD_SUBREAPER, 1))
		err(1, "prctl");
	execvp(args[0], args);
	err(127, "%s", args[0]);
}

static int cmd_leaderless(char **args)
{
	pthread_t thread;

	(void)args;
	if (write_file("self\n", LUO "owner"))
		err(1, "owner");
	if (pthread_create(&thread, NULL, last_thread, NULL))
		errx(1, "pthread_create");
	syscall(SYS_exit, 0);
	return 0;
}

static void *exec_thread(void *args)
{
	char **argv = args;

	execvp(argv[0], argv);
	err(127, "%s", argv[0]);
}

static int cmd_thread_exec(char **args)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, exec_thread, args))
		errx(1, "pthread_create");
	pause();
	return 1;
}

/* What two who race share */
struct race {
	atomic_int arrived;
	atomic_int got[2];
	atomic_int left;
};

/* Wait until all parties have come as often as we have. */
static void meet(atomic_int *arrived, int times)
{
	atomic_fetch_add(arrived, 1);
	while (atomic_load(arrived) < times)
		sched_yield();
}

static int claim(const char *how)
{
	if (!strcmp(how, "device"))
		return open("/dev/liveupdate", O_RDWR);
	return write_file("self\n", LUO "owner");
}

static void runner(struct race *race, int who, const char *how, int rounds)
{
	const char *owner, *mine;
	char pid[16];
	int round, fd, got;

	snprintf(pid, sizeof(pid), "pid:%d", getpid());
	mine = strcmp(how, "device") ? pid : "fd";
	for (round = 1; round <= rounds; round++) {
		meet(&race->arrived, 2 * round);
		fd = claim(how);
		if (fd < 0 && errno != EBUSY)
			err(1, "round %d, %s", round, how);
		got = fd >= 0;
		if (got)
			atomic_fetch_add(&race->got[who], 1);
		/* Now both have tried. */
		meet(&race->left, 4 * round - 2);
		if (atomic_load(&race->got[0]) + atomic_load(&race->got[1]) != round)
			errx(1, "round %d: %d and %d", round, atomic_load(&race->got[0]), atomic_load(&race->got[1]));
		owner = read_file(LUO "owner");
		if (got ? strcmp(owner, mine) : !strcmp(owner, pid) || !strcmp(owner, "none"))
			errx(1, "round %d: %s, but %s is the owner", round, got ? "got it" : "did not get it", owner);
		/* Now both have seen it. */
		meet(&race->left, 4 * round);
		if (got && (strcmp(how, "device") ? write_file("none\n", LUO "owner") : close(fd)))
			err(1, "round %d, letting go", round);
	}
	exit(0);
}

static int cmd_race(char **args)
{
	struct race *race = mmap(NULL, sizeof(*race), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pids[2];
	int who, status;

	if (race == MAP_FAILED)
		err(1, "mmap");
	for (who = 0; who < 2; who++) {
		pids[who] = fork();
		if (!pids[who])
			runner(race, who, args[who], atoi(args[2]));
	}
	/* Who fails lets the other one wait for ever. */
	if (waitpid(-1, &status, 0) < 0 || status) {
		kill(pids[0], SIGKILL);
		kill(pids[1], SIGKILL);
		return 1;
	}
	if (waitpid(-1, &status, 0) < 0 || status)
		return 1;
	printf("%d %d\n", race->got[0], race->got[1]);
	return 0;
}

static void victim(int report, int files)
{
	char text[32], dir[128];
	int i, fd;

	if (write_file("self\n", LUO "owner") || mkdir(LUO "sessions/crash", 0755))
		err(1, "claim");
	for (i = 0; i < files; i++) {
		if (write(report, "", 1) != 1)
			err(1, "report");
		fd = memfd_create("crash", MFD_ALLOW_SEALING);
		if (fd < 0 || pwrite(fd, "x", 1, 5 * 4096) != 1)
			err(1, "memfd");
		snprintf(dir, sizeof(dir), LUO "sessions/crash/%d", i);
		snprintf(text, sizeof(text), "self:%d\n", fd);
		if (mkdir(dir, 0755) || write_file(text, "%s/fd", dir))
			err(1, "%s", dir);
		close(fd);
	}
	for (;;)
		pause();
}

static int cmd_crash(char **args)
{
	int rounds = atoi(args[0]), files = atoi(args[1]), round, i, status, fds[2];
	char dir[128], byte;
	pid_t pid;

	for (round = 0; round < rounds; round++) {
		if (pipe(fds))
			err(1, "pipe");
		pid = fork();
		if (!pid)
			victim(fds[1], files);
		close(fds[1]);
		/* It goes on while it is killed: after this many files, or in the middle of the next one. */
		for (i = 0; i <= round % files; i++)
			if (read(fds[0], &byte, 1) != 1)
				errx(1, "round %d: died too early", round);
		if (kill(pid, SIGKILL) || waitpid(pid, &status, 0) != pid || status != SIGKILL)
			errx(1, "round %d: ended by itself", round);
		close(fds[0]);
		if (strcmp(read_file(LUO "owner"), "none") || strcmp(read_file(LUO "sessions/crash/owner"), "none") ||
		    strcmp(read_file(LUO "sessions/crash/state"), "abandoned") ||
		    strcmp(read_file(LUO "sessions/crash/files"), "0"))
			errx(1, "round %d: something is left", round);
		for (i = 0; i < files; i++) {
			snprintf(dir, sizeof(dir), LUO "sessions/crash/%d", i);
			if (access(dir, F_OK))
				break;
			if (strcmp(read_file("%s/state", dir), "empty") || rmdir(dir))
				err(1, "round %d: %s", round, dir);
		}
		if (rmdir(LUO "sessions/crash"))
			err(1, "round %d: rmdir", round);
	}
	return 0;
}

static int cmd_kexec(char **args)
{
	atomic_int *arrived = mmap(NULL, sizeof(*arrived), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int times = atoi(args[0]), i;

	if (arrived == MAP_FAILED)
		err(1, "mmap");
	for (i = 0; i < times; i++) {
		if (fork())
			continue;
		meet(arrived, times);
		syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_KEXEC, NULL);
		puts(strerrorname_np(errno));
		exit(0);
	}
	while (wait(NULL) > 0)
		;
	return 0;
}

static const struct {
	const char *name;
	int min_args;
	int (*func)(char **args);
} commands[] = {
	{ "pidfd", 3, cmd_pidfd },
	{ "subreaper", 1, cmd_subreaper },
	{ "leaderless", 0, cmd_leaderless },
	{ "thread-exec", 1, cmd_thread_exec },
	{ "race", 3, cmd_race },
	{ "crash", 2, cmd_crash },
	{ "kexec", 1, cmd_kexec },
};

int main(int argc, char **argv)
{
	size_t i;

	for (i = 0; argc > 1 && i < sizeof(commands) / sizeof(*commands); i++)
		if (!strcmp(argv[1], commands[i].name) && argc - 2 >= commands[i].min_args)
			return commands[i].func(argv + 2);
	fputs(usage_text, argc > 1 && !strcmp(argv[1], "--help") ? stdout : stderr);
	return argc > 1 && !strcmp(argv[1], "--help") ? 0 : 2;
}
