// SPDX-License-Identifier: GPL-2.0-only
/* fitctl nodes, fitctl watch: the rack as the managers see it. */
#include <kern/timer.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "fitctl.h"

#define ANSWER_NS (2 * NSEC_PER_SEC)

static void print_member(const struct proto_member *m, const char *what)
{
	uint32_t ip = le32_get(m->ip);

	printf("%-4u %-15s %-11s %u.%u.%u.%u incarnation %016llx%s%s\n", le16_get(m->node),
	       m->name, board_role_name(m->role), ip >> 24, ip >> 16 & 255, ip >> 8 & 255, ip & 255,
	       (unsigned long long)le64_get(m->incarnation), *what ? " " : "", what);
}

/* Views arrive by themselves; ours is in when it has us. */
static bool have_view(struct board *b)
{
	struct proto_member m;

	return mon_member_by_node(b, fit_self(b->fit), &m);
}

static void all_asked(struct fit_multi *m)
{
	complete(m->priv);
}

/* One request to all others; node[i] is part[i]'s. */
static void ask(struct board *b, const struct proto_member *node, struct fit_part *part, unsigned n)
{
	static struct completion done; /* complete() may still look at it afterwards */
	struct fit_multi m = { .op = OP_TEST_ECHO, .timeout_ns = ANSWER_NS, .part = part, .n = n,
		.done = all_asked, .priv = &done };

	completion_init(&done);
	for (unsigned i = 0; i < n; i++)
		part[i] = (struct fit_part){ .node = le16_get(node[i].node) };
	fit_multi_start(b->fit, &m);
	(void)completion_wait(&done, 0);
}

static void print_others(struct board *b)
{
	static struct fit_part part[FIT_NODES_MAX];
	struct proto_member node[FIT_NODES_MAX];
	unsigned n = 0;

	for (fit_node_t i = 0; i < FIT_NODES_MAX; i++)
		if (i != fit_self(b->fit) && mon_member_by_node(b, i, &node[n]))
			n++;
	if (n)
		ask(b, node, part, n);
	for (unsigned i = 0; i < n; i++)
		print_member(&node[i], part[i].status ? strerror(-part[i].status) : "answers");
}

int fitctl_nodes(struct fitctl *c)
{
	struct board *b = c->b;
	struct proto_member self;

	if (wait_event_deadline(&b->changed, have_view(b), clock_mono_ns() + 10 * NSEC_PER_SEC)) {
		fputs("fitctl: no view from the managers\n", stderr);
		return 1;
	}
	printf("epoch %llu\n", (unsigned long long)b->view.epoch);
	if (mon_member_by_node(b, fit_self(b->fit), &self))
		print_member(&self, "this one");
	print_others(b);
	return 0;
}

static void changed(const struct proto_member *m, bool up, void *arg)
{
	time_t now = time(NULL);
	char text[32];

	strftime(text, sizeof(text), "%H:%M:%S", localtime(&now));
	printf("%s ", text);
	print_member(m, up ? "up" : "down");
}

int fitctl_watch(struct fitctl *c)
{
	int status = fitctl_nodes(c);

	mon_on_member(c->b, changed, NULL);
	while (!status)
		thread_sleep_ns(NSEC_PER_SEC);
	return status;
}
