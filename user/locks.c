// SPDX-License-Identifier: GPL-2.0-only
/* flock, POSIX and OFD locks: conflicts, splitting, waiting, deadlock, and when they end. */
#include <fcntl.h>
#include <sys/file.h>

#include "check.h"

static char path[64];

static int set(int fd, int cmd, int type, off_t start, off_t len)
{
	struct flock l = { .l_type = (short)type, .l_whence = SEEK_SET, .l_start = start,
			   .l_len = len };

	return fcntl(fd, cmd, &l);
}

/* Who has a lock that stands in the way of a write lock there: pid, 0 for nobody. */
static int holder(int fd, off_t start, off_t len)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start,
			   .l_len = len };

	CHECK_EQ(fcntl(fd, F_GETLK, &l), 0);
	return l.l_type == F_UNLCK ? 0 : l.l_pid;
}

/* Runs fn in a child, with a descriptor of its own. */
static void in_child(void (*fn)(int fd))
{
	pid_t pid = fork();

	if (!pid) {
		fn(open(path, O_RDWR));
		_exit(0);
	}
	wait_ok(pid);
}

static void sees_ranges(int fd)
{
	CHECK_EQ(holder(fd, 0, 10), getppid());
	CHECK_EQ(holder(fd, 10, 10), 0);
	CHECK_EQ(holder(fd, 20, 0), getppid());
	CHECK_ERRNO(set(fd, F_SETLK, F_WRLCK, 5, 1), EAGAIN);
	CHECK_ERRNO(set(fd, F_SETLK, F_RDLCK, 5, 1), EAGAIN);
	CHECK_EQ(set(fd, F_SETLK, F_WRLCK, 12, 3), 0);
	CHECK_EQ(set(fd, F_SETLK, F_RDLCK, 25, 5), 0); /* a shared one there */
	CHECK_ERRNO(set(fd, F_SETLK, F_WRLCK, 25, 5), EAGAIN);
}

static void sees_nothing(int fd)
{
	CHECK_EQ(holder(fd, 0, 0), 0);
}

static void ranges(void)
{
	int fd = open(path, O_RDWR), other;

	STEP("ranges");
	CHECK_EQ(set(fd, F_SETLK, F_WRLCK, 0, 30), 0);
	CHECK_EQ(set(fd, F_SETLK, F_UNLCK, 10, 10), 0);
	CHECK_EQ(set(fd, F_SETLK, F_RDLCK, 20, 20), 0);
	in_child(sees_ranges);
	CHECK_EQ(holder(fd, 0, 0), 0); /* the child's are gone, ours do not count */
	other = open(path, O_RDONLY);
	close(other); /* any descriptor of the file ends them all */
	in_child(sees_nothing);
	CHECK_ERRNO(set(fd, F_SETLK, F_WRLCK, -1, 5), EINVAL);
	other = open(path, O_RDONLY);
	CHECK_ERRNO(set(other, F_SETLK, F_WRLCK, 0, 1), EBADF);
	CHECK_EQ(set(other, F_SETLK, F_RDLCK, 0, 1), 0);
	close(other);
	close(fd);
}

static void waits(void)
{
	int fd = open(path, O_RDWR), p[2];
	uint64_t from;
	pid_t pid;
	char c;

	STEP("waiting");
	CHECK_EQ(pipe(p), 0);
	pid = fork();
	if (!pid) {
		CHECK_EQ(set(fd, F_SETLK, F_WRLCK, 0, 0), 0);
		CHECK_EQ(write(p[1], "x", 1), 1);
		sleep_ms(200);
		_exit(0); /* and the lock with it */
	}
	CHECK_EQ(read(p[0], &c, 1), 1);
	from = now_ms();
	CHECK_EQ(set(fd, F_SETLKW, F_WRLCK, 5, 1), 0);
	CHECK(now_ms() - from >= 50);
	wait_ok(pid);
	close(p[0]);
	close(p[1]);
	close(fd);
}

static void on_alarm(int sig)
{
}

