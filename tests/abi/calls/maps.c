// SPDX-License-Identifier: GPL-2.0-only
/* Memory that more than one process or descriptor sees: file maps, shared maps, copy-on-write. */
#include <setjmp.h>
#include "abi.h"

#define PAGE 4096UL

static sigjmp_buf back;
static volatile siginfo_t seen;

static void on_fault(int sig, siginfo_t *si, void *uc)
{
	seen = *si;
	siglongjmp(back, 1);
}

static void peek(const char *what, char *base, size_t off)
{
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };

	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	if (sigsetjmp(back, 1))
		say("%s: SIG%s code %d at +%ld", what, signal_name(seen.si_signo), seen.si_code,
		    (long)((char *)seen.si_addr - base));
	else
		say("%s: %d", what, ((volatile char *)base)[off]);
}

static char *map(size_t len, int prot, int flags, int fd)
{
	char *m = mmap(NULL, len, prot, flags | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);

	NEED(m != MAP_FAILED);
	return m;
}

#define RW (PROT_READ | PROT_WRITE)

CASE(map_file_private)
{
	int fd = make_file("a", "0123456789", 10);
	char *m = map(PAGE, RW, MAP_PRIVATE, fd), b[16];

	m[0] = 'P';
	say_bytes("file", b, (size_t)R(pread(fd, b, 10, 0)));
	R(pwrite(fd, "X", 1,
		 5)); /* seen or not in a page that was copied: not where it was written */
	say("%c", m[0]);
	R(close(fd));
	say("%c %d", m[9], m[10]);
	R(munmap(m, PAGE));
}

CASE(map_file_shared)
{
	int fd = make_file("a", "0123456789", 10), other = open("a", O_RDWR);
	char *m = map(PAGE, RW, MAP_SHARED, fd), *n = map(PAGE, PROT_READ, MAP_SHARED, other);
	char *p = map(PAGE, PROT_READ, MAP_PRIVATE, other), b[16];

	m[0] = 'S';
	say("%c %c", n[0], p[0]);
	say_bytes("read", b, (size_t)R(pread(other, b, 10, 0)));
	R(pwrite(other, "W", 1, 1));
	say("%c %c %c", m[1], n[1], p[1]);
	m[20] = 'z'; /* beyond the end: not in the file */
	say_stat("a", -1);
	R(ftruncate(fd, 30));
	R(pread(fd, b, 1, 10));
	say("%d", b[0]);
	R(msync(m, PAGE, MS_SYNC));
	R(msync(m, PAGE, MS_ASYNC));
	R(msync(m, PAGE, MS_SYNC | MS_ASYNC));
	R(msync(m + 1, PAGE, MS_SYNC));
	R(msync(m, PAGE, 0x80));
	munmap(n, PAGE);
	R(msync(n, PAGE, MS_SYNC));
}

CASE(map_beyond_end)
{
	int fd = make_file("a", "0123456789", 10);
	char *m = map(4 * PAGE, RW, MAP_SHARED, fd);

	peek("in the file", m, 3);
	peek("rest of the page", m, 100);
	peek("next page", m, PAGE + 5);
	R(ftruncate(fd, 2 * PAGE + 1));
	peek("next page, grown", m, PAGE + 5);
	peek("third page", m, 2 * PAGE + 9);
	peek("fourth page", m, 3 * PAGE);
	R(ftruncate(fd, 10));
	peek("next page, cut", m, PAGE + 5);
	R(write(open("b", O_CREAT | O_WRONLY, 0600), m + PAGE, 1)); /* EFAULT, no signal */
	R(read(0, m + PAGE, 1));
	CHILD({
		signal(SIGBUS, SIG_DFL);
		(void)*(volatile char *)(m + PAGE);
	});
}

CASE(map_cut_private)
{
	int fd = make_file("a", "", 0);
	char *m;

	R(ftruncate(fd, 3 * PAGE));
	m = map(3 * PAGE, RW, MAP_PRIVATE, fd);
	m[PAGE] = 'x';
	R(ftruncate(fd, 0));
	peek("copied page of a cut file", m, PAGE);
	peek("page of a cut file", m, 0);
	R(ftruncate(fd, 3 * PAGE));
	peek("grown again", m, 0);
	m[0] = 'a';
	m[2 * PAGE] = 'b';
	CHILD({
		R(ftruncate(fd, PAGE + 1));
		peek("child: kept", m, 0);
		peek("child: cut", m, 2 * PAGE);
	});
	peek("parent: kept", m, 0);
	peek("parent: cut", m, 2 * PAGE);
	CHILD(open("a", O_RDWR | O_TRUNC));
	peek("opened anew by a child", m, 0);
}

