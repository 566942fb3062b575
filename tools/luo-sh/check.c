// SPDX-License-Identifier: GPL-2.0
/*
 * Can another kernel take what is preserved now? Compared are the hand-over
 * format, the handlers of the files, and the version of KHO itself, with what
 * the image of that kernel understands; and its command line has to have live
 * update on.
 */
#include <errno.h>
#include <fcntl.h>
#include <libfdt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "image.h"

#define KHO_PREFIX	"kho-"
#define KHO_PREFIX_LEN	4

static bool has_string(struct json_object *list, const char *text)
{
	size_t i;

	for (i = 0; i < json_object_array_length(list); i++)
		if (!strcmp(text, json_object_get_string(json_object_array_get_idx(list, i))))
			return true;
	return false;
}

static void add_string(struct json_object *list, const char *text)
{
	if (*text && !has_string(list, text))
		json_object_array_add(list, json_object_new_string(text));
}

static void add_strings(struct json_object *list, struct json_object *more)
{
	size_t i;

	for (i = 0; i < json_object_array_length(more); i++)
		add_string(list, json_object_get_string(json_object_array_get_idx(more, i)));
}

/*
 * Add the handlers of the files. A session of /dev/liveupdate does not show its
 * files: they may be of any of @all. Returns how many sessions have a part in it.
 */
static int add_handlers(struct json_object *needs, const char *direction, struct json_object *all)
{
	struct json_object *sessions = luo_sessions(direction), *session, *tokens;
	uint64_t files;
	int nr = 0;
	size_t i, j;

	for (i = 0; i < json_object_array_length(sessions); i++) {
		session = json_object_array_get_idx(sessions, i);
		/* What its owner left behind is not handed over. */
		if (!strcmp(get_string(session, "state"), "abandoned"))
			continue;
		nr++;
		files = json_object_get_uint64(json_object_object_get(session, "files"));
		tokens = json_object_object_get(session, "tokens");
		for (j = 0; j < json_object_array_length(tokens); j++)
			add_string(needs,
				   get_string(json_object_array_get_idx(tokens, j), "compatible"));
		if (files && !j)
			add_strings(needs, all);
	}
	json_object_put(sessions);
	return nr;
}

/* Add the version in a tree of KHO's, of which all but the beginning may be cut off. */
static bool add_kho_version(struct json_object *needs, const char *path)
{
	char fdt[16384] __attribute__((aligned(8))) = {};
	int fd = open(path, O_RDONLY | O_CLOEXEC), len;
	const char *compatible;
	ssize_t size;

	if (fd < 0)
		return false;
	size = read(fd, fdt, sizeof(fdt));
	close(fd);
	if (size < (ssize_t)sizeof(struct fdt_header) || fdt_check_header(fdt) ||
	    fdt_totalsize(fdt) > sizeof(fdt))
		return false;
	compatible = fdt_getprop_by_offset(fdt, fdt_first_property_offset(fdt, 0), NULL, &len);
	if (!compatible || len <= KHO_PREFIX_LEN || compatible[len - 1] ||
	    strncmp(compatible, KHO_PREFIX, KHO_PREFIX_LEN))
		return false;
	add_string(needs, compatible);
	return true;
}

/*
 * The version of KHO, where debugfs tells: a kernel reads the one that it
 * writes, and no other. It shows either of the two, as long as it was at boot.
 */
static void add_kho(struct json_object *needs)
{
	if (!add_kho_version(needs, KHO_DIR "/out/fdt"))
		add_kho_version(needs, KHO_DIR "/in/fdt");
}

/* What the kernel makes of a file of that type when the format is another. */
static const char *handed_over_as(const char *compatible, const char *abi)
{
	return !strcmp(abi, "luo-v5") && !strcmp(compatible, "memfd-v3") ? "memfd-v2" : compatible;
}

static bool takes(const struct image *image, struct json_object *handlers, const char *abi)
{
	const char *compatible;
	size_t i;

	for (i = 0; i < json_object_array_length(handlers); i++) {
		compatible = json_object_get_string(json_object_array_get_idx(handlers, i));
		if (!image_understands(image, handed_over_as(compatible, abi)))
			return false;
	}
	return image_understands(image, abi);
}

/*
 * The format for the next kernel: the chosen one if that takes all in it, or the
 * first in which it does, or the first that it understands at all; or NULL
 */
static const char *choose_abi(const struct image *image, struct json_object *root,
			      struct json_object *handlers)
{
	struct json_object *abis = json_object_object_get(root, "abis");
	const char *chosen = get_string(root, "abi"), *found = NULL, *abi;
	size_t i;

