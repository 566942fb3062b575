// SPDX-License-Identifier: GPL-2.0
/*
 * The timeline of a live update: when each of its phases began, on one clock over both
 * kernels. The old kernel's part is a note beside the hand-over.
 *
 * The clock is a counter of the processor that goes on over a kexec: on x86 the time stamp
 * counter, less what was written to TSC_ADJUST; on arm64 the virtual counter. Where the
 * kernel does not take the time stamp counter for stable there is no such clock.
 */

#include <linux/compiler.h>
#include <linux/cpufeature.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/init.h>
#include <linux/kho/abi/luo_notes.h>
#include <linux/liveupdate.h>
#include <linux/math64.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <linux/time64.h>

#ifdef CONFIG_X86_64
#include <asm/msr.h>
#include <asm/tsc.h>
#endif
#ifdef CONFIG_ARM64
#include <asm/arch_timer.h>
#endif

#include "luo_notes.h"
#include "luo_state.h"
#include "luo_timeline.h"

/* In ticks, 0 for a phase that has not begun: of what led to this kernel, and of what is to come */
static u64 luo_timeline_in[LIVEUPDATE_NR_PHASES];
static u64 luo_timeline_out[LIVEUPDATE_NR_OLD_PHASES];

/* Whether the old kernel's phases of luo_timeline_in[] can be compared with the others */
static bool luo_timeline_is_whole;

/* The place in the notes that the last phase of the old kernel is written to, when there is one */
static struct luo_timeline_ser *luo_timeline_note;

#if defined(CONFIG_X86_64)
static u64 luo_clock(void)
{
	u64 adjust = 0;

	if (boot_cpu_has(X86_FEATURE_TSC_ADJUST))
		rdmsrq(MSR_IA32_TSC_ADJUST, adjust);
	return rdtsc_ordered() - adjust;
}

static u64 luo_clock_khz(void)
{
	return check_tsc_unstable() ? 0 : tsc_khz;
}
#elif defined(CONFIG_ARM64)
static u64 luo_clock(void)
{
	return __arch_counter_get_cntvct();
}

static u64 luo_clock_khz(void)
{
	return arch_timer_get_cntfrq() / MSEC_PER_SEC;
}
#else
static u64 luo_clock(void)
{
	return 0;
}

static u64 luo_clock_khz(void)
{
	return 0;
}
#endif

/* As soon as there is a command line: before that nothing of live update runs. */
static int __init luo_timeline_enter(char *arg)
{
	luo_timeline_in[LIVEUPDATE_PHASE_ENTRY] = luo_clock();
	return 0;
}
early_param("liveupdate", luo_timeline_enter);

/**
 * liveupdate_phase() - a phase of a live update begins
 * @phase: the phase
 *
 * Each of the new kernel's phases begins once.
 *
 * Context: any.
 */
void liveupdate_phase(enum liveupdate_phase phase)
{
	bool is_old = phase < LIVEUPDATE_NR_OLD_PHASES;
	u64 now;

	if (!liveupdate_enabled() || (!is_old && READ_ONCE(luo_timeline_in[phase])))
		return;
	now = luo_clock();
	if (!is_old) {
		cmpxchg(&luo_timeline_in[phase], 0, now);
		return;
	}
	luo_timeline_out[phase] = now;
	/* By now nothing else is running. */
	if (phase == LIVEUPDATE_PHASE_JUMP && luo_timeline_note)
		memcpy(&luo_timeline_note->ticks[phase], &now, sizeof(now));
}

/**
 * luo_timeline_serialize() - add a note of when the old kernel's phases began
 *
 * Context: the reboot path, the gate closed, between luo_notes_begin() and luo_notes_end().
 */
void luo_timeline_serialize(void)
{
	struct luo_timeline_ser ser = { .khz = luo_clock_khz() };

	memcpy(ser.ticks, luo_timeline_out, sizeof(ser.ticks));
	luo_timeline_note = luo_notes_add(LUO_NOTES_PROP_TIMELINE, sizeof(ser));
	if (luo_timeline_note)
		memcpy(luo_timeline_note, &ser, sizeof(ser));
}

/* Whether the first phases followed each other, and none is missing */
static bool luo_timeline_is_ordered(const u64 *ticks, enum liveupdate_phase last)
{
	enum liveupdate_phase phase;

	for (phase = 1; phase <= last; phase++) {
		if (!ticks[phase - 1] || ticks[phase] < ticks[phase - 1])
			return false;
	}
	return true;
}

/**
 * luo_timeline_restore() - get the note of when the old kernel's phases began
 *
 * Context: process context, once, at boot, with the previous kernel's notes.
 * Return: 0, also when there is none, or it tells of no stable clock; or -EINVAL.
 */
int luo_timeline_restore(void)
{
	const void *note = luo_notes_get(LUO_NOTES_PROP_TIMELINE, sizeof(struct luo_timeline_ser));
	struct luo_timeline_ser ser;

	if (IS_ERR_OR_NULL(note))
		return PTR_ERR_OR_ZERO(note);
	memcpy(&ser, note, sizeof(ser));
	if (!ser.khz)
		return 0;
	memcpy(luo_timeline_in, ser.ticks, sizeof(ser.ticks));
	luo_timeline_is_whole = luo_timeline_is_ordered(luo_timeline_in, LIVEUPDATE_PHASE_ENTRY);
	return luo_timeline_is_whole ? 0 : -EINVAL;
}

/**
 * luo_timeline_emit() - show when each phase of the last live update began
 * @page: where to, see sysfs_emit()
 *
 * A line each: name, and nanoseconds since the first one, or ``unknown``. What has not
 * begun yet has no line; nothing has in a kernel that no live update led to.
 *
 * Context: process context, after luo_wait_for_incoming().
 * Return: the length.
 */
ssize_t luo_timeline_emit(char *page)
{
	static const char *const names[] = {
		[LIVEUPDATE_PHASE_REQUESTED] = "requested",
		[LIVEUPDATE_PHASE_FROZEN] = "frozen",
		[LIVEUPDATE_PHASE_JUMP] = "jump",
		[LIVEUPDATE_PHASE_ENTRY] = "entry",
		[LIVEUPDATE_PHASE_MEMORY] = "memory",
		[LIVEUPDATE_PHASE_READ] = "read",
		[LIVEUPDATE_PHASE_INIT] = "init",
		[LIVEUPDATE_PHASE_RETRIEVED] = "retrieved",
		[LIVEUPDATE_PHASE_FINISHED] = "finished",
	};
	enum liveupdate_phase phase, first;
	u64 khz = luo_clock_khz(), ticks;
	int len = 0;

	if (!luo_get_number())
		return 0;
	first = luo_timeline_is_whole ? LIVEUPDATE_PHASE_REQUESTED : LIVEUPDATE_PHASE_ENTRY;
	for (phase = 0; phase < LIVEUPDATE_NR_PHASES; phase++) {
		ticks = READ_ONCE(luo_timeline_in[phase]);
		if (!khz || phase < first)
			len += sysfs_emit_at(page, len, "%s unknown\n", names[phase]);
		else if (ticks)
			len += sysfs_emit_at(page, len, "%s %llu\n", names[phase],
					     mul_u64_u64_div_u64(ticks - luo_timeline_in[first],
								 NSEC_PER_MSEC, khz));
	}
	return len;
}
