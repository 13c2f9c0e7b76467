/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Futexes. A key is (address space, address) in private anonymous memory or with
 * FUTEX_PRIVATE_FLAG, else the identity of the line and the offset in it. A waiter is queued
 * first and compares the word then: a waker changes the word first and looks into the queue then,
 * so one of them sees the other, and no spinlock is held while user memory is touched.
 */
#include <kern/string.h>
#include <linux/futex.h>

#include "excache/aspace.h"
#include "proc/proc.h"
#include "syscall/table.h"

#define BUCKETS 256
#define PID_INIT 1 /* parent of orphans: the board, always there */

struct futex_key { uint64_t a, b; };
struct futex_waiter {
	TAILQ_ENTRY(futex_waiter) link;
	struct futex_key key;
	uint32_t bitset;
	unsigned bucket;          /* changes under both buckets' locks */
	uint32_t pi_tid;          /* who waits for a lock with an owner; 0: an ordinary wait */
	bool chosen;              /* by who unlocks: out of the queue, soon woken */
	_Atomic bool woken;
	struct waitq wq;
};
static struct bucket {
	struct spinlock lock;
	TAILQ_HEAD(, futex_waiter) waiters;
} buckets[BUCKETS];

void futex_init(void)
{
	for (unsigned i = 0; i < BUCKETS; i++) {
		spin_init(&buckets[i].lock, "futex");
		TAILQ_INIT(&buckets[i].waiters);
	}
}

static unsigned bucket_of(struct futex_key k)
{
	uint64_t h = (k.a ^ (k.b >> 2)) * 0x9e3779b97f4a7c15ULL;

	return (unsigned)(h >> 32) % BUCKETS;
}

static bool same_key(struct futex_key x, struct futex_key y)
{
	return x.a == y.a && x.b == y.b;
}

/* Touches the word. */
static int make_key(uint64_t addr, bool private, struct futex_key *k)
{
	struct aspace *as = uthread_current()->as;
	uint64_t object, index;
	uint32_t word;
	bool shared;
	int err;

	if (addr % 4)
		return -EINVAL;
	if (addr >= USER_ADDR_MAX)
		return -EFAULT;
	*k = (struct futex_key){ (uint64_t)(uintptr_t)as, addr };
	if (private)
		return 0;
	do {
		if (read_user_u32(addr, &word))
			return -EFAULT;
		err = aspace_identity(as, addr, &shared, &object, &index);
	} while (err == -EAGAIN);
	/* the top bit tells identities from kernel pointers, whose top bit is set */
	if (shared)
		*k = (struct futex_key){ object & ~(1ULL << 63),
					 index * PAGE_SIZE + addr % PAGE_SIZE };
	return 0;
}

static void wake_locked(struct bucket *b, struct futex_waiter *w)
{
	TAILQ_REMOVE(&b->waiters, w, link);
	atomic_store(&w->woken, true);
	/* under the lock: the waiter takes it before it lets go of w */
	waitq_wake_all(&w->wq);
}

static int wake_key(struct futex_key k, int max, uint32_t bitset)
{
	struct bucket *b = &buckets[bucket_of(k)];
	struct futex_waiter *w, *next;
	int n = 0;

	spin_lock(&b->lock);
	for (w = TAILQ_FIRST(&b->waiters); w && n < max; w = next) {
		next = TAILQ_NEXT(w, link);
		if (!same_key(w->key, k) || !(w->bitset & bitset))
			continue;
		wake_locked(b, w);
		n++;
	}
	spin_unlock(&b->lock);
	return n;
}

/* Out of whatever queue it is in; true if it was woken or chosen. */
static bool dequeue(struct futex_waiter *w)
{
	for (;;) {
		unsigned i = __atomic_load_n(&w->bucket, __ATOMIC_ACQUIRE);
		bool woken;

		spin_lock(&buckets[i].lock);
		if (i != w->bucket) { /* requeued meanwhile */
			spin_unlock(&buckets[i].lock);
			continue;
		}
		woken = atomic_load(&w->woken) || w->chosen;
		if (!woken)
			TAILQ_REMOVE(&buckets[i].waiters, w, link);
		spin_unlock(&buckets[i].lock);
		return woken;
	}
}

