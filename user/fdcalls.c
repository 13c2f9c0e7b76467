// SPDX-License-Identifier: GPL-2.0-only
/* Files that are not on a disk: timerfd, signalfd; splice and its relatives; calls on any file. */
#include <fcntl.h>
#include <linux/falloc.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <termios.h>

#include "check.h"

static char path[64];

static bool readable(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	CHECK(poll(&p, 1, ms) >= 0);
	return p.revents & POLLIN;
}

static void timers(void)
{
	struct itimerspec t = { { 0, 0 }, { 0, 30000000 } }, old;
	struct timespec now;
	uint64_t n, from = now_ms();
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC), ep;
	struct epoll_event ev = { .events = EPOLLIN }, got;

	STEP("timerfd");
	CHECK(fd >= 0);
	CHECK_ERRNO(timerfd_create(99, 0), EINVAL);
	CHECK_ERRNO(read(fd, &n, 8), EAGAIN);
	CHECK_EQ(timerfd_settime(fd, 0, &t, NULL), 0);
	CHECK_EQ(timerfd_gettime(fd, &old), 0);
	CHECK(!old.it_value.tv_sec && old.it_value.tv_nsec > 0 && old.it_value.tv_nsec <= 30000000);
	CHECK(!readable(fd, 0));
	CHECK(readable(fd, 5000));
	CHECK(now_ms() - from >= 29);
	CHECK_ERRNO(read(fd, &n, 4), EINVAL);
	CHECK_EQ(read(fd, &n, 8), 8);
	CHECK_EQ(n, 1);
	CHECK_ERRNO(read(fd, &n, 8), EAGAIN);
	/* a period: what was missed is counted */
	t = (struct itimerspec){ { 0, 10000000 }, { 0, 1 } };
	CHECK_EQ(timerfd_settime(fd, 0, &t, NULL), 0);
	sleep_ms(100);
	CHECK_EQ(read(fd, &n, 8), 8);
	CHECK(n >= 9);
	CHECK(readable(fd, 5000));
	ep = epoll_create1(0);
	CHECK_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev), 0);
	CHECK_EQ(epoll_wait(ep, &got, 1, 5000), 1);
	CHECK_EQ(read(fd, &n, 8), 8);
	CHECK_EQ(epoll_wait(ep, &got, 1, 5000), 1);
	t = (struct itimerspec){ { 0, 0 }, { 0, 0 } };
	CHECK_EQ(timerfd_settime(fd, 0, &t, &old), 0);
	CHECK_EQ(old.it_interval.tv_nsec, 10000000);
	CHECK_ERRNO(read(fd, &n, 8), EAGAIN);
	close(ep);
	close(fd);
	/* an absolute time of the wall clock, and a blocking read */
	fd = timerfd_create(CLOCK_REALTIME, 0);
	CHECK_EQ(clock_gettime(CLOCK_REALTIME, &now), 0);
	t.it_value = now;
	t.it_value.tv_nsec += 50000000;
	if (t.it_value.tv_nsec >= 1000000000) {
		t.it_value.tv_nsec -= 1000000000;
		t.it_value.tv_sec++;
	}
	CHECK_EQ(timerfd_settime(fd, TFD_TIMER_ABSTIME, &t, NULL), 0);
	from = now_ms();
	CHECK_EQ(read(fd, &n, 8), 8);
	CHECK(now_ms() - from >= 20);
	t.it_value = now; /* gone by */
	CHECK_EQ(timerfd_settime(fd, TFD_TIMER_ABSTIME, &t, NULL), 0);
	CHECK_EQ(read(fd, &n, 8), 8);
	t.it_value.tv_nsec = 1000000000;
	CHECK_ERRNO(timerfd_settime(fd, 0, &t, NULL), EINVAL);
	close(fd);
	fd = eventfd(0, 0);
	CHECK_ERRNO(timerfd_gettime(fd, &old), EINVAL);
	close(fd);
}

