// SPDX-License-Identifier: GPL-2.0
/*
 * The hand-over format "luo-v5", that of Linux 7.3: a structure which points to
 * chains of blocks; see include/linux/kho/abi/luo.h.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/errno.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/luo.h>
#include <linux/kho_block.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "luo_internal.h"

LIVEUPDATE_VERSION(luo_v5, LUO_ABI_COMPATIBLE);

/* What is handed over, all of it preserved; root is NULL while there is no session */
static struct {
	struct luo_ser *root;
	struct kho_block_set sessions;
	struct luo_flb_header_ser *flbs;
} luo_v5;

static void *luo_v5_root(size_t *size)
{
	*size = sizeof(*luo_v5.root);
	return luo_v5.root;
}

static void luo_v5_end(void)
{
	if (!luo_v5.root)
		return;
	kho_block_set_destroy(&luo_v5.sessions);
	luo_room_resize((void **)&luo_v5.flbs, 0);
	kho_unpreserve_free(luo_v5.root);
	luo_v5.root = NULL;
}

static int luo_v5_begin(void)
{
	struct luo_ser *root;
	int err;

	root = kho_alloc_preserve(sizeof(*root));
	if (IS_ERR(root))
		return PTR_ERR(root);
	err = luo_flbs_resize(&luo_v5.flbs, 0);
	if (err) {
		kho_unpreserve_free(root);
		return err;
	}

	kho_block_set_init(&luo_v5.sessions, sizeof(struct luo_session_ser));
	strscpy_pad(root->compatible, LUO_ABI_COMPATIBLE);
	root->liveupdate_num = luo_get_number() + 1;
	root->sessions_pa = 0;
	luo_v5.root = root;
	return 0;
}

static int luo_v5_resize(struct kho_block_set *blocks, u64 nr)
{
	kho_block_set_shrink(blocks, nr);
	return kho_block_set_grow(blocks, nr);
}

static int luo_v5_reserve_sessions(u64 nr)
{
	bool was_there = luo_v5.root;
	int err = 0;

	if (!nr) {
		luo_v5_end();
		return 0;
	}
	if (!was_there)
		err = luo_v5_begin();
	if (err)
		return err;
	err = luo_v5_resize(&luo_v5.sessions, nr);
	if (err && !was_there)
		luo_v5_end();
	return err;
}

static int luo_v5_reserve_files(void **room, u64 nr)
{
	struct kho_block_set *blocks = *room;
	int err;

	if (!blocks && nr) {
		blocks = kmalloc_obj(*blocks, GFP_KHO);
		if (!blocks)
			return -ENOMEM;
		kho_block_set_init(blocks, sizeof(struct luo_file_ser));
	}
	if (!blocks)
		return 0;

	err = luo_v5_resize(blocks, nr);
	if (kho_block_set_is_empty(blocks)) {
		kfree(blocks);
		blocks = NULL;
	}
	*room = blocks;
	return err;
}

static int luo_v5_reserve_flbs(u64 nr)
{
	return luo_flbs_resize(&luo_v5.flbs, nr);
}

static void luo_v5_write_files(struct luo_session *session,
			       struct luo_file_set_ser *set)
{
	struct kho_block_set *blocks = session->room[LUO_V5];
	struct luo_file_ser *ser;
	struct kho_block_set_it it;
	struct luo_file *lf;

	set->count = 0;
	set->files = blocks ? kho_block_set_head_pa(blocks) : 0;
	if (!blocks)
		return;
	kho_block_set_it_init(&it, blocks);
	luo_for_each_file(lf, session) {
		ser = kho_block_set_it_reserve_entry(&it);
		strscpy_pad(ser->compatible, lf->compatible);
		ser->data = lf->data;
		ser->token = lf->token;
		set->count++;
	}
}

