#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# bats file_tags=memory
#
# Preserving files by writing PIDFD:FD, on one kernel.

load lib/common
load lib/luo

@test "self:FD preserves a file of the writer's, rmdir unpreserves it" {
	luo_run <<-'END'
		mkdir sessions/s sessions/s/1
		luo_file 5 hello
		echo self:5 >sessions/s/1/fd
		shows sessions/s/1 state=preserved compatible=memfd-v3 size=5
		shows sessions/s state=open files=1
		rmdir sessions/s/1
		shows sessions/s files=0

		mkdir sessions/s/1
		shows sessions/s/1 state=empty compatible= size=
		# Without a newline it is taken too.
		printf self:5 >sessions/s/1/fd
		shows sessions/s/1 state=preserved
		luo_end
	END
}

@test "PIDFD is a directory /proc/PID or a pidfd, of another process or the writer's" {
	luo_run <<-'END'
		coproc other { luo_file 5 hello; echo ready; exec sleep 1000; }
		read -r -u "${other[0]}"
		mkdir sessions/s sessions/s/{1,2,3,4,5,6}
		exec 9</proc/$other_PID
		echo 9:5 >sessions/s/1/fd
		shows sessions/s/1 state=preserved size=5
		rmdir sessions/s/1
		luo-hold make pidfd,pid=$other_PID,fd=12 -- bash -c 'echo 12:5 >sessions/s/2/fd'
		shows sessions/s/2 state=preserved size=5
		kill $other_PID

		luo_file 6 1; luo_file 7 12; luo_file 8 123
		# PIDFD_SELF_THREAD and PIDFD_SELF_THREAD_GROUP
		echo -10000:6 >sessions/s/3/fd
		echo -10001:7 >sessions/s/4/fd
		exec 9</proc/$$
		echo 9:8 >sessions/s/5/fd
		cat sessions/s/{3,4,5}/size
		luo_end
	END
	assert_output $'1\n2\n3'
}

@test "a malformed pair gets EINVAL" {
	luo_run <<-'END'
		mkdir sessions/s sessions/s/1
		luo_file 5
		for pair in '\n' : self self: :5 self:x 5 x:5 'self:5 ' ' self:5' 'self :5' 'self: 5' self:-1 self:+5 self:0x5 \
			self:5:5 self:5,6 'self:5\n\n' 'self:5\r\n' 'self:5\0' 'self\0:5' 'self:5\nself:6' SELF:5 selfx:5 sel:5 \
			-1:5 -10002:5 --10000:5 -:5 self:18446744073709551616 18446744073709551616:5 self:05 05:5 \
			self:99999999999999999999; do
			# The one that is not bash's writes all at once.
			refused EINVAL "env printf '$pair' >sessions/s/1/fd"
		done
		for zeros in 4085 4200; do
			refused EINVAL "printf self:%0${zeros}d 5 | dd bs=8k iflag=fullblock status=none of=sessions/s/1/fd"
		done
		luo_end
	END
}

@test "a number that is no descriptor, or not of a process, gets EBADF" {
	luo_run <<-'END'
		mkdir sessions/s sessions/s/1
		luo_file 5
		for fd in 77 2147483647 2147483648 4294967301 18446744073709551615; do
			refused EBADF "echo self:$fd >sessions/s/1/fd"
			refused EBADF "echo $fd:5 >sessions/s/1/fd"
		done
		refused EBADF 'echo 5:5 >sessions/s/1/fd'
		for dir in /proc /proc/self/task /proc/self/fd /proc/net /; do
			refused EBADF "exec 9<$dir; echo 9:5 >sessions/s/1/fd"
		done
		refused EBADF "luo-hold make path,fd=6 -- bash -c 'echo self:6 >sessions/s/1/fd'"
		refused EBADF "luo-hold make path,path=/proc/self,fd=6 -- bash -c 'echo self:6 >sessions/s/1/fd'"
		luo_end
	END
}

@test "a process that is gone gets ESRCH, waited for or not" {
	luo_run <<-'END'
		mkdir sessions/s sessions/s/1
		coproc parent { idle; echo $pid; exec sleep 1000; }
		read -r -u "${parent[0]}" pid
		exec 9</proc/$pid
		luo-hold make pidfd,fd=12,pid=$pid -- bash -c '
			. luo.bash
			kill $0
			until grep -q "^State:.Z" /proc/$0/status; do :; done
			refused ESRCH "echo 9:1 >sessions/s/1/fd"
			refused ESRCH "echo 12:1 >sessions/s/1/fd"
			kill $1
			until [[ ! -e /proc/$0 ]]; do :; done
			refused ESRCH "echo 9:1 >sessions/s/1/fd"
			refused ESRCH "echo 12:1 >sessions/s/1/fd"' $pid $parent_PID
		luo_end
	END
}

@test "no permission over the process gets EPERM" {
	luo_run <<-'END'
		mkdir sessions/s sessions/s/1
		chmod a+w sessions/s/1/fd
		idle
		refused EPERM "setpriv --reuid 1000 --clear-groups bash -c 'exec 9</proc/$pid; echo 9:0 >sessions/s/1/fd'"
		kill $pid
		luo_end
	END
}

