/* SPDX-License-Identifier: GPL-2.0 */
/**
 * DOC: tmpfs-v1
 *
 * A tmpfs is handed over in the format ``tmpfs-v1`` as &struct tmpfs_v1_ser, in a page
 * of its own, and four chains of pages, each of which begins as &struct tmpfs_v1_page
 * does:
 *
 * inodes
 *   &struct tmpfs_v1_inode for each inode, that of the root first. As many as fit are in
 *   each page but the last.
 * bytes
 *   What has no fixed size, without padding, and over the borders of pages: for each
 *   inode, in the order of these, the target of a symlink; the extended attributes, each
 *   as &struct tmpfs_v1_xattr; the entries of a directory, each as &struct
 *   tmpfs_v1_dirent, in the order in which they were made.
 * extents
 *   &struct tmpfs_v1_extent, in no order. As many as fit are in each page but the last.
 * quotas
 *   &struct tmpfs_v1_quota, likewise.
 *
 * Inodes are numbered in the order in which an entry names them first. So a directory comes
 * before what is in it, an entry that names an inode a second time is a hard link, and
 * directories that contain themselves cannot be told of.
 *
 * A change of anything here is another format, with another name.
 */
#ifndef _LINUX_KHO_ABI_TMPFS_V1_H
#define _LINUX_KHO_ABI_TMPFS_V1_H

#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/types.h>

#define TMPFS_V1_COMPATIBLE	"tmpfs-v1"
#define TMPFS_V1_MAGIC		0x31762d7366706d74ULL

/* Limits: of a name, as NAME_MAX; of a target, below PATH_MAX; of attributes, as XATTR_*_MAX */
#define TMPFS_V1_MAX_NAME	255
#define TMPFS_V1_MAX_TARGET	4095
#define TMPFS_V1_MAX_XATTR_NAME	255
#define TMPFS_V1_MAX_XATTR_SIZE	65536
#define TMPFS_V1_MAX_SOURCE	255
/* Inodes: the next kernel has an array of pointers to them */
#define TMPFS_V1_MAX_INODES	0x0fffffffULL

/* Flags of a tmpfs: its mount options of these names, and that it is read-only */
#define TMPFS_V1_NOSWAP		BIT(0)
#define TMPFS_V1_INODE64	BIT(1)
#define TMPFS_V1_RDONLY		BIT(2)
#define TMPFS_V1_USRQUOTA	BIT(3)
#define TMPFS_V1_GRPQUOTA	BIT(4)
#define TMPFS_V1_STRICT_ENCODING BIT(5)
#define TMPFS_V1_ALL_FLAGS	GENMASK(5, 0)

/* huge= */
#define TMPFS_V1_HUGE_NEVER		0
#define TMPFS_V1_HUGE_ALWAYS		1
#define TMPFS_V1_HUGE_WITHIN_SIZE	2
#define TMPFS_V1_HUGE_ADVISE		3

/**
 * struct tmpfs_v1_page - a page of a chain
 * @next: physical address of the next one, or 0
 * @used: bytes of @data that are used, at least one
 * @data: the data
 */
struct tmpfs_v1_page {
	u64 next;
	u64 used;
	u8 data[];
} __packed;

/**
 * struct tmpfs_v1_time - a time
 * @sec:  seconds since 1970
 * @nsec: nanoseconds
 */
struct tmpfs_v1_time {
	s64 sec;
	u32 nsec;
} __packed;

/**
 * struct tmpfs_v1_inode - an inode
 * @mode:      type and permissions
 * @nlink:     number of links
 * @uid:       owner, as the initial user namespace has it
 * @gid:       group, likewise
 * @ino:       inode number, not 0
 * @size:      a regular file: in bytes; a symlink: length of its target; a directory: the
 *             number of its entries; else 0
 * @nr_pages:  a regular file: how many pages all its extents are, together; else 0
 * @rdev:      a device node: as huge_encode_dev(); else 0
 * @flags:     FS_*_FL
 * @nr_xattrs: number of extended attributes, ACLs among them
 * @atime:     last access
 * @mtime:     last change of the content
 * @ctime:     last change of the inode
 * @btime:     birth
 */
