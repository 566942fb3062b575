// SPDX-License-Identifier: GPL-2.0
/*
 * A tmpfs that the previous kernel handed over.
 *
 * None of that is to be trusted: see memfd_luo_in_lock. A tree is made as it is read, in
 * a new tmpfs that nobody else has. Until all of it was found to be as it should be, and
 * nothing can fail any more, no page is touched, so that what was done can be undone.
 */

#include <linux/capability.h>
#include <linux/cleanup.h>
#include <linux/dcache.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/io.h>
#include <linux/kdev_t.h>
#include <linux/kexec_handover.h>
#include <linux/liveupdate.h>
#include <linux/log2.h>
#include <linux/math.h>
#include <linux/mm.h>
#include <linux/mount.h>
#include <linux/mutex.h>
#include <linux/namei.h>
#include <linux/pagemap.h>
#include <linux/pfn.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <linux/quota.h>
#include <linux/quotaops.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/security.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#include <linux/stat.h>
#include <linux/string.h>
#include <linux/time64.h>
#include <linux/uidgid.h>
#include <linux/unicode.h>
#include <linux/xattr.h>
#include <uapi/linux/mount.h>

#include "memfd_luo.h"
#include "shmem_luo.h"
#include "tmpfs_luo.h"

/* A file can have no page behind this one. */
#define MAX_FILE_PAGES	(((u64)MAX_LFS_FILESIZE >> PAGE_SHIFT) + 1)

/**
 * struct tmpfs_luo_in - a tmpfs that is looked at, or made again
 * @data:             physical address of what was handed over
 * @ser:              the same
 * @claimed:          counts what was claimed
 * @nr_ser:           how many pages of @ser were claimed,
 * @nr_inode_pages:   of inodes,
 * @nr_byte_pages:    of bytes,
 * @nr_extent_pages:  of extents,
 * @nr_quota_pages:   of quotas,
 * @nr_extents:       and how many extents
 * @fc:               makes the new tmpfs
 * @inode_pages:      the pages of inodes
 * @inodes:           the new inodes, by number, each with a reference
 * @nr_inodes:        how many there are yet
 * @nr_pages:         how many pages each of them has
 * @nr_accounted:     how many of them have their pages accounted
 * @bytes:            what has no fixed size
 * @buffer:           for an attribute's value, or a target
 */
struct tmpfs_luo_in {
	u64 data;
	const struct tmpfs_v1_ser *ser;
	struct luo_claimed claimed;
	u64 nr_ser;
	u64 nr_inode_pages;
	u64 nr_byte_pages;
	u64 nr_extent_pages;
	u64 nr_quota_pages;
	u64 nr_extents;
	struct fs_context *fc;
	const struct tmpfs_v1_page **inode_pages;
	struct inode **inodes;
	u64 nr_inodes;
	u64 *nr_pages;
	u64 nr_accounted;
	struct tmpfs_luo_cursor bytes;
	char *buffer;
};

static_assert(TMPFS_V1_MAX_TARGET < TMPFS_V1_MAX_XATTR_SIZE);

/* All that was handed over, without a look at what it means */

static bool are_valid_limits(const struct tmpfs_v1_limits *limits)
{
	return limits->space <= SHMEM_QUOTA_MAX_SPC_LIMIT &&
	       limits->inodes <= SHMEM_QUOTA_MAX_INO_LIMIT &&
	       !limits->soft_space && !limits->soft_inodes;
}

static bool is_valid_ser(const struct tmpfs_v1_ser *ser)
{
	return ser->magic == TMPFS_V1_MAGIC &&
	       ser->nr_inodes && ser->nr_inodes <= TMPFS_V1_MAX_INODES &&
	       ser->max_blocks <= LONG_MAX && ser->max_inodes <= LONG_MAX &&
	       (!ser->max_inodes || ser->nr_inodes <= ser->max_inodes) &&
	       (!ser->max_blocks || ser->nr_pages <= ser->max_blocks) &&
	       !(ser->mode & ~S_IALLUGO) && ser->huge <= TMPFS_V1_HUGE_ADVISE &&
	       !(ser->flags & ~TMPFS_V1_ALL_FLAGS) &&
	       tmpfs_luo_from_attrs(ser->mount_attrs) >= 0 &&
	       uid_valid(KUIDT_INIT(ser->uid)) && gid_valid(KGIDT_INIT(ser->gid)) &&
	       are_valid_limits(&ser->defaults[USRQUOTA]) &&
	       are_valid_limits(&ser->defaults[GRPQUOTA]) &&
	       strnlen(ser->source, sizeof(ser->source)) < sizeof(ser->source);
}

