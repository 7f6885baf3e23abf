/*
 * A DNS server for tests: answers UDP and TCP from a zone that may change while it runs, and
 * misbehaves on demand. It is in no way a real server: one thread, one zone, no recursion.
 *
 *     dnsd [-a ADDR] [-p PORT] [-z FILE] [-u]
 *
 * It binds ADDR (127.0.0.1) and PORT (0: any free one, the same for UDP and TCP; -u: no TCP) and
 * prints `ready ADDR:PORT` on stdout; then a line for each query that arrives:
 *
 *     query udp|tcp PEERADDR:PEERPORT ID TYPE NAME
 *
 * With -z the zone is FILE, looked at anew before each query (replace it by rename): a change holds
 * from the next query on, and dnsd ends with the process that started it. Without -z the zone is
 * read from stdin, a line at a time, each answered on stdout by `ok` or `error: why`, and dnsd ends
 * when stdin does. Both speak the same lines (# starts a comment; names are without final dot,
 * case does not matter; the name `*` stands for every name that has no line of its own):
 *
 *     NAME A TTL ADDRESS...         addresses (any number; lines of one name add up)
 *     NAME AAAA TTL ADDRESS...
 *     NAME many COUNT TTL ADDRESS   COUNT addresses from ADDRESS on (either family)
 *     NAME CNAME TTL TARGET         followed within the zone, 16 deep (so loops may be tried)
 *     NAME do WHAT [ARG] [A|AAAA] [udp|tcp]     how its queries (of a type, of a transport) are
 *                                   answered; several may stand for one name, the first that fits
 *                                   holds (`delay` adds to it):
 *         answer                    as the zone says (so that a later, wider line does not hold)
 *         delay MS                  late
 *         silent                    not at all
 *         nxdomain servfail refused formerr notimp      that code
 *         nodata                    NOERROR and no record
 *         truncate                  no record, TC set (over UDP; TCP answers)
 *         wrongid wrongname wrongtype wrongport         the right answer, but for that
 *         spoofed                   a wrong id, a wrong name, a wrong port, each with 192.0.2.66,
 *                                   and after these the right answer
 *         garbage                   random bytes after a right id
 *         short                     the right answer cut in the middle
 *         empty                     a datagram without a byte, a TCP message of length 0
 *         loop                      a record whose name is a compression pointer to itself
 *         badcount                  the right answer claiming 65,535 records
 *         badlength                 a record whose data runs past the end
 *         big                       64 KiB of records (over TCP; UDP truncates)
 *         close                     TCP is closed instead (over UDP: silent)
 *     NAME del                      forget what was said about NAME (stdin only)
 *     clear                         forget everything (stdin only)
 *
 * A name that no line mentions is NXDOMAIN; one that is mentioned, but not with that type, has no
 * data. A UDP answer longer than 512 bytes (or what EDNS allows, at most 1,232) is truncated.
 */
#include "config.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { TYPE_A = 1, TYPE_CNAME = 5, TYPE_OPT = 41, TYPE_AAAA = 28 };
enum { UDP = 1, TCP = 2 };
enum { MAX_TCP = 64, MAX_MSG = 65535, NAME_MAX_LEN = 256 };

enum what {
	DO_ANSWER,
	DO_DELAY,
	DO_SILENT,
	DO_NXDOMAIN,
	DO_SERVFAIL,
	DO_REFUSED,
	DO_FORMERR,
	DO_NOTIMP,
	DO_NODATA,
	DO_TRUNCATE,
	DO_WRONGID,
	DO_WRONGNAME,
	DO_WRONGTYPE,
	DO_WRONGPORT,
	DO_SPOOFED,
	DO_GARBAGE,
	DO_SHORT,
	DO_EMPTY,
	DO_LOOP,
	DO_BADCOUNT,
	DO_BADLENGTH,
	DO_BIG,
	DO_CLOSE,
	DO_COUNT
};

static const char *const what_names[DO_COUNT] = {
	"answer",    "delay",     "silent",    "nxdomain", "servfail", "refused",
	"formerr",   "notimp",    "nodata",    "truncate", "wrongid",  "wrongname",
	"wrongtype", "wrongport", "spoofed",   "garbage",  "short",    "empty",
	"loop",      "badcount",  "badlength", "big",      "close",
};

