/* SPDX-License-Identifier: GPL-2.0 */
/*
 * luo-sh - live update from a shell
 *
 * What its files share. Each command is a function that prints what it has to
 * say by out(), its errors by fail() or complain(), and returns the exit status.
 */
#ifndef LUO_SH_H
#define LUO_SH_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define PRINTF(f, a)	__attribute__((format(printf, f, a)))

#define LUO_SH_VERSION	"1.0"

/* Of the JSON that is printed: another number is another meaning */
#define SCHEMA_VERSION	1

#define LUO_DIR		"/sys/kernel/config/liveupdate"
#define KHO_DIR		"/sys/kernel/debug/kho"
#define SYSFS_STATE	"/sys/kernel/liveupdate/state"
#define SYSFS_OUTGOING	"/sys/kernel/liveupdate/outgoing"

/* The exit status, see luo-sh(8) */
enum status {
	STATUS_OK,
	STATUS_FAILED,
	STATUS_USAGE,
	STATUS_TIMEOUT,
	STATUS_UNSUPPORTED,
	STATUS_BUSY,
	STATUS_MISMATCH,
};

/* An option of a command, as its synopsis has it */
struct command_option {
	char name[32];
	bool has_value;
	bool is_repeatable;
};

#define MAX_OPTIONS	16

/* args.c: the words of a command, taken apart as its synopsis says */
struct args {
	int nr;
	char **words;
	/* What is behind "--", with a NULL at its end; or NULL */
	char **rest;
	int nr_options;
	struct option_word {
		const char *name;
		const char *value;
	} *options;
	/* Those that the command has */
	struct command_option own[MAX_OPTIONS];
};

struct command {
	/* NULL for a command that stands alone */
	const char *object;
	const char *name;
	/*
	 * As it is printed, completed, and parsed: WORD, [WORD], WORD...,
	 * --option WORD, [--option], [--option WORD], [--option WORD]...,
	 * and "-- WORD..." or "[-- WORD...]" at the end
	 */
	const char *synopsis;
	const char *what;
	int (*func)(const struct args *args);
	/* Another name of it, or NULL */
	const char *alias;
	/* Works without the kernel's support */
	bool is_offline;
	/* Becomes another program, so that nothing can follow it in a batch */
	bool is_last;
};

int command_options(const struct command *command, struct command_option options[MAX_OPTIONS]);
const char *command_name(const struct command *command);
int args_begin(int argc, char **argv, const char *before, int *nr);
int args_parse(const struct command *command, int argc, char **argv, struct args *args);
void args_free(struct args *args);
const char *args_option(const struct args *args, const char *name);

/* Which options stand for a command of their own: --help, --version */
extern bool is_help, is_version;

/* main.c */
extern const struct command commands[];
bool is_object(const char *word);
const struct command *find_command(const char *object, const char *name);
int run_command(int argc, char **argv, bool in_batch);

/* help.c */
int cmd_version(const struct args *args);
int help(const char *object, const char *name);
int cmd_help(const struct args *args);

/* completion.c */
int cmd_completion(const struct args *args);

/* out.c */
enum out_format {
	OUT_TEXT,
	OUT_JSON,
	OUT_PRETTY,
};

extern enum out_format out_format;
/* No advice, notes and progress; what is done, too */
extern bool is_quiet, is_verbose;

/* What stands before each error: where a batch is, or nothing */
#define ERROR_PREFIX_SIZE 256
extern char error_prefix[ERROR_PREFIX_SIZE];

struct json_object *new_object(const char *key, struct json_object *value);
const char *get_string(struct json_object *obj, const char *key);
const char *join(struct json_object *list);
void out(struct json_object *obj);
void unescape(const char *text, char *bytes);
int complain(enum status status, const char *format, ...) PRINTF(2, 3);
int fail(int err, const char *format, ...) PRINTF(2, 3);
int fail_because(int err, const char *cause, const char *format, ...) PRINTF(3, 4);
int advise(int status, const char *format, ...) PRINTF(2, 3);
void note(const char *format, ...) PRINTF(1, 2);
int did(const char *what, const char *dir);
void capture_errors(struct json_object *list);
void progress_begin(const char *what, uint64_t total);
void progress_add(uint64_t bytes);
void progress_end(void);

/* luo.c: live update's directory; paths are below it */
#define SESSIONS	"sessions"
#define INCOMING	"incoming"

