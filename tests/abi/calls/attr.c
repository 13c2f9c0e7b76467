// SPDX-License-Identifier: GPL-2.0-only
/* Attributes and permissions: stat's fields, modes, owners, times, access by another user. */
#include <grp.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <utime.h>
#include "abi.h"

CASE(stat_fields)
{
	int fd = make_file("a", "0123456789", 10), p[2];
	struct stat s, t;

	R(stat("a", &s));
	say("blksize>=512 %d blocks>0 %d ino!=0 %d", s.st_blksize >= 512, s.st_blocks > 0,
	    s.st_ino != 0);
	R(fstat(fd, &t));
	say("same %d", s.st_ino == t.st_ino && s.st_dev == t.st_dev);
	say("times %d %d", s.st_mtime == t.st_mtime, s.st_mtime > 1000000000);
	R(pipe(p));
	R(fstat(p[0], &t));
	say("pipe mode %o nlink %lu size %ld", t.st_mode, (unsigned long)t.st_nlink,
	    (long)t.st_size);
	R(stat("/dev/null", &t));
	say("null mode %o rdev %u:%u", t.st_mode, major(t.st_rdev), minor(t.st_rdev));
	R(fstat(0, &t));
	say("null mode %o rdev %u:%u", t.st_mode, major(t.st_rdev), minor(t.st_rdev));
	R(stat("/", &t));
	say("root %o", t.st_mode & S_IFMT);
	R(stat("none", &t));
	R(fstat(99, &t));
	R(stat("a", BAD));
	R(fstat(fd, BAD));
	R(stat(BAD, &t));
}

CASE(stat_at_flags)
{
	int fd = make_file("a", "0123456789", 10), d = open(".", O_RDONLY);
	struct stat s;

	symlink("a", "l");
	R(fstatat(d, "l", &s, 0));
	say("%o", s.st_mode & S_IFMT);
	R(fstatat(d, "l", &s, AT_SYMLINK_NOFOLLOW));
	say("%o size %ld", s.st_mode & S_IFMT, (long)s.st_size);
	R(fstatat(fd, "", &s, AT_EMPTY_PATH));
	R(fstatat(fd, "", &s, 0));
	R(fstatat(AT_FDCWD, "", &s, AT_EMPTY_PATH));
	say("%o", s.st_mode & S_IFMT);
	R(fstatat(d, "a", &s, 0x8000));
	R(fstatat(fd, "a", &s, 0));
	R(fstatat(99, "a", &s, 0));
	R(fstatat(99, "", &s, AT_EMPTY_PATH));
}

CASE(statx_call)
{
	struct statx x;

	close(make_file("a", "0123456789", 10));
	memset(&x, 0xff, sizeof(x));
	R(statx(AT_FDCWD, "a", 0, STATX_BASIC_STATS, &x));
	say("mask %x mode %o nlink %u uid %u size %llu", x.stx_mask & STATX_BASIC_STATS, x.stx_mode,
	    x.stx_nlink, x.stx_uid, x.stx_size);
	R(statx(AT_FDCWD, "none", 0, STATX_SIZE, &x));
	R(statx(AT_FDCWD, "", AT_EMPTY_PATH, STATX_TYPE, &x));
	R(statx(AT_FDCWD, "a", AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC, STATX_SIZE, &x));
	R(statx(AT_FDCWD, "a", 0x8000, STATX_SIZE, &x));
	R(statx(AT_FDCWD, "a", 0, 0x80000000, &x));
	R(statx(AT_FDCWD, "a", 0, STATX_SIZE, BAD));
}

CASE(chmod_calls)
{
	int fd = make_file("a", "x", 1);

	R(chmod("a", 04755));
	say_stat("a", -1);
	R(fchmod(fd, 0));
	say_stat("a", -1);
	R(chmod("a", 0107777));
	say_stat("a", -1);
	R(chmod("none", 0600));
	R(fchmod(99, 0600));
	symlink("a", "l");
	R(chmod("l", 0640));
	say_stat("a", -1);
	R(fchmodat(AT_FDCWD, "a", 0600, 0));
	R(mkdir("d", 0755));
	R(chmod("d", 01700));
	say_stat("d", -1);
	R(chmod(BAD, 0));
}

