// SPDX-License-Identifier: GPL-2.0-only
/*
 * A program larger than exCache: writes a pattern over MiB (argument 1), then reads and rewrites
 * pages at random (argument 2: accesses), keeping a checksum of every page's version elsewhere,
 * then verifies all.
 */
#include <stdint.h>
#include <sys/mman.h>

#include "check.h"

#define WORDS 512

static uint64_t next_random(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

static uint64_t word_of(uint64_t page, uint64_t version, unsigned w)
{
	uint64_t x = (page * 0x9e3779b97f4a7c15ULL) ^ (version << 40) ^ w;

	return x * 0xff51afd7ed558ccdULL;
}

static void put(uint64_t *p, uint64_t page, uint64_t version)
{
	for (unsigned w = 0; w < WORDS; w += 8)
		p[page * WORDS + w] = word_of(page, version, w);
}

static void check(const uint64_t *p, uint64_t page, uint64_t version)
{
	for (unsigned w = 0; w < WORDS; w += 8) {
		uint64_t got = p[page * WORDS + w];

		if (got != word_of(page, version, w)) {
			fprintf(stderr, "page %llu word %u version %llu: %llx\n",
				(unsigned long long)page, w, (unsigned long long)version,
				(unsigned long long)got);
			_exit(1);
		}
	}
}

int main(int argc, char **argv)
{
	uint64_t pages = (argc > 1 ? strtoul(argv[1], NULL, 0) : 256) << 8;
	uint64_t seed = 88172645463325252;
	uint64_t n = argc > 2 ? strtoul(argv[2], NULL, 0) : pages;
	uint64_t *p = mmap(NULL, pages * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);
	uint8_t *version = calloc(pages, 1);

	CHECK(p != MAP_FAILED && version);
	for (uint64_t i = 0; i < pages; i++)
		put(p, i, 0);
	STEP("wrote %llu pages", (unsigned long long)pages);
	for (uint64_t i = 0; i < n; i++) {
		uint64_t page = next_random(&seed) % pages;

		check(p, page, version[page]);
		if (next_random(&seed) & 1)
			put(p, page, ++version[page]);
	}
	STEP("random accesses %llu", (unsigned long long)n);
	for (uint64_t i = 0; i < pages; i++)
		check(p, i, version[i]);
	STEP("bigmem ok");
	return 0;
}
