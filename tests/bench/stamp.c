// SPDX-License-Identifier: GPL-2.0
/*
 * stamp - say what time it is: by the time stamp counter, which a kexec leaves alone, by the kernel's own clock that
 * begins with it, and by the calendar's; in nanoseconds, on a processor whose counter counts these
 */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

static uint64_t ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

int main(void)
{
	uint64_t counter = __rdtsc();

	printf("stamp %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", counter, ns(CLOCK_MONOTONIC), ns(CLOCK_REALTIME));
	return 0;
}
