#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
#
# What a driver's author relies on: objects bound to the life of files (FLBs), files that need each other, and
# handlers that come and go. The kernel of the guest has three FLBs on every handler, and the sample as a module.

load lib/common
load lib/luo

@test "an FLB is preserved with the first file of any type, and unpreserved with the last" {
	luo_run <<-'END'
		flb_counts
		luo-hold preserve sessions/s/0 1 memfd,size=4K,seed=1
		preserve_devices 1 99
		flb_changed 1 0 0 0
		rmdir sessions/s/0
		rmdir sessions/s/{1..98}
		flb_changed 0 0 0 0
		rmdir sessions/s/99
		flb_changed 0 1 0 0
		rmdir sessions/s
	END
}

@test "an FLB that fails to be preserved fails its file, and undoes the FLBs before it" {
	luo_run <<-'END'
		mkdir -p sessions/s/0
		luo_file 5
		before="$(<$FLB/unpreserves)"
		IFS=, read -r a b c <<<"$before"
		# The third of three.
		echo 3 >$FLB/fail_preserve
		refused EIO 'echo self:5 >sessions/s/0/fd'
		expect "$((a + 1)),$((b + 1)),$c" cat $FLB/unpreserves
		flb_counts
		echo self:5 >sessions/s/0/fd
		flb_changed 1 0 0 0
		shows sessions/s files=1
		luo_end
	END
}

@test "files of two types share an FLB over a kexec; it is finished once, with the last, though nobody asked for it" {
	luo_run <<-'END'
		luo-hold preserve sessions/a/0 1 memfd,size=4K,seed=1
		luo-hold preserve sessions/b/0 1 memfd,size=4K,seed=2
		mkdir sessions/s
		preserve_devices 1 50
	END
	vm_kexec
	luo_run <<-'END'
		flb_counts
		luo-hold retrieve incoming/a/0 1 memfd,size=4K,seed=1
		echo 1 >incoming/a/finish
		echo discard >incoming/s/finish
		flb_changed 0 0 0 0
		luo-hold retrieve incoming/b/0 1 memfd,size=4K,seed=2
		echo 1 >incoming/b/finish
		flb_changed 0 0 1 1
	END
}

@test "an FLB that cannot be retrieved keeps its last file's session, until it can or that is discarded" {
	expect_kernel_line 'luo: liveupdate-test-flb-v1: retrieve FLB: EIO'
	expect_kernel_line 'luo: liveupdate-test-flb-v0: retrieve FLB: EIO'
	luo_run <<-'END'
		luo-hold preserve sessions/a/0 1 memfd,size=4K,seed=1
		luo-hold preserve sessions/b/0 1 memfd,size=4K,seed=2
	END
	vm_kexec
	luo_run <<-'END'
		flb_counts
		luo-hold retrieve incoming/a/0 1 memfd,size=4K,seed=1
		# While b is there nobody needs the FLBs.
		echo 2 >$FLB/fail_retrieve
		echo 1 >incoming/a/finish
		flb_changed 0 0 0 0
		luo-hold make null,fd=5 -- bash -c '
			. luo.bash
			echo self:5 >incoming/b/0/fd
			fails EIO "echo 1 >incoming/b/finish"
			shows . state=updated
			last_failed "EIO retrieve FLB liveupdate-test-flb-v1"
			shows incoming/b state=retrieved files=1 retrieved=1
			echo self:5 >incoming/b/0/fd
			luo-hold check open,fd=5,seed=2'
		expect 1,0,0 cat $FLB/retrieves
		expect 0,0,0 cat $FLB/finishes
		echo 1 >incoming/b/finish
		flb_changed 0 0 1 1

		luo-hold preserve sessions/c/0 1 memfd,size=4K,seed=1
	END
	vm_kexec
	luo_run <<-'END'
		echo 1 >$FLB/fail_retrieve
		echo discard >incoming/c/finish
		shows . state=normal
		last_failed "EIO retrieve FLB liveupdate-test-flb-v0"
		expect 0,1,1 cat $FLB/finishes
	END
}

