# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# One virtual machine, driven from the host. Used by the bats files, scripts/demo and scripts/vm.
#
# VM_DIR names the machine: a directory in which everything of it lies. Two machines are two VM_DIRs.
#   ARCH, CONFIG, DEBUG
#                choose the kernel and the root: build/ARCH, with DEBUG=1 build/ARCH-debug, with DEBUG=NAME or
#                CONFIG=NAME build/ARCH-NAME
#   VM_BUILD     where those are, if elsewhere
#   VM_IMAGE     the kernel to boot, if another
#   LUO_MUTANT   NUMBER@SIDE: the mutant to select, with CONFIG=mutants. SIDE is first for the kernel that is booted,
#                next for those that a live update leads to, both
#   KEEP         1: the guest has a second console, for a shell when it is kept after a test that failed
#   VM_ACCEL     kvm, tcg, or icount: tcg with a clock that counts instructions; probed when unset
#
# The guest runs qemu-guest-agent on a virtio-serial port; lib/agent talks to it. The console is only written
# down. What goes wrong with the guest itself is told apart: vm_failure is late (the command or kexec went past
# its deadline, and the guest answers), hung (the guest answers nothing), dead (QEMU has gone), refused (a kexec) or empty.

VM_LIB=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
VM_REPO=$(realpath "$VM_LIB/../../..")
# shellcheck source=arch.bash
. "$VM_LIB/arch.bash"

# Deadlines in seconds, ample: they are for what never comes. Sanitizers make everything slower.
VM_SECONDS=30
VM_BOOT_SECONDS=60
VM_MEMORY=512M
VM_SCRATCH=$ARCH_SCRATCH
VM_APPEND=$ARCH_APPEND
if [[ ${DEBUG:-0} != 0 ]]; then
	VM_SECONDS=120
	VM_BOOT_SECONDS=300
	# KASAN's shadow is an eighth of the memory, and allocated early.
	VM_MEMORY=2G
	VM_SCRATCH=128M,512M,64M
	VM_APPEND+=' page_poison=1'
fi
[[ ${CONFIG-} != mutants ]] || VM_APPEND+=${LUO_MUTANT:+ luo_mutant=$LUO_MUTANT}

VM_BUILD=${VM_BUILD:-$VM_REPO/build/$ARCH${CONFIG:+-$CONFIG}$([[ ${DEBUG:-0} == 0 ]] || echo "-${DEBUG/#1/debug}")}
# What it was compiled from
VM_SOURCE=$VM_REPO/build/linux
# shellcheck disable=SC2034  # for tests
[[ ${CONFIG-} != mutants ]] || VM_SOURCE=$VM_BUILD/linux

# shellcheck disable=SC2034  # set for those who source this
vm_failure=''

# vm_probe_accel: kvm if a kernel without a root gets to its panic under it, which takes half a second; else
# tcg. A /dev/kvm that is there proves nothing: in some nested setups a guest hangs on its first instruction.
vm_probe_accel() {
	local rc=0
	if [[ -w /dev/kvm && $(uname -m) == "${ARCH_GNU%%-*}" ]]; then
		timeout -s KILL 5 "${ARCH_QEMU[@]}" -accel kvm -cpu host -m 512M -nodefaults -display none -no-reboot \
			-kernel "$VM_BUILD/$ARCH_IMAGE" -append panic=-1 </dev/null >/dev/null 2>&1 || rc=$?
		if ((rc == 0)); then
			echo kvm
			return
		fi
	fi
	echo tcg
}

# vm_numa MEMORY CPUS: set vm_numa to QEMU's options for a machine of three nodes: one with the processors, one with
# memory alone, one with no memory. Where one node's memory ends, a huge page does not.
vm_numa() {
	local mib first cpus=$2
	mib=$(($(numfmt --from=iec "$1") >> 20))
	first=$((mib / 2 + 1))
	vm_numa=(
		-smp "$((cpus + !ARCH_ABSENT_CPU)),maxcpus=$((cpus + 1))"
		-object "memory-backend-ram,id=node0,size=${first}M"
		-object "memory-backend-ram,id=node1,size=$((mib - first))M"
		-numa "node,nodeid=0,memdev=node0,cpus=0-$((cpus - 1))"
		-numa "node,nodeid=1,memdev=node1"
		-numa "node,nodeid=2,cpus=$cpus"
	)
}

