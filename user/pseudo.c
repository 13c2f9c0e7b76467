// SPDX-License-Identifier: GPL-2.0-only
/* /proc, /dev and /sys, by every way there is to come to them. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

#include "check.h"

static char text[65536];

static const char *slurp_at(int dir, const char *path)
{
	int fd = openat(dir, path, O_RDONLY);
	size_t n = 0;
	ssize_t r;

	if (fd < 0)
		FAIL("%s: %s", path, strerror(errno));
	while ((r = read(fd, text + n, sizeof(text) - 1 - n)) > 0)
		n += (size_t)r;
	CHECK_EQ(r, 0);
	text[n] = '\0';
	close(fd);
	return text;
}

static const char *slurp(const char *path)
{
	return slurp_at(AT_FDCWD, path);
}

static bool lists(const char *path, const char *name)
{
	DIR *d = opendir(path);
	struct dirent *e;
	bool found = false;

	if (!d)
		FAIL("%s: %s", path, strerror(errno));
	while ((e = readdir(d)))
		found |= !strcmp(e->d_name, name);
	closedir(d);
	return found;
}

static void device(const char *path, unsigned minor_)
{
	struct stat st;

	CHECK_EQ(stat(path, &st), 0);
	CHECK(S_ISCHR(st.st_mode));
	CHECK_EQ(major(st.st_rdev), 1);
	CHECK_EQ(minor(st.st_rdev), minor_);
}

static void devices(void)
{
	unsigned char a[64], b[64] = { 0 };
	int fd = open("/dev/null", O_RDWR);

	STEP("devices");
	CHECK_EQ(write(fd, a, sizeof(a)), sizeof(a));
	CHECK_EQ(read(fd, a, sizeof(a)), 0);
	close(fd);
	fd = open("/dev/zero", O_RDWR);
	memset(a, 1, sizeof(a));
	CHECK_EQ(read(fd, a, sizeof(a)), sizeof(a));
	CHECK(!memcmp(a, b, sizeof(a)));
	close(fd);
	fd = open("/dev/full", O_RDWR);
	CHECK_ERRNO(write(fd, a, 1), ENOSPC);
	close(fd);
	fd = open("/dev/urandom", O_RDONLY);
	CHECK_EQ(read(fd, a, sizeof(a)), sizeof(a));
	CHECK_EQ(read(fd, b, sizeof(b)), sizeof(b));
	CHECK(memcmp(a, b, sizeof(a)));
	close(fd);
	device("/dev/null", 3);
	device("/dev/zero", 5);
	device("/dev/full", 7);
	device("/dev/random", 8);
	device("/dev/urandom", 9);
	CHECK_ERRNO(open("/dev/null", O_RDONLY | O_DIRECTORY), ENOTDIR);
	CHECK_ERRNO(open("/dev/null/x", O_RDONLY), ENOTDIR);
	CHECK_ERRNO(open("/dev/no-such-device", O_RDONLY), ENOENT);
	CHECK_ERRNO(open("/dev/null", O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
	fd = open("/dev/null", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	CHECK(fd >= 0);
	close(fd);
}

/* The same device by other ways. */
static void ways(void)
{
	char link[128], dir[64];
	int fd, dfd;

	STEP("ways");
	snprintf(dir, sizeof(dir), "/tmp/pseudo-%d", (int)getpid());
	CHECK_EQ(mkdir(dir, 0700), 0);
	snprintf(link, sizeof(link), "%s/null", dir);
	CHECK_EQ(symlink("../../dev/null", link), 0);
	device(link, 3);
	CHECK_EQ(unlink(link), 0);
	snprintf(link, sizeof(link), "%s/dev", dir);
	CHECK_EQ(symlink("/dev", link), 0);
	snprintf(link, sizeof(link), "%s/dev/./zero", dir);
	device(link, 5);
	snprintf(link, sizeof(link), "%s/dev/../proc/self/../self/stat", dir);
	CHECK_EQ(atoi(slurp(link)), getpid());
	snprintf(link, sizeof(link), "%s/dev", dir);
	CHECK_EQ(unlink(link), 0);
	dfd = open(dir, O_RDONLY | O_DIRECTORY);
	fd = openat(dfd, "../../dev/full", O_WRONLY);
	CHECK_ERRNO(write(fd, "", 1), ENOSPC);
	close(fd);
	close(dfd);
	dfd = open("/dev", O_RDONLY | O_DIRECTORY);
	fd = openat(dfd, "full", O_WRONLY);
	CHECK_ERRNO(write(fd, "", 1), ENOSPC);
	close(fd);
	CHECK_EQ(atoi(slurp_at(dfd, "../proc/self/stat")), getpid());
	CHECK_EQ(fchdir(dfd), 0);
	device("null", 3);
	device("../dev/null", 3);
	CHECK(getcwd(text, sizeof(text)) && !strcmp(text, "/dev"));
	CHECK_EQ(chdir("../proc/self"), 0);
	CHECK_EQ(atoi(slurp("stat")), getpid());
	CHECK_EQ(chdir("../.."), 0);
	CHECK(getcwd(text, sizeof(text)) && !strcmp(text, "/"));
	close(dfd);
	CHECK_EQ(rmdir(dir), 0);
	CHECK(lists("/", "proc") && lists("/", "dev") && lists("/", "sys"));
	CHECK(lists("/dev", "null") && lists("/dev/..", "dev"));
}

