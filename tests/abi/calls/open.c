// SPDX-License-Identifier: GPL-2.0-only
/* Opening, creating, closing, duplicating descriptors; their flags. */
#include "abi.h"

CASE(open_flags)
{
	R(open("a", O_RDONLY));
	R(close(R(open("a", O_RDWR | O_CREAT, 0666))));
	say_stat("a", -1);
	R(open("a", O_CREAT | O_EXCL | O_RDWR, 0666));
	R(open("a", O_RDONLY | O_DIRECTORY));
	R(open(".", O_RDONLY | O_DIRECTORY));
	R(open(".", O_WRONLY));
	R(open(".", O_RDWR));
	R(open("b", O_CREAT | O_DIRECTORY, 0666));
	R(open(".", O_CREAT, 0666));
	R(open("", O_RDONLY));
	R(open("", O_CREAT, 0600));
	R(open("a/", O_RDONLY));
	R(open("a/b", O_RDONLY));
	R(open("new/", O_CREAT | O_WRONLY, 0600));
	R(open("none/new", O_CREAT | O_WRONLY, 0600));
}

CASE(open_modes)
{
	int r = make_file("a", "0123456789", 10), w;
	char b[16] = "";

	close(r);
	r = open("a", O_RDONLY);
	w = open("a", O_WRONLY);
	R(read(w, b, 4));
	R(write(r, "x", 1));
	R(write(r, "x", 0));
	R(read(w, b, 0));
	R(ftruncate(r, 3));
	R(pread(w, b, 1, 0));
	R(pwrite(r, b, 1, 0));
	R(fcntl(r, F_GETFL) & O_ACCMODE);
	R(fcntl(w, F_GETFL) & O_ACCMODE);
	R(open("a", O_ACCMODE));
	R(read(5, b, 1));
}

CASE(open_trunc)
{
	int fd = make_file("a", "0123456789", 10);
	int t = R(open("a", O_WRONLY | O_TRUNC));
	char b[16];

	say_stat("a", -1);
	R(read(fd, b, 16));
	R(write(t, "xy", 2));
	R(read(fd, b, 16));
	R(open("a", O_RDONLY | O_TRUNC));
	say_stat("a", -1);
}

CASE(open_append)
{
	int fd = make_file("a", "01234", 5), ap = R(open("a", O_RDWR | O_APPEND));
	char b[32];

	R(lseek(ap, 0, SEEK_CUR));
	R(write(ap, "ab", 2));
	R(lseek(ap, 0, SEEK_CUR));
	R(lseek(ap, 1, SEEK_SET));
	R(write(ap, "cd", 2));
	R(lseek(ap, 0, SEEK_CUR));
	R(pwrite(ap, "XX", 2, 0));
	say_bytes("a", b, (size_t)R(pread(fd, b, 32, 0)));
	R(fcntl(ap, F_SETFL, 0));
	R(pwrite(ap, "YY", 2, 0));
	R(fcntl(fd, F_SETFL, O_APPEND));
	R(write(fd, "Z", 1));
	R(lseek(fd, 0, SEEK_CUR));
	say_bytes("a", b, (size_t)R(pread(fd, b, 32, 0)));
}

CASE(open_nofollow)
{
	close(make_file("a", "x", 1));
	R(symlink("a", "l"));
	R(symlink("none", "dangling"));
	R(open("l", O_RDONLY | O_NOFOLLOW));
	R(open("a", O_RDONLY | O_NOFOLLOW));
	R(open("dangling", O_RDONLY));
	R(open("dangling", O_CREAT | O_EXCL | O_WRONLY, 0600));
	R(open("dangling", O_CREAT | O_WRONLY, 0600));
	say_stat("none", -1);
	R(open("l", O_PATH | O_NOFOLLOW));
}

