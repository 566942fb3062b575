#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# bats file_tags=memory
#
# A tmpfs is preserved as it is: its root directory is what is preserved, and what comes back is the root of a mount that
# is nowhere yet.

# shellcheck disable=SC2016  # what is quoted is for the guest

load lib/common
load lib/luo

# tmpfs_run [OPTION…] [LINE]: luo_run, with guest/tmpfs.bash besides.
tmpfs_run() {
	local -a options=()
	while [[ ${1-} == -* ]]; do
		options+=("$1" "$2")
		shift 2
	done
	luo_run "${options[@]}" ". tmpfs.bash${1:+$'\n'$1}"
}

# comes_back SEED COUNT: a tree of that, hashed, is what it was, retrieved and preserved again after each of the kexecs.
comes_back() {
	local before i
	tmpfs_run -t $((8 * VM_SECONDS)) "tmpfs_mount /keep '$3'; tmpfs_large /keep $1 $2" <<-'END'
		tmpfs_list /keep >/dev/null
		tmpfs_sum /keep
		tmpfs_keep /keep
	END
	before=$output
	for ((i = 0; i < $4; i++)); do
		vm_kexec
		tmpfs_run -t $((4 * VM_SECONDS)) <<-'END'
			tmpfs_back /keep
			tmpfs_sum /keep
			echo 1 >incoming/s/finish
			cat state >/dev/null
			tmpfs_keep /keep
		END
		assert_output "$before"
	done
	tmpfs_run <<<'luo_end; umount /keep'
}

