#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# bats file_tags=without-debug,without-ci
#
# luo-sh check: will the next kernel have enough memory? The formula by itself, and real kernels at its bounds. (What
# sanitizers take is not in it.)

# shellcheck disable=SC2154  # vm_run sets output and stderr

load lib/common
load lib/luo
load lib/luo-sh

NEXT='/boot/vmlinuz-next --reuse-cmdline --initrd'
MIB=1048576

setup_file() {
	export BUDGET=$BATS_FILE_TMPDIR/budget
	cc -O2 -Wall -Wextra -Werror -I"$VM_REPO/tools/luo-sh" -o "$BUDGET" "$VM_REPO/tests/bats/lib/budget.c" \
		"$VM_REPO/tools/luo-sh/budget.c"
	# A root that is larger by that many MiB once it is unpacked. The large file is unpacked first.
	for size in 184 240; do
		mkdir -p "$BATS_FILE_TMPDIR/$size" "$VM_DIR/share"
		truncate -s "${size}M" "$BATS_FILE_TMPDIR/$size/large"
		{
			(cd "$BATS_FILE_TMPDIR/$size" && echo large | cpio --quiet -o -H newc)
			gzip -dc "$VM_BUILD/initramfs.cpio.gz"
		} | gzip -1 >"$VM_DIR/share/initrd-$size"
		rm "$BATS_FILE_TMPDIR/$size/large"
	done
	# One for a kernel that shows no scratch areas
	sed 's|kho/out/scratch_len|kho/out/scratch_xxx|' "$VM_REPO/build/$ARCH/luo-sh-guest/luo-sh" >"$VM_DIR/share/luo-sh-blind"
	chmod +x "$VM_DIR/share/luo-sh-blind"
	guest_start
}

# another ARGUMENT…: a guest of that kind instead of the one that is there.
another() {
	guest_stop
	guest_start "$@"
}

# budget VERDICT KEY=VALUE…: what the formula says of a machine. Sets needed and scratch, in KiB, and suggested.
budget() {
	output=$("$BUDGET" "${@:2}")
	echo "${*:2}: $output"
	[[ $output =~ ^$1\ scratch=([0-9]+)/([0-9]+)\ memory=[0-9]+/[0-9]+\ kho_scratch=(.*)$ ]]
	needed=${BASH_REMATCH[1]} scratch=${BASH_REMATCH[2]} suggested=${BASH_REMATCH[3]}
}

# number KEY: a number in the verdict of luo-sh -j check.
number() {
	jq -e ".$1" <<<"$output"
}

@test "the formula covers what kernels were seen to allocate early, and not more than half as much again" {
	local tiny='image=13.96M initrd=37.81M' debian='image=62.3M' seen machine
	# KiB that memblock=debug showed to be reserved at the end, without bounce buffers: a kernel of make kernel in
	# its next boot, and Debian's linux-image-7.3.4+deb13-amd64 in its first.
	while read -r seen machine; do
		# shellcheck disable=SC2086  # words
		budget ok $machine area=80M area=512M area=64M
		((needed >= seen && needed <= seen * 3 / 2))
	done <<-END
		60027 ram=511.5M $tiny
		69325 ram=1023.5M $tiny
		86907 ram=2047.5M $tiny
		88054 ram=2047.5M cpus=8 $tiny
		122747 ram=4095.5M $tiny
		72200 ram=1023.5M $debian
		89672 ram=2047.5M $debian
		99083 ram=2047.5M cpus=32 $debian
		120494 ram=4095.5M cpus=4 $debian
	END
}

