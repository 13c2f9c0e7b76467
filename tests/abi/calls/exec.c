// SPDX-License-Identifier: GPL-2.0-only
/* execve: what a program is given and keeps, scripts, errors; threads at exec and at the end. */
#include "abi.h"

static void *sleeper(void *unused)
{
	for (;;)
		pause();
}

static void start(void *(*fn)(void *))
{
	pthread_t t;

	NEED(!pthread_create(&t, NULL, fn, NULL));
}

CASE(exec_arguments)
{
	CHILD(execl("/bin/busybox", "echo", "one", "", "three 3", NULL));
	CHILD({
		char *env[] = { "A=1", "B=two words", "C", NULL };

		execle("/bin/busybox", "env", NULL, env);
	});
	CHILD({
		clearenv();
		execl("/bin/busybox", "env", NULL);
	});
	CHILD(execl("/bin/busybox", "sh", "-c", "echo $0 $# $1; exit 5", "name", "arg", NULL));
}

CASE(exec_errors)
{
	char *none[] = { NULL };
	char *args[] = { "x", NULL };

	close(make_file("plain", "#!/bin/sh\n", 10));
	close(make_file("junk", "\177ELFjunk", 8));
	chmod("junk", 0755);
	close(make_file("empty", "", 0));
	chmod("empty", 0755);
	close(make_file("script-none", "#!/no/such/interpreter\n", 23));
	chmod("script-none", 0755);
	close(make_file("text", "echo hello\n", 11));
	chmod("text", 0755);
	R(execve("none", args, none));
	R(execve("plain", args, none));
	R(execve("junk", args, none));
	R(execve("empty", args, none));
	R(execve("text", args, none));
	R(execve("script-none", args, none));
	R(execve(".", args, none));
	R(execve("plain/x", args, none));
	R(execve("", args, none));
	R(execve("/bin/busybox", BAD, none));
	R(execve("/bin/busybox", (char *[]){ BAD, NULL }, none));
	R(execve("/dev/null", args, none));
	X(execveat, 99, "x", args, none, 0);
	X(execveat, AT_FDCWD, "", args, none, 0);
}

CASE(exec_scripts)
{
	const char *loop = "#!loop\n";

	close(make_file("script", "#!/bin/sh -e\necho script $0 $1 $-; exit 7\n", 42));
	chmod("script", 0755);
	CHILD(execl("script", "zero", "one", NULL));
	close(make_file("outer", "#!script two words \n", 20));
	chmod("outer", 0755);
	CHILD(execl("./outer", "zero", "one", NULL));
	close(make_file("loop", loop, strlen(loop)));
	chmod("loop", 0755);
	R(execl("loop", "x", NULL));
	close(make_file("blank", "#! \n", 4));
	chmod("blank", 0755);
	R(execl("blank", "x", NULL));
	char deep[8], text[32];

	close(make_file("s0", "#!/bin/sh\nexit 9\n", 17));
	chmod("s0", 0755);
	for (int i = 1; i < 8; i++) {
		snprintf(deep, sizeof(deep), "s%d", i);
		snprintf(text, sizeof(text), "#!s%d\n", i - 1);
		close(make_file(deep, text, strlen(text)));
		chmod(deep, 0755);
	}
	CHILD(execl("s3", "x", NULL));
	CHILD(R(execl("s7", "x", NULL)));
}

CASE(exec_keeps)
{
	int keep = open("/dev/null", O_RDONLY), gone = open("/dev/null", O_RDONLY | O_CLOEXEC);

	say("%d %d", keep, gone);
	umask(027);
	/* descriptors, asked of the program itself */
	CHILD(execl("/bin/busybox", "sh", "-c",
		    "(: <&3) 2>/dev/null && echo 3 open; "
		    "(: <&4) 2>/dev/null && echo 4 open; umask; pwd | sed 's/.*abi-......$/here/'",
		    NULL));
	/* an ignored signal stays ignored, a caught one becomes default, the mask stays */
	CHILD({
		sigset_t s;

		signal(SIGUSR1, SIG_IGN);
		signal(SIGUSR2, (void (*)(int))abort);
		sigemptyset(&s);
		sigaddset(&s, SIGTERM);
		sigprocmask(SIG_BLOCK, &s, NULL);
		execl("/bin/busybox", "sh", "-c",
		      "kill -USR1 $$; kill -TERM $$; echo alive; kill -USR2 $$; "
		      "echo not here",
		      NULL);
	});
}

CASE(exec_large_arguments)
{
	static char big[130 * 1024];
	char *args[70] = { "sh", "-c", "echo $# ${#1}", "x" };

	memset(big, 'x', sizeof(big) - 1);
	args[4] = big;
	CHILD(execv("/bin/sh", args));
	static char huge[140 * 1024];

	memset(huge, 'y', sizeof(huge) - 1);
	args[4] = huge;
	R(execv("/bin/sh", args));
	for (int i = 4; i < 69; i++)
		args[i] = big; /* 8 MiB in all */
	R(execv("/bin/sh", args));
}

static void *exec_it(void *unused)
{
	execl("/bin/sh", "sh", "-c", "[ $$ = $ID ] && echo same id", NULL);
	return NULL;
}

CASE(exec_in_thread_group)
{
	CHILD({
		char *args[] = { "sh", "-c", "echo alone; exit 6", NULL };

		start(sleeper);
		settle();
		execv("/bin/sh", args);
	});
	CHILD({
		/* by a thread that is not the leader: the process keeps its id */
		char id[16];

		snprintf(id, sizeof(id), "%d", getpid());
		setenv("ID", id, 1);
		start(exec_it);
		pause();
	});
}

static void *outlive(void *unused)
{
	settle();
	say("thread outlives the leader");
	syscall(SYS_exit, 4);
	return NULL;
}

static void *abort_it(void *unused)
{
	abort();
}

CASE(exit_group_threads)
{
	CHILD({
		for (int i = 0; i < 5; i++)
			start(sleeper);
		_exit(17);
	});
	CHILD({
		/* the leader goes, the process stays until the last thread */
		start(outlive);
		syscall(SYS_exit, 3);
	});
	CHILD({
		start(abort_it);
		pause();
	});
}