/* One line of the zone: a record set or a behaviour. */
struct entry {
	struct entry *next;
	char name[NAME_MAX_LEN];
	bool is_rule;
	int type; /* of records; of a rule: 0 = any */
	uint32_t ttl;
	uint8_t addr[16];
	char target[NAME_MAX_LEN];
	enum what what;
	int delay_ms;
	int transports;
};

struct tcp_conn {
	int fd;
	size_t len;
	uint8_t buf[2 + MAX_MSG];
};

/* Whom to answer; tcp is looked up by its serial, as it may be gone when a late answer is due. */
struct peer {
	int transport;
	struct sockaddr_storage sa;
	socklen_t sa_len;
	uint64_t tcp_serial;
};

struct query {
	struct peer peer;
	uint16_t id, flags, type;
	char name[NAME_MAX_LEN];
	uint8_t question[NAME_MAX_LEN + 4]; /* as it came */
	size_t question_len;
	size_t udp_max;
};

struct late {
	struct late *next;
	int64_t due_ms;
	struct query q;
};

struct msg {
	uint8_t data[2 + MAX_MSG + 1024];
	size_t len;
	unsigned answers;
};

static struct entry *zone, **zone_end = &zone;
static struct late *lates;
static struct tcp_conn *conns[MAX_TCP];
static uint64_t conn_serials[MAX_TCP], next_serial;
static int udp_fd = -1, other_udp_fd = -1, tcp_fd = -1;
static struct msg out;

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* ---- the zone ---- */

static void
zone_delete(const char *name)
{
	struct entry **p = &zone, *e;

	while ((e = *p) != NULL) {
		if (name == NULL || strcasecmp(e->name, name) == 0) {
			*p = e->next;
			free(e);
		} else {
			p = &e->next;
		}
	}
	zone_end = p;
}

static struct entry *
zone_add(const char *name)
{
	struct entry *e = calloc(1, sizeof(*e));

	if (e == NULL)
		die("calloc");
	snprintf(e->name, sizeof(e->name), "%s", name);
	*zone_end = e;
	zone_end = &e->next;
	return e;
}

static bool
add_addresses(const char *name, int type, uint32_t ttl, const char *text, int count)
{
	uint8_t addr[16];

	if (inet_pton(type == TYPE_A ? AF_INET : AF_INET6, text, addr) != 1)
		return false;
	while (count-- > 0) {
		struct entry *e = zone_add(name);
		int i = type == TYPE_A ? 3 : 15;

		e->type = type;
		e->ttl = ttl;
		memcpy(e->addr, addr, sizeof(addr));
		while (i >= 0 && ++addr[i] == 0)
			i--;
	}
	return true;
}

static const char *
add_rule(const char *name, char **words, int count)
{
	struct entry *e;
	enum what w;
	int i = 1;

	for (w = 0; w < DO_COUNT; w++)
		if (count > 0 && strcmp(words[0], what_names[w]) == 0)
			break;
	if (w == DO_COUNT)
		return "no such behaviour";
	e = zone_add(name);
	e->is_rule = true;
	e->what = w;
	e->transports = UDP | TCP;
	if (w == DO_DELAY && i < count)
		e->delay_ms = atoi(words[i++]);
	for (; i < count; i++) {
		if (strcmp(words[i], "A") == 0)
			e->type = TYPE_A;
		else if (strcmp(words[i], "AAAA") == 0)
			e->type = TYPE_AAAA;
		else if (strcmp(words[i], "udp") == 0)
			e->transports = UDP;
		else if (strcmp(words[i], "tcp") == 0)
			e->transports = TCP;
		else
			return "not A, AAAA, udp or tcp";
	}
	return NULL;
}

