// SPDX-License-Identifier: GPL-2.0-only
/* Reading, writing, positions, sizes, holes, vectors. */
#include "abi.h"

CASE(lseek_whence)
{
	int fd = make_file("a", "0123456789", 10);
	char b[4];

	R(lseek(fd, 4, SEEK_SET));
	R(lseek(fd, -2, SEEK_CUR));
	R(lseek(fd, -3, SEEK_CUR));
	R(lseek(fd, -1, SEEK_END));
	R(read(fd, b, 4));
	R(lseek(fd, 5, SEEK_END));
	R(read(fd, b, 4));
	R(lseek(fd, -100, SEEK_END));
	R(lseek(fd, 0, 99));
	R(lseek(fd, INT64_MAX, SEEK_SET));
	R(lseek(fd, 1, SEEK_CUR) < 0 ? errno : 0);
	R(lseek(99, 0, SEEK_SET));
	R(lseek(fd, 0, SEEK_SET));
	int p[2];
	R(pipe(p));
	R(lseek(p[0], 0, SEEK_SET));
	R(pread(p[0], b, 1, 0));
	R(pwrite(p[1], b, 1, 0));
}

CASE(lseek_holes)
{
	int fd = make_file("a", "", 0);

	/* a file system may say that all is data */
	R(ftruncate(fd, 1 << 20));
	R(lseek(fd, 0, SEEK_DATA) <= 0);
	R(lseek(fd, 1 << 20, SEEK_HOLE));
	R(lseek(fd, 1 << 20, SEEK_DATA));
	R(lseek(fd, -1, SEEK_DATA));
	R(pwrite(fd, "x", 1, 65536));
	R(lseek(fd, 65536, SEEK_DATA));
	R(lseek(fd, (1 << 20) - 1, SEEK_HOLE) >= (1 << 20) - 1);
}

CASE(sparse)
{
	int fd = make_file("a", "ab", 2);
	static char b[9000];

	R(pwrite(fd, "z", 1, 8191));
	R(read(fd, b, 9000));
	say_bytes("content", b, 8192);
	R(ftruncate(fd, 1));
	R(ftruncate(fd, 5000));
	R(pread(fd, b, 9000, 0));
	say_bytes("content", b, 5000);
	R(ftruncate(fd, -1));
	R(truncate("a", 3));
	R(truncate("none", 3));
	R(truncate(".", 3));
	R(truncate("a", -1));
	R(truncate("", 0));
	say_stat("a", -1);
	/* what is cut off is gone when the file grows again */
	R(pwrite(fd, "secret", 6, 100));
	R(ftruncate(fd, 102));
	R(ftruncate(fd, 110));
	say_bytes("tail", b, (size_t)R(pread(fd, b, 20, 98)));
}

CASE(pread_pwrite)
{
	int fd = make_file("a", "0123456789", 10);
	char b[16];

	say_bytes("read", b, (size_t)R(pread(fd, b, 4, 3)));
	R(lseek(fd, 0, SEEK_CUR));
	R(pread(fd, b, 4, 8));
	R(pread(fd, b, 4, 10));
	R(pread(fd, b, 4, -1));
	R(pwrite(fd, "AB", 2, -1));
	R(pwrite(fd, "AB", 2, 12));
	R(pwrite(fd, "", 0, 50));
	R(pread(fd, b, 16, 0));
	say_bytes("all", b, 14);
	say_stat("a", -1);
}

CASE(vectors)
{
	int fd = make_file("a", "", 0);
	char x[4] = "", y[4] = "";
	struct iovec w[3] = { { "abc", 3 }, { "", 0 }, { "defg", 4 } },
		     r[2] = { { x, 2 }, { y, 4 } };
	struct iovec bad[2] = { { "xy", 2 }, { BAD, 4 } };

	R(writev(fd, w, 3));
	R(lseek(fd, 0, SEEK_SET));
	R(readv(fd, r, 2));
	say_bytes("x", x, 2);
	say_bytes("y", y, 4);
	R(readv(fd, r, 0));
	R(readv(fd, r, -1));
	R(readv(fd, r, IOV_MAX + 1));
	R(readv(fd, BAD, 1));
	R(writev(fd, bad, 2));
	R(writev(fd, bad + 1, 1));
	w[0].iov_len = (size_t)-1;
	R(writev(fd, w, 3));
	R(preadv(fd, r, 2, 1));
	say_bytes("x", x, 2);
	R(pwritev(fd, r, 2, 20));
	R(preadv(fd, r, 2, -1));
	say_stat("a", -1);
}

