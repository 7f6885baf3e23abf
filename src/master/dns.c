/* Asking DNS: owns the c-ares channels, the events of their sockets and their timer. c-ares calls back
 * from inside its own functions: such an answer is only kept, and handed out by the loop, so that
 * nobody calls into c-ares from its callback. A changed resolv.conf or hosts file means new
 * channels; what was under way on the former ones is asked again. */
#include "config.h"

#include "dns.h"

#include <ares.h>
#include <errno.h>
#include <event2/event.h>
#include <limits.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#include "iaido/clock.h"
#include "iaido/log.h"

#define RESOLV_CONF "/etc/resolv.conf"
#define HOSTS_FILE "/etc/hosts"
#define DNS_TRIES 2 /* of one lookup, at each server; after that the resolver backs off */
#define DNS_UDP_SIZE 1232 /* what fits one packet nearly everywhere; larger answers come by TCP */

/* c-ares 1.18 goes on to the next server where one answers with an error, and then does not tell
 * which: who gets no answer from the first channel asks the second, which passes errors on. */
enum { CHANNEL_USUAL, CHANNEL_PLAIN, CHANNEL_COUNT };

struct channel {
	struct dns *dns;
	ares_channel ares;
};

struct dns_socket {
	LIST_ENTRY(dns_socket) link;
	struct channel *channel;
	ares_socket_t fd;
	struct event *event;
};

/* Enough to see that a file is another one, or was written. */
struct file_mark {
	bool exists;
	struct stat st;
};

struct dns_query {
	TAILQ_ENTRY(dns_query) link;
	struct dns *dns;
	char *host;
	int family;
	bool answered;
	unsigned channel; /* the one that was asked last */
	dns_callback *done; /* NULL: forgotten */
	void *arg;
	struct dns_answer answer;
};

TAILQ_HEAD(query_list, dns_query);

struct dns {
	struct event_base *base;
	dns_system_callback *changed;
	void *arg;
	struct channel *channels; /* [CHANNEL_COUNT]; NULL: none yet */
	bool is_closing; /* ares_destroy() is running: what it ends is freed or asked again */
	bool has_warned; /* that resolv.conf cannot be used */
	LIST_HEAD(, dns_socket) sockets;
	struct event *timer; /* c-ares' own timeouts */
	struct event *deliver; /* answers wait in `answered` */
	struct event *look; /* at the files, each second */
	struct query_list asked;
	struct query_list answered;
	size_t pending;
	struct addr *servers;
	size_t server_count;
	int64_t timeout_ns;
	struct file_mark resolv_conf;
	struct file_mark hosts;
};

const char *
dns_kind_text(enum dns_kind kind)
{
	static const char *const texts[] = {
		[DNS_NONE] = "not answered yet",
		[DNS_OK] = "ok",
		[DNS_NO_DATA] = "no address",
		[DNS_NO_NAME] = "no such name",
		[DNS_SERVER_FAILURE] = "server failure",
		[DNS_REFUSED] = "refused",
		[DNS_TIMEOUT] = "timeout",
		[DNS_UNREACHABLE] = "no server can be reached",
		[DNS_BAD_ANSWER] = "malformed answer",
		[DNS_BAD_NAME] = "malformed name",
		[DNS_LOCAL] = "out of memory or files",
	};

	return texts[kind];
}

static enum dns_kind
kind_of_status(int status)
{
	switch (status) {
	case ARES_SUCCESS:
		return DNS_OK;
	case ARES_ENODATA:
		return DNS_NO_DATA;
	case ARES_ENOTFOUND:
	case ARES_ENONAME:
		return DNS_NO_NAME;
	case ARES_ESERVFAIL:
	case ARES_ENOTIMP:
	case ARES_EFORMERR:
		return DNS_SERVER_FAILURE;
	case ARES_EREFUSED:
		return DNS_REFUSED;
	case ARES_ETIMEOUT:
		return DNS_TIMEOUT;
	case ARES_ECONNREFUSED:
		return DNS_UNREACHABLE;
	case ARES_EBADRESP:
	case ARES_EOF:
		return DNS_BAD_ANSWER;
	case ARES_EBADNAME:
	case ARES_EBADSTR:
	case ARES_EBADQUERY:
		return DNS_BAD_NAME;
	default:
		return DNS_LOCAL;
	}
}

/* The queries */