static int load(struct tmpfs_luo_in *in, u64 data)
{
	in->data = data;
	if (data % PAGE_SIZE || kho_preserved_order(data))
		return -EINVAL;
	in->ser = liveupdate_preserved_data(data, PAGE_SIZE);
	return in->ser && is_valid_ser(in->ser) ? 0 : -EINVAL;
}

static int claim_extent(void *arg, const struct luo_extent *extent, u32 inode)
{
	struct tmpfs_luo_in *in = arg;
	int err;

	if (!luo_extent_is_valid(extent, MAX_FILE_PAGES))
		return -EINVAL;
	err = luo_extent_claim(extent, &in->claimed);
	if (!err)
		in->nr_extents++;
	return err;
}

static int unclaim_extent(void *arg, const struct luo_extent *extent, u32 inode)
{
	struct tmpfs_luo_in *in = arg;

	if (!in->nr_extents)
		return -ECANCELED;
	in->nr_extents--;
	luo_extent_unclaim(extent, &in->claimed);
	return 0;
}

static int try_claim_all(struct tmpfs_luo_in *in)
{
	const struct tmpfs_v1_ser *ser = in->ser;
	int err;

	luo_claim(in->data, &in->claimed);
	in->nr_ser = 1;
	err = tmpfs_luo_claim_chain(ser->inodes, sizeof(struct tmpfs_v1_inode), ser->nr_inodes,
				    &in->nr_inode_pages, &in->claimed);
	if (!err)
		err = tmpfs_luo_claim_chain(ser->bytes, 1, ser->nr_bytes, &in->nr_byte_pages,
					    &in->claimed);
	if (!err)
		err = tmpfs_luo_claim_chain(ser->extents, sizeof(struct tmpfs_v1_extent),
					    ser->nr_extents, &in->nr_extent_pages,
					    &in->claimed);
	if (!err)
		err = tmpfs_luo_claim_chain(ser->quotas, sizeof(struct tmpfs_v1_quota),
					    ser->nr_quotas, &in->nr_quota_pages, &in->claimed);
	return err ?: tmpfs_luo_each_extent(ser->extents, claim_extent, in);
}

/* As much as was claimed is undone, from the end. */
static void unclaim_all(struct tmpfs_luo_in *in)
{
	const struct tmpfs_v1_ser *ser = in->ser;

	tmpfs_luo_each_extent(in->nr_extents ? ser->extents : 0, unclaim_extent, in);
	tmpfs_luo_unclaim_chain(ser->quotas, in->nr_quota_pages, &in->claimed);
	tmpfs_luo_unclaim_chain(ser->extents, in->nr_extent_pages, &in->claimed);
	tmpfs_luo_unclaim_chain(ser->bytes, in->nr_byte_pages, &in->claimed);
	tmpfs_luo_unclaim_chain(ser->inodes, in->nr_inode_pages, &in->claimed);
	if (in->nr_ser)
		luo_unclaim(in->data, &in->claimed);
	luo_claimed_count(&in->claimed);
}

/* Make it all the caller's alone. Returns 0, or -EINVAL and nothing is. */
static int claim_all(struct tmpfs_luo_in *in)
{
	int err = try_claim_all(in);

	if (err)
		unclaim_all(in);
	else
		luo_claimed_count(&in->claimed);
	return err;
}

/* Free what told of the tree, and not the pages of files. */
static void free_told(struct tmpfs_luo_in *in)
{
	tmpfs_luo_free_chain(in->ser->quotas);
	tmpfs_luo_free_chain(in->ser->extents);
	tmpfs_luo_free_chain(in->ser->bytes);
	tmpfs_luo_free_chain(in->ser->inodes);
	luo_key_free(PHYS_PFN(in->data), 0);
}

/* The records of inodes */

static const struct tmpfs_v1_inode *record_of(const struct tmpfs_luo_in *in, u64 index)
{
	const u64 per_page = TMPFS_LUO_PER_PAGE(struct tmpfs_v1_inode);
	const void *data = in->inode_pages[index / per_page]->data;

	return data + index % per_page * sizeof(struct tmpfs_v1_inode);
}

static bool is_valid_time(const struct tmpfs_v1_time *time)
{
	return time->nsec < NSEC_PER_SEC;
}

