/*
 * dnsd's messages: reading a question, the zone's honest answer to it, and every way of spoiling
 * that answer.
 */
#include "config.h"

#include "dnsd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static struct msg out;

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
	uint8_t b[2] = { (uint8_t)(v >> 8), (uint8_t)v };

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
		for (e = zone_first(); e != NULL; e = e->next) {
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

static void
send_msg(struct msg *m, const struct query *q)
{
	if (q->peer.transport == UDP && m->len > q->udp_max) {
		m->len = 12 + q->question_len;
		m->data[2] |= 0x02;
		set_u16(m, 6, 0);
	}
	send_raw(&q->peer, m->data, m->len, USUAL);
}

static void
put_false(struct msg *m, const struct query *q, enum what w)
{
	static const uint8_t false_addr[16] = { 192, 0, 2, 66 };

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
	static const uint8_t addr[16] = { 192, 0, 2, 66 };
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

void
answer(const struct query *q, enum what w)
{
	static const uint8_t codes[DO_COUNT] = { [DO_NXDOMAIN] = 3,
		[DO_SERVFAIL] = 2,
		[DO_REFUSED] = 5,
		[DO_FORMERR] = 1,
		[DO_NOTIMP] = 4 };

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
		if (q->peer.transport == UDP) {
			send_raw(&q->peer, out.data, out.len, OTHER_PORT);
			send_raw(&q->peer, out.data, out.len, OTHER_ADDRESS);
		}
		put_answer(&out, q);
		send_msg(&out, q);
		return;
	case DO_WRONGPORT:
	case DO_WRONGADDR:
		put_answer(&out, q);
		send_raw(&q->peer, out.data, out.len,
			w == DO_WRONGPORT ? OTHER_PORT : OTHER_ADDRESS);
		return;
	default:
		put_answer(&out, q);
		spoil(&out, q, w);
		send_msg(&out, q);
	}
}

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

bool
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
