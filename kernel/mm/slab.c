/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Object caches and kmalloc.
 *
 *   CPU's magazine (a stack of free objects, preempt-disabled)
 *     <-> slabs of the cache that have free objects (the cache's lock)
 *       <-> pages
 *
 * Invariants: an object is in use, in one magazine, or on the free list of its slab. A slab is on
 * the cache's list exactly while it has free objects. Every page of a slab points to it, so kfree()
 * needs no size. Objects of DIRECT_MIN bytes and more are blocks of pages.
 * A debug build marks a free object with a tag that only this boot knows (a second free is found,
 * and no content from outside can look like it) and a pattern (a write after free is found).
 * Any context but interrupts. Order: a cache's lock, then the page allocator's.
 */
#define LOG_SUBSYS "mm"
#include <kern/log.h>
#include <kern/mm.h>
#include <kern/spinlock.h>
#include <kern/string.h>
#include <kern/thread.h>
#include <sys/queue.h>

#include "arch.h"
#include "mm/local.h"
#include "mm/page.h"

#define MAGAZINE 30u      /* objects a CPU keeps of one cache */
#define DIRECT_MIN 4096u  /* from here on, whole pages */
#define SLAB_ORDER_MAX 3u
#define SLAB_OBJECTS 8u   /* wanted in one slab at least */
#define POISON 0x6b6b6b6b6b6b6b6bULL
#define POISON_WORDS 16u  /* of an object, beyond link and tag */

struct slab {
	struct kmem_cache *cache;
	LIST_ENTRY(slab) link;
	void *free; /* list through the objects' first words; guarded by the cache's lock */
	unsigned nfree;
};
struct magazine {
	unsigned n;
	_Atomic int64_t live; /* allocated minus freed on this CPU; other CPUs read it */
	void *obj[MAGAZINE];
} __attribute__((aligned(CACHE_LINE)));
struct kmem_cache {
	const char *name;
	size_t size;   /* the user's */
	size_t stride; /* size with alignment */
	size_t offset; /* of the first object in a slab */
	unsigned order, per_slab;
	struct spinlock lock;
	LIST_HEAD(, slab) partial; /* lock */
	unsigned empty;            /* slabs without an object in use; lock */
	struct magazine *mag;      /* one per CPU */
	struct kmem_cache *next;
};

static const struct { const char *name; size_t size; } classes[] = {
	{ "kmalloc-16", 16 },	  { "kmalloc-32", 32 },	    { "kmalloc-64", 64 },
	{ "kmalloc-96", 96 },	  { "kmalloc-128", 128 },   { "kmalloc-192", 192 },
	{ "kmalloc-256", 256 },	  { "kmalloc-384", 384 },   { "kmalloc-512", 512 },
	{ "kmalloc-768", 768 },	  { "kmalloc-1024", 1024 }, { "kmalloc-1536", 1536 },
	{ "kmalloc-2048", 2048 },
};
#define NCLASSES ARRAY_SIZE(classes)
#define CLASS_MAX 2048u

static struct kmem_cache kmalloc_cache[NCLASSES];
static struct magazine kmalloc_mag[NCLASSES][MAX_CPUS];
static uint8_t class_of[CLASS_MAX / 16 + 1]; /* by size / 16, rounded up */
static struct spinlock caches_lock = SPINLOCK_INIT("caches");
static struct kmem_cache *caches; /* caches_lock; only grows */
static _Atomic uint64_t big_bytes, big_objects;
static uint64_t tag_secret;

/* ---- debug marks ---- */

/*
 * Word 0 is the free list's, word 1 the tag, then the pattern. A stride is a multiple of 16 bytes.
 */
static size_t marked_words(const struct kmem_cache *c)
{
	return KMIN(c->stride / 8, (size_t)POISON_WORDS + 2);
}

static void mark_free(const struct kmem_cache *c, void *obj)
{
	uint64_t *word = obj, tag = tag_secret ^ (uint64_t)obj;

	if (word[1] == tag)
		panic("%s: object %p freed twice", c->name, obj);
	word[1] = tag;
	for (size_t i = 2, n = marked_words(c); i < n; i++)
		word[i] = POISON;
}

static void check_free(const struct kmem_cache *c, void *obj)
{
	uint64_t *word = obj, wrong = word[1] ^ tag_secret ^ (uint64_t)obj;

	for (size_t i = 2, n = marked_words(c); i < n; i++)
		wrong |= word[i] ^ POISON;
	if (unlikely(wrong))
		panic("%s: object %p written after it was freed", c->name, obj);
	word[1] = 0;
}

/* ---- slabs, under the cache's lock ---- */

static struct slab *slab_new(struct kmem_cache *c)
{
	struct slab *s = page_alloc(c->order);

	if (!s)
		return NULL;
	*s = (struct slab){ .cache = c, .nfree = c->per_slab };
	struct page *pg = page_of(s);

	for (unsigned i = 0; i < 1u << c->order; i++)
		pg[i] = (struct page){ .kind = PAGE_SLAB, .order = (uint8_t)c->order, .slab = s };
	for (unsigned i = c->per_slab; i-- > 0;) {
		void *obj = (char *)s + c->offset + i * c->stride;

		((uint64_t *)obj)[1] = 0;
		if (DEBUG)
			mark_free(c, obj);
		*(void **)obj = s->free;
		s->free = obj;
	}
	return s;
}

static void slab_release(struct slab *s)
{
	struct page *pg = page_of(s);
	unsigned order = pg->order;

	for (unsigned i = 0; i < 1u << order; i++)
		pg[i] = (struct page){ .kind = i ? PAGE_TAIL : PAGE_TAKEN,
				       .order = (uint8_t)order };
	page_free(s, order);
}

static void *slab_take_locked(struct kmem_cache *c)
{
	struct slab *s = LIST_FIRST(&c->partial);

	if (!s) {
		s = slab_new(c);
		if (!s)
			return NULL;
		LIST_INSERT_HEAD(&c->partial, s, link);
		c->empty++;
	}
	void *obj = s->free;

	c->empty -= s->nfree == c->per_slab;
	s->free = *(void **)obj;
	if (--s->nfree == 0)
		LIST_REMOVE(s, link);
	return obj;
}

static void slab_put_locked(struct kmem_cache *c, void *obj)
{
	struct slab *s = page_of(obj)->slab;

	*(void **)obj = s->free;
	s->free = obj;
	if (s->nfree++ == 0)
		LIST_INSERT_HEAD(&c->partial, s, link);
	if (s->nfree < c->per_slab)
		return;
	if (c->empty++ == 0)
		return; /* one stays, against going to and fro */
	c->empty--;
	LIST_REMOVE(s, link);
	slab_release(s);
}

/* ---- magazines ---- */

static void magazine_fill(struct kmem_cache *c, struct magazine *m)
{
	spin_lock(&c->lock);
	while (m->n < MAGAZINE / 2) {
		void *obj = slab_take_locked(c);

		if (!obj)
			break;
		m->obj[m->n++] = obj;
	}
	spin_unlock(&c->lock);
}

static void magazine_spill(struct kmem_cache *c, struct magazine *m)
{
	spin_lock(&c->lock);
	while (m->n > MAGAZINE / 2)
		slab_put_locked(c, m->obj[--m->n]);
	spin_unlock(&c->lock);
}

static void count_live(struct magazine *m, int64_t n)
{
	int64_t live = atomic_load_explicit(&m->live, memory_order_relaxed);

	atomic_store_explicit(&m->live, live + n, memory_order_relaxed);
}

static void *cache_alloc(struct kmem_cache *c)
{
	void *obj = NULL;
	struct magazine *m = &c->mag[local_enter()];

	if (unlikely(!m->n))
		magazine_fill(c, m);
	if (likely(m->n)) {
		obj = m->obj[--m->n];
		count_live(m, 1);
	}
	local_leave();
	if (DEBUG && obj)
		check_free(c, obj);
	return obj;
}

static void cache_free(struct kmem_cache *c, void *obj)
{
	if (DEBUG)
		mark_free(c, obj);
	struct magazine *m = &c->mag[local_enter()];

	if (unlikely(m->n == MAGAZINE))
		magazine_spill(c, m);
	m->obj[m->n++] = obj;
	count_live(m, -1);
	local_leave();
}

/* ---- whole pages ---- */

static unsigned order_of(size_t size)
{
	unsigned order = 0;

	while (PAGE_SIZE << order < size)
		order++;
	return order;
}

static void *big_alloc(size_t size)
{
	if (size > PAGE_SIZE << PAGE_ORDER_MAX)
		return NULL;
	unsigned order = order_of(size);
	void *p = page_alloc(order);

	if (!p)
		return NULL;
	page_of(p)->kind = PAGE_BIG;
	atomic_fetch_add(&big_bytes, PAGE_SIZE << order);
	atomic_fetch_add(&big_objects, 1);
	return p;
}

static void big_free(void *p, struct page *pg)
{
	unsigned order = pg->order;

	atomic_fetch_sub(&big_bytes, PAGE_SIZE << order);
	atomic_fetch_sub(&big_objects, 1);
	pg->kind = PAGE_TAKEN;
	page_free(p, order);
}

/* ---- kmalloc ---- */

void *kmalloc(size_t size)
{
	if (size > CLASS_MAX)
		return big_alloc(size);
	return cache_alloc(&kmalloc_cache[class_of[(size + 15) / 16]]);
}

void *kzalloc(size_t size)
{
	void *p = kmalloc(size);

	if (p)
		memset(p, 0, size);
	return p;
}

void kfree(void *p)
{
	if (!p)
		return;
	struct page *pg = page_of(p);

	if (pg && pg->kind == PAGE_SLAB)
		cache_free(((struct slab *)pg->slab)->cache, p);
	else if (pg && pg->kind == PAGE_BIG)
		big_free(p, pg);
	else
		panic("kfree(%p): not from kmalloc, or freed twice", p);
}

/* ---- caches ---- */

static void cache_setup(struct kmem_cache *c, const char *name, size_t size, size_t align)
{
	c->name = name;
	c->size = size;
	c->stride = ROUND_UP(KMAX(size, (size_t)16), align);
	c->offset = ROUND_UP(sizeof(struct slab), align);
	while (c->order < SLAB_ORDER_MAX &&
	       (PAGE_SIZE << c->order) - c->offset < SLAB_OBJECTS * c->stride)
		c->order++;
	c->per_slab = (unsigned)(((PAGE_SIZE << c->order) - c->offset) / c->stride);
	spin_init(&c->lock, name);
	LIST_INIT(&c->partial);
}

static void cache_publish(struct kmem_cache *c)
{
	spin_lock(&caches_lock);
	c->next = caches;
	__atomic_store_n(&caches, c, __ATOMIC_RELEASE);
	spin_unlock(&caches_lock);
}

struct kmem_cache *kmem_cache_create(const char *name, size_t size, size_t align)
{
	size_t mags = arch_cpu_count() * sizeof(struct magazine);

	align = KMAX(align, (size_t)16);
	kassert(size && (align & (align - 1)) == 0 && align <= PAGE_SIZE);
	kassert(ROUND_UP(size, align) <= (PAGE_SIZE << SLAB_ORDER_MAX) - PAGE_SIZE);
	struct kmem_cache *c = kzalloc(sizeof(*c));

	if (!c)
		return NULL;
	/* Alignment to a cache line: whole pages are, and few caches exist. */
	c->mag = big_alloc(KMAX(mags, (size_t)DIRECT_MIN));
	if (!c->mag) {
		kfree(c);
		return NULL;
	}
	memset(c->mag, 0, mags);
	cache_setup(c, name, size, align);
	cache_publish(c);
	return c;
}

void *kmem_cache_alloc(struct kmem_cache *c)
{
	void *obj = cache_alloc(c);

	if (obj)
		memset(obj, 0, c->size);
	return obj;
}

void kmem_cache_free(struct kmem_cache *c, void *p)
{
	if (!p)
		return;
	struct page *pg = page_of(p);

	if (!pg || pg->kind != PAGE_SLAB || ((struct slab *)pg->slab)->cache != c)
		panic("%s: %p is not one of its objects", c->name, p);
	cache_free(c, p);
}

uint64_t kmem_cache_live(const struct kmem_cache *c)
{
	int64_t live = 0;

	for (unsigned i = 0; i < arch_cpu_count(); i++)
		live += atomic_load_explicit(&c->mag[i].live, memory_order_relaxed);
	return (uint64_t)KMAX(live, (int64_t)0);
}

void kmem_cache_each(void (*fn)(const char *name, size_t size, uint64_t live, void *arg), void *arg)
{
	for (struct kmem_cache *c = __atomic_load_n(&caches, __ATOMIC_ACQUIRE); c; c = c->next)
		fn(c->name, c->size, kmem_cache_live(c), arg);
}

static void add_live(const char *name, size_t size, uint64_t live, void *arg)
{
	struct mm_stats *out = arg;

	out->slab_bytes += live * size;
	out->slab_objects += live;
}

void mm_stats(struct mm_stats *out)
{
	page_stats(out);
	out->slab_bytes = atomic_load(&big_bytes);
	out->slab_objects = atomic_load(&big_objects);
	kmem_cache_each(add_live, out);
}

void slab_init(void)
{
	tag_secret = arch_clock_ns() * 0x9e3779b97f4a7c15ULL | 1;
	for (unsigned i = 0, unit = 0; i < NCLASSES; i++) {
		kmalloc_cache[i].mag = kmalloc_mag[i];
		cache_setup(&kmalloc_cache[i], classes[i].name, classes[i].size, 16);
		cache_publish(&kmalloc_cache[i]);
		for (; unit <= classes[i].size / 16; unit++)
			class_of[unit] = (uint8_t)i;
	}
}
