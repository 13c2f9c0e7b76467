// SPDX-License-Identifier: GPL-2.0-only
/* System V shared memory and semaphores. Every case removes what it made. */
#include <grp.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include "abi.h"

#define PAGE 4096
#define KEY 0x7ac0ffee

static long nattch(int id)
{
	struct shmid_ds d;

	return shmctl(id, IPC_STAT, &d) ? -1 : (long)d.shm_nattch;
}

CASE(shm_basics)
{
	struct shmid_ds d;
	char *a, *b;
	int id = shmget(KEY, 2 * PAGE + 100, IPC_CREAT | IPC_EXCL | 0640);

	NEED(id >= 0);
	R(shmget(KEY, 1, IPC_CREAT | IPC_EXCL | 0600));
	say("same %d", shmget(KEY, 100, 0) == id);
	R(shmget(KEY, 4 * PAGE, 0));
	R(shmget(KEY + 1, 100, 0));
	R(shmget(IPC_PRIVATE, 0, 0600));
	a = shmat(id, NULL, 0);
	b = shmat(id, NULL, SHM_RDONLY);
	NEED(a != (void *)-1 && b != (void *)-1);
	strcpy(a + 2 * PAGE, "shared");
	say("%s %d", b + 2 * PAGE, b[0]);
	R(shmctl(id, IPC_STAT, &d));
	say("size %lu nattch %lu mode %o key %d cpid %d lpid %d atime %d dtime %ld",
	    (long)d.shm_segsz, (long)d.shm_nattch, d.shm_perm.mode, d.shm_perm.__key == KEY,
	    d.shm_cpid == getpid(), d.shm_lpid == getpid(), d.shm_atime > 0, (long)d.shm_dtime);
	CHILD({
		say("child sees %s, nattch %ld", b + 2 * PAGE, nattch(id));
		strcpy(a, "from the child");
	});
	say("%s, nattch %ld", b, nattch(id));
	R(shmdt(a + PAGE));
	R(shmdt(a + 1));
	R(shmdt(a));
	R(shmdt(a));
	say("nattch %ld", nattch(id));
	CHILD(b[0] = 1);
	R(shmctl(id, IPC_RMID, NULL));
	R(shmctl(id, IPC_STAT, &d) ? 0 : (int)(d.shm_perm.mode & 01000));
	R(shmget(KEY, 1, 0));
	say("%s", (char *)shmat(id, NULL, 0)); /* while it lives */
	R(shmdt(b));
	CHILD({ execl("/bin/busybox", "true", NULL); });
	say("nattch %ld", nattch(id));
}

CASE(shm_gone)
{
	int id = shmget(IPC_PRIVATE, PAGE, 0600);
	char *a = shmat(id, NULL, 0);
	struct shmid_ds d;

	R(shmctl(id, IPC_RMID, NULL));
	R(shmctl(id, IPC_RMID, NULL));
	say("nattch %ld", nattch(id));
	R(shmdt(a));
	R(shmctl(id, IPC_STAT, &d));
	say("%s", shmat(id, NULL, 0) == (void *)-1 ? errno_name(errno) : "there");
	id = shmget(KEY, PAGE, IPC_CREAT | 0600);
	CHILD({
		shmat(id, NULL, 0);
		R(shmctl(id, IPC_RMID, NULL));
		say("nattch %ld", nattch(id));
	});
	R(shmctl(id, IPC_STAT, &d));
	R(shmget(KEY, PAGE, 0));
}

