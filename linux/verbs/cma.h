/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * librdmacm behind names of our own. Its header and fit/verbs.h use the same names for different
 * things (rdma_connect, rdma_cm_event, ...), so one file alone (cma.c) sees the library's header,
 * and takes its functions from the loaded library instead of linking with it.
 *
 * Errors are -errno. Any thread; a call may enter the kernel but does not wait for a peer.
 */
#pragma once

#include <infiniband/verbs.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cma_channel;
struct cma_id; /* a connection being made, made, or a listener */

#define CMA_PRIVATE_MAX 256

enum cma_kind {
	CMA_ADDR_RESOLVED, CMA_ROUTE_RESOLVED, CMA_REQUEST, CMA_RESPONSE, CMA_ESTABLISHED,
	CMA_REJECTED, CMA_UNREACHABLE, CMA_DISCONNECTED, CMA_OTHER
};
struct cma_event {
	enum cma_kind kind;
	struct cma_id *id;
	void *context;        /* the id's; for a request the listener's */
	int status;           /* rejected: the reason */
	uint32_t peer_ip;     /* host order */
	uint16_t peer_port;
	size_t private_len;
	uint8_t private_data[CMA_PRIVATE_MAX];
};

/* Loads the library; 0 or -ENOENT with the loader's words in *why. */
int cma_load(const char **why);
struct cma_channel *cma_channel_create(void);
void cma_channel_destroy(struct cma_channel *ch);
int cma_channel_fd(struct cma_channel *ch);
/*
 * Takes one event and gives it to fn; only afterwards can the id it is about be destroyed. False:
 * none.
 */
bool cma_channel_next(struct cma_channel *ch, void (*fn)(const struct cma_event *ev, void *arg),
		      void *arg);

int cma_id_create(struct cma_channel *ch, void *context, struct cma_id **out);
/* Waits until fn of its last event has returned. */
void cma_id_destroy(struct cma_id *id);
void cma_id_set_context(struct cma_id *id, void *context);
struct ibv_context *cma_id_verbs(struct cma_id *id, uint8_t *port);
int cma_bind(struct cma_id *id, uint32_t ip, uint16_t port);
int cma_listen(struct cma_id *id);
int cma_resolve_addr(struct cma_id *id, uint32_t ip, uint16_t port, int timeout_ms);
int cma_resolve_route(struct cma_id *id, int timeout_ms);

struct cma_param {
	uint32_t qpn;
	uint8_t retry_count, rnr_retry;
	const void *private_data;
	size_t private_len;
};
int cma_connect(struct cma_id *id, const struct cma_param *p);
int cma_accept(struct cma_id *id, const struct cma_param *p);
int cma_establish(struct cma_id *id); /* answers CMA_RESPONSE */
int cma_reject(struct cma_id *id, const void *private_data, size_t len);
int cma_disconnect(struct cma_id *id);
/* What the connection's parameters say for the queue pair's way into attr->qp_state. */
int cma_qp_attr(struct cma_id *id, struct ibv_qp_attr *attr, int *mask);
