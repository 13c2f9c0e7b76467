// SPDX-License-Identifier: GPL-2.0-only
/*
 * fitctl: a Linux machine with an RDMA device as a peer of a rack's boards. Joins the managers,
 * does one thing.
 */
#include "fitctl.h"

#include <errno.h>
#include <getopt.h>
#include <kern/log.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../board/words.h"

#define JOIN_SECONDS_DEFAULT 15

static const char usage[] =
	"usage: fitctl [OPTION]... VERB [BOARD]\n"
	"Speaks FIT with the boards of a rack from a Linux machine with an RDMA device.\n\n"
	"  ping BOARD     round trips of a small call: least, median, 99th percentile\n"
	"  perf BOARD     ping, then write and read bandwidth and latency of one-sided transfers\n"
	"  check BOARD    transfers of 1 byte to 4 MiB both ways, checksums compared\n"
	"  nodes          who is in the rack, and whether it answers\n"
	"  watch          who comes and goes, until interrupted\n\n"
	"  -m, --manager A   fabric address of the managers (default: $FIT_MANAGER)\n"
	"  -i, --ip A        own fabric address (default: that of the first RDMA device)\n"
	"  -N, --name NAME   own name in the rack (default: linux- and the address in hex)\n"
	"  -n, --count N     calls, or transfers of each kind (default 1000)\n"
	"  -s, --size N      bytes of a call, up to 4352 (default 64)\n"
	"  -t, --timeout N   seconds to join and to find the board (default 15)\n"
	"  -v, --verbose     log of the library; again: more of it\n\n"
	"exit status: 0, 1 when something failed, 2 for a wrong command line\n";

static const struct {
	const char *name;
	int (*fn)(struct fitctl *c);
	bool board;
} verbs[] = {
	{ "ping", fitctl_ping, true }, { "perf", fitctl_perf, true },
	{ "check", fitctl_check, true }, { "nodes", fitctl_nodes, false },
	{ "watch", fitctl_watch, false },
};

struct options {
	const char *manager, *ip, *name;
	unsigned timeout, verbose;
	int verb;
};

static void give_up(int sig)
{
	static const char text[] = "fitctl: the managers do not answer\n";

	if (write(2, text, sizeof(text) - 1) < 0)
		_exit(3);
	_exit(1);
}

static unsigned number(const char *text, const char *what, unsigned max)
{
	char *end;
	unsigned long v = strtoul(text, &end, 0);

	if (*end || !*text || !v || v > max) {
		fprintf(stderr, "fitctl: %s %s: expected a number from 1 to %u\n", what, text, max);
		exit(2);
	}
	return (unsigned)v;
}

static void parse(int argc, char **argv, struct options *o, struct fitctl *c)
{
	static const struct option longs[] = {
		{ "manager", 1, NULL, 'm' }, { "ip", 1, NULL, 'i' }, { "name", 1, NULL, 'N' },
		{ "count", 1, NULL, 'n' }, { "size", 1, NULL, 's' }, { "timeout", 1, NULL, 't' },
		{ "verbose", 0, NULL, 'v' }, { "help", 0, NULL, 'h' }, { 0 } };
	int ch;

	while ((ch = getopt_long(argc, argv, "m:i:N:n:s:t:vh", longs, NULL)) != -1) {
		switch (ch) {
		case 'm': o->manager = optarg; break;
		case 'i': o->ip = optarg; break;
		case 'N': o->name = optarg; break;
		case 'n': c->n = number(optarg, "--count", 1000000); break;
		case 's': c->size = number(optarg, "--size", FIT_MSG_MAX); break;
		case 't': o->timeout = number(optarg, "--timeout", 3600); break;
		case 'v': o->verbose++; break;
		case 'h': fputs(usage, stdout); exit(0);
		default: exit(2);
		}
	}
	for (o->verb = 0; o->verb < (int)ARRAY_SIZE(verbs); o->verb++)
		if (optind < argc && !strcmp(argv[optind], verbs[o->verb].name))
			break;
	if (o->verb == (int)ARRAY_SIZE(verbs) || argc - optind != 1 + verbs[o->verb].board) {
		fputs(usage, stderr);
		exit(2);
	}
	c->target = verbs[o->verb].board ? argv[optind + 1] : NULL;
}

static void set_words(const struct options *o)
{
	static const char *const level[] = { "err", "info", "debug" };
	char ip[32], name[BOARD_NAME_MAX];
	unsigned a = 0, b = 0, c = 0, d = 0;

	if (!o->manager) {
		fputs("fitctl: --manager or $FIT_MANAGER is needed\n", stderr);
		exit(2);
	}
	if (!o->ip && words_own_ip(ip, sizeof(ip))) {
		fputs("fitctl: no RDMA device with an IPv4 address "
		      "(rdma link add rxe0 type rxe netdev IF)\n", stderr);
		exit(1);
	}
	/* the same at every start: the managers take the next one for this one's next life */
	sscanf(o->ip ? o->ip : ip, "%3u.%3u.%3u.%3u", &a, &b, &c, &d);
	snprintf(name, sizeof(name), "linux-%02x%02x%02x%02x", a & 255, b & 255, c & 255, d & 255);
	if (words_add("name", o->name ? o->name : name) ||
	    words_add("fabric.ip", o->ip ? o->ip : ip) || words_add("manager.ip", o->manager) ||
	    words_add("log", level[KMIN(o->verbose, 2u)])) {
		fputs("fitctl: an argument is too long\n", stderr);
		exit(2);
	}
	words_use();
}

static int find_target(struct fitctl *c, unsigned timeout)
{
	struct proto_member m;

	if (!c->target)
		return 0;
	if (mon_member_wait(c->b, c->target, clock_mono_ns() + timeout * NSEC_PER_SEC, &m)) {
		fprintf(stderr, "fitctl: the rack has no board %s\n", c->target);
		return 1;
	}
	c->node = le16_get(m.node);
	return 0;
}

int main(int argc, char **argv)
{
	struct options o = { .manager = getenv("FIT_MANAGER"), .timeout = JOIN_SECONDS_DEFAULT };
	struct fitctl c = { .n = 1000, .size = 64 };
	int status;

	parse(argc, argv, &o, &c);
	set_words(&o);
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGALRM, give_up);
	alarm(o.timeout);
	if (board_start(ROLE_LINUX, &c.b) || board_join(c.b)) {
		fputs("fitctl: cannot start\n", stderr);
		return 1;
	}
	alarm(0);
	status = find_target(&c, o.timeout);
	if (!status)
		status = verbs[o.verb].fn(&c);
	fit_destroy(c.b->fit); /* says goodbye to every peer, so that none waits for a time-out */
	return status;
}