static int64_t futex_wait(uint64_t addr, bool private, uint32_t val, uint32_t bitset,
			  uint64_t deadline)
{
	struct futex_waiter w = { .bitset = bitset };
	uint32_t word;
	int err = make_key(addr, private, &w.key);

	if (err)
		return err;
	if (!bitset)
		return -EINVAL;
	waitq_init(&w.wq);
	w.bucket = bucket_of(w.key);
	spin_lock(&buckets[w.bucket].lock);
	TAILQ_INSERT_TAIL(&buckets[w.bucket].waiters, &w, link);
	spin_unlock(&buckets[w.bucket].lock);
	err = read_user_u32(addr, &word);
	if (!err && word != val)
		err = -EAGAIN;
	if (err) {
		/* it never waited: a wake that hit it is another's */
		if (dequeue(&w))
			wake_key(w.key, 1, bitset);
		return err;
	}
	err = wait_event_signal(&w.wq, atomic_load(&w.woken), deadline);
	return dequeue(&w) ? 0 : err;
}

static void lock_two(struct bucket *a, struct bucket *b)
{
	spin_lock(a < b ? &a->lock : &b->lock);
	if (a != b)
		spin_lock(a < b ? &b->lock : &a->lock);
}

static void unlock_two(struct bucket *a, struct bucket *b)
{
	if (a != b)
		spin_unlock(a < b ? &b->lock : &a->lock);
	spin_unlock(a < b ? &a->lock : &b->lock);
}

static int64_t futex_requeue(uint64_t addr, uint64_t addr2, bool private, int wake, int move,
			     const uint32_t *expect)
{
	struct futex_key k, k2;
	struct futex_waiter *w, *next;
	struct bucket *a, *b;
	int err = make_key(addr, private, &k), n = 0, moved = 0;
	uint32_t word;

	if (!err)
		err = make_key(addr2, private, &k2);
	if (!err && expect) {
		err = read_user_u32(addr, &word);
		if (!err && word != *expect)
			err = -EAGAIN;
	}
	if (err)
		return err;
	if (wake < 0 || move < 0)
		return -EINVAL;
	a = &buckets[bucket_of(k)];
	b = &buckets[bucket_of(k2)];
	lock_two(a, b);
	for (w = TAILQ_FIRST(&a->waiters); w && (n < wake || moved < move); w = next) {
		next = TAILQ_NEXT(w, link);
		if (!same_key(w->key, k))
			continue;
		if (n < wake) {
			wake_locked(a, w);
			n++;
			continue;
		}
		moved++;
		w->key = k2;
		if (a == b)
			continue;
		TAILQ_REMOVE(&a->waiters, w, link);
		TAILQ_INSERT_TAIL(&b->waiters, w, link);
		__atomic_store_n(&w->bucket, (unsigned)(b - buckets), __ATOMIC_RELEASE);
	}
	unlock_two(a, b);
	return expect ? n + moved : n;
}

static uint32_t wake_op_apply(uint32_t op, uint32_t old, uint32_t arg)
{
	switch (op) {
	case FUTEX_OP_SET: return arg;
	case FUTEX_OP_ADD: return old + arg;
	case FUTEX_OP_OR: return old | arg;
	case FUTEX_OP_ANDN: return old & ~arg;
	default: return old ^ arg; /* FUTEX_OP_XOR */
	}
}

static bool wake_op_test(uint32_t cmp, int32_t old, int32_t arg)
{
	switch (cmp) {
	case FUTEX_OP_CMP_EQ: return old == arg;
	case FUTEX_OP_CMP_NE: return old != arg;
	case FUTEX_OP_CMP_LT: return old < arg;
	case FUTEX_OP_CMP_LE: return old <= arg;
	case FUTEX_OP_CMP_GT: return old > arg;
	default: return old >= arg; /* FUTEX_OP_CMP_GE */
	}
}

static int64_t futex_wake_op(uint64_t addr, uint64_t addr2, bool private, int wake, int wake2,
			     uint32_t enc)
{
	uint32_t op = (enc >> 28) & 7, cmp = (enc >> 24) & 15, arg = (enc >> 12) & 0xfff;
	int32_t cmparg = ((int32_t)(enc << 20)) >> 20;
	struct futex_key k, k2;
	uint32_t old, got;
	int err = make_key(addr, private, &k), n;

	if (!err)
		err = make_key(addr2, private, &k2);
	if (err)
		return err;
	if (op > FUTEX_OP_XOR || cmp > FUTEX_OP_CMP_GE)
		return -ENOSYS;
	arg = (uint32_t)(((int32_t)(arg << 20)) >> 20);
	if (enc & (8u << 28))
		arg = 1u << (arg & 31);
	err = read_user_u32(addr2, &old);
	while (!err) {
		err = cmpxchg_user_u32(addr2, old, wake_op_apply(op, old, arg), &got);
		if (!err && got == old)
			break;
		old = got;
	}
	if (err)
		return err;
	n = wake_key(k, wake, FUTEX_BITSET_MATCH_ANY);
	if (wake_op_test(cmp, (int32_t)old, cmparg))
		n += wake_key(k2, wake2, FUTEX_BITSET_MATCH_ANY);
	return n;
}

