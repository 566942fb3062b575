// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of what is pure in live update: the text that users read and
 * write, and telling what a hand-over is.
 */

#include <kunit/test.h>
#include <linux/fcntl.h>
#include <linux/libfdt.h>
#include <linux/limits.h>
#include <linux/string.h>

#include "../../kernel/liveupdate/luo_format.h"
#include "../../kernel/liveupdate/luo_text.h"

static void parse_u64_takes_canonical_decimal(struct kunit *test)
{
	static const struct {
		const char *text;
		u64 value;
	} cases[] = {
		{ "0", 0 },
		{ "1", 1 },
		{ "42", 42 },
		{ "4294967296", 1ULL << 32 },
		{ "18446744073709551615", U64_MAX },
	};
	u64 value;
	int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		KUNIT_EXPECT_EQ(test, 0, luo_parse_u64(cases[i].text, strlen(cases[i].text),
						       &value));
		KUNIT_EXPECT_EQ(test, cases[i].value, value);
	}
}

static void parse_u64_refuses_the_rest(struct kunit *test)
{
	static const char *const cases[] = {
		"", "00", "01", "042", "0x2a", "-1", "+1", " 1", "1 ", "1\n", "1a", "a",
		"18446744073709551616", "28446744073709551615", "184467440737095516150",
	};
	u64 value = 7;
	int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++)
		KUNIT_EXPECT_EQ_MSG(test, -EINVAL,
				    luo_parse_u64(cases[i], strlen(cases[i]), &value),
				    "'%s'", cases[i]);
	KUNIT_EXPECT_EQ(test, 7, value);
}

static void parse_pair_takes_both_numbers(struct kunit *test)
{
	static const struct {
		const char *text;
		int pidfd;
		int fd;
	} cases[] = {
		{ "self:5", PIDFD_SELF_THREAD, 5 },
		{ "self:5\n", PIDFD_SELF_THREAD, 5 },
		{ "9:0", 9, 0 },
		{ "-10000:1", PIDFD_SELF_THREAD, 1 },
		{ "-10001:1", PIDFD_SELF_THREAD_GROUP, 1 },
		{ "2147483647:2147483647", INT_MAX, INT_MAX },
		/* Numbers, but no table has such a descriptor */
		{ "4294967296:18446744073709551615", INT_MAX, INT_MAX },
	};
	int pidfd, fd, i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		KUNIT_EXPECT_EQ_MSG(test, 0,
				    luo_parse_pair(cases[i].text, strlen(cases[i].text),
						   &pidfd, &fd), "'%s'", cases[i].text);
		KUNIT_EXPECT_EQ(test, cases[i].pidfd, pidfd);
		KUNIT_EXPECT_EQ(test, cases[i].fd, fd);
	}
}

static void parse_pair_refuses_the_rest(struct kunit *test)
{
	static const char *const cases[] = {
		"", "\n", ":", "self", "self:", ":5", "self:x", "x:5", "self:5 ", " self:5",
		"self :5", "self:-1", "self:+5", "self:0x5", "self:05", "self:5:6", "self:5,6",
		"self:5\n\n", "self:5\nself:6", "SELF:5", "selfx:5", "sel:5", "-1:5", "-:5",
		"-10002:5", "--10000:5", "-010000:5", "self:18446744073709551616",
		"18446744073709551616:5",
	};
	int pidfd, fd, i;

	for (i = 0; i < ARRAY_SIZE(cases); i++)
		KUNIT_EXPECT_EQ_MSG(test, -EINVAL,
				    luo_parse_pair(cases[i], strlen(cases[i]), &pidfd, &fd),
				    "'%s'", cases[i]);
	KUNIT_EXPECT_EQ(test, -EINVAL, luo_parse_pair("self:5\0", 7, &pidfd, &fd));
}

static void parse_pidfd_is_the_left_side(struct kunit *test)
{
	int pidfd;

	KUNIT_EXPECT_EQ(test, 0, luo_parse_pidfd("self\n", 5, &pidfd));
	KUNIT_EXPECT_EQ(test, PIDFD_SELF_THREAD, pidfd);
	KUNIT_EXPECT_EQ(test, 0, luo_parse_pidfd("12", 2, &pidfd));
	KUNIT_EXPECT_EQ(test, 12, pidfd);
	KUNIT_EXPECT_EQ(test, -EINVAL, luo_parse_pidfd("", 0, &pidfd));
	KUNIT_EXPECT_EQ(test, -EINVAL, luo_parse_pidfd("12:5", 4, &pidfd));
	KUNIT_EXPECT_EQ(test, -EINVAL, luo_parse_pidfd("self self", 9, &pidfd));
}