CASE(vectors_many)
{
	static struct iovec v[IOV_MAX];
	static char b[IOV_MAX];
	int fd = make_file("a", "", 0);

	for (int i = 0; i < IOV_MAX; i++) {
		b[i] = (char)('a' + i % 26);
		v[i] = (struct iovec){ b + i, 1 };
	}
	R(writev(fd, v, IOV_MAX));
	memset(b, 0, sizeof(b));
	R(preadv(fd, v, IOV_MAX, 0));
	say_bytes("first", b, 30);
	say_bytes("last", b + IOV_MAX - 30, 30);
}

CASE(rw_sizes)
{
	static char b[300000];
	int fd = make_file("a", "", 0);
	unsigned long sum = 0;

	for (unsigned i = 0; i < sizeof(b); i++)
		b[i] = (char)(i * 7 + i / 4096);
	R(write(fd, b, sizeof(b)));
	memset(b, 0, sizeof(b));
	R(pread(fd, b, sizeof(b), 0));
	for (unsigned i = 0; i < sizeof(b); i++)
		sum = sum * 31 + (unsigned char)b[i];
	say("sum %lx", sum);
	R(pread(fd, b, sizeof(b), 299999));
	R(pread(fd, b, sizeof(b), 4095));
	R(pwrite(fd, b, 4097, 4095));
	say_stat("a", -1);
	/* the end of the address space and of what may be asked for */
	R(read(fd, b, (size_t)-1) < 0 ? errno : 0);
	R(write(99, b, 0));
}

CASE(rw_partial_fault)
{
	char *m = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = make_file("a", "0123456789", 10);

	NEED(m != MAP_FAILED && !munmap(m + 4096, 4096));
	memset(m, 'm', 4096);
	R(read(fd, BAD, 10));
	R(lseek(fd, 0, SEEK_CUR));
	R(write(fd, BAD, 10));
	R(write(fd, m + 4096, 1));
	R(read(fd, m + 4096, 1));
	R(read(fd, KERNEL_PTR, 1));
	R(write(fd, KERNEL_PTR, 1));
	R(write(fd, m, 0));
	R(write(fd, BAD, 0));
	R(read(fd, BAD, 0));
	R(mprotect(m, 4096, PROT_READ));
	R(read(fd, m, 4));
	R(write(fd, m, 4));
	say_stat("a", -1);
}

CASE(append_processes)
{
	int fd = make_file("a", "", 0);

	for (int i = 0; i < 4; i++)
		if (!fork()) {
			int mine = open("a", O_WRONLY | O_APPEND);

			for (int k = 0; k < 50; k++)
				write(mine, "0123456789", 10);
			_exit(0);
		}
	while (wait(NULL) > 0)
		;
	say_stat(NULL, fd);
	for (int i = 0; i < 2; i++) { /* one description, one position */
		if (!fork()) {
			for (int k = 0; k < 20; k++)
				write(fd, "abcde", 5);
			_exit(0);
		}
	}
	while (wait(NULL) > 0)
		;
	R(lseek(fd, 0, SEEK_CUR));
	say_stat(NULL, fd);
}

CASE(sync_calls)
{
	int fd = make_file("a", "x", 1), p[2];

	R(fsync(fd));
	R(fdatasync(fd));
	R(fsync(99));
	R(pipe(p));
	R(fsync(p[0]));
	X(sync);
	X(syncfs, fd);
	X(syncfs, 99);
	R(sync_file_range(fd, 0, 0, 0));
	R(posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL));
	X(fadvise64, fd, 0, 0, 99);
	X(fadvise64, p[0], 0, 0, 0);
	R(readahead(fd, 0, 1));
}

