#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# bats file_tags=memory
#
# prepare: what the reboot could fail with is tried while services still run, and has no other effect.
# shellcheck disable=SC2016  # what is quoted is for the guest

load lib/common
load lib/luo

@test "prepare is for who may reboot, whoever the owner is, and wants an image" {
	luo_run <<-'END'
		shows . prepare=none
		for value in 2 01 "" "1 0" ready; do
			refused EINVAL "echo '$value' >prepare"
		done
		refused ENOEXEC 'echo 1 >prepare'
		kexec -s -l /boot/vmlinuz-next --initrd=/boot/initrd-next --reuse-cmdline
		refused EPERM "setpriv --bounding-set -sys_boot --inh-caps -sys_boot bash -c 'echo 1 >prepare'"
		# Another process is the owner of all; which keeps nobody from reboot(2) either.
		sleep 1000 &
		exec 9</proc/$!
		echo 9 >owner
		echo 1 >prepare
		shows . prepare=ready state=normal last_error=0
		echo 0 >prepare
		shows . prepare=none
		kill $!
		wait $! || :
		shows . owner=none
	END
}

@test "what is ready is stale when a session, a file, an owner, the format or the image changes, and no sooner" {
	vm_load
	luo_run <<-'END'
		load() {
			kexec -s -l /boot/vmlinuz-next --initrd=/boot/initrd-next --reuse-cmdline
		}
		# stales COMMAND: that makes stale what is ready.
		stales() {
			echo 1 >prepare
			shows . prepare=ready
			eval "$1"
			[[ $(<prepare) == stale ]] || { echo "not stale: $1" >&2; return 1; }
		}
		stays() {
			echo 1 >prepare
			eval "$1"
			[[ $(<prepare) == ready ]] || { echo "not ready: $1" >&2; return 1; }
		}
		luo_file 5 text
		stales 'mkdir sessions/s'
		stales 'mkdir sessions/s/1'
		stales 'echo self:5 >sessions/s/1/fd'
		stales 'rmdir sessions/s/1'
		stales 'rmdir sessions/s'
		stales 'echo luo-v5 >abi'
		stales 'echo luo-v1 >abi'
		stales load
		stales 'kexec -s -u'
		fails ENOEXEC 'echo 1 >prepare'
		shows . prepare=none
		load
		mkdir sessions/s sessions/s/1
		echo self:5 >sessions/s/1/fd
		stays 'printf T 1<>/proc/self/fd/5; cat sessions/s/1/* sessions/s/* >/dev/null 2>&1 || :'
		stays 'echo 500 >freeze_timeout_ms; echo 10000 >freeze_timeout_ms'
		stales 'echo self >sessions/s/owner'
		stales 'echo none >sessions/s/owner'
		[[ $(<state) == normal ]]
		echo 0 >prepare
		luo_end
	END
}

@test "an image of kexec_load(2) cannot be prepared for while there is something to hand over" {
	[[ $ARCH == x86_64 ]] || skip 'the guest has no kexec_load(2) there'
	expect_kernel_line 'luo: image of kexec_load\(2\): EOPNOTSUPP'
	luo_run <<-'END'
		kexec -c -l /boot/vmlinuz-next --initrd=/boot/initrd-next --reuse-cmdline
		echo 1 >prepare
		shows . prepare=ready
		mkdir sessions/s
		shows . prepare=stale
		fails EOPNOTSUPP 'echo 1 >prepare'
		last_failed 'EOPNOTSUPP image of kexec_load(2)'
		shows . prepare=none
		luo_end
		kexec -c -u
	END
}

@test "what stops the reboot is what prepare says, with its last_error" {
	expect_kernel_line 'luo: s/2: freeze: EIO'
	expect_kernel_line 'luo: old: carry on: EEXIST'
	expect_kernel_line 'luo: notes/1: carry on: ENODEV'
	luo_run <<-'END'
		luo-hold preserve sessions/old/1 1 memfd,size=64K,seed=1
		insmod /boot/liveupdate-sample.ko
		note hello notes/1
	END
	vm_kexec
	vm_load
	luo_run <<-'END'
		# stops ERRNO LAST_ERROR: so does prepare, and so does the reboot.
		stops() {
			fails $1 'echo 1 >prepare'
			last_failed "$1 $2"
			shows . prepare=none
			kexec_refused $1
			last_failed "$1 $2"
			shows incoming/old state=preserved
			shows . prepare=none state=updated
		}
		stops ENODEV 'carry on notes/1'
		insmod /boot/liveupdate-sample.ko
		mkdir sessions/old
		stops EEXIST 'carry on old'
		rmdir sessions/old
		mkdir sessions/s
		preserve_devices 1 3
		echo 2 >$TESTDEV/fail_check
		fails EIO 'echo 1 >prepare'
		last_failed 'EIO freeze s/2'
		shows . prepare=none
		# Nothing was frozen for it, and all is ready when the file is.
		shows $TESTDEV preserved=3 frozen=0 fail_check=0
		echo 1 >prepare
		shows . prepare=ready
		shows $TESTDEV preserved=3 frozen=0
	END
	vm_jump
	luo_run <<-'END'
		luo-hold retrieve incoming/old/1 1 memfd,size=64K,seed=1
		echo 1 >incoming/old/finish
		echo discard >incoming/s/finish
		insmod /boot/liveupdate-sample.ko
		echo discard >incoming/notes/finish
		shows . state=normal
	END
}

