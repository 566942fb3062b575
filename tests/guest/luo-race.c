// SPDX-License-Identifier: GPL-2.0
/*
 * luo-race - have live update do things at the same time that get in each other's way
 *
 * Each race has up to three parties, threads that begin a round together, each after a random delay of its own. A
 * party may fail only with what is said of it, and has to succeed in some rounds; after each round it is looked whether
 * all is as it has to be.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/reboot.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LUO		"/sys/kernel/config/liveupdate/"
#define OURS		LUO "sessions/race"
#define MODULE		"/boot/liveupdate-sample.ko"
#define FAIL_FREEZE	"/sys/module/liveupdate_testdev/parameters/fail_freeze"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define PARTIES		3
#define FILE_SIZE	(2 * 4096)
#define MAX_ERRNO	256

static const char usage_text[] =
	"usage: luo-race RACE ROUNDS SEED\n"
	"       luo-race sessions COUNT\n"
	"       luo-race preserve SEED\n"
	"       luo-race preserved\n"
	"\n"
	"RACE      one of those listed below. It prints how often each party succeeded, and failed with what\n"
	"sessions  COUNT sessions with two files each, for the races of the next kernel that need so many\n"
	"preserve  preserve and unpreserve files until there is a kexec, which comes at once: an image has to be loaded\n"
	"preserved look in the next kernel whether all is there of which the former had said that it was preserved, and\n"
	"          nothing of which it had said that it was not; prints how many files and bytes were checked\n"
	"\n"
	"Races:\n";

struct file_arg {
	uint32_t size;
	int32_t fd;
	uint64_t token;
};

struct session_arg {
	uint32_t size;
	int32_t fd;
	char name[64];
};

#define CREATE_SESSION		_IO(0xba, 0x00)
#define RETRIEVE_SESSION	_IO(0xba, 0x01)
#define PRESERVE_FD		_IO(0xba, 0x40)
#define RETRIEVE_FD		_IO(0xba, 0x41)

struct race {
	const char *name;
	const char *what;
	void (*prepare)(void);
	int (*party[PARTIES])(int who);
	/* What each party may fail with */
	const char *may[PARTIES];
	void (*settle)(void);
};

static unsigned int round_nr;
static uint64_t seed;
static int memfds[PARTIES];
static int device = -1;
static pid_t victim;
/* What the parties of this round came to: 0 or an errno */
static int results[PARTIES];
/* How many have the file that one alone can have */
static atomic_int holders;

