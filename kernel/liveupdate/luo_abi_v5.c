// SPDX-License-Identifier: GPL-2.0
/*
 * The hand-over format "luo-v5", that of Linux 7.3: a structure which points to
 * chains of blocks; see include/linux/kho/abi/luo.h. This is about the root and the
 * chains alone: luo_handover.c knows what the entries are.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/errno.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/luo.h>
#include <linux/liveupdate.h>
#include <linux/kho_block.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "luo_buf.h"
#include "luo_format.h"
#include "luo_state.h"
#include "luo_text.h"

LIVEUPDATE_VERSION(luo_v5, LUO_ABI_COMPATIBLE);

/*
 * What is handed over, all of it preserved; root is NULL while there is no session. And
 * where the next session and the next file are serialized to; the last session, and how
 * many files of it were serialized to which blocks.
 */
static struct {
	struct luo_ser *root;
	struct kho_block_set sessions;
	struct luo_flb_header_ser *flbs;
	struct kho_block_set_it next_session;
	struct kho_block_set_it next_file;
	struct luo_session_ser *session;
	struct kho_block_set *files;
	u64 nr_files;
} luo_v5;

static void *luo_v5_root(size_t *size)
{
	*size = sizeof(*luo_v5.root);
	return luo_v5.root;
}

static void luo_v5_free(void)
{
	if (!luo_v5.root)
		return;
	kho_block_set_destroy(&luo_v5.sessions);
	luo_buf_resize((void **)&luo_v5.flbs, 0);
	kho_unpreserve_free(luo_v5.root);
	luo_v5.root = NULL;
}

static int luo_v5_alloc(void)
{
	struct luo_ser *root;
	int err;

	root = kho_alloc_preserve(sizeof(*root));
	if (IS_ERR(root))
		return PTR_ERR(root);
	err = luo_buf_resize((void **)&luo_v5.flbs, luo_flbs_size(0));
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
		luo_v5_free();
		return 0;
	}
	if (!was_there)
		err = luo_v5_alloc();
	if (err)
		return err;
	err = luo_v5_resize(&luo_v5.sessions, nr);
	if (err && !was_there)
		luo_v5_free();
	return err;
}

static int luo_v5_reserve_files(void **buffer, u64 nr)
{
	struct kho_block_set *blocks = *buffer;
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
	*buffer = blocks;
	return err;
}

static int luo_v5_reserve_flbs(u64 nr)
{
	return luo_buf_resize((void **)&luo_v5.flbs, luo_flbs_size(nr));
}

static void luo_v5_begin(void)
{
	kho_block_set_it_init(&luo_v5.next_session, &luo_v5.sessions);
}

/* The format knows no empty blocks, and there may be room for more than there is. */
static void luo_v5_end_session(void)
{
	if (!luo_v5.files)
		return;
	kho_block_set_shrink(luo_v5.files, luo_v5.nr_files);
	luo_v5.session->file_set_ser.files = kho_block_set_head_pa(luo_v5.files);
}

static struct luo_session_ser *luo_v5_append_session(void *buffer)
{
	luo_v5_end_session();
	luo_v5.session = kho_block_set_it_reserve_entry(&luo_v5.next_session);
	luo_v5.session->file_set_ser.files = 0;
	luo_v5.files = buffer;
	luo_v5.nr_files = 0;
	if (buffer)
		kho_block_set_it_init(&luo_v5.next_file, buffer);
	return luo_v5.session;
}

static struct luo_file_ser *luo_v5_append_file(void)
{
	luo_v5.nr_files++;
	return kho_block_set_it_reserve_entry(&luo_v5.next_file);
}

static struct luo_flb_header_ser *luo_v5_end(u64 nr_sessions)
{
	luo_v5_end_session();
	kho_block_set_shrink(&luo_v5.sessions, nr_sessions);
	luo_v5.root->sessions_pa = kho_block_set_head_pa(&luo_v5.sessions);
	luo_v5.root->flbs_pa = virt_to_phys(luo_v5.flbs);
	return luo_v5.flbs;
}

static const char *luo_v5_identify(const void *blob, size_t size)
{
	const struct luo_ser *root = blob;

	if (size < sizeof(*root) ||
	    !luo_is_string(root->compatible, sizeof(root->compatible)) ||
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

static int luo_v5_find_flbs(const void *blob, u64 *phys)
{
	const struct luo_ser *root = blob;

	*phys = root->flbs_pa;
	return *phys ? 0 : -ENODATA;
}

static int luo_v5_each_file(const struct luo_file_set_ser *set, luo_entry_fn fn, void *arg)
{
	u64 understood = 0;
	int err = luo_buf_each(set->files, sizeof(struct luo_file_ser), fn, arg, &understood);

	return err ?: understood == set->count ? 0 : -EINVAL;
}

static int luo_v5_each_session(const void *blob, luo_entry_fn fn, void *arg)
{
	const struct luo_ser *root = blob;
	u64 understood = 0;

	return luo_buf_each(root->sessions_pa, sizeof(struct luo_session_ser), fn, arg,
			    &understood);
}

const struct luo_abi luo_abi_v5 = {
	.nr = LUO_V5,
	.compatible = LUO_ABI_COMPATIBLE,
	.is_base = true,
	.root = luo_v5_root,
	.reserve_sessions = luo_v5_reserve_sessions,
	.reserve_files = luo_v5_reserve_files,
	.reserve_flbs = luo_v5_reserve_flbs,
	.begin = luo_v5_begin,
	.append_session = luo_v5_append_session,
	.append_file = luo_v5_append_file,
	.end = luo_v5_end,
	.identify = luo_v5_identify,
	.read_number = luo_v5_read_number,
	.find_flbs = luo_v5_find_flbs,
	.each_session = luo_v5_each_session,
	.each_file = luo_v5_each_file,
};
