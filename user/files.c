/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Files in a folder of its own under /tmp, which it removes: contents, names, sizes, directories,
 * mappings.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include "check.h"

#define SIZE (200 * 1000 + 17) /* not a multiple of a page */

static unsigned char buf[SIZE], back[SIZE];
static char dir[64];

static void fill(unsigned seed)
{
	for (unsigned i = 0; i < SIZE; i++)
		buf[i] = (unsigned char)(mix(i / 8 + seed) >> (i % 8 * 8));
}

static int create(const char *name)
{
	int fd = open(name, O_RDWR | O_CREAT | O_EXCL, 0644);

	CHECK(fd >= 0);
	return fd;
}

static void check_content(void)
{
	struct stat st;
	int fd = create("content");

	fill(1);
	for (unsigned off = 0; off < SIZE;) {
		unsigned n = 1 + mix(off) % 30000;

		n = n < SIZE - off ? n : SIZE - off;
		CHECK_EQ(write(fd, buf + off, n), n);
		off += n;
	}
	CHECK(!fstat(fd, &st) && st.st_size == SIZE && S_ISREG(st.st_mode));
	CHECK_EQ(st.st_mode & 0777, 0644);
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	CHECK_EQ(read(fd, back, SIZE), SIZE);
	CHECK(!memcmp(buf, back, SIZE));
	CHECK_EQ(read(fd, back, 1), 0);
	/* in the middle, beyond the end, at the end */
	CHECK_EQ(pwrite(fd, "hello", 5, 4094), 5);
	memcpy(buf + 4094, "hello", 5);
	CHECK_EQ(pread(fd, back, 100, 4090), 100);
	CHECK(!memcmp(buf + 4090, back, 100));
	CHECK_EQ(pread(fd, back, 10, SIZE + 5), 0);
	CHECK_EQ(lseek(fd, 0, SEEK_END), SIZE);
	CHECK_EQ(lseek(fd, 3000, SEEK_CUR), SIZE + 3000);
	CHECK_EQ(write(fd, "x", 1), 1);
	CHECK_EQ(pread(fd, back, 3001, SIZE), 3001);
	for (int i = 0; i < 3000; i++)
		CHECK_EQ(back[i], 0);
	CHECK(back[3000] == 'x' && !fsync(fd) && !close(fd));
	/* a second look, by another open */
	fd = open("content", O_RDONLY);
	CHECK(fd >= 0 && read(fd, back, SIZE) == SIZE && !memcmp(buf, back, SIZE));
	CHECK_ERRNO(write(fd, "x", 1), EBADF);
	CHECK(!close(fd));
}

static void check_size(void)
{
	struct iovec v[2] = { { "ab", 2 }, { "cd", 2 } };
	struct stat st;
	int fd = open("content", O_RDWR | O_APPEND);

	CHECK(fd >= 0 && !ftruncate(fd, 10) && !fstat(fd, &st) && st.st_size == 10);
	CHECK_EQ(writev(fd, v, 2), 4); /* at the end */
	CHECK(!ftruncate(fd, 5000));
	CHECK_EQ(pread(fd, back, 5000, 0), 5000);
	CHECK(!memcmp(back, buf, 10) && !memcmp(back + 10, "abcd", 4));
	for (int i = 14; i < 5000; i++)
		CHECK_EQ(back[i], 0);
	CHECK(!close(fd));
	fd = open("content", O_WRONLY | O_TRUNC);
	CHECK(fd >= 0 && !fstat(fd, &st) && st.st_size == 0 && !close(fd));
	CHECK(!truncate("content", 77) && !stat("content", &st) && st.st_size == 77);
}

static void check_names(void)
{
	struct stat a, b;
	char link[32] = { 0 };
	int fd;

	CHECK_ERRNO(open("nothing", O_RDONLY), ENOENT);
	CHECK_ERRNO(open("content/x", O_RDONLY), ENOTDIR);
	CHECK_ERRNO(open("content", O_RDONLY | O_DIRECTORY), ENOTDIR);
	CHECK_ERRNO(open("content", O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
	CHECK_ERRNO(open(".", O_RDWR), EISDIR);
	CHECK_ERRNO(open("", O_RDONLY), ENOENT);
	CHECK(!access("content", R_OK) && !stat("content", &a));
	CHECK(!rename("content", "renamed") && !stat("renamed", &b));
	CHECK_EQ(a.st_ino, b.st_ino);
	CHECK_ERRNO(stat("content", &a), ENOENT);
	CHECK(!link[0] && !symlink("renamed", "sym"));
	CHECK_EQ(readlink("sym", link, sizeof(link)), 7);
	CHECK(!strcmp(link, "renamed"));
	CHECK(!stat("sym", &a) && a.st_ino == b.st_ino);
	CHECK(!lstat("sym", &a) && S_ISLNK(a.st_mode));
	CHECK(!chmod("renamed", 0600) && !stat("renamed", &a) && (a.st_mode & 0777) == 0600);
	CHECK(!unlink("sym"));
	/* an open file without a name lives until it is closed */
	fd = open("renamed", O_RDWR);
	CHECK(fd >= 0 && !unlink("renamed"));
	CHECK_ERRNO(open("renamed", O_RDONLY), ENOENT);
	CHECK(pwrite(fd, "still", 5, 0) == 5 && pread(fd, back, 5, 0) == 5);
	CHECK(!memcmp(back, "still", 5) && !fstat(fd, &a) && a.st_nlink == 0 && !close(fd));
	CHECK_ERRNO(unlink("renamed"), ENOENT);
}

/* Many names, found once each by readdir. */
static void check_directory(void)
{
	enum { N = 150 };
	bool seen[N] = { 0 };
	char name[32];
	unsigned n = 0, dots = 0;
	struct dirent *e;
	struct stat st;
	DIR *d;

	CHECK(!mkdir("sub", 0755) && !stat("sub", &st) && S_ISDIR(st.st_mode));
	CHECK_ERRNO(mkdir("sub", 0755), EEXIST);
	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "sub/file-%d", i);
		CHECK(!close(create(name)));
	}
	d = opendir("sub");
	CHECK(d != NULL);
	while ((e = readdir(d))) {
		int i;

		if (e->d_name[0] == '.') {
			dots++;
		} else {
			CHECK(sscanf(e->d_name, "file-%d", &i) == 1 && i >= 0 && i < N && !seen[i]);
			seen[i] = true;
			n++;
		}
	}
	CHECK(n == N && dots == 2 && !closedir(d));
	CHECK_ERRNO(rmdir("sub"), ENOTEMPTY);
	CHECK(!chdir("sub") && !stat("file-7", &st) && !stat("../sub/file-8", &st));
	int at = open(".", O_RDONLY | O_DIRECTORY);
	CHECK(at >= 0 && !chdir("..") && !fstatat(at, "file-9", &st, 0));
	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "file-%d", i);
		CHECK(!unlinkat(at, name, 0));
	}
	CHECK(!close(at) && !rmdir("sub"));
	CHECK_ERRNO(rmdir("sub"), ENOENT);
}

