// SPDX-License-Identifier: GPL-2.0
/*
 * Images of kernels: what they understand of a hand-over. It is listed in the
 * section .liveupdate_versions of an ELF file, or, in what has no sections,
 * behind a magic number. A kernel without that list has the strings somewhere.
 */
#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <linux/kho/abi/luo.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image.h"

#define SECTION		".liveupdate_versions"

/* Documentation/arch/x86/boot.rst */
#define SETUP_SECTS	0x1f1
#define SETUP_SYSSIZE	0x1f4
#define SETUP_MAGIC	0x202
#define SETUP_VERSION	0x206
#define SETUP_ALIGN	0x230
#define SETUP_PAYLOAD	0x248
#define SETUP_LENGTH	0x24c
#define SETUP_INIT_SIZE	0x260
#define SETUP_END	0x264

/* Documentation/arch/arm64/booting.rst */
#define ARM64_OFFSET	0x8
#define ARM64_SIZE	0x10
#define ARM64_FLAGS	0x18
#define ARM64_MAGIC	0x38
#define ARM64_PE	0x3c

/* MIN_KIMG_ALIGN of arm64, and the least that x86 has */
#define LOAD_ALIGN	(2UL << 20)

/* include/linux/pe.h */
#define PE_SECTIONS	0x6
#define PE_OPTIONAL	0x14
#define PE_END		0x18
#define SECTION_NAME	8
#define SECTION_USED	0x8
#define SECTION_LENGTH	0x10
#define SECTION_START	0x14
#define SECTION_END	0x28

/* drivers/firmware/efi/libstub/zboot-header.S */
#define ZBOOT_MAGIC	0x4
#define ZBOOT_PAYLOAD	0x8
#define ZBOOT_LENGTH	0xc
#define ZBOOT_END	0x40

static size_t get_u32(const char *data)
{
	uint32_t value;

	memcpy(&value, data, sizeof(value));
	return le32toh(value);
}

static uint64_t get_u64(const char *data)
{
	uint64_t value;

	memcpy(&value, data, sizeof(value));
	return le64toh(value);
}

/* Where in a file the kernel is, of which the rest unpacks it */
struct payload {
	size_t start;
	size_t len;
	/* How long the file has to be */
	size_t end;
	/* Where it is unpacked: how much that takes, or 0, and the alignment */
	size_t size;
	size_t align;
};

/* Also tells what kind of image that makes it, if that is for the file to say. */
static const char *find_payload(const char *file, size_t len, struct payload *payload)
{
	size_t setup;

	*payload = (struct payload){ .len = len, .end = len };
	if (len > SETUP_END && !memcmp(file + SETUP_MAGIC, "HdrS", 4) &&
	    (get_u32(file + SETUP_VERSION) & 0xffff) >= 0x208) {
		setup = ((unsigned char)file[SETUP_SECTS] ?: 4) * 512 + 512;
		payload->start = setup + get_u32(file + SETUP_PAYLOAD);
		payload->len = get_u32(file + SETUP_LENGTH);
		payload->end = setup + get_u32(file + SETUP_SYSSIZE) * 16;
		if ((get_u32(file + SETUP_VERSION) & 0xffff) >= 0x20a) {
			payload->size = get_u32(file + SETUP_INIT_SIZE);
			payload->align = get_u32(file + SETUP_ALIGN);
		}
		return "bzImage";
	}
	if (len > ZBOOT_END && !memcmp(file + ZBOOT_MAGIC, "zimg", 4)) {
		payload->start = get_u32(file + ZBOOT_PAYLOAD);
		payload->len = get_u32(file + ZBOOT_LENGTH);
		return "zboot";
	}
	return NULL;
}

static const char *kind_of(const struct buffer *content)
{
	if (content->len > SELFMAG && !memcmp(content->data, ELFMAG, SELFMAG))
		return "vmlinux";
	if (content->len > ARM64_MAGIC + 4 && !memcmp(content->data + ARM64_MAGIC, "ARM\x64", 4))
		return "Image";
	return NULL;
}

/*
 * An Image for EFI firmware has a table of sections, which tells how long it is.
 * Others tell nowhere.
 */
