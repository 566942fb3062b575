// SPDX-License-Identifier: GPL-2.0
/*
 * Can another kernel take what is preserved now? Compared are the hand-over
 * format, the handlers of the files, and the version of KHO itself, with what
 * the image of that kernel understands; and its command line has to have live
 * update on. And will that kernel have enough memory?
 */
#include <errno.h>
#include <fcntl.h>
#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "machine.h"
#include "next.h"
#include "services.h"

#define KHO_PREFIX	"kho-"
#define KHO_PREFIX_LEN	4

/* What memfds are preserved as */
#define MEMFD		"memfd-v3"

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
		if (!strcmp(get_string(session, "state"), "abandoned")) {
			complain(STATUS_OK,
				 "%s/%s: its owner ended, so it holds nothing and is not handed over",
				 direction, get_string(session, "name"));
			continue;
		}
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
	return !strcmp(abi, "luo-v5") && !strcmp(compatible, MEMFD) ? "memfd-v2" : compatible;
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

/*
 * What is in use, and the format to hand it over in. @has_services adds what services
 * will preserve, in memfds.
 */
static void find_needs(const struct image *image, bool has_services, struct json_object *needs,
		       struct json_object *verdict)
{
	struct json_object *root = luo_root(), *handlers = json_object_new_array();
	struct json_object *all = json_object_object_get(root, "handlers");
	int nr = add_handlers(handlers, SESSIONS, all) + add_handlers(handlers, INCOMING, all) +
		 has_services;
	const char *abi, *used, *compatible;
	size_t i;

