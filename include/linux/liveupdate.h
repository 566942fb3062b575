/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Live Update Orchestrator: what a driver needs to have its files preserved
 * across a kexec. Documentation/core-api/liveupdate.rst tells how to use it.
 */
#ifndef _LINUX_LIVEUPDATE_H
#define _LINUX_LIVEUPDATE_H

#include <linux/atomic.h>
#include <linux/bug.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/kho/abi/luo.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/types.h>
#include <uapi/linux/liveupdate.h>

struct file;
struct kimage;
struct liveupdate_file_handler;
struct liveupdate_flb;
struct liveupdate_session;
struct luo_flb_record;
struct module;

/**
 * struct liveupdate_file_op_args - what a file callback is told, and tells
 * @handler:         the handler that is called
 * @session:         the file's session, by which other files in it are asked
 *                   for: liveupdate_get_token_outgoing() in preserve() and
 *                   freeze(), liveupdate_get_file_incoming() in retrieve()
 * @retrieve_status: for can_finish() and finish(): 1 when the file was
 *                   retrieved, 0 when nobody asked for it, a negative errno
 *                   when the last attempt failed
 * @file:            the file; retrieve() sets it, and hands its reference over
 * @serialized_data: the handle that goes to the next kernel; preserve() sets
 *                   it, freeze() may change it
 * @private_data:    the handler's own, kept from one callback on a file to the
 *                   next in the same kernel and never handed over
 */
struct liveupdate_file_op_args {
	struct liveupdate_file_handler *handler;
	struct liveupdate_session *session;
	int retrieve_status;
	struct file *file;
	u64 serialized_data;
	void *private_data;
};

/**
 * struct liveupdate_file_ops - callbacks of a file handler
 * @can_preserve: Required. Is the file of a type that the handler saves? It is about
 *                the file alone: the core chooses a handler of the format of the
 *                hand-over, see @abi of &struct liveupdate_file_handler. Cheap, and
 *                without side effect.
 * @preserve:     Required. Save the file. It stays in use afterwards.
 * @unpreserve:   Required. Undo preserve(); cannot fail.
 * @convert:      Optional. Have a preserved file handed over as @to would have
 *                preserved it, which is another handler of the same callbacks;
 *                called when the hand-over format changes, and it is @to that
 *                takes such files from now on. Sets @serialized_data. When it
 *                fails it must leave everything as it was.
 * @check:        Optional. Would freeze() fail now? Called while the file is in use, to
 *                tell before services are stopped: has no side effect.
 * @freeze:       Optional. The last chance to update what was saved. Called in
 *                the reboot path: it must not allocate.
 * @unfreeze:     Optional. Undo freeze(); the machine goes on after all.
 * @retrieve:     Required. Make the file again from what was saved. When it
 *                fails it must leave everything such that it can be called
 *                again; @private_data is kept for that.
 * @carry:        Optional. Hand a file that was not retrieved on to the next
 *                kernel, of what was saved alone. Called in the reboot path in
 *                place of retrieve(), preserve() and freeze(). @serialized_data
 *                is the previous kernel's, and becomes the handle for the next
 *                one. @to is the handler that the file is handed over by: @handler,
 *                or when that does not write the format of the hand-over, one of the
 *                same callbacks that does. When it fails it must leave everything as
 *                it was.
 * @uncarry:      Required with @carry. Undo it, with what it has set; the machine
 *                goes on after all.
 * @can_finish:   Optional. May the file's session be finished now?
 * @finish:       Required. The kernel gives the file up: free what is left of
 *                what was saved, the file's content too when it was not
 *                retrieved. Cannot fail.
 * @get_id:       Optional. What identifies the file's content, so that it is
 *                not preserved twice; by default the struct file itself.
 * @get_size:     Optional. The size in bytes of a file that was not retrieved
 *                yet, read from what was saved.
 * @file_size:    Optional. The size in bytes of a file that is there; by default that
 *                of its inode.
 * @open:         Optional. Called each time that a user gets a file that was retrieved:
 *                returns what that user gets, with a reference, or an ERR_PTR(). By
 *                default all get @file of the arguments.
 * @owner:        the module that the callbacks live in
 *
 * All are called in process context and may sleep; none may register or
 * unregister anything here. Callbacks on one file are never called at the same
 * time.
 */
