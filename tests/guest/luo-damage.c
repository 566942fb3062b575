// SPDX-License-Identifier: GPL-2.0
/*
 * luo-damage - damage what is about to be handed over
 *
 * Run while all is frozen and the kexec is held up. Finds what is handed over, in whatever format that is, and
 * writes to it through /dev/mem. The structures are written down here again, on purpose: a header that was
 * changed by mistake would change both sides.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROOT "/sys/module/liveupdate_test/parameters/root"
#define NOTES "/sys/module/liveupdate_test/parameters/notes"
#define BLOCK 4096

static const char usage_text[] =
	"usage: luo-damage PLACE=VALUE...\n"
	"\n"
	"PLACE is a member of a structure:\n"
	"  fdt.magic, fdt.totalsize, fdt.struct, fdt.strings   the header of luo-v1\n"
	"  fdt.NODE.PROPERTY                                   a property's value; NODE is empty for the root\n"
	"  fdt.NODE.PROPERTY.len                               its length\n"
	"  ser.compatible, ser.number, ser.sessions, ser.flbs  the root of luo-v5\n"
	"  flbs.pgcnt, flbs.count, flb.N.name, flb.N.data, flb.N.count\n"
	"  sessions.count (luo-v1), sessions.next and sessions.entries (luo-v5: the first block)\n"
	"  session.NAME.name, session.NAME.files, session.NAME.count\n"
	"  files.NAME.next, files.NAME.entries                 the first block of a session's files (luo-v5)\n"
	"  file.NAME.TOKEN.compatible, .data, .token\n"
	"  memfd.NAME.TOKEN.pos, .size, .seals, .flags, .nr_folios, .first, .pages, .order\n"
	"  chunk.NAME.TOKEN.next, .phys                        of the memfd's array of folios\n"
	"  folio.NAME.TOKEN.N.pfn, .index\n"
	"  pools.magic, .nr, pool.N.nid, .order, .nr           how many huge pages there are\n"
	"  v3.NAME.TOKEN.magic, .seals, .size, .pos, .uid, .mode, .flags, .nr, .more, .name, .nr_pages   (memfd-v3,\n"
	"                                                      hugetlb-v1)\n"
	"  extents.NAME.TOKEN.next, .nr                        the first page of further extents\n"
	"  extent.NAME.TOKEN.N.index, .pfn, .nr\n"
	"  tmpfs.NAME.TOKEN.magic, .inodes, .bytes, .extents, .nr_inodes, .nr_bytes, .nr_extents, .nr_pages, .max_blocks,\n"
	"      .max_inodes, .mode, .uid, .gid, .huge, .flags, .mount_attrs, .source, .quotas, .nr_quotas, .usr_space, .casefold (tmpfs-v1)\n"
	"  chain.NAME.TOKEN.WHICH.next, .used                  the first page of inodes, bytes or extents\n"
	"  inode.NAME.TOKEN.N.mode, .nlink, .uid, .gid, .ino, .size, .nr_pages, .rdev, .flags, .nr_xattrs, .atime, .mtime,\n"
	"      .ctime, .btime                                  the nanoseconds of these times\n"
	"  byte.NAME.TOKEN.N.value                             byte N of the chain of these\n"
	"  run.NAME.TOKEN.N.index, .pfn, .nr, .inode           extent N\n"
	"  notes.magic, notes.NODE.PROPERTY …                  as fdt, of the notes\n"
	"  lost.next, lost.entries                             the first block of files that are lost\n"
	"  lost.N.session, .compatible, .token, .err\n"
	"  label.entries                                       the first block of labels\n"
	"  label.N.session, .token, .has_token, .text\n"
	"\n"
	"VALUE is a number; +N, added to what is there; \"TEXT, without a NUL behind it and all of the member when it\n"
	"is long enough; nowhere or text, the address of no memory or of the kernel's code; text-pfn, its page's number; or\n"
	"@PLACE, what is there.\n";

struct place {
	uint64_t phys;
	unsigned int size;
	bool big_endian;
};

static int mem = -1;
static bool is_v5;
static int64_t root;

static void mem_read(uint64_t phys, void *buf, size_t size)
{
	if (pread(mem, buf, size, phys) != (ssize_t)size)
		err(1, "reading at %#" PRIx64, phys);
}

static void mem_write(uint64_t phys, const void *buf, size_t size)
{
	if (pwrite(mem, buf, size, phys) != (ssize_t)size)
		err(1, "writing at %#" PRIx64, phys);
}

static uint64_t mem_u64(uint64_t phys)
{
	uint64_t value;

	mem_read(phys, &value, sizeof(value));
	return value;
}

/* The flattened device tree: where the value of a property is */