/* A number that depends on the seed, the round, @who and @what alone (splitmix64). */
static uint64_t any(int who, int what)
{
	uint64_t z = seed + (((uint64_t)round_nr * PARTIES + who) * 64 + what + 1) * 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

/* Wrong it is, and this is the end of all parties. */
#define wrong(format, ...) \
	errx(1, "round %u, seed %llu: " format, round_nr, (unsigned long long)seed, ##__VA_ARGS__)

static const char *path_of(char *path, size_t size, const char *format, va_list args)
{
	vsnprintf(path, size, format, args);
	return path;
}

/* Write @text to a file. Returns 0 or an errno, as all that follow. */
static int put(const char *text, const char *format, ...)
{
	char path[256];
	va_list args;
	int fd, ret;

	va_start(args, format);
	fd = open(path_of(path, sizeof(path), format, args), O_WRONLY);
	va_end(args);
	if (fd < 0)
		return errno;
	ret = write(fd, text, strlen(text)) < 0 ? errno : 0;
	close(fd);
	return ret;
}

static int get(char text[64], const char *format, ...)
{
	char path[256];
	va_list args;
	ssize_t len;
	int fd, ret;

	va_start(args, format);
	fd = open(path_of(path, sizeof(path), format, args), O_RDONLY);
	va_end(args);
	if (fd < 0)
		return errno;
	len = read(fd, text, 63);
	ret = len < 0 ? errno : 0;
	text[len < 0 ? 0 : strcspn((text[len] = '\0', text), "\n")] = '\0';
	close(fd);
	return ret;
}

static int make(const char *format, ...)
{
	char path[256];
	va_list args;
	int ret;

	va_start(args, format);
	ret = mkdir(path_of(path, sizeof(path), format, args), 0755) ? errno : 0;
	va_end(args);
	return ret;
}

static int drop(const char *format, ...)
{
	char path[256];
	va_list args;
	int ret;

	va_start(args, format);
	ret = rmdir(path_of(path, sizeof(path), format, args)) ? errno : 0;
	va_end(args);
	return ret;
}

static int put_fd(int fd, const char *dir, uint64_t token)
{
	char text[32];

	snprintf(text, sizeof(text), "self:%d\n", fd);
	return put(text, "%s/%llu/fd", dir, (unsigned long long)token);
}

static void must(int ret, const char *what)
{
	if (ret)
		wrong("%s: %s", what, strerrorname_np(ret));
}

static void must_read(const char *want, const char *path)
{
	char text[64];

	must(get(text, "%s", path), path);
	if (strcmp(text, want))
		wrong("%s: '%s', expected '%s'", path, text, want);
}

/* A memfd with a content that is @nr's */
static int new_memfd(uint64_t nr)
{
	uint64_t words[FILE_SIZE / 8];
	int fd = memfd_create("race", MFD_ALLOW_SEALING);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(words); i++)
		words[i] = (nr << 16) + i;
	if (fd < 0 || write(fd, words, FILE_SIZE) != FILE_SIZE)
		err(1, "memfd");
	return fd;
}

static void check_memfd(int fd, uint64_t nr)
{
	uint64_t words[FILE_SIZE / 8];
	struct stat st;
	size_t i;

	if (fstat(fd, &st) || st.st_size != FILE_SIZE || pread(fd, words, FILE_SIZE, 0) != FILE_SIZE)
		wrong("file %llu is not whole", (unsigned long long)nr);
	for (i = 0; i < ARRAY_SIZE(words); i++)
		if (words[i] != (nr << 16) + i)
			wrong("file %llu: word %zu is %llx", (unsigned long long)nr, i, (unsigned long long)words[i]);
}

/* The size of a file that is preserved is fixed. */
static void close_free(int fd, uint64_t nr)
{
	check_memfd(fd, nr);
	if (ftruncate(fd, 1))
		wrong("file %llu is still preserved", (unsigned long long)nr);
	close(fd);
}

/* Parties */

static int store(int who)
{
	(void)who;
	return put_fd(memfds[0], OURS, 1);
}

static int remove_token(int who)
{
	(void)who;
	return drop(OURS "/1");
}

static int remove_session(int who)
{
	return remove_token(who) ?: drop(OURS);
}

static int look(int who)
{
	static const char *const files[] = {
		OURS "/owner", OURS "/state", OURS "/files", OURS "/1/state", OURS "/1/size", OURS "/1/compatible",
		LUO "owner", LUO "state", LUO "handlers", LUO "abi", LUO "last_error",
	};
	int ret = 0;
	char text[64];
	size_t i;

	for (i = 0; !ret && i < ARRAY_SIZE(files); i++)
		ret = get(text, "%s", files[(i + any(who, 1)) % ARRAY_SIZE(files)]);
	return ret;
}

static int close_file(int who)
{
	(void)who;
	return close(memfds[0]) ? errno : 0;
}

static int kill_owner(int who)
{
	(void)who;
	return kill(victim, SIGKILL) ? errno : 0;
}

/* A kexec that a file keeps from happening */
static int try_kexec(int who)
{
	(void)who;
	syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_KEXEC, NULL);
	return errno == EIO ? 0 : errno;
}

static int choose_abi(int who)
{
	(void)who;
	return put("luo-v5\n", LUO "abi") ?: put("luo-v1\n", LUO "abi");
}

static void hold_alone(void)
{
	if (atomic_fetch_add(&holders, 1))
		wrong("a file is preserved twice");
	sched_yield();
	atomic_fetch_sub(&holders, 1);
}

