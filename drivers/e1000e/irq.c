/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * 82574L interrupts (7.4): MSI-X, one message for received frames, one for everything else.
 *
 * The receive cause stays enabled. It interrupts when its bit in ICR goes from 0 to 1, and the bit
 * stays until arm() clears it, so while the loop polls no more messages come, and arming costs one
 * register write. Transmit completion is enabled only while a sender waits for room.
 *
 * QEMU: EITR is clamped to 500 (128 us), whatever is written, and a message within that time of the
 * entry's last one is put off until it is over. A request and reply that take less would pay for it
 * at every hop. The time is kept for each entry, so receive owns four entries and arm() goes on to
 * the next when the present one has spoken. On hardware, with EITR 0, that is only one more write.
 */
#define LOG_SUBSYS "e1000e"
#include "e1000e.h"

#include <kern/cmdline.h>
#include <kern/log.h>
#include <kern/timer.h>

#define EITR_CLAMP_NS (130 * NSEC_PER_USEC)

static void kick(struct e1000e *e)
{
	netdev_count(&e->dev, e1000e, interrupts, 1);
	if (e->dev.loop)
		loop_kick(e->dev.loop);
}

static void rx_irq(void *arg)
{
	struct e1000e *e = arg;
	atomic_store_explicit(&e->rx_fired, true, memory_order_relaxed);
	kick(e);
}

/* Link change, receive overrun, or the transmit completion that a blocked sender waits for. */
static void other_irq(void *arg)
{
	struct e1000e *e = arg;
	atomic_store_explicit(&e->other_fired, true, memory_order_relaxed);
	kick(e);
}

static void route_rx(struct e1000e *e, unsigned vec)
{
	e->vec = vec;
	e1000e_write(e, E1000E_IVAR, (IVAR_VALID | vec) << IVAR_RXQ0_SHIFT |
		     (IVAR_VALID | E1000E_VEC_OTHER) << IVAR_TXQ0_SHIFT |
		     (IVAR_VALID | E1000E_VEC_OTHER) << IVAR_OTHER_SHIFT);
}

int e1000e_irq_init(struct e1000e *e)
{
	int cpu = (int)cmdline_u64("irqcpu", 0);
	for (unsigned i = 0; i < E1000E_VECTORS; i++) {
		bool other = i == E1000E_VEC_OTHER;
		int err = pci_msix_request(e->pci, i, cpu, other ? other_irq : rx_irq, e,
					   e->dev.name);
		if (err)
			return err;
	}
	return 0;
}

/* 7.4, 10.2.4: after every reset. */
void e1000e_irq_enable(struct e1000e *e)
{
	uint32_t ext = e1000e_read(e, E1000E_CTRL_EXT) & ~(CTRL_EXT_EIAME | CTRL_EXT_IAME);
	e1000e_write(e, E1000E_CTRL_EXT, ext | CTRL_EXT_PBA_CLR);
	e1000e_write(e, E1000E_IAM, 0);
	e1000e_write(e, E1000E_EIAC, 0);
	for (unsigned i = 0; i < E1000E_VECTORS; i++)
		e1000e_write(e, E1000E_EITR(i), 0);
	route_rx(e, E1000E_VEC_RX);
	e1000e_write(e, E1000E_IMS, INT_RXQ0 | INT_LSC | INT_OTHER);
}

/* Moves to an entry that may speak at once; when all have just spoken, stays. */
static void dodge_throttle(struct e1000e *e)
{
	if (!atomic_load_explicit(&e->rx_fired, memory_order_relaxed))
		return;
	atomic_store_explicit(&e->rx_fired, false, memory_order_relaxed);
	uint64_t now = clock_mono_ns();
	e->vec_used_ns[e->vec] = now;
	unsigned next = (e->vec + 1) % E1000E_NVEC_RX;
	if (now - e->vec_used_ns[next] > EITR_CLAMP_NS)
		route_rx(e, next);
}

bool e1000e_arm(struct netdev *dev)
{
	struct e1000e *e = dev->priv;
	if (e1000e_paused(e))
		return true;
	if (e1000e_rx_pending(e))
		return false;
	e1000e_rx_refill(e);
	if (e1000e_pause_begin(e))
		return true;
	dodge_throttle(e);
	e1000e_write(e, E1000E_ICR, INT_RXQ0);
	/* A frame that came before the write above raises nothing: it is seen here. */
	return !e1000e_rx_pending(e);
}

/* The cause may be set from long ago: clear it first, so that it can rise. */
void e1000e_irq_enable_tx_locked(struct e1000e *e)
{
	e1000e_write(e, E1000E_ICR, INT_TXQ0);
	e1000e_write(e, E1000E_IMS, INT_TXQ0);
}

/* From poll: what the "other" message announced. */
void e1000e_other_poll(struct e1000e *e)
{
	if (likely(!atomic_load_explicit(&e->other_fired, memory_order_relaxed)))
		return;
	atomic_store(&e->other_fired, false);
	uint32_t causes = e1000e_read(e, E1000E_ICS) & (INT_LSC | INT_RXO);
	e1000e_write(e, E1000E_ICR, INT_LSC | INT_OTHER | INT_RXO);
	if (causes & INT_LSC) {
		log_info("%s: link %s", e->dev.name, e1000e_link_up(&e->dev) ? "up" : "down");
		if (e->dev.link_change)
			e->dev.link_change(&e->dev, e->dev.arg);
	}
}