# vm_command [-r ROOT] [-m MEMORY] [-c CPUS] [-a APPEND] [-- QEMU ARGUMENT…]: set vm_command, the QEMU command line
# but for the console, and put what the guest finds on /boot into $VM_DIR/share. With a ROOT it has the disk that
# scripts/debroot makes under that name, in a copy of its own; else the initramfs.
vm_command() {
	local root='' memory=$VM_MEMORY cpus='' append='' opt OPTIND
	local -a boot
	while getopts r:m:c:a: opt; do
		case $opt in
		r) root=$OPTARG ;;
		m) memory=$OPTARG ;;
		c) cpus=$OPTARG ;;
		a) append+=" $OPTARG" ;;
		*) return 2 ;;
		esac
	done
	shift $((OPTIND - 1))

	: "${VM_ACCEL:=$(vm_probe_accel)}"
	# One processor, but where there is a race to be met. Of two that QEMU 7.2 emulated, the second was seen to have its
	# timer's interrupt in service without a handler that runs: it gets no other then, and the guest hangs. And two
	# guests of a slow kernel run at a time: with more processors than the host has, time leaps in them.
	if [[ -z $cpus ]]; then
		cpus=1
		[[ $VM_ACCEL != kvm || ${DEBUG:-0} != 0 ]] || cpus=2
	fi
	vm_next "${VM_IMAGE:-$VM_BUILD/$ARCH_IMAGE}"
	if [[ -n $root ]]; then
		rm -f "$VM_DIR/share/initrd-next"
		cp -r "$VM_REPO/build/$ARCH/guest/usr/bin" "$VM_DIR/share"
		boot=(-drive "file=$VM_REPO/build/$ARCH/debian-$root.img,format=raw,if=virtio,snapshot=on")
		append=" root=/dev/vda rw$append"
	else
		cp "$VM_BUILD/initramfs.cpio.gz" "$VM_DIR/share/initrd-next"
		boot=(-initrd "$VM_DIR/share/initrd-next")
	fi
	cp "$VM_BUILD"/modules/*.ko "$VM_DIR/share"

	[[ ${DEBUG-} != 1 || $cpus != 1 ]] || append+=$ARCH_DEBUG_APPEND
	vm_command=("${ARCH_QEMU[@]}" -smp "$cpus" -m "$memory" -nodefaults -display none -no-reboot)
	# A test that has a file for the guest's memory has a machine of one node.
	if [[ ${CONFIG-} == distro && $* != *memory-backend=* ]]; then
		vm_numa "$memory" "$cpus"
		vm_command+=("${vm_numa[@]}")
	fi
	case $VM_ACCEL in
	kvm) vm_command+=(-accel kvm -cpu host) ;;
	tcg) vm_command+=(-accel "tcg,thread=multi" -cpu "$ARCH_TCG_CPU") ;;
	icount) vm_command+=(-accel tcg -icount shift=0 -rtc clock=vm -cpu "$ARCH_TCG_CPU") ;;
	esac
	# norandmaps: TCG keeps what it has translated by its address, too. Programs at random addresses are translated
	# anew each time they start, and when the next kernel unpacks its root over their pages, each store searches
	# the page's translations: ten seconds and more after some hundred programs.
	vm_command+=(
		-kernel "$VM_DIR/share/vmlinuz-next" "${boot[@]}"
		-append "console=$ARCH_CONSOLE panic=-1 norandmaps kho=on liveupdate=on kho_scratch=$VM_SCRATCH$VM_APPEND$append"
		-device virtio-rng-pci -device virtio-serial-pci
		-chardev "socket,id=agent,path=$VM_DIR/agent.sock,server=on,wait=off"
		-device "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"
		-fsdev "local,id=next,path=$VM_DIR/share,security_model=none,readonly=on"
		-device "virtio-9p-pci,fsdev=next,mount_tag=next"
		"$@"
	)
	[[ ${KEEP:-0} == 0 ]] || vm_command+=(
		-chardev "socket,id=shell,path=$VM_DIR/shell.sock,server=on,wait=off"
		-device "virtconsole,chardev=shell"
	)
	vm_without_gcov || vm_command+=(
		-fsdev "local,id=gcov,path=$VM_BUILD/gcov,security_model=none"
		-device "virtio-9p-pci,fsdev=gcov,mount_tag=gcov"
	)
}

# vm_start [-r ROOT] [-m MEMORY] [-c CPUS] [-a APPEND] [-- QEMU ARGUMENT…]: boot, until the agent answers.
vm_start() {
	local vm_command fd
	vm_command "$@" || return
	rm -f "$VM_DIR/agent.sock"
	(
		# Who starts us may wait for what it has open, as bats does, to be closed.
		for fd in /proc/self/fd/*; do
			fd=${fd##*/}
			((fd <= 2)) || exec {fd}>&-
		done
		exec "${vm_command[@]}" -chardev "file,id=console,path=$VM_DIR/console.log,append=on" \
			-serial chardev:console -monitor "unix:$VM_DIR/monitor.sock,server=on,wait=off"
	) </dev/null >"$VM_DIR/qemu.log" 2>&1 &
	echo $! >"$VM_DIR/pid"
	# QEMU makes the socket before anything that takes time.
	if ! vm_until 10 test -S "$VM_DIR/agent.sock"; then
		cat "$VM_DIR/qemu.log"
		return 1
	fi
	if ! vm_agent "$(vm_boot_seconds)" boot none; then
		cat "$VM_DIR/qemu.log"
		echo "vm_start: $vm_failure"
		vm_stop
		return 1
	fi
	cp "$VM_DIR/stdout" "$VM_DIR/boot_id"
}