static void
query_free(struct dns_query *q)
{
	free(q->answer.addrs);
	free(q->host);
	free(q);
}

static void
query_leave(struct dns_query *q)
{
	struct dns *d = q->dns;

	TAILQ_REMOVE(q->answered ? &d->answered : &d->asked, q, link);
	d->pending--;
}

static int
compare_addrs(const void *a, const void *b)
{
	return addr_compare(a, b);
}

/* A TTL with its highest bit set counts as 0 (RFC 2181). */
static int64_t
usable_ttl(int ttl)
{
	return ttl < 0 ? 0 : ttl;
}

static int64_t
smallest_ttl(const struct ares_addrinfo *res)
{
	int64_t ttl = INT64_MAX;

	for (const struct ares_addrinfo_node *n = res->nodes; n; n = n->ai_next)
		if (usable_ttl(n->ai_ttl) < ttl)
			ttl = usable_ttl(n->ai_ttl);
	for (const struct ares_addrinfo_cname *c = res->cnames; c; c = c->next)
		if (usable_ttl(c->ttl) < ttl)
			ttl = usable_ttl(c->ttl);
	return ttl;
}

/* Copies the addresses, each once; the unspecified one leads nowhere and is left out. */
static int
take_addresses(struct dns_answer *a, int family, const struct ares_addrinfo *res)
{
	size_t count = 0, unique = 0;

	for (const struct ares_addrinfo_node *n = res->nodes; n; n = n->ai_next)
		count++;
	a->addrs = calloc(count + 1, sizeof(*a->addrs));
	if (!a->addrs)
		return -ENOMEM;
	count = 0;
	for (const struct ares_addrinfo_node *n = res->nodes; n; n = n->ai_next) {
		struct addr *at = &a->addrs[count];

		if (n->ai_family != family ||
			addr_from_sockaddr(n->ai_addr, n->ai_addrlen, at) < 0 || addr_is_any(at))
			continue;
		addr_set_port(at, 0);
		count++;
	}
	qsort(a->addrs, count, sizeof(*a->addrs), compare_addrs);
	for (size_t i = 0; i < count; i++)
		if (unique == 0 || !addr_equal(&a->addrs[unique - 1], &a->addrs[i]))
			a->addrs[unique++] = a->addrs[i];
	a->count = unique < DNS_ADDRESSES_MAX ? unique : DNS_ADDRESSES_MAX;
	a->left_out = unique - a->count;
	a->ttl_s = smallest_ttl(res);
	return 0;
}

static void
keep_answer(struct dns_query *q, int status, const struct ares_addrinfo *res)
{
	struct dns *d = q->dns;
	struct dns_answer *a = &q->answer;

	a->kind = kind_of_status(status);
	if (a->kind == DNS_OK && take_addresses(a, q->family, res) < 0)
		a->kind = DNS_LOCAL;
	if (a->kind == DNS_OK && a->count == 0)
		a->kind = DNS_NO_DATA;
	TAILQ_REMOVE(&d->asked, q, link);
	q->answered = true;
	TAILQ_INSERT_TAIL(&d->answered, q, link);
	event_active(d->deliver, EV_TIMEOUT, 0);
}

/* Called from inside c-ares, perhaps from inside ares_getaddrinfo(). */
static void
on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *res)
{
	struct dns_query *q = arg;

	(void)timeouts;
	/* The channel is being replaced: who closes it looks after what is in `asked`. */
	if (!q->dns->is_closing)
		keep_answer(q, status, res);
	if (res)
		ares_freeaddrinfo(res);
}

static void
set_timer(struct dns *d)
{
	struct timeval tv[CHANNEL_COUNT], *first = NULL;

	for (unsigned i = 0; d->channels && i < CHANNEL_COUNT; i++)
		first = ares_timeout(d->channels[i].ares, first, &tv[i]);
	if (first)
		(void)evtimer_add(d->timer, first);
	else
		(void)evtimer_del(d->timer);
}

static bool
is_localhost(const char *host)
{
	static const char local[] = "localhost";
	size_t len = strlen(host), n = sizeof(local) - 1;

	return len >= n && strcasecmp(host + len - n, local) == 0 &&
		(len == n || host[len - n - 1] == '.');
}