/* Does the type have what the record tells of it, and nothing else? */
static bool is_valid_type(const struct tmpfs_luo_in *in, const struct tmpfs_v1_inode *ser)
{
	switch (ser->mode & S_IFMT) {
	case S_IFREG:
		return ser->size <= MAX_LFS_FILESIZE && !ser->rdev;
	case S_IFDIR:
		return ser->size <= in->ser->nr_bytes && !ser->nr_pages && !ser->rdev;
	case S_IFLNK:
		return ser->size && ser->size <= TMPFS_V1_MAX_TARGET && !ser->nr_pages &&
		       !ser->rdev;
	case S_IFCHR:
	case S_IFBLK:
		return !ser->size && !ser->nr_pages &&
		       huge_encode_dev(huge_decode_dev(ser->rdev)) == ser->rdev;
	case S_IFIFO:
	case S_IFSOCK:
		return !ser->size && !ser->nr_pages && !ser->rdev;
	default:
		return false;
	}
}

static bool is_valid_record(const struct tmpfs_luo_in *in, const struct tmpfs_v1_inode *ser)
{
	return !(ser->mode & ~(S_IFMT | S_IALLUGO)) && is_valid_type(in, ser) && ser->ino &&
	       ser->nlink && uid_valid(KUIDT_INIT(ser->uid)) &&
	       gid_valid(KGIDT_INIT(ser->gid)) && is_valid_time(&ser->atime) &&
	       is_valid_time(&ser->mtime) && is_valid_time(&ser->ctime) &&
	       is_valid_time(&ser->btime);
}

/* The tree */

static int set_inode(struct inode *inode, const struct tmpfs_v1_inode *ser)
{
	inode->i_mode = ser->mode;
	inode->i_ino = ser->ino;
	if (S_ISREG(ser->mode))
		i_size_write(inode, ser->size);
	return shmem_luo_set_flags(inode, ser->flags) ? -EINVAL : 0;
}

/* The root was made with the tmpfs. */
static int set_root_owner(struct inode *inode, const struct tmpfs_v1_inode *ser)
{
	struct iattr attr = {
		.ia_valid = ATTR_UID | ATTR_GID,
		.ia_vfsuid = VFSUIDT_INIT(KUIDT_INIT(ser->uid)),
		.ia_vfsgid = VFSGIDT_INIT(KGIDT_INIT(ser->gid)),
	};
	int err;

	err = dquot_initialize(inode) ?: dquot_transfer(&nop_mnt_idmap, inode, &attr);
	inode->i_uid = KUIDT_INIT(ser->uid);
	inode->i_gid = KGIDT_INIT(ser->gid);
	return err;
}

/* Make the inode that is numbered next. */
static int add_inode(struct tmpfs_luo_in *in)
{
	const struct tmpfs_v1_inode *ser = record_of(in, in->nr_inodes);
	struct super_block *sb = in->fc->root->d_sb;
	struct inode *inode;
	int err;

	if (!is_valid_record(in, ser) || (!in->nr_inodes && !S_ISDIR(ser->mode)))
		return -EINVAL;
	if (in->nr_inodes) {
		inode = shmem_luo_new_inode(sb, ser->mode, huge_decode_dev(ser->rdev),
					    KUIDT_INIT(ser->uid), KGIDT_INIT(ser->gid));
		/* No memory for the inode is no space, to tmpfs. */
		if (IS_ERR(inode))
			return inode == ERR_PTR(-ENOSPC) ? -ENOMEM : PTR_ERR(inode);
	} else {
		inode = d_inode(sb->s_root);
		err = set_root_owner(inode, ser);
		if (err)
			return err;
		ihold(inode);
	}
	in->inodes[in->nr_inodes++] = inode;
	return set_inode(inode, ser);
}

static int read_name(struct tmpfs_luo_in *in, char *name, u8 len)
{
	int err = tmpfs_luo_read(&in->bytes, name, len);

	name[len] = '\0';
	return err ?: len && strlen(name) == len ? err : -EINVAL;
}

static int add_target(struct tmpfs_luo_in *in, struct inode *inode, u64 size)
{
	int err = tmpfs_luo_read(&in->bytes, in->buffer, size);

	in->buffer[size] = '\0';
	if (err || strlen(in->buffer) != size)
		return -EINVAL;
	return shmem_luo_set_target(inode, in->buffer);
}

static int acl_type(const char *name)
{
	if (!strcmp(name, XATTR_NAME_POSIX_ACL_ACCESS))
		return ACL_TYPE_ACCESS;
	return strcmp(name, XATTR_NAME_POSIX_ACL_DEFAULT) ? -1 : ACL_TYPE_DEFAULT;
}

static bool is_valid_acl(struct inode *inode, int type, const struct posix_acl *acl)
{
	umode_t mode = inode->i_mode;

	if (posix_acl_valid(&init_user_ns, acl) || posix_acl_equiv_mode(acl, &mode) < 0)
		return false;
	return type == ACL_TYPE_ACCESS ? !S_ISLNK(mode) && mode == inode->i_mode :
					 S_ISDIR(mode);
}

