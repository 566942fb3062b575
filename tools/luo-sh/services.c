// SPDX-License-Identifier: GPL-2.0
/*
 * What systemd and its services will have preserved while the machine goes down, when
 * nobody can be told any more that the next kernel does not take it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive.h"
#include "machine.h"
#include "services.h"

#define SAVE_DIR	"/run/luo-sh/save"
#define SAVE_UNIT	"luo-save.service"
#define GUARD_UNIT	"luo-guard.service"

/* The first systemd that hands its services' stored descriptors over */
#define STORES_SINCE	262
#define SHOW_STORES	"-p Id -p NFileDescriptorStore -p FileDescriptorStorePreserve"

bool services_are_systemd(void)
{
	return !access("/run/systemd/system", F_OK);
}

/* A pipe with what a program of systemd's prints; it has half a minute. */
static FILE *open_pipe(const char *program, const char *arguments)
{
	char command[512];

	snprintf(command, sizeof(command), "timeout -s KILL 30 %s %s 2>/dev/null", program,
		 arguments);
	return popen(command, "re");
}

/* The first line of what systemctl prints, "" when there is none */
void systemctl_line(const char *arguments, char *line, size_t size)
{
	FILE *pipe = open_pipe("systemctl", arguments);

	if (!pipe || !fgets(line, size, pipe))
		line[0] = '\0';
	line[strcspn(line, "\n")] = '\0';
	if (pipe)
		pclose(pipe);
}

/*
 * Have luo-guard.service let a kexec through, or refuse reboots again. Returns whether it
 * was active.
 */
bool services_release_guard(void)
{
	char state[16];

	systemctl_line("is-active " GUARD_UNIT, state, sizeof(state));
	if (strcmp(state, "active"))
		return false;
	systemctl_line("stop " GUARD_UNIT, state, sizeof(state));
	return true;
}

void services_restore_guard(void)
{
	char line[16];

	systemctl_line("start " GUARD_UNIT, line, sizeof(line));
}

/*
 * Has a service stored a file in memory? What else there is, such as an inotify of
 * systemd's own services, cannot be handed over, and is made anew. Yes when that cannot be
 * told.
 */
static bool has_stored_file(const char *unit)
{
	struct json_object *list, *type;
	char arguments[320], *line = NULL;
	bool found = true;
	size_t size = 0, i;
	FILE *pipe;

	/* No unit has a quote in its name. */
	snprintf(arguments, sizeof(arguments), "fdstore --json=short '%s'", unit);
	pipe = open_pipe("systemd-analyze", arguments);
	if (!pipe)
		return true;
	list = getline(&line, &size, pipe) > 0 ? json_tokener_parse(line) : NULL;
	if (!pclose(pipe) && json_object_is_type(list, json_type_array)) {
		found = false;
		for (i = 0; i < json_object_array_length(list); i++) {
			type = json_object_object_get(json_object_array_get_idx(list, i), "type");
			found |= !json_object_is_type(type, json_type_int) ||
				 S_ISREG(json_object_get_int(type));
		}
	}
	json_object_put(list);
	free(line);
	return found;
}

/* Does a service keep a file with systemd, and over a restart of all? */
static bool has_stores(void)
{
	/* Properties of a unit come in any order, and an empty line between units. */
	FILE *pipe = open_pipe("systemctl", "show '*.service' " SHOW_STORES);
	char line[288], unit[sizeof(line)] = "";
	bool is_kept = false, has_any = false, found = false, is_left = !!pipe;

	while (is_left && !found) {
		is_left = fgets(line, sizeof(line), pipe);
		if (!is_left || *line == '\n') {
			found = has_any && is_kept && has_stored_file(unit);
			has_any = false;
			is_kept = false;
		} else if (!strncmp(line, "NFileDescriptorStore=", 21)) {
			has_any = atoi(line + 21) > 0;
		} else if (!strncmp(line, "FileDescriptorStorePreserve=", 28)) {
			is_kept = !strcmp(line + 28, "yes\n");
		} else if (!strncmp(line, "Id=", 3)) {
			snprintf(unit, sizeof(unit), "%.*s", (int)strcspn(line + 3, "\n"),
				 line + 3);
		}
	}
	if (pipe)
		pclose(pipe);
	return found;
}

static bool systemd_has_stores(void)
{
	int version = 0;
	char line[64];

	if (access("/dev/liveupdate", F_OK))
		return false;
	systemctl_line("--version", line, sizeof(line));
	return sscanf(line, "systemd %d", &version) == 1 && version >= STORES_SINCE &&
	       has_stores();
}

/* Returns 1, 0, or -1 and errno. */
static int has_files(const char *path)
{
	DIR *dir = opendir(path);
	int nr = 0;

	if (!dir)
		return errno == ENOENT ? 0 : -1;
	while (nr < 3 && readdir(dir))
		nr++;
	closedir(dir);
	return nr > 2;
}

/* Sets @is_used to whether files will be preserved, and adds their bytes to @size. */
int services_read(bool *is_used, uint64_t *size)
{
	int ret = has_files(SAVE_DIR), status;
	uint64_t saved;
	char state[16];

	*is_used = systemd_has_stores();
	if (ret < 0)
		return fail(errno, SAVE_DIR);
	if (!ret)
		return STATUS_OK;
	systemctl_line("is-active " SAVE_UNIT, state, sizeof(state));
	if (strcmp(state, "active"))
		return complain(STATUS_FAILED, SAVE_DIR ": would be lost, as " SAVE_UNIT
				" is not active: start it, or remove what is there");
	*is_used = true;
	status = archive_measure(SAVE_DIR, &saved) ?: machine_has_memory(saved, SAVE_DIR);
	*size += saved;
	return status;
}

/* Say what a kexec that stops no service does not take along. */
void services_say_unsaved(void)
{
	if (has_files(SAVE_DIR) > 0)
		complain(STATUS_OK, SAVE_DIR ": would be lost by a kexec without systemd");
	if (services_are_systemd() && systemd_has_stores())
		complain(STATUS_OK,
			 "descriptors stored with systemd: would be lost by a kexec without it");
}