int64_t futex_wake_addr(uint64_t addr, int n, bool private)
{
	struct futex_key k;
	int err = make_key(addr, private, &k);

	return err ? err : wake_key(k, n, FUTEX_BITSET_MATCH_ANY);
}

/* ---- locks with an owner (FUTEX_LOCK_PI) ---- */
/*
 * The word holds the owner's number. A waiter sets FUTEX_WAITERS, queues itself, looks at the word
 * again and sleeps; unlocking names the first waiter in the word and wakes it, or, where it saw
 * none, frees the word and then looks once more. So a waiter that is woken goes by what the word
 * says. All threads have one priority, so there is none to inherit.
 */
static int pi_try(uint64_t addr, uint32_t tid, uint32_t *word)
{
	uint32_t got;
	int err = read_user_u32(addr, word);

	while (!err && !(*word & FUTEX_TID_MASK)) {
		err = cmpxchg_user_u32(addr, *word, *word | tid, &got);
		if (err || got == *word)
			return err;
		*word = got;
	}
	return err ? err : -EAGAIN;
}

/* 1: the word says that somebody waits; 0: it has changed, look again; -errno. */
static int pi_announce(uint64_t addr, uint32_t word)
{
	struct uthread *owner;
	uint32_t got;
	int err;

	if ((word & FUTEX_TID_MASK) != PID_INIT) {
		owner = uthread_find((int)(word & FUTEX_TID_MASK));
		if (!owner)
			return -ESRCH;
		uthread_put(owner);
	}
	err = cmpxchg_user_u32(addr, word, word | FUTEX_WAITERS, &got);
	return err ? err : got == word;
}

static int pi_wait(uint64_t addr, struct futex_waiter *w, uint32_t word, uint64_t deadline)
{
	uint32_t now;
	int err;

	waitq_init(&w->wq);
	w->chosen = false;
	atomic_store(&w->woken, false);
	w->bucket = bucket_of(w->key);
	spin_lock(&buckets[w->bucket].lock);
	TAILQ_INSERT_TAIL(&buckets[w->bucket].waiters, w, link);
	spin_unlock(&buckets[w->bucket].lock);
	err = read_user_u32(addr, &now);
	if (!err && now == (word | FUTEX_WAITERS))
		err = wait_event_signal(&w->wq, atomic_load(&w->woken), deadline);
	if (!dequeue(w))
		return err;
	wait_event(&w->wq, atomic_load(&w->woken));
	(void)dequeue(w); /* who woke it has let go of it */
	return 0;
}

static int64_t futex_lock_pi(uint64_t addr, bool private, uint64_t deadline, bool once)
{
	uint32_t tid = (uint32_t)uthread_current()->tid, word;
	struct futex_waiter w = { .bitset = FUTEX_BITSET_MATCH_ANY, .pi_tid = tid };
	int err = make_key(addr, private, &w.key);
	bool waited = false;

	while (!err) {
		err = pi_try(addr, tid, &word);
		if (err != -EAGAIN)
			return err;
		if ((word & FUTEX_TID_MASK) == tid)
			return waited ? 0 : -EDEADLK;
		if (once)
			return -EAGAIN;
		err = pi_announce(addr, word);
		if (err > 0) {
			err = pi_wait(addr, &w, word, deadline);
			waited = true;
		}
	}
	return err == -ERESTARTSYS ? -ERESTARTNOINTR : err;
}

/* Takes the first waiter out of the queue; it stays until pi_release(). NULL: there is none. */
static struct futex_waiter *pi_choose(struct futex_key k)
{
	struct bucket *b = &buckets[bucket_of(k)];
	struct futex_waiter *w;

	spin_lock(&b->lock);
	TAILQ_FOREACH(w, &b->waiters, link)
		if (same_key(w->key, k) && w->pi_tid)
			break;
	if (w) {
		TAILQ_REMOVE(&b->waiters, w, link);
		w->chosen = true;
	}
	spin_unlock(&b->lock);
	return w;
}

static void pi_release(struct futex_waiter *w)
{
	struct bucket *b = &buckets[w->bucket];

	spin_lock(&b->lock);
	atomic_store(&w->woken, true);
	waitq_wake_all(&w->wq);
	spin_unlock(&b->lock);
}

