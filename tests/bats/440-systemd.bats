#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# bats file_tags=without-debug
#
# examples/systemd: services keep what they have in memory over live updates, by systemd's own means, which go through
# /dev/liveupdate, and by those of luo-sh, which go through configfs.
#
# Needs: debroot newest

# shellcheck disable=SC2016  # what is quoted is for the guest

load lib/common
load lib/luo
load lib/examples

# The third service is of the test alone: it preserves a file in a session that systemd has made for it.
setup_file() {
	guest_start -r newest
	examples_share
	cp -r "$VM_REPO/build/$ARCH/guest/usr" "$VM_REPO/tools/luo-sh/systemd" "$VM_DIR/share"
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
	vm_run 'cp -r /boot/usr/{sbin,lib,libexec} /usr
		install -m 644 -t /etc/systemd/system /boot/systemd/*.service /boot/examples/systemd/*.service /boot/session.service
		install -t /usr/local/lib /boot/examples/systemd/remember
		systemctl daemon-reload
		systemctl enable --now luo-restore remember diary session'
}

# systemd_kexec: as an administrator does it.
systemd_kexec() {
	vm_load
	vm_spawn 'exec systemctl kexec'
	vm_await_kernel
	vm_run 'systemctl is-system-running --wait'
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
		vm_run 'cat /run/luo-sh/save/diary'
		assert_output "$boots"
		vm_run 'cat /run/said'
		assert_line checked
	done
	vm_run 'systemctl stop remember session && systemctl clean --what=fdstore remember session'
}
