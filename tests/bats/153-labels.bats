#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# bats file_tags=without-debug
#
# label: a text for people that a session or a file can have, and that goes along.
# shellcheck disable=SC2016  # what is quoted is for the guest

load lib/common
load lib/luo

@test "a label is set, changed and removed, with up to 255 bytes of text" {
	luo_run <<-'END'
		mkdir sessions/s sessions/s/1
		long=$(printf 'x%.0s' {1..255})
		for dir in sessions/s sessions/s/1; do
			shows $dir label=
			echo 'web server: its cache' >$dir/label
			shows $dir label='web server: its cache'
			printf 'Größe\n' >$dir/label
			shows $dir label=Größe
			echo "$long" >$dir/label
			shows $dir label="$long"
			refused EINVAL "echo ${long}x >$dir/label"
			# bash would write each line by itself.
			refused EINVAL "printf 'two\nlines\n' | dd of=$dir/label bs=64 iflag=fullblock conv=notrunc status=none"
			refused EINVAL "printf 'a\tb' >$dir/label"
			refused EINVAL "printf 'a\0b' >$dir/label"
			refused EINVAL "printf '\177' >$dir/label"
			shows $dir label="$long"
			echo >$dir/label
			shows $dir label=
		done
		luo_end
	END
}

@test "a label is for who may change the session" {
	luo_run <<-'END'
		mkdir sessions/s sessions/s/1
		sleep 1000 &
		exec 9</proc/$!
		echo 9 >sessions/s/owner
		refused EBUSY 'echo x >sessions/s/label'
		refused EBUSY 'echo x >sessions/s/1/label'
		kill $!
		wait $! || :
		echo x >sessions/s/label
		shows sessions/s label=x
		luo_end
	END
}

@test "labels come back with sessions and files, in each format, and are carried on" {
	local abi
	for abi in luo-v1 luo-v5; do
		luo_run "abi=$abi" <<-'END'
			echo $abi >abi
			luo-hold preserve sessions/vm/% 3 memfd,size=64K,seed=1
			luo-hold preserve sessions/bare/% 1 memfd,size=64K,seed=1
			echo 'guest 7' >sessions/vm/label
			for token in 0 1 2; do
				[[ ! -d sessions/vm/$token ]] || echo "file $token" >sessions/vm/$token/label
			done
			echo gone >sessions/vm/2/label
			echo >sessions/vm/2/label
			# A token without a file goes nowhere, and neither does its label.
			mkdir sessions/vm/77
			echo empty >sessions/vm/77/label
		END
		for _ in 1 2; do
			vm_kexec
			luo_run <<-'END'
				shows incoming/vm label='guest 7'
				shows incoming/vm/1 label='file 1'
				shows incoming/vm/2 label=
				shows incoming/bare label=
				[[ ! -e incoming/vm/77 ]]
				refused EACCES 'echo x >incoming/vm/label' || refused EPERM 'echo x >incoming/vm/label'
			END
		done
		luo_run <<-'END'
			luo-hold retrieve incoming/vm/% 3 memfd,size=64K,seed=1
			luo-hold retrieve incoming/bare/% 1 memfd,size=64K,seed=1
			for session in incoming/*/; do
				echo 1 >$session/finish
			done
		END
	done
}

@test "the room for labels is given back with them" {
	luo_run <<-'END'
		mkdir sessions/s
		mkdir sessions/s/{1..30}
		toggle() {
			for text in "a label" ""; do
				for ((i = 1; i <= 30; i++)); do
					echo "$text" >sessions/s/$i/label
				done
			done
		}
		toggle
		before=$(awk '/^MemFree/ { print $2 }' /proc/meminfo)
		for ((n = 0; n < 200; n++)); do
			toggle
		done
		after=$(awk '/^MemFree/ { print $2 }' /proc/meminfo)
		echo "$before kB free before, $after after"
		# 30 labels have three pages.
		((before - after < 200 * 3 * 4 / 2))
		luo_end
	END
}

@test "labels that are damaged are told, and do no harm to files" {
	local damage
	for damage in notes..labels=nowhere notes..labels.len=4 label.entries=1000 'label.0.text="' \
		"label.0.text=\"$(printf 'x%.0s' {1..256})" label.0.has_token=2 "label.0.session=\"$(printf 'x%.0s' {1..64})"; do
		expect_kernel_line 'luo: notes of the hand-over: E'
		luo_run <<-'END'
			luo-hold preserve sessions/s/% 2 memfd,size=64K,seed=1
			echo first >sessions/s/label
			echo second >sessions/s/1/label
		END
		luo_kexec_held <<<"luo-damage ${damage@Q}"
		count damages 1
		luo_run <<-'END'
			shows incoming/s label=
			luo-hold retrieve incoming/s/% 2 memfd,size=64K,seed=1
			echo 1 >incoming/s/finish
		END
	done
}
