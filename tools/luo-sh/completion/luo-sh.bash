# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# bash completion for luo-sh. What there is to complete, luo-sh's own table of
# commands says: "session show NAME". Words that are neither of its own nor
# names are completed as bash does by itself.

_luo_sh() {
	local luo=/sys/kernel/config/liveupdate cur=${COMP_WORDS[COMP_CWORD]}
	local typed="${COMP_WORDS[*]:1:COMP_CWORD-1} " line word
	local -a words=()

	# Options that stand before the command
	while [[ $typed == -* ]]; do
		typed=${typed#* }
	done
	[[ $typed != ' ' ]] || typed=

	while read -r line; do
		line+=' '
		if [[ $line == "$typed"[a-z]* ]]; then
			# The next word of a command
			line=${line#"$typed"}
			words+=("${line%% *}")
		elif [[ $line =~ ^([a-z]+\ )+ && $typed == "${BASH_REMATCH[0]}"* ]]; then
			# What its synopsis has
			mapfile -t words < <(grep -o -e '--[a-z][a-z-]*' <<<"$line")
			[[ ${line//[][]/} != *' NAME '* ]] ||
				mapfile -t -O ${#words[@]} words < <(cd $luo 2>/dev/null && compgen -G '*/*/')
			[[ $line != *' STATE '* ]] || words+=(normal updated frozen outgoing empty)
		fi
	done < <(luo-sh completion 2>/dev/null)
	[[ -n $typed || $cur != -* ]] || words+=(--json --pretty --help --version)

	COMPREPLY=()
	for word in "${words[@]}"; do
		# Of a session's directory, the name
		word=${word%/}
		printf -v word %q "${word##*/}"
		[[ $word != "$cur"* ]] || COMPREPLY+=("$word")
	done
}

complete -o default -F _luo_sh luo-sh
