# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Roots made of Debian packages, taken from where the machine takes its own. Sourced, never run.

# What luo-sh is compiled with.
# shellcheck disable=SC2034  # for those who source this
luo_sh_packages=libacl1-dev,libarchive-dev,libbz2-dev,libelf-dev,libfdt-dev,libjson-c-dev,liblz4-dev,liblzma-dev,liblzo2-dev,libzstd-dev,zlib1g-dev

# debian_release: the release that this machine is of.
debian_release() (
	# shellcheck disable=SC1091  # the machine's
	. /etc/os-release && echo "$VERSION_CODENAME"
)

# debian_bootstrap SUITE TARGET [OPTION…]: what mmdebstrap makes of the packages of a release, in TARGET.
debian_bootstrap() {
	local release mirror options
	release=$(debian_release)
	mirror=${MIRROR:-$(apt-get indextargets --format "\$(REPO_URI)" 'Origin: Debian' "Codename: $release" | sort -u | head -n 1)}
	if [[ -z $mirror ]]; then
		echo "${0##*/}: apt knows no Debian mirror for $release (apt-get update?)" >&2
		return 1
	fi
	# Proxies, of all hosts or of one, certificates, and time limits are the machine's.
	options=$(apt-config dump --no-empty --format '%f "%v";%n' Acquire::http Acquire::https)
	mmdebstrap --quiet "${@:3}" ${options:+--aptopt="$options"} \
		"$1" "$2" "deb $mirror $1 main"
}
