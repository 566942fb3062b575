/* SPDX-License-Identifier: GPL-2.0 */

/**
 * DOC: Live Update Orchestrator hand-over formats
 *
 * What one kernel tells the next about preserved sessions is written in one
 * of two formats, both registered with Kexec HandOver as the subtree
 * ``LUO``. All integers are in the machine's own byte order; all structures
 * are packed. Nothing here may change without a new compatible string.
 *
 * ``luo-v1``, the default, is a flattened device tree of one page::
 *
 *     / {
 *         compatible = "luo-v1";
 *         liveupdate-number = <u64>;
 *
 *         luo-session {
 *             compatible = "luo-session-v2";
 *             luo-session-header = <u64>;
 *         };
 *
 *         luo-flb {
 *             compatible = "luo-flb-v1";
 *             luo-flb-header = <u64>;
 *         };
 *     };
 *
 * ``liveupdate-number`` counts the hand-overs in a row, this one included.
 * ``luo-session-header`` is the physical address of a
 * &struct luo_session_header_ser with an array of &struct luo_session_ser
 * behind it; &luo_file_set_ser.files that of an array of
 * &struct luo_file_ser; ``luo-flb-header`` that of a
 * &struct luo_flb_header_ser with an array of &struct luo_flb_ser behind it.
 * Each array is contiguous in physical memory and starts a KHO preservation.
 *
 * ``luo-v5`` is the raw &struct luo_ser of Linux 7.3, whose arrays are chains
 * of &struct kho_block_header_ser.
 */

#ifndef _LINUX_KHO_ABI_LUO_H
#define _LINUX_KHO_ABI_LUO_H

#include <linux/align.h>
#include <linux/kho/abi/block.h>
#include <uapi/linux/liveupdate.h>

/* The name of the KHO subtree, whatever its format */
#define LUO_KHO_ENTRY_NAME		"LUO"

/* luo-v1: the flattened device tree */
#define LUO_FDT_SIZE			PAGE_SIZE
#define LUO_FDT_KHO_ENTRY_NAME		LUO_KHO_ENTRY_NAME
#define LUO_FDT_COMPATIBLE		"luo-v1"
#define LUO_FDT_LIVEUPDATE_NUM		"liveupdate-number"

#define LUO_FDT_SESSION_NODE_NAME	"luo-session"
#define LUO_FDT_SESSION_COMPATIBLE	"luo-session-v2"
#define LUO_FDT_SESSION_HEADER		"luo-session-header"

#define LUO_FDT_FLB_NODE_NAME		"luo-flb"
#define LUO_FDT_FLB_COMPATIBLE		"luo-flb-v1"
#define LUO_FDT_FLB_HEADER		"luo-flb-header"

/* luo-v5: the raw structure */
#define LUO_ABI_COMPATIBLE		"luo-v5"
#define LUO_ABI_COMPAT_LEN		ALIGN(sizeof(LUO_ABI_COMPATIBLE), 8)

/**
 * struct luo_ser - root of a ``luo-v5`` hand-over
 * @compatible:     "luo-v5", NUL-padded
 * @liveupdate_num: hand-overs in a row, this one included
 * @sessions_pa:    physical address of the first block of
 *                  &struct luo_session_ser, 0 for none
 * @flbs_pa:        physical address of the &struct luo_flb_header_ser
 */
struct luo_ser {
	char compatible[LUO_ABI_COMPAT_LEN];
	u64 liveupdate_num;
	u64 sessions_pa;
	u64 flbs_pa;
} __packed;

/* Room for a file handler's compatible string, its NUL included */
#define LIVEUPDATE_HNDL_COMPAT_LENGTH	48

/**
 * struct luo_file_ser - one preserved file
 * @compatible: which handler wrote it, NUL-terminated
 * @data:       what that handler made of the file, opaque to all others
 * @token:      the user's name for the file, unique in its session
 */
struct luo_file_ser {
	char compatible[LIVEUPDATE_HNDL_COMPAT_LENGTH];
	u64 data;
	u64 token;
} __packed;

/**
 * struct luo_file_set_ser - the files of a session
 * @files: physical address of the &struct luo_file_ser array (``luo-v1``) or
 *         of the first block of them (``luo-v5``); 0 when there are none
 * @count: how many there are
 */
struct luo_file_set_ser {
	u64 files;
	u64 count;
} __packed;

/**
 * struct luo_session_header_ser - head of the session array of ``luo-v1``
 * @count: how many &struct luo_session_ser follow
 */
struct luo_session_header_ser {
	u64 count;
} __packed;

/**
 * struct luo_session_ser - one session
 * @name:         the session's name, unique and NUL-terminated
 * @file_set_ser: its files
 */
struct luo_session_ser {
	char name[LIVEUPDATE_SESSION_NAME_LENGTH];
	struct luo_file_set_ser file_set_ser;
} __packed;

/* Room for an FLB's compatible string, its NUL included */
#define LIVEUPDATE_FLB_COMPAT_LENGTH	48

/**
 * struct luo_flb_header_ser - head of the FLB array
 * @pgcnt: pages that the header and the array take up
 * @count: how many &struct luo_flb_ser follow
 */
struct luo_flb_header_ser {
	u64 pgcnt;
	u64 count;
} __packed;

/**
 * struct luo_flb_ser - one file-lifecycle-bound object
 * @name:  its compatible string, NUL-terminated
 * @data:  what its owner made of it, opaque to all others
 * @count: how many preserved files depend on it
 */
struct luo_flb_ser {
	char name[LIVEUPDATE_FLB_COMPAT_LENGTH];
	u64 data;
	u64 count;
} __packed;

/* What starts the section of versions, "LVUP" when read as a number */
#define LIVEUPDATE_VERSIONS_MAGIC	0x4c565550
#define LIVEUPDATE_VERSIONS_VERSION	1

/**
 * struct liveupdate_versions_header - head of the section .liveupdate_versions
 * @magic:   LIVEUPDATE_VERSIONS_MAGIC
 * @version: of the layout of the section, LIVEUPDATE_VERSIONS_VERSION
 *
 * A kernel image lists what it understands: behind this, up to the end of the
 * section, are the compatible strings of its hand-over formats and built-in file
 * handlers. Each is NUL-padded to LIVEUPDATE_HNDL_COMPAT_LENGTH bytes. In an
 * image without sections the list ends with the first that is empty.
 */
struct liveupdate_versions_header {
	u32 magic;
	u32 version;
} __packed;

#ifdef CONFIG_LIVEUPDATE_TEST
#define LIVEUPDATE_TEST_FLB_COMPATIBLE(i)	"liveupdate-test-flb-v" #i
#endif

#endif /* _LINUX_KHO_ABI_LUO_H */
