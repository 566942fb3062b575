// SPDX-License-Identifier: GPL-2.0
/*
 * counter - a guest for a virtual machine that shows whether it lost anything
 *
 * A kernel of its own, in the place of an operating system: it writes over all of its memory again and again, and
 * checks that each page is as it left it. On its serial port it says how often it has done so for a page, and how
 * long it has been up by its own clock. Any loss of memory, count or state of the processor shows.
 *
 * Built as a multiboot image, for QEMU's -kernel:
 *   cc -m32 -O2 -ffreestanding -fno-pic -fno-stack-protector -nostdlib -static -Wl,-Ttext=0x100000 counter.c
 */
#include <stdint.h>

#define MIB		(1u << 20)
#define SERIAL		0x3f8
#define SERIAL_STATUS	(SERIAL + 5)
#define HPET_CONFIG	((volatile uint32_t *)0xfed00010)
#define HPET_LOW	((volatile uint32_t *)0xfed000f0)
#define HPET_HIGH	((volatile uint32_t *)0xfed000f4)
#define HPET_PER_MS	100000

/* The header of a multiboot image, and the first instructions */
asm(".balign 4\n"
    ".long 0x1badb002, 2, -(0x1badb002 + 2)\n"
    ".globl _start\n"
    "_start: mov $stack + 4096, %esp\n"
    "push %ebx\n"
    "call run\n"
    ".bss\n"
    ".lcomm stack, 4096\n"
    ".text\n");

static void put(char c)
{
	uint8_t ready;

	do {
		asm volatile("inb %w1, %b0" : "=a"(ready) : "Nd"(SERIAL_STATUS));
	} while (!(ready & 0x20));
	asm volatile("outb %b0, %w1" : : "a"(c), "Nd"(SERIAL));
}

static void say(const char *text)
{
	while (*text)
		put(*text++);
}

static void say_number(uint32_t n)
{
	if (n >= 10)
		say_number(n / 10);
	put('0' + n % 10);
}

/* Milliseconds since the start */
static uint32_t uptime(void)
{
	uint32_t high, low, rest;

	do {
		high = *HPET_HIGH;
		low = *HPET_LOW;
	} while (high != *HPET_HIGH);
	asm("divl %4" : "=a"(low), "=d"(rest) : "0"(low), "1"(high), "r"(HPET_PER_MS));
	return low;
}

/* What each word of a page is in a round, so that no two pages or rounds look the same */
static uint32_t word(uint32_t address, uint32_t round)
{
	return (address ^ round * 0x9e3779b9) * 0x85ebca6b;
}

/* @info has the size of the memory above the first MiB in its third word, in KiB */
void run(const uint32_t *info)
{
	uint32_t first = 2 * MIB, end = MIB + (info[2] << 10), said = 0, count = 0, round, now;
	uint32_t *page, i;

	*HPET_CONFIG = 1;
	say("counter: started\r\n");
	for (round = 0;; round++) {
		for (page = (uint32_t *)first; page < (uint32_t *)end; page += 1024) {
			for (i = 0; i < 1024; i++) {
				if (round && page[i] != word((uint32_t)&page[i], round)) {
					say("counter: memory LOST\r\n");
					for (;;)
						asm("hlt");
				}
				page[i] = word((uint32_t)&page[i], round + 1);
			}
			count++;
			now = uptime();
			if (now - said >= 100) {
				said = now;
				say("count ");
				say_number(count);
				say(" round ");
				say_number(round);
				say(" uptime ");
				say_number(now);
				say(" ms\r\n");
			}
		}
	}
}
