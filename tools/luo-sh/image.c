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
#define SETUP_PAYLOAD	0x248
#define SETUP_LENGTH	0x24c
#define SETUP_END	0x250

/* Documentation/arch/arm64/booting.rst */
#define ARM64_MAGIC	0x38
#define ARM64_PE	0x3c

/* include/linux/pe.h */
#define PE_SECTIONS	0x6
#define PE_OPTIONAL	0x14
#define PE_END		0x18
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

/* Where in a file the kernel is, of which the rest unpacks it */
struct payload {
	size_t start;
	size_t len;
	/* How long the file has to be */
	size_t end;
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

bool image_contains(const struct image *image, const char *text)
{
	return memmem(image->content.data, image->content.len, text, strlen(text) + 1);
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
 * All of a file, for the caller to free. It is read and not mapped: files over
 * a network are slow page by page.
 */
static int read_file(const char *path, struct buffer *file)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;
	struct stat st;
	ssize_t got;

	if (fd < 0 || fstat(fd, &st))
		err = errno;
	else if (!S_ISREG(st.st_mode) || !st.st_size)
		err = ENOEXEC;
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
	struct buffer file = {};
	struct payload payload;
	int err;

	err = read_file(path, &file);
	if (!err) {
		image->kind = find_payload(file.data, file.len, &payload);
		err = payload.end > file.len || payload.start > file.len ||
		      payload.len > file.len - payload.start ? EINVAL :
		      unpack(file.data + payload.start, payload.len, &image->content,
			     &image->compression);
	}
	free(file.data);
	if (err == EINVAL)
		return complain(STATUS_FAILED, "%s: damaged, or not all of it is there", path);
	return err ? fail(err, "%s", path) : STATUS_OK;
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
}