static void signals(void)
{
	struct signalfd_siginfo si[4];
	struct epoll_event ev = { .events = EPOLLIN }, got;
	sigset_t set;
	union sigval v = { .sival_int = 77 };
	int fd, ep = epoll_create1(0);
	pid_t pid;

	STEP("signalfd");
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGCHLD);
	CHECK_EQ(sigprocmask(SIG_BLOCK, &set, NULL), 0);
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	CHECK(fd >= 0);
	CHECK_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev), 0);
	CHECK_ERRNO(read(fd, si, sizeof(si)), EAGAIN);
	CHECK_EQ(epoll_wait(ep, &got, 1, 0), 0);
	CHECK_EQ(sigqueue(getpid(), SIGUSR1, v), 0);
	CHECK_EQ(epoll_wait(ep, &got, 1, 0), 1);
	CHECK_EQ(read(fd, si, sizeof(si)), sizeof(si[0]));
	CHECK_EQ(si[0].ssi_signo, SIGUSR1);
	CHECK_EQ(si[0].ssi_int, 77);
	CHECK_EQ(si[0].ssi_pid, getpid());
	CHECK_EQ(epoll_wait(ep, &got, 1, 0), 0);
	pid = fork();
	if (!pid) {
		sleep_ms(50);
		_exit(5);
	}
	CHECK_EQ(epoll_wait(ep, &got, 1, 10000), 1);
	CHECK_EQ(read(fd, si, sizeof(si)), sizeof(si[0]));
	CHECK_EQ(si[0].ssi_signo, SIGCHLD);
	CHECK_EQ(si[0].ssi_pid, pid);
	CHECK_EQ(si[0].ssi_status, 5);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	sigdelset(&set, SIGUSR1);
	CHECK_EQ(signalfd(fd, &set, 0), fd);
	CHECK_EQ(raise(SIGUSR1), 0);
	CHECK_ERRNO(read(fd, si, sizeof(si)), EAGAIN);
	CHECK_EQ(sigwaitinfo(&(sigset_t){ { 1ul << (SIGUSR1 - 1) } }, NULL), SIGUSR1);
	CHECK_EQ(sigprocmask(SIG_UNBLOCK, &set, NULL), 0);
	close(fd);
	close(ep);
}

static void fill(char *buf, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf[i] = (char)mix(i / 8);
}

#define SIZE 200000
static char data[SIZE], back[SIZE];

