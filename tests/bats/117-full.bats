#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# bats file_tags=without-debug,memory
#
# A machine that is nearly full, as a host of virtual machines is: 90 % of its memory, less scratch, is preserved, is
# carried on by a kernel or two that retrieve nothing, and comes back, byte by byte. There is no swap space.
#
# FULL_MEM=4G is the machine's memory, which make soak sets to 16G.

load lib/common
load lib/luo

gib=${FULL_MEM:-4G}
gib=${gib%G}
# To go through all of that memory takes seconds a gigabyte, and a minute on a busy host.
# shellcheck disable=SC2034  # for lib/vm
VM_SECONDS=$((60 + 60 * gib)) VM_BOOT_SECONDS=$((60 + 30 * gib))
# What a kernel needs before it has reserved what is preserved grows by 20 MiB a GiB.
# shellcheck disable=SC2034
VM_SCRATCH=16M,$((32 + 20 * gib))M,16M

# full is how large all files are together, in whole huge pages; each test has it, where the host has the memory.
setup_file() {
	awk -v gib="$gib" '$1 == "MemAvailable:" { exit $2 / 1024 / 1024 < gib + 1 }' /proc/meminfo || return 0
	guest_start -m "${gib}G"
	luo_run <<-'END' >&2
		kib=$(awk '$1 == "MemTotal:" { print $2 }' /proc/meminfo)
		while read -r len; do
			((kib -= len >> 10))
		done </sys/kernel/debug/kho/out/scratch_len
		echo $((kib * 9 / 10 >> 11 << 21))
	END
	# shellcheck disable=SC2154  # vm_run sets output
	export full=$output
}

setup() {
	[[ -n ${full-} ]] || skip "less than $((gib + 1)) GiB of memory are left"
	guest_setup
}

# full_run MODE [LINE]: luo_run with guest/full.bash, in a kernel that overcommits memory in that mode.
full_run() {
	luo_run ". full.bash $full $1; ${2-}"
}

# full_file MODE VIA [LINE]: preserve one file, written in that way. Sets output to how many runs of pages it lies in.
full_file() {
	full_run "$1" "via=$2; ${3-}" <<-'END'
		limit_group
		in_group luo-hold make memfd,size=$full,seed=1,via=$via,fd=5 -- bash -c '. luo.bash
			mkdir sessions/s sessions/s/1
			echo self:5 >sessions/s/1/fd
			luo-hold runs open,fd=5'
	END
}

# full_carry MODE KEXECS: through so many kernels that leave all as it is, and into another.
full_carry() {
	local i
	for ((i = 0; i < $2; i++)); do
		vm_kexec
		full_run "$1" <<-'END'
			shows . state=updated last_error=0
			shows incoming/s state=preserved retrieved=0
		END
	done
	vm_kexec
}

# full_file_back MODE VIA RUNS: retrieve it, read all of it in that way, find it where it was, and have its memory free
# when it is finished.
full_file_back() {
	full_run "$1" "via=$2 runs=$3" <<-'END'
		limit_group
		in_group luo-hold make null,fd=5 -- bash -c '. luo.bash
			echo self:5 >incoming/s/1/fd
			luo-hold check open,fd=5,size=$1,seed=1,via=$2
			expect $3 luo-hold runs open,fd=5' bash $full $via $runs
		full_finish
	END
	count bytes "$full"
}

@test "a file of 90 % of memory comes back from two kernels that carried it, where nothing is overcommitted" {
	full_file 2 write
	runs=$output
	# Its pages were allocated some at a time.
	((runs < full / 4096 / 16))
	full_carry 2 2
	full_file_back 2 write "$runs"
}

@test "as scattered pages, with heuristic overcommitment" {
	full_file 0 shuffled
	runs=$output
	# But for those that had to be moved out of scratch
	((runs > full * 99 / 100 / 4096))
	full_carry 0 1
	full_file_back 0 mmap "$runs"
}

@test "in huge pages, with all overcommitted" {
	full_file 1 mmap 'echo always | tee /sys/kernel/mm/transparent_hugepage/{shmem_enabled,defrag} >/dev/null'
	runs=$output
	# But for some at the end
	((runs < full / 4096 / 256))
	full_carry 1 1
	full_file_back 1 mmap "$runs"
}

@test "as 2,000 files, where nothing is overcommitted" {
	full_run 2 <<-'END'
		limit_group
		in_group luo-hold preserve sessions/s/% 2000 memfd,size=$((full / 2000 >> 12 << 12)),seed=1
	END
	full_carry 2 1
	full_run 2 <<-'END'
		limit_group
		in_group luo-hold retrieve incoming/s/% 2000 memfd,size=$((full / 2000 >> 12 << 12)),seed=1,via=mmap
		shows incoming/s files=2000
		full_finish
	END
	count bytes "$full"
}
