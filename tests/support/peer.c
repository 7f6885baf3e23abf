/* See peer.h. One epoll loop; never blocks on a client that does not read. */
#include "config.h"

#include "peer.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run.h"

static struct sockaddr_in
loopback(uint16_t port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return in;
}

static void
take_connections(struct peer *p, int listen_fd, int epoll_fd)
{
	int fd;

	while ((fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };
		uint32_t open = atomic_fetch_add(&p->counts->open, 1) + 1;

		if (open > atomic_load(&p->counts->most))
			atomic_store(&p->counts->most, open);
		atomic_fetch_add(&p->counts->total, 1);
		epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev);
		(void)!write(fd, &p->letter, 1);
	}
}

static void
echo(struct peer *p, int fd)
{
	char buf[4096];
	ssize_t n = read(fd, buf, sizeof(buf));

	if (n > 0) {
		(void)!write(fd, buf, (size_t)n);
	} else if (n == 0 || errno != EAGAIN) {
		atomic_fetch_sub(&p->counts->open, 1);
		close(fd);
	}
}

static void
serve(struct peer *p, int listen_fd)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = listen_fd }, events[64];
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC), i, n;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listen_fd, &ev);
	for (;;) {
		n = epoll_wait(epoll_fd, events, 64, -1);
		for (i = 0; i < n; i++) {
			if (events[i].data.fd == listen_fd)
				take_connections(p, listen_fd, epoll_fd);
			else
				echo(p, events[i].data.fd);
		}
	}
}

void
peer_start(struct peer *p, char letter)
{
	struct sockaddr_in in = loopback(p->port);
	socklen_t len = sizeof(in);
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	ck_assert_msg(bind(fd, (struct sockaddr *)&in, len) == 0, "%s", strerror(errno));
	ck_assert_int_eq(listen(fd, 4096), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	p->port = ntohs(in.sin_port);
	p->letter = letter;
	if (p->counts == NULL)
		p->counts = mmap(NULL, sizeof(*p->counts), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(p->counts, MAP_FAILED);
	atomic_store(&p->counts->open, 0);
	p->pid = fork();
	ck_assert_int_ge(p->pid, 0);
	if (p->pid == 0)
		serve(p, fd);
	close(fd);
}

void
peer_stop(struct peer *p)
{
	if (p->pid == 0)
		return;
	kill(p->pid, SIGKILL);
	waitpid(p->pid, NULL, 0);
	p->pid = 0;
}

int
peer_connect(uint16_t port)
{
	struct sockaddr_in in = loopback(port);
	struct timeval tv = { .tv_sec = RUN_DEADLINE_MS / 1000 };
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, (struct sockaddr *)&in, sizeof(in)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* A socket with a deadline is not read on by itself after the process was stopped or frozen. */
static ssize_t
receive_byte(int fd, char *byte)
{
	ssize_t n;

	do {
		n = recv(fd, byte, 1, 0);
	} while (n < 0 && errno == EINTR);
	return n;
}

char
peer_greeting(int fd)
{
	char letter = 0;

	return receive_byte(fd, &letter) == 1 ? letter : 0;
}

int
peer_echo(int fd)
{
	char sent = 'e', back = 0;

	if (send(fd, &sent, 1, MSG_NOSIGNAL) != 1 || receive_byte(fd, &back) != 1)
		return -1;
	return back == sent ? 0 : -1;
}

char
peer_ask(uint16_t port)
{
	int fd = peer_connect(port);
	char letter;

	if (fd < 0)
		return 0;
	letter = peer_greeting(fd);
	close(fd);
	return letter;
}