CASE(chown_calls)
{
	int fd = make_file("a", "x", 1);

	R(chmod("a", 06755));
	R(chown("a", 1000, 2000));
	say_stat("a", -1);
	R(fchown(fd, -1, 5));
	R(chown("a", 7, -1));
	say_stat("a", -1);
	symlink("a", "l");
	R(lchown("l", 3, 4));
	say_stat("l", -1);
	R(chown("l", 8, 9));
	say_stat("a", -1);
	R(fchownat(AT_FDCWD, "l", 1, 1, AT_SYMLINK_NOFOLLOW));
	R(fchownat(AT_FDCWD, "a", 1, 1, 0x4000));
	R(fchownat(fd, "", 11, 12, AT_EMPTY_PATH));
	say_stat("a", -1);
	R(chown("none", 1, 1));
	R(fchown(99, 1, 1));
}

CASE(times_set)
{
	struct timespec ts[2] = { { 1000, 5 }, { 2000, 6 } };
	struct stat s;
	int fd = make_file("a", "x", 1);

	R(utimensat(AT_FDCWD, "a", ts, 0));
	stat("a", &s);
	say("%ld.%ld %ld.%ld", s.st_atim.tv_sec, s.st_atim.tv_nsec, s.st_mtim.tv_sec,
	    s.st_mtim.tv_nsec);
	ts[0].tv_nsec = UTIME_OMIT;
	ts[1].tv_nsec = UTIME_NOW;
	R(futimens(fd, ts));
	stat("a", &s);
	say("%ld now %d", s.st_atim.tv_sec, s.st_mtim.tv_sec > 1000000000);
	ts[0].tv_nsec = 1000000000;
	R(futimens(fd, ts));
	R(utimensat(AT_FDCWD, "none", NULL, 0));
	R(utimensat(AT_FDCWD, "a", NULL, 0x8000));
	R(utime("a", &(struct utimbuf){ 77, 88 }));
	stat("a", &s);
	say("%ld %ld", s.st_atim.tv_sec, s.st_mtim.tv_sec);
	R(utimes("a", (struct timeval[2]){ { 5, 0 }, { 6, 1000000 } }));
	R(utimensat(AT_FDCWD, "a", BAD, 0));
	symlink("a", "l");
	ts[0] = ts[1] = (struct timespec){ 42, 0 };
	R(utimensat(AT_FDCWD, "l", ts, AT_SYMLINK_NOFOLLOW));
	stat("a", &s);
	say("%ld", s.st_mtim.tv_sec);
	lstat("l", &s);
	say("%ld", s.st_mtim.tv_sec);
}

CASE(times_moved)
{
	struct timespec old[2] = { { 1000, 0 }, { 1000, 0 } };
	int fd = make_file("a", "x", 1), d = open(".", O_RDONLY);
	struct stat s;

#define MOVED(what)                                                                               \
	do {                                                                                      \
		fstat(fd, &s);                                                                    \
		say("%s: mtime %s", what, s.st_mtim.tv_sec == 1000 ? "kept" : "moved");           \
		futimens(fd, old);                                                                \
	} while (0)
	futimens(fd, old);
	pread(fd, &(char){ 0 }, 1, 0);
	MOVED("read");
	pwrite(fd, "y", 1, 0);
	MOVED("write");
	ftruncate(fd, 1);
	MOVED("ftruncate, same size");
	ftruncate(fd, 0);
	MOVED("ftruncate");
	fchmod(fd, 0600);
	MOVED("chmod");
	rename("a", "b");
	MOVED("rename");
	close(open("b", O_WRONLY | O_TRUNC));
	MOVED("open with O_TRUNC");
	write(fd, "", 0);
	MOVED("write of nothing");
	fd = d;
	futimens(d, old);
	MOVED("folder, untouched");
	close(open("c", O_CREAT, 0600));
	MOVED("folder, name made");
	unlink("c");
	MOVED("folder, name gone");
}