struct tmpfs_v1_inode {
	u32 mode;
	u32 nlink;
	u32 uid;
	u32 gid;
	u64 ino;
	u64 size;
	u64 nr_pages;
	u64 rdev;
	u32 flags;
	u32 nr_xattrs;
	struct tmpfs_v1_time atime;
	struct tmpfs_v1_time mtime;
	struct tmpfs_v1_time ctime;
	struct tmpfs_v1_time btime;
} __packed;
static_assert(sizeof(struct tmpfs_v1_inode) == 104);

/**
 * struct tmpfs_v1_xattr - an extended attribute
 * @size:     length of the value, which follows the name
 * @name_len: length of the name, which follows this, not NUL-terminated
 *
 * An ACL is the attribute that getxattr(2) gives of it.
 */
struct tmpfs_v1_xattr {
	u32 size;
	u8 name_len;
} __packed;

/**
 * struct tmpfs_v1_dirent - an entry of a directory
 * @inode:    number of the inode
 * @name_len: length of the name, which follows this, not NUL-terminated
 */
struct tmpfs_v1_dirent {
	u32 inode;
	u8 name_len;
} __packed;

/**
 * struct tmpfs_v1_extent - folios that follow each other in a file and in RAM
 * @index: of their first page in the file
 * @pfn:   of their first page in RAM
 * @order: of each of the folios
 * @nr:    how many pages they are
 * @inode: number of the file's inode
 *
 * KHO preserves them as it does those of &struct memfd_v3_extent.
 */
struct tmpfs_v1_extent {
	u64 index;
	u64 pfn:52;
	u64 order:12;
	u64 nr;
	u32 inode;
} __packed;

#define TMPFS_V1_CHUNK_ORDER	9

/**
 * struct tmpfs_v1_limits - limits of a quota; 0: none
 * @space:       hard limit of space, in bytes
 * @inodes:      hard limit of the number of inodes
 * @soft_space:  soft limits, likewise
 * @soft_inodes: likewise
 */
struct tmpfs_v1_limits {
	u64 space;
	u64 inodes;
	u64 soft_space;
	u64 soft_inodes;
} __packed;

/**
 * struct tmpfs_v1_quota - what a user or a group may have
 * @type:   USRQUOTA or GRPQUOTA
 * @id:     of the user or group, as the initial user namespace has it
 * @limits: the limits
 */
struct tmpfs_v1_quota {
	u32 type;
	u32 id;
	struct tmpfs_v1_limits limits;
} __packed;

/**
 * struct tmpfs_v1_ser - a tmpfs
 * @magic:       TMPFS_V1_MAGIC
 * @inodes:      physical address of the first page of inodes
 * @bytes:       physical address of the first page of bytes, or 0
 * @extents:     physical address of the first page of extents, or 0
 * @nr_inodes:   number of inodes, from 1 to TMPFS_V1_MAX_INODES
 * @nr_bytes:    number of bytes
 * @nr_extents:  number of extents
 * @nr_pages:    how many pages they are, together
 * @max_blocks:  size=, in pages; 0: no limit
 * @max_inodes:  nr_inodes=; 0: no limit
 * @next_ino:    inode number of the next inode that is made
 * @mode:        mode=
 * @uid:         uid=
 * @gid:         gid=
 * @huge:        huge=, TMPFS_V1_HUGE_*
 * @flags:       TMPFS_V1_NOSWAP and the like
 * @mount_attrs: MOUNT_ATTR_* of the mount that was preserved
 * @source:      what was mounted, as /proc/mounts shows it, NUL-terminated
 * @quotas:      physical address of the first page of quotas, or 0
 * @nr_quotas:   number of quotas
 * @defaults:    what who has no quota of its own may have, by type; hard limits only
 * @casefold:    version of Unicode, as UNICODE_AGE(); 0: no casefold
 */
struct tmpfs_v1_ser {
	u64 magic;
	u64 inodes;
	u64 bytes;
	u64 extents;
	u64 nr_inodes;
	u64 nr_bytes;
	u64 nr_extents;
	u64 nr_pages;
	u64 max_blocks;
	u64 max_inodes;
	u64 next_ino;
	u32 mode;
	u32 uid;
	u32 gid;
	u32 huge;
	u32 flags;
	u32 mount_attrs;
	char source[TMPFS_V1_MAX_SOURCE + 1];
	u64 quotas;
	u64 nr_quotas;
	struct tmpfs_v1_limits defaults[2];
	u32 casefold;
} __packed;

#endif /* _LINUX_KHO_ABI_TMPFS_V1_H */
