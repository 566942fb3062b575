#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# bats file_tags=without-debug
#
# What a live update costs: some small cases of make bench, of which no phase may take more instructions, or memory,
# than that has counted, by more than 5 % and a trifle. Who saves something runs make bench again.
#
# Where the kernel was compiled by another gcc than that in make bench, its instructions are others. There each phase is
# compared with what it takes for half as many: it may be no more than twice that.

bats_require_minimum_version 1.8.0
load lib/vm

COUNTS=$VM_REPO/Documentation/benchmarks/counts
# An interrupt more, or five pages
TRIFLE=20000

setup_file() {
	[[ $ARCH == x86_64 ]] || skip 'the benchmark is for x86_64'
	EMPTY=0
	count empty:0:device
	export EMPTY=${values[3]}
}

# count CASE:N:FRONT: into values, the boot being less that of a machine with nothing preserved
count() {
	local line
	line=$("$VM_REPO/tests/bench/run" "$VM_BUILD/$ARCH_IMAGE" "$1")
	read -ra values <<<"$line"
	((values[3] -= EMPTY)) || true
}

# same_compiler: as when make bench counted
same_compiler() {
	sed -n '1s/# //p' "$COUNTS" | grep -qxFf - "$VM_BUILD/obj/.config"
}

# cost CASE N WHO FRONT
cost() {
	local i rc=0
	local -a phases values before
	read -ra phases < <("$VM_REPO/tests/bench/run" phases)
	if same_compiler; then
		read -ra before < <(sed -n "s/^$1 $2 $3 //p" "$COUNTS")
	else
		count "$1:$(($2 / 2)):$4"
		before=("${values[@]/%/ * 2}")
	fi
	count "$1:$2:$4"
	for i in "${!phases[@]}"; do
		if ((values[i] * 100 > before[i] * 105 + TRIFLE * 100)); then
			echo "$1, $2, $3: ${phases[i]}: ${values[i]} is more than ${before[i]}"
			rc=1
		fi
	done
	return "$rc"
}

@test "a memfd of 64 MiB costs no more than it did" {
	cost memfd 64 ours device
}

@test "a memfd of 512 MiB with 16 pages written costs no more than it did" {
	cost sparse 512 ours device
}

@test "16 MiB of scattered pages cost no more than they did" {
	cost scattered 16 ours device
}

@test "1,000 files cost no more than they did" {
	cost files 1000 ours device
}

@test "1,000 files cost no more than they did through configfs" {
	cost files 1000 configfs configfs
}

@test "250 sessions cost no more than they did" {
	cost sessions 250 ours device
}

@test "250 sessions cost no more than they did through configfs" {
	cost sessions 250 configfs configfs
}
