// SPDX-License-Identifier: GPL-2.0-only
/* Names: rename, link, unlink, symlinks, folders, long names. */
#include <dirent.h>
#include "abi.h"

static void make_kinds(void)
{
	close(make_file("file", "f", 1));
	close(make_file("file2", "f2", 2));
	mkdir("empty", 0755);
	mkdir("full", 0755);
	close(make_file("full/x", "x", 1));
	symlink("file", "link");
	mkdir("empty2", 0755);
}

CASE(rename_matrix)
{
	static const char *const kinds[] = { "file", "empty", "full", "link", "none" };

	for (int i = 0; i < 5; i++)
		for (int j = 0; j < 5; j++) {
			char dir[8], text[64];
			int r;

			snprintf(dir, sizeof(dir), "%d%d", i, j);
			NEED(!mkdir(dir, 0755) && !chdir(dir));
			make_kinds();
			snprintf(text, sizeof(text), "%s over %s", kinds[i], kinds[j]);
			errno = 0;
			r = rename(kinds[i], kinds[j]);
			say_result(text, r, errno);
			chdir("..");
		}
	say_folder("02");
	say_folder("12");
	say_folder("20");
	say_folder("30");
}

CASE(rename_paths)
{
	make_kinds();
	R(rename("full", "full/inside"));
	R(rename("full", "empty/inside"));
	say_folder("empty");
	R(rename("file", "none/x"));
	R(rename("file", "file2/x"));
	R(rename(".", "dot"));
	R(rename("empty/..", "dot"));
	R(rename("file", "."));
	R(rename("file/", "x"));
	R(rename("file", "x/"));
	R(rename("empty2/", "moved"));
	R(rename("moved", "moved2/"));
	R(rename("", "x"));
	R(rename("file", ""));
	R(rename("file", "file"));
	say_folder(".");
}

CASE(rename_links)
{
	close(make_file("a", "x", 1));
	R(link("a", "b"));
	R(rename("a", "b")); /* two names of one file: nothing happens */
	say_folder(".");
	R(symlink("a", "s"));
	R(rename("s", "t"));
	say_folder(".");
	say_stat("a", -1);
}

CASE(renameat2_flags)
{
	make_kinds();
	R(renameat2(AT_FDCWD, "file", AT_FDCWD, "file2", RENAME_NOREPLACE));
	R(renameat2(AT_FDCWD, "file", AT_FDCWD, "new", RENAME_NOREPLACE));
	R(renameat2(AT_FDCWD, "new", AT_FDCWD, "full", RENAME_EXCHANGE));
	say_stat("new", -1);
	say_stat("full", -1);
	R(renameat2(AT_FDCWD, "new", AT_FDCWD, "none", RENAME_EXCHANGE));
	R(renameat2(AT_FDCWD, "new", AT_FDCWD, "x", RENAME_EXCHANGE | RENAME_NOREPLACE));
	R(renameat2(AT_FDCWD, "new", AT_FDCWD, "x", 0x100));
}

CASE(rename_exchange)
{
	make_kinds();
	R(renameat2(AT_FDCWD, "file", AT_FDCWD, "full/x", RENAME_EXCHANGE));
	say_stat("file", -1);
	R(renameat2(AT_FDCWD, "empty", AT_FDCWD, "full/x", RENAME_EXCHANGE));
	say_stat("empty", -1);
	say_stat("full", -1);
	say_stat(".", -1);
	R(access("full/x/../x/..", F_OK));
	R(renameat2(AT_FDCWD, "full", AT_FDCWD, "full/x", RENAME_EXCHANGE));
	R(renameat2(AT_FDCWD, "full/x", AT_FDCWD, "full", RENAME_EXCHANGE));
	R(renameat2(AT_FDCWD, "link", AT_FDCWD, "empty2", RENAME_EXCHANGE));
	say_stat("link", -1);
	R(renameat2(AT_FDCWD, "file", AT_FDCWD, "file", RENAME_EXCHANGE));
	R(renameat2(AT_FDCWD, "file", AT_FDCWD, "file", RENAME_NOREPLACE));
	R(renameat2(AT_FDCWD, "full/..", AT_FDCWD, "x", RENAME_NOREPLACE));
	R(renameat2(AT_FDCWD, "file", AT_FDCWD, ".", RENAME_NOREPLACE));
	R(renameat2(AT_FDCWD, "none", AT_FDCWD, "file", RENAME_NOREPLACE));
	R(rename("full/x", "full"));
	say_folder(".");
	say_folder("full");
}