static int add_acl(struct tmpfs_luo_in *in, struct inode *inode, int type, size_t size)
{
	struct posix_acl *acl = get_cached_acl(inode, type);
	int err = 0;

	if (acl) {
		posix_acl_release(acl);
		return -EINVAL;
	}
	acl = posix_acl_from_xattr(&init_user_ns, in->buffer, size);
	if (IS_ERR_OR_NULL(acl))
		return acl == ERR_PTR(-ENOMEM) ? -ENOMEM : -EINVAL;
	if (is_valid_acl(inode, type, acl))
		set_cached_acl(inode, type, acl);
	else
		err = -EINVAL;
	posix_acl_release(acl);
	return err;
}

/* Without its prefix; NULL when it is no attribute that a tmpfs has */
static const char *xattr_suffix(const char *name)
{
	static const char * const prefixes[] = {
		XATTR_SECURITY_PREFIX, XATTR_TRUSTED_PREFIX, XATTR_USER_PREFIX,
	};
	size_t len;
	int i;

	for (i = 0; i < ARRAY_SIZE(prefixes); i++) {
		len = str_has_prefix(name, prefixes[i]);
		if (len)
			return name[len] ? name + len : NULL;
	}
	return NULL;
}

static int add_attribute(struct tmpfs_luo_in *in, struct inode *inode, const char *name,
			 size_t size)
{
	const char *suffix = xattr_suffix(name);
	int err;

	if (!suffix)
		return -EINVAL;
	err = shmem_luo_set_xattr(inode, name, in->buffer, size);
	if (err)
		return err == -EEXIST ? -EINVAL : err;
	if (strncmp(name, XATTR_SECURITY_PREFIX, XATTR_SECURITY_PREFIX_LEN))
		return 0;
	/* A security module may have a label of its own for the inode. */
	err = security_inode_setsecurity(inode, suffix, in->buffer, size, 0);
	return err == -EOPNOTSUPP ? 0 : err;
}

static int add_xattr(struct tmpfs_luo_in *in, struct inode *inode)
{
	char name[TMPFS_V1_MAX_XATTR_NAME + 1];
	struct tmpfs_v1_xattr ser;
	int err, type;

	err = tmpfs_luo_read(&in->bytes, &ser, sizeof(ser)) ?: read_name(in, name, ser.name_len);
	if (!err && ser.size > TMPFS_V1_MAX_XATTR_SIZE)
		err = -EINVAL;
	if (!err)
		err = tmpfs_luo_read(&in->bytes, in->buffer, ser.size);
	if (err)
		return err;
	type = acl_type(name);
	return type < 0 ? add_attribute(in, inode, name, ser.size) :
			  add_acl(in, inode, type, ser.size);
}

/* Can the directory have an entry of a name, and has none yet? Has the name hashed. */
static bool can_add(struct dentry *parent, struct qstr *name)
{
	struct dentry *found = try_lookup_noperm(name, parent);

	if (IS_ERR(found))
		return false;
	dput(found);
	return !found && generic_ci_validate_strict_name(d_inode(parent), name);
}

/*
 * An entry either names an inode first, which is numbered next then, or is a hard link to
 * one that is no directory.
 */
static int add_entry(struct tmpfs_luo_in *in, struct dentry *parent)
{
	char name[TMPFS_V1_MAX_NAME + 1];
	struct tmpfs_v1_dirent ser;
	struct qstr qstr;
	bool is_new;
	int err;

	err = tmpfs_luo_read(&in->bytes, &ser, sizeof(ser)) ?: read_name(in, name, ser.name_len);
	if (err)
		return err;
	is_new = ser.inode == in->nr_inodes;
	qstr = (struct qstr)QSTR_INIT(name, ser.name_len);
	if (ser.inode > in->nr_inodes || ser.inode >= in->ser->nr_inodes ||
	    (!is_new && S_ISDIR(in->inodes[ser.inode]->i_mode)) || !can_add(parent, &qstr))
		return -EINVAL;
	err = is_new ? add_inode(in) : 0;
	return err ?: shmem_luo_link(parent, &qstr, in->inodes[ser.inode], is_new);
}

static int add_entries(struct tmpfs_luo_in *in, struct inode *inode, u64 nr)
{
	struct dentry *parent = d_find_any_alias(inode);
	int err = 0;

	while (!err && nr--) {
		err = fatal_signal_pending(current) ? -EINTR : add_entry(in, parent);
		cond_resched();
	}
	dput(parent);
	return err;
}

