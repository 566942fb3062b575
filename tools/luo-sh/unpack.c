// SPDX-License-Identifier: GPL-2.0
/*
 * Whatever a kernel may be compressed by, unpacked in memory by the libraries
 * for it. Something may follow the compressed data: the size of a kernel does.
 */
#include <bzlib.h>
#include <endian.h>
#include <errno.h>
#include <lz4.h>
#include <lzma.h>
#include <lzo/lzo1x.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "image.h"

/* Room for at least @room more bytes; returns 0 or an errno. */
static int grow(struct buffer *out, size_t room)
{
	size_t size = out->size ?: 1 << 20;
	char *data;

	if (out->take && out->len && size - out->len < room) {
		out->take(out);
		out->len = 0;
	}
	while (size - out->len < room)
		size *= 2;
	if (size > MAX_IMAGE)
		return EFBIG;
	if (size == out->size)
		return 0;
	data = realloc(out->data, size);
	if (!data)
		return ENOMEM;
	out->data = data;
	out->size = size;
	return 0;
}

/* The next @len bytes. Reading beyond the end makes the input NULL. */
static const char *take(struct input *in, size_t len)
{
	const char *data = in->data;

	if (!data || in->len < len) {
		in->data = NULL;
		return NULL;
	}
	in->data += len;
	in->len -= len;
	return data;
}

static int unpack_gzip(struct input *in, struct buffer *out)
{
	z_stream stream = { .next_in = (Bytef *)in->data, .avail_in = in->len };
	int ret, err = 0;

	if (inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK)
		return ENOMEM;
	do {
		err = grow(out, 1);
		if (err)
			break;
		stream.next_out = (Bytef *)out->data + out->len;
		stream.avail_out = out->size - out->len;
		ret = inflate(&stream, Z_NO_FLUSH);
		out->len = out->size - stream.avail_out;
	} while (ret == Z_OK);
	inflateEnd(&stream);
	take(in, in->len - stream.avail_in);
	return err ?: ret == Z_STREAM_END ? 0 : EINVAL;
}

/* Both .xz and .lzma */
static int unpack_lzma(struct input *in, struct buffer *out)
{
	lzma_stream stream = LZMA_STREAM_INIT;
	int ret, err = 0;

	if (lzma_auto_decoder(&stream, UINT64_MAX, 0) != LZMA_OK)
		return ENOMEM;
	stream.next_in = (const uint8_t *)in->data;
	stream.avail_in = in->len;
	do {
		err = grow(out, 1);
		if (err)
			break;
		stream.next_out = (uint8_t *)out->data + out->len;
		stream.avail_out = out->size - out->len;
		ret = lzma_code(&stream, LZMA_RUN);
		out->len = out->size - stream.avail_out;
	} while (ret == LZMA_OK);
	lzma_end(&stream);
	take(in, in->len - stream.avail_in);
	return err ?: ret == LZMA_STREAM_END ? 0 : EINVAL;
}

static int unpack_bzip2(struct input *in, struct buffer *out)
{
	bz_stream stream = { .next_in = (char *)in->data, .avail_in = in->len };
	int ret, err = 0;

	if (BZ2_bzDecompressInit(&stream, 0, 0) != BZ_OK)
		return ENOMEM;
	do {
		err = grow(out, 1);
		if (err)
			break;
		stream.next_out = out->data + out->len;
		stream.avail_out = out->size - out->len;
		ret = BZ2_bzDecompress(&stream);
		out->len = out->size - stream.avail_out;
		/* Room left and nothing to fill it with: it ended early. */
	} while (ret == BZ_OK && !stream.avail_out);
	BZ2_bzDecompressEnd(&stream);
	take(in, in->len - stream.avail_in);
	return err ?: ret == BZ_STREAM_END ? 0 : EINVAL;
}

static int unpack_zstd(struct input *in, struct buffer *out)
{
	ZSTD_DStream *stream = ZSTD_createDStream();
	ZSTD_inBuffer input = { .src = in->data, .size = in->len };
	ZSTD_outBuffer output;
	size_t ret = 1;
	int err = 0;

	if (!stream)
		return ENOMEM;
	do {
		err = grow(out, 1);
		if (err)
			break;
		output = (ZSTD_outBuffer){ .dst = out->data, .size = out->size, .pos = out->len };
		ret = ZSTD_decompressStream(stream, &output, &input);
		out->len = output.pos;
	} while (ret && !ZSTD_isError(ret) && output.pos == output.size);
	ZSTD_freeDStream(stream);
	take(in, input.pos);
	return err ?: ret ? EINVAL : 0;
}

