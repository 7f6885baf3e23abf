/* c-ares in a libevent loop. Owns the channels, the events of their sockets, and one timer for what
 * c-ares wants to time out; knows nothing of who asks. The sockets are dns_transport's. */
#include "config.h"

#include "dns_channel.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "dns_search.h"
#include "dns_transport.h"
#include "iaido/clock.h"

#define DNS_TRIES 2 /* of one lookup, at each server; after that the resolver backs off */
#define DNS_UDP_SIZE 1232 /* what fits one packet nearly everywhere; larger answers come by TCP */

#define TIMEOUT_MAX_NS (86400 * NSEC_PER_SEC) /* c-ares doubles it, as an int of milliseconds */

struct channel {
	struct dns_channels *owner;
	ares_channel ares;
};

struct dns_socket {
	LIST_ENTRY(dns_socket) link;
	struct channel *channel;
	ares_socket_t fd;
	struct event *event;
};

struct dns_channels {
	struct event_base *base;
	struct channel channels[DNS_CHANNEL_COUNT];
	unsigned open_count;
	struct dns_transport *transport;
	struct ares_options options; /* of the first channel: what resolv.conf says */
	struct dns_search search;
	LIST_HEAD(, dns_socket) sockets;
	struct event *timer;
	int64_t due_ns; /* when it fires; 0 = not set */
	int64_t timeout_ns; /* of one try, as c-ares counts it */
};

static void
set_timer(struct dns_channels *c, int64_t wait_ns)
{
	struct timeval tv = { .tv_sec = wait_ns / NSEC_PER_SEC,
		.tv_usec = wait_ns % NSEC_PER_SEC / NSEC_PER_USEC };

	c->due_ns = clock_now_ns() + wait_ns;
	(void)evtimer_add(c->timer, &tv);
}

/* Something may have been sent: it is waited for no less than the time of one try. (Asking c-ares
 * each time would have it go through all that is under way.) */
static void
expect_answer(struct dns_channels *c)
{
	if (c->due_ns == 0 || clock_now_ns() + c->timeout_ns < c->due_ns)
		set_timer(c, c->timeout_ns);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct timeval tv[DNS_CHANNEL_COUNT], *first = NULL;
	struct dns_channels *c = arg;

	(void)fd;
	(void)what;
	for (unsigned i = 0; i < c->open_count; i++) {
		ares_process_fd(c->channels[i].ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
		first = ares_timeout(c->channels[i].ares, first, &tv[i]);
	}
	c->due_ns = 0;
	if (first)
		set_timer(c, first->tv_sec * NSEC_PER_SEC + first->tv_usec * NSEC_PER_USEC);
}

static void
on_socket(evutil_socket_t fd, short what, void *arg)
{
	struct channel *c = ((struct dns_socket *)arg)->channel;

	/* c-ares may close the socket in here, which frees arg. */
	ares_process_fd(c->ares, what & EV_READ ? fd : ARES_SOCKET_BAD,
		what & EV_WRITE ? fd : ARES_SOCKET_BAD);
	expect_answer(c->owner);
}

static void
socket_free(struct dns_socket *s)
{
	LIST_REMOVE(s, link);
	if (s->event)
		event_free(s->event);
	free(s);
}

/* c-ares wants to hear of a socket, or (neither way) is about to close it. Without memory the
 * query on it times out, which its owner then sees. */
static void
on_socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct channel *c = arg;
	struct dns_channels *d = c->owner;
	short what = (short)(EV_PERSIST | (readable ? EV_READ : 0) | (writable ? EV_WRITE : 0));
	struct dns_socket *s;

	LIST_FOREACH(s, &d->sockets, link)
		if (s->fd == fd)
			break;
	if (!readable && !writable) {
		if (s)
			socket_free(s);
		return;
	}
	if (!s) {
		s = calloc(1, sizeof(*s));
		if (!s)
			return;
		s->channel = c;
		s->fd = fd;
		LIST_INSERT_HEAD(&d->sockets, s, link);
	}
	if (s->event)
		event_free(s->event);
	s->event = event_new(d->base, fd, what, on_socket, s);
	if (s->event)
		(void)event_add(s->event, NULL);
}