static void splices(void)
{
	int p[2], q[2], fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600), out, s[2];
	off_t off = 1000;
	size_t done = 0;
	ssize_t n;

	STEP("splice");
	fill(data, SIZE);
	CHECK_EQ(write(fd, data, SIZE), SIZE);
	CHECK_EQ(pipe(p), 0);
	CHECK_EQ(pipe(q), 0);
	n = splice(fd, &off, p[1], NULL, 3000, 0);
	CHECK_EQ(n, 3000);
	CHECK_EQ(off, 4000);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), SIZE);
	CHECK_EQ(tee(p[0], q[1], 2000, 0), 2000);
	CHECK_EQ(read(p[0], back, SIZE), 3000);
	CHECK(!memcmp(back, data + 1000, 3000));
	CHECK_EQ(splice(q[0], NULL, p[1], NULL, 1500, 0), 1500);
	CHECK_EQ(read(q[0], back, SIZE), 500);
	CHECK(!memcmp(back, data + 2500, 500));
	out = open("/dev/null", O_WRONLY);
	CHECK_EQ(splice(p[0], NULL, out, NULL, 1 << 20, 0), 1500);
	close(out);
	CHECK_ERRNO(splice(fd, NULL, fd, NULL, 10, 0), EINVAL);
	CHECK_ERRNO(splice(p[0], &off, fd, NULL, 10, 0), ESPIPE);
	CHECK_ERRNO(splice(p[0], NULL, q[1], NULL, 10, SPLICE_F_NONBLOCK), EAGAIN);
	CHECK_ERRNO(splice(p[1], NULL, fd, NULL, 10, 0), EBADF);
	CHECK_EQ(lseek(fd, SIZE, SEEK_SET), SIZE);
	CHECK_EQ(splice(fd, NULL, p[1], NULL, 10, 0), 0);
	CHECK_EQ(vmsplice(p[1], &(struct iovec){ data, 100 }, 1, 0), 100);
	CHECK_EQ(read(p[0], back, SIZE), 100);
	STEP("sendfile");
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	off = 0;
	while (done < SIZE) {
		n = sendfile(s[0], fd, &off, 50000);
		CHECK(n > 0);
		CHECK_EQ(recv(s[1], back + done, (size_t)n, MSG_WAITALL), n);
		done += (size_t)n;
	}
	CHECK_EQ(off, SIZE);
	CHECK(!memcmp(data, back, SIZE));
	CHECK_EQ(sendfile(s[0], fd, &off, 50000), 0);
	CHECK_ERRNO(sendfile(s[0], p[0], NULL, 10), EINVAL);
	CHECK_EQ(write(s[0], "from a socket", 13), 13);
	CHECK_EQ(splice(s[1], NULL, p[1], NULL, 100, 0), 13);
	CHECK_EQ(splice(p[0], NULL, s[1], NULL, 100, 0), 13);
	CHECK_EQ(read(s[0], back, 100), 13);
	STEP("copy_file_range");
	snprintf(back, sizeof(back), "%s.copy", path);
	out = open(back, O_RDWR | O_CREAT | O_TRUNC, 0600);
	CHECK_EQ(unlink(back), 0);
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	for (done = 0; done < SIZE; done += (size_t)n) {
		n = copy_file_range(fd, NULL, out, NULL, SIZE, 0);
		CHECK(n > 0);
	}
	CHECK_EQ(copy_file_range(fd, NULL, out, NULL, SIZE, 0), 0);
	CHECK_EQ(pread(out, back, SIZE, 0), SIZE);
	CHECK(!memcmp(data, back, SIZE));
	CHECK_ERRNO(copy_file_range(fd, NULL, p[1], NULL, 1, 0), EINVAL);
	CHECK_ERRNO(copy_file_range(fd, NULL, out, NULL, 1, 1), EINVAL);
	close(out);
	close(fd);
	close(s[0]);
	close(s[1]);
	close(p[0]);
	close(p[1]);
	close(q[0]);
	close(q[1]);
}

static void sizes(void)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600), p[2];
	struct iovec v[2] = { { data, 3 }, { data + 3, 5 } };
	struct stat st;

	STEP("fallocate and others");
	CHECK_EQ(fallocate(fd, 0, 1000, 5000), 0);
	CHECK_EQ(fstat(fd, &st), 0);
	CHECK_EQ(st.st_size, 6000);
	CHECK_EQ(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 50000), 0);
	CHECK_EQ(fstat(fd, &st), 0);
	CHECK_EQ(st.st_size, 6000);
	CHECK_EQ(pread(fd, back, 10, 5000), 10);
	CHECK(!back[0] && !back[9]);
	CHECK_ERRNO(fallocate(fd, 0, -1, 10), EINVAL);
	CHECK_ERRNO(fallocate(fd, 0, 0, 0), EINVAL);
	CHECK_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL), 0);
	CHECK_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED), 0);
	CHECK_EQ(posix_fadvise(fd, 0, 0, 77), EINVAL);
	CHECK_EQ(readahead(fd, 0, 4096), 0);
	CHECK_EQ(sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE), 0);
	CHECK_EQ(ftruncate(fd, 0), 0);
	CHECK_EQ(pwritev2(fd, v, 2, 10, 0), 8);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 0);
	CHECK_EQ(pwritev2(fd, v, 2, -1, RWF_DSYNC), 8);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 8);
	v[0].iov_base = back;
	v[1].iov_base = back + 3;
	CHECK_EQ(preadv2(fd, v, 2, 10, 0), 8);
	CHECK(!memcmp(back, data, 8));
	CHECK_ERRNO(preadv2(fd, v, 2, 10, 1 << 20), EOPNOTSUPP);
	CHECK_EQ(pipe(p), 0);
	CHECK_ERRNO(fallocate(p[1], 0, 0, 10), ESPIPE);
	CHECK_EQ(posix_fadvise(p[0], 0, 0, 0), ESPIPE);
	CHECK_EQ(fcntl(p[0], F_GETPIPE_SZ), 65536);
	CHECK_EQ(fcntl(p[0], F_SETPIPE_SZ, 5000), 8192);
	CHECK_EQ(fcntl(p[1], F_SETFL, O_NONBLOCK), 0);
	CHECK_EQ(write(p[1], data, SIZE), 8192);
	CHECK_ERRNO(fcntl(p[0], F_SETPIPE_SZ, 4096), EBUSY);
	CHECK_EQ(fcntl(p[0], F_SETPIPE_SZ, 16384), 16384);
	CHECK_EQ(write(p[1], data + 8192, SIZE - 8192), 8192);
	CHECK_EQ(read(p[0], back, SIZE), 16384);
	CHECK(!memcmp(back, data, 16384));
	close(p[0]);
	close(p[1]);
	close(fd);
}

