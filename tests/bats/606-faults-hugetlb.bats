#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# bats file_tags=with-faults
#
# The same as 600-faults and 605-faults-incoming, of files of huge pages.
# shellcheck disable=SC2016,SC2030,SC2031  # what is quoted is for the guest; vm_run sets output

load lib/common
load lib/luo
load lib/faults

FILE=memfd,flags=2M+sealing,size=64M,via=mmap,part=$(seq -s + -f %.0fM:4K 0 4 60)

@test "preserving and unpreserving a file of huge pages" {
	fault_run "file=$FILE" <<-'END'
		pool_has 2048 20
		mkdir -p sessions/s/1
		luo-hold make $file,seed=1,fd=5 -- bash -c '. luo.bash; . fault.bash
			each_fault "luo-fault \$nth write sessions/s/1/fd self:5" "rmdir sessions/s/1; mkdir sessions/s/1"
			((refused))
			echo self:5 >sessions/s/1/fd
			each_fault "luo-fault \$nth rmdir sessions/s/1" "mkdir sessions/s/1; echo self:5 >sessions/s/1/fd"
			expect "20 4 0 0" pool'
		luo_end
		expect "20 20 0 0" pool
	END
}

@test "retrieving files of huge pages" {
	expect_kernel_line 'luo: s/[0-9]+: retrieve: ENOMEM'
	luo_run <<-'END'
		pool_has 2048 150
		luo-hold preserve sessions/s/% 50 memfd,flags=2M,size=20M,seed=1,via=mmap,part=0:4K+8M:4K+16M:4K >/dev/null
	END
	vm_kexec
	fault_run <<-'END'
		background 1000000
		token=0
		settled_snapshot() {
			snapshot=$(grep . incoming/s/{state,files,retrieved} && pool)
		}
		each_fault 'luo-fault $nth write incoming/s/$token/fd self:5' 'token=$((token + 1))'
		((refused))
		((token < 50))
		luo-hold retrieve incoming/s/% 50 memfd,size=20M,seed=1,part=0:4K+8M:4K+16M:4K >/dev/null
		echo 1 >incoming/s/finish
		exec 5</dev/null
		expect "0 0 0 0" pool
	END
}
