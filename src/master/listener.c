/* Listening sockets: opens groups, carries them over from one configuration to the next, and gives
 * them up. Decides nothing about who accepts from them. */
#include "config.h"

#include "listener.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sock_diag.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "iaido/clock.h"
#include "iaido/conf.h"
#include "iaido/log.h"

#include "frontend_id.h"

#define KEEPALIVE_MAX_SECONDS 32767 /* the kernel's */

/* Where to bind, before a port is known. */
struct bind_target {
	struct addr addr;
	bool dual_stack;
	bool join; /* this program has that port open under another address */
};

static bool
is_ipv6_here(void)
{
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static void
set_any(struct bind_target *t, bool ipv6, uint16_t port)
{
	t->addr = (struct addr){ 0 };
	if (ipv6) {
		t->addr.in6.sin6_family = AF_INET6;
		t->addr.in6.sin6_addr = in6addr_any;
	} else {
		t->addr.in.sin_family = AF_INET;
	}
	addr_set_port(&t->addr, port);
	t->dual_stack = ipv6;
}

/* One address of a name, IPv4 first. */
static int
resolve_name(const char *host, uint16_t port, struct addr *out)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	struct addrinfo *list, *ai, *best;
	int r;

	if (getaddrinfo(host, NULL, &hints, &list) != 0 || !list)
		return -ENOENT;
	for (best = ai = list; ai; ai = ai->ai_next) {
		if (ai->ai_family == AF_INET) {
			best = ai;
			break;
		}
	}
	r = addr_from_sockaddr(best->ai_addr, best->ai_addrlen, out);
	freeaddrinfo(list);
	if (r == 0)
		addr_set_port(out, port);
	return r;
}

/* What that name was found to stand for. */
static const struct addr *
find_known(const struct listeners *current, const char *host)
{
	size_t i;

	for (i = 0; current && i < current->count; i++)
		if (current->items[i].host && strcmp(current->items[i].host, host) == 0)
			return &current->items[i].addr;
	return NULL;
}

/* A name that is in use is not looked up again: a reload neither waits nor fails for want of DNS, and
 * its address stays open. */
static int
find_target(const struct listeners *current, const struct frontend_conf *fc,
	struct bind_target *out, char **host)
{
	const struct addr *known;

	*out = (struct bind_target){ 0 };
	if (fc->bind_host[0] == '\0') {
		set_any(out, is_ipv6_here(), fc->bind_port);
		return 0;
	}
	if (addr_parse(fc->bind_host, fc->bind_port, &out->addr) == 0)
		return 0;
	*host = strdup(fc->bind_host);
	if (!*host)
		return -ENOMEM;
	known = find_known(current, fc->bind_host);
	if (!known)
		return resolve_name(fc->bind_host, fc->bind_port, &out->addr);
	out->addr = *known;
	addr_set_port(&out->addr, fc->bind_port);
	return 0;
}

static int
set_int(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int
seconds_of(int64_t ns)
{
	int64_t s = (ns + NSEC_PER_SEC - 1) / NSEC_PER_SEC;

	return s < 1 ? 1 : s > KEEPALIVE_MAX_SECONDS ? KEEPALIVE_MAX_SECONDS : (int)s;
}

/* Accepted sockets inherit these, which saves a system call each. */
static int
set_options(int fd, const struct frontend_conf *fc)
{
	int r = set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);

	if (r == 0)
		r = set_int(fd, SOL_SOCKET, SO_OOBINLINE, 1);
	if (r == 0)
		r = set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	if (r == 0)
		r = set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, seconds_of(fc->tcp.idle_ns));
	if (r == 0)
		r = set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, seconds_of(fc->tcp.interval_ns));
	if (r == 0)
		r = set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, (int)fc->tcp.count);
	return r;
}

/* A bound socket. The first of a group binds without SO_REUSEPORT, so that a port which somebody
 * else has is an error; the others, and those that overlap an address of ours, join. */
static int
open_bound(const struct bind_target *t, const struct frontend_conf *fc, bool join)
{
	int r, fd = socket(t->addr.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	r = set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (r == 0 && t->addr.sa.sa_family == AF_INET6)
		r = set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, t->dual_stack ? 0 : 1);
	if (r == 0 && join)
		r = set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	if (r == 0 && bind(fd, &t->addr.sa, addr_len(&t->addr)) < 0)
		r = -errno;
	if (r == 0 && !join)
		r = set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	if (r == 0)
		r = set_options(fd, fc);
	if (r < 0)
		goto fail;
	return fd;
fail:
	close(fd);
	return r;
}

