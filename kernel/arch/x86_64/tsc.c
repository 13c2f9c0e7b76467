/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The clock (time-stamp counter, assumed the same on all CPUs) and the timer of each CPU. Rates
 * come from CPUID where it tells, else from 25 ms against the ACPI PM timer or, without one,
 * channel 2 of the PIT. QEMU: under TCG the TSC runs at the host's rate, which CPUID does not tell.
 */
#define LOG_SUBSYS "clock"
#include <kern/irq.h>
#include <kern/log.h>
#include <kern/mmio.h>
#include <kern/timer.h>

#include "arch/x86_64/boot.h"
#include "arch/x86_64/x86.h"

#define PM_TIMER_HZ 3579545 /* ACPI 4.8.2.1 */
#define PIT_HZ 1193182
#define CALIBRATE_MS 25     /* the PIT wraps after 54 ms */
#define READS_MAX 10000000  /* a reference that stands still is given up */

uint64_t clock_tsc_hz, clock_lapic_hz;
static uint64_t tsc_boot;
static uint64_t tsc_to_ns, ns_to_tsc, ns_to_lapic; /* 32.32 fixed point */

/* ---- the reference ---- */

static uint32_t pm_timer_read(void)
{
	return io_in32(acpi_info.pm_timer_port) & 0xffffff;
}

static void pit_start(void)
{
	io_out8(0x61, (io_in8(0x61) & ~2) | 1); /* gate of channel 2 on, speaker off */
	io_out8(0x43, 0xb0);                    /* channel 2, both bytes, mode 0 */
	io_out8(0x42, 0xff);
	io_out8(0x42, 0xff);
}

static uint32_t pit_read(void)
{
	io_out8(0x43, 0x80); /* latch channel 2 */
	uint32_t lo = io_in8(0x42), hi = io_in8(0x42);
	return 0xffff - (hi << 8 | lo);
}

struct reference { uint32_t (*read)(void); uint32_t hz, mask; };

static struct reference reference_get(void)
{
	if (acpi_info.pm_timer_port)
		return (struct reference){ pm_timer_read, PM_TIMER_HZ, 0xffffff };
	pit_start();
	return (struct reference){ pit_read, PIT_HZ, 0xffff };
}

/* ---- calibration ---- */

struct sample { uint32_t ref; uint64_t tsc; uint32_t lapic; };

/* The closest of several readings: the host may take the processor away between two of them. */
static struct sample sample_take(const struct reference *ref)
{
	struct sample best = { 0 };
	uint64_t best_width = UINT64_MAX;

	for (int i = 0; i < 8; i++) {
		uint64_t before = rdtsc();
		uint32_t r = ref->read(), l = lapic_timer_count();
		uint64_t width = rdtsc() - before;
		if (width < best_width) {
			best_width = width;
			best = (struct sample){ r, before + width / 2, l };
		}
	}
	return best;
}

static void calibrate(void)
{
	struct reference ref = reference_get();
	uint32_t want = (uint32_t)((uint64_t)ref.hz * CALIBRATE_MS / 1000), reads = 0;

	lapic_timer_start_raw(UINT32_MAX);
	struct sample a = sample_take(&ref);
	while (((ref.read() - a.ref) & ref.mask) < want && ++reads < READS_MAX)
		pause_insn();
	struct sample b = sample_take(&ref);
	uint64_t ticks = (b.ref - a.ref) & ref.mask;
	if (ticks < want)
		panic("the reference clock stands still");
	clock_lapic_hz = (uint64_t)(a.lapic - b.lapic) * ref.hz / ticks;
	clock_tsc_hz = cpu_features.tsc_hz ? cpu_features.tsc_hz :
					     (b.tsc - a.tsc) * ref.hz / ticks;
}

void clock_init(void)
{
	tsc_boot = rdtsc();
	calibrate();
	if (clock_tsc_hz < 1000000 || clock_lapic_hz < 1000000)
		panic("clocks too slow: TSC %lu Hz, APIC %lu Hz", clock_tsc_hz, clock_lapic_hz);
	ns_to_tsc = (clock_tsc_hz << 32) / NSEC_PER_SEC;
	ns_to_lapic = (clock_lapic_hz << 32) / NSEC_PER_SEC;
	__atomic_store_n(&tsc_to_ns, (NSEC_PER_SEC << 32) / clock_tsc_hz, __ATOMIC_RELEASE);
	log_info("TSC %lu kHz, APIC timer %lu kHz%s", clock_tsc_hz / 1000, clock_lapic_hz / 1000,
		 cpu_features.tsc_deadline ? ", TSC deadline" : "");
}

static uint64_t scale(uint64_t v, uint64_t fixed)
{
	return (uint64_t)((unsigned __int128)v * fixed >> 32);
}

uint64_t arch_clock_ns(void)
{
	return scale(rdtsc() - tsc_boot, tsc_to_ns); /* 0 until calibrated */
}

void clock_tsc(uint64_t *boot, uint64_t *to_ns)
{
	*boot = tsc_boot;
	*to_ns = tsc_to_ns;
}

/* ---- the timer ---- */

void timer_cpu_init(void)
{
	lapic_timer_oneshot(cpu_features.tsc_deadline);
}

void arch_timer_set(uint64_t deadline_ns)
{
	uint64_t flags = irq_save();
	struct arch_cpu *c = this_cpu();

	if (c->timer_deadline == deadline_ns)
		goto out;
	c->timer_deadline = deadline_ns;
	if (cpu_features.tsc_deadline) {
		wrmsr(MSR_TSC_DEADLINE, deadline_ns == UINT64_MAX ? 0 :
					tsc_boot + scale(deadline_ns, ns_to_tsc) + 1);
	} else if (deadline_ns == UINT64_MAX) {
		lapic_timer_set_count(0);
	} else {
		uint64_t now = arch_clock_ns();
		uint64_t ns = deadline_ns > now ? deadline_ns - now : 0;
		/* Later than the counter reaches: it comes early and is set again. */
		uint64_t count = ns > 3600 * NSEC_PER_SEC ? UINT32_MAX : scale(ns, ns_to_lapic) + 1;
		lapic_timer_set_count((uint32_t)KMIN(count, (uint64_t)UINT32_MAX));
	}
out:
	irq_restore(flags);
}
