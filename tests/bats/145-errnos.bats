#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
#
# Each errno that Documentation/ABI/testing/configfs-liveupdate lists for a file or directory, and no other, is one that
# it is seen to fail with: here, or in the test that is named.
# shellcheck disable=SC2016  # what is quoted is for the guest

load lib/common
load lib/luo

# PLACE ERRNO, and a script that fails with it; or = and the test that shows it; or - and why none does.
# Those before the kexec:
OUTGOING='
owner EBADF echo 77 >owner
owner EBUSY = 210-owner: everybody else is kept from changing anything while the root has an owner, and may read
owner EINTR = 136-stalled: an owner to be waits for what he does not allow, for freeze_timeout_ms, and can be killed
owner EINVAL echo nobody >owner
owner ENOMEM = 600-faults: a session becoming somebody
owner EPERM exec 9</proc/2; echo 9 >owner
owner ESRCH echo pid:1 >owner
abi EBUSY = 220-device: an open device is the root
abi EINTR = 136-stalled: what meets a reboot that waits can be killed, and changes nothing
abi EINVAL echo luo-v0 >abi
abi ENOMEM = 602-faults-all: changing the format, with files preserved
abi ENOSPC - it takes more than 52,428 sessions
abi EOPNOTSUPP luo-hold preserve sessions/append/1 1 memfd,size=4K,append=1 >/dev/null; echo luo-v5 >abi
freeze_timeout_ms EINVAL echo 600001 >freeze_timeout_ms
freeze_timeout_ms EPERM setpriv --bounding-set -sys_admin --inh-caps -sys_admin bash -c "echo 1 >freeze_timeout_ms"
on_error EBUSY = 130-freeze: once the reboot is under way nothing can be changed, and all that was preserved comes back
on_error EINVAL echo ignore >on_error
on_error ENOMEM = 602-faults-all: allowing files to be left behind, and preserving more of them then
on_error EPERM setpriv --bounding-set -sys_admin --inh-caps -sys_admin bash -c "echo drop >on_error"
prepare EBUSY = 132-prepare: what holds the reboot up is what prepare says, with its last_error
prepare EEXIST = 132-prepare: what stops the reboot is what prepare says, with its last_error
prepare EINTR = 132-prepare: what holds the reboot up is what prepare says, with its last_error
prepare EINVAL echo 2 >prepare
prepare ENODEV = 132-prepare: what stops the reboot is what prepare says, with its last_error
prepare ENOEXEC echo 1 >prepare
prepare ENOMEM = 602-faults-all: a reboot that is prepared needs no memory, and preparing it is undone when there is none
prepare ENOSPC - it takes more than 65,536 files
prepare EOPNOTSUPP = 132-prepare: an image of kexec_load(2) cannot be prepared for while there is something to hand over
prepare EPERM setpriv --bounding-set -sys_boot --inh-caps -sys_boot bash -c "echo 1 >prepare"
sessions:mkdir EBUSY = 210-owner: everybody else is kept from changing anything while the root has an owner, and may read
sessions:mkdir EEXIST mkdir sessions/s
sessions:mkdir EINTR = 136-stalled: what meets a reboot that waits can be killed, and changes nothing
sessions:mkdir EINVAL mkdir "sessions/a\\x2eb"
sessions:mkdir ENAMETOOLONG mkdir sessions/$(printf %064d 0)
sessions:mkdir ENOMEM = 600-faults: making and removing sessions and tokens
sessions:mkdir ENOSPC - it takes more than 52,428 sessions
sessions:rmdir EBUSY = 210-owner: everybody else is kept from changing anything while the root has an owner, and may read
sessions:rmdir EINTR = 136-stalled: what meets a reboot that waits can be killed, and changes nothing
sessions:rmdir ENOTEMPTY rmdir sessions/s
sessions:rmdir EPERM = 220-device: a session of the device
sessions/<session>/label EBUSY = 153-labels: a label is for who may change the session
sessions/<session>/label EINTR = 136-stalled: what meets a reboot that waits can be killed, and changes nothing
sessions/<session>/label EINVAL echo $(printf %0256d 0) >sessions/s/label
sessions/<session>/label ENOMEM = 602-faults-all: giving labels to sessions and tokens
sessions/<session>/limit EINVAL echo 1M >sessions/s/limit
sessions/<session>/limit EPERM = 138-limit: limit is max, takes a number of bytes, and is for who may administer the system
sessions/<session>/prepare EBUSY = 210-owner: everybody else is kept from changing anything while the root has an owner, and may read
sessions/<session>/prepare EEXIST = 132-prepare: a session is prepared by whoever may write to it, apart from others
sessions/<session>/prepare EINTR = 136-stalled: what meets a reboot that waits can be killed, and changes nothing
sessions/<session>/prepare EINVAL echo 2 >sessions/s/prepare
sessions/<session>/prepare ESRCH = 132-prepare: a session is prepared by whoever may write to it, apart from others
sessions/<session>/<token>:mkdir EBUSY = 210-owner: everybody else is kept from changing anything while the root has an owner, and may read
sessions/<session>/<token>:mkdir EEXIST mkdir sessions/s/1
sessions/<session>/<token>:mkdir EINTR = 136-stalled: what meets a reboot that waits can be killed, and changes nothing
sessions/<session>/<token>:mkdir EINVAL mkdir sessions/s/01
sessions/<session>/<token>:mkdir ENOMEM = 600-faults: making and removing sessions and tokens
sessions/<session>/<token>:mkdir EPERM = 220-device: a session of the device
sessions/<session>/<token>:mkdir ESRCH = 210-owner: an outgoing session whose owner dies holds nothing, until it is given an owner again
sessions/<session>/<token>:rmdir EBUSY = 136-stalled: an rmdir that meets the reboot is refused, or killed, and its file is handed over
sessions/<session>/<token>:rmdir EINTR = 136-stalled: an rmdir that meets the reboot is refused, or killed, and its file is handed over
sessions/<session>/<token>/fd EACCES luo_file 5; exec 6</proc/self/fd/5; echo self:6 >sessions/s/1/fd
sessions/<session>/<token>/fd EADDRNOTAVAIL - with hugetlb_cma= no kernel has scratch memory
sessions/<session>/<token>/fd EBADF echo self:77 >sessions/s/1/fd
sessions/<session>/<token>/fd EBUSY luo_file 5; echo self:5 >sessions/kept/0/fd
sessions/<session>/<token>/fd EDQUOT echo 1 >sessions/s/limit; luo_file 5 text; echo self:5 >sessions/s/1/fd || echo max >sessions/s/limit; false
sessions/<session>/<token>/fd EHWPOISON = 118-poison: a file with a poisoned page cannot be preserved until the page is punched out
sessions/<session>/<token>/fd EINTR = 136-stalled: a preserve that waits for its user refuses the kexec, is named, and can be killed
sessions/<session>/<token>/fd EINVAL echo self >sessions/s/1/fd
sessions/<session>/<token>/fd ENOENT exec 5<>/dev/null; echo self:5 >sessions/s/1/fd
sessions/<session>/<token>/fd ENOMEM = 600-faults: preserving and unpreserving a memfd, in each format
sessions/<session>/<token>/fd ENOSPC - it takes more than 65,536 files
sessions/<session>/<token>/fd EOPNOTSUPP luo-hold make memfd,size=4K,acl=1,fd=5 -- bash -c "echo self:5 >sessions/s/1/fd"
sessions/<session>/<token>/fd EPERM = 110-preserve: no permission over the process gets EPERM
sessions/<session>/<token>/fd ESRCH = 110-preserve: a process that is gone gets ESRCH, waited for or not
sessions/<session>/<token>/fd EXDEV = 116-hugetlb: what cannot come back is refused with an errno of its own
incoming EEXIST = 150-carry: old sessions are carried on beside new ones; a name that both have stops the kexec
incoming ENODEV = 150-carry: what cannot be carried on stops the kexec, and nothing is lost
incoming ENOMEM = 602-faults-all: a reboot into the next kernel needs no memory for what is preserved, and is undone as ever
incoming ENOSPC - it takes more than 65,536 files
'
# And after it, first what wants a file that was not retrieved:
INCOMING='
incoming/<session>/finish EBUSY echo 1 >incoming/kept/finish
incoming/<session>/finish EINTR = 136-stalled: what meets a reboot that waits can be killed, and changes nothing
incoming/<session>/finish EINVAL echo 0 >incoming/kept/finish
incoming/<session>/finish ENOENT exec 7>incoming/gone/finish; echo discard >&7; echo discard >&7
incoming/<session>/<token>/fd EACCES = 146-others: a file that the security module keeps from a process is neither preserved nor retrieved by it
incoming/<session>/<token>/fd ENFILE no_files_left
incoming/<session>/<token>/fd EBADF echo self:$(ulimit -n) >incoming/kept/0/fd
incoming/<session>/<token>/fd EBUSY = 210-owner: the owner of an incoming session keeps others out, and its death loses nothing
incoming/<session>/<token>/fd EINTR = 136-stalled: what meets a reboot that waits can be killed, and changes nothing
incoming/<session>/<token>/fd EINVAL echo self >incoming/kept/0/fd
incoming/<session>/<token>/fd ENODEV = 140-flb: a session with files that nobody has a handler for goes when it is discarded, and the others do not care
incoming/<session>/<token>/fd ENOENT exec 7>incoming/late/0/fd; echo discard >incoming/late/finish; echo self:0 >&7
incoming/<session>/<token>/fd ENOMEM = 605-faults-incoming: retrieving memfds, of each format
incoming/<session>/<token>/fd EPERM = 127-tmpfs: who lacks CAP_SYS_ADMIN can neither preserve one nor have it back
incoming/<session>/<token>/fd EOPNOTSUPP idle; exec 9</proc/$pid; echo 9:5 >incoming/kept/0/fd || kill $pid; false
'

