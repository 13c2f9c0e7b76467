/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The paper's macro-benchmark: a streaming word count of one mapper and one reducer.
 *
 *   wordcount text FILE BYTES             makes a text, the same one for the same length
 *   wordcount mapper ADDR PORT FILE BYTES reads BYTES of the text, from its begin again at its end
 *   wordcount reducer PORT                serves mappers one after the other, until killed
 *
 * The mapper takes the text in batches, as a streaming platform does; of each batch it sends every
 * pair <word, count> by a send() of its own, at once (TCP_NODELAY), as a line "word count". An
 * empty line ends the stream; the reducer answers with what it has: pairs, words, distinct words.
 * The
 * mapper prints bytes, us until that answer, pairs, words, distinct words, and fails when the
 * reducer has counted another number of words. Words have a frequency near to Zipf's law over
 * 2^VOCABULARY_BITS words. Left out: any concurrency.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH (256u << 10)
#define VOCABULARY_BITS 11
#define WORD_MAX 12
#define LINE_MAX_ 48
#define SLOTS (1u << 14) /* power of two, more than any batch's distinct words */

struct slot {
	char word[WORD_MAX + 1];
	uint8_t length;
	uint64_t count;
};

struct table {
	struct slot slots[SLOTS];
	uint32_t used[SLOTS], n; /* slots in order of first appearance */
};

static struct table table;
static char batch[BATCH + 1];

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "wordcount: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void write_all(int fd, const void *p, size_t n)
{
	for (size_t put = 0; put < n;) {
		ssize_t r = write(fd, (const char *)p + put, n - put);

		if (r <= 0)
			die("write");
		put += (size_t)r;
	}
}

/* ---- the text -------------------------------------------------------------------------------- */
static uint32_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(*state >> 33);
}

/* Every rank between two powers of two is as likely as all of the octave below: nearly Zipf. */
static uint32_t pick_rank(uint64_t *state)
{
	uint32_t octave = next_random(state) % VOCABULARY_BITS;

	return (1u << octave) + next_random(state) % (1u << octave);
}

/* Two to WORD_MAX letters, of a generator that the rank seeds. */
static size_t spell(uint32_t rank, char *out)
{
	uint64_t state = rank * 2654435761u;
	size_t n = 2 + next_random(&state) % (WORD_MAX - 1);

	for (size_t i = 0; i < n; i++)
		out[i] = (char)('a' + next_random(&state) % 26);
	return n;
}

static int make_text(const char *path, size_t bytes)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	uint64_t state = 1;

	if (fd < 0)
		die(path);
	while (bytes) {
		size_t n = 0, part = bytes < BATCH ? bytes : BATCH;

		while (n + WORD_MAX + 1 < part) {
			n += spell(pick_rank(&state), batch + n);
			batch[n++] = ' ';
		}
		memset(batch + n, '\n', part - n);
		write_all(fd, batch, part);
		bytes -= part;
	}
	return close(fd);
}

/* ---- counting -------------------------------------------------------------------------------- */
static void count_word(struct table *t, const char *word, size_t length, uint64_t count)
{
	uint32_t h = 2166136261u, i;

	for (size_t k = 0; k < length; k++)
		h = (h ^ (uint8_t)word[k]) * 16777619u;
	for (i = h & (SLOTS - 1); t->slots[i].count; i = (i + 1) & (SLOTS - 1))
		if (t->slots[i].length == length && !memcmp(t->slots[i].word, word, length)) {
			t->slots[i].count += count;
			return;
		}
	if (length > WORD_MAX || t->n >= SLOTS / 2) {
		errno = E2BIG;
		die("words");
	}
	memcpy(t->slots[i].word, word, length);
	t->slots[i].word[length] = 0;
	t->slots[i].length = (uint8_t)length;
	t->slots[i].count = count;
	t->used[t->n++] = i;
}

static void empty_table(struct table *t)
{
	for (uint32_t i = 0; i < t->n; i++)
		t->slots[t->used[i]].count = 0;
	t->n = 0;
}

static uint64_t count_text(struct table *t, const char *text, size_t n)
{
	uint64_t words = 0;

	for (size_t i = 0; i < n;) {
		size_t start = i;

		while (i < n && text[i] > ' ')
			i++;
		if (i > start) {
			count_word(t, text + start, i - start, 1);
			words++;
		}
		i += i < n;
	}
	return words;
}