static void modes(void)
{
	struct { uint64_t flags, mode, resolve; } how = { O_RDONLY, 0, 0 };
	struct termios tio;
	struct winsize ws;
	struct stat st;
	struct timeval tv[2] = { { 1000, 5 }, { 2000, 7 } };
	int fd, on = 1, n, dir;

	STEP("flags");
	fd = open(path, O_RDWR);
	CHECK_EQ(ioctl(fd, FIONBIO, &on), 0);
	CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
	CHECK_EQ(ioctl(fd, FIOCLEX), 0);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(ioctl(fd, FIONCLEX), 0);
	CHECK_EQ(fcntl(fd, F_GETFD), 0);
	CHECK_ERRNO(ioctl(fd, TCGETS, &tio), ENOTTY);
	CHECK_ERRNO(ioctl(fd, TIOCGWINSZ, &ws), ENOTTY);
	CHECK_EQ(fcntl(fd, F_SETOWN, getpid()), 0);
	CHECK_EQ(fcntl(fd, F_GETOWN), getpid());
	close(fd);
	fd = open(path, O_PATH);
	CHECK_ERRNO(read(fd, &n, 1), EBADF);
	CHECK_ERRNO(fchmod(fd, 0600), EBADF);
	CHECK_EQ(fstat(fd, &st), 0);
	CHECK_ERRNO(fcntl(fd, F_SETFL, 0), EBADF);
	close(fd);
	fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
	CHECK(fd >= 0);
	close(fd);
	CHECK_ERRNO(syscall(SYS_openat2, AT_FDCWD, path, &how, 8), EINVAL);
	how.mode = 0600;
	CHECK_ERRNO(syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how)), EINVAL);
	CHECK_EQ(utimes(path, tv), 0);
	CHECK_EQ(stat(path, &st), 0);
	CHECK_EQ(st.st_mtim.tv_sec, 2000);
	CHECK_EQ(st.st_mtim.tv_nsec, 7000);
	CHECK_EQ(syscall(SYS_faccessat2, AT_FDCWD, path, R_OK, AT_EACCESS), 0);
	dir = open("/tmp", O_RDONLY | O_DIRECTORY);
	CHECK_EQ(fchdir(dir), 0);
	CHECK_EQ(access(path + 5, R_OK), 0);
	close(dir);
	CHECK_ERRNO(open(path, O_RDONLY | O_DIRECTORY), ENOTDIR);
	fd = memfd_create("mine", MFD_CLOEXEC);
	CHECK(fd >= 0);
	CHECK_EQ(ftruncate(fd, 8192), 0);
	char *m = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(m != MAP_FAILED);
	strcpy(m + 4096, "mapped");
	CHECK_EQ(pread(fd, back, 7, 4096), 7);
	CHECK(!strcmp(back, "mapped"));
	CHECK_EQ(fstat(fd, &st), 0);
	CHECK_EQ(st.st_nlink, 0);
	CHECK_EQ(munmap(m, 8192), 0);
	close(fd);
}