# listed: print PLACE ERRNO of each row of a table of errnos in the document. Where a directory has one for mkdir(2) and
# one for rmdir(2), that is in PLACE.
listed() {
	awk '
		/^What:/ { if (!in_what) { place = $2; op = "" } in_what = 1; next }
		{ in_what = 0 }
		/^\t\t(mkdir|rmdir)\(2\) fails, and changes/ { op = ":" substr($1, 1, 5) }
		/^\t\tE[A-Z]+(  +|$)/ { sub("^/sys/kernel/config/liveupdate/", "", place); print place op, $1 }
	' "$VM_REPO/Documentation/ABI/testing/configfs-liveupdate"
}

# guest_scripts LINES: a script of those that fail in the guest
guest_scripts() {
	local place err script
	while read -r place err script; do
		[[ -n $place && $script != [=-]\ * ]] || continue
		printf 'echo %q\nfails %s %q\n' "$place $err" "$err" "$script"
	done <<<"$1"
}

@test "every errno that is documented is shown, and every one that is shown is documented" {
	diff <(listed | sort) <(printf %s "$OUTGOING$INCOMING" | awk 'NF { print $1, $2 }' | sort)
}

@test "every test that shows one is there" {
	local name text
	while IFS=: read -r name text; do
		grep -qF "@test \"${text# }" "$BATS_TEST_DIRNAME/${name##* }.bats" || {
			echo "not there: $name:$text"
			return 1
		}
	done < <(grep -E '^[^ ]+ E[A-Z]+ = ' <<<"$OUTGOING$INCOMING" | sed -E 's/^[^ ]+ E[A-Z]+ = //')
}