# vm_until SECONDS COMMAND…: until COMMAND succeeds, or the deadline.
vm_until() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		((SECONDS < end)) || return 1
		sleep 0.02
	done
}

# vm_boot_seconds: the deadline for a boot. A whole Debian may have all of its services to stop before, and has them to start.
vm_boot_seconds() {
	[[ -e $VM_DIR/share/initrd-next ]] && echo "$VM_BOOT_SECONDS" || echo $((3 * VM_BOOT_SECONDS))
}

# vm_alive: is QEMU there? A zombie is not, whoever is to reap it.
vm_alive() {
	[[ -e $VM_DIR/pid ]] && grep -q '^State:.[^ZX]' "/proc/$(<"$VM_DIR/pid")/status" 2>/dev/null
}

# vm_agent SECONDS ACTION ARGUMENT: lib/agent, with what it has to say of the guest in vm_failure.
vm_agent() {
	local rc=0
	"$VM_LIB/agent" "$VM_DIR/agent.sock" "$VM_DIR" "$@" || rc=$?
	case $rc in
	0) vm_failure= ;;
	10) vm_failure=late ;;
	11) vm_failure=hung ;;
	12)
		vm_failure=dead
		# Its socket is closed; the process follows.
		vm_until 10 vm_dead
		;;
	13) vm_failure=refused ;;
	*) vm_failure="agent: $rc" ;;
	esac
	[[ -z $vm_failure ]]
}

# vm_results: take over what the command left: status, output, stderr and lines, as bats' run sets them.
vm_results() {
	status=$(<"$VM_DIR/status")
	# A NUL cannot be in a shell variable; who needs it looks at the file.
	output=$(tr -d '\0' <"$VM_DIR/stdout")
	stderr=$(tr -d '\0' <"$VM_DIR/stderr")
	# shellcheck disable=SC2034  # for the caller
	mapfile -t lines <<<"$output"
}

# vm_run [-e STATUS] [-f FAILURE] [-t SECONDS] SCRIPT…: run SCRIPT in the guest's bash and log it, as a person
# sees it. Sets status, output (stdout), stderr and lines. Fails when the exit status is not STATUS (0; "any"
# takes all), or when the guest did not get to one. With -f, it is that FAILURE of the guest that must come.
vm_run() {
	local expected=0 failure='' seconds=$VM_SECONDS opt OPTIND
	while getopts e:f:t: opt; do
		case $opt in
		e) expected=$OPTARG ;;
		f) failure=$OPTARG ;;
		t) seconds=$OPTARG ;;
		*) return 2 ;;
		esac
	done
	shift $((OPTIND - 1))

	echo "guest# $*"
	if ! vm_agent "$seconds" run "$*"; then
		echo "vm_run: the guest is $vm_failure (deadline: $seconds s)"
		[[ $vm_failure == "$failure" ]]
		return
	fi
	vm_results
	[[ -z $output ]] || echo "$output"
	[[ -z $stderr ]] || echo "$stderr"
	if [[ -n $failure ]]; then
		echo "vm_run: the guest was to be $failure, and is not"
		return 1
	fi
	if [[ $expected != any && $expected != "$status" ]]; then
		echo "vm_run: exit status $status, expected $expected"
		return 1
	fi
}

