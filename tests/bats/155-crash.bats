#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# bats file_tags=memory
#
# A crash kernel is no next kernel: nothing is handed over to it, whatever its command line says, and it boots without
# a complaint. It is kdump's, and what was preserved is lost with the kernel that crashed.
# shellcheck disable=SC2016  # what is quoted is for the guest

load lib/common
load lib/luo

setup_file() {
	guest_start -m 2G -a crashkernel=384M
}

# wants_crash_kernel: skip the test on a kernel that cannot be one.
wants_crash_kernel() {
	[[ ${CONFIG-} == distro ]] || skip 'CONFIG=distro is what can be a crash kernel'
}

@test "a crash kernel with kho=on and liveupdate=on boots as if without, and nothing is handed over to it" {
	wants_crash_kernel
	luo_run <<-'END'
		luo-hold preserve sessions/s/% 3 memfd,size=1M,seed=1
		kexec -s -p /boot/vmlinuz-next --initrd=/boot/initrd-next --append="$(</proc/cmdline) irqpoll"
		[[ $(</sys/kernel/kexec_crash_loaded) == 1 ]]
		grep -qw kho=on /proc/cmdline
		grep -qw liveupdate=on /proc/cmdline
	END
	expect_kernel_report 'Kernel panic - not syncing: sysrq triggered crash'
	vm_spawn 'luo-kexec -n; echo c >/proc/sysrq-trigger'
	vm_await_kernel
	luo_run <<-'END'
		[[ -s /proc/vmcore ]]
		shows . number=0 state=normal timeline=
		[[ -z $(ls sessions) && -z $(ls incoming) ]]
	END
}

@test "sessions do not keep a crash kernel from being loaded, nor the loaded one from being a crash kernel alone" {
	wants_crash_kernel
	luo_run <<-'END'
		luo-hold preserve sessions/s/% 3 memfd,size=1M,seed=1
		kexec -s -p /boot/vmlinuz-next --initrd=/boot/initrd-next --reuse-cmdline
		refused ENOEXEC 'echo 1 >prepare'
	END
	vm_kexec
	luo_run <<-'END'
		luo-hold retrieve incoming/s/% 3 memfd,size=1M,seed=1
		echo 1 >incoming/s/finish
	END
}
