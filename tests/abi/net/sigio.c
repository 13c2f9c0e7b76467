// SPDX-License-Identifier: GPL-2.0-only
/* SIGIO and SIGURG: whose, when, and what they say. */
#include <sys/socket.h>
#include "net.h"

static sigset_t io;

/* Both are blocked; RT+2 is for F_SETSIG. */
static void block(void)
{
	sigemptyset(&io);
	sigaddset(&io, SIGIO);
	sigaddset(&io, SIGURG);
	sigaddset(&io, SIGRTMIN + 2);
	signal(SIGURG, SIG_DFL);
	sigprocmask(SIG_BLOCK, &io, NULL);
}

static const char *code_name(int code)
{
	switch (code) {
	case SI_KERNEL:
		return "KERNEL";
	case POLL_IN:
		return "IN";
	case POLL_OUT:
		return "OUT";
	case POLL_ERR:
		return "ERR";
	case POLL_PRI:
		return "PRI";
	case POLL_HUP:
		return "HUP";
	}
	return "other";
}

/* The next one, or none within ms. */
static bool next(int ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
	siginfo_t i = { 0 };
	int sig = sigtimedwait(&io, &i, &t);

	if (sig < 0)
		say("no signal");
	else if (sig < SIGRTMIN)
		say("%s %s", signal_name(sig), code_name(i.si_code));
	else
		say("%s %s band %lx fd %d", signal_name(sig), code_name(i.si_code), i.si_band,
		    i.si_fd);
	return sig > 0;
}

/* What is left over from before. */
static void drain(void)
{
	siginfo_t i;

	sleep_ms(60);
	while (sigtimedwait(&io, &i, &(struct timespec){ 0, 0 }) > 0)
		;
}

static void async(int fd)
{
	NEED(!fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC));
}

CASE(sigio_data)
{
	int fd = connected();

	block();
	R(fcntl(fd, F_SETOWN, getpid()));
	PEER("send c a");
	await_bytes(fd, 1);
	next(60); /* not without O_ASYNC */
	async(fd);
	PEER("send c b");
	next(3000);
	await_bytes(fd, 2);
	drain();
	R(fcntl(fd, F_SETOWN, 0));
	PEER("send c c");
	await_bytes(fd, 3);
	next(60);
	R(fcntl(fd, F_SETOWN, getpid()));
	PEER("shut c wr");
	next(3000);
	R(shutdown(fd, SHUT_RD));
	drain();
}

CASE(sigio_setsig)
{
	int fd = connected();

	block();
	fd = dup2(fd, 90);
	R(fcntl(fd, F_SETSIG, SIGRTMIN + 2));
	R(fcntl(fd, F_SETOWN, getpid()));
	async(fd);
	PEER("send c a");
	next(3000);
	await_bytes(fd, 1);
	drain();
	PEER("urgent c !");
	drain();
	R(fcntl(fd, F_GETSIG));
	R(fcntl(fd, F_SETSIG, 0));
	PEER("send c z");
	next(3000);
}

CASE(sigio_reset)
{
	int fd = connected();

	block();
	fd = dup2(fd, 90);
	fcntl(fd, F_SETSIG, SIGRTMIN + 2);
	fcntl(fd, F_SETOWN, getpid());
	async(fd);
	PEER("rst c");
	next(3000);
	R(so_error(fd));
	drain();
}

CASE(sigio_accept)
{
	int l = listener(3), on = 1;

	block();
	R(ioctl(l, FIOASYNC, &on));
	R(fcntl(l, F_SETOWN, getpid()));
	PEER("connect c %s %d", my_ip_text(), port_of(l));
	next(3000);
	on = 0;
	R(ioctl(l, FIOASYNC, &on));
	PEER("connect d %s %d", my_ip_text(), port_of(l));
	await(l, POLLIN);
	drain();
}

