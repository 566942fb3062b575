/* SPDX-License-Identifier: GPL-2.0 */
/*
 * As much of tmpfs, and of what is above it, as the reader of a tmpfs needs, for user space. A tree of it is made, looked
 * at, and freed.
 */
#ifndef _FUZZ_VFS_H
#define _FUZZ_VFS_H


#include <limits.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define CONFIG_TMPFS_QUOTA	1
#define MAX_ENTRIES		4096

typedef unsigned short umode_t;
typedef int64_t loff_t;
typedef int64_t s64;
typedef struct { uid_t val; } kuid_t;
typedef struct { gid_t val; } kgid_t;
struct timespec64 { s64 tv_sec; long tv_nsec; };

#define KUIDT_INIT(v)		((kuid_t){ v })
#define KGIDT_INIT(v)		((kgid_t){ v })
#define VFSUIDT_INIT(v)		(v)
#define VFSGIDT_INIT(v)		(v)
#define uid_valid(uid)		((uid).val != (uid_t)-1)
#define gid_valid(gid)		((gid).val != (gid_t)-1)
#define NSEC_PER_SEC		1000000000L
#define SB_RDONLY		1
#define O_RDONLY		0
#define O_DIRECTORY		0
#define ATTR_UID		2
#define ATTR_GID		4
#define PTE_MARKER_MASK		7
#define IS_ERR_OR_NULL(p)	(!(p) || IS_ERR(p))
#define fatal_signal_pending(task) 0
#define path			mount_path
#define current_cred()		NULL
#define SHMEM_QUOTA_MAX_SPC_LIMIT 0x7fffffffffffffffULL
#define SHMEM_QUOTA_MAX_INO_LIMIT 0x7fffffffffffffffULL
#define kvzalloc_objs(obj, n, ...) ((n) > MAX_ENTRIES ? NULL : calloc(n, sizeof(obj)))
#define kvmalloc(size, gfp)	malloc(size)

struct posix_acl {
	u8 bytes[8];
	int refs;
};

struct memfd_luo_in { u64 nr_pages, accounted; };

struct shmem_inode_info {
	struct memfd_luo_in *luo_in;
	struct timespec64 i_crtime;
};

struct inode {
	umode_t i_mode;
	kuid_t i_uid;
	kgid_t i_gid;
	unsigned long i_ino;
	unsigned int i_nlink;
	loff_t i_size;
	struct super_block *i_sb;
	struct shmem_inode_info info;
	struct posix_acl *acls[2];
	struct dentry *alias;
	int refs;
	int nr_xattrs;
	char *xattrs[8];
};

struct dentry {
	struct dentry *next;
	struct dentry *parent;
	struct inode *inode;
	struct super_block *d_sb;
	char name[256];
};

struct qc_dqblk {
	int d_fieldmask;
	u64 d_spc_hardlimit, d_spc_softlimit, d_ino_hardlimit, d_ino_softlimit;
};
#define QC_SPC_HARD		1
#define QC_SPC_SOFT		2
#define QC_INO_HARD		4
#define QC_INO_SOFT		8
#define USRQUOTA		0
#define GRPQUOTA		1
struct kqid { int type; u32 id; };
#define make_kqid(ns, type, id)	((struct kqid){ type, id })
#define qid_valid(qid)		((qid).id != (u32)-1)
#define sb_has_quota_active(sb, type) ((sb)->has_quota[type])

struct quotactl_ops {
	int (*set_dqblk)(struct super_block *sb, struct kqid qid, struct qc_dqblk *dqblk);
};

struct shmem_quota_limits {
	u64 usrquota_bhardlimit, usrquota_ihardlimit, grpquota_bhardlimit, grpquota_ihardlimit;
};

struct shmem_sb_info {
	unsigned long next_ino;
	struct file *luo_root;
	struct shmem_quota_limits qlimits;
};

struct super_block {
	struct dentry *s_root;
	void *s_fs_info;
	const struct quotactl_ops *s_qcop;
	unsigned long s_flags;
	int s_umount;
	bool has_quota[2];
};

struct fs_context { struct dentry *root; bool has_quota[2]; };
struct vfsmount { int mnt_flags; };
struct mount_path { struct dentry *dentry; struct vfsmount *mnt; };
struct file { struct vfsmount *mnt; };
struct file_system_type;
struct qstr { const char *name; u32 len; };
#define QSTR_INIT(n, l)		{ n, l }
struct iattr { int ia_valid; kuid_t ia_vfsuid; kgid_t ia_vfsgid; };

static const int init_user_ns;

/* How many more things can be allocated for the tree */
static unsigned int vfs_left;
static unsigned int nr_inodes_there;
static struct dentry *dentries;
static struct super_block the_sb;
static struct shmem_sb_info the_sbinfo;
static struct fs_context the_fc;
static struct vfsmount the_mnt;
static struct file the_file;

