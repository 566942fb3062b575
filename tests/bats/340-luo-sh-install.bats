#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# bats file_tags=without-debug,without-ci
#
# What comes with luo-sh: manual pages, completion, the units and scripts; and that its memory is in order. Runs on
# this machine.
#
# Needs: compressions

# shellcheck disable=SC2016,SC2030,SC2031,SC2154  # scripts for another shell, and what run sets

bats_require_minimum_version 1.8.0
bats_load_library bats-support
bats_load_library bats-assert
bats_load_library bats-file
load lib/vm
load lib/luo-sh

setup_file() {
	export DEST=$BATS_FILE_TMPDIR/dest
	make -s -C "$VM_REPO/build/linux/tools/luo-sh" O="$BATS_FILE_TMPDIR/luo-sh" DESTDIR="$DEST" install
	export PATH=$DEST/usr/sbin:$PATH
}

# page NAME: a manual page as text, on long lines. What man warns of is on stderr.
page() {
	MANWIDTH=1000 MAN_KEEP_FORMATTING='' LC_ALL=C.UTF-8 man --warnings -E UTF-8 -l "$DEST/usr/share/man/man8/$1.8.gz" | col -bx
}

@test "all is installed where Debian has it" {
	run find "$DEST" -type f -printf '%m %P\n'
	assert_success
	output=$(sort <<<"$output")
	assert_output '644 usr/include/linux/liveupdate.h
644 usr/lib/systemd/system/kexec.target.d/luo-sh.conf
644 usr/lib/systemd/system/luo-guard.service
644 usr/lib/systemd/system/luo-restore.service
644 usr/lib/systemd/system/luo-save.service
644 usr/lib/systemd/system/luo-timeline.service
644 usr/lib/tmpfiles.d/luo-sh.conf
644 usr/share/bash-completion/completions/luo-sh
644 usr/share/fish/vendor_completions.d/luo-sh.fish
644 usr/share/man/man8/luo-sh-dump.8.gz
644 usr/share/man/man8/luo-sh-fd.8.gz
644 usr/share/man/man8/luo-sh-kexec.8.gz
644 usr/share/man/man8/luo-sh-owner.8.gz
644 usr/share/man/man8/luo-sh-session.8.gz
644 usr/share/man/man8/luo-sh.8.gz
644 usr/share/zsh/vendor-completions/_luo-sh
755 usr/lib/systemd/system-shutdown/luo-sh
755 usr/libexec/luo-sh/luo-guard
755 usr/libexec/luo-sh/luo-restore
755 usr/libexec/luo-sh/luo-save
755 usr/libexec/luo-sh/restore-all
755 usr/sbin/luo-sh'
}

@test "manual pages are rendered without a warning" {
	for file in "$DEST"/usr/share/man/man8/*; do
		name=${file##*/}
		run --separate-stderr page "${name%.8.gz}"
		assert_success
		assert_equal "$stderr" ''
		assert_line 'SEE ALSO'
	done
}

