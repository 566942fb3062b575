/* SPDX-License-Identifier: GPL-2.0 */
/* The memory of a machine, by physical addresses */
#ifndef MEMORY_H
#define MEMORY_H

#include <stddef.h>
#include <stdint.h>

struct memory {
	const char *path;
	int fd;
	size_t nr;
	struct memory_range *ranges;
};

int memory_open(struct memory *memory, const char *path);
uint64_t memory_size(const struct memory *memory);
int memory_read(const struct memory *memory, uint64_t address, void *buf, size_t len);
void memory_close(struct memory *memory);

#endif /* MEMORY_H */
