// SPDX-License-Identifier: GPL-2.0
/*
 * The hand-over format "luo-v1": a flattened device tree that points to arrays
 * which are contiguous in physical memory; see include/linux/kho/abi/luo.h.
 *
 * The tree is there, and valid, as long as there is a session to hand over; the
 * reboot path appends to the arrays. This is about the root and the arrays alone:
 * luo_handover.c knows what the entries are.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/errno.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/luo.h>
#include <linux/liveupdate.h>
#include <linux/libfdt.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/string.h>

#include "luo_buf.h"
#include "luo_format.h"
#include "luo_state.h"
#include "luo_text.h"

LIVEUPDATE_VERSION(luo_v1, LUO_FDT_COMPATIBLE);

/*
 * What is handed over, all of it preserved; NULL while there is no session. And where
 * the next session and the next file are serialized to.
 */
static struct {
	void *fdt;
	struct luo_session_header_ser *sessions;
	struct luo_flb_header_ser *flbs;
	struct luo_session_ser *next_session;
	struct luo_file_ser *next_file;
} luo_v1;

static int luo_v1_write_node(void *fdt, const char *name, const char *compatible,
			     const char *header, void *where)
{
	u64 phys = virt_to_phys(where);

	return fdt_begin_node(fdt, name) ?:
	       fdt_property_string(fdt, "compatible", compatible) ?:
	       fdt_property(fdt, header, &phys, sizeof(phys)) ?:
	       fdt_end_node(fdt);
}

static int luo_v1_write_fdt(void)
{
	u64 number = luo_get_number() + 1;
	void *fdt = luo_v1.fdt;
	int err;

	err = fdt_create(fdt, LUO_FDT_SIZE) ?:
	      fdt_finish_reservemap(fdt) ?:
	      fdt_begin_node(fdt, "") ?:
	      fdt_property_string(fdt, "compatible", LUO_FDT_COMPATIBLE) ?:
	      fdt_property(fdt, LUO_FDT_LIVEUPDATE_NUM, &number, sizeof(number)) ?:
	      luo_v1_write_node(fdt, LUO_FDT_SESSION_NODE_NAME,
				LUO_FDT_SESSION_COMPATIBLE,
				LUO_FDT_SESSION_HEADER, luo_v1.sessions) ?:
	      luo_v1_write_node(fdt, LUO_FDT_FLB_NODE_NAME,
				LUO_FDT_FLB_COMPATIBLE,
				LUO_FDT_FLB_HEADER, luo_v1.flbs) ?:
	      fdt_end_node(fdt) ?:
	      fdt_finish(fdt);

	return WARN_ON_ONCE(err) ? -EINVAL : 0;
}

static void *luo_v1_root(size_t *size)
{
	*size = LUO_FDT_SIZE;
	return luo_v1.fdt;
}

static void luo_v1_free(void)
{
	luo_buf_resize(&luo_v1.fdt, 0);
	luo_buf_resize((void **)&luo_v1.sessions, 0);
	luo_buf_resize((void **)&luo_v1.flbs, 0);
}

static struct luo_session_ser *luo_v1_sessions(struct luo_session_header_ser *header)
{
	return (void *)(header + 1);
}

static int luo_v1_reserve_sessions(u64 nr)
{
	size_t size = size_add(sizeof(*luo_v1.sessions),
			       size_mul(nr, sizeof(struct luo_session_ser)));
	struct luo_session_header_ser *old = luo_v1.sessions;
	int err;

	if (!nr) {
		luo_v1_free();
		return 0;
	}

	err = luo_buf_resize((void **)&luo_v1.sessions, size);
	if (!err && !old)
		err = luo_buf_resize((void **)&luo_v1.flbs, luo_flbs_size(0));
	if (!err && !old)
		err = luo_buf_resize(&luo_v1.fdt, LUO_FDT_SIZE);
	if (!err && luo_v1.sessions != old)
		err = luo_v1_write_fdt();
	if (err && !old)
		luo_v1_free();
	return err;
}

static int luo_v1_reserve_files(void **buffer, u64 nr)
{
	return luo_buf_resize(buffer, size_mul(nr, sizeof(struct luo_file_ser)));
}

static int luo_v1_reserve_flbs(u64 nr)
{
	return luo_buf_resize((void **)&luo_v1.flbs, luo_flbs_size(nr)) ?: luo_v1_write_fdt();
}

static void luo_v1_begin(void)
{
	luo_v1.next_session = luo_v1_sessions(luo_v1.sessions);
}

static struct luo_session_ser *luo_v1_append_session(void *buffer)
{
	struct luo_session_ser *ser = luo_v1.next_session++;

	luo_v1.next_file = buffer;
	ser->file_set_ser.files = buffer ? virt_to_phys(buffer) : 0;
	return ser;
}

static struct luo_file_ser *luo_v1_append_file(void)
{
	return luo_v1.next_file++;
}

