# SPDX-License-Identifier: GPL-2.0
#
# Each target is a script or two in scripts/ or tests/; this only says which.
# They take their variables from the environment.

ARCH ?= $(patsubst aarch64,arm64,$(shell uname -m))
export ARCH CONFIG DEBUG DESTDIR FULL_MEM FUZZ_CALLS FUZZ_SECONDS HOLDUP_ROUNDS KEEP KSRC KVER MIRROR MUTANTS MUTANT_JOBS RACE_ROUNDS SEED SHARD SOAK_ACTIONS SOAK_KEXECS T V

.PHONY: help source kernel stock-kernel tools install deb demo recording vm check coverage mutants bench blackout fuzz soak lint
.PHONY: configs patches clean distclean

help:
	@echo 'make demo        show a live update in a virtual machine'
	@echo 'make check       run the unit tests and all tests in virtual machines'
	@echo 'make check T=F   run those of tests/bats only that have F in their name'
	@echo 'make coverage    run them, and tell which lines of the kernel that reached'
	@echo 'make mutants     make faults, one at a time, and tell which of them the tests notice'
	@echo 'make vm          a shell in the virtual machine'
	@echo 'make kernel      build the kernel and the root of the virtual machine'
	@echo 'make stock-kernel'
	@echo '                 build the base kernel as it is'
	@echo 'make tools       build luo-sh'
	@echo 'make install     install luo-sh, DESTDIR=DIR: there'
	@echo 'make deb         make a Debian package of luo-sh'
	@echo 'make fuzz        try the readers of hand-overs with any input, for ten minutes each'
	@echo 'make soak        try to break it, for hours, and tell what that came to'
	@echo 'make bench       count what a live update costs, beside the base kernel'
	@echo 'make blackout    tell what the time of a live update is spent on'
	@echo 'make lint        check the sources'
	@echo 'make configs     compile our objects in many configurations'
	@echo 'make patches     export the project as a series of patches on the base kernel'
	@echo 'make recording   record the demo for the README'
	@echo 'make clean       remove what was built, but keep what was downloaded, and Debian roots'
	@echo 'make distclean   remove all of build/'
	@echo
	@echo 'ARCH=x86_64|arm64  the machine that is meant; the host unless said'
	@echo 'DEBUG=1            with a kernel that checks itself (KASAN, lockdep ...)'
	@echo 'DEBUG=kcsan        with a kernel that finds data races'
	@echo 'CONFIG=distro      with a kernel that manages memory as distributions do'
	@echo 'KSRC=/path/linux   on a kernel tree of yours, which is only read'
	@echo 'V=1                show everything'

source:
	@scripts/deps build
	@scripts/source
	@scripts/overlay

kernel: source
	@scripts/kernel
	@scripts/root

tools: source
	@scripts/tools all

install: source
	@scripts/tools install

deb: source
	@scripts/deb

demo: kernel
	@scripts/deps test
	@scripts/debroot stable
	@scripts/demo

recording: kernel
	@scripts/deps test recording
	@scripts/debroot stable
	@scripts/recording

vm: kernel
	@scripts/deps test
	@scripts/vm

stock-kernel: source
	@scripts/stock

check: kernel
	@scripts/deps test
	@tests/prepare
	@tests/run

coverage: source
	@scripts/deps test
	@scripts/coverage

mutants: kernel
	@scripts/deps test mutants
	@scripts/mutants

bench: kernel stock-kernel
	@DEFERRED=1 scripts/kernel
	@scripts/deps test bench
	@scripts/bench

blackout: kernel
	@scripts/deps test
	@scripts/debroot stable
	@scripts/blackout

fuzz: source
	@scripts/deps test
	@scripts/fuzz

soak: kernel
	@scripts/deps test
	@scripts/soak

lint: source
	@scripts/deps lint
	@scripts/lint

configs: source
	@scripts/deps configs
	@scripts/source configs
	@scripts/configs

patches: source
	@scripts/deps patches
	@scripts/patches

clean:
	@scripts/clean

distclean:
	@rm -rf build
