// SPDX-License-Identifier: GPL-2.0
/*
 * What is handed over, decoded: the root of it, which debugfs shows, and what
 * that points to, for which the memory has to be readable.
 *
 * It is input from outside, and may be gone: the reboot path writes it last of
 * all, and the next kernel gives it back when it has read it.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libfdt.h>
#include <linux/kho/abi/luo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "luo-sh.h"
#include "memory.h"

#define SUBTREE		"/sub_fdts/" LUO_KHO_ENTRY_NAME

/* More than any machine has, and less than what a wrong number asks for */
#define MAX_ENTRIES	(1 << 20)

/* A hand-over, and what is needed to follow its addresses */
struct handover {
	const char *path;
	const struct memory *memory;
	/* How many bytes of entries may be read yet: all of them lie in the memory. */
	uint64_t bytes_left;
	bool is_chained;
	size_t len;
	/* As libfdt wants it */
	char root[65536] __attribute__((aligned(8)));
};

static struct json_object *new_hex(uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%" PRIx64, value);
	return json_object_new_string(text);
}

static struct json_object *new_decimal(uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	return json_object_new_string(text);
}

/* A string that may lack its end */
static struct json_object *new_text(const char *text, size_t size)
{
	return json_object_new_string_len(text, strnlen(text, size));
}

/*
 * Count @count entries as read. Sessions that share the files of one would make gigabytes of
 * output of a few pages.
 */
static int take_entries(struct handover *handover, uint64_t address, uint64_t count, size_t size)
{
	if (count * size > handover->bytes_left)
		return complain(STATUS_FAILED,
				"%s: 0x%" PRIx64 ": more entries than the memory has room for",
				handover->path, address);
	handover->bytes_left -= count * size;
	return STATUS_OK;
}

/* Read @count entries, for the caller to free. One more is allocated, so that none is no error. */
static int read_array(struct handover *handover, uint64_t address, uint64_t count, size_t size,
		      void **entries)
{
	int status;

	*entries = NULL;
	if (count > MAX_ENTRIES)
		return complain(STATUS_FAILED,
				"%s: 0x%" PRIx64 ": %" PRIu64 " entries, that cannot be",
				handover->path, address, count);
	status = take_entries(handover, address, count, size);
	if (status)
		return status;
	*entries = calloc(count + 1, size);
	if (!*entries)
		return fail(ENOMEM, "%s", handover->path);
	return count ? memory_read(handover->memory, address, *entries, count * size) : STATUS_OK;
}

/* luo-v5: blocks of a page, each with the address of the next one */
static int read_chain(struct handover *handover, uint64_t address, uint64_t *count, size_t size,
		      void **entries)
{
	const size_t max = (sysconf(_SC_PAGESIZE) - sizeof(struct kho_block_header_ser)) / size;
	struct kho_block_header_ser block;
	size_t nr_blocks = 0;
	int status = STATUS_OK;
	char *more;

	*entries = NULL;
	*count = 0;
	for (; address && !status; address = block.next) {
		status = memory_read(handover->memory, address, &block, sizeof(block));
		if (status)
			break;
		if (block.count > max || nr_blocks++ > MAX_ENTRIES / max)
			status = complain(STATUS_FAILED, "%s: 0x%" PRIx64 ": no block of entries",
					  handover->path, address);
		status = status ?: take_entries(handover, address, block.count, size);
		if (status)
			break;
		more = realloc(*entries, (*count + block.count + 1) * size);
		if (!more) {
			status = fail(ENOMEM, "%s", handover->path);
			break;
		}
		*entries = more;
		if (block.count)
			status = memory_read(handover->memory, address + sizeof(block),
					     more + *count * size, block.count * size);
		*count += block.count;
	}
	return status;
}

static int add_files(struct handover *handover, const struct luo_file_set_ser *set,
		     struct json_object *session)
{
	struct json_object *list = json_object_new_array(), *obj;
	uint64_t count = set->count, i;
	struct luo_file_ser *files;
	int status;

