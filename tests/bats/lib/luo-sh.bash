# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What is known of luo-sh's commands. LUO is the directory that it drives.

# luo_sh_commands: make of "luo-sh completion" on stdin, the table of its commands, a line for each command that
# needs the kernel's support, with its arguments.
luo_sh_commands() {
	sed -E '/^(help|version|completion|batch|dump)/d
		s/ \[[^]]*\](\.\.\.)?//g; s/\.\.\.//; s/--fd N/--fd 1/; s/STATE/normal/; s|IMAGE|/boot/vmlinuz-next|'
}

# shellcheck disable=SC2034  # for those who load this
LUO_SH_UNSUPPORTED="luo-sh: /sys/kernel/config/liveupdate: No such file or directory (ENOENT): the kernel has no live update, or was not booted with liveupdate=on kho=on"
