# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the tests of examples/ share: a Debian that has them, and how long what took. Sourced after lib/common.

# shellcheck disable=SC2034  # for the tests
EXAMPLES=/boot/examples
phases=()

# examples_share: have them on the machine's /boot, with the counter compiled: that is for a PC, whatever we are.
examples_share() {
	cp -r "$VM_REPO/examples" "$VM_DIR/share"
	x86_64-linux-gnu-gcc -m32 -O2 -Wall -Wextra -Werror -ffreestanding -fno-pic -fno-stack-protector -nostdlib -static \
		-Wl,-Ttext=0x100000,--build-id=none -o "$VM_DIR/share/counter" "$VM_REPO/examples/counter.c"
}

# units_share, before the guest starts or while it runs, and units_install: have luo-sh and its units there.
units_share() {
	cp -r "$VM_REPO/build/$ARCH/guest/usr" "$VM_REPO/tools/luo-sh/systemd" "$VM_DIR/share"
}
units_install() {
	vm_run -t 90 'cp -r /boot/usr/{sbin,lib,libexec} /usr
		install -m 644 -t /etc/tmpfiles.d /boot/systemd/luo-sh.conf
		systemd-tmpfiles --create luo-sh.conf
		cp -r /boot/systemd/kexec.target.d /etc/systemd/system
		install -m 644 -t /etc/systemd/system /boot/systemd/*.service
		systemctl daemon-reload'
}

# examples_end: remove what is preserved.
examples_end() {
	vm_run "rmdir $LUO/sessions/*/*/ $LUO/sessions/*/"
}

# phase NAME COMMAND…: run it, and add its milliseconds to phases.
phase() {
	local name=$1 start=${EPOCHREALTIME/[.,]/}
	shift
	"$@" || return
	phase_took "$name" $(((${EPOCHREALTIME/[.,]/} - start) / 1000))
}

phase_took() {
	phases+=("$(printf '%-36s %8d ms' "$@")")
}

# phase_kexec: to the kernel that is loaded. How long that has been up tells its part from that of the one before.
# shellcheck disable=SC2016,SC2154  # what is quoted is for the guest; vm_run sets output
phase_kexec() {
	local start=${EPOCHREALTIME/[.,]/} up
	vm_jump || return
	vm_run 'read -r up _ </proc/uptime; echo "${up/./}0"' || return
	up=$output
	phase_took 'freeze and kexec' $(((${EPOCHREALTIME/[.,]/} - start) / 1000 - up))
	phase_took 'boot' "$up"
}

# phases_show: as comments of the test.
phases_show() {
	printf '# %s\n' "${phases[@]}" >&3
}