/* Takes one line; returns NULL or what is wrong with it. */
static const char *
zone_line(char *line)
{
	char *words[256], *save = NULL, *w, *hash = strchr(line, '#');
	int count = 0, i;
	uint32_t ttl;

	if (hash != NULL)
		*hash = '\0';
	for (w = strtok_r(line, " \t\r\n", &save); w != NULL && count < 256;
	     w = strtok_r(NULL, " \t\r\n", &save))
		words[count++] = w;
	if (count == 0)
		return NULL;
	if (count == 1 && strcmp(words[0], "clear") == 0) {
		zone_delete(NULL);
		return NULL;
	}
	if (count == 2 && strcmp(words[1], "del") == 0) {
		zone_delete(words[0]);
		return NULL;
	}
	if (count >= 3 && strcmp(words[1], "do") == 0)
		return add_rule(words[0], words + 2, count - 2);
	if (count == 5 && strcmp(words[1], "many") == 0)
		return add_addresses(words[0], strchr(words[4], ':') ? TYPE_AAAA : TYPE_A,
				     (uint32_t)strtoul(words[3], NULL, 10), words[4],
				     atoi(words[2]))
			   ? NULL
			   : "bad address";
	if (count < 4)
		return "too few words";
	ttl = (uint32_t)strtoul(words[2], NULL, 10);
	if (strcmp(words[1], "CNAME") == 0) {
		struct entry *e = zone_add(words[0]);

		e->type = TYPE_CNAME;
		e->ttl = ttl;
		snprintf(e->target, sizeof(e->target), "%s", words[3]);
		return NULL;
	}
	if (strcmp(words[1], "A") != 0 && strcmp(words[1], "AAAA") != 0)
		return "no such type";
	for (i = 3; i < count; i++)
		if (!add_addresses(words[0], words[1][1] == '\0' ? TYPE_A : TYPE_AAAA, ttl,
				   words[i], 1))
			return "bad address";
	return NULL;
}

/* Reads the zone file again if it is not the one last read. */
static void
zone_refresh(const char *path)
{
	static struct stat last;
	struct stat st;
	char line[16384];
	const char *wrong;
	FILE *f;
	int n = 0;

	if (stat(path, &st) < 0 ||
	    (st.st_ino == last.st_ino && st.st_size == last.st_size &&
	     st.st_mtim.tv_sec == last.st_mtim.tv_sec && st.st_mtim.tv_nsec == last.st_mtim.tv_nsec))
		return;
	if ((f = fopen(path, "re")) == NULL)
		return;
	last = st;
	zone_delete(NULL);
	while (fgets(line, sizeof(line), f) != NULL) {
		n++;
		if ((wrong = zone_line(line)) != NULL)
			printf("error: %s:%d: %s\n", path, n, wrong);
	}
	fclose(f);
}

/* The zone's own name for a query: itself where a line mentions it, else `*`, else NULL. */
static const char *
zone_name(const char *name)
{
	const struct entry *e;
	const char *found = NULL;

	for (e = zone; e != NULL; e = e->next) {
		if (strcasecmp(e->name, name) == 0)
			return e->name;
		if (strcmp(e->name, "*") == 0)
			found = e->name;
	}
	return found;
}

static enum what
zone_rule(const struct query *q, int *delay_ms)
{
	const char *name = zone_name(q->name);
	const struct entry *e;
	bool found = false;
	enum what w = DO_ANSWER;

	*delay_ms = 0;
	for (e = zone; e != NULL; e = e->next) {
		if (!e->is_rule || strcasecmp(e->name, name != NULL ? name : "") != 0 ||
		    (e->type != 0 && e->type != q->type) || !(e->transports & q->peer.transport))
			continue;
		if (e->what == DO_DELAY) {
			*delay_ms += e->delay_ms;
		} else if (!found) {
			w = e->what;
			found = true;
		}
	}
	return w;
}

/* ---- building messages ---- */

static void
put(struct msg *m, const void *data, size_t len)
{
	if (m->len + len > sizeof(m->data))
		return;
	memcpy(m->data + m->len, data, len);
	m->len += len;
}

static void
put_u16(struct msg *m, unsigned v)
{
	uint8_t b[2] = {(uint8_t)(v >> 8), (uint8_t)v};

	put(m, b, 2);
}

static void
put_u32(struct msg *m, uint32_t v)
{
	put_u16(m, v >> 16);
	put_u16(m, v & 0xffff);
}

static void
put_name(struct msg *m, const char *name)
{
	while (*name != '\0') {
		size_t n = strcspn(name, ".");
		uint8_t len = (uint8_t)(n > 63 ? 63 : n);

		put(m, &len, 1);
		put(m, name, len);
		name += n;
		if (*name == '.')
			name++;
	}
	put(m, "", 1);
}

static void
set_u16(struct msg *m, size_t at, unsigned v)
{
	m->data[at] = (uint8_t)(v >> 8);
	m->data[at + 1] = (uint8_t)v;
}

static void
begin(struct msg *m, const struct query *q, unsigned rcode)
{
	m->len = 0;
	m->answers = 0;
	put_u16(m, q->id);
	/* QR, AA, RA, and the asker's RD */
	put_u16(m, 0x8480 | (q->flags & 0x0100) | rcode);
	put_u16(m, 1);
	put_u32(m, 0);
	put_u16(m, 0);
	put(m, q->question, q->question_len);
}

