// SPDX-License-Identifier: GPL-2.0
/*
 * What is printed. Commands put together a JSON object; people get it as text:
 * values on a line, and below that, indented, the objects that belong to it.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "luo-sh.h"

enum out_format out_format;
char error_prefix[ERROR_PREFIX_SIZE];

static const int json_flags[] = {
	[OUT_JSON] = JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE,
	[OUT_PRETTY] = JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
		       JSON_C_TO_STRING_NOSLASHESCAPE,
};

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
	if (out_format == OUT_TEXT) {
		print_object(obj, 0, false);
	} else {
		json_object_object_add(obj, "version", json_object_new_int(SCHEMA_VERSION));
		puts(json_object_to_json_string_ext(obj, json_flags[out_format]));
	}
	json_object_put(obj);
	fflush(stdout);
}

static void print_error(int err, const char *format, va_list args)
{
	fprintf(stderr, "luo-sh: %s", error_prefix);
	vfprintf(stderr, format, args);
	if (err)
		fprintf(stderr, ": %s (%s)", strerror(err), strerrorname_np(err) ?: "?");
	fputc('\n', stderr);
}

/* Say on one line what is wrong. */
int complain(enum status status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print_error(0, format, args);
	va_end(args);
	return status;
}

/* Say on one line what failed, mostly a path, and why. */
int fail(int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print_error(err, format, args);
	va_end(args);

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
