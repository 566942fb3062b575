#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
#
# luo-sh: each command, what it prints as text and as JSON, and its exit status.

# shellcheck disable=SC2154  # vm_run sets stderr

load lib/common
load lib/luo
load lib/luo-sh

# refuses STATUS LINE COMMAND: it ends like that, with this line on stderr besides what it says to try, and changes
# nothing.
refuses() {
	luo_run <<-END
		luo_snapshot
		before=\$snapshot
		rc=0
		$3 >/tmp/out 2>/tmp/err || rc=\$?
		luo_snapshot
		[[ \$snapshot == "\$before" ]] || diff <(echo "\$before") <(echo "\$snapshot") >&2
		cat /tmp/out
		sed '/^luo-sh: try: /d' /tmp/err
		echo "status \$rc"
	END
	assert_output "luo-sh: $2"$'\n'"status $1"
}

@test "sessions are made, listed, shown and given up" {
	vm_run 'luo-sh session create vm1; luo-sh session create "two words"; luo-sh session create -- --x'
	assert_output ''
	vm_run 'luo-sh session list'
	assert_output 'sessions:
  --x:  state open  owner none  files 0  size 0
  two words:  state open  owner none  files 0  size 0
  vm1:  state open  owner none  files 0  size 0'
	vm_run 'luo-sh -j session list'
	json . '{"sessions":[{"name":"--x","state":"open","owner":"none","files":0,"size":0},{"name":"two words","state":"open","owner":"none","files":0,"size":0},{"name":"vm1","state":"open","owner":"none","files":0,"size":0}],"incoming":[],"version":1}'
	vm_run 'luo-sh session show vm1'
	assert_output 'sessions:
  vm1:  state open  owner none  files 0  size 0'
	refuses 1 "$LUO/sessions/vm1: File exists (EEXIST): there is a session of that name" 'luo-sh session create vm1'
	refuses 1 "$LUO/sessions/vm2: No such file or directory (ENOENT): there is no session vm2" 'luo-sh session show vm2'
	refuses 1 "$LUO/sessions/vm1/5: Invalid argument (EINVAL): a name is no path" 'luo-sh session create vm1/5'
	refuses 1 "$LUO/sessions/..: Invalid argument (EINVAL): a name is no path" 'luo-sh session delete ..'
	vm_run "mkdir $LUO/sessions/vm1/{2,10}; luo-sh session delete vm1; luo-sh session delete 'two words'
		luo-sh session delete -- --x; ls $LUO/sessions"
	assert_output ''
}