CASE(fallocate_calls)
{
	int fd = make_file("a", "0123456789", 10);
	char b[32];

	R(fallocate(fd, 0, 0, 100));
	say_stat("a", -1);
	R(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 8192));
	say_stat("a", -1);
	R(fallocate(fd, 0, -1, 10));
	R(fallocate(fd, 0, 0, 0));
	R(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 10));
	R(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 2, 3));
	say_bytes("holed", b, (size_t)R(pread(fd, b, 12, 0)));
	R(fallocate(99, 0, 0, 10));
	R(fallocate(0, 0, 0, 10));
}

CASE(sendfile_calls)
{
	int a = make_file("a", "0123456789", 10), b = make_file("b", "", 0), p[2];
	off_t off = 4;
	char c[32];

	R(sendfile(b, a, &off, 3));
	R(off);
	R(lseek(a, 0, SEEK_CUR));
	R(sendfile(b, a, NULL, 100));
	R(lseek(a, 0, SEEK_CUR));
	R(sendfile(b, a, NULL, 100));
	say_bytes("b", c, (size_t)R(pread(b, c, 32, 0)));
	R(pipe(p));
	off = 8;
	R(sendfile(p[1], a, &off, 10));
	R(read(p[0], c, 32));
	R(sendfile(b, p[0], NULL, 1));
	R(sendfile(99, a, NULL, 1));
	R(sendfile(b, 99, NULL, 1));
	off = -1;
	R(sendfile(b, a, &off, 1));
	R(sendfile(b, a, BAD, 1));
	R(sendfile(open("b", O_RDONLY), a, NULL, 1));
	R(sendfile(open("b", O_WRONLY | O_APPEND), a, NULL, 1));
}

CASE(splice_calls)
{
	int a = make_file("a", "0123456789", 10), b = make_file("b", "", 0), p[2], q[2];
	off64_t off = 2;
	char c[32];

	R(pipe(p));
	R(pipe(q));
	R(splice(a, &off, p[1], NULL, 5, 0));
	R(off);
	R(tee(p[0], q[1], 100, 0));
	R(splice(p[0], NULL, b, NULL, 100, 0));
	say_bytes("b", c, (size_t)R(pread(b, c, 32, 0)));
	say_bytes("q", c, (size_t)R(read(q[0], c, 32)));
	R(splice(a, NULL, b, NULL, 5, 0));
	R(splice(p[0], &off, b, NULL, 5, 0));
	R(splice(p[0], NULL, b, NULL, 5, SPLICE_F_NONBLOCK));
	R(splice(99, NULL, p[1], NULL, 5, 0));
	R(vmsplice(p[1], &(struct iovec){ "vm", 2 }, 1, 0));
	R(read(p[0], c, 32));
	R(tee(p[0], p[1], 1, 0));
}

CASE(copy_file_range_call)
{
	int a = make_file("a", "0123456789", 10), b = make_file("b", "", 0);
	off64_t in = 2, out = 1;
	char c[32];

	R(copy_file_range(a, &in, b, &out, 4, 0));
	say("%ld %ld", (long)in, (long)out);
	R(copy_file_range(a, NULL, b, NULL, 3, 0));
	say_bytes("b", c, (size_t)R(pread(b, c, 32, 0)));
	R(copy_file_range(a, NULL, b, NULL, 3, 1));
	R(copy_file_range(99, NULL, b, NULL, 3, 0));
}

CASE(file_size_limit)
{
	int fd = make_file("a", "", 0);
	static char b[100];

	signal(SIGXFSZ, SIG_IGN);
	R(setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 150, 150 }));
	R(write(fd, b, 100));
	R(write(fd, b, 100));
	R(write(fd, b, 100));
	R(ftruncate(fd, 151));
	R(ftruncate(fd, 150));
	say_stat("a", -1);
	CHILD({
		signal(SIGXFSZ, SIG_DFL);
		pwrite(fd, b, 1, 200);
	});
}