CASE(map_between_processes)
{
	char *s = map(2 * PAGE, RW, MAP_SHARED, -1), *p = map(PAGE, RW, MAP_PRIVATE, -1);

	s[0] = 'a';
	p[0] = 'p';
	CHILD({
		say("child sees %c %c", s[0], p[0]);
		s[0] = 'b';
		s[PAGE] = 'n';
		p[0] = 'q';
		CHILD({
			say("grandchild sees %c %c %c", s[0], s[PAGE], p[0]);
			s[0] = 'c';
			p[0] = 'r';
		});
		say("child sees %c %c", s[0], p[0]);
	});
	say("parent sees %c %c %c", s[0], s[PAGE], p[0]);
}

CASE(map_file_between_processes)
{
	int fd = make_file("a", "0123456789", 10);

	CHILD({
		char *m = map(PAGE, RW, MAP_SHARED, open("a", O_RDWR));

		memcpy(m, "child", 5);
	});
	char b[16];

	say_bytes("after the child", b, (size_t)R(pread(fd, b, 10, 0)));
	char *m = map(PAGE, PROT_READ, MAP_SHARED, fd);

	CHILD(pwrite(fd, "WRITE", 5, 5));
	say_bytes("mapped", m, 10);
}

CASE(cow_fork_tree)
{
	enum { PAGES = 64 };
	char *m = map(PAGES * PAGE, RW, MAP_PRIVATE, -1);
	unsigned sum = 0;

	for (int i = 0; i < PAGES; i++)
		m[i * PAGE] = (char)i;
	for (int c = 0; c < 4; c++) {
		if (!fork()) {
			unsigned mine = 0;

			for (int i = c; i < PAGES; i += 4)
				m[i * PAGE] = (char)(100 + c);
			for (int i = 0; i < PAGES; i++)
				mine += (unsigned char)m[i * PAGE];
			_exit((int)(mine & 127));
		}
	}
	for (int i = 0; i < PAGES; i++)
		m[i * PAGE] += 1; /* while they run */
	for (int c = 0; c < 4; c++) {
		int st;

		wait(&st);
		sum += (unsigned)WEXITSTATUS(st);
	}
	say("children %u", sum);
	for (sum = 0; sum < PAGES && m[sum * PAGE] == (char)(sum + 1); sum++)
		;
	say("parent's own pages %u", sum);
}

CASE(cow_after_exit)
{
	char *m = map(16 * PAGE, RW, MAP_PRIVATE, -1);
	int p[2], q[2];
	char c;

	memset(m, 'o', 16 * PAGE);
	pipe(p);
	pipe(q);
	if (!fork()) {
		if (!fork()) { /* outlives its parent and sees what was at the fork */
			read(p[0], &c, 1);
			say("orphan sees %c %c", m[0], m[15 * PAGE]);
			write(q[1], "x", 1);
			_exit(0);
		}
		m[0] = 'c';
		_exit(0);
	}
	wait(NULL);
	memset(m, 'n', 16 * PAGE);
	write(p[1], "x", 1);
	read(q[0], &c, 1);
	say("parent sees %c", m[0]);
}

/*
 * A tree of processes that write to, throw away and move pages of memory they have from fork; each
 * knows what it has to find.
 */
enum { TREE_PAGES = 48, TREE_STEPS = 150, TREE_DEPTH = 2 };
struct tree {
	unsigned random, *mem[TREE_PAGES];
	unsigned want[TREE_PAGES];
};

static unsigned tree_random(struct tree *t, unsigned n)
{
	t->random = t->random * 1103515245 + 12345;
	return (t->random >> 8) % n;
}

static int tree_wrong(const struct tree *t)
{
	int n = 0;

	for (int i = 0; i < TREE_PAGES; i++)
		n += t->mem[i][0] != t->want[i] || t->mem[i][PAGE / 8] != t->want[i];
	return n;
}