static void events(void)
{
	uint64_t v = 3;
	int e = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK), a = epoll_create1(0), b;
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET, .data.u32 = 1 }, got[2];
	int p[2];

	STEP("eventfd and epoll");
	CHECK_EQ(read(e, &v, 8), 8);
	CHECK_EQ(v, 1);
	CHECK_EQ(read(e, &v, 8), 8);
	CHECK_ERRNO(read(e, &v, 8), EAGAIN);
	v = 1;
	/* edge: once for every change */
	CHECK_EQ(epoll_ctl(a, EPOLL_CTL_ADD, e, &ev), 0);
	CHECK_EQ(epoll_wait(a, got, 2, 0), 0);
	CHECK_EQ(write(e, &v, 8), 8);
	CHECK_EQ(epoll_wait(a, got, 2, 0), 1);
	CHECK_EQ(epoll_wait(a, got, 2, 0), 0);
	CHECK_EQ(write(e, &v, 8), 8);
	CHECK_EQ(epoll_wait(a, got, 2, 0), 1);
	/* one-shot */
	ev.events = EPOLLIN | EPOLLONESHOT;
	CHECK_EQ(epoll_ctl(a, EPOLL_CTL_MOD, e, &ev), 0);
	CHECK_EQ(epoll_wait(a, got, 2, 0), 1);
	CHECK_EQ(write(e, &v, 8), 8);
	CHECK_EQ(epoll_wait(a, got, 2, 0), 0);
	CHECK_EQ(epoll_ctl(a, EPOLL_CTL_MOD, e, &ev), 0);
	CHECK_EQ(epoll_wait(a, got, 2, 0), 1);
	/* nested, level */
	ev.events = EPOLLIN;
	CHECK_EQ(epoll_ctl(a, EPOLL_CTL_MOD, e, &ev), 0);
	b = epoll_create1(0);
	CHECK_EQ(epoll_ctl(b, EPOLL_CTL_ADD, a, &ev), 0);
	CHECK_EQ(epoll_wait(b, got, 2, 0), 1);
	CHECK(readable(b, 0));
	CHECK_ERRNO(epoll_ctl(a, EPOLL_CTL_ADD, b, &ev), ELOOP);
	while (read(e, &v, 8) == 8)
		;
	CHECK_EQ(epoll_wait(b, got, 2, 0), 0);
	CHECK(!readable(b, 0));
	CHECK_ERRNO(epoll_ctl(a, EPOLL_CTL_ADD, a, &ev), EINVAL);
	CHECK_ERRNO(epoll_ctl(a, EPOLL_CTL_ADD, e, &ev), EEXIST);
	CHECK_EQ(epoll_ctl(a, EPOLL_CTL_DEL, e, NULL), 0);
	CHECK_ERRNO(epoll_ctl(a, EPOLL_CTL_DEL, e, NULL), ENOENT);
	ev.events = EPOLLIN | EPOLLEXCLUSIVE;
	CHECK_EQ(epoll_ctl(a, EPOLL_CTL_ADD, e, &ev), 0);
	CHECK_ERRNO(epoll_ctl(a, EPOLL_CTL_MOD, e, &ev), EINVAL);
	CHECK_EQ(pipe(p), 0);
	ev.events = EPOLLIN;
	CHECK_EQ(epoll_ctl(a, EPOLL_CTL_ADD, p[0], &ev), 0);
	close(p[1]);
	CHECK_EQ(epoll_wait(a, got, 2, 0), 1);
	CHECK_EQ(got[0].events, EPOLLHUP);
	close(p[0]);
	CHECK_EQ(epoll_wait(a, got, 2, 0), 0);
	close(a);
	close(b);
	close(e);
}

int main(void)
{
	snprintf(path, sizeof(path), "/tmp/fdcalls-%d", (int)getpid());
	timers();
	signals();
	splices();
	sizes();
	modes();
	events();
	CHECK_EQ(unlink(path), 0);
	return all_ok("fdcalls");
}