/* Add what an inode has, other than pages. */
static int add_parts(struct tmpfs_luo_in *in, u64 index)
{
	const struct tmpfs_v1_inode *ser = record_of(in, index);
	struct inode *inode = in->inodes[index];
	int err = 0;
	u32 i;

	if (S_ISLNK(ser->mode))
		err = add_target(in, inode, ser->size);
	for (i = 0; !err && i < ser->nr_xattrs; i++)
		err = add_xattr(in, inode);
	if (!err && S_ISDIR(ser->mode))
		err = add_entries(in, inode, ser->size);
	return err;
}

static int add_extent(void *arg, const struct luo_extent *extent, u32 index)
{
	struct tmpfs_luo_in *in = arg;
	const struct tmpfs_v1_inode *ser;
	struct inode *inode;
	int err;

	if (index >= in->nr_inodes)
		return -EINVAL;
	ser = record_of(in, index);
	inode = in->inodes[index];
	if (!S_ISREG(ser->mode) ||
	    !luo_extent_is_valid(extent, DIV_ROUND_UP_ULL(ser->size, PAGE_SIZE)))
		return -EINVAL;
	if (!SHMEM_I(inode)->luo_in) {
		err = memfd_luo_begin_in(inode);
		if (err)
			return err;
	}
	in->nr_pages[index] += extent->nr;
	return memfd_luo_pend(inode, extent);
}

/* What can be told only at the end */
static int check_counts(struct tmpfs_luo_in *in)
{
	const struct tmpfs_v1_inode *ser;
	u64 i, nr_pages = 0;

	for (i = 0; i < in->nr_inodes; i++) {
		ser = record_of(in, i);
		if (in->inodes[i]->i_nlink != ser->nlink || in->nr_pages[i] != ser->nr_pages)
			return -EINVAL;
		nr_pages += ser->nr_pages;
	}
	return in->nr_inodes == in->ser->nr_inodes && nr_pages == in->ser->nr_pages &&
	       !in->bytes.left ? 0 : -EINVAL;
}

static int add_tree(struct tmpfs_luo_in *in)
{
	int err = add_inode(in);
	u64 i;

	/* Inodes are added meanwhile. */
	for (i = 0; !err && i < in->nr_inodes; i++)
		err = add_parts(in, i);
	if (!err)
		err = tmpfs_luo_each_extent(in->ser->extents, add_extent, in);
	return err ?: check_counts(in);
}

static int account(struct tmpfs_luo_in *in)
{
	int err;
	u64 i;

	for (i = 0; i < in->nr_inodes; i++) {
		err = in->nr_pages[i] ?
		      memfd_luo_account_in(in->inodes[i], in->nr_pages[i]) : 0;
		if (err)
			return err;
		in->nr_accounted++;
		cond_resched();
	}
	return 0;
}

static int set_quota(struct super_block *sb, const struct tmpfs_v1_quota *quota)
{
	struct qc_dqblk dqblk = {
		.d_fieldmask = QC_SPC_HARD | QC_SPC_SOFT | QC_INO_HARD | QC_INO_SOFT,
		.d_spc_hardlimit = quota->limits.space,
		.d_spc_softlimit = quota->limits.soft_space,
		.d_ino_hardlimit = quota->limits.inodes,
		.d_ino_softlimit = quota->limits.soft_inodes,
	};
	struct kqid qid;
	int err;

	if (quota->type > GRPQUOTA || !sb_has_quota_active(sb, quota->type))
		return -EINVAL;
	qid = make_kqid(&init_user_ns, quota->type, quota->id);
	if (!qid_valid(qid))
		return -EINVAL;
	err = sb->s_qcop->set_dqblk(sb, qid, &dqblk);
	return err == -ERANGE ? -EINVAL : err;
}

/* What is there is not measured by limits: these come last. */
static int set_quotas(struct tmpfs_luo_in *in)
{
	struct super_block *sb = in->fc->root->d_sb;
	struct shmem_sb_info *sbinfo = sb->s_fs_info;
	const struct tmpfs_v1_limits *defaults = in->ser->defaults;
	const struct tmpfs_v1_page *page;
	u64 phys, at;
	int err;

	for (phys = in->ser->quotas; phys; phys = page->next) {
		page = phys_to_virt(phys);
		for (at = 0; at < page->used; at += sizeof(struct tmpfs_v1_quota)) {
			err = set_quota(sb, (const void *)page->data + at);
			if (err)
				return err;
			cond_resched();
		}
	}
	sbinfo->qlimits = (struct shmem_quota_limits) {
		.usrquota_bhardlimit = defaults[USRQUOTA].space,
		.usrquota_ihardlimit = defaults[USRQUOTA].inodes,
		.grpquota_bhardlimit = defaults[GRPQUOTA].space,
		.grpquota_ihardlimit = defaults[GRPQUOTA].inodes,
	};
	return 0;
}