static void tree_write(struct tree *t, unsigned i)
{
	t->want[i] = t->mem[i][0] = t->mem[i][PAGE / 8] = t->random;
}

static void tree_anew(struct tree *t, unsigned i, unsigned how)
{
	if (how)
		madvise(t->mem[i], PAGE, MADV_DONTNEED);
	else
		mmap(t->mem[i], PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	t->want[i] = 0;
}

static void tree_move(struct tree *t, unsigned from, unsigned to)
{
	if (from == to)
		return;
	mremap(t->mem[from], PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, t->mem[to]);
	t->want[to] = t->want[from];
	mmap(t->mem[from], PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	t->want[from] = 0;
}

/* Ends with how much was wrong here and below. */
static int tree_run(struct tree *t, int depth)
{
	int wrong = 0, children = 0, st;

	for (int step = 0; step < TREE_STEPS; step++) {
		unsigned i = tree_random(t, TREE_PAGES), what = tree_random(t, 100);

		if (what < 70)
			tree_write(t, i);
		else if (what < 76)
			tree_anew(t, i, tree_random(t, 2));
		else if (what < 80)
			tree_move(t, i, tree_random(t, TREE_PAGES));
		else if (what < 82 && wait(&st) > 0)
			wrong += WEXITSTATUS(st), children--;
		else if (what < 84 && depth < TREE_DEPTH && children < 3 && ++children && !fork()) {
			t->random += (unsigned)(depth * 7 + children);
			_exit(tree_run(t, depth + 1) & 127);
		} else if (what < 86)
			wrong += tree_wrong(t);
	}
	while (wait(&st) > 0)
		wrong += WEXITSTATUS(st);
	return wrong + tree_wrong(t);
}

CASE(cow_random_tree)
{
	char *m = map(TREE_PAGES * PAGE, RW, MAP_PRIVATE, -1);
	struct tree t = { 0 };

	for (int i = 0; i < TREE_PAGES; i++)
		t.mem[i] = (unsigned *)(m + i * PAGE);
	for (unsigned seed = 1; seed <= 4; seed++) {
		if (!fork()) {
			t.random = seed;
			_exit(tree_run(&t, 0) & 127);
		}
	}
	for (int st, n = 0; wait(&st) > 0; n++)
		say("%d wrong", WEXITSTATUS(st));
}

CASE(map_dev_zero)
{
	int z = open("/dev/zero", O_RDWR);
	char *m = mmap(NULL, 2 * PAGE, RW, MAP_PRIVATE, z, 0);

	R(m == MAP_FAILED);
	if (m == MAP_FAILED)
		return;
	say("%d", m[PAGE]);
	m[PAGE] = 'x';
	say("%d", m[PAGE]);
}

CASE(memfd_calls)
{
	int fd = R(memfd_create("name", MFD_CLOEXEC | MFD_ALLOW_SEALING));
	char b[16], *m;

	R(write(fd, "memory", 6));
	R(pread(fd, b, 16, 0));
	say_stat(NULL, fd);
	R(ftruncate(fd, PAGE));
	m = map(PAGE, RW, MAP_SHARED, fd);
	say_bytes("mapped", m, 6);
	m[0] = 'M';
	R(pread(fd, b, 1, 0));
	say("%c", b[0]);
	R(fcntl(fd, F_GET_SEALS));
	R(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
	R(ftruncate(fd, 10));
	R(ftruncate(fd, 2 * PAGE));
	R(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	munmap(m, PAGE);
	R(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	R(write(fd, "x", 1));
	R(fcntl(fd, F_GET_SEALS));
	R(memfd_create("x", 0x8000));
	R(memfd_create(BAD, 0));
	R(fcntl(R(memfd_create("no seals", 0)), F_ADD_SEALS, F_SEAL_WRITE));
}

CASE(memfd_seals)
{
	int fd = memfd_create("x", MFD_ALLOW_SEALING), ro;
	char name[32], *m, *n;

	R(ftruncate(fd, 3 * PAGE));
	m = map(PAGE, PROT_READ, MAP_SHARED, fd);
	n = map(PAGE, RW, MAP_PRIVATE, fd);
	R(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE)); /* it could be made writable */
	munmap(m, PAGE);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	ro = open(name, O_RDONLY);
	R(fcntl(ro, F_ADD_SEALS, F_SEAL_WRITE));
	R(fcntl(ro, F_GET_SEALS));
	R(fcntl(fd, F_ADD_SEALS, 0x1000));
	R(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
	R(ftruncate(fd, 4 * PAGE));
	R(fallocate(fd, 0, 0, 4 * PAGE));
	R(pwrite(fd, "12", 2, 3 * PAGE));
	R(pwrite(fd, "12", 2, 2 * PAGE));
	R(ftruncate(fd, 2 * PAGE));
	R(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	R(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	R(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE));
	R(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0) == MAP_FAILED ? errno : 0);
	n[0] = 'x'; /* its own copy */
	R(ftruncate(fd, PAGE));
	R(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK));
	R(ftruncate(fd, 0));
	R(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
	R(fcntl(fd, F_GET_SEALS));
	R(fcntl(0, F_GET_SEALS));
	fd = memfd_create("y", MFD_ALLOW_SEALING);
	R(ftruncate(fd, PAGE));
	m = map(PAGE, RW, MAP_SHARED, fd);
	R(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
	m[0] = 'a';
	R(write(fd, "b", 1));
	R(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0) == MAP_FAILED ? errno : 0);
	say_bytes("written before", m, 1);
}

CASE(fallocate_holes)
{
	int fd = make_file("a", "", 0);
	char *m, *p, b[PAGE];

	memset(b, 'x', sizeof(b));
	for (int i = 0; i < 5; i++)
		write(fd, b, sizeof(b));
	m = map(5 * PAGE, RW, MAP_SHARED, fd);
	p = map(5 * PAGE, RW, MAP_PRIVATE, fd);
	p[2 * PAGE] = 'p';
	m[3 * PAGE] = 'm';
	R(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE + 100, 2 * PAGE));
	say("%d %d %d %d %d", m[PAGE + 99], m[PAGE + 100], m[2 * PAGE], m[3 * PAGE + 99],
	    m[3 * PAGE + 100]);
	say("%d %d", p[2 * PAGE], p[PAGE + 100]);
	say_bytes("read", b, (size_t)R(pread(fd, b, 8, 3 * PAGE + 96)));
	R(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4 * PAGE, 100 * PAGE));
	say_stat(NULL, fd);
	say("%d %d", m[4 * PAGE - 1], m[4 * PAGE]);
	m[4 * PAGE] = 'y';
	say_bytes("read", b, (size_t)R(pread(fd, b, 2, 4 * PAGE)));
	R(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 10 * PAGE, PAGE));
	say_stat(NULL, fd);
	R(fallocate(open("a", O_RDONLY), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1));
	R(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 0, 1));
	R(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 9 * PAGE));
	say_stat(NULL, fd);
}

