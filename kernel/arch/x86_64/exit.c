/* SPDX-License-Identifier: GPL-2.0-only */
/* The end of the machine, and the processor's random numbers. */
#include <kern/mmio.h>
#include <kern/string.h>

#include "arch/x86_64/x86.h"

#define DEBUG_EXIT_PORT 0xf4 /* QEMU: -device isa-debug-exit,iobase=0xf4,iosize=0x04 */
#define RDRAND_TRIES 10      /* Intel DRNG guide 5.2.1 */

void arch_halt(void)
{
	for (;;)
		__asm__ volatile("cli; hlt" ::: "memory");
}

void arch_exit(int status)
{
	io_out32(DEBUG_EXIT_PORT, (uint32_t)status);
	arch_halt(); /* no such device: a PC */
}

static bool rdrand(uint64_t *v)
{
	for (int i = 0; i < RDRAND_TRIES; i++) {
		bool ok;
		__asm__ volatile("rdrand %0; setc %1" : "=r"(*v), "=qm"(ok) : : "cc");
		if (ok)
			return true;
	}
	return false;
}

bool arch_random(void *buf, size_t n)
{
	uint8_t *p = buf;

	while (n) {
		uint64_t v;
		size_t step = KMIN(n, sizeof(v));
		if (!cpu_features.rdrand || !rdrand(&v))
			return false;
		memcpy(p, &v, step);
		p += step;
		n -= step;
	}
	return true;
}