@test "files are preserved, listed and unpreserved: inherited ones, those of a process, and no others" {
	luo_run <<-'END'
		luo-sh session create s
		luo_file 5 hello
		luo-sh fd preserve s 1 --fd 5
		idle </dev/null
		holder=$(luo-hold make memfd,size=8K,seed=1,fd=7 memfd,size=4K,fd=8 -- bash -c 'sleep 1000 &>/dev/null & echo $!')
		inode=$(luo-proc pidfd $holder 9 stat -L -c %i /proc/self/fd/9)
		luo-sh fd preserve s 2 --pid $holder --fd 7
		luo-sh fd preserve s 18446744073709551615 --fd=8 --pid=$holder:$inode
		echo "$holder $inode $pid" >/run/holder
		luo-sh fd list
	END
	assert_output 'sessions:
  s:  state open  owner none  files 3  size 12293
    1:  state preserved  compatible memfd-v3  size 5
    2:  state preserved  compatible memfd-v3  size 8192
    18446744073709551615:  state preserved  compatible memfd-v3  size 4096'
	vm_run 'luo-sh -j fd list s'
	json '.sessions[0].tokens[2]' '{"token":"18446744073709551615","state":"preserved","compatible":"memfd-v3","size":4096}'

	read -r holder inode idler < <(vm_run 'cat /run/holder' >/dev/null && echo "$output")
	# Another process than the one that the inode is of, a process that is gone, a file that is not there
	refuses 1 "process $idler:$inode: No such process (ESRCH)" "luo-sh fd preserve s 3 --fd 0 --pid $idler:$inode"
	refuses 1 "$LUO/sessions/s/3/fd: Bad file descriptor (EBADF): PID $holder has no descriptor 99" "luo-sh fd preserve s 3 --fd 99 --pid $holder"
	refuses 1 "$LUO/sessions/s/3/fd: No such file or directory (ENOENT): descriptor 0 is a character device; memfds can be preserved, files on tmpfs that were removed, and a whole tmpfs" 'luo-sh fd preserve s 3 --fd 0 </dev/null'
	refuses 5 "$LUO/sessions/s/3/fd: Device or resource busy (EBUSY): the file is preserved already, as s/2" "luo-sh fd preserve s 3 --fd 7 --pid $holder"
	refuses 5 "$LUO/sessions/s/1/fd: Device or resource busy (EBUSY): the token has a file" "luo-sh fd preserve s 1 --fd 8 --pid $holder"
	refuses 1 "$LUO/sessions/s/042: Invalid argument (EINVAL): tokens are decimal, without leading zeros" 'luo-sh fd preserve s 042 --fd 0'
	refuses 1 "$LUO/sessions/s/../x: Invalid argument (EINVAL): a token is a number from 0 to 18446744073709551615" 'luo-sh fd preserve s ../x --fd 0'
	vm_run "kill $holder $idler; luo-sh fd unpreserve s 2; luo-sh fd list s"
	assert_output 'sessions:
  s:  state open  owner none  files 2  size 4101
    1:  state preserved  compatible memfd-v3  size 5
    18446744073709551615:  state preserved  compatible memfd-v3  size 4096'
	vm_run 'luo-sh session delete s'
}

@test "status tells all, and files come back to a command and to plain files" {
	luo_run <<-'END'
		luo_file 5 'for a command'
		luo-sh session create s
		luo-sh fd preserve s 7 --fd 5
		luo-sh session create plain
		echo one >/tmp/one
		truncate -s 1M /tmp/holes
		printf x | dd of=/tmp/holes bs=1 seek=500000 conv=notrunc status=none
		: >/tmp/none
		luo-sh fd save plain 8 /tmp/one /tmp/holes /tmp/none
		# All or nothing
		luo-sh session create half
		rc=0
		luo-sh fd save half 0 /tmp/one /nowhere 2>/tmp/err || rc=$?
		((rc == 1))
		expect 'luo-sh: /nowhere: No such file or directory (ENOENT)' cat /tmp/err
		shows sessions/half files=0
		[[ ! -e sessions/half/0 ]]
		rmdir sessions/half
		luo-sh status
	END
	assert_output "state normal
number $(vm_run "cat $LUO/number" >/dev/null && echo "$output")
owner none
abi luo-v1
abis luo-v1 luo-v5
handlers $(vm_run "cut -d ' ' -f 1 $LUO/handlers | paste -sd ' '" >/dev/null && echo "$output")
sessions:
  plain:  state open  owner none  files 3  size 1048580
    8:  state preserved  compatible memfd-v3  size 4
    9:  state preserved  compatible memfd-v3  size 1048576
    10:  state preserved  compatible memfd-v3  size 0
  s:  state open  owner none  files 1  size 13
    7:  state preserved  compatible memfd-v3  size 13
a kexec hands over 4 files of 2 sessions in luo-v1; a reboot loses them"

	vm_run 'sha256sum /tmp/one /tmp/holes /tmp/none'
	sums=$output
	vm_kexec
	vm_run 'luo-sh -j status'
	json '[.version, .state, .abi]' '[1,"updated","luo-v1"]'
	json '.incoming[] | [.name, .state, .owner, .files, .retrieved, .size]' '["plain","preserved","none",3,0,1048580]
["s","preserved","none",1,0,13]'
	vm_run 'luo-sh -p status'
	json '.incoming[1].tokens' '[{"token":"7","state":"preserved","compatible":"memfd-v3","size":13}]'

	vm_run 'luo-sh fd retrieve s 7 -- cat /proc/self/fd/3; echo; luo-sh fd retrieve s 7 --fd 0 -- cat /dev/fd/0'
	assert_output 'for a command
for a command'
	vm_run -e 1 'luo-sh fd retrieve s 7 -- /no/command'
	assert_equal "$stderr" 'luo-sh: /no/command: No such file or directory (ENOENT)'
	vm_run -e 7 'luo-sh fd retrieve s 7 -- bash -c "exit 7"'
	refuses 1 "$LUO/incoming/s/8/fd: No such file or directory (ENOENT): s has no token 8" 'luo-sh fd retrieve s 8 -- true'
	refuses 5 "$LUO/incoming/plain/finish: Device or resource busy (EBUSY): 3 of 3 files are not retrieved" 'luo-sh session finish plain'
	refuses 1 '/nowhere/file: No such file or directory (ENOENT)' 'luo-sh fd restore s 7 /nowhere/file'
	vm_run 'echo old >/tmp/one; chown 3:4 /tmp/one; chmod 4751 /tmp/one; ln -s nowhere /tmp/none
		luo-sh fd restore plain 8 /tmp/one /tmp/holes /tmp/none; sha256sum /tmp/one /tmp/holes /tmp/none
		stat -c "%a %u %g" /tmp/one; compgen -G "/tmp/one.*" || :'
	assert_output "$sums"$'\n''4751 3 4'
	vm_run 'stat -c "%a %b" /tmp/holes; luo-sh session finish plain; luo-sh session discard s; luo-sh session list; luo-sh -j status'
	# One page of it is data
	assert_line -n 0 '600 8'
	output=${lines[1]}
	json '[.state, .incoming]' '["normal",[]]'
}

