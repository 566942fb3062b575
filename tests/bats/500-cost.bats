#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# bats file_tags=without-debug
#
# What a live update costs: some small cases of make bench, of which no phase may take more instructions, or memory,
# than that has counted, by more than 5 % and a trifle. Who saves something runs make bench again.
#
# Where the kernel was compiled by another gcc than that in make bench, its instructions are others, by less than a
# quarter. There each phase may take that much more; and no more than twice what it takes for half as many.

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

# no_more PERCENT BOUND…: no phase takes more than its bound, but for so many per cent and a trifle.
no_more() {
	local i trifle rc=0
	local -a bound=("${@:2}")
	for i in "${!phases[@]}"; do
		trifle=$TRIFLE
		case ${phases[i]} in
		# The slab allocator takes pages before they are needed, and keeps some that are not.
		memory) trifle=65536 ;;
		# The difference of two boots: what lies elsewhere in memory changes each by some ten thousandths.
		boot) trifle=$((EMPTY / 2000)) ;;
		esac
		if ((values[i] * 100 > (bound[i]) * 100 + (bound[i] < 0 ? -(bound[i]) : (bound[i])) * $1 + trifle * 100)); then
			echo "$name: ${phases[i]}: ${values[i]} is more than $((bound[i])), by more than $1 %"
			rc=1
		fi
	done
	return "$rc"
}

# cost CASE N WHO FRONT
cost() {
	local name="$1, $2, $3" rc=0
	local -a phases values counted whole half
	read -ra phases < <("$VM_REPO/tests/bench/run" phases)
	read -ra counted < <(sed -n "s/^$1 $2 $3 //p" "$COUNTS")
	if [[ ${#counted[@]} != "${#phases[@]}" ]]; then
		echo "$name: not in ${COUNTS#"$VM_REPO/"}"
		return 1
	fi
	count "$1:$2:$4"
	if same_compiler; then
		no_more 5 "${counted[@]}"
		return
	fi
	no_more 25 "${counted[@]}" || rc=1
	whole=("${values[@]}")
	count "$1:$(($2 / 2)):$4"
	half=("${values[@]/%/ * 2}")
	values=("${whole[@]}")
	name+=", twice what half of it takes"
	no_more 5 "${half[@]}" || rc=1
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
