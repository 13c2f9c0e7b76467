// SPDX-License-Identifier: GPL-2.0-only
/* What does not depend on the provider of the verbs. */
#include <fit/verbs.h>

const char *rdma_wc_status_name(enum rdma_wc_status s)
{
	static const char *const names[] = {
		[RDMA_WC_SUCCESS] = "success",
		[RDMA_WC_LOC_LEN_ERR] = "local length error",
		[RDMA_WC_LOC_PROT_ERR] = "local protection error",
		[RDMA_WC_WR_FLUSH_ERR] = "flushed",
		[RDMA_WC_REM_INV_REQ_ERR] = "remote invalid request",
		[RDMA_WC_REM_ACCESS_ERR] = "remote access error",
		[RDMA_WC_REM_OP_ERR] = "remote operational error",
		[RDMA_WC_RETRY_EXC_ERR] = "transport retries exceeded",
		[RDMA_WC_RNR_RETRY_EXC_ERR] = "receiver-not-ready retries exceeded",
	};

	return (unsigned)s < ARRAY_SIZE(names) && names[s] ? names[s] : "unknown";
}