@test "each command is in a manual page as the program has it" {
	synopses=$(for file in "$DEST"/usr/share/man/man8/*; do page "$(basename "$file" .8.gz)"; done |
		sed -nE 's/^ +luo-sh //p')
	while read -r line; do
		grep -qxF -e "${line% }" <<<"$synopses" || {
			echo "in no manual page: $line"
			return 1
		}
	done < <(luo-sh help --brief)
}

# completes WANT WORD…: what the last word, which may be empty, can become
completes() {
	COMP_WORDS=(luo-sh "${@:2}")
	COMP_CWORD=$(($# - 1))
	_luo_sh
	assert_equal "$(printf '%s\n' "${COMPREPLY[@]}" | sort -u | paste -sd ' ')" "$1"
}

@test "the completion knows what the program does" {
	# shellcheck source=/dev/null
	. "$DEST/usr/share/bash-completion/completions/luo-sh"
	completes "$(luo-sh help --brief | cut -d ' ' -f 1 | sort -u | paste -sd ' ')" ''
	completes '--help --json --pretty --quiet --verbose --version' -
	completes 'save session status' s
	completes 'claim create delete discard finish label list ls release rm show' session ''
	completes 'release rm' --json session r
	completes 'release rm' session -q r
	completes '--timeout empty frozen normal outgoing updated' wait ''
	completes '--fd --help --json --pid --pretty --quiet --verbose --version' fd preserve vm1 42 --
	completes '--reuse-cmdline' kexec /boot/vmlinuz --initrd x --re
	completes '' fd retrieve vm1 42 -- ca
	completes 'bash fish zsh' completion ''
	completes '--brief fd owner session' help ''
	complete -p luo-sh
}

@test "the completions for zsh and fish know it, too" {
	mkdir "$BATS_TEST_TMPDIR/empty"
	run fish -c 'source '"$DEST"'/usr/share/fish/vendor_completions.d/luo-sh.fish
		cd "$BATS_TEST_TMPDIR/empty"
		complete -C "luo-sh session r"; complete -C "luo-sh -q fd un"; complete -C "luo-sh wait -q n"
		complete -C "luo-sh fd preserve vm1 42 --f"; complete -C "luo-sh completion z"'
	assert_output $'release\nrm\nunpreserve\nnormal\n--fd\nzsh'
	# What zsh has is seen through what adds the words.
	run zsh -fc 'fpath=('"$DEST"'/usr/share/zsh/vendor-completions $fpath)
		compdef() { : }
		compadd() { print -r -- ${(P)2} }
		_files() { print files }
		try() { words=("$@") CURRENT=$# PREFIX=$@[-1]; _luo_sh; }
		source <(luo-sh completion zsh)
		try luo-sh session "" ; try luo-sh -q fd ""; try luo-sh wait ""; try luo-sh completion ""; try luo-sh save --j'
	assert_output 'create list ls show label delete rm finish discard claim release
preserve unpreserve rm label list ls retrieve new save restore
normal updated frozen outgoing empty --timeout
bash zsh fish
files
--help --json --pretty --quiet --verbose --version'
}

# machine: a tree that looks like live update's and can be written, for the commands that follow. Nobody else sees it.
machine() {
	mount -t tmpfs none /sys/kernel
	mkdir -p /sys/kernel/config/liveupdate /sys/kernel/liveupdate /sys/kernel/debug/kho/out/sub_fdts
	echo updated >/sys/kernel/liveupdate/state
	# Where this is not, debugfs is mounted by system calls that valgrind does not know.
	printf '%s\n' 0x1000000 0x40000000 0x1000000 >/sys/kernel/debug/kho/out/scratch_len
	cd /sys/kernel/config/liveupdate || return
	echo updated >state
	echo 3 >number
	echo none >owner
	echo '[luo-v1] luo-v5' >abi
	echo memfd-v2 >handlers
	echo '3 EBUSY freeze vm1/42' >last_error
	echo none >prepare
	printf '%s\n' 'requested 0' 'frozen 1000000' 'jump 3000000' >timeline
	mkdir -p sessions/{a,b} sessions/a/{7,8,9} incoming/{b,c}/{1,10}
	for session in sessions/* incoming/*; do
		echo none >"$session/owner"
		echo open >"$session/state"
		echo 2 >"$session/files"
		echo 1 >"$session/retrieved"
		: >"$session/finish"
		: >"$session/label"
	done
	# The name of an incoming one, which check would refuse
	echo abandoned >sessions/b/state
	for token in {sessions,incoming}/*/*/; do
		echo preserved >"$token/state"
		echo memfd-v2 >"$token/compatible"
		echo >"$token/size"
		: >"$token/fd"
		: >"$token/label"
	done
}
export -f machine

# handover: a hand-over in luo-v5, and the memory that it is in, as root and core in $DUMP.
handover() {
	python3 -IS - "$DUMP" <<-'END'
		import struct, sys

		root = struct.pack("=8sQQQ", b"luo-v5", 1, 0x1000, 0x3000)
		sessions = struct.pack("=QQ64sQQ", 0, 1, b"vm1", 0x2000, 2)
		files = struct.pack("=QQ", 0, 2) + b"".join(
		    struct.pack("=48sQQ", b"memfd-v2", data, token) for data, token in ((0x5000, 7), (0x6000, 42)))
		flbs = struct.pack("=QQ48sQQ", 1, 1, b"an-flb-v1", 0x7000, 2)
		memory = b"".join(part.ljust(4096, b"\0") for part in (root, sessions, files, flbs))
		head = struct.pack("=16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 4, 62, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
		load = struct.pack("=IIQQQQQQ", 1, 4, 120, 0, 0, len(memory), len(memory), 1)
		for name, data in ("root", root), ("core", head + load + memory):
		    with open(sys.argv[1] + "/" + name, "wb") as file:
		        file.write(data)
	END
}

# in_order SCRIPT: valgrind finds nothing wrong with each luo-sh in it, whatever its exit status, and what is to be JSON
# is.
in_order() {
	export OUT=$BATS_TEST_TMPDIR/out
	run timeout 1200 unshare -m "${unshare_user[@]}" bash -c '
		luo-sh() {
			valgrind -q --leak-check=full --show-leak-kinds=all --errors-for-leak-kinds=all --error-exitcode=99 \
				--trace-children=no "$LUO_SH" "$@" >"$OUT"
			local rc=$?
			cat "$OUT"
			case " $* " in *" -j "* | *" -p "*) jq . "$OUT" >/dev/null || echo "no JSON: luo-sh $*" ;; esac
			echo "$rc: luo-sh $*"
			((rc != 99)) || exit
		}
		machine
		'"$1"'
		exit 0'
	echo "$output"
	assert_success
	refute_line --partial 'no JSON: '
}

@test "valgrind finds no error and no leak, where a command succeeds and where it fails" {
	unshare_user=()
	[[ $(id -u) == 0 ]] || unshare_user=(-r)
	export LUO_SH=$DEST/usr/sbin/luo-sh VM_BUILD ARCH_IMAGE DUMP=$BATS_TEST_TMPDIR
	handover
	in_order '
		for how in "" -j -p; do
			luo-sh $how status
			luo-sh $how status a
			luo-sh $how why
			luo-sh $how timeline
			luo-sh $how prepare; luo-sh $how prepare --undo
			luo-sh $how help; luo-sh $how help session label
			luo-sh $how session label a text; luo-sh $how fd label a 7 text; luo-sh $how fd label a 7 ""
			luo-sh $how session release c; luo-sh $how owner release
			luo-sh $how session list
			luo-sh $how session show a
			luo-sh $how fd list
			luo-sh $how owner show
			luo-sh $how version
			luo-sh $how check "$VM_BUILD/$ARCH_IMAGE"
			luo-sh $how kexec "$VM_BUILD/$ARCH_IMAGE" --initrd /etc/hostname \
				--cmdline "liveupdate=on kho=on" --dry-run
		done
		luo-sh -q check "$VM_BUILD/$ARCH_IMAGE" --need luo-v1 --module /no/module
		luo-sh -q check "$VM_BUILD/$ARCH_IMAGE" --no-initrd --reuse-cmdline --skip-memory
		luo-sh check "$VM_BUILD/$ARCH_IMAGE" --initrd /etc/hostname --cmdline "quiet"
		luo-sh -v kexec "$VM_BUILD/$ARCH_IMAGE" --no-initrd --reuse-cmdline --skip-memory --dry-run --now
		luo-sh kexec "$VM_BUILD/$ARCH_IMAGE" --module /no/module --dry-run; luo-sh kexec 9.9.9
		luo-sh fd new --fd 5 --size 1M -- true; luo-sh fd retrieve b 1 --fd 5 --rewind -- true
		luo-sh fd unpreserve a text; luo-sh session create "$(printf "x%.0s" {1..64})"; luo-sh fd preserve a 042 --fd 0
		luo-sh fd preserve a 1 --fd 5:5; luo-sh fd preserve a 1 5:5; luo-sh fd preserve a 0x1 --fd 0
		luo-sh help; luo-sh help fd; luo-sh help fd retrieve; luo-sh -j help; luo-sh help x; luo-sh help --brief
		luo-sh completion bash; luo-sh completion zsh; luo-sh completion fish; luo-sh completion x; luo-sh session --help
		luo-sh session create x; luo-sh session create x; luo-sh session create x y; luo-sh session delete x
		luo-sh session show b; luo-sh session show nobody; luo-sh session delete nobody
		luo-sh session finish c; luo-sh session discard c; luo-sh session claim c --pid $$; luo-sh session release c
		luo-sh session claim c --pid $$:1; luo-sh owner take; luo-sh owner take --pid x; luo-sh owner release
		luo-sh fd preserve a 1 --fd 0; luo-sh fd preserve a 1 --pid $$ --fd 0; luo-sh fd unpreserve a 1
		luo-sh fd save a 5 /etc/hostname /etc/hostname; luo-sh fd save a x /etc/hostname; luo-sh fd restore b 1 /tmp/x/y
		luo-sh save /tmp ..; luo-sh save /no/dir x; luo-sh restore b /no/dir; luo-sh restore nobody /no/dir
		luo-sh fd new -- /no/command; luo-sh fd new -- true; luo-sh fd new --size x -- true
		luo-sh fd retrieve b 1 -- /no/command; luo-sh run -- /no/command
		luo-sh wait updated; luo-sh wait normal --timeout 0; luo-sh wait x; luo-sh wait normal --timeout x
		printf "status\n# comment\nsession list\nfd list \"b c\"\nrun -- true\n" | luo-sh batch -
		mkdir sessions/x sessions/x/1 sessions/a/3
		luo-sh session delete x; luo-sh session finish b
		luo-sh fd preserve a 9 --pid $$ --fd 0; luo-sh fd preserve a 9 --fd 0; luo-sh fd unpreserve a 3
		luo-sh fd save a 7 /etc/hostname /etc/hostname
		luo-sh fd retrieve b 1 -- true; luo-sh run -- true
		printf "status\nfd list a\n" | luo-sh batch -
		luo-sh dump "$DUMP/root" --memory "$DUMP/core"; luo-sh -j dump "$DUMP/root" --memory "$DUMP/core"
		# What is retrieved takes the place of /dev/null, which is a file here.
		echo retrieved >"$DUMP/retrieved"
		mount --bind "$DUMP/retrieved" /dev/null
		luo-sh fd restore b 1 "$DUMP/restored"
		umount /dev/null
		cmp "$DUMP/retrieved" "$DUMP/restored" || exit
		# A directory is saved to a file that is no memfd either; what an archive has comes back.
		mkdir -p "$DUMP/dir" incoming/b/9223372036854775808
		luo-sh save "$DUMP/dir" b
		cp incoming/b/10/* incoming/b/9223372036854775808
		tar -C "$DUMP/dir" --format=pax -cf "$DUMP/tar" .
		mount --bind "$DUMP/tar" /dev/null
		luo-sh restore b "$DUMP/back"
		umount /dev/null
		luo-sh dump; luo-sh dump /etc/hostname
		printf "luo-v5\0\0\5\0\0\0\0\0\0\0\0\0\0\0\0\0\0\177\0\0\0\0\0\0\0\0" >/sys/kernel/debug/kho/out/sub_fdts/LUO
		luo-sh dump; luo-sh dump /sys/kernel/debug/kho/out/sub_fdts/LUO --memory "$LUO_SH"
		luo-sh; luo-sh -x; luo-sh x; luo-sh fd save --x; luo-sh wait normal --timeout
		luo-sh -v session discard --all --yes'
	# Each command is seen to succeed, but for one that goes on for ever, and those for which an older valgrind
	# has no pidfd_open(2).
	# And one that makes the token which it writes to: that has no files here.
	endless=' *monitor|save DIR NAME'
	[[ $output != *'Function not implemented (ENOSYS)'* ]] || endless+='|session claim .*|owner take .*'
	while read -r line; do
		[[ ! $line =~ ^($endless)$ ]] || continue
		words=$(grep -oE '^[a-z]+( [a-z]+)?' <<<"$line")
		assert_line --regexp "^0: luo-sh (-[jp] )?$words( |$)"
		# And each option was given to it once at least.
		while [[ $line =~ --[a-z][a-z-]* ]]; do
			option=${BASH_REMATCH[0]}
			line=${line#*"$option"}
			assert_line --regexp "^[0-9]+: luo-sh (-[jpqv] )?$words( .*)? $option( |=|\$)"
		done
	done < <(luo-sh help --brief)
	assert_line --regexp '^ +7:  compatible memfd-v2  data 0x5000$'
	assert_line '0: luo-sh -p status'
	assert_line '0: luo-sh -j kexec '"$VM_BUILD/$ARCH_IMAGE"' --initrd /etc/hostname --cmdline liveupdate=on kho=on --dry-run'
}

@test "valgrind finds no error and no leak with any compression, of a part of a kernel either" {
	unshare_user=()
	[[ $(id -u) == 0 ]] || unshare_user=(-r)
	export LUO_SH=$DEST/usr/sbin/luo-sh VM_BUILD PART=$BATS_TEST_TMPDIR
	in_order '
		for image in "$VM_BUILD"/compressions/*.*; do
			luo-sh check "$image"
			# Zeros from the middle on
			cp "$image" "$PART/image"
			dd if=/dev/zero of="$PART/image" bs=1 seek=1M count=1M iflag=count_bytes conv=notrunc status=none
			luo-sh check "$PART/image"
		done'
	assert_line "0: luo-sh check $VM_BUILD/compressions/$ARCH_IMAGE.lzo"
	assert_line "1: luo-sh check $BATS_TEST_TMPDIR/image"
}

@test "on a kernel that knows nothing of live update each command says so" {
	[[ ! -e /sys/kernel/liveupdate ]] || skip 'this machine has live update'
	mapfile -t commands < <(luo-sh help --brief | luo_sh_commands)
	((${#commands[@]} > 20))
	for command in "${commands[@]}"; do
		# shellcheck disable=SC2086  # a command with its arguments
		run --separate-stderr luo-sh $command
		assert_equal "$status" 4
		assert_equal "$output" ''
		assert_equal "$stderr" "$LUO_SH_UNSUPPORTED"
	done
}
