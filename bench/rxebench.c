// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fabric's baseline: RDMA WRITE and READ between two Linux machines, by libibverbs.
 *
 *   rxebench serve                lends a region to whoever connects
 *   rxebench drive ADDRESS PORT   connects to that, then takes orders on TCP PORT, one a line:
 *                                 "write|read SIZE DEPTH N poll|event" is answered by one line
 *                                 "n=.. median_ns=.. best_ns=.. total_ns=.." or "error TEXT"
 *
 * The same work as a board's (monitors/common/perf.c): DEPTH transfers outstanding, each started
 * by the end of another; a sample is one transfer. `poll` spins on the completion queue,
 * `event` sleeps on its channel: which is faster depends on size and depth, so both are measured.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <infiniband/verbs.h>
#include <rdma/rdma_cma.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define RDMA_PORT 7180
#define REGION (4u << 20)
#define DEPTH_MAX 64
#define N_MAX 100000
#define CONNECT_MS 5000

struct lent { uint64_t addr; uint32_t rkey, len; };

static struct rdma_event_channel *events;
static struct ibv_mr *mr;
static struct ibv_cq *cq;
static struct ibv_comp_channel *cq_events;
static uint8_t *region;

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("rxebench: ", stderr);
	vfprintf(stderr, fmt, ap);
	fprintf(stderr, ": %s\n", strerror(errno));
	va_end(ap);
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static struct rdma_cm_event *want(enum rdma_cm_event_type type)
{
	struct rdma_cm_event *e;

	if (rdma_get_cm_event(events, &e))
		die("rdma_get_cm_event");
	if (e->event != type) {
		errno = -e->status;
		die("%s in place of %s", rdma_event_str(e->event), rdma_event_str(type));
	}
	return e;
}

/* Region, completion queue and queue pair of a connection. */
static void make_ends(struct rdma_cm_id *id)
{
	struct ibv_qp_init_attr attr = { .qp_type = IBV_QPT_RC,
		.cap = { .max_send_wr = DEPTH_MAX, .max_recv_wr = 1, .max_send_sge = 1,
			 .max_recv_sge = 1 } };
	struct ibv_pd *pd = ibv_alloc_pd(id->verbs);

	region = aligned_alloc(4096, REGION);
	cq_events = ibv_create_comp_channel(id->verbs);
	if (!pd || !region || !cq_events)
		die("resources");
	memset(region, 0x5a, REGION);
	mr = ibv_reg_mr(pd, region, REGION, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ |
			IBV_ACCESS_REMOTE_WRITE);
	cq = ibv_create_cq(id->verbs, DEPTH_MAX + 8, NULL, cq_events, 0);
	if (!mr || !cq)
		die("memory region, completion queue");
	attr.send_cq = cq;
	attr.recv_cq = cq;
	if (rdma_create_qp(id, pd, &attr))
		die("rdma_create_qp");
}

static int serve(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(RDMA_PORT) };
	struct rdma_cm_id *listener;
	struct rdma_conn_param param = { .responder_resources = 16, .initiator_depth = 16 };
	struct lent lent;
	struct rdma_cm_event *e;

	if (rdma_create_id(events, &listener, NULL, RDMA_PS_TCP) ||
	    rdma_bind_addr(listener, (struct sockaddr *)&any) || rdma_listen(listener, 1))
		die("listen");
	puts("rxebench: serving");
	fflush(stdout);
	e = want(RDMA_CM_EVENT_CONNECT_REQUEST);
	make_ends(e->id);
	lent = (struct lent){ (uintptr_t)region, mr->rkey, REGION };
	param.private_data = &lent;
	param.private_data_len = sizeof(lent);
	if (rdma_accept(e->id, &param))
		die("rdma_accept");
	rdma_ack_cm_event(e);
	rdma_ack_cm_event(want(RDMA_CM_EVENT_ESTABLISHED));
	rdma_ack_cm_event(want(RDMA_CM_EVENT_DISCONNECTED));
	return 0;
}

static struct rdma_cm_id *connect_to(const char *address, struct lent *lent)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(RDMA_PORT) };
	struct rdma_conn_param param = { .responder_resources = 16, .initiator_depth = 16,
		.retry_count = 7, .rnr_retry_count = 7 };
	struct rdma_cm_event *e;
	struct rdma_cm_id *id;

	if (inet_pton(AF_INET, address, &to.sin_addr) != 1)
		die("address %s", address);
	if (rdma_create_id(events, &id, NULL, RDMA_PS_TCP) ||
	    rdma_resolve_addr(id, NULL, (struct sockaddr *)&to, CONNECT_MS))
		die("rdma_resolve_addr");
	rdma_ack_cm_event(want(RDMA_CM_EVENT_ADDR_RESOLVED));
	if (rdma_resolve_route(id, CONNECT_MS))
		die("rdma_resolve_route");
	rdma_ack_cm_event(want(RDMA_CM_EVENT_ROUTE_RESOLVED));
	make_ends(id);
	if (rdma_connect(id, &param))
		die("rdma_connect");
	e = want(RDMA_CM_EVENT_ESTABLISHED);
	memcpy(lent, e->param.conn.private_data, sizeof(*lent));
	rdma_ack_cm_event(e);
	return id;
}

