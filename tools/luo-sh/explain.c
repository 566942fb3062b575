// SPDX-License-Identifier: GPL-2.0
/*
 * Why the kernel refused, and what to do about it. An errno has several causes: the
 * sessions, their owners and the file itself tell which one it was. What cannot be told
 * is left at the errno.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "luo-sh.h"

#define MAX_NAME	63

/* What the kernel says of a file that it has under another token */
#define PRESERVED_AS	"EBUSY already preserved as "

/* Where what was refused is, and what is found out about it */
struct place {
	char direction[16];
	char session[NAME_MAX + 1];
	char token[32];
	/* The session as a shell is told it */
	char word[2 * NAME_MAX];
	/* Of the session: DIRECTION/SESSION */
	char dir[DIR_SIZE];
	bool is_incoming;
	char cause[CAUSE_SIZE];
	char advice[CAUSE_SIZE];
};

static void because(struct place *place, const char *format, ...) PRINTF(2, 3);
static void try(struct place *place, const char *format, ...) PRINTF(2, 3);

static void because(struct place *place, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(place->cause, CAUSE_SIZE, format, args);
	va_end(args);
}

static void try(struct place *place, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(place->advice, CAUSE_SIZE, format, args);
	va_end(args);
}

static int say(const struct place *place, int err, const char *path)
{
	int status = fail_because(err, place->cause, "%s", path);

	return *place->advice ? advise(status, "%s", place->advice) : status;
}

/* What a shell takes for @name */
static void quote(const char *name, char *word, size_t size)
{
	bool is_plain = true;
	size_t i;

	for (i = 0; name[i]; i++)
		is_plain &= isalnum(name[i]) || strchr("_.:@%+-", name[i]);
	snprintf(word, size, is_plain && *name != '-' ? "%s" : *name == '-' ? "-- '%s'" : "'%s'",
		 name);
}

/* @dir is DIRECTION/SESSION/TOKEN, or less of that. */
static void split_dir(const char *dir, struct place *place)
{
	const char *slash = dir ? strchr(dir, '/') : NULL, *token;

	if (!slash)
		return;
	snprintf(place->direction, sizeof(place->direction), "%.*s", (int)(slash - dir), dir);
	place->is_incoming = !strcmp(place->direction, INCOMING);
	token = strchr(slash + 1, '/');
	snprintf(place->session, sizeof(place->session), "%.*s",
		 token ? (int)(token - slash - 1) : (int)strlen(slash + 1), slash + 1);
	if (token)
		snprintf(place->token, sizeof(place->token), "%s", token + 1);
	snprintf(place->dir, DIR_SIZE, "%s/%s", place->direction, place->session);
	quote(place->session, place->word, sizeof(place->word));
}

static bool has_session(const char *direction, const char *session)
{
	char dir[DIR_SIZE];

	snprintf(dir, DIR_SIZE, "%s/%s", direction, session);
	return luo_exists(dir);
}

/* The session that was asked for is not there. Is one of that name in the other direction? */
static void explain_no_session(struct place *place)
{
	const char *session = place->session;

	if (place->is_incoming && has_session(SESSIONS, session)) {
		because(place, "%s is for the next kernel, which retrieves and finishes it",
			session);
		try(place, "luo-sh session delete %s gives it up; luo-sh kexec goes there",
		    place->word);
	} else if (!place->is_incoming && has_session(INCOMING, session)) {
		because(place, "%s is an incoming session, of the previous kernel", session);
		try(place,
		    "luo-sh session finish %s ends it; files are preserved in one of another name",
		    place->word);
	} else if (place->is_incoming) {
		because(place, "there is no incoming session %s", session);
		try(place, "luo-sh session list");
	} else {
		because(place, "there is no session %s", session);
		try(place, "luo-sh session create %s", place->word);
	}
}

static void explain_no_token(struct place *place)
{
	because(place, "%s has no token %s", place->session, place->token);
	try(place, "luo-sh fd list %s", place->word);
}

static void describe_process(pid_t pid, char text[64])
{
	snprintf(text, 64, "PID %d (%s)", (int)pid, process_name(pid));
}

/* Is control of live update, or of the session, with somebody for whom we do not act? */
static bool explain_owner(struct place *place)
{
	char session_owner[32] = "none", owner[32], who[64];
	bool is_own_session;

	if (*place->session)
		snprintf(session_owner, sizeof(session_owner), "%s",
			 luo_read_owner(place->dir) ?: "none");
	snprintf(owner, sizeof(owner), "%s", luo_read_owner(NULL) ?: "none");
	is_own_session = atoi(session_owner) && process_acts_for(atoi(session_owner));
	if (is_own_session || (atoi(owner) && process_acts_for(atoi(owner))))
		return false;
	if (!strcmp(owner, "fd")) {
		because(place,
			"control of live update is held by a program that has /dev/liveupdate open");
		try(place, "wait until it closes that, or end it");
	} else if (strcmp(session_owner, "none") && strcmp(session_owner, "fd")) {
		describe_process(atoi(session_owner), who);
		because(place, "%s is held by %s", place->session, who);
		try(place, "have that run luo-sh session release %s, or wait until it ends",
		    place->word);
	} else if (strcmp(owner, "none")) {
		describe_process(atoi(owner), who);
		because(place, "control of live update is held by %s", who);
		try(place, "have that run luo-sh owner release, or wait until it ends");
	} else {
		return false;
	}
	return true;
}