CASE(sigio_connect)
{
	struct sockaddr_in a = addr(peer_ip(), ask_port("listen l"));
	int fd = dup2(tcp(), 90);

	block();
	fcntl(fd, F_SETSIG, SIGRTMIN + 2);
	fcntl(fd, F_SETOWN, getpid());
	fcntl(fd, F_SETFL, O_NONBLOCK | O_ASYNC);
	R(connect(fd, SA(a)));
	next(3000);
	R(so_error(fd));
}

CASE(sigio_datagram)
{
	int fd = udp();
	struct sockaddr_in a = addr(ANY, 0);

	NEED(!bind(fd, SA(a)));
	block();
	fcntl(fd, F_SETOWN, -getpgrp());
	async(fd);
	ask_port("udp u");
	PEER("usend u %s %d 10", my_ip_text(), port_of(fd));
	next(3000);
	next(60);
}

CASE(sigio_pipe)
{
	int p[2];
	char c;

	block();
	NEED(!pipe(p));
	fcntl(p[0], F_SETOWN, getpid());
	async(p[0]);
	R(write(p[1], "a", 1));
	next(3000);
	R(read(p[0], &c, 1));
	next(60); /* that is for writers */
	R(close(p[1]));
	next(3000);
}

CASE(sigio_pair)
{
	int s[2];

	block();
	NEED(!socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	fcntl(s[0], F_SETOWN, getpid());
	async(s[0]);
	R(write(s[1], "a", 1));
	next(3000);
}

CASE(sigurg)
{
	int fd = connected();

	block();
	PEER("urgent c a!");
	await(fd, POLLPRI);
	next(60); /* nobody's */
	R(fcntl(fd, F_SETOWN, getpid()));
	PEER("urgent c b!");
	next(3000);
	PEER("send c more");
	sleep_ms(100);
	next(0);
}

/* Both ends here. */
CASE(sigurg_local)
{
	struct sockaddr_in a = addr(LOOP, 0);
	int l = listener(1), fd = tcp(), s;

	block();
	a.sin_port = htons((uint16_t)port_of(l));
	NEED(!connect(fd, SA(a)) && (s = accept(l, NULL, NULL)) >= 0);
	R(ioctl(s, SIOCSPGRP, &(int){ getpid() }));
	R(send(fd, "x!", 2, MSG_OOB));
	next(3000);
	async(s);
	R(send(fd, "y", 1, 0));
	next(3000);
}

CASE(sigio_owner)
{
	int fd = tcp(), pid, got = -1;
	struct f_owner_ex o = { F_OWNER_PGRP, getpgrp() };

	R(fcntl(fd, F_GETOWN));
	R(fcntl(fd, F_GETOWN_EX, &o));
	say("type %d pid %d", o.type, o.pid);
	R(fcntl(fd, F_SETOWN, 99999));
	R(fcntl(fd, F_SETOWN, -99999));
	R(fcntl(fd, F_SETOWN, INT_MIN));
	o = (struct f_owner_ex){ 7, getpid() };
	R(fcntl(fd, F_SETOWN_EX, &o));
	o = (struct f_owner_ex){ F_OWNER_TID, getpid() };
	R(fcntl(fd, F_SETOWN_EX, &o));
	R(fcntl(fd, F_GETOWN_EX, &o));
	say("type %d me %d", o.type, o.pid == getpid());
	R(fcntl(fd, F_SETOWN, -getpgrp()));
	say("group %d", fcntl(fd, F_GETOWN) == -getpgrp());
	R(ioctl(fd, FIOGETOWN, &got));
	say("group %d", got == -getpgrp());
	pid = fork();
	if (!pid)
		_exit(0);
	R(fcntl(fd, F_SETOWN, pid));
	waitpid(pid, NULL, 0);
	R(fcntl(fd, F_GETOWN));
	R(fcntl(fd, F_SETSIG, 65));
	R(fcntl(fd, F_SETSIG, -1));
}