/* c-ares gives what it read from the hosts file a TTL of 0, as a server may give one. */
static bool
is_from_hosts_file(const struct dns_query *q)
{
	struct hostent *found = NULL;
	bool is_there;

	if (is_localhost(q->host))
		return true;
	is_there = ares_gethostbyname_file(q->dns->channels[0].ares, q->host, q->family, &found) ==
		ARES_SUCCESS;
	if (found)
		ares_free_hostent(found);
	return is_there;
}

static void
ask_channel(struct dns_query *q)
{
	struct ares_addrinfo_hints hints = {
		.ai_flags = ARES_AI_NOSORT,
		.ai_family = q->family,
		.ai_socktype = SOCK_STREAM,
	};

	ares_getaddrinfo(q->dns->channels[q->channel].ares, q->host, NULL, &hints, on_answer, q);
}

static void
ask_plainly(struct dns_query *q)
{
	struct dns *d = q->dns;

	TAILQ_REMOVE(&d->answered, q, link);
	q->answered = false;
	TAILQ_INSERT_TAIL(&d->asked, q, link);
	q->channel = CHANNEL_PLAIN;
	ask_channel(q);
	set_timer(d);
}

static void
on_deliver(evutil_socket_t fd, short what, void *arg)
{
	struct dns *d = arg;
	struct dns_query *q;

	(void)fd;
	(void)what;
	/* Answers that come while these are handed out have the next turn; so the loop gets one. */
	for (size_t left = d->pending; left > 0 && (q = TAILQ_FIRST(&d->answered)); left--) {
		if (q->answer.kind == DNS_UNREACHABLE && q->channel == CHANNEL_USUAL) {
			ask_plainly(q);
			continue;
		}
		if (q->answer.kind == DNS_OK && q->answer.ttl_s == 0 && d->channels &&
			is_from_hosts_file(q))
			q->answer.ttl_s = DNS_TTL_NONE;
		query_leave(q);
		if (q->done)
			q->done(q->arg, &q->answer);
		query_free(q);
	}
	if (!TAILQ_EMPTY(&d->answered))
		event_active(d->deliver, EV_TIMEOUT, 0);
}

/* The channel in the loop */

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct dns *d = arg;

	(void)fd;
	(void)what;
	for (unsigned i = 0; d->channels && i < CHANNEL_COUNT; i++)
		ares_process_fd(d->channels[i].ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	set_timer(d);
}

static void
on_socket(evutil_socket_t fd, short what, void *arg)
{
	struct channel *c = ((struct dns_socket *)arg)->channel;

	/* c-ares may close the socket in here, which frees arg. */
	ares_process_fd(c->ares, what & EV_READ ? fd : ARES_SOCKET_BAD,
		what & EV_WRITE ? fd : ARES_SOCKET_BAD);
	set_timer(c->dns);
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
	struct dns *d = c->dns;
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

/* Answers all that is under way with ARES_EDESTRUCTION, which on_answer() passes over. */
static void
close_channels(struct channel *channels, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		channels[i].dns->is_closing = true;
		ares_destroy(channels[i].ares);
		channels[i].dns->is_closing = false;
	}
	free(channels);
}

static int
set_servers(const struct dns *d, ares_channel channel)
{
	struct ares_addr_port_node *nodes;
	int status;

	if (d->server_count == 0)
		return ARES_SUCCESS;
	nodes = calloc(d->server_count, sizeof(*nodes));
	if (!nodes)
		return ARES_ENOMEM;
	for (size_t i = 0; i < d->server_count; i++) {
		const struct addr *a = &d->servers[i];

		nodes[i].family = a->sa.sa_family;
		nodes[i].udp_port = nodes[i].tcp_port = addr_port(a);
		if (a->sa.sa_family == AF_INET)
			memcpy(&nodes[i].addr.addr4, &a->in.sin_addr, sizeof(a->in.sin_addr));
		else
			memcpy(&nodes[i].addr.addr6, &a->in6.sin6_addr, sizeof(a->in6.sin6_addr));
		nodes[i].next = i + 1 < d->server_count ? &nodes[i + 1] : NULL;
	}
	status = ares_set_servers_ports(channel, nodes);
	free(nodes);
	return status;
}

