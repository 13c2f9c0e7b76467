// SPDX-License-Identifier: GPL-2.0-only
/* Locks on files: flock, fcntl's, those of open file descriptions. */
#include <sys/file.h>
#include "abi.h"

CASE(flock_calls)
{
	int a = make_file("a", "x", 1), b = open("a", O_RDWR), d = dup(a);

	R(flock(a, LOCK_EX));
	R(flock(d, LOCK_EX | LOCK_NB));
	R(flock(b, LOCK_EX | LOCK_NB));
	R(flock(b, LOCK_SH | LOCK_NB));
	R(flock(a, LOCK_SH));
	R(flock(b, LOCK_SH | LOCK_NB));
	R(flock(a, LOCK_EX | LOCK_NB));
	R(flock(a, LOCK_UN));
	R(flock(b, LOCK_EX | LOCK_NB));
	R(flock(a, 0));
	R(flock(a, 99));
	R(flock(99, LOCK_EX));
	CHILD(R(flock(open("a", O_RDONLY), LOCK_EX | LOCK_NB)));
	CHILD(R(flock(b, LOCK_EX | LOCK_NB)));
	close(b);
	R(flock(a, LOCK_EX | LOCK_NB));
}

CASE(flock_blocks)
{
	int a = make_file("a", "x", 1), p[2];
	char c;

	pipe(p);
	R(flock(a, LOCK_EX));
	if (!fork()) {
		int mine = open("a", O_RDWR);

		write(p[1], "1", 1);
		R(flock(mine, LOCK_EX));
		_exit(0);
	}
	read(p[0], &c, 1);
	settle();
	say("unlocking");
	flock(a, LOCK_UN);
	wait(NULL);
	R(flock(a, LOCK_EX | LOCK_NB));
}

static void say_lock(int fd, short type, off_t start, off_t len)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };

	if (fcntl(fd, F_GETLK, &l))
		say("getlk: %s", errno_name(errno));
	else if (l.l_type == F_UNLCK)
		say("getlk %ld+%ld: free", (long)start, (long)len);
	else
		say("getlk %ld+%ld: type %d %ld+%ld by %s", (long)start, (long)len, l.l_type,
		    (long)l.l_start, (long)l.l_len, l.l_pid == getppid() ? "parent" : "other");
}

static long set_lock(int fd, int cmd, short type, off_t start, off_t len)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };

	return fcntl(fd, cmd, &l);
}

CASE(fcntl_locks)
{
	int fd = make_file("a", "0123456789", 10);

	R(set_lock(fd, F_SETLK, F_WRLCK, 2, 4));
	R(set_lock(fd, F_SETLK, F_RDLCK, 10, 0));
	CHILD({
		say_lock(fd, F_WRLCK, 0, 2);
		say_lock(fd, F_RDLCK, 0, 0);
		say_lock(fd, F_RDLCK, 20, 1);
		say_lock(fd, F_WRLCK, 20, 1);
		R(set_lock(fd, F_SETLK, F_WRLCK, 0, 2));
		R(set_lock(fd, F_SETLK, F_WRLCK, 0, 3));
		R(set_lock(fd, F_SETLK, F_RDLCK, 30, 5));
		R(set_lock(fd, F_SETLK, F_WRLCK, 30, 5));
	});
	R(set_lock(fd, F_SETLK, F_UNLCK, 3, 1)); /* splits */
	CHILD({
		say_lock(fd, F_RDLCK, 0, 0);
		say_lock(fd, F_RDLCK, 3, 1);
		say_lock(fd, F_RDLCK, 4, 1);
	});
	close(dup(fd)); /* closing any descriptor of the file drops the locks */
	CHILD(say_lock(fd, F_WRLCK, 0, 0));
	R(set_lock(fd, F_SETLK, 99, 0, 0));
	R(set_lock(fd, F_SETLK, F_WRLCK, -1, 1));
	R(set_lock(99, F_SETLK, F_WRLCK, 0, 1));
	R(fcntl(fd, F_SETLK, BAD));
	R(set_lock(open("a", O_RDONLY), F_SETLK, F_WRLCK, 0, 1));
	R(set_lock(open("a", O_WRONLY), F_SETLK, F_RDLCK, 0, 1));
}

CASE(fcntl_locks_wait)
{
	int fd = make_file("a", "0123456789", 10), p[2], q[2];
	char c;

	pipe(p);
	pipe(q);
	R(set_lock(fd, F_SETLK, F_WRLCK, 0, 1));
	if (!fork()) {
		set_lock(fd, F_SETLK, F_WRLCK, 5, 1);
		write(p[1], "1", 1);
		R(set_lock(fd, F_SETLKW, F_WRLCK, 0, 1));
		write(p[1], "2", 1);
		read(q[0], &c, 1);
		_exit(0);
	}
	read(p[0], &c, 1);
	settle();
	R(set_lock(fd, F_SETLKW, F_WRLCK, 5, 1)); /* EDEADLK */
	set_lock(fd, F_SETLK, F_UNLCK, 0, 1);
	read(p[0], &c, 1);
	R(set_lock(fd, F_SETLK, F_WRLCK, 0, 1));
	write(q[1], "x", 1);
	wait(NULL);
	R(set_lock(fd, F_SETLK, F_WRLCK, 0, 10)); /* gone with the process */
}

CASE(ofd_locks)
{
	int a = make_file("a", "0123456789", 10), b = open("a", O_RDWR);

	R(set_lock(a, F_OFD_SETLK, F_WRLCK, 0, 5));
	R(set_lock(b, F_OFD_SETLK, F_WRLCK, 4, 5));
	R(set_lock(b, F_OFD_SETLK, F_WRLCK, 5, 5));
	close(dup(a));
	R(set_lock(b, F_OFD_SETLK, F_RDLCK, 0, 1));
	R(set_lock(b, F_SETLK, F_RDLCK, 0, 1));
	close(a);
	R(set_lock(b, F_OFD_SETLK, F_RDLCK, 0, 1));
}
