/* SPDX-License-Identifier: GPL-2.0 */
/* Images of kernels, what they tell of themselves, and their command lines */
#ifndef IMAGE_H
#define IMAGE_H

#include "luo-sh.h"

struct buffer {
	char *data;
	size_t len;
	size_t size;
};

struct image {
	/* bzImage, zboot, Image, vmlinux */
	const char *kind;
	/* NULL when it is not compressed */
	const char *compression;
	/* It lists what it understands; if not, the strings in it tell. */
	bool is_listed;
	/* The list, and that of modules */
	struct json_object *versions;
	struct buffer content;
};

/* unpack.c */
int unpack(const char *in, size_t len, struct buffer *out, const char **name);

/* image.c */
int image_open(struct image *image, const char *path);
int image_add_module(struct image *image, const char *path);
bool image_contains(const struct image *image, const char *text);
bool image_understands(const struct image *image, const char *version);
void image_close(struct image *image);

/* cmdline.c */
#define CMDLINE_SIZE	4096

bool cmdline_is_given(const struct args *args);
int cmdline_choose(const struct args *args, char text[CMDLINE_SIZE]);
int cmdline_check(const char *cmdline, const char *image);

/* check.c */
int check(const struct args *args, const char *cmdline, struct json_object **verdict);

#endif /* IMAGE_H */
