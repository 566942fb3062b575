// SPDX-License-Identifier: GPL-2.0
/*
 * What is known of this machine's memory: RAM, KHO's scratch areas, the kernel's
 * own part, and the bytes that are preserved. A source that the kernel does not
 * have makes the memory unknown, which is no error; one that cannot be read is.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "machine.h"

#define IOMEM		"/proc/iomem"
#define MEMINFO		"/proc/meminfo"
#define HUGETLB_PREFIX	"hugetlb-"
/* Of pages of 4 KiB */
#define DEFAULT_HUGE_PAGE	(2ULL << 20)
#define POSSIBLE_CPUS	"/sys/devices/system/cpu/possible"
#define MEMORY_NODES	"/sys/devices/system/node/has_memory"
#define CRASH_SIZE	"/sys/kernel/kexec_crash_size"
#define SCRATCH		"kho/out/scratch_len"
#define SCRATCH_WORD	"kho_scratch="

/* KHO's alignment of scratch areas, SCRATCH_ALIGNMENT_BYTES, with pages of 4 KiB */
#define SCRATCH_ALIGN	(4ULL << 20)

/* scratch_len has one line for each node, and two more. */
#define MAX_AREAS	1026

/* cpio(5), newc: a head of this size, with eight digits for each field */
#define CPIO_MAGIC	"07070"
#define CPIO_SIZE	110
#define CPIO_FILESIZE	54
#define CPIO_NAMESIZE	94

/* An initrd that cannot be unpacked here counts as this much larger than it is. */
#define UNPACKED_PART	4

/* The sum of top-level "System RAM" ranges. The kernel shows zeros to all but root. */
static int read_ram(struct budget *budget, const char **unknown)
{
	FILE *file = fopen(IOMEM, "re");
	unsigned long long start, end;
	char line[256], name[16];
	int err;

	if (!file)
		return errno == ENOENT ? (*unknown = "no " IOMEM, STATUS_OK) : fail(errno, IOMEM);
	budget->ram = 0;
	while (fgets(line, sizeof(line), file))
		if (!isspace(*line) &&
		    sscanf(line, "%llx-%llx : %15[^\n]", &start, &end, name) == 3 &&
		    !strncmp(name, "System RAM", 10) && end > start)
			budget->ram += end - start + 1;
	err = ferror(file) ? EIO : 0;
	fclose(file);
	if (!err && !budget->ram)
		*unknown = IOMEM " shows no addresses, as to all but root";
	return err ? fail(err, IOMEM) : STATUS_OK;
}

/* A list such as 0-3,8: the number of its elements, or of the highest and those below */
static unsigned int count_list(const char *path, bool up_to_highest)
{
	FILE *file = fopen(path, "re");
	unsigned int first, last, nr = 0;
	int got;
	char next = ',';

	while (file && next == ',' && fscanf(file, "%u", &first) == 1) {
		last = first;
		got = fscanf(file, "-%u", &last);
		if (got == EOF || fscanf(file, "%c", &next) != 1)
			next = '\n';
		nr = up_to_highest ? last + 1 : nr + last - first + 1;
	}
	if (file)
		fclose(file);
	return nr ?: 1;
}

/*
 * A file of debugfs. Where that is not mounted a mount of it that no path leads to
 * will do. Returns a descriptor, or -1 and errno.
 */
static int open_debugfs(const char *name)
{
	char path[64];
	int fd, context, root, err;

	snprintf(path, sizeof(path), "/sys/kernel/debug/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 || errno != ENOENT)
		return fd;
	context = fsopen("debugfs", FSOPEN_CLOEXEC);
	if (context < 0)
		return -1;
	root = fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) ? -1 :
	       fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY);
	err = errno;
	close(context);
	if (root >= 0) {
		fd = openat(root, name, O_RDONLY | O_CLOEXEC);
		err = errno;
		close(root);
	}
	errno = err;
	return fd;
}

static void add_area(struct budget *budget, uint64_t size)
{
	budget->areas[budget->nr_areas++] =
		(size + SCRATCH_ALIGN - 1) / SCRATCH_ALIGN * SCRATCH_ALIGN;
}

/* A number and K, M or G, as memparse() of the kernel. Moves @text behind it. */
bool parse_size(const char **text, unsigned long long *size)
{
	static const char units[] = "KMG";
	const char *unit;
	int shift;
	char *end;

	*size = strtoull(*text, &end, 0);
	if (end == *text)
		return false;
	unit = *end ? strchr(units, toupper(*end)) : NULL;
	if (unit) {
		shift = 10 * (unit - units + 1);
		if (*size > ULLONG_MAX >> shift)
			return false;
		*size <<= shift;
		end++;
	}
	*text = end;
	return true;
}