@test "what is restored, and where a message goes, does nothing to the file that was preserved" {
	luo_run <<-'END'
		luo_file 5 hello
		luo-sh session create s
		luo-sh fd preserve s 7 --fd 5
	END
	vm_kexec
	luo_run <<-'END'
		# Each who retrieves it has the same open file, with one position.
		luo-hold make null,fd=5 -- bash -c '. luo.bash
			echo self:5 >incoming/s/7/fd
			luo-sh fd restore s 7 /tmp/out
			expect hello cat /tmp/out
			expect 5 awk "\$1 == \"pos:\" { print \$2 }" /proc/self/fdinfo/5
			for closed in "<&-" ">&-" "2>&-" "<&- >&- 2>&-"; do
				rc=0
				eval "luo-sh fd restore s 7 /nowhere/out $closed" 2>/dev/null || rc=$?
				((rc == 1))
				expect hello cat /proc/self/fd/5
			done'
		for how in "" -j -p; do
			rc=0
			luo-sh $how status >/dev/full 2>/tmp/err || rc=$?
			((rc == 1))
			expect 'luo-sh: stdout: No space left on device (ENOSPC)' cat /tmp/err
		done
		echo discard >incoming/s/finish
	END
}

@test "the status alone is enough to restore all, by a script of thirty lines" {
	assert [ "$(wc -l <"$VM_REPO/tools/luo-sh/examples/restore-all")" -le 30 ]
	luo_run <<-'END'
		for session in vm1 'two words' 'back\slash'; do
			luo-sh session create "$session"
			for token in 0 18446744073709551615; do
				echo "$session $token" >/tmp/file
				luo-sh fd save "$session" $token /tmp/file
			done
		done
		luo-sh session create empty
		# One that is not for plain files
		mkdir sessions/device
		exec 5<>/dev/liveupdate-test
		luo-sh fd preserve device 1 --fd 5
	END
	vm_kexec
	vm_run -e 1 '/usr/libexec/luo-sh/restore-all /tmp/all'
	assert_equal "$stderr" "luo-sh: $LUO/incoming/device/1: Invalid argument (EINVAL)"
	vm_run "cd /tmp/all; grep -r . | sort; ls $LUO/incoming"
	assert_output 'back\slash/0:back\slash 0
back\slash/18446744073709551615:back\slash 18446744073709551615
two words/0:two words 0
two words/18446744073709551615:two words 18446744073709551615
vm1/0:vm1 0
vm1/18446744073709551615:vm1 18446744073709551615
device'
	vm_run 'luo-sh session discard device; /usr/libexec/luo-sh/restore-all'
}

