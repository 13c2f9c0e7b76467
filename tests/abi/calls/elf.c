// SPDX-License-Identifier: GPL-2.0-only
/*
 * execve of damaged programs: small ELF files of which one field has another value, of which bytes
 * were changed at random, which end early, or whose interpreter is such a file. What execve says,
 * or how the program ends, is what Linux says and how it ends there.
 */
#include <elf.h>
#include "abi.h"

#define BASE 0x400000
#define DATA 0x300 /* offset of what the second segment shows */

struct program {
	Elf64_Ehdr e;
	Elf64_Phdr p[3];
	char interp[32];
	unsigned char code[128];
	unsigned char rest[0x400 - 64 - 3 * 56 - 32 - 128];
};
_Static_assert(sizeof(struct program) == 0x400, "");

/* exit(42 + a byte of the data) */
static const unsigned char exit_42[] = {
	0x31, 0xff,                               /* xor edi, edi */
	0x40, 0x8a, 0x3c, 0x25, 0x00, 0x13, 0x60, 0x00, /* mov dil, [0x601300] */
	0x83, 0xc7, 0x2a,                         /* add edi, 42 */
	0xb8, 0x3c, 0, 0, 0,                      /* mov eax, 60 */
	0x0f, 0x05,                               /* syscall */
};

static struct program good(void)
{
	struct program f = {
		.e = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		       .e_type = ET_EXEC, .e_machine = EM_X86_64, .e_version = EV_CURRENT,
		       .e_phoff = offsetof(struct program, p), .e_ehsize = sizeof(Elf64_Ehdr),
		       .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 3,
		       .e_entry = BASE + offsetof(struct program, code) },
		.p = { { PT_LOAD, PF_R | PF_X, 0, BASE, BASE, sizeof(f), sizeof(f), 4096 },
		       { PT_LOAD, PF_R | PF_W, DATA, 0x601300, 0x601300, 0x40, 0x2000, 4096 },
		       { PT_NOTE, PF_R, offsetof(struct program, interp), 0, 0, 7, 7, 1 } },
		.interp = "interp",
	};

	memset(f.code, 0x90, sizeof(f.code)); /* so that an entry may lie elsewhere */
	memcpy(f.code + 64, exit_42, sizeof(exit_42));
	return f;
}

static void write_file(const char *name, const void *data, size_t len)
{
	int fd = open(name, O_CREAT | O_TRUNC | O_WRONLY, 0755);

	NEED(fd >= 0 && write(fd, data, len) == (ssize_t)len);
	close(fd);
}

static const char *run(const char *name)
{
	static char text[64];
	int st, err[2];
	pid_t p;

	NEED(!pipe2(err, O_CLOEXEC));
	p = fork();
	if (!p) {
		alarm(3);
		execl(name, name, NULL);
		st = errno;
		write(err[1], &st, sizeof(st));
		_exit(0);
	}
	close(err[1]);
	waitpid(p, &st, 0);
	int e, n = (int)read(err[0], &e, sizeof(e));

	close(err[0]);
	if (n > 0)
		snprintf(text, sizeof(text), "%s", errno_name(e));
	else if (WIFEXITED(st))
		snprintf(text, sizeof(text), "exit %d", WEXITSTATUS(st));
	else
		snprintf(text, sizeof(text), "SIG%s", signal_name(WTERMSIG(st)));
	return text;
}

static const char *run_bytes(const void *data, size_t len)
{
	write_file("mutant", data, len);
	return run("./mutant");
}

