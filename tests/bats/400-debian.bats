#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# bats file_tags=without-debug
#
# A whole Debian as it comes, on a disk: what the other tests have a small root for is the same on a server.
#
# Needs: debroot stable

# shellcheck disable=SC2016,SC2154  # what is quoted is for the guest, and vm_run sets stderr

load lib/common
load lib/luo

setup_file() {
	guest_start -r stable
}

# preserve TEXT: under token 42 of session vm1, by a shell that is gone then; and on the disk.
preserve() {
	luo_run "echo '$1' >/root/text" <<-'END'
		luo_file 5 "$(</root/text)"
		mkdir -p sessions/vm1/42
		echo self:5 >sessions/vm1/42/fd
		shows sessions/vm1/42 state=preserved
	END
}

# find_again TEXT
find_again() {
	luo_run "text='$1'" <<-'END'
		expect "$text" cat /root/text
		shows incoming/vm1 state=preserved
		exec 5</dev/null
		echo self:5 >incoming/vm1/42/fd
		expect "$text" cat /proc/self/fd/5
		echo 1 >incoming/vm1/finish
		shows . state=normal
	END
}

@test "it comes up, and nothing of it fails" {
	vm_run -t "$VM_BOOT_SECONDS" 'systemctl is-system-running --wait; systemctl --failed --no-legend; stat -fc %T /; cat /proc/1/comm'
	assert_output $'running\next2/ext3\nsystemd'
}

@test "bytes survive kexec -e, and those on the disk do" {
	preserve 'before the jump'
	vm_kexec
	find_again 'before the jump'
}

@test "bytes survive a kexec that systemd does, after it has stopped all that runs" {
	preserve 'before the shutdown'
	vm_load
	vm_spawn 'luo-kexec -n; exec systemctl kexec'
	vm_await_kernel
	find_again 'before the shutdown'
}

@test "what systemd has begun goes on, though systemctl was killed" {
	vm_push "$VM_REPO/build/$ARCH/guest/usr/sbin/luo-sh"
	preserve 'before systemctl was killed'
	vm_run "mkdir /tmp/killed
		cat >/tmp/killed/systemctl <<-'END'
			#!/bin/sh
			/usr/bin/systemctl \"\$@\"
			[ \$1 != kexec ] || kill -9 \$\$
		END
		chmod +x /tmp/killed/systemctl"
	# A service that is not killed at once, so that luo-sh sees systemctl end.
	vm_spawn 'luo-kexec -n
		exec systemd-run -p KillSignal=SIGCONT -p TimeoutStopSec=10 -E PATH=/tmp/killed:/usr/bin \
			/tmp/luo-sh kexec /boot/vmlinuz-next --reuse-cmdline'
	vm_await_kernel
	find_again 'before systemctl was killed'
}

@test "where systemd refuses the kexec, luo-sh leaves the machine as it was" {
	vm_push "$VM_REPO/build/$ARCH/guest/usr/sbin/luo-sh"
	luo_run -t 180 <<-'END'
		luo-hold preserve sessions/s/1 1 memfd,size=64K,seed=1
		mkdir /tmp/bin
		printf '#!/bin/sh\nkill -9 $$\n' >/tmp/bin/systemctl
		chmod +x /tmp/bin/systemctl
		systemctl mask --runtime --quiet kexec.target
		# stays PATH MESSAGE: with what is called systemctl there, luo-sh ends with that.
		stays() {
			local rc=0
			PATH=$1 /tmp/luo-sh kexec /boot/vmlinuz-next --reuse-cmdline 2>/tmp/err || rc=$?
			((rc == 1))
			expect "luo-sh: $2"$'\nluo-sh: nothing was stopped' tail -n 2 /tmp/err
			expect 0 cat /sys/kernel/kexec_loaded
			shows . state=normal abi='[luo-v1] luo-v5'
			shows sessions/s/1 state=preserved
		}
		stays "$PATH" 'systemctl kexec failed'
		stays /tmp/bin 'systemctl kexec failed'
		stays /nowhere 'systemctl: No such file or directory (ENOENT)'
		# One that hangs, and who waits for it is told to go
		printf '#!/bin/bash\n[[ $1 != kexec ]] || { touch /tmp/asked; exec sleep 1000; }; exec /usr/bin/systemctl "$@"\n' >/tmp/bin/systemctl
		PATH=/tmp/bin:$PATH /tmp/luo-sh kexec /boot/vmlinuz-next --reuse-cmdline 2>/tmp/err &
		until [[ -e /tmp/asked ]]; do :; done
		kill $!
		rc=0
		wait $! || rc=$?
		# By the signal, when all was undone
		((rc == 143))
		expect $'luo-sh: interrupted\nluo-sh: nothing was stopped' tail -n 2 /tmp/err
		expect 0 cat /sys/kernel/kexec_loaded
		shows . state=normal abi='[luo-v1] luo-v5'
		# One that says it has, and has not
		printf '#!/bin/sh\n[ $1 = kexec ] || exec /usr/bin/systemctl "$@"\n' >/tmp/bin/systemctl
		rc=0
		PATH=/tmp/bin:$PATH /tmp/luo-sh kexec /boot/vmlinuz-next --reuse-cmdline 2>/tmp/err || rc=$?
		((rc == 3))
		expect $'luo-sh: systemd did not begin to stop within 60 s\nluo-sh: nothing was stopped' tail -n 2 /tmp/err
		expect 0 cat /sys/kernel/kexec_loaded
		systemctl unmask --runtime --quiet kexec.target
		/tmp/luo-sh session delete s
	END
}

