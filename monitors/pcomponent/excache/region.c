// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the memory of a space is kept. Addresses are cut into regions of "mem.region=" bytes. One
 * that has private lines, or may come to have some at the home by exec, is assigned: to the home,
 * or to another mComponent, which then has a part of the space with a copy of the mappings in its
 * regions. What was never touched is assigned when the first private line is made in it, by GMM.
 * No region that has private lines is ever moved.
 *
 * Whatever is asked or told about a page of private memory goes to aspace_at() of that page.
 * Shared memory and the untouched pages of files have an identity that does not depend on regions:
 * a part answers -EXDEV for them, and the home is asked.
 *
 * The table of regions is guarded by aspace.lock, assigning by the mutex; the parts' handles are
 * set under both and read under either. Assigning happens inside the gate, so that no mapping
 * changes meanwhile, or with the gate closed. The list of all spaces has a lock, taken before
 * aspace.lock.
 */
#include "excache/region.h"

#include <kern/cmdline.h>
#include <kern/counter.h>
#include <kern/mm.h>
#include <kern/string.h>
#include <linux/mman.h>

#define LOG_SUBSYS "excache"
#include <kern/log.h>

#include "mem_client.h"

#define REGION_COUNTERS(X) X(at_home) X(away) X(parts) X(refused) X(lost)
COUNTERS_DECLARE(region, REGION_COUNTERS);
COUNTERS_DEFINE(region, REGION_COUNTERS);

#define REGION_DEFAULT (64ULL << 20)
#define REGION_MIN_SHIFT 21
#define REGION_MAX_SHIFT 40
/* below this GMM is not asked whether the rack has so much */
#define ROOM_ASK (32ULL << 20)

static unsigned shift = 26;
static struct spinlock all_lock = SPINLOCK_INIT("aspaces");
static LIST_HEAD(, aspace) all = LIST_HEAD_INITIALIZER(all);

void region_init(void)
{
	uint64_t want = cmdline_u64("mem.region", REGION_DEFAULT);

	for (shift = REGION_MIN_SHIFT; shift < REGION_MAX_SHIFT && 1ULL << shift < want;)
		shift++;
}

static uint32_t number_of(uint64_t addr)
{
	return (uint32_t)(addr >> shift);
}