/* kho_scratch=LOW,GLOBAL,NODE */
static bool parse_scratch(struct budget *budget, const char *word)
{
	unsigned int nodes = count_list(MEMORY_NODES, false);
	unsigned long long sizes[3];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		if ((i && *word++ != ',') || !parse_size(&word, &sizes[i]))
			return false;
	if (*word && *word != ' ')
		return false;
	add_area(budget, sizes[0]);
	add_area(budget, sizes[1]);
	while (nodes-- && budget->nr_areas < MAX_AREAS)
		add_area(budget, sizes[2]);
	return true;
}

/* The value of the last NAME= on a command line, or NULL */
static const char *find_word(const char *cmdline, const char *name)
{
	const char *found = NULL, *word = cmdline;

	for (; (word = strstr(word, name)); word += strlen(name))
		if (word == cmdline || word[-1] == ' ')
			found = word + strlen(name);
	return found;
}

/*
 * What the command line says of the scratch areas is true of the kernel that
 * reserved them, which this one is if it was handed nothing.
 */
static int read_scratch_word(struct budget *budget, const char **unknown)
{
	const char *number = luo_read(NULL, "number"), *word;
	char cmdline[CMDLINE_SIZE];
	int status;

	*unknown = "neither debugfs nor kho_scratch= tells the sizes of the scratch areas";
	if (!number || strcmp(number, "0"))
		return STATUS_OK;
	status = cmdline_read(cmdline);
	word = status ? NULL : find_word(cmdline, SCRATCH_WORD);
	if (word && parse_scratch(budget, word))
		*unknown = NULL;
	return status;
}

static int read_scratch(struct budget *budget, const char **unknown)
{
	int fd = open_debugfs(SCRATCH), err = errno;
	char line[32];
	FILE *file;

	budget->areas = calloc(MAX_AREAS, sizeof(*budget->areas));
	if (!budget->areas) {
		if (fd >= 0)
			close(fd);
		return fail(ENOMEM, "scratch areas");
	}
	/* No debugfs, nothing of KHO's in it, or the kernel is locked down */
	if (fd < 0 && (err == ENOENT || err == ENODEV || err == EPERM || err == ENOSYS))
		return read_scratch_word(budget, unknown);
	file = fd < 0 ? NULL : fdopen(fd, "r");
	if (!file)
		return fail(err, KHO_DIR "/out/scratch_len");
	while (budget->nr_areas < MAX_AREAS && fgets(line, sizeof(line), file))
		budget->areas[budget->nr_areas++] = strtoull(line, NULL, 0);
	err = ferror(file) ? EIO : budget->nr_areas ? 0 : ENODATA;
	fclose(file);
	return err ? fail(err, KHO_DIR "/out/scratch_len") : STATUS_OK;
}

/* The values of /proc/meminfo that are needed */
enum meminfo {
	TOTAL, FREE, AVAILABLE, BUFFERS, CACHED, SWAP_CACHED, ANON, SHMEM, HUGETLB, CMA, NR_MEMINFO
};

static int read_meminfo(uint64_t values[NR_MEMINFO])
{
	static const char *const names[] = {
		[TOTAL] = "MemTotal", [FREE] = "MemFree", [AVAILABLE] = "MemAvailable",
		[BUFFERS] = "Buffers", [CACHED] = "Cached", [SWAP_CACHED] = "SwapCached",
		[ANON] = "AnonPages", [SHMEM] = "Shmem", [HUGETLB] = "Hugetlb", [CMA] = "CmaTotal",
	};
	FILE *file = fopen(MEMINFO, "re");
	unsigned long long value;
	char line[128], name[64];
	size_t i;
	int err;

	if (!file)
		return fail(errno, MEMINFO);
	memset(values, 0, NR_MEMINFO * sizeof(*values));
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%63[^:]: %llu", name, &value) != 2)
			continue;
		for (i = 0; i < NR_MEMINFO; i++)
			if (!strcmp(name, names[i]))
				values[i] = value << 10;
	}
	err = ferror(file) ? EIO : values[TOTAL] && values[FREE] ? 0 : ENODATA;
	fclose(file);
	return err ? fail(err, MEMINFO) : STATUS_OK;
}

/*
 * Is there memory for a copy of so much? Half of a percent of all is left, for what is
 * taken meanwhile.
 */