static bool is_cut(const char *file, size_t len)
{
	size_t pe = get_u32(file + ARM64_PE), section, nr;

	if (pe > len || len - pe < PE_END || memcmp(file + pe, "PE\0", 4))
		return false;
	nr = get_u32(file + pe + PE_SECTIONS) & 0xffff;
	section = pe + PE_END + (get_u32(file + pe + PE_OPTIONAL) & 0xffff);
	for (; nr; nr--, section += SECTION_END)
		if (section + SECTION_END > len ||
		    get_u32(file + section + SECTION_START) +
		    get_u32(file + section + SECTION_LENGTH) > len)
			return true;
	return false;
}

/*
 * A section of an EFI program, which a unified kernel image has all of its parts in.
 * Returns 0, ENOENT, or EINVAL for one that is cut off.
 */
static int find_part(const struct buffer *file, const char *name, struct input *part)
{
	size_t pe, at, nr, start, len;
	const char *section;

	if (file->len < ARM64_PE + 4 || memcmp(file->data, "MZ", 2))
		return ENOENT;
	pe = get_u32(file->data + ARM64_PE);
	if (pe > file->len || file->len - pe < PE_END || memcmp(file->data + pe, "PE\0", 4))
		return ENOENT;
	nr = get_u32(file->data + pe + PE_SECTIONS) & 0xffff;
	at = pe + PE_END + (get_u32(file->data + pe + PE_OPTIONAL) & 0xffff);
	for (; nr && at + SECTION_END <= file->len; nr--, at += SECTION_END) {
		section = file->data + at;
		if (strncmp(section, name, SECTION_NAME))
			continue;
		start = get_u32(section + SECTION_START);
		len = get_u32(section + SECTION_LENGTH);
		if (start > file->len || len > file->len - start)
			return EINVAL;
		/* What is behind that fills it up. */
		if (get_u32(section + SECTION_USED) < len)
			len = get_u32(section + SECTION_USED);
		*part = (struct input){ file->data + start, len };
		return 0;
	}
	return ENOENT;
}

/* Take the parts of a unified kernel image, if it is one. Returns 0, ENOENT or another errno. */
static int find_parts(struct image *image)
{
	struct input cmdline = {};
	int err = find_part(&image->file, ".linux", &image->kernel);

	if (err)
		return err;
	image->kind = "UKI";
	err = find_part(&image->file, ".initrd", &image->initrd);
	if (!err || err == ENOENT)
		err = find_part(&image->file, ".cmdline", &cmdline);
	if (err)
		return err == ENOENT ? 0 : err;
	image->cmdline = strndup(cmdline.data, cmdline.len);
	if (!image->cmdline)
		return ENOMEM;
	image->cmdline[strcspn(image->cmdline, "\n")] = '\0';
	return 0;
}

/* Each kernel has its banner in it. */
static bool has_banner(const struct buffer *content)
{
	static const char banner[] = "Linux version ";
	const char *end = content->data + content->len, *at = content->data;

	while ((at = memmem(at, end - at, banner, strlen(banner)))) {
		at += strlen(banner);
		if (at < end && isdigit(*at))
			return true;
	}
	return false;
}

/* All of a string, and not the end of another one. Before an array there may be anything. */
bool image_contains(const struct image *image, const char *text)
{
	const char *start = image->content.data, *end = start + image->content.len, *at = start;

	while ((at = memmem(at, end - at, text, strlen(text) + 1))) {
		if (at == start || !isgraph((unsigned char)at[-1]))
			return true;
		at++;
	}
	return false;
}

bool image_understands(const struct image *image, const char *version)
{
	size_t i;

	for (i = 0; i < json_object_array_length(image->versions); i++)
		if (!strcmp(version,
			    json_object_get_string(json_object_array_get_idx(image->versions, i))))
			return true;
	return !image->is_listed && image_contains(image, version);
}

/* Add the strings of a list, up to its end or an empty one. */
static int add_versions(struct image *image, const char *list, size_t len, const char *path)
{
	for (; len >= LIVEUPDATE_HNDL_COMPAT_LENGTH && *list;
	     list += LIVEUPDATE_HNDL_COMPAT_LENGTH, len -= LIVEUPDATE_HNDL_COMPAT_LENGTH) {
		if (list[LIVEUPDATE_HNDL_COMPAT_LENGTH - 1])
			return complain(STATUS_FAILED, "%s: " SECTION " is damaged", path);
		json_object_array_add(image->versions, json_object_new_string(list));
	}
	return STATUS_OK;
}