static int
open_channel(struct channel *c, int flags, int tries)
{
	int64_t timeout_ms = c->dns->timeout_ns / NSEC_PER_MSEC;
	struct ares_options o = {
		.flags = flags,
		.timeout = timeout_ms < 1          ? 1
			: timeout_ms > INT_MAX / 4 ? INT_MAX / 4
						   : (int)timeout_ms,
		.tries = tries,
		.ednspsz = DNS_UDP_SIZE,
		.sock_state_cb = on_socket_state,
		.sock_state_cb_data = c,
	};
	int status = ares_init_options(&c->ares, &o,
		ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ |
			ARES_OPT_SOCK_STATE_CB);

	if (status == ARES_SUCCESS) {
		status = set_servers(c->dns, c->ares);
		if (status != ARES_SUCCESS)
			ares_destroy(c->ares);
	}
	if (status == ARES_ENOMEM)
		return -ENOMEM;
	return status == ARES_SUCCESS ? 0 : -EIO;
}

static int
open_channels(struct dns *d, struct channel **out)
{
	struct channel *c = calloc(CHANNEL_COUNT, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	for (unsigned i = 0; i < CHANNEL_COUNT; i++)
		c[i].dns = d;
	r = open_channel(&c[CHANNEL_USUAL], ARES_FLAG_EDNS, DNS_TRIES);
	if (r < 0) {
		free(c);
		return r;
	}
	r = open_channel(&c[CHANNEL_PLAIN], ARES_FLAG_EDNS | ARES_FLAG_NOCHECKRESP, 1);
	if (r < 0) {
		close_channels(c, 1);
		return r;
	}
	*out = c;
	return 0;
}

/* Replaces the channels; all that is under way is asked anew on the new ones. */
static int
reopen_channels(struct dns *d)
{
	struct query_list again = TAILQ_HEAD_INITIALIZER(again);
	struct channel *channels;
	struct dns_query *q;
	int r = open_channels(d, &channels);

	if (r < 0)
		return r;
	if (d->channels)
		close_channels(d->channels, CHANNEL_COUNT);
	d->channels = channels;
	TAILQ_CONCAT(&again, &d->asked, link);
	while ((q = TAILQ_FIRST(&again))) {
		TAILQ_REMOVE(&again, q, link);
		TAILQ_INSERT_TAIL(&d->asked, q, link);
		if (!q->done) {
			query_leave(q);
			query_free(q);
			continue;
		}
		q->channel = CHANNEL_USUAL;
		ask_channel(q);
	}
	set_timer(d);
	return 0;
}

/* The system's files */

static bool
file_differs(const struct file_mark *a, const struct file_mark *b)
{
	if (!a->exists || !b->exists)
		return a->exists != b->exists;
	return a->st.st_dev != b->st.st_dev || a->st.st_ino != b->st.st_ino ||
		a->st.st_size != b->st.st_size || a->st.st_mtim.tv_sec != b->st.st_mtim.tv_sec ||
		a->st.st_mtim.tv_nsec != b->st.st_mtim.tv_nsec ||
		a->st.st_ctim.tv_sec != b->st.st_ctim.tv_sec ||
		a->st.st_ctim.tv_nsec != b->st.st_ctim.tv_nsec;
}

/* Remembers how the file looks now; true when it looked otherwise. */
static bool
look_at_file(const char *path, struct file_mark *mark)
{
	struct file_mark now = { .exists = false };
	bool differs;

	now.exists = stat(path, &now.st) == 0;
	differs = file_differs(mark, &now);
	*mark = now;
	return differs;
}

/* A resolv.conf that is not there (it is being replaced, say), or cannot be read, changes nothing:
 * c-ares would go on with a server on this host. */
static bool
has_resolv_conf(const struct dns *d)
{
	return d->resolv_conf.exists && access(RESOLV_CONF, R_OK) == 0;
}

/* Once until it is well again. */
static void
warn_once(struct dns *d, int error)
{
	if (!d->has_warned)
		log_event(LOG_LEVEL_WARN, "dns.system",
			d->channels ? RESOLV_CONF " cannot be used: name servers stay as they were"
				    : "no name can be asked for",
			LOG_ERR("error", error));
	d->has_warned = true;
}

static void
read_servers(struct dns *d)
{
	int r = d->channels && !has_resolv_conf(d) ? -ENOENT : reopen_channels(d);

	if (r < 0) {
		warn_once(d, r);
		return;
	}
	d->has_warned = false;
	log_event(LOG_LEVEL_DEBUG, "dns.system", "name servers were read anew");
	d->changed(d->arg);
}

static void
on_look(evutil_socket_t fd, short what, void *arg)
{
	struct dns *d = arg;
	bool servers = look_at_file(RESOLV_CONF, &d->resolv_conf);
	bool hosts = look_at_file(HOSTS_FILE, &d->hosts); /* which c-ares reads each time */

	(void)fd;
	(void)what;
	if (servers || !d->channels)
		read_servers(d);
	else if (hosts)
		d->changed(d->arg);
}

/* The whole */

int
dns_new(struct event_base *base, dns_system_callback *changed, void *arg, struct dns **out)
{
	const struct timeval second = { .tv_sec = 1 };
	struct dns *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
		free(d);
		return -ENOMEM;
	}
	d->base = base;
	d->changed = changed;
	d->arg = arg;
	LIST_INIT(&d->sockets);
	TAILQ_INIT(&d->asked);
	TAILQ_INIT(&d->answered);
	d->timeout_ns = 2 * NSEC_PER_SEC;
	d->timer = evtimer_new(base, on_timer, d);
	d->deliver = event_new(base, -1, 0, on_deliver, d);
	d->look = event_new(base, -1, EV_PERSIST, on_look, d);
	if (!d->timer || !d->deliver || !d->look || event_add(d->look, &second) < 0) {
		dns_free(d);
		return -ENOMEM;
	}
	(void)look_at_file(RESOLV_CONF, &d->resolv_conf);
	(void)look_at_file(HOSTS_FILE, &d->hosts);
	*out = d;
	return 0;
}

