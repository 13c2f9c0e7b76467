// SPDX-License-Identifier: GPL-2.0-only
/*
 * librdmacm, loaded at run time: see cma.h for the reason. Nothing here keeps state but the loaded
 * functions.
 */
#include "cma.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <rdma/rdma_cma.h>
#include <string.h>

#define CMA_BACKLOG 64

#define CMA_FUNCTIONS(X)                                                                          \
	X(create_event_channel) X(destroy_event_channel) X(get_cm_event) X(ack_cm_event)          \
	X(create_id) X(destroy_id) X(bind_addr) X(listen) X(resolve_addr) X(resolve_route)        \
	X(connect) X(accept) X(establish) X(reject) X(disconnect) X(init_qp_attr)

#define CMA_MEMBER(n) __typeof__(rdma_##n) *n;
static struct { CMA_FUNCTIONS(CMA_MEMBER) } lib;

static struct rdma_cm_id *real(struct cma_id *id)
{
	return (struct rdma_cm_id *)(void *)id;
}

static struct rdma_event_channel *real_channel(struct cma_channel *ch)
{
	return (struct rdma_event_channel *)(void *)ch;
}

static int result(int r)
{
	return r ? -errno : 0;
}

int cma_load(const char **why)
{
	void *so = dlopen("librdmacm.so.1", RTLD_NOW | RTLD_LOCAL);

	if (!so)
		goto out;
#define CMA_LOAD(n)                                                                               \
	lib.n = (__typeof__(rdma_##n) *)dlsym(so, "rdma_" #n);                                    \
	if (!lib.n)                                                                               \
		goto out;
	CMA_FUNCTIONS(CMA_LOAD)
	return 0;
out:
	*why = dlerror();
	return -ENOENT;
}

struct cma_channel *cma_channel_create(void)
{
	struct rdma_event_channel *ch = lib.create_event_channel();

	if (ch)
		fcntl(ch->fd, F_SETFL, fcntl(ch->fd, F_GETFL) | O_NONBLOCK);
	return (struct cma_channel *)(void *)ch;
}

void cma_channel_destroy(struct cma_channel *ch)
{
	lib.destroy_event_channel(real_channel(ch));
}

int cma_channel_fd(struct cma_channel *ch)
{
	return real_channel(ch)->fd;
}

static enum cma_kind kind_of(enum rdma_cm_event_type type)
{
	switch (type) {
	case RDMA_CM_EVENT_ADDR_RESOLVED:
		return CMA_ADDR_RESOLVED;
	case RDMA_CM_EVENT_ROUTE_RESOLVED:
		return CMA_ROUTE_RESOLVED;
	case RDMA_CM_EVENT_CONNECT_REQUEST:
		return CMA_REQUEST;
	case RDMA_CM_EVENT_CONNECT_RESPONSE:
		return CMA_RESPONSE;
	case RDMA_CM_EVENT_ESTABLISHED:
		return CMA_ESTABLISHED;
	case RDMA_CM_EVENT_REJECTED:
		return CMA_REJECTED;
	case RDMA_CM_EVENT_ADDR_ERROR:
	case RDMA_CM_EVENT_ROUTE_ERROR:
	case RDMA_CM_EVENT_CONNECT_ERROR:
	case RDMA_CM_EVENT_UNREACHABLE:
		return CMA_UNREACHABLE;
	case RDMA_CM_EVENT_DISCONNECTED:
	case RDMA_CM_EVENT_DEVICE_REMOVAL:
		return CMA_DISCONNECTED;
	default:
		return CMA_OTHER;
	}
}

static void copy_peer(struct rdma_cm_id *id, struct cma_event *out)
{
	const void *dst = &id->route.addr.dst_addr;
	const struct sockaddr_in *a = dst;

	if (a->sin_family != AF_INET)
		return;
	out->peer_ip = ntohl(a->sin_addr.s_addr);
	out->peer_port = ntohs(a->sin_port);
}

bool cma_channel_next(struct cma_channel *ch, void (*fn)(const struct cma_event *ev, void *arg),
		      void *arg)
{
	struct rdma_cm_event *ev;
	struct cma_event out = { 0 };

	if (lib.get_cm_event(real_channel(ch), &ev))
		return false;
	out.kind = kind_of(ev->event);
	out.id = (struct cma_id *)(void *)ev->id;
	out.context = out.kind == CMA_REQUEST ? ev->listen_id->context : ev->id->context;
	out.status = ev->status;
	copy_peer(ev->id, &out);
	if (ev->param.conn.private_data) {
		out.private_len = ev->param.conn.private_data_len;
		if (out.private_len > sizeof(out.private_data))
			out.private_len = sizeof(out.private_data);
		memcpy(out.private_data, ev->param.conn.private_data, out.private_len);
	}
	fn(&out, arg);
	lib.ack_cm_event(ev);
	return true;
}

int cma_id_create(struct cma_channel *ch, void *context, struct cma_id **out)
{
	struct rdma_cm_id *id;
	int err = result(lib.create_id(real_channel(ch), &id, context, RDMA_PS_TCP));

	if (!err)
		*out = (struct cma_id *)(void *)id;
	return err;
}

void cma_id_destroy(struct cma_id *id)
{
	lib.destroy_id(real(id));
}

void cma_id_set_context(struct cma_id *id, void *context)
{
	real(id)->context = context;
}

struct ibv_context *cma_id_verbs(struct cma_id *id, uint8_t *port)
{
	*port = real(id)->port_num;
	return real(id)->verbs;
}

static struct sockaddr_in sockaddr_of(uint32_t ip, uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port),
		.sin_addr.s_addr = htonl(ip) };
}

