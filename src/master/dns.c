/* Asking DNS: owns the queries, and says when new channels are needed. c-ares calls back from inside
 * its own functions: such an answer is only kept, and handed out by the loop, so that nobody calls
 * into c-ares from its callback. A changed resolv.conf means new channels; what was under way on
 * the former ones is asked again. */
#include "config.h"

#include "dns.h"

#include <ares.h>
#include <errno.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dns_answer.h"
#include "dns_channel.h"
#include "dns_hosts.h"
#include "dns_search.h"
#include "iaido/clock.h"
#include "iaido/log.h"

#define RESOLV_CONF "/etc/resolv.conf"

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
	enum dns_channel channel; /* the one that was asked last */
	dns_callback *done; /* NULL: forgotten */
	void *arg;
	struct dns_answer answer;
};

TAILQ_HEAD(query_list, dns_query);

struct dns {
	struct event_base *base;
	dns_system_callback *changed;
	void *arg;
	struct dns_channels *channels; /* NULL: none yet */
	bool is_closing; /* ares_destroy() is running: what it ends is freed or asked again */
	bool has_warned; /* that resolv.conf cannot be used */
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

static void
set_answered(struct dns_query *q)
{
	struct dns *d = q->dns;

	TAILQ_REMOVE(&d->asked, q, link);
	q->answered = true;
	TAILQ_INSERT_TAIL(&d->answered, q, link);
	event_active(d->deliver, EV_TIMEOUT, 0);
}

static void
keep_answer(struct dns_query *q, int status, const struct ares_addrinfo *res)
{
	q->answer.kind = dns_kind_of_status(status);
	if (q->answer.kind == DNS_OK && res) {
		dns_answer_take(&q->answer, q->family, res);
		if (res->name)
			q->answer.place = dns_search_place(
				dns_channels_search(q->dns->channels), q->host, res->name);
	}
	set_answered(q);
}

/* A name in the hosts file is all that the file says: DNS is not asked for the other family. */
static bool
answer_from_hosts(struct dns_query *q)
{
	struct dns_answer *a = &q->answer;
	size_t count, kept = 0;

	if (dns_hosts_find(HOSTS_FILE, q->host, &a->addrs, &count) < 0) {
		a->kind = DNS_LOCAL;
		set_answered(q);
		return true;
	}
	if (count == 0)
		return false;
	for (size_t i = 0; i < count; i++)
		if (a->addrs[i].sa.sa_family == q->family)
			a->addrs[kept++] = a->addrs[i];
	a->count = kept;
	a->kind = DNS_OK;
	dns_answer_tidy(a);
	set_answered(q);
	return true;
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
ask_channel(struct dns_query *q)
{
	dns_channels_ask(q->dns->channels, q->channel, q->host, q->family, on_answer, q);
}

static void
ask_plainly(struct dns_query *q)
{
	struct dns *d = q->dns;

	TAILQ_REMOVE(&d->answered, q, link);
	q->answered = false;
	TAILQ_INSERT_TAIL(&d->asked, q, link);
	q->channel = DNS_PLAIN;
	ask_channel(q);
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
		if (q->answer.kind == DNS_UNREACHABLE && q->channel == DNS_USUAL && d->channels) {
			ask_plainly(q);
			continue;
		}
		query_leave(q);
		if (q->done)
			q->done(q->arg, &q->answer);
		query_free(q);
	}
	if (!TAILQ_EMPTY(&d->answered))
		event_active(d->deliver, EV_TIMEOUT, 0);
}

/* What is under way is answered with ARES_EDESTRUCTION, which on_answer() passes over. */
static void
close_channels(struct dns *d)
{
	if (!d->channels)
		return;
	d->is_closing = true;
	dns_channels_close(d->channels);
	d->is_closing = false;
	d->channels = NULL;
}

/* Replaces the channels; all that is under way is asked anew on the new ones. */
static int
reopen_channels(struct dns *d)
{
	struct query_list again = TAILQ_HEAD_INITIALIZER(again);
	struct dns_channels *channels;
	struct dns_query *q;
	int r = dns_channels_open(d->base, d->servers, d->server_count, d->timeout_ns, &channels);

	if (r < 0)
		return r;
	close_channels(d);
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
		q->channel = DNS_USUAL;
		ask_channel(q);
	}
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
	bool hosts = look_at_file(HOSTS_FILE, &d->hosts); /* read for each question */

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
	TAILQ_INIT(&d->asked);
	TAILQ_INIT(&d->answered);
	d->timeout_ns = 2 * NSEC_PER_SEC;
	d->deliver = event_new(base, -1, 0, on_deliver, d);
	d->look = event_new(base, -1, EV_PERSIST, on_look, d);
	if (!d->deliver || !d->look || event_add(d->look, &second) < 0) {
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
	if (!d)
		return;
	close_channels(d);
	free_queries(&d->asked);
	free_queries(&d->answered);
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
	q->answer.place = DNS_PLACE_UNKNOWN;
	TAILQ_INSERT_TAIL(&d->asked, q, link);
	d->pending++;
	if (!answer_from_hosts(q)) {
		if (d->channels)
			ask_channel(q);
		else
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