/* ---- one measurement ---- */

struct order {
	enum ibv_wr_opcode op;
	uint32_t size;
	unsigned depth, n;
	int event;
};

static int post(struct rdma_cm_id *id, const struct lent *to, const struct order *o, unsigned i,
		unsigned slot)
{
	uint32_t off = i % (REGION / o->size) * o->size;
	struct ibv_sge sge = { (uintptr_t)region + slot % (REGION / o->size) * o->size, o->size,
			       mr->lkey };
	struct ibv_send_wr wr = { .wr_id = slot, .opcode = o->op, .sg_list = &sge, .num_sge = 1,
		.send_flags = IBV_SEND_SIGNALED,
		.wr.rdma = { .remote_addr = to->addr + off, .rkey = to->rkey } }, *bad;

	return ibv_post_send(id->qp, &wr, &bad);
}

/* The next completions: at least one, or -1. */
static int completions(const struct order *o, struct ibv_wc *wc, int max)
{
	int n = ibv_poll_cq(cq, max, wc);

	while (!n) {
		if (o->event) {
			struct ibv_cq *which;
			void *context;

			if (ibv_req_notify_cq(cq, 0))
				return -1;
			n = ibv_poll_cq(cq, max, wc); /* came before the request was made */
			if (n)
				break;
			if (ibv_get_cq_event(cq_events, &which, &context))
				return -1;
			ibv_ack_cq_events(which, 1);
		}
		n = ibv_poll_cq(cq, max, wc);
	}
	return n;
}

static int measure(struct rdma_cm_id *id, const struct lent *to, const struct order *o,
		   uint64_t *ns, uint64_t *total)
{
	uint64_t began[DEPTH_MAX], start = now_ns();
	unsigned begun = 0, ended = 0;

	for (; begun < o->depth; begun++) {
		began[begun] = now_ns();
		if (post(id, to, o, begun, begun))
			return -1;
	}
	while (ended < o->n) {
		struct ibv_wc wc[16];
		int n = completions(o, wc, 16);

		for (int i = 0; i < n; i++) {
			unsigned slot = (unsigned)wc[i].wr_id;

			if (wc[i].status != IBV_WC_SUCCESS)
				return -1;
			ns[ended++] = now_ns() - began[slot];
			began[slot] = now_ns();
			if (begun < o->n && post(id, to, o, begun++, slot))
				return -1;
		}
		if (n < 0)
			return -1;
	}
	*total = now_ns() - start;
	return 0;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int parse(const char *line, struct order *o)
{
	char op[8], how[8];

	if (sscanf(line, "%7s %u %u %u %7s", op, &o->size, &o->depth, &o->n, how) != 5)
		return -1;
	o->op = strcmp(op, "read") ? IBV_WR_RDMA_WRITE : IBV_WR_RDMA_READ;
	o->event = !strcmp(how, "event");
	return o->size && o->size <= REGION && o->depth && o->depth <= DEPTH_MAX && o->n <= N_MAX &&
	       o->depth <= o->n ? 0 : -1;
}

static void obey(struct rdma_cm_id *id, const struct lent *to, FILE *in, FILE *out)
{
	static uint64_t ns[N_MAX];
	char line[128];

	while (fgets(line, sizeof(line), in)) {
		struct order o;
		uint64_t total = 0;

		if (parse(line, &o)) {
			fprintf(out, "error not understood\n");
		} else if (measure(id, to, &o, ns, &total)) {
			fprintf(out, "error a transfer failed\n");
		} else {
			qsort(ns, o.n, sizeof(*ns), by_value);
			fprintf(out, "n=%u median_ns=%llu best_ns=%llu total_ns=%llu\n", o.n,
				(unsigned long long)ns[o.n / 2], (unsigned long long)ns[0],
				(unsigned long long)total);
		}
		fflush(out);
	}
}

static int drive(const char *address, const char *port)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
	int listener = socket(AF_INET, SOCK_STREAM, 0), fd;
	struct rdma_cm_id *id;
	struct lent lent;
	FILE *in, *out;

	id = connect_to(address, &lent);
	if (bind(listener, (struct sockaddr *)&any, sizeof(any)) || listen(listener, 1))
		die("port %s", port);
	puts("rxebench: connected");
	fflush(stdout);
	fd = accept(listener, NULL, NULL);
	in = fd < 0 ? NULL : fdopen(fd, "r");
	out = fd < 0 ? NULL : fdopen(dup(fd), "w");
	if (!in || !out)
		die("accept");
	obey(id, &lent, in, out);
	rdma_disconnect(id);
	return 0;
}

int main(int argc, char **argv)
{
	events = rdma_create_event_channel();
	if (!events)
		die("rdma_create_event_channel");
	if (argc == 2 && !strcmp(argv[1], "serve"))
		return serve();
	if (argc == 4 && !strcmp(argv[1], "drive"))
		return drive(argv[2], argv[3]);
	fputs("usage: rxebench serve | drive ADDRESS PORT\n", stderr);
	return 2;
}
