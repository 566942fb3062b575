#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# bats file_tags=without-debug
#
# luo-sh check: what it reads out of images of kernels. Runs on this machine, with what is needed given.
#
# Needs: compressions, stock

bats_require_minimum_version 1.8.0
bats_load_library bats-support
bats_load_library bats-assert
load lib/vm
load lib/luo-sh

setup_file() {
	export LUO_SH=$BATS_FILE_TMPDIR/luo-sh/luo-sh
	make -s -C "$VM_SOURCE/tools/luo-sh" O="${LUO_SH%/*}"
}

setup() {
	vmlinux=$VM_BUILD/obj/vmlinux
	cd "$BATS_TEST_TMPDIR" || return
}

# check STATUS ARGUMENT…: luo-sh check ends with that status; its JSON is in output.
check() {
	local want=$1
	shift
	run --separate-stderr "$LUO_SH" -j check "$@"
	# shellcheck disable=SC2154  # run sets it
	echo "luo-sh check $*: $status: $output $stderr"
	assert_equal "$status" "$want"
}

# refused LINE: the image could not be judged, as that says.
refused() {
	assert_equal "$output" ''
	said "$1"
}

# versions STRING…: a list as it is in an image
versions() {
	printf 'PUVL\1\0\0\0'
	printf '%s\n' "$@" | while read -r version; do
		printf %s "$version"
		head -c $((48 - ${#version})) /dev/zero
	done
}

# arm64_image [VERSION…]: what is of interest of an Image, the list being the last of it. Its PE header says that it
# is 10,000 bytes long, which it is at least.
arm64_image() {
	head -c 56 /dev/zero
	printf 'ARM\x64\x40\0\0\0PE\0\0\0\0\1\0'
	head -c 12 /dev/zero
	printf '\0\0\0\0'
	head -c 16 /dev/zero
	printf '\x10\x26\0\0\0\1\0\0'
	head -c 16 /dev/zero
	head -c 5000 /dev/urandom
	# A magic number in code is no list
	printf 'PUVL\2\0\0\0 Linux version 7.3\0 some-v1\0'
	(($# == 0)) || versions "$@"
	head -c 5000 /dev/zero
}

@test "an image is read, whatever the kernel offers to compress it with" {
	images=("$VM_BUILD"/compressions/*.*)
	((${#images[@]} >= 7))
	for image in "${images[@]}"; do
		check 0 "$image" --need luo-v1 --need memfd-v2 --need kho-v4
		kind=${image##*/}
		kind=${kind%.*}
		json '[.version, .image, .kind, .compression, .listed, .missing, .ok]' \
			"[1,\"$image\",\"${kind/vmlinuz/zboot}\",\"${image##*.}\",true,[],true]"
		json '.understands | contains(["luo-v1", "memfd-v2"])' true
		check 6 "$image" --need luo-v1 --need memfd-v9 --need memfd-v2 --need memfd
		json '[.ok, .missing]' '[false,["memfd-v9","memfd"]]'
		assert_equal "$stderr" "luo-sh: $image: this kernel does not understand: memfd-v9 memfd"
	done
}

@test "a kernel that is not all there, or damaged, is not judged" {
	# An Image that is neither compressed nor for EFI firmware has nothing that tells where it ends.
	whole=("$vmlinux" "$VM_BUILD"/compressions/*.*)
	[[ $ARCH_IMAGE == Image ]] || whole+=("$VM_BUILD/$ARCH_IMAGE")
	for image in "${whole[@]}"; do
		size=$(stat -c %s "$image")
		for part in 100000 $((size / 2)) $((size - size / 64)); do
			# shellcheck disable=SC2094  # part is another file
			head -c "$part" "$image" >part
			check 1 part --need luo-v1
			refused 'part: damaged, or not all of it is there'
		done
	done
	# As long as it should be, but for a part of what is compressed; zeros can be a part, to lz4
	for image in "$VM_BUILD"/compressions/*.*; do
		cp "$image" part
		size=$(stat -c %s "$image")
		head -c 1M /dev/zero | tr '\0' '\377' | dd of=part bs=1M seek=$((size / 4))B conv=notrunc status=none
		check 1 part --need luo-v1
		refused 'part: damaged, or not all of it is there'
	done
}

@test "what is no kernel is not judged" {
	: >empty
	echo text >text
	truncate -s 1025M large
	check 1 large --need luo-v1
	refused 'large: File too large (EFBIG)'
	gzip -k text
	for file in text text.gz "$LUO_SH"; do
		check 1 "$file" --need luo-v1
		refused "$file: not a kernel: Exec format error (ENOEXEC)"
	done
	# What says that it unpacks to more than any kernel has is not unpacked.
	head -c 100000 /dev/urandom >claims
	lzop -q claims
	at=$(LC_ALL=C grep -obUaP '\x00\x01\x86\xa0' claims.lzo | cut -d : -f 1 | head -n 1)
	printf '\377\377\377\377' | dd of=claims.lzo bs=1 seek="$at" conv=notrunc status=none
	check 1 claims.lzo --need luo-v1
	refused 'claims.lzo: File too large (EFBIG)'
	for file in empty /dev/null .; do
		check 1 "$file" --need luo-v1
		refused "$file: Exec format error (ENOEXEC)"
	done
	check 1 nowhere --need luo-v1
	refused 'nowhere: No such file or directory (ENOENT): nor is it a version in /boot'
}

@test "a vmlinux is read, and a kernel that lacks a handler is told from one that has it" {
	check 0 "$vmlinux" --need luo-v1 --need memfd-v2
	json '[.kind, .compression, .listed]' '["vmlinux","none",true]'

	"$ARCH_GNU-objcopy" -O binary -j .liveupdate_versions "$vmlinux" list
	sed -i 's/memfd-v2/memfd-v9/' list
	"$ARCH_GNU-objcopy" --update-section .liveupdate_versions=list "$vmlinux" lacking
	check 6 lacking --need luo-v1 --need memfd-v2
	json '[.missing, (.understands | contains(["memfd-v9"]))]' '[["memfd-v2"],true]'

	# That the string is somewhere else in the kernel does not matter, as it has a list.
	grep -q memfd-v2 lacking
}

@test "a list that is damaged, or of another version, is not taken for one" {
	"$ARCH_GNU-objcopy" -O binary -j .liveupdate_versions "$vmlinux" list
	size=$(stat -c %s list)
	printf '\2' | dd of=list bs=1 seek=4 conv=notrunc status=none
	"$ARCH_GNU-objcopy" --update-section .liveupdate_versions=list "$vmlinux" other
	check 1 other --need luo-v1
	refused 'other: .liveupdate_versions is of a version that is not known here'
	head -c "$size" /dev/zero | tr '\0' x >list
	printf 'PUVL\1\0\0\0' | dd of=list bs=1 conv=notrunc status=none
	"$ARCH_GNU-objcopy" --update-section .liveupdate_versions=list "$vmlinux" damaged
	check 1 damaged --need luo-v1
	refused 'damaged: .liveupdate_versions is damaged'
}

@test "an arm64 Image is read, as it is, compressed, and as an EFI program" {
	arm64_image luo-v1 memfd-v2 >Image
	check 0 Image --need luo-v1 --need memfd-v2
	json '[.kind, .compression, .listed, .understands]' '["Image","none",true,["luo-v1","memfd-v2"]]'
	check 6 Image --need some-v1

	gzip -k Image
	check 0 Image.gz --need memfd-v2
	json '[.kind, .compression, .understands]' '["Image","gzip",["luo-v1","memfd-v2"]]'

	{
		printf 'MZ\0\0zimg\100\0\0\0'
		printf '%08x' "$(stat -c %s Image.gz)" | sed -E 's/(..)(..)(..)(..)/\\x\4\\x\3\\x\2\\x\1/' | xargs -0 printf
		head -c 48 /dev/zero
		cat Image.gz
		head -c 100 /dev/zero
	} >vmlinuz.efi
	check 0 vmlinuz.efi --need memfd-v2
	json '[.kind, .compression, .understands]' '["zboot","gzip",["luo-v1","memfd-v2"]]'

	head -c 9900 Image >part
	check 1 part --need luo-v1
	refused 'part: damaged, or not all of it is there'

	# Without a list it is the strings that tell, whole ones.
	arm64_image >Image
	check 0 Image --need some-v1
	json '[.listed, .understands]' '[false,[]]'
	check 6 Image --need some-v
}

@test "a stock kernel is judged by the strings in it" {
	check 0 "$VM_REPO/build/$ARCH-stock/$ARCH_IMAGE" --need luo-v5 --need memfd-v2 --need kho-v4
	json '[.listed, .understands]' '[false,[]]'
	check 6 "$VM_REPO/build/$ARCH-stock/$ARCH_IMAGE" --need luo-v1 --need memfd-v2
	json .missing '["luo-v1"]'
	# What is asked for twice is one thing.
	check 0 "$VM_REPO/build/$ARCH-stock/$ARCH_IMAGE" --need luo-v5 --need memfd-v2 --need luo-v5
	json .needs '["luo-v5","memfd-v2"]'
	# The end of one is another one.
	check 6 "$VM_REPO/build/$ARCH-stock/$ARCH_IMAGE" --need uo-v5 --need emfd-v2 --need ho-v4
	json .missing '["uo-v5","emfd-v2","ho-v4"]'
}

@test "modules add to what the kernel understands" {
	module=$VM_BUILD/modules/liveupdate-sample.ko
	check 6 "$vmlinux" --need liveupdate-sample-note-v1 --need luo-v1
	check 0 "$vmlinux" --need liveupdate-sample-note-v1 --need luo-v1 --module "$module"
	xz -k -c "$module" >sample.ko.xz
	check 0 "$vmlinux" --module sample.ko.xz --need liveupdate-sample-note-v1
	check 1 "$vmlinux" --module "$0" --need luo-v1
	refused "$0: not a module: Exec format error (ENOEXEC)"
}
