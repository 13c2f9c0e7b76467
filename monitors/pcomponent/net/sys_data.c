// SPDX-License-Identifier: GPL-2.0-only
/*
 * System calls that move data: send, recv and their forms with addresses, vectors and several
 * messages.
 */
#include <kern/mm.h>
#include <kern/timer.h>
#include <kern/uspace.h>

#include "net/abi.h"
#include "net/family.h"
#include "net/sock_file.h"
#include "proc/task.h"
#include "syscall/table.h"

#define RW_MAX 0x7ffff000u /* MAX_RW_COUNT of Linux */
#define MMSG_MAX 1024      /* UIO_MAXIOV, more are not looked at */

/* Where a datagram goes; a stream ignores the address, but looks whether it is there. */
static int get_name(struct file *f, uint64_t addr, uint32_t len, struct dgram_meta *m)
{
	uint8_t buf[SOCKADDR_MAX];

	if (!addr)
		return 0;
	if (len > SOCKADDR_MAX)
		return -EINVAL;
	if (!sock_is_dgram(f))
		return copy_from_user(buf, addr, len) ? -EFAULT : 0;
	m->has_name = true;
	return sockaddr_from_user(sock_stub(f), addr, len, false, &m->name, NULL);
}

static int64_t sys_sendto(struct syscall_args *a)
{
	struct dgram_meta m = { .has_name = false };
	struct uio_seg one;
	struct uio u;
	int err;
	struct file *f = sock_fd_get((int)a->a[0], &err);
	int64_t n;

	if (!f)
		return err;
	uio_init_user(&u, &one, a->a[1], KMIN(a->a[2], (uint64_t)RW_MAX));
	n = sock_is_dgram(f) && u.left > UINT16_MAX ? -EMSGSIZE :
	    get_name(f, a->a[4], (uint32_t)a->a[5], &m);
	if (!n)
		n = sock_send(f, &u, (uint32_t)a->a[3], &m);
	file_put(f);
	return n;
}
SOCKET_CALL_DEFINE(__NR_sendto, "sendto", sys_sendto);

/* A stream gives no address: its length is 0. */
static int put_name(struct file *f, const struct dgram_meta *m, uint64_t addr, uint64_t lenp)
{
	int32_t zero = 0;

	if (!addr)
		return 0;
	if (m->has_name)
		return sockaddr_to_user(sock_stub(f), m->name, addr, lenp);
	return lenp && copy_to_user(lenp, &zero, sizeof(zero)) ? -EFAULT : 0;
}

static int64_t sys_recvfrom(struct syscall_args *a)
{
	struct dgram_meta m = { .has_name = false };
	struct uio_seg one;
	struct uio u;
	int err;
	struct file *f = sock_fd_get((int)a->a[0], &err);
	int64_t n;

	if (!f)
		return err;
	uio_init_user(&u, &one, a->a[1], KMIN(a->a[2], (uint64_t)RW_MAX));
	n = sock_recv(f, &u, (uint32_t)a->a[3], &m);
	err = n >= 0 ? put_name(f, &m, a->a[4], a->a[5]) : 0;
	file_put(f);
	return err ? err : n;
}
SOCKET_CALL_DEFINE(__NR_recvfrom, "recvfrom", sys_recvfrom);

/* ---- messages ---- */

struct msg {
	struct user_msghdr hdr;
	struct uio_seg few[8], *seg;
	struct uio uio;
};

static int load_segs(struct msg *m)
{
	uint64_t n = m->hdr.iovlen, total = 0;

	if (n > UIO_MAX_SEGS)
		return -EMSGSIZE;
	m->seg = n <= ARRAY_SIZE(m->few) ? m->few : kmalloc(n * sizeof(*m->seg));
	if (!m->seg)
		return -ENOMEM;
	if (copy_from_user(m->seg, m->hdr.iov, n * sizeof(*m->seg)))
		return -EFAULT;
	for (uint64_t i = 0; i < n; i++) {
		if ((int64_t)m->seg[i].len < 0)
			return -EINVAL;
		m->seg[i].len = KMIN(m->seg[i].len, RW_MAX - total);
		total += m->seg[i].len;
	}
	m->uio = (struct uio){ .seg = m->seg, .nsegs = (unsigned)n, .left = total };
	return 0;
}

static void msg_put(struct msg *m)
{
	if (m->seg != m->few)
		kfree(m->seg);
}

/* 0 (then msg_put), or -errno. */
static int msg_get(struct msg *m, uint64_t addr)
{
	int err;

	m->seg = NULL;
	if (copy_from_user(&m->hdr, addr, sizeof(m->hdr)))
		return -EFAULT;
	if (m->hdr.namelen < 0)
		return -EINVAL;
	err = load_segs(m);
	if (err)
		msg_put(m);
	return err;
}

static int64_t send_one(struct file *f, uint64_t addr, uint32_t flags)
{
	struct dgram_meta meta = { .has_name = false };
	struct msg m;
	int64_t n = msg_get(&m, addr);

	if (n)
		return n;
	if (sock_is_dgram(f) && m.uio.left > UINT16_MAX)
		n = -EMSGSIZE;
	if (!n && m.hdr.name && m.hdr.namelen)
		n = get_name(f, m.hdr.name, KMIN((uint32_t)m.hdr.namelen, (uint32_t)SOCKADDR_MAX),
			     &meta);
	if (!n)
		n = cmsg_read(&m.hdr, &meta);
	if (!n)
		n = sock_send(f, &m.uio, flags, &meta);
	msg_put(&m);
	return n;
}