/* owner NULL: the question's name, as a pointer to it */
static void
put_record(struct msg *m, const char *owner, int type, uint32_t ttl, const void *data, size_t len)
{
	if (m->len + NAME_MAX_LEN + 10 + len > MAX_MSG)
		return;
	if (owner == NULL)
		put_u16(m, 0xc00c);
	else
		put_name(m, owner);
	put_u16(m, (unsigned)type);
	put_u16(m, 1);
	put_u32(m, ttl);
	put_u16(m, (unsigned)len);
	put(m, data, len);
	set_u16(m, 6, ++m->answers);
}

static void
put_cname(struct msg *m, const char *owner, const struct entry *e)
{
	struct msg *tmp = calloc(1, sizeof(*tmp));

	if (tmp == NULL)
		die("calloc");
	put_name(tmp, e->target);
	put_record(m, owner, TYPE_CNAME, e->ttl, tmp->data, tmp->len);
	free(tmp);
}

/* The zone's honest answer. */
static void
put_answer(struct msg *m, const struct query *q)
{
	const char *name = zone_name(q->name), *owner = NULL;
	const struct entry *e, *cname;
	int depth;

	begin(m, q, name == NULL ? 3 : 0);
	for (depth = 0; name != NULL && depth < 16; depth++) {
		cname = NULL;
		for (e = zone; e != NULL; e = e->next) {
			if (e->is_rule || strcasecmp(e->name, name) != 0)
				continue;
			if (e->type == TYPE_CNAME)
				cname = e;
			else if (e->type == q->type)
				put_record(m, owner, e->type, e->ttl, e->addr,
					   e->type == TYPE_A ? 4 : 16);
		}
		if (cname == NULL)
			return;
		put_cname(m, owner, cname);
		owner = cname->target;
		name = zone_name(cname->target);
	}
}

/* ---- sending ---- */

static void
send_raw(const struct peer *p, const void *data, size_t len, int fd)
{
	uint8_t head[2] = {(uint8_t)(len >> 8), (uint8_t)len};
	int i;

	if (p->transport == UDP) {
		(void)!sendto(fd, data, len, 0, (const struct sockaddr *)&p->sa, p->sa_len);
		return;
	}
	for (i = 0; i < MAX_TCP; i++) {
		if (conns[i] == NULL || conn_serials[i] != p->tcp_serial)
			continue;
		if (send(conns[i]->fd, head, 2, MSG_NOSIGNAL | MSG_MORE) == 2)
			(void)!send(conns[i]->fd, data, len, MSG_NOSIGNAL);
	}
}

static void
send_msg(struct msg *m, const struct query *q)
{
	if (q->peer.transport == UDP && m->len > q->udp_max) {
		m->len = 12 + q->question_len;
		m->data[2] |= 0x02;
		set_u16(m, 6, 0);
	}
	send_raw(&q->peer, m->data, m->len, udp_fd);
}

static void
close_conn(uint64_t serial)
{
	int i;

	for (i = 0; i < MAX_TCP; i++)
		if (conns[i] != NULL && conn_serials[i] == serial) {
			close(conns[i]->fd);
			free(conns[i]);
			conns[i] = NULL;
		}
}

static void
put_false(struct msg *m, const struct query *q, enum what w)
{
	static const uint8_t false_addr[16] = {192, 0, 2, 66};

	begin(m, q, 0);
	if (w == DO_WRONGID)
		set_u16(m, 0, q->id ^ 0x5555u);
	if (w == DO_WRONGNAME)
		m->data[13] ^= 1;
	put_record(m, NULL, q->type, 300, false_addr, q->type == TYPE_AAAA ? 16 : 4);
}

