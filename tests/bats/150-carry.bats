#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# bats file_tags=memory
#
# What nobody has finished is carried on by the next kexec, whatever became of it until then.

load lib/common
load lib/luo

@test "a session that nobody asks for goes through ten kexecs" {
	luo_run <<-'END'
		luo-hold preserve sessions/s/1 1 memfd,size=8M,seed=1
		luo-hold preserve sessions/s/2 1 memfd,size=1T,data=4K:64K+1G:8K,seed=2
		mkdir sessions/empty
		preserve_devices 3 5
	END
	for number in {1..10}; do
		vm_kexec
		luo_run "number=$number" <<-'END'
			shows . number=$number state=updated last_error=0
			shows incoming/s state=preserved files=5 retrieved=0
			shows incoming/empty files=0
		END
	done
	luo_run <<-'END'
		flb_counts
		luo-hold retrieve incoming/s/1 1 memfd,size=8M,seed=1
		luo-hold retrieve incoming/s/2 1 memfd,size=1T,data=4K:64K+1G:8K,seed=2
		exec 5</dev/null
		for token in {3..5}; do
			echo self:5 >incoming/s/$token/fd
			expect $token cat <&5
		done
		echo 1 >incoming/empty/finish
		flb_changed 0 0 0 0
		echo 1 >incoming/s/finish
		flb_changed 0 0 1 1
		shows . state=normal
	END
}

@test "a session of which half was retrieved is carried on, with what was written since" {
	luo_run <<-'END'
		luo-hold preserve sessions/s/1 1 memfd,size=1M,seed=1
		luo-hold preserve sessions/s/2 1 memfd,size=1M,seed=2
		luo-hold preserve sessions/t/1 1 memfd,size=1M,data=0:4K,seed=3
	END
	vm_kexec
	# One file is retrieved, written and closed; one is retrieved and open; one is not.
	luo_run <<-'END'
		luo-hold make null,fd=5 -- bash -c '
			. luo.bash
			echo self:5 >incoming/s/1/fd
			luo-hold make open,fd=5,part=64K:64K,seed=11 -- true'
		luo-hold make null,fd=5 -- bash -c '
			echo self:5 >incoming/t/1/fd
			luo-hold make open,fd=5,part=512K:64K,seed=13 -- true
			exec sleep 1000' &>/dev/null &
		until [[ $(<incoming/t/1/state) == retrieved ]]; do :; done
		shows incoming/s state=retrieving retrieved=1
	END
	vm_kexec
	luo_run <<-'END'
		shows incoming/s state=preserved files=2 retrieved=0
		luo-hold make null,fd=5 null,fd=6 null,fd=7 -- bash -c '
			. luo.bash
			echo self:5 >incoming/s/1/fd
			echo self:6 >incoming/s/2/fd
			echo self:7 >incoming/t/1/fd
			luo-hold check open,fd=5,part=64K:64K,seed=11 open,fd=5,part=0:64K,seed=1
			luo-hold check open,fd=6,size=1M,seed=2
			luo-hold check open,fd=7,part=0:4K,seed=3'
		echo 1 >incoming/s/finish
		echo 1 >incoming/t/finish
	END
}