/* Have the tree have no page, so that it can go without these. */
static void undo_pages(struct tmpfs_luo_in *in)
{
	u64 i;

	for (i = 0; i < in->nr_inodes; i++) {
		if (!SHMEM_I(in->inodes[i])->luo_in)
			continue;
		memfd_luo_unpend_all(in->inodes[i]);
		if (i < in->nr_accounted)
			memfd_luo_unaccount_in(in->inodes[i], in->nr_pages[i]);
		cond_resched();
	}
}

static void put_inodes(struct tmpfs_luo_in *in)
{
	while (in->nr_inodes) {
		iput(in->inodes[--in->nr_inodes]);
		cond_resched();
	}
}

/* The tmpfs */

static int set_option(struct fs_context *fc, const char *key, const char *format, u64 value)
{
	char text[24];

	snprintf(text, sizeof(text), format, value);
	return vfs_parse_fs_string(fc, key, text);
}

static int set_encoding(struct fs_context *fc, const struct tmpfs_v1_ser *ser)
{
	char text[24];
	int err;

	snprintf(text, sizeof(text), "utf8-%u.%u.%u", unicode_major(ser->casefold),
		 unicode_minor(ser->casefold), unicode_rev(ser->casefold));
	err = vfs_parse_fs_string(fc, "casefold", text);
	if (!err && ser->flags & TMPFS_V1_STRICT_ENCODING)
		err = vfs_parse_fs_string(fc, "strict_encoding", NULL);
	return err;
}

static int set_options(struct fs_context *fc, const struct tmpfs_v1_ser *ser)
{
	static const char * const huge[] = {
		[TMPFS_V1_HUGE_NEVER] = "never",
		[TMPFS_V1_HUGE_ALWAYS] = "always",
		[TMPFS_V1_HUGE_WITHIN_SIZE] = "within_size",
		[TMPFS_V1_HUGE_ADVISE] = "advise",
	};
	int err;

	err = vfs_parse_fs_string(fc, "source", ser->source) ?:
	      set_option(fc, "nr_blocks", "%llu", ser->max_blocks) ?:
	      set_option(fc, "nr_inodes", "%llu", ser->max_inodes) ?:
	      set_option(fc, "mode", "%llo", ser->mode) ?:
	      set_option(fc, "uid", "%llu", ser->uid) ?:
	      set_option(fc, "gid", "%llu", ser->gid) ?:
	      vfs_parse_fs_string(fc, ser->flags & TMPFS_V1_INODE64 ? "inode64" : "inode32",
				  NULL);
	if (!err && ser->flags & TMPFS_V1_NOSWAP)
		err = vfs_parse_fs_string(fc, "noswap", NULL);
	if (!err && ser->flags & TMPFS_V1_USRQUOTA)
		err = vfs_parse_fs_string(fc, "usrquota", NULL);
	if (!err && ser->flags & TMPFS_V1_GRPQUOTA)
		err = vfs_parse_fs_string(fc, "grpquota", NULL);
	if (!err && ser->casefold)
		err = set_encoding(fc, ser);
	/* A kernel that has none goes without. */
	if (!err && IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE))
		err = vfs_parse_fs_string(fc, "huge", huge[ser->huge]);
	return err;
}

/* Does this kernel have all that the tmpfs needs? */
static bool can_have(const struct tmpfs_v1_ser *ser)
{
	return (IS_ENABLED(CONFIG_TMPFS_QUOTA) ||
		!(ser->flags & (TMPFS_V1_USRQUOTA | TMPFS_V1_GRPQUOTA))) &&
	       (IS_ENABLED(CONFIG_UNICODE) || !ser->casefold);
}

static int make_sb(struct tmpfs_luo_in *in)
{
	struct file_system_type *type;
	struct fs_context *fc;
	int err;

	if (!can_have(in->ser))
		return -EOPNOTSUPP;
	type = get_fs_type("tmpfs");
	if (!type)
		return -ENODEV;
	fc = fs_context_for_mount(type, 0);
	put_filesystem(type);
	if (IS_ERR(fc))
		return PTR_ERR(fc);
	err = set_options(fc, in->ser) ?: vfs_get_tree(fc);
	if (err) {
		put_fs_context(fc);
		return err == -EINVAL || err == -ENOMEM ? err : -ENOMEM;
	}
	up_write(&fc->root->d_sb->s_umount);
	in->fc = fc;
	return 0;
}

static int find_inode_pages(struct tmpfs_luo_in *in)
{
	u64 phys, i;

	in->inode_pages = kvmalloc_objs(*in->inode_pages, in->nr_inode_pages, GFP_KHO);
	if (!in->inode_pages)
		return -ENOMEM;
	for (phys = in->ser->inodes, i = 0; phys; phys = in->inode_pages[i++]->next)
		in->inode_pages[i] = phys_to_virt(phys);
	return 0;
}

