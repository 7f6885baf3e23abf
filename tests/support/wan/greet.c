/*
 * The server of the WAN stage: greets each client with its own name, and answers each line with
 * its name and that line, so that a client knows who serves it and when it stops.
 *
 *     greet NAME ADDR PORT
 *
 * prints `ready ADDR:PORT` once it listens. SIGUSR1 closes the listener after accepting what is
 * queued (what is connected goes on; the kernel refuses what comes), SIGUSR2 opens it again.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LINE_MAX_LEN = 512, BATCH = 256 };

struct session {
	int fd;
	size_t len;
	char line[LINE_MAX_LEN];
};

static const char *name;
static struct sockaddr_storage addr;
static socklen_t addr_len;
static int epoll_fd, listen_fd = -1, signal_fd;

static void
die(const char *what)
{
	fprintf(stderr, "greet %s: %s: %s\n", name, what, strerror(errno));
	exit(1);
}

static void
watch(int fd, void *ptr)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = ptr };

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
		die("epoll_ctl");
}

static void
open_listener(void)
{
	int one = 1;

	if (listen_fd >= 0)
		return;
	listen_fd = socket(addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (listen_fd < 0)
		die("socket");
	setsockopt(listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listen_fd, (struct sockaddr *)&addr, addr_len) < 0 || listen(listen_fd, 4096) < 0)
		die("listen");
	watch(listen_fd, &listen_fd);
}

static void
end_session(struct session *s)
{
	close(s->fd);
	free(s);
}

static void
accept_all(void)
{
	char greeting[LINE_MAX_LEN];
	struct session *s;
	int fd, one = 1;

	snprintf(greeting, sizeof(greeting), "%s\n", name);
	while ((fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		s = calloc(1, sizeof(*s));
		if (s == NULL)
			die("calloc");
		s->fd = fd;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		watch(fd, s);
		(void)!send(fd, greeting, strlen(greeting), MSG_NOSIGNAL);
	}
} /* NOLINT(clang-analyzer-unix.Malloc): epoll keeps the pointer */

static void
serve(struct session *s)
{
	char answer[2 * LINE_MAX_LEN], *end;
	ssize_t n = recv(s->fd, s->line + s->len, sizeof(s->line) - s->len, 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		end_session(s);
		return;
	}
	s->len += (size_t)n;
	while ((end = memchr(s->line, '\n', s->len)) != NULL) {
		size_t line = (size_t)(end - s->line) + 1;
		int len = snprintf(answer, sizeof(answer), "%s %.*s", name, (int)line, s->line);

		if (send(s->fd, answer, (size_t)len, MSG_NOSIGNAL) != len) {
			end_session(s);
			return;
		}
		s->len -= line;
		memmove(s->line, end + 1, s->len);
	}
	if (s->len == sizeof(s->line))
		end_session(s);
}

static void
on_signal(void)
{
	struct signalfd_siginfo info;

	if (read(signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGUSR2) {
		open_listener();
	} else if (listen_fd >= 0) {
		accept_all();
		close(listen_fd);
		listen_fd = -1;
	}
}

static void
parse_addr(const char *text, const char *port)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&addr;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&addr;

	in->sin_port = htons((uint16_t)atoi(port));
	if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		addr_len = sizeof(*in);
	} else if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		addr_len = sizeof(*in6);
	} else {
		errno = EINVAL;
		die(text);
	}
}

int
main(int argc, char **argv)
{
	struct epoll_event ready[BATCH];
	sigset_t signals;
	int i, n;

	if (argc != 4) {
		fputs("usage: greet NAME ADDR PORT\n", stderr);
		return 2;
	}
	name = argv[1];
	parse_addr(argv[2], argv[3]);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
	sigaddset(&signals, SIGUSR2);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
	if (epoll_fd < 0 || signal_fd < 0)
		die("epoll");
	watch(signal_fd, &signal_fd);
	open_listener();
	printf("ready %s:%s\n", argv[2], argv[3]);
	fflush(stdout);
	for (;;) {
		n = epoll_wait(epoll_fd, ready, BATCH, -1);
		for (i = 0; i < n; i++) {
			if (ready[i].data.ptr == &signal_fd)
				on_signal();
			else if (ready[i].data.ptr != &listen_fd)
				serve(ready[i].data.ptr);
			else if (listen_fd >= 0)
				accept_all();
		}
	}
}
