#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
#
# A hand-over that is damaged: the next kernel boots, says what it does not take, and the rest comes back.

# shellcheck disable=SC2016  # what is quoted is for the guest

load lib/common
load lib/luo

# A session that nothing happens to, and one file of another type
OK='luo-hold preserve sessions/ok/% 3 memfd,size=64K,seed=1 >/dev/null
mkdir sessions/s
preserve_devices 1 3'

OK_COMES_BACK='luo-hold retrieve incoming/ok/% 3 memfd,size=64K,seed=1 >/dev/null
exec 5</dev/null
for token in 1 2 3; do
	echo self:5 >incoming/s/$token/fd
	expect $token cat <&5
done'

# Live update can be used, whatever came.
USABLE='cat state >/dev/null # what was finished is gone then
for finish in incoming/*/finish; do
	echo discard >$finish
done
shows . state=normal
mkdir sessions/x
rmdir sessions/x'

# said LINE: that, and nothing else, is what live update had to say in this boot.
SAID='said() {
	expect "$1" bash -c "dmesg | sed -nE \"s/^\[[^]]*\] luo: //p\" | grep -v ^hand-over.[0-9]"
}'

# damaged_root FORMAT DAMAGE LINE [back]: what the kernel says of a root that is damaged, and whether sessions come back.
damaged_root() {
	local line
	while read -r line; do
		expect_kernel_line "luo: $line"
	done <<<"$3"
	luo_run "echo $1 >abi" <<<"$OK"
	luo_kexec_held <<<"luo-damage ${2@Q}"
	count damages 1
	luo_run "$SAID" <<<"said ${3@Q}
		${4:+$OK_COMES_BACK}
		$USABLE"
}

@test "luo-v1: a root that is damaged" {
	damaged_root luo-v1 fdt.magic=0x12345678 'LUO: hand-over format: EPROTONOSUPPORT'
	damaged_root luo-v1 fdt.totalsize=8192 'LUO: hand-over format: EPROTONOSUPPORT'
	damaged_root luo-v1 fdt.totalsize=48 'LUO: hand-over format: EPROTONOSUPPORT'
	damaged_root luo-v1 fdt.struct=0xfffffff0 'LUO: hand-over format: EPROTONOSUPPORT'
	damaged_root luo-v1 fdt.strings=0x7fffffff 'LUO: hand-over format: EPROTONOSUPPORT'
	damaged_root luo-v1 'fdt..compatible="luo-v9' 'luo-v9: hand-over format: EPROTONOSUPPORT'
	damaged_root luo-v1 'fdt..compatible="luo-v1x' 'LUO: hand-over format: EPROTONOSUPPORT'
	damaged_root luo-v1 fdt..compatible.len=0xffffffff 'LUO: hand-over format: EPROTONOSUPPORT'
	damaged_root luo-v1 fdt..liveupdate-number.len=4 'FLBs of the hand-over: ENOENT
hand-over: EINVAL
sessions of the hand-over: ENOENT'
}

@test "luo-v1: sessions that cannot be found" {
	damaged_root luo-v1 'fdt.luo-session.compatible="luo-session-v9' 'sessions of the hand-over: EPROTONOSUPPORT'
	damaged_root luo-v1 fdt.luo-session.luo-session-header=nowhere 'sessions of the hand-over: EFAULT'
	damaged_root luo-v1 fdt.luo-session.luo-session-header=text 'sessions of the hand-over: EFAULT'
	damaged_root luo-v1 fdt.luo-session.luo-session-header=+8 'sessions of the hand-over: EFAULT'
	damaged_root luo-v1 sessions.count=0xffffffffffffffff 'sessions of the hand-over: EINVAL'
	damaged_root luo-v1 sessions.count=100 'sessions of the hand-over: EINVAL'
}

@test "FLBs that are damaged do no harm to files" {
	damaged_root luo-v1 fdt.luo-flb.luo-flb-header=nowhere 'an FLB of the hand-over: EFAULT' back
	damaged_root luo-v1 flbs.count=0x1000000000000000 'an FLB of the hand-over: EINVAL' back
	damaged_root luo-v1 'flb.0.name="' 'an FLB of the hand-over: EINVAL' back
	damaged_root luo-v1 'flb.1.name="liveupdate-test-flb-v0' 'an FLB of the hand-over: EEXIST' back
	damaged_root luo-v5 "flb.0.name=\"$(printf 'x%.0s' {1..48})" 'an FLB of the hand-over: EINVAL' back
	damaged_root luo-v5 flb.2.count=0 'an FLB of the hand-over: EINVAL' back
	damaged_root luo-v5 ser.flbs=text 'an FLB of the hand-over: EFAULT' back
}

@test "luo-v5: a root that is damaged" {
	damaged_root luo-v5 'ser.compatible="luo-v6' 'luo-v6: hand-over format: EPROTONOSUPPORT'
	damaged_root luo-v5 'ser.compatible="luo-v5.1' 'LUO: hand-over format: EPROTONOSUPPORT'
	damaged_root luo-v5 'ser.compatible="' 'LUO: hand-over format: EPROTONOSUPPORT'
	damaged_root luo-v5 ser.sessions=nowhere 'sessions of the hand-over: EFAULT'
	damaged_root luo-v5 ser.sessions=text 'sessions of the hand-over: EFAULT'
	damaged_root luo-v5 ser.sessions=+8 'sessions of the hand-over: EFAULT'
	damaged_root luo-v5 sessions.entries=0 'sessions of the hand-over: EINVAL'
	damaged_root luo-v5 sessions.entries=1000 'sessions of the hand-over: EINVAL'
	# What comes before the damage is read.
	damaged_root luo-v5 sessions.next=nowhere 'sessions of the hand-over: EFAULT' back
	damaged_root luo-v5 sessions.next=@ser.sessions 'sessions of the hand-over: EFAULT' back
}

# Each a session of its own, of two files; what is said of it is behind it.
SESSIONS_V1=(
	'session.a.name="' 'a session of the hand-over: EINVAL'
	"session.b.name=\"$(printf 'x%.0s' {1..64})" 'a session of the hand-over: EINVAL'
	'session.c.name="ok' 'ok: hand-over: EEXIST'
	session.d.files=0 'd: its files are lost: EFAULT'
	session.e.files=nowhere 'e: its files are lost: EFAULT'
	session.f.files=text 'f: its files are lost: EFAULT'
	session.g.files=+64 'g: its files are lost: EFAULT'
	session.h.files=@session.ok.files 'h: its files are lost: EFAULT'
	session.i.count=0x1000000000000000 'i: its files are lost: EINVAL'
	session.j.count=65 'j: its files are lost: EFAULT'
	session.k.count=3 'k: a file of it is lost: EINVAL'
	'file.l.1.compatible="' 'l: a file of it is lost: EINVAL'
	"file.m.1.compatible=\"$(printf 'x%.0s' {1..48})" 'm: a file of it is lost: EINVAL'
	file.n.1.token=0 'n: a file of it is lost: EEXIST'
)
SESSIONS_V5=("${SESSIONS_V1[@]:0:20}"
	files.k.entries=0 'k: its files are lost: EINVAL'
	files.l.entries=64 'l: its files are lost: EINVAL'
	files.m.next=nowhere 'm: its files are lost: EFAULT'
	files.n.next=@session.n.files 'n: its files are lost: EFAULT'
	session.o.count=3 'o: its files are lost: EINVAL'
	'file.p.1.compatible="' "p: a file of it is lost: EINVAL
p: its files are lost: EINVAL"
	"file.q.1.compatible=\"$(printf 'x%.0s' {1..48})" "q: a file of it is lost: EINVAL
q: its files are lost: EINVAL"
	file.r.1.token=0 "r: a file of it is lost: EEXIST
r: its files are lost: EINVAL"
)
SESSIONS_V5[7]='d: its files are lost: EINVAL'
SESSIONS_V5[17]='i: its files are lost: EINVAL'
SESSIONS_V5[19]='j: its files are lost: EINVAL'

# damaged_sessions FORMAT DAMAGE LINE…
damaged_sessions() {
	local format=$1 i line
	local -a damages wanted
	shift
	for ((i = 1; i < $#; i += 2)); do
		damages+=("${!i}")
		wanted+=("${@:i+1:1}")
	done
	while read -r line; do
		expect_kernel_line "luo: $line"
	done < <(printf '%s\n' "${wanted[@]}")
	luo_run "echo $format >abi" <<-END
		$OK
		for session in {a..r}; do
			luo-hold preserve sessions/\$session/% 2 memfd,size=64K,seed=3 >/dev/null
		done
	END
	luo_kexec_held <<<"luo-damage ${damages[*]@Q}"
	count damages ${#damages[@]}
	luo_run "$SAID" <<<"said '$(printf '%s\n' "${wanted[@]}")'
		$OK_COMES_BACK
		[[ -d incoming/d && -d incoming/n ]]
		$USABLE"
}

@test "luo-v1: sessions that are damaged, each in its own way" {
	damaged_sessions luo-v1 "${SESSIONS_V1[@]}"
}

@test "luo-v5: sessions that are damaged, each in its own way" {
	damaged_sessions luo-v5 "${SESSIONS_V5[@]}"
}

# The file of a session each, and what retrieving it says.
MEMFDS_V2=(
	file.%.0.data=0 EINVAL
	file.%.0.data=nowhere EINVAL
	file.%.0.data=text EINVAL
	file.%.0.data=+8 EINVAL
	file.%.0.data=@file.ok.0.data EINVAL
	'file.%.0.compatible="nobody-v1' ENODEV
	memfd.%.0.pos=0xffffffffffffffff EINVAL
	memfd.%.0.size=0xffffffffffffffff EINVAL
	memfd.%.0.size=4096 EINVAL
	memfd.%.0.seals=0x80000000 EOPNOTSUPP
	memfd.%.0.flags=1 EOPNOTSUPP
	memfd.%.0.nr_folios=0x1000000000000 EINVAL
	memfd.%.0.nr_folios=300 EINVAL
	memfd.%.0.first=0 EINVAL
	memfd.%.0.first=nowhere EINVAL
	memfd.%.0.first=text EINVAL
	memfd.%.0.first=+8 EINVAL
	memfd.%.0.first=@memfd.ok.0.first EINVAL
	memfd.%.0.pages=0xffffffff EINVAL
	memfd.%.0.pages=2 EINVAL
	memfd.%.0.order=200 EINVAL
	memfd.%.0.order=1 EINVAL
	chunk.%.0.next=@memfd.%.0.first EINVAL
	chunk.%.0.phys=nowhere EINVAL
	chunk.%.0.phys=text EINVAL
	chunk.%.0.phys=@chunk.ok.0.phys EINVAL
	folio.%.0.3.pfn=0 EINVAL
	folio.%.0.3.pfn=0xfffffffffffff EINVAL
	folio.%.0.3.pfn=0x300000000001000 EINVAL
	folio.%.0.3.pfn=text-pfn EINVAL
	folio.%.0.3.pfn=@folio.%.0.2.pfn EINVAL
	folio.%.0.3.pfn=@folio.ok.0.2.pfn EINVAL
	folio.%.0.3.index=16 EINVAL
	folio.%.0.3.index=2 EINVAL
)

# The same in memfd-v3: twelve extents of a page, eight of them where the file itself is told of
MEMFDS_V3=(
	file.%.0.data=+8 EINVAL
	file.%.0.data=@file.ok.0.data EINVAL
	v3.%.0.magic=0 EINVAL
	v3.%.0.size=0xffffffffffffffff EINVAL
	v3.%.0.size=4096 EINVAL
	v3.%.0.pos=0xffffffffffffffff EINVAL
	v3.%.0.seals=0x80000000 EOPNOTSUPP
	v3.%.0.uid=0xffffffff EINVAL
	v3.%.0.mode=0x10000 EINVAL
	v3.%.0.flags=1 EOPNOTSUPP
	"v3.%.0.name=\"$(printf '%0256d' 0)" EINVAL
	v3.%.0.nr=9 EINVAL
	v3.%.0.nr=7 EINVAL
	v3.%.0.nr_pages=11 EINVAL
	v3.%.0.more=0 EINVAL
	v3.%.0.more=nowhere EINVAL
	v3.%.0.more=text EINVAL
	v3.%.0.more=+8 EINVAL
	v3.%.0.more=@v3.ok.1.more EINVAL
	extents.%.0.nr=0 EINVAL
	extents.%.0.nr=3 EINVAL
	extents.%.0.nr=0xffffffffffffffff EINVAL
	extents.%.0.next=nowhere EINVAL
	extents.%.0.next=@v3.%.0.more EINVAL
	extent.%.0.3.nr=0 EINVAL
	extent.%.0.3.nr=0xffffffffffffffff EINVAL
	extent.%.0.3.pfn=0 EINVAL
	extent.%.0.3.pfn=0x000fffffffffffff EINVAL
	extent.%.0.3.pfn=0x0090000000000200 EINVAL
	extent.%.0.3.pfn=0xff00000000001000 EINVAL
	extent.%.0.3.pfn=text-pfn EINVAL
	extent.%.0.3.pfn=@extent.%.0.2.pfn EINVAL
	extent.%.0.3.pfn=@extent.ok.0.0.pfn EINVAL
	extent.%.0.3.index=32 EINVAL
	extent.%.0.3.index=@extent.%.0.2.index EINVAL
)

# damaged_memfds FORMAT FILE DAMAGE…: FILE, damaged in each way, is not retrieved, and one is that was not harmed by it.
damaged_memfds() {
	local format=$1 file=$2 i
	local -a ways=("${@:3}") damages=() errors=()
	for ((i = 0; i < ${#ways[@]}; i += 2)); do
		# One that tells no errno does not harm.
		if [[ ${ways[i + 1]} != none ]]; then
			expect_kernel_line "luo: d${#errors[@]}/0: retrieve: ${ways[i + 1]}"
			# And when it is discarded
			if [[ ${ways[i + 1]} == ENODEV ]]; then
				expect_kernel_line "luo: d${#errors[@]}/0: discard, memory stays reserved: ENODEV"
			fi
			errors+=("${ways[i + 1]}")
		fi
		damages+=("${ways[i]//%/d$((${#errors[@]} - 1))}")
	done
	for i in EINVAL EOPNOTSUPP; do
		expect_kernel_line "memfd_luo: what was saved is damaged, memory stays reserved: -$i"
	done
	luo_run "echo $format >abi; $OK" <<-END
		for session in d{0..$((${#errors[@]} - 1))} order; do
			luo-hold preserve sessions/\$session/0 1 $file >/dev/null
		done
	END
	luo_kexec_held <<<"luo-damage ${damages[*]@Q}"
	count damages ${#damages[@]}
	luo_run "$OK_COMES_BACK" <<-END
		luo-hold retrieve incoming/order/0 1 $file
		i=0
		exec 5</dev/null
		for error in ${errors[*]}; do
			fails \$error "echo self:5 >incoming/d\$i/0/fd"
			last_failed "\$error retrieve d\$i/0"
			# Again: it says the same.
			fails \$error "echo self:5 >incoming/d\$i/0/fd"
			: \$((i++))
		done
		echo 1 >incoming/ok/finish
		echo 1 >incoming/order/finish
		$USABLE
	END
}

@test "memfd-v2: files that are damaged, each in its own way, and one whose folios come in another order" {
	damaged_memfds luo-v5 memfd,size=64K,seed=3 "${MEMFDS_V2[@]}" \
		folio.order.0.3.pfn=@folio.order.0.5.pfn none folio.order.0.3.index=5 none \
		folio.order.0.5.pfn=@folio.order.0.3.pfn none folio.order.0.5.index=3 none
}

@test "memfd-v3: files that are damaged, each in its own way, and one whose extents come in another order" {
	damaged_memfds luo-v1 memfd,size=128K,data="$(printf '%dK:4K+' {0..80..8} | sed 's/+$/+88K:4K/')",seed=3 "${MEMFDS_V3[@]}" \
		extent.order.0.3.pfn=@extent.order.0.5.pfn none extent.order.0.3.index=@extent.order.0.5.index none \
		extent.order.0.5.pfn=@extent.order.0.3.pfn none extent.order.0.5.index=@extent.order.0.3.index none
}
