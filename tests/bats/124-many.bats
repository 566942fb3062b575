#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# bats file_tags=memory
#
# Many sessions, many files.

load lib/common
load lib/luo

@test "500 sessions come back" {
	luo_run <<-'END'
		luo-hold preserve sessions/s%/7 500 memfd,size=8K,seed=1
	END
	vm_kexec
	luo_run <<-'END'
		shows . state=updated
		expect 500 bash -c 'ls incoming | wc -l'
		luo-hold retrieve incoming/s%/7 500 memfd,size=8K,seed=1
		for finish in incoming/*/finish; do
			echo 1 >$finish
		done
		shows . state=normal
		expect '' ls -A incoming
	END
}

@test "2,000 files of a session come back" {
	luo_run <<-'END'
		luo-hold preserve sessions/s/% 2000 memfd,size=12K,data=0:4K+8K:4K,seed=1
	END
	vm_kexec
	luo_run <<-'END'
		shows incoming/s state=preserved files=2000 retrieved=0
		luo-hold retrieve incoming/s/% 2000 memfd,size=12K,data=0:4K+8K:4K,seed=1
		shows incoming/s state=retrieved files=2000 retrieved=2000
		echo 1 >incoming/s/finish
		shows . state=normal
	END
}

@test "what many sessions and files took is given back when they are discarded" {
	luo_run <<-'END'
		luo-hold preserve sessions/s%/1 200 memfd,size=64K,seed=1
		luo-hold preserve sessions/many/% 500 memfd,size=64K,seed=1
	END
	vm_kexec
	luo_run <<-'END'
		shows . state=updated
		before=$(mem_free)
		for finish in incoming/*/finish; do
			echo discard >$finish
		done
		shows . state=normal
		((gained = $(mem_free) - before))
		# 700 * 64 KiB and what told of them
		echo "MiB given back: $gained"
		((gained >= 43 && gained < 60))
	END
}