struct field { const char *name; unsigned short at, size; };
#define E(f) { #f, offsetof(struct program, e.f), sizeof(((struct program *)0)->e.f) }
#define P(i, f)                                                                                   \
	{ #i "." #f, offsetof(struct program, p[i].f), sizeof(((struct program *)0)->p[0].f) }

static const struct field head_fields[] = {
	E(e_type), E(e_machine), E(e_version), E(e_entry), E(e_phoff), E(e_shoff), E(e_flags),
	E(e_ehsize), E(e_phentsize), E(e_phnum), E(e_shnum),
};
static const struct field segment_fields[] = {
	P(0, p_type), P(0, p_flags), P(0, p_offset), P(0, p_vaddr), P(0, p_filesz), P(0, p_memsz),
	P(0, p_align), P(1, p_type), P(1, p_flags), P(1, p_offset), P(1, p_vaddr), P(1, p_filesz),
	P(1, p_memsz), P(1, p_align),
};
static const uint64_t values[] = {
	0, 1, 2, 3, 56, 64, 0x1000, 0x1001, 0x10000, 0xffff, 0x7fffffff, 0xffffffff,
	0x7ffffffff000, 0x800000000000, 0x7fffffffffffffff, 0xffffffffffffffff,
};

static void try_fields(const struct field *f, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		for (unsigned v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
			struct program p = good();

			if (f[i].size < 8 && values[v] >> (f[i].size * 8))
				continue;
			/* how much memory a machine gives away is its own business */
			if (strstr(f[i].name, "p_memsz") && values[v] > 0x100000)
				continue;
			/* Linux's versions differ in zeroes that cannot be written */
			if (!strcmp(f[i].name, "1.p_flags") && (values[v] & 3) == 1)
				continue;
			memcpy((char *)&p + f[i].at, &values[v], f[i].size);
			say("%s = %llx: %s", f[i].name, (unsigned long long)values[v],
			    run_bytes(&p, sizeof(p)));
		}
}

CASE(elf_header)
{
	struct program p = good();

	say("good: %s", run_bytes(&p, sizeof(p)));
	for (int i = 0; i < EI_NIDENT; i++) {
		p = good();
		p.e.e_ident[i] ^= 0xff;
		say("ident %d: %s", i, run_bytes(&p, sizeof(p)));
	}
	try_fields(head_fields, sizeof(head_fields) / sizeof(head_fields[0]));
}

#define SEGMENT_FIELDS (sizeof(segment_fields) / sizeof(segment_fields[0]) / 2)

CASE(elf_segment_text)
{
	try_fields(segment_fields, SEGMENT_FIELDS);
}

CASE(elf_segment_data)
{
	try_fields(segment_fields + SEGMENT_FIELDS, SEGMENT_FIELDS);
}

CASE(elf_short)
{
	struct program p = good();

	for (size_t len = 0; len < sizeof(p); len += len < 0x140 ? 13 : 100)
		say("%zu bytes: %s", len, run_bytes(&p, len));
}

static uint64_t seed = 20240607;

static unsigned dice(unsigned n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)(seed >> 33) % n;
}

CASE(elf_random)
{
	for (int i = 0; i < 100; i++) {
		struct program p = good();
		unsigned n = 1 + dice(3), len = 0;
		char text[64];

		while (n--) {
			unsigned at = dice(64 + 2 * 56), to = dice(256);

			if (at / 8 == 0x68 / 8 || at / 8 == 0xa0 / 8)
				at -= 8; /* not p_memsz: see above, and segments would overlap */
			((unsigned char *)&p)[at] = (unsigned char)to;
			len += (unsigned)sprintf(text + len, " %02x=%02x", at, to);
		}
		say("%d:%s: %s", i, text, run_bytes(&p, sizeof(p)));
	}
}

CASE(elf_interpreter)
{
	struct program p = good(), ld = good();

	p.p[2].p_type = PT_INTERP;
	ld.p[1].p_vaddr = ld.p[1].p_paddr = 0x601300;
	write_file("interp", &ld, sizeof(ld));
	say("one that lies where the program does: %s", run_bytes(&p, sizeof(p)));
	p.e.e_type = ET_DYN;
	say("a program without a place: %s", run_bytes(&p, sizeof(p)));
	p = good();
	p.p[2].p_type = PT_INTERP;
	for (size_t len = 0; len < 0x140; len += 31) {
		write_file("interp", &ld, len);
		say("interpreter of %zu bytes: %s", len, run_bytes(&p, sizeof(p)));
	}
	write_file("interp", "#!/bin/sh\nexit 3\n", 17);
	say("a script: %s", run_bytes(&p, sizeof(p)));
	write_file("interp", &ld, sizeof(ld));
	chmod("interp", 0644);
	say("not executable: %s", run_bytes(&p, sizeof(p)));
	unlink("interp");
	say("not there: %s", run_bytes(&p, sizeof(p)));
	mkdir("interp", 0755);
	say("a folder: %s", run_bytes(&p, sizeof(p)));
	for (unsigned n = 0; n < 10; n++) {
		p.p[2].p_filesz = n;
		say("a name of %u: %s", n, run_bytes(&p, sizeof(p)));
	}
	p.p[2].p_filesz = 5000;
	say("a name of 5000: %s", run_bytes(&p, sizeof(p)));
	p.p[2].p_filesz = 7;
	p.p[2].p_offset = 0x100000;
	say("a name behind the end: %s", run_bytes(&p, sizeof(p)));
	p.p[2].p_offset = offsetof(struct program, interp);
	p.interp[6] = 'x';
	say("a name without an end: %s", run_bytes(&p, sizeof(p)));
	p.interp[0] = 0;
	p.interp[6] = 0;
	say("an empty name: %s", run_bytes(&p, sizeof(p)));
}