CASE(names_slash)
{
	make_kinds();
	symlink("empty", "to-empty");
	symlink("none", "to-none");
	R(unlink("to-empty/"));
	R(rmdir("to-empty/"));
	R(rmdir("to-empty"));
	R(mkdir("to-empty/", 0755));
	R(mkdir("to-none/", 0755));
	R(mkdir("file/", 0755));
	R(symlink("x", "new/"));
	R(link("file", "new/"));
	R(link("file/", "new"));
	R(link("file", "file2/"));
	R(mknod("new/", S_IFREG | 0644, 0));
	R(rename("to-empty/", "x"));
	R(rename("file", "link/"));
	R(rename("empty", "to-none/"));
	R(open("new/", O_CREAT | O_RDWR, 0644));
	R(open("file/", O_CREAT | O_RDWR, 0644));
	R(open("file/", O_RDONLY));
	R(open("link/", O_RDONLY));
	R(open("link/", O_CREAT | O_RDWR, 0644));
	R(access("to-empty/", F_OK));
	R(unlink("none/"));
	R(unlink("."));
	R(unlink("empty/.."));
	R(mkdir("empty/..", 0755));
	R(symlink("x", "."));
	R(link("file", "empty/."));
	R(open("empty/..", O_CREAT | O_RDWR, 0644));
	say_folder(".");
}

CASE(rename_open_file)
{
	int fd = make_file("a", "old", 3), fb = make_file("b", "new!", 4);
	char b[8];

	R(rename("b", "a"));
	say_bytes("old", b, (size_t)R(pread(fd, b, 8, 0)));
	say_bytes("new", b, (size_t)R(pread(fb, b, 8, 0)));
	say_stat(NULL, fd);
	say_stat(NULL, fb);
	R(write(fd, "more", 4));
	say_stat(NULL, fd);
	say_stat("a", -1);
}

CASE(unlink_open)
{
	int fd = make_file("a", "content", 7);
	char b[16], *m;

	m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	R(unlink("a"));
	R(unlink("a"));
	say_stat(NULL, fd);
	R(pwrite(fd, "more", 4, 7));
	say_bytes("content", b, (size_t)R(pread(fd, b, 16, 0)));
	R(open("a", O_RDONLY));
	R(close(fd));
	say_bytes("mapped", m, 11);
	m[0] = 'C';
	say_bytes("mapped", m, 11);
	R(close(R(open("a", O_CREAT | O_EXCL, 0600))));
	say_stat("a", -1);
}

CASE(unlink_kinds)
{
	make_kinds();
	R(unlink("empty"));
	R(rmdir("file"));
	R(rmdir("full"));
	R(rmdir("link"));
	R(unlink("link"));
	R(rmdir("empty/."));
	R(rmdir("empty/.."));
	R(rmdir("empty/"));
	R(unlink("file/"));
	R(unlink(""));
	R(rmdir(""));
	R(unlink("none"));
	R(rmdir("none"));
	R(unlink("file/x"));
	R(rmdir("/"));
	R(unlink("/"));
	R(rmdir("."));
	say_folder(".");
}

CASE(link_counts)
{
	close(make_file("a", "x", 1));
	R(link("a", "b"));
	R(link("a", "b"));
	R(link("a", "none/b"));
	R(mkdir("d", 0755));
	R(link("d", "e"));
	R(link("none", "e"));
	R(link("a", "d/a"));
	say_stat("a", -1);
	say_stat("d", -1);
	R(unlink("a"));
	say_stat("b", -1);
	R(unlink("d/a"));
	say_stat("b", -1);
	R(mkdir("d/e", 0755));
	R(mkdir("d/f", 0755));
	say_stat("d", -1);
	R(rmdir("d/e"));
	say_stat("d", -1);
	R(symlink("b", "s"));
	R(linkat(AT_FDCWD, "s", AT_FDCWD, "hard-s", 0));
	R(linkat(AT_FDCWD, "s", AT_FDCWD, "hard-b", AT_SYMLINK_FOLLOW));
	R(linkat(AT_FDCWD, "s", AT_FDCWD, "x", 0x1));
	say_folder(".");
	say_stat("b", -1);
}