/* ---- mapper ---------------------------------------------------------------------------------- */
static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* Fills the batch with the text's next bytes; its length. */
static size_t read_batch(int fd, size_t want)
{
	size_t got = 0;

	while (got < want) {
		ssize_t r = read(fd, batch + got, want - got);

		if (r < 0)
			die("text");
		if (!r && lseek(fd, 0, SEEK_SET))
			die("text");
		got += (size_t)r;
	}
	return got;
}

static void send_pairs(const struct table *t, int fd)
{
	char line[LINE_MAX_];

	for (uint32_t i = 0; i < t->n; i++) {
		const struct slot *s = &t->slots[t->used[i]];

		int n = snprintf(line, sizeof(line), "%s %llu\n", s->word,
				 (unsigned long long)s->count);

		write_all(fd, line, (size_t)n);
	}
}

static int dial(const char *addr, int port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || inet_pton(AF_INET, addr, &sin.sin_addr) != 1 ||
	    connect(fd, (struct sockaddr *)&sin, sizeof(sin)) ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)))
		die(addr);
	return fd;
}

static int mapper(char **argv)
{
	int fd = dial(argv[0], atoi(argv[1])), text = open(argv[2], O_RDONLY);
	uint64_t bytes = strtoull(argv[3], NULL, 10), start = now_us(), words = 0;
	unsigned long long pairs, counted, distinct;
	char answer[128] = "";

	if (text < 0)
		die(argv[2]);
	for (uint64_t left = bytes; left;) {
		size_t n = read_batch(text, left < BATCH ? left : BATCH);

		words += count_text(&table, batch, n);
		send_pairs(&table, fd);
		empty_table(&table);
		left -= n;
	}
	write_all(fd, "\n", 1);
	for (size_t n = 0; n < sizeof(answer) - 1 && !strchr(answer, '\n'); n++)
		if (read(fd, answer + n, 1) != 1)
			die("the reducer");
	if (sscanf(answer, "%llu %llu %llu", &pairs, &counted, &distinct) != 3 ||
	    counted != words) {
		fprintf(stderr, "wordcount: sent %llu words, the reducer has %s",
			(unsigned long long)words, answer);
		return 1;
	}
	printf("%llu,%llu,%llu,%llu,%llu\n", (unsigned long long)bytes,
	       (unsigned long long)(now_us() - start), pairs, counted, distinct);
	return 0;
}

/* ---- reducer --------------------------------------------------------------------------------- */
static void reduce(int fd)
{
	FILE *in = fdopen(fd, "r");
	unsigned long long pairs = 0, words = 0;
	char line[LINE_MAX_], answer[128];

	empty_table(&table);
	while (in && fgets(line, sizeof(line), in) && line[0] != '\n') {
		char *space = strchr(line, ' ');
		uint64_t count = space ? strtoull(space, NULL, 10) : 0;

		if (!count)
			break; /* not a pair: the mapper will miss its words */
		count_word(&table, line, (size_t)(space - line), count);
		pairs++;
		words += count;
	}
	snprintf(answer, sizeof(answer), "%llu %llu %u\n", pairs, words, table.n);
	if (write(fd, answer, strlen(answer)) < 0)
		fprintf(stderr, "wordcount: a mapper has gone\n");
	if (in)
		fclose(in);
}

static int reducer(int port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, (struct sockaddr *)&sin, sizeof(sin)) || listen(fd, 16))
		die("listen");
	for (;;) {
		int c = accept(fd, NULL, NULL);

		if (c < 0)
			die("accept");
		reduce(c);
	}
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc == 4 && !strcmp(argv[1], "text"))
		return make_text(argv[2], strtoull(argv[3], NULL, 10));
	if (argc == 6 && !strcmp(argv[1], "mapper"))
		return mapper(argv + 2);
	if (argc == 3 && !strcmp(argv[1], "reducer"))
		return reducer(atoi(argv[2]));
	fprintf(stderr, "usage: wordcount text FILE BYTES | mapper ADDR PORT FILE BYTES | "
			"reducer PORT\n");
	return 2;
}
