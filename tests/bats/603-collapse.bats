#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# bats file_tags=with-faults
#
# Pages that are preserved while they are replaced by a huge one, as khugepaged does: what is preserved is the huge one.

load lib/common
load lib/luo

# Who holds the pages does not let go of its processor.
setup_file() { guest_start -c 2; }

@test "a file is preserved at the moment in which its pages are replaced by a huge one" {
	luo_run <<-'END'
		luo-hold make memfd,size=4M,seed=1,fd=5 -- bash -c '. luo.bash
			hold=/sys/module/liveupdate_testhold/parameters
			mkdir sessions/s sessions/s/1
			echo Y >$hold/armed
			luo-hold check open,fd=5,size=4M,seed=1,via=collapse &
			until read -r held <$hold/held && [[ $held == Y ]]; do :; done
			echo self:5 >sessions/s/1/fd
			wait $!
			shows $hold met=Y
			luo-hold check open,fd=5,size=4M,seed=1'
	END
	vm_kexec
	luo_run <<-'END'
		luo-hold make null,fd=5 -- bash -c '. luo.bash
			echo self:5 >incoming/s/1/fd
			luo-hold check open,fd=5,size=4M,seed=1
			echo 1 >incoming/s/finish'
	END
}
