#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
#
# A next kernel that has no live update, or not on: luo-sh check says beforehand that all is lost, the kernel boots
# all the same, and so does one with live update after it.
#
# Needs: without

# shellcheck disable=SC2154  # vm_run sets output and stderr

load lib/common
load lib/luo
load lib/luo-sh

# loses CMDLINE LINE: what luo-sh has to say of the kernel on /boot with that command line, and what comes of it.
loses() {
	local cmdline
	vm_run 'cat /proc/cmdline'
	cmdline=$output
	luo_run <<-'END'
		luo-hold preserve sessions/s/1 1 memfd,size=64M,seed=1
		preserve_devices 2 3
		mkdir sessions/empty
	END
	for command in check 'kexec --initrd /boot/initrd-next'; do
		vm_run -e 6 "luo-sh $command /boot/vmlinuz-next --cmdline ${1@Q}"
		assert_equal "$stderr" "luo-sh: /boot/vmlinuz-next: $2"
	done

	vm_kexec "$1"
	vm_run "[[ ! -e $LUO && ! -c /dev/liveupdate ]]"
	vm_run -e 4 'luo-sh status'
	# It can be worked with.
	vm_run 'luo-hold make memfd,size=64M,seed=2,fd=5 -- luo-hold check open,fd=5,size=64M,seed=2'

	vm_next "$VM_BUILD/$ARCH_IMAGE"
	vm_kexec "$cmdline"
	luo_run <<-'END'
		shows . state=normal number=0 last_error=0
		luo-hold preserve sessions/s/1 1 memfd,size=64M,seed=1
	END
	vm_kexec
	luo_run <<-'END'
		luo-hold retrieve incoming/s/1 1 memfd,size=64M,seed=1
		echo 1 >incoming/s/finish
	END
}

# without OPTION: the guest's command line with that option of live update turned off.
without() {
	vm_run 'cat /proc/cmdline'
	without=${output/$1=on/$1=off}
	[[ $without != "$output" ]]
}

@test "to a kernel that has no live update all is lost, as luo-sh check says" {
	vm_run 'cat /proc/cmdline'
	vm_next "$VM_REPO/build/$ARCH-without/$ARCH_IMAGE"
	loses "$output" 'this kernel does not understand: memfd-v3 liveupdate-test-v1 luo-v1'
}

@test "to a kernel that is booted with liveupdate=off all is lost, as luo-sh check says" {
	without liveupdate
	loses "$without" "its command line lacks liveupdate=on kho=on: $without"
}

@test "to a kernel that is booted with kho=off all is lost, as luo-sh check says" {
	expect_kernel_line 'luo: disabled, as KHO is'
	without kho
	loses "$without" "its command line lacks liveupdate=on kho=on: $without"
}
