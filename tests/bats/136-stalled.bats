#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
#
# Operations that last as long as a user likes: they hold the kexec up for freeze_timeout_ms and no longer, and nobody
# else at all.
# shellcheck disable=SC2016  # what is quoted is for the guest

load lib/common
load lib/luo

@test "freeze_timeout_ms is 10,000, takes 0 to 600,000, and is for who may administer the system" {
	luo_run <<-'END'
		shows . freeze_timeout_ms=10000
		for value in 0 600000 500; do
			echo $value >freeze_timeout_ms
			shows . freeze_timeout_ms=$value
		done
		for value in 600001 -1 1s "" "1 2"; do
			refused EINVAL "echo '$value' >freeze_timeout_ms"
		done
		refused EPERM "setpriv --bounding-set -sys_admin --inh-caps -sys_admin bash -c 'echo 1 >freeze_timeout_ms'"
		shows . freeze_timeout_ms=500
		echo 10000 >freeze_timeout_ms
	END
}

@test "a preserve that waits for its user refuses the kexec, is named, and can be killed" {
	expect_kernel_line 'luo: user/7: operation under way: EBUSY'
	vm_load
	luo_run <<-'END'
		luo-hold preserve sessions/vm/1 1 memfd,size=64K,seed=1
		mkdir sessions/user sessions/user/7
		echo 300 >freeze_timeout_ms
		luo-hold make memfd,size=64K,fd=5 -- bash -c '. luo.bash
			stall_begin
			echo self:5 >sessions/user/7/fd &
			writer=$!
			waits $writer
			kexec_refused EBUSY
			shows . state=normal
			last_failed "EBUSY operation under way user/7"
			# Who only looks is not kept.
			cat sessions/user/7/size &
			reader=$!
			waits $reader
			kill -9 $reader
			# Nor is who works on another session.
			luo-hold preserve sessions/other/1 1 memfd,size=64K,seed=2
			kill -9 $writer
			wait $writer || :
			shows sessions/user/7 state=empty
			stall_end
			echo self:5 >sessions/user/7/fd'
		echo 10000 >freeze_timeout_ms
	END
	vm_jump
	luo_run <<-'END'
		luo-hold retrieve incoming/vm/1 1 memfd,size=64K,seed=1
		luo-hold retrieve incoming/other/1 1 memfd,size=64K,seed=2
		echo 1 >incoming/vm/finish
		echo 1 >incoming/other/finish
		echo discard >incoming/user/finish
	END
}

@test "the death of an owner whose file somebody writes to refuses the kexec until he has done so" {
	expect_kernel_line 'luo: s/1: operation under way: EBUSY'
	vm_load
	luo_run <<-'END'
		mkdir sessions/s sessions/s/1
		echo 300 >freeze_timeout_ms
		luo-hold make memfd,size=64K,fd=5 -- bash -c '. luo.bash
			coproc owner { echo self >sessions/s/owner; echo self:5 >sessions/s/1/fd; echo done; read -r; }
			expect done head -n 1 <&"${owner[0]}"
			stall_begin
			kill -9 $owner_PID
			kexec_refused EBUSY
			shows . state=normal
			last_failed "EBUSY operation under way s/1"
			cat sessions/s/state &
			waits $!
			kill -9 $!
			stall_end
			shows sessions/s state=abandoned files=0'
		echo 10000 >freeze_timeout_ms
		rmdir sessions/s/1 sessions/s
	END
}

@test "an rmdir that meets the reboot is refused, or killed, and its file is handed over" {
	vm_run 'echo 1 >/sys/module/liveupdate_testdev/parameters/hold_reboot'
	vm_load
	luo_run <<-'END'
		luo-hold preserve sessions/vm/% 2 memfd,size=64K,seed=1
		mkdir sessions/empty sessions/user sessions/user/7
		luo-hold make memfd,size=64K,fd=5 -- bash -c '. luo.bash
			stall_begin
			echo self:5 >sessions/user/7/fd &
			waits $!
			kexec -e &>/dev/null &
			waits $!
			rmdir sessions/vm/0 &
			rmdir=$!
			waits $rmdir
			kill -9 $rmdir
			wait $rmdir || (($? == 137))
			rmdir sessions/vm/1 2>/tmp/vm &
			rmdirs=$!
			rmdir sessions/empty 2>/tmp/empty &
			rmdirs+=" $!"
			for rmdir in $rmdirs; do
				waits $rmdir
			done
			stall_end
			until [[ $(<state) == frozen ]]; do :; done
			for rmdir in $rmdirs; do
				wait $rmdir || (($? == 1))
			done
			grep -F ": ${errors[EBUSY]}" /tmp/vm
			grep -F ": ${errors[EBUSY]}" /tmp/empty
			shows sessions/vm files=2
			shows sessions/vm/0 state=frozen
			shows sessions/vm/1 state=frozen
			shows sessions/empty files=0'
	END
	luo_kexec_release
	luo_run <<-'END'
		luo-hold retrieve incoming/vm/% 2 memfd,size=64K,seed=1
		echo 1 >incoming/vm/finish
		echo 1 >incoming/empty/finish
		echo discard >incoming/user/finish
	END
}