/* A kernel's list, with its head */
static int read_list(struct image *image, const char *list, size_t len, const char *path)
{
	struct liveupdate_versions_header header;

	if (len < sizeof(header))
		return complain(STATUS_FAILED, "%s: " SECTION " is damaged", path);
	memcpy(&header, list, sizeof(header));
	if (le32toh(header.magic) != LIVEUPDATE_VERSIONS_MAGIC ||
	    le32toh(header.version) != LIVEUPDATE_VERSIONS_VERSION)
		return complain(STATUS_FAILED,
				"%s: " SECTION " is of a version that is not known here", path);
	image->is_listed = true;
	return add_versions(image, list + sizeof(header), len - sizeof(header), path);
}

/* The table of sections is at the end of the file; to libelf one that is cut off has none. */
static bool is_whole(Elf *elf, size_t len)
{
	GElf_Ehdr head;

	return gelf_getehdr(elf, &head) && head.e_shoff <= len &&
	       (len - head.e_shoff) / sizeof(Elf64_Shdr) >= head.e_shnum;
}

/* The section of an ELF file; NULL when there is none. Sets *err to EINVAL for a damaged file. */
static const char *find_section(const struct buffer *content, size_t *len, int *err)
{
	const char *found = NULL, *name;
	Elf_Scn *section = NULL;
	Elf_Data *data;
	GElf_Shdr head;
	size_t names;
	Elf *elf;

	elf_version(EV_CURRENT);
	elf = elf_memory(content->data, content->len);
	*err = !elf || !is_whole(elf, content->len) || elf_getshdrstrndx(elf, &names) ? EINVAL : 0;
	while (!*err && !found && (section = elf_nextscn(elf, section))) {
		name = gelf_getshdr(section, &head) ? elf_strptr(elf, names, head.sh_name) : NULL;
		if (!name) {
			*err = EINVAL;
		} else if (!strcmp(name, SECTION)) {
			data = elf_rawdata(section, NULL);
			if (data && data->d_buf) {
				found = data->d_buf;
				*len = data->d_size;
			} else {
				*err = EINVAL;
			}
		}
	}
	elf_end(elf);
	return found;
}

/*
 * The head of the list in what has no sections. The number alone may be in code
 * that knows it, too.
 */
static const char *find_head(const struct buffer *content, size_t *len)
{
	const struct liveupdate_versions_header header = {
		.magic = htole32(LIVEUPDATE_VERSIONS_MAGIC),
		.version = htole32(LIVEUPDATE_VERSIONS_VERSION),
	};
	const char *found = memmem(content->data, content->len, &header, sizeof(header));

	if (found)
		*len = content->data + content->len - found;
	return found;
}

/*
 * All of a file of at most @max bytes, for the caller to free. It is read and not
 * mapped: files over a network are slow page by page.
 */
int read_file(const char *path, size_t max, struct buffer *file)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;
	struct stat st;
	ssize_t got;

	if (fd < 0 || fstat(fd, &st))
		err = errno;
	else if (!S_ISREG(st.st_mode) || !st.st_size)
		err = ENOEXEC;
	else if ((size_t)st.st_size > max)
		err = EFBIG;
	if (!err) {
		file->size = st.st_size;
		file->data = malloc(file->size);
		if (!file->data)
			err = ENOMEM;
	}
	while (!err && file->len < file->size) {
		got = read(fd, file->data + file->len, file->size - file->len);
		if (got <= 0)
			err = got ? errno : ENODATA;
		else
			file->len += got;
	}
	if (fd >= 0)
		close(fd);
	return err;
}