/* What user 1000 of group 1000 may do. */
static void as_user(void)
{
	NEED(!setgroups(0, NULL) && !setresgid(1000, 1000, 1000) && !setresuid(1000, 1000, 1000));
}

static void make_modes(void)
{
	static const mode_t modes[] = { 0, 0400, 0200, 0100, 0040, 0020, 0004, 0002, 0644, 0666 };
	char name[16];

	for (unsigned i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		snprintf(name, sizeof(name), "m%03o", modes[i]);
		close(make_file(name, "x", 1));
		chmod(name, modes[i]);
	}
}

static void try_modes(void)
{
	static const char *const names[] = { "m000", "m400", "m200", "m100", "m040", "m020", "m004",
					     "m002", "m644", "m666" };

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		int r = open(names[i], O_RDONLY) >= 0 ? 0 : errno;
		int w = open(names[i], O_WRONLY) >= 0 ? 0 : errno;
		int x = access(names[i], X_OK) ? errno : 0;

		say("%s: read %s write %s exec %s", names[i], r ? errno_name(r) : "yes",
		    w ? errno_name(w) : "yes", x ? errno_name(x) : "yes");
	}
}


CASE(permission_owner)
{
	make_modes();
	say("root");
	try_modes();
	CHILD({ as_user(); say("other"); try_modes(); });
	for (const char *const *n =
		     (const char *const[]){ "m000", "m400", "m200", "m100", "m040", "m020", "m004",
					    "m002", "m644", "m666", NULL };
	     *n; n++)
		chown(*n, 1000, 0);
	CHILD({ as_user(); say("owner"); try_modes(); });
	for (const char *const *n =
		     (const char *const[]){ "m000", "m400", "m200", "m100", "m040", "m020", "m004",
					    "m002", "m644", "m666", NULL };
	     *n; n++)
		chown(*n, 0, 1000);
	CHILD({ as_user(); say("group"); try_modes(); });
}

CASE(permission_folders)
{
	mkdir("noexec", 0755);
	close(make_file("noexec/f", "x", 1));
	chmod("noexec", 0644);
	mkdir("noread", 0755);
	close(make_file("noread/f", "x", 1));
	chmod("noread", 0711);
	mkdir("shut", 0755);
	mkdir("open", 0777);
	chmod("open", 0777);
	close(make_file("open/f", "x", 1));
	mkdir("sticky", 0777);
	chmod("sticky", 01777);
	close(make_file("sticky/f", "x", 1));
	CHILD({
		as_user();
		R(open("noexec/f", O_RDONLY));
		R(open("noexec", O_RDONLY | O_DIRECTORY) >= 0);
		R(chdir("noexec"));
		R(open("noread/f", O_RDONLY) >= 0);
		R(open("noread", O_RDONLY));
		R(open("shut/new", O_CREAT | O_WRONLY, 0600));
		R(mkdir("shut/d", 0700));
		R(unlink("shut"));
		R(rename("open/f", "shut/f"));
		R(unlink("open/f"));
		R(unlink("sticky/f"));
		R(rename("sticky/f", "sticky/g"));
		R(close(open("sticky/mine", O_CREAT, 0600)));
		R(rename("sticky/mine", "sticky/ours"));
		R(unlink("sticky/ours"));
		R(symlink("x", "shut/s"));
		R(link("noread/f", "open/hard") ? 1 : 0);
	});
}

CASE(permission_attributes)
{
	close(make_file("roots", "x", 1));
	close(make_file("mine", "x", 1));
	chown("mine", 1000, 1000);
	CHILD({
		as_user();
		R(chmod("roots", 0777));
		R(chmod("mine", 0777));
		R(chown("mine", 0, 0));
		R(chown("mine", 1000, 0));
		R(chown("mine", 1000, 1000));
		R(chown("roots", 1000, 1000));
		R(utime("roots", &(struct utimbuf){ 1, 1 }));
		R(utime("roots", NULL));
		R(utime("mine", &(struct utimbuf){ 1, 1 }));
		R(truncate("roots", 0));
		R(chmod("mine", 06777));
	});
	say_stat("mine", -1);
	R(chown("mine", 2, 2));
	say_stat("mine", -1);
}

