#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
#
# The code blocks of the documents, run as they stand by a shell that reads them from its input: each command succeeds,
# and prints what stands beside or below it. tests/documents says where each block is run.

# shellcheck disable=SC2016,SC2154  # scripts for the guest, and vm_run sets output

load lib/common
load lib/luo
load lib/documents

setup_file() {
	guest_start
	# What the documents call kernels
	local name
	vm_run 'uname -r'
	for name in old "$output"; do
		cp "$VM_DIR/share/vmlinuz-next" "$VM_DIR/share/vmlinuz-$name"
		cp "$VM_DIR/share/initrd-next" "$VM_DIR/share/initrd-$name"
	done
	cp "$VM_DIR/share/initrd-next" "$VM_DIR/share/initrd.img-$output"
}

# documents: the documents
documents() {
	cd "$VM_REPO" && ls README.md examples/README.md Documentation/{admin-guide,userspace-api}/liveupdate.rst \
		tools/luo-sh/man/*.scd
}

@test "each block of the documents is in the table of where it is run, and at most nine are not" {
	mapfile -t files < <(documents)
	table=$(grep -vE '^(#|$)' "$VM_REPO/tests/documents")
	run bash -c "cd '$VM_REPO' && tests/blocks list \"\$@\" | cut -d ' ' -f 1,2 | sort" bash "${files[@]}"
	assert_output "$(cut -d ' ' -f 1,2 <<<"$table" | sort)"
	# A reason is more than a word.
	run grep -vE '^[^ ]+ [0-9]+ (run|in [^ ]+|text|by( [^ ]+)+|not .{10,})$' <<<"$table"
	assert_output ''
	run grep -cE '^[^ ]+ [0-9]+ not ' <<<"$table"
	assert [ "$output" -le 9 ]
	run grep -E '^README.md [0-9]+ (not|text)' <<<"$table"
	assert_output ''
	# What another file runs is in there.
	while read -r file nr _ by; do
		while read -r command; do
			(cd "$VM_REPO" && grep -qF -e "${command%% *# *}" "${by[@]}")
		done < <(cd "$VM_REPO" && tests/blocks script "$file" "$nr" | grep -v '^echo "@@\|^%%' | sed 's/ *#.*//')
	done < <(grep -E '^[^ ]+ [0-9]+ by ' <<<"$table" | sed -E 's/ by ([^ ]+).*/ by \1/')
	# And what is run as it stands is run by a test, here or there.
	while read -r file nr _ in; do
		grep -qE "^	run_block $file $nr( |\$)" "${in:+$VM_REPO/}${in:-$BATS_TEST_FILENAME}" ||
			fail "$file $nr is run nowhere"
	done < <(grep -E '^[^ ]+ [0-9]+ (run|in )' <<<"$table")
}

@test "a block that fails, or prints something else, is not taken for one that runs" {
	cat >"$BATS_TEST_TMPDIR/README.md" <<-'END'
		Text

		    cat /proc/sys/kernel/ostype           # Linux
		    cat /proc/sys/kernel/ostype           # Hurd
		    cat /dev/null                         # something
		    mkdir /proc/x                         # makes it
		    bash
		    exit 3
		    echo behind
	END
	run "$VM_REPO/tests/blocks" script "$BATS_TEST_TMPDIR/README.md" 1
	run bash -c 'bash -s 2>/dev/null | "$1" judge' bash "$VM_REPO/tests/blocks" <<<"${output%%%*}"
	assert_output "prints 'Linux': cat /proc/sys/kernel/ostype           # Hurd
prints '': cat /dev/null                         # something
status 1: mkdir /proc/x                         # makes it

status 3: exit 3

judged 7"
}

@test "the README: a session by hand and by luo-sh, and five files in a directory" {
	run_block README.md 2
	assert [ "$judged" -ge 10 ]
	run_block README.md 3
	assert [ "$judged" -ge 6 ]
	# shellcheck disable=SC2154  # for the guest
	five='mkdir -p /srv/data/sub
		cd /srv/data
		for name in a "b c" .hidden sub/d "$(printf "\xff")"; do
			echo "$name" >"$name"
			touch -d "2001-02-03 04:05:06.789" "$name"
		done
		chmod 4751 a; chmod 000 "b c"; chown 3:4 sub/d'
	look='cd /srv/data && find . -type f -printf "%p %m %u %g %T@\n" -exec cat {} + | LC_ALL=C sort | sha256sum'
	vm_run "$five"$'\n'"$look"
	before=$output
	run_block README.md 4
	vm_run "$look"
	assert_output "$before"
}

