#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# bats file_tags=memory
#
# The reboot path: what stops a kexec leaves the machine as it was, and what is frozen stays so.

load lib/common
load lib/luo

@test "a kexec whose freeze fails is undone, the machine goes on, and the next kexec loses nothing" {
	expect_kernel_line 'luo: s/25: freeze: EIO'
	expect_kernel_line 'luo: s/1: freeze: EIO'
	luo_run <<-'END'
		luo-hold preserve sessions/first/1 1 memfd,size=64K,seed=1
		luo-hold preserve sessions/s/0 1 memfd,size=64K,seed=2
		preserve_devices 1 50
		luo-hold preserve sessions/last/1 1 memfd,size=64K,seed=3
		echo 25 >$TESTDEV/fail_freeze
	END
	vm_kexec_fails
	assert_output --partial 'Input/output error'
	luo_run <<-'END'
		shows . state=normal
		last_failed 'EIO freeze s/25'
		shows $TESTDEV preserved=50 frozen=0 fail_freeze=0
		shows sessions/s state=open files=51
		shows sessions/s/25 state=preserved
		# All goes on working: holes are filled, files go and come.
		luo-hold make memfd,size=1M,data=0:64K,seed=4,fd=5 -- bash -c '
			. luo.bash
			mkdir sessions/s/100
			echo self:5 >sessions/s/100/fd
			echo 1 >$TESTDEV/fail_freeze
			kexec -e 2>/dev/null || :
			shows . state=normal
			luo-hold make open,fd=5,part=512K:64K,seed=5 open,fd=5,part=768K:4K,seed=6,via=mmap -- true'
		rmdir sessions/s/{10..19}
		preserve_devices 51 60
		shows sessions/s files=52
	END
	vm_jump
	luo_run <<-'END'
		shows . state=updated last_error=0
		luo-hold retrieve incoming/first/1 1 memfd,size=64K,seed=1
		luo-hold retrieve incoming/s/0 1 memfd,size=64K,seed=2
		luo-hold retrieve incoming/last/1 1 memfd,size=64K,seed=3
		for token in {1..9} {20..60}; do
			exec 5</dev/null
			echo self:5 >incoming/s/$token/fd
			expect $token cat <&5
		done
		luo-hold make null,fd=5 -- bash -c '
			echo self:5 >incoming/s/100/fd
			luo-hold check open,fd=5,part=0:64K,seed=4 open,fd=5,part=512K:64K,seed=5 open,fd=5,part=768K:4K,seed=6
			luo-hold check open,fd=5,part=64K:448K+576K:192K+772K:252K'
		shows incoming/s state=retrieved files=52
		for finish in incoming/*/finish; do
			echo 1 >$finish
		done
		shows . state=normal
	END
}

@test "last_error counts errors, and tells the last one until that has succeeded" {
	expect_kernel_line 'luo: s/1: retrieve: EIO'
	expect_kernel_line 'luo: t/7: retrieve: EIO'
	luo_run <<-'END'
		mkdir sessions/s sessions/t sessions/t/7
		preserve_devices 1 2
		exec 5<>/dev/liveupdate-test
		echo 7 >&5
		echo self:5 >sessions/t/7/fd
		shows sessions/s last_error=0
	END
	vm_kexec
	luo_run <<-'END'
		exec 5</dev/null
		shows . last_error=0
		for token in s/1 t/7; do
			echo 1 >$TESTDEV/fail_retrieve
			fails EIO "echo self:5 >incoming/$token/fd"
		done
		shows . last_error='2 EIO retrieve t/7'
		shows incoming/s last_error='1 EIO retrieve s/1'
		shows incoming/t last_error='1 EIO retrieve t/7'
		echo self:5 >incoming/s/2/fd
		shows incoming/s last_error='1 EIO retrieve s/1'
		echo self:5 >incoming/s/1/fd
		shows incoming/s last_error=1
		shows . last_error='2 EIO retrieve t/7'
		echo self:5 >incoming/t/7/fd
		shows incoming/t last_error=1
		shows . last_error=2
		echo 1 >incoming/s/finish
		echo 1 >incoming/t/finish
	END
}

@test "a retrieve and a finish that fail lose nothing, and work when tried again" {
	expect_kernel_line 'luo: s/2: retrieve: EIO'
	luo_run <<-'END'
		mkdir sessions/s
		preserve_devices 1 3
	END
	vm_kexec
	luo_run <<-'END'
		exec 5</dev/null 6</dev/null 7</dev/null
		echo self:6 >incoming/s/1/fd
		echo 1 >$TESTDEV/fail_retrieve
		fails EIO 'echo self:5 >incoming/s/2/fd'
		last_failed 'EIO retrieve s/2'
		shows incoming/s state=retrieving files=3 retrieved=1
		shows incoming/s/2 state=failed compatible=liveupdate-test-v1
		expect '' cat <&5
		refused EBUSY 'echo 1 >incoming/s/finish'
		echo self:5 >incoming/s/2/fd
		expect 2 cat <&5
		shows incoming/s/2 state=retrieved
		refused EBUSY 'echo 1 >incoming/s/finish'

		# The second of three says that it is too early.
		echo self:7 >incoming/s/3/fd
		echo 2 >$TESTDEV/fail_can_finish
		refused EBUSY 'echo 1 >incoming/s/finish'
		shows incoming/s state=retrieved files=3 retrieved=3
		echo 1 >incoming/s/finish
		shows . state=normal
		expect '' ls -A incoming
		expect 1 cat <&6
		expect 3 cat <&7
	END
}

@test "once the reboot is under way nothing can be changed, and all that was preserved comes back" {
	luo_run <<-'END'
		luo-hold preserve sessions/s/1 1 memfd,size=64K,seed=1
		mkdir sessions/s/2
		mkdir sessions/s/3
		luo-hold make memfd,size=1M,data=0:4K,seed=2,fd=5 -- bash -c '
			echo self:5 >sessions/s/3/fd
			exec sleep 1000' &>/dev/null &
		until [[ $(<sessions/s/3/state) == preserved ]]; do :; done
		echo $! >/run/holder
	END
	luo_kexec_held <<-'END'
		shows sessions/s state=frozen files=2
		shows sessions/s/1 state=frozen compatible=memfd-v3 size=65536
		shows sessions/s/2 state=empty
		luo_file 6
		refused EBUSY 'mkdir sessions/new'
		refused EBUSY 'mkdir sessions/s/9'
		refused EBUSY 'echo self:6 >sessions/s/2/fd'

		# Pages that are there can be used, one that is not makes the writer wait, killably.
		file=/proc/$(</run/holder)/fd/5
		luo-hold check open,path=$file,part=0:4K,seed=2
		dd if=/dev/zero of=$file bs=4K count=1 seek=9 conv=notrunc &>/dev/null &
		until grep -q '^State:.D' /proc/$!/status; do :; done
		kill -KILL $!
		rc=0
		wait $! || rc=$?
		((rc == 137))

		refused EBUSY 'rmdir sessions/s/1'
		refused EBUSY 'rmdir sessions/s/2'
		refused EBUSY 'echo self >sessions/s/owner'
		refused EBUSY 'echo drop >on_error'

		# What cannot fail does no harm.
		kill -KILL $(</run/holder)
	END
	luo_run <<-'END'
		expect $'1\n3' bash -c 'cd incoming/s; ls -d */ | tr -d /'
		luo-hold retrieve incoming/s/1 1 memfd,size=64K,seed=1
		luo-hold retrieve incoming/s/3 1 memfd,size=1M,data=0:4K,seed=2
		echo 1 >incoming/s/finish
	END
}