static uint32_t fdt_u32(const char *fdt, uint32_t at)
{
	uint32_t value;

	memcpy(&value, fdt + at, sizeof(value));
	return be32toh(value);
}

static uint32_t fdt_find(const char *fdt, const char *node, const char *property, uint32_t *len)
{
	uint32_t at = fdt_u32(fdt, 8), strings = fdt_u32(fdt, 12), token;
	const char *name = NULL;

	while ((token = fdt_u32(fdt, at)) != 9) {
		at += 4;
		if (token == 1) {
			name = fdt + at;
			at += (strlen(name) + 4) & ~3u;
		} else if (token == 3) {
			*len = fdt_u32(fdt, at);
			if (!strcmp(name, node) && !strcmp(fdt + strings + fdt_u32(fdt, at + 4), property))
				return at + 8;
			at += 8 + ((*len + 3) & ~3u);
		}
	}
	errx(1, "no property %s in /%s", property, node);
}

/* What a file of the test module's says */
static int64_t read_address(const char *path)
{
	FILE *file = fopen(path, "r");
	int64_t phys;

	if (!file || fscanf(file, "%" SCNi64, &phys) != 1)
		err(1, "%s", path);
	fclose(file);
	return phys;
}

static void find_root(void)
{
	root = read_address(ROOT);
	is_v5 = mem_u64(root) == htole64(0x35762d6f756cULL); /* "luo-v5" */
}

static struct place fdt_place(uint64_t phys, const char *node, const char *property, bool is_len)
{
	static char fdt[BLOCK];
	uint32_t len, at;

	mem_read(phys, fdt, sizeof(fdt));
	at = fdt_find(fdt, node, property, &len);
	return is_len ? (struct place){ phys + at - 8, 4, true } : (struct place){ phys + at, len, false };
}

static uint64_t fdt_value(const char *node, const char *property)
{
	return mem_u64(fdt_place(root, node, property, false).phys);
}

static uint64_t notes(void)
{
	return read_address(NOTES);
}

static uint64_t lost(void)
{
	return mem_u64(fdt_place(notes(), "", "lost", false).phys);
}

static uint64_t labels(void)
{
	return mem_u64(fdt_place(notes(), "", "labels", false).phys);
}

/* Entry N of an array, or of a chain of blocks, that begins at PHYS */
static uint64_t entry_of(uint64_t phys, uint64_t count, size_t size, uint64_t n)
{
	uint64_t here;

	if (!is_v5)
		return n < count ? phys + n * size : 0;
	for (; phys; phys = mem_u64(phys), n -= here) {
		here = mem_u64(phys + 8);
		if (n < here)
			return phys + 16 + n * size;
	}
	return 0;
}

static uint64_t sessions(void)
{
	return is_v5 ? mem_u64(root + 16) : fdt_value("luo-session", "luo-session-header");
}

static uint64_t find_session(const char *name)
{
	uint64_t head = sessions(), at, n;
	char have[64];

	for (n = 0; (at = entry_of(is_v5 ? head : head + 8, is_v5 ? 0 : mem_u64(head), 80, n)); n++) {
		mem_read(at, have, sizeof(have));
		if (!strncmp(have, name, sizeof(have)))
			return at;
	}
	errx(1, "no session %s", name);
}

static uint64_t find_file(const char *name, uint64_t token)
{
	uint64_t session = find_session(name), at, n;

	for (n = 0; (at = entry_of(mem_u64(session + 64), mem_u64(session + 72), 64, n)); n++) {
		if (mem_u64(at + 56) == token)
			return at;
	}
	errx(1, "no file %" PRIu64 " in session %s", token, name);
}

struct member {
	const char *name;
	unsigned int at;
	unsigned int size;
};

static struct place member_of(uint64_t phys, const struct member *members, const char *name, bool big_endian)
{
	for (; members->name; members++) {
		if (!strcmp(members->name, name))
			return (struct place){ phys + members->at, members->size, big_endian };
	}
	errx(1, "no member %s", name);
}

