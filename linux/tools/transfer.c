// SPDX-License-Identifier: GPL-2.0-only
/*
 * What fitctl measures and compares. One-sided transfers use the scratch region of 4 MiB that every
 * board lends to whoever asks (OP_TEST_REGION). Two users of one board's region disturb each
 * other's contents, not each other's figures.
 */
#include <kern/mm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fitctl.h"

#define REGION (4u << 20)
#define DEPTH 8          /* transfers in flight while bandwidth is measured */
#define BLOCK (64u << 10)
#define PAGE 4096u

static int fail(struct fitctl *c, const char *what, int err)
{
	fprintf(stderr, "fitctl: %s %s: %s\n", what, c->target, strerror(-err));
	return 1;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void print_times(struct fitctl *c, const char *what, uint64_t *ns, unsigned n)
{
	qsort(ns, n, sizeof(*ns), by_value);
	printf("%s %s: n=%u best_us=%.1f median_us=%.1f p99_us=%.1f\n", what, c->target, n,
	       ns[0] / 1e3, ns[n / 2] / 1e3, ns[n * 99ULL / 100] / 1e3);
}

int fitctl_ping(struct fitctl *c)
{
	uint8_t req[FIT_MSG_MAX], rep[FIT_MSG_MAX];
	uint64_t *ns = calloc(c->n, sizeof(*ns));
	int err = ns ? 0 : -ENOMEM;

	for (size_t i = 0; i < c->size; i++)
		req[i] = (uint8_t)(i * 7 + 1);
	for (unsigned i = 0; i < c->n && !err; i++) {
		uint64_t start = clock_mono_ns();
		size_t len = 0;

		err = fit_call(c->b->fit, c->node, OP_TEST_ECHO, req, c->size, rep, sizeof(rep),
			       &len);
		ns[i] = clock_mono_ns() - start;
		if (!err && (len != c->size || memcmp(req, rep, len)))
			err = -EBADMSG;
	}
	if (!err)
		print_times(c, "ping", ns, c->n);
	free(ns);
	return err ? fail(c, "ping", err) : 0;
}

int fitctl_region(struct fitctl *c, struct proto_mr *mr)
{
	size_t len = 0;
	int err = fit_call(c->b->fit, c->node, OP_TEST_REGION, NULL, 0, mr, sizeof(*mr), &len);

	if (err)
		return err;
	return len == sizeof(*mr) && le32_get(mr->len) >= REGION ? 0 : -EPROTO;
}

static void transfer_done(struct fit_xfer *x, int status)
{
	struct transfer *t = container_of(x, struct transfer, x);

	t->status = status;
	complete(&t->done);
}

void transfer_start(struct fitctl *c, struct transfer *t, const struct proto_mr *mr, bool read,
		    void *mem, uint64_t off, uint32_t len)
{
	completion_init(&t->done);
	t->x = (struct fit_xfer){ .node = c->node, .mr = *mr, .off = off, .nfrags = 1,
		.frag[0] = { .addr = mem, .len = len }, .done = transfer_done };
	if (read)
		fit_read(c->b->fit, &t->x);
	else
		fit_write(c->b->fit, &t->x);
}

int transfer_wait(struct transfer *t)
{
	(void)completion_wait(&t->done, 0);
	return t->status;
}

static int transfer(struct fitctl *c, const struct proto_mr *mr, bool read, void *mem,
		    uint64_t off, uint32_t len)
{
	struct transfer t;

	transfer_start(c, &t, mr, read, mem, off, len);
	return transfer_wait(&t);
}

/* ---- perf ---- */

static int latency(struct fitctl *c, const struct proto_mr *mr, bool read, uint8_t *mem)
{
	uint64_t *ns = calloc(c->n, sizeof(*ns));
	int err = ns ? 0 : -ENOMEM;

	for (unsigned i = 0; i < c->n && !err; i++) {
		uint64_t start = clock_mono_ns();

		err = transfer(c, mr, read, mem, 0, PAGE);
		ns[i] = clock_mono_ns() - start;
	}
	if (!err)
		print_times(c, read ? "read 4096" : "write 4096", ns, c->n);
	free(ns);
	return err;
}

static int bandwidth(struct fitctl *c, const struct proto_mr *mr, bool read, uint8_t *mem)
{
	struct transfer *t = calloc(DEPTH, sizeof(*t));
	uint64_t start = clock_mono_ns(), ns;
	int err = t ? 0 : -ENOMEM;

	for (unsigned i = 0; t && i < c->n + DEPTH; i++) {
		struct transfer *slot = &t[i % DEPTH];

		if (i >= DEPTH && i - DEPTH < c->n && transfer_wait(slot))
			err = slot->status; /* go on: the others have to end */
		if (i < c->n)
			transfer_start(c, slot, mr, read, mem + i % DEPTH * BLOCK,
				       i % DEPTH * BLOCK, BLOCK);
	}
	ns = clock_mono_ns() - start;
	if (!err)
		printf("%s %s: n=%u size=%u MB_per_s=%.1f\n", read ? "read" : "write", c->target,
		       c->n, BLOCK, 1e3 * c->n * BLOCK / (double)ns);
	free(t);
	return err;
}

int fitctl_perf(struct fitctl *c)
{
	uint8_t *mem = calloc(DEPTH, BLOCK);
	struct proto_mr mr;
	int err = mem ? fitctl_ping(c) : -ENOMEM;

	if (!err)
		err = fitctl_region(c, &mr);
	for (unsigned read = 0; read < 2 && !err; read++) {
		err = latency(c, &mr, read, mem);
		if (!err)
			err = bandwidth(c, &mr, read, mem);
	}
	free(mem);
	return err < 0 ? fail(c, "perf", err) : err;
}

/* ---- check ---- */

/* FNV-1a, 64 bits. */
static uint64_t checksum(const uint8_t *p, size_t n)
{
	uint64_t h = 0xcbf29ce484222325;

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 0x100000001b3;
	return h;
}

static void fill(uint8_t *p, size_t n, uint64_t seed)
{
	for (size_t i = 0; i < n; i++) {
		seed = seed * 6364136223846793005 + 1442695040888963407;
		p[i] = (uint8_t)(seed >> 56);
	}
}

static int check_size(struct fitctl *c, const struct proto_mr *mr, uint8_t *out, uint8_t *in,
		      uint32_t len, uint64_t off)
{
	uint64_t sum;
	int err;

	fill(out, len, len * 2654435761u + off);
	memset(in, 0xee, len);
	sum = checksum(out, len);
	err = transfer(c, mr, false, out, off, len);
	if (!err)
		err = transfer(c, mr, true, in, off, len);
	if (err) {
		fprintf(stderr, "fitctl: %u bytes at %llu: %s\n", len, (unsigned long long)off,
			strerror(-err));
		return 1;
	}
	if (checksum(in, len) != sum || memcmp(in, out, len)) {
		fprintf(stderr, "fitctl: %u bytes at %llu: came back different\n", len,
			(unsigned long long)off);
		return 1;
	}
	return 0;
}

int fitctl_check(struct fitctl *c)
{
	uint8_t *out = malloc(REGION), *in = malloc(REGION);
	struct proto_mr mr;
	int err = out && in ? fitctl_region(c, &mr) : -ENOMEM;
	unsigned sizes = 0, bad = 0;
	uint64_t bytes = 0;

	for (uint32_t base = 1; !err && base <= REGION; base *= 2) {
		for (int d = -1; d <= 1; d++) {
			uint32_t len = base + (uint32_t)d;

			if (!len || len > REGION || (d && base < 4))
				continue;
			bad += (unsigned)check_size(c, &mr, out, in, len,
						    KMIN(REGION - len, len & 63u));
			sizes++;
			bytes += 2 * len;
		}
	}
	free(out);
	free(in);
	if (err)
		return fail(c, "check", err);
	printf("check %s: %u sizes from 1 to %u bytes, %llu bytes moved, %u bad\n", c->target,
	       sizes, REGION, (unsigned long long)bytes, bad);
	return bad ? 1 : 0;
}
