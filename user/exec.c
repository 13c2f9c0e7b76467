// SPDX-License-Identifier: GPL-2.0-only
/*
 * execve and execveat: what a program finds when it starts, scripts, descriptors, and files that
 * are no programs, each with the errno (or the signal) that Linux gives. "exec" runs itself and
 * small ELF files made here.
 */
#include <elf.h>
#include <fcntl.h>
#include <stddef.h>
#include <linux/limits.h>
#include <sys/auxv.h>
#include <sys/personality.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "check.h"

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif
#define DIR_NAME "/tmp/exec-test"
#define BASE 0x400000

static char self[PATH_MAX];
static char *const no_env[] = { NULL };

/* ---- small ELF files ---- */
struct tiny {
	Elf64_Ehdr eh;
	Elf64_Phdr ph[3];
	uint8_t code[16];
	char interp[64];
};

static const struct tiny good = {
	.eh = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_EXEC, .e_machine = EM_X86_64, .e_version = EV_CURRENT,
		.e_entry = BASE + offsetof(struct tiny, code), .e_phoff = sizeof(Elf64_Ehdr),
		.e_ehsize = sizeof(Elf64_Ehdr), .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 3 },
	.ph = { { PT_LOAD, PF_R | PF_X, 0, BASE, BASE, sizeof(struct tiny), sizeof(struct tiny),
		  4096 },
		{ PT_GNU_STACK, PF_R | PF_W, 0, 0, 0, 0, 0, 16 },
		{ PT_NULL, 0, 0, 0, 0, 0, 0, 0 } },
	/* mov $60, %eax; mov $5, %edi; syscall */
	.code = { 0xb8, 60, 0, 0, 0, 0xbf, 5, 0, 0, 0, 0x0f, 0x05 },
};

static void put_file(const char *name, const void *bytes, size_t n, mode_t mode)
{
	int fd;

	unlink(name);
	fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0700);
	CHECK(fd >= 0);
	CHECK_EQ(write(fd, bytes, n), (ssize_t)n);
	CHECK_EQ(fchmod(fd, mode), 0);
	close(fd);
}

