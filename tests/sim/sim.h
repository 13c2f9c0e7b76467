/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A rack in one thread: the kernel API on a virtual clock, any number of event loops, and a wire
 * with faults, all decided by one seed. What happens is a function of the seed alone, so a failing
 * seed replays.
 *
 * Nothing runs by itself: sim_run() and everything that would sleep (thread_sleep_ns(),
 * completion_wait()) runs the loops and, when they are idle, moves the clock to the next event.
 */
#pragma once

#include <dev/netdev.h>
#include <kern/loop.h>

/* Faults of a wire: chances in 1/65536 per frame. */
struct sim_faults {
	uint32_t loss, dup, corrupt, reorder;
	uint64_t delay_min_ns, delay_max_ns;
	uint64_t reorder_ns;     /* how late a reordered frame comes at most */
	uint32_t rx_ring;        /* frames a NIC holds; more are lost. 0: 256 */
	uint32_t tx_ring;        /* frames of a transmit ring. 0: 256 */
	uint32_t split;          /* chance that a received frame comes in several pieces */
};

/* Begins anew: clock 0, nothing scheduled. */
void sim_reset(uint64_t seed);
uint64_t sim_random(uint64_t below);
bool sim_chance(uint32_t in_65536);
/* fn(arg) at a time of the virtual clock. */
void sim_at(uint64_t ns, void (*fn)(void *arg), void *arg);
/* Runs until cond(arg) (NULL: never) or that much virtual time has passed. True: cond. */
bool sim_run(bool (*cond)(void *arg), void *arg, uint64_t ns);
void sim_loop_free(struct loop *l);
/* What follows runs as in this loop, until the loop that is returned becomes it again. */
struct loop *sim_become(struct loop *l);
/* Everything allocated by kmalloc() and page_alloc() and not freed. */
uint64_t sim_live_allocations(void);
void sim_memory_reset(void); /* by sim_reset() */

/* ---- seeds (seeds.c) ---- */
/*
 * Runs seeds 1 to n, or in the environment: SEED=n that one, SEEDS=n so many, HARSH=k only kind k,
 * SIM_LOG=1 with each seed and the counters. How many were run.
 */
uint64_t sim_seeds(unsigned kind, uint64_t n, void (*run)(uint64_t seed));
void sim_print_counters(void);

/* ---- the wire: a hub all NICs are on (wire.c) ---- */
struct sim_wire;
struct sim_wire *sim_wire_create(const struct sim_faults *faults);
struct netdev *sim_nic_create(struct sim_wire *w, const uint8_t *mac, uint32_t mtu);
void sim_wire_set_faults(struct sim_wire *w, const struct sim_faults *faults);
/* Sees each frame sent, before faults; false: the frame is lost. */
void sim_wire_set_tap(struct sim_wire *w,
		      bool (*tap)(const uint8_t *frame, uint32_t len, void *arg), void *arg);
/* A frame from nowhere, to everybody. */
void sim_wire_inject(struct sim_wire *w, const uint8_t *frame, uint32_t len);
void sim_wire_free(struct sim_wire *w);
