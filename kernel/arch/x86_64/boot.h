/* SPDX-License-Identifier: GPL-2.0-only */
/* What the loader said, in one form for both boot protocols, and the order of early set-up. */
#pragma once

#include <kern/types.h>

#include "arch.h"

#define BOOT_RAM_MAX 64
#define BOOT_CMDLINE_MAX 4096

struct boot_info {
	char cmdline[BOOT_CMDLINE_MAX];
	uint64_t archive_phys, archive_len;
	bool have_rsdp;
	uint8_t rsdp[36]; /* copy: ACPI 5.2.5.3 */
	unsigned nram;
	struct arch_mem_region ram[BOOT_RAM_MAX]; /* as the firmware gave it, any alignment */
};
extern struct boot_info boot_info;

/* Both copy what they need out of the loader's memory. The first 4 GiB are in the direct map. */
void pvh_parse(uint64_t start_info_phys);
void multiboot2_parse(uint64_t info_phys);
void boot_add_ram(uint64_t phys, uint64_t len);
void boot_set_cmdline(const char *s);

/* ram.c: usable memory. Pages can be taken one by one until arch_mem_regions() hands it on. */
void ram_init(void);
void *ram_early_page(void); /* zeroed; below 4 GiB; NULL once it is handed on */

/* paging.c */
void paging_init(void);
/* Maps pages of the kernel half; 2 MiB pages where aligned. 0 or -ENOMEM. */
int kmap_range(uint64_t va, uint64_t phys, uint64_t len, uint64_t flags);
/* Clears one 4 KiB entry and returns what was there; the caller deals with TLBs. */
uint64_t kmap_clear(uint64_t va);
uint64_t kmap_lookup(uint64_t va); /* leaf entry, 0 when not mapped */

/* acpi.c: what the tables said. */
struct acpi_info {
	unsigned ncpu;
	uint32_t apic_id[MAX_CPUS];
	uint64_t lapic_phys;
	unsigned nioapic;
	struct { uint32_t phys, gsi_base; } ioapic[8];
	struct { uint32_t gsi; uint16_t flags; bool present; } isa[16];
	uint16_t pm_timer_port; /* 0: none */
	bool pm_timer_32bit;
	uint8_t rtc_century;    /* CMOS register, 0: none */
};
extern struct acpi_info acpi_info;
void acpi_init(void);

void serial_init(void);
void ioapic_init(void);
int ioapic_route(unsigned gsi, unsigned vector, uint32_t apic_id);
void ioapic_mask(unsigned gsi);

/* apic.c */
void lapic_init(void); /* this CPU's */
uint32_t lapic_id(void);
void lapic_eoi(void);
void lapic_ipi(uint32_t apic_id, uint32_t icr_low);
#define ICR_FIXED(vec) (0x4000u | (vec))
#define ICR_NMI 0x4400u
#define ICR_INIT 0x4500u
#define ICR_STARTUP(page) (0x4600u | (page))
void lapic_timer_start_raw(uint32_t count); /* masked, for calibration */
uint32_t lapic_timer_count(void);
void lapic_timer_oneshot(bool tsc_deadline);
void lapic_timer_set_count(uint32_t count); /* 0: none */

/* tsc.c */
void clock_init(void); /* clock and timer rates; needs the LAPIC */
/* The counter's value when the clock was 0, and nanoseconds a tick as 32.32 fixed point. */
void clock_tsc(uint64_t *boot, uint64_t *to_ns);
extern uint64_t clock_tsc_hz, clock_lapic_hz;
void timer_cpu_init(void);

/* ipi.c: fn(arg) on the CPUs of mask in interrupt context; waits. irqs on, no spinlock held. */
void ipi_call_mask(uint32_t mask, void (*fn)(void *), void *arg);
void ipi_call_handle(void);