	json_object_object_add(session, "tokens", list);
	status = handover->is_chained ?
		 read_chain(handover, set->files, &count, sizeof(*files), (void **)&files) :
		 read_array(handover, set->files, count, sizeof(*files), (void **)&files);
	for (i = 0; i < count && !status; i++) {
		obj = new_object("token", new_decimal(files[i].token));
		json_object_object_add(obj, "compatible",
				       new_text(files[i].compatible, sizeof(files[i].compatible)));
		json_object_object_add(obj, "data", new_hex(files[i].data));
		json_object_array_add(list, obj);
	}
	free(files);
	return status;
}

static int add_sessions(struct handover *handover, uint64_t address, struct json_object *obj)
{
	struct json_object *list = json_object_new_array(), *session;
	struct luo_session_ser *sessions = NULL;
	struct luo_session_header_ser header;
	uint64_t count, i;
	int status;

	json_object_object_add(obj, SESSIONS, list);
	if (handover->is_chained) {
		status = read_chain(handover, address, &count, sizeof(*sessions),
				    (void **)&sessions);
	} else {
		status = memory_read(handover->memory, address, &header, sizeof(header));
		count = status ? 0 : header.count;
		if (!status)
			status = read_array(handover, address + sizeof(header), count,
					    sizeof(*sessions), (void **)&sessions);
	}
	for (i = 0; i < count && !status; i++) {
		session = new_object("name", new_text(sessions[i].name, sizeof(sessions[i].name)));
		json_object_object_add(session, "files",
				       json_object_new_uint64(sessions[i].file_set_ser.count));
		json_object_object_add(session, "address", new_hex(sessions[i].file_set_ser.files));
		json_object_array_add(list, session);
		status = add_files(handover, &sessions[i].file_set_ser, session);
	}
	free(sessions);
	return status;
}

static int add_flbs(struct handover *handover, uint64_t address, struct json_object *obj)
{
	struct json_object *list = json_object_new_array(), *flb;
	struct luo_flb_header_ser header = {};
	struct luo_flb_ser *flbs = NULL;
	uint64_t i;
	int status;

	json_object_object_add(obj, "flbs", list);
	status = memory_read(handover->memory, address, &header, sizeof(header));
	if (!status)
		status = read_array(handover, address + sizeof(header), header.count, sizeof(*flbs),
				    (void **)&flbs);
	for (i = 0; i < header.count && !status; i++) {
		flb = new_object("name", new_text(flbs[i].name, sizeof(flbs[i].name)));
		json_object_object_add(flb, "files", json_object_new_uint64(flbs[i].count));
		json_object_object_add(flb, "data", new_hex(flbs[i].data));
		json_object_array_add(list, flb);
	}
	free(flbs);
	return status;
}

/* A u64 of the tree, in the machine's own byte order; 0 when it is not there. */
static uint64_t get_u64(const void *fdt, const char *node, const char *name)
{
	int len, offset = fdt_path_offset(fdt, node);
	const void *data = offset < 0 ? NULL : fdt_getprop(fdt, offset, name, &len);
	uint64_t value = 0;

	if (data && len == sizeof(value))
		memcpy(&value, data, sizeof(value));
	return value;
}

static bool is_tree(const struct handover *handover)
{
	return handover->len > sizeof(struct fdt_header) && !fdt_check_header(handover->root) &&
	       fdt_totalsize(handover->root) <= handover->len;
}