@test "each kind of entry is what it was, in all that can be seen of it, after one kexec and two more" {
	local before
	tmpfs_run 'tmpfs_mount /keep size=64M,nr_inodes=1000,mode=1750,uid=3,gid=4,noswap; mount -o remount,bind,nosuid,nodev /keep' <<-'END'
		tmpfs_small /keep
		tmpfs_list /keep >/dev/null
		tmpfs_list /keep
		tmpfs_keep /keep
		shows sessions/s/1 state=preserved compatible=tmpfs-v1
	END
	before=$output
	assert_line --partial 'noswap'
	assert_line --partial 'user.text='
	assert_line --partial 'user:55:rwx'
	vm_kexec
	# Nothing is retrieved: it is carried on as it came.
	vm_kexec
	tmpfs_run <<-'END'
		shows incoming/s/1 state=preserved compatible=tmpfs-v1
		tmpfs_back /keep
		tmpfs_list /keep
		shows incoming/s/1 state=retrieved
	END
	assert_output "$before"
	# It is carried on as what was retrieved.
	vm_kexec
	tmpfs_run <<-'END'
		tmpfs_back /keep
		tmpfs_list /keep
		echo 1 >incoming/s/finish
		shows . state=normal
		expect sub cat /keep/dir/sub/file
		echo more >>/keep/file
		rm -r /keep/*
		umount /keep
	END
	assert_output "$before"
}

@test "a generated tree is what it was after a kexec" {
	SEED=${SEED:-$RANDOM}
	echo "SEED=$SEED"
	comes_back "$SEED" 1000 size=256M 1
}

@test "mount options, quotas, casefold and huge pages are what they were" {
	local before
	tmpfs_run <<-'END'
		tmpfs_mount /quota size=32M,usrquota,grpquota,usrquota_block_hardlimit=1M,grpquota_inode_hardlimit=3
		tmpfs_mount /huge size=64M,huge=always
		tmpfs_mount /fold casefold=utf8-12.1.0,strict_encoding,inode64
		mkdir /fold/dir
		mount -o remount,ro /fold
		chown 5:6 /quota
		setpriv --reuid 5 --regid 6 --clear-groups bash -c 'head -c 800K /dev/zero >/quota/a; : >/quota/b'
		head -c 5M /dev/zero >/huge/file
		head -c 100K /dev/urandom >/huge/small
		for dir in /quota /huge /fold; do
			tmpfs_list $dir >/dev/null
			tmpfs_list $dir
			tmpfs_keep $dir $((++nr))
		done
	END
	before=$output
	vm_kexec
	tmpfs_run <<-'END'
		for dir in /quota /huge /fold; do
			tmpfs_back $dir $((++nr))
			tmpfs_list $dir
		done
		echo 1 >incoming/s/finish
		exec 2>&1
		# The rest of the quotas is what it was, too.
		setpriv --reuid 5 --regid 6 --clear-groups bash -c 'set +e
			head -c 300K /dev/zero >>/quota/a
			: >/quota/c' && exit 1
		expect 1048576 stat -c %s /quota/a
		expect $'/quota/a\n/quota/b' bash -c 'printf "%s\n" /quota/*'
		umount /quota /huge /fold
	END
	assert_output --partial "$before"
	assert_line "head: error writing 'standard output': Disk quota exceeded"
	assert_line --partial '/quota/c: Disk quota exceeded'
}

@test "while it is preserved nothing but contents and times changes, and afterwards all does" {
	tmpfs_run -t $((4 * VM_SECONDS)) 'tmpfs_mount /keep; tmpfs_small /keep' <<-'END'
		tmpfs_keep /keep
		cd /keep
		operations=(
			'mkdir new'
			'mknod new p'
			'mkfifo new'
			': >new'
			'ln -s target new'
			'ln file new'
			'rm file'
			'rmdir empty-dir'
			'mv -T file new'
			'mv -T file empty'
			'mv -T dir new'
			'chmod 600 file'
			'chmod 600 dir'
			'chmod 600 fifo'
			'chown 9 file'
			'chgrp 9 null'
			'truncate -s 1 file'
			'truncate -s 2G hole'
			'fallocate -p -l 4096 sparse'
			'fallocate -o 1G -l 4096 hole'
			': >file'
			'echo more >>file'
			'echo more >empty'
			'setfattr -n user.new -v 1 file'
			'setfattr -x user.text file'
			'setfacl -m u:9:r file'
			'setfacl -d -m u:9:r empty-dir'
		)
		for operation in "${operations[@]}"; do
			fails EBUSY "$operation"
		done
		rc=0
		mount -o remount,size=1G /keep || rc=$?
		((rc))
		printf HELL | dd of=file conv=notrunc status=none
		printf there | dd of=hole bs=1 seek=500000000 conv=notrunc status=none
		touch -d @77.5 file
		expect HELLo cat file
		expect 77 stat -c %Y file
		# It is not preserved again, and no file of it is by itself.
		cd $LUO
		mkdir sessions/s/2
		refused EBUSY 'tmpfs_keep /keep 2'
		exec 5<>/keep/file
		refused ENOENT 'echo self:5 >sessions/s/2/fd'
		exec 5>&-
		rmdir sessions/s/1
		cd /keep
		for operation in "${operations[@]}"; do
			( eval "$operation" ) || { echo "still fixed: $operation" >&2; exit 1; }
			rm -rf /keep/* /keep/...
			tmpfs_small /keep
		done
		cd /
		umount /keep
		rmdir $LUO/sessions/s/2 $LUO/sessions/s
	END
}

@test "what is written until the kexec, into pages and into holes, is there" {
	tmpfs_run <<-'END'
		tmpfs_mount /keep size=128M
		truncate -s 64M /keep/log
		printf %08d 0 >/keep/done
		printf '#!/bin/bash
			exec 6<>/keep/log
			for ((i = 1; i <= 16000; i++)); do
				printf %%04096d $i >&6
				printf %%08d $i 1<>/keep/done
			done' >/tmp/writer
		tmpfs_keep /keep
	END
	vm_spawn 'exec bash /tmp/writer'
	tmpfs_run <<<'until ((10#$(</keep/done) > 100)); do :; done'
	vm_kexec
	tmpfs_run <<-'END'
		tmpfs_back /keep
		nr=$((10#$(</keep/done)))
		((nr > 100))
		mapfile -t words < <(head -c $((nr * 4096)) /keep/log | fold -w 4096 | sed 's/^0*//')
		for ((i = 0; i < nr; i++)); do
			((words[i] == i + 1))
		done
		echo 1 >incoming/s/finish
		umount /keep
	END
}

