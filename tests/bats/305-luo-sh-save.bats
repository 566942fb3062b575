#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
#
# luo-sh save and restore: a directory, with all that is in it, over a live update; by hand, and by the services that do
# it at shutdown and at boot.

# shellcheck disable=SC2154  # vm_run sets stderr

load lib/common
load lib/luo

# listing DIR: each file with all of it that should come back: of a directory neither its own size nor its links.
# shellcheck disable=SC2016  # for the guest
LISTING='listing() (
	cd "$1"
	find . \( -type d -printf "%p %m %U %G %T@ %y\n" \) -o -printf "%p %m %U %G %T@ %y %n %s %b %l\n" | sort
	find . -type f -size -99M -exec sha256sum {} + | sort
)'

@test "a directory comes back with its names, owners, modes, times, links and holes, and nothing that they lead to" {
	luo_run <<-END
		$LISTING
		mkdir -p /tmp/dir/sub/deep /tmp/dir/.hidden /tmp/dir/none
		cd /tmp/dir
		echo a >.dot
		echo b >\$'caf\xe9\n new line'
		echo c >\$'\xc3\xbcml\xc3\xa4ut'
		echo d >"\$(printf 'n%.0s' {1..255})"
		echo e >sub/deep/file
		chown 1000:1001 sub/deep/file sub
		chmod 4640 sub/deep/file
		chmod 3751 sub
		ln sub/deep/file hard
		ln -s /init link
		ln -s nowhere sub/dangling
		mkfifo -m 622 fifo
		mknod null c 1 3
		: >empty
		head -c 3000001 /dev/urandom >data
		truncate -s 20G sparse
		printf x | dd of=sparse bs=1 seek=3G conv=notrunc status=none
		find . -depth -exec touch -h -d '2001-02-03 04:05:06.123456789 UTC' {} +
		chmod 551 .
		luo-sh session create s
		cd /sys/kernel/config/liveupdate
		luo-hold preserve sessions/s/1 1 memfd,size=64K,seed=1 >/dev/null
		luo-sh save /tmp/dir s
		# Once more, with a difference: the last one counts, and what else is in the session stays.
		echo later >/tmp/dir/.dot
		touch -d '2001-02-03 04:05:06.5 UTC' /tmp/dir/.dot
		luo-sh save /tmp/dir s
		expect '1 9223372036854775809' bash -c 'cd sessions/s && echo [0-9]*'
		luo-sh save /tmp/dir/none only
		listing /tmp/dir
	END
	before=$output
	vm_kexec
	luo_run <<-END
		$LISTING
		luo-sh restore s /tmp/dir
		listing /tmp/dir
		luo-sh restore only /tmp/none
		[[ -d /tmp/none && ! -s /tmp/none/* ]]
		luo-hold retrieve incoming/s/1 1 memfd,size=64K,seed=1 >/dev/null
		luo-sh session finish s
		luo-sh session finish only
	END
	assert_output "$before"
	[[ $before == *./link*/init* && $before == *'./fifo 622 '* ]]
}

@test "what cannot be saved or restored is told, and nothing is half done" {
	luo_run <<-'END'
		says 1 '/nowhere: No such file or directory (ENOENT)' luo-sh save /nowhere s
		says 1 '/init: Not a directory (ENOTDIR)' luo-sh save /init s
		says 1 "$LUO/sessions/..: Invalid argument (EINVAL): a name is no path" luo-sh save /tmp ..
		[[ ! -e sessions/s ]]
		mkdir /tmp/one /tmp/large
		echo one >/tmp/one/file
		# What was left behind is no part of it.
		mkdir -p /tmp/one/.luo-sh.partial/sub
		# More than there is memory for
		mount -t tmpfs -o size=90% tmpfs /tmp/large
		head -c "$(awk '$1 == "MemAvailable:" { print int($2 * 0.6) "K" }' /proc/meminfo)" /dev/zero >/tmp/large/file
		luo-sh save /tmp/large s 2>/tmp/err && exit 1
		grep -qE '^luo-sh: /tmp/large: [0-9]+ MiB of memory are needed, and [0-9]+ MiB are available: Cannot allocate memory \(ENOMEM\)$' /tmp/err
		luo-sh fd save s 1 /tmp/large/file 2>/tmp/err && exit 1
		grep -qE '^luo-sh: /tmp/large/file: [0-9]+ MiB of memory are needed' /tmp/err
		[[ ! -e sessions/s ]]
		umount /tmp/large
		mkdir sessions/s
		luo-hold preserve sessions/s/7 1 memfd,size=4K,seed=1
		luo-sh save /tmp/one dir
	END
	vm_kexec
	luo_run <<-'END'
		says 1 "$LUO/incoming/s: no directory was saved there" luo-sh restore s /tmp/dir
		says 1 "$LUO/incoming/x: No such file or directory (ENOENT): there is no incoming session x" luo-sh restore x /tmp/dir
		says 1 '/nowhere/dir: No such file or directory (ENOENT)' luo-sh restore dir /nowhere/dir
		[[ ! -e /tmp/dir ]]
		mkdir /tmp/dir /tmp/aim
		ln -s /tmp/aim/file /tmp/dir/file
		says 1 '/tmp/dir/file: File exists (EEXIST)' luo-sh restore dir /tmp/dir
		expect 'file' ls -A /tmp/dir
		expect '' ls -A /tmp/aim
		# What one left behind that was killed
		rm /tmp/dir/file
		mkdir -p /tmp/dir/.luo-sh.partial/sub
		ln -s /tmp/aim /tmp/dir/.luo-sh.partial/sub/link
		echo theirs >/tmp/dir/other
		luo-sh restore dir /tmp/dir
		expect $'file\nother' ls -A /tmp/dir
		expect one cat /tmp/dir/file
		# No place for it
		mkdir /tmp/small
		mount -t tmpfs -o size=40K,nr_inodes=2 tmpfs /tmp/small
		luo-sh restore dir /tmp/small 2>/tmp/err && exit 1
		grep -q 'No space left on device' /tmp/err
		expect '' ls -A /tmp/small
		umount /tmp/small
		luo-sh session finish dir
		luo-sh session discard s
	END
}