@test "an agent that breaks in the new kernel has lost nothing when the machine goes back to the old one" {
	luo_run <<-'END'
		luo-hold preserve sessions/vm1/% 2 memfd,size=32M,seed=1 >/dev/null
		mkdir sessions/s
		preserve_devices 1 2
	END
	vm_kexec
	# It has control of all, has got one file and waits for ever for another; then it is killed, and so is what it started.
	vm_spawn 'exec luo-hold make null,fd=5 -- bash -c "
		. luo.bash
		echo self >owner
		echo self >incoming/vm1/owner
		echo self:5 >incoming/vm1/0/fd
		exec sleep 1000"'
	agent=$output
	luo_run "agent=$agent" <<-'END'
		until [[ $(<incoming/vm1/state) == retrieving ]]; do :; done
		refused EBUSY 'echo discard >incoming/vm1/finish'
		kill -KILL -- -$agent
		until [[ $(<owner) == none ]]; do :; done
	END
	vm_kexec
	luo_run <<-'END'
		shows . state=updated last_error=0
		shows incoming/vm1 owner=none state=preserved files=2 retrieved=0
		luo-hold retrieve incoming/vm1/% 2 memfd,size=32M,seed=1 >/dev/null
		exec 5</dev/null
		for token in 1 2; do
			echo self:5 >incoming/s/$token/fd
			expect $token cat <&5
		done
		for finish in incoming/*/finish; do
			echo 1 >$finish
		done
		shows . state=normal
	END
}

@test "a session that a descriptor of the device stands for is carried on" {
	luo_run <<-'END'
		luo-hold preserve sessions/s/1 1 memfd,size=64K,seed=1
		luo-hold preserve sessions/s/2 1 memfd,size=64K,seed=2
	END
	vm_kexec
	vm_spawn 'exec luo-hold make null,fd=5 -- luo-ioctl open "retrieve s" "fetch 1 5" "run exec sleep 1000"'
	luo_run <<-'END'
		until [[ $(<incoming/s/1/state) == retrieved ]]; do :; done
		shows incoming/s owner=fd
	END
	vm_kexec
	luo_run <<-'END'
		luo-hold retrieve incoming/s/1 1 memfd,size=64K,seed=1
		luo-hold retrieve incoming/s/2 1 memfd,size=64K,seed=2
		echo 1 >incoming/s/finish
	END
}

@test "old sessions are carried on beside new ones; a name that both have stops the kexec" {
	expect_kernel_line 'luo: vm1: carry on: EEXIST'
	luo_run <<-'END'
		luo-hold preserve sessions/old/1 1 memfd,size=64K,seed=1
		luo-hold preserve sessions/vm1/1 1 memfd,size=64K,seed=2
	END
	vm_kexec
	luo_run <<-'END'
		luo-hold preserve sessions/vm1/1 1 memfd,size=64K,seed=3
		luo-hold preserve sessions/new/1 1 memfd,size=64K,seed=4
	END
	vm_kexec_fails
	assert_output --partial 'File exists'
	luo_run <<-'END'
		shows . state=updated
		last_failed 'EEXIST carry on vm1'
		expect $'new\nvm1' ls sessions
		shows incoming/old state=preserved
		shows incoming/vm1/1 state=preserved
		luo-hold retrieve incoming/vm1/1 1 memfd,size=64K,seed=2
		echo 1 >incoming/vm1/finish
	END
	vm_jump
	luo_run <<-'END'
		expect $'new\nold\nvm1' ls incoming
		luo-hold retrieve incoming/old/1 1 memfd,size=64K,seed=1
		luo-hold retrieve incoming/vm1/1 1 memfd,size=64K,seed=3
		luo-hold retrieve incoming/new/1 1 memfd,size=64K,seed=4
		for finish in incoming/*/finish; do
			echo 1 >$finish
		done
	END
}

@test "what cannot be carried on stops the kexec, and nothing is lost" {
	expect_kernel_line 'luo: s/2: retrieve: EIO'
	expect_kernel_line 'luo: s/2: carry on: EIO'
	expect_kernel_line 'luo: z/1: carry on: ENODEV'
	expect_kernel_line 'luo: s/2: freeze: EIO'
	expect_kernel_line 'luo: a/1: carry on: EIO'
	luo_run <<-'END'
		luo-hold preserve sessions/a/1 1 memfd,size=64K,seed=1
		mkdir sessions/s
		preserve_devices 1 3
		insmod /boot/liveupdate-sample.ko
		note hello z/1
	END
	vm_kexec
	vm_load
	luo_run <<-'END'
		refuses() {
			kexec_refused $1
			shows . state=updated
			last_failed "$2"
			shows incoming/a state=preserved retrieved=0
			shows incoming/s state=preserved files=3 retrieved=0
			shows $TESTDEV preserved=0 frozen=0
			expect '' ls -A sessions
		}
		echo 2 >$TESTDEV/fail_retrieve
		refuses EIO 'EIO carry on s/2'
		shows incoming/s/1 state=preserved
		shows incoming/s/2 state=failed
		echo 2 >$TESTDEV/fail_preserve
		refuses EIO 'EIO carry on s/2'
		# Nobody knows what a note consists of.
		refuses ENODEV 'ENODEV carry on z/1'
		insmod /boot/liveupdate-sample.ko
		echo 2 >$TESTDEV/fail_freeze
		refuses EIO 'EIO freeze s/2'
		echo 1 >$FLB/fail_preserve
		refuses EIO 'EIO carry on a/1'
		refused EBUSY 'echo 1 >incoming/s/finish'

		# After all that they can be retrieved as ever.
		luo-hold retrieve incoming/a/1 1 memfd,size=64K,seed=1
		exec 5</dev/null
		echo self:5 >incoming/s/1/fd
		expect 1 cat <&5
		shows incoming/s state=retrieving retrieved=1
	END
	vm_jump
	luo_run <<-'END'
		insmod /boot/liveupdate-sample.ko
		luo-hold retrieve incoming/a/1 1 memfd,size=64K,seed=1
		exec 5</dev/null
		for token in {1..3}; do
			echo self:5 >incoming/s/$token/fd
			expect $token cat <&5
		done
		echo self:5 >incoming/z/1/fd
		expect hello cat <&5
		for finish in incoming/*/finish; do
			echo 1 >$finish
		done
		shows . state=normal
	END
}

@test "what was carried on and is discarded gives its memory back" {
	luo_run <<-'END'
		luo-hold preserve sessions/s/1 1 memfd,size=64M,seed=1
	END
	vm_kexec
	vm_kexec
	luo_run <<-'END'
		before=$(mem_free)
		echo discard >incoming/s/finish
		shows . state=normal
		(($(mem_free) - before >= 63))
	END
}