# vm_spawn SCRIPT…: start SCRIPT in the guest and leave it running; its pid, which is its process group's too,
# goes to output.
vm_spawn() {
	echo "guest# $* &"
	vm_agent "$VM_SECONDS" spawn "$*" || return
	output=$(<"$VM_DIR/stdout")
}

# vm_push FILE [PLACE]: copy FILE from the host to PLACE (/tmp) in the guest.
vm_push() {
	local name=${1##*/}
	cp "$1" "$VM_DIR/share/.$name"
	vm_run "cp '/boot/.$name' '${2:-/tmp}/$name'"
	rm "$VM_DIR/share/.$name"
}

# vm_next IMAGE: have that kernel on /boot, to be loaded next.
vm_next() {
	mkdir -p "$VM_DIR/share"
	cp --remove-destination "$1" "$VM_DIR/share/vmlinuz-next"
}

# vm_load [CMDLINE]: make the guest's kernel ready to kexec into /boot/vmlinuz-next, with its own command line unless
# there is another.
vm_load() {
	vm_run -t "$(vm_boot_seconds)" "luo-kexec -l ${*@Q}"
}

# vm_await_kernel: wait for the next kernel, of a kexec that was done otherwise.
vm_await_kernel() {
	if ! vm_agent "$(vm_boot_seconds)" boot "$(<"$VM_DIR/boot_id")"; then
		echo "vm_await_kernel: $vm_failure"
		return 1
	fi
	vm_next_kernel
}

# vm_jump: go to the kernel that is loaded; done when an agent answers that lives under another boot id.
vm_jump() {
	vm_count
	echo "guest# kexec -e"
	if ! vm_agent "$(vm_boot_seconds)" kexec "$(<"$VM_DIR/boot_id")"; then
		if [[ $vm_failure == refused ]]; then
			vm_results
			echo "$output$stderr"
		fi
		echo "vm_jump: $vm_failure"
		return 1
	fi
	vm_next_kernel
}

# vm_next_kernel: note that another kernel answers.
vm_next_kernel() {
	cp "$VM_DIR/stdout" "$VM_DIR/boot_id"
	# A byte for each kexec
	printf . >>"$VM_DIR/kexecs"
}

# vm_kexec [CMDLINE]: replace the kernel.
vm_kexec() {
	vm_load "$@" && vm_jump
}

# vm_kexec_fails [CMDLINE]: a kexec that the kernel must refuse. The machine goes on, under the boot id it had; output is
# what kexec said.
vm_kexec_fails() {
	if vm_kexec "$@"; then
		echo "vm_kexec_fails: the kexec went through"
		return 1
	fi
	[[ $vm_failure == refused ]] || return
	output=$stderr
}

# vm_where: where a guest is that answers nothing: what it said last, QEMU's threads with the processor time they
# took, and three looks at where each processor is and what its timer waits for.
vm_where() {
	vm_console | tail -n 4
	ps -L -o tid,stat,time,comm -p "$(<"$VM_DIR/pid")"
	printf '%s\n' 'info registers -a' 'info lapic 0' 'info lapic 1' 'info registers -a' 'info registers -a' |
		timeout 10 socat -t 2 - "unix:$VM_DIR/monitor.sock" |
		tr -d '\r' | grep -E '^(CPU#|RIP|RSP| *PC=|LVTT[^H]|Timer|IRR|ISR)' || true
}

# vm_console: what the kernels have written, from the first boot on.
vm_console() {
	tr -d '\r' <"$VM_DIR/console.log"
}

vm_without_gcov() {
	[[ ${DEBUG-} != coverage ]]
}

# vm_count: have the guest leave on the host which lines it reached so far, if it counts that.
vm_count() {
	vm_without_gcov || vm_agent 20 run luo-gcov || :
}

# vm_stop: switch the machine off. It has no disk that anybody wants to see again.
vm_stop() {
	vm_alive || return 0
	vm_count
	kill "$(<"$VM_DIR/pid")"
	vm_until 10 vm_dead || kill -KILL "$(<"$VM_DIR/pid")"
	rm "$VM_DIR/pid"
}

vm_dead() {
	! vm_alive
}