static int use_directory(int who)
{
	int ret = make(OURS);

	(void)who;
	if (ret)
		return ret;
	must(make(OURS "/1"), "token");
	ret = put_fd(memfds[0], OURS, 1);
	if (!ret)
		hold_alone();
	must(drop(OURS "/1") ?: drop(OURS), "rmdir");
	return ret;
}

static int session_of_device(unsigned long cmd, const char *name)
{
	struct session_arg arg = { .size = sizeof(arg) };

	strcpy(arg.name, name);
	return ioctl(device, cmd, &arg) ? -1 : arg.fd;
}

static int use_device(int who)
{
	struct file_arg arg = { .size = sizeof(arg), .fd = memfds[0], .token = 1 };
	int held = session_of_device(CREATE_SESSION, "race");
	int ret;

	(void)who;
	if (held < 0)
		return errno;
	ret = ioctl(held, PRESERVE_FD, &arg) ? errno : 0;
	if (!ret)
		hold_alone();
	close(held);
	return ret;
}

/* Ours of the sessions that the previous kernel preserved; its files are 2 * round and one more. */
static const char *incoming(void)
{
	static _Thread_local char path[64];

	snprintf(path, sizeof(path), LUO "incoming/in%u", round_nr);
	return path;
}

static int retrieve(int who)
{
	int fd = open("/dev/null", O_RDONLY);
	int ret = put_fd(fd, incoming(), 0);

	(void)who;
	if (!ret)
		check_memfd(fd, 2 * round_nr);
	close(fd);
	return ret;
}

static int retrieve_by_device(int who)
{
	struct file_arg arg = { .size = sizeof(arg), .token = who & 1 };
	int held = session_of_device(RETRIEVE_SESSION, strrchr(incoming(), '/') + 1);
	int ret;

	if (held < 0)
		return errno;
	ret = ioctl(held, RETRIEVE_FD, &arg) ? errno : 0;
	if (!ret) {
		check_memfd(arg.fd, 2 * round_nr + arg.token);
		close(arg.fd);
	}
	close(held);
	return ret;
}

/* List a session's directory, and those of its tokens, as long as they are there. */
static int list(int who)
{
	int times = 1 + any(who, 1) % 32;
	struct dirent *entry;
	char path[512];
	struct stat st;
	DIR *dir;

	while (times--) {
		snprintf(path, sizeof(path), "%s%s", incoming(), times & 1 ? "" : times & 2 ? "/0" : "/1");
		dir = opendir(path);
		if (!dir)
			continue;
		while ((entry = readdir(dir)))
			fstatat(dirfd(dir), entry->d_name, &st, 0);
		closedir(dir);
	}
	return 0;
}

static int finish(int who)
{
	(void)who;
	return put("1\n", "%s/finish", incoming());
}

static int discard(int who)
{
	(void)who;
	return put("discard\n", "%s/finish", incoming());
}

static int load(void)
{
	int fd = open(MODULE, O_RDONLY | O_CLOEXEC);
	int ret = syscall(SYS_finit_module, fd, "", 0) ? errno : 0;

	close(fd);
	return ret;
}

static int unload(void)
{
	return syscall(SYS_delete_module, "liveupdate_sample", O_NONBLOCK) ? errno : 0;
}

/* The module has come and gone in this round. */
static atomic_bool module_is_over;

static int load_and_unload(int who)
{
	int ret = load() ?: unload();

	(void)who;
	atomic_store(&module_is_over, true);
	return ret;
}

static int store_note(int who)
{
	int fd, ret;

	(void)who;
	/* It takes a while to come. */
	do {
		fd = open("/dev/liveupdate-sample", O_RDWR | O_CLOEXEC);
	} while (fd < 0 && !atomic_load(&module_is_over));
	if (fd < 0)
		return errno;
	ret = put_fd(fd, OURS, 1);
	close(fd);
	return ret;
}

