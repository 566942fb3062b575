#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
#
# luo-sh dump: the hand-over, in both formats, when it is complete and when it is not.

# shellcheck disable=SC2016,SC2030,SC2031,SC2154  # what is quoted is for the guest; vm_run sets output and stderr

load lib/common
load lib/luo
load lib/luo-sh

OUT=/sys/kernel/debug/kho/out/sub_fdts/LUO
IN=/sys/kernel/debug/kho/in/sub_fdts/LUO

@test "what is handed over is shown as far as it is there" {
	vm_run 'luo-sh -j dump'
	json . '{"handovers":[],"version":1}'
	for format in luo-v1 luo-v5; do
		vm_run "echo $format >$LUO/abi; luo-sh session create s; luo-sh -j dump --memory /proc/kcore"
		# Nothing is written before the reboot.
		json '.handovers[] | [.path, .format, .number, .sessions]' "[\"$OUT\",\"$format\",1,null]"
		vm_run 'luo-sh session delete s'
	done
	vm_run "echo luo-v1 >$LUO/abi"
}

# preserve FORMAT: more sessions and files than a block has room for
preserve() {
	luo_run "abi=$1" <<-'END'
		echo $abi >abi
		luo-hold preserve sessions/s%/1 70 memfd,size=8,seed=1 >/dev/null
		luo-hold preserve sessions/many/% 120 memfd,size=8,seed=1 >/dev/null
		mkdir sessions/empty
		mkdir sessions/s
		preserve_devices 7 7
	END
}

# decoded PATH FORMAT: all of that is in the output.
decoded() {
	local memfd='memfd-v3'
	[[ $2 == luo-v1 ]] || memfd='memfd-v2'
	json '.handovers[] | [.path, .format, .number, (.sessions | length)]' "[\"$1\",\"$2\",$3,73]"
	json '.handovers[0].sessions | map(select(.name == "s" or .name == "empty" or .name == "s69") |
		[.name, .files, [.tokens[] | [.token, .compatible]]]) | sort' \
		'[["empty",0,[]],["s",1,[["7","liveupdate-test-v1"]]],["s69",1,[["1","'"$memfd"'"]]]]'
	json '.handovers[0].sessions[] | select(.name == "many") |
		[.files, ([.tokens[].token | tonumber] | sort == [range(120)])]' '[120,true]'
	# Those of the tests, which each of the files depends on
	json '.handovers[0].flbs | map(.files) | unique' '[191]'
}

@test "both formats are decoded when all is written and the reboot is under way" {
	number=1
	for format in luo-v1 luo-v5; do
		preserve $format
		luo_kexec_hold
		luo_run <<<'luo-sh -j dump --memory /proc/kcore'
		decoded $OUT $format $((number++))
		luo_kexec_release
		luo_run <<-'END'
			for session in incoming/*; do
				luo-sh session discard ${session##*/}
			done
		END
	done
}

# physical ADDRESS: set word to the eight bytes of the machine's memory there, as its emulator tells them.
physical() {
	word=$(echo "xp /1gx $1" | timeout 10 socat -t 2 - "unix:$VM_DIR/monitor.sock" | tr -d '\r' |
		sed -nE 's/^[0-9a-f]+: (0x[0-9a-f]+)$/\1/p')
}

# of SESSION FILTER: what jq makes of a session in the output.
of() {
	jq -r ".handovers[0].sessions[] | select(.name == \"$1\") | $2" <<<"$output"
}

@test "both formats are decoded in a kernel that did not take them, with the addresses that are written there" {
	for format in luo-v1 luo-v5; do
		guest_stop
		guest_start
		preserve $format
		vm_run "kexec -s -l /boot/vmlinuz-next --initrd=/boot/initrd-next --command-line=\"\$(</proc/cmdline) liveupdate=off\""
		vm_jump
		vm_run -e 4 'luo-sh status'
		vm_run "luo-sh -j dump $IN --memory /proc/kcore"
		decoded $IN $format 1
		address=$(of s69 .address)
		data=$(of s '.tokens[0].data')
		# What the file type wrote there begins with the device's value, its token.
		physical "$data"
		assert_equal "$word" 0x0000000000000007
		# All 120 files have data of their own.
		assert_equal "$(of many '[.tokens[].data] | unique | length')" 120
		vm_run "luo-sh dump $IN --memory /proc/kcore"
		assert_line "    s69:  files 1  address $address"
		assert_line "      7:  compatible liveupdate-test-v1  data $data"
	done
	guest_stop
}

