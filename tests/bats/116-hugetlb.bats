#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# bats file_tags=memory
#
# Files of huge pages come back as memfds do, with each page where it was, and the pools, which know of no file, are what
# was asked for at every step. A pool is told of as: pages, free, reserved, surplus.

load lib/common
load lib/luo

setup_file() {
	guest_start -m "${VM_MEMORY/512M/1G}"
	vm_run 'cat /proc/cmdline'
	echo "$output" >"$VM_DIR/cmdline"
}

# kexec_with ARGUMENT: replace the kernel by one with this on its command line, too.
kexec_with() {
	vm_kexec "$(<"$VM_DIR/cmdline") ${1-}"
}

# preserve_pages COUNT [POOL]: a file of so many pages of 2 MiB, from a pool of POOL (20), under s/1.
preserve_pages() {
	luo_run "count=$1 pool=${2-20}" <<-'END'
		pool_has 2048 $pool
		luo-hold preserve sessions/s/1 1 memfd,flags=2M+sealing,size=$((count * 2))M,seed=1,via=mmap
		expect "$pool $((pool - count)) 0 0" pool
	END
}

# pages_back COUNT BEFORE AFTER: and back, the pool being what it is before, with the file, and when that is closed.
pages_back() {
	luo_run "count=$1 before=${2@Q} after=${3@Q}" <<-'END'
		expect "$before" pool
		luo-hold make null,fd=5 -- bash -c '. luo.bash
			echo self:5 >incoming/s/1/fd
			expect "$2" pool
			luo-hold check open,fd=5,size=$(($1 * 2))M,seed=1
			luo-hold check open,fd=5,seed=1,via=mmap
			echo 1 >incoming/s/finish
			expect "$2" pool' bash "$count" "$before"
		expect "$after" pool
	END
}

# Before any kexec: afterwards the root lies in scratch memory, and leaves no huge page free there.
@test "a page that lies in scratch is moved out of it" {
	luo_run -t $((4 * VM_SECONDS)) <<-'END'
		# Only when most of what is free is scratch memory is anything allocated there.
		pool_has 2048 350
		luo-hold make memfd,flags=2M,size=700M,fd=5 -- bash -c '. luo.bash
			fallocate -l 700M /proc/self/fd/5
			page=$(scratch_page 5)
			[[ -n $page ]]
			at=$((page / 512 * 2))
			((at == 0)) || fallocate -p -l ${at}M /proc/self/fd/5
			((at == 698)) || fallocate -p -o $((at + 2))M -l $((698 - at))M /proc/self/fd/5
			expect "350 349 0 0" pool
			expect 0 scratch_page 5 ${at}M:2M
			luo-hold make open,fd=5,part=${at}M:2M,seed=1,via=mmap -- true
			mkdir -p sessions/s/1
			echo self:5 >sessions/s/1/fd
			expect "" scratch_page 5 ${at}M:2M
			expect "350 349 0 0" pool
			luo-hold check open,fd=5,part=${at}M:2M,seed=1 >/dev/null
			echo $at'
	END
	local at=$output
	vm_kexec
	luo_run "at=$at" <<-'END'
		expect "1 0 0 1" pool
		luo-hold retrieve incoming/s/1 1 memfd,size=700M,part=${at}M:2M,seed=1
		echo 1 >incoming/s/finish
		expect "0 0 0 0" pool
	END
}

@test "content, position, seals, and mode come back, also beside files of small pages" {
	luo_run <<<'pool_has 2048 20'
	luo_survive memfd,flags=2M+sealing,size=8M,seed=1,via=mmap memfd,size=3M,seed=2 \
		memfd,flags=2M+sealing,size=0 memfd,flags=2M+sealing,size=2M,seed=3,via=mmap,pos=5,seals=grow+shrink \
		memfd,flags=2M+noexec,size=2M,seed=4,via=mmap,seals=exec+seal memfd,flags=2M,size=4M,seed=5,via=mmap,append=1
	luo_run <<<'expect "0 0 0 0" pool'
}

