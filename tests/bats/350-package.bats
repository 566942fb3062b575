#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# bats file_tags=without-debug
#
# The Debian package of luo-sh, on a Debian of which nothing else is ours but the kernel.
#
# Needs: deb, debroot stable

# shellcheck disable=SC2016,SC2154  # scripts for the guest, and vm_run sets output

load lib/common
load lib/luo

setup_file() {
	guest_start -r stable
	# Where it is after a kexec, too
	cp "$VM_REPO/build/$ARCH"/deb/luo-sh_*_"$ARCH_DEB".deb "$VM_DIR/share/luo-sh.deb"
}

@test "the package of make deb is installed, and is all there" {
	vm_run -t 120 'dpkg -i /boot/luo-sh.deb && dpkg -V luo-sh'
	vm_run 'luo-sh -j status | grep -o "\"state\":\"[a-z]*\""; systemctl is-enabled luo-restore luo-save; systemctl is-active luo-save'
	assert_output $'"state":"normal"\nenabled\nenabled\nactive'
}

@test "a whole live update from there: by hand, and by what the package does on its own" {
	vm_run 'head -c 3000001 /dev/urandom >/root/by-hand
		luo-sh session create vm1
		luo-sh fd save vm1 1 /root/by-hand
		mkdir /run/luo-sh/save/cache
		head -c 2000001 /dev/urandom >"/run/luo-sh/save/cache/a name"
		chown -R games: /run/luo-sh/save/cache
		cat /root/by-hand /run/luo-sh/save/cache/* | sha256sum
		rm /root/by-hand'
	before=$output
	vm_spawn 'luo-kexec -n; exec luo-sh kexec /boot/vmlinuz-next --reuse-cmdline'
	vm_await_kernel
	vm_run 'systemctl is-active luo-restore
		luo-sh fd restore vm1 1 /root/by-hand
		luo-sh session finish vm1
		luo-sh wait normal --timeout 0
		cat /root/by-hand "/run/luo-sh/save/cache/a name" | sha256sum
		stat -c %U /run/luo-sh/save/cache/*
		stat -c %a /run/luo-sh /run/luo-sh/save'
	assert_output "active"$'\n'"$before"$'\n'$'games\n755\n755'
}

@test "an upgrade neither saves nor restores, and starts no service anew that does" {
	vm_run -t 120 'systemctl show -p InvocationID luo-restore luo-save >/tmp/before
		dpkg -i /boot/luo-sh.deb >/dev/null
		systemctl show -p InvocationID luo-restore luo-save | diff /tmp/before -
		systemctl is-active luo-restore luo-save luo-guard
		ls /run/luo-sh/save/cache /sys/kernel/config/liveupdate/sessions'
	assert_output $'active\nactive\nactive\n/run/luo-sh/save/cache:\na name\n\n/sys/kernel/config/liveupdate/sessions:'
}

@test "the package is removed, and leaves nothing" {
	vm_run -t 120 'dpkg -L luo-sh >/tmp/files
		dpkg -P luo-sh >/dev/null
		while read -r file; do
			[[ -d $file ]] || ls -d "$file" || :
		done </tmp/files
		ls -d /usr/libexec/luo-sh /etc/systemd/system/*/luo-*.service || :'
	assert_output ''
}