static bool vfs_take(void)
{
	return vfs_left && vfs_left--;
}

#define SHMEM_I(inode)		(&(inode)->info)
#define d_inode(dentry)		((dentry)->inode)
#define ihold(i)		((i)->refs++)
#define i_size_write(inode, size) ((inode)->i_size = (size))
#define up_write(lock)		((void)(lock))
#define dput(dentry)		((void)(dentry))
#define mntput(mnt)		((void)(mnt))
#define inode_set_atime_to_ts(inode, ts) ((void)(ts))
#define inode_set_mtime_to_ts(inode, ts) ((void)(ts))
#define inode_set_ctime_to_ts(inode, ts) ((void)(ts))
#define generic_ci_validate_strict_name(dir, name) true
#define dquot_initialize(inode)	0
#define dquot_transfer(idmap, inode, attr) ((void)(attr), 0)
#define get_fs_type(name)	((struct file_system_type *)&the_fc)
#define put_filesystem(type)	((void)(type))
#define put_fs_context(fc)	((void)(fc))
#define vfs_create_mount(fc)	(vfs_take() ? &the_mnt : ERR_PTR(-ENOMEM))
#define huge_encode_dev(dev)	((u64)(u32)(dev))
#define huge_decode_dev(dev)	((u32)(dev))
#define unicode_major(age)	((u8)((age) >> 16))
#define unicode_minor(age)	((u8)((age) >> 8))
#define unicode_rev(age)	((u8)(age))
#define softleaf_is_marker(entry) false
#define swp_offset(entry)	0ul

#define XATTR_SECURITY_PREFIX	"security."
#define XATTR_SECURITY_PREFIX_LEN (sizeof(XATTR_SECURITY_PREFIX) - 1)
#define XATTR_TRUSTED_PREFIX	"trusted."
#define XATTR_USER_PREFIX	"user."
#define XATTR_NAME_POSIX_ACL_ACCESS "system.posix_acl_access"
#define XATTR_NAME_POSIX_ACL_DEFAULT "system.posix_acl_default"
#define ACL_TYPE_ACCESS		0
#define ACL_TYPE_DEFAULT	1
#define security_inode_setsecurity(inode, suffix, value, size, flags) (strcmp(suffix, "no") ? -EOPNOTSUPP : -EACCES)

static size_t str_has_prefix(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) ? 0 : strlen(prefix);
}

/* ACLs are 8 bytes here, the first of which tells whether they make sense, the second the group's mask. */
static void posix_acl_release(struct posix_acl *acl)
{
	if (!--acl->refs)
		free(acl);
}

static struct posix_acl *posix_acl_from_xattr(const void *ns, const void *value, size_t size)
{
	struct posix_acl *acl;

	if (size != 8)
		return size ? ERR_PTR(-EINVAL) : NULL;
	if (!vfs_take())
		return ERR_PTR(-ENOMEM);
	acl = calloc(1, sizeof(*acl));
	memcpy(acl->bytes, value, 8);
	acl->refs = 1;
	return acl;
}

#define posix_acl_valid(ns, acl)	((acl)->bytes[0] ? -EINVAL : 0)

static int posix_acl_equiv_mode(const struct posix_acl *acl, umode_t *mode)
{
	*mode = (*mode & ~070) | (acl->bytes[1] & 7) << 3;
	return 1;
}

static struct posix_acl *get_cached_acl(struct inode *inode, int type)
{
	if (inode->acls[type])
		inode->acls[type]->refs++;
	return inode->acls[type];
}

static void set_cached_acl(struct inode *inode, int type, struct posix_acl *acl)
{
	assert(!inode->acls[type]);
	inode->acls[type] = acl;
	acl->refs++;
}

static struct inode *vfs_inode(umode_t mode)
{
	struct inode *inode = calloc(1, sizeof(*inode));

	nr_inodes_there++;
	inode->i_mode = mode;
	inode->i_nlink = S_ISDIR(mode) ? 2 : 1;
	inode->i_sb = &the_sb;
	inode->refs = 1;
	return inode;
}

static void iput(struct inode *inode)
{
	int i;

	assert(inode->refs > 0);
	if (--inode->refs)
		return;
	for (i = 0; i < 2; i++) {
		if (inode->acls[i])
			posix_acl_release(inode->acls[i]);
	}
	for (i = 0; i < inode->nr_xattrs; i++)
		free(inode->xattrs[i]);
	free(inode->info.luo_in);
	free(inode);
	nr_inodes_there--;
}

