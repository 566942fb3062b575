/* SPDX-License-Identifier: GPL-2.0 */
/*
 * As much of a kernel as the readers of hand-overs need, for user space. It takes
 * the place of each header of the kernel's that they include, but for those that
 * describe the hand-over.
 */
#ifndef _FUZZ_SHIM_H
#define _FUZZ_SHIM_H

#include <assert.h>
#include <errno.h>
#include <libfdt.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

typedef uint8_t u8;
typedef uint32_t u32;
typedef uint64_t u64;
typedef uint64_t phys_addr_t;
typedef unsigned int gfp_t;
typedef unsigned long pgoff_t;
typedef struct { unsigned long val; } softleaf_t;

#define __packed	__attribute__((packed))
#define __used		__attribute__((used))
#define __section(s)	__attribute__((section(s)))
#define __aligned(n)	__attribute__((aligned(n)))
#define __private
#define __init
#define PAGE_SHIFT	12
#define PAGE_SIZE	(1ul << PAGE_SHIFT)
#define PFN_PHYS(pfn)	((phys_addr_t)(pfn) << PAGE_SHIFT)
#define PHYS_PFN(phys)	((phys) >> PAGE_SHIFT)
#define PHYS_ADDR_MAX	UINT64_MAX
#define BITS_PER_LONG	64
#define BITS_PER_BYTE	8
#define DECLARE_BITMAP(name, bits) unsigned long name[(bits) / 64]
#define BIT(n)		(1ul << (n))
#define GENMASK(h, l)	((~0ul << (l)) & (~0ul >> (BITS_PER_LONG - 1 - (h))))
#define U8_MAX		UINT8_MAX
#define U64_MAX		UINT64_MAX
#define S_IALLUGO	07777
#define min(a, b)	((a) < (b) ? (a) : (b))
#define max(a, b)	((a) > (b) ? (a) : (b))
#define MIN(a, b)	min(a, b)
#define min_t(type, a, b) min((type)(a), (type)(b))
#define round_down(x, a) ((x) / (a) * (a))
#define likely(x)	(x)
#define unlikely(x)	(x)
#define offset_in_page(p) ((unsigned long)(p) % PAGE_SIZE)
#define ALIGN(x, a)	(((x) + (a) - 1) / (a) * (a))
#define IS_ALIGNED(x, a) ((x) % (a) == 0)
#define DIV_ROUND_UP(n, d) (((n) + (d) - 1) / (d))
#define DIV_ROUND_UP_ULL(n, d) DIV_ROUND_UP((u64)(n), d)
#define const_ilog2(n)	__builtin_ctzl(n)
#define IS_ENABLED(x)	1
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define MAX_LFS_FILESIZE INT64_MAX
#define MAX_PAGE_ORDER	10
#define MAX_PAGECACHE_ORDER 9

/* Nothing here runs beside anything else. */
struct list_head { struct list_head *next, *prev; };
struct rb_node { struct rb_node *next; };
struct rb_root { struct rb_node *node; };
struct kref { int count; };
struct mutex { int dummy; };
struct rw_semaphore { int dummy; };
struct rcu_head { int dummy; };
struct work_struct { int dummy; };
struct blocking_notifier_head { int dummy; };
typedef struct { int dummy; } spinlock_t;
typedef struct { int dummy; } wait_queue_head_t;
typedef struct { int counter; } atomic_t;
typedef struct { int dummy; } wait_queue_entry_t;
typedef struct { long counter; } atomic_long_t;
typedef struct { long counter; } atomic64_t;
struct file;
struct inode;
struct pid;
struct kho_vmalloc;

bool list_empty(const struct list_head *head);
#define DEFINE_MUTEX(name)	struct mutex name
#define DEFINE_CLASS(name, ...)	struct __class_##name;
#define guard(kind)		(void)
#define scoped_guard(kind, lock) for (int __once = 1; __once; __once = 0)
#define READ_ONCE(x)		(x)
#define WRITE_ONCE(x, value)	((x) = (value))
#define lockdep_assert_held(lock) ((void)(lock))
#define lockdep_assert_held_write(lock) ((void)(lock))
#define container_of(p, type, member) ((type *)((char *)(p) - offsetof(type, member)))
#define EXPORT_SYMBOL_GPL(name)	struct __exported_##name
#define LIST_HEAD(name)		struct list_head name
#define LIST_HEAD_INIT(name)	{ NULL, NULL }
#define luo_list_entry(at, type) ((type *)((char *)(at) - offsetof(type, list)))
#define list_for_each_entry(pos, head, member)				\
	for (pos = luo_list_entry((head)->next, typeof(*pos));		\
	     &pos->member != (head); pos = luo_list_entry(pos->member.next, typeof(*pos)))

#define IS_ERR(p)	((unsigned long)(p) >= -4095UL)
#define PTR_ERR(p)	((long)(p))
#define ERR_PTR(e)	((void *)(long)(e))
#define ERR_CAST(p)	((void *)(p))
#define IS_ERR_OR_NULL(p) (!(p) || IS_ERR(p))
#define PTR_ERR_OR_ZERO(p) (IS_ERR(p) ? PTR_ERR(p) : 0)
#define WARN_ON_ONCE(c)	({ bool __c = (c); assert(!__c); __c; })