@test "restore-all fails when it is told nothing" {
	luo_run <<-'END'
		mkdir /tmp/bin
		printf '#!/bin/sh\nexit 3\n' >/tmp/bin/jq
		chmod +x /tmp/bin/jq
		rc=0
		PATH=/tmp/bin:$PATH /usr/libexec/luo-sh/restore-all /tmp/all || rc=$?
		((rc == 3))
	END
}

@test "names of any bytes are valid JSON, and are understood as they are printed" {
	luo_run <<-'END'
		names=($'a\xff' 'b\xff' 'c\x2f' 'd\x5cx2f' $'\xc3\xbc\xc3' $'\xed\xa0\x80' 'plain\')
		for name in "${names[@]}"; do
			mkdir "sessions/$name"
		done
		luo-sh -j session list >/tmp/list
		jq -r '.sessions[].name' /tmp/list >/tmp/names
		# The only bytes that are not ASCII are of a character.
		expect ' c3 bc' bash -c "LC_ALL=C tr -cd '\200-\377' </tmp/list | od -An -tx1"
		((${#names[@]} == $(sort -u /tmp/names | wc -l)))
		grep -qxF 'a\xff' /tmp/names
		grep -qxF 'b\x5cxff' /tmp/names
		while IFS= read -r name; do
			expect "$name" bash -c 'luo-sh -j session show "$1" | jq -r ".sessions[0].name"' bash "$name"
			luo-sh session delete "$name"
		done </tmp/names
		expect '' ls sessions
		luo-sh session create 'e\xfe'
		rmdir $'sessions/e\xfe'
	END
}

@test "all sessions are given up by one command, which shows them and asks" {
	luo_run <<-'END'
		luo-sh session create s
		luo-hold preserve sessions/s/1 1 memfd,size=4K,seed=1 >/dev/null
	END
	vm_kexec
	luo_run <<-'END'
		luo-sh session create t
		luo-hold preserve sessions/t/1 1 memfd,size=4K,seed=1 >/dev/null
		for answer in n '' no; do
			rc=0
			echo $answer | luo-sh session discard --all >/tmp/out 2>/tmp/err || rc=$?
			((rc == 1))
			grep -q '^  s:' /tmp/out
			grep -q '^  t:' /tmp/out
			expect "give up 1 sessions for the next kernel, and 1 of the previous one? [y/N] luo-sh: nothing was given up" cat /tmp/err
			shows sessions/t files=1
			shows incoming/s files=1
		done
		echo y | luo-sh session discard --all &>/dev/null
		expect '' ls sessions
		expect '' ls incoming
		luo-sh session create t
		luo-sh session discard --all --yes
		expect '' ls sessions
		luo-sh session discard --all </dev/null
	END
	refuses 2 'session discard: either NAME or --all' 'luo-sh session discard'
	refuses 2 'session discard: either NAME or --all' 'luo-sh session discard s --all'
}

@test "a command gets a file in memory that nobody else can open" {
	vm_run "luo-sh fd new --size 5M -- bash -c 'stat -Lc %s /proc/self/fd/3; mkdir -p $LUO/sessions/s/1
		echo hello >&3; echo self:3 >$LUO/sessions/s/1/fd; cat $LUO/sessions/s/1/size; luo-sh session delete s'"
	assert_output $'5242880\n5242880'
	vm_run "luo-sh fd new --fd 9 -- readlink /proc/self/fd/9"
	assert_output '/memfd:luo-sh (deleted)'
	for size in 5x '' 1KK 99999999999999999999 17179869184G; do
		refuses 2 "--size $size: not a number of bytes, or with K, M or G" "luo-sh fd new --size='$size' -- true"
	done
}

@test "control of live update and of sessions is taken, shown and let go of" {
	luo_run <<-'END'
		luo-sh owner take
		expect "owner $$" luo-sh owner show
		luo-sh session create s
		shows sessions/s owner=pid:$$
		luo-sh session release s
		shows sessions/s owner=none
		idle
		luo-sh session claim s --pid $pid
		shows sessions/s owner=pid:$pid
		kill $pid
		wait $pid || :
		shows sessions/s state=abandoned
		luo-sh session claim s
		shows sessions/s state=open owner=pid:$$
		luo-sh owner release
		expect 'owner none' luo-sh owner show
		# One that ends with the command would take what is preserved with it.
		for name in sudo su doas; do
			ln -sf /usr/bin/bash /tmp/$name
			for command in "owner take" "session claim s"; do
				rc=0
				/tmp/$name -c "luo-sh $command; exit" 2>/tmp/err || rc=$?
				((rc == 1))
				expect "luo-sh: $name ends with this command, and what is bound to it" \
					sed "/^luo-sh: try: --pid PID/d" /tmp/err
			done
			/tmp/$name -c "luo-sh session claim s --pid $$; exit"
		done
		shows sessions/s state=open owner=pid:$$
		luo-sh session delete s

		# As long as the command runs, and for what it runs
		luo-sh run -- bash -c '
			[[ $(<owner) == pid:$$ ]] && luo-sh session create t && luo-sh session release t'
		shows . owner=none
		luo-sh session delete t
		rc=0
		luo-sh run -- false || rc=$?
		((rc == 1))
		idle
		luo-sh owner take --pid $pid
		echo $pid >/run/idle
	END
	vm_run 'luo-sh -j owner show; cat /run/idle'
	idler=${lines[1]}
	output=${lines[0]}
	json . "{\"owner\":\"$idler\",\"version\":1}"
	refuses 5 "$LUO/owner: Device or resource busy (EBUSY): control of live update is held by PID $idler (sleep)" 'luo-sh owner take'
	refuses 5 "$LUO/owner: Device or resource busy (EBUSY): control of live update is held by PID $idler (sleep)" 'luo-sh run -- true'
	refuses 5 "$LUO/sessions/x: Device or resource busy (EBUSY): control of live update is held by PID $idler (sleep)" 'luo-sh session create x'
	refuses 1 'process 1:99999999: No such process (ESRCH)' 'luo-sh owner take --pid 1:99999999'
	refuses 2 '--pid 1x: neither PID nor PID:INODE' 'luo-sh owner take --pid 1x'
	vm_run "kill $idler"
}

@test "a session that is there in both directions has to be told apart" {
	vm_run 'luo-sh session create s'
	vm_kexec
	vm_run 'luo-sh session create s'
	refuses 1 's: there are two, one for the next kernel and one of the previous' 'luo-sh session claim s'
	vm_run 'luo-sh session claim incoming/s --pid 1; luo-sh -j status'
	json '[.incoming[0].owner, .sessions[0].owner]' '["1","none"]'
	vm_run 'luo-sh -j session show sessions/s'
	json . '{"sessions":[{"name":"s","state":"open","owner":"none","files":0,"size":0,"tokens":[]}],"version":1}'
	vm_run 'luo-sh session release incoming/s; luo-sh session finish s; luo-sh session delete s'
}

@test "a state is waited for, until a deadline, and followed" {
	vm_run 'luo-sh wait normal; luo-sh session create s'
	vm_run 'luo-sh wait normal --timeout 0'
	vm_run -e 3 'luo-sh wait updated --timeout 0.1'
	assert_equal "$stderr" 'luo-sh: /sys/kernel/liveupdate/state: still normal'
	vm_kexec
	luo_run <<-'END'
		luo-sh wait updated --timeout 20
		luo-sh wait normal &
		waiter=$!
		luo-sh -j monitor >/tmp/states &
		monitor=$!
		trap 'kill $waiter $monitor' EXIT
		until [[ -s /tmp/states ]]; do :; done
		luo-sh session finish s
		wait $waiter
		until (($(wc -l </tmp/states) == 2)); do :; done
		kill $monitor
		trap - EXIT
		cat /tmp/states
	END
	json . '{"state":"updated","version":1}
{"state":"normal","version":1}'
}

@test "a batch runs up to the first command that fails" {
	luo_run <<-'END'
		cat >/tmp/batch <<-'EOF'
			# a comment, and an empty line

			session create "two words"
			session create 'it"s'
			session list
			session create it"s   # a quote inside a word is of the word
		EOF
		rc=0
		luo-sh batch /tmp/batch || rc=$?
		((rc == 1))
		luo-sh session delete 'two words'
		luo-sh session delete 'it"s'
	END
	assert_output 'sessions:
  it"s:  state open  owner none  files 0  size 0
  two words:  state open  owner none  files 0  size 0'
	assert_equal "$stderr" "luo-sh: /tmp/batch:6: $LUO/sessions/it\"s: File exists (EEXIST): there is a session of that name
luo-sh: /tmp/batch:6: try: luo-sh session show 'it\"s', or another name"
}

@test "what is no command is refused before anything is done" {
	refuses 2 'a command is missing' 'luo-sh'
	refuses 2 '-x: no such option' 'luo-sh -x status'
	# Names are not completed from their beginning.
	refuses 2 'stat: no such command' 'luo-sh stat'
	refuses 2 'session make: no such command' 'luo-sh session make x'
	refuses 2 'session create: --force: no such option' 'luo-sh session create x --force'
	refuses 2 'wait: --time: no such option' 'luo-sh wait normal --time=1'
	refuses 2 'wait: --timeout: a value is missing' 'luo-sh wait normal --timeout'
	refuses 2 'kexec: --now: takes no value' 'luo-sh kexec x --now=1'
	refuses 2 'fd preserve: --fd is missing' 'luo-sh fd preserve s 1'
	refuses 2 '--fd 1x: not the number of a file descriptor' 'luo-sh fd preserve s 1 --fd 1x'
	refuses 2 '--timeout -1: not a number of seconds' 'luo-sh wait normal --timeout -1'
	refuses 2 'wait ready: no such state' 'luo-sh wait ready'
	refuses 2 'session create: y: a word too many' 'luo-sh session create x y'
	refuses 2 'run: a command is missing, behind --' 'luo-sh run'
	refuses 2 '-:1: run: becomes another program, so nothing could follow it' 'echo run -- true | luo-sh batch -'
	refuses 1 '/nowhere: No such file or directory (ENOENT)' 'luo-sh batch /nowhere'
}

@test "help, version and the table for the completion are there" {
	vm_run 'luo-sh help'
	assert_line '  fd retrieve NAME TOKEN [--mount DIR] [--fd N] [--rewind] [-- COMMAND...]'
	help=$output
	vm_run 'luo-sh --help'
	assert_output "$help"
	vm_run 'luo-sh --version'
	assert_output --regexp '^luo-sh [0-9.]+$'
	vm_run 'luo-sh -j version'
	json 'keys' '["luo-sh","version"]'
	vm_run 'luo-sh help --brief'
	assert_line 'wait STATE [--timeout SECONDS]'
}

@test "options that every command takes stand anywhere, and names that are short for others do the same" {
	luo_run <<-'END'
		luo-sh session create s
		for command in '-j session list' 'session -j list' 'session list -j' 'session list --json' '-qj session -v ls'; do
			expect '{"sessions":[{"name":"s","state":"open","owner":"none","files":0,"size":0}],"incoming":[],"version":1}' \
				luo-sh $command
		done
		# Not behind "--", where it is a name
		rc=0
		luo-sh session show -- -j 2>/dev/null || rc=$?
		((rc == 1))
		luo-sh fd new -- luo-sh fd preserve s 3 --fd 3 2>/dev/null
		expect "$(luo-sh fd list s)" luo-sh fd ls s
		luo-sh fd rm s 3
		shows sessions/s files=0
		luo-sh session rm s
		expect '' ls sessions
	END
}

@test "each command says what it did, as text or JSON, when that is asked for" {
	luo_run <<-'END'
		luo-sh -v session create s >/tmp/out 2>/tmp/said
		expect '' cat /tmp/out
		expect 'luo-sh: created s' cat /tmp/said
		expect '{"did":"claimed","session":"s","version":1}' luo-sh session claim s -j
		expect '{"did":"released","session":"s","version":1}' luo-sh session release s -j
		echo x >/tmp/file
		expect '{"did":"saved","session":"s","token":"7","version":1}' luo-sh fd save s 7 /tmp/file -j
		expect '{"did":"unpreserved","session":"s","token":"7","version":1}' luo-sh -j fd rm s 7
		expect '{"did":"saved","session":"s","version":1}' luo-sh save /run s -j
		expect '{"did":"took control","version":1}' luo-sh owner take -j
		expect '{"did":"released control","version":1}' luo-sh owner release -j
		# Who preserves an empty file is told so, but for who wants to hear nothing.
		luo-sh fd new -- luo-sh fd preserve s 3 --fd 3 2>/tmp/said
		expect 'luo-sh: s/3: the file is empty, and its size is fixed while it is preserved
		luo-sh: try: truncate -s SIZE, or write to it, before it is preserved' cat /tmp/said
		luo-sh fd new -- luo-sh fd preserve s 4 --fd 3 -q 2>/tmp/said
		expect '' cat /tmp/said
		rc=0
		luo-sh session create s --quiet 2>/tmp/said || rc=$?
		((rc == 1))
		expect "luo-sh: $LUO/sessions/s: File exists (EEXIST): there is a session of that name" cat /tmp/said
		# The options of a line in a batch are its own.
		printf '%s\n' 'session rm s -j' 'session create t' 'session rm t' >/tmp/batch
		expect '{"did":"deleted","session":"s","version":1}' luo-sh batch /tmp/batch
	END
}

@test "help is there for all, for an object and for a command, which has each option" {
	luo_run <<-'END'
		expect "$(luo-sh help session)" luo-sh session --help
		expect "$(luo-sh help session)" luo-sh -h session
		expect "$(luo-sh help session create)" luo-sh session create --help
		expect "$(luo-sh help session create)" luo-sh session -h create x y z
		luo-sh help session | grep -qx '  session list'
		while read -r command; do
			words=${command%%[A-Z[-]*}
			text=$'\n'$(luo-sh help $words)$'\n'
			[[ $text == $'\n'"usage: luo-sh $command"$'\n'* ]]
			while [[ $command =~ --[a-z][a-z-]*(\ [A-Z]+)? ]]; do
				[[ $text == *$'\n'"  ${BASH_REMATCH[0]}"$'\n'* ]]
				command=${command#*"${BASH_REMATCH[0]}"}
			done
		done < <(luo-sh help --brief)
		luo-sh -j help fd | jq -r '.commands[].command' | paste -sd , >/tmp/said
		expect 'fd preserve,fd unpreserve,fd label,fd list,fd retrieve,fd new,fd save,fd restore' cat /tmp/said
	END
}

@test "why says that nothing is in the way, or all that is, and leaves everything as it was" {
	expect_kernel_line 'luo: s/9: freeze: EIO'
	luo_run <<-'END'
		expect 'nothing is in the way of a kexec; no image is loaded, luo-sh kexec VERSION loads one' luo-sh why
		expect '{"blocked":false,"loaded":false,"reasons":[],"version":1}' luo-sh why -j
		luo-hold preserve sessions/s/% 2 memfd,size=4K,seed=1 >/dev/null
		luo-kexec -l
		expect 'nothing is in the way of a kexec; an image is loaded' luo-sh why
		shows . prepare=none
		echo 1 >prepare
		luo-sh why >/dev/null
		shows . prepare=ready
		echo 0 >prepare
		# What the handler of a file refuses, with an image and without
		mkdir sessions/s/9
		exec 5<>/dev/liveupdate-test
		echo self:5 >sessions/s/9/fd
		for image in 'an image is loaded' 'no image is loaded, luo-sh kexec VERSION loads one'; do
			rc=0
			echo 1 >$TESTDEV/fail_check
			luo-sh why >/tmp/said || rc=$?
			echo 0 >$TESTDEV/fail_check
			((rc == 1))
			grep -q 'prepare: ' /tmp/said
			expect "a kexec would fail; $image" tail -n 1 /tmp/said
			kexec -u
		done
		luo_end
	END
}

@test "status tells of one session alone, and ends with what a kexec and a reboot would do" {
	luo_run <<-'END'
		expect 'a kexec hands over nothing; a reboot loses nothing' bash -c 'luo-sh status | tail -n 1'
		mkdir sessions/{s,t}
		expect 'a kexec hands over sessions without a file; a reboot loses nothing' bash -c 'luo-sh status | tail -n 1'
		luo-hold preserve sessions/s/1 1 memfd,size=4K,seed=1 >/dev/null
		luo-sh status s | tail -n 3 >/tmp/said
		expect '  s:  state open  owner none  files 1  size 4096
		    1:  state preserved  compatible memfd-v3  size 4096
		a kexec hands over 1 file of 2 sessions in luo-v1; a reboot loses it' cat /tmp/said
		expect '"t","a kexec hands over 1 file of 2 sessions in luo-v1; a reboot loses it"' \
			bash -c "luo-sh status t -j | jq -c '[.sessions[].name, .next]' | tr -d '[]'"
		luo_end
	END
}

@test "a label is given, shown, and stands for a token, here and in the next kernel" {
	luo_run <<-'END'
		luo-hold preserve sessions/s/% 3 memfd,size=4K,seed=1 >/dev/null
		luo-sh session label s 'a guest'
		luo-sh fd label s 1 ram
		luo-sh fd label s 2 ram
		expect 'sessions:
		  s:  state open  owner none  files 3  size 12288  label a guest
		    0:  state preserved  compatible memfd-v3  size 4096
		    1:  state preserved  compatible memfd-v3  size 4096  label ram
		    2:  state preserved  compatible memfd-v3  size 4096  label ram' luo-sh session show s
		says 1 'ram: there are 2 tokens with that label' luo-sh fd unpreserve s ram
		luo-sh fd label s 2 ''
		echo one >/tmp/one
		echo two >/tmp/two
		luo-sh fd label s 2 first
		luo-sh fd unpreserve s first
		says 1 "$LUO/sessions/s/none: Invalid argument (EINVAL): a token is a number from 0 to 18446744073709551615" \
			luo-sh fd unpreserve s none
		says 1 "$LUO/sessions/s/label: Invalid argument (EINVAL): a label has up to 255 bytes, and no control characters" \
			luo-sh session label s "$(printf 'x%.0s' {1..256})"
		luo-sh fd save s 7 /tmp/one /tmp/two
		luo-sh fd label s 7 files
		mkdir sessions/s/5
	END
	vm_kexec
	luo_run <<-'END'
		expect '["a guest","ram","files"]' bash -c \
			'luo-sh -j session show s | jq -c "[.incoming[0].label, (.incoming[0].tokens[].label | values)]"'
		expect one luo-sh fd retrieve s files -- cat /proc/self/fd/3
		luo-sh fd restore s files /tmp/one /tmp/two
		expect 'one two' bash -c 'cat /tmp/one /tmp/two | paste -sd " "'
		luo-sh session discard s
	END
}

@test "a retrieved file is where its position was, or at its start when that is asked for" {
	luo_run <<-'END'
		luo-sh fd new -- bash -c 'echo hello >&3; luo-sh session create s; luo-sh fd preserve s 1 --fd 3'
	END
	vm_kexec
	luo_run <<-'END'
		expect '' luo-sh fd retrieve s 1 -- bash -c 'cat <&3'
		expect hello luo-sh fd retrieve s 1 --rewind --fd 5 -- bash -c 'cat <&5'
		luo-sh session finish s
	END
}

@test "without the kernel's support each command says so" {
	guest_stop
	guest_start -a liveupdate=off
	vm_run 'luo-sh help --brief'
	mapfile -t commands < <(luo_sh_commands <<<"$output")
	((${#commands[@]} > 20))
	for command in "${commands[@]}"; do
		vm_run -e 4 "luo-sh $command"
		assert_equal "$output" ''
		assert_equal "$stderr" "$LUO_SH_UNSUPPORTED"
	done
	vm_run -e 4 'echo status | luo-sh batch -'
	vm_run 'luo-sh help; luo-sh version'
	guest_stop
}