CASE(shm_places)
{
	int id = shmget(IPC_PRIVATE, 3 * PAGE, 0600);
	char *room = mmap(NULL, 16 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *a;

	R(shmat(id, room, 0) == (void *)-1 ? errno : 0);
	R(shmat(id, room + 1, SHM_REMAP) == (void *)-1 ? errno : 0);
	R(shmat(id, NULL, SHM_REMAP) == (void *)-1 ? errno : 0);
	R((char *)shmat(id, room + 100, SHM_REMAP | SHM_RND) - room);
	strcpy(room, "here");
	munmap(room + 8 * PAGE, 8 * PAGE);
	a = shmat(id, room + 8 * PAGE, 0);
	say("%ld %s", (long)(a - room) / PAGE, a);
	munmap(a + PAGE, PAGE); /* a hole in it */
	say("nattch %ld", nattch(id));
	R(shmdt(a));
	R(mincore(a + 2 * PAGE, PAGE, (void *)room));
	say("nattch %ld", nattch(id));
	R(shmat(-1, NULL, 0) == (void *)-1 ? errno : 0);
	R(shmdt(NULL));
	R(shmctl(id, 99, NULL));
	R(shmctl(id, IPC_STAT, BAD));
	R(shmctl(id, IPC_RMID, NULL));
}

CASE(shm_permissions)
{
	int id = shmget(KEY, PAGE, IPC_CREAT | 0640);
	struct shmid_ds d;

	CHILD({
		setgroups(0, NULL);
		setresgid(1000, 1000, 1000);
		setresuid(1000, 1000, 1000);
		R(shmget(KEY, 0, 0) == id);
		R(shmget(KEY, 0, 0444));
		R(shmat(id, NULL, SHM_RDONLY) == (void *)-1 ? errno : 0);
		R(shmctl(id, IPC_STAT, &d));
		R(shmctl(id, IPC_RMID, NULL));
	});
	R(shmctl(id, IPC_STAT, &d));
	d.shm_perm.gid = 1000;
	d.shm_perm.mode = 0664;
	R(shmctl(id, IPC_SET, &d));
	CHILD({
		setgroups(0, NULL);
		setresgid(1000, 1000, 1000);
		setresuid(1000, 1000, 1000);
		R(shmat(id, NULL, 0) == (void *)-1 ? errno : 0);
		R(shmctl(id, IPC_STAT, &d));
		R(shmctl(id, IPC_SET, &d));
	});
	R(shmctl(id, IPC_RMID, NULL));
}

/* ---- semaphores ---- */

static int op(int id, int num, int by, int flags)
{
	struct sembuf b = { (unsigned short)num, (short)by, (short)flags };

	return semop(id, &b, 1);
}

CASE(sem_basics)
{
	unsigned short all[3] = { 4, 5, 6 };
	struct semid_ds d;
	int id = semget(KEY, 3, IPC_CREAT | IPC_EXCL | 0600);

	NEED(id >= 0);
	R(semget(KEY, 4, 0));
	R(semget(KEY, 0, IPC_CREAT | IPC_EXCL | 0600));
	R(semget(KEY + 1, 0, IPC_CREAT | 0600));
	R(semget(KEY + 1, 1, 0));
	R(semctl(id, 1, SETVAL, 7));
	R(semctl(id, 1, GETVAL));
	R(semctl(id, 3, GETVAL));
	R(semctl(id, 1, SETVAL, 40000));
	R(semctl(id, 0, SETALL, all));
	R(op(id, 2, -6, 0));
	R(op(id, 2, -1, IPC_NOWAIT));
	R(op(id, 2, 0, 0));
	R(op(id, 1, 0, IPC_NOWAIT));
	R(op(id, 3, 1, 0));
	R(op(id, 0, 32767, 0));
	memset(all, 0, sizeof(all));
	R(semctl(id, 0, GETALL, all));
	say("%u %u %u pid %d", all[0], all[1], all[2], semctl(id, 2, GETPID) == getpid());
	struct sembuf both[2] = { { 0, -1, 0 }, { 2, -1, IPC_NOWAIT } };
	R(semop(id, both, 2)); /* both or none */
	R(semctl(id, 0, GETVAL));
	R(semop(id, both, 0));
	R(semop(id, BAD, 1));
	R(semctl(id, 0, IPC_STAT, &d));
	say("nsems %lu mode %o otime %d", (long)d.sem_nsems, d.sem_perm.mode, d.sem_otime > 0);
	R(semctl(id, 0, 99));
	R(semctl(id, 0, IPC_RMID));
	R(semctl(id, 0, GETVAL));
	R(op(id, 0, 1, 0));
}

CASE(sem_sleep)
{
	struct timespec ts = { 0, 50000000 };
	struct sembuf down = { 0, -2, 0 };
	int id = semget(IPC_PRIVATE, 2, 0600), st;
	pid_t p, q;

	R(semtimedop(id, &down, 1, &ts));
	ts.tv_nsec = -1;
	R(semtimedop(id, &down, 1, &ts));
	p = fork();
	if (!p)
		_exit(semop(id, &down, 1) ? errno : 0);
	q = fork();
	if (!q)
		_exit(op(id, 1, -1, 0) ? errno : 0);
	while (semctl(id, 0, GETNCNT) != 1 || semctl(id, 1, GETNCNT) != 1)
		sleep_ms(5);
	R(op(id, 0, 1, 0));
	sleep_ms(50);
	R(waitpid(p, &st, WNOHANG));
	R(op(id, 0, 1, 0));
	waitpid(p, &st, 0);
	say_status("the sleeper", st);
	R(semctl(id, 0, GETVAL));
	signal(SIGALRM, SIG_IGN);
	kill(q, SIGSTOP);
	kill(q, SIGCONT);
	R(semctl(id, 0, IPC_RMID));
	waitpid(q, &st, 0);
	say("the other %s", st == EIDRM << 8 || st == EINTR << 8 ? "was told" : "?");
}

CASE(sem_undo)
{
	int id = semget(IPC_PRIVATE, 1, 0600), st;
	pid_t p;

	semctl(id, 0, SETVAL, 2);
	CHILD({
		R(op(id, 0, -1, SEM_UNDO));
		R(op(id, 0, -1, 0));
		R(semctl(id, 0, GETVAL));
	});
	R(semctl(id, 0, GETVAL));
	p = fork(); /* a lock's holder dies, the next gets it */
	if (!p) {
		op(id, 0, -1, SEM_UNDO);
		pause();
	}
	while (semctl(id, 0, GETVAL))
		sleep_ms(5);
	kill(p, SIGKILL);
	R(op(id, 0, -1, 0));
	waitpid(p, &st, 0);
	CHILD({
		R(op(id, 0, 5, SEM_UNDO));
		R(semctl(id, 0, SETVAL, 3)); /* forgets what was to be undone */
	});
	R(semctl(id, 0, GETVAL));
	R(semctl(id, 0, IPC_RMID));
}

/* Four processes count under a semaphore. */
CASE(sem_lock)
{
	int id = semget(IPC_PRIVATE, 1, 0600), shm = shmget(IPC_PRIVATE, PAGE, 0600);
	volatile int *n = shmat(shm, NULL, 0);

	semctl(id, 0, SETVAL, 1);
	for (int i = 0; i < 4; i++)
		if (!fork()) {
			for (int k = 0; k < 200; k++) {
				op(id, 0, -1, SEM_UNDO);
				*n = *n + 1;
				op(id, 0, 1, SEM_UNDO);
			}
			_exit(0);
		}
	while (wait(NULL) > 0)
		;
	say("%d", *n);
	R(semctl(id, 0, IPC_RMID));
	R(shmctl(shm, IPC_RMID, NULL));
}