CASE(symlink_basics)
{
	char b[16] = "";

	R(symlink("target", "l"));
	R(symlink("x", "l"));
	R(symlink("", "m"));
	R(symlink("x", ""));
	R(symlink("x", "none/l"));
	say_stat("l", -1);
	say_bytes("text", b, (size_t)R(readlink("l", b, 16)));
	R(readlink("l", b, 3));
	R(readlink("l", b, 0));
	R(readlink("none", b, 16));
	R(readlink(".", b, 16));
	close(make_file("f", "", 0));
	R(readlink("f", b, 16));
	R(access("l", F_OK));
	R(chdir("l"));
	R(mkdir("l", 0755));
	R(unlink("l"));
}

CASE(symlink_loops)
{
	R(symlink("loop", "loop"));
	R(open("loop", O_RDONLY));
	R(open("loop", O_CREAT, 0600));
	R(access("loop/x", F_OK));
	R(symlink("b", "a"));
	R(symlink("a", "b"));
	R(chmod("a", 0600));
	say_stat("a", -1);
	R(mkdir("d0", 0755));
	for (int i = 1; i <= 45; i++) {
		char from[16], to[16];

		snprintf(from, sizeof(from), "d%d", i - 1);
		snprintf(to, sizeof(to), "d%d", i);
		NEED(!symlink(from, to));
	}
	R(access("d39", F_OK));
	R(access("d40", F_OK));
	R(access("d41", F_OK));
	R(truncate("d45", 0));
}

CASE(symlink_walk)
{
	R(mkdir("d", 0755));
	R(mkdir("d/e", 0755));
	close(make_file("d/e/f", "found", 5));
	R(symlink("d/e", "s"));
	R(symlink("../../s/f", "d/e/up"));
	R(symlink("s/", "t"));
	R(access("s/f", F_OK));
	R(access("s/up", F_OK));
	R(access("t/f", F_OK));
	R(access("s/../e/f", F_OK));
	R(access("d/e/../../d/./e//f", F_OK));
	R(access("d/e/f/", F_OK));
	R(access("d/e/f/..", F_OK));
	R(access("d/none/../e", F_OK));
	say_stat("s", -1);
	say_stat("s/", -1);
	R(chdir("s"));
	R(access("f", F_OK));
	R(access("../../d", F_OK));
}

CASE(names_long)
{
	char name[300], path[PATH_MAX + 10];

	memset(name, 'n', sizeof(name));
	name[255] = 0;
	R(close(open(name, O_CREAT, 0600)));
	R(access(name, F_OK));
	name[255] = 'n';
	name[256] = 0;
	R(open(name, O_CREAT, 0600));
	R(mkdir(name, 0700));
	R(access(name, F_OK));
	R(symlink("x", name));
	R(rename("none", name));
	for (unsigned i = 0; i < sizeof(path); i += 2)
		memcpy(path + i, "./", 2);
	path[PATH_MAX - 1] = 0;
	R(access(path, F_OK));
	path[PATH_MAX - 1] = '/';
	path[PATH_MAX] = 0;
	R(access(path, F_OK));
	R(open(path, O_RDONLY));
	R(chdir(path));
	R(symlink(path, "l"));
	path[PATH_MAX - 1] = 0;
	R(symlink(path, "l"));
	R(access("l", F_OK));
}

/* Folders in each other, further than one path reaches. */
CASE(names_deep)
{
	static char name[201], b[8192];
	char *deep[] = { name, NULL };
	int n = 0;

	memset(name, 'd', 200);
	while (n < 25 && !mkdir(name, 0755) && !chdir(name))
		n++;
	say("%d folders", n);
	R(close(make_file("f", "x", 1)));
	R(access("f", F_OK));
	say("%s", getcwd(b, sizeof(b)) ? "the whole name" : errno_name(errno));
	for (int i = 0; i < 12; i++)
		chdir("..");
	say("%s", getcwd(b, sizeof(b)) && strlen(b) > 12 * 201 ? "half of it" : errno_name(errno));
	memset(b, 0, sizeof(b));
	for (int i = 0; i < 12; i++)
		strcat(strcat(b, deep[0]), "/");
	strcat(b, "f");
	R(access(b, F_OK));
	R(rename(b, "here"));
	R(symlink(b, "l"));
	R(readlink("l", b, sizeof(b)));
	R(unlink("l"));
	say_folder(".");
	R(unlink("here"));
	for (int i = 0; i < 12; i++)
		chdir(name);
	while (n-- && !chdir(".."))
		R(rmdir(name));
}