static void luo_v5_write(void)
{
	struct luo_session *session;
	struct luo_session_ser *ser;
	struct kho_block_set_it it;
	u64 nr = 0;

	if (!luo_v5.root)
		return;

	kho_block_set_it_init(&it, &luo_v5.sessions);
	luo_for_each_session(session, &luo_outgoing) {
		if (session->abandoned)
			continue;
		ser = kho_block_set_it_reserve_entry(&it);
		strscpy_pad(ser->name, session->name);
		luo_v5_write_files(session, &ser->file_set_ser);
		nr++;
	}
	/* The format knows no empty blocks. */
	kho_block_set_shrink(&luo_v5.sessions, nr);
	luo_v5.root->sessions_pa = kho_block_set_head_pa(&luo_v5.sessions);
	luo_v5.root->flbs_pa = virt_to_phys(luo_v5.flbs);
	luo_v5.flbs->count = luo_flb_write((void *)(luo_v5.flbs + 1));
}

static const char *luo_v5_identify(const void *blob, size_t size)
{
	const struct luo_ser *root = blob;

	if (size < sizeof(*root) ||
	    !luo_abi_is_string(root->compatible, sizeof(root->compatible)) ||
	    strncmp(root->compatible, "luo-", strlen("luo-")))
		return NULL;
	return root->compatible;
}

static int luo_v5_read_number(const void *blob, u64 *number)
{
	const struct luo_ser *root = blob;

	*number = root->liveupdate_num;
	return 0;
}

static void luo_v5_read_flbs(const void *blob)
{
	const struct luo_ser *root = blob;

	if (root->flbs_pa)
		luo_abi_read_flbs(root->flbs_pa);
}

/*
 * Read the entries of a block that was taken. When all was understood it is freed,
 * else it lies: it may be of use to somebody.
 */
static void luo_v5_read_block(struct kho_block_header_ser *block, size_t size,
			      int (*read)(void *entry, void *context), void *context)
{
	void *entry = block + 1;
	int err = 0;
	u64 i;

	for (i = 0; i < block->count; i++, entry += size)
		err = read(entry, context) ?: err;
	if (!err)
		luo_abi_free(block);
}

/*
 * Read the entries, of @size bytes each, of a chain of blocks. Returns 0, or what
 * is wrong with the chain; what comes before that is read. A chain that runs in a
 * circle ends where it comes to a block that was taken.
 */
static int luo_v5_read_chain(u64 phys, size_t size,
			     int (*read)(void *entry, void *context), void *context)
{
	const u64 max = (KHO_BLOCK_SIZE - sizeof(struct kho_block_header_ser)) / size;
	struct kho_block_header_ser *block;
	u64 next;

	for (; phys; phys = next) {
		block = liveupdate_preserved_data(phys, KHO_BLOCK_SIZE);
		if (!block)
			return -EFAULT;
		if (!block->count || block->count > max)
			return -EINVAL;
		if (!luo_abi_take(phys, KHO_BLOCK_SIZE))
			return -EFAULT;
		next = block->next;
		luo_v5_read_block(block, size, read, context);
	}
	return 0;
}

static int luo_v5_read_file(void *entry, void *context)
{
	return luo_abi_read_file(context, entry);
}

static int luo_v5_read_files(struct luo_session *session,
			     const struct luo_file_set_ser *set)
{
	int err = luo_v5_read_chain(set->files, sizeof(struct luo_file_ser),
				    luo_v5_read_file, session);

	return err ?: session->nr_files == set->count ? 0 : -EINVAL;
}

static int luo_v5_read_session(void *entry, void *context)
{
	return luo_abi_read_session(entry, luo_v5_read_files);
}

static void luo_v5_read(const void *blob)
{
	const struct luo_ser *root = blob;
	int err = luo_v5_read_chain(root->sessions_pa, sizeof(struct luo_session_ser),
				    luo_v5_read_session, NULL);

	if (err)
		luo_set_last_error(NULL, NULL, "sessions of the hand-over", err);
}

const struct luo_abi luo_abi_v5 = {
	.nr = LUO_V5,
	.compatible = LUO_ABI_COMPATIBLE,
	.root = luo_v5_root,
	.reserve_sessions = luo_v5_reserve_sessions,
	.reserve_files = luo_v5_reserve_files,
	.reserve_flbs = luo_v5_reserve_flbs,
	.write = luo_v5_write,
	.identify = luo_v5_identify,
	.read_number = luo_v5_read_number,
	.read_flbs = luo_v5_read_flbs,
	.read = luo_v5_read,
};
