/* SPDX-License-Identifier: GPL-2.0 */
/* The next kernel, as a command names it */
#ifndef NEXT_H
#define NEXT_H

#include <limits.h>

#include "image.h"

struct next {
	char path[PATH_MAX];
	/* "" for none, or for that in the image */
	char initrd[PATH_MAX];
	char cmdline[CMDLINE_SIZE];
	/* Something says what it is to be. */
	bool has_cmdline;
	struct image image;
};

int next_open(const struct args *args, struct next *next);
bool next_has_initrd(const struct next *next);
int next_check_initrd(const struct next *next);
int next_load(const struct next *next);
void next_unload(void);
void next_close(struct next *next);

/* check.c */
int check(const struct args *args, struct next *next, struct json_object **verdict);

#endif /* NEXT_H */
