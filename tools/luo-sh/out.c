// SPDX-License-Identifier: GPL-2.0
/*
 * What is printed. Commands put together a JSON object; people get it as text:
 * values on a line, and below that, indented, the objects that belong to it.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "luo-sh.h"

enum out_format out_format;
bool is_quiet, is_verbose;
char error_prefix[ERROR_PREFIX_SIZE];

/* Where errors go instead of stderr, see capture_errors() */
static struct json_object *captured;

static const int json_flags[] = {
	[OUT_JSON] = JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE,
	[OUT_PRETTY] = JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
		       JSON_C_TO_STRING_NOSLASHESCAPE,
};

/* How many bytes of @text are one character of UTF-8; 0 for what is none */
static size_t character_length(const char *text)
{
	const unsigned char *bytes = (const unsigned char *)text;
	size_t len = bytes[0] < 0x80 ? 1 : bytes[0] < 0xc2 ? 0 : bytes[0] < 0xe0 ? 2 :
		     bytes[0] < 0xf0 ? 3 : bytes[0] < 0xf5 ? 4 : 0, i;

	for (i = 1; i < len; i++)
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
	/* Forms that are too long, surrogates, and what is beyond the last character */
	if ((bytes[0] == 0xe0 && bytes[1] < 0xa0) || (bytes[0] == 0xed && bytes[1] > 0x9f) ||
	    (bytes[0] == 0xf0 && bytes[1] < 0x90) || (bytes[0] == 0xf4 && bytes[1] > 0x8f))
		return 0;
	return len;
}

/* Does an escape of ours begin here? Sets @byte to what it stands for. */
static bool is_escape(const char *text, char *byte)
{
	char digits[3] = {};

	if (strncmp(text, "\\x", 2) || !isxdigit(text[2]) || !isxdigit(text[3]))
		return false;
	memcpy(digits, text + 2, 2);
	*byte = strtoul(digits, NULL, 16);
	return *byte & 0x80 || *byte == '\\';
}

/*
 * Text that may have any bytes, as text: a byte that belongs to no character of UTF-8 is
 * \xHH, and a backslash that would be taken for the begin of one is \x5c. The caller
 * frees it; NULL without memory for it.
 */
static char *escape(const char *text)
{
	char *escaped = malloc(4 * strlen(text) + 1), *to = escaped, byte;
	size_t len;

	if (!escaped)
		return NULL;
	while (*text) {
		len = character_length(text);
		if (!len || is_escape(text, &byte)) {
			to += sprintf(to, "\\x%02x", (unsigned char)*text++);
		} else {
			memcpy(to, text, len);
			to += len;
			text += len;
		}
	}
	*to = '\0';
	return escaped;
}

/* The bytes that were escaped so. @bytes has room for as many as @text. */
void unescape(const char *text, char *bytes)
{
	for (; *text; bytes++) {
		if (is_escape(text, bytes))
			text += 4;
		else
			*bytes = *text++;
	}
	*bytes = '\0';
}

/* Escape all strings in @obj. */
static void escape_all(struct json_object *obj)
{
	struct json_object_iter iter;
	char *escaped;
	size_t i;

	switch (json_object_get_type(obj)) {
	case json_type_string:
		escaped = escape(json_object_get_string(obj));
		if (escaped)
			json_object_set_string(obj, escaped);
		free(escaped);
		break;
	case json_type_array:
		for (i = 0; i < json_object_array_length(obj); i++)
			escape_all(json_object_array_get_idx(obj, i));
		break;
	case json_type_object:
		json_object_object_foreachC(obj, iter)
			escape_all(iter.val);
		break;
	default:
		break;
	}
}

/* An object with one value for a start */
struct json_object *new_object(const char *key, struct json_object *value)
{
	struct json_object *obj = json_object_new_object();

	json_object_object_add(obj, key, value);
	return obj;
}

const char *get_string(struct json_object *obj, const char *key)
{
	return json_object_get_string(json_object_object_get(obj, key)) ?: "";
}

static bool is_list_of_objects(struct json_object *value)
{
	return json_object_is_type(value, json_type_array) &&
	       json_object_array_length(value) &&
	       json_object_is_type(json_object_array_get_idx(value, 0), json_type_object);
}

/* The words of a list, until this is called again */
const char *join(struct json_object *list)
{
	static char text[4096];
	size_t i, len = 0;

	text[0] = '\0';
	for (i = 0; i < json_object_array_length(list) && len < sizeof(text); i++)
		len += snprintf(text + len, sizeof(text) - len, "%s%s", i ? " " : "",
				json_object_get_string(json_object_array_get_idx(list, i)));
	return text;
}

/* What has nothing to say is left out of the text. */
static bool is_empty(struct json_object *value)
{
	return !value ||
	       (json_object_is_type(value, json_type_string) &&
		!json_object_get_string_len(value)) ||
	       (json_object_is_type(value, json_type_array) && !json_object_array_length(value));
}

/* The values of @obj on a line. The first one of an element of a list is what it is called. */
static void print_values(struct json_object *obj, bool is_element)
{
	bool is_first = true;

	json_object_object_foreach(obj, key, value) {
		if (is_empty(value) || is_list_of_objects(value) ||
		    json_object_is_type(value, json_type_object))
			continue;
		if (is_first && is_element) {
			printf("%s:", json_object_get_string(value));
		} else {
			printf("%s%s %s", is_first ? "" : is_element ? "  " : "\n", key,
			       json_object_is_type(value, json_type_array) ?
			       join(value) : json_object_get_string(value));
		}
		is_first = false;
	}
	if (!is_first)
		putchar('\n');
}