/* Room for such a path: a name has 63 bytes, four each when they are escaped */
#define DIR_SIZE	512

int luo_supported(void);
bool luo_exists(const char *path);
const char *luo_path(const char *dir, const char *name);
const char *luo_read(const char *dir, const char *name);
const char *luo_read_owner(const char *dir);
/* What failed last and has not succeeded since, "EBUSY freeze vm1/42"; or "" */
const char *luo_last_error(void);
uint64_t luo_nr_errors(void);
int luo_write(const char *text, const char *dir, const char *name);
int luo_write_label(const char *label, const char *dir);
int luo_write_pair(int pidfd, int fd, const char *dir);
int luo_session_dir(const char *direction, const char *name, char dir[DIR_SIZE]);
int luo_make_dir(const char *dir, bool *is_new);
int luo_remove_dir(const char *dir);
int luo_token_dir(const char *session, const char *token, char dir[DIR_SIZE]);
int luo_find_session(const char *name, char dir[DIR_SIZE]);
struct json_object *luo_lost(void);
struct json_object *luo_root(void);
struct json_object *luo_session(const char *dir);
struct json_object *luo_sessions(const char *direction);
int luo_list_status(void);

/* explain.c: why the kernel refused, and what to do */
#define CAUSE_SIZE	512

enum refused {
	REFUSED_MKDIR,
	REFUSED_RMDIR,
	REFUSED_OPEN,
	REFUSED_WRITE,
};

struct refusal {
	enum refused what;
	int err;
	/* Below live update's directory; NULL for that itself */
	const char *dir;
	/* The file in it, or NULL */
	const char *name;
	/* What was written to "fd": a pidfd, or -1 for our own process */
	int pidfd;
	int fd;
	/* How many errors the kernel knew before that */
	uint64_t nr_errors;
};

int explain(const struct refusal *refusal);
int explain_session_name(const char *direction, const char *name);
int explain_token(const char *session, const char *token);
bool explain_pair(const char *text);
const char *file_type(mode_t mode);

/* process.c: processes by descriptor, never by number */
const char *process_name(pid_t pid);
pid_t process_of(int pidfd);
bool process_acts_for(pid_t pid);
int process_open(const char *pid, int *pidfd);
int become(char **argv);

/* session.c */
int cmd_session_create(const struct args *args);
int cmd_session_list(const struct args *args);
int cmd_session_show(const struct args *args);
int cmd_session_label(const struct args *args);
int cmd_session_delete(const struct args *args);
int cmd_session_finish(const struct args *args);
int cmd_session_discard(const struct args *args);

/* fd.c; @dir is that of a token */
int preserve(const char *dir, int pidfd, int fd);
int retrieve(const char *dir, int *from);
int cmd_fd_preserve(const struct args *args);
int cmd_fd_unpreserve(const struct args *args);
int cmd_fd_label(const struct args *args);
int cmd_fd_list(const struct args *args);
int cmd_fd_retrieve(const struct args *args);
int cmd_fd_new(const struct args *args);
int cmd_fd_save(const struct args *args);
int cmd_fd_restore(const struct args *args);

/* list.c */
int list_tmpfs(const char *dir);

/* save.c */
int cmd_save(const struct args *args);
int cmd_restore(const struct args *args);

/* owner.c */
int set_owner(const char *dir, const char *pid);
int cmd_session_claim(const struct args *args);
int cmd_session_release(const struct args *args);
int cmd_owner_show(const struct args *args);
int cmd_owner_take(const struct args *args);
int cmd_owner_release(const struct args *args);
int cmd_run(const struct args *args);

/* status.c */
int cmd_status(const struct args *args);
int cmd_wait(const struct args *args);
int cmd_monitor(const struct args *args);

/* timeline.c */
int cmd_timeline(const struct args *args);

/* check.c */
int check_names(void);
int cmd_check(const struct args *args);

/* why.c */
int cmd_why(const struct args *args);

/* prepare.c */
int prepare(void);
int unprepare(void);
int cmd_prepare(const struct args *args);

/* kexec.c */
int check_owner(void);
int cmd_kexec(const struct args *args);

/* dump.c */
int cmd_dump(const struct args *args);

/* batch.c */
int cmd_batch(const struct args *args);

#endif /* LUO_SH_H */