/* Some of what can be done to four sessions with four tokens each, whatever is there */
static int storm(int who)
{
	unsigned int i, session, token;
	uint64_t nr;
	char dir[64];

	for (i = 0; i < 16; i++) {
		nr = any(who, 2 + i);
		session = nr & 3;
		token = nr >> 2 & 3;
		snprintf(dir, sizeof(dir), OURS "%u", session);
		switch (nr >> 4 & 7) {
		case 0:
			make("%s", dir);
			break;
		case 1:
			drop("%s", dir);
			break;
		case 2 ... 3:
			make("%s/%u", dir, token);
			break;
		case 4:
			drop("%s/%u", dir, token);
			break;
		default:
			put_fd(memfds[who], dir, token);
		}
	}
	return 0;
}

/* Before a round, and after it */

static void make_token(void)
{
	memfds[0] = new_memfd(round_nr);
	must(make(OURS) ?: make(OURS "/1"), "mkdir");
}

static void end_removed(void)
{
	if (!access(OURS "/1", F_OK))
		wrong("the token is still there");
	must_read("0", OURS "/files");
	must(drop(OURS), "rmdir");
	close_free(memfds[0], round_nr);
}

static void end_gone(void)
{
	if (!access(OURS, F_OK))
		wrong("the session is still there");
	close_free(memfds[0], round_nr);
}

static void end_closed(void)
{
	must_read(results[0] ? "empty" : "preserved", OURS "/1/state");
	must_read(results[0] ? "0" : "1", OURS "/files");
	must(drop(OURS "/1") ?: drop(OURS), "rmdir");
}

static void end_stored(void)
{
	if (!results[0] && !ftruncate(memfds[0], 1))
		wrong("the file is not preserved");
	must_read(results[0] ? "empty" : "preserved", OURS "/1/state");
	must(drop(OURS "/1"), "rmdir");
	end_removed();
}

static void make_owned(void)
{
	int fds[2];
	char byte;

	make_token();
	if (pipe(fds))
		err(1, "pipe");
	victim = fork();
	if (!victim) {
		must(put("self\n", OURS "/owner"), "owner");
		if (write(fds[1], "", 1) != 1)
			err(1, "pipe");
		for (;;)
			pause();
	}
	if (read(fds[0], &byte, 1) != 1)
		err(1, "pipe");
	close(fds[0]);
	close(fds[1]);
}

static void end_abandoned(void)
{
	waitpid(victim, NULL, 0);
	must_read("abandoned", OURS "/state");
	must_read("none", OURS "/owner");
	must_read("empty", OURS "/1/state");
	must(drop(OURS "/1"), "rmdir");
	end_removed();
}

static void end_abandoned_gone(void)
{
	waitpid(victim, NULL, 0);
	end_gone();
}

/* What cannot be frozen: then no kexec comes about, whoever is first. */
static void make_unfreezable(void)
{
	int fd = open("/dev/liveupdate-test", O_RDWR | O_CLOEXEC);

	must(make(LUO "sessions/stop") ?: make(LUO "sessions/stop/0") ?: put_fd(fd, LUO "sessions/stop", 0) ?:
	     put("1\n", FAIL_FREEZE), "what cannot be frozen");
	close(fd);
}

/* The session can be finished when its first file is retrieved, too. */
static void make_unfreezable_and_retrieve(void)
{
	int fd = open("/dev/null", O_RDONLY);

	make_unfreezable();
	must(put_fd(fd, incoming(), 1), "retrieve");
	close(fd);
}

static void drop_unfreezable(void)
{
	must_read("0", "/sys/module/liveupdate_testdev/parameters/frozen");
	must(drop(LUO "sessions/stop/0") ?: drop(LUO "sessions/stop"), "rmdir");
}

static void make_token_and_stop(void)
{
	make_token();
	make_unfreezable();
}

static void end_stored_and_stop(void)
{
	must_read("normal", LUO "state");
	end_stored();
	drop_unfreezable();
}

/* As the root's owner: who has the device alone has no say in directories. */
static void open_device(void)
{
	if (device >= 0)
		return;
	must(put("self\n", LUO "owner"), "owner");
	device = open("/dev/liveupdate", O_RDWR | O_CLOEXEC);
	if (device < 0)
		err(1, "/dev/liveupdate");
}

static void make_file(void)
{
	open_device();
	memfds[0] = new_memfd(round_nr);
}