static void names_are_escaped_where_they_must(struct kunit *test)
{
	static const struct {
		const char *name;
		const char *text;
	} cases[] = {
		{ "vm1", "vm1" },
		{ "a b", "a b" },
		{ "a.b", "a.b" },
		{ ".a", ".a" },
		{ "...", "..." },
		{ ".", "\\x2e" },
		{ "..", "\\x2e." },
		{ "a/b", "a\\x2fb" },
		{ "\n", "\\x0a" },
		{ "\x7f", "\\x7f" },
		{ "\xff", "\xff" },
		{ "\\", "\\" },
		{ "foo\\x2dbar", "foo\\x2dbar" },
		{ "a\\x2fb", "a\\x5cx2fb" },
		{ "a\\x2Fb", "a\\x2Fb" },
		{ "\\x5c", "\\x5cx5c" },
	};
	char text[LUO_NAME_TEXT_LENGTH];
	char name[LIVEUPDATE_SESSION_NAME_LENGTH];
	int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		luo_format_name(cases[i].name, text);
		KUNIT_EXPECT_STREQ(test, cases[i].text, text);
		KUNIT_EXPECT_EQ(test, 0, luo_parse_name(cases[i].text, name));
		KUNIT_EXPECT_STREQ(test, cases[i].name, name);
	}
}

static void names_are_written_in_one_way(struct kunit *test)
{
	static const char *const cases[] = {
		"", "\\x00", "a\\x2eb", "\\x2ea", "\\x2e\\x2e", ".\\x2e", "a\\x5cb", "\\x5c",
	};
	char name[LIVEUPDATE_SESSION_NAME_LENGTH];
	int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++)
		KUNIT_EXPECT_EQ_MSG(test, -EINVAL, luo_parse_name(cases[i], name),
				    "'%s'", cases[i]);
}

/* Every name of three bytes out of those that matter, and back. */
static void names_come_back(struct kunit *test)
{
	static const char bytes[] = "\x01\n .-/\\abcdef0123456789xX\x7f\x80\xff";
	char name[LIVEUPDATE_SESSION_NAME_LENGTH] = {}, again[LIVEUPDATE_SESSION_NAME_LENGTH];
	const int nr = sizeof(bytes) - 1;
	char text[LUO_NAME_TEXT_LENGTH];
	int i;

	for (i = 0; i < nr * nr * nr; i++) {
		/* In front of what may become an escape by it */
		name[0] = bytes[i % nr];
		name[1] = bytes[i / nr % nr];
		name[2] = bytes[i / nr / nr];
		memcpy(name + 3, "2f", sizeof("2f"));
		luo_format_name(name, text);
		KUNIT_ASSERT_NULL(test, strchr(text, '/'));
		KUNIT_ASSERT_EQ(test, 0, luo_parse_name(text, again));
		KUNIT_ASSERT_STREQ(test, name, again);
	}
}

static void names_have_63_bytes(struct kunit *test)
{
	char text[LUO_NAME_TEXT_LENGTH + 8], name[LIVEUPDATE_SESSION_NAME_LENGTH];

	memset(text, 'a', 64);
	text[63] = '\0';
	KUNIT_EXPECT_EQ(test, 0, luo_parse_name(text, name));
	text[63] = 'a';
	text[64] = '\0';
	KUNIT_EXPECT_EQ(test, -ENAMETOOLONG, luo_parse_name(text, name));

	/* The longest text there is */
	memset(name, '/', 63);
	name[63] = '\0';
	luo_format_name(name, text);
	KUNIT_EXPECT_EQ(test, LUO_NAME_TEXT_LENGTH - 1, strlen(text));
	KUNIT_EXPECT_EQ(test, 0, luo_parse_name(text, name));
}

static struct kunit_case luo_text_cases[] = {
	KUNIT_CASE(parse_u64_takes_canonical_decimal),
	KUNIT_CASE(parse_u64_refuses_the_rest),
	KUNIT_CASE(parse_pair_takes_both_numbers),
	KUNIT_CASE(parse_pair_refuses_the_rest),
	KUNIT_CASE(parse_pidfd_is_the_left_side),
	KUNIT_CASE(names_are_escaped_where_they_must),
	KUNIT_CASE(names_are_written_in_one_way),
	KUNIT_CASE(names_come_back),
	KUNIT_CASE(names_have_63_bytes),
	{}
};

static struct kunit_suite luo_text_suite = {
	.name = "liveupdate-text",
	.test_cases = luo_text_cases,
};