/* Each liar starts from the honest answer in m and spoils it. */
static void
spoil(struct msg *m, const struct query *q, enum what w)
{
	static const uint8_t addr[16] = {192, 0, 2, 66};
	size_t i, head = 12 + q->question_len;

	switch (w) {
	case DO_TRUNCATE:
		if (q->peer.transport == TCP)
			break;
		m->len = head;
		m->data[2] |= 0x02;
		set_u16(m, 6, 0);
		break;
	case DO_WRONGID:
		set_u16(m, 0, q->id ^ 0x5555u);
		break;
	case DO_WRONGNAME:
		m->data[13] ^= 1;
		break;
	case DO_WRONGTYPE:
		set_u16(m, head - 4, 16);
		break;
	case DO_GARBAGE:
		m->len = 2 + (size_t)(random() % 500);
		for (i = 2; i < m->len; i++)
			m->data[i] = (uint8_t)random();
		m->data[2] |= 0x80;
		break;
	case DO_SHORT:
		m->len = m->len > head + 8 ? (m->len + head) / 2 : m->len / 2;
		break;
	case DO_EMPTY:
		m->len = 0;
		break;
	case DO_LOOP:
		m->len = head;
		put_u16(m, 0xc000 | (unsigned)head);
		put_u16(m, q->type);
		put_u16(m, 1);
		put_u32(m, 60);
		put_u16(m, 4);
		put(m, addr, 4);
		set_u16(m, 6, 1);
		break;
	case DO_BADCOUNT:
		set_u16(m, 6, 0xffff);
		break;
	case DO_BADLENGTH:
		m->len = head;
		put_u16(m, 0xc00c);
		put_u16(m, q->type);
		put_u16(m, 1);
		put_u32(m, 60);
		put_u16(m, 4000);
		put(m, addr, 4);
		set_u16(m, 6, 1);
		break;
	case DO_BIG:
		while (m->len + NAME_MAX_LEN + 10 + 16 <= MAX_MSG)
			put_record(m, NULL, q->type, 60, addr, q->type == TYPE_AAAA ? 16 : 4);
		break;
	default:
		break;
	}
}

static void
answer(const struct query *q, enum what w)
{
	static const uint8_t codes[DO_COUNT] = {[DO_NXDOMAIN] = 3,
						[DO_SERVFAIL] = 2,
						[DO_REFUSED] = 5,
						[DO_FORMERR] = 1,
						[DO_NOTIMP] = 4};

	switch (w) {
	case DO_SILENT:
		return;
	case DO_CLOSE:
		if (q->peer.transport == TCP)
			close_conn(q->peer.tcp_serial);
		return;
	case DO_NXDOMAIN:
	case DO_SERVFAIL:
	case DO_REFUSED:
	case DO_FORMERR:
	case DO_NOTIMP:
	case DO_NODATA:
		begin(&out, q, codes[w]);
		send_msg(&out, q);
		return;
	case DO_SPOOFED:
		put_false(&out, q, DO_WRONGID);
		send_msg(&out, q);
		put_false(&out, q, DO_WRONGNAME);
		send_msg(&out, q);
		put_false(&out, q, DO_WRONGPORT);
		if (q->peer.transport == UDP)
			send_raw(&q->peer, out.data, out.len, other_udp_fd);
		put_answer(&out, q);
		send_msg(&out, q);
		return;
	case DO_WRONGPORT:
		put_answer(&out, q);
		send_raw(&q->peer, out.data, out.len, other_udp_fd);
		return;
	default:
		put_answer(&out, q);
		spoil(&out, q, w);
		send_msg(&out, q);
	}
}

/* ---- queries ---- */

/* Reads a name without compression (questions have none). Returns the bytes it took, 0 if bad. */
static size_t
get_name(const uint8_t *p, size_t len, char *name)
{
	size_t at = 0, n = 0;

	for (;;) {
		size_t label;

		if (at >= len)
			return 0;
		label = p[at++];
		if (label == 0)
			break;
		if (label > 63 || at + label > len || n + label + 1 >= NAME_MAX_LEN)
			return 0;
		if (n > 0)
			name[n++] = '.';
		memcpy(name + n, p + at, label);
		n += label;
		at += label;
	}
	name[n] = '\0';
	return at;
}

static bool
parse_query(const uint8_t *p, size_t len, struct query *q)
{
	size_t n;

	if (len < 12 || (p[2] & 0x80) || p[4] != 0 || p[5] != 1)
		return false;
	q->id = (uint16_t)(p[0] << 8 | p[1]);
	q->flags = (uint16_t)(p[2] << 8 | p[3]);
	n = get_name(p + 12, len - 12, q->name);
	if (n == 0 || 12 + n + 4 > len)
		return false;
	q->question_len = n + 4;
	memcpy(q->question, p + 12, n + 4);
	q->type = (uint16_t)(p[12 + n] << 8 | p[12 + n + 1]);
	q->udp_max = 512;
	p += 12 + n + 4;
	len -= 12 + n + 4;
	if (len >= 11 && p[0] == 0 && p[1] == 0 && p[2] == TYPE_OPT) {
		q->udp_max = (size_t)(p[3] << 8 | p[4]);
		q->udp_max = q->udp_max < 512 ? 512 : q->udp_max > 1232 ? 1232 : q->udp_max;
	}
	return true;
}