/* Directories that are the kernel's come and go when it gets to it. */
static void settle_directories(void)
{
	char text[64];

	must(get(text, LUO "state"), "state");
}

static void end_file(void)
{
	settle_directories();
	end_gone();
	must_read("0", LUO "last_error");
}

/* What was not finished is all there, and can be. */
static void end_incoming(void)
{
	uint64_t token;
	int fd;

	settle_directories();
	if (!access(incoming(), F_OK)) {
		for (token = 0; token < 2; token++) {
			fd = open("/dev/null", O_RDONLY);
			must(put_fd(fd, incoming(), token), "retrieve");
			check_memfd(fd, 2 * round_nr + token);
			close(fd);
		}
		must(finish(0), "finish");
		settle_directories();
	}
	if (!access(incoming(), F_OK))
		wrong("%s is still there", incoming());
}

static void end_incoming_and_stop(void)
{
	end_incoming();
	drop_unfreezable();
}

static void make_note_token(void)
{
	atomic_store(&module_is_over, false);
	must(make(OURS) ?: make(OURS "/1"), "mkdir");
}

static void end_note(void)
{
	must_read(results[1] ? "empty" : "preserved", OURS "/1/state");
	must(drop(OURS "/1") ?: drop(OURS), "rmdir");
	/* What was preserved lets go of the module when its last reference is dropped. */
	while (!access("/sys/module/liveupdate_sample", F_OK))
		unload();
}

static void make_files(void)
{
	int who;

	for (who = 0; who < PARTIES; who++)
		memfds[who] = new_memfd(who);
}

static void end_storm(void)
{
	int who;

	for (who = 0; who < 16; who++)
		drop(OURS "%d/%d", who >> 2, who & 3);
	for (who = 0; who < 4; who++)
		drop(OURS "%d", who);
	for (who = 0; who < PARTIES; who++)
		close_free(memfds[who], who);
}

static const struct race races[] = {
	{ "rmdir", "a store against the rmdir of its token", make_token, { store, remove_token, look },
	  { "ENOENT ENODEV", "", "ENOENT ENODEV" }, end_removed },
	{ "close", "a store against the close of what it preserves", make_token, { store, close_file, look },
	  /* Its number may be that of a file of configfs' by then */
	  { "EBADF ENOENT", "", "" }, end_closed },
	{ "death", "a store against the death of the session's owner", make_owned, { store, kill_owner, look },
	  { "ESRCH", "", "" }, end_abandoned },
	{ "orphan", "the same against the rmdir of both", make_owned, { store, kill_owner, remove_session },
	  { "ENOENT ENODEV ESRCH", "", "" }, end_abandoned_gone },
	{ "kexec", "a store against a kexec that is refused", make_token_and_stop, { store, try_kexec, look },
	  { "", "", "" }, end_stored_and_stop },
	{ "abi", "a store against the choice of another format", make_token, { store, choose_abi, look },
	  { "", "", "" }, end_stored },
	{ "device", "a directory and the device for the same session and file", make_file,
	  { use_directory, use_device, look }, { "EEXIST EBUSY", "EEXIST EBUSY", "ENOENT ENODEV" }, end_file },
	{ "module", "a store against a module that comes and goes", make_note_token,
	  { load_and_unload, store_note, look }, { "EAGAIN", "ENOENT ENXIO ENODEV", "" }, end_note },
	{ "storm", "sessions and tokens made and removed all over", make_files, { storm, storm, storm },
	  { "", "", "" }, end_storm },
	{ "discard", "retrieving, by directory and device, against discarding", open_device,
	  { retrieve, retrieve_by_device, discard },
	  { "ENOENT ENODEV EBUSY", "ENOENT EINVAL EBUSY", "ENOENT ENODEV EBUSY" }, end_incoming },
	{ "list", "listing directories against their removal by the kernel", open_device, { list, list, discard },
	  { "", "", "" }, end_incoming },
	{ "carry", "retrieving and finishing against a kexec that is refused", make_unfreezable_and_retrieve,
	  { retrieve, try_kexec, finish }, { "ENOENT ENODEV EBUSY", "", "EBUSY" }, end_incoming_and_stop },
};

