/* SPDX-License-Identifier: GPL-2.0 */
/* systemd, and what its services will have preserved */
#ifndef SERVICES_H
#define SERVICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool services_are_systemd(void);
void systemctl_line(const char *arguments, char *line, size_t size);
bool services_release_guard(void);
void services_restore_guard(void);
int services_read(bool *is_used, uint64_t *size);
void services_say_unsaved(void);

#endif /* SERVICES_H */
