/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The pair of 8259A interrupt controllers, only to be silenced: moved off the exception vectors (a
 * spurious interrupt comes even when all is masked) and masked.
 */
#include <kern/mmio.h>

#include "arch/x86_64/pic.h"

void pic_disable(void)
{
	static const struct { uint16_t port; uint8_t v; } init[] = {
		{ 0x20, 0x11 }, { 0xa0, 0x11 }, /* ICW1: cascade, ICW4 follows */
		{ 0x21, 0x20 }, { 0xa1, 0x28 }, /* ICW2: vectors 0x20 and 0x28 */
		{ 0x21, 0x04 }, { 0xa1, 0x02 }, /* ICW3: second on line 2 */
		{ 0x21, 0x01 }, { 0xa1, 0x01 }, /* ICW4: 8086 mode */
		{ 0x21, 0xff }, { 0xa1, 0xff }, /* all masked */
	};
	for (unsigned i = 0; i < sizeof(init) / sizeof(init[0]); i++)
		io_out8(init[i].port, init[i].v);
}