int machine_has_memory(uint64_t size, const char *path)
{
	uint64_t values[NR_MEMINFO];
	int status = read_meminfo(values);

	if (!status && size + values[TOTAL] / 200 > values[AVAILABLE])
		status = fail(ENOMEM,
			      "%s: %llu MiB of memory are needed, and %llu MiB are available", path,
			      (unsigned long long)(size >> 20) + 1,
			      (unsigned long long)values[AVAILABLE] >> 20);
	return status;
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a < b ? 0 : a - b;
}

/* The bytes of a session's files of huge pages, holes included */
static uint64_t huge_size(struct json_object *session)
{
	struct json_object *tokens = json_object_object_get(session, "tokens"), *token;
	uint64_t size = 0;
	size_t i;

	for (i = 0; i < json_object_array_length(tokens); i++) {
		token = json_object_array_get_idx(tokens, i);
		if (!strncmp(get_string(token, "compatible"), HUGETLB_PREFIX,
			     strlen(HUGETLB_PREFIX)))
			size += json_object_get_uint64(json_object_object_get(token, "size"));
	}
	return size;
}

/* The bytes of all files that would be handed over, holes included; of huge pages in @huge */
static uint64_t preserved_size(uint64_t *huge)
{
	static const char *const directions[] = { SESSIONS, INCOMING };
	struct json_object *sessions, *session;
	uint64_t size = 0;
	size_t i, j;

	*huge = 0;

	for (i = 0; i < ARRAY_SIZE(directions); i++) {
		sessions = luo_sessions(directions[i]);
		for (j = 0; j < json_object_array_length(sessions); j++) {
			session = json_object_array_get_idx(sessions, j);
			size += json_object_get_uint64(json_object_object_get(session, "size"));
			*huge += huge_size(session);
		}
		json_object_put(sessions);
	}
	return size;
}

/*
 * Read what does not depend on the next kernel. Sets @unknown to what is missing when
 * the memory cannot be known here. The caller frees budget->areas.
 */
int machine_read(struct budget *budget, const char **unknown)
{
	uint64_t values[NR_MEMINFO], files, sparse;
	int status;

	*budget = (struct budget){ .page_size = sysconf(_SC_PAGESIZE) };
	*unknown = NULL;
	status = read_ram(budget, unknown);
	if (!status && !*unknown)
		status = read_scratch(budget, unknown);
	if (!status && !*unknown)
		status = read_meminfo(values);
	if (status || *unknown)
		return status;

	budget->cpus = count_list(POSSIBLE_CPUS, true);
	/* CMA areas are reserved by configuration, too. KHO's are none of them. */
	budget->reserved = values[CMA];
	files = values[SHMEM] + values[HUGETLB];
	budget->kernel = less(values[TOTAL], values[FREE] + values[BUFFERS] + values[CACHED] +
			      values[SWAP_CACHED] + values[ANON] + values[HUGETLB]);
	/* Files may be sparse. A page of them is in the page cache, or was not restored yet. */
	sparse = less(budget->ram, values[TOTAL]) + files;
	budget->preserved = preserved_size(&budget->huge);
	if (budget->preserved > sparse)
		budget->preserved = sparse;
	if (budget->huge > values[HUGETLB])
		budget->huge = values[HUGETLB];
	return STATUS_OK;
}

static size_t get_hex(const char *text)
{
	char digits[9];

	snprintf(digits, sizeof(digits), "%.8s", text);
	return strtoul(digits, NULL, 16);
}

/*
 * Archives, which may follow each other with zeros between them, of which one piece is
 * seen at a time. Begins with the buffer that they are unpacked into.
 */
struct archives {
	struct buffer buffer;
	/* What the files of the members take in the page cache */
	uint64_t page_size;
	uint64_t size;
	/* The head of a member, as far as it was seen, and what to skip before the next one */
	char head[CPIO_SIZE];
	size_t len;
	uint64_t skip;
	bool is_other;
};

static void add_member(struct archives *archives)
{
	uint64_t size = get_hex(archives->head + CPIO_FILESIZE);
	uint64_t name = get_hex(archives->head + CPIO_NAMESIZE);

	archives->len = 0;
	archives->skip = ((CPIO_SIZE + name + 3) & ~3UL) - CPIO_SIZE + ((size + 3) & ~3UL);
	archives->size += (size + archives->page_size - 1) / archives->page_size *
			  archives->page_size;
}

/* Returns where something else begins, or @len. */
static size_t add_archives(struct archives *archives, const char *data, size_t len)
{
	size_t at = 0, magic = strlen(CPIO_MAGIC), part;

	while (at < len && !archives->is_other) {
		if (archives->skip) {
			part = archives->skip < len - at ? archives->skip : len - at;
			archives->skip -= part;
			at += part;
		} else if (!archives->len && !data[at]) {
			at++;
		} else if (archives->len < magic && data[at] != CPIO_MAGIC[archives->len]) {
			archives->is_other = true;
			at -= archives->len < at ? archives->len : at;
		} else {
			archives->head[archives->len++] = data[at++];
			if (archives->len == CPIO_SIZE)
				add_member(archives);
		}
	}
	return at;
}