/* The errno of execve, or 1000 + exit status, or 2000 + signal. */
static int run(const char *path)
{
	pid_t pid = fork();
	int status;

	CHECK(pid >= 0);
	if (!pid) {
		char *argv[] = { (char *)path, NULL };

		execve(path, argv, no_env);
		_exit(100 + errno);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		return 2000 + WTERMSIG(status);
	return WEXITSTATUS(status) >= 100 ? WEXITSTATUS(status) - 100 :
		1000 + WEXITSTATUS(status);
}

static int run_tiny(const struct tiny *t, size_t n)
{
	put_file("tiny", t, n, 0700);
	return run("./tiny");
}

static void bad_headers(void)
{
	struct tiny t = good;

	CHECK_EQ(run_tiny(&good, sizeof(good)), 1005);
	CHECK_EQ(run_tiny(&good, 0), ENOEXEC);
	CHECK_EQ(run_tiny(&good, 3), ENOEXEC);
	CHECK_EQ(run_tiny(&good, 40), ENOEXEC);
	CHECK_EQ(run_tiny(&good, 100), ENOEXEC);
	t.eh.e_machine = EM_AARCH64;
	CHECK_EQ(run_tiny(&t, sizeof(t)), ENOEXEC);
	t = good;
	t.eh.e_type = ET_REL;
	CHECK_EQ(run_tiny(&t, sizeof(t)), ENOEXEC);
	t = good;
	t.eh.e_phentsize = 32;
	CHECK_EQ(run_tiny(&t, sizeof(t)), ENOEXEC);
	t = good;
	t.eh.e_phnum = 0;
	CHECK_EQ(run_tiny(&t, sizeof(t)), ENOEXEC);
	t = good;
	t.eh.e_phoff = 1 << 20;
	CHECK_EQ(run_tiny(&t, sizeof(t)), ENOEXEC);
	t = good;
	t.ph[0].p_filesz = t.ph[0].p_memsz + 1;
	CHECK_EQ(run_tiny(&t, sizeof(t)), 2000 + SIGSEGV);
	t = good;
	t.ph[0].p_offset = 8;
	CHECK_EQ(run_tiny(&t, sizeof(t)), 2000 + SIGSEGV);
	t = good;
	t.eh.e_entry = 0x10;
	CHECK_EQ(run_tiny(&t, sizeof(t)), 2000 + SIGSEGV);
	STEP("headers");
}

static void bad_interpreters(void)
{
	struct tiny t = good;
	char text[200];

	memset(text, 'x', sizeof(text));
	t.ph[2] = (Elf64_Phdr){ PT_INTERP, PF_R, offsetof(struct tiny, interp), 0, 0, 0, 0, 1 };
	strcpy(t.interp, "./ld");
	t.ph[2].p_filesz = t.ph[2].p_memsz = strlen(t.interp) + 1;
	unlink("ld");
	CHECK_EQ(run_tiny(&t, sizeof(t)), ENOENT);
	put_file("ld", text, sizeof(text), 0700);
	CHECK_EQ(run_tiny(&t, sizeof(t)), ELIBBAD);
	put_file("ld", text, sizeof(text), 0600);
	CHECK_EQ(run_tiny(&t, sizeof(t)), EACCES);
	put_file("ld", text, 10, 0700);
	CHECK_EQ(run_tiny(&t, sizeof(t)), EIO);
	t.ph[2].p_filesz--;
	CHECK_EQ(run_tiny(&t, sizeof(t)), ENOEXEC);
	t.ph[2].p_filesz = 1;
	CHECK_EQ(run_tiny(&t, sizeof(t)), ENOEXEC);
	t.ph[2].p_filesz = PATH_MAX + 1;
	CHECK_EQ(run_tiny(&t, sizeof(t)), ENOEXEC);
	STEP("interpreters");
}

static void bad_paths(void)
{
	static char huge[140 * 1024];
	char *argv[] = { self, huge, NULL };

	CHECK_ERRNO(execve("", argv, no_env), ENOENT);
	CHECK_ERRNO(execve("nothing", argv, no_env), ENOENT);
	CHECK_ERRNO(execve("tiny/x", argv, no_env), ENOTDIR);
	CHECK_ERRNO(execve(".", argv, no_env), EACCES);
	put_file("tiny", &good, sizeof(good), 0600);
	CHECK_ERRNO(execve("tiny", argv, no_env), EACCES);
	CHECK_ERRNO(syscall(SYS_execve, 8, argv, no_env), EFAULT);
	CHECK_ERRNO(syscall(SYS_execve, self, 8, no_env), EFAULT);
	memset(huge, 'h', sizeof(huge) - 1);
	CHECK_ERRNO(execve(self, argv, no_env), E2BIG);
	STEP("paths");
}

/* ---- scripts ---- */
static void put_script(const char *name, const char *line)
{
	put_file(name, line, strlen(line), 0700);
}

static void scripts(void)
{
	char line[PATH_MAX + 40], name[8];

	put_script("s", "#!");
	CHECK_EQ(run("./s"), EACCES);
	put_script("s", "#! \t \n");
	CHECK_EQ(run("./s"), ENOEXEC);
	put_script("s", "#!/no/such/interpreter\n");
	CHECK_EQ(run("./s"), ENOENT);
	put_script("s", "#!.\n");
	CHECK_EQ(run("./s"), EACCES);
	snprintf(line, sizeof(line), "#! \t%s \t args  to it \t\nrest", self);
	put_script("s", line);
	CHECK_EQ(run("./s"), 1000 + 42);
	/* the first program reads "args  to it", ./s: see below */
	for (int i = 1; i <= 7; i++) {
		snprintf(name, sizeof(name), "c%d", i);
		snprintf(line, sizeof(line), i == 1 ? "#!./tiny\n" : "#!./c%d\n", i - 1);
		put_script(name, line);
	}
	put_file("tiny", &good, sizeof(good), 0700);
	CHECK_EQ(run("./c1"), 1005);
	CHECK_EQ(run("./c5"), 1005);
	CHECK_EQ(run("./c6"), ELOOP);
	STEP("scripts");
}

static int script_arguments(int argc, char **argv)
{
	CHECK_EQ(argc, 3);
	CHECK(!strcmp(argv[1], "args  to it") && !strcmp(argv[2], "./s"));
	CHECK(!strcmp((char *)getauxval(AT_EXECFN), "./s"));
	return 42;
}

/* ---- execveat ---- */
static int run_at(int fd, const char *path, int flags, char *const argv[])
{
	pid_t pid = fork();
	int status;

	CHECK(pid >= 0);
	if (!pid) {
		syscall(SYS_execveat, fd, path, argv, no_env, flags);
		_exit(100 + errno);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		return 2000 + WTERMSIG(status);
	return WEXITSTATUS(status) >= 100 ? WEXITSTATUS(status) - 100 :
		1000 + WEXITSTATUS(status);
}

static void descriptors(void)
{
	char *argv[] = { "tiny", NULL };
	int dir = open(".", O_RDONLY | O_DIRECTORY), fd, p[2];

	put_file("tiny", &good, sizeof(good), 0700);
	unlink("link");
	CHECK_EQ(symlink("tiny", "link"), 0);
	fd = open("tiny", O_RDONLY | O_CLOEXEC);
	CHECK(dir >= 0 && fd >= 0 && !pipe(p));
	CHECK_EQ(run_at(dir, "tiny", 0, argv), 1005);
	CHECK_EQ(run_at(dir, "link", 0, argv), 1005);
	CHECK_EQ(run_at(dir, "link", AT_SYMLINK_NOFOLLOW, argv), ELOOP);
	CHECK_EQ(run_at(AT_FDCWD, "tiny", 0, argv), 1005);
	CHECK_EQ(run_at(fd, "", AT_EMPTY_PATH, argv), 1005);
	CHECK_EQ(run_at(fd, "", 0, argv), ENOENT);
	CHECK_EQ(run_at(fd, "x", 0, argv), ENOTDIR);
	CHECK_EQ(run_at(99, "tiny", 0, argv), EBADF);
	CHECK_EQ(run_at(dir, "", AT_EMPTY_PATH, argv), EACCES);
	CHECK_EQ(run_at(p[0], "", AT_EMPTY_PATH, argv), EACCES);
	CHECK_EQ(run_at(dir, "tiny", 0x40, argv), EINVAL);
	close(fd);
	put_script("s", "#!./tiny\n");
	fd = open("s", O_RDONLY | O_CLOEXEC);
	CHECK_EQ(run_at(fd, "", AT_EMPTY_PATH, argv), ENOENT);
	close(fd);
	close(dir);
	close(p[0]);
	close(p[1]);
	STEP("descriptors");
}

/* ---- what a program finds ---- */
static int found(char **argv)
{
	const unsigned char *r = (void *)getauxval(AT_RANDOM);
	unsigned sum = 0;

	CHECK(!strcmp((char *)getauxval(AT_EXECFN), self));
	CHECK(!strcmp((char *)getauxval(AT_PLATFORM), "x86_64"));
	CHECK_EQ(getauxval(AT_PAGESZ), 4096);
	CHECK_EQ(getauxval(AT_CLKTCK), 100);
	CHECK_EQ(getauxval(AT_SECURE), 0);
	CHECK_EQ(getauxval(AT_UID), getuid());
	CHECK_EQ(getauxval(AT_EGID), getegid());
	CHECK_EQ(getauxval(AT_PHENT), sizeof(Elf64_Phdr));
	CHECK(getauxval(AT_PHNUM) && getauxval(AT_PHDR) && getauxval(AT_ENTRY));
	CHECK(getauxval(AT_HWCAP));
	CHECK(getauxval(AT_MINSIGSTKSZ) >= 1000);
	CHECK(r);
	for (int i = 0; i < 16; i++)
		sum += r[i];
	CHECK(sum);
	CHECK(((uintptr_t)argv & 15) == 8 && !strcmp(argv[1], "found"));
	CHECK(!access("/proc/self/exe", F_OK) || errno == ENOENT);
	return 43;
}

static int stack_of(const char *how)
{
	char out[32];
	int n = snprintf(out, sizeof(out), "%p %p\n", (void *)getauxval(AT_RANDOM), (void *)how);

	CHECK_EQ(write(3, out, (size_t)n), n);
	return 44;
}

static void stack_place(char *out, size_t size, int fixed)
{
	int p[2];
	pid_t pid;
	ssize_t n;

	CHECK_EQ(pipe(p), 0);
	pid = fork();
	if (!pid) {
		char *argv[] = { self, "stack", NULL };

		if (fixed)
			personality(ADDR_NO_RANDOMIZE);
		dup2(p[1], 3);
		execve(self, argv, no_env);
		_exit(1);
	}
	close(p[1]);
	n = read(p[0], out, size - 1);
	CHECK(n > 0);
	out[n] = 0;
	close(p[0]);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
}

static void starts(void)
{
	char *argv[] = { self, "found", NULL }, *none[] = { NULL }, a[40], b[40];
	int fd = open(self, O_RDONLY);

	CHECK_EQ(run_at(AT_FDCWD, self, 0, argv), 1043);
	put_file("tiny", &good, sizeof(good), 0700);
	CHECK_EQ(run_at(AT_FDCWD, "tiny", 0, none), 1005);
	close(fd);
	stack_place(a, sizeof(a), 1);
	stack_place(b, sizeof(b), 1);
	CHECK(!strcmp(a, b));
	stack_place(a, sizeof(a), 0);
	stack_place(b, sizeof(b), 0);
	CHECK(strcmp(a, b));
	STEP("starts");
}

int main(int argc, char **argv)
{
	CHECK(realpath((char *)getauxval(AT_EXECFN), self));
	if (argc == 3 && !strncmp(argv[1], "args", 4))
		return script_arguments(argc, argv);
	if (argc == 2 && !strcmp(argv[1], "found"))
		return found(argv);
	if (argc == 2 && !strcmp(argv[1], "stack"))
		return stack_of(argv[1]);
	if (mkdir(DIR_NAME, 0700))
		CHECK_EQ(errno, EEXIST);
	CHECK_EQ(chdir(DIR_NAME), 0);
	bad_headers();
	bad_interpreters();
	bad_paths();
	scripts();
	descriptors();
	starts();
	CHECK_EQ(chdir("/"), 0);
	CHECK_EQ(system("rm -r " DIR_NAME), 0);
	return all_ok("exec");
}
