# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck disable=SC2154  # luo.bash sets group
#
# full.bash FULL MODE: for tests of a machine that FULL bytes of files nearly fill. Sourced after luo.bash, by each
# script: has the kernel overcommit memory in that MODE, and memfds have no huge pages.

full=$1
echo "$2" >/proc/sys/vm/overcommit_memory
echo 100 >/proc/sys/vm/overcommit_ratio
echo never >/sys/kernel/mm/transparent_hugepage/shmem_enabled

# limit_group: new_group, with a limit that leaves 2 % and 16 MiB beside the files.
limit_group() {
	[[ ! -e $group ]] || rmdir "$group"
	new_group
	echo $((full + full / 50 + (16 << 20))) >"$group/memory.max"
}

# full_finish: finish session s, whose files were retrieved in the group and closed. Nobody was killed, and their
# memory is free again, all but 1 %.
full_finish() {
	local before
	shows incoming/s state=retrieved
	expect 'oom_kill 0' grep -w oom_kill "$group/memory.events"
	before=$(mem_free)
	echo 1 >incoming/s/finish
	shows . state=normal
	until (($(mem_free) - before > (full >> 20) * 99 / 100)); do :; done
}
