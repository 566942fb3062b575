/* SPDX-License-Identifier: GPL-2.0 */
/* A directory as a pax archive in one file, and back */
#ifndef ARCHIVE_H
#define ARCHIVE_H

#include <stdint.h>

int archive_measure(const char *path, uint64_t *size);
int archive_pack(const char *path, uint64_t size, int to);
int archive_unpack(int from, const char *path);

#endif /* ARCHIVE_H */