static struct luo_flb_header_ser *luo_v1_end(u64 nr_sessions)
{
	luo_v1.sessions->count = nr_sessions;
	return luo_v1.flbs;
}

/* A u64 property of a node; returns -EINVAL when it is not there or not one. */
static int luo_v1_read_u64(const void *fdt, int node, const char *name, u64 *value)
{
	int len;
	const void *prop = fdt_getprop(fdt, node, name, &len);

	if (!prop || len != sizeof(*value))
		return -EINVAL;
	memcpy(value, prop, sizeof(*value));
	return 0;
}

/* The compatible string of a node, or NULL when it has none. */
static const char *luo_v1_compatible(const void *fdt, int node)
{
	int len;
	const char *compatible = fdt_getprop(fdt, node, "compatible", &len);

	return compatible && len > 0 && luo_is_string(compatible, len) ?
	       compatible : NULL;
}

static const char *luo_v1_identify(const void *fdt, size_t size)
{
	if (size < FDT_V17_SIZE || fdt_check_header(fdt) || fdt_totalsize(fdt) > size)
		return NULL;
	return luo_v1_compatible(fdt, 0);
}

static int luo_v1_read_number(const void *fdt, u64 *number)
{
	return luo_v1_read_u64(fdt, 0, LUO_FDT_LIVEUPDATE_NUM, number);
}

/* The physical address that a node points to, if it is of the version we know. */
static int luo_v1_find_header(const void *fdt, const char *name,
			      const char *compatible, const char *header, u64 *phys)
{
	const char *found;
	int node;

	node = fdt_subnode_offset(fdt, 0, name);
	if (node < 0)
		return -ENOENT;
	found = luo_v1_compatible(fdt, node);
	if (!found || strcmp(found, compatible))
		return -EPROTONOSUPPORT;
	return luo_v1_read_u64(fdt, node, header, phys);
}

static int luo_v1_find_flbs(const void *fdt, u64 *phys)
{
	return luo_v1_find_header(fdt, LUO_FDT_FLB_NODE_NAME, LUO_FDT_FLB_COMPATIBLE,
				  LUO_FDT_FLB_HEADER, phys);
}

static int luo_v1_each_file(const struct luo_file_set_ser *set, luo_entry_fn fn, void *arg)
{
	struct luo_file_ser *ser;
	int err, ret = 0;
	u64 i;

	if (!set->count)
		return 0;
	if (check_mul_overflow(set->count, sizeof(*ser), &i))
		return -EINVAL;
	ser = luo_buf_take(set->files, i);
	if (!ser)
		return -EFAULT;

	for (i = 0; i < set->count; i++) {
		err = fn(&ser[i], arg);
		if (err)
			ret = err;
	}
	if (!ret)
		luo_buf_free(ser);
	return 0;
}

/* Take the array that a node's property points to, or tell why there is none. */
static struct luo_session_header_ser *luo_v1_take_sessions(const void *fdt)
{
	struct luo_session_header_ser *header;
	u64 phys, size;
	int err;

	err = luo_v1_find_header(fdt, LUO_FDT_SESSION_NODE_NAME, LUO_FDT_SESSION_COMPATIBLE,
				 LUO_FDT_SESSION_HEADER, &phys);
	if (err)
		return ERR_PTR(err);

	header = liveupdate_preserved_data(phys, sizeof(*header));
	if (!header)
		return ERR_PTR(-EFAULT);
	size = size_add(sizeof(*header),
			size_mul(header->count, sizeof(struct luo_session_ser)));
	return luo_buf_take(phys, size) ?: ERR_PTR(-EINVAL);
}

static int luo_v1_each_session(const void *fdt, luo_entry_fn fn, void *arg)
{
	struct luo_session_header_ser *header;
	int err, ret = 0;
	u64 i;

	header = luo_v1_take_sessions(fdt);
	if (IS_ERR(header))
		return PTR_ERR(header);

	for (i = 0; i < header->count; i++) {
		err = fn(&luo_v1_sessions(header)[i], arg);
		if (err)
			ret = err;
	}
	if (!ret)
		luo_buf_free(header);
	return 0;
}

const struct luo_abi luo_abi_v1 = {
	.nr = LUO_V1,
	.compatible = LUO_FDT_COMPATIBLE,
	.root = luo_v1_root,
	.reserve_sessions = luo_v1_reserve_sessions,
	.reserve_files = luo_v1_reserve_files,
	.reserve_flbs = luo_v1_reserve_flbs,
	.begin = luo_v1_begin,
	.append_session = luo_v1_append_session,
	.append_file = luo_v1_append_file,
	.end = luo_v1_end,
	.identify = luo_v1_identify,
	.read_number = luo_v1_read_number,
	.find_flbs = luo_v1_find_flbs,
	.each_session = luo_v1_each_session,
	.each_file = luo_v1_each_file,
};