CASE(map_append_grow)
{
	int fd = make_file("a", "", 0);
	char *m = map(8 * PAGE, PROT_READ, MAP_SHARED, fd), block[1000];
	unsigned good = 0;

	for (int i = 0; i < 30; i++) {
		memset(block, 'a' + i % 26, sizeof(block));
		NEED(write(fd, block, sizeof(block)) == sizeof(block));
		good += m[i * 1000] == block[0] && m[i * 1000 + 999] == block[0];
	}
	say("%u of 30 blocks seen through the map", good);
}

CASE(map_large_offsets)
{
	int fd = make_file("a", "", 0);
	off_t far = (off_t)1 << 32;
	char *m, b[4];

	R(pwrite(fd, "far", 3, far + 10));
	m = mmap(NULL, PAGE, RW, MAP_SHARED, fd, far);
	R(m == MAP_FAILED);
	say_bytes("far", m + 10, 3);
	m[10] = 'F';
	R(pread(fd, b, 3, far + 10));
	say_bytes("read", b, 3);
	say_stat("a", -1);
}

CASE(map_read_into_itself)
{
	int fd = make_file("a", "", 0);
	char *m;

	R(ftruncate(fd, 4 * PAGE));
	m = map(4 * PAGE, RW, MAP_SHARED, fd);
	for (unsigned i = 0; i < 4 * PAGE; i++)
		m[i] = (char)('a' + i / PAGE);
	R(pread(fd, m + PAGE, PAGE, 0));
	R(pwrite(fd, m, PAGE, 3 * PAGE));
	say("%c %c %c %c", m[0], m[PAGE], m[2 * PAGE], m[4 * PAGE - 1]);
}
