// SPDX-License-Identifier: GPL-2.0
/*
 * The memory of a machine, in an ELF core that has physical addresses: that of
 * this one, /proc/kcore, or what a hypervisor or kdump wrote of another. It may
 * be of any size and change as we read; libelf would want all of it.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "luo-sh.h"
#include "memory.h"

struct memory_range {
	uint64_t address;
	uint64_t size;
	off_t offset;
};

static int read_at(int fd, void *buf, size_t len, off_t offset)
{
	ssize_t got = pread(fd, buf, len, offset);

	return got == (ssize_t)len ? 0 : got < 0 ? errno : EINVAL;
}

static int read_ranges(struct memory *memory)
{
	Elf64_Ehdr head;
	Elf64_Phdr segment;
	int err, i;

	err = read_at(memory->fd, &head, sizeof(head), 0);
	if (err)
		return err;
	if (memcmp(head.e_ident, ELFMAG, SELFMAG) || head.e_ident[EI_CLASS] != ELFCLASS64 ||
	    head.e_type != ET_CORE || head.e_phentsize != sizeof(segment))
		return ENOEXEC;
	memory->ranges = calloc(head.e_phnum + 1, sizeof(*memory->ranges));
	if (!memory->ranges)
		return ENOMEM;
	for (i = 0; i < head.e_phnum; i++) {
		err = read_at(memory->fd, &segment, sizeof(segment),
			      head.e_phoff + i * sizeof(segment));
		if (err)
			return err;
		/* That of modules, for one, has no physical address. */
		if (segment.p_type != PT_LOAD || segment.p_paddr == UINT64_MAX)
			continue;
		memory->ranges[memory->nr++] = (struct memory_range){
			.address = segment.p_paddr,
			.size = segment.p_filesz,
			.offset = segment.p_offset,
		};
	}
	return 0;
}

/* memory_close() has to follow, whatever the status is. */
int memory_open(struct memory *memory, const char *path)
{
	int err;

	*memory = (struct memory){ .path = path, .fd = open(path, O_RDONLY | O_CLOEXEC) };
	err = memory->fd < 0 ? errno : read_ranges(memory);
	return err ? fail(err, "%s", path) : STATUS_OK;
}

/* The bytes in all ranges */
uint64_t memory_size(const struct memory *memory)
{
	uint64_t size = 0;
	size_t i;

	for (i = 0; i < memory->nr; i++)
		size += memory->ranges[i].size;
	return size;
}

/* All of it has to be in one range. */
int memory_read(const struct memory *memory, uint64_t address, void *buf, size_t len)
{
	const struct memory_range *range;
	uint64_t offset;
	int err = EFAULT;
	size_t i;

	for (i = 0; i < memory->nr && err; i++) {
		range = &memory->ranges[i];
		offset = address - range->address;
		if (address >= range->address && offset < range->size &&
		    len <= range->size - offset)
			err = read_at(memory->fd, buf, len, range->offset + offset);
	}
	return err ? fail(err, "%s: address 0x%jx", memory->path, (uintmax_t)address) : STATUS_OK;
}

void memory_close(struct memory *memory)
{
	free(memory->ranges);
	if (memory->fd >= 0)
		close(memory->fd);
}
