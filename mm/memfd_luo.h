/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the previous kernel handed over of a memfd. memfd_luo_in.c takes it from
 * KHO and checks it, for memfd_luo.c alone, which puts it into a file.
 */
#ifndef _MM_MEMFD_LUO_H
#define _MM_MEMFD_LUO_H

#include <linux/kho/abi/memfd.h>
#include <linux/types.h>

struct file;
struct folio;

/* What an entry may say in flags, and always says: see memfd_luo_add() */
#define MEMFD_LUO_FOLIO_FLAGS	(MEMFD_LUO_FOLIO_DIRTY | MEMFD_LUO_FOLIO_UPTODATE)

/**
 * struct memfd_luo_in - a file that is on its way back
 * @ser:       a copy of what was handed over
 * @saved:     the pages that told of it, which are kept until all is done so
 *             that an attempt that failed can be gone on with: first those of
 *             the entries, then those that point to them, then the one of @ser
 * @nr_saved:  how many they are
 * @nr_taken:  of how many entries, from the first on, we have the folios
 * @file:      the file, all of it a hole so far, or NULL
 */
struct memfd_luo_in {
	struct memfd_luo_ser ser;
	void **saved;
	unsigned long nr_saved;
	u64 nr_taken;
	struct file *file;
};

struct memfd_luo_ser *memfd_luo_ser(u64 data);
struct memfd_luo_in *memfd_luo_in_alloc(u64 data);
struct memfd_luo_folio_ser *memfd_luo_entry(struct memfd_luo_in *in, u64 i);
struct folio *memfd_luo_entry_folio(struct memfd_luo_in *in, u64 i);
int memfd_luo_take_folios(struct memfd_luo_in *in);
void memfd_luo_put_folios(struct memfd_luo_in *in);
void memfd_luo_free_saved(struct memfd_luo_in *in);

#endif /* _MM_MEMFD_LUO_H */
