#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# bats file_tags=soak
#
# The targets of the Makefile and its settings that take long, each run as a user does. tests/README.md has a table of
# all, and of what tests each.
# shellcheck disable=SC2030,SC2031  # each test is a subshell

bats_load_library bats-support
bats_load_library bats-assert
bats_load_library bats-file
load lib/vm
load lib/copy

@test "make demo goes on in another kernel, and loses nothing" {
	run in_copy make demo
	assert_success
	assert_line 'Both went on in another kernel, and nothing was lost.'
}

@test "make recording makes a picture of all of the demo" {
	run in_copy make recording
	assert_success
	assert_file_contains "$(copied examples/demo.svg)" 'nothing was lost'
}

@test "make coverage of some tests tells of each of our files" {
	run in_copy make coverage T=100-sessions
	assert_success
	for file in luo_session.c luo_configfs.c; do
		assert_file_contains "$(copied Documentation/coverage.md)" "$file"
	done
}

@test "make bench writes the numbers that are committed" {
	run in_copy make bench
	assert_success
	# What counts boots depends on the compiler, and nothing else does.
	for file in Documentation/benchmarks/counts Documentation/benchmarks.md; do
		assert_file_exists "$(copied "$file")"
	done
}

@test "make blackout tells each part of the time" {
	run in_copy make blackout
	assert_success
	assert_file_contains "$(copied Documentation/blackout.md)" 'QEMU starts'
}

@test "make configs compiles in each configuration" {
	run in_copy make configs
	assert_success
	refute_output --partial FAILED
}

@test "KVER=7.2 builds a kernel that sessions and memory go through" {
	run in_copy make check KVER=7.2 T='100 120'
	assert_success
	assert_output --regexp '[1-9][0-9]* passed, 0 failed$'
}

@test "KSRC=DIR builds on a tree of the user's, which is left as it was" {
	cp -a "$VM_REPO/build/base" "$BATS_TEST_TMPDIR/mine"
	echo '/* mine */' >>"$BATS_TEST_TMPDIR/mine/mm/memfd.c"
	touch "$BATS_TEST_TMPDIR/now"
	run in_copy make kernel KSRC="$BATS_TEST_TMPDIR/mine"
	assert_success
	run find "$BATS_TEST_TMPDIR/mine" -newer "$BATS_TEST_TMPDIR/now"
	assert_output ''
	run tail -n 1 "$(copied build/linux/mm/memfd.c)"
	assert_output '/* mine */'
}

@test "MIRROR=URL is where the kernel's source is downloaded from, and an interrupted download goes on" {
	mirror=$(apt-get indextargets --format "\$(REPO_URI)" 'Origin: Debian' | head -n 1)
	clone "$BATS_TEST_TMPDIR/clone"
	cd "$BATS_TEST_TMPDIR/clone"
	run make source MIRROR=file:///nowhere
	assert_failure
	assert_line --partial 'MIRROR= names another'
	setsid make source MIRROR="$mirror" >"$BATS_TEST_TMPDIR/log" 2>&1 3>&- &
	until compgen -G 'build/apt/new/*.deb' || compgen -G 'build/apt/cache/archives/partial/linux-source*'; do
		kill -0 $!
		read -rt 0.1 <> <(:) || :
	done
	kill -KILL -- -$!
	run make source MIRROR="$mirror"
	assert_success
	assert_file_exists build/linux/kernel/liveupdate/luo_core.c
}

@test "each step of make patches compiles, with CONFIG_LIVEUPDATE and without, and the last one works" {
	run in_copy make patches
	assert_success
	tree=$BATS_TEST_TMPDIR/tree
	cp -a "$VM_REPO/build/base" "$tree"
	git init -q "$tree"
	in_repo "$tree" add -Af
	in_repo "$tree" commit -q -m base
	run in_repo "$tree" am "$(copied build/patches)"/*.patch
	assert_success
	for with in enable disable; do
		mkdir "$BATS_TEST_TMPDIR/$with"
		sed -E '/^CONFIG_(LIVEUPDATE_(CONFIGFS|DEVICE|KUNIT_TEST|TEST.*)|SAMPLE_LIVEUPDATE)=/d' \
			"$VM_BUILD/obj/.config" >"$BATS_TEST_TMPDIR/$with/.config"
		"$tree/scripts/config" --file "$BATS_TEST_TMPDIR/$with/.config" "--$with" LIVEUPDATE
	done
	for step in $(in_repo "$tree" rev-list --reverse HEAD); do
		in_repo "$tree" checkout -q "$step"
		for with in enable disable; do
			make -s -C "$tree" O="$BATS_TEST_TMPDIR/$with" olddefconfig
			make -s -C "$tree" O="$BATS_TEST_TMPDIR/$with" -j"$(nproc)" "$ARCH_IMAGE" modules
		done
	done

	run diff -r -x .git "$tree" "$VM_REPO/build/linux"
	assert_output ''
	cp "$VM_BUILD/obj/.config" "$BATS_TEST_TMPDIR/enable/"
	make -s -C "$tree" O="$BATS_TEST_TMPDIR/enable" -j"$(nproc)" "$ARCH_IMAGE"
	image=("$BATS_TEST_TMPDIR"/enable/arch/*/boot/"$ARCH_IMAGE")
	# shellcheck disable=SC2016  # its own arguments
	run in_copy env T='100 120' bash -c 'cp "$1" "$2" && tests/run' bash "${image[0]}" "$VM_BUILD/$ARCH_IMAGE"
	assert_success
	assert_output --regexp '[1-9][0-9]* passed, 0 failed$'
}

# in_debian13 COMMAND…: as root, in a fresh Debian 13. It is no chroot: who is in one makes no user namespaces.
in_debian13() {
	# shellcheck disable=SC2016  # its own arguments
	unshare -m bash -c '
		mount --bind "$1" "$1" && cd "$1" || exit
		for fs in dev proc sys; do mount --rbind "/$fs" "$fs" || exit; done
		pivot_root . . && umount -l . && cd / || exit
		shift
		exec env -u CI -u DEBUG -u MAKEFLAGS -u MAKELEVEL -u T -u TMPDIR PATH=/usr/sbin:/usr/bin "$@"' \
		bash "$BATS_TEST_TMPDIR/debian13" "$@" 3>&-
}

# somebody COMMAND: there, as a user who is not root, where the project is. What is missing is installed as it says.
somebody() {
	run in_debian13 runuser -u somebody -- bash -c "cd ~/luo && $1"
	[[ $output == *': apt-get install '* ]] || return 0
	assert_failure
	read -ra packages <<<"${output##*: apt-get install }"
	in_debian13 env DEBIAN_FRONTEND=noninteractive apt-get -y --no-install-recommends install "${packages[@]}"
	run in_debian13 runuser -u somebody -- bash -c "cd ~/luo && $1"
}

@test "a user of a fresh Debian 13 who is not root gets make kernel and make check through" {
	root=$BATS_TEST_TMPDIR/debian13
	# shellcheck source=scripts/debian.sh
	. "$VM_REPO/scripts/debian.sh"
	debian_bootstrap trixie "$root" --include=make,ca-certificates
	cp /etc/resolv.conf "$root/etc/"
	in_debian13 useradd -m somebody
	in_debian13 apt-get update
	clone "$root/home/somebody/luo"
	in_debian13 chown -R somebody: /home/somebody/luo
	somebody 'make kernel'
	assert_success
	somebody "make check T='000 100'"
	assert_success
	assert_output --regexp '[1-9][0-9]* passed, 0 failed$'
}