static void
log_query(const struct query *q)
{
	char addr[INET6_ADDRSTRLEN] = "?", type[16];
	const struct sockaddr_in *in = (const struct sockaddr_in *)&q->peer.sa;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&q->peer.sa;

	if (in->sin_family == AF_INET)
		inet_ntop(AF_INET, &in->sin_addr, addr, sizeof(addr));
	else
		inet_ntop(AF_INET6, &in6->sin6_addr, addr, sizeof(addr));
	snprintf(type, sizeof(type), "TYPE%u", q->type);
	printf("query %s %s:%u %u %s %s\n", q->peer.transport == UDP ? "udp" : "tcp", addr,
	       ntohs(in->sin_port), q->id,
	       q->type == TYPE_A	? "A"
	       : q->type == TYPE_AAAA ? "AAAA"
				      : type,
	       q->name);
}

static void
on_message(const uint8_t *data, size_t len, const struct peer *peer, const char *zone_path)
{
	struct query q = {.peer = *peer};
	int delay_ms;
	enum what w;

	if (!parse_query(data, len, &q))
		return;
	if (zone_path != NULL)
		zone_refresh(zone_path);
	log_query(&q);
	w = zone_rule(&q, &delay_ms);
	if (delay_ms > 0) {
		struct late *l = calloc(1, sizeof(*l)), **at = &lates;

		if (l == NULL)
			die("calloc");
		l->q = q;
		l->due_ms = now_ms() + delay_ms;
		while (*at != NULL && (*at)->due_ms <= l->due_ms)
			at = &(*at)->next;
		l->next = *at;
		*at = l;
		return;
	}
	answer(&q, w);
}

static void
send_late(void)
{
	struct late *l;
	int ignored;

	while ((l = lates) != NULL && l->due_ms <= now_ms()) {
		lates = l->next;
		answer(&l->q, zone_rule(&l->q, &ignored));
		free(l);
	}
}

/* ---- sockets ---- */

static void
on_udp(const char *zone_path)
{
	uint8_t buf[4096];
	struct peer p = {.transport = UDP};
	ssize_t n;

	for (;;) {
		p.sa_len = sizeof(p.sa);
		n = recvfrom(udp_fd, buf, sizeof(buf), MSG_DONTWAIT, (struct sockaddr *)&p.sa,
			     &p.sa_len);
		if (n < 0)
			return;
		on_message(buf, (size_t)n, &p, zone_path);
	}
}

static void
on_accept(void)
{
	int i, fd = accept4(tcp_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	for (i = 0; i < MAX_TCP && conns[i] != NULL; i++)
		;
	if (i == MAX_TCP) {
		close(fd);
		return;
	}
	conns[i] = calloc(1, sizeof(*conns[i]));
	if (conns[i] == NULL)
		die("calloc");
	conns[i]->fd = fd;
	conn_serials[i] = ++next_serial;
}

static void
on_tcp(int i, const char *zone_path)
{
	struct tcp_conn *c = conns[i];
	uint64_t serial = conn_serials[i];
	struct peer p = {.transport = TCP, .sa_len = sizeof(p.sa), .tcp_serial = serial};
	ssize_t n = recv(c->fd, c->buf + c->len, sizeof(c->buf) - c->len, 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		close_conn(serial);
		return;
	}
	c->len += (size_t)n;
	getpeername(c->fd, (struct sockaddr *)&p.sa, &p.sa_len);
	/* answering may close the connection: then its place is empty, or another's */
	while (conns[i] == c && conn_serials[i] == serial && c->len >= 2) {
		size_t len = (size_t)(c->buf[0] << 8 | c->buf[1]);

		if (c->len < 2 + len)
			return;
		on_message(c->buf + 2, len, &p, zone_path);
		if (conns[i] != c)
			return;
		c->len -= 2 + len;
		memmove(c->buf, c->buf + 2 + len, c->len);
	}
}

static void
on_stdin(void)
{
	static char buf[16384];
	static size_t len;
	ssize_t n = read(STDIN_FILENO, buf + len, sizeof(buf) - 1 - len);
	char *end;

	if (n <= 0)
		exit(0);
	len += (size_t)n;
	while ((end = memchr(buf, '\n', len)) != NULL) {
		const char *wrong;
		size_t line = (size_t)(end - buf) + 1;

		*end = '\0';
		wrong = zone_line(buf);
		if (wrong != NULL)
			printf("error: %s\n", wrong);
		else
			puts("ok");
		len -= line;
		memmove(buf, buf + line, len);
	}
	if (len == sizeof(buf) - 1)
		len = 0;
}

static socklen_t
parse_addr(const char *text, int port, struct sockaddr_storage *sa)
{
	struct sockaddr_in *in = (struct sockaddr_in *)sa;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)sa;

	memset(sa, 0, sizeof(*sa));
	in->sin_port = htons((uint16_t)port);
	if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		return sizeof(*in);
	}
	if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		return sizeof(*in6);
	}
	fprintf(stderr, "dnsd: bad address %s\n", text);
	exit(2);
}

