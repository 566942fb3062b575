# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Copies of the repo, for tests that run its targets.

# clone DIR: the repo, as it is here, with nothing built.
clone() {
	mkdir -p "$1"
	(cd "$VM_REPO" && tar -c --exclude=./build --exclude=./.git .) | tar -x -C "$1"
}

# in_copy COMMAND…: there, at the repo's own place and with what is built, in a copy that the rest of the machine does not
# see, and that is the test's.
in_copy() {
	mkdir -p "$BATS_TEST_TMPDIR"/copy/{upper,work}
	# shellcheck disable=SC2016  # its own arguments
	unshare -m bash -c '
		mount -t overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" copy "$1" && cd "$1" || exit
		shift 2
		exec env -u AHEAD -u BUILD_LOCKED -u CI -u CONFIG -u DEBUG -u MAKEFLAGS -u MAKELEVEL -u T "$@"' \
		bash "$VM_REPO" "$BATS_TEST_TMPDIR/copy" "$@" 3>&-
}

# copied FILE: where the copy has that, which was changed in it
copied() {
	echo "$BATS_TEST_TMPDIR/copy/upper/$1"
}

# base_repo DIR FILE…: a git repository with these files of the base kernel, those that it has.
base_repo() {
	local file

	git init -q "$1"
	for file in "${@:2}"; do
		[[ ! -e $VM_REPO/build/base/$file ]] || install -D -m 644 "$VM_REPO/build/base/$file" "$1/$file"
	done
	git -C "$1" add -A
	in_repo "$1" commit -q -m base
}

# in_repo DIR ARGUMENT…: git there
in_repo() {
	git -C "$1" -c user.name=Tester -c user.email=tester@localhost -c commit.gpgsign=false "${@:2}"
}
