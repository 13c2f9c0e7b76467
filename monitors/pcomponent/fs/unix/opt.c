// SPDX-License-Identifier: GPL-2.0-only
/* Socket options of AF_UNIX: those of SOL_SOCKET that mean something here. */
#include "fs/unix/unix.h"

#include <asm/socket.h>
#include <kern/uspace.h>
#include "net/abi.h"
#include "proc/task.h"

struct timeval_k { int64_t sec, usec; };

/* ---- setting ---- */

static int set_timeout(uint64_t addr, uint64_t len, uint64_t *ns)
{
	struct timeval_k tv;

	if (len < sizeof(tv))
		return -EINVAL;
	if (copy_from_user(&tv, addr, sizeof(tv)))
		return -EFAULT;
	if (tv.usec < 0 || tv.usec >= 1000000)
		return -EDOM;
	*ns = tv.sec < 0 ? 1 : (uint64_t)KMIN(tv.sec, (int64_t)1000000000) * NSEC_PER_SEC +
			       (uint64_t)tv.usec * NSEC_PER_USEC;
	return 0;
}

/* socket(7): the kernel takes twice of what was asked for. */
static void set_buffer(struct unix_sock *s, uint32_t *size, int value)
{
	uint32_t want = KMIN((uint32_t)value, UNIX_BUF_DEFAULT) * 2;

	spin_lock(&unix_lock);
	*size = KMAX(want, UNIX_BUF_MIN);
	unix_wake(s);
	spin_unlock(&unix_lock);
}

static int set_int(struct unix_sock *s, int name, int value)
{
	switch (name) {
	case SO_SNDBUF:
	case SO_SNDBUFFORCE:
		set_buffer(s, &s->sndbuf, value);
		return 0;
	case SO_RCVBUF:
	case SO_RCVBUFFORCE:
		set_buffer(s, &s->rcvbuf, value);
		return 0;
	case SO_PASSCRED:
		s->passcred = value;
		return 0;
	case SO_REUSEADDR:
	case SO_KEEPALIVE:
	case SO_BROADCAST:
	case SO_OOBINLINE:
	case SO_DONTROUTE:
	case SO_PRIORITY:
	case SO_TIMESTAMP_OLD:
	case SO_RCVLOWAT:
	case SO_LINGER:
	case SO_PASSSEC:
	case SO_MARK:
		return 0; /* accepted, without a meaning here */
	case SO_REUSEPORT:
	case SO_ZEROCOPY:
		return -EOPNOTSUPP;
	}
	return -ENOPROTOOPT;
}

int64_t unix_setsockopt(struct unix_sock *s, struct syscall_args *a)
{
	int name = (int)a->a[2], len = (int)a->a[4], value;

	if ((int)a->a[1] != SOL_SOCKET)
		return -EOPNOTSUPP;
	if (len < 0)
		return -EINVAL;
	if (name == SO_RCVTIMEO_OLD || name == SO_RCVTIMEO_NEW)
		return set_timeout(a->a[3], (uint64_t)len, &s->rcvtimeo_ns);
	if (name == SO_SNDTIMEO_OLD || name == SO_SNDTIMEO_NEW)
		return set_timeout(a->a[3], (uint64_t)len, &s->sndtimeo_ns);
	if (len < (int)sizeof(value))
		return -EINVAL;
	if (copy_from_user(&value, a->a[3], sizeof(value)))
		return -EFAULT;
	return set_int(s, name, value);
}

/* ---- getting ---- */

struct value { uint64_t word[2]; size_t len; };

static void put_int(struct value *v, int n)
{
	v->word[0] = (uint32_t)n;
	v->len = sizeof(n);
}

static void put_timeout(struct value *v, uint64_t ns)
{
	v->word[0] = ns / NSEC_PER_SEC;
	v->word[1] = ns % NSEC_PER_SEC / NSEC_PER_USEC;
	v->len = 16;
}

static int take_error(struct unix_sock *s)
{
	int e;

	spin_lock(&unix_lock);
	e = s->error;
	s->error = 0;
	spin_unlock(&unix_lock);
	return e;
}

static void put_peer_cred(struct unix_sock *s, struct value *v)
{
	struct unix_cred c = { 0, UINT32_MAX, UINT32_MAX };

	if (s->state != UNIX_NEW)
		c = s->state == UNIX_LISTEN ? s->cred : s->peer_cred;

	v->word[0] = (uint32_t)c.pid | (uint64_t)c.uid << 32;
	v->word[1] = c.gid;
	v->len = sizeof(c);
}

static int get_value(struct unix_sock *s, int name, struct value *v)
{
	switch (name) {
	case SO_TYPE:
		put_int(v, s->type);
		return 0;
	case SO_DOMAIN:
		put_int(v, AF_UNIX);
		return 0;
	case SO_ERROR:
		put_int(v, take_error(s));
		return 0;
	case SO_ACCEPTCONN:
		put_int(v, s->state == UNIX_LISTEN);
		return 0;
	case SO_SNDBUF:
		put_int(v, (int)s->sndbuf);
		return 0;
	case SO_RCVBUF:
		put_int(v, (int)s->rcvbuf);
		return 0;
	case SO_PASSCRED:
		put_int(v, s->passcred);
		return 0;
	case SO_RCVTIMEO_OLD:
		put_timeout(v, s->rcvtimeo_ns);
		return 0;
	case SO_SNDTIMEO_OLD:
		put_timeout(v, s->sndtimeo_ns);
		return 0;
	case SO_PEERCRED:
		put_peer_cred(s, v);
		return 0;
	case SO_LINGER:
		v->word[0] = 0;
		v->len = 8;
		return 0;
	case SO_RCVLOWAT:
	case SO_SNDLOWAT:
		put_int(v, 1);
		return 0;
	case SO_PROTOCOL:
	case SO_REUSEADDR:
	case SO_REUSEPORT:
	case SO_KEEPALIVE:
	case SO_BROADCAST:
	case SO_OOBINLINE:
	case SO_DONTROUTE:
	case SO_PRIORITY:
	case SO_MARK:
		put_int(v, 0);
		return 0;
	}
	return -ENOPROTOOPT;
}

int64_t unix_getsockopt(struct unix_sock *s, struct syscall_args *a)
{
	struct value v = { { 0 }, 0 };
	int32_t len;
	int err;

	if (copy_from_user(&len, a->a[4], sizeof(len)))
		return -EFAULT;
	if (len < 0)
		return -EINVAL;
	if ((int)a->a[1] != SOL_SOCKET)
		return -EOPNOTSUPP;
	err = get_value(s, (int)a->a[2], &v);
	if (err)
		return err;
	len = (int32_t)KMIN((size_t)len, v.len);
	if (copy_to_user(a->a[3], v.word, (size_t)len))
		return -EFAULT;
	return copy_to_user(a->a[4], &len, sizeof(len)) ? -EFAULT : 0;
}