static void shared_memory(void)
{
	char name[64];
	struct stat st;
	int fd;

	STEP("shm");
	snprintf(name, sizeof(name), "/pseudo-%d", (int)getpid());
	fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
	CHECK(fd >= 0);
	CHECK_EQ(ftruncate(fd, 8192), 0);
	CHECK_EQ(shm_unlink(name), 0);
	close(fd);
	CHECK_EQ(stat("/dev/shm", &st), 0);
	CHECK(S_ISDIR(st.st_mode) && (st.st_mode & 07777) == 01777);
	device("/dev/shm/../null", 3);
	CHECK(lists("/dev", "shm"));
}

/* Descriptors by name. */
static void descriptors(void)
{
	char path[64], target[256];
	int p[2], fd;
	ssize_t n;

	STEP("descriptors");
	CHECK_EQ(pipe(p), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", p[1]);
	n = readlink(path, target, sizeof(target) - 1);
	CHECK(n > 0);
	target[n] = '\0';
	CHECK(!strncmp(target, "pipe:[", 6));
	fd = open(path, O_WRONLY);
	CHECK(fd >= 0 && fd != p[1]);
	CHECK_EQ(write(fd, "through", 7), 7);
	CHECK_EQ(read(p[0], text, 16), 7);
	close(fd);
	snprintf(path, sizeof(path), "/dev/fd/%d", p[0]);
	fd = open(path, O_RDONLY);
	close(p[1]);
	CHECK_EQ(read(fd, text, 16), 0);
	close(fd);
	close(p[0]);
	CHECK_ERRNO(open(path, O_RDONLY), ENOENT);
	fd = open("/dev/null", O_RDONLY);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, target, sizeof(target) - 1);
	CHECK(n == 9 && !memcmp(target, "/dev/null", 9));
	snprintf(path, sizeof(path), "%d", fd);
	CHECK(lists("/proc/self/fd", path));
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	CHECK(strstr(slurp(path), "pos:\t0"));
	close(fd);
	snprintf(path, sizeof(path), "/tmp/pseudo-%d", (int)getpid());
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	CHECK_EQ(write(fd, "file", 4), 4);
	snprintf(target, sizeof(target), "/proc/self/fd/%d", fd);
	n = readlink(target, text, sizeof(text) - 1);
	CHECK(n == (ssize_t)strlen(path) && !memcmp(text, path, strlen(path)));
	CHECK(!strcmp(slurp(target), "file"));
	CHECK_EQ(unlink(path), 0);
	n = readlink(target, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	CHECK(strstr(text, path) && strstr(text, " (deleted)"));
	CHECK(!strcmp(slurp(target), "file"));
	close(fd);
}

static void fifo(void)
{
	char path[64];
	int rd, wr;
	pid_t child;

	STEP("fifo");
	snprintf(path, sizeof(path), "/tmp/pseudo-%d", (int)getpid());
	CHECK_EQ(mkfifo(path, 0600), 0);
	CHECK_ERRNO(open(path, O_WRONLY | O_NONBLOCK), ENXIO);
	child = fork();
	if (!child) {
		wr = open(path, O_WRONLY);
		_exit(write(wr, "by name", 7) != 7);
	}
	rd = open(path, O_RDONLY);
	CHECK_EQ(read(rd, text, 64), 7);
	wait_ok(child);
	CHECK_EQ(read(rd, text, 64), 0);
	wr = open(path, O_WRONLY | O_NONBLOCK);
	CHECK_EQ(write(wr, "x", 1), 1);
	close(wr);
	close(rd);
	CHECK_EQ(unlink(path), 0);
}

static void process(void)
{
	char path[64], buf[256];
	pid_t pid = getpid(), child;
	ssize_t n;
	int p[2], status;

	STEP("process");
	n = readlink("/proc/self", buf, sizeof(buf) - 1);
	CHECK(n > 0);
	buf[n] = '\0';
	CHECK_EQ(atoi(buf), pid);
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	slurp(path);
	CHECK(strstr(text, "Name:\tpseudo\n") && strstr(text, "Threads:\t1"));
	CHECK(strstr(text, "VmSize:"));
	CHECK(!strcmp(slurp("/proc/self/comm"), "pseudo\n"));
	slurp("/proc/self/cmdline");
	CHECK(strstr(text, "pseudo"));
	snprintf(path, sizeof(path), "PSEUDO=%d", (int)pid);
	CHECK_EQ(putenv(path), 0);
	child = fork();
	if (!child) {
		execl("/proc/self/exe", "pseudo", "env", path, NULL);
		_exit(1);
	}
	wait_ok(child);
	slurp("/proc/self/auxv");
	CHECK_EQ(((unsigned long *)text)[0] != 0, 1);
	CHECK(strstr(slurp("/proc/self/limits"), "Max open files"));
	CHECK(readlink("/proc/self/exe", buf, sizeof(buf)) > 0);
	child = fork();
	if (!child) {
		execl("/proc/self/exe", "pseudo", "again", NULL);
		_exit(1);
	}
	wait_ok(child);
	CHECK_EQ(chdir("/tmp"), 0);
	n = readlink("/proc/self/cwd", buf, sizeof(buf));
	CHECK(n == 4 && !memcmp(buf, "/tmp", 4));
	CHECK(strstr(slurp("/proc/self/cwd/../proc/version"), "Linux"));
	snprintf(path, sizeof(path), "%d", (int)pid);
	CHECK(lists("/proc", path) && lists("/proc/self/task", path));
	CHECK_EQ(pipe(p), 0);
	child = fork();
	if (!child) {
		close(p[1]);
		_exit(read(p[0], buf, 1) ? 1 : 0);
	}
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)child);
	slurp(path);
	CHECK_EQ(atoi(text), child);
	CHECK_EQ(atoi(strchr(text, ')') + 3), pid);
	close(p[1]);
	close(p[0]);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_ERRNO(open(path, O_RDONLY), ENOENT);
	CHECK_ERRNO(open("/proc/self/no-such-file", O_RDONLY), ENOENT);
	CHECK_ERRNO(mkdir("/proc/self/dir", 0700), ENOENT);
	CHECK_ERRNO(unlink("/proc/self/stat"), EPERM);
}