static const struct member fdt_members[] = {
	{ "magic", 0, 4 }, { "totalsize", 4, 4 }, { "struct", 8, 4 }, { "strings", 12, 4 }, {},
};
static const struct member ser_members[] = {
	{ "compatible", 0, 8 }, { "number", 8, 8 }, { "sessions", 16, 8 }, { "flbs", 24, 8 }, {},
};
static const struct member flbs_members[] = { { "pgcnt", 0, 8 }, { "count", 8, 8 }, {} };
static const struct member flb_members[] = { { "name", 0, 48 }, { "data", 48, 8 }, { "count", 56, 8 }, {} };
static const struct member pools_members[] = { { "magic", 0, 8 }, { "nr", 8, 8 }, {} };
static const struct member pool_members[] = { { "nid", 0, 4 }, { "order", 4, 4 }, { "nr", 8, 8 }, {} };
static const struct member sessions_members[] = { { "count", 0, 8 }, { "next", 0, 8 }, { "entries", 8, 8 }, {} };
static const struct member session_members[] = { { "name", 0, 64 }, { "files", 64, 8 }, { "count", 72, 8 }, {} };
static const struct member file_members[] = { { "compatible", 0, 48 }, { "data", 48, 8 }, { "token", 56, 8 }, {} };
static const struct member memfd_members[] = {
	{ "pos", 0, 8 }, { "size", 8, 8 }, { "seals", 16, 4 }, { "flags", 20, 4 }, { "nr_folios", 24, 8 },
	{ "first", 32, 8 }, { "pages", 40, 4 }, { "order", 46, 2 }, {},
};
static const struct member chunk_members[] = { { "next", 0, 8 }, { "phys", 8, 8 }, {} };
static const struct member folio_members[] = { { "pfn", 0, 8 }, { "index", 8, 8 }, {} };

static const struct member v3_members[] = {
	{ "magic", 0, 4 }, { "seals", 4, 4 }, { "size", 8, 8 }, { "pos", 16, 8 }, { "uid", 24, 4 }, { "mode", 32, 4 },
	{ "flags", 36, 4 }, { "nr", 40, 8 }, { "more", 48, 8 }, { "name", 56, 256 }, { "nr_pages", 504, 8 }, {},
};
static const struct member extents_members[] = { { "next", 0, 8 }, { "nr", 8, 8 }, {} };
static const struct member label_members[] = {
	{ "session", 0, 64 }, { "token", 64, 8 }, { "has_token", 72, 4 }, { "text", 80, 256 }, {}
};

static const struct member lost_members[] = {
	{ "session", 0, 64 }, { "compatible", 64, 48 }, { "token", 112, 8 }, { "err", 120, 4 }, {},
};
static const struct member tmpfs_members[] = {
	{ "magic", 0, 8 }, { "inodes", 8, 8 }, { "bytes", 16, 8 }, { "extents", 24, 8 }, { "nr_inodes", 32, 8 },
	{ "nr_bytes", 40, 8 }, { "nr_extents", 48, 8 }, { "nr_pages", 56, 8 }, { "max_blocks", 64, 8 },
	{ "max_inodes", 72, 8 }, { "mode", 88, 4 }, { "uid", 92, 4 }, { "gid", 96, 4 }, { "huge", 100, 4 },
	{ "flags", 104, 4 }, { "mount_attrs", 108, 4 }, { "source", 112, 256 }, { "quotas", 368, 8 },
	{ "nr_quotas", 376, 8 }, { "usr_space", 384, 8 }, { "casefold", 448, 4 }, {},
};
static const struct member chain_members[] = { { "next", 0, 8 }, { "used", 8, 8 }, {} };
static const struct member inode_members[] = {
	{ "mode", 0, 4 }, { "nlink", 4, 4 }, { "uid", 8, 4 }, { "gid", 12, 4 }, { "ino", 16, 8 }, { "size", 24, 8 },
	{ "nr_pages", 32, 8 }, { "rdev", 40, 8 }, { "flags", 48, 4 }, { "nr_xattrs", 52, 4 }, { "atime", 64, 4 },
	{ "mtime", 76, 4 }, { "ctime", 88, 4 }, { "btime", 100, 4 }, {},
};
static const struct member byte_members[] = { { "value", 0, 1 }, {} };
static const struct member run_members[] = { { "index", 0, 8 }, { "pfn", 8, 8 }, { "nr", 16, 8 }, { "inode", 24, 4 }, {} };
static const struct member extent_members[] = { { "index", 0, 8 }, { "pfn", 8, 8 }, { "nr", 16, 8 }, {} };

