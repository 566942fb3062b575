#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
#
# on_error=drop: a reboot goes without what cannot go, and the next kernel tells what that was.
# shellcheck disable=SC2016  # what is quoted is for the guest

load lib/common
load lib/luo

# What the next kernel says of what the last one left behind.
left_behind() {
	expect_kernel_line "luo: $1 files are left behind"
	expect_kernel_line "luo: the previous kernel left $1 files behind"
}

@test "on_error is refuse, takes drop, and is for who may administer the system" {
	luo_run <<-'END'
		shows . on_error='[refuse] drop' lost=
		echo drop >on_error
		shows . on_error='refuse [drop]'
		for value in "" Drop drops '[drop]' 'refuse drop' 1; do
			refused EINVAL "echo '$value' >on_error"
		done
		refused EPERM "setpriv --bounding-set -sys_admin --inh-caps -sys_admin bash -c 'echo refuse >on_error'"
		printf refuse >on_error
		shows . on_error='[refuse] drop'
		refused EACCES 'echo x >lost' || refused EPERM 'echo x >lost'
	END
}

@test "a reboot that loses nothing has nothing to tell" {
	luo_run <<-'END'
		luo-hold preserve sessions/s/% 40 memfd,size=64K,seed=1
		echo drop >on_error
	END
	vm_kexec
	luo_run <<-'END'
		shows . lost= on_error='[refuse] drop'
		luo-hold retrieve incoming/s/% 40 memfd,size=64K,seed=1
		echo 1 >incoming/s/finish
	END
}

# linked TOKEN FD [OTHER]: a test device under that token, as FD, which is linked to the one that is open as OTHER.
LINKED='linked() {
	mkdir -p sessions/s sessions/s/$1
	eval "exec $2<>/dev/liveupdate-test"
	echo ${3+fd:}${3-$1} >&$2
	echo self:$2 >sessions/s/$1/fd
}'

@test "a file that cannot be frozen is left behind with those that depend on it, in each format" {
	local abi
	for abi in luo-v1 luo-v5; do
		left_behind 4
		expect_kernel_line 'luo: s/2: freeze: EIO'
		expect_kernel_line 'luo: s/[034]: freeze: ENOENT'
		luo_run "$LINKED"$'\n'"abi=$abi" <<-'END'
			echo $abi >abi
			luo-hold preserve sessions/vm/% 3 memfd,size=256K,seed=1
			# One that is linked to what comes later; then in a row
			exec 12<>/dev/liveupdate-test
			linked 0 10 12
			linked 1 11
			echo 2 >&12
			mkdir sessions/s/2
			echo self:12 >sessions/s/2/fd
			linked 3 13 12
			linked 4 14 13
			linked 5 15
			echo drop >on_error
			echo 3 >$TESTDEV/fail_freeze
		END
		vm_kexec
		luo_run <<-'END'
			expect "$(printf 's/%s liveupdate-test-v1 %s\n' 0 ENOENT 2 EIO 3 ENOENT 4 ENOENT)" sort lost
			shows incoming/s files=2
			luo-hold retrieve incoming/vm/% 3 memfd,size=256K,seed=1
			flb_counts
			for token in 1 5; do
				exec 5</dev/null
				echo self:5 >incoming/s/$token/fd
				expect $token head -n 1 <&5
			done
			# With the files that were left behind the objects of all files would never be finished.
			echo 1 >incoming/s/finish
			echo 1 >incoming/vm/finish
			flb_changed 0 0 1 1
			shows . state=normal
		END
	done
}

@test "what cannot be carried on is left behind alone, and all of it is told" {
	left_behind 91
	name=$(printf 'n%.0s' {1..60})
	expect_kernel_line "luo: $name/[0-9]+: carry on: ENODEV"
	expect_kernel_line 'luo: both: carry on: EEXIST'
	luo_run "name=$name" <<-'END'
		insmod /boot/liveupdate-sample.ko
		for token in {1..90}; do
			note "note $token" $name/$token
		done
		luo-hold preserve sessions/$name/1000 1 memfd,size=64K,seed=1
		luo-hold preserve sessions/both/7 1 memfd,size=64K,seed=2
	END
	vm_kexec
	luo_run <<-'END'
		luo-hold preserve sessions/both/1 1 memfd,size=64K,seed=3
		echo drop >on_error
	END
	vm_kexec
	luo_run "name=$name" <<-'END'
		# More than an attribute of text has room for
		(($(wc -c <lost) > 4096))
		expect "$(sort <<<"both/7 memfd-v3 EEXIST
		$(printf '%s\n' {1..90} | sed "s|.*|$name/& liveupdate-sample-note-v1 ENODEV|")" | sed 's/^\t*//')" \
			bash -c "sort lost | sed 's/^\t*//'"
		shows incoming/$name files=1
		luo-hold retrieve incoming/$name/1000 1 memfd,size=64K,seed=1
		luo-hold retrieve incoming/both/1 1 memfd,size=64K,seed=3
		echo 1 >incoming/$name/finish
		echo 1 >incoming/both/finish
		shows . state=normal
	END
	# It is told once.
	vm_kexec
	luo_run <<<'shows . lost='
}