/* Opens UDP and TCP on one port; with port 0 tries again where TCP finds it taken. */
static void
open_sockets(const char *addr, int port, bool with_tcp)
{
	struct sockaddr_storage sa;
	struct sockaddr_in *in = (struct sockaddr_in *)&sa;
	socklen_t len = parse_addr(addr, port, &sa);
	int one = 1, tries;

	for (tries = 0; tries < 100; tries++) {
		socklen_t l = len;

		in->sin_port = htons((uint16_t)port);
		udp_fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (udp_fd < 0 || bind(udp_fd, (struct sockaddr *)&sa, len) < 0)
			die("bind udp");
		getsockname(udp_fd, (struct sockaddr *)&sa, &l);
		if (!with_tcp)
			break;
		tcp_fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		setsockopt(tcp_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		if (bind(tcp_fd, (struct sockaddr *)&sa, len) == 0 && listen(tcp_fd, 64) == 0)
			break;
		if (port != 0)
			die("bind tcp");
		close(tcp_fd);
		close(udp_fd);
	}
	printf("ready %s:%u\n", addr, ntohs(in->sin_port));
	in->sin_port = 0;
	other_udp_fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (other_udp_fd < 0 || bind(other_udp_fd, (struct sockaddr *)&sa, len) < 0)
		die("bind udp");
}

static void
serve_once(const char *zone_path)
{
	struct pollfd pfd[3 + MAX_TCP];
	int i, timeout = -1;

	pfd[0] = (struct pollfd){.fd = udp_fd, .events = POLLIN};
	pfd[1] = (struct pollfd){.fd = tcp_fd, .events = POLLIN};
	pfd[2] = (struct pollfd){.fd = zone_path ? -1 : STDIN_FILENO, .events = POLLIN};
	for (i = 0; i < MAX_TCP; i++)
		pfd[3 + i] = (struct pollfd){.fd = conns[i] ? conns[i]->fd : -1, .events = POLLIN};
	if (lates != NULL) {
		int64_t left_ms = lates->due_ms - now_ms();

		timeout = left_ms < 0 ? 0 : (int)left_ms;
	}
	if (poll(pfd, 3 + MAX_TCP, timeout) < 0 && errno != EINTR)
		die("poll");
	send_late();
	if (pfd[2].revents)
		on_stdin();
	if (pfd[0].revents)
		on_udp(zone_path);
	for (i = 0; i < MAX_TCP; i++)
		if (pfd[3 + i].revents && conns[i] != NULL && conns[i]->fd == pfd[3 + i].fd)
			on_tcp(i, zone_path);
	if (pfd[1].revents)
		on_accept();
}

int
main(int argc, char **argv)
{
	const char *addr = "127.0.0.1", *zone_path = NULL;
	bool with_tcp = true;
	int c, port = 0;

	while ((c = getopt(argc, argv, "a:p:z:u")) != -1) {
		switch (c) {
		case 'a':
			addr = optarg;
			break;
		case 'p':
			port = atoi(optarg);
			break;
		case 'z':
			zone_path = optarg;
			break;
		case 'u':
			with_tcp = false;
			break;
		default:
			fputs("usage: dnsd [-a ADDR] [-p PORT] [-z FILE] [-u]\n", stderr);
			return 2;
		}
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	srandom((unsigned)now_ms());
	open_sockets(addr, port, with_tcp);
	if (zone_path != NULL)
		zone_refresh(zone_path);
	for (;;)
		serve_once(zone_path);
}
