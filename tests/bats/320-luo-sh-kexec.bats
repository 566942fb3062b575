#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
#
# luo-sh kexec: goes to the next kernel, and not to one that cannot take what is preserved.
#
# Needs: stock

# shellcheck disable=SC2016,SC2154  # scripts for the guest, and vm_run sets stderr

load lib/common
load lib/luo
load lib/luo-sh

NEXT='/boot/vmlinuz-next --initrd /boot/initrd-next'

# stays STATUS LINE ARGUMENT…: luo-sh kexec ends like that, with this line on stderr. Nothing is changed or loaded.
stays() {
	luo_run <<-END
		luo_snapshot
		before=\$snapshot
		rc=0
		luo-sh kexec ${*:3} || rc=\$?
		luo_snapshot
		[[ \$snapshot == "\$before" ]] || diff <(echo "\$before") <(echo "\$snapshot") >&2
		shows /sys/kernel kexec_loaded=0
		echo "status \$rc"
	END
	assert_equal "$output" "status $1"
	said "$2"
}

setup_file() {
	guest_start
	# A kernel that is ours, but for one file type of another version
	local vmlinux=$VM_BUILD/obj/vmlinux lacking=$BATS_FILE_TMPDIR/lacking
	"$ARCH_GNU-objcopy" -O binary -j .liveupdate_versions "$vmlinux" "$lacking.list"
	sed -i 's/memfd-v[23]/memfd-v9/g' "$lacking.list"
	# What tells a kernel is all that has to be in it.
	"$ARCH_GNU-objcopy" -S -j .rodata -j .liveupdate_versions --update-section .liveupdate_versions="$lacking.list" \
		"$vmlinux" "$lacking"
	gzip -1 "$lacking"
	# Where it is after a kexec, too
	cp "$lacking.gz" "$VM_DIR/share/"
	# Unified kernel images, and an arm64 Image of large pages that understands all that this kernel does
	make_uki "$VM_DIR/share/uki" "$VM_BUILD/$ARCH_IMAGE" "$VM_BUILD/initramfs.cpio.gz" 'quiet kho=on liveupdate=on'
	make_uki "$VM_DIR/share/uki.off" "$VM_BUILD/$ARCH_IMAGE" "$VM_BUILD/initramfs.cpio.gz" 'quiet kho=on'
	"$ARCH_GNU-objcopy" -O binary -j .liveupdate_versions "$vmlinux" "$lacking.list"
	{
		head -c 24 /dev/zero
		printf '\x06'
		head -c 31 /dev/zero
		printf 'ARM\x64\0\0\0\0Linux version 7.3\0kho-v4\0'
		cat "$lacking.list"
	} >"$VM_DIR/share/Image.64K"
}

# make_uki FILE LINUX INITRD CMDLINE: an EFI program with these as its sections
make_uki() {
	python3 -IS - "$@" <<-'END'
		import struct, sys

		out, linux, initrd, cmdline = sys.argv[1:]
		parts = [(b".linux", open(linux, "rb").read()), (b".initrd", open(initrd, "rb").read()),
		         (b".cmdline", cmdline.encode() + b"\n")]
		at, table, data = 4096, b"", b""
		for name, content in parts:
		    padded = content + b"\0" * (-len(content) % 512)
		    table += struct.pack("<8sIIIIIIHHI", name, len(content), at, len(padded), at, 0, 0, 0, 0, 0)
		    at += len(padded)
		    data += padded
		head = b"MZ".ljust(0x3c, b"\0") + struct.pack("<I", 0x40)
		head += b"PE\0\0" + struct.pack("<HHIIIHH", 0x8664, len(parts), 0, 0, 0, 0, 0) + table
		open(out, "wb").write(head.ljust(4096, b"\0") + data)
	END
}

