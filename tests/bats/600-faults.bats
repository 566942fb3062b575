#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# bats file_tags=with-faults
#
# Each allocation that the kernel makes for an operation fails once: the operation says so and has changed nothing,
# or did without it; and it works when it is tried again.
# shellcheck disable=SC2016,SC2030,SC2031  # what is quoted is for the guest; vm_run sets output

load lib/common
load lib/luo
load lib/faults

# Names that are too long for what a directory has for one.
@test "making and removing sessions and tokens" {
	fault_run <<-'END'
		session=sessions/of-a-long-name-indeed
		token=$session/18446744073709551615
		each_fault 'luo-fault $nth mkdir $session' 'rmdir $session'
		((refused))
		mkdir $session
		each_fault 'luo-fault $nth mkdir $token' 'rmdir $token'
		((refused))
		mkdir $token
		each_fault 'luo-fault $nth rmdir $token' 'mkdir $token'
		rmdir $token
		each_fault 'luo-fault $nth rmdir $session' 'mkdir $session'
		rmdir $session
	END
}

@test "a session becoming somebody's" {
	fault_run <<-'END'
		mkdir sessions/s
		exec 9</proc/$$
		each_fault 'luo-fault $nth write sessions/s/owner 9' 'echo none >sessions/s/owner'
		each_fault 'luo-fault $nth write owner 9' 'echo none >owner'
		rmdir sessions/s
	END
}

# each_format: with a memfd as descriptor 5 and a session for it, in each format, the script on stdin in a shell of its
# owner's. Afterwards what it holds is as it was.
each_format() {
	local abi script
	script=$(cat)
	for abi in luo-v5 luo-v1; do
		fault_run "abi=$abi data=$DATA script=${script@Q}" <<-'END'
			echo $abi >abi
			mkdir sessions/s sessions/s/1
			luo-hold make memfd,size=4M,seed=1,data=$data,fd=5 -- bash -c ". luo.bash; . fault.bash; $script"'
				luo-hold check open,fd=5,size=4M,seed=1,data='$data
			luo_end
		END
	done
}

@test "preserving and unpreserving a memfd, in each format" {
	each_format <<-'END'
		each_fault 'luo-fault $nth write sessions/s/1/fd self:5' 'rmdir sessions/s/1; mkdir sessions/s/1'
		((refused))
		echo self:5 >sessions/s/1/fd
		each_fault 'luo-fault $nth rmdir sessions/s/1' 'mkdir sessions/s/1; echo self:5 >sessions/s/1/fd'
	END
}

@test "filling a hole of a preserved memfd" {
	each_format <<-'END'
		echo self:5 >sessions/s/1/fd
		each_fault 'luo-fault $nth write /proc/self/fd/5 hello' '
			rmdir sessions/s/1
			fallocate -pl 4K /proc/self/fd/5
			mkdir sessions/s/1
			echo self:5 >sessions/s/1/fd'
		((refused))
	END
}

@test "sessions and files of the device's" {
	fault_run "data=$DATA" <<-'END'
		each_fault 'luo-ioctl open "fault $nth" "create s"'
		((refused))
		luo-hold make memfd,size=4M,seed=1,data=$data,fd=5 -- bash -c '
			. luo.bash
			. fault.bash
			each_fault "luo-ioctl open \"create s\" \"fault \$nth\" \"preserve 5 1\""
			((refused))'
		expect '' ls sessions
	END
}
