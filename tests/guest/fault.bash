# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck disable=SC2154  # luo_snapshot sets snapshot
#
# What a script about allocations that fail begins with in the guest, after luo.bash: . fault.bash

# text_of FUNCTION: set start and end to where its code is.
text_of() {
	read -r start end < <(awk -v name="$1" '
		start && $1 != start { print "0x" start, "0x" $1; exit }
		$3 == name { start = $1 }' /proc/kallsyms)
}

# Whatever is allocated can fail, and nothing is said of it; but for KHO's files in debugfs: the base kernel can do
# without them, and warns of that.
text_of __kho_debugfs_blob_add
for attr in /sys/kernel/debug/{failslab,fail_page_alloc}; do
	echo 0 >"$attr/verbose"
	echo N >"$attr/ignore-gfp-wait"
	echo "$start" >"$attr/reject-start"
	echo "$end" >"$attr/reject-end"
done
echo N >/sys/kernel/debug/fail_page_alloc/ignore-gfp-highmem
echo 0 >/sys/kernel/debug/fail_page_alloc/min-order

# What an operation comes to that does not fail, and which lines of a snapshot one that fails may change.
ok=ok
may_change='^$'

# settled_snapshot: luo_snapshot, when all directories are there.
settled_snapshot() {
	read -r _ <"$LUO/state"
	luo_snapshot
}

# same: all that can be seen of live update is as it was.
same() {
	local before=$snapshot
	settled_snapshot
	diff <(grep -vE "$may_change" <<<"$before") <(grep -vE "$may_change" <<<"$snapshot") >&2
}

# each_fault ATTEMPT [UNDO]: ATTEMPT, a command that says as luo-fault does what came of it, with its first allocation
# failing, with its second, and so on until there are no more. When it fails, with ENOMEM, nothing was changed; when
# it does not, as that could be done without, there is UNDO. Sets refused to how many of them made it fail.
each_fault() {
	local nth said survived=0
	refused=0
	settled_snapshot
	for ((nth = 1; ; nth++)); do
		said=$(eval "$1" | tail -n 1)
		case $said in
		'hit ENOMEM')
			same
			refused=$((refused + 1))
			;;
		"hit $ok")
			eval "${2-}"
			settled_snapshot
			survived=$((survived + 1))
			;;
		"missed $ok") break ;;
		*)
			echo "allocation $nth of $1: $said" >&2
			return 1
			;;
		esac
	done
	eval "${2-}"
	echo "$refused refused, $survived done without: $1"
}

# only_in FUNCTION: what fails is what FUNCTION allocates, or what it calls.
only_in() {
	text_of "$1"
	for attr in /sys/kernel/debug/{failslab,fail_page_alloc}; do
		echo "$start" >"$attr/require-start"
		echo "$end" >"$attr/require-end"
	done
}

# fail_in FUNCTION N: the next N allocations of slabs fail there, whoever is in it. left: how many of them did not come
# yet.
slab=/sys/kernel/debug/failslab
fail_in() {
	only_in "$1"
	echo 100 >$slab/probability
	echo "$2" >$slab/times
}
left() {
	cat $slab/times
}
