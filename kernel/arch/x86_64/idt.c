/* SPDX-License-Identifier: GPL-2.0-only */
/* The interrupt descriptor table, one for all CPUs; entry.S has the code it leads to. */
#include "arch/x86_64/x86.h"

struct idt_gate { /* SDM vol. 3A 6.14.1 */
	uint16_t offset_low, selector;
	uint8_t ist, type;
	uint16_t offset_mid;
	uint32_t offset_high, reserved;
} __packed;
static_assert(sizeof(struct idt_gate) == 16, "IDT gate");

#define GATE_INTERRUPT 0x8e
#define GATE_USER 0xee /* may be raised by INT n in user mode */
#define IST_FATAL 1
#define IST_NMI 2

extern char trap_stubs[], irq_stubs[], nmi_entry[];

static struct idt_gate idt[256];

static void set_gate(unsigned vec, const char *entry, uint8_t type, uint8_t ist)
{
	uint64_t a = (uint64_t)entry;

	idt[vec] = (struct idt_gate){ .offset_low = (uint16_t)a,
				      .selector = SEL_KCODE,
				      .ist = ist,
				      .type = type,
				      .offset_mid = (uint16_t)(a >> 16),
				      .offset_high = (uint32_t)(a >> 32) };
}

void idt_init(void)
{
	for (unsigned v = 0; v < 32; v++)
		set_gate(v, trap_stubs + 16 * v, GATE_INTERRUPT, 0);
	for (unsigned v = 32; v < 256; v++)
		set_gate(v, irq_stubs + 16 * (v - 32), GATE_INTERRUPT, 0);
	set_gate(TRAP_NMI, nmi_entry, GATE_INTERRUPT, IST_NMI);
	set_gate(TRAP_DF, trap_stubs + 16 * TRAP_DF, GATE_INTERRUPT, IST_FATAL);
	set_gate(TRAP_MC, trap_stubs + 16 * TRAP_MC, GATE_INTERRUPT, IST_FATAL);
	set_gate(TRAP_BP, trap_stubs + 16 * TRAP_BP, GATE_USER, 0);
	set_gate(TRAP_OF, trap_stubs + 16 * TRAP_OF, GATE_USER, 0);
}

void idt_load(void)
{
	struct { uint16_t limit; uint64_t base; } __packed ptr = { sizeof(idt) - 1, (uint64_t)idt };
	__asm__ volatile("lidt %0" : : "m"(ptr));
}