@test "closing what a retrieved file replaces keeps nobody but who retrieved it" {
	luo_run <<-'END'
		luo-hold preserve sessions/s/1 1 memfd,size=64K,seed=1
	END
	vm_kexec
	luo_run <<-'END'
		mkdir /tmp/fuse
		coproc fuse { exec luo-stall close /tmp/fuse; }
		fuse_pid=$fuse_PID in=${fuse[1]}
		read -r line <&"${fuse[0]}" && [[ $line == ready ]]
		# Nobody else has it open, and closes it at its end. A shell that opens a file closes it, too.
		{
			exec 6<>/tmp/fuse/file
			: >/tmp/opened
			until [[ -e /tmp/asked ]]; do :; done
			echo self:6 >incoming/s/1/fd
			luo-hold check open,fd=6,size=64K,seed=1
		} &
		writer=$!
		until [[ -e /tmp/opened ]]; do :; done
		echo now >&$in
		: >/tmp/asked
		read -r line <&"${fuse[0]}" && [[ $line == stalled ]]
		shows incoming/s state=retrieved
		echo 1 >incoming/s/finish
		# This waits for the directory to go.
		shows . state=normal
		[[ ! -e incoming/s ]]
		exec {in}>&-
		wait $writer
		umount /tmp/fuse
		wait $fuse_pid
	END
}

@test "an owner to be waits for what he does not allow, for freeze_timeout_ms, and can be killed" {
	luo_run <<-'END'
		mkdir sessions/user sessions/user/7 sessions/other
		luo-hold make memfd,size=64K,fd=5 -- bash -c '. luo.bash
			stall_begin
			echo self:5 >sessions/user/7/fd &
			writer=$!
			waits $writer
			echo 300 >freeze_timeout_ms
			for owner in sessions/user/owner owner; do
				fails EBUSY "echo self >$owner"
				expect none cat $owner
			done
			# What goes on elsewhere is not his concern, nor does he wait where all may go on.
			echo self >sessions/other/owner
			echo none >sessions/other/owner
			echo none >sessions/user/owner

			echo 600000 >freeze_timeout_ms
			for owner in sessions/user/owner owner; do
				bash -c "echo self >$owner; exec sleep 1000" &
				waits $!
				# He lets nobody begin.
				fails EBUSY "mkdir sessions/user/8"
				kill -9 $!
				wait $! || (($? == 137))
				expect none cat $owner
				mkdir sessions/user/8
				rmdir sessions/user/8
			done

			{ echo self >owner; : >/tmp/owned; exec sleep 1000; } &
			owner=$!
			waits $owner
			[[ ! -e /tmp/owned ]]
			stall_end
			until [[ -e /tmp/owned ]]; do :; done
			shows . owner=pid:$owner
			shows sessions/user files=1
			wait $writer
			kill -9 $owner
			wait $owner || (($? == 137))'
		echo 10000 >freeze_timeout_ms
		shows . owner=none
		luo_end
	END
}

@test "what the owner of a session does keeps nobody from becoming the root's owner" {
	luo_run <<-'END'
		mkdir sessions/user sessions/user/7
		luo-hold make memfd,size=64K,fd=5 -- bash -c '. luo.bash
			stall_begin
			bash -c "echo self >sessions/user/owner; echo self:5 >sessions/user/7/fd" &
			writer=$!
			waits $writer
			echo 0 >freeze_timeout_ms
			echo self >owner
			# Nor is the owner of a session waited for by who makes him that again.
			exec 9</proc/$writer
			echo 9 >sessions/user/owner
			echo none >owner
			stall_end
			wait $writer'
		echo 10000 >freeze_timeout_ms
		luo_end
	END
}

@test "what meets a reboot that waits can be killed, and changes nothing" {
	luo_run <<<'luo-hold preserve sessions/in/0 1 memfd,size=4K,seed=1'
	vm_kexec
	vm_load
	luo_run <<-'END'
		mkdir sessions/{user,empty} sessions/user/{6,7}
		echo 600000 >freeze_timeout_ms
		luo-hold make memfd,size=64K,fd=5 null,fd=6 memfd,size=4K,fd=7 -- bash -c '. luo.bash
			stall_begin
			echo self:5 >sessions/user/7/fd &
			writer=$!
			waits $writer
			kexec -e &>/dev/null &
			reboot=$!
			waits $reboot
			for script in "mkdir sessions/new" "rmdir sessions/empty" "mkdir sessions/user/8" "rmdir sessions/user/6" \
				"echo self:7 >sessions/user/6/fd" "echo luo-v5 >abi" "echo self >owner" "echo self >sessions/user/owner" \
				"echo 1 >sessions/user/prepare" "echo x >sessions/user/label" "echo x >sessions/user/6/label" \
				"echo discard >incoming/in/finish" "echo self:6 >incoming/in/0/fd"; do
				eval "$script 2>/dev/null &"
				waits $!
				kill -9 $!
				wait $! || (($? == 137))
			done
			kill -9 $reboot
			wait $reboot || (($? == 137))
			stall_end
			wait $writer
			shows . state=updated owner=none abi="[luo-v1] luo-v5"
			shows sessions/user owner=none files=1 label=
			shows sessions/user/6 label=
			shows incoming/in files=1 state=preserved
			expect "empty user" echo $(cd sessions; echo *)
			expect "6 7" echo $(cd sessions/user; echo [0-9]*)'
		echo 10000 >freeze_timeout_ms
		luo_end
		echo discard >incoming/in/finish
	END
}