@test "what services leave to be saved counts before any of them is stopped" {
	vm_push "$VM_REPO/build/$ARCH/guest/usr/sbin/luo-sh"
	luo_run -t 180 <<-'END'
		mkdir -p /run/luo-sh/save/a
		rc=0
		/tmp/luo-sh check /boot/vmlinuz-next 2>/tmp/err >/dev/null || rc=$?
		((rc == 1))
		expect 'luo-sh: /run/luo-sh/save: would be lost, as luo-save.service is not active: start it, or remove what is there' cat /tmp/err
		rc=0
		/tmp/luo-sh kexec /boot/vmlinuz-next --reuse-cmdline 2>/dev/null || rc=$?
		((rc == 1))
		printf '[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=true\n' >/run/systemd/system/luo-save.service
		systemctl daemon-reload
		systemctl start luo-save
		rc=0
		/tmp/luo-sh -j check /boot/vmlinuz-next --cmdline 'root=/dev/vda' 2>/tmp/err >/tmp/out || rc=$?
		((rc == 6))
		grep -q 'its command line lacks liveupdate=on kho=on' /tmp/err
		grep -q '"needs":\["memfd-v3","luo-v1"' /tmp/out
		# Not when systemd does not stop them
		/tmp/luo-sh kexec /boot/vmlinuz-next --now --dry-run 2>/tmp/err >/dev/null
		grep -qxF 'luo-sh: /run/luo-sh/save: would be lost by a kexec without systemd' /tmp/err
		# More than there is room for
		mount -t tmpfs -o size=95% none /run/luo-sh/save
		head -c "$(awk '$1 == "MemAvailable:" { print int($2 * 0.6) "K" }' /proc/meminfo)" /dev/zero >/run/luo-sh/save/large
		rc=0
		/tmp/luo-sh check /boot/vmlinuz-next 2>/tmp/err >/dev/null || rc=$?
		((rc == 1))
		grep -q '/run/luo-sh/save: .* MiB of memory are needed, and' /tmp/err
		umount /run/luo-sh/save
		systemctl stop luo-save
		rm -r /run/luo-sh /run/systemd/system/luo-save.service
		expect 0 cat /sys/kernel/kexec_loaded
	END
}

# refuses_reboots yes|no: whether systemd does, as soon as it has come to that
refuses_reboots() {
	vm_run -t 60 "until [[ \$(systemctl show -P RefuseManualStart halt.target poweroff.target reboot.target | sort -u) == *$1 ]]; do sleep 0.1; done"
}

@test "while something is preserved no reboot goes through in silence, and luo-sh kexec does" {
	vm_push "$VM_REPO/build/$ARCH/guest/usr/sbin/luo-sh"
	vm_push "$VM_REPO/tools/luo-sh/systemd/luo-guard"
	vm_push "$VM_REPO/tools/luo-sh/systemd/luo-guard.service"
	vm_run 'install /tmp/luo-sh /usr/sbin
		install -D -t /usr/libexec/luo-sh /tmp/luo-guard
		install -m 644 -t /etc/systemd/system /tmp/luo-guard.service
		systemctl enable --now luo-guard'
	vm_run 'luo-sh wait empty --timeout 0; systemctl is-active luo-guard; systemctl show -P RefuseManualStart reboot.target'
	assert_output $'active\nno'
	luo_run <<<'luo-hold preserve sessions/s/1 1 memfd,size=64K,seed=1 >/dev/null; luo-sh wait outgoing --timeout 0'
	refuses_reboots yes
	for command in reboot poweroff halt; do
		vm_run "! systemctl $command"
		[[ $stderr == *'may be requested by dependency only'* ]]
	done
	# A kexec that does not come about leaves it as it was.
	vm_run 'systemctl mask --runtime --quiet kexec.target'
	vm_run -e 1 'luo-sh kexec /boot/vmlinuz-next --reuse-cmdline'
	refuses_reboots yes
	vm_run 'systemctl unmask --runtime --quiet kexec.target; luo-sh session delete s'
	refuses_reboots no
	preserve 'guarded'
	refuses_reboots yes
	vm_spawn 'luo-kexec -n; exec luo-sh kexec /boot/vmlinuz-next --reuse-cmdline'
	vm_await_kernel
	# What came and is not finished would be lost, too.
	refuses_reboots yes
	find_again 'guarded'
	refuses_reboots no
}