@test "each retrieve gives a mount of its own of one tmpfs, which can be unmounted" {
	tmpfs_run <<-'END'
		tmpfs_mount /keep
		echo one >/keep/file
		tmpfs_keep /keep
	END
	vm_kexec
	tmpfs_run <<-'END'
		tmpfs_back /keep
		tmpfs_back /other
		echo two >/other/file
		expect two cat /keep/file
		umount /keep
		umount /other
		# What nobody has mounted is there until the session is finished.
		tmpfs_back /keep
		expect two cat /keep/file
		exec 5</dev/null
		echo self:5 >incoming/s/1/fd
		expect two cat /proc/self/fd/5/file
		umount /keep
		# It is preserved again, as a descriptor alone.
		echo 1 >incoming/s/finish
		cat state >/dev/null
		mkdir -p sessions/s/1
		echo self:5 >sessions/s/1/fd
	END
	vm_kexec
	tmpfs_run <<-'END'
		tmpfs_back /keep
		expect two cat /keep/file
		echo 1 >incoming/s/finish
		umount /keep
	END
}

@test "luo-sh lists what is in one, and mounts it" {
	tmpfs_run <<-'END'
		tmpfs_mount /keep
		mkdir -m 750 /keep/dir
		printf text >/keep/dir/file
		ln /keep/dir/file /keep/link
		ln -s target $'/keep/sym\xff'
		touch -d @1.5 /keep/dir/file
		luo-sh session create s
		luo-sh fd preserve s 1 --fd 5 5</keep
		luo-hold preserve sessions/s/2 1 memfd,size=4K >/dev/null
		says 1 "$LUO/incoming/s/1/fd: No such file or directory (ENOENT): s is for the next kernel, which retrieves and finishes it" luo-sh fd list -r s 1
	END
	vm_kexec
	tmpfs_run <<-'END'
		mkdir /keep
		luo-sh fd list -r s 1
		luo-sh fd retrieve s 1 --mount /keep
		expect text cat /keep/link
		luo-sh -j fd list --recursive s 1
		says 1 "$LUO/incoming/s/2: Not a directory (ENOTDIR)" luo-sh fd list -r s 2
		says 1 '/keep: Invalid argument (EINVAL)' luo-sh fd retrieve s 2 --mount /keep
		says 2 'retrieve: either --mount DIR or -- COMMAND...' luo-sh fd retrieve s 1
		says 2 'retrieve: either --mount DIR or -- COMMAND...' luo-sh fd retrieve s 1 --mount /keep -- true
		says 2 'list: --recursive wants NAME TOKEN' luo-sh fd list -r s
		umount /keep
		luo-sh session finish s
	END
	assert_line --regexp '^  \.:  type directory  mode 1777  uid 0  gid 0  size [0-9]+  links 3  mtime '
	assert_line '  sym\xff:  type symlink  mode 0777  uid 0  gid 0  size 6  links 1  mtime '"$(sed -n 's/^  sym.*mtime //p' <<<"$output")"
	assert_line '  dir/file:  type file  mode 0644  uid 0  gid 0  size 4  links 2  mtime 1.500000000'
	run jq -c '.entries[] | select(.path == "dir") | [.type, .mode, .links]' <<<"${lines[-1]}"
	assert_output '["directory","0750",2]'
}

@test "one that is discarded, before and after it was retrieved, leaves no memory behind" {
	tmpfs_run <<-'END'
		for token in 1 2; do
			tmpfs_mount /keep size=64M
			head -c 30M /dev/zero >/keep/large
			tmpfs_small /keep
			tmpfs_keep /keep $token
			umount -l /keep
		done
	END
	vm_kexec
	tmpfs_run <<-'END'
		free() {
			awk '/^MemFree/ { print int($2 / 1024) }' /proc/meminfo
		}
		tmpfs_back /keep 2
		before=$(free)
		umount /keep
		echo discard >incoming/s/finish
		cat state >/dev/null
		until (($(free) > before + 55)); do :; done
	END
}

