/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Between the files of the handler for memfds:
 *
 *   memfd_luo.c       the handlers, and what the file system is asked for
 *   memfd_luo_out.c   writes the formats, memfd-v2 and memfd-v3
 *   memfd_luo_in.c    reads them
 *   memfd_luo_lazy.c  puts the folios of a file that is back into it
 */
#ifndef _MM_MEMFD_LUO_H
#define _MM_MEMFD_LUO_H

#include <linux/mutex.h>
#include <linux/types.h>

struct file;
struct folio;
struct inode;
struct memfd_luo_folio_ser;
struct memfd_luo_ser;
struct memfd_v3_extent;
struct memfd_v3_page;
struct memfd_v3_ser;
struct task_struct;

/**
 * struct memfd_luo_out - a preserved file
 * @lock:     protects the rest while pages come in: invalidate_lock is only
 *            shared by those who put them there
 * @format:   what it is handed over in
 * @v2:       what is handed over in memfd-v2,
 * @entries:  its folios, in memory from vmalloc() that is preserved too,
 * @capacity: and how many there is room for
 * @v3:       what is handed over in memfd-v3,
 * @last:     its last page of extents, NULL when there is none,
 * @is_open:  and whether KHO was not told of the last extent yet
 * @walker:   who is preserving what the file has, holding invalidate_lock; it
 *            must not wait for itself should a page have gone under its hands
 * @rcu:      for looking at @walker without a lock
 */
struct memfd_luo_out {
	struct mutex lock;	/* see above */
	const struct memfd_luo_format *format;
	union {
		struct {
			struct memfd_luo_ser *v2;
			struct memfd_luo_folio_ser *entries;
			u64 capacity;
		};
		struct {
			struct memfd_v3_ser *v3;
			struct memfd_v3_page *last;
			bool is_open;
		};
	};
	struct task_struct *walker;
	struct rcu_head rcu;
};

/**
 * struct memfd_luo_extent - folios that follow each other in a file and in RAM
 * @index: of their first page in the file
 * @pfn:   of their first page in RAM
 * @nr:    how many pages they are
 * @first: how many folios the file has before, once they are claimed
 * @order: of each folio; above MAX_PAGE_ORDER, they are damaged
 * @flags: MEMFD_LUO_FOLIO_*
 */
struct memfd_luo_extent {
	u64 index;
	u64 pfn;
	u64 nr;
	u64 first;
	u8 order;
	u8 flags;
};

#define MEMFD_LUO_DAMAGED	U8_MAX
#define MEMFD_LUO_FOLIO_FLAGS	(MEMFD_LUO_FOLIO_DIRTY | MEMFD_LUO_FOLIO_UPTODATE)

/**
 * struct memfd_luo_in - a file that is on its way back
 * @pos:         its position
 * @size:        its size, in bytes
 * @seals:       its seals
 * @uid:         its owner, where it @has_owner
 * @gid:         its group, likewise
 * @mode:        its permissions, likewise
 * @has_owner:   the format tells of owner, group, permissions
 * @name:        its name
 * @chunk_order: KHO has as many single pages as one where it can; 0: it never has
 * @extents:     what it has
 * @nr_extents:  how many of them there are
 * @is_claimed:  nobody else can have the folios
 * @nr_folios:   how many there are, once they are claimed,
 * @nr_pages:    and how many pages
 */
struct memfd_luo_in {
	u64 pos;
	u64 size;
	u32 seals;
	u32 uid;
	u32 gid;
	u32 mode;
	bool has_owner;
	char name[256];
	unsigned int chunk_order;
	struct memfd_luo_extent *extents;
	u64 nr_extents;
	bool is_claimed;
	u64 nr_folios;
	u64 nr_pages;
};

typedef int (*memfd_luo_extent_fn)(struct memfd_luo_out *arg,
				   const struct memfd_luo_extent *extent);

/**
 * struct memfd_luo_format - what a file is handed over in
 * @alloc:      make what is to be handed over, of nothing yet
 * @reserve:    there are about to be as many folios; may be NULL
 * @add:        add folios, which are held, and have them preserved: all or none
 * @close:      all that the file had was added; may be NULL
 * @save:       save what can change until the machine reboots; the size is given
 * @each:       call a function for all folios, in the order they were added in,
 *              until it returns an error, which is returned
 * @preserve:   have KHO know of all folios; cannot fail where it did before
 * @unpreserve: have KHO know of none of them
 * @free:       free what told of the file
 * @phys:       the physical address that is handed over
 * @read:       take what told of a file from KHO, but for its folios
 * @read_size:  the size of a file that nothing was taken of, in bytes
 * @is_stock:   it is the base's
 */
struct memfd_luo_format {
	int (*alloc)(struct memfd_luo_out *out);
	int (*reserve)(struct memfd_luo_out *out, u64 nr);
	int (*add)(struct memfd_luo_out *out, const struct memfd_luo_extent *extent);
	int (*close)(struct memfd_luo_out *out);
	int (*save)(struct memfd_luo_out *out, struct file *file, u64 size);
	int (*each)(struct memfd_luo_out *out, memfd_luo_extent_fn fn, struct memfd_luo_out *arg);
	int (*preserve)(struct memfd_luo_out *out);
	void (*unpreserve)(struct memfd_luo_out *out);
	void (*free)(struct memfd_luo_out *out);
	u64 (*phys)(struct memfd_luo_out *out);
	struct memfd_luo_in *(*read)(u64 data, gfp_t gfp);
	int (*read_size)(u64 data, u64 *size);
	bool is_stock;
};

extern const struct memfd_luo_format memfd_luo_v2;
extern const struct memfd_luo_format memfd_luo_v3;

struct memfd_luo_in *memfd_luo_read_v2(u64 data, gfp_t gfp);
struct memfd_luo_in *memfd_luo_read_v3(u64 data, gfp_t gfp);
int memfd_luo_read_size_v2(u64 data, u64 *size);
int memfd_luo_read_size_v3(u64 data, u64 *size);
int memfd_luo_claim(struct memfd_luo_in *in);
u64 memfd_luo_key(const struct memfd_luo_in *in, const struct memfd_luo_extent *extent, u64 pfn,
		  unsigned int *order);
void memfd_luo_restore(const struct memfd_luo_extent *extent, u64 key, unsigned int order);
void memfd_luo_put_folios(struct memfd_luo_in *in);
void memfd_luo_in_free(struct memfd_luo_in *in);

int memfd_luo_attach(struct inode *inode, struct memfd_luo_in *in);
int memfd_luo_populate_all(struct inode *inode);

#endif /* _MM_MEMFD_LUO_H */
