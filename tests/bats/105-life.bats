#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# bats file_tags=memory
#
# All that happens to a session, from its making to its end, in the few kexecs that this takes: for kernels that are
# slow, and look closely.

load lib/common
load lib/luo

@test "files are preserved, frozen in vain, handed over, retrieved, carried, retrieved and finished" {
	expect_kernel_line 'luo: s/3: freeze: EIO'
	luo_run <<-'END'
		luo-hold preserve sessions/a/1 1 memfd,size=4M,seed=1
		luo-hold preserve sessions/a/2 1 memfd,size=1T,data=4K:64K+1G:8K,seed=2
		luo-hold preserve sessions/b/1 1 tmpfs,size=64K,seed=3
		mkdir sessions/s sessions/gone
		preserve_devices 3 5
		luo-hold preserve sessions/gone/1 1 memfd,size=1M,seed=4
		rmdir sessions/gone/1 sessions/gone
		echo 1 >$TESTDEV/fail_freeze
	END
	vm_kexec_fails
	luo_run <<-'END'
		last_failed 'EIO freeze s/3'
		shows . state=normal
	END
	vm_kexec
	luo_run <<-'END'
		shows . state=updated last_error=0
		luo-hold retrieve incoming/a/1 1 memfd,size=4M,seed=1
		exec 5</dev/null
		echo self:5 >incoming/s/4/fd
		expect 4 cat <&5
	END
	vm_kexec
	luo_run <<-'END'
		shows incoming/a state=preserved files=2 retrieved=0
		luo-hold retrieve incoming/a/1 1 memfd,size=4M,seed=1
		luo-hold retrieve incoming/a/2 1 memfd,size=1T,data=4K:64K+1G:8K,seed=2
		luo-hold retrieve incoming/b/1 1 tmpfs,size=64K,seed=3
		exec 5</dev/null
		for token in {3..5}; do
			echo self:5 >incoming/s/$token/fd
			expect $token cat <&5
		done
		for session in a b s; do
			echo 1 >incoming/$session/finish
		done
		shows . state=normal
	END
}
