/* SPDX-License-Identifier: GPL-2.0-only */
/* The vDSO's page: an ELF image, and behind it what the image needs to know. See image.c. */
#pragma once

#define VDSO_DATA_AT 0xf00 /* in the page; vdso.lds says the same */

#ifndef __ASSEMBLER__
/* Written once, before the first program: the clocks are never adjusted. */
struct vdso_data {
	unsigned long tsc_boot;   /* time-stamp counter at which the monotonic clock was 0 */
	unsigned long tsc_to_ns;  /* 32.32 fixed point */
	unsigned long wall_ns;    /* wall clock - monotonic clock */
	unsigned int has_rdtscp;  /* RDTSCP gives the number of the CPU */
};
#endif