@test "scratch memory is enough from a bound on" {
	local -a machine areas
	local low global node ram nodes i
	machine=(ram=1023.5M image=13.96M initrd=37.81M kernel=12M)
	budget scratch "${machine[@]}" area=4M area=68M area=0
	budget ok "${machine[@]}" area=4M area=72M area=0
	# The image and the initrd have to lie in one piece each, in the first area that has a hole for it.
	budget area "${machine[@]}" area=36M area=36M area=36M
	((scratch == 36 << 10 && needed > 37 << 10))
	budget area "${machine[@]}" area=12M area=12M area=12M area=12M area=12M
	((scratch == 12 << 10 && needed == 14 << 10))
	budget ok "${machine[@]}" area=12M area=80M area=0
	# Each of these takes a part of it.
	machine=(ram=1G image=14M area=16M area=64M area=0)
	budget ok "${machine[@]}"
	budget scratch "${machine[@]}" reserved=64M
	budget scratch "${machine[@]}" cpus=256
	budget scratch "${machine[@]}" ram=8G
	budget ok "${machine[@]}" ram=8G page_size=64K
	# What is suggested is enough.
	for ram in 511M 1G 4G 64G 1T; do
		for nodes in 1 2 4; do
			machine=("ram=$ram" image=62M initrd=90M cpus=64)
			areas=(area=4M area=4M)
			for ((i = 0; i < nodes; i++)); do
				areas+=(area=4M)
			done
			budget area "${machine[@]}" "${areas[@]}"
			IFS=, read -r low global node <<<"$suggested"
			areas=("area=$low" "area=$global")
			for ((i = 0; i < nodes; i++)); do
				areas+=("area=$node")
			done
			budget ok "${machine[@]}" "${areas[@]}"
		done
	done
}

@test "memory that is not preserved is enough from a bound on" {
	local -a machine=(ram=4G image=62M initrd=40M rootfs=120M kernel=150M area=80M area=160M area=64M)
	budget ok "${machine[@]}" preserved=3500M
	budget memory "${machine[@]}" preserved=3600M
	# A root that is no tmpfs cannot be in scratch areas. One that is has half of what there is at most.
	budget ok "${machine[@]}" preserved=3400M
	budget memory "${machine[@]}" preserved=3450M ramfs=1
	budget ok "${machine[@]}" rootfs=1900M
	budget memory "${machine[@]}" rootfs=2100M
	budget ok "${machine[@]}" rootfs=2100M ramfs=1
}

# refuses: luo-sh check and luo-sh kexec refuse to go with these scratch areas, with a cause and a remedy.
refuses() {
	local command what
	what='^luo-sh: /boot/vmlinuz-next: the early boot needs ([0-9]+) MiB of scratch memory, and has ([0-9]+) MiB'
	what+=$'\nluo-sh: boot this machine with kho_scratch=[0-9]+M,[0-9]+M,[0-9]+M$'
	# kexec prints nothing but what stands in its way.
	for command in kexec check; do
		vm_run -e 6 "luo-sh -j $command $NEXT /boot/initrd-next"
		[[ $stderr =~ $what ]]
		((BASH_REMATCH[1] > BASH_REMATCH[2]))
	done
	json '[.ok, .missing, .scratch_needed > .scratch]' '[false,[],true]'
}

@test "with as much scratch memory as check wants the next kernel boots, and with much less it does not" {
	local global
	another -m 1G
	vm_run "luo-sh -j check $NEXT /boot/initrd-next"
	json .ok true
	global=$(($(number scratch_needed) / MIB / 4 * 4 - 8))
	# The bound is found by steps, each of which is another machine.
	while another -m 1G -a "kho_scratch=4M,${global}M,0" &&
		vm_run -e any "luo-sh -j check $NEXT /boot/initrd-next" && ((status != 0)); do
		refuses
		global=$((global + 4))
	done
	json '[.ok, .scratch_needed <= .scratch]' '[true,true]'
	(($(number scratch) - $(number scratch_needed) < 6 * MIB))
	luo_run <<<'luo-hold preserve sessions/s/1 1 memfd,size=128M,seed=1'
	vm_spawn "luo-kexec -n; luo-sh kexec $NEXT /boot/initrd-next"
	vm_await_kernel
	luo_run <<-'END'
		luo-hold retrieve incoming/s/1 1 memfd,size=128M,seed=1
		luo-sh session finish s
	END

	another -m 1G -a "kho_scratch=4M,$((global - 16))M,0"
	refuses
	# Who does not ask finds out.
	vm_spawn "luo-kexec -n; luo-sh kexec --skip-memory $NEXT /boot/initrd-next"
	VM_BOOT_SECONDS=20 run vm_await_kernel
	assert_failure
	vm_stop
}