static void explain_finish(struct place *place)
{
	uint64_t files, retrieved;

	files = strtoumax(luo_read(place->dir, "files") ?: "0", NULL, 10);
	retrieved = strtoumax(luo_read(place->dir, "retrieved") ?: "0", NULL, 10);
	if (retrieved >= files)
		return;
	because(place, "%" PRIu64 " of %" PRIu64 " files are not retrieved", files - retrieved,
		files);
	try(place, "luo-sh fd list %s shows which; luo-sh session discard %s drops them",
	    place->session, place->session);
}

static void explain_busy_file(struct place *place, const struct refusal *refusal)
{
	const char *state = luo_read(refusal->dir, "state");
	char last[DIR_SIZE], dir[DIR_SIZE], *name = last + strlen(PRESERVED_AS);

	if (state && strcmp(state, "empty")) {
		because(place, "the token has a file");
		try(place, "another token, or luo-sh fd unpreserve %s %s before", place->word,
		    place->token);
		return;
	}
	snprintf(last, sizeof(last), "%s", luo_last_error());
	if (luo_nr_errors() == refusal->nr_errors ||
	    strncmp(last, PRESERVED_AS, strlen(PRESERVED_AS))) {
		because(place, "the file is preserved already, or its session is not finished");
		try(place, "luo-sh fd list");
		return;
	}
	snprintf(dir, DIR_SIZE, INCOMING "/%.*s", (int)strcspn(name, "/"), name);
	if (luo_exists(dir)) {
		because(place, "the file was retrieved, from %s", name);
		try(place, "luo-sh session finish %s before", strchr(dir, '/') + 1);
	} else {
		because(place, "the file is preserved already, as %s", name);
		quote(strchr(dir, '/') + 1, place->word, sizeof(place->word));
		try(place, "leave it there, or luo-sh fd unpreserve %s %s before", place->word,
		    name + strcspn(name, "/") + 1);
	}
}

static void explain_busy(struct place *place, const struct refusal *refusal)
{
	const char *state = luo_read(NULL, "state");

	if (state && !strcmp(state, "frozen")) {
		because(place, "the reboot into the next kernel is under way");
		try(place, "wait for that kernel");
	} else if (explain_owner(place) || !refusal->name) {
		return;
	} else if (!strcmp(refusal->name, "finish")) {
		explain_finish(place);
	} else if (!strcmp(refusal->name, "fd") && !place->is_incoming) {
		explain_busy_file(place, refusal);
	} else if (!strcmp(refusal->name, "fd")) {
		because(place, "%s is being finished, or descriptor %d is about to be opened",
			place->session, refusal->fd);
		try(place, "luo-sh session show %s", place->word);
	}
}

const char *file_type(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return "a directory";
	case S_IFCHR:
		return "a character device";
	case S_IFBLK:
		return "a block device";
	case S_IFIFO:
		return "a pipe";
	case S_IFSOCK:
		return "a socket";
	case S_IFREG:
		return "a plain file";
	default:
		return "of no type that is known";
	}
}

/* The place in /proc of the file that was to be preserved */
static bool proc_path(const struct refusal *refusal, const char *what, char path[64])
{
	pid_t pid = process_of(refusal->pidfd);

	snprintf(path, 64, "/proc/%d/%s/%d", (int)pid, what, refusal->fd);
	return pid;
}