	if (has_services)
		add_string(handlers, MEMFD);
	abi = choose_abi(image, root, handlers);
	used = abi ?: get_string(root, "abi");

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

static int add_modules(const struct args *args, struct image *image)
{
	int status = STATUS_OK, i;

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

static unsigned long long mib(uint64_t size)
{
	return (size + (1 << 20) - 1) >> 20;
}

static int refuse_scratch(const struct budget_result *result)
{
	return complain(STATUS_MISMATCH, "boot this machine with kho_scratch=%lluM,%lluM,%lluM",
			(unsigned long long)result->low, (unsigned long long)result->global,
			(unsigned long long)result->node);
}

/* Say on one line what there is too little of, and on another what to do. */
static int judge_budget(const struct budget_result *result, const char *path)
{
	switch (result->verdict) {
	case BUDGET_AREA:
		complain(STATUS_MISMATCH,
			 "%s: %llu MiB have to lie in one scratch area, and the largest hole in them has %llu MiB",
			 path, mib(result->scratch_needed),
			 (unsigned long long)result->scratch >> 20);
		return refuse_scratch(result);
	case BUDGET_SCRATCH:
		complain(STATUS_MISMATCH,
			 "%s: the early boot needs %llu MiB of scratch memory, and has %llu MiB",
			 path, mib(result->scratch_needed),
			 (unsigned long long)result->scratch >> 20);
		return refuse_scratch(result);
	case BUDGET_MEMORY:
		complain(STATUS_MISMATCH,
			 "%s: the boot needs %llu MiB that are neither preserved nor scratch memory, and has %llu MiB",
			 path, mib(result->memory_needed),
			 (unsigned long long)result->memory >> 20);
		return complain(STATUS_MISMATCH,
				"preserve %llu MiB less, or take an initrd that unpacks to as much less",
				mib(result->memory_needed - result->memory));
	default:
		return STATUS_OK;
	}
}

/*
 * Will the kernel have enough memory, when @more bytes are preserved? Says on stderr when
 * that cannot be known here.
 */
static int check_memory(const struct next *next, uint64_t more, struct json_object *verdict)
{
	struct budget_result result;
	char here[CMDLINE_SIZE];
	struct budget budget;
	const char *unknown;
	int status = machine_read(&budget, &unknown);

	budget.image = next->image.size;
	budget.image_align = next->image.align;
	budget.preserved += more;
	if (!status && !unknown && next->initrd[0])
		status = machine_read_initrd(&budget, next->initrd);
	else if (!status && !unknown)
		status = machine_add_initrd(&budget, next->image.initrd, next->path);
	if (!status && !unknown && !next->has_cmdline)
		status = cmdline_read(here);
	if (!status && !unknown)
		status = machine_read_cmdline(&budget, next->has_cmdline ? next->cmdline : here);
	if (!status && unknown) {
		complain(STATUS_OK, "%s: the memory is not checked: %s", next->path, unknown);
	} else if (!status) {
		budget_compute(&budget, &result);
		json_object_object_add(verdict, "scratch_needed",
				       json_object_new_uint64(result.scratch_needed));
		json_object_object_add(verdict, "scratch",
				       json_object_new_uint64(result.scratch));
		json_object_object_add(verdict, "memory_needed",
				       json_object_new_uint64(result.memory_needed));
		json_object_object_add(verdict, "memory", json_object_new_uint64(result.memory));
		status = judge_budget(&result, next->path);
	}
	free(budget.areas);
	return status;
}

/*
 * The kernel refuses to hand over two sessions of one name, and says so when the reboot is
 * under way.
 */
int check_names(void)
{
	struct json_object *sessions = luo_sessions(SESSIONS), *session;
	int status = STATUS_OK;
	char dir[DIR_SIZE];
	size_t i;

	for (i = 0; i < json_object_array_length(sessions); i++) {
		session = json_object_array_get_idx(sessions, i);
		snprintf(dir, DIR_SIZE, "%s/%s", INCOMING, get_string(session, "name"));
		if (!strcmp(get_string(session, "state"), "abandoned") || !luo_exists(dir))
			continue;
		status = fail_because(EEXIST, "a new session has the name of it", "%s", dir);
		advise(status,
		       "luo-sh session finish or discard for this one, luo-sh session delete for the new one");
	}
	json_object_put(sessions);
	return status;
}

/* Pages of another size are another layout of all that is handed over. */
static int check_pages(const struct next *next, struct json_object *needs)
{
	uint64_t here = sysconf(_SC_PAGESIZE);

	if (!json_object_array_length(needs) || !next->image.page_size ||
	    next->image.page_size == here)
		return STATUS_OK;
	return complain(STATUS_MISMATCH, "%s: its pages have %u KiB, and those here %u KiB",
			next->path, (unsigned int)(next->image.page_size >> 10),
			(unsigned int)(here >> 10));
}

static struct json_object *new_verdict(const struct next *next)
{
	struct json_object *verdict = new_object("image", json_object_new_string(next->path));

	json_object_object_add(verdict, "kind", json_object_new_string(next->image.kind));
	json_object_object_add(verdict, "compression",
			       json_object_new_string(next->image.compression ?: "none"));
	json_object_object_add(verdict, "listed", json_object_new_boolean(next->image.is_listed));
	json_object_object_add(verdict, "understands", json_object_get(next->image.versions));
	return verdict;
}

/* Against what is preserved on this machine, or will be before systemd has stopped it */
static int check_here(const struct args *args, const struct next *next,
		      struct json_object *verdict, struct json_object *needs,
		      struct json_object *missing)
{
	const char *cmdline = next->has_cmdline ? next->cmdline : NULL;
	bool has_services = false;
	uint64_t more = 0;
	int status = STATUS_OK;

	if (services_are_systemd() && !args_option(args, "now"))
		status = services_read(&has_services, &more);
	else
		services_say_unsaved();
	find_needs(&next->image, has_services, needs, verdict);
	/* What is not seen may be what it cannot take. */
	status = status ?: luo_list_status() ?: check_names() ?:
		 compare(&next->image, needs, missing, next->path, cmdline) ?:
		 check_pages(next, needs);
	if (!status && !args_option(args, "skip-memory"))
		status = check_memory(next, more, verdict) ?: luo_list_status();
	return status;
}

/*
 * Check the next kernel. With --need that is what is needed, whatever is preserved, and
 * memory is another machine's. The verdict is made when this can be judged.
 */
int check(const struct args *args, struct next *next, struct json_object **verdict)
{
	struct json_object *needs, *missing;
	int status, i;

	*verdict = NULL;
	status = add_modules(args, &next->image);
	if (status)
		return status;
	needs = json_object_new_array();
	missing = json_object_new_array();
	*verdict = new_verdict(next);
	if (args_option(args, "need")) {
		for (i = 0; i < args->nr_options; i++)
			if (!strcmp(args->options[i].name, "need"))
				add_string(needs, args->options[i].value);
		status = compare(&next->image, needs, missing, next->path,
				 next->has_cmdline ? next->cmdline : NULL);
	} else {
		status = check_here(args, next, *verdict, needs, missing);
	}
	json_object_object_add(*verdict, "needs", needs);
	json_object_object_add(*verdict, "missing", missing);
	if (next->has_cmdline)
		json_object_object_add(*verdict, "cmdline", json_object_new_string(next->cmdline));
	json_object_object_add(*verdict, "ok", json_object_new_boolean(!status));
	return status;
}

/* Who goes there without luo-sh kexec has to choose the format. */
static void say_format(const struct next *next, struct json_object *verdict)
{
	struct json_object *root = luo_root();
	const char *abi = get_string(verdict, "abi"), *chosen = get_string(root, "abi");

	if (*abi && strcmp(abi, chosen) &&
	    json_object_array_length(json_object_object_get(verdict, "needs")))
		complain(STATUS_OK,
			 "%s: does not read %s%s: luo-sh kexec hands over in %s; before any other kexec: echo %s > %s/abi",
			 next->path, chosen, next->image.is_listed ? "" : ", and may panic on it",
			 abi, abi, LUO_DIR);
	json_object_put(root);
}

int cmd_check(const struct args *args)
{
	struct json_object *verdict = NULL;
	struct next next = {};
	int status = args_option(args, "need") ? STATUS_OK : luo_supported();

	if (status)
		return status;
	status = next_open(args, &next) ?: check(args, &next, &verdict);
	if (!status && !args_option(args, "need"))
		say_format(&next, verdict);
	if (verdict)
		out(verdict);
	next_close(&next);
	return status;
}
