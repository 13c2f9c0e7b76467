// SPDX-License-Identifier: GPL-2.0-only
/* fitctl nodes, fitctl watch: the rack as the managers see it. */
#include <kern/timer.h>
#include <stdio.h>
#include <time.h>

#include "fitctl.h"

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

int fitctl_nodes(struct fitctl *c)
{
	struct board *b = c->b;

	if (wait_event_deadline(&b->changed, have_view(b), clock_mono_ns() + 10 * NSEC_PER_SEC)) {
		fputs("fitctl: no view from the managers\n", stderr);
		return 1;
	}
	printf("epoch %llu\n", (unsigned long long)b->view.epoch);
	for (fit_node_t i = 0; i < FIT_NODES_MAX; i++) {
		struct proto_member m;

		if (mon_member_by_node(b, i, &m))
			print_member(&m, "");
	}
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
