/* SPDX-License-Identifier: GPL-2.0-only */
/* Device registers and DMA ordering. Barriers are named by purpose; x86-64 TSO makes most of them
 * compiler barriers, but the names say what must hold. */
#pragma once

#include <kern/types.h>

/* Maps device registers uncached. Never unmapped. NULL: no space. */
void *mmio_map(uint64_t phys, size_t len);

static inline uint8_t mmio_read8(const volatile void *a) { return *(const volatile uint8_t *)a; }
static inline uint16_t mmio_read16(const volatile void *a) { return *(const volatile uint16_t *)a; }
static inline uint32_t mmio_read32(const volatile void *a) { return *(const volatile uint32_t *)a; }
static inline uint64_t mmio_read64(const volatile void *a) { return *(const volatile uint64_t *)a; }
static inline void mmio_write8(volatile void *a, uint8_t v) { *(volatile uint8_t *)a = v; }
static inline void mmio_write16(volatile void *a, uint16_t v) { *(volatile uint16_t *)a = v; }
static inline void mmio_write32(volatile void *a, uint32_t v) { *(volatile uint32_t *)a = v; }
static inline void mmio_write64(volatile void *a, uint64_t v) { *(volatile uint64_t *)a = v; }

static inline uint8_t io_in8(uint16_t p)
{
	uint8_t v;
	__asm__ volatile("inb %1,%0" : "=a"(v) : "Nd"(p));
	return v;
}
static inline uint16_t io_in16(uint16_t p)
{
	uint16_t v;
	__asm__ volatile("inw %1,%0" : "=a"(v) : "Nd"(p));
	return v;
}
static inline uint32_t io_in32(uint16_t p)
{
	uint32_t v;
	__asm__ volatile("inl %1,%0" : "=a"(v) : "Nd"(p));
	return v;
}
static inline void io_out8(uint16_t p, uint8_t v)
{
	__asm__ volatile("outb %0,%1" : : "a"(v), "Nd"(p));
}
static inline void io_out16(uint16_t p, uint16_t v)
{
	__asm__ volatile("outw %0,%1" : : "a"(v), "Nd"(p));
}
static inline void io_out32(uint16_t p, uint32_t v)
{
	__asm__ volatile("outl %0,%1" : : "a"(v), "Nd"(p));
}

/* Descriptors in memory are visible to the device before the doorbell write. */
static inline void dma_wmb_before_doorbell(void) { __asm__ volatile("" ::: "memory"); }
/* The device's done flag was read before what it guards. */
static inline void dma_rmb_after_done(void) { __asm__ volatile("" ::: "memory"); }
/* Our store (e.g. an event index) is visible before our next load (e.g. a used index). */
static inline void dma_mb_store_load(void) { __asm__ volatile("mfence" ::: "memory"); }