	if (takes(image, handlers, chosen))
		return chosen;
	if (image_understands(image, chosen))
		found = chosen;
	for (i = 0; i < json_object_array_length(abis); i++) {
		abi = json_object_get_string(json_object_array_get_idx(abis, i));
		if (takes(image, handlers, abi))
			return abi;
		if (!found && image_understands(image, abi))
			found = abi;
	}
	return found;
}

/* What is in use, and the format to hand it over in */
static void find_needs(const struct image *image, struct json_object *needs,
		       struct json_object *verdict)
{
	struct json_object *root = luo_root(), *handlers = json_object_new_array();
	struct json_object *all = json_object_object_get(root, "handlers");
	int nr = add_handlers(handlers, SESSIONS, all) + add_handlers(handlers, INCOMING, all);
	const char *abi = choose_abi(image, root, handlers);
	const char *used = abi ?: get_string(root, "abi"), *compatible;
	size_t i;

	for (i = 0; i < json_object_array_length(handlers); i++) {
		compatible = json_object_get_string(json_object_array_get_idx(handlers, i));
		add_string(needs, handed_over_as(compatible, used));
	}
	if (nr) {
		add_string(needs, used);
		add_kho(needs);
	}
	json_object_object_add(verdict, "abi", abi ? json_object_new_string(abi) : NULL);
	json_object_put(handlers);
	json_object_put(root);
}

static int read_image(const struct args *args, struct image *image)
{
	int status = image_open(image, args->words[0]), i;

	for (i = 0; i < args->nr_options && !status; i++)
		if (!strcmp(args->options[i].name, "module"))
			status = image_add_module(image, args->options[i].value);
	return status;
}

/* Is each of the needs met? Says so on stderr if not. @cmdline may be NULL. */
static int compare(const struct image *image, struct json_object *needs,
		   struct json_object *missing, const char *path, const char *cmdline)
{
	const char *need;
	size_t i;

	for (i = 0; i < json_object_array_length(needs); i++) {
		need = json_object_get_string(json_object_array_get_idx(needs, i));
		/* KHO's version is in no list. */
		if (!image_understands(image, need) &&
		    (strncmp(need, KHO_PREFIX, KHO_PREFIX_LEN) || !image_contains(image, need)))
			add_string(missing, need);
	}
	if (json_object_array_length(missing))
		return complain(STATUS_MISMATCH, "%s: this kernel does not understand: %s", path,
				join(missing));
	return cmdline && i ? cmdline_check(cmdline, path) : STATUS_OK;
}

/*
 * Check the image that the command names, and the command line that it is to get,
 * NULL for one that nobody knows. With --need that is what is needed, whatever is
 * preserved. The verdict is made for STATUS_OK and STATUS_MISMATCH.
 */
int check(const struct args *args, const char *cmdline, struct json_object **verdict)
{
	struct json_object *needs, *missing;
	struct image image;
	int status, i;

	*verdict = NULL;
	status = read_image(args, &image);
	if (!status) {
		needs = json_object_new_array();
		missing = json_object_new_array();
		*verdict = new_object("image", json_object_new_string(args->words[0]));
		json_object_object_add(*verdict, "kind", json_object_new_string(image.kind));
		json_object_object_add(*verdict, "compression",
				       json_object_new_string(image.compression ?: "none"));
		json_object_object_add(*verdict, "listed",
				       json_object_new_boolean(image.is_listed));
		json_object_object_add(*verdict, "understands", json_object_get(image.versions));
		for (i = 0; i < args->nr_options; i++)
			if (!strcmp(args->options[i].name, "need"))
				add_string(needs, args->options[i].value);
		if (!args_option(args, "need"))
			find_needs(&image, needs, *verdict);
		json_object_object_add(*verdict, "needs", needs);
		json_object_object_add(*verdict, "missing", missing);
		if (cmdline)
			json_object_object_add(*verdict, "cmdline",
					       json_object_new_string(cmdline));
		status = compare(&image, needs, missing, args->words[0], cmdline);
		json_object_object_add(*verdict, "ok", json_object_new_boolean(!status));
	}
	image_close(&image);
	return status;
}

int cmd_check(const struct args *args)
{
	struct json_object *verdict;
	char cmdline[CMDLINE_SIZE];
	int status = args_option(args, "need") ? STATUS_OK : luo_supported();

	if (!status)
		status = cmdline_choose(args, cmdline);
	if (status)
		return status;
	status = check(args, cmdline_is_given(args) ? cmdline : NULL, &verdict);
	if (verdict)
		out(verdict);
	return status;
}
