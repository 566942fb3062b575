#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# bats file_tags=with-faults
#
# Who else has a say, on a kernel with such: a security module in which files a process may receive, and a subsystem that
# holds directories of ours by links to them.
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