@test "the examples: going to the next kernel" {
	vm_run "mkdir $LUO/sessions/s"
	run_block examples/README.md 1
	vm_run "luo-sh session finish s"
}

@test "the admin guide: a first session, a directory, and what was left behind" {
	run_block Documentation/admin-guide/liveupdate.rst 6
	run_block Documentation/admin-guide/liveupdate.rst 7
	run_block Documentation/admin-guide/liveupdate.rst 9 'mkdir -p /srv/cache; echo cached >/srv/cache/file'
	vm_run 'cat /srv/cache/file'
	assert_output cached
	expect_kernel_line 'vm1/42: freeze: EHWPOISON'
	expect_kernel_line 'luo: 1 files are left behind'
	expect_kernel_line 'luo: the previous kernel left 1 files behind'
	luo_run <<-'END'
		luo-hold make memfd,size=8K,seed=1,fd=5 -- bash -c '
			mkdir -p sessions/vm1/42
			echo self:5 >sessions/vm1/42/fd
			luo-hold poison open,fd=5,part=0:4096'
		echo drop >on_error
	END
	vm_kexec
	run_block Documentation/admin-guide/liveupdate.rst 10
	# It came without the file.
	vm_run 'luo-sh session finish vm1'
}

@test "the admin guide: monitoring, and back to the old kernel" {
	# To a kernel for which nothing was left behind
	vm_kexec
	run_block Documentation/admin-guide/liveupdate.rst 13
	luo_run <<<'luo-hold preserve sessions/s/1 1 memfd,size=4K,seed=1 >/dev/null'
	vm_kexec
	run_block Documentation/admin-guide/liveupdate.rst 14
	luo_run <<<'luo-hold retrieve incoming/s/1 1 memfd,size=4K,seed=1 >/dev/null; echo 1 >incoming/s/finish'
}

@test "the guide to user space: by a shell, back to the old kernel, another format, and luo-sh" {
	run_block Documentation/userspace-api/liveupdate.rst 1
	run_block Documentation/userspace-api/liveupdate.rst 2
	luo_run <<<'luo-hold preserve sessions/vm1/42 1 memfd,size=4K,seed=1 >/dev/null'
	vm_kexec
	run_block Documentation/userspace-api/liveupdate.rst 4
	vm_run 'luo-sh session discard vm1'
	run_block Documentation/userspace-api/liveupdate.rst 5 '' "cd $LUO"
	vm_run "echo luo-v1 >$LUO/abi"
	run_block Documentation/userspace-api/liveupdate.rst 6
	vm_run 'luo-sh session discard vm1'
}

# A tmpfs to keep
A_TMPFS='mount -t tmpfs none /srv/keep; echo kept >/srv/keep/file'

@test "the guide to user space: a tmpfs" {
	run_block Documentation/userspace-api/liveupdate.rst 3 "$A_TMPFS; mkdir sessions/vm1"
	vm_run 'cat /srv/keep/file; umount /srv/keep; luo-sh session finish vm1'
	assert_line kept
}

@test "the manual pages" {
	run_block tools/luo-sh/man/luo-sh-fd.8.scd 2 "$A_TMPFS"
	vm_run 'cat /srv/keep/file; umount /srv/keep'
	assert_output kept
	run_block tools/luo-sh/man/luo-sh-fd.8.scd 1
	vm_run 'luo-sh session finish vm1'
	run_block tools/luo-sh/man/luo-sh.8.scd 2 'mkdir -p /var/lib; echo state >/var/lib/vm1.state'
	vm_run 'cat /var/lib/vm1.state'
	assert_output state
	run_block tools/luo-sh/man/luo-sh.8.scd 3 'mkdir -p /srv/cache; echo cached >/srv/cache/file'
	run_block tools/luo-sh/man/luo-sh.8.scd 4
}
