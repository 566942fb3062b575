#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
#
# Sessions and tokens as directories, on one kernel.

load lib/common
load lib/luo

@test "what a machine shows that has no session" {
	luo_run <<-'END'
		shows . state=normal number=0 last_error=0
		expect $'hugetlb-v1 preserves\nliveupdate-test-v1 preserves\nmemfd-v2\nmemfd-v3 preserves\nmemfd-v4 preserves\ntmpfs-v1 preserves' sort handlers
		expect '' ls -A sessions
		expect '' ls -A incoming
	END
}

@test "modes let everybody read what may be read, and root alone write" {
	luo_run <<-'END'
		mkdir sessions/s sessions/s/1
		find . -type f -printf '%m %P\n' | sort -k 2
		[[ -z $(find . ! -user 0) ]]
		luo_end
	END
	assert_output '644 abi
644 freeze_timeout_ms
444 handlers
444 last_error
444 lost
444 number
644 on_error
644 owner
644 prepare
444 sessions/s/1/compatible
200 sessions/s/1/fd
644 sessions/s/1/label
444 sessions/s/1/size
444 sessions/s/1/state
444 sessions/s/files
644 sessions/s/label
444 sessions/s/last_error
644 sessions/s/limit
644 sessions/s/owner
644 sessions/s/prepare
444 sessions/s/state
444 state
444 timeline'
}

@test "a session and a token come and go" {
	luo_run <<-'END'
		mkdir sessions/vm1
		shows sessions/vm1 state=open files=0
		mkdir sessions/vm1/42
		shows sessions/vm1/42 state=empty compatible= size=
		shows sessions/vm1 state=open files=0
		rmdir sessions/vm1/42 sessions/vm1
		expect '' ls -A sessions
	END
}

@test "a session's name has 1 to 63 bytes" {
	luo_run <<-'END'
		slashes=$(printf '\\x2f%.0s' {1..63})
		for name in s $(printf %063d 0) "$slashes"; do
			mkdir sessions/$name
			rmdir sessions/$name
		done
		refused ENAMETOOLONG 'mkdir sessions/$(printf %064d 0)'
		refused ENAMETOOLONG 'mkdir sessions/$(printf %0255d 0)'
		refused ENAMETOOLONG 'mkdir sessions/${slashes%?2f}00'
	END
}

@test "a session's name has bytes of any kind" {
	luo_run <<-'END'
		for name in a.b ... .a 'two words' ü 'foo\x2dbar' '\' '\x' '\x2' '\x2F' $'\377' -x %s%n '*'; do
			mkdir -- "sessions/$name"
			rmdir -- "sessions/$name"
		done
	END
}

@test "a name that no directory can have is written escaped, and in one way only" {
	luo_run <<-'END'
		for name in 'a\x2fb' '\x2e' '\x2e.' '\x0a' '\x7f' '\x5cx2f'; do
			mkdir "sessions/$name"
			rmdir "sessions/$name"
		done
		for name in 'a\x2eb' '\x00' 'x\x5cy' '\x2e\x2e' '.\x2e' 'a.\x2e' $'\n' $'a\001'; do
			refused EINVAL "mkdir 'sessions/$name'"
		done
	END
}

@test "a name, and a token in a session, are there once" {
	luo_run <<-'END'
		mkdir sessions/{s,t} sessions/{s,t}/7
		refused EEXIST 'mkdir sessions/s'
		refused EEXIST 'mkdir sessions/s/7'
		refused EEXIST 'mkdir sessions/s/state'
		luo_end
	END
}

@test "a token is a number up to 2^64 - 1 in canonical decimal" {
	luo_run <<-'END'
		mkdir sessions/s
		for token in 0 1 42 18446744073709551615; do
			mkdir sessions/s/$token
			rmdir sessions/s/$token
		done
		for token in 18446744073709551616 184467440737095516150 99999999999999999999 042 00 0x2a +1 -1 1a a \
			'1 ' ' 1' 1.0 1e3 fd $'1\n'; do
			refused EINVAL "mkdir 'sessions/s/$token'"
		done
		luo_end
	END
}

@test "a session with tokens cannot be removed" {
	luo_run <<-'END'
		mkdir sessions/s sessions/s/1
		refused ENOTEMPTY 'rmdir sessions/s'
		luo_end
	END
}

@test "what is the kernel's cannot be made, removed or written" {
	luo_run <<-'END'
		mkdir sessions/s sessions/s/1
		for command in 'mkdir incoming/x' 'mkdir x' 'mkdir sessions/s/1/2' 'rmdir incoming' 'rmdir sessions' \
			'rm state' 'mv sessions/s sessions/t'; do
			refused EPERM "$command"
		done
		for file in state number handlers last_error sessions/s/{state,files,last_error} sessions/s/1/{state,compatible,size}; do
			refused EACCES "echo x >$file"
		done
		refused EACCES 'cat sessions/s/1/fd'
		luo_end
	END
}

@test "500 sessions with a token each come and go" {
	luo_run <<-'END'
		mkdir sessions/s{1..500} sessions/s{1..500}/1
		expect 500 bash -c 'ls sessions | wc -l'
		rmdir sessions/s{1..500}/1 sessions/s{1..500}
	END
}

@test "KHO is told of live update only while there is a session" {
	luo_run <<-'END'
		entry=/sys/kernel/debug/kho/out/sub_fdts/LUO
		[[ ! -e $entry ]]
		mkdir sessions/s
		[[ -e $entry ]]
		luo_end
		[[ ! -e $entry ]]
	END
}