@test "what cannot be preserved is refused with an errno of its own" {
	tmpfs_run <<-'END'
		mkdir -p sessions/s/1 /plain
		tmpfs_mount /keep
		mkdir /keep/dir
		exec 5</keep/dir
		refused EINVAL 'echo self:5 >sessions/s/1/fd'
		exec 5</proc
		refused ENOENT 'echo self:5 >sessions/s/1/fd'
		exec 5</dev
		refused ENOENT 'echo self:5 >sessions/s/1/fd'
		umount /keep
		busybox mount -t tmpfs "$(printf '%0256d' 0)" /keep
		refused EOPNOTSUPP 'tmpfs_keep /keep'
		umount /keep
		rmdir sessions/s/1 sessions/s
	END
}

@test "who lacks CAP_SYS_ADMIN can neither preserve one nor have it back" {
	expect_kernel_line 'luo: s/1: retrieve: EPERM'
	tmpfs_run <<-'END'
		tmpfs_mount /keep
		mkdir -p sessions/s/1
		chown 1000 sessions/s/1/fd
		refused EPERM "setpriv --reuid 1000 --clear-groups bash -c 'exec 5</keep; echo self:5 >sessions/s/1/fd'"
		chown 0 sessions/s/1/fd
		refused EPERM "unshare -Urm bash -c 'mount -t tmpfs none /tmp; exec 5</tmp; echo self:5 >sessions/s/1/fd'"
		# Of another user namespace, for root
		coproc other { exec unshare -Urm bash -c 'mount -t tmpfs none /tmp; exec 5</tmp; echo ready; read -r line'; }
		read -r line <&"${other[0]}"
		pid=$other_PID
		exec 9<"/proc/$pid"
		refused EPERM 'echo 9:5 >sessions/s/1/fd'
		exec 9<&-
		echo >&"${other[1]}"
		wait "$pid"
		tmpfs_keep /keep
	END
	vm_kexec
	tmpfs_run <<-'END'
		chown 1000 incoming/s/1/fd
		fails EPERM "setpriv --reuid 1000 --clear-groups bash -c 'exec 5</dev/null; echo self:5 >incoming/s/1/fd'"
		tmpfs_back /keep
		fails EPERM "setpriv --reuid 1000 --clear-groups bash -c 'exec 5</dev/null; echo self:5 >incoming/s/1/fd'"
		echo 1 >incoming/s/finish
		umount /keep
	END
}

@test "a tree that changes while it is preserved is preserved as it is then, or not at all" {
	tmpfs_run -t $((4 * VM_SECONDS)) <<-'END'
		tmpfs_mount /keep size=256M
		tmpfs_large /keep 5 500
		mkdir /keep/a /keep/b
		: >/keep/a/file
		printf '#!/bin/bash
			cd /keep
			while :; do
				mv a/file b/file
				ln b/file a/link
				mv b/file a/file
				rm a/link
				mkdir a/dir
				mv a/dir b/dir
				rmdir b/dir
				echo text >new
				setfattr -n user.x -v 1 new
				rm new
			done 2>/dev/null' >/tmp/changer
		mkdir -p sessions/s/1
		bash /tmp/changer &
		for ((i = 0; i < 40; i++)); do
			exec 5</keep
			until echo self:5 >sessions/s/1/fd; do :; done 2>/tmp/errors
			((i == 39)) || rmdir sessions/s/1
			((i == 39)) || mkdir sessions/s/1
		done
		exec 5<&-
		kill %1
		wait %1 || :
		tmpfs_list /keep >/dev/null
		tmpfs_sum /keep
	END
	local before=$output
	vm_kexec
	tmpfs_run <<-'END'
		tmpfs_back /keep
		tmpfs_sum /keep
		echo 1 >incoming/s/finish
		umount /keep
	END
	assert_output "$before"
}