@test "an image or initrd that has no place in any scratch area is refused before the kernel does" {
	another -a kho_scratch=16M,32M,32M
	vm_run -e 6 "luo-sh check $NEXT /boot/initrd-next"
	what='^luo-sh: /boot/vmlinuz-next: [0-9]+ MiB have to lie in one scratch area, and the largest hole in them has 32 MiB'
	what+=$'\nluo-sh: boot this machine with kho_scratch=[0-9]+M,[0-9]+M,[0-9]+M$'
	[[ $stderr =~ $what ]]
	vm_run -e 1 "luo-sh kexec --skip-memory $NEXT /boot/initrd-next"
	assert_equal "$stderr" 'luo-sh: /boot/vmlinuz-next: kexec_file_load: Cannot assign requested address (EADDRNOTAVAIL)'
	guest_stop
}

@test "a root that is too large once it is unpacked is refused, and one at the bound boots" {
	another
	vm_run -e 6 "luo-sh -j check $NEXT /boot/initrd-240"
	json '[.ok, .memory_needed > .memory]' '[false,true]'
	what='^luo-sh: /boot/vmlinuz-next: the boot needs ([0-9]+) MiB that are neither preserved nor scratch memory, and has ([0-9]+) MiB'
	what+=$'\nluo-sh: preserve [0-9]+ MiB less, or take an initrd that unpacks to as much less$'
	[[ $stderr =~ $what ]]
	((BASH_REMATCH[1] > BASH_REMATCH[2]))
	vm_run "luo-sh -j check $NEXT /boot/initrd-184"
	json '[.ok, .memory_needed <= .memory]' '[true,true]'
	(($(number memory) - $(number memory_needed) < 48 * MIB))
	luo_run <<<'luo-hold preserve sessions/s/1 1 memfd,size=8M,seed=1'
	vm_spawn "luo-kexec -n; luo-sh kexec $NEXT /boot/initrd-184"
	vm_await_kernel
	luo_run <<-'END'
		[[ $(stat -c %s /large) == $((184 << 20)) ]]
		luo-hold retrieve incoming/s/1 1 memfd,size=8M,seed=1
		luo-sh session finish s
	END
	vm_spawn "luo-kexec -n; luo-sh kexec --skip-memory $NEXT /boot/initrd-240"
	run vm_await_kernel
	assert_failure
	expect_kernel_report 'Kernel panic - not syncing'
	vm_stop
}

@test "check sees the scratch areas where debugfs is not mounted, and says when it cannot" {
	another
	vm_run "luo-sh -j check $NEXT /boot/initrd-next"
	json .ok true
	scratch=$(number scratch)
	# A kernel that does not show them: what is on its command line is true if nothing was handed over to it.
	vm_run "/boot/luo-sh-blind -j check $NEXT /boot/initrd-next"
	json .scratch "$scratch"
	luo_run <<<'luo-hold preserve sessions/s/1 1 memfd,size=8M,seed=1'
	vm_kexec
	vm_run "umount /sys/kernel/debug; luo-sh -j check $NEXT /boot/initrd-next; ! mountpoint -q /sys/kernel/debug"
	json .scratch "$scratch"
	vm_run "/boot/luo-sh-blind -j check $NEXT /boot/initrd-next"
	assert_equal "$stderr" \
		'luo-sh: /boot/vmlinuz-next: the memory is not checked: neither debugfs nor kho_scratch= tells the sizes of the scratch areas'
	json '[.ok, .scratch]' '[true,null]'
	vm_run 'luo-sh session discard s'
}
