# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What tests of ownership share: other processes that do what they are told, and errors by their text. Sourced
# after lib/common.

# Runs before each script of owner_run, in the guest.
# shellcheck disable=SC2016  # what is quoted is for the guest
OWNER_PRELUDE='
cd '$LUO' || exit
export BUSY="Device or resource busy" DENIED="Permission denied" PERM="Operation not permitted"
export GONE="No such process" INVALID="Invalid argument" BADF="Bad file descriptor" NOENT="No such file or directory"

declare -A pid to from
trap "exec 2>/dev/null; kill -KILL \${pid[*]}; rm -f /tmp/agent.* /tmp/try.*" EXIT

# agent NAME [COMMAND…]: a process that does what it is told: a shell, unless COMMAND makes it something else.
# Its number is ${pid[NAME]}.
agent() {
	local name=$1 fd
	shift
	mkfifo /tmp/agent.$name.in /tmp/agent.$name.out
	chmod 666 /tmp/agent.$name.*
	"${@:-bash}" </tmp/agent.$name.in >/tmp/agent.$name.out 2>&1 &
	pid[$name]=$!
	exec {fd}>/tmp/agent.$name.in
	to[$name]=$fd
	exec {fd}</tmp/agent.$name.out
	from[$name]=$fd
	rm /tmp/agent.$name.*
}

# send NAME SCRIPT: tell it to a shell, and go on.
send() {
	printf "{ %s\n} </dev/null\n" "$2" >&${to[$1]}
}

# tell NAME SCRIPT: tell it to a shell, and have what it prints, and its exit status.
tell() {
	local line
	send "$1" "$2"
	printf "echo \"=\$?\"\n" >&${to[$1]}
	while IFS= read -r line <&${from[$1]}; do
		[[ $line != =* ]] || return ${line#=}
		printf "%s\n" "$line"
	done
	echo "$1 is gone"
	return 1
}

# ask NAME COMMAND: one line to something else than a shell, and its line of answer.
ask() {
	local line
	printf "%s\n" "$2" >&${to[$1]}
	IFS= read -r line <&${from[$1]}
	printf "%s\n" "$line"
}

# end NAME [SIGNAL]: kill it, and wait for that.
end() {
	kill -${2:-KILL} ${pid[$1]}
	wait ${pid[$1]} 2>/dev/null
	eval "exec ${to[$1]}>&- ${from[$1]}<&-"
	unset "pid[$1]"
}

# try COMMAND…: run it, in this very process, and print "ok" or the text of its errno.
try() {
	local said
	# In braces, or a program would have the redirection done by a child, with another number.
	if { "$@"; } 2>/tmp/try.$BASHPID; then
		echo ok
	else
		mapfile -t said </tmp/try.$BASHPID
		echo "${said[-1]##*: }"
	fi
}

# put TEXT FILE
put() {
	printf "%s\n" "$1" >"$2"
}

# snapshot: all that can be seen of live update. No process is made for it.
snapshot() {
	local path lines
	shopt -s globstar
	for path in **; do
		lines=()
		# Some can only be written.
		[[ -d $path ]] || mapfile -t lines <$path
		echo "$path: ${lines[*]}"
	done 2>/dev/null
}

# children PID: the children of a process
children() {
	local stat line
	for stat in /proc/[0-9]*/stat; do
		read -r line <$stat && [[ ${line##*) } == ?" $1 "* ]] || continue
		echo ${line%% *}
	done 2>/dev/null
}

# refused ERROR COMMAND…: it fails with that, and changes nothing. Prints what is wrong, and nothing else.
refused() {
	local before said
	before=$(snapshot)
	try "${@:2}" >/tmp/try.said.$BASHPID
	said=$(</tmp/try.said.$BASHPID)
	[[ $said == "$1" ]] || echo "${*:2}: $said, expected: $1"
	[[ $(snapshot) == "$before" ]] || { echo "${*:2} changed something:"; snapshot; }
}

# shows WANT FILE…: each reads that. Prints what is wrong, and nothing else.
shows() {
	local file value
	for file in "${@:2}"; do
		value=$(<$file)
		[[ $value == "$1" ]] || echo "$file: $value, expected: $1"
	done
}

# holds TEXT FD: what is in the file behind a descriptor, wherever its position is. Prints what is wrong.
holds() {
	local value=$(</proc/self/fd/$2)
	[[ $value == "$1" ]] || echo "descriptor $2 holds: $value, expected: $1"
}

# file FD TEXT: a file on tmpfs, without a name, with TEXT in it
file() {
	local name=/dev/shm/file.$BASHPID.$1
	eval "exec $1<>$name" && rm $name && printf %s "$2" >&$1
}
export -f try put snapshot children refused shows holds file
'

# owner_run [OPTION…] SCRIPT: vm_run with the prelude, in the root of live update's directory. What SCRIPT prints,
# to either output, is what failed.
owner_run() {
	local -a args=("$@")
	local last=$((${#args[@]} - 1))
	echo "guest# ${args[last]}"
	args[last]="$OWNER_PRELUDE${args[last]}"
	vm_run "${args[@]}" >/dev/null || {
		echo "$output$stderr"
		return 1
	}
	# shellcheck disable=SC2154  # vm_run sets it
	if [[ -n $output$stderr ]]; then
		echo "$output$stderr"
		return 1
	fi
}