@test "an image of kexec_load(2) is refused while there is something to hand over, and gone to when there is not" {
	[[ $ARCH == x86_64 ]] || skip 'the guest has no kexec_load(2) there'
	expect_kernel_line 'luo: image of kexec_load\(2\): EOPNOTSUPP'
	luo_run <<-'END'
		kexec -c -l /boot/vmlinuz-next --initrd=/boot/initrd-next --reuse-cmdline
		luo-hold preserve sessions/s/1 1 memfd,size=64K,seed=1
		kexec_refused EOPNOTSUPP
		shows . state=normal
		last_failed 'EOPNOTSUPP image of kexec_load(2)'
		shows sessions/s/1 state=preserved
	END
	vm_kexec
	luo_run <<-'END'
		# What came is as much to hand over as what was made here.
		kexec -c -l /boot/vmlinuz-next --initrd=/boot/initrd-next --reuse-cmdline
		kexec_refused EOPNOTSUPP
		luo-hold retrieve incoming/s/1 1 memfd,size=64K,seed=1
		echo 1 >incoming/s/finish
		# Nor is what an owner has left behind.
		mkdir sessions/left
		bash -c 'echo self >sessions/left/owner'
		shows sessions/left state=abandoned
	END
	vm_jump
	luo_run <<<'shows . state=normal number=0'
}
