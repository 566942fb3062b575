#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# bats file_tags=without-debug,memory
#
# How much memory it takes to preserve, and what happens where there is none. (kmemleak gives up there, too.)

load lib/common
load lib/luo

@test "a memfd that is larger than all memory is preserved by what it holds" {
	luo_run <<-'END'
		before=$(mem_free)
		luo-hold preserve sessions/s/1 1 memfd,size=1T,data=0:8M+300G:16M+1048568M:8M,seed=1
		taken=$((before - $(mem_free)))
		echo "MiB taken: $taken"
		((taken >= 32 && taken < 36))
	END
	vm_kexec
	luo_run <<-'END'
		luo-hold retrieve incoming/s/1 1 memfd,size=1T,data=0:8M+300G:16M+1048568M:8M,seed=1
		echo 1 >incoming/s/finish
	END
}

@test "preserving without memory gets ENOMEM, kills nobody, changes nothing, and works when tried again" {
	luo_run <<-'END'
		luo-hold make memfd,size=128M,seed=1,via=scattered,fd=5 -- bash -c '
			. luo.bash
			before=$(mem_free)
			for kib in 768 512 256 0; do
				expect "ENOMEM ok 0" starve $kib 5
			done
			left=$((before - $(mem_free)))
			echo "MiB left behind: $left"
			((left <= 1))
			mkdir sessions/s sessions/s/1
			echo self:5 >sessions/s/1/fd'
	END
	vm_kexec
	luo_run <<-'END'
		luo-hold retrieve incoming/s/1 1 memfd,size=128M,seed=1
		echo 1 >incoming/s/finish
	END
}

@test "of many files those are preserved that there is memory for" {
	local line
	luo_run <<-'END'
		mapfile -t files < <(printf "memfd,size=1M,seed=1,via=scattered,fd=%d\n" {100..299})
		luo-hold make "${files[@]}" -- bash -c '
			. luo.bash
			for kib in {0..6144..1024}; do
				starve $kib {100..299}
			done'
	END
	[[ $output == *'ok ENOMEM'* ]]
	for line in "${lines[@]}"; do
		# That there is memory again is said to be ok, too.
		assert_equal "$(grep -ow ok <<<"$line" | wc -l)" $((${line##* } + 1))
	done
}
