# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What is known of luo-sh's commands, and a look at what they print.

# luo_sh_commands: make of "luo-sh help --brief" on stdin, the table of its commands, a line for each command that
# needs the kernel's support, with its arguments.
luo_sh_commands() {
	sed -E '/^(help|version|completion|batch|dump|fd new)/d
		s/ \[[^]]*\](\.\.\.)?//g; s/\.\.\.//; s/--fd N/--fd 1/; s/SHELL/bash/; s/STATE/normal/; s|IMAGE|/boot/vmlinuz-next|'
}

# said LINE…: that is what luo-sh has on stderr, but for what it says to try.
said() {
	# shellcheck disable=SC2154  # run and vm_run set it
	assert_equal "$(sed '/^luo-sh: try: /d' <<<"$stderr")" "$(printf 'luo-sh: %s\n' "$@")"
}

# json FILTER WANT: what jq makes of the output.
# shellcheck disable=SC2154  # run and vm_run set it
json() {
	assert_equal "$(jq -c "$1" <<<"$output")" "$2"
}

# shellcheck disable=SC2034  # for those who load this
LUO_SH_UNSUPPORTED="luo-sh: /sys/kernel/config/liveupdate: No such file or directory (ENOENT): the kernel has no live update, or was not booted with liveupdate=on kho=on"