static uint64_t flbs(void)
{
	return is_v5 ? mem_u64(root + 24) : fdt_value("luo-flb", "luo-flb-header");
}

/* The page that tells how many huge pages there are */
static uint64_t pools(void)
{
	uint64_t at = flbs(), nr = mem_u64(at + 8);
	char name[48];

	for (at += 16; nr--; at += 64) {
		mem_read(at, name, sizeof(name));
		if (!strncmp(name, "hugetlb-pools-v1", sizeof(name)))
			return mem_u64(at + 48);
	}
	errx(1, "no huge pages");
}

/* What is in a tmpfs, whose chains are of a page each */
static struct place tmpfs_place(uint64_t tmpfs, char **part)
{
	unsigned int n = atoi(part[3]);

	if (!strcmp(part[0], "chain"))
		return member_of(mem_u64(member_of(tmpfs, tmpfs_members, part[3], false).phys), chain_members, part[4], false);
	if (!strcmp(part[0], "inode"))
		return member_of(mem_u64(tmpfs + 8) + 16 + 104 * n, inode_members, part[4], false);
	if (!strcmp(part[0], "byte"))
		return member_of(mem_u64(tmpfs + 16) + 16 + n, byte_members, part[4], false);
	if (!strcmp(part[0], "run"))
		return member_of(mem_u64(tmpfs + 24) + 16 + 28 * n, run_members, part[4], false);
	errx(2, "%s", usage_text);
}

/* The place that a dotted path names */
static struct place find_place(char *path)
{
	char *part[5] = {};
	uint64_t memfd, chunk;
	int n = 0;

	for (char *word; n < 5 && (word = strsep(&path, ".")); n++)
		part[n] = word;

	if (n == 2 && !strcmp(part[0], "fdt"))
		return member_of(root, fdt_members, part[1], true);
	if (n >= 3 && !strcmp(part[0], "fdt"))
		return fdt_place(root, part[1], part[2], n == 4);
	if (n == 2 && !strcmp(part[0], "notes"))
		return member_of(notes(), fdt_members, part[1], true);
	if (n >= 3 && !strcmp(part[0], "notes"))
		return fdt_place(notes(), part[1], part[2], n == 4);
	if (n == 2 && !strcmp(part[0], "lost"))
		return member_of(lost(), sessions_members, part[1], false);
	if (n == 2 && !strcmp(part[0], "label"))
		return member_of(labels(), sessions_members, part[1], false);
	if (n == 3 && !strcmp(part[0], "label"))
		return member_of(labels() + 16 + 336 * atoi(part[1]), label_members, part[2], false);
	if (n == 3 && !strcmp(part[0], "lost"))
		return member_of(lost() + 16 + 128 * atoi(part[1]), lost_members, part[2], false);
	if (n == 2 && !strcmp(part[0], "ser"))
		return member_of(root, ser_members, part[1], false);
	if (n == 2 && !strcmp(part[0], "flbs"))
		return member_of(flbs(), flbs_members, part[1], false);
	if (n == 3 && !strcmp(part[0], "flb"))
		return member_of(flbs() + 16 + 64 * atoi(part[1]), flb_members, part[2], false);
	if (n == 2 && !strcmp(part[0], "pools"))
		return member_of(pools(), pools_members, part[1], false);
	if (n == 3 && !strcmp(part[0], "pool"))
		return member_of(pools() + 16 + 16 * atoi(part[1]), pool_members, part[2], false);
	if (n == 2 && !strcmp(part[0], "sessions"))
		return member_of(sessions(), sessions_members, part[1], false);
	if (n == 3 && !strcmp(part[0], "session"))
		return member_of(find_session(part[1]), session_members, part[2], false);
	if (n == 3 && !strcmp(part[0], "files"))
		return member_of(mem_u64(find_session(part[1]) + 64), sessions_members, part[2], false);
	if (n < 4)
		errx(2, "%s", usage_text);

