// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control channel on Linux: the device file ctl.dev= (a virtio-serial port such as
 * /dev/vport0p1). Without that word there is none. While nobody has the host's end open, reads
 * return 0 bytes and poll(2) says POLLHUP at once, so the reader looks again after a pause.
 */
#define LOG_SUBSYS "ctl"
#include <dev/chan.h>
#include <errno.h>
#include <fcntl.h>
#include <kern/cmdline.h>
#include <kern/log.h>
#include <kern/wait.h>
#include <poll.h>
#include <unistd.h>

#define HOST_AWAY_NS (50 * NSEC_PER_MSEC)

struct chan {
	int fd;
	struct mutex write_lock;
	void (*rx)(const uint8_t *buf, size_t n, void *arg);
	void *arg;
};
static struct chan control = { .fd = -1 };

struct chan *chan_control(void)
{
	const char *path = cmdline_get("ctl.dev");

	if (!path)
		return NULL;
	if (control.fd >= 0)
		return &control;
	control.fd = open(path, O_RDWR | O_CLOEXEC);
	if (control.fd < 0) {
		log_err("ctl.dev=%s: error %d", path, errno);
		return NULL;
	}
	mutex_init(&control.write_lock, "chan");
	return &control;
}

int chan_write(struct chan *c, const void *buf, size_t n)
{
	const char *p = buf;
	int err = 0;

	mutex_lock(&c->write_lock);
	while (n && !err) {
		ssize_t w = write(c->fd, p, n);

		if (w > 0) {
			p += w;
			n -= (size_t)w;
		} else if (w < 0 && errno != EINTR) {
			err = -errno;
		}
	}
	mutex_unlock(&c->write_lock);
	return err;
}

static void reader_main(void *arg)
{
	static uint8_t buf[65536];
	struct chan *c = arg;

	for (;;) {
		struct pollfd fd = { .fd = c->fd, .events = POLLIN };
		ssize_t n = poll(&fd, 1, -1) > 0 && (fd.revents & POLLIN) ?
			    read(c->fd, buf, sizeof(buf)) : 0;

		if (n > 0)
			c->rx(buf, (size_t)n, c->arg);
		else
			thread_sleep_ns(HOST_AWAY_NS);
	}
}

void chan_set_rx(struct chan *c, void (*rx)(const uint8_t *buf, size_t n, void *arg), void *arg)
{
	c->rx = rx;
	c->arg = arg;
	if (thread_spawn("ctl-rx", reader_main, c, CPU_ANY))
		log_err("no thread for the control channel");
}