@test "directories 2,000 deep come back" {
	tmpfs_run -t $((2 * VM_SECONDS)) <<-'END'
		tmpfs_mount /keep
		cd /keep
		for part in 1 2; do
			mkdir -p "$(printf 'd/%.0s' {1..1000})"
			cd -P "$(printf 'd/%.0s' {1..1000})"
		done
		echo deep >file
		cd $LUO
		tmpfs_keep /keep
	END
	vm_kexec
	tmpfs_run <<-'END'
		tmpfs_back /keep
		cd /keep
		for part in 1 2; do
			cd -P "$(printf 'd/%.0s' {1..1000})"
		done
		expect deep cat file
		cd $LUO
		echo 1 >incoming/s/finish
		umount /keep
	END
}

# A tree whose inodes and bytes are known: six inodes; names of the root at 0 to 29, each with its inode at 0, its length at
# 4 and itself at 5; the attribute of inode 1 at 30, of d at 42, the target of l at 48.
KNOWN='mkdir -p /k/$1
mount -t tmpfs -o size=1M,nr_inodes=64 known /k/$1
cd /k/$1
printf "%04096d" 1 >f
mkdir d
ln -s target l
mknod c c 1 3
ln f g
printf "%04096d" 2 >d/x
setfattr -n user.a -v b f
cd $LUO
tmpfs_keep /k/$1 $1'

HEADS=(
	tmpfs.%.magic=0
	tmpfs.%.inodes=0 tmpfs.%.inodes=nowhere tmpfs.%.inodes=text tmpfs.%.inodes=+8 tmpfs.%.inodes=@tmpfs.s.0.bytes
	tmpfs.%.bytes=0 tmpfs.%.bytes=nowhere tmpfs.%.bytes=@tmpfs.%.inodes
	tmpfs.%.extents=0 tmpfs.%.extents=text tmpfs.%.extents=@tmpfs.%.bytes tmpfs.%.extents=@file.s.%.data
	tmpfs.%.nr_inodes=0 tmpfs.%.nr_inodes=5 tmpfs.%.nr_inodes=7 tmpfs.%.nr_inodes=0x10000000
	tmpfs.%.nr_bytes=53 tmpfs.%.nr_bytes=55 tmpfs.%.nr_bytes=0xffffffffffffffff
	tmpfs.%.nr_extents=1 tmpfs.%.nr_extents=0x1000000000000 tmpfs.%.nr_pages=1 tmpfs.%.nr_pages=3
	tmpfs.%.max_blocks=1 tmpfs.%.max_blocks=0xffffffffffffffff tmpfs.%.max_inodes=5 tmpfs.%.max_inodes=0xffffffffffffffff
	tmpfs.%.mode=0x10000 tmpfs.%.uid=0xffffffff tmpfs.%.gid=0xffffffff tmpfs.%.huge=4 tmpfs.%.flags=0x40
	tmpfs.%.mount_attrs=0x40000000 tmpfs.%.mount_attrs=0x30 "tmpfs.%.source=\"$(printf '%0256d' 0)"
	chain.%.inodes.used=0 chain.%.inodes.used=623 chain.%.inodes.used=0xffffffffffffffff
	chain.%.inodes.next=nowhere chain.%.inodes.next=@tmpfs.%.inodes chain.%.bytes.next=@tmpfs.%.bytes
	chain.%.bytes.used=4081 chain.%.extents.used=57 chain.%.extents.next=@tmpfs.%.extents
	tmpfs.%.quotas=@tmpfs.%.extents tmpfs.%.nr_quotas=1 tmpfs.%.usr_space=0x8000000000000000
)