static void deadlock(void)
{
	int fd = open(path, O_RDWR), p[2];
	struct sigaction sa = { .sa_handler = on_alarm };
	pid_t pid;
	char c;

	STEP("deadlock");
	CHECK_EQ(pipe(p), 0);
	CHECK_EQ(set(fd, F_SETLK, F_WRLCK, 0, 1), 0);
	pid = fork();
	if (!pid) {
		CHECK_EQ(set(fd, F_SETLK, F_WRLCK, 1, 1), 0);
		CHECK_EQ(write(p[1], "x", 1), 1);
		CHECK_EQ(set(fd, F_SETLKW, F_WRLCK, 0, 1), 0);
		_exit(0);
	}
	CHECK_EQ(read(p[0], &c, 1), 1);
	sleep_ms(200);
	CHECK_ERRNO(set(fd, F_SETLKW, F_WRLCK, 1, 1), EDEADLK);
	CHECK_EQ(set(fd, F_SETLK, F_UNLCK, 0, 1), 0);
	wait_ok(pid);
	STEP("interrupted");
	pid = fork();
	if (!pid) {
		CHECK_EQ(set(fd, F_SETLK, F_WRLCK, 0, 1), 0);
		CHECK_EQ(write(p[1], "x", 1), 1);
		pause();
	}
	CHECK_EQ(read(p[0], &c, 1), 1);
	CHECK_EQ(sigaction(SIGALRM, &sa, NULL), 0);
	alarm(1);
	CHECK_ERRNO(set(fd, F_SETLKW, F_WRLCK, 0, 1), EINTR);
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	CHECK_EQ(set(fd, F_SETLK, F_WRLCK, 0, 1), 0);
	close(p[0]);
	close(p[1]);
	close(fd);
}

static void of_files(void)
{
	int a = open(path, O_RDWR), b = open(path, O_RDWR), c = dup(a);
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	STEP("open file descriptions");
	CHECK_EQ(set(a, F_OFD_SETLK, F_WRLCK, 0, 10), 0);
	CHECK_EQ(set(c, F_OFD_SETLK, F_WRLCK, 5, 10), 0); /* the same */
	CHECK_ERRNO(set(b, F_OFD_SETLK, F_RDLCK, 14, 1), EAGAIN);
	CHECK_EQ(fcntl(b, F_OFD_GETLK, &l), 0);
	CHECK_EQ(l.l_pid, -1);
	CHECK_EQ(l.l_len, 15);
	CHECK_ERRNO(set(b, F_SETLK, F_WRLCK, 0, 1), EAGAIN); /* also for the process */
	close(a);
	CHECK_ERRNO(set(b, F_OFD_SETLK, F_RDLCK, 14, 1), EAGAIN);
	close(c);
	CHECK_EQ(set(b, F_OFD_SETLK, F_WRLCK, 14, 1), 0);
	close(b);
}

static void whole_files(void)
{
	int a = open(path, O_RDWR), b = open(path, O_RDONLY), c;
	pid_t pid;

	STEP("flock");
	CHECK_EQ(flock(a, LOCK_SH), 0);
	CHECK_EQ(flock(b, LOCK_SH | LOCK_NB), 0);
	CHECK_ERRNO(flock(a, LOCK_EX | LOCK_NB), EWOULDBLOCK);
	CHECK_EQ(flock(b, LOCK_UN), 0);
	CHECK_EQ(flock(a, LOCK_EX | LOCK_NB), 0);
	CHECK_EQ(set(b, F_SETLK, F_RDLCK, 0, 0), 0); /* the other kind */
	CHECK_ERRNO(flock(b, LOCK_SH | LOCK_NB), EWOULDBLOCK);
	CHECK_ERRNO(flock(b, 77), EINVAL);
	pid = fork();
	if (!pid) {
		CHECK_EQ(flock(a, LOCK_EX | LOCK_NB), 0); /* shared with the parent */
		close(a);
		sleep_ms(100);
		_exit(0);
	}
	c = dup(a);
	close(a);
	CHECK_ERRNO(flock(b, LOCK_SH | LOCK_NB), EWOULDBLOCK);
	wait_ok(pid);
	close(c);
	CHECK_EQ(flock(b, LOCK_EX | LOCK_NB), 0);
	close(b);
}

int main(void)
{
	int fd;

	snprintf(path, sizeof(path), "/tmp/locks-%d", (int)getpid());
	fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
	CHECK(fd >= 0);
	close(fd);
	ranges();
	waits();
	deadlock();
	of_files();
	whole_files();
	CHECK_EQ(unlink(path), 0);
	return all_ok("locks");
}
