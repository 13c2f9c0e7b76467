// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device, found by its fabric address, and the thread that waits for the kernel: it sleeps in
 * poll(2) on both channels and turns what arrives into calls of the loop.
 */
#define LOG_SUBSYS "ibverbs"
#include <errno.h>
#include <fcntl.h>
#include <kern/log.h>
#include <kern/thread.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "ibverbs.h"

COUNTERS_DEFINE(ibverbs, IBVERBS_COUNTERS);

static void take_cq_events(struct rdma_dev *dev)
{
	struct ibv_cq *cq;
	void *context;

	while (!ibv_get_cq_event(dev->comp, &cq, &context)) {
		cq_event(context);
		ibv_ack_cq_events(cq, 1); /* last: it lets the queue be destroyed */
	}
}

static void events_main(void *arg)
{
	struct rdma_dev *dev = arg;
	struct pollfd fd[] = { { .fd = dev->comp->fd, .events = POLLIN },
		{ .fd = cma_channel_fd(dev->cma), .events = POLLIN },
		{ .fd = dev->stop_fd, .events = POLLIN } };

	while (!fd[2].revents) {
		if (poll(fd, ARRAY_SIZE(fd), -1) < 0 && errno != EINTR)
			panic("poll: %d", errno);
		if (fd[0].revents)
			take_cq_events(dev);
		if (fd[1].revents)
			while (cma_channel_next(dev->cma, cm_event, dev))
				;
	}
}

static int open_channels(struct rdma_dev *dev)
{
	int err;

	dev->cma = cma_channel_create();
	if (!dev->cma) {
		log_err("no RDMA CM: is module rdma_ucm loaded?");
		return -ENODEV;
	}
	err = cma_id_create(dev->cma, NULL, &dev->bound);
	if (!err)
		err = cma_bind(dev->bound, dev->cfg.ip, 0);
	dev->ctx = err ? NULL : cma_id_verbs(dev->bound, &dev->port);
	if (!dev->ctx) {
		log_err("no RDMA device has address %u.%u.%u.%u (error %d)", dev->cfg.ip >> 24,
			dev->cfg.ip >> 16 & 255, dev->cfg.ip >> 8 & 255, dev->cfg.ip & 255, err);
		return err ? err : -ENODEV;
	}
	dev->comp = ibv_create_comp_channel(dev->ctx);
	if (!dev->comp || ibv_query_device(dev->ctx, &dev->attr))
		return -errno;
	return fcntl(dev->comp->fd, F_SETFL, O_NONBLOCK) ? -errno : 0;
}

static void close_channels(struct rdma_dev *dev)
{
	if (dev->comp)
		ibv_destroy_comp_channel(dev->comp);
	if (dev->bound)
		cma_id_destroy(dev->bound);
	if (dev->cma)
		cma_channel_destroy(dev->cma);
	if (dev->stop_fd >= 0)
		close(dev->stop_fd);
}

static int start_thread(struct rdma_dev *dev)
{
	dev->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (dev->stop_fd < 0)
		return -errno;
	dev->thread = thread_create("rdma-events", events_main, dev, CPU_ANY);
	if (!dev->thread)
		return -ENOMEM;
	thread_start(dev->thread);
	return 0;
}

struct rdma_dev *ibverbs_create(const struct rdma_dev_config *cfg, int *err)
{
	const char *why = NULL;
	struct rdma_dev *dev;

	*err = cma_load(&why);
	if (*err) {
		log_err("%s (package librdmacm1)", why);
		return NULL;
	}
	*err = -ENOMEM;
	dev = kzalloc(sizeof(*dev));
	if (!dev)
		return NULL;
	dev->cfg = *cfg;
	dev->stop_fd = -1;
	*err = open_channels(dev);
	if (!*err)
		*err = start_thread(dev);
	if (*err) {
		close_channels(dev);
		kfree(dev);
		return NULL;
	}
	log_info("%s port %u", ibv_get_device_name(dev->ctx->device), dev->port);
	return dev;
}

/* After everything made from it, from outside its loop. */
void rdma_dev_destroy(struct rdma_dev *dev)
{
	uint64_t one = 1;

	if (!dev)
		return;
	if (write(dev->stop_fd, &one, sizeof(one)) != sizeof(one))
		panic("eventfd: %d", errno);
	thread_join(dev->thread);
	thread_put(dev->thread);
	close_channels(dev);
	kfree(dev);
}
