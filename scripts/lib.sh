# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the scripts here share: where things are, which machine is meant, and
# how progress is shown. Sourced, never run.
#
# From the environment, which is where make puts its variables:
#   ARCH   x86_64 or arm64; the host's if empty
#   DEBUG  1: the kernel with checks; kcsan: the one that finds data races;
#          coverage: the one that counts which of our lines it reaches
#   CONFIG distro: the kernel with what distributions have on that manages memory;
#          nothp: the one without transparent huge pages; mutants: the one that
#          scripts/mutants makes faults in
#   KSRC   a kernel tree of the user's, only ever read
#   OUT    where to build, if not in build/ARCH, or there with -debug, -stock ...
#   STOCK  1: the base kernel as it is, without anything of ours
#   DEFERRED 1: a kernel that initialises most struct pages after early boot
#   V      1: show everything
# shellcheck disable=SC2034 # the variables are for those who source this

set -euo pipefail
shopt -s inherit_errexit
export LC_ALL=C

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$top/build
linux=$build/linux
base=$build/base

# Which is large, and may be kept in memory
export TMPDIR=${TMPDIR:-/var/tmp}

die() {
	printf 'error: %s\n' "$*" >&2
	exit 1
}

# make, the kernel's scripts and QEMU each take some characters for their own.
[[ $top != *[^[:alnum:]/._+@-]* ]] ||
	die "this directory cannot be built in, its name may have letters, digits and /._+@- only: $top"

on() {
	[[ -n ${1-} && $1 != 0 ]]
}

if [[ -n ${KSRC-} ]]; then
	base=$(realpath -e "$KSRC")
fi

host=$(uname -m)
host=${host/aarch64/arm64}
arch=${ARCH:-$host}
case $arch in
x86_64)
	srcarch=x86
	image=bzImage
	cross=x86_64-linux-gnu-
	;;
arm64 | aarch64)
	arch=arm64
	srcarch=arm64
	image=Image
	cross=aarch64-linux-gnu-
	;;
*) die "ARCH=$arch: x86_64 and arm64 are what is known here" ;;
esac
[[ $arch != "$host" ]] || cross=

out=$build/$arch
kind=
if [[ -n ${CONFIG-} ]]; then
	kind=$CONFIG
	[[ $CONFIG == @(distro|nothp|mutants) ]] || die "CONFIG=$CONFIG: distro, nothp and mutants are what there is"
	! on "${DEBUG-}" || die "CONFIG=$CONFIG and DEBUG=$DEBUG are two kernels"
	out+=-$kind
	[[ $CONFIG != mutants ]] || linux=$out/linux
elif on "${DEBUG-}"; then
	kind=${DEBUG/#1/debug}
	[[ -e $top/kernel/configs/liveupdate_$kind.config ]] || die "DEBUG=$DEBUG: 1, kcsan and coverage are what there is"
	out+=-$kind
fi
if on "${STOCK-}"; then
	out+=-stock
	linux=$base
fi
if on "${DEFERRED-}"; then
	out+=-deferred
fi
out=${OUT:-$out}

# What the virtual machine's kernel is configured with, on top of the base's tinyconfig
guest_fragments=(
	"$top/kernel/configs/liveupdate.config"
	"$top/kernel/configs/liveupdate_guest.config"
	"$top/arch/$srcarch/configs/liveupdate_guest.config"
)

# kmake ARGUMENT...: the kernel's make, in $linux, for $out/obj. Nothing of
# our own make may reach it: DEBUG and V mean other things there. The same
# sources make the same kernel, whoever compiles them where and when.
kmake() {
	env -u MAKEFLAGS -u MFLAGS -u MAKEOVERRIDES -u MAKELEVEL \
		-u CONFIG -u DEBUG -u KSRC -u KVER -u T -u V -u ARCH \
		KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 1970' KBUILD_BUILD_VERSION=1 \
		KBUILD_BUILD_USER=luo KBUILD_BUILD_HOST=luo \
		make --no-print-directory -C "$linux" O="$out/obj" ARCH="$arch" \
		CROSS_COMPILE="$cross" -j"$(nproc)" ${V:+V="$V"} "$@"
}

# hold_lock OPTION FILE: of build/, until the script ends
hold_lock() {
	local lock

	mkdir -p "$build"
	exec {lock}>"$build/$2"
	flock -n "$1" "$lock" || {
		echo 'waiting for another build here to end'
		flock "$1" "$lock"
	}
}

# build_lock: one at a time in build/, until the script ends. What is run by one that has the lock has it too.
build_lock() {
	[[ -n ${BUILD_LOCKED-} ]] || hold_lock -x lock
	export BUILD_LOCKED=1
}

# build_lock_of NAME: beside others that have another name: for who only reads build/linux, and writes what nobody else
# does
build_lock_of() {
	[[ -n ${BUILD_LOCKED-} ]] || {
		hold_lock -x "lock.$1"
		hold_lock -s lock
	}
	export BUILD_LOCKED=1
}

# files_in PATH...: the files in those of the paths that the repo has
files_in() (
	cd "$top"
	for path; do
		[[ ! -e $path ]] || find "$path" -type f ! -name '.*' ! -name '*.o'
	done
)

# The kernel's directories that the repo may have files in
kernel_dirs=(Documentation arch fs include init kernel lib mm samples tools)

# install_if_different FROM TO: leaves the time of an unchanged file alone, so
# that make does not build again what did not change
install_if_different() {
	cmp -s "$1" "$2" || {
		mkdir -p "$(dirname "$2")"
		cp --remove-destination --no-preserve=timestamps "$1" "$2"
	}
}

# The phase that runs: its title, its log, when it began, who tells the time
phase_title=
phase_log=
phase_start=
phase_clock=

phase_line() {
	local eol='\n'

	if [[ -t 1 ]]; then
		printf '\r\033[K'
		eol=$1
	fi
	# shellcheck disable=SC2059 # the end of the line is a format
	printf "%-46s %5d s$2$eol" "$phase_title" $((SECONDS - phase_start))
}

# On a terminal each second; in a log once a minute, so that nobody who watches
# it takes a long phase for a dead one
phase_tick() {
	local every=60 never

	[[ ! -t 1 ]] || every=1
	# No sleep(1): it would outlive us and hold on to the output and the lock
	exec {never}<> <(:)
	while ! read -rt "$every" -u "$never"; do
		phase_line '' ", $(wc -l <"$phase_log") steps so far"
	done
}

phase_stop() {
	[[ -z $phase_clock ]] || {
		kill "$phase_clock"
		wait "$phase_clock" || :
		phase_clock=
	} 2>/dev/null
}

# phase LOG TITLE COMMAND...: runs the command as one line of progress with its
# output in LOG. A failure ends the script, with the end of the log shown.
phase() {
	phase_log=$1
	phase_title=$2
	phase_start=$SECONDS
	shift 2
	mkdir -p "$(dirname "$phase_log")"
	: >"$phase_log"
	if on "${V-}"; then
		printf '%s\n' "$phase_title"
		"$@" </dev/null 2>&1 | tee "$phase_log"
	else
		phase_tick &
		phase_clock=$!
		# In a shell of its own: an exit must not take our output along
		("$@") </dev/null >"$phase_log" 2>&1
		phase_stop
		phase_line '\n' ''
	fi
	phase_log=
}

phase_exit() {
	local status=$?

	phase_stop
	if [[ $status != 0 && -n $phase_log ]]; then
		phase_line '\n' ': failed'
		on "${V-}" || tail -n 30 "$phase_log"
		die "$phase_title failed; all of it is in ${phase_log#"$top/"}"
	fi
}
trap phase_exit EXIT