struct liveupdate_file_ops {
	bool (*can_preserve)(struct liveupdate_file_handler *handler,
			     struct file *file);
	int (*preserve)(struct liveupdate_file_op_args *args);
	void (*unpreserve)(struct liveupdate_file_op_args *args);
	int (*convert)(struct liveupdate_file_op_args *args,
		       struct liveupdate_file_handler *to);
	int (*check)(struct liveupdate_file_op_args *args);
	int (*freeze)(struct liveupdate_file_op_args *args);
	void (*unfreeze)(struct liveupdate_file_op_args *args);
	int (*retrieve)(struct liveupdate_file_op_args *args);
	int (*carry)(struct liveupdate_file_op_args *args,
		     struct liveupdate_file_handler *to);
	void (*uncarry)(struct liveupdate_file_op_args *args);
	bool (*can_finish)(struct liveupdate_file_op_args *args);
	void (*finish)(struct liveupdate_file_op_args *args);
	unsigned long (*get_id)(struct file *file);
	int (*get_size)(struct liveupdate_file_op_args *args, u64 *size);
	u64 (*file_size)(struct file *file);
	struct file *(*open)(struct liveupdate_file_op_args *args);
	struct module *owner;
};

/**
 * struct liveupdate_file_handler - a file type that can be preserved
 * @ops:        its callbacks
 * @compatible: names the type and the version of what preserve() saves, e.g.
 *              "memfd-v2"; the next kernel finds its handler by it
 * @abi:        the format of the hand-over that it preserves files for, e.g. "luo-v5";
 *              NULL for any. It retrieves files from all.
 */
struct liveupdate_file_handler {
	const struct liveupdate_file_ops *ops;
	const char compatible[LIVEUPDATE_HNDL_COMPAT_LENGTH];
	const char *abi;

	/* private: */
	struct list_head __private list;	/* all handlers */
	struct list_head __private flb_list;	/* the FLBs it depends on */
	atomic_long_t __private files;		/* files that it is held for */
};

/* List a compatible string among those that this kernel understands. */
#define LIVEUPDATE_VERSION(_name, _compatible)					\
	static const char __liveupdate_version_##_name[LIVEUPDATE_HNDL_COMPAT_LENGTH] \
		__used __section(".liveupdate_versions") __aligned(1) = _compatible

/**
 * LIVEUPDATE_FILE_HANDLER_ABI() - define a file handler for one format of the hand-over
 * @_name:       the name of the &struct liveupdate_file_handler
 * @_compatible: its compatible string
 * @_ops:        its &struct liveupdate_file_ops
 * @_abi:        the format
 *
 * Also lists @_compatible in the section .liveupdate_versions, by which users
 * tell what a kernel understands before they boot it.
 */
#define LIVEUPDATE_FILE_HANDLER_ABI(_name, _compatible, _ops, _abi)		\
	static struct liveupdate_file_handler _name = {				\
		.ops = _ops,							\
		.compatible = _compatible,					\
		.abi = _abi,							\
	};									\
	LIVEUPDATE_VERSION(_name, _compatible)

/**
 * LIVEUPDATE_FILE_HANDLER() - define a file handler for any format of the hand-over
 * @_name:       the name of the &struct liveupdate_file_handler
 * @_compatible: its compatible string
 * @_ops:        its &struct liveupdate_file_ops
 *
 * As LIVEUPDATE_FILE_HANDLER_ABI() does.
 */