/* What the header says after a receive. */
static int finish_recv(struct file *f, struct msg *m, const struct dgram_meta *meta, uint64_t addr)
{
	int err = 0;

	if (m->hdr.name)
		err = put_name(f, meta, m->hdr.name,
			       addr + offsetof(struct user_msghdr, namelen));
	if (!err)
		err = cmsg_write(sock_stub(f), &m->hdr, meta);
	if (meta->truncated)
		m->hdr.flags |= MSG_TRUNC;
	if (err)
		return err;
	if (copy_to_user(addr + offsetof(struct user_msghdr, controllen), &m->hdr.controllen,
			 sizeof(m->hdr.controllen) + sizeof(m->hdr.flags)))
		return -EFAULT;
	return 0;
}

static int64_t recv_one(struct file *f, uint64_t addr, uint32_t flags)
{
	struct dgram_meta meta = { .has_name = false };
	struct msg m;
	int64_t n = msg_get(&m, addr);

	if (n)
		return n;
	m.hdr.flags = 0;
	if (flags & MSG_ERRQUEUE)
		n = errqueue_recv(sock_stub(f), &m.uio, &m.hdr, &meta);
	else
		n = sock_recv(f, &m.uio, flags, &meta);
	msg_put(&m);
	if (n >= 0) {
		int err = finish_recv(f, &m, &meta, addr);

		n = err ? err : n;
	}
	return n;
}

static int64_t sys_sendmsg(struct syscall_args *a)
{
	int err;
	struct file *f = sock_fd_get((int)a->a[0], &err);
	int64_t n;

	if (!f)
		return err;
	n = send_one(f, a->a[1], (uint32_t)a->a[2]);
	file_put(f);
	return n;
}
SOCKET_CALL_DEFINE(__NR_sendmsg, "sendmsg", sys_sendmsg);

static int64_t sys_recvmsg(struct syscall_args *a)
{
	int err;
	struct file *f = sock_fd_get((int)a->a[0], &err);
	int64_t n;

	if (!f)
		return err;
	n = recv_one(f, a->a[1], (uint32_t)a->a[2]);
	file_put(f);
	return n;
}
SOCKET_CALL_DEFINE(__NR_recvmsg, "recvmsg", sys_recvmsg);

/* ---- several ---- */

/* One message of the vector at addr; bytes moved are stored beside it. */
static int64_t many_step(struct file *f, uint64_t addr, uint32_t flags,
			 int64_t (*one)(struct file *, uint64_t, uint32_t))
{
	int64_t n = one(f, addr, flags);
	uint32_t len = (uint32_t)n;

	if (n >= 0 && copy_to_user(addr + offsetof(struct user_mmsghdr, len), &len, sizeof(len)))
		return -EFAULT;
	return n;
}

static int64_t sys_sendmmsg(struct syscall_args *a)
{
	int err;
	struct file *f = sock_fd_get((int)a->a[0], &err);
	uint32_t count = KMIN((uint32_t)a->a[2], (uint32_t)MMSG_MAX), i;
	int64_t n = 0;

	if (!f)
		return err;
	for (i = 0; i < count; i++) {
		n = many_step(f, a->a[1] + i * sizeof(struct user_mmsghdr), (uint32_t)a->a[3],
			      send_one);
		if (n < 0)
			break;
	}
	file_put(f);
	return i ? (int64_t)i : n;
}
SOCKET_CALL_DEFINE(__NR_sendmmsg, "sendmmsg", sys_sendmmsg);

static int read_timeout(uint64_t addr, uint64_t *deadline)
{
	int64_t t[2];

	*deadline = 0;
	if (!addr)
		return 0;
	if (copy_from_user(t, addr, sizeof(t)))
		return -EFAULT;
	if (t[0] < 0 || t[1] < 0 || t[1] >= (int64_t)NSEC_PER_SEC)
		return -EINVAL;
	*deadline = clock_mono_ns() + (uint64_t)KMIN(t[0], (int64_t)1000000000) * NSEC_PER_SEC +
		    (uint64_t)t[1];
	return 0;
}

/* The timeout is looked at between messages only, as recvmmsg(2) says. */
static int64_t sys_recvmmsg(struct syscall_args *a)
{
	uint32_t count = KMIN((uint32_t)a->a[2], (uint32_t)MMSG_MAX), i, flags = (uint32_t)a->a[3];
	uint64_t deadline;
	int64_t n = read_timeout(a->a[4], &deadline);
	int err;
	struct file *f;

	if (n)
		return n;
	f = sock_fd_get((int)a->a[0], &err);
	if (!f)
		return err;
	for (i = 0; i < count; i++) {
		n = many_step(f, a->a[1] + i * sizeof(struct user_mmsghdr), flags & ~MSG_WAITFORONE,
			      recv_one);
		if (n < 0)
			break;
		if (flags & MSG_WAITFORONE)
			flags |= MSG_DONTWAIT;
		if (!n || (deadline && clock_mono_ns() >= deadline)) {
			i++;
			break;
		}
	}
	file_put(f);
	return i ? (int64_t)i : n;
}
SOCKET_CALL_DEFINE(__NR_recvmmsg, "recvmmsg", sys_recvmmsg);