@test "a file that links to another of its session finds it again, whichever is retrieved first" {
	expect_kernel_line 'luo: s/1: freeze: ENOENT'
	luo_run <<-'END'
		mkdir -p sessions/s/{1,2}
		luo-hold make memfd,size=4K,seed=7,fd=6 -- bash -c '
			exec 5<>/dev/liveupdate-test
			echo 12 >&5
			echo fd:6 >&5
			echo self:5 >sessions/s/1/fd'
	END
	vm_kexec_fails
	luo_run <<-'END'
		# The file that it links to is not preserved, and then only elsewhere.
		last_failed 'ENOENT freeze s/1'
		rmdir sessions/s/*/ sessions/s
		mkdir -p sessions/s/{1,2} sessions/t/2
		luo-hold make memfd,size=4K,seed=7,fd=6 -- bash -c '
			. luo.bash
			exec 5<>/dev/liveupdate-test
			echo 12 >&5
			echo fd:6 >&5
			echo self:5 >sessions/s/1/fd
			echo self:6 >sessions/t/2/fd
			kexec -e 2>/dev/null || :
			last_failed "ENOENT freeze s/1"
			rmdir sessions/t/2 sessions/t
			echo self:6 >sessions/s/2/fd'
	END
	vm_jump
	luo_run <<-'END'
		exec 5</dev/null 6</dev/null
		echo 2 >$TESTDEV/fail_retrieve
		echo self:5 >incoming/s/1/fd
		# What it links to is there for it, but not yet for the user.
		shows incoming/s retrieved=1
		shows incoming/s/2 state=preserved size=4096
		refused EBUSY 'echo 1 >incoming/s/finish'
		echo self:6 >incoming/s/2/fd
		expect "12 $(stat -L -c %i /proc/self/fd/6)" cat <&5
		luo-hold check open,fd=6,size=4K,seed=7
		echo 1 >incoming/s/finish
		echo 0 >$TESTDEV/fail_retrieve
	END
}

@test "a file and one that it links to are carried on, whichever was preserved first, and whatever was retrieved" {
	# In which order they are preserved, and which of them is retrieved in the kernel between
	for case in '1 2:' '2 1:' '1 2:1' '2 1:2'; do
		order=${case%:*} retrieved=${case#*:}
		luo_run "order='$order'" <<-'END'
			mkdir -p sessions/s/{1,2}
			export order
			luo-hold make memfd,size=4K,seed=7,fd=6 -- bash -c '
				exec 5<>/dev/liveupdate-test
				echo 12 >&5
				echo fd:6 >&5
				for token in $order; do
					echo self:$((token == 1 ? 5 : 6)) >sessions/s/$token/fd
				done'
		END
		vm_kexec
		luo_run "retrieved=$retrieved" <<-'END'
			exec 7</dev/null
			[[ -z $retrieved ]] || echo self:7 >incoming/s/$retrieved/fd
		END
		vm_kexec
		luo_run <<-'END'
			exec 5</dev/null 6</dev/null
			echo self:5 >incoming/s/1/fd
			echo self:6 >incoming/s/2/fd
			expect "12 $(stat -L -c %i /proc/self/fd/6)" cat <&5
			luo-hold check open,fd=6,size=4K,seed=7
			echo 1 >incoming/s/finish
			shows . state=normal last_error=0
		END
	done
}

@test "files that link to each other in a circle cannot be retrieved, and are discarded" {
	expect_kernel_line 'luo: s/1: retrieve: EDEADLK'
	expect_kernel_line 'luo: s/2: retrieve: EDEADLK'
	luo_run <<-'END'
		mkdir -p sessions/s/{1,2}
		exec 5<>/dev/liveupdate-test 6<>/dev/liveupdate-test
		echo fd:6 >&5
		echo fd:5 >&6
		echo self:5 >sessions/s/1/fd
		echo self:6 >sessions/s/2/fd
	END
	vm_kexec
	luo_run <<-'END'
		exec 5</dev/null
		fails EDEADLK 'echo self:5 >incoming/s/1/fd'
		fails EDEADLK 'echo self:5 >incoming/s/2/fd'
		# Two at once, each of which is in the middle of its own
		sleepers() { grep -l '^State:.D' /proc/[0-9]*/status 2>/dev/null | wc -l; }
		echo 1 >$TESTDEV/hold_retrieve
		for token in 1 2; do
			(fails EDEADLK "echo self:5 >incoming/s/$token/fd") &
			pids+=($!)
			until (($(sleepers) == token)); do :; done
		done
		echo 0 >$TESTDEV/hold_retrieve
		for pid in "${pids[@]}"; do
			wait $pid
		done
		shows incoming/s/1 state=failed
		shows incoming/s/2 state=failed
		echo discard >incoming/s/finish
		shows . state=normal
	END
}

