#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# bats file_tags=memory
#
# What is in a memfd, and belongs to it, is in the next kernel what it was when the machine rebooted.

load lib/common
load lib/luo

setup_file() {
	guest_start -m "${VM_MEMORY/512M/1G}"
}

@test "content comes back in files of any size, and the position" {
	luo_survive memfd,size=0 memfd,size=0,pos=5 memfd,size=1,seed=1 memfd,size=4095,seed=2,pos=1 memfd,size=4096,seed=3 \
		memfd,size=4097,seed=4,pos=4097 memfd,size=1234567,seed=5,pos=99999999 memfd,size=3M,seed=6,pos=3M
}

@test "128 MiB come back" {
	luo_survive memfd,size=128M,seed=1
}

@test "seals come back, and no others" {
	luo_survive memfd,size=5000,seed=1,seals=none memfd,size=5000,seed=2,seals=seal memfd,size=5000,seed=3,seals=shrink \
		memfd,size=5000,seed=4,seals=grow memfd,size=5000,seed=5,seals=write memfd,size=5000,seed=6,seals=future_write \
		memfd,size=5000,seed=7,seals=shrink+grow memfd,size=5000,seed=8,seals=seal+shrink+grow+write+future_write \
		memfd,size=0,seals=seal+shrink+grow+write+future_write memfd,size=5000,seed=9,flags=none \
		memfd,size=5000,seed=10,seals=exec+shrink+grow+write+future_write memfd,size=5000,seed=11,flags=noexec \
		memfd,size=5000,seed=12,flags=noexec,seals=exec+grow memfd,size=5000,seed=13,flags=exec+sealing,seals=grow
}

@test "position and seals come back as they are when the machine reboots" {
	luo_run <<-'END'
		mkdir sessions/s sessions/s/1
		luo-hold make memfd,size=5000,seed=1,pos=3,fd=5 -- bash -c '
			echo self:5 >sessions/s/1/fd
			luo-hold make open,fd=5,pos=77,seals=grow+shrink+future_write+seal -- true'
	END
	vm_kexec
	luo_run <<-'END'
		luo-hold retrieve incoming/s/1 1 memfd,size=5000,seed=1,pos=77,seals=grow+shrink+future_write+seal
		echo 1 >incoming/s/finish
	END
}

@test "holes stay holes" {
	luo_survive memfd,size=1M,data=none memfd,size=1M,data=0:4K,seed=1 memfd,size=1M,data=1020K:4K,seed=2 \
		memfd,size=8M,data=4K:4K+12K:8K+2M:64K+5000K:4K,seed=3 memfd,size=1T,data=none \
		memfd,size=1T,data=4K:4K+512G:64K+1073741820K:4K,seed=4 memfd,size=4097,data=4K:1 memfd,size=4099,data=0:4K,seed=5
}

@test "what was allocated and never written comes back as zeros" {
	luo_run <<-'END'
		mkdir sessions/s sessions/s/1
		luo-hold make memfd,size=1M,data=0:64K,seed=1,fd=5 -- bash -c '
			fallocate -o 128K -l 128K /proc/self/fd/5
			echo self:5 >sessions/s/1/fd'
	END
	vm_kexec
	luo_run <<-'END'
		luo-hold make null,fd=5 -- bash -c '
			. luo.bash
			echo self:5 >incoming/s/1/fd
			luo-hold check open,fd=5,size=1M,part=0:64K,seed=1
			luo-hold check open,fd=5,part=64K:960K'
		echo 1 >incoming/s/finish
	END
	assert_output --partial ' blocks=384 '
}

# What a process does to a file that is preserved. Prints what the file is then.
write_when_preserved() {
	luo_run "huge=$1" <<-'END'
		echo $huge >/sys/kernel/mm/transparent_hugepage/shmem_enabled
		mkdir sessions/s sessions/s/1
		luo-hold make memfd,size=32M,data=0:64K+30M:64K,seed=1,fd=5 -- bash -c '
			echo self:5 >sessions/s/1/fd
			luo-hold make open,fd=5,part=8K:8K,seed=2 open,fd=5,part=30M:4K,seed=2,via=mmap \
				open,fd=5,part=1M:4K+5M:64K+8191K:4K,seed=3 \
				open,fd=5,part=3M:4K+9M:3M+16383K:4K,seed=4,via=mmap -- true
			luo-hold check open,fd=5,size=32M,part=none'
	END
}