CASE(open_path)
{
	char b[4];
	struct stat st;
	int fd;

	close(make_file("a", "x", 1));
	fd = R(open("a", O_PATH));
	R(read(fd, b, 1));
	R(write(fd, b, 1));
	R(fstat(fd, &st));
	R(fchmod(fd, 0600));
	R(ioctl(fd, 0x5401, b));
	R(lseek(fd, 0, SEEK_SET));
	R(fcntl(fd, F_GETFL) & O_PATH);
	R(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED);
	fd = R(open(".", O_PATH | O_DIRECTORY));
	R(faccessat(fd, "a", F_OK, 0));
	R(openat(fd, "a", O_RDONLY));
	R(fchdir(fd));
	R(close(fd));
}

CASE(open_umask)
{
	R(umask(0) == 022);
	R(close(open("a", O_CREAT, 0777)));
	R(umask(077));
	R(close(open("b", O_CREAT, 0777)));
	R(mkdir("c", 0777));
	R(umask(0777));
	R(close(open("d", O_CREAT | O_WRONLY, 0777)));
	R(umask(07777777));
	R(umask(0));
	R(mkdir("e", 01777));
	R(mkdir("f", 06777));
	R(close(open("g", O_CREAT, 07777)));
	say_stat("a", -1);
	say_stat("b", -1);
	say_stat("c", -1);
	say_stat("d", -1);
	say_stat("e", -1);
	say_stat("f", -1);
	say_stat("g", -1);
}

CASE(open_limits)
{
	struct rlimit l = { 10, 4096 };
	int last = -1, fd;

	R(setrlimit(RLIMIT_NOFILE, &l));
	while ((fd = open("/dev/null", O_RDONLY)) >= 0)
		last = fd;
	say("last %d, then %s", last, errno_name(errno));
	R(dup(0));
	R(dup2(0, 10));
	R(dup2(0, 9));
	R(fcntl(0, F_DUPFD, 10));
	R(fcntl(0, F_DUPFD, 5));
	R(pipe((int[2]){ 0 }));
	close(8);
	R(pipe((int[2]){ 0 }));
	R(dup(0));
	l.rlim_cur = 5000;
	R(setrlimit(RLIMIT_NOFILE, &l));
}

CASE(dup_calls)
{
	int fd = make_file("a", "0123456789", 10), d;
	char b[8];

	d = R(dup(fd));
	R(read(fd, b, 3));
	R(lseek(d, 0, SEEK_CUR));
	R(fcntl(fd, F_SETFD, FD_CLOEXEC));
	R(fcntl(d, F_GETFD));
	R(fcntl(dup(fd), F_GETFD));
	R(dup2(fd, fd));
	R(dup2(77, 78));
	R(dup2(77, 77));
	R(dup2(fd, -1));
	R(dup3(fd, fd, 0));
	R(dup3(fd, 20, O_CLOEXEC));
	R(fcntl(20, F_GETFD));
	R(dup3(fd, 21, 0x4000));
	R(fcntl(fd, F_DUPFD_CLOEXEC, 30));
	R(fcntl(30, F_GETFD));
	R(fcntl(fd, F_DUPFD, -1));
	R(fcntl(fd, F_DUPFD, 1 << 30));
	R(close(20));
	R(close(20));
	R(close(-1));
}

CASE(fcntl_flags)
{
	int fd = make_file("a", "x", 1), p[2];

	R(fcntl(fd, F_SETFL, O_NONBLOCK | O_APPEND | O_CREAT | O_TRUNC));
	say("flags %x",
	    fcntl(fd, F_GETFL) & (O_NONBLOCK | O_APPEND | O_CREAT | O_TRUNC | O_ACCMODE));
	R(fcntl(fd, F_SETFL, 0));
	say("flags %x", fcntl(fd, F_GETFL) & (O_NONBLOCK | O_APPEND));
	R(fcntl(fd, 9999, 0));
	R(fcntl(99, F_GETFL));
	R(fcntl(fd, F_SETFD, 7));
	R(fcntl(fd, F_GETFD));
	R(pipe2(p, O_NONBLOCK | O_CLOEXEC));
	say("%x %x", fcntl(p[0], F_GETFL), fcntl(p[1], F_GETFL));
	R(fcntl(p[0], F_GETFD));
	R(pipe2(p, 0x1));
	R(pipe2(p, O_CREAT));
}