CASE(cwd_calls)
{
	char b[PATH_MAX], *base;
	int d;

	R(mkdir("d", 0755));
	R(chdir("d"));
	NEED(getcwd(b, sizeof(b)));
	base = strrchr(b, '/');
	say("%s", base);
	X(getcwd, b, 3);
	X(getcwd, b, 0);
	d = R(open("..", O_RDONLY));
	R(fchdir(d));
	R(access("d", F_OK));
	R(chdir("none"));
	R(chdir("/dev/null"));
	R(fchdir(0));
	R(fchdir(99));
	R(chdir("d"));
	R(rmdir("../d"));
	say("%s", getcwd(b, sizeof(b)) ? "there" : errno_name(errno));
	R(open("x", O_CREAT, 0600));
	R(access(".", F_OK));
	R(chdir(".."));
	R(access("d", F_OK));
	R(chdir("/"));
	say("%s", getcwd(b, sizeof(b)));
	R(chdir("/.."));
	say("%s", getcwd(b, sizeof(b)));
}

CASE(readdir_many)
{
	char name[32];
	int n = 0, dots = 0;
	unsigned long sum = 0;
	struct dirent *e;
	DIR *d;

	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "file-with-a-name-%d", i);
		close(open(name, O_CREAT, 0600));
	}
	d = opendir(".");
	while ((e = readdir(d)))
		if (e->d_name[0] == '.')
			dots++;
		else
			n++, sum += strtoul(e->d_name + 17, NULL, 10);
	say("%d names, %d dots, sum %lu", n, dots, sum);
	rewinddir(d);
	for (n = 0; readdir(d);)
		n++;
	say("%d again", n);
	/* taken away while it is read: each is seen at most once, and all go */
	rewinddir(d);
	while ((e = readdir(d)))
		if (e->d_name[0] != '.')
			unlink(e->d_name);
	closedir(d);
	say_folder(".");
}

CASE(getdents_arguments)
{
	char b[4096];
	int d = R(open(".", O_RDONLY)), f = make_file("a", "x", 1);

	R(getdents64(d, b, 10) < 0 ? errno : 0);
	X(getdents64, f, b, sizeof(b));
	X(getdents64, 99, b, sizeof(b));
	X(getdents64, d, BAD, 4096);
	R(getdents64(d, b, sizeof(b)) > 0);
	R(getdents64(d, b, sizeof(b)));
	R(lseek(d, 0, SEEK_SET));
	R(getdents64(d, b, sizeof(b)) > 0);
	R(mkdir("gone", 0755));
	d = R(open("gone", O_RDONLY));
	R(rmdir("gone"));
	X(getdents64, d, b, sizeof(b));
}

CASE(mknod_kinds)
{
	R(mknod("f", S_IFREG | 0644, 0));
	R(mknod("f", S_IFREG | 0644, 0));
	R(mknod("zero", 0600, 0));
	R(mknod("d", S_IFDIR | 0755, 0));
	R(mkfifo("p", 0644));
	say_stat("f", -1);
	say_stat("zero", -1);
	say_stat("p", -1);
	say_folder(".");
	R(mknod("bad", 0170000 | 0600, 0));
}

CASE(mkdir_rmdir)
{
	R(mkdir("d", 0755));
	R(mkdir("d", 0755));
	R(mkdir("d/", 0755));
	R(mkdir("e/", 0700));
	R(mkdir(".", 0755));
	R(mkdir("..", 0755));
	R(mkdir("/", 0755));
	R(mkdir("", 0755));
	R(mkdir("none/x", 0755));
	R(mkdir("d/x/../y", 0755));
	say_folder("d");
	say_stat("e", -1);
	R(rmdir("d/y/"));
	R(rmdir("d"));
	R(rmdir("e"));
	say_folder(".");
}