int cma_bind(struct cma_id *id, uint32_t ip, uint16_t port)
{
	struct sockaddr_in a = sockaddr_of(ip, port);

	return result(lib.bind_addr(real(id), (struct sockaddr *)(void *)&a));
}

int cma_listen(struct cma_id *id)
{
	return result(lib.listen(real(id), CMA_BACKLOG));
}

int cma_resolve_addr(struct cma_id *id, uint32_t ip, uint16_t port, int timeout_ms)
{
	struct sockaddr_in a = sockaddr_of(ip, port);

	return result(lib.resolve_addr(real(id), NULL, (struct sockaddr *)(void *)&a, timeout_ms));
}

int cma_resolve_route(struct cma_id *id, int timeout_ms)
{
	return result(lib.resolve_route(real(id), timeout_ms));
}

static struct rdma_conn_param conn_param(const struct cma_param *p)
{
	return (struct rdma_conn_param){
		.private_data = p->private_data, .private_data_len = (uint8_t)p->private_len,
		.responder_resources = RDMA_MAX_RESP_RES, .initiator_depth = RDMA_MAX_INIT_DEPTH,
		.retry_count = p->retry_count, .rnr_retry_count = p->rnr_retry, .qp_num = p->qpn,
	};
}

int cma_connect(struct cma_id *id, const struct cma_param *p)
{
	struct rdma_conn_param c = conn_param(p);

	return result(lib.connect(real(id), &c));
}

int cma_accept(struct cma_id *id, const struct cma_param *p)
{
	struct rdma_conn_param c = conn_param(p);

	return result(lib.accept(real(id), &c));
}

int cma_establish(struct cma_id *id)
{
	return result(lib.establish(real(id)));
}

int cma_reject(struct cma_id *id, const void *private_data, size_t len)
{
	return result(lib.reject(real(id), private_data, (uint8_t)len));
}

int cma_disconnect(struct cma_id *id)
{
	return result(lib.disconnect(real(id)));
}

int cma_qp_attr(struct cma_id *id, struct ibv_qp_attr *attr, int *mask)
{
	return result(lib.init_qp_attr(real(id), attr, mask));
}