# shared_core ROOT CORE: a hand-over in luo-v5 of 1,530 sessions, each of which has the files of one, 12,600, and the
# memory that it lies in, less than 1 MiB.
shared_core() {
	python3 -IS - "$@" <<-'END'
		import struct, sys

		PAGE, BASE = 4096, 1 << 24
		pages = []

		def chain(entries, size):
		    room, next_block = (PAGE - 16) // size, 0
		    for i in range(0, len(entries), room):
		        block = entries[i:i + room]
		        pages.append((struct.pack("<QQ", next_block, len(block)) + b"".join(block)).ljust(PAGE, b"\0"))
		        next_block = BASE + (len(pages) - 1) * PAGE
		    return next_block

		files = chain([struct.pack("<48sQQ", b"memfd-v3", 0, i) for i in range(12600)], 64)
		sessions = chain([struct.pack("<64sQQ", b"s%d" % i, files, 12600) for i in range(1530)], 80)
		memory = b"".join(pages)
		with open(sys.argv[1], "wb") as root:
		    root.write(struct.pack("<8sQQQ", b"luo-v5", 1, sessions, 0))
		with open(sys.argv[2], "wb") as core:
		    core.write((b"\x7fELF\2\1\1".ljust(16, b"\0") + struct.pack("<HHIQQQIHHHHHH", 4, 62, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0) +
		                struct.pack("<IIQQQQQQ", 1, 4, PAGE, 0, BASE, len(memory), len(memory), PAGE)).ljust(PAGE, b"\0") + memory)
	END
}

@test "sessions that share the files of one do not make gigabytes of a megabyte" {
	shared_core "$BATS_TEST_TMPDIR/root" "$BATS_TEST_TMPDIR/core"
	vm_push "$BATS_TEST_TMPDIR/root"
	vm_push "$BATS_TEST_TMPDIR/core"
	vm_run -e 1 'ulimit -v 200000; luo-sh -j dump /tmp/root --memory /tmp/core | wc -c; exit ${PIPESTATUS[0]}'
	((output < 2 << 20))
	assert_equal "$stderr" 'luo-sh: /tmp/root: 0x10c4000: more entries than the memory has room for'
}

@test "what is damaged, or no hand-over, is told" {
	vm_run 'head -c 4096 /dev/urandom >/tmp/noise; head -c 10 /dev/zero >/tmp/short'
	for file in noise short; do
		vm_run -e 1 "luo-sh dump /tmp/$file"
		assert_equal "$stderr" "luo-sh: /tmp/$file: unknown hand-over format"
	done
	vm_run -e 1 'luo-sh dump /tmp/nowhere'
	assert_equal "$stderr" 'luo-sh: /tmp/nowhere: No such file or directory (ENOENT)'
	vm_run -e 1 'luo-sh dump --memory /tmp/noise'
	assert_equal "$stderr" 'luo-sh: /tmp/noise: Exec format error (ENOEXEC)'

	# Addresses that lead nowhere, and blocks that do not end
	vm_run 'printf "luo-v5\0\0\5\0\0\0\0\0\0\0\0\0\0\0\0\0\0\177\0\0\0\0\0\0\0\0" >/tmp/v5; luo-sh -j dump /tmp/v5'
	json '.handovers[0] | [.format, .number, ."sessions-address"]' '["luo-v5",5,"0x7f00000000000000"]'
	vm_run -e 1 'luo-sh -j dump /tmp/v5 --memory /proc/kcore'
	# What could be decoded is shown.
	json '.handovers[0] | [.format, .sessions]' '["luo-v5",[]]'
	assert_equal "$stderr" 'luo-sh: /proc/kcore: address 0x7f00000000000000: Bad address (EFAULT)'
	vm_run 'umount /sys/kernel/debug'
	vm_run -e 4 'luo-sh dump'
	assert_equal "$stderr" 'luo-sh: /sys/kernel/debug/kho: No such file or directory (ENOENT): KHO is not in use, or debugfs is not mounted'
	vm_run 'mount -t debugfs debugfs /sys/kernel/debug'
}