static void print_object(struct json_object *obj, int indent, bool is_element)
{
	size_t i;

	printf("%*s", indent, "");
	print_values(obj, is_element);
	json_object_object_foreach(obj, key, value) {
		if (is_list_of_objects(value)) {
			if (!is_element)
				printf("%s:\n", key);
			for (i = 0; i < json_object_array_length(value); i++)
				print_object(json_object_array_get_idx(value, i), indent + 2, true);
		}
	}
}

/* Print @obj, and give it back. */
void out(struct json_object *obj)
{
	escape_all(obj);
	if (out_format == OUT_TEXT) {
		print_object(obj, 0, false);
	} else {
		json_object_object_add(obj, "version", json_object_new_int(SCHEMA_VERSION));
		puts(json_object_to_json_string_ext(obj, json_flags[out_format]));
	}
	json_object_put(obj);
	fflush(stdout);
}

/* Add what would be an error to the list that takes them. */
static void capture_line(const char *key, const char *text)
{
	size_t nr = json_object_array_length(captured);

	if (!strcmp(key, "try") && nr)
		json_object_object_add(json_object_array_get_idx(captured, nr - 1), key,
				       json_object_new_string(text));
	else
		json_object_array_add(captured, new_object(key, json_object_new_string(text)));
}

/*
 * Have errors added to @list, as objects with "what" and maybe "try", until this is called
 * with NULL.
 */
void capture_errors(struct json_object *list)
{
	captured = list;
}

static void print_line(const char *key, int err, const char *cause, const char *format,
		       va_list args)
{
	char text[1024];
	size_t len;

	len = vsnprintf(text, sizeof(text), format, args);
	if (err && len < sizeof(text))
		len += snprintf(text + len, sizeof(text) - len, ": %s (%s)", strerror(err),
				strerrorname_np(err) ?: "?");
	if (*cause && len < sizeof(text))
		snprintf(text + len, sizeof(text) - len, ": %s", cause);
	if (captured)
		capture_line(key, text);
	else
		fprintf(stderr, "luo-sh: %s%s%s\n", error_prefix,
			strcmp(key, "what") ? "try: " : "", text);
}

/* Say on one line what is wrong. */
int complain(enum status status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print_line("what", 0, "", format, args);
	va_end(args);
	return status;
}

/* Say on the line after an error what to do about it. Returns @status, that of the error. */
int advise(int status, const char *format, ...)
{
	va_list args;

	if (is_quiet)
		return status;
	va_start(args, format);
	print_line("try", 0, "", format, args);
	va_end(args);
	return status;
}

/* Say what is no error, but good to know. */
void note(const char *format, ...)
{
	va_list args;

	if (is_quiet)
		return;
	va_start(args, format);
	print_line("what", 0, "", format, args);
	va_end(args);
}

/* The exit status for an errno */
static enum status status_of(int err)
{
	switch (err) {
	case EBUSY:
		return STATUS_BUSY;
	case ENOSYS:
	case EOPNOTSUPP:
		return STATUS_UNSUPPORTED;
	default:
		return STATUS_FAILED;
	}
}

/* Say on one line what failed, mostly a path, and why. */
int fail(int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print_line("what", err, "", format, args);
	va_end(args);
	return status_of(err);
}

/* As fail(), with the cause, as far as it is known: "" is none. */
int fail_because(int err, const char *cause, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print_line("what", err, cause, format, args);
	va_end(args);
	return status_of(err);
}

/*
 * Say what was done to a session or file, @dir being its directory or NULL: as JSON, or as
 * text when that was asked for.
 */
int did(const char *what, const char *dir)
{
	const char *name = dir ? strchr(dir, '/') + 1 : "", *token = strchr(name, '/');
	struct json_object *obj;

	if (out_format == OUT_TEXT) {
		if (is_verbose)
			fprintf(stderr, "luo-sh: %s%s%s\n", what, *name ? " " : "", name);
		return STATUS_OK;
	}
	obj = new_object("did", json_object_new_string(what));
	if (*name)
		json_object_object_add(obj, "session", json_object_new_string_len(name, token ?
				       token - name : (int)strlen(name)));
	if (token)
		json_object_object_add(obj, "token", json_object_new_string(token + 1));
	out(obj);
	return STATUS_OK;
}

/* How much of what takes long is done, for who looks at a terminal */
static struct {
	const char *what;
	uint64_t total;
	uint64_t done;
	struct timespec shown;
} progress;

void progress_begin(const char *what, uint64_t total)
{
	if (is_quiet || !isatty(STDERR_FILENO))
		return;
	progress.what = what;
	progress.total = total;
	progress.done = 0;
	clock_gettime(CLOCK_MONOTONIC, &progress.shown);
}

/* Shown at most twice a second. */
void progress_add(uint64_t bytes)
{
	struct timespec now;

	if (!progress.what)
		return;
	progress.done += bytes;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if ((now.tv_sec - progress.shown.tv_sec) * 1000 +
	    (now.tv_nsec - progress.shown.tv_nsec) / 1000000 < 500)
		return;
	progress.shown = now;
	fprintf(stderr, "\r%s: %" PRIu64 " of %" PRIu64 " MiB\033[K", progress.what,
		progress.done >> 20, progress.total >> 20);
}

void progress_end(void)
{
	if (progress.what)
		fputs("\r\033[K", stderr);
	progress.what = NULL;
}