static void take_archives(struct buffer *buffer)
{
	add_archives((struct archives *)buffer, buffer->data, buffer->len);
}

/*
 * Add up what is in archives, or in what they are compressed to. Moves @in behind it. It
 * is not unpacked as a whole, as there may be no memory for that. Returns an errno.
 */
static int add_part(struct budget *budget, struct input *in)
{
	struct archives archives = { .page_size = budget->page_size };
	const char *name;
	size_t len;
	int err = 0;

	len = add_archives(&archives, in->data, in->len);
	if (len) {
		in->data += len;
		in->len -= len;
	} else {
		archives = (struct archives){ .page_size = budget->page_size,
					      .buffer.take = take_archives };
		len = in->len;
		err = unpack(in, &archives.buffer, &name);
		take_archives(&archives.buffer);
		free(archives.buffer.data);
		/* What is damaged, or no archive, is no root that is known here. */
		if (err || !name || !archives.size) {
			archives.size = len * UNPACKED_PART;
			in->len = 0;
		}
	}
	budget->rootfs += archives.size;
	return err == ENOMEM ? err : 0;
}

/*
 * An initrd as it is loaded, and as the kernel unpacks it: archives, one after the
 * other, each of which may be compressed
 */
int machine_add_initrd(struct budget *budget, struct input initrd, const char *path)
{
	int err = 0;

	budget->initrd = initrd.len;
	while (!err && initrd.len)
		err = add_part(budget, &initrd);
	return err ? fail(err, "%s", path) : STATUS_OK;
}

int machine_read_initrd(struct budget *budget, const char *path)
{
	struct buffer file = {};
	int err = read_file(path, SIZE_MAX, &file), status;

	status = err ? fail(err, "%s", path) :
		 machine_add_initrd(budget, (struct input){ file.data, file.len }, path);
	free(file.data);
	return status;
}

/* How many pages a hugepages= asks for: NUMBER, or NODE:NUMBER,NODE:NUMBER... */
static uint64_t parse_pool(const char *text)
{
	uint64_t nr = 0, value;
	char *end;

	for (;; text = end + 1) {
		value = strtoull(text, &end, 10);
		if (*end == ':')
			continue;
		nr += value;
		if (*end != ',')
			return nr;
	}
}

static unsigned long long parse_page_size(const char *text)
{
	unsigned long long size;

	return parse_size(&text, &size) ? size : 0;
}

/* The bytes of the pools that a command line asks for. hugepages= is of the size before it. */
static uint64_t pools_size(const char *cmdline)
{
	static const char nr[] = "hugepages=", of_size[] = "hugepagesz=";
	const char *word = find_word(cmdline, "default_hugepagesz=");
	unsigned long long size = word ? parse_page_size(word) : DEFAULT_HUGE_PAGE;
	uint64_t sum = 0;

	for (word = cmdline; *word; word += strcspn(word, " "), word += strspn(word, " ")) {
		if (!strncmp(word, of_size, strlen(of_size)))
			size = parse_page_size(word + strlen(of_size));
		else if (!strncmp(word, nr, strlen(nr)))
			sum += parse_pool(word + strlen(nr)) * size;
	}
	return sum;
}

/*
 * What the next kernel's command line adds. crashkernel= that depends on the size of
 * RAM reserves what it reserves here, if it does.
 */
int machine_read_cmdline(struct budget *budget, const char *cmdline)
{
	const char *crash = find_word(cmdline, "crashkernel=");
	const char *type = find_word(cmdline, "rootfstype=");
	unsigned long long size = 0;
	FILE *file;

	/* init_rootfs() */
	budget->is_ramfs = type ? !memmem(type, strcspn(type, " "), "tmpfs", 5) :
			   !!find_word(cmdline, "root=");
	budget->pools = pools_size(cmdline);
	if (!crash)
		return STATUS_OK;
	file = fopen(CRASH_SIZE, "re");
	if (!file && errno != ENOENT)
		return fail(errno, CRASH_SIZE);
	if (file) {
		if (fscanf(file, "%llu", &size) != 1)
			size = 0;
		fclose(file);
	}
	if (!size && !parse_size(&crash, &size))
		size = 0;
	budget->reserved += size;
	return STATUS_OK;
}