/* A tree as luo-v1 has it; returns its size. */
static int make_fdt(struct kunit *test, void *fdt, const char *compatible)
{
	const u64 number = 3;
	int err;

	err = fdt_create(fdt, LUO_FDT_SIZE) ?:
	      fdt_finish_reservemap(fdt) ?:
	      fdt_begin_node(fdt, "") ?:
	      fdt_property_string(fdt, "compatible", compatible) ?:
	      fdt_property(fdt, LUO_FDT_LIVEUPDATE_NUM, &number, sizeof(number)) ?:
	      fdt_end_node(fdt) ?:
	      fdt_finish(fdt);
	KUNIT_ASSERT_EQ(test, 0, err);
	return fdt_totalsize(fdt);
}

static void v1_tells_what_it_is(struct kunit *test)
{
	void *fdt = kunit_kzalloc(test, LUO_FDT_SIZE, GFP_KERNEL);
	u64 number;

	KUNIT_ASSERT_NOT_NULL(test, fdt);
	make_fdt(test, fdt, "luo-v1");
	KUNIT_EXPECT_STREQ(test, "luo-v1", luo_abi_v1.identify(fdt, LUO_FDT_SIZE));
	KUNIT_EXPECT_EQ(test, 0, luo_abi_v1.read_number(fdt, &number));
	KUNIT_EXPECT_EQ(test, 3, number);
	make_fdt(test, fdt, "luo-v9");
	KUNIT_EXPECT_STREQ(test, "luo-v9", luo_abi_v1.identify(fdt, LUO_FDT_SIZE));
}

static void v1_is_not_taken_in_by_less(struct kunit *test)
{
	u8 *fdt = kunit_kzalloc(test, LUO_FDT_SIZE, GFP_KERNEL);
	char *compatible;
	u64 number;
	int size;

	KUNIT_ASSERT_NOT_NULL(test, fdt);
	KUNIT_EXPECT_NULL(test, luo_abi_v1.identify(fdt, LUO_FDT_SIZE));
	size = make_fdt(test, fdt, "luo-v1");
	while (--size >= 0)
		KUNIT_EXPECT_NULL(test, luo_abi_v1.identify(fdt, size));

	/* A compatible string that does not end, and one that is empty */
	make_fdt(test, fdt, "luo-v1");
	compatible = fdt_getprop_w(fdt, 0, "compatible", NULL);
	compatible[strlen("luo-v1")] = 'x';
	KUNIT_EXPECT_NULL(test, luo_abi_v1.identify(fdt, LUO_FDT_SIZE));
	make_fdt(test, fdt, "");
	KUNIT_EXPECT_NULL(test, luo_abi_v1.identify(fdt, LUO_FDT_SIZE));

	make_fdt(test, fdt, "luo-v1");
	fdt_nop_property(fdt, 0, LUO_FDT_LIVEUPDATE_NUM);
	KUNIT_EXPECT_EQ(test, -EINVAL, luo_abi_v1.read_number(fdt, &number));
}

/* No byte of it may lead a reader out of it, which KASAN would see. */
static void v1_stands_damage(struct kunit *test)
{
	u8 *fdt = kunit_kzalloc(test, LUO_FDT_SIZE, GFP_KERNEL);
	static const u8 damage[] = { 0x00, 0x01, 0x7f, 0x80, 0xff };
	int size, i, j;
	u64 number;

	KUNIT_ASSERT_NOT_NULL(test, fdt);
	size = make_fdt(test, fdt, "luo-v1");
	for (i = 0; i < size; i++) {
		u8 byte = fdt[i];

		for (j = 0; j < ARRAY_SIZE(damage); j++) {
			fdt[i] = damage[j];
			if (luo_abi_v1.identify(fdt, size))
				luo_abi_v1.read_number(fdt, &number);
		}
		fdt[i] = byte;
	}
	KUNIT_EXPECT_STREQ(test, "luo-v1", luo_abi_v1.identify(fdt, size));
}

static struct kunit_case luo_v1_cases[] = {
	KUNIT_CASE(v1_tells_what_it_is),
	KUNIT_CASE(v1_is_not_taken_in_by_less),
	KUNIT_CASE(v1_stands_damage),
	{}
};

static struct kunit_suite luo_v1_suite = {
	.name = "liveupdate-v1",
	.test_cases = luo_v1_cases,
};

kunit_test_suites(&luo_text_suite, &luo_v1_suite);

MODULE_DESCRIPTION("KUnit tests of live update");
MODULE_LICENSE("GPL");