@test "notes of the sample survive with their ledger, which is preserved and finished once for 100 of them" {
	expect_kernel_line 'luo: s/100: retrieve: ENODEV'
	luo_run <<-'END'
		insmod /boot/liveupdate-sample.ko
		grep -qx 'liveupdate-sample-note-v1 preserves' handlers
		for token in {1..100}; do
			note "note $token" s/$token
		done
		fails EAGAIN 'rmmod liveupdate-sample'
		grep -q '^liveupdate_sample ' /proc/modules
		expect 792 cat /sys/module/liveupdate_sample/parameters/written
		expect 1 bash -c 'dmesg | grep -c "ledger: preserved"'
		# Written after it was preserved.
		shows sessions/s/100 compatible=liveupdate-sample-note-v1 state=preserved
	END
	luo_kexec_held <<<'shows . state=frozen'
	luo_run <<-'END'
		# Without its handler a note is listed, and waits for it.
		exec 5</dev/null
		[[ $(<handlers) != *liveupdate-sample* ]]
		shows incoming/s files=100 state=preserved
		shows incoming/s/100 compatible=liveupdate-sample-note-v1 state=preserved size=
		fails ENODEV 'echo self:5 >incoming/s/100/fd'
		last_failed 'ENODEV retrieve s/100'
		shows incoming/s/100 state=preserved
		# Nobody can fill the kernel's log with that.
		begin=$EPOCHSECONDS
		for i in {1..500}; do
			if echo self:5 >incoming/s/100/fd; then
				exit 1
			fi
		done 2>/dev/null
		logged=$(dmesg | grep -c 's/100: retrieve: ENODEV')
		echo "of 501 errors, logged: $logged"
		((logged > 1 && logged <= 100 * ((EPOCHSECONDS - begin) / 5 + 2)))

		insmod /boot/liveupdate-sample.ko
		expect 792 cat /sys/module/liveupdate_sample/parameters/written
		shows incoming/s/100 size=9
		for token in {1..100}; do
			echo self:5 >incoming/s/$token/fd
			expect "note $token" cat <&5
		done
		exec 5<&-
		fails EAGAIN 'rmmod liveupdate-sample'
		echo 1 >incoming/s/finish
		expect 1 bash -c 'dmesg | grep -c "ledger: retrieved"'
		expect 1 bash -c 'dmesg | grep -c "ledger: finished"'
		rmmod liveupdate-sample
		[[ $(<handlers) != *liveupdate-sample* ]]
	END
}

@test "a session with files that nobody has a handler for goes when it is discarded, and the others do not care" {
	expect_kernel_line 'luo: s/1: discard, memory stays reserved: ENODEV'
	luo_run <<-'END'
		insmod /boot/liveupdate-sample.ko
		note one s/1
		note two t/1
		luo-hold preserve sessions/u/1 1 memfd,size=4K,seed=1
	END
	vm_kexec
	luo_run <<-'END'
		luo-hold retrieve incoming/u/1 1 memfd,size=4K,seed=1
		echo 1 >incoming/u/finish
		refused EBUSY 'echo 1 >incoming/s/finish'
		echo discard >incoming/s/finish
		last_failed 'ENODEV discard, memory stays reserved s/1'

		insmod /boot/liveupdate-sample.ko
		echo discard >incoming/t/finish
		shows . state=normal
	END
}
