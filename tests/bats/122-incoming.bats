#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
#
# Sessions in the next kernel: what is shown of them, retrieving, finishing, handing over again.

load lib/common
load lib/luo

# The lines of the documentation, as they are typed into the shell $1; $2 is how it has a number for the file.
typed_into() {
	vm_spawn "luo-kexec -n; $1 <<-'END'
		x=\$(mktemp -p /dev/shm); exec 5<>\"\$x\"; rm \"\$x\"
		echo 'typed into $1' >&5
		cd /sys/kernel/config/liveupdate
		mkdir sessions/vm1 sessions/vm1/42
		echo self:5 > sessions/vm1/42/fd
		kexec -s -l /boot/vmlinuz-next --reuse-cmdline --initrd=/boot/initrd-next && kexec -e
	END"
	vm_await_kernel
	vm_run "$1 <<-'END'
		cd /sys/kernel/config/liveupdate
		cat incoming/vm1/state
		$2
		cat /proc/self/fd/\$n
		echo 1 > incoming/vm1/finish
	END"
	assert_output "preserved
typed into $1"
}

@test "the lines of the documentation work in bash" {
	# shellcheck disable=SC2016
	typed_into bash 'exec {n}</dev/null; echo self:$n > incoming/vm1/42/fd'
}

@test "the lines of the documentation work in dash" {
	typed_into dash 'n=6; exec 6</dev/null; echo self:6 > incoming/vm1/42/fd'
}

@test "the lines of the documentation work in busybox sh" {
	typed_into 'busybox sh' 'n=6; exec 6</dev/null; echo self:6 > incoming/vm1/42/fd'
}