@test "a kernel that cannot take what is preserved is not gone to, and nothing is torn down" {
	luo_run <<-'END'
		luo-sh session create s
		luo-hold preserve sessions/s/1 1 memfd,size=64K,seed=1
	END
	stays 6 '/boot/lacking.gz: this kernel does not understand: memfd-v3' /boot/lacking.gz --reuse-cmdline
	stays 6 '/boot/vmlinuz-next: its command line lacks liveupdate=on kho=on: ' "$NEXT"
	stays 6 '/boot/vmlinuz-next: its command line lacks liveupdate=on kho=on: liveupdate=on' \
		"$NEXT --cmdline liveupdate=on"
	stays 6 '/boot/vmlinuz-next: its command line lacks liveupdate=on kho=on: liveupdate=on kho=off' \
		"$NEXT --cmdline 'liveupdate=on kho=off'"
	stays 6 '/boot/vmlinuz-next: its command line lacks liveupdate=on kho=on: liveupdate=on liveupdate=0' \
		"$NEXT --cmdline 'liveupdate=on liveupdate=0'"
	stays 2 '--cmdline and --reuse-cmdline are one too many' "$NEXT --cmdline x --reuse-cmdline"
	stays 2 'kexec: --initrd: given twice' "$NEXT --initrd /tmp/nowhere --reuse-cmdline"
	stays 1 '/tmp/nowhere: No such file or directory (ENOENT)' \
		'/boot/vmlinuz-next --initrd /tmp/nowhere --reuse-cmdline'
	stays 1 '/boot/initrd-next: not a kernel: Exec format error (ENOEXEC)' /boot/initrd-next --reuse-cmdline
	stays 1 '/boot/nowhere: No such file or directory (ENOENT)' /boot/nowhere --reuse-cmdline
	stays 6 '/boot/vmlinuz-next: this kernel had an initrd: say --initrd, or --no-initrd' \
		/boot/vmlinuz-next --reuse-cmdline
	stays 6 '/boot/vmlinuz-next: only an initrd finds root=UUID=: say --initrd, or --no-initrd' \
		"/boot/vmlinuz-next --cmdline 'liveupdate=on kho=on root=UUID=1-2'"
	stays 2 '--initrd and --no-initrd are one too many' "$NEXT --no-initrd"
	stays 6 '/boot/uki.off: its command line lacks liveupdate=on kho=on: quiet kho=on' /boot/uki.off
	stays 6 '/boot/Image.64K: its pages have 64 KiB, and those here 4 KiB' "/boot/Image.64K --reuse-cmdline"
	# The machine can go to the right one still.
	vm_spawn "luo-kexec -n; luo-sh kexec $NEXT --reuse-cmdline"
	vm_await_kernel
	luo_run <<-'END'
		luo-hold retrieve incoming/s/1 1 memfd,size=64K,seed=1
		luo-sh session finish s
	END
}

@test "a version means the kernel and the initrd of that name in /boot, and the command line of this kernel" {
	vm_run 'luo-sh session create s; luo-sh -j kexec next --dry-run'
	json '[.image, .initrd, .ok, (.cmdline | contains("liveupdate=on"))]' '["/boot/vmlinuz-next","/boot/initrd-next",true,true]'
	vm_run 'luo-sh -j check next; luo-sh session delete s'
	json '[.image, .ok, (.cmdline | contains("liveupdate=on"))]' '["/boot/vmlinuz-next",true,true]'
	vm_run -e 1 'luo-sh kexec 7.9'
	said '7.9: No such file or directory (ENOENT): nor is it a version in /boot'
}