RECORDS=(
	inode.%.0.mode=0x81a4 inode.%.0.size=4 inode.%.0.size=6 inode.%.0.nlink=4
	inode.%.1.mode=0x41ed inode.%.1.mode=0x11a4 inode.%.1.mode=0xf1a4 inode.%.1.mode=0x181a4
	inode.%.1.nlink=1 inode.%.1.nlink=3 inode.%.1.nlink=0 inode.%.1.size=0 inode.%.1.size=0x8000000000000000
	inode.%.1.nr_pages=0 inode.%.1.nr_pages=2 inode.%.1.ino=0 inode.%.1.uid=0xffffffff inode.%.1.gid=0xffffffff
	inode.%.1.rdev=1 inode.%.1.flags=0x40000000 inode.%.1.flags=1 inode.%.1.nr_xattrs=0 inode.%.1.nr_xattrs=2
	inode.%.1.nr_xattrs=0xffffffff inode.%.1.atime=1000000000 inode.%.1.mtime=0xffffffff inode.%.1.ctime=1000000000
	inode.%.1.btime=1000000000
	inode.%.2.size=0 inode.%.2.size=2 inode.%.2.size=0xffffffffffffffff inode.%.2.nlink=3
	inode.%.3.size=0 inode.%.3.size=5 inode.%.3.size=4096 inode.%.3.nlink=2 inode.%.4.rdev=0x10000000000
	inode.%.4.size=1 inode.%.5.size=0 inode.%.5.nr_pages=0
	byte.%.5.value=0x2f byte.%.5.value=0 byte.%.5.value=0x2e byte.%.11.value=0x66 byte.%.4.value=0 byte.%.4.value=255
	byte.%.0.value=0 byte.%.0.value=2 byte.%.6.value=0 byte.%.6.value=1 byte.%.6.value=3 byte.%.7.value=1
	byte.%.24.value=0 byte.%.24.value=2 byte.%.24.value=5 byte.%.42.value=0 byte.%.42.value=2 byte.%.42.value=6
	byte.%.30.value=2 byte.%.33.value=1 byte.%.34.value=0 byte.%.34.value=7 byte.%.35.value=0x78 byte.%.35.value=0
	byte.%.50.value=0
	run.%.0.index=1 run.%.0.index=0xffffffffffffffff run.%.0.nr=0 run.%.0.nr=2 run.%.0.nr=0xffffffffffffffff
	run.%.0.pfn=0 run.%.0.pfn=text-pfn run.%.0.pfn=0x000fffffffffffff run.%.0.pfn=0x0090000000000200
	run.%.0.pfn=@run.%.1.pfn run.%.1.pfn=@run.s.0.0.pfn run.%.0.inode=2 run.%.0.inode=5 run.%.0.inode=6
	run.%.0.inode=0xffffffff run.%.1.inode=1
)

# damaged DAMAGE…: that of each is not retrieved, and one is that was not harmed. Fewer than 100: there are no more lines in
# five seconds.
damaged() {
	local i=0 damage
	local -a damages=()
	for damage; do
		damage=${damage//%/s.$((++i))}
		damages+=("${damage//file.s.s./file.s.}")
		expect_kernel_line "luo: s/$i: retrieve: EINVAL"
	done
	expect_kernel_line 'tmpfs_luo: what was saved is damaged, memory stays reserved: -EINVAL'
	tmpfs_run -t $((4 * VM_SECONDS)) "for token in {0..${#damages[@]}}; do set -- \$token; $KNOWN; done" <<<''
	luo_kexec_held <<<"luo-damage ${damages[*]@Q}"
	count damages ${#damages[@]}
	tmpfs_run -t $((2 * VM_SECONDS)) "nr=${#damages[@]}; damages=(${damages[*]@Q})" <<-'END'
		tmpfs_back /keep 0
		exec 5</dev/null
		for ((i = 1; i <= nr; i++)); do
			fails EINVAL "echo self:5 >incoming/s/$i/fd" || { echo "${damages[i - 1]}" >&2; exit 1; }
			last_failed "EINVAL retrieve s/$i"
		done
		expect 'b' getfattr --only-values -n user.a /keep/g
		expect target readlink /keep/l
		expect 2 bash -c 'sed "s/^0*//" </keep/d/x'
		umount /keep
		echo discard >incoming/s/finish
		shows . state=normal
		mkdir sessions/x
		rmdir sessions/x
	END
}

@test "one whose head or chains are damaged is not retrieved, and the others are" {
	damaged "${HEADS[@]}"
}

@test "one whose inodes, names, attributes or extents are damaged is not retrieved, and the others are" {
	damaged "${RECORDS[@]}"
}