/* No handler takes it. Why not? */
static void explain_type(struct place *place, const struct refusal *refusal)
{
	char path[64], target[PATH_MAX];
	const char *handlers;
	struct statfs fs;
	struct stat st;
	ssize_t len;

	if (!proc_path(refusal, "fd", path) || stat(path, &st) || statfs(path, &fs))
		return;
	if (!S_ISREG(st.st_mode)) {
		because(place,
			"descriptor %d is %s; memfds can be preserved, files on tmpfs that were removed, and a whole tmpfs",
			refusal->fd, file_type(st.st_mode));
		if (S_ISDIR(st.st_mode))
			try(place, "luo-sh save DIR NAME, for a directory");
		else
			try(place, "luo-sh fd new -- COMMAND, which has a new file in memory");
		return;
	}
	len = readlink(path, target, sizeof(target) - 1);
	target[len > 0 ? len : 0] = '\0';
	handlers = luo_read(NULL, "handlers") ?: "";
	if (fs.f_type != TMPFS_MAGIC) {
		because(place, "%s is a plain file, on a disk", target);
		try(place, "luo-sh fd save %s %s %s, which copies it", place->word,
		    place->token, target);
	} else if (st.st_nlink) {
		because(place, "%s is a file that has a name", target);
		try(place,
		    "rm %s before, and keep it open; or luo-sh fd save %s %s %s, which copies it",
		    target, place->session, place->token, target);
	} else if (!strstr(handlers, "memfd-")) {
		because(place, "the kernel has no handler of memfds");
		try(place, "cat " LUO_DIR "/handlers");
	}
}

/* Is it open there, and as what? */
static void explain_bad_fd(struct place *place, const struct refusal *refusal)
{
	bool is_ours = refusal->pidfd < 0;
	struct stat st;
	char path[64];

	if (!proc_path(refusal, "fd", path))
		return;
	if (!lstat(path, &st)) {
		because(place, "descriptor %d was opened with O_PATH, and is none of a file",
			refusal->fd);
		try(place, "open it for reading and writing");
	} else if (is_ours) {
		because(place, "descriptor %d is not open here", refusal->fd);
		try(place,
		    "luo-sh fd new --fd %d -- bash, or --pid PID when another process has it",
		    refusal->fd);
	} else {
		because(place, "PID %d has no descriptor %d", (int)process_of(refusal->pidfd),
			refusal->fd);
		try(place, "ls -l /proc/%d/fd", (int)process_of(refusal->pidfd));
	}
}

static void explain_access(struct place *place, const struct refusal *refusal)
{
	char path[64], line[64];
	unsigned int flags = O_RDWR;
	FILE *file;

	if (!proc_path(refusal, "fdinfo", path))
		return;
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "flags: %o", &flags) == 1)
			break;
	if (file)
		fclose(file);
	if ((flags & O_ACCMODE) == O_RDWR)
		return;
	because(place, "descriptor %d is open %s", refusal->fd,
		(flags & O_ACCMODE) == O_RDONLY ? "read-only" : "write-only");
	try(place, "open it for reading and writing, which is <> in a shell");
}

static void explain_limit(struct place *place)
{
	char limit[32];

	snprintf(limit, sizeof(limit), "%s", luo_read(place->dir, "limit") ?: "");
	because(place, "%s may preserve %s bytes, and the file is larger than what is left of that",
		place->session, limit);
	try(place, "echo max > %s", luo_path(place->dir, "limit"));
}

/* What a write to "fd" was refused for; EBUSY and what is not there aside */
static void explain_fd(struct place *place, const struct refusal *refusal)
{
	const char *compatible;

	switch (refusal->err) {
	case EBADF:
		if (!place->is_incoming)
			explain_bad_fd(place, refusal);
		break;
	case ENOENT:
		if (!place->is_incoming)
			explain_type(place, refusal);
		break;
	case EACCES:
		if (!place->is_incoming)
			explain_access(place, refusal);
		break;
	case EPERM:
		because(place, "no permission to take a file out of PID %d",
			(int)process_of(refusal->pidfd));
		try(place, "as root; /proc/sys/kernel/yama/ptrace_scope may forbid it");
		break;
	case EDQUOT:
		explain_limit(place);
		break;
	case EHWPOISON:
		because(place, "memory of the file has failed, and what was in it is lost");
		try(place, "write it anew, to another file");
		break;
	case EOPNOTSUPP:
		because(place,
			"it has what cannot be handed over: a seal that is not known, a POSIX ACL, memory tags");
		try(place, "setfacl -b FILE, or luo-sh fd save, which copies what is in it");
		break;
	case ENODEV:
		compatible = luo_read(refusal->dir, "compatible") ?: "";
		because(place, "there is no handler for %s, for now", compatible);
		try(place, "modprobe the one that has it; the file is kept until then");
		break;
	case EINVAL:
		if (!place->is_incoming)
			break;
		because(place, "what was handed over is damaged");
		try(place, "luo-sh session discard %s, to go on without it", place->word);
		break;
	}
}

static void explain_name(struct place *place)
{
	const char *session = place->session;

	if (strlen(session) > MAX_NAME) {
		because(place, "a name has %d bytes at most, and this has %zu", MAX_NAME,
			strlen(session));
		try(place, "%.20s, say", session);
	} else if (strchr(session, '/') || !strcmp(session, ".") || !strcmp(session, "..")) {
		because(place, "a name is no path");
		try(place, "luo-sh session list shows how names are written");
	} else {
		because(place, "a name has 1 to %d bytes", MAX_NAME);
		try(place, "luo-sh session list");
	}
}