@test "sessions and tokens have the names they had" {
	names="names=(vm1 $(printf %063d 0) 'two words' 'back\\slash' 'a\\x2fb' '\\x2e' '\\x2e.' '\\x0a' '\\x5cx2f' ü '*' ... -x)"
	luo_run "$names" <<-'END'
		mkdir sessions/empty sessions/vm1 sessions/vm1/{7,42}
		for name in "${names[@]}"; do
			for token in 0 1 18446744073709551615; do
				luo-hold preserve "sessions/$name/$token" 1 memfd,size=8,seed=${#token} >/dev/null
			done
		done
		(cd sessions; ls -d -- *)
	END
	before=$output
	vm_kexec
	luo_run "$names" <<-'END'
		(cd incoming; ls -d -- *)
		shows incoming/empty state=retrieved files=0 retrieved=0
		# A token that was empty is not handed over.
		[[ ! -e incoming/vm1/7 && ! -e incoming/vm1/42 ]]
		echo 1 >incoming/empty/finish
		for name in "${names[@]}"; do
			for token in 0 1 18446744073709551615; do
				luo-hold retrieve "incoming/$name/$token" 1 memfd,size=8,seed=${#token} >/dev/null
			done
			shows "incoming/$name" state=retrieved files=3
			echo 1 >"incoming/$name/finish"
		done
	END
	assert_output "$before"
}

@test "an incoming session shows what was retrieved, and is finished when all was" {
	luo_run <<-'END'
		luo-hold preserve sessions/s/1 1 memfd,size=5000,seed=1
		luo-hold preserve sessions/s/2 1 memfd,size=1T,data=none
		mkdir sessions/s/3
		exec 5<>/dev/liveupdate-test
		echo 4711 >&5
		echo self:5 >sessions/s/3/fd
	END
	vm_kexec
	luo_run <<-'END'
		shows . state=updated last_error=0
		expect '' ls -A sessions
		shows incoming/s state=preserved files=3 retrieved=0
		shows incoming/s/1 state=preserved compatible=memfd-v3 size=5000
		shows incoming/s/2 state=preserved compatible=memfd-v3 size=1099511627776
		shows incoming/s/3 state=preserved compatible=liveupdate-test-v1 size=
		expect '444 444 200 200' echo $(stat -c %a incoming/s/{state,1/state,finish,1/fd})
		for command in 'rmdir incoming/s' 'rmdir incoming/s/1' 'mkdir incoming/s/9' 'mkdir incoming/s/1/9'; do
			refused EPERM "$command"
		done
		refused EACCES 'cat incoming/s/finish'
		refused EBUSY 'echo 1 >incoming/s/finish'

		luo-hold retrieve incoming/s/2 1 memfd,size=1T,data=none >/dev/null
		shows incoming/s state=retrieving files=3 retrieved=1
		shows incoming/s/2 state=retrieved size=1099511627776
		refused EBUSY 'echo 1 >incoming/s/finish'

		luo-hold retrieve incoming/s/1 1 memfd,size=5000,seed=1 >/dev/null
		exec 5</dev/null
		echo self:5 >incoming/s/3/fd
		expect 4711 cat <&5
		shows incoming/s state=retrieved files=3 retrieved=3
		shows . state=updated
		for word in '' 0 2 11 1x discar discards Discard '1 ' ' 1' finish -1 '1\n1' '1\n\n' '1\0' 'discard 1'; do
			refused EINVAL "env printf '$word\n' >incoming/s/finish"
		done

		exec 6<incoming/s/state 7>incoming/s/finish 8>incoming/s/1/fd
		echo 1 >&7
		shows . state=normal
		expect '' ls -A incoming
		# Files that were opened before are of no use any more.
		refused ENOENT 'cat <&6'
		refused ENOENT 'echo 1 >&7'
		refused ENOENT 'echo self:5 >&8'
		echo 42 >&5
	END
}

@test "each retrieve gives the same open file, in whatever process" {
	luo_run <<-'END'
		luo-hold preserve sessions/s/1 1 memfd,size=5000,seed=1
	END
	vm_kexec
	luo_run <<-'END'
		exec 5</dev/null 6</dev/null
		echo self:5 >incoming/s/1/fd
		echo self:6 >incoming/s/1/fd
		echo self:6 >incoming/s/1/fd
		shows incoming/s state=retrieved retrieved=1
		coproc other {
			exec 5<&- 6<&- 7</dev/null
			echo self:7 >incoming/s/1/fd
			stat -Lc %i /proc/self/fd/7
			luo-hold make open,fd=7,pos=99 -- true
			exec sleep 1000
		}
		read -r -u "${other[0]}" inode
		expect $inode stat -Lc %i /proc/self/fd/5
		expect $inode stat -Lc %i /proc/self/fd/6
		luo-hold check open,fd=5,size=5000,seed=1,pos=99
		echo 1 >incoming/s/finish
		# It is an ordinary file now, and stays as long as it is open.
		luo-hold check open,fd=6,size=5000,seed=1,pos=99
		shows . state=normal
		kill $other_PID
	END
}

@test "the number to retrieve into is as dup2(2) takes it" {
	luo_run <<-'END'
		luo-hold preserve sessions/s/1 1 memfd,size=5000,seed=1
	END
	vm_kexec
	luo_run <<-'END'
		idle
		exec 9</proc/$pid 5</dev/null
		refused EOPNOTSUPP 'echo 9:5 >incoming/s/1/fd'
		luo-hold make pidfd,pid=$pid,fd=12 -- bash -c '. luo.bash; refused EOPNOTSUPP "echo 12:5 >incoming/s/1/fd"'
		kill $pid
		for pair in self 5 self: self:x :5 self:05 'self:5 ' self:-1 self:5:5; do
			refused EINVAL "echo '$pair' >incoming/s/1/fd"
		done
		refused EBADF 'echo 5:5 >incoming/s/1/fd'
		refused EBADF 'echo 77:5 >incoming/s/1/fd'
		ulimit -Sn 100
		for fd in 100 4294967301 2147483647 18446744073709551615; do
			refused EBADF "echo self:$fd >incoming/s/1/fd"
		done
		shows incoming/s/1 state=preserved

		# One that was not open, the last there is
		echo self:99 >incoming/s/1/fd
		luo-hold check open,fd=99,size=5000,seed=1
		# One that was open
		echo self:5 >incoming/s/1/fd
		luo-hold check open,fd=5,size=5000,seed=1
		# The process by its /proc directory, too
		exec 9</proc/$$ 6</dev/null
		echo 9:6 >incoming/s/1/fd
		luo-hold check open,fd=6,size=5000,seed=1
		echo 1 >incoming/s/finish
	END
}

@test "finish leaves memory to those who have a file open, discard gives back what nobody has" {
	luo_run <<-'END'
		for session in finished discarded; do
			luo-hold preserve sessions/$session/1 1 memfd,size=32M,seed=1
			luo-hold preserve sessions/$session/2 1 memfd,size=32M,seed=2
		done
	END
	vm_kexec
	luo_run <<-'END'
		shows . state=updated
		# changed MIB: so much more is free than last time, but for what else happens in the guest.
		changed() {
			local now=$(mem_free)
			echo "free: $now MiB, was $free"
			((now - free > $1 - 3 && now - free < $1 + 3))
			free=$now
		}
		free=$(mem_free)
		exec 5</dev/null 6</dev/null 7</dev/null
		echo self:5 >incoming/finished/1/fd
		echo self:6 >incoming/finished/2/fd
		echo self:7 >incoming/discarded/2/fd
		changed 0
		luo-hold check open,fd=5,size=32M,seed=1 open,fd=6,size=32M,seed=2 open,fd=7,size=32M,seed=2
		exec 6<&-
		changed 0
		echo 1 >incoming/finished/finish
		changed 32
		exec 5<&-
		changed 32
		refused EBUSY 'echo 1 >incoming/discarded/finish'
		echo discard >incoming/discarded/finish
		changed 32
		luo-hold check open,fd=7,size=32M,seed=2
		exec 7<&-
		changed 32
		shows . state=normal
		expect '' ls -A incoming
	END
}

@test "a retrieved file can be preserved when its session is finished" {
	luo_run <<-'END'
		luo-hold preserve sessions/s/1 1 memfd,size=5000,seed=1
	END
	vm_kexec
	luo_run <<-'END'
		exec 5</dev/null
		echo self:5 >incoming/s/1/fd
		# Outgoing sessions have names of their own.
		mkdir sessions/s sessions/s/1
		refused EBUSY 'echo self:5 >sessions/s/1/fd'
		echo 1 >incoming/s/finish
		echo self:5 >sessions/s/1/fd
		shows sessions/s/1 state=preserved size=5000
		luo_end
	END
}

@test "the same data goes through three kexecs in a row, and a kexec without any begins anew" {
	# Other tests have made kexecs.
	vm_kexec
	luo_run <<-'END'
		shows . number=0
		luo-hold preserve sessions/s/1 1 memfd,size=3M,data=4K:1M+2M:8K,seed=1,pos=7,seals=grow
		mkdir sessions/s/2
		luo_file 5 0
		echo self:5 >sessions/s/2/fd
	END
	for number in 1 2 3; do
		vm_kexec
		luo_run "number=$number" <<-'END'
			shows . state=updated number=$number last_error=0
			exec 5</dev/null 6</dev/null
			echo self:5 >incoming/s/1/fd
			echo self:6 >incoming/s/2/fd
			echo 1 >incoming/s/finish
			luo-hold check open,fd=5,size=3M,data=4K:1M+2M:8K,seed=1,pos=7,seals=grow
			expect $((number - 1)) cat /proc/self/fd/6
			echo $number >/proc/self/fd/6
			mkdir sessions/s sessions/s/{1,2}
			echo self:5 >sessions/s/1/fd
			echo self:6 >sessions/s/2/fd
			((number < 3)) || luo_end
		END
	done
	vm_kexec
	luo_run <<-'END'
		shows . state=normal number=0 last_error=0
		expect '' ls -A incoming
	END
}