/* Read a file, and unpack the part of it that find_payload() tells. */
static int load(struct image *image, const char *path)
{
	struct buffer *file = &image->file;
	struct payload payload = {};
	const char *kind;
	struct input in;
	int err;

	err = read_file(path, MAX_IMAGE, file);
	if (!err) {
		err = find_parts(image);
		in = (struct input){ file->data, file->len };
		if (!err)
			in = image->kernel;
		if (err == ENOENT)
			err = 0;
	}
	if (!err) {
		kind = find_payload(in.data, in.len, &payload);
		image->kind = image->kind ?: kind;
		image->is_loadable = kind && !strcmp(kind, "bzImage");
		if (payload.end > in.len || payload.start > in.len ||
		    payload.len > in.len - payload.start)
			err = EINVAL;
	}
	if (!err) {
		in = (struct input){ in.data + payload.start, payload.len };
		err = unpack(&in, &image->content, &image->compression);
	}
	if (!image->kernel.len) {
		free(file->data);
		*file = (struct buffer){};
	}
	if (err == EINVAL)
		return complain(STATUS_FAILED, "%s: damaged, or not all of it is there", path);
	image->size = payload.size;
	image->align = payload.align;
	return err ? fail(err, "%s", path) : STATUS_OK;
}

/* An Image is loaded as it is: what was compressed, in whatever way, as it was before that. */
static void find_image(struct image *image)
{
	unsigned int pages = get_u32(image->content.data + ARM64_FLAGS) >> 1 & 3;

	image->page_size = pages ? 1024 << 2 * pages : 0;
	if (image->kind || image->compression)
		image->kernel = (struct input){ image->content.data, image->content.len };
	image->is_loadable = true;
}

/* What a kernel takes that is not unpacked by itself: its header says so, or its segments. */
static void find_size(struct image *image, const char *kind)
{
	const char *data = image->content.data;
	uint64_t start = UINT64_MAX, end = 0;
	GElf_Phdr segment;
	size_t nr, i;
	Elf *elf;

	if (!strcmp(kind, "Image")) {
		image->size = get_u64(data + ARM64_OFFSET) + get_u64(data + ARM64_SIZE);
		if (image->size < image->content.len)
			image->size = image->content.len;
	} else {
		elf = elf_memory(image->content.data, image->content.len);
		if (elf_getphdrnum(elf, &nr))
			nr = 0;
		for (i = 0; i < nr; i++) {
			if (!gelf_getphdr(elf, i, &segment) || segment.p_type != PT_LOAD)
				continue;
			if (segment.p_paddr < start)
				start = segment.p_paddr;
			if (segment.p_paddr + segment.p_memsz > end)
				end = segment.p_paddr + segment.p_memsz;
		}
		elf_end(elf);
		image->size = end > start ? end - start : 0;
	}
}

/* Read an image. image_close() has to follow, whatever the status is. */
int image_open(struct image *image, const char *path)
{
	const char *kind, *list;
	int status, err = 0;
	size_t len;

	*image = (struct image){ .versions = json_object_new_array() };
	status = load(image, path);
	if (status)
		return status;

	kind = kind_of(&image->content);
	if (kind && !strcmp(kind, "vmlinux"))
		list = find_section(&image->content, &len, &err);
	else
		list = find_head(&image->content, &len);
	if (kind && !strcmp(kind, "Image") && is_cut(image->content.data, image->content.len))
		err = EINVAL;
	if (err)
		return complain(STATUS_FAILED, "%s: damaged, or not all of it is there", path);
	if (!kind || !has_banner(&image->content))
		return fail(ENOEXEC, "%s: not a kernel", path);
	if (!image->size)
		find_size(image, kind);
	if (!image->align)
		image->align = LOAD_ALIGN;
	if (!strcmp(kind, "Image"))
		find_image(image);
	image->kind = image->kind ?: kind;
	return list ? read_list(image, list, len, path) : STATUS_OK;
}

/* Add what a module lists: strings only, the head is the kernel's. */
int image_add_module(struct image *image, const char *path)
{
	struct image module = { .versions = NULL };
	const char *list = NULL;
	int status, err = 0;
	size_t len;

	status = load(&module, path);
	if (!status) {
		list = find_section(&module.content, &len, &err);
		if (err)
			status = fail(ENOEXEC, "%s: not a module", path);
	}
	if (list)
		status = add_versions(image, list, len, path);
	image_close(&module);
	return status;
}

void image_close(struct image *image)
{
	json_object_put(image->versions);
	free(image->content.data);
	free(image->cmdline);
	free(image->file.data);
}
