#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# bats file_tags=with-faults
#
# The same as 600-faults, of what goes through all that is preserved: another format, and a reboot that is undone.
# shellcheck disable=SC2016,SC2030,SC2031  # what is quoted is for the guest; vm_run sets output

load lib/common
load lib/luo
load lib/faults

@test "changing the format, with files preserved" {
	expect_kernel_line 'luo: s/[0-2]: convert: ENOMEM'
	fault_run "data=$DATA" <<-'END'
		may_change='(^|/)last_error:'
		luo-hold preserve sessions/s/% 3 memfd,size=4M,seed=1,data=$data >/dev/null
		mkdir sessions/t
		each_fault 'luo-fault $nth write abi luo-v5' 'echo luo-v1 >abi'
		((refused))
		echo luo-v5 >abi
		each_fault 'luo-fault $nth write abi luo-v1' 'echo luo-v5 >abi'
		((refused))
		echo luo-v1 >abi
		shows sessions/s/2 compatible=memfd-v3
		luo_end
	END
}

@test "allowing files to be left behind, and preserving more of them then" {
	fault_run "data=$DATA" <<-'END'
		luo-hold preserve sessions/s/% 70 memfd,size=4K,seed=1 >/dev/null
		each_fault 'luo-fault $nth write on_error drop' 'echo refuse >on_error'
		((refused))
		echo drop >on_error
		# Each second one needs a page more.
		mkdir sessions/s/{100..170}
		luo-hold make memfd,size=4K,fd=5 -- bash -c '. luo.bash; . fault.bash
			for token in {100..170}; do
				each_fault "luo-fault \$nth write sessions/s/$token/fd self:5" "rmdir sessions/s/$token; mkdir sessions/s/$token"
				((refused))
				rmdir sessions/s/$token
			done'
		echo refuse >on_error
		luo_end
	END
}

@test "giving labels to sessions and tokens" {
	fault_run <<-'END'
		mkdir sessions/s sessions/s/{1..14}
		# Each twelfth one needs a page more.
		for dir in sessions/s sessions/s/{1..14}; do
			each_fault "luo-fault \$nth write $dir/label text" "echo >$dir/label"
			((refused))
			echo text >$dir/label
		done
		luo_end
	END
}

@test "a reboot that is prepared needs no memory, and preparing it is undone when there is none" {
	expect_kernel_line 'luo: s2/1: freeze: EIO'
	allow_kernel_line 'luo: s: carry on: ENOMEM'
	allow_kernel_line 'luo: s/[0-9]+: carry on: ENOMEM'
	luo_run "data=$DATA" <<-'END'
		luo-hold preserve sessions/s/% 5 memfd,size=4M,seed=1,data=$data >/dev/null
	END
	vm_kexec
	vm_load
	fault_run "data=$DATA" <<-'END'
		# Some of it is carried on as it came, some was retrieved.
		luo-hold retrieve incoming/s/0 1 memfd,size=4M,seed=1,data=$data >/dev/null
		may_change='(^|/)(last_error|prepare):'
		each_fault 'luo-fault $nth write prepare 1'
		((refused))
		shows . prepare=ready
		mkdir sessions/s2 sessions/s2/1
		exec 5<>/dev/liveupdate-test
		echo self:5 >sessions/s2/1/fd
		shows . prepare=stale
		ok=EIO
		each_fault 'echo 1 >prepare; echo 1 >$TESTDEV/fail_freeze; luo-fault $nth kexec'
		((!refused))
		shows . prepare=stale
		luo_end
	END
	vm_jump
	luo_run "data=$DATA" <<-'END'
		luo-hold retrieve incoming/s/% 5 memfd,size=4M,seed=1,data=$data >/dev/null
		echo 1 >incoming/s/finish
	END
}

@test "a reboot into the next kernel needs no memory for what is preserved, and is undone as ever" {
	expect_kernel_line 'luo: last/1: freeze: EIO'
	expect_kernel_line 'luo: s2/1: freeze: EIO'
	luo_run "data=$DATA" <<-'END'
		luo-hold preserve sessions/s/% 5 memfd,size=4M,seed=1,data=$data >/dev/null
		mkdir sessions/last sessions/last/1
		luo_file 5
		exec 5<>/dev/liveupdate-test
		echo self:5 >sessions/last/1/fd
	END
	vm_load
	fault_run <<-'END'
		ok=EIO
		may_change='(^|/)last_error:'
		each_fault 'echo 1 >$TESTDEV/fail_freeze; luo-fault $nth kexec'
		((!refused))
	END
	vm_jump
	# And it is carried on likewise.
	vm_load
	fault_run "data=$DATA" <<-'END'
		shows incoming/s state=preserved files=5
		mkdir sessions/s2 sessions/s2/1
		exec 5<>/dev/liveupdate-test
		echo self:5 >sessions/s2/1/fd
		ok=EIO
		may_change='(^|/)last_error:|^incoming/.*/state:'
		for _ in 'with all to be retrieved' 'with nothing to be retrieved'; do
			each_fault 'echo 1 >$TESTDEV/fail_freeze; luo-fault $nth kexec'
			((refused))
			last_failed 'EIO freeze s2/1'
		done
		luo_end
	END
	vm_jump
	luo_run "data=$DATA" <<-'END'
		luo-hold retrieve incoming/s/% 5 memfd,size=4M,seed=1,data=$data >/dev/null
		for finish in incoming/*/finish; do
			echo discard >$finish
		done
	END
}