CASE(close_range_call)
{
	for (int i = 3; i < 10; i++)
		dup2(0, i);
	X(close_range, 4, 6, 0);
	R(fcntl(3, F_GETFD));
	R(fcntl(4, F_GETFD));
	R(fcntl(6, F_GETFD));
	R(fcntl(7, F_GETFD));
	X(close_range, 8, 7, 0);
	X(close_range, 7, ~0U, 4);
	R(fcntl(7, F_GETFD));
	R(fcntl(9, F_GETFD));
	X(close_range, 3, ~0U, 0x100);
	X(close_range, 3, ~0U, 0);
	R(fcntl(9, F_GETFD));
}

CASE(open_tmpfile)
{
	int fd = open(".", O_TMPFILE | O_RDWR, 0600);

	/* not every file system has them, a program must cope */
	say("%s",
	    fd >= 0 || errno == EOPNOTSUPP || errno == EISDIR ? "as may be" : errno_name(errno));
	say_folder(".");
}

CASE(open_directory_read)
{
	int fd = R(open(".", O_RDONLY));
	char b[10];

	R(read(fd, b, 10));
	R(write(fd, b, 10));
	R(pread(fd, b, 10, 0));
	R(ftruncate(fd, 0));
	R(lseek(fd, 0, SEEK_SET));
	R(fsync(fd));
	R(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED);
	say("%s", errno_name(errno));
}

CASE(openat_folders)
{
	int d, f = make_file("plain", "x", 1);

	R(mkdir("d", 0755));
	d = R(open("d", O_RDONLY));
	R(close(R(openat(d, "a", O_CREAT | O_WRONLY, 0644))));
	say_folder("d");
	R(openat(f, "a", O_RDONLY));
	R(openat(99, "a", O_RDONLY));
	R(openat(-1, "a", O_RDONLY));
	R(close(R(openat(99, "/dev/null", O_RDONLY))));
	R(openat(d, "../plain", O_WRONLY));
	R(mkdirat(d, "e", 0700));
	R(unlinkat(d, "e", 0));
	R(unlinkat(d, "a", AT_REMOVEDIR));
	R(unlinkat(d, "e", AT_REMOVEDIR));
	R(unlinkat(d, "a", 0x4));
	R(unlinkat(d, "a", 0));
	R(rmdir("d"));
	R(openat(d, "b", O_CREAT | O_WRONLY, 0600));
	R(mkdirat(d, "b", 0700));
}

CASE(openat2_call)
{
	struct { uint64_t flags, mode, resolve; } how = { O_RDONLY, 0, 0 };
	long r;

	close(make_file("a", "x", 1));
	r = syscall(SYS_openat2, AT_FDCWD, "a", &how, sizeof(how));
	/* an old kernel has none: what a program must be ready for */
	say("%s", r >= 0 || errno == ENOSYS ? "ok" : errno_name(errno));
}

CASE(dev_files)
{
	char b[16];
	int fd = R(open("/dev/null", O_RDWR)), z = R(open("/dev/zero", O_RDWR)), f, u;

	R(read(fd, b, 16));
	R(write(fd, b, 16));
	memset(b, 1, 16);
	R(read(z, b, 16));
	say_bytes("zero", b, 16);
	R(write(z, b, 16));
	f = R(open("/dev/full", O_RDWR));
	R(write(f, b, 1));
	R(read(f, b, 16));
	u = R(open("/dev/urandom", O_RDONLY));
	R(read(u, b, 16));
	R(lseek(z, 0, SEEK_SET));
	R(ftruncate(fd, 0));
	R(open("/dev/null", O_RDONLY | O_DIRECTORY));
	R(open("/dev/none", O_RDONLY));
	R(access("/dev/zero", R_OK | W_OK));
}