static int alloc_parts(struct tmpfs_luo_in *in)
{
	in->inodes = kvzalloc_objs(*in->inodes, in->ser->nr_inodes, GFP_KHO);
	in->nr_pages = kvzalloc_objs(*in->nr_pages, in->ser->nr_inodes, GFP_KHO);
	in->buffer = kvmalloc(TMPFS_V1_MAX_XATTR_SIZE, GFP_KHO);
	in->bytes = tmpfs_luo_begin_read(in->ser->bytes, in->ser->nr_bytes);
	return in->inodes && in->nr_pages && in->buffer ? find_inode_pages(in) : -ENOMEM;
}

static void free_parts(struct tmpfs_luo_in *in)
{
	kvfree(in->inodes);
	kvfree(in->nr_pages);
	kvfree(in->buffer);
	kvfree(in->inode_pages);
}

/* The root, on a mount that nobody else has */
static struct file *open_root(struct tmpfs_luo_in *in)
{
	struct path path;
	struct file *file;

	path.dentry = in->fc->root;
	path.mnt = vfs_create_mount(in->fc);
	if (IS_ERR(path.mnt))
		return ERR_CAST(path.mnt);
	path.mnt->mnt_flags |= tmpfs_luo_from_attrs(in->ser->mount_attrs);
	file = dentry_open(&path, O_RDONLY | O_DIRECTORY, current_cred());
	mntput(path.mnt);
	return file;
}

static struct timespec64 time_of(const struct tmpfs_v1_time *time)
{
	return (struct timespec64) { .tv_sec = time->sec, .tv_nsec = time->nsec };
}

/* Nothing can fail from here on. */
static void start(struct tmpfs_luo_in *in, struct file *file)
{
	struct super_block *sb = in->fc->root->d_sb;
	struct shmem_sb_info *sbinfo = sb->s_fs_info;
	const struct tmpfs_v1_inode *ser;
	struct inode *inode;
	u64 i;

	for (i = 0; i < in->nr_inodes; i++) {
		ser = record_of(in, i);
		inode = in->inodes[i];
		inode_set_atime_to_ts(inode, time_of(&ser->atime));
		inode_set_mtime_to_ts(inode, time_of(&ser->mtime));
		inode_set_ctime_to_ts(inode, time_of(&ser->ctime));
		SHMEM_I(inode)->i_crtime = time_of(&ser->btime);
		if (in->nr_pages[i])
			memfd_luo_start_in(inode, in->nr_pages[i]);
		cond_resched();
	}
	sbinfo->next_ino = in->ser->next_ino;
	sbinfo->luo_root = file;
	if (in->ser->flags & TMPFS_V1_RDONLY)
		sb->s_flags |= SB_RDONLY;
}

static struct file *make_tree(struct tmpfs_luo_in *in)
{
	struct file *file;
	int err;

	err = alloc_parts(in) ?: make_sb(in);
	if (err)
		return ERR_PTR(err);
	err = add_tree(in);
	file = err ? ERR_PTR(err) : open_root(in);
	if (!IS_ERR(file)) {
		err = account(in) ?: set_quotas(in);
		if (!err) {
			start(in, file);
			put_inodes(in);
			return file;
		}
		fput(file);
		file = ERR_PTR(err);
	}
	undo_pages(in);
	put_inodes(in);
	return file;
}

/**
 * tmpfs_luo_retrieve_tree() - make a tmpfs again
 * @data: what was handed over of it
 *
 * Context: process context, memfd_luo_in_lock held.
 * Return: its root, open for reading, on a mount of its own; or an ERR_PTR(), and nothing
 * was changed:
 * * -EINVAL: something of it is damaged, or is not there, or is there twice
 * * -EINTR: the caller is being killed
 * * -ENOMEM
 * * -ENOSPC: overcommitment does not allow for it
 * * -EOPNOTSUPP: it has quotas, or casefold, and this kernel has not
 */
struct file *tmpfs_luo_retrieve_tree(u64 data)
{
	struct tmpfs_luo_in in = {};
	struct file *file;
	int err;

	err = load(&in, data) ?: claim_all(&in);
	if (err)
		return ERR_PTR(err);
	file = make_tree(&in);
	if (in.fc)
		put_fs_context(in.fc);
	free_parts(&in);
	if (IS_ERR(file))
		unclaim_all(&in);
	else
		free_told(&in);
	return file;
}