# pass: reboot with the next kernel loaded, while what was begun in the guest goes on.
@test "a preserve that does not end is passed by, and its file is left behind" {
	local abi
	for abi in luo-v1 luo-v5; do
		left_behind 1
		expect_kernel_line 'luo: user/7: operation under way: EBUSY'
		vm_load
		luo_run "abi=$abi" <<-'END'
			echo $abi >abi
			luo-hold preserve sessions/user/% 3 memfd,size=64K,seed=1
			mkdir sessions/user/7
			echo 300 >freeze_timeout_ms
			echo drop >on_error
			luo-hold make memfd,size=64K,fd=5 -- bash -c '. luo.bash
				stall_begin
				echo self:5 >sessions/user/7/fd &
				waits $!
				: >/tmp/ready
				wait' &>/dev/null &
			until [[ -e /tmp/ready ]]; do :; done
		END
		vm_jump
		luo_run "abi=$abi" <<-'END'
			expect "user/7 $([[ $abi == luo-v1 ]] && echo memfd-v3 || echo memfd-v2) EBUSY" cat lost
			shows incoming/user files=3
			flb_counts
			luo-hold retrieve incoming/user/% 3 memfd,size=64K,seed=1
			echo 1 >incoming/user/finish
			flb_changed 0 0 1 1
			shows . state=normal
		END
	done
}

@test "a retrieve that does not end is passed by, and its file is left behind with those that wait for it" {
	left_behind 2
	expect_kernel_line 'luo: s/[12]: carry on: EBUSY'
	luo_run <<-'END'
		luo-hold preserve sessions/s/0 1 memfd,size=64K,seed=1
		preserve_devices 1 2
	END
	vm_kexec
	vm_load
	luo_run <<-'END'
		echo 300 >freeze_timeout_ms
		echo drop >on_error
		echo 1 >$TESTDEV/hold_retrieve
		{ exec 5</dev/null; echo self:5 >incoming/s/1/fd; } &>/dev/null &
		waits $!
	END
	vm_jump
	luo_run <<-'END'
		expect "$(printf 's/%s liveupdate-test-v1 EBUSY\n' 1 2)" sort lost
		shows incoming/s files=1
		luo-hold retrieve incoming/s/0 1 memfd,size=64K,seed=1
		echo 1 >incoming/s/finish
		shows . state=normal
	END
}

@test "the death of an owner that is not dealt with in time is passed by, and loses nobody else's files" {
	vm_load
	luo_run <<-'END'
		luo-hold preserve sessions/vm/1 1 memfd,size=64K,seed=1
		mkdir sessions/s sessions/s/1
		echo 300 >freeze_timeout_ms
		echo drop >on_error
		luo-hold make memfd,size=64K,fd=5 -- bash -c '. luo.bash
			coproc owner { echo self >sessions/s/owner; echo self:5 >sessions/s/1/fd; echo done; read -r; }
			expect done head -n 1 <&"${owner[0]}"
			stall_begin
			kill -9 $owner_PID
			cat sessions/s/1/size &
			waits $!
			: >/tmp/ready
			wait' &>/dev/null &
		until [[ -e /tmp/ready ]]; do :; done
	END
	vm_jump
	luo_run <<-'END'
		shows . lost=
		expect vm ls incoming
		luo-hold retrieve incoming/vm/1 1 memfd,size=64K,seed=1
		echo 1 >incoming/vm/finish
		shows . state=normal
	END
}

@test "prepare tells what would be left behind" {
	expect_kernel_line 'luo: s/2: freeze: EIO'
	vm_load
	luo_run <<-'END'
		mkdir sessions/s
		preserve_devices 1 2
		echo drop >on_error
		echo 2 >$TESTDEV/fail_check
		fails EIO 'echo 1 >prepare'
		last_failed 'EIO freeze s/2'
		echo 1 >prepare
		shows . prepare=ready
		echo refuse >on_error
		luo_end
	END
}

# damaged_notes DAMAGE LINE LOST: with that damage the next kernel says LINE, and lost reads LOST; all files are there.
damaged_notes() {
	expect_kernel_line 'luo: s/2: freeze: EIO'
	expect_kernel_line 'luo: 1 files are left behind'
	[[ -z $2 ]] || expect_kernel_line "luo: $2"
	luo_run <<-'END'
		luo-hold preserve sessions/vm/1 1 memfd,size=64K,seed=1
		mkdir sessions/s
		preserve_devices 1 3
		echo drop >on_error
		echo 2 >$TESTDEV/fail_freeze
	END
	luo_kexec_held <<<"luo-damage ${1@Q}"
	count damages 1
	luo_run "text=${3@Q}" <<-'END'
		expect "$text" cat lost
		luo-hold retrieve incoming/vm/1 1 memfd,size=64K,seed=1
		shows incoming/s files=2
		for session in incoming/*/; do
			echo discard >$session/finish
		done
		shows . state=normal
	END
}

@test "notes that are damaged are told, and do no harm to files" {
	damaged_notes notes.magic=0x12345678 'notes of the hand-over: EINVAL' ''
	damaged_notes notes.totalsize=8192 'notes of the hand-over: EINVAL' ''
	damaged_notes 'notes..compatible="luo-notes-v9' 'notes of the hand-over: EPROTONOSUPPORT' ''
	damaged_notes notes..lost.len=4 'notes of the hand-over: EINVAL' ''
	damaged_notes notes..lost=nowhere 'notes of the hand-over: EFAULT' ''
	damaged_notes notes..lost=text 'notes of the hand-over: EFAULT' ''
	damaged_notes lost.entries=1000 'notes of the hand-over: EINVAL' ''
	damaged_notes lost.next=@notes..lost 'notes of the hand-over: EFAULT' 's/2 liveupdate-test-v1 EIO'
	damaged_notes lost.0.err=0 'a note of the hand-over: EINVAL' ''
	damaged_notes "lost.0.session=\"$(printf 'x%.0s' {1..64})" 'a note of the hand-over: EINVAL' ''
	damaged_notes lost.0.err=4000 'the previous kernel left 1 files behind' 's/2 liveupdate-test-v1 -4000'
}
