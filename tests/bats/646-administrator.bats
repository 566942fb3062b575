#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# bats file_tags=without-debug,soak
#
# An administrator who does anything at random, in any order, on a whole Debian: preserve, restore, try, be refused, go to
# another kernel in each way there is. A model says what has to be there after each step, and nothing else may be; what is
# lost was said before, by name. SOAK_ACTIONS is how many steps, and SEED, which is printed, says which.
#
# Needs: debroot newest

# shellcheck disable=SC2016,SC2154  # what is quoted is for the guest; vm_run sets output

load lib/common
load lib/luo
load lib/examples

ACTIONS=${SOAK_ACTIONS:-20}

setup_file() {
	guest_start -r newest
	units_share
	units_install
	vm_run -t 60 'systemctl enable --now luo-guard luo-save'
}

# The model: how many files each session has, and from which seed on; where it is; and what was left behind.
declare -gA files seed where
lost=
next=1
picked=

# pick WORD…: set picked to any of them. Not in a subshell: that would pick the same again and again.
pick() {
	local -a words=("$@")
	picked=${words[RANDOM % $#]}
}

# sessions_in DIRECTION
sessions_in() {
	local session
	for session in "${!where[@]}"; do
		[[ ${where[$session]} != "$1" ]] || echo "$session"
	done | sort
}

# pick_in DIRECTION: set picked to one of its sessions; false when there is none.
pick_in() {
	local -a names
	mapfile -t names < <(sessions_in "$1")
	((${#names[@]})) && pick "${names[@]}"
}

forget() {
	unset "where[$1]" "files[$1]" "seed[$1]"
}

preserve() {
	local session=vm$next
	((next++))
	files[$session]=$((1 + RANDOM % 3)) seed[$session]=$((RANDOM + 1)) where[$session]=sessions
	luo_run <<<"luo-hold preserve sessions/$session/% ${files[$session]} memfd,size=64K,seed=${seed[$session]} >/dev/null"
}

delete() {
	pick_in sessions || return 0
	vm_run "luo-sh session delete $picked"
	forget "$picked"
}

restore() {
	pick_in incoming || return 0
	luo_run <<<"luo-hold retrieve incoming/$picked/% ${files[$picked]} memfd,size=64K,seed=${seed[$picked]} >/dev/null
		luo-sh session finish $picked"
	forget "$picked"
}

# retrieve some of it, and leave the session
look_into() {
	pick_in incoming || return 0
	luo_run <<<"luo-hold retrieve incoming/$picked/0 1 memfd,size=64K,seed=${seed[$picked]} >/dev/null"
}

discard() {
	pick_in incoming || return 0
	vm_run "luo-sh session finish --discard $picked"
	forget "$picked"
}

# Whoever only tries, or changes his mind, changes nothing.
try() {
	pick check dry prepare undo format unload
	case $picked in
	check) vm_run 'luo-sh check /boot/vmlinuz-next --initrd /boot/initrd-next' ;;
	dry) vm_run -t 60 'luo-sh kexec /boot/vmlinuz-next --reuse-cmdline --dry-run' ;;
	prepare) vm_load && vm_run 'luo-sh prepare' ;;
	undo) vm_run 'luo-sh prepare --undo' ;;
	format)
		pick luo-v1 luo-v5
		vm_run "echo $picked >$LUO/abi"
		;;
	unload) vm_run 'kexec -s -u || :' ;;
	esac
}

# Each of these exits with another status than 0, or is killed, and the machine goes on.
be_refused() {
	pick reboot poweroff halt masked killed busy
	case $picked in
	reboot | poweroff | halt)
		((${#where[@]})) || return 0
		vm_run -t 60 'until systemd-inhibit --list --no-legend | grep -q luo-sh; do sleep 0.1; done'
		vm_run -e 1 "systemctl $picked"
		;;
	masked)
		vm_run 'systemctl mask --runtime --quiet kexec.target'
		vm_run -t 60 -e 1 'luo-sh kexec /boot/vmlinuz-next --reuse-cmdline'
		vm_run 'systemctl unmask --runtime --quiet kexec.target'
		;;
	killed)
		vm_run -t 60 "luo-sh kexec /boot/vmlinuz-next --reuse-cmdline --dry-run &>/dev/null &
			sleep 0.$((RANDOM % 1000)); kill -KILL \$! 2>/dev/null; wait \$! || :"
		;;
	busy)
		expect_kernel_line 'luo: broken/1: freeze: EIO'
		vm_load
		luo_run <<-'END'
			mkdir sessions/broken sessions/broken/1
			exec 5<>/dev/liveupdate-test
			echo self:5 >sessions/broken/1/fd
			echo 1 >$TESTDEV/fail_freeze
			kexec_refused EIO
			luo-sh session delete broken
		END
		;;
	esac
}

arrive() {
	local session
	for session in "${!where[@]}"; do
		where[$session]=incoming
	done
	lost=
}

go() {
	vm_run 'kexec -s -u 2>/dev/null || :'
	pick kexec systemctl luo-sh now broken
	case $picked in
	kexec) vm_kexec ;;
	systemctl)
		# The guard lets it go when there is nothing that could be lost.
		if ((${#where[@]})); then
			return 0
		fi
		vm_load
		vm_spawn 'luo-kexec -n; exec systemctl kexec'
		vm_await_kernel
		;;
	luo-sh)
		vm_spawn 'luo-kexec -n; exec luo-sh kexec /boot/vmlinuz-next --reuse-cmdline'
		vm_await_kernel
		;;
	now)
		vm_spawn 'luo-kexec -n; exec luo-sh kexec /boot/vmlinuz-next --reuse-cmdline --now'
		vm_await_kernel
		;;
	broken)
		expect_kernel_line 'luo: broken/1: freeze: EIO'
		expect_kernel_line 'luo: 1 files are left behind'
		expect_kernel_line 'luo: the previous kernel left 1 files behind'
		luo_run <<-'END'
			mkdir sessions/broken sessions/broken/1
			exec 5<>/dev/liveupdate-test
			echo self:5 >sessions/broken/1/fd
			echo 1 >$TESTDEV/fail_freeze
		END
		vm_spawn 'luo-kexec -n; exec luo-sh kexec /boot/vmlinuz-next --reuse-cmdline'
		vm_await_kernel
		arrive
		lost='broken/1 liveupdate-test-v1 EIO'
		vm_run 'luo-sh session finish broken'
		return
		;;
	esac
	arrive
}

# compare: what there is, with the model.
compare() {
	local session model
	model=$(for session in "${!where[@]}"; do
		echo "${where[$session]}/$session ${files[$session]}"
	done | sort)
	luo_run <<-'END'
		read -r _ <state
		for dir in sessions/*/ incoming/*/; do
			echo "${dir%/} $(<${dir}files)"
		done | sort
	END
	assert_equal "$output" "$model"
	vm_run "cat $LUO/lost"
	assert_equal "$output" "$lost"
}

@test "whatever an administrator does, what is preserved is there, or was said to be lost" {
	local i
	RANDOM=${SEED:=$((SRANDOM % 32768))}
	echo "# SEED=$SEED" >&3
	for ((i = 0; i < ACTIONS; i++)); do
		pick preserve preserve preserve delete restore look_into discard try try be_refused go go
		echo "step $i: $picked"
		"$picked"
		compare
	done
	count actions "$ACTIONS"
	while [[ -n $(sessions_in incoming) ]]; do restore; done
	while [[ -n $(sessions_in sessions) ]]; do delete; done
	compare
}
