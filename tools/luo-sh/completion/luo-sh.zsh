#compdef luo-sh
# SPDX-License-Identifier: GPL-2.0
#
# zsh completion for luo-sh, as "luo-sh completion zsh" prints it, with the
# table of commands in it.

_luo_sh_commands='@commands@'

_luo_sh() {
	local luo=/sys/kernel/config/liveupdate typed='' line rest word
	local -a found

	# Options that every command takes stand anywhere.
	for word in ${words[2,CURRENT-1]}; do
		case $word in
		-[hjpqvV]*|--help|--json|--pretty|--quiet|--verbose|--version) ;;
		*) typed+="$word " ;;
		esac
	done

	for line in ${(f)_luo_sh_commands}; do
		line+=' '
		if [[ $line == ${(b)typed}[a-z]* ]]; then
			rest=${line#$typed}
			found+=(${rest%% *})
		elif [[ $line =~ '^([a-z]+ )+' && $typed == ${(b)MATCH}* ]]; then
			for word in ${=line}; do
				word=${word//[\[\].]/}
				case $word in
				--[a-z]*) found+=($word) ;;
				NAME) found+=($luo/*/*(N/:t)) ;;
				STATE) found+=(normal updated frozen outgoing empty) ;;
				SHELL) found+=(bash zsh fish) ;;
				OBJECT) found+=(session fd owner) ;;
				FILE|DIR|IMAGE|COMMAND|CORE) _files ;;
				esac
			done
		fi
	done
	[[ $PREFIX != -* ]] || found+=(--help --json --pretty --quiet --verbose --version)
	compadd -a found
}

compdef _luo_sh luo-sh
