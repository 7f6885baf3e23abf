/* A diagnostics endpoint inside a test. What fails here ends the test. */
#include "config.h"

#include "serve.h"

#include <arpa/inet.h>
#include <check.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "iaido/conf.h"
#include "iaido/diag.h"

struct serve {
	pthread_t thread;
	struct event_base *base;
	struct event *stop;
	struct diag *diag;
	void (*fill)(struct snapshot *s);
	struct conf *conf;
	atomic_uint snapshots;
	int stop_pipe[2];
	uint16_t port;
};

static int
take_snapshot(void *arg, struct snapshot *out)
{
	struct serve *s = arg;

	atomic_fetch_add(&s->snapshots, 1);
	s->fill(out);
	return 0;
}

static const struct conf *
current_conf(void *arg)
{
	struct serve *s = arg;

	return s->conf;
}

static void
on_stop(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	event_base_loopbreak(arg);
}

static void *
run(void *arg)
{
	struct serve *s = arg;

	event_base_dispatch(s->base);
	return NULL;
}

struct serve *
serve_start(void (*fill)(struct snapshot *s))
{
	struct serve *s = calloc(1, sizeof(*s));
	struct diag_source source = { take_snapshot, current_conf, s };
	static const char yaml[] = "gracePeriod: 7s\nfrontends: []\n";
	struct conf_report report = { 0 };
	struct sockaddr_in in = { 0 };
	socklen_t len = sizeof(in);
	int fd = diag_listen("127.0.0.1:0");

	ck_assert_ptr_nonnull(s);
	ck_assert_int_eq(conf_parse("x.yaml", yaml, strlen(yaml), &s->conf, &report), 0);
	conf_report_fini(&report);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	signal(SIGPIPE, SIG_IGN);
	s->fill = fill;
	s->port = ntohs(in.sin_port);
	s->base = event_base_new();
	ck_assert_ptr_nonnull(s->base);
	ck_assert_int_eq(pipe(s->stop_pipe), 0);
	s->stop = event_new(s->base, s->stop_pipe[0], EV_READ, on_stop, s->base);
	ck_assert_int_eq(event_add(s->stop, NULL), 0);
	ck_assert_int_eq(diag_new(s->base, fd, &source, &s->diag), 0);
	ck_assert_int_eq(diag_descriptor(s->diag), fd);
	ck_assert_int_eq(pthread_create(&s->thread, NULL, run, s), 0);
	return s;
}

void
serve_stop(struct serve *s)
{
	ck_assert_int_eq(write(s->stop_pipe[1], "x", 1), 1);
	ck_assert_int_eq(pthread_join(s->thread, NULL), 0);
	diag_free(s->diag);
	event_free(s->stop);
	event_base_free(s->base);
	conf_free(s->conf);
	close(s->stop_pipe[0]);
	close(s->stop_pipe[1]);
	free(s);
}

uint16_t
serve_port(const struct serve *s)
{
	return s->port;
}

unsigned
serve_snapshots(const struct serve *s)
{
	return atomic_load(&s->snapshots);
}

int
serve_connect(const struct serve *s)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(s->port) };
	const struct timeval patience = { .tv_sec = 30 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)), 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	return fd;
}

char *
serve_read_all(int fd)
{
	size_t size = 65536, len = 0;
	char *all = malloc(size);
	ssize_t n;

	ck_assert_ptr_nonnull(all);
	while ((n = read(fd, all + len, size - len - 1)) > 0) {
		len += (size_t)n;
		if (size - len < 4096) {
			size *= 2;
			all = realloc(all, size);
			ck_assert_ptr_nonnull(all);
		}
	}
	all[len] = '\0';
	return all;
}

char *
serve_ask(const struct serve *s, const char *request)
{
	int fd = serve_connect(s);
	size_t len = strlen(request);
	char *answer;

	ck_assert_int_eq(send(fd, request, len, MSG_NOSIGNAL), (ssize_t)len);
	answer = serve_read_all(fd);
	close(fd);
	return answer;
}