static int
set_servers(ares_channel channel, const struct addr *servers, size_t count)
{
	struct ares_addr_port_node *nodes;
	int status;

	nodes = calloc(count, sizeof(*nodes));
	if (!nodes)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		const struct addr *a = &servers[i];

		nodes[i].family = a->sa.sa_family;
		nodes[i].udp_port = nodes[i].tcp_port = addr_port(a);
		if (a->sa.sa_family == AF_INET)
			memcpy(&nodes[i].addr.addr4, &a->in.sin_addr, sizeof(a->in.sin_addr));
		else
			memcpy(&nodes[i].addr.addr6, &a->in6.sin6_addr, sizeof(a->in6.sin6_addr));
		nodes[i].next = i + 1 < count ? &nodes[i + 1] : NULL;
	}
	status = ares_set_servers_ports(channel, nodes);
	free(nodes);
	return status == ARES_SUCCESS ? 0 : -ENOMEM;
}

/* The hosts file is read elsewhere. */
static char lookups[] = "b";

static int
open_channel(struct channel *c, int flags, int tries)
{
	struct ares_options o = {
		.flags = flags,
		.timeout = (int)(c->owner->timeout_ns / NSEC_PER_MSEC),
		.tries = tries,
		.ednspsz = DNS_UDP_SIZE,
		.lookups = lookups,
		.sock_state_cb = on_socket_state,
		.sock_state_cb_data = c,
	};
	int status;

	status = ares_init_options(&c->ares, &o,
		ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ |
			ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB);
	if (status != ARES_SUCCESS)
		return status == ARES_ENOMEM ? -ENOMEM : -EIO;
	c->owner->open_count++;
	dns_transport_use(c->owner->transport, c->ares);
	return 0;
}

/* Where this fails it is as if there were no search domains. */
static void
read_search(struct dns_channels *c)
{
	int mask;

	if (ares_save_options(c->channels[0].ares, &c->options, &mask) != ARES_SUCCESS)
		return;
	c->search.domains = c->options.domains;
	c->search.count = c->options.ndomains > 0 ? (size_t)c->options.ndomains : 0;
	c->search.ndots = c->options.ndots > 0 ? (unsigned)c->options.ndots : 0;
}

int
dns_channels_open(struct event_base *base, const struct addr *servers, size_t server_count,
	int64_t timeout_ns, struct dns_channels **out)
{
	static const int flags[] = { ARES_FLAG_EDNS, ARES_FLAG_EDNS | ARES_FLAG_NOCHECKRESP };
	static const int tries[] = { DNS_TRIES, 1 };
	struct dns_channels *c = calloc(1, sizeof(*c));
	int r = 0;

	if (!c)
		return -ENOMEM;
	c->base = base;
	c->timeout_ns = timeout_ns;
	if (c->timeout_ns < NSEC_PER_MSEC)
		c->timeout_ns = NSEC_PER_MSEC;
	if (c->timeout_ns > TIMEOUT_MAX_NS)
		c->timeout_ns = TIMEOUT_MAX_NS;
	LIST_INIT(&c->sockets);
	c->timer = evtimer_new(base, on_timer, c);
	c->transport = dns_transport_new(c->timeout_ns);
	if (!c->timer || !c->transport)
		r = -ENOMEM;
	for (unsigned i = 0; i < DNS_CHANNEL_COUNT && r == 0; i++) {
		c->channels[i].owner = c;
		r = open_channel(&c->channels[i], flags[i], tries[i]);
		if (r == 0 && server_count > 0)
			r = set_servers(c->channels[i].ares, servers, server_count);
	}
	if (r < 0) {
		dns_channels_close(c);
		return r;
	}
	read_search(c);
	*out = c;
	return 0;
}

const struct dns_search *
dns_channels_search(const struct dns_channels *c)
{
	return &c->search;
}

void
dns_channels_close(struct dns_channels *c)
{
	struct dns_socket *s;

	for (unsigned i = 0; i < c->open_count; i++)
		ares_destroy(c->channels[i].ares);
	while ((s = LIST_FIRST(&c->sockets)))
		socket_free(s);
	dns_transport_free(c->transport);
	ares_destroy_options(&c->options);
	if (c->timer)
		event_free(c->timer);
	free(c);
}

void
dns_channels_ask(struct dns_channels *c, enum dns_channel which, const char *host, int family,
	ares_addrinfo_callback done, void *arg)
{
	struct ares_addrinfo_hints hints = {
		.ai_flags = ARES_AI_NOSORT,
		.ai_family = family,
		.ai_socktype = SOCK_STREAM,
	};

	ares_getaddrinfo(c->channels[which].ares, host, NULL, &hints, done, arg);
	expect_answer(c);
}
