#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# bats file_tags=without-ci
#
# One kexec after the other, with sessions made, kept, carried on, retrieved and finished at random: each byte is as it
# was, and the machine has as much memory as at the beginning. SOAK_KEXECS is how many, SEED what comes of each.
# shellcheck disable=SC2016,SC2154  # what is quoted is for the guest; vm_run sets output

load lib/common
load lib/luo

KEXECS=${SOAK_KEXECS:-8}
SEED=${SEED:-$RANDOM}

# What is preserved: of each session the files, as luo-hold is told of them, by their tokens 0, 1, 2…
declare -gA sessions

# any N: set any to a number below N.
any() {
	any=$((RANDOM % $1))
}

# any_file: set file to one of any type, size and content, with holes or without.
any_file() {
	local type size
	any 4
	((any)) && type=memfd || type=tmpfs
	any 21
	size=$(((1 << any) + RANDOM % 4096))
	file="$type,size=$size,seed=$RANDOM"
	any 3
	if ((any == 0 && size > 64 << 10)); then
		file+=,data=8K:4K+32K:16K
	fi
}

# size_of FILE: set size to how many bytes it has.
size_of() {
	size=${1#*size=}
	size=${size%%,*}
}

# add LINE…: to the script for the guest
add() {
	script+=$(printf '%s\n' "$@")$'\n'
}

make_session() {
	local name=$1 token nr
	any 4
	nr=$any
	sessions[$name]=
	for ((token = 0; token <= nr; token++)); do
		any_file
		sessions[$name]+="$file "
		add "luo-hold preserve sessions/$name/$token 1 $file >/dev/null"
	done
}

# retrieve NAME [some]: check all files of a session, or about half of them.
retrieve() {
	local file token=0
	for file in ${sessions[$1]}; do
		any 2
		if [[ ${2-} != some ]] || ((any)); then
			add "luo-hold retrieve incoming/$1/$token 1 $file >/dev/null"
			size_of "$file"
			((bytes += size))
		fi
		((++token))
	done
}

finish() {
	retrieve "$1"
	add "echo 1 >incoming/$1/finish"
	unset "sessions[$1]"
}

# keep NAME NEW: hold the files open, finish the session, and preserve them anew in another.
keep() {
	local file token fds=()
	retrieve "$1"
	for file in ${sessions[$1]}; do
		fds+=($((20 + ${#fds[@]})))
		add "exec ${fds[-1]}</dev/null" "echo self:${fds[-1]} >incoming/$1/$((fds[-1] - 20))/fd"
	done
	add "echo 1 >incoming/$1/finish" "mkdir sessions/$2"
	for token in "${!fds[@]}"; do
		add "mkdir sessions/$2/$token" "echo self:${fds[token]} >sessions/$2/$token/fd" "exec ${fds[token]}<&-"
	done
	sessions[$2]=${sessions[$1]}
	unset "sessions[$1]"
}

# do_any ROUND: something with each session that came, and some new ones.
do_any() {
	local name nr=0
	script=
	for name in $(printf '%s\n' "${!sessions[@]}" | sort); do
		any 6
		case $any in
		0 | 1) ;;
		2) retrieve "$name" some ;;
		3 | 4) finish "$name" ;;
		5) keep "$name" "kept$1-$((++nr))" ;;
		esac
	done
	any 3
	for ((nr = any; nr >= 0; nr--)); do
		make_session "new$1-$nr"
	done
}

# arrived: they are all there, and nothing else.
arrived() {
	luo_run <<-END
		shows . last_error=0
		cat state >/dev/null
		expect '$(printf '%s\n' "${!sessions[@]}" | LC_ALL=C sort)' env LC_ALL=C ls incoming
	END
}

# figures: set free and slab to what the machine has, in kB, what processors keep for themselves among it.
figures() {
	vm_run 'sync
		echo 3 >/proc/sys/vm/drop_caches
		echo 1 >/proc/sys/vm/stat_refresh
		awk "/^MemAvailable:/ { free = \$2 } /^SUnreclaim:/ { slab = \$2 } \$1 == \"count:\" { free += 4 * \$2 }
			END { print free, slab }" /proc/meminfo /proc/zoneinfo'
	read -r free slab <<<"$output"
}

@test "kexecs in a row lose no byte, and no memory" {
	local round name script free slab free_before slab_before bytes=0
	echo "# seed $SEED" >&3
	RANDOM=$SEED
	# The first kernel was not booted by kexec.
	vm_kexec
	figures
	free_before=$free slab_before=$slab
	for ((round = 1; round < KEXECS - 1; round++)); do
		do_any "$round"
		luo_run <<<"$script"
		vm_kexec
		arrived
	done
	script=
	for name in "${!sessions[@]}"; do
		finish "$name"
	done
	luo_run <<<"$script"
	vm_kexec
	figures
	echo "# $bytes bytes checked; memory $free_before kB, $free kB at the end; slabs $slab_before kB, $slab kB" >&3
	((free_before - free < 1024 && slab - slab_before < 256))
	count bytes "$bytes"
}
