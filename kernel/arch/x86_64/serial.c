/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * COM1, a 16550: output only, polled. A port that does not drain within the bound loses the byte
 * and is not waited for again until it drains, so that a missing UART costs nothing.
 */
#include <kern/mmio.h>

#include "arch/x86_64/boot.h"
#include "arch/x86_64/x86.h"

#define COM1 0x3f8
enum { THR = 0, DLL = 0, DLM = 1, IER = 1, FCR = 2, LCR = 3, MCR = 4, LSR = 5 };
#define LSR_EMPTY 0x20
#define FIFO 16
#define POLLS_MAX 200000 /* 16 bytes take 1.4 ms at 115200 baud; a port read about 1 us */

static bool stuck;

void serial_init(void)
{
	io_out8(COM1 + IER, 0);
	io_out8(COM1 + LCR, 0x80); /* divisor latch: 115200 baud */
	io_out8(COM1 + DLL, 1);
	io_out8(COM1 + DLM, 0);
	io_out8(COM1 + LCR, 0x03); /* 8N1 */
	io_out8(COM1 + FCR, 0x07); /* FIFOs on, cleared */
	io_out8(COM1 + MCR, 0x03);
}

static bool wait_empty(void)
{
	unsigned polls = stuck ? 1 : POLLS_MAX;

	for (unsigned i = 0; i < polls; i++) {
		if (io_in8(COM1 + LSR) & LSR_EMPTY) {
			stuck = false;
			return true;
		}
		pause_insn();
	}
	stuck = true;
	return false;
}

void arch_serial_write(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		/* "Empty" is of the whole FIFO: then it takes 16. */
		if (i % FIFO == 0 && !wait_empty())
			return;
		io_out8(COM1 + THR, (uint8_t)s[i]);
	}
}
