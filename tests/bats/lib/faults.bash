# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the tests share in which each allocation fails once.

# fault_run [LINE]: luo_run, with what guest/fault.bash has, and the time that some hundred attempts take.
fault_run() {
	local refused rest survived
	luo_run -t $((10 * VM_SECONDS)) "$@" < <(echo '. fault.bash' && cat)
	# shellcheck disable=SC2154  # vm_run sets output
	while read -r refused rest survived rest; do
		[[ $rest != 'done without: '* ]] || count faults $((refused + survived))
	done <<<"$output"
}

# What a file has: more extents than are told of in one place
# shellcheck disable=SC2034  # for the tests
DATA=$(seq -s + -f %.0fK:4K 16 8 2000)