@test "a file of a type that nobody takes gets ENOENT" {
	luo_run <<-'END'
		mkdir sessions/s sessions/s/1
		for type in pipe socket null linked; do
			refused ENOENT "luo-hold make $type,fd=5 -- bash -c 'echo self:5 >sessions/s/1/fd'"
			rm -f /dev/shm/luo-hold
		done
		refused ENOENT 'exec 5</proc; echo self:5 >sessions/s/1/fd'
		refused ENOENT 'exec 5</usr/bin/bash; echo self:5 >sessions/s/1/fd'
		luo_end
	END
}

@test "a file that is not open for reading and writing gets EACCES" {
	luo_run <<-'END'
		mkdir sessions/s sessions/s/1
		for mode in '<' '>'; do
			echo x >/dev/shm/x
			eval "exec 5$mode/dev/shm/x"
			rm /dev/shm/x
			refused EACCES 'echo self:5 >sessions/s/1/fd'
		done
		luo_end
	END
}

@test "a token takes one file, and a file is taken once in whatever session" {
	luo_run <<-'END'
		mkdir sessions/{s,t} sessions/{s,t}/{1,2}
		luo_file 5 a
		luo_file 6 b
		exec 7<>/proc/self/fd/5
		echo self:5 >sessions/s/1/fd
		refused EBUSY 'echo self:6 >sessions/s/1/fd'
		refused EBUSY 'echo self:5 >sessions/s/1/fd'
		for fd in 5 7; do
			refused EBUSY "echo self:$fd >sessions/s/2/fd"
			refused EBUSY "echo self:$fd >sessions/t/1/fd"
		done
		rmdir sessions/s/1
		echo self:7 >sessions/t/1/fd
		shows sessions/t/1 state=preserved
		luo_end
	END
}

@test "a preserved file outlives its process, and rmdir gives its memory back" {
	luo_run <<-'END'
		before=$(mem_free)
		for round in 1 2 3 4; do
			luo-hold preserve sessions/s/1 1 memfd,size=64M,seed=1
			held=$((before - $(mem_free)))
			luo_end
			left=$((before - $(mem_free)))
			echo "MiB held: $held, left: $left"
			# What else happens in the guest is worth a MiB or two.
			((held >= 60 && left <= 4))
		done
	END
}

@test "a preserved file can be written, also into holes, but its size is fixed" {
	luo_run <<-'END'
		mkdir sessions/s sessions/s/1
		luo-hold make memfd,size=1M,data=0:64K,seed=3,fd=5 -- bash -c '
			. luo.bash
			file=/proc/self/fd/5
			echo self:5 >sessions/s/1/fd
			luo-hold check open,fd=5,size=1M,data=0:64K,seed=3
			luo-hold make open,fd=5,data=4K:4K+512K:4K,seed=4 -- luo-hold make open,fd=5,data=768K:4K,seed=4,via=mmap -- \
				luo-hold check open,fd=5,part=4K:4K+512K:4K+768K:4K,seed=4
			luo-hold check open,fd=5,part=0:4K+8K:56K,seed=3
			luo-hold check open,fd=5,part=64K:448K+516K:252K+772K:252K
			for command in "truncate -s 2M" "truncate -s 1K" "fallocate -p -o 0 -l 4K" "fallocate -l 2M"; do
				refused EPERM "$command $file"
			done
			refused EPERM "echo new | dd of=$file bs=1M seek=1 conv=notrunc status=none"
			rmdir sessions/s/1
			truncate -s 2M $file
			luo-hold check open,fd=5,size=2M,part=8K:56K,seed=3'
		luo_end
	END
}

@test "preserving takes no pages for holes" {
	luo_run <<-'END'
		luo-hold preserve sessions/s/1 1 memfd,size=4G,data=64K:64K,seed=3
		shows sessions/s/1 size=4294967296
		luo-hold preserve sessions/s/2 1 memfd,size=1T,data=none
		shows sessions/s/2 size=1099511627776
		luo_end
	END
	assert_output 'fd=3 size=4294967296 pos=0 blocks=128 seals=none data=65536:65536 mode=777
fd=3 size=1099511627776 pos=0 blocks=0 seals=none data=none mode=777'
}

@test "2,000 files of a session are preserved and unpreserved" {
	luo_run <<-'END'
		luo-hold preserve sessions/many/% 2000 memfd,size=4K,seed=5
		shows sessions/many files=2000
		rmdir sessions/many/{1000..1999}
		shows sessions/many files=1000
		luo_end
	END
}

@test "a failing preserve changes nothing, and works when tried again" {
	luo_run <<-'END'
		mkdir sessions/s sessions/s/1
		exec 5<>/dev/liveupdate-test
		echo 1 >$TESTDEV/fail_preserve
		refused EIO 'echo self:5 >sessions/s/1/fd'
		shows $TESTDEV preserved=0
		echo self:5 >sessions/s/1/fd
		shows sessions/s/1 state=preserved compatible=liveupdate-test-v1
		shows $TESTDEV preserved=1
		luo_end
		shows $TESTDEV preserved=0
	END
}
