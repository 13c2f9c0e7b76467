// SPDX-License-Identifier: GPL-2.0-only
/*
 * System calls at random, with arguments of which half may be good, from several processes of
 *several threads each:
 *
 *	abi-fuzz SEED SECONDS
 *
 * A worker process is a child in a session, a process group and a folder of its own, so that what
 *it kills and removes is its own; when it dies, of a signal or at its own call of exit, another
 *takes its place with the next seed. What is checked is that the board stays: this program only
 *reports how many calls there were. Left out are calls that would reach outside the worker: kill()
 *of pids it does not know, reboot, mounts; and those that only sleep.
 */
#include <dirent.h>
#include <ftw.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/un.h>
#include "abi.h"

#define WORKERS 3
#define THREADS 3
#define LIFE_MS 1500 /* of a worker, which a bad call may hang */
#define SYSCALLS 470

const struct abi_case __start_abi_cases[1], __stop_abi_cases[1]; /* none: the runner is not used */

static char *arena; /* of 16 pages, some with holes, some read-only */
static atomic_ulong *calls;

static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ULL;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

struct source {
	uint64_t seed, n;
};

static uint64_t next(struct source *s)
{
	return mix(s->seed + s->n++);
}

/* ---- arguments ---------------------------------------------------------------------------- */

static const char *const paths[] = {
	"a", "b", "d", "d/x", "d/../a", "link", "loop", ".", "..", "/", "/dev/null", "/dev/zero",
	"/proc/self/maps", "/proc/self/fd", "/proc/self/stat", "/proc/meminfo", "/dev/full", "",
	"none/x", "sock", "fifo", "/tmp", "/proc/self/mem", "/dev/urandom", "a/", "/bin/busybox",
};

static const uint64_t edges[] = {
	0, 1, 2, 3, 7, 8, 16, 64, 255, 256, 4095, 4096, 4097, 65535, 65536, 0x7fffffff, 0x80000000,
	0xffffffff, 0x100000000, 0x7ffffffff000, 0x800000000000, 0xffff800000000000,
	0x7fffffffffffffff, 0x8000000000000000, 0xfffffffffffff000, 0xffffffffffffffff,
};

static uint64_t pointer(struct source *s)
{
	uint64_t r = next(s);

	switch (r % 8) {
	case 0:
		return 0;
	case 1:
		return edges[r / 8 % (sizeof(edges) / sizeof(edges[0]))];
	case 2: /* close to the end of a page */
		return (uint64_t)arena + r / 8 % 16 * 4096 + 4096 - r / 128 % 32;
	case 3:
		return (uint64_t)paths[r / 8 % (sizeof(paths) / sizeof(paths[0]))];
	default:
		return (uint64_t)arena + r / 8 % (16 * 4096);
	}
}

static uint64_t argument(struct source *s)
{
	uint64_t r = next(s);

	switch (r % 8) {
	case 0:
	case 1: /* a descriptor, most likely */
		return r / 8 % 24;
	case 2:
		return edges[r / 8 % (sizeof(edges) / sizeof(edges[0]))];
	case 3:
		return 1ULL << (r / 8 % 64);
	case 4:
		return r / 8 % 4096;
	default:
		return pointer(s);
	}
}

/* Something like a structure: small numbers, pointers, lengths. */
static void season(struct source *s)
{
	for (int i = 0; i < 8; i++) {
		uint64_t r = next(s), at = r % (16 * 4096 - 8);
		volatile uint64_t *p = (uint64_t *)(arena + (at & ~7ULL));

		if ((uint64_t)((char *)p - arena) / 4096 % 4 < 2) /* the writable pages */
			*p = argument(s);
	}
}

/* ---- calls -------------------------------------------------------------------------------- */

static bool left_out(long nr)
{
	switch (nr) {
	case SYS_exit:
	case SYS_exit_group: /* too soon */
	case SYS_reboot:
	case SYS_mount:
	case SYS_umount2:
	case SYS_pivot_root:
	case SYS_chroot:
	case SYS_kill:
	case SYS_tkill:
	case SYS_tgkill:
	case SYS_rt_sigqueueinfo:
	case SYS_rt_tgsigqueueinfo:
	case SYS_rt_sigreturn:
	case SYS_pause:
	case SYS_rt_sigsuspend:
	case SYS_rt_sigtimedwait:
	case SYS_vhangup:
	case SYS_sethostname:
	case SYS_setdomainname:
	case SYS_settimeofday:
	case SYS_clock_settime:
	case SYS_fork: /* made by spawn(), with an end */
	case SYS_vfork:
	case SYS_clone:
	case SYS_clone3:
	case SYS_setsid:
	case SYS_setpgid:
	case SYS_ptrace:
	case SYS_pidfd_send_signal:
		return true;
	default:
		return false;
	}
}

static void one_call(struct source *s)
{
	uint64_t a[6], r = next(s);
	long nr = (long)(r % SYSCALLS);

	if (r / SYSCALLS % 4) /* more of the usual ones, and of the newer ones */
		nr = r / SYSCALLS % 4 == 1 ? 280 + nr % (SYSCALLS - 280) : nr % 110;
	if (left_out(nr))
		return;
	for (int i = 0; i < 6; i++)
		a[i] = argument(s);
	/* what must stay: descriptors of the case's output, the folder, other people's files */
	if ((nr == SYS_unlink || nr == SYS_rename || nr == SYS_rmdir || nr == SYS_truncate ||
	     nr == SYS_chmod || nr == SYS_chown || nr == SYS_lchown) &&
	    (a[0] < 4096 || *(char *)paths[0] != 'a'))
		a[0] = (uint64_t)paths[r / 7 % 4];
	syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	atomic_fetch_add(calls, 1);
}

