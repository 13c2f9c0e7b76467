/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Protection domains and memory regions.
 *
 * A key is 32 random bits of which the low ones are the slot, so a lookup is one index and one
 * compare and a peer cannot guess another's key. lkey and rkey are the same number. A region is
 * used only with a reference, taken under mr_lock for one packet at a time; deregistering takes the
 * key out of the table and waits for the references, so afterwards nothing touches the memory.
 * Left out: memory windows, fast registration, regions that are not virtually contiguous.
 */
#include "softroce.h"

struct rdma_pd *rdma_pd_create(struct rdma_dev *dev)
{
	struct rdma_pd *pd = kzalloc(sizeof(*pd));

	if (pd)
		pd->dev = dev;
	return pd;
}

void rdma_pd_destroy(struct rdma_pd *pd)
{
	if (!pd)
		return;
	kassert(atomic_load(&pd->users) == 0);
	kfree(pd);
}

/* A key whose slot is free; 0 when the table has reached its limit. */
static uint32_t mr_insert_locked(struct rdma_dev *dev, struct mr *mr)
{
	if (dev->nmrs >= SR_MR_MAX)
		return 0;
	for (;;) {
		uint32_t key = (uint32_t)random_u64();

		if (key == RDMA_LKEY_ANY || dev->mrs[key % SR_MR_SLOTS])
			continue;
		mr->pub.lkey = mr->pub.rkey = key;
		dev->mrs[key % SR_MR_SLOTS] = mr;
		dev->nmrs++;
		return key;
	}
}

struct rdma_mr *rdma_mr_reg(struct rdma_pd *pd, void *addr, size_t len, unsigned access)
{
	struct rdma_dev *dev = pd->dev;
	struct mr *mr;
	uint32_t key;

	if (!addr || !len || (uint64_t)(uintptr_t)addr + len < len)
		return NULL;
	mr = kzalloc(sizeof(*mr));
	if (!mr)
		return NULL;
	mr->pub.addr = (uint64_t)(uintptr_t)addr;
	mr->pub.len = len;
	mr->pd = pd;
	mr->access = access;
	spin_lock(&dev->mr_lock);
	key = mr_insert_locked(dev, mr);
	spin_unlock(&dev->mr_lock);
	if (!key) {
		kfree(mr);
		return NULL;
	}
	atomic_fetch_add(&pd->users, 1);
	return &mr->pub;
}

static uint32_t mr_refs(struct rdma_dev *dev, struct mr *mr)
{
	uint32_t refs;

	spin_lock(&dev->mr_lock);
	refs = mr->refs;
	spin_unlock(&dev->mr_lock);
	return refs;
}

void rdma_mr_dereg(struct rdma_mr *pub)
{
	struct mr *mr = container_of(pub, struct mr, pub);
	struct rdma_dev *dev;
	uint64_t end = clock_mono_ns() + SR_DRAIN_NS;

	if (!pub)
		return;
	dev = mr->pd->dev;
	spin_lock(&dev->mr_lock);
	dev->mrs[pub->rkey % SR_MR_SLOTS] = NULL;
	dev->nmrs--;
	spin_unlock(&dev->mr_lock);
	/* READ responses that the NIC still reads from the memory */
	while (mr_refs(dev, mr) && clock_mono_ns() < end)
		pkt_drain(dev, NULL);
	atomic_fetch_sub(&mr->pd->users, 1);
	if (mr_refs(dev, mr)) {
		log_err("NIC keeps a READ response of a deregistered region; its record is leaked");
		return;
	}
	kfree(mr);
}

static bool mr_covers(const struct mr *mr, uint64_t va, uint32_t len)
{
	return va >= mr->pub.addr && len <= mr->pub.len && va - mr->pub.addr <= mr->pub.len - len;
}

static struct mr *mr_find_locked(struct rdma_pd *pd, uint32_t key)
{
	struct mr *mr = pd->dev->mrs[key % SR_MR_SLOTS];

	return mr && mr->pub.rkey == key && mr->pd == pd ? mr : NULL;
}

struct mr *mr_get(struct rdma_pd *pd, uint32_t key, uint64_t va, uint32_t len, unsigned access)
{
	struct rdma_dev *dev = pd->dev;
	struct mr *mr;

	spin_lock(&dev->mr_lock);
	mr = mr_find_locked(pd, key);
	if (mr && (mr->revoked || (mr->access & access) != access || !mr_covers(mr, va, len)))
		mr = NULL;
	if (mr)
		mr->refs++;
	spin_unlock(&dev->mr_lock);
	return mr;
}

void mr_put(struct rdma_dev *dev, struct mr *mr)
{
	spin_lock(&dev->mr_lock);
	mr->refs--;
	spin_unlock(&dev->mr_lock);
}

bool mr_local_ok(struct rdma_pd *pd, const struct rdma_sge *sge, unsigned access)
{
	struct rdma_dev *dev = pd->dev;
	struct mr *mr;
	bool ok;

	if (sge->lkey == RDMA_LKEY_ANY)
		return true;
	spin_lock(&dev->mr_lock);
	mr = mr_find_locked(pd, sge->lkey);
	ok = mr && (mr->access & access) == access &&
	     mr_covers(mr, (uint64_t)(uintptr_t)sge->addr, sge->len);
	spin_unlock(&dev->mr_lock);
	return ok;
}

int mr_revoke(struct rdma_pd *pd, uint32_t rkey)
{
	struct rdma_dev *dev = pd->dev;
	struct mr *mr;

	spin_lock(&dev->mr_lock);
	mr = mr_find_locked(pd, rkey);
	if (mr)
		mr->revoked = true;
	spin_unlock(&dev->mr_lock);
	return mr ? 0 : -EINVAL;
}
