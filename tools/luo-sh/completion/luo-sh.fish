# SPDX-License-Identifier: GPL-2.0
#
# fish completion for luo-sh, as "luo-sh completion fish" prints it, with the
# table of commands in it.

set -g __luo_sh_commands (string split \n -- '@commands@')

function __luo_sh
    set -l luo /sys/kernel/config/liveupdate
    set -l typed ''
    # Options that every command takes stand anywhere.
    for word in (commandline -opc)[2..]
        if not string match -qr -- '^(-[hjpqvV]+|--(help|json|pretty|quiet|verbose|version))$' $word
            set typed "$typed$word "
        end
    end
    set -l begin (string escape --style=regex -- "$typed")
    for line in $__luo_sh_commands
        set line "$line "
        set -l next (string match -rg -- "^$begin([a-z]+) " $line)
        if test -n "$next"
            echo $next
            continue
        end
        set -l names (string match -r -- '^(?:[a-z]+ )+' $line)
        test -n "$names"; and string match -q -- "$names*" $typed; or continue
        for word in (string split -n ' ' -- (string replace -ar '[][.]' '' -- $line))
            switch $word
                case '--?*'
                    echo $word
                case NAME
                    for dir in $luo/*/*/
                        basename $dir
                    end
                case STATE
                    printf '%s\n' normal updated frozen outgoing empty
                case SHELL
                    printf '%s\n' bash zsh fish
                case OBJECT
                    printf '%s\n' session fd owner
            end
        end
    end
    if string match -q -- '-*' (commandline -ct)
        printf '%s\n' --help --json --pretty --quiet --verbose --version
    end
end

complete -c luo-sh -a '(__luo_sh)'
