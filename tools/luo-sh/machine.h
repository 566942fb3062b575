/* SPDX-License-Identifier: GPL-2.0 */
/* This machine, as far as it decides whether the next kernel has enough memory */
#ifndef MACHINE_H
#define MACHINE_H

#include <stdint.h>

#include "budget.h"
#include "image.h"

int machine_read(struct budget *budget, const char **unknown);
int machine_read_initrd(struct budget *budget, const char *path);
int machine_add_initrd(struct budget *budget, struct input initrd, const char *path);
bool parse_size(const char **text, unsigned long long *size);
int machine_has_memory(uint64_t size, const char *path);
int machine_read_cmdline(struct budget *budget, const char *cmdline);

#endif /* MACHINE_H */