/* An unsigned number of @size bytes, big-endian */
static uint32_t take_number(struct input *in, size_t size)
{
	const char *data = take(in, size);
	uint32_t value = 0;

	while (data && size--)
		value = value << 8 | (unsigned char)*data++;
	return value;
}

/* The legacy format, which is the kernel's: blocks of up to 8 MiB, each with its size before it */
#define LZ4_MAGIC	"\x02\x21\x4c\x18"

static int unpack_lz4(struct input *in, struct buffer *out)
{
	const char *block;
	uint32_t size;
	int ret, err;

	take(in, 4);
	/* A kernel has its own size at the end, of as many bytes. */
	while (in->len > 4 && memcmp(in->data, LZ4_MAGIC, 4)) {
		size = be32toh(htole32(take_number(in, 4)));
		block = take(in, size);
		if (!block)
			return EINVAL;
		err = grow(out, 8 << 20);
		if (err)
			return err;
		ret = LZ4_decompress_safe(block, out->data + out->len, size, 8 << 20);
		if (ret < 0)
			return EINVAL;
		out->len += ret;
	}
	if (in->len <= 4)
		take(in, in->len);
	return 0;
}

/* The format of lzop */
#define LZOP_ADLER32_D		0x1
#define LZOP_ADLER32_C		0x2
#define LZOP_CRC32_D		0x100
#define LZOP_CRC32_C		0x200
#define LZOP_FILTER		0x800

static uint32_t lzop_header(struct input *in)
{
	uint32_t version, flags;
	bool is_old;

	take(in, 9);
	version = take_number(in, 2);
	is_old = version < 0x0940;
	/* Which library, the version needed, method and level */
	take(in, is_old ? 2 + 1 : 2 + 2 + 1 + 1);
	flags = take_number(in, 4);
	/* Mode and time */
	take(in, (flags & LZOP_FILTER ? 4 : 0) + 4 + (is_old ? 4 : 8));
	take(in, take_number(in, 1));
	take(in, 4);
	return flags;
}

static int unpack_lzop(struct input *in, struct buffer *out)
{
	uint32_t flags = lzop_header(in), size, packed;
	const char *block;
	lzo_bytep to;
	lzo_uint room;
	int err;

	while ((size = take_number(in, 4))) {
		packed = take_number(in, 4);
		take(in, (flags & LZOP_ADLER32_D ? 4 : 0) + (flags & LZOP_CRC32_D ? 4 : 0));
		if (packed < size)
			take(in, (flags & LZOP_ADLER32_C ? 4 : 0) +
			     (flags & LZOP_CRC32_C ? 4 : 0));
		block = take(in, packed);
		if (!block || packed > size)
			return EINVAL;
		err = grow(out, size);
		if (err)
			return err;
		room = size;
		to = (lzo_bytep)out->data + out->len;
		if (packed == size)
			memcpy(to, block, size);
		else if (lzo1x_decompress_safe((lzo_bytep)block, packed, to, &room, NULL) ||
			 room != size)
			return EINVAL;
		out->len += size;
	}
	return in->data ? 0 : EINVAL;
}

static const struct {
	const char *name;
	const char *magic;
	size_t len;
	int (*unpack)(struct input *in, struct buffer *out);
} formats[] = {
	{ "gzip", "\x1f\x8b\x08", 3, unpack_gzip },
	{ "xz", "\xfd\x37zXZ\0", 6, unpack_lzma },
	{ "lzma", "\x5d\0\0", 3, unpack_lzma },
	{ "bzip2", "BZh", 3, unpack_bzip2 },
	{ "zstd", "\x28\xb5\x2f\xfd", 4, unpack_zstd },
	{ "lz4", LZ4_MAGIC, 4, unpack_lz4 },
	{ "lzo", "\x89LZO\0\r\n\x1a\n", 9, unpack_lzop },
};

/*
 * Unpack @in into @out, or what is left of it that out->take() did not get. Sets
 * @name to what it was packed by; to NULL when it was not, and then @out gets a copy.
 * What follows the compressed data is left in @in. Returns 0, or an errno: EINVAL for
 * what is damaged or ends early.
 */
int unpack(struct input *in, struct buffer *out, const char **name)
{
	size_t i;
	int err;

	for (i = 0; i < ARRAY_SIZE(formats); i++) {
		if (in->len > formats[i].len &&
		    !memcmp(in->data, formats[i].magic, formats[i].len)) {
			*name = formats[i].name;
			return formats[i].unpack(in, out);
		}
	}
	*name = NULL;
	err = grow(out, in->len);
	if (!err) {
		memcpy(out->data, in->data, in->len);
		out->len = in->len;
		take(in, in->len);
	}
	return err;
}