static inline size_t size_add(size_t a, size_t b)
{
	return __builtin_add_overflow(a, b, &a) ? SIZE_MAX : a;
}

static inline size_t size_mul(size_t a, size_t b)
{
	return __builtin_mul_overflow(a, b, &a) ? SIZE_MAX : a;
}

#define check_mul_overflow(a, b, d)	__builtin_mul_overflow(a, b, d)
#define strscpy(dst, src)	snprintf(dst, sizeof(dst), "%s", src)
#define strscpy_pad(dst, src)		strncpy(dst, src, sizeof(dst) - 1)

/* Writing is not for user space: it is compiled, and never called. */
struct folio;
#define GFP_KERNEL	0
#define GFP_KHO		0
#define __GFP_ZERO	0
#define __GFP_NOWARN	0
int get_order(size_t size);
struct folio *folio_alloc(int gfp, unsigned int order);
void *folio_address(struct folio *folio);
unsigned int folio_order(struct folio *folio);
long folio_nr_pages(struct folio *folio);
u64 virt_to_phys(const void *p);
int kho_preserve_folio(struct folio *folio);
int kho_add_subtree(const char *name, void *blob, size_t size);
void kho_remove_subtree(void *blob);
void *kho_alloc_preserve(size_t size);
void kho_unpreserve_free(void *p);
bool sysfs_streq(const char *a, const char *b);
int sysfs_emit_at(char *page, int at, const char *format, ...);

struct kernel_param;
struct kernel_param_ops {
	int (*set)(const char *val, const struct kernel_param *kp);
};
#define module_param_cb(name, ops, arg, perm)				\
	static const void *const __param_##name __used = (ops)

/* Reading; a page, and a folio, is where its memory is. */
struct page {
	union {
		char byte[PAGE_SIZE];
		struct {
			unsigned long private;
			struct list_head lru;
		};
	};
};
int kho_retrieve_subtree(const char *name, phys_addr_t *phys, size_t *size);
int kho_preserved_order(phys_addr_t phys);
int kho_claimed_order(phys_addr_t phys);
int kho_claim(phys_addr_t phys);
unsigned int kho_unclaim(phys_addr_t phys);
struct page *kho_restore_claimed(phys_addr_t phys, bool is_folio);
struct page *pfn_to_page(unsigned long pfn);
void *phys_to_virt(u64 phys);
void put_page(struct page *page);
int kho_preserve_pages(struct page *page, unsigned long nr);
void kho_unpreserve_pages(struct page *page, unsigned long nr);
/* A page has failed whose last byte says so. */
#define CONFIG_MEMORY_FAILURE
static long num_poisoned_pages = 1;
#define atomic_long_read(p)	(*(p))
#define PageHWPoison(page)	((page)->byte[PAGE_SIZE - 1] == 'P')
/* Every other page is of another zone. */
#define page_zone(page)		((uintptr_t)(page) >> PAGE_SHIFT & 1)
void adjust_managed_page_count(struct page *page, long nr);

/* Writing, of memfds */
void *__vcalloc(size_t n, size_t size, int gfp);
void *__vmalloc(size_t size, int gfp);
void vfree(const void *p);
int kho_preserve_vmalloc(void *p, struct kho_vmalloc *kv);
void kho_unpreserve_vmalloc(struct kho_vmalloc *kv);
struct page *virt_to_page(const void *p);
void set_page_private(struct page *page, unsigned long private);
unsigned long find_first_zero_bit(const unsigned long *bits, unsigned long nr);
void list_add(struct list_head *entry, struct list_head *head);
void list_del(struct list_head *entry);
void list_del_init(struct list_head *entry);
#define list_first_entry_or_null(head, type, member) ((type *)NULL)
#define __set_bit(bit, bits)	(*(bits) |= 1ul << (bit))
#define __clear_bit(bit, bits)	(*(bits) &= ~(1ul << (bit)))
struct folio *kho_restore_folio(phys_addr_t phys);
struct page *kho_restore_pages(phys_addr_t phys, unsigned long nr);
struct folio *pfn_folio(unsigned long pfn);
void folio_put(struct folio *folio);
void kho_restore_free(void *p);
void free_page(unsigned long address);
unsigned long totalram_pages(void);
#define virt_to_folio(p)	((struct folio *)(p))
#define page_address(p)		((void *)(p))
#define kmalloc_obj(obj, ...)	malloc(sizeof(obj))
#define kzalloc_obj(obj, ...)	calloc(1, sizeof(obj))
#define kvmalloc_objs(obj, n, ...)	((n) > 100 ? NULL : calloc(n, sizeof(obj)))
#define kfree(p)		free(p)
#define kvfree(p)		free(p)
#define sort_nonatomic(base, n, size, compare, swap) qsort(base, n, size, compare)
#define cond_resched()		do { } while (0)
#define pr_warn_ratelimited(...) do { } while (0)

#endif /* _FUZZ_SHIM_H */
