#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# bats file_tags=without-debug
#
# examples/systemd: services keep what they have in memory over live updates, by systemd's own means, which go through
# /dev/liveupdate, and by those of luo-sh, which go through configfs.
#
# Needs: debroot newest

# shellcheck disable=SC2016,SC2154  # what is quoted is for the guest, and vm_run sets stderr

load lib/common
load lib/luo
load lib/examples

# The third service is of the test alone: it preserves a file in a session that systemd has made for it.
setup_file() {
	guest_start -r newest
	examples_share
	units_share
	cat >"$VM_DIR/share/session.service" <<-'END'
		[Service]
		Type=oneshot
		RemainAfterExit=yes
		FileDescriptorStorePreserve=yes
		LUOSession=mine
		ExecStart=/bin/bash /boot/session

		[Install]
		WantedBy=multi-user.target
	END
	cat >"$VM_DIR/share/session" <<-'END'
		luo-ioctl 'inherit 3' 'fetch 1 9' 'run luo-hold check open,fd=9,size=64M,seed=1 >/dev/null && echo checked' >/run/said
		grep checked /run/said ||
			luo-hold make memfd,size=64M,seed=1,fd=9 -- luo-ioctl 'inherit 3' 'preserve 9 1' >>/run/said
	END
	units_install
	vm_run -t 90 'install -m 644 -t /etc/systemd/system /boot/examples/systemd/*.service /boot/session.service
		install -t /usr/local/lib /boot/examples/systemd/remember
		systemctl daemon-reload
		systemctl enable --now luo-restore luo-save luo-timeline remember diary session'
}

# systemd_kexec: as an administrator does it.
systemd_kexec() {
	vm_load
	vm_spawn 'luo-kexec -n; exec systemctl kexec'
	vm_await_kernel
	vm_run -t "$VM_BOOT_SECONDS" 'systemctl is-system-running --wait'
}

@test "over three kernels: services have their stored descriptors, their sessions, and their files in memory" {
	boots=$(<"$VM_DIR/boot_id")
	vm_run 'cat /run/said'
	assert_output $'ok\nEINVAL\nok\nok'
	for _ in 1 2; do
		systemd_kexec
		boots+=$'\n'$(<"$VM_DIR/boot_id")
		vm_run 'cat /proc/$(systemctl show -P MainPID remember)/fd/3'
		assert_output "$boots"
		vm_run 'cat /run/luo-sh/save/diary/boots'
		assert_output "$boots"
		vm_run 'cat /run/said'
		assert_line checked
	done
	vm_run 'systemctl disable --now --quiet remember session diary
		systemctl clean --what=fdstore remember session
		rm -r /run/luo-sh/save/diary'
}

# needs WANT: what the next kernel has to understand
needs() {
	vm_run 'luo-sh -j check /boot/vmlinuz-next 2>/dev/null | jq -c .needs'
	assert_output "$1"
}

@test "what a service has stored with systemd counts before it is preserved" {
	needs '[]'
	vm_run 'systemctl start remember'
	needs '["memfd-v3","luo-v1","kho-v4"]'
	vm_run -e 6 'luo-sh kexec /boot/vmlinuz-next --cmdline "root=/dev/vda rw" --skip-memory'
	[[ $stderr == *'its command line lacks liveupdate=on kho=on'* ]]
	vm_run 'luo-sh kexec /boot/vmlinuz-next --now --dry-run'
	[[ $stderr == *'descriptors stored with systemd: would be lost by a kexec without it'* ]]
	vm_run 'systemctl stop remember && systemctl clean --what=fdstore remember'
	needs '[]'
}

@test "while something is preserved an inhibitor keeps systemd from rebooting, and luo-sh kexec goes" {
	vm_run 'systemctl enable --now luo-guard; ! systemd-inhibit --list --no-legend | grep luo-sh'
	luo_run <<<'luo-hold preserve sessions/s/1 1 memfd,size=64K,seed=1 >/dev/null'
	vm_run -t 60 'until systemd-inhibit --list --no-legend | grep -q luo-sh; do sleep 0.1; done'
	vm_load
	for command in reboot poweroff halt kexec; do
		vm_run -e 1 "systemctl $command"
		[[ $stderr == *'Operation denied due to active block inhibitor' ]]
	done
	vm_run 'kexec -s -u'
	vm_run 'systemctl mask --runtime --quiet kexec.target'
	vm_run -e 1 'luo-sh kexec /boot/vmlinuz-next --reuse-cmdline'
	vm_run -t 60 'systemctl unmask --runtime --quiet kexec.target
		until systemd-inhibit --list --no-legend | grep -q luo-sh; do sleep 0.1; done
		systemd-run --quiet --unit other systemd-inhibit --what=shutdown --mode=block --who=other sleep infinity
		until systemd-inhibit --list --no-legend | grep -q other; do sleep 0.1; done'
	# Those of others are not ours to pass over.
	vm_run -e 1 'luo-sh kexec /boot/vmlinuz-next --reuse-cmdline'
	vm_run -t 60 'systemctl stop other
		until systemd-inhibit --list --no-legend | grep -q luo-sh; do sleep 0.1; done
		cat /sys/kernel/kexec_loaded'
	assert_output 0
	vm_spawn 'luo-kexec -n; exec luo-sh kexec /boot/vmlinuz-next --reuse-cmdline'
	vm_await_kernel
	luo_run <<-'END'
		luo-hold retrieve incoming/s/1 1 memfd,size=64K,seed=1 >/dev/null
		luo-sh session finish s
	END
	# The state is normal now.
	vm_run -t 60 'until journalctl -b -u luo-timeline -o cat | grep -q finished; do sleep 0.1; done
		journalctl -b -u luo-timeline -o cat | grep -q "ms.*#"'
	vm_run -t 60 'until ! systemd-inhibit --list --no-legend | grep -q luo-sh; do sleep 0.1; done; systemctl disable --now luo-guard'
}

@test "a file that cannot be frozen when all services are down is left behind, and the next kernel names it" {
	expect_kernel_line 'luo: s/2: freeze: EIO'
	expect_kernel_line 'luo: 1 files are left behind'
	expect_kernel_line 'luo: the previous kernel left 1 files behind'
	luo_run <<-'END'
		luo-hold preserve sessions/vm/1 1 memfd,size=64K,seed=1 >/dev/null
		mkdir sessions/s
		preserve_devices 1 3
		echo 2 >$TESTDEV/fail_freeze
	END
	vm_spawn 'luo-kexec -n; exec luo-sh kexec /boot/vmlinuz-next --reuse-cmdline'
	vm_await_kernel
	luo_run <<-'END'
		luo-hold retrieve incoming/vm/1 1 memfd,size=64K,seed=1 >/dev/null
		shows incoming/s files=2
		luo-sh session finish vm
		echo discard >incoming/s/finish
		journalctl -k | grep -o 'the previous kernel left .*'
		luo-sh status | grep -A 1 '^lost'
		luo-sh -j status | jq -c .lost
	END
	assert_output 'the previous kernel left 1 files behind
lost:
  s/2:  compatible liveupdate-test-v1  errno EIO
[{"file":"s/2","compatible":"liveupdate-test-v1","errno":"EIO"}]'
}
