#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# bats file_tags=without-debug
#
# timeline: when each phase of the last live update began, on one clock over both kernels.
# shellcheck disable=SC2016  # what is quoted is for the guest

load lib/common
load lib/luo

# timeline PHASE…: these are its lines, no others, each at least as late as the one before.
TIMELINE='timeline() {
	local name ns last=0 at=0 phases=("$@")
	while read -r name ns; do
		[[ $name == "${phases[at++]-}" ]] || { cat timeline; return 1; }
		[[ $ns == unknown ]] && continue
		((ns >= last)) || { cat timeline; return 1; }
		last=$ns
	done <timeline
	((at == ${#phases[@]})) || { cat timeline; return 1; }
}'

@test "a kernel that no live update led to has an empty timeline" {
	luo_run <<-'END'
		shows . timeline=
		expect "" luo-sh timeline
		expect '{"timeline":[],"version":1}' luo-sh -j timeline
		refused EACCES 'echo 1 >timeline' || refused EPERM 'echo 1 >timeline'
	END
}

@test "each phase is in the timeline when it has begun, and stays there" {
	local before after
	luo_run 'luo-hold preserve sessions/s/% 2 memfd,size=64K,seed=1'
	before=${EPOCHREALTIME/./}
	vm_kexec
	luo_run "$TIMELINE" <<-'END'
		timeline requested frozen jump entry memory read init
		[[ $(head -n 1 timeline) == "requested 0" ]]
		[[ $(grep -c unknown timeline) == 0 ]]
		luo-hold retrieve incoming/s/% 2 memfd,size=64K,seed=1
		timeline requested frozen jump entry memory read init retrieved
		first=$(<timeline)
		echo 1 >incoming/s/finish
		timeline requested frozen jump entry memory read init retrieved finished
		[[ $(<timeline) == "$first"$'\n'finished* ]]
	END
	after=${EPOCHREALTIME/./}
	# By the host's clock, which has begun before, and ends later
	luo_run "host=$((after - before))" <<-'END'
		read -r name ns < <(tail -n 1 timeline)
		((ns > 0 && ns / 1000 < host))
	END
}

@test "the timeline is of the last live update, also when nothing was handed over" {
	luo_run 'luo-hold preserve sessions/s/% 2 memfd,size=64K,seed=1'
	vm_kexec
	luo_run 'luo-hold retrieve incoming/s/% 2 memfd,size=64K,seed=1; echo 1 >incoming/s/finish; cat timeline'
	vm_kexec
	luo_run "$TIMELINE" 'timeline requested frozen jump entry memory read init'
}

@test "luo-sh timeline draws what the kernel says" {
	luo_run 'luo-hold preserve sessions/s/% 2 memfd,size=64K,seed=1'
	vm_kexec
	luo_run <<-'END'
		echo discard >incoming/s/finish
		luo-sh -j timeline >/tmp/json
		jq -r '.timeline[] | "\(.phase) \(.ns)"' /tmp/json >/tmp/text
		expect "$(<timeline)" cat /tmp/text
		luo-sh timeline >/tmp/bars
		[[ $(awk '{ print $1 }' /tmp/bars) == "$(awk '{ print $1 }' timeline)" ]]
		# The longest phase has the longest bar.
		awk '{ if (last != "") print $2 - at, last; at = $2; last = $1 }' timeline | sort -n | tail -n 1 >/tmp/longest
		awk '{ n = gsub(/#/, ""); print n, $1 }' /tmp/bars | sort -n | tail -n 1 >/tmp/bar
		[[ $(cut -d " " -f 2 /tmp/longest) == "$(cut -d " " -f 2 /tmp/bar)" ]]
	END
}

# told CHANGE LINE: with this damage to the notes the next kernel says so, and what it was told is unknown.
told() {
	[[ -z $2 ]] || expect_kernel_line "luo: notes of the hand-over: $2"
	luo_run 'luo-hold preserve sessions/s/% 2 memfd,size=64K,seed=1'
	luo_kexec_held <<<"luo-damage ${1@Q}"
	count damages 1
	luo_run "$TIMELINE" <<-'END'
		timeline requested frozen jump entry memory read init
		expect $'requested unknown\nfrozen unknown\njump unknown\nentry 0' head -n 4 timeline
		luo-hold retrieve incoming/s/% 2 memfd,size=64K,seed=1
		echo 1 >incoming/s/finish
		luo-sh timeline | grep -qx "requested *unknown"
	END
}

@test "a timeline that is damaged, or of a clock that is not stable, is unknown" {
	told notes..timeline=0 ''
	told notes..timeline.len=8 EINVAL
	told 'notes..timeline="12345678AAAAAAAABBBBBBBBCCCCCCCC' EINVAL
}

@test "the timeline agrees with the emulator's clock, within 1 %" {
	[[ $ARCH == x86_64 ]] || skip 'the benchmark, in which an instruction takes a nanosecond, is for x86_64'
	local console=$BATS_TEST_TMPDIR/console requested init told
	BENCH_CONSOLE=$console "$VM_REPO/tests/bench/run" "$VM_BUILD/$ARCH_IMAGE" memfd:16:configfs
	requested=$(sed -n 's/.*bench reboot \([0-9]*\).*/\1/p' "$console")
	init=$(sed -n 's/.*bench init \([0-9]*\).*/\1/p' "$console")
	told=$(sed -n 's/.*timeline init \([0-9]*\).*/\1/p' "$console")
	echo "requested at $requested, init at $init: $((init - requested)) ns; the kernel says $told"
	((told * 100 > (init - requested) * 99 && told * 99 < (init - requested) * 100))
}
