/* SPDX-License-Identifier: GPL-2.0 */
/* Images of kernels, what they tell of themselves, and their command lines */
#ifndef IMAGE_H
#define IMAGE_H

#include "luo-sh.h"

struct buffer {
	char *data;
	size_t len;
	size_t size;
	/*
	 * Takes what is in a buffer that would have to grow, which is empty then. NULL for
	 * one that keeps all.
	 */
	void (*take)(struct buffer *buffer);
};

/* What is left of an input */
struct input {
	const char *data;
	size_t len;
};

struct image {
	/* bzImage, zboot, Image, vmlinux, UKI */
	const char *kind;
	/* NULL when it is not compressed */
	const char *compression;
	/* It lists what it understands; if not, the strings in it tell. */
	bool is_listed;
	/* The list, and that of modules */
	struct json_object *versions;
	struct buffer content;
	/* What it takes where it is loaded, and the alignment of that */
	uint64_t size;
	uint64_t align;
	/* Of an arm64 Image that says so, else 0 */
	uint64_t page_size;
	/*
	 * What kexec_file_load(2) takes, which is the file itself when that is empty; and what
	 * the image has besides. cmdline is NULL when it has none.
	 */
	bool is_loadable;
	struct input kernel;
	struct input initrd;
	char *cmdline;
	/* The file, where that is what these are parts of */
	struct buffer file;
};

/* No kernel is larger, in a file or unpacked. */
#define MAX_IMAGE	(1UL << 30)

/* unpack.c */
int unpack(struct input *in, struct buffer *out, const char **name);

/* image.c */
int read_file(const char *path, size_t max, struct buffer *file);
int image_open(struct image *image, const char *path);
int image_add_module(struct image *image, const char *path);
bool image_contains(const struct image *image, const char *text);
bool image_understands(const struct image *image, const char *version);
void image_close(struct image *image);

/* cmdline.c */
#define CMDLINE_SIZE	4096

int cmdline_read(char text[CMDLINE_SIZE]);
bool cmdline_is_given(const struct args *args);
int cmdline_choose(const struct args *args, char text[CMDLINE_SIZE]);
int cmdline_check(const char *cmdline, const char *image);

#endif /* IMAGE_H */
