# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Trees on a tmpfs, for tests: made of a seed, and listed so that two listings of one tree are the same text.
# Sourced after luo.bash.

export LC_ALL=C

# tmpfs_mount DIR [OPTIONS]: have a new one there.
tmpfs_mount() {
	mkdir -p "$1"
	# How many inodes it may have by default comes from the size of memory, and is not shown.
	mount -t tmpfs -o "nr_inodes=100000,${2:-size=64M}" keep "$1"
}

# tmpfs_keep DIR [TOKEN]: preserve the tmpfs that is mounted there, under TOKEN of session s.
tmpfs_keep() {
	local fd
	mkdir -p "sessions/s/${2-1}"
	exec {fd}<"$1"
	echo "self:$fd" >"sessions/s/${2-1}/fd" || {
		exec {fd}<&-
		return 1
	}
	exec {fd}<&-
}

# tmpfs_back DIR [TOKEN]: have it back, mounted there.
tmpfs_back() {
	local fd
	mkdir -p "$1"
	exec {fd}</dev/null
	echo "self:$fd" >"incoming/s/${2-1}/fd"
	mount -c --bind "/proc/self/fd/$fd" "$1"
	exec {fd}<&-
}

# tmpfs_small DIR: one entry of each kind, and what is unusual about names.
tmpfs_small() {
	local name
	(
		cd "$1" || exit
		printf hello >file
		printf x | dd of=sparse bs=1 seek=1000000 status=none
		truncate -s 1G hole
		: >empty
		mkdir -p dir/sub/subsub empty-dir
		printf sub >dir/sub/file
		ln file dir/link
		ln dir/link dir/sub/link
		ln -s 'no/such target' symlink
		ln -s "$(printf '%04000d' 0)" long-symlink
		mkfifo fifo
		ln fifo dir/fifo
		mknod null c 1 3
		mknod disk b 259 65537
		printf -v name '%0255d' 7
		: >"$name"
		: >$'new\nline \x01\xff'
		mkdir -- ... -r
		chmod 4711 file
		chmod 1777 dir
		chown 1234:4000000 dir/sub/file
		chown -h 7:8 symlink
		setfattr -n user.text -v 'some text' file
		setfattr -n user.empty file
		setfattr -n trusted.bytes -v 0x00ff00 dir
		setfattr -n user.large -v "$(printf '%060000d' 0)" empty
		setfacl -m u:55:rwx,g:66:r file dir/sub
		setfacl -d -m u:77:rx dir
		touch -d '1970-01-01 00:00:00.000000001Z' null
		touch -d '2500-12-31 23:59:59.999999999Z' fifo
		touch -d '1901-12-13 20:45:52.5Z' dir/sub
	)
}

# tmpfs_large DIR SEED COUNT: some COUNT entries, whose kinds, names, places, and all else come from SEED.
tmpfs_large() {
	local bytes='' name dir i
	local -a dirs=("$1") files=() sparse=() fifos=() odd=() old=() xattr=() acl=() linked=()
	RANDOM=$2
	for ((i = 1; i < 256; i++)); do
		# All but the slash
		((i == 47)) && continue
		printf -v name '\\x%02x' $i
		printf -v name %b "$name"
		bytes+=$name
	done
	for ((i = 0; i < $3; i++)); do
		dir=${dirs[RANDOM % ${#dirs[@]}]}
		name=$i${bytes:RANDOM%254:1}${bytes:RANDOM%254:1}${bytes:RANDOM%250:5}
		case $((RANDOM % 20)) in
		0)
			mkdir "$dir/$name"
			((${#dir} > 2000)) || dirs+=("$dir/$name")
			;;
		1) sparse+=("$dir/$name") ;;
		2) fifos+=("$dir/$name") ;;
		3) ((RANDOM % 40)) || ln -s "$name/$RANDOM" "$dir/$name" ;;
		4) ((RANDOM % 60)) || mknod "$dir/$name" b $((RANDOM % 4096)) "$RANDOM" ;;
		5 | 6)
			printf "%$((RANDOM))d" $i >"$dir/$name"
			files+=("$dir/$name")
			;;
		*)
			printf '%d %s' $i "$name" >"$dir/$name"
			files+=("$dir/$name")
			;;
		esac
	done
	for ((i = 0; i < ${#files[@]}; i++)); do
		((RANDOM % 8)) || odd+=("${files[i]}")
		((RANDOM % 8)) || old+=("${files[i]}")
		((RANDOM % 16)) || xattr+=("${files[i]}")
		((RANDOM % 16)) || acl+=("${files[i]}")
		((RANDOM % 16)) || linked+=("${files[i]}")
	done
	mkdir "$1/links"
	printf '%s\0' "${sparse[@]}" | xargs -0 truncate -s $((RANDOM * 1000))
	printf '%s\0' "${fifos[@]}" | xargs -0 mkfifo
	printf '%s\0' "${odd[@]}" | xargs -0 chmod 2640
	printf '%s\0' "${odd[@]}" | xargs -0 chown "$RANDOM:$RANDOM"
	printf '%s\0' "${old[@]}" | xargs -0 touch -d "@$RANDOM.$RANDOM"
	printf '%s\0' "${xattr[@]}" | xargs -0 setfattr -n user.number -v "$RANDOM"
	printf '%s\0' "${acl[@]}" | xargs -0 setfacl -m "u:$RANDOM:rw,g:$RANDOM:x"
	printf '%s\0' "${linked[@]}" | xargs -0 ln -t "$1/links"
}

# tmpfs_list DIR: all that can be seen of the tmpfs that is mounted there. The first time it changes the times of access.
tmpfs_list() {
	(
		cd "$1" || exit
		find . -printf '%p %y %m %U %G %s %b %n %i %l %A@ %T@ %C@\n'
		find . -print0 | xargs -0 stat -c '%w %n'
		getfattr -R -P -h -d -m - -e hex .
		getfacl -R -P -n -p .
		find . -type f ! -size +100M -print0 | xargs -0 sha256sum
		find . '(' -type b -o -type c ')' -print0 | xargs -0 -r stat -c '%n %t:%T'
		du -s .
		df -k . | tail -n 1
		df -i . | tail -n 1
		sed -n "s,^.* $1 \([^ ]*\) .*- tmpfs \(.*\)\$,\1 \2,p" /proc/self/mountinfo
	)
}

# tmpfs_sum DIR: the same, in short
tmpfs_sum() {
	tmpfs_list "$1" >/tmp/list
	wc -l </tmp/list
	sha256sum </tmp/list
}
