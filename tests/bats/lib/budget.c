// SPDX-License-Identifier: GPL-2.0
/*
 * budget KEY=VALUE... - what luo-sh's formula makes of a machine
 *
 * Compiled with tools/luo-sh/budget.c by tests/bats/312-luo-sh-memory.bats. Values are numbers, with K, M, G or T
 * behind them; area= can be given more than once. Prints the verdict, and what is needed and there in KiB.
 */
#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "budget.h"

static uint64_t areas[64];
static struct budget budget = {
	.page_size = 4096, .cpus = 1, .areas = areas, .image_align = 2 << 20,
};

static const struct {
	const char *name;
	uint64_t *value;
} keys[] = {
	{ "page_size", &budget.page_size }, { "ram", &budget.ram },
	{ "kernel", &budget.kernel }, { "preserved", &budget.preserved },
	{ "image", &budget.image }, { "align", &budget.image_align },
	{ "initrd", &budget.initrd }, { "rootfs", &budget.rootfs },
	{ "reserved", &budget.reserved }, { "huge", &budget.huge }, { "pools", &budget.pools },
};

static const char *const verdicts[] = {
	[BUDGET_OK] = "ok", [BUDGET_AREA] = "area", [BUDGET_SCRATCH] = "scratch",
	[BUDGET_MEMORY] = "memory",
};

static uint64_t parse(const char *text)
{
	static const char units[] = "KMGT";
	const char *unit;
	char *end;
	double value = strtod(text, &end);

	unit = *end ? strchr(units, *end) : NULL;
	if (end == text || (*end && (!unit || end[1])))
		errx(2, "%s: no size", text);
	return unit ? value * (1ULL << 10 * (unit - units + 1)) : value;
}

static void set(char *arg)
{
	char *value = strchr(arg, '=');
	size_t i;

	if (!value)
		errx(2, "%s: no KEY=VALUE", arg);
	*value++ = '\0';
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (!strcmp(arg, keys[i].name)) {
			*keys[i].value = parse(value);
			return;
		}
	}
	if (!strcmp(arg, "cpus"))
		budget.cpus = parse(value);
	else if (!strcmp(arg, "ramfs"))
		budget.is_ramfs = parse(value);
	else if (!strcmp(arg, "area") && budget.nr_areas < sizeof(areas) / sizeof(areas[0]))
		areas[budget.nr_areas++] = parse(value);
	else
		errx(2, "%s: no such key", arg);
}

int main(int argc, char **argv)
{
	struct budget_result result;

	while (--argc)
		set(*++argv);
	budget_compute(&budget, &result);
	printf("%s scratch=%" PRIu64 "/%" PRIu64 " memory=%" PRIu64 "/%" PRIu64
	       " kho_scratch=%" PRIu64 "M,%" PRIu64 "M,%" PRIu64 "M\n", verdicts[result.verdict],
	       result.scratch_needed >> 10, result.scratch >> 10, result.memory_needed >> 10,
	       result.memory >> 10, result.low, result.global, result.node);
	return 0;
}