static void
free_queries(struct query_list *list)
{
	struct dns_query *q;

	while ((q = TAILQ_FIRST(list))) {
		TAILQ_REMOVE(list, q, link);
		query_free(q);
	}
}

void
dns_free(struct dns *d)
{
	struct dns_socket *s;

	if (!d)
		return;
	if (d->channels)
		close_channels(d->channels, CHANNEL_COUNT);
	while ((s = LIST_FIRST(&d->sockets)))
		socket_free(s);
	free_queries(&d->asked);
	free_queries(&d->answered);
	if (d->timer)
		event_free(d->timer);
	if (d->deliver)
		event_free(d->deliver);
	if (d->look)
		event_free(d->look);
	ares_library_cleanup();
	free(d->servers);
	free(d);
}

static bool
same_servers(const struct dns *d, const struct resolver_conf *conf)
{
	if (d->server_count != conf->server_count)
		return false;
	for (size_t i = 0; i < d->server_count; i++)
		if (!addr_equal(&d->servers[i], &conf->servers[i]))
			return false;
	return true;
}

int
dns_configure(struct dns *d, const struct resolver_conf *conf)
{
	struct addr *servers, *old_servers = d->servers;
	size_t old_count = d->server_count;
	int64_t old_timeout_ns = d->timeout_ns;
	int r;

	if (d->channels && same_servers(d, conf) && d->timeout_ns == conf->timeout_ns)
		return 0;
	servers = calloc(conf->server_count + 1, sizeof(*servers));
	if (!servers)
		return -ENOMEM;
	for (size_t i = 0; i < conf->server_count; i++)
		servers[i] = conf->servers[i];
	d->servers = servers;
	d->server_count = conf->server_count;
	d->timeout_ns = conf->timeout_ns;
	r = reopen_channels(d);
	if (r == -ENOMEM || (r < 0 && d->channels)) {
		d->servers = old_servers;
		d->server_count = old_count;
		d->timeout_ns = old_timeout_ns;
		free(servers);
		return r;
	}
	/* At the first start a resolv.conf that cannot be read is no reason not to serve. */
	if (r < 0)
		warn_once(d, r);
	free(old_servers);
	return 0;
}

struct dns_query *
dns_ask(struct dns *d, const char *host, int family, dns_callback *done, void *arg)
{
	struct dns_query *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->host = strdup(host);
	if (!q->host) {
		free(q);
		return NULL;
	}
	q->dns = d;
	q->family = family;
	q->done = done;
	q->arg = arg;
	q->answer.ttl_s = DNS_TTL_NONE;
	TAILQ_INSERT_TAIL(&d->asked, q, link);
	d->pending++;
	if (d->channels) {
		ask_channel(q);
		set_timer(d);
	} else {
		keep_answer(q, ARES_EFILE, NULL);
	}
	return q;
}

void
dns_query_cancel(struct dns_query *q)
{
	/* c-ares keeps its pointer until it answers; an answer that waits goes with its list. */
	q->done = NULL;
	q->arg = NULL;
}

size_t
dns_pending(const struct dns *d)
{
	return d->pending;
}