static void fork_end(struct source *s)
{
	int how = (int)(next(s) % 3);
	pid_t p = fork();

	if (!p) {
		for (int i = 0; i < 20; i++)
			one_call(s);
		if (how == 1)
			execl("/bin/busybox", "true", NULL);
		if (how == 2)
			raise(SIGKILL);
		_exit(0);
	}
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

static void *thread(void *seed)
{
	struct source s = { .seed = (uint64_t)seed };

	for (;;) {
		if (next(&s) % 8 == 0)
			season(&s);
		if (next(&s) % 256 == 0)
			fork_end(&s);
		one_call(&s);
	}
}

/* ---- workers ------------------------------------------------------------------------------ */

static void nothing(int sig)
{
}

/* A signal every 20 ms lets blocking calls go on. */
static void stir(void)
{
	struct itimerval it = { { 0, 20000 }, { 0, 20000 } };

	sigaction(SIGALRM, &(struct sigaction){ .sa_handler = nothing }, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
	for (int sig = 1; sig < 32; sig++)
		if (sig == SIGPIPE || sig == SIGXFSZ || sig == SIGSYS || sig == SIGTTOU)
			signal(sig, SIG_IGN);
}

static void furnish(const char *folder)
{
	struct sockaddr_un un = { AF_UNIX, "sock" };
	struct sockaddr_in in = { .sin_family = AF_INET };
	int p[2];

	if (chdir(folder))
		_exit(1);
	close(open("a", O_CREAT | O_RDWR, 0644));
	mkdir("d", 0755);
	close(open("d/x", O_CREAT | O_RDWR, 0644));
	symlink("a", "link");
	symlink("loop", "loop");
	mkfifo("fifo", 0644);
	open("a", O_RDWR);
	open(".", O_RDONLY);
	pipe(p);
	socketpair(AF_UNIX, SOCK_STREAM, 0, p);
	bind(socket(AF_UNIX, SOCK_DGRAM, 0), (struct sockaddr *)&un, sizeof(un));
	p[0] = socket(AF_INET, SOCK_STREAM, 0);
	bind(p[0], (struct sockaddr *)&in, sizeof(in));
	listen(p[0], 2);
	socket(AF_INET, SOCK_STREAM, 0);
	socket(AF_INET, SOCK_DGRAM, 0);
	epoll_create1(0);
	eventfd(1, 0);
	syscall(SYS_pidfd_open, getpid(), 0);
	memfd_create("m", MFD_ALLOW_SEALING);
	arena = mmap(NULL, 16 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < 16; i += 4) {
		mprotect(arena + (i + 2) * 4096, 4096, PROT_READ);
		munmap(arena + (i + 3) * 4096, 4096);
	}
}

static void worker(uint64_t seed, const char *folder)
{
	pthread_t t;

	setsid();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 200, 200 });
	setrlimit(RLIMIT_AS, &(struct rlimit){ 64 << 20, 64 << 20 });
	setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 1 << 20, 1 << 20 });
	setrlimit(RLIMIT_NPROC, &(struct rlimit){ 60, 60 });
	furnish(folder);
	stir();
	for (long i = 1; i < THREADS; i++)
		pthread_create(&t, NULL, thread, (void *)mix(seed + (uint64_t)i));
	thread((void *)mix(seed));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	chmod(path, 0700);
	return remove(path), 0;
}

/* One life of a worker: its process group ends with it. */
static void live(uint64_t seed)
{
	char folder[] = "/tmp/fuzz-XXXXXX";
	uint64_t end = now_ms() + LIFE_MS;
	pid_t p;
	int st;

	if (!mkdtemp(folder))
		_exit(1);
	p = fork();
	if (!p) {
		worker(seed, folder);
		_exit(0);
	}
	while (now_ms() < end && waitpid(p, &st, WNOHANG) == 0)
		sleep_ms(20);
	kill(-p, SIGKILL);
	kill(p, SIGKILL);
	waitpid(p, &st, 0);
	nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* What would stay for good. */
static void remove_ipc(void)
{
	struct shmid_ds m;
	struct semid_ds s;

	for (int i = 0; i < 512; i++) {
		shmctl(shmctl(i, SHM_STAT, &m), IPC_RMID, NULL);
		semctl(semctl(i, 0, SEM_STAT, &s), 0, IPC_RMID);
	}
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	uint64_t end = now_ms() + (argc > 2 ? strtoull(argv[2], NULL, 0) : 10) * 1000;
	int null = open("/dev/null", O_RDWR);

	/* where no call of the workers writes by chance */
	calls = mmap((void *)0x3a5e7b200000, 4096, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	for (int i = 0; i < WORKERS; i++)
		if (!fork()) {
			dup2(null, 0);
			dup2(null, 1);
			dup2(null, 2);
			for (uint64_t n = 0; now_ms() < end; n++)
				live(mix(seed * 1000003 + (uint64_t)i * 7919 + n));
			_exit(0);
		}
	while (wait(NULL) > 0)
		;
	remove_ipc();

	unsigned long n = atomic_load(calls);

	printf("fuzz: seed %lu, %lu calls\n", (unsigned long)seed, n);
	return n ? 0 : 1;
}
