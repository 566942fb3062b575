#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
#
# What SECURITY.md says and no other test shows. Scripts print what is wrong, and nothing when all is well.
# shellcheck disable=SC2016  # what is quoted is for the guest

load lib/common
load lib/owner

@test "what came from the previous kernel is root's, whoever's it was, until root gives it away" {
	owner_run 'mkdir sessions/{s,t} sessions/{s,t}/1; chown -R 1000:1000 sessions/s
		agent U setpriv --reuid 1000 --regid 1000 --clear-groups bash
		tell U "file 5 secret; put self:5 sessions/s/1/fd"; file 5 other; put self:5 sessions/t/1/fd'
	vm_kexec
	owner_run 'shows updated state
		agent U setpriv --reuid 1000 --regid 1000 --clear-groups bash
		tell U "exec 5</dev/null
			for s in s t; do
				refused \"$DENIED\" put self:5 incoming/\$s/1/fd; refused \"$DENIED\" put self incoming/\$s/owner
				refused \"$DENIED\" put 1 incoming/\$s/finish; refused \"$DENIED\" put discard incoming/\$s/finish
			done
			refused \"$DENIED\" eval \"exec 7<>/dev/liveupdate\""
		chown -R 1000:1000 incoming/s
		tell U "put self:5 incoming/s/1/fd; holds secret 5
			refused \"$DENIED\" put self:5 incoming/t/1/fd; refused \"$DENIED\" put discard incoming/t/finish
			put 1 incoming/s/finish"
		[[ $(ls incoming) == t ]] || ls incoming
		put discard incoming/t/finish; shows normal state'
}

@test "a user to whom a session was given has no say in what is not of that session" {
	owner_run 'mkdir sessions/vm1; chown -R 1000:1000 sessions/vm1
		agent U setpriv --reuid 1000 --regid 1000 --clear-groups bash
		tell U "refused \"$DENIED\" put luo-v5 abi; refused \"$DENIED\" mkdir sessions/x
			refused \"$DENIED\" put self owner; refused \"$DENIED\" eval \"exec 7<>/dev/liveupdate\"
			refused \"$PERM\" chown 0 sessions/vm1; refused \"$DENIED\" rmdir sessions/vm1
			put self sessions/vm1/owner; mkdir sessions/vm1/1; file 5 u; put self:5 sessions/vm1/1/fd"
		# It keeps all others out, but not who has control of all.
		refused "$BUSY" rmdir sessions/vm1/1; put self owner
		mkdir sessions/vm1/2; rmdir sessions/vm1/2 sessions/vm1/1 sessions/vm1; put none owner'
}

@test "a descriptor that root passed on can be written to, for what the writer may reach" {
	owner_run 'mkdir sessions/s sessions/s/1; file 5 roots
		exec 8>sessions/s/1/fd 7>sessions/s/limit
		agent U setpriv --reuid 1000 --regid 1000 --clear-groups bash
		tell U "exec 9</proc/$$; refused \"$PERM\" eval \"echo 9:5 >&8\"; file 5 u; echo self:5 >&8
			refused \"$PERM\" eval \"echo 1 >&7\""
		shows 1 sessions/s/1/size
		rmdir sessions/s/1 sessions/s'
}

@test "each test that SECURITY.md names is there" {
	local name text title
	while read -r name text; do
		while read -r title; do
			[[ $text != "$title"* ]] || continue 2
		done < <(sed -nE 's/^@test "(.*)" \{$/\1/p' "$BATS_TEST_DIRNAME/${name%:}.bats")
		echo "not there: $name $text"
		return 1
	done < <(sed -E 's/[0-9]{3}-[a-z]+: /\n&/g' "$VM_REPO/SECURITY.md" | grep -E '^[0-9]{3}-[a-z]+: ')
}