@test "what holds the reboot up is what prepare says, with its last_error" {
	expect_kernel_line 'luo: user/7: operation under way: EBUSY'
	vm_load
	luo_run <<-'END'
		mkdir sessions/user sessions/user/7
		luo-hold make memfd,size=64K,fd=5 -- bash -c '. luo.bash
			stall_begin
			echo 1 >prepare
			shows . prepare=ready
			echo self:5 >sessions/user/7/fd &
			writer=$!
			waits $writer
			echo 500 >freeze_timeout_ms
			fails EBUSY "echo 1 >prepare"
			last_failed "EBUSY operation under way user/7"
			shows . prepare=none
			echo 600000 >freeze_timeout_ms
			echo 1 >prepare &
			waits $!
			kill -9 $!
			wait $! || (($? == 137))
			stall_end
			wait $writer'
		shows . prepare=none
		echo 10000 >freeze_timeout_ms
		echo 1 >prepare
		shows . prepare=ready
		luo_end
	END
}

@test "what was prepared goes, with incoming sessions that were retrieved or not, and those that came later" {
	luo_run <<-'END'
		luo-hold preserve sessions/old/% 4 memfd,size=256K,seed=1
		luo-hold preserve sessions/gone/% 2 memfd,size=64K,seed=2
	END
	vm_kexec
	vm_load
	luo_run <<-'END'
		luo-hold retrieve incoming/old/0 1 memfd,size=256K,seed=1
		for _ in {1..3}; do
			echo 1 >prepare
			shows . prepare=ready state=updated
			shows incoming/old state=retrieving files=4 retrieved=1
			# Nobody sees what is got ready.
			expect '' ls -A sessions
		done
		# What is used after all is there, and can be finished.
		luo-hold retrieve incoming/old/1 1 memfd,size=256K,seed=2
		shows . prepare=stale
		echo 1 >prepare
		luo-hold retrieve incoming/gone/% 2 memfd,size=64K,seed=2
		echo 1 >prepare
		echo 1 >incoming/gone/finish
		shows . prepare=stale
		luo-hold preserve sessions/new/1 1 memfd,size=64K,seed=3
		echo 1 >prepare
		shows . prepare=ready
		expect new ls -A sessions
	END
	vm_jump
	luo_run <<-'END'
		expect $'new\nold' ls -A incoming
		luo-hold retrieve incoming/old/% 4 memfd,size=256K,seed=1
		luo-hold retrieve incoming/new/1 1 memfd,size=64K,seed=3
		echo 1 >incoming/old/finish
		echo 1 >incoming/new/finish
	END
}

@test "a session is prepared by whoever may write to it, apart from others" {
	expect_kernel_line 'luo: mine/2: freeze: EIO'
	expect_kernel_line 'luo: old: carry on: EEXIST'
	luo_run <<-'END'
		luo-hold preserve sessions/old/1 1 memfd,size=64K,seed=1
	END
	vm_kexec
	luo_run <<-'END'
		mkdir sessions/mine sessions/old
		shows sessions/mine prepare=none
		for value in 2 "" ready; do
			refused EINVAL "echo '$value' >sessions/mine/prepare"
		done
		luo_file 5 text
		echo 1 >sessions/mine/prepare
		shows sessions/mine prepare=ready
		mkdir sessions/mine/1
		shows sessions/mine prepare=ready
		echo self:5 >sessions/mine/1/fd
		shows sessions/mine prepare=stale
		chown -R 1000:1000 sessions/mine
		setpriv --reuid 1000 --regid 1000 --clear-groups bash -c 'echo 1 >sessions/mine/prepare'
		shows sessions/mine prepare=ready
		refused EACCES 'setpriv --reuid 1000 --regid 1000 --clear-groups bash -c "echo 1 >sessions/old/prepare"'
		fails EEXIST 'echo 1 >sessions/old/prepare'
		last_failed 'EEXIST carry on old'
		rmdir sessions/old
		exec 6<>/dev/liveupdate-test
		mkdir sessions/mine/2
		echo self:6 >sessions/mine/2/fd
		shows sessions/mine prepare=stale
		echo 1 >$TESTDEV/fail_check
		fails EIO 'echo 1 >sessions/mine/prepare'
		last_failed 'EIO freeze mine/2'
		expect '1 EIO freeze mine/2' cat sessions/mine/last_error
		shows sessions/mine prepare=none
		echo 1 >sessions/mine/prepare
		echo luo-v5 >abi
		shows sessions/mine prepare=stale
		echo luo-v1 >abi
		echo 1 >sessions/mine/prepare
		echo 0 >sessions/mine/prepare
		shows sessions/mine prepare=none
		sleep 1000 &
		exec 9</proc/$!
		echo 9 >sessions/mine/owner
		refused EBUSY 'echo 1 >sessions/mine/prepare'
		kill $!
		wait $! || :
		shows sessions/mine state=abandoned
		refused ESRCH 'echo 1 >sessions/mine/prepare'
		echo discard >incoming/old/finish
		luo_end
	END
}
