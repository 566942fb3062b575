#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# bats file_tags=memory
#
# Memory that is short: swap space, and the limits of control groups.

load lib/common
load lib/luo

setup_file() { swap_start; }

# swap_slowly BYTES: so many a second get to the swap space, or as many as can when that is 0.
swap_slowly() {
	echo "block_set_io_throttle virtio0 0 0 $1 0 0 0" | socat -t 1 - "unix:$VM_DIR/monitor.sock" >/dev/null
}

@test "what was swapped out comes back" {
	luo_run <<-'END'
		mkswap /dev/vda >/dev/null
		swapon /dev/vda
		new_group
		coproc other { echo $BASHPID >$group/cgroup.procs; exec luo-hold make memfd,size=32M,seed=1,fd=5; }
		read -r -u "${other[0]}"
		push_out
		mkdir sessions/s sessions/s/1
		exec 9</proc/$other_PID
		echo 9:5 >sessions/s/1/fd
		# It is all in memory now, and stays.
		echo 32M >$group/memory.reclaim 2>/dev/null || :
		expect 'shmem 33554432' grep -w shmem $group/memory.stat
	END
	vm_kexec
	luo_run <<-'END'
		luo-hold retrieve incoming/s/1 1 memfd,size=32M,seed=1
		echo 1 >incoming/s/finish
	END
}

@test "what came back can be swapped out, and loses nothing by it" {
	luo_run <<-'END'
		luo-hold preserve sessions/s/1 1 memfd,size=32M,seed=1
	END
	vm_kexec
	luo_run <<-'END'
		mkswap /dev/vda >/dev/null
		swapon /dev/vda
		new_group
		in_group luo-hold make null,fd=5 -- bash -c '
			. luo.bash
			echo self:5 >incoming/s/1/fd
			push_out
			luo-hold check open,fd=5,size=32M,seed=1
			push_out
			echo 1 >incoming/s/finish
			luo-hold check open,fd=5,size=32M,seed=1'
		swapoff /dev/vda
	END
}

@test "a retrieve over a group's limit gets ENOMEM, is undone, kills nobody, and works when tried again" {
	expect_kernel_line 'luo: s/1: retrieve: ENOMEM'
	luo_run <<-'END'
		luo-hold preserve sessions/s/1 1 memfd,size=32M,seed=1
	END
	vm_kexec
	luo_run <<-'END'
		new_group
		echo 16M >$group/memory.max
		in_group luo-hold make null,fd=5 -- bash -c '
			. luo.bash
			fails ENOMEM "echo self:5 >incoming/s/1/fd"
			fails ENOMEM "echo self:5 >incoming/s/1/fd"'
		shows incoming/s state=preserved retrieved=0
		shows incoming/s/1 state=failed size=33554432
		last_failed 'ENOMEM retrieve s/1'
		expect 'oom_kill 0' grep -w oom_kill $group/memory.events
		expect 'shmem 0' grep -w shmem $group/memory.stat
		echo max >$group/memory.max
		in_group luo-hold retrieve incoming/s/1 1 memfd,size=32M,seed=1
		shows incoming/s state=retrieved
		echo 1 >incoming/s/finish
		shows . state=normal
	END
}

@test "a file of which only a part could be retrieved can be discarded" {
	expect_kernel_line 'luo: s/1: retrieve: ENOMEM'
	luo_run <<-'END'
		luo-hold preserve sessions/s/1 1 memfd,size=64M,seed=1
	END
	vm_kexec
	luo_run <<-'END'
		new_group
		before=$(mem_free)
		echo 32M >$group/memory.max
		in_group luo-hold make null,fd=5 -- bash -c '. luo.bash; fails ENOMEM "echo self:5 >incoming/s/1/fd"'
		shows incoming/s/1 state=failed
		echo discard >incoming/s/finish
		shows . state=normal
		gained=$(($(mem_free) - before))
		echo "MiB given back: $gained"
		((gained > 60))
	END
}

@test "who is killed while memory is swapped out for a file ends soon, and it comes back when tried again" {
	expect_kernel_line 'luo: s/1: retrieve: EINTR'
	luo_run <<<'luo-hold preserve sessions/s/1 1 memfd,size=96M,seed=1'
	vm_kexec
	luo_run <<-'END'
		mkswap /dev/vda >/dev/null
		swapon /dev/vda
		new_group
		echo 112M >$group/memory.max
		mkfifo /tmp/check
		in_group luo-hold make memfd,size=96M,seed=2,fd=5 -- bash -c '
			read <>/tmp/check
			luo-hold check open,fd=5,size=96M,seed=2
			echo $? >/tmp/checked' &>/dev/null &
		until (($(awk '$1 == "shmem" { print $2 }' $group/memory.stat) == 96 << 20)); do :; done
	END
	# 80 MiB have to go, which takes 40 s.
	swap_slowly 2000000
	luo_run <<-'END'
		in_group luo-hold make null,fd=5 -- bash -c 'echo $BASHPID >/tmp/pid; echo self:5 >incoming/s/1/fd' &>/dev/null &
		until (($(<$group/memory.swap.current) >= 4 << 20)); do :; done
		kill -9 $(</tmp/pid)
		begun=$SECONDS
		while [[ -e /proc/$(</tmp/pid) ]]; do :; done
		((SECONDS - begun < 10))
		shows incoming/s/1 state=failed size=$((96 << 20))
	END
	swap_slowly 0
	luo_run <<-'END'
		echo max >$group/memory.max
		in_group luo-hold retrieve incoming/s/1 1 memfd,size=96M,seed=1
		echo 1 >incoming/s/finish
		echo >/tmp/check
		until [[ -s /tmp/checked ]]; do :; done
		expect 0 cat /tmp/checked
	END
}