/* Index of the first assigned region that does not lie before this one. */
static unsigned first_from(const struct aspace *as, uint32_t number)
{
	unsigned lo = 0, hi = as->regions.n;

	while (lo < hi) {
		unsigned mid = (lo + hi) / 2;

		if (as->regions.r[mid].number < number)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* FIT_NODE_NONE: not assigned. */
static uint16_t find_locked(const struct aspace *as, uint32_t number)
{
	unsigned i = first_from(as, number);

	return i < as->regions.n && as->regions.r[i].number == number ? as->regions.r[i].node :
		FIT_NODE_NONE;
}

static struct mem_at at_locked(struct aspace *as, uint64_t page)
{
	uint32_t number = number_of(page);
	uint16_t node = find_locked(as, number);

	return (struct mem_at){ node == FIT_NODE_NONE ? as->home : node,
				as->handle[node == FIT_NODE_NONE ? as->home : node],
				(number + 1ULL) << shift };
}

struct mem_at aspace_at(struct aspace *as, uint64_t page)
{
	struct mem_at at;

	spin_lock(&as->lock);
	at = at_locked(as, page);
	spin_unlock(&as->lock);
	return at;
}

uint64_t aspace_handle(struct aspace *as, uint16_t node)
{
	return node < FIT_NODES_MAX ? as->handle[node] : 0;
}

/* ---- the list of all spaces; what a board's death means to them ---- */
void region_enlist(struct aspace *as)
{
	spin_lock(&all_lock);
	LIST_INSERT_HEAD(&all, as, all);
	as->listed = true;
	spin_unlock(&all_lock);
}

void region_delist(struct aspace *as)
{
	spin_lock(&all_lock);
	if (as->listed)
		LIST_REMOVE(as, all);
	as->listed = false;
	spin_unlock(&all_lock);
}

void region_give_up(struct aspace *as)
{
	spin_lock(&as->lock);
	as->lost = true;
	spin_unlock(&as->lock);
}

bool aspace_is_lost(const struct aspace *as)
{
	return as->lost;
}

void aspaces_lose(uint16_t node)
{
	struct aspace *as;

	spin_lock(&all_lock);
	LIST_FOREACH(as, &all, all) {
		spin_lock(&as->lock);
		if (as->handle[node]) {
			as->handle[node] = 0;
			as->lost = true;
			counter_add(region, lost, 1);
		}
		spin_unlock(&as->lock);
	}
	spin_unlock(&all_lock);
}

/* ---- assigning ---- */
static int insert_locked(struct aspace *as, uint32_t number, uint16_t node)
{
	struct regions *t = &as->regions;
	unsigned i = first_from(as, number);

	if (t->n == t->cap) {
		unsigned cap = t->cap ? t->cap * 2 : 8;
		struct region *r = kmalloc(cap * sizeof(*r));

		if (!r)
			return -ENOMEM;
		if (t->n)
			memcpy(r, t->r, t->n * sizeof(*r));
		kfree(t->r);
		t->r = r;
		t->cap = cap;
	}
	memmove(&t->r[i + 1], &t->r[i], (t->n - i) * sizeof(t->r[0]));
	t->r[i] = (struct region){ number, node };
	t->n++;
	return 0;
}

static int assign(struct aspace *as, uint32_t number, uint16_t node)
{
	int err = 0;

	spin_lock(&as->lock);
	if (find_locked(as, number) == FIT_NODE_NONE)
		err = insert_locked(as, number, node);
	spin_unlock(&as->lock);
	return err;
}

int regions_at_home(struct aspace *as, uint64_t start, uint64_t end)
{
	int err = 0;

	for (uint64_t n = number_of(start); start < end && n <= number_of(end - 1) && !err; n++)
		err = assign(as, (uint32_t)n, as->home);
	return err;
}

int regions_copy(struct aspace *dst, struct aspace *src)
{
	int err = 0;

	spin_lock(&src->lock);
	for (unsigned i = 0; i < src->regions.n && !err; i++)
		err = insert_locked(dst, src->regions.r[i].number, src->regions.r[i].node);
	spin_unlock(&src->lock);
	return err;
}

void regions_free(struct aspace *as)
{
	kfree(as->regions.r);
	as->regions = (struct regions){ 0 };
}

/* The space's handle at node, made if there is none. */
static int make_part(struct aspace *as, uint16_t node)
{
	uint64_t handle;
	int err;

	if (as->handle[node])
		return 0;
	err = mem_create(node, &handle);
	if (err)
		return err;
	spin_lock(&as->lock);
	as->handle[node] = handle;
	spin_unlock(&as->lock);
	counter_add(region, parts, 1);
	return 0;
}

static int map_part(uint16_t node, uint64_t as, uint64_t start, uint64_t end, uint32_t prot,
		    bool shared, bool elsewhere)
{
	struct mem_mmap_args m = {
		.addr = start, .len = end - start, .prot = prot, .limit = UINT64_MAX,
		.flags = MAP_FIXED | MAP_ANONYMOUS | (shared ? MAP_SHARED : MAP_PRIVATE),
		.elsewhere = elsewhere,
	};
	uint64_t addr;

	return mem_mmap(node, as, &m, &addr);
}

static int copy_area(struct mem_at to, const struct mem_area *a)
{
	uint32_t flags = le32_get(a->flags);

	return map_part(to.node, to.as, le64_get(a->start), le64_get(a->end), le32_get(a->prot),
			flags & MEM_AREA_SHARED, flags & MEM_AREA_ELSEWHERE);
}

/*
 * Gives a part the home's mappings in [start, end), in place of what it has there. -EBUSY: the home
 * has private pages there (only asked when pages are not allowed).
 */
static int copy_areas(struct aspace *as, struct mem_at to, uint64_t start, uint64_t end, bool pages)
{
	struct mem_areas_reply *r = kmalloc(MEM_REPLY_BUF);
	int err = r ? 0 : -ENOMEM;

	while (!err && start < end) {
		err = mem_areas(as->home, as->handle[as->home], start, end - start, r);
		if (!err && le32_get(r->pages) && !pages)
			err = -EBUSY;
		for (uint32_t i = 0; !err && i < le32_get(r->n); i++)
			err = copy_area(to, &r->area[i]);
		if (!err)
			start = le64_get(r->next) > start ? le64_get(r->next) : end;
	}
	kfree(r);
	return err;
}

/* Assigns to node, or to the home when that cannot be. Mutex held. */
static int settle(struct aspace *as, uint32_t number, uint16_t node, bool pages)
{
	uint64_t start = (uint64_t)number << shift, end = (number + 1ULL) << shift;
	int err = 0;

	if (as->lost)
		return -EHOSTDOWN;
	if (node != as->home) {
		start = KMAX(start, USER_ADDR_MIN);
		end = KMIN(end, USER_ADDR_MAX);
		err = make_part(as, node);
		if (!err)
			err = copy_areas(as, (struct mem_at){ node, as->handle[node], 0 }, start,
					 end, pages);
		if (err) {
			counter_add(region, refused, 1);
			if (as->handle[node])
				(void)mem_range_op(node, OP_MEM_MUNMAP, as->handle[node], start,
						   end - start, 0);
			node = as->home;
		}
	}
	err = assign(as, number, node);
	if (err)
		return err;
	if (node == as->home)
		counter_add(region, at_home, 1);
	else
		counter_add(region, away, 1);
	return 0;
}

int region_claim(struct aspace *as, uint64_t page, struct mem_at *at)
{
	uint32_t number = number_of(page);
	uint16_t node;
	int err = 0;

	spin_lock(&as->lock);
	node = find_locked(as, number);
	*at = at_locked(as, page);
	spin_unlock(&as->lock);
	if (node == FIT_NODE_NONE) {
		mutex_lock(&as->assigning);
		spin_lock(&as->lock);
		node = find_locked(as, number);
		spin_unlock(&as->lock);
		if (node == FIT_NODE_NONE)
			err = settle(as, number,
				     mem_keeper(as->home, (1ULL << shift) / PAGE_SIZE), false);
		mutex_unlock(&as->assigning);
		*at = aspace_at(as, page);
	}
	return err ? err : at->as && !as->lost ? 0 : -EHOSTDOWN;
}

int region_follow(struct aspace *as, uint64_t page, uint16_t node)
{
	uint32_t number = number_of(page);
	int err = 0;

	mutex_lock(&as->assigning);
	if (find_locked(as, number) == FIT_NODE_NONE)
		err = settle(as, number, node, true);
	mutex_unlock(&as->assigning);
	return err;
}

bool region_assigned(struct aspace *as, uint64_t page)
{
	bool r;

	spin_lock(&as->lock);
	r = find_locked(as, number_of(page)) != FIT_NODE_NONE;
	spin_unlock(&as->lock);
	return r;
}

/* ---- the parts' share of a change ---- */
bool parts_next(struct aspace *as, uint64_t *start, uint64_t end, struct part *p)
{
	bool found = false;

	spin_lock(&as->lock);
	for (unsigned i = first_from(as, number_of(*start)); i < as->regions.n && !found; i++) {
		const struct region *r = &as->regions.r[i];

		if (*start >= end || (uint64_t)r->number << shift >= end)
			break;
		if (r->node == as->home)
			continue;
		*p = (struct part){ r->node, as->handle[r->node],
				    KMAX(*start, (uint64_t)r->number << shift),
				    KMIN(end, (r->number + 1ULL) << shift) };
		*start = p->end;
		found = true;
	}
	spin_unlock(&as->lock);
	return found;
}

int parts_range_op(struct aspace *as, uint16_t op, uint64_t start, uint64_t end, uint32_t prot)
{
	struct part p;
	int err = 0, one;

	while (parts_next(as, &start, end, &p)) {
		one = mem_range_op(p.node, op, p.as, p.start, p.end - p.start, prot);
		if (one && one != -ENOMEM)
			err = one;
		else if (one && op != OP_MEM_DONTNEED && !err)
			err = one;
	}
	return err;
}

int parts_map(struct aspace *as, uint64_t start, uint64_t end, uint32_t prot, bool shared,
	      bool elsewhere)
{
	struct part p;
	int err = 0;

	while (!err && parts_next(as, &start, end, &p))
		err = map_part(p.node, p.as, p.start, p.end, prot, shared, elsewhere);
	return err;
}

int parts_mirror(struct aspace *as, uint64_t start, uint64_t end)
{
	struct part p;
	int err = 0;

	while (!err && parts_next(as, &start, end, &p)) {
		err = mem_range_op(p.node, OP_MEM_MUNMAP, p.as, p.start, p.end - p.start, 0);
		if (!err)
			err = copy_areas(as, (struct mem_at){ p.node, p.as, 0 }, p.start, p.end,
					 true);
	}
	return err;
}

int parts_reprotect(struct aspace *as, uint64_t start, uint64_t end)
{
	struct mem_areas_reply *r = kmalloc(MEM_REPLY_BUF);
	struct part p;
	int err = r ? 0 : -ENOMEM;

	while (!err && parts_next(as, &start, end, &p)) {
		while (!err && p.start < p.end) {
			err = mem_areas(as->home, as->handle[as->home], p.start, p.end - p.start,
					r);
			for (uint32_t i = 0; !err && i < le32_get(r->n); i++)
				err = mem_range_op(p.node, OP_MEM_MPROTECT, p.as,
						   le64_get(r->area[i].start),
						   le64_get(r->area[i].end) -
						   le64_get(r->area[i].start),
						   le32_get(r->area[i].prot));
			if (!err)
				p.start = le64_get(r->next) > p.start ? le64_get(r->next) : p.end;
		}
	}
	kfree(r);
	return err;
}

int parts_fork(struct aspace *parent, struct aspace *child)
{
	int err = regions_copy(child, parent);

	for (uint16_t n = 0; n < FIT_NODES_MAX && !err; n++)
		if (parent->handle[n])
			err = mem_fork(n, parent->handle[n], &child->handle[n]);
	return err ? err : parent->lost ? -EHOSTDOWN : 0;
}

void parts_exit(struct aspace *as)
{
	for (uint16_t n = 0; n < FIT_NODES_MAX; n++)
		if (as->handle[n])
			mem_exit(n, as->handle[n]);
}

/* ---- has the rack so much? ---- */
int region_room(uint64_t bytes)
{
	uint64_t total;

	if (bytes < ROOM_ASK || mem_rack_pages(&total) || !total)
		return 0;
	return bytes / PAGE_SIZE > total ? -ENOMEM : 0;
}