@test "a unified kernel image is judged, and gone to, by the parts of it" {
	luo_run <<-'END'
		luo-hold preserve sessions/s/1 1 memfd,size=64K,seed=1 >/dev/null
		luo-sh -j kexec /boot/uki --dry-run
	END
	json '[.kind, .cmdline, .ok, .listed]' '["UKI","quiet kho=on liveupdate=on",true,true]'
	vm_run -e 6 'luo-sh check /boot/uki.off'
	vm_run 'luo-sh check /boot/uki.off --reuse-cmdline'
	vm_run 'head -c 9000000 /boot/uki >/tmp/part'
	vm_run -e 1 'luo-sh check /tmp/part'
	assert_equal "$stderr" 'luo-sh: /tmp/part: damaged, or not all of it is there'
	vm_spawn 'luo-kexec -n; luo-sh kexec /boot/uki --cmdline "$(</proc/cmdline) from=uki"'
	vm_await_kernel
	luo_run <<-'END'
		grep -q from=uki /proc/cmdline
		luo-hold retrieve incoming/s/1 1 memfd,size=64K,seed=1
		luo-sh session finish s
	END
}

@test "an image that cannot be loaded is told by a dry run, which leaves alone what is loaded" {
	vm_run -e 1 'luo-sh kexec /boot/lacking.gz --no-initrd --dry-run'
	assert_equal "$stderr" 'luo-sh: /boot/lacking.gz: kexec_file_load(2) takes no vmlinux here: Exec format error (ENOEXEC)'
	vm_run "luo-kexec -l; luo-sh -j kexec $NEXT --reuse-cmdline --dry-run; cat /sys/kernel/kexec_loaded; kexec -s -u"
	assert_line -n 1 1
	assert_equal "$stderr" 'luo-sh: /boot/vmlinuz-next: not tried to load, as an image is loaded'
}

@test "check looks at the command line that the next kernel is to get, if it is told" {
	lacks='luo-sh: /boot/vmlinuz-next: its command line lacks liveupdate=on kho=on: '
	vm_run 'luo-sh session create s; luo-sh -j check /boot/vmlinuz-next'
	json '[.ok, .cmdline]' '[true,null]'
	vm_run 'luo-sh -j check /boot/vmlinuz-next --reuse-cmdline'
	json '[.ok, (.cmdline | contains("liveupdate=on"))]' '[true,true]'
	for text in '' quiet kho=on 'liveupdate=on kho=off' 'kho=on liveupdate=on liveupdate=off' \
		'quiet -- liveupdate=on kho=on' 'kho=on x="y liveupdate=on"' 'liveupdate=o kho=on' liveupdate 'kho=on liveupdates=on' \
		'kho=on liveupdate=on liveupdate="Disable"'; do
		vm_run -e 6 "luo-sh -j check /boot/vmlinuz-next --cmdline '$text'"
		assert_equal "$stderr" "$lacks$text"
		json '[.ok, .missing, .cmdline]' "[false,[],$(jq -Rc . <<<"$text")]"
	done
	for text in 'liveupdate=ON kho=enable' $'kho=on\tliveupdate=y -- liveupdate=off' 'x="a b" "kho=on" liveupdate="True"' \
		'liveupdate=on liveupdate=what liveupdate kho=1'; do
		vm_run "luo-sh -j check /boot/vmlinuz-next --cmdline '$text'"
		json .ok true
	done
	vm_run -e 2 'luo-sh check /boot/vmlinuz-next --cmdline x --reuse-cmdline'
	assert_equal "$stderr" 'luo-sh: --cmdline and --reuse-cmdline are one too many'
	vm_run 'luo-sh session delete s; luo-sh -j check /boot/vmlinuz-next --cmdline ""'
	json .ok true
}

@test "what cannot be listed is not taken for nothing" {
	luo_run <<-'END'
		mkdir sessions/s sessions/s/1
		chmod 700 sessions/s
		for command in status "session list" "session show s" "check /boot/vmlinuz-next --skip-memory" "kexec /boot/vmlinuz-next --dry-run"; do
			rc=0
			setpriv --reuid 1000 --clear-groups luo-sh $command >/dev/null 2>/tmp/err || rc=$?
			((rc == 1))
			grep -F "sessions/s" /tmp/err | grep -qF "Permission denied (EACCES)"
		done
		rmdir sessions/s/1 sessions/s
	END
}