# In the guest: have a user retrieve a file when there are as many as may be. He has opened all he needs by then.
NO_FILES_LEFT='no_files_left() {
	local max
	read -r max </proc/sys/fs/file-max
	chown -R 1000 incoming/kept
	coproc user {
		exec setpriv --reuid 1000 --regid 1000 --clear-groups \
			bash -c "exec 7>incoming/kept/0/fd; echo; read -r; echo self:6 >&7"
	}
	read -r <&"${user[0]}"
	echo 1 >/proc/sys/fs/file-max
	echo >&"${user[1]}"
	wait "$user_PID"
	echo "$max" >/proc/sys/fs/file-max
	false
}'

@test "each is what the file says" {
	expect_kernel_line 'luo: append/1: convert: EOPNOTSUPP'
	expect_kernel_line 'luo: kept/0: retrieve: ENFILE'
	luo_run "mkdir sessions/s sessions/s/1
		luo-hold preserve sessions/kept/0 1 memfd,size=4K,seed=1
		$(guest_scripts "$OUTGOING")
		luo_end" </dev/null
	# What stays is for the other half.
	luo_run <<-'END'
		for s in kept gone late; do
			luo-hold preserve sessions/$s/0 1 memfd,size=4K,seed=1
		done
	END
	vm_kexec
	luo_run "$NO_FILES_LEFT
		$(guest_scripts "$INCOMING")
		echo discard >incoming/kept/finish" </dev/null
}
