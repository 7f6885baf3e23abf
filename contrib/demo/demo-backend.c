/* A small HTTP server for demonstrations: says which backend answered. `demo-backend NAME PORT`
 * listens on 127.0.0.1 (port 0: any), says where on stdout, and serves until a signal ends it. */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct demo {
	const char *name;
	unsigned long answered;
};

static void
on_request(struct evhttp_request *req, void *arg)
{
	struct demo *demo = arg;
	struct evkeyvalq *headers = evhttp_request_get_output_headers(req);
	struct evbuffer *body = evbuffer_new();

	demo->answered++;
	if (body == NULL ||
		evbuffer_add_printf(body, "%s answered (its request no. %lu)\n", demo->name,
			demo->answered) < 0) {
		evhttp_send_error(req, HTTP_INTERNAL, NULL);
	} else {
		evhttp_add_header(headers, "Content-Type", "text/plain");
		evhttp_add_header(headers, "X-Backend", demo->name);
		evhttp_send_reply(req, HTTP_OK, "OK", body);
	}
	if (body != NULL)
		evbuffer_free(body);
}

static void
on_signal(evutil_socket_t signum, short what, void *arg)
{
	(void)signum;
	(void)what;
	event_base_loopbreak(arg);
}

/* Returns the port that was bound, or -1. */
static int
listen_on(struct evhttp *http, unsigned short port)
{
	struct evhttp_bound_socket *bound;
	struct sockaddr_in sin = { 0 };
	socklen_t len = sizeof(sin);

	bound = evhttp_bind_socket_with_handle(http, "127.0.0.1", port);
	if (bound == NULL ||
		getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&sin, &len) < 0)
		return -1;
	return ntohs(sin.sin_port);
}

static int
serve(struct demo *demo, unsigned short port)
{
	struct event_base *base = event_base_new();
	struct evhttp *http = NULL;
	struct event *term = NULL, *interrupt = NULL;
	int r = 1, bound;

	if (base == NULL || (http = evhttp_new(base)) == NULL ||
		(term = evsignal_new(base, SIGTERM, on_signal, base)) == NULL ||
		(interrupt = evsignal_new(base, SIGINT, on_signal, base)) == NULL ||
		event_add(term, NULL) < 0 || event_add(interrupt, NULL) < 0) {
		fprintf(stderr, "demo-backend: cannot start an event loop\n");
		goto out;
	}
	bound = listen_on(http, port);
	if (bound < 0) {
		fprintf(stderr, "demo-backend: cannot listen on 127.0.0.1:%u: %s\n", port,
			strerror(errno));
		goto out;
	}
	evhttp_set_gencb(http, on_request, demo);
	printf("%s listening on 127.0.0.1:%d\n", demo->name, bound);
	fflush(stdout);
	r = event_base_dispatch(base) < 0;
out:
	if (interrupt != NULL)
		event_free(interrupt);
	if (term != NULL)
		event_free(term);
	if (http != NULL)
		evhttp_free(http);
	if (base != NULL)
		event_base_free(base);
	return r;
}

int
main(int argc, char **argv)
{
	struct demo demo = { NULL, 0 };
	unsigned long port;
	char *end;

	if (argc != 3)
		goto usage;
	errno = 0;
	port = strtoul(argv[2], &end, 10);
	if (errno != 0 || *argv[2] == '\0' || *end != '\0' || port > 65535)
		goto usage;
	demo.name = argv[1];
	return serve(&demo, (unsigned short)port);
usage:
	fprintf(stderr, "usage: demo-backend NAME PORT\n");
	return 2;
}