static struct inode *shmem_luo_new_inode(struct super_block *sb, umode_t mode, dev_t rdev, kuid_t uid, kgid_t gid)
{
	assert(mode & S_IFMT);
	return vfs_take() ? vfs_inode(mode) : ERR_PTR(-ENOSPC);
}

static struct dentry *vfs_find(struct dentry *parent, const char *name)
{
	struct dentry *dentry;

	for (dentry = dentries; dentry; dentry = dentry->next) {
		if (dentry->parent == parent && !strcmp(dentry->name, name))
			return dentry;
	}
	return NULL;
}

static struct dentry *try_lookup_noperm(struct qstr *name, struct dentry *parent)
{
	assert(name->len && strlen(name->name) == name->len);
	if (strchr(name->name, '/') || !strcmp(name->name, ".") || !strcmp(name->name, ".."))
		return ERR_PTR(-EACCES);
	return vfs_find(parent, name->name);
}

static int shmem_luo_link(struct dentry *parent, const struct qstr *name, struct inode *inode, bool is_new)
{
	struct dentry *dentry;

	assert(S_ISDIR(parent->inode->i_mode) && !vfs_find(parent, name->name));
	assert(is_new || !S_ISDIR(inode->i_mode));
	if (!vfs_take())
		return -ENOMEM;
	dentry = calloc(1, sizeof(*dentry));
	strcpy(dentry->name, name->name);
	dentry->parent = parent;
	dentry->d_sb = &the_sb;
	dentry->inode = inode;
	dentry->next = dentries;
	dentries = dentry;
	inode->alias = dentry;
	inode->refs++;
	if (!is_new)
		inode->i_nlink++;
	if (S_ISDIR(inode->i_mode))
		parent->inode->i_nlink++;
	return 0;
}

#define d_find_any_alias(inode)	((inode)->alias)

static int shmem_luo_set_target(struct inode *inode, const char *target)
{
	assert(S_ISLNK(inode->i_mode) && *target && strlen(target) <= 4095);
	return vfs_take() ? 0 : -ENOMEM;
}

static int shmem_luo_set_xattr(struct inode *inode, const char *name, const void *value, size_t size)
{
	int i;

	assert(size <= 65536);
	for (i = 0; i < inode->nr_xattrs; i++) {
		if (!strcmp(inode->xattrs[i], name))
			return -EEXIST;
	}
	if (!vfs_take() || inode->nr_xattrs == 8)
		return -ENOMEM;
	inode->xattrs[inode->nr_xattrs++] = strdup(name);
	return 0;
}

static int shmem_luo_set_flags(struct inode *inode, u32 flags)
{
	return flags & ~0xf0 ? -EINVAL : 0;
}

/* The tmpfs */

static int set_dqblk(struct super_block *sb, struct kqid qid, struct qc_dqblk *dqblk)
{
	assert(sb->has_quota[qid.type]);
	return dqblk->d_spc_hardlimit > INT64_MAX ? -ERANGE : vfs_take() ? 0 : -ENOMEM;
}

static struct fs_context *fs_context_for_mount(struct file_system_type *type, int flags)
{
	memset(&the_fc, 0, sizeof(the_fc));
	return vfs_take() ? &the_fc : ERR_PTR(-ENOMEM);
}

static int vfs_parse_fs_string(struct fs_context *fc, const char *key, const char *value)
{
	fc->has_quota[0] |= !strcmp(key, "usrquota");
	fc->has_quota[1] |= !strcmp(key, "grpquota");
	return strcmp(key, "casefold") || !strcmp(value, "utf8-12.1.0") ? 0 : -EINVAL;
}

static int vfs_get_tree(struct fs_context *fc)
{
	static const struct quotactl_ops ops = { set_dqblk };
	struct dentry *root;

	if (!vfs_take())
		return -ENOMEM;
	root = calloc(1, sizeof(*root));
	root->inode = vfs_inode(S_IFDIR | 0777);
	root->inode->alias = root;
	root->d_sb = &the_sb;
	dentries = root;
	the_sb = (struct super_block){ .s_root = root, .s_fs_info = &the_sbinfo, .s_qcop = &ops };
	memcpy(the_sb.has_quota, fc->has_quota, sizeof(fc->has_quota));
	fc->root = root;
	return 0;
}

static struct file *dentry_open(const struct mount_path *where, int flags, const void *cred)
{
	assert(where->dentry == the_sb.s_root);
	return vfs_take() ? &the_file : ERR_PTR(-ENOMEM);
}

#define fput(file)	((void)(file))

static void vfs_free(void)
{
	struct dentry *dentry;

	while ((dentry = dentries)) {
		dentries = dentry->next;
		iput(dentry->inode);
		free(dentry);
	}
	assert(!nr_inodes_there);
}

#endif /* _FUZZ_VFS_H */
