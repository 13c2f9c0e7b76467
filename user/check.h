/* SPDX-License-Identifier: GPL-2.0-only */
/* For the programs here: a check that says what failed and ends with status 1. */
#pragma once

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECK(cond)                                                                               \
	do {                                                                                      \
		if (!(cond)) {                                                                    \
			fprintf(stderr, "%s:%d: %s (errno %d, %s)\n", __FILE__, __LINE__, #cond,  \
				errno, strerror(errno));                                          \
			_exit(1);                                                                 \
		}                                                                                 \
	} while (0)
#define STEP(...)                                                                                 \
	do {                                                                                      \
		printf(__VA_ARGS__);                                                              \
		printf("\n");                                                                     \
		fflush(stdout);                                                                   \
	} while (0)