#define LIVEUPDATE_FILE_HANDLER(_name, _compatible, _ops)			\
	LIVEUPDATE_FILE_HANDLER_ABI(_name, _compatible, _ops, NULL)

/**
 * struct liveupdate_flb_op_args - what an FLB callback is told, and tells
 * @flb:  the object that is called
 * @data: the handle that goes to the next kernel; preserve() sets it
 * @obj:  the live object; preserve() and retrieve() set it
 */
struct liveupdate_flb_op_args {
	struct liveupdate_flb *flb;
	u64 data;
	void *obj;
};

/**
 * struct liveupdate_flb_ops - callbacks of a file-lifecycle-bound object
 * @preserve:   the first file that depends on the object is being preserved
 * @unpreserve: the last such file was unpreserved
 * @retrieve:   somebody asks for the object in the next kernel, or its last
 *              file is about to be finished and nobody had asked. When it
 *              fails it must leave everything such that it can be called again.
 * @finish:     the last file that depends on the object was finished
 * @owner:      the module that the callbacks live in; it is held as long as a
 *              file depends on the object
 *
 * All are required, are called in process context and may sleep. They may not
 * register or unregister anything here, nor ask for their own object.
 */
struct liveupdate_flb_ops {
	int (*preserve)(struct liveupdate_flb_op_args *argp);
	void (*unpreserve)(struct liveupdate_flb_op_args *argp);
	int (*retrieve)(struct liveupdate_flb_op_args *argp);
	void (*finish)(struct liveupdate_flb_op_args *argp);
	struct module *owner;
};

/*
 * One direction of an FLB's life.
 * @lock:      protects the rest; the callbacks are called under it
 * @record:    what is handed over of it, or was; NULL when no file depends on it
 * @finishing: how many of the files that depend on it are being finished
 * @refs:      references got with liveupdate_flb_get_*() and not yet put
 * @data:      the handle of preserve()
 * @obj:       the live object, while @live
 * @live:      preserved, or retrieved; a reference on the module is held
 */
struct luo_flb_state {
	struct mutex lock;	/* see above */
	struct luo_flb_record *record;
	u64 finishing;
	u64 refs;
	u64 data;
	void *obj;
	bool live;
};

/*
 * What the core keeps in an FLB.
 * @list:        in the list of all FLBs that a handler depends on
 * @outgoing:    on its way to the next kernel
 * @incoming:    on its way from the previous one
 * @users:       handlers that depend on it
 * @initialized: whether the rest is
 */
struct luo_flb_private {
	struct list_head list;
	struct luo_flb_state outgoing;
	struct luo_flb_state incoming;
	unsigned int users;
	bool initialized;
};

/**
 * struct liveupdate_flb - state that many files share, preserved once
 * @ops:        its callbacks
 * @compatible: names the object and the version of what preserve() saves
 */
struct liveupdate_flb {
	const struct liveupdate_flb_ops *ops;
	const char compatible[LIVEUPDATE_FLB_COMPAT_LENGTH];

	/* private: */
	struct luo_flb_private __private private;
};

/**
 * enum liveupdate_phase - phases of a live update, in the order in which they begin
 * @LIVEUPDATE_PHASE_REQUESTED: reboot(2) was called
 * @LIVEUPDATE_PHASE_FROZEN:    nothing that is handed over changes any more
 * @LIVEUPDATE_PHASE_JUMP:      devices are shut down, the old kernel leaves
 * @LIVEUPDATE_PHASE_ENTRY:     the new kernel looks at its command line
 * @LIVEUPDATE_PHASE_MEMORY:    it can allocate memory
 * @LIVEUPDATE_PHASE_READ:      it has read the hand-over
 * @LIVEUPDATE_PHASE_INIT:      it starts init
 * @LIVEUPDATE_PHASE_RETRIEVED: the first file was retrieved
 * @LIVEUPDATE_PHASE_FINISHED:  the last session was finished
 * @LIVEUPDATE_NR_OLD_PHASES:   number of those that are the old kernel's
 * @LIVEUPDATE_NR_PHASES:       number of all
 */
