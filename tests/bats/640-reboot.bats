#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
#
# Power and order: reboots that cannot come about, come twice, or come at the wrong time. The kexec that comes while
# files are being preserved is in 610-races.
# shellcheck disable=SC2016  # what is quoted is for the guest

load lib/common
load lib/luo
load lib/kho

setup_file() {
	kho_guest_start
}

# 1,000 files, of which one in the middle can be told not to be frozen: the eleventh of twenty devices.
THOUSAND='luo-hold preserve sessions/s/% 490 memfd,size=16K,data=0:4K+8K:4K,seed=1
preserve_devices 490 509
luo-hold preserve sessions/s/1000% 490 memfd,size=16K,data=0:4K+8K:4K,seed=2'

THOUSAND_COMES_BACK='shows incoming/s state=preserved files=1000
luo-hold retrieve incoming/s/% 490 memfd,size=16K,data=0:4K+8K:4K,seed=1
luo-hold retrieve incoming/s/1000% 490 memfd,size=16K,data=0:4K+8K:4K,seed=2
exec 5</dev/null
for token in {490..509}; do
	echo self:5 >incoming/s/$token/fd
	expect $token cat <&5
done
echo 1 >incoming/s/finish
shows . state=normal last_error=0'

# This comes first: what KHO holds can be counted until there was a kexec.
@test "a freeze that fails in the middle of 1,000 files is undone completely, as often as it does" {
	expect_kernel_line 'luo: s/500: freeze: EIO'
	vm_load
	luo_run <<<"$THOUSAND"
	preserved_pages
	pages=$output
	for _ in 1 2; do
		luo_run <<-'END'
			echo 11 >$TESTDEV/fail_freeze
			expect EIO luo-proc kexec 1
			shows . state=normal
			last_failed 'EIO freeze s/500'
			shows sessions/s state=open files=1000
			shows $TESTDEV preserved=20 frozen=0
			expect preserved sort -u sessions/s/*/state
		END
		preserved_pages
		assert_equal "$output" "$pages"
	done
	luo_run <<-'END'
		# One before that and one behind it, with others in their place
		rmdir sessions/s/{7,10007}
		luo-hold preserve sessions/s/7 1 memfd,size=16K,data=0:4K+8K:4K,seed=8
		luo-hold preserve sessions/s/10007 1 memfd,size=16K,data=0:4K+8K:4K,seed=9
	END
	vm_jump
	luo_run <<<"$THOUSAND_COMES_BACK"
	count bytes $((980 * 16384))
}

@test "two reboots at once that cannot be: both are told why, and the machine goes on; then one can" {
	expect_kernel_line 'luo: s/1: freeze: ENOENT'
	luo_run <<-'END'
		luo-hold preserve sessions/s/2 1 memfd,size=64K,seed=1
		# It needs a file that is not preserved.
		exec 5<>/dev/liveupdate-test
		luo-hold make memfd,size=4K,fd=6 -- bash -c 'echo fd:6 >&5'
		mkdir sessions/s/1
		echo self:5 >sessions/s/1/fd
	END
	vm_load
	luo_run <<-'END'
		expect $'ENOENT\nENOENT' luo-proc kexec 2
		shows . state=normal
		last_failed 'ENOENT freeze s/1'
		shows sessions/s state=open files=2
		rmdir sessions/s/1
	END
	vm_jump
	luo_run <<-'END'
		luo-hold retrieve incoming/s/2 1 memfd,size=64K,seed=1
		echo 1 >incoming/s/finish
	END
}

@test "two reboots at once of which one is refused: the other one goes, with all there is" {
	expect_kernel_line 'luo: s/1: freeze: EIO'
	luo_run <<-'END'
		mkdir sessions/s
		preserve_devices 1 1
		luo-hold preserve sessions/s/2 1 memfd,size=64K,seed=1
		echo 1 >$TESTDEV/fail_freeze
	END
	vm_load
	vm_spawn 'luo-kexec -n; exec luo-proc kexec 2'
	vm_await_kernel
	luo_run <<-'END'
		luo-hold retrieve incoming/s/2 1 memfd,size=64K,seed=1
		exec 5</dev/null
		echo self:5 >incoming/s/1/fd
		expect 1 cat <&5
		echo 1 >incoming/s/finish
	END
}

@test "a reboot that comes while another is under way waits, and changes nothing" {
	luo_run <<-'END'
		luo-hold preserve sessions/s/% 10 memfd,size=64K,seed=1
	END
	luo_kexec_held <<-'END'
		for again in 'luo-proc kexec 1' 'reboot -f'; do
			$again &>/dev/null &
			until grep -qs "(${again%% *}) D" /proc/[0-9]*/stat; do :; done
		done
		shows . state=frozen
		shows sessions/s state=frozen files=10
	END
	luo_run <<-'END'
		luo-hold retrieve incoming/s/% 10 memfd,size=64K,seed=1
		echo 1 >incoming/s/finish
	END
}

@test "an image that cannot be loaded, or was taken away, leaves all as it is" {
	luo_run <<-'END'
		luo-hold preserve sessions/s/% 10 memfd,size=64K,seed=1
		head -c 1000 /boot/vmlinuz-next >/tmp/short
		head -c 4096 /dev/urandom >/tmp/random
		for image in /tmp/short /tmp/random /dev/null /boot/initrd-next; do
			rc=0
			kexec -s -l $image --reuse-cmdline 2>/dev/null || rc=$?
			((rc))
			expect EINVAL luo-proc kexec 1
		done
		kexec -s -l /boot/vmlinuz-next --reuse-cmdline
		kexec -s -u
		expect EINVAL luo-proc kexec 1
		shows . state=normal last_error=0
		shows sessions/s state=open files=10
		luo-hold preserve sessions/s/10 1 memfd,size=64K,seed=11
	END
	vm_kexec
	luo_run <<-'END'
		luo-hold retrieve incoming/s/% 11 memfd,size=64K,seed=1
		echo 1 >incoming/s/finish
	END
}
