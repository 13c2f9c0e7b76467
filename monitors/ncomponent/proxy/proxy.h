/* SPDX-License-Identifier: GPL-2.0-only */
/* The Proxy: decodes every message of PROTO_CLASS_SOCK, checks all of it, and only then acts. */
#pragma once

#include "skeleton/nsock.h"

int proxy_init(struct nsock *ns);
