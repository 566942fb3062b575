#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
#
# luo-sh dump: the hand-over, in both formats, when it is complete and when it is not.

# shellcheck disable=SC2154  # vm_run sets stderr

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

@test "both formats are decoded in a kernel that did not take them" {
	for format in luo-v1 luo-v5; do
		vm_stop
		guest_start
		preserve $format
		vm_run "kexec -s -l /boot/vmlinuz-next --initrd=/boot/initrd-next --command-line=\"\$(</proc/cmdline) liveupdate=off\""
		vm_jump
		vm_run -e 4 'luo-sh status'
		vm_run "luo-sh -j dump $IN --memory /proc/kcore"
		decoded $IN $format 1
		vm_run "luo-sh dump $IN --memory /proc/kcore"
		assert_line --regexp '^ {4}s69:  files 1  address 0x[0-9a-f]+$'
		assert_line --regexp '^ {6}7:  compatible liveupdate-test-v1  data 0x[0-9a-f]+$'
	done
	vm_stop
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
