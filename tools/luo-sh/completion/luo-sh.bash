# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# bash completion for luo-sh, as "luo-sh completion bash" prints it, with the
# table of commands in it: "session show NAME". Words that are neither of the
# table nor names are completed as bash does by itself.

_luo_sh_commands='@commands@'

_luo_sh() {
	local luo=/sys/kernel/config/liveupdate cur=${COMP_WORDS[COMP_CWORD]}
	local typed='' line word
	local -a words=()

	# Options that every command takes stand anywhere.
	for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		case $word in
		-[hjpqvV]* | --help | --json | --pretty | --quiet | --verbose | --version) ;;
		*) typed+="$word " ;;
		esac
	done

	while read -r line; do
		line+=' '
		if [[ $line == "$typed"[a-z]* ]]; then
			# The next word of a command
			line=${line#"$typed"}
			words+=("${line%% *}")
		elif [[ $line =~ ^([a-z]+\ )+ && $typed == "${BASH_REMATCH[0]}"* ]]; then
			# What its synopsis has
			while [[ $line =~ (--[a-z][a-z-]*)(.*) ]]; do
				words+=("${BASH_REMATCH[1]}")
				line="${line%%"${BASH_REMATCH[0]}"} ${BASH_REMATCH[2]}"
			done
			line=" ${line//[][]/} "
			[[ $line != *' NAME '* ]] ||
				mapfile -t -O ${#words[@]} words < <(cd $luo 2>/dev/null && compgen -G '*/*/')
			[[ $line != *' STATE '* ]] || words+=(normal updated frozen outgoing empty)
			[[ $line != *' SHELL '* ]] || words+=(bash zsh fish)
			[[ $line != *' OBJECT '* ]] || words+=(session fd owner)
		fi
	done <<<"$_luo_sh_commands"
	[[ $cur != -* ]] || words+=(--help --json --pretty --quiet --verbose --version)

	COMPREPLY=()
	for word in "${words[@]}"; do
		# Of a session's directory, the name
		word=${word%/}
		printf -v word %q "${word##*/}"
		[[ $word != "$cur"* ]] || COMPREPLY+=("$word")
	done
}

complete -o default -F _luo_sh luo-sh
