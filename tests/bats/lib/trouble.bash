# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Which lines of a kernel's console are trouble. Used by lib/common and tests/kunit; 000-harness.bats has a line for
# each pattern of each list.

# Lines that no kernel may print, unless a test expects them: extended regular expressions, with arm64's spellings
KERNEL_TROUBLE=(
	'WARNING: '
	'BUG: '
	'BUG [^ ]+ \('
	'kernel BUG at'
	'Oops'
	'Internal error: '
	'Kernel panic'
	'PANIC: '
	'cut here'
	'Call [Tt]race:'
	'general protection fault'
	'Unable to handle'
	'synchronous external abort'
	'SError Interrupt'
	'Insufficient stack space'
	'INFO: task'
	'INFO: rcu'
	'INFO: possible'
	'INFO: suspicious'
	'INFO: trying to register'
	'soft lockup'
	'hard LOCKUP'
	'possible .* deadlock'
	'turning off the locking correctness validator'
	'lockdep is turned off'
	'sleeping function called'
	'scheduling while atomic'
	'Bad page'
	'bad_page'
	'page dumped because'
	'pagealloc: '
	'refcount_t:'
	'list_add corruption'
	'list_del corruption'
	'ODEBUG: '
	'UBSAN:'
	'KASAN:'
	'KFENCE:'
	'KCSAN:'
	'unreferenced object'
	'[Oo]ut of memory'
	'segfault at'
	'traps: .*\[[0-9]+\]'
	'unhandled exception: '
	'Busy inodes'
	'already present!'
	'already exists in'
	'cannot create duplicate filename'
	'nobody cared'
	# Of guest/look.bash
	'harness: trouble: '
)

# Those who print little: live update, its file types, tests and sample, KHO, and kmemleak, by the prefixes that
# pr_fmt() gives them. Each of their lines that is not a normal one is trouble: a warning or an error.
KERNEL_TERSE=(
	'luo'
	'KHO'
	'memfd_luo[a-z_]*'
	'tmpfs_luo[a-z_]*'
	'liveupdate[a-z_]*( test)?'
	'kmemleak'
)

# All of a normal line
KERNEL_NORMAL=(
	# At boot: KHO's scratch areas, and what came from the previous kernel
	'KHO: scratch scale is [0-9]+%'
	'KHO: scratch areas: lowmem: [0-9]+MiB global: [0-9]+MiB pernode: [0-9]+MiB'
	'KHO: found kexec handover data\.'
	'KHO: exec from: [^ ]+ \(count [0-9]+\)'
	'KHO: kept [0-9]+ MiB, with [0-9]+ MiB of gaps that are free by now'
	'luo: hand-over [0-9]+, format [^ ]+'
	'kmemleak: Kernel memory leak detector initialized \(mem pool available: [0-9]+\)'
	'kmemleak: Automatic memory scanning thread (started|ended)'
	# Where allocations are made to fail: it looks at more of an object then
	'kmemleak: Cannot allocate a scan area, scanning the full object'
	# The sample's ledger, as its notes come and go
	'liveupdate_sample: ledger: (preserved|unpreserved|retrieved|finished)'
	# The stock kernel, and its own test of FLBs
	'luo: Retrieved live update data, liveupdate number: [0-9]+'
	'liveupdate test: Registered [0-9]+ FLBs with file handler: \[[^ ]+\]'
	'liveupdate test: [^ ]+: (preserve|unpreserve|finish) was triggered'
	'liveupdate test: [^ ]+: found flb data from the previous boot'
)

# one_of PATTERN…: print a pattern for what one of these matches.
one_of() {
	local IFS='|'
	echo "($*)"
}

# kernel_trouble: print the lines of a console, which is on stdin, that are trouble.
kernel_trouble() {
	local stamp='^(\[ *[0-9]+\.[0-9]+\] ?(\[ *[TC][0-9]+\] ?)?)?'
	tr -d '\r' | grep -aE "$(one_of "${KERNEL_TROUBLE[@]}")|$stamp$(one_of "${KERNEL_TERSE[@]}"): " |
		grep -avE "$stamp$(one_of "${KERNEL_NORMAL[@]}")\$" || true
}
