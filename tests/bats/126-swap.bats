#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
#
# Memory that is short: swap space, and the limits of control groups.

load lib/common
load lib/luo

setup_file() {
	mkdir -p "$VM_DIR"
	truncate -s 256M "$VM_DIR/swap"
	guest_start -- -drive "file=$VM_DIR/swap,format=raw,if=virtio"
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
		expect 's/1: retrieve: ENOMEM' cat last_error
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
