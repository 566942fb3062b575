// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's readers of luo-v1 and luo-v5, given any bytes for a hand-over. The
 * first piece of memory is its root. What the core is told is checked here as the
 * core relies on it.
 */
#include "memory.h"

/* What only writing needs is nowhere. */
#pragma weak kho_add_subtree
#pragma weak kho_alloc_preserve
#pragma weak kho_block_set_destroy
#pragma weak kho_block_set_grow
#pragma weak kho_block_set_init
#pragma weak kho_block_set_it_init
#pragma weak kho_block_set_it_reserve_entry
#pragma weak kho_block_set_shrink
#pragma weak kho_remove_subtree
#pragma weak list_empty
#pragma weak luo_file_set_convert
#pragma weak luo_flb_nr_outgoing
#pragma weak luo_flb_serialize
#pragma weak luo_gate_close
#pragma weak luo_gate_open
#pragma weak luo_gate_undo
#pragma weak luo_freeze_deadline
#pragma weak luo_get_number
#pragma weak sysfs_emit_at
#pragma weak sysfs_streq
#pragma weak virt_to_phys

#include "../../kernel/liveupdate/luo_abi.c"
#include "../../kernel/liveupdate/luo_abi_v1.c"
#include "../../kernel/liveupdate/luo_abi_v5.c"
#include "../../kernel/liveupdate/luo_handover.c"

/* More do not fit. */
#define MAX_SESSIONS	(MAX_PAGES * PAGE_SIZE / sizeof(struct luo_session_ser))
#define MAX_FILES	(MAX_PAGES * PAGE_SIZE / sizeof(struct luo_file_ser))

static struct luo_session *sessions[MAX_SESSIONS];
static unsigned int nr_sessions;
static u64 tokens[MAX_FILES];
static const struct luo_file_set *tokens_of[MAX_FILES];
static unsigned int nr_files;
static unsigned int nr_lines;

struct luo_session_list luo_incoming, luo_outgoing;

struct luo_session *luo_session_alloc(const char *name)
{
	struct luo_session *session;

	assert(*name && strnlen(name, LIVEUPDATE_SESSION_NAME_LENGTH) < LIVEUPDATE_SESSION_NAME_LENGTH);
	assert(nr_sessions < MAX_SESSIONS);
	session = calloc(1, sizeof(*session));
	strcpy(session->name, name);
	return session;
}

void luo_session_put(struct luo_session *session)
{
	free(session);
}

int luo_session_arrive(struct luo_session *session)
{
	unsigned int i;

	for (i = 0; i < nr_sessions; i++) {
		if (!strcmp(sessions[i]->name, session->name))
			return -EEXIST;
	}
	sessions[nr_sessions++] = session;
	return 0;
}

int luo_file_add_incoming(struct luo_file_set *set, u64 token, const char *compatible, u64 data)
{
	unsigned int i;

	assert(*compatible && strnlen(compatible, LIVEUPDATE_HNDL_COMPAT_LENGTH) < LIVEUPDATE_HNDL_COMPAT_LENGTH);
	assert(nr_files < MAX_FILES);
	for (i = 0; i < nr_files; i++) {
		if (tokens_of[i] == set && tokens[i] == token)
			return -EEXIST;
	}
	tokens[nr_files] = token;
	tokens_of[nr_files++] = set;
	set->nr++;
	return 0;
}

int luo_flb_add_incoming(const char *compatible, u64 data, u64 count)
{
	assert(*compatible && strnlen(compatible, LIVEUPDATE_FLB_COMPAT_LENGTH) < LIVEUPDATE_FLB_COMPAT_LENGTH);
	return count ? 0 : -EINVAL;
}

void luo_set_last_error(struct luo_error *of, const u64 *token, const char *what, int err)
{
	assert(*what && err < 0);
	/* What was handed over bounds what is said of it. */
	assert(++nr_lines < MAX_PAGES * PAGE_SIZE);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	const struct luo_abi *abi;
	const char *name;
	unsigned int n;
	size_t root_size;
	void *root;
	u64 number;

	nr_sessions = nr_files = nr_lines = 0;
	memory_load(data, size);
	if (!nr_memory)
		return 0;

	root_size = PAGE_SIZE << memory[0].order;
	abi = luo_abi_identify(memory[0].mem, root_size, &name);
	if (abi) {
		root = luo_buf_take(BASE, root_size);
		luo_restore_flbs(abi, root);
		abi->read_number(root, &number);
		luo_restore_sessions(abi, root);
		luo_buf_free(root);
	} else if (name) {
		assert(strlen(name) < root_size);
	}

	for (n = 0; n < nr_sessions; n++)
		free(sessions[n]);
	memory_unload();
	return 0;
}