@test "the services keep /run/luo-sh/save: all that is there, when a kexec is queued, and what an earlier kernel did not restore" {
	luo_run <<-'END'
		mkdir -p /tmp/bin /run/luo-sh/save/a
		cat >/tmp/bin/systemctl <<-'EOF'
			#!/bin/sh
			[ "$*" = 'list-jobs --no-legend kexec.target' ] && cat /tmp/jobs
		EOF
		chmod +x /tmp/bin/systemctl
		PATH=/tmp/bin:$PATH
		save=/usr/libexec/luo-sh/luo-save
		echo one >/run/luo-sh/save/a/file
		chown -R 1000:1000 /run/luo-sh/save/a
		: >/tmp/jobs
		$save
		expect '' ls sessions
		echo '1 kexec.target start waiting' >/tmp/jobs
		$save
		expect luo-save.1 ls sessions
	END
	vm_kexec
	# Nobody restores it in this kernel.
	luo_run <<-'END'
		mkdir -p /tmp/bin /run/luo-sh/save/b /run/luo-sh/save/a
		echo two >/run/luo-sh/save/b/file
		printf '#!/bin/sh\nexit 1\n' >/tmp/bin/systemctl
		chmod +x /tmp/bin/systemctl
		PATH=/tmp/bin:$PATH /usr/libexec/luo-sh/luo-save
		expect luo-save.2 ls sessions
		for name in x '7 luo-save.8' '[0-9]' 007; do
			mkdir "sessions/luo-save.$name"
		done
	END
	vm_kexec
	luo_run <<-'END'
		mkdir /run/luo-sh
		rc=0
		/usr/libexec/luo-sh/luo-restore 2>/tmp/err || rc=$?
		((rc == 1))
		# The latest came first, and what is in its way is kept.
		grep -qF '/run/luo-sh/save/a: File exists (EEXIST)' /tmp/err
		[[ -e incoming/luo-save.1 && ! -e incoming/luo-save.2 ]]
		rmdir /run/luo-sh/save/a
		luo-sh restore luo-save.1 /run/luo-sh/save
		expect '1000 one' bash -c 'cd /run/luo-sh/save/a; echo "$(stat -c %u .) $(<file)"'
		expect two cat /run/luo-sh/save/b/file
		for finish in incoming/*/finish; do
			echo discard >"$finish"
		done
		# What fails is said in the next kernel.
		mount -t tmpfs -o size=90% tmpfs /run/luo-sh/save
		head -c "$(awk '$1 == "MemAvailable:" { print int($2 * 0.6) "K" }' /proc/meminfo)" /dev/zero >/run/luo-sh/save/file
		/usr/libexec/luo-sh/luo-save && exit 1
		umount /run/luo-sh/save
		expect luo-save.1 ls sessions
		mkdir 'sessions/luo-save.7 luo-save.8'
	END
	vm_kexec
	luo_run <<-'END'
		rc=0
		/usr/libexec/luo-sh/luo-restore 2>/tmp/err || rc=$?
		((rc == 1))
		expect '/run/luo-sh/save was not saved by the previous kernel:' head -n 1 /tmp/err
		grep -q 'luo-sh: /run/luo-sh/save: .* MiB of memory are needed' /tmp/err
		# A session of nobody's is left alone.
		expect 'luo-save.7 luo-save.8' ls incoming
		/usr/libexec/luo-sh/luo-restore
		luo-sh session discard 'luo-save.7 luo-save.8'
	END
}