static int hold_extent(void *arg, const struct luo_extent *extent, u32 inode)
{
	u64 *nr = arg;
	int err = luo_extent_is_poisoned(extent) ? -EHWPOISON : luo_extent_preserve(extent);

	if (!err)
		++*nr;
	return err;
}

static int unhold_extent(void *arg, const struct luo_extent *extent, u32 inode)
{
	u64 *nr = arg;

	if (!*nr)
		return -ECANCELED;
	--*nr;
	luo_extent_unpreserve(extent);
	return 0;
}

static int hold_extents(u64 phys)
{
	u64 nr = 0;
	int err = tmpfs_luo_each_extent(phys, hold_extent, &nr);

	if (err)
		tmpfs_luo_each_extent(phys, unhold_extent, &nr);
	return err;
}

static void unhold_extents(u64 phys)
{
	u64 nr = U64_MAX;

	tmpfs_luo_each_extent(phys, unhold_extent, &nr);
}

static int hold_all(const struct tmpfs_luo_in *in)
{
	const struct tmpfs_v1_ser *ser = in->ser;
	int err;

	err = kho_preserve_pages(pfn_to_page(PHYS_PFN(in->data)), 1);
	if (err)
		return err;
	err = tmpfs_luo_hold_chain(ser->inodes);
	if (err)
		goto err_ser;
	err = tmpfs_luo_hold_chain(ser->bytes);
	if (err)
		goto err_inodes;
	err = tmpfs_luo_hold_chain(ser->extents);
	if (err)
		goto err_bytes;
	err = tmpfs_luo_hold_chain(ser->quotas);
	if (err)
		goto err_extents;
	err = hold_extents(ser->extents);
	if (!err)
		return 0;

	tmpfs_luo_unhold_chain(ser->quotas);
err_extents:
	tmpfs_luo_unhold_chain(ser->extents);
err_bytes:
	tmpfs_luo_unhold_chain(ser->bytes);
err_inodes:
	tmpfs_luo_unhold_chain(ser->inodes);
err_ser:
	kho_unpreserve_pages(pfn_to_page(PHYS_PFN(in->data)), 1);
	return err;
}

/**
 * tmpfs_luo_carry_tree() - have a tmpfs preserved for the next kernel as it came
 * @data: what was handed over of it
 *
 * What its records mean is for the next kernel to look at.
 *
 * Context: process context, memfd_luo_in_lock held.
 * Return: 0; or, and then nothing is preserved, -EHWPOISON, -EINVAL, -ENOMEM.
 */
int tmpfs_luo_carry_tree(u64 data)
{
	struct tmpfs_luo_in in = {};
	int err;

	err = load(&in, data) ?: claim_all(&in);
	if (err)
		return err;
	err = hold_all(&in);
	unclaim_all(&in);
	return err;
}

/**
 * tmpfs_luo_uncarry_tree() - undo tmpfs_luo_carry_tree()
 * @data: what was handed over of it
 *
 * Context: process context, memfd_luo_in_lock held.
 */
void tmpfs_luo_uncarry_tree(u64 data)
{
	const struct tmpfs_v1_ser *ser = phys_to_virt(data);

	unhold_extents(ser->extents);
	tmpfs_luo_unhold_chain(ser->quotas);
	tmpfs_luo_unhold_chain(ser->extents);
	tmpfs_luo_unhold_chain(ser->bytes);
	tmpfs_luo_unhold_chain(ser->inodes);
	kho_unpreserve_pages(pfn_to_page(PHYS_PFN(data)), 1);
}

static int free_extent(void *arg, const struct luo_extent *extent, u32 inode)
{
	luo_extent_free(extent);
	return 0;
}

/**
 * tmpfs_luo_discard_tree() - free a tmpfs that nobody wants
 * @data: what was handed over of it
 *
 * Context: process context, memfd_luo_in_lock held.
 * Return: 0; or -EINVAL when something of it is damaged, and its memory stays reserved.
 */
int tmpfs_luo_discard_tree(u64 data)
{
	struct tmpfs_luo_in in = {};
	int err;

	err = load(&in, data) ?: claim_all(&in);
	if (err)
		return err;
	tmpfs_luo_each_extent(in.ser->extents, free_extent, NULL);
	free_told(&in);
	return 0;
}

/**
 * tmpfs_luo_tree_size() - how much do the files of a tmpfs have?
 * @data: what was handed over of it
 * @size: set to that, in bytes
 *
 * Context: process context, memfd_luo_in_lock held.
 * Return: 0, or -EINVAL.
 */
int tmpfs_luo_tree_size(u64 data, u64 *size)
{
	struct tmpfs_luo_in in = {};
	int err = load(&in, data);

	if (!err)
		*size = in.ser->nr_pages << PAGE_SHIFT;
	return err;
}
