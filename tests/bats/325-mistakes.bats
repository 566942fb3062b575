#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
#
# luo-sh told wrong: what it says, what it says to try, and its exit status, for each mistake in tests/mistakes.

load lib/common
load lib/luo

# mistakes FIRST LAST: the lines of the table between those two
mistakes() {
	sed -n "$1,$2p" "$VM_REPO/tests/mistakes"
}

# judge TABLE: run each of it, and compare.
judge() {
	local table=$BATS_TEST_TMPDIR/table
	cat >"$table"
	vm_push "$table"
	luo_run -t 120 <<-'END'
		# What a command of the table may name
		if ((!$(<number))); then
			mkdir sessions/s
			: >/dev/shm/named
			# The number of a process is none of those that are in messages.
			until (($(bash -c 'echo $$') > 1000)); do :; done
			holder=$(luo-hold make memfd,size=8K,seed=1,fd=7 memfd,size=4K,seed=2,fd=8 -- bash -c '
				exec 9</proc/self/fd/8
				sleep 1000 &>/dev/null & echo $!')
			luo-sh fd preserve s 1 --fd 7 --pid $holder
			idle
			idler=$pid
		fi
		check() {
			[[ -n $command ]] || return 0
			nr=$((nr + 1))
			rc=0
			luo_snapshot
			before=$snapshot
			eval "$command" 2>/tmp/err >/tmp/out || rc=$?
			luo_snapshot
			[[ $snapshot == "$before" ]] || echo "changes something: $command"
			# A command that fails has nothing to say to who reads its output; but this one is asked why.
			[[ ! -s /tmp/out || $command == *' why'* ]] || echo "has output: $command"
			said=$(cat /tmp/err /tmp/out | sed "s/^luo-sh: //; s/\b$holder\b/\$holder/g")
			if [[ $rc != "$status" || $said != "$want" ]]; then
				printf '%s %s\n' $rc "$command"
				sed 's/^/\t/' <<<"$said"
			fi
			command=
		}
		nr=0 holder=${holder:-none}
		while IFS= read -r line; do
			case $line in
			[0-9]*)
				check
				status=${line%% *} command=${line#* } want=
				;;
			$'\t'*) want+=${want:+$'\n'}${line#$'\t'} ;;
			'! '*)
				check
				eval "${line#! }"
				;;
			esac
		done </tmp/table
		check
		echo "tried $nr"
	END
	# What is printed besides are those of which the table has it otherwise.
	# shellcheck disable=SC2154  # vm_run sets output
	[[ $output == "tried "* ]] || fail "$output"
	nr=$((nr + ${output#tried }))
}

@test "each mistake is told with its cause, what to try, and its exit status, and changes nothing" {
	nr=0
	middle=$(grep -n '^%' "$VM_REPO/tests/mistakes" | cut -d : -f 1)
	judge < <(mistakes 1 "$middle")
	vm_kexec
	judge < <(mistakes "$middle" '$')
	assert [ "$nr" -ge 40 ]
}
