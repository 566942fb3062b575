#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
#
# Any bytes, names and structs, from several processes at once, to every attribute and ioctl: the machine stays clean,
# what is to be kept is kept, and live update works as ever. FUZZ_CALLS is how many of each kind, SEED what they
# come from.

load lib/common
load lib/luo

CALLS=${FUZZ_CALLS:-$([[ ${DEBUG:-0} == 0 ]] && echo 40000 || echo 4000)}
PROCESSES=4
SEED=${SEED:-$RANDOM}

# fuzz WHAT: so many calls, of which some must have come through; then nobody has control any more.
fuzz() {
	echo "# seed $SEED" >&3
	luo_run -t $((VM_SECONDS + CALLS / 500)) "what=$1 processes=$PROCESSES calls=$((CALLS / PROCESSES)) seed=$SEED" <<-'END'
		# The files that may be retrieved have memory of files from then on.
		((most = $(mem_files) + 20 * 4))
		luo-fuzz $what $processes $calls $seed
		shows . owner=none
		shopt -s dotglob
		for dir in sessions/*/*/ sessions/*/; do
			rmdir -- "$dir"
		done
		expect '' ls -A sessions
		until (($(mem_files) <= most)); do :; done
	END
	echo "# $1: $output" >&3
	[[ $output =~ ^([0-9]+)' calls, '([0-9]+)' succeeded'$ ]]
	((BASH_REMATCH[1] >= CALLS && BASH_REMATCH[2] > CALLS / 100))
	count inputs "${BASH_REMATCH[1]}"
}

# incoming: preserve what is to be kept, and what may be taken, and go on to the next kernel with that.
incoming() {
	luo_run <<-'END'
		luo-hold preserve sessions/keep-all/% 20 memfd,size=64K,data=0:8K+16K:20K,seed=1
		luo-hold preserve sessions/in%/0 20 memfd,size=4K,seed=2
	END
	vm_kexec
	vm_run "luo-hold retrieve $LUO/incoming/keep-all/% 20 memfd,size=64K,data=0:8K+16K:20K,seed=1"
}

# kept: it is as it was, also after another kexec; and all is as on a machine that was left alone.
kept() {
	luo_run <<-'END'
		echo luo-v1 >abi
		for finish in incoming/in*/finish; do
			echo discard >$finish
		done
		luo-hold preserve sessions/new/% 20 memfd,size=64K,seed=3
	END
	vm_kexec
	luo_run <<-'END'
		luo-hold retrieve incoming/keep-all/% 20 memfd,size=64K,data=0:8K+16K:20K,seed=1
		luo-hold retrieve incoming/new/% 20 memfd,size=64K,seed=3
		for finish in incoming/*/finish; do
			echo 1 >$finish
		done
		shows . state=normal owner=none last_error=0
	END
	count bytes $((20 * 65536 + 20 * 65536))
}

@test "attributes and names take any input, and nothing is lost" {
	incoming
	fuzz attributes
	kept
}

@test "ioctls take any struct, and nothing is lost" {
	incoming
	fuzz ioctls
	kept
}