@test "with nothing preserved any kernel is good" {
	vm_run "luo-sh -j kexec /boot/vmlinuz-next --no-initrd --dry-run"
	json '[.needs, .ok, .cmdline]' '[[],true,""]'
	vm_push "$VM_REPO/build/$ARCH-stock/$ARCH_IMAGE"
	vm_run "luo-sh -j kexec '/tmp/$ARCH_IMAGE' --no-initrd --dry-run --cmdline 'a b'"
	json '[.needs, .ok, .cmdline, .abi]' '[[],true,"a b","luo-v5"]'
}

@test "the format is one that both kernels speak" {
	luo_run <<-'END'
		luo-hold preserve sessions/s/1 1 memfd,size=64K,seed=1
		shows . abi='[luo-v1] luo-v5'
	END
	vm_push "$VM_REPO/build/$ARCH-stock/$ARCH_IMAGE"
	vm_run "luo-sh -j kexec '/tmp/$ARCH_IMAGE' --initrd /boot/initrd-next --reuse-cmdline --dry-run"
	json '[.needs, .ok, .abi]' '[["memfd-v2","luo-v5","kho-v4"],true,"luo-v5"]'
	vm_run "cat $LUO/abi"
	assert_output '[luo-v1] luo-v5'
	vm_run "luo-sh check '/tmp/$ARCH_IMAGE'"
	assert_equal "$stderr" "luo-sh: /tmp/$ARCH_IMAGE: does not read luo-v1, and may panic on it: luo-sh kexec hands over in luo-v5; before any other kexec: echo luo-v5 > $LUO/abi"
	vm_spawn "luo-kexec -n; luo-sh kexec '/tmp/$ARCH_IMAGE' --initrd /boot/initrd-next --reuse-cmdline"
	vm_await_kernel
	vm_run "[[ ! -e $LUO ]] && luo-hold make null,fd=5 -- luo-ioctl open 'retrieve s' 'fetch 1 5' \
		'run luo-hold check open,fd=5,size=64K,seed=1 >/dev/null && echo checked' finish"
	assert_output $'ok\nok\nok\nchecked\nok'
	vm_run -e 4 'luo-sh status'
	guest_stop
}

@test "a dry run tells what would be done, and does not do it" {
	vm_run 'echo x >/tmp/x; luo-sh session create s; luo-sh fd save s 1 /tmp/x'
	vm_run "luo-sh -j kexec $NEXT --reuse-cmdline --dry-run; cat /sys/kernel/kexec_loaded"
	assert_line -n 1 0
	output=${lines[0]}
	json '[.image, .initrd, .abi, .needs, .missing, .ok]' \
		'["/boot/vmlinuz-next","/boot/initrd-next","luo-v1",["memfd-v3","luo-v1","kho-v4"],[],true]'
	json '.cmdline | contains("liveupdate=on")' true
	vm_run 'luo-sh -j check /boot/vmlinuz-next'
	json '[.needs, .abi, .ok]' '[["memfd-v3","luo-v1","kho-v4"],"luo-v1",true]'
	vm_run 'luo-sh session delete s'
}

@test "a kexec that the kernel refuses is told with the kernel's reason" {
	expect_kernel_line 'luo: s/2: freeze: EIO'
	luo_run <<-'END'
		mkdir sessions/s
		preserve_devices 1 2
		echo 2 >$TESTDEV/fail_freeze
		rc=0
		luo-sh kexec /boot/vmlinuz-next --initrd /boot/initrd-next --reuse-cmdline || rc=$?
		((rc == 1))
		shows . state=normal
		shows /sys/kernel kexec_loaded=0
	END
	assert_equal "$stderr" 'luo-sh: reboot: freeze s/2: Input/output error (EIO)'
	vm_spawn "luo-kexec -n; luo-sh kexec $NEXT --reuse-cmdline"
	vm_await_kernel
	luo_run <<-'END'
		[[ -e incoming/s ]]
		mkdir sessions/s
		rc=0
		luo-sh kexec /boot/vmlinuz-next --initrd /boot/initrd-next --reuse-cmdline || rc=$?
		((rc == 1))
		luo-sh session delete s
		luo-sh session discard s
	END
	assert_equal "$stderr" 'luo-sh: incoming/s: File exists (EEXIST): a new session has the name of it
luo-sh: try: luo-sh session finish or discard for this one, luo-sh session delete for the new one'
}