@test "holes stay holes" {
	luo_run <<-'END'
		pool_has 2048 20
		luo-hold preserve sessions/s/1 1 memfd,flags=2M,size=1T,part=4M:2M+512G:4M,seed=1,via=mmap
		expect "20 17 0 0" pool
	END
	assert_output --partial ' blocks=12288 '
	vm_kexec
	luo_run <<-'END'
		luo-hold make null,fd=5 -- bash -c '. luo.bash
			echo self:5 >incoming/s/1/fd
			luo-hold check open,fd=5,size=1T,part=4M:2M+512G:4M,seed=1
			luo-hold check open,fd=5,part=0:4M+6M:2M+524284M:4M
			expect "3 0 0 3" pool
			echo 1 >incoming/s/finish'
		expect "0 0 0 0" pool
	END
	assert_output --partial ' blocks=12288 '
}

@test "pages stay where they are, over two kexecs, with the file carried on by the second" {
	preserve_pages 5
	vm_kexec
	luo_run <<<'shows incoming/s/1 compatible=hugetlb-v1 state=preserved size=10485760; expect "5 0 0 5" pool'
	vm_kexec
	pages_back 5 '5 0 0 5' '0 0 0 0'
}

@test "a file that was retrieved is preserved again" {
	luo_run <<-'END'
		pool_has 2048 5
		luo-hold make memfd,flags=2M,size=10M,seed=1,via=mmap,fd=5 -- bash -c '. luo.bash
			mkdir -p sessions/s/1
			luo-hold frames open,fd=5 | sha256sum
			echo self:5 >sessions/s/1/fd'
	END
	local frames=$output
	vm_kexec
	luo_run <<-'END'
		luo-hold make null,fd=5 -- bash -c '. luo.bash
			echo self:5 >incoming/s/1/fd
			luo-hold frames open,fd=5 | sha256sum
			echo 1 >incoming/s/finish
			cat state >/dev/null
			mkdir -p sessions/s/1
			echo self:5 >sessions/s/1/fd'
		expect "5 0 0 5" pool
	END
	assert_output "$frames"
	vm_kexec
	pages_back 5 '5 0 0 5' '0 0 0 0'
}

@test "the pool of the next kernel is what was asked for including the pages that came" {
	local arguments before after
	while read -r arguments before after; do
		preserve_pages 5
		kexec_with "${arguments//+/ }"
		pages_back 5 "${before//,/ }" "${after//,/ }"
	done <<-'END'
		hugepages=20 20,15,0,0 20,20,0,0
		hugepages=5 5,0,0,0 5,5,0,0
		hugepages=3 5,0,0,2 3,3,0,0
		hugepages=0 5,0,0,5 0,0,0,0
		hugepagesz=2M+hugepages=7 7,2,0,0 7,7,0,0
		hugepages=0:8 8,3,0,0 8,8,0,0
		hugepages=0:2 5,0,0,3 2,2,0,0
		default_hugepagesz=2M+hugepages=6 6,1,0,0 6,6,0,0
	END
}

@test "a file that nobody retrieves and that is given up leaves its pages to the pool, or gives away what is surplus" {
	local arguments before after
	while read -r arguments before after; do
		preserve_pages 5
		kexec_with "$arguments"
		luo_run "before='${before//,/ }' after='${after//,/ }'" <<-'END'
			expect "$before" pool
			echo discard >incoming/s/finish
			expect "$after" pool
			# What is in the pool can be had, and is zeroed.
			luo-hold make memfd,flags=2M,size=$((2 * ${after%% *}))M,fd=5 -- luo-hold check open,fd=5,via=mmap
		END
	done <<-'END'
		hugepages=20 20,15,0,0 20,20,0,0
		hugepages=3 5,0,0,2 3,3,0,0
		hugepages=0 5,0,0,5 0,0,0,0
	END
}

