#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# bats file_tags=with-faults
#
# What only some kernels have: a security module that has a say in which files a process may receive, a subsystem that
# links to directories of ours, and 32-bit programs.
# shellcheck disable=SC2016  # what is quoted is for the guest

load lib/common
load lib/luo

DENY='deny=/sys/module/liveupdate_testlsm/parameters/deny'
LINKS='links=/sys/kernel/config/liveupdate-test'

@test "a file that the security module keeps from a process is neither preserved nor retrieved by it" {
	luo_run "$DENY" <<-'END'
		coproc other { exec luo-hold make memfd,size=64K,seed=1,fd=5; }
		read -r _ <&"${other[0]}"
		exec 9</proc/$other_PID
		mkdir sessions/s sessions/s/{1,2}
		echo Y >$deny
		refused EACCES 'echo 9:5 >sessions/s/1/fd'
		# One's own is not received.
		luo_file 6 mine
		echo self:6 >sessions/s/2/fd
		echo N >$deny
		echo 9:5 >sessions/s/1/fd
	END
	vm_kexec
	luo_run "$DENY" <<-'END'
		echo Y >$deny
		exec 5</dev/null
		refused EACCES 'echo self:5 >incoming/s/1/fd'
		luo-ioctl open 'retrieve s' 'fetch 1 25' >/tmp/said || :
		expect $'ok\nok\nEACCES' cat /tmp/said
		shows incoming/s state=preserved retrieved=0
		echo N >$deny
		luo-hold retrieve incoming/s/1 1 memfd,size=64K,seed=1
		echo self:5 >incoming/s/2/fd
		expect mine cat /proc/self/fd/5
		echo 1 >incoming/s/finish
	END
}

@test "what a subsystem links to cannot be removed by rmdir, and outlives what the kernel removes" {
	luo_run "$LINKS" <<-'END'
		mkdir sessions/s
		luo-hold preserve sessions/s/1 1 memfd,size=64K,seed=1
		ln -s $LUO/sessions/s/1 $links/token
		shows $links/token state=preserved
		refused EBUSY 'rmdir sessions/s/1'
		rm $links/token
		# A session of the device's goes with its descriptor.
		coproc device { exec luo-ioctl -; }
		for command in open 'create dev'; do
			echo "$command" >&"${device[1]}"
			read -r said <&"${device[0]}"
			[[ $said == ok ]]
		done
		until [[ -e sessions/dev ]]; do :; done
		ln -s $LUO/sessions/dev $links/session
		exec {device[1]}>&-
		wait $device_PID
		until [[ ! -e sessions/dev ]]; do :; done
		[[ ! -e $links/session ]]
		rm $links/session
	END
	vm_kexec
	luo_run "$LINKS" <<-'END'
		ln -s $LUO/incoming/s $links/session
		ln -s $LUO/incoming/s/1 $links/token
		shows $links/token state=preserved
		luo-hold retrieve incoming/s/1 1 memfd,size=64K,seed=1
		echo 1 >incoming/s/finish
		shows . state=normal
		[[ ! -e incoming/s ]]
		rm $links/token $links/session
	END
}

@test "a 32-bit program uses the device as any other" {
	[[ $ARCH == x86_64 ]] || skip 'a 64-bit program cannot call as a 32-bit one there'
	luo_run <<-'END'
		luo_file 5 hello
		luo-ioctl open compat 'create s' compat name compat 'preserve 5 7' 'run cat sessions/s/files' compat 'preserve 9 8' \
			compat 'raw session nr=0x50 size=8' drop >/tmp/said
		expect "$(printf '%s\n' ok ok ok ok s ok ok 1 ok EBADF ok EINVAL ok)" cat /tmp/said
		luo-hold preserve sessions/dir/1 1 memfd,size=64K,seed=1
	END
	vm_kexec
	luo_run <<-'END'
		luo-ioctl open compat 'retrieve dir' compat 'fetch 1 25' 'run luo-hold check open,fd=25,size=64K,seed=1 >&2' \
			compat finish >/tmp/said
		expect "$(printf '%s\n' ok ok ok ok ok ok ok)" cat /tmp/said
		shows . state=normal
	END
}