	memfd = find_file(part[1], strtoull(part[2], NULL, 10));
	if (!strcmp(part[0], "file"))
		return member_of(memfd, file_members, part[3], false);
	memfd = mem_u64(memfd + 48);
	if (!strcmp(part[0], "memfd"))
		return member_of(memfd, memfd_members, part[3], false);
	if (!strcmp(part[0], "v3"))
		return member_of(memfd, v3_members, part[3], false);
	if (!strcmp(part[0], "extents"))
		return member_of(mem_u64(memfd + 48), extents_members, part[3], false);
	if (!strcmp(part[0], "extent") && n == 5)
		return member_of(memfd + 312 + 24 * atoi(part[3]), extent_members, part[4], false);
	if (!strcmp(part[0], "tmpfs"))
		return member_of(memfd, tmpfs_members, part[3], false);
	if (!strcmp(part[0], "chain") || !strcmp(part[0], "inode") || !strcmp(part[0], "byte") || !strcmp(part[0], "run")) {
		if (n != 5)
			errx(2, "%s", usage_text);
		return tmpfs_place(memfd, part);
	}
	chunk = mem_u64(memfd + 32);
	if (!strcmp(part[0], "chunk"))
		return member_of(chunk, chunk_members, part[3], false);
	if (!strcmp(part[0], "folio") && n == 5)
		return member_of(mem_u64(chunk + 8) + 16 * atoi(part[3]), folio_members, part[4], false);
	errx(2, "%s", usage_text);
}

static uint64_t place_value(struct place place)
{
	uint64_t value = 0;

	mem_read(place.phys, &value, place.size < 8 ? place.size : 8);
	return place.big_endian ? be32toh(value) : le64toh(value);
}

/* Where the kernel's own code lies */
static uint64_t kernel_text(void)
{
	char line[256];
	uint64_t start;
	FILE *iomem = fopen("/proc/iomem", "r");

	while (iomem && fgets(line, sizeof(line), iomem)) {
		if (strstr(line, "Kernel code") && sscanf(line, " %" SCNx64, &start) == 1) {
			fclose(iomem);
			return (start + BLOCK) & ~(uint64_t)(BLOCK - 1);
		}
	}
	errx(1, "/proc/iomem does not tell where the kernel is");
}

struct damage {
	struct place place;
	char *text;
	uint64_t value;
};

/* All is looked up before anything is damaged. */
static struct damage find_damage(char *arg)
{
	char *value = strchr(arg, '=');
	struct damage damage = {};

	if (!value)
		errx(2, "%s", usage_text);
	*value++ = '\0';
	damage.place = find_place(arg);
	if (*value == '"')
		damage.text = value + 1;
	else if (*value == '@')
		damage.value = place_value(find_place(value + 1));
	else if (*value == '+')
		damage.value = place_value(damage.place) + strtoull(value + 1, NULL, 0);
	else if (!strcmp(value, "nowhere"))
		damage.value = 0x7fffffff000;
	else if (!strcmp(value, "text"))
		damage.value = kernel_text();
	else if (!strcmp(value, "text-pfn"))
		damage.value = kernel_text() / BLOCK;
	else
		damage.value = strtoull(value, NULL, 0);
	return damage;
}

static void do_damage(const struct damage *damage)
{
	uint64_t value = damage->place.big_endian ? htobe32(damage->value) : htole64(damage->value);
	size_t size = damage->place.size;

	if (damage->text) {
		if (strlen(damage->text) < size)
			size = strlen(damage->text) + 1;
		mem_write(damage->place.phys, damage->text, size);
	} else {
		mem_write(damage->place.phys, &value, size < 8 ? size : 8);
	}
}

int main(int argc, char **argv)
{
	struct damage *damages = calloc(argc, sizeof(*damages));

	mem = open("/dev/mem", O_RDWR | O_SYNC);
	if (mem < 0)
		err(1, "/dev/mem");
	if (!damages || argc < 2)
		errx(2, "%s", usage_text);
	find_root();
	for (int i = 1; i < argc; i++)
		damages[i] = find_damage(argv[i]);
	for (int i = 1; i < argc; i++)
		do_damage(&damages[i]);
	return 0;
}
