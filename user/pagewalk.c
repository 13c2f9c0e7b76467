// SPDX-License-Identifier: GPL-2.0-only
/*
 * Touches each page of MiB (argument 1) of private memory, argument 2 times, after it has written
 * to each once: in order, or (argument 3) never one and then its neighbour. With more memory than
 * exCache holds every touch is of a page that is not there: the difference of two runs with
 * different arguments is that of so many, and of nothing else.
 */
#include <stdint.h>
#include <sys/mman.h>

#include "check.h"

int main(int argc, char **argv)
{
	uint64_t pages = (argc > 1 ? strtoul(argv[1], NULL, 0) : 6) << 8, sum = 0;
	uint64_t passes = argc > 2 ? strtoul(argv[2], NULL, 0) : 1;
	uint64_t step = argc > 3 ? 619 : 1; /* a prime: all pages, each once */
	volatile uint64_t *p = mmap(NULL, pages * 4096, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED && (pages % step || step == 1));
	for (uint64_t i = 0; i < pages; i++)
		p[i * 512] = i;
	for (uint64_t n = 0; n < passes; n++)
		for (uint64_t i = 0; i < pages; i++)
			sum += p[i * step % pages * 512];
	CHECK(sum == passes * (pages * (pages - 1) / 2));
	STEP("pagewalk ok: %llu pages, %llu passes", (unsigned long long)pages,
	     (unsigned long long)passes);
	return 0;
}
