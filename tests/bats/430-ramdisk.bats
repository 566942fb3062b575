#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# bats file_tags=without-debug,without-ci
#
# examples/ramdisk: a database whose files are in memory is there after a live update, by the database's own check.
#
# Needs: debroot stable

# shellcheck disable=SC2016  # what is quoted is for the guest

load lib/common
load lib/examples
load lib/luo
load lib/documents

setup_file() {
	guest_start -r stable -m 1G
	examples_share
}

# database SQL…: what SQLite says to that, to whether its file is in order, and of what is in it.
database() {
	vm_run -t 120 "sqlite3 /srv/db/app.db ${*@Q} 'PRAGMA integrity_check' 'SELECT count(*), total(length(text)) FROM item' .sha3sum"
}

@test "a database of 50,000 rows in memory is there over two live updates, in order and to the last bit" {
	vm_run "$EXAMPLES/ramdisk mount /srv/db 256M"
	database 'CREATE TABLE item (id INTEGER PRIMARY KEY, text TEXT UNIQUE)' \
		'INSERT INTO item SELECT value, hex(randomblob(100)) FROM generate_series(1, 50000)'
	assert_line -n 0 ok
	assert_line -n 1 '50000|10000000.0'
	for _ in 1 2; do
		before=$output
		vm_load
		phase 'RAM disk: save' vm_run "$EXAMPLES/ramdisk save /srv/db"
		phase_kexec
		phase 'RAM disk: restore' vm_run "$EXAMPLES/ramdisk mount /srv/db"
		database
		assert_output "$before"
		# It is not only there to be read.
		database 'UPDATE item SET text = hex(randomblob(100)) WHERE id % 10 = 0'
		assert_line -n 0 ok
	done
	vm_run "umount /srv/db"
	examples_end
	phases_show
}

@test "what the examples' README says of it is so" {
	run_block examples/README.md 4 'mkdir -p /srv/db; ln -sfn /boot/examples /root/examples'
	vm_run "mountpoint -q /srv/db; $EXAMPLES/ramdisk umount /srv/db"
	examples_end
}