static int
learn_address(int fd, struct addr *out)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0)
		return -errno;
	return addr_from_sockaddr((struct sockaddr *)&ss, len, out);
}

static int
open_first(struct bind_target *t, const struct frontend_conf *fc)
{
	int r, fd = open_bound(t, fc, t->join);

	if (t->dual_stack && (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL)) {
		set_any(t, false, fc->bind_port);
		fd = open_bound(t, fc, t->join);
	}
	if (fd < 0)
		return fd;
	r = listen(fd, (int)fc->backlog) < 0 ? -errno : learn_address(fd, &t->addr);
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

/* Fills the group up to `slots`. Members that join an old group listen only at the commit, so that
 * no connection is queued at a socket that may be given up again. */
static int
open_members(
	struct listener *l, struct bind_target *t, const struct frontend_conf *fc, uint32_t slots)
{
	bool is_new = l->slot_count == 0;
	int *grown;

	if (slots <= l->slot_count)
		return 0;
	grown = realloc(l->fds, slots * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	l->fds = grown;
	while (l->slot_count < slots) {
		int fd = l->slot_count == 0 ? open_first(t, fc) : open_bound(t, fc, true);

		if (fd < 0)
			return fd;
		l->fds[l->slot_count++] = fd;
		if (is_new && l->slot_count > 1 && listen(fd, (int)fc->backlog) < 0)
			return -errno;
	}
	return 0;
}

/* Port 0 is told apart by order, everything else by its address. */
static int
make_key(struct listener *l, const struct listeners *before, const struct bind_target *t)
{
	char text[ADDR_TEXT_MAX], *key;
	unsigned order = 0;
	size_t i;

	addr_format(&t->addr, text);
	if (t->dual_stack || addr_port(&t->addr) == 0) {
		if (addr_port(&t->addr) == 0) {
			for (i = 0; i < before->count; i++)
				order += strncmp(before->items[i].key, text, strlen(text)) == 0 &&
					before->items[i].key[strlen(text)] == '#';
		}
		if (asprintf(&key, "%s#%u%s", text, order, t->dual_stack ? "*" : "") < 0)
			return -ENOMEM;
	} else {
		key = strdup(text);
		if (!key)
			return -ENOMEM;
	}
	l->key = key;
	return 0;
}

static const struct listener *
find_key(const struct listeners *l, const char *key)
{
	size_t i;

	for (i = 0; l && i < l->count; i++)
		if (strcmp(l->items[i].key, key) == 0)
			return &l->items[i];
	return NULL;
}

static bool
has_port(const struct listeners *l, uint16_t port)
{
	size_t i;

	for (i = 0; l && port != 0 && i < l->count; i++)
		if (addr_port(&l->items[i].addr) == port)
			return true;
	return false;
}

/* The real port stays when the file asks for any. */
static int
keep_slots(struct listener *l, struct bind_target *t, const struct listener *old)
{
	l->fds = malloc((old->slot_count + 1) * sizeof(*l->fds));
	if (!l->fds)
		return -ENOMEM;
	memcpy(l->fds, old->fds, old->slot_count * sizeof(*l->fds));
	l->slot_count = l->kept_count = old->slot_count;
	t->addr = old->addr;
	t->dual_stack = old->dual_stack;
	return 0;
}

/* Whether a listens where b does. */
static bool
covers(const struct listener *a, const struct listener *b)
{
	if (addr_equal(&a->addr, &b->addr))
		return true;
	return addr_is_any(&a->addr) &&
		(a->dual_stack || a->addr.sa.sa_family == b->addr.sa.sa_family);
}

/* By another of the same configuration: one that was open already would be shared, and the kernel
 * would not say so, since ours may all join it. Only names get here, and ports that were kept. */
static bool
is_taken(const struct listeners *before, const struct listener *l)
{
	size_t i;

	for (i = 0; i < before->count; i++) {
		const struct listener *other = &before->items[i];

		if (addr_port(&other->addr) == addr_port(&l->addr) &&
			(covers(other, l) || covers(l, other)))
			return true;
	}
	return false;
}

static int
open_one(struct listener *l, const struct listeners *current, const struct listeners *before,
	const struct frontend_conf *fc, uint32_t slots)
{
	const struct listener *old;
	struct bind_target t;
	char text[ADDR_TEXT_MAX];
	int r = find_target(current, fc, &t, &l->host);

	if (r == 0)
		r = make_key(l, before, &t);
	if (r != 0)
		return r;
	old = find_key(current, l->key);
	t.join = !old && has_port(current, addr_port(&t.addr));
	if (old)
		r = keep_slots(l, &t, old);
	if (r == 0)
		r = open_members(l, &t, fc, slots);
	if (r < 0)
		return r;
	l->addr = t.addr;
	l->dual_stack = t.dual_stack;
	if (is_taken(before, l))
		return -EADDRINUSE;
	l->name = strdup(addr_format(&l->addr, text));
	return l->name ? 0 : -ENOMEM;
}

int
listeners_open(const struct listeners *current, const struct conf *conf, uint32_t slots,
	struct frontend_ids *ids, const uint32_t *busy, size_t busy_count, struct listeners **out,
	size_t *failed)
{
	struct listeners *next = calloc(1, sizeof(*next));
	int r = next ? 0 : -ENOMEM;

	*failed = 0;
	if (next) {
		next->items = calloc(conf->frontend_count + 1, sizeof(*next->items));
		if (!next->items)
			r = -ENOMEM;
	}
	while (r == 0 && next->count < conf->frontend_count) {
		struct listener *l = &next->items[next->count];

		*failed = next->count;
		r = open_one(l, current, next, &conf->frontends[next->count], slots);
		next->count++;
		if (r == 0)
			r = frontend_ids_find(ids, l->key, busy, busy_count, &l->id);
		if (r == 0)
			r = frontend_ids_set_name(ids, l->id, l->name);
	}
	if (r < 0) {
		listeners_discard(next);
		return r;
	}
	*out = next;
	return 0;
}

static void
free_items(struct listeners *l)
{
	size_t i;

	if (!l)
		return;
	for (i = 0; i < l->count; i++) {
		free(l->items[i].key);
		free(l->items[i].name);
		free(l->items[i].host);
		free(l->items[i].fds);
	}
	free(l->items);
	free(l);
}

static void
close_slots(struct listener *l, uint32_t from)
{
	uint32_t i;

	for (i = from; i < l->slot_count; i++)
		close(l->fds[i]);
	l->slot_count = from;
}

static void
apply(struct listener *l, const struct frontend_conf *fc)
{
	uint32_t i;

	for (i = 0; i < l->slot_count; i++) {
		int r = set_options(l->fds[i], fc);

		if (r == 0 && listen(l->fds[i], (int)fc->backlog) < 0)
			r = -errno;
		if (r < 0)
			log_event(LOG_LEVEL_WARN, "frontend.socket",
				"cannot set up a listening socket", LOG_STR("frontend", l->name),
				LOG_ERR("error", r));
	}
	l->kept_count = l->slot_count;
}

void
listeners_commit(struct listeners *current, struct listeners *next, const struct conf *conf)
{
	size_t i;

	for (i = 0; i < next->count; i++)
		apply(&next->items[i], &conf->frontends[i]);
	for (i = 0; current && i < current->count; i++)
		if (!find_key(next, current->items[i].key))
			close_slots(&current->items[i], 0);
	free_items(current);
}

void
listeners_discard(struct listeners *next)
{
	size_t i;

	for (i = 0; next && i < next->count; i++)
		close_slots(&next->items[i], next->items[i].kept_count);
	free_items(next);
}

void
listeners_close(struct listeners *l)
{
	size_t i;

	for (i = 0; l && i < l->count; i++) {
		close_slots(&l->items[i], 0);
		l->items[i].kept_count = 0;
	}
}

void
listeners_free(struct listeners *l)
{
	listeners_close(l);
	free_items(l);
}

struct listener *
listeners_find(const struct listeners *l, uint32_t id)
{
	size_t i;

	for (i = 0; l && i < l->count; i++)
		if (l->items[i].id == id)
			return &l->items[i];
	return NULL;
}

uint32_t
listener_waiting(const struct listener *l)
{
	uint32_t i, waiting = 0;

	for (i = 0; i < l->slot_count; i++) {
		struct tcp_info info = { 0 };
		socklen_t len = sizeof(info);

		/* Of a listening socket, tcpi_unacked is the length of its queue. */
		if (getsockopt(l->fds[i], IPPROTO_TCP, TCP_INFO, &info, &len) == 0)
			waiting += info.tcpi_unacked;
	}
	return waiting;
}

uint64_t
listener_drops(const struct listener *l)
{
	uint64_t drops = 0;
	uint32_t i;

	for (i = 0; i < l->slot_count; i++) {
		uint32_t info[SK_MEMINFO_VARS] = { 0 };
		socklen_t len = sizeof(info);

		if (getsockopt(l->fds[i], SOL_SOCKET, SO_MEMINFO, info, &len) == 0)
			drops += info[SK_MEMINFO_DROPS];
	}
	return drops;
}