@test "a pool is resized while a file is preserved, and while it waits to be retrieved" {
	preserve_pages 5
	luo_run <<-'END'
		for step in "0 5,0,0,5" "12 12,7,0,0" "3 5,0,0,2"; do
			echo ${step% *} >/proc/sys/vm/nr_hugepages
			want=${step#* }
			expect "${want//,/ }" pool
		done
	END
	vm_kexec
	luo_run <<-'END'
		for step in "8 8,3,0,0" "0 5,0,0,5" "6 6,1,0,0"; do
			echo ${step% *} >/proc/sys/vm/nr_hugepages
			want=${step#* }
			expect "${want//,/ }" pool
		done
	END
	pages_back 5 '6 1 0 0' '6 6 0 0'
}

@test "what is put into holes of a preserved file comes back, and nothing can be taken out" {
	luo_run <<-'END'
		pool_has 2048 20
		mkdir -p sessions/s/1
		luo-hold make memfd,flags=2M+sealing,size=20M,part=0:2M,seed=1,via=mmap,fd=5 -- bash -c '. luo.bash
			echo self:5 >sessions/s/1/fd
			refused EPERM "truncate -s 2M /proc/self/fd/5"
			refused EPERM "truncate -s 22M /proc/self/fd/5"
			refused EPERM "fallocate -l 8M /proc/self/fd/5"
			refused EPERM "fallocate -p -l 2M /proc/self/fd/5"
			refused EBUSY "luo-hold make open,fd=5,seals=write -- true"
			expect "20 19 0 0" pool
			luo-hold make open,fd=5,part=4M:4M+18M:2M,seed=2,via=mmap open,fd=5,part=0:2M,seed=3,via=mmap -- true
			luo-hold make open,fd=5,part=10M:2M,seed=4,via=uffd -- true
			expect "20 15 0 0" pool'
	END
	vm_kexec
	luo_run <<-'END'
		expect "5 0 0 5" pool
		luo-hold make null,fd=5 -- bash -c '. luo.bash
			echo self:5 >incoming/s/1/fd
			luo-hold check open,fd=5,size=20M,part=4M:4M+18M:2M,seed=2 open,fd=5,part=0:2M,seed=3 open,fd=5,part=10M:2M,seed=4 \
				open,fd=5,part=2M:2M+8M:2M+12M:6M
			# It is a file as any again.
			fallocate -p -o 4M -l 2M /proc/self/fd/5
			expect "4 0 0 4" pool
			truncate -s 4M /proc/self/fd/5
			expect "1 0 0 1" pool
			echo 1 >incoming/s/finish'
		expect "0 0 0 0" pool
	END
}

@test "a file that is unpreserved can be changed, and its pages go" {
	luo_run <<-'END'
		pool_has 2048 10
		mkdir -p sessions/s/1
		luo-hold make memfd,flags=2M+sealing,size=8M,part=0:4M,seed=1,via=mmap,fd=5 -- bash -c '. luo.bash
			echo self:5 >sessions/s/1/fd
			luo-hold make open,fd=5,part=4M:2M,seed=1,via=mmap -- true
			rmdir sessions/s/1
			expect "10 7 0 0" pool
			fallocate -p -l 2M /proc/self/fd/5
			expect "10 8 0 0" pool
			luo-hold make open,fd=5,seals=write -- true'
		expect "10 10 0 0" pool
		rmdir sessions/s
		pool_has 2048 0
	END
	vm_kexec
	luo_run <<<'expect "0 0 0 0" pool'
}

@test "the process that retrieves a file is charged, and nobody else" {
	expect_kernel_line 'luo: s/1: retrieve: ENOMEM'
	luo_run <<-'END'
		pool_has 2048 8
		luo-hold preserve sessions/s/1 1 memfd,flags=2M,size=8M,seed=1,via=mmap
	END
	vm_kexec
	luo_run <<-'END'
		mount -o remount,memory_hugetlb_accounting /sys/fs/cgroup
		echo +memory +hugetlb >/sys/fs/cgroup/cgroup.subtree_control
		mkdir $group
		usage() {
			paste -d " " $group/hugetlb.2MB{,.rsvd}.current
		}
		expect "0 0" usage
		# A limit keeps all of it away, and can be raised.
		for limit in hugetlb.2MB hugetlb.2MB.rsvd; do
			echo 6M >$group/$limit.max
			fails ENOMEM "in_group luo-hold retrieve incoming/s/1 1 memfd,size=8M,seed=1"
			expect "0 0" usage
			expect "4 0 0 4" pool
			echo max >$group/$limit.max
		done
		echo 6M >$group/memory.max
		fails ENOMEM "in_group luo-hold retrieve incoming/s/1 1 memfd,size=8M,seed=1"
		expect "0 0" usage
		echo max >$group/memory.max
		before=$(<$group/memory.current)
		in_group luo-hold retrieve incoming/s/1 1 memfd,size=8M,seed=1
		expect "8388608 8388608" usage
		(($(<$group/memory.current) - before > 7 << 20))
		echo 1 >incoming/s/finish
		expect "0 0" usage
		expect "0 0 0 0" pool
		(($(<$group/memory.current) - before < 1 << 20))
		rmdir $group
		echo -memory -hugetlb >/sys/fs/cgroup/cgroup.subtree_control
		mount -o remount,nsdelegate /sys/fs/cgroup
	END
}

@test "pages without struct pages of their own come back, and have none again" {
	luo_run <<-'END'
		echo 1 >/proc/sys/vm/hugetlb_optimize_vmemmap
	END
	preserve_pages 5
	kexec_with hugetlb_free_vmemmap=on
	luo_run <<-'END'
		expect 1 cat /proc/sys/vm/hugetlb_optimize_vmemmap
		memmap_pages() {
			awk '/^nr_memmap/ { n += $2 } END { print n }' /proc/vmstat
		}
		before=$(memmap_pages)
		exec 5</dev/null
		echo self:5 >incoming/s/1/fd
		luo-hold check open,fd=5,size=10M,seed=1
		# Each has seven of eight pages less, and all have one in common.
		given=$((before - $(memmap_pages)))
		echo "given back: $given"
		((given == 5 * 7 || given == 5 * 7 - 1))
		exec 5<&-
		echo 1 >incoming/s/finish
		expect "0 0 0 0" pool
	END
}

@test "who wants a page in a hole while the machine reboots waits, and there is none in the next kernel" {
	luo_run <<-'END'
		pool_has 2048 4
		mkdir -p sessions/s/1
		mkfifo /run/go
		luo-hold make memfd,flags=2M,size=8M,part=0:2M,seed=1,via=mmap,fd=5 -- bash -c '
			echo self:5 >sessions/s/1/fd
			: >/run/ready
			read -r <>/run/go
			exec luo-hold make open,fd=5,part=4M:2M,seed=2,via=mmap' &>/dev/null &
		echo $! >/run/pid
		until [[ -e /run/ready ]]; do :; done
	END
	luo_kexec_held <<-'END'
		echo >/run/go
		waits "$(</run/pid)"
	END
	luo_run <<-'END'
		expect "1 0 0 1" pool
		luo-hold make null,fd=5 -- bash -c '. luo.bash
			echo self:5 >incoming/s/1/fd
			luo-hold check open,fd=5,size=8M,part=0:2M,seed=1 open,fd=5,part=2M:6M
			echo 1 >incoming/s/finish'
	END
}

@test "pages come when they are looked for, and the others in the background" {
	preserve_pages 4
	vm_kexec
	luo_run <<-'END'
		expect "4 0 0 4" pool
		background 600000
		luo-hold make null,fd=5 -- bash -c '. luo.bash
			echo self:5 >incoming/s/1/fd
			expect 0 brought
			expect 16384 stat -L -c %b /proc/self/fd/5
			# Nothing is lost by who frees what can be read again.
			echo 3 >/proc/sys/vm/drop_caches
			luo-hold check open,fd=5,part=2M:2M,seed=1 >/dev/null
			expect 512 brought
			luo-hold check open,fd=5,part=6M:2M,seed=1,via=mmap >/dev/null
			expect 1024 brought
			fallocate -p -l 2M /proc/self/fd/5
			expect "3 0 0 3" pool
			luo-hold check open,fd=5,part=0:2M >/dev/null
			luo-hold check open,fd=5,part=2M:6M,seed=1 >/dev/null
			truncate -s 4M /proc/self/fd/5
			expect "1 0 0 1" pool
			echo 1 >incoming/s/finish'
		expect "0 0 0 0" pool
	END
	preserve_pages 4
	vm_kexec
	luo_run <<-'END'
		background 0
		luo-hold make null,fd=5 -- bash -c '. luo.bash
			echo self:5 >incoming/s/1/fd
			until [[ $(brought) == 2048 ]]; do :; done
			luo-hold check open,fd=5,size=8M,seed=1 >/dev/null
			echo 1 >incoming/s/finish'
		expect "0 0 0 0" pool
	END
}

@test "a file is preserved again while pages of it are pending, and pages of it come then" {
	preserve_pages 6
	vm_kexec
	luo_run <<-'END'
		background 600000
		luo-hold make null,fd=5 -- bash -c '. luo.bash
			echo self:5 >incoming/s/1/fd
			echo 1 >incoming/s/finish
			luo-hold check open,fd=5,part=2M:2M,seed=1 >/dev/null
			mkdir -p sessions/t/1
			for again in 1 2 3; do
				echo self:5 >sessions/t/1/fd
				luo-hold check open,fd=5,part=$((again * 4))K:4K,seed=1 open,fd=5,part=$((2 + again * 2))M:2M,seed=1 >/dev/null
				expect $(((2 + again) * 512)) brought
				rmdir sessions/t/1
				mkdir sessions/t/1
			done
			fallocate -p -o 2M -l 2M /proc/self/fd/5
			expect "5 0 0 5" pool
			luo-hold check open,fd=5,part=2M:2M open,fd=5,part=0:2M+4M:4M,seed=1 >/dev/null'
		rmdir sessions/t/1 sessions/t
		expect "0 0 0 0" pool
	END
	preserve_pages 6
	vm_kexec
	luo_run <<-'END'
		background 600000
		luo-hold make null,fd=5 -- bash -c '. luo.bash
			echo self:5 >incoming/s/1/fd
			echo 1 >incoming/s/finish
			luo-hold check open,fd=5,part=2M:2M,seed=1 >/dev/null
			mkdir -p sessions/t/1
			echo self:5 >sessions/t/1/fd
			luo-hold make open,fd=5,part=4M:2M,seed=2,via=mmap -- true
			expect 1024 brought'
	END
	vm_kexec
	luo_run <<-'END'
		expect "6 0 0 6" pool
		luo-hold make null,fd=5 -- bash -c '. luo.bash
			echo self:5 >incoming/t/1/fd
			luo-hold check open,fd=5,size=12M,part=0:4M+6M:6M,seed=1 open,fd=5,part=4M:2M,seed=2
			echo 1 >incoming/t/finish'
		expect "0 0 0 0" pool
	END
}

@test "a file that was retrieved and not finished is carried on with pages that are pending" {
	preserve_pages 4
	vm_kexec
	luo_run <<-'END'
		background 600000
		luo-hold make null,fd=5 -- bash -c '. luo.bash
			echo self:5 >incoming/s/1/fd
			luo-hold check open,fd=5,part=2M:2M,seed=1 >/dev/null'
		expect 512 brought
	END
	vm_kexec
	pages_back 4 '4 0 0 4' '0 0 0 0'
}

@test "a control group can go before the pages that it is charged for have come" {
	preserve_pages 4
	vm_kexec
	luo_run <<-'END'
		background 600000
		echo +hugetlb >/sys/fs/cgroup/cgroup.subtree_control
		mkdir $group
		echo +hugetlb >$group/cgroup.subtree_control
		mkdir $group/inner
		usage() {
			cat $group/hugetlb.2MB.current
		}
		# A process that moves: into the group, and out of it with the file.
		echo $BASHPID >$group/inner/cgroup.procs
		exec 5</dev/null
		echo self:5 >incoming/s/1/fd
		echo $BASHPID >/sys/fs/cgroup/cgroup.procs
		expect 8388608 usage
		expect 0 brought
		rmdir $group/inner
		expect 8388608 usage
		luo-hold check open,fd=5,size=8M,part=0:4M,seed=1 >/dev/null
		expect 8388608 usage
		fallocate -p -l 2M /proc/self/fd/5
		expect 6291456 usage
		echo 1 >incoming/s/finish
		exec 5<&-
		expect 0 usage
		rmdir $group
		echo -hugetlb >/sys/fs/cgroup/cgroup.subtree_control
		expect "0 0 0 0" pool
	END
}

@test "what cannot come back is refused with an errno of its own" {
	luo_run <<-'END'
		pool_has 2048 8
		mkdir -p sessions/s/1 /tmp/huge
		mount -t hugetlbfs -o size=8M none /tmp/huge
		exec 5<>/tmp/huge/file
		refused ENOENT "echo self:5 >sessions/s/1/fd"
		rm /tmp/huge/file
		refused EXDEV "echo self:5 >sessions/s/1/fd"
		exec 5<&-
		umount /tmp/huge
		mount -t hugetlbfs none /tmp/huge
		: >/tmp/huge/file
		exec 5</tmp/huge/file
		rm /tmp/huge/file
		refused EACCES "echo self:5 >sessions/s/1/fd"
		exec 5<&-
		luo-hold make memfd,flags=2M,size=4M,seed=1,via=mmap,fd=5 -- bash -c '. luo.bash
			luo-hold poison open,fd=5,part=2M:4K
			refused EHWPOISON "echo self:5 >sessions/s/1/fd"'
		umount /tmp/huge
		luo_end
	END
	# The pool has that page still.
	vm_kexec
}

@test "a page that is poisoned after its file was preserved stops the kexec until the file is unpreserved" {
	expect_kernel_line 'luo: s/1: freeze: EHWPOISON'
	vm_load
	luo_run <<-'END'
		pool_has 2048 4
		mkdir -p sessions/s/1
		luo-hold make memfd,flags=2M,size=6M,seed=1,via=mmap,fd=5 -- bash -c '. luo.bash
			echo self:5 >sessions/s/1/fd
			luo-hold poison open,fd=5,part=2M:4K
			fails EHWPOISON "echo 1 >prepare"
			kexec_refused EHWPOISON
			last_failed "EHWPOISON freeze s/1"
			shows . state=normal
			rmdir sessions/s/1
			mkdir sessions/s/1
			fails EIO "luo-hold check open,fd=5,part=2M:4K,seed=1 >/dev/null"
			fallocate -p -o 2M -l 2M /proc/self/fd/5
			echo self:5 >sessions/s/1/fd'
	END
	vm_jump
	luo_run <<-'END'
		expect "2 0 0 2" pool
		luo-hold retrieve incoming/s/1 1 memfd,size=6M,part=0:2M+4M:2M,seed=1
		echo 1 >incoming/s/finish
		expect "0 0 0 0" pool
	END
}

@test "a page that is poisoned before anybody looked for it gives an error, and the others do not" {
	luo_run <<-'END'
		pool_has 2048 4
		mkdir -p sessions/s/1
		luo-hold make memfd,flags=2M,size=6M,seed=1,via=mmap,fd=5 -- bash -c '. luo.bash
			echo self:5 >sessions/s/1/fd
			luo-hold frames open,fd=5,part=3M:4K'
	END
	local frame=$output
	vm_kexec
	luo_run "frame=$frame" <<-'END'
		background 600000
		luo-hold make null,fd=5 -- bash -c '. luo.bash
			echo self:5 >incoming/s/1/fd
			echo $1 >/sys/kernel/debug/hwpoison/corrupt-pfn || :
			expect 0 brought
			fails EIO "luo-hold check open,fd=5,part=3M:4K,seed=1 >/dev/null"
			luo-hold check open,fd=5,part=0:2M+4M:2M,seed=1
			mkdir -p sessions/t/1
			echo 1 >incoming/s/finish
			refused EHWPOISON "echo self:5 >sessions/t/1/fd"' bash $frame 2>/dev/null
		rmdir sessions/t/1 sessions/t
		# The page is in no pool any more.
		expect "0 0 0 0" pool
	END
	vm_kexec
}

@test "luo-sh check knows the type, and whether the next kernel has memory for its pools" {
	preserve_pages 20 20
	luo_run "cmdline=$(printf %q "$(<"$VM_DIR/cmdline")")" <<-'END'
		asks() {
			luo-sh check /boot/vmlinuz-next --initrd /boot/initrd-next --cmdline "$cmdline $*"
		}
		asks hugepages=20 >/tmp/said
		grep -q hugetlb-v1 /tmp/said
		asks hugepagesz=2M hugepages=0:60 hugepagesz=1G hugepages=0 >/dev/null
		for pools in hugepages=2000 "hugepagesz=1G hugepages=4" "hugepages=10 hugepagesz=1G hugepages=0:4"; do
			rc=0
			asks "$pools" >/dev/null 2>/tmp/said || rc=$?
			expect 6 echo $rc
			grep -q "the boot needs .* MiB that are neither preserved nor scratch memory" /tmp/said
		done
		luo_end
	END
}

@test "an unlinked file of a hugetlbfs that was mounted comes back" {
	luo_run <<-'END'
		pool_has 2048 4
		mkdir -p sessions/s/1 /tmp/huge
		mount -t hugetlbfs none /tmp/huge
		exec 5<>/tmp/huge/file
		rm /tmp/huge/file
		luo-hold make open,fd=5,size=8M,seed=1,via=mmap -- bash -c "echo self:5 >sessions/s/1/fd"
	END
	vm_kexec
	pages_back 4 '4 0 0 4' '0 0 0 0'
}

# Ways to damage a file that has three extents of one page, and what it says then
DAMAGES=(
	v3.%.1.magic=0 EINVAL
	v3.%.1.size=0xffffffffffffffff EINVAL
	v3.%.1.size=4096 EINVAL
	v3.%.1.pos=0xffffffffffffffff EINVAL
	v3.%.1.seals=0x80000000 EOPNOTSUPP
	v3.%.1.flags=0 ENODEV
	v3.%.1.flags=0x1400 ENODEV
	v3.%.1.flags=0xff00 ENODEV
	v3.%.1.flags=0x1e00 EINVAL
	v3.%.1.flags=0x11500 EOPNOTSUPP
	v3.%.1.nr=2 EINVAL
	v3.%.1.nr=9 EINVAL
	v3.%.1.nr_pages=512 EINVAL
	v3.%.1.more=text EINVAL
	extent.%.1.1.nr=0 EINVAL
	extent.%.1.1.nr=1 EINVAL
	extent.%.1.1.nr=1024 EINVAL
	extent.%.1.1.nr=0xffffffffffffffff EINVAL
	extent.%.1.1.pfn=0 EINVAL
	extent.%.1.1.pfn=text-pfn EINVAL
	extent.%.1.1.pfn=0x000fffffffffffff EINVAL
	extent.%.1.1.pfn=@extent.%.1.2.pfn EINVAL
	extent.%.1.1.pfn=@extent.ok.1.0.pfn EINVAL
	extent.%.1.1.index=1 EINVAL
	extent.%.1.1.index=@extent.%.1.2.index EINVAL
	extent.%.1.1.index=0x8000000000000000 EINVAL
)

@test "files that are damaged, each in its own way, do not come back, and others do" {
	local i damages=() errors=()
	for ((i = 0; i < ${#DAMAGES[@]}; i += 2)); do
		expect_kernel_line "luo: d$((i / 2))/1: retrieve: ${DAMAGES[i + 1]}"
		damages+=("${DAMAGES[i]//%/d$((i / 2))}")
		errors+=("${DAMAGES[i + 1]}")
	done
	for i in EINVAL EOPNOTSUPP; do
		expect_kernel_line "hugetlb_luo: what was saved is damaged, memory stays reserved: -$i"
	done
	luo_run "last=$((${#errors[@]} - 1))" <<-'END'
		pool_has 2048 $((3 * (last + 2)))
		for session in ok $(seq -f d%g 0 $last); do
			luo-hold preserve sessions/$session/1 1 \
				memfd,flags=2M,size=10M,part=0:2M+4M:2M+8M:2M,seed=1,via=mmap >/dev/null
		done
	END
	luo_kexec_held <<<"luo-damage ${damages[*]@Q}"
	count damages ${#damages[@]}
	luo_run "wants=(${errors[*]})" <<-'END'
		luo-hold retrieve incoming/ok/1 1 memfd,size=10M,part=0:2M+4M:2M+8M:2M,seed=1 >/dev/null
		for i in "${!wants[@]}"; do
			for again in 1 2; do
				exec 5</dev/null
				fails ${wants[i]} "echo self:5 >incoming/d$i/1/fd"
				last_failed "${wants[i]} retrieve d$i/1"
			done
		done
		echo 1 >incoming/ok/finish
		for finish in incoming/*/finish; do
			echo discard >$finish
		done
		expect "0 0 0 0" pool
		shows . state=normal
		# And all goes on.
		pool_has 2048 5
		pool_has 2048 0
	END
}

@test "counts that are damaged leave the files alone, and the pool when these are finished" {
	local damage before
	while read -r damage before; do
		if [[ $before == 0,* ]]; then
			expect_kernel_line 'hugetlb_luo_pools: the counts that were handed over are damaged'
		fi
		preserve_pages 4
		luo_kexec_held <<<"luo-damage $damage"
		luo_run "before='${before//,/ }'" <<-'END'
			expect "$before" pool
			luo-hold retrieve incoming/s/1 1 memfd,size=8M,seed=1
			echo 1 >incoming/s/finish
			expect "0 0 0 0" pool
		END
	done <<-'END'
		pools.magic=0 0,0,0,0
		pools.nr=0xffffffffffffffff 0,0,0,0
		pools.nr=256 0,0,0,0
		pools.nr=0 0,0,0,0
		pool.0.nid=0xffffffff 0,0,0,0
		pool.0.nid=1 0,0,0,0
		pool.0.order=64 0,0,0,0
		pool.0.order=8 0,0,0,0
		pool.0.nr=0xffffffffffffffff 0,0,0,0
		pool.0.nr=1 1,0,0,1
		pool.0.nr=9 9,0,0,9
	END
}
