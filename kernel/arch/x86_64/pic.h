/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once
void pic_disable(void);
