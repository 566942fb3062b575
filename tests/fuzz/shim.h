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

#define __packed	__attribute__((packed))
#define __used		__attribute__((used))
#define __section(s)	__attribute__((section(s)))
#define __aligned(n)	__attribute__((aligned(n)))
#define __private
#define __init
#define PAGE_SIZE	4096
#define ALIGN(x, a)	(((x) + (a) - 1) / (a) * (a))
#define IS_ENABLED(x)	0
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* Nothing here runs beside anything else. */
struct list_head { struct list_head *next, *prev; };
struct rb_node { struct rb_node *next; };
struct rb_root { struct rb_node *node; };
struct kref { int count; };
struct mutex { int dummy; };
struct rw_semaphore { int dummy; };
struct work_struct { int dummy; };
struct blocking_notifier_head { int dummy; };
typedef struct { int dummy; } wait_queue_entry_t;
typedef struct { long counter; } atomic_long_t;
struct file;
struct pid;

bool list_empty(const struct list_head *head);
#define DEFINE_MUTEX(name)	struct mutex name
#define guard(kind)		(void)
#define luo_list_entry(at, type) ((type *)((char *)(at) - offsetof(type, list)))
#define list_for_each_entry(pos, head, member)				\
	for (pos = luo_list_entry((head)->next, typeof(*pos));		\
	     &pos->member != (head); pos = luo_list_entry(pos->member.next, typeof(*pos)))

#define IS_ERR(p)	((unsigned long)(p) >= -4095UL)
#define PTR_ERR(p)	((long)(p))
#define ERR_PTR(e)	((void *)(long)(e))
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
#define strscpy_pad(dst, src)		strncpy(dst, src, sizeof(dst) - 1)

/* Writing is not for user space: it is compiled, and never called. */
struct folio;
#define GFP_KERNEL	0
#define __GFP_ZERO	0
#define __GFP_NOWARN	0
#define MAX_PAGE_ORDER	10
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
void *kmalloc(size_t size);
void kfree(void *p);
#define kmalloc_obj(obj)	kmalloc(sizeof(obj))
bool sysfs_streq(const char *a, const char *b);
int sysfs_emit_at(char *page, int at, const char *format, ...);

struct kernel_param;
struct kernel_param_ops {
	int (*set)(const char *val, const struct kernel_param *kp);
};
#define module_param_cb(name, ops, arg, perm)				\
	static const void *const __param_##name __used = (ops)

/* Reading */
struct folio *kho_restore_folio(phys_addr_t phys);
struct folio *virt_to_folio(const void *p);
void folio_put(struct folio *folio);

#endif /* _FUZZ_SHIM_H */