static void memory(void)
{
	char *m = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned long start, end, addr = (unsigned long)m, here = (unsigned long)&memory;
	bool found_m = false, found_code = false;
	char rights[5], *line, *next;

	STEP("memory");
	CHECK(m != MAP_FAILED);
	m[0] = 1;
	slurp("/proc/self/maps");
	for (line = text; *line; line = next) {
		CHECK_EQ(sscanf(line, "%lx-%lx %4s", &start, &end, rights), 3);
		found_m |= start <= addr && end >= addr + (1 << 20) && !strcmp(rights, "rw-p");
		found_code |= start <= here && end > here && !strcmp(rights, "r-xp");
		next = strchr(line, '\n') + 1;
	}
	CHECK(found_m);
	CHECK(found_code);
	munmap(m, 1 << 20);
	CHECK(atol(slurp("/proc/self/statm")) > 10);
}

static void board(void)
{
	struct statfs sf;
	char first[64];

	STEP("board");
	CHECK(strstr(slurp("/proc/meminfo"), "MemTotal:"));
	CHECK(strstr(slurp("/proc/cpuinfo"), "processor\t: 0"));
	CHECK(!strncmp(slurp("/proc/stat"), "cpu ", 4));
	CHECK(atof(slurp("/proc/uptime")) > 0);
	CHECK(strchr(slurp("/proc/loadavg"), '/'));
	CHECK(strstr(slurp("/proc/mounts"), " /proc proc "));
	CHECK(strstr(slurp("/proc/filesystems"), "proc"));
	CHECK(!strcmp(slurp("/proc/sys/kernel/ostype"), "Linux\n"));
	CHECK(atoi(slurp("/proc/sys/net/core/somaxconn")) >= 128);
	snprintf(first, sizeof(first), "%s", slurp("/proc/sys/kernel/random/uuid"));
	CHECK_EQ(strlen(first), 37);
	CHECK(strcmp(first, slurp("/proc/sys/kernel/random/uuid")));
	snprintf(first, sizeof(first), "%s", slurp("/proc/sys/kernel/random/boot_id"));
	CHECK(!strcmp(first, slurp("/proc/sys/kernel/random/boot_id")));
	CHECK_EQ(slurp("/sys/devices/system/cpu/online")[0], '0');
	CHECK(sysconf(_SC_NPROCESSORS_ONLN) >= 1 && sysconf(_SC_NPROCESSORS_CONF) >= 1);
	CHECK_EQ(statfs("/proc", &sf), 0);
	CHECK_EQ(sf.f_type, 0x9fa0);
	CHECK(lists("/sys/devices/system/cpu", "cpu0"));
}

int main(int argc, char **argv)
{
	if (argc > 2) {
		FILE *f = fopen("/proc/self/environ", "r");
		size_t n = fread(text, 1, sizeof(text), f);

		return !memmem(text, n, argv[2], strlen(argv[2]) + 1);
	}
	if (argc > 1)
		return strcmp(argv[1], "again"); /* by /proc/self/exe */
	devices();
	ways();
	shared_memory();
	descriptors();
	fifo();
	process();
	memory();
	board();
	return all_ok("pseudo");
}
