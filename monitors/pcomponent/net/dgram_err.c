// SPDX-License-Identifier: GPL-2.0-only
/*
 * ICMP errors of datagram sockets (ip(7), IP_RECVERR). Without the option a connected socket gets
 * the hard ones as its pending error, another none; with it every error also waits in a queue
 * of DGRAM_ERRORS_MAX for recvmsg(MSG_ERRQUEUE). Loop and thread context.
 */
#include <kern/log.h>
#include <kern/mm.h>
#include <kern/string.h>
#include <linux/eventpoll.h>

#include "net/stub.h"

/* RFC 792; <linux/icmp.h> does not go without a C library */
#define ICMP_DEST_UNREACH 3
#define ICMP_PARAMETERPROB 12

/* What Linux makes of an ICMP error (icmp_err_convert); hard: worth telling without IP_RECVERR. */
static int error_of(const struct sockevt_icmp *m, bool *hard)
{
	static const struct { uint8_t error; bool hard; } unreachable[] = {
		{ ENETUNREACH, false }, { EHOSTUNREACH, false }, { ENOPROTOOPT, true },
		{ ECONNREFUSED, true }, { EMSGSIZE, false }, { EOPNOTSUPP, false },
		{ ENETUNREACH, true }, { EHOSTDOWN, true }, { ENONET, true },
		{ ENETUNREACH, true }, { EHOSTUNREACH, true }, { ENETUNREACH, false },
		{ EHOSTUNREACH, false }, { EHOSTUNREACH, true }, { EHOSTUNREACH, true },
		{ EHOSTUNREACH, true },
	};

	*hard = m->type == ICMP_PARAMETERPROB;
	if (*hard)
		return EPROTO;
	if (m->type != ICMP_DEST_UNREACH || m->code >= ARRAY_SIZE(unreachable))
		return EHOSTUNREACH;
	*hard = unreachable[m->code].hard;
	return unreachable[m->code].error;
}

static bool enqueue(struct stub *s, int error, const struct sockevt_icmp *m, const uint8_t *data)
{
	uint16_t len = le16_get(m->len);
	struct dgram_error *e = kmalloc(sizeof(*e) + len);
	bool room;

	if (!e) {
		counter_add(stub, no_memory, 1);
		return false;
	}
	*e = (struct dgram_error){ .error = error, .type = m->type,
		.code = m->code, .info = le16_get(m->mtu), .offender = be32_get(m->offender),
		.dst = { be32_get(m->dst_ip), be16_get(m->dst_port) }, .len = len };
	memcpy(e->data, data, len);
	spin_lock(&s->lock);
	room = s->nerrq < DGRAM_ERRORS_MAX;
	if (room) {
		TAILQ_INSERT_TAIL(&s->errq, e, link);
		s->nerrq++;
	}
	spin_unlock(&s->lock);
	if (!room)
		kfree(e);
	return room;
}

void dgram_icmp_event(struct stub *s, const struct sockevt_icmp *m, const uint8_t *data)
{
	bool hard;
	int error = error_of(m, &hard);

	if (s->opts.recverr)
		(void)enqueue(s, error, m, data);
	else if (!s->connected || !hard)
		return;
	s->error = error;
	stub_wake_all(s, EPOLLERR);
}

struct dgram_error *dgram_error_take(struct stub *s)
{
	struct dgram_error *e;

	spin_lock(&s->lock);
	e = TAILQ_FIRST(&s->errq);
	if (e) {
		TAILQ_REMOVE(&s->errq, e, link);
		s->nerrq--;
	}
	spin_unlock(&s->lock);
	return e;
}