@test "nobody goes to another kernel but who has control of live update" {
	vm_run 'sleep 1000 &>/dev/null & luo-sh owner take --pid $!; echo $!'
	idler=$output
	stays 5 "$LUO/owner: Device or resource busy (EBUSY): control of live update is held by PID $idler (sleep)" "$NEXT --reuse-cmdline"
	vm_run "kill $idler"
	vm_run "luo-sh owner take; luo-sh kexec $NEXT --reuse-cmdline --dry-run; luo-sh owner show; echo \$\$"
	assert_line "owner ${lines[-1]}"
}

@test "files that the kernel does not show may be of any type" {
	vm_spawn 'exec luo-hold make memfd,size=4K,fd=5 -- luo-ioctl open "create s" "preserve 5 1" "run touch /tmp/ready; exec sleep 1000"'
	holder=$output
	vm_run 'until [[ -e /tmp/ready ]]; do :; done; luo-sh -j check /boot/vmlinuz-next'
	json '[.needs, .ok]' '[["liveupdate-test-v1","memfd-v3","memfd-v4","memfd-v2","hugetlb-v1","tmpfs-v1","luo-v1","kho-v4"],true]'
	vm_run -e 6 'luo-sh check /boot/lacking.gz'
	# Who has the device open has control of live update.
	stays 5 "$LUO/owner: Device or resource busy (EBUSY): control of live update is held by a program that has /dev/liveupdate open" "$NEXT --reuse-cmdline"
	vm_run "kill -- -$holder; while [[ -e $LUO/sessions/s ]]; do :; done"
}

@test "what only a module can take needs that module in the next kernel" {
	luo_run <<-'END'
		insmod /boot/liveupdate-sample.ko
		note hello s/1
	END
	stays 6 '/boot/vmlinuz-next: this kernel does not understand: liveupdate-sample-note-v1' "$NEXT --reuse-cmdline"
	vm_run "luo-sh -j kexec $NEXT --reuse-cmdline --dry-run --module /boot/liveupdate-sample.ko"
	json .ok true
	luo_run <<-'END'
		luo-sh session delete s
		rmmod liveupdate-sample
	END
}

@test "what the kernel would refuse is told before anything is stopped, with what stands in the way" {
	expect_kernel_line 'luo: s/2: freeze: EIO'
	luo_run <<-END
		mkdir sessions/s
		preserve_devices 1 3
		for dry in '' --dry-run; do
			echo 2 >\$TESTDEV/fail_check
			rc=0
			luo-sh kexec $NEXT --reuse-cmdline \$dry 2>/tmp/err >/dev/null || rc=\$?
			expect 1 echo \$rc
			expect $'luo-sh: /sys/kernel/config/liveupdate/prepare: Input/output error (EIO)\nluo-sh: last_error: EIO freeze s/2' cat /tmp/err
			shows . prepare=none state=normal
			shows /sys/kernel kexec_loaded=0
		done
		shows \$TESTDEV preserved=3 frozen=0
		luo_end
	END
}

@test "prepare says whether the reboot could go, and gives back what it got" {
	vm_run -e 1 'luo-sh prepare'
	assert_equal "$stderr" 'luo-sh: /sys/kernel/config/liveupdate/prepare: Exec format error (ENOEXEC)'
	vm_load
	vm_run 'luo-sh -j prepare; cat /sys/kernel/config/liveupdate/prepare; luo-sh prepare --undo'
	assert_output $'{"prepare":"ready","version":1}\nready\nprepare none'
	vm_run 'kexec -s -u; cat /sys/kernel/config/liveupdate/prepare'
	assert_output none
}