enum liveupdate_phase {
	LIVEUPDATE_PHASE_REQUESTED,
	LIVEUPDATE_PHASE_FROZEN,
	LIVEUPDATE_PHASE_JUMP,
	LIVEUPDATE_PHASE_ENTRY,
	LIVEUPDATE_NR_OLD_PHASES = LIVEUPDATE_PHASE_ENTRY,
	LIVEUPDATE_PHASE_MEMORY,
	LIVEUPDATE_PHASE_READ,
	LIVEUPDATE_PHASE_INIT,
	LIVEUPDATE_PHASE_RETRIEVED,
	LIVEUPDATE_PHASE_FINISHED,
	LIVEUPDATE_NR_PHASES
};

#ifdef CONFIG_LIVEUPDATE

bool liveupdate_enabled(void);
void liveupdate_phase(enum liveupdate_phase phase);
int liveupdate_reboot(void);
void liveupdate_forget_image(const struct kimage *image);
void *liveupdate_preserved_data(u64 phys, u64 size);

int liveupdate_register_file_handler(struct liveupdate_file_handler *fh);
void liveupdate_unregister_file_handler(struct liveupdate_file_handler *fh);

int liveupdate_get_token_outgoing(struct liveupdate_session *session,
				  struct file *file, u64 *tokenp);
int liveupdate_get_file_incoming(struct liveupdate_session *session, u64 token,
				 struct file **filep);

int liveupdate_register_flb(struct liveupdate_file_handler *fh,
			    struct liveupdate_flb *flb);
void liveupdate_unregister_flb(struct liveupdate_file_handler *fh,
			       struct liveupdate_flb *flb);

int liveupdate_flb_get_incoming(struct liveupdate_flb *flb, void **objp);
void liveupdate_flb_put_incoming(struct liveupdate_flb *flb);

int liveupdate_flb_get_outgoing(struct liveupdate_flb *flb, void **objp);
void liveupdate_flb_put_outgoing(struct liveupdate_flb *flb);

#else /* CONFIG_LIVEUPDATE */

static inline bool liveupdate_enabled(void)
{
	return false;
}

static inline void liveupdate_phase(enum liveupdate_phase phase)
{
}

static inline int liveupdate_reboot(void)
{
	return 0;
}

static inline void liveupdate_forget_image(const struct kimage *image)
{
}

static inline int liveupdate_register_file_handler(struct liveupdate_file_handler *fh)
{
	return -EOPNOTSUPP;
}

static inline void liveupdate_unregister_file_handler(struct liveupdate_file_handler *fh)
{
}

static inline int liveupdate_get_token_outgoing(struct liveupdate_session *session,
						struct file *file, u64 *tokenp)
{
	return -EOPNOTSUPP;
}

static inline int liveupdate_get_file_incoming(struct liveupdate_session *session,
					       u64 token, struct file **filep)
{
	return -EOPNOTSUPP;
}

static inline int liveupdate_register_flb(struct liveupdate_file_handler *fh,
					  struct liveupdate_flb *flb)
{
	return -EOPNOTSUPP;
}

static inline void liveupdate_unregister_flb(struct liveupdate_file_handler *fh,
					     struct liveupdate_flb *flb)
{
}

static inline int liveupdate_flb_get_incoming(struct liveupdate_flb *flb,
					      void **objp)
{
	return -EOPNOTSUPP;
}

static inline void liveupdate_flb_put_incoming(struct liveupdate_flb *flb)
{
}

static inline int liveupdate_flb_get_outgoing(struct liveupdate_flb *flb,
					      void **objp)
{
	return -EOPNOTSUPP;
}

static inline void liveupdate_flb_put_outgoing(struct liveupdate_flb *flb)
{
}

#endif /* CONFIG_LIVEUPDATE */
#endif /* _LINUX_LIVEUPDATE_H */
