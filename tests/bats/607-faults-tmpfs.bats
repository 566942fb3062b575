#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# bats file_tags=with-faults
#
# The same as 600-faults and 605-faults-incoming, of a tmpfs.
# shellcheck disable=SC2016,SC2030,SC2031  # what is quoted is for the guest; vm_run sets output

load lib/common
load lib/luo
load lib/faults

@test "preserving and unpreserving a tmpfs, and filling a hole in it" {
	fault_run <<-'END'
		. tmpfs.bash
		tmpfs_mount /keep
		tmpfs_small /keep
		tmpfs_list /keep >/dev/null
		before=$(tmpfs_list /keep)
		mkdir -p sessions/s/1
		exec 5</keep
		each_fault 'luo-fault $nth write sessions/s/1/fd self:5' 'rmdir sessions/s/1; mkdir sessions/s/1'
		((refused))
		echo self:5 >sessions/s/1/fd
		each_fault 'luo-fault $nth rmdir sessions/s/1' 'mkdir sessions/s/1; echo self:5 >sessions/s/1/fd'
		echo self:5 >sessions/s/1/fd
		[[ $(tmpfs_list /keep) == "$before" ]]
		each_fault 'luo-fault $nth write /keep/hole hello' '
			rmdir sessions/s/1
			fallocate -pl 4K /keep/hole
			mkdir sessions/s/1
			echo self:5 >sessions/s/1/fd'
		((refused))
		luo_end
		exec 5<&-
		umount /keep
	END
}

@test "retrieving a tmpfs" {
	expect_kernel_line 'luo: s/[0-9]+: retrieve: ENOMEM'
	luo_run <<-'END'
		. tmpfs.bash
		for token in {0..99}; do
			tmpfs_mount /keep
			tmpfs_small /keep
			tmpfs_keep /keep $token
			umount -l /keep
		done
	END
	vm_kexec
	fault_run <<-'END'
		. tmpfs.bash
		token=0
		settled_snapshot() {
			snapshot=$(grep . incoming/s/{state,files,retrieved})
		}
		exec 5</dev/null
		each_fault 'luo-fault $nth write incoming/s/$token/fd self:5' 'token=$((token + 1))'
		((refused && token < 100))
		exec 5<&-
		for token in {0..99}; do
			tmpfs_back /keep $token
			expect sub cat /keep/dir/sub/file
			expect 1000001 stat -c %s /keep/sparse
			umount /keep
		done
		echo 1 >incoming/s/finish
	END
}
