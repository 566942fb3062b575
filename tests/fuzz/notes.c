// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's reader of notes beside a hand-over, given any bytes for them. The first piece
 * of memory is their root.
 */
#include "memory.h"

/* What only writing needs is nowhere. */
#pragma weak fdt_begin_node
#pragma weak fdt_create
#pragma weak fdt_end_node
#pragma weak fdt_finish
#pragma weak fdt_finish_reservemap
#pragma weak fdt_property
#pragma weak fdt_property_placeholder
#pragma weak kho_add_subtree
#pragma weak kho_block_set_destroy
#pragma weak kho_block_set_grow
#pragma weak kho_block_set_it_init
#pragma weak kho_block_set_it_reserve_entry
#pragma weak kho_block_set_shrink
#pragma weak liveupdate_enabled
#pragma weak luo_is_frozen
#define atomic64_read(v)		((v)->counter)
#define atomic64_add(n, v)		((v)->counter += (n))
#define atomic64_dec(v)			((v)->counter--)
#define atomic64_inc_return(v)		(++(v)->counter)
#define atomic64_sub_return(n, v)	((v)->counter -= (n))
#define smp_mb()			do { } while (0)
#define pr_warn(...)			do { } while (0)
#define MAX_ERRNO			4095
#define GFP_KERNEL_ACCOUNT		0
#define kmemdup_nul(text, len, gfp)	strndup(text, len)
#define swap(a, b)			do { typeof(a) __a = (a); (a) = (b); (b) = __a; } while (0)
#define sysfs_emit(page, ...)		sprintf(page, __VA_ARGS__)
#define NSEC_PER_MSEC			1000000
#define mul_u64_u64_div_u64(a, b, c)	((u64)((unsigned __int128)(a) * (b) / (c)))
#define cmpxchg(place, old, new)	((void)(*(place) = *(place) == (old) ? (new) : *(place)))
#define early_param(name, func)		int (*const func##_param)(char *) = func
#define sysfs_emit_at(page, at, ...)	sprintf((page) + (at), __VA_ARGS__)

static void list_add_tail(struct list_head *entry, struct list_head *head)
{
	entry->prev = head->prev;
	entry->next = head;
	head->prev->next = entry;
	head->prev = entry;
}

/* A u64 is no long long here. */
#pragma clang diagnostic ignored "-Wformat"
#include "../../kernel/liveupdate/luo_notes.c"
#include "../../kernel/liveupdate/luo_label.c"
#include "../../kernel/liveupdate/luo_lost.c"
#include "../../kernel/liveupdate/luo_timeline.c"

u64 luo_get_number(void)
{
	return 1;
}

/* Where KHO says that the root is, which may be nowhere */
static phys_addr_t root_offset;

int kho_retrieve_subtree(const char *name, phys_addr_t *phys, size_t *size)
{
	if (!nr_memory)
		return -ENOENT;
	*phys = BASE + root_offset;
	/* As an FDT may say of itself, too; it need not be a whole page. */
	*size = PAGE_SIZE << memory[0].order;
	return 0;
}

void luo_set_last_error(struct luo_error *of, const u64 *token, const char *what, int err)
{
	assert(*what && err < 0);
}

const char *luo_errname(int err, char buf[LUO_ERRNAME_LENGTH])
{
	assert(err < 0 && err >= -MAX_ERRNO);
	snprintf(buf, LUO_ERRNAME_LENGTH, "%d", err);
	return buf;
}

void luo_format_name(const char *name, char *text)
{
	assert(strnlen(name, LIVEUPDATE_SESSION_NAME_LENGTH) < LIVEUPDATE_SESSION_NAME_LENGTH);
	strcpy(text, name);
}

static void look_at_label(const struct luo_label_ser *ser)
{
	assert(strnlen(ser->session, sizeof(ser->session)) < sizeof(ser->session));
	assert(strnlen(ser->text, sizeof(ser->text)) < sizeof(ser->text));
	assert(ser->has_token <= 1);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct list_head *entry;
	char page[PAGE_SIZE];
	ssize_t len;
	char *text;

	luo_lost_list.next = luo_lost_list.prev = &luo_lost_list;
	memset(luo_timeline_in, 0, sizeof(luo_timeline_in));
	luo_timeline_in[LIVEUPDATE_PHASE_ENTRY] = 1ul << 62;
	luo_timeline_is_whole = false;
	memory_load(data, size);
	root_offset = size % 16 == 15;
	luo_label_check((const char *)data, size);
	if (!luo_notes_restore())
		luo_notes_forget(!luo_lost_restore() && !luo_label_restore(look_at_label) &&
				 !luo_timeline_restore());
	assert(luo_timeline_emit(page) < (ssize_t)sizeof(page));

	/* What is shown is as large as it was said to be. */
	len = luo_lost_emit(NULL, 0);
	text = malloc(len);
	assert(luo_lost_emit(text, len) == len);
	assert(!len || (text[len - 1] == '\n' && !memchr(text, '\0', len)));
	free(text);

	while ((entry = luo_lost_list.next) != &luo_lost_list) {
		luo_lost_list.next = entry->next;
		free(container_of(entry, struct luo_lost, list));
	}
	memory_unload();
	return 0;
}
