// SPDX-License-Identifier: GPL-2.0
/* When the phases of the last live update began, and how long each took */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "luo-sh.h"

#define BAR_WIDTH 40

/* The phases that have begun, in the order of the kernel; "ns" is null where that is unknown. */
static struct json_object *read_phases(char *text)
{
	struct json_object *phases = json_object_new_array(), *phase;
	char *line, *value, *end;
	uint64_t ns;

	while ((line = strsep(&text, "\n"))) {
		value = strchr(line, ' ');
		if (!value)
			continue;
		*value++ = '\0';
		ns = strtoull(value, &end, 10);
		phase = new_object("phase", json_object_new_string(line));
		json_object_object_add(phase, "ns", end == value || *end ? NULL :
				       json_object_new_uint64(ns));
		json_object_array_add(phases, phase);
	}
	return phases;
}

/* In milliseconds since the first phase, NAN where that is unknown or there is no such phase */
static double begin_of(struct json_object *phases, size_t i)
{
	struct json_object *ns = json_object_object_get(json_object_array_get_idx(phases, i), "ns");

	return ns ? json_object_get_uint64(ns) / 1e6 : NAN;
}

static void print_bar(double begin, double end, double total)
{
	int from = total > 0 ? floor(begin / total * BAR_WIDTH) : 0;
	int to = total > 0 ? ceil(end / total * BAR_WIDTH) : 0;

	printf("  %*s", from, "");
	for (; from < to; from++)
		putchar('#');
}

static void print_phases(struct json_object *phases)
{
	size_t nr = json_object_array_length(phases), i;
	double begin, end, total = nr ? begin_of(phases, nr - 1) : NAN;

	for (i = 0; i < nr; i++) {
		begin = begin_of(phases, i);
		end = begin_of(phases, i + 1);
		printf("%-10s", get_string(json_object_array_get_idx(phases, i), "phase"));
		if (isnan(begin))
			printf("%12s", "unknown");
		else
			printf("%9.1f ms", begin);
		if (!isnan(begin) && !isnan(end)) {
			printf("%9.1f ms", end - begin);
			print_bar(begin, end, total);
		}
		putchar('\n');
	}
}

int cmd_timeline(const struct args *args)
{
	const char *text = luo_read(NULL, "timeline");
	struct json_object *phases;
	char *copy;

	(void)args;
	if (!text)
		return fail(errno, "timeline");
	copy = strdup(text);
	if (!copy)
		return fail(errno, "timeline");
	phases = read_phases(copy);
	free(copy);
	if (out_format != OUT_TEXT) {
		out(new_object("timeline", phases));
		return STATUS_OK;
	}
	print_phases(phases);
	json_object_put(phases);
	return STATUS_OK;
}