CASE(set_ids_written)
{
	static const mode_t modes[] = { 06755, 06745, 04711, 02755, 02745 };
	char name[16];

	for (unsigned i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "m%04o", modes[i]);
		close(make_file(name, "x", 1));
		chmod(name, modes[i]);
		CHILD({
			int fd = open(name, O_RDWR), t = open(name, O_RDWR);

			R(write(fd, "root", 4));
			say_stat(NULL, fd);
			as_user();
			if (i % 2)
				R(write(fd, "user", 4));
			else
				R(ftruncate(t, 1));
			say_stat(NULL, fd);
		});
		R(chown(name, -1, -1));
		say_stat(name, -1);
	}
	mkdir("d", 0755);
	R(chmod("d", 06755));
	R(chown("d", 1000, 1000));
	say_stat("d", -1);
	close(make_file("mine", "x", 1));
	chown("mine", 1000, 77);
	CHILD({
		as_user();
		R(chmod("mine", 06755)); /* of a group that is not the caller's */
		say_stat("mine", -1);
	});
}

CASE(permission_groups)
{
	gid_t g[3] = { 5, 6, 7 };

	mkdir("g", 0);
	chown("g", 0, 6);
	chmod("g", 0070);
	close(make_file("f", "x", 1));
	chown("f", 1000, 1000);
	CHILD({
		NEED(!setgroups(3, g) && !setresgid(1000, 1000, 1000) &&
		     !setresuid(1000, 1000, 1000));
		R(close(open("g/new", O_CREAT | O_RDWR, 0600)));
		R(mkdir("g/d", 0700));
		R(symlink("to", "g/s"));
		R(rename("g/new", "g/moved"));
		R(link("g/moved", "g/hard"));
		R(chown("f", -1, 7));
		say_stat("f", -1);
		R(chown("f", -1, 8));
		R(chmod("f", 02711));
		say_stat("f", -1);
		R(rmdir("g/d"));
		R(unlink("g/s"));
		R(chdir("g"));
		R(access("moved", R_OK | W_OK));
	});
	CHILD({ as_user(); R(open("g/moved", O_RDONLY)); R(chdir("g")); R(unlink("g/moved")); });
}

CASE(access_ids)
{
	close(make_file("a", "x", 1));
	chmod("a", 0600);
	CHILD({
		/* access() asks for the real ids, AT_EACCESS for the effective ones */
		R(setresuid(1000, 0, 0));
		R(access("a", R_OK));
		R(faccessat(AT_FDCWD, "a", R_OK, AT_EACCESS));
		R(open("a", O_RDONLY) >= 0);
	});
	R(access("a", X_OK));
	R(access("a", R_OK | W_OK));
	R(access("a", 8));
	R(access("a", -1));
	R(access(BAD, F_OK));
	R(access("", F_OK));
	R(faccessat(AT_FDCWD, "a", R_OK, 0x8000));
}

CASE(statfs_calls)
{
	struct statfs s;
	int fd = open(".", O_RDONLY);

	R(statfs(".", &s));
	say("bsize %ld namelen %ld free<=blocks %d", (long)s.f_bsize, (long)s.f_namelen,
	    s.f_bfree <= s.f_blocks);
	R(fstatfs(fd, &s));
	R(statfs("none", &s));
	R(fstatfs(99, &s));
	R(statfs(".", BAD));
}

CASE(xattr_calls)
{
	char b[16];

	close(make_file("a", "x", 1));
	/* none there: ENODATA with attributes, EOPNOTSUPP without: both tell a program "no" */
	say("%d", syscall(SYS_getxattr, "a", "user.x", b, 16) < 0 &&
			  (errno == ENODATA || errno == EOPNOTSUPP));
	say("%d", syscall(SYS_setxattr, "a", "user.x", "y", 1, 0) < 0 && errno == EOPNOTSUPP);
}