static void explain_abandoned(struct place *place)
{
	const char *state = luo_read(place->dir, "state");

	if (!state || strcmp(state, "abandoned"))
		return;
	because(place, "the owner of %s ended, so it is abandoned", place->session);
	try(place, "luo-sh session claim %s, or luo-sh session delete %s", place->word,
	    place->word);
}

static void explain_missing(struct place *place, const struct refusal *refusal)
{
	if (!*place->session)
		return;
	if (!has_session(place->direction, place->session)) {
		explain_no_session(place);
		/* What is not there need not be made to be looked at. */
		if (refusal->what != REFUSED_MKDIR && !place->is_incoming &&
		    strstr(place->advice, "create"))
			try(place, "luo-sh session list");
		return;
	}
	if (*place->token && !luo_exists(refusal->dir))
		explain_no_token(place);
}

/* May we at all? */
static bool explain_rights(struct place *place, const struct refusal *refusal)
{
	if ((refusal->err != EACCES && refusal->err != EPERM) || !geteuid() ||
	    (refusal->what == REFUSED_WRITE && refusal->name && !strcmp(refusal->name, "fd")))
		return false;
	because(place, "only root may, or who was given it by chown");
	try(place, "sudo luo-sh ...");
	return true;
}

static void explain_number(struct place *place)
{
	because(place, "a token is a number from 0 to 18446744073709551615");
	try(place, "luo-sh fd list shows those that are there");
}

/* What a directory was refused for */
static void explain_dir(struct place *place, const struct refusal *refusal)
{
	switch (refusal->err) {
	case EEXIST:
		because(place, "there is a session of that name");
		try(place, "luo-sh session show %s, or another name", place->word);
		break;
	case ENAMETOOLONG:
	case EINVAL:
		if (!*place->token)
			explain_name(place);
		else
			explain_number(place);
		break;
	case EPERM:
		if (strcmp(luo_read(place->dir, "owner") ?: "", "fd"))
			break;
		because(place,
			"it was made through /dev/liveupdate, by a program that has it open");
		try(place, "end that program, which gives it up");
		break;
	}
}

/* What is known of a refusal, on one line, and what to do about it, on another */
int explain(const struct refusal *refusal)
{
	bool is_fd = refusal->name && !strcmp(refusal->name, "fd");
	char path[PATH_MAX];
	struct place place = {};

	/* It stands where other paths go. */
	snprintf(path, sizeof(path), "%s", luo_path(refusal->dir, refusal->name));
	split_dir(refusal->dir, &place);
	if (explain_rights(&place, refusal))
		;
	else if (refusal->err == EBUSY)
		explain_busy(&place, refusal);
	else if (refusal->err == ESRCH && *place.session)
		explain_abandoned(&place);
	else if (refusal->what == REFUSED_WRITE && is_fd)
		explain_fd(&place, refusal);
	else if (refusal->err == ENOENT)
		explain_missing(&place, refusal);
	else if (!refusal->name)
		explain_dir(&place, refusal);
	else if (refusal->err == EINVAL && !strcmp(refusal->name, "label"))
		because(&place, "a label has up to 255 bytes, and no control characters");
	return say(&place, refusal->err, path);
}

/* A name that cannot be one */
int explain_session_name(const char *direction, const char *name)
{
	struct place place = {};

	snprintf(place.session, sizeof(place.session), "%s", name);
	explain_name(&place);
	return say(&place, strlen(name) > MAX_NAME ? ENAMETOOLONG : EINVAL,
		   luo_path(direction, name));
}

/* What cannot be a token; @session is a directory. */
int explain_token(const char *session, const char *token)
{
	struct place place = {};
	uint64_t nr;
	char *end;

	errno = 0;
	nr = strtoumax(token, &end, token[0] == '0' && tolower(token[1]) == 'x' ? 16 : 10);
	if (*token && !*end && !errno && isdigit(*token)) {
		because(&place, "tokens are decimal, without leading zeros");
		try(&place, "%" PRIu64, nr);
	} else {
		explain_number(&place);
	}
	return say(&place, EINVAL, luo_path(session, token));
}

/* Is that PID:FD, which the kernel never takes? Says how it is written then. */
bool explain_pair(const char *text)
{
	size_t pid = strspn(text, "0123456789"), fd;

	if (!pid || text[pid] != ':')
		return false;
	fd = strspn(text + pid + 1, "0123456789");
	if (!fd || text[pid + 1 + fd])
		return false;
	advise(STATUS_USAGE,
	       "--pid %.*s --fd %s; the kernel takes no raw pids, which race: exec 9</proc/%.*s, then 9:%s",
	       (int)pid, text, text + pid + 1, (int)pid, text, text + pid + 1);
	return true;
}
