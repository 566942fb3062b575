#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# bats file_tags=memory
#
# Hand-over formats: choosing one, at any time, and going from one to the other.

load lib/common
load lib/luo

@test "a format is chosen by its name, and by nothing else" {
	luo_run <<-'END'
		shows . abi='[luo-v1] luo-v5'
		echo luo-v5 >abi
		shows . abi='luo-v1 [luo-v5]'
		printf luo-v1 >abi
		shows . abi='[luo-v1] luo-v5'
		for name in luo-v9 luo-v 'luo-v5 ' ' luo-v5' '[luo-v5]' 'luo-v1 luo-v5' 5 $'\n' 'luo-v5\0'; do
			refused EINVAL "printf '$name' >abi"
		done
		idle
		exec 9</proc/$pid
		echo 9 >owner
		refused EBUSY 'echo luo-v5 >abi'
		kill $pid
	END
}

@test "the kernel's command line says which format to begin with" {
	guest_stop
	guest_start -a liveupdate.abi=luo-v5
	luo_run <<-'END'
		shows . abi='luo-v1 [luo-v5]'
	END
	guest_stop
	guest_start -a liveupdate.abi=luo-v9
	luo_run <<-'END'
		shows . abi='[luo-v1] luo-v5'
	END
}

@test "what is preserved goes along from one format to the other, and back" {
	luo_run <<-'END'
		luo-hold preserve sessions/s/1 1 memfd,size=1M,seed=1
		mkdir sessions/empty sessions/t
		shows sessions/s/1 compatible=memfd-v3
		echo luo-v5 >abi
		luo-hold preserve sessions/s/2 1 memfd,size=1M,seed=2
		shows sessions/s/1 compatible=memfd-v2
		shows sessions/s/2 compatible=memfd-v2
		mkdir sessions/late
		expect $'empty\nlate\ns\nt' ls sessions
	END
	vm_kexec
	luo_run <<-'END'
		shows . abi='[luo-v1] luo-v5' number=1 last_error=0
		expect $'empty\nlate\ns\nt' ls incoming
		shows incoming/s files=2
		# Carried on, in both formats, after going to and fro.
		echo luo-v5 >abi
		luo-hold preserve sessions/u/1 1 memfd,size=1M,seed=3
		echo luo-v1 >abi
		shows sessions/u/1 compatible=memfd-v3
		luo-hold preserve sessions/u/2 1 memfd,size=1M,seed=4
		rmdir sessions/u/1
	END
	vm_kexec
	luo_run <<-'END'
		shows . number=2
		luo-hold retrieve incoming/s/1 1 memfd,size=1M,seed=1
		luo-hold retrieve incoming/s/2 1 memfd,size=1M,seed=2
		luo-hold retrieve incoming/u/2 1 memfd,size=1M,seed=4
		flb_counts
		for finish in incoming/*/finish; do
			echo 1 >$finish
		done
		flb_changed 0 0 1 1
		shows . state=normal
	END
}

@test "many sessions and files come back in luo-v5, abandoned ones do not" {
	luo_run <<-'END'
		echo luo-v5 >abi
		luo-hold preserve sessions/s%/1 120 memfd,size=8,seed=1 >/dev/null
		luo-hold preserve sessions/many/% 300 memfd,size=8,seed=1 >/dev/null
		mkdir sessions/gone{1..60}
		for session in sessions/gone*; do
			bash -c "echo self >$session/owner"
		done
		until [[ $(cat sessions/gone*/state | sort -u) == abandoned ]]; do :; done
	END
	vm_kexec
	luo_run <<-'END'
		shows . last_error=0
		expect 121 bash -c 'ls incoming | wc -l'
		shows incoming/many files=300
		luo-hold retrieve incoming/s%/1 120 memfd,size=8,seed=1 >/dev/null
		luo-hold retrieve incoming/many/% 300 memfd,size=8,seed=1 >/dev/null
		for finish in incoming/*/finish; do
			echo 1 >$finish
		done
		shows . state=normal
	END
}

@test "a file that is all of it a hole goes in luo-v5, too" {
	luo_run <<-'END'
		echo luo-v5 >abi
		luo-hold preserve sessions/s/1 1 memfd,size=1G,data=none
	END
	vm_kexec
	luo_run <<-'END'
		luo-hold retrieve incoming/s/1 1 memfd,size=1G,data=none
		echo 1 >incoming/s/finish
	END
}

@test "in luo-v5 a file has the mode that its seals say, and none becomes executable" {
	vm_run "echo luo-v5 >$LUO/abi"
	luo_survive memfd,size=5000,seed=1 memfd,size=5000,seed=2,flags=noexec \
		memfd,size=5000,seed=3,flags=noexec,seals=exec+shrink+grow+write+future_write
	# shellcheck disable=SC2154  # vm_run sets output
	[[ $output == *mode=777*mode=666*mode=666* ]]
}

@test "a preserved file that was given a name goes along from one format to the other" {
	luo_run <<-'END'
		mkdir sessions/s sessions/s/1
		luo-hold make tmpfile,size=64K,seed=1,fd=5 -- bash -c '. luo.bash
			echo self:5 >sessions/s/1/fd
			ln -L /proc/self/fd/5 /dev/shm/name
			expect 1 stat -L -c %h /proc/self/fd/5
			echo luo-v5 >abi
			shows sessions/s/1 compatible=memfd-v2
			echo luo-v1 >abi
			shows sessions/s/1 compatible=memfd-v3'
	END
	vm_kexec
	luo_run <<-'END'
		luo-hold retrieve incoming/s/1 1 memfd,size=64K,seed=1
		echo 1 >incoming/s/finish
	END
}

@test "choosing a format takes what it needs, and gives it back" {
	luo_run <<-'END'
		mkdir sessions/s
		luo-hold preserve sessions/s/% 100 memfd,size=8,seed=1 >/dev/null
		echo luo-v5 >abi
		expect luo-v5 bash -c 'head -c 6 /sys/kernel/debug/kho/out/sub_fdts/LUO'
		echo luo-v1 >abi
		expect d00dfeed bash -c 'head -c 4 /sys/kernel/debug/kho/out/sub_fdts/LUO | od -A n -t x1 | tr -d " "'
		luo_end
		[[ ! -e /sys/kernel/debug/kho/out/sub_fdts/LUO ]]
	END
}