/* What the root of a hand-over says, without its memory: the two formats differ in nothing else. */
static const char *parse_root(struct handover *handover, uint64_t *number, uint64_t *sessions,
			      uint64_t *flbs)
{
	struct luo_ser ser;
	const char *format;
	int len;

	if (is_tree(handover)) {
		*number = get_u64(handover->root, "/", LUO_FDT_LIVEUPDATE_NUM);
		*sessions = get_u64(handover->root, "/" LUO_FDT_SESSION_NODE_NAME,
				    LUO_FDT_SESSION_HEADER);
		*flbs = get_u64(handover->root, "/" LUO_FDT_FLB_NODE_NAME, LUO_FDT_FLB_HEADER);
		format = fdt_getprop(handover->root, 0, "compatible", &len);
		if (!format || len != sizeof(LUO_FDT_COMPATIBLE) ||
		    memcmp(format, LUO_FDT_COMPATIBLE, len))
			return NULL;
		return LUO_FDT_COMPATIBLE;
	}
	if (handover->len < sizeof(ser))
		return NULL;
	memcpy(&ser, handover->root, sizeof(ser));
	if (strncmp(ser.compatible, LUO_ABI_COMPATIBLE, sizeof(ser.compatible)))
		return NULL;
	handover->is_chained = true;
	*number = ser.liveupdate_num;
	*sessions = ser.sessions_pa;
	*flbs = ser.flbs_pa;
	return LUO_ABI_COMPATIBLE;
}

static int decode(struct handover *handover, struct json_object *obj)
{
	uint64_t number, sessions, flbs;
	const char *format = parse_root(handover, &number, &sessions, &flbs);
	int status = STATUS_OK;

	json_object_object_add(obj, "format", format ? json_object_new_string(format) : NULL);
	if (!format)
		return complain(STATUS_FAILED, "%s: unknown hand-over format", handover->path);
	json_object_object_add(obj, "number", json_object_new_uint64(number));
	json_object_object_add(obj, "sessions-address", new_hex(sessions));
	json_object_object_add(obj, "flbs-address", new_hex(flbs));
	if (handover->memory && sessions)
		status = add_sessions(handover, sessions, obj);
	if (handover->memory && flbs && !status)
		status = add_flbs(handover, flbs, obj);
	return status;
}

/* Decode a root. With @may_lack it is all right when there is none. */
static int dump_root(const char *path, bool may_lack, const struct memory *memory,
		     struct json_object *list)
{
	struct handover *handover;
	struct json_object *obj;
	int status, err = 0, fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return may_lack && errno == ENOENT ? STATUS_OK : fail(errno, "%s", path);
	handover = calloc(1, sizeof(*handover));
	if (!handover) {
		close(fd);
		return fail(ENOMEM, "%s", path);
	}
	handover->path = path;
	handover->memory = memory;
	handover->bytes_left = memory ? memory_size(memory) : 0;
	len = read(fd, handover->root, sizeof(handover->root));
	if (len < 0)
		err = errno;
	else
		handover->len = len;
	close(fd);
	obj = new_object("path", json_object_new_string(path));
	json_object_array_add(list, obj);
	status = err ? fail(err, "%s", path) : decode(handover, obj);
	free(handover);
	return status;
}

/*
 * What this machine hands over. What was handed to it is not asked for: the
 * kernel gives that back when it has read it, and anything may be there now.
 */
static int dump_machine(const struct memory *memory, struct json_object *list)
{
	const char *state = luo_read(NULL, "state");
	bool is_written = state && !strcmp(state, "frozen");

	if (access(KHO_DIR, F_OK))
		return complain(STATUS_UNSUPPORTED,
				"%s: %s (%s): KHO is not in use, or debugfs is not mounted",
				KHO_DIR, strerror(errno), strerrorname_np(errno));
	return dump_root(KHO_DIR "/out" SUBTREE, true, is_written ? memory : NULL, list);
}

int cmd_dump(const struct args *args)
{
	const char *core = args_option(args, "memory");
	struct json_object *list = json_object_new_array();
	struct memory memory;
	int status = STATUS_OK;

	if (core)
		status = memory_open(&memory, core);
	if (!status)
		status = args->nr ? dump_root(args->words[0], false, core ? &memory : NULL, list) :
				    dump_machine(core ? &memory : NULL, list);
	if (core)
		memory_close(&memory);
	/* What could be decoded is worth seeing when the rest is damaged. */
	if (!status || json_object_array_length(list))
		out(new_object("handovers", list));
	else
		json_object_put(list);
	return status;
}
