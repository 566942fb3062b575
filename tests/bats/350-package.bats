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
	vm_push "$(echo "$VM_REPO/build/$ARCH"/deb/luo-sh_*_"$ARCH_DEB".deb)"
}

@test "the package is installed, and is all there" {
	vm_run 'dpkg -i /tmp/luo-sh_*.deb && dpkg -V luo-sh'
	vm_run 'luo-sh -j status | grep -o "\"state\":\"[a-z]*\""; systemctl is-enabled luo-restore'
	assert_output $'"state":"normal"\nenabled'
}

@test "a whole live update from there: by hand, and by what the package does on its own" {
	vm_run 'head -c 3000001 /dev/urandom >/root/by-hand
		luo-sh session create vm1
		luo-sh fd save vm1 1 /root/by-hand
		mkdir -p /run/luo-sh/save
		head -c 2000001 /dev/urandom >/run/luo-sh/save/cache
		cat /root/by-hand /run/luo-sh/save/cache | sha256sum
		rm /root/by-hand'
	before=$output
	vm_spawn 'exec luo-sh kexec /boot/vmlinuz-next --reuse-cmdline'
	vm_await_kernel
	vm_run 'systemctl is-active luo-restore
		luo-sh fd restore vm1 1 /root/by-hand
		luo-sh session finish vm1
		luo-sh wait normal --timeout 0
		cat /root/by-hand /run/luo-sh/restored/cache/0 | sha256sum'
	assert_output "active"$'\n'"$before"
}

@test "the package is removed, and leaves nothing" {
	vm_run 'dpkg -L luo-sh >/tmp/files
		dpkg -P luo-sh >/dev/null
		while read -r file; do
			[[ -d $file ]] || ls -d "$file" || :
		done </tmp/files
		ls -d /usr/libexec/luo-sh /etc/systemd/system/*/luo-restore.service || :'
	assert_output ''
}