/* ---- mappings ---- */
static void check_mappings(void)
{
	int fd = create("mapped");
	unsigned char *shared, *again, *own;

	fill(2);
	CHECK_EQ(write(fd, buf, SIZE), SIZE);
	shared = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	again = mmap(NULL, SIZE - 8192, PROT_READ, MAP_SHARED, fd, 8192);
	own = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(shared != MAP_FAILED && again != MAP_FAILED && own != MAP_FAILED);
	CHECK(!memcmp(shared, buf, SIZE) && !memcmp(own, buf, SIZE));
	CHECK(!memcmp(again, buf + 8192, SIZE - 8192));
	/* what is written through one is seen by all but the private copy */
	own[9000] ^= 1;
	shared[10000] = buf[10000] ^= 0xff;
	CHECK(again[10000 - 8192] == buf[10000] && again[9000 - 8192] == buf[9000]);
	CHECK(shared[9000] == buf[9000] && own[9000] == (buf[9000] ^ 1));
	CHECK_EQ(pread(fd, back, SIZE, 0), SIZE);
	CHECK(!memcmp(back, buf, SIZE));
	CHECK_EQ(pwrite(fd, "seen", 4, 100000), 4);
	CHECK(!memcmp(shared + 100000, "seen", 4));
	memcpy(buf + 100000, "seen", 4);
	/* a child writes through its inherited mapping */
	pid_t pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		shared[150000] = 'C';
		own[150001] = 'D';
		_exit(0);
	}
	wait_ok(pid);
	buf[150000] = 'C';
	CHECK(shared[150000] == 'C' && own[150001] == buf[150001]);
	CHECK(!msync(shared, SIZE, MS_SYNC) && !munmap(shared, SIZE));
	CHECK(!munmap(again, SIZE - 8192));
	CHECK(own[9000] == (buf[9000] ^ 1) && !munmap(own, SIZE) && !close(fd));
	fd = open("mapped", O_RDONLY);
	CHECK(fd >= 0 && read(fd, back, SIZE) == SIZE && !memcmp(back, buf, SIZE));
	CHECK_ERRNO((long)mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), EACCES);
	CHECK_ERRNO((long)mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 17), EINVAL);
	CHECK(!close(fd) && !unlink("mapped"));
}

/* Offsets are shared by dup and fork, not by a second open. */
static void check_offsets(void)
{
	int fd = create("offsets"), copy = dup(fd), other = open("offsets", O_RDONLY);
	char c;

	CHECK(copy >= 0 && other >= 0 && write(fd, "0123456789", 10) == 10);
	CHECK_EQ(lseek(copy, 0, SEEK_CUR), 10);
	CHECK(lseek(copy, 2, SEEK_SET) == 2 && read(fd, &c, 1) == 1 && c == '2');
	CHECK(read(other, &c, 1) == 1 && c == '0');
	pid_t pid = fork();
	CHECK(pid >= 0);
	if (!pid)
		_exit(read(fd, &c, 1) != 1 || c != '3');
	wait_ok(pid);
	CHECK(read(fd, &c, 1) == 1 && c == '4');
	CHECK(!close(fd) && !close(copy) && !close(other) && !unlink("offsets"));
}

int main(void)
{
	snprintf(dir, sizeof(dir), "/tmp/files-%d-%llx", (int)getpid(),
		 (unsigned long long)now_ms());
	umask(022);
	CHECK(!mkdir(dir, 0755) && !chdir(dir));
	char cwd[128];
	CHECK(getcwd(cwd, sizeof(cwd)) && !strcmp(cwd, dir));
	check_content();
	check_size();
	check_names();
	check_directory();
	check_mappings();
	check_offsets();
	CHECK(!chdir("/") && !rmdir(dir));
	return all_ok("files");
}