static int64_t futex_unlock_pi(uint64_t addr, bool private)
{
	uint32_t tid = (uint32_t)uthread_current()->tid, word, next, got;
	struct futex_waiter *w;
	struct futex_key k;
	int err = make_key(addr, private, &k);

	if (!err)
		err = read_user_u32(addr, &word);
	while (!err) {
		if ((word & FUTEX_TID_MASK) != tid)
			return -EPERM;
		w = pi_choose(k);
		next = w ? w->pi_tid | FUTEX_WAITERS : 0;
		err = cmpxchg_user_u32(addr, word, next, &got);
		if (w)
			pi_release(w);
		if (err || got == word)
			break;
		word = got;
	}
	if (!err && !next) /* one may have come meanwhile */
		(void)wake_key(k, 1, FUTEX_BITSET_MATCH_ANY);
	return err;
}

/* A relative wait goes on to the same deadline. */
static int64_t wait_again(struct restart *r)
{
	int64_t ret = futex_wait(r->arg[0], r->arg[1], (uint32_t)r->arg[2], (uint32_t)r->arg[3],
				 r->arg[4]);

	return ret == -ERESTARTSYS ? -ERESTART_RESTARTBLOCK : ret;
}

/* Monotonic deadline of a timeout in user memory; 0: none. */
static int futex_deadline(uint64_t addr, bool absolute, bool wall, uint64_t *deadline)
{
	struct { int64_t sec, nsec; } ts;
	uint64_t ns, now = clock_mono_ns();

	*deadline = 0;
	if (!addr)
		return 0;
	if (copy_from_user(&ts, addr, sizeof(ts)))
		return -EFAULT;
	if (ts.sec < 0 || ts.nsec < 0 || ts.nsec >= (int64_t)NSEC_PER_SEC)
		return -EINVAL;
	if (ts.sec > (int64_t)(INT64_MAX / NSEC_PER_SEC / 2))
		return 0;
	ns = (uint64_t)ts.sec * NSEC_PER_SEC + (uint64_t)ts.nsec;
	if (!absolute)
		*deadline = now + ns;
	else if (wall)
		*deadline = ns > clock_wall_ns() ? now + (ns - clock_wall_ns()) : now;
	else
		*deadline = ns;
	if (!*deadline)
		*deadline = 1;
	return 0;
}

static int64_t do_futex_wait(struct syscall_args *a, uint32_t cmd, bool private)
{
	bool bitset_op = cmd == FUTEX_WAIT_BITSET;
	uint32_t bitset = bitset_op ? (uint32_t)a->a[5] : FUTEX_BITSET_MATCH_ANY;
	struct restart *rs = &uthread_current()->restart;
	uint64_t deadline;
	int64_t r;
	int err = futex_deadline(a->a[3], bitset_op, a->a[1] & FUTEX_CLOCK_REALTIME, &deadline);

	if (err)
		return err;
	r = futex_wait(a->a[0], private, (uint32_t)a->a[2], bitset, deadline);
	if (r != -ERESTARTSYS || !deadline)
		return r;
	*rs = (struct restart){ wait_again,
				{ a->a[0], private, (uint32_t)a->a[2], bitset, deadline } };
	return -ERESTART_RESTARTBLOCK;
}

static int64_t sys_futex(struct syscall_args *a)
{
	uint32_t op = (uint32_t)a->a[1], cmd = op & FUTEX_CMD_MASK, val = (uint32_t)a->a[2];
	bool private = op & FUTEX_PRIVATE_FLAG;
	uint32_t val3 = (uint32_t)a->a[5];
	struct futex_key k;
	uint64_t deadline;
	int err;

	switch (cmd) {
	case FUTEX_WAIT:
	case FUTEX_WAIT_BITSET:
		return do_futex_wait(a, cmd, private);
	case FUTEX_WAKE:
		return futex_wake_addr(a->a[0], (int)val, private);
	case FUTEX_WAKE_BITSET:
		err = val3 ? make_key(a->a[0], private, &k) : -EINVAL;
		return err ? err : wake_key(k, (int)val, val3);
	case FUTEX_REQUEUE:
		return futex_requeue(a->a[0], a->a[4], private, (int)val, (int)a->a[3], NULL);
	case FUTEX_CMP_REQUEUE:
		return futex_requeue(a->a[0], a->a[4], private, (int)val, (int)a->a[3], &val3);
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
		err = futex_deadline(a->a[3], true, cmd == FUTEX_LOCK_PI ||
				     (op & FUTEX_CLOCK_REALTIME), &deadline);
		return err ? err : futex_lock_pi(a->a[0], private, deadline, false);
	case FUTEX_TRYLOCK_PI:
		return futex_lock_pi(a->a[0], private, 0, true);
	case FUTEX_UNLOCK_PI:
		return futex_unlock_pi(a->a[0], private);
	case FUTEX_WAKE_OP:
		return futex_wake_op(a->a[0], a->a[4], private, (int)val, (int)a->a[3], val3);
	default:
		return -ENOSYS;
	}
}
SYSCALL_DEFINE(__NR_futex, "futex", sys_futex);