static const struct race *race;
static unsigned int rounds;
static pthread_barrier_t barrier;
static unsigned int tally[PARTIES][MAX_ERRNO];

static void *run_party(void *arg)
{
	int who = (intptr_t)arg;
	unsigned int i;

	for (i = 0; i < rounds; i++) {
		volatile uint64_t delay;

		pthread_barrier_wait(&barrier);
		/* Long and short ones are as frequent. */
		delay = any(who, 0);
		delay = delay >> 8 & ((1 << (delay & 15)) - 1);
		while (delay--)
			;
		/* One processor has them one after the other, in an order that these make another. */
		for (delay = any(who, 40) % 4; delay; delay--)
			sched_yield();
		results[who] = race->party[who](who);
		pthread_barrier_wait(&barrier);
	}
	return NULL;
}

static int is_word(const char *word, const char *words)
{
	const char *at = strstr(words, word);

	return at && (at[strlen(word)] == ' ' || !at[strlen(word)]);
}

static void end_round(void)
{
	int who, ret;

	for (who = 0; who < PARTIES; who++) {
		ret = results[who];
		if (ret && !is_word(strerrorname_np(ret), race->may[who]))
			wrong("%s: party %d failed with %s", race->name, who, strerrorname_np(ret));
		tally[who][ret]++;
	}
	race->settle();
}

static int run_race(void)
{
	pthread_t threads[PARTIES];
	intptr_t who;
	int ret;

	pthread_barrier_init(&barrier, NULL, PARTIES + 1);
	/* Whoever is given a session acts for us, and we for all of them. */
	must(put("self\n", LUO "owner"), "owner");
	for (who = 0; who < PARTIES; who++)
		if (pthread_create(&threads[who], NULL, run_party, (void *)who))
			errx(1, "pthread_create");
	for (round_nr = 0; round_nr < rounds; round_nr++) {
		race->prepare();
		pthread_barrier_wait(&barrier);
		pthread_barrier_wait(&barrier);
		end_round();
	}
	for (who = 0; who < PARTIES; who++)
		pthread_join(threads[who], NULL);
	/* Where a party has only failed there was no race. Who looks has to find all of it for one success. */
	for (who = 0; who < PARTIES; who++)
		if (!tally[who][0] && race->party[who] != look)
			wrong("%s: party %d never succeeded", race->name, (int)who);

	printf("%s: %u rounds", race->name, rounds);
	for (who = 0; who < PARTIES; who++)
		for (ret = 0; ret < MAX_ERRNO; ret++)
			if (tally[who][ret])
				printf("%s %u %s", ret && tally[who][0] ? "," : ";", tally[who][ret],
				       ret ? strerrorname_np(ret) : "ok");
	puts("");
	return 0;
}

static int make_sessions(unsigned int count)
{
	uint64_t token;
	char dir[64];
	int fd;

	for (round_nr = 0; round_nr < count; round_nr++) {
		snprintf(dir, sizeof(dir), LUO "sessions/in%u", round_nr);
		must(make("%s", dir), dir);
		for (token = 0; token < 2; token++) {
			fd = new_memfd(2 * round_nr + token);
			must(make("%s/%llu", dir, (unsigned long long)token) ?: put_fd(fd, dir, token), dir);
			close(fd);
		}
	}
	return 0;
}

/* What is known of a token, in a file that is handed over itself */
enum known {
	NOTHING,
	STORING,
	PRESERVED,
	REMOVING,
	REMOVED,
};

#define MAX_TOKENS	16384
#define MIN_TOKENS	64

struct journal {
	_Atomic uint8_t known[PARTIES][MAX_TOKENS];
};

static struct journal *journal;
static atomic_int busy;

static uint64_t content(int who, unsigned int token)
{
	return (uint64_t)who << 24 | token;
}