# The other half of it, in the next kernel.
check_what_was_written() {
	luo_run <<-'END'
		luo-hold make null,fd=5 -- bash -c '
			echo self:5 >incoming/s/1/fd
			luo-hold check open,fd=5,part=0:8K+16K:48K+30724K:60K,seed=1 open,fd=5,part=8K:8K+30M:4K,seed=2 \
				open,fd=5,part=1M:4K+5M:64K+8191K:4K,seed=3 open,fd=5,part=3M:4K+9M:3M+16383K:4K,seed=4 \
				open,fd=5,part=64K:960K+1028K:2044K+3076K:2044K+5184K:3007K+8195K:1021K+12M:4095K+16387K:14333K+30784K:1984K'
		echo 1 >incoming/s/finish
	END
}

@test "what is written to a preserved file comes back, over pages and into holes" {
	write_when_preserved never
	before=$output
	vm_kexec
	check_what_was_written
	assert_line "$before"
}

@test "what is written to a preserved file comes back, with huge pages" {
	write_when_preserved always
	before=$output
	assert_output --partial ' data=0:2097152+'
	vm_kexec
	check_what_was_written
	assert_line "$before"
	vm_run 'echo never >/sys/kernel/mm/transparent_hugepage/shmem_enabled'
}

@test "what is being written into holes while the machine reboots comes back as far as it got" {
	luo_run <<-'END'
		mkdir sessions/s sessions/s/1 sessions/s/2
		for token in 1 2; do
			luo-hold make memfd,size=256M,data=0:4K,fd=5 -- bash -c "
				echo self:5 >sessions/s/$token/fd
				exec luo-hold fill open,fd=5,size=256M,seed=$token" &>/dev/null &
			echo $! >/run/writer$token
			until mark=$(head -c 8 /proc/$!/fd/5 2>/dev/null | od -A n -t d8) && ((mark > 8192)); do :; done
			kill -STOP $!
		done
	END
	# They go on when the reboot begins, and stand at a hole of which nobody is told any more when all is frozen.
	# shellcheck disable=SC2016  # for the guest
	luo_kexec_hold 'kill -CONT $(cat /run/writer{1,2})'
	luo_run <<-'END'
		for token in 1 2; do
			until grep -q '^State:.D' /proc/$(</run/writer$token)/status; do :; done
		done
		# They get no further, while others do.
		marks() { head -qc 8 /proc/$(</run/writer1)/fd/5 /proc/$(</run/writer2)/fd/5 | od -A n -t d8; }
		before=$(marks)
		for i in {1..50}; do
			bash -c :
		done
		expect "$before" marks
	END
	luo_kexec_release
	luo_run <<-'END'
		for token in 1 2; do
			luo-hold make null,fd=5 -- bash -c "
				echo self:5 >incoming/s/$token/fd
				luo-hold filled open,fd=5,seed=$token"
		done
		echo 1 >incoming/s/finish
	END
	# Both were at it, and at a page that was not there.
	for line in "${lines[@]}"; do
		((line > 8192 && line < 256 << 20))
	done
	assert_equal ${#lines[@]} 2
}

@test "an unlinked file on tmpfs comes back" {
	luo_run <<-'END'
		mkdir sessions/s sessions/s/1
		luo_file 5 'what was in it'
		echo self:5 >sessions/s/1/fd
	END
	vm_kexec
	luo_run <<-'END'
		exec {n}</dev/null
		echo self:$n >incoming/s/1/fd
		expect 'what was in it' cat /proc/self/fd/$n
		echo 1 >incoming/s/finish
	END
}

@test "a memfd's name, owner, group and mode come back; a file from tmpfs has no name" {
	luo_run <<-'END'
		mkdir sessions/s sessions/s/{1,2,3}
		luo-hold make memfd,name=a-name,size=4K,seed=1,fd=5 tmpfs,name=other,size=4K,fd=6 \
			memfd,size=4K,flags=noexec,fd=7,name="$(printf '%0249d' 0)" -- bash -c '
			chown 1234:567 /proc/self/fd/5
			chmod 2641 /proc/self/fd/5
			chmod 600 /proc/self/fd/6
			for token in 1 2 3; do
				echo self:$((token + 4)) >sessions/s/$token/fd
			done'
	END
	vm_kexec
	luo_run <<-'END'
		luo-hold make null,fd=5 null,fd=6 null,fd=7 -- bash -c '
			. luo.bash
			for token in 1 2 3; do
				echo self:$((token + 4)) >incoming/s/$token/fd
			done
			expect "/memfd:a-name (deleted) 1234:567 2641" stat -L --printf "$(readlink /proc/self/fd/5) %u:%g %a" /proc/self/fd/5
			expect "/memfd: (deleted) 0:0 600" stat -L --printf "$(readlink /proc/self/fd/6) %u:%g %a" /proc/self/fd/6
			expect "/memfd:$(printf "%0249d" 0) (deleted) 0:0 666" \
				stat -L --printf "$(readlink /proc/self/fd/7) %u:%g %a" /proc/self/fd/7
			echo 1 >incoming/s/finish'
	END
}
