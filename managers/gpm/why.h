/* SPDX-License-Identifier: GPL-2.0-only */
/* Why a program did not start, as a sentence. */
#pragma once

/* A format for program, pComponent, mComponent (all %s, in this order, each used once at most and none
 * skipped before one that is used). */
const char *gpm_why(int err);