static void *preserve_party(void *arg)
{
	unsigned int token, old, removed = MAX_TOKENS;
	int who = (intptr_t)arg, ret, fd;
	char dir[64];

	snprintf(dir, sizeof(dir), LUO "sessions/live%d", who);
	must(make("%s", dir), dir);
	for (token = 0; token < MAX_TOKENS; token++) {
		fd = new_memfd(content(who, token));
		journal->known[who][token] = STORING;
		ret = make("%s/%u", dir, token) ?: put_fd(fd, dir, token);
		close(fd);
		if (ret)
			break;
		journal->known[who][token] = PRESERVED;
		/* Nothing was frozen yet: so what was removed before this is gone. */
		if (removed < token)
			journal->known[who][removed] = REMOVED;
		old = any(who, token) % (3 * (token + 1));
		if (old < token && journal->known[who][old] == PRESERVED) {
			journal->known[who][old] = REMOVING;
			ret = drop("%s/%u", dir, old);
			if (ret)
				break;
			removed = old;
		}
		if (token == MIN_TOKENS + any(who, 0) % MIN_TOKENS)
			atomic_fetch_add(&busy, 1);
	}
	if (ret != EBUSY)
		wrong("%s/%u: %s", dir, token, strerrorname_np(ret));
	for (;;)
		pause();
}

static void map_journal(int fd)
{
	journal = mmap(NULL, sizeof(*journal), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (journal == MAP_FAILED)
		err(1, "mmap");
}

static int preserve(void)
{
	int fd = memfd_create("journal", MFD_ALLOW_SEALING);
	pthread_t thread;
	intptr_t who;

	if (fd < 0 || ftruncate(fd, sizeof(*journal)))
		err(1, "memfd");
	map_journal(fd);
	must(make(LUO "sessions/journal") ?: make(LUO "sessions/journal/0") ?: put_fd(fd, LUO "sessions/journal", 0),
	     "journal");
	for (who = 0; who < PARTIES; who++)
		if (pthread_create(&thread, NULL, preserve_party, (void *)who))
			errx(1, "pthread_create");
	while (atomic_load(&busy) < PARTIES)
		sched_yield();
	syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_KEXEC, NULL);
	err(1, "kexec");
}

static int check_preserved(void)
{
	unsigned int token, files = 0;
	int fd = open("/dev/null", O_RDONLY), who, there;
	char dir[64], path[96];

	must(put_fd(fd, LUO "incoming/journal", 0), "journal");
	map_journal(fd);
	for (who = 0; who < PARTIES; who++) {
		snprintf(dir, sizeof(dir), LUO "incoming/live%d", who);
		for (token = 0; token < MAX_TOKENS; token++) {
			uint8_t known = journal->known[who][token];

			snprintf(path, sizeof(path), "%s/%u", dir, token);
			there = !access(path, F_OK);
			if (there ? known == NOTHING || known == REMOVED : known == PRESERVED)
				wrong("%s is %sthere, state %u", path, there ? "" : "not ", known);
			if (!there)
				continue;
			must(put_fd(fd, dir, token), path);
			check_memfd(fd, content(who, token));
			files++;
		}
		must(put("1\n", "%s/finish", dir), "finish");
	}
	must(put("1\n", LUO "incoming/journal/finish"), "finish");
	printf("%u files %u bytes\n", files, files * FILE_SIZE);
	return 0;
}

static int usage(void)
{
	size_t i;

	fputs(usage_text, stderr);
	for (i = 0; i < ARRAY_SIZE(races); i++)
		fprintf(stderr, "%-10s%s\n", races[i].name, races[i].what);
	return 2;
}

int main(int argc, char **argv)
{
	size_t i;

	if (argc == 3 && !strcmp(argv[1], "sessions"))
		return make_sessions(atoi(argv[2]));
	if (argc == 2 && !strcmp(argv[1], "preserved"))
		return check_preserved();
	seed = argc > 2 ? strtoull(argv[argc - 1], NULL, 0) : 0;
	if (argc == 3 && !strcmp(argv[1], "preserve"))
		return preserve();
	for (i = 0; argc == 4 && i < ARRAY_SIZE(races); i++) {
		if (strcmp(argv[1], races[i].name))
			continue;
		race = &races[i];
		rounds = atoi(argv[2]);
		return run_race();
	}
	return usage();
}
