// SPDX-License-Identifier: GPL-2.0-only
/*
 * What lwIP needs from a platform: clock, memory, random numbers, assertions, and initial
 * sequence numbers (RFC 6528: a 4-us clock plus a keyed hash of the connection's name).
 */
#define LOG_SUBSYS "stack"
#include <kern/log.h>
#include <kern/random.h>
#include <kern/string.h>
#include <kern/timer.h>

#include "lwip/sys.h"
#include "stack/lwip_hooks.h"
#include "stack/priv.h"

uint32_t stack_tcp_msl_ms = STACK_TIME_WAIT_MS_DEFAULT / 2;

void stack_lwip_assert(const char *what, const char *file, int line)
{
	panic("lwIP: %s:%d: %s", file, line, what);
}

/* The stack's loop, or its creator before the loop runs. */
void stack_assert_context(void)
{
	const struct stack *s = stack_instance();

	kassert(s && (!s->running || loop_is_current(s->loop)));
}

uint32_t stack_rand(void)
{
	return (uint32_t)random_u64();
}

u32_t sys_now(void)
{
	return (u32_t)(clock_mono_ns() / NSEC_PER_MSEC);
}

void *stack_malloc(size_t n)
{
	return kmalloc(n);
}

void *stack_calloc(size_t n, size_t size)
{
	return kzalloc(n * size);
}

void stack_free(void *p)
{
	kfree(p);
}

int stack_atoi(const char *s)
{
	uint64_t v;

	return kstrtou64(s, 10, &v) ? 0 : (int)v;
}

static uint64_t rotl(uint64_t x, int n)
{
	return x << n | x >> (64 - n);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1], v[1] = rotl(v[1], 13) ^ v[0], v[0] = rotl(v[0], 32);
	v[2] += v[3], v[3] = rotl(v[3], 16) ^ v[2];
	v[0] += v[3], v[3] = rotl(v[3], 21) ^ v[0];
	v[2] += v[1], v[1] = rotl(v[1], 17) ^ v[2], v[2] = rotl(v[2], 32);
}

/* SipHash-2-4 (Aumasson, Bernstein) of two words. */
uint64_t stack_siphash2(const uint64_t key[2], uint64_t a, uint64_t b)
{
	uint64_t v[4] = { key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
			  key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573 };
	const uint64_t m[3] = { a, b, 16ULL << 56 };

	for (unsigned i = 0; i < 3; i++) {
		v[3] ^= m[i];
		sip_round(v);
		sip_round(v);
		v[0] ^= m[i];
	}
	v[2] ^= 0xff;
	for (unsigned i = 0; i < 4; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

u32_t stack_tcp_isn(const ip_addr_t *local_ip, u16_t local_port, const ip_addr_t *remote_ip,
		    u16_t remote_port)
{
	static uint64_t key[2];
	static bool keyed;

	if (!keyed) {
		random_bytes(key, sizeof(key));
		keyed = true;
	}
	uint64_t name = (uint64_t)ip_addr_get_ip4_u32(local_ip) << 32 |
			ip_addr_get_ip4_u32(remote_ip);
	uint64_t f = stack_siphash2(key, name, (uint32_t)local_port << 16 | remote_port);
	return (u32_t)(clock_mono_ns() / 4000) + (u32_t)f;
}
