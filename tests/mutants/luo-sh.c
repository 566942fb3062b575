// SPDX-License-Identifier: GPL-2.0
/*
 * The mutants of luo-sh are selected with those of the kernel that it runs on, or by
 * LUO_MUTANT=N@SIDE in the environment of a machine without such a kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PARAMETERS	"/sys/module/luo_mutant/parameters/"

bool luo_mutant(int number);

static int selected(void)
{
	const char *text = getenv("LUO_MUTANT");
	int number = text ? atoi(text) : 0;
	FILE *file = fopen(PARAMETERS "selected", "re");

	if (file) {
		if (fscanf(file, "%d", &number) != 1)
			number = 0;
		fclose(file);
	}
	return number;
}

static void tell_reached(int number)
{
	int fd = open(PARAMETERS "reached", O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		dprintf(fd, "%d", number);
		close(fd);
	}
}

bool luo_mutant(int number)
{
	static bool is_known, is_reached[4096];
	static int chosen;
	int err = errno;

	if (!is_known)
		chosen = selected();
	is_known = true;
	if (!chosen && !is_reached[number]) {
		is_reached[number] = true;
		tell_reached(number);
	}
	errno = err;
	return chosen == number;
}
