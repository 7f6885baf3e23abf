/* The typed messages: one list says for each its name, its size, who may send it and whether a
 * descriptor comes with it; everything else follows from it. */
#include "config.h"

#include "iaido/msg.h"

#include <errno.h>
#include <unistd.h>

#include "iaido/log.h"
#include "iaido/scoreboard.h"
#include "iaido/wire.h"

#define ERRNO_MAX 4095
#define PAYLOAD_MAX 32

/* type, name, payload size, sender, with a descriptor */
#define MSG_LIST(X) \
	X(MSG_TABLE, "table", 8, MSG_FROM_MASTER, true) \
	X(MSG_LOG, "log", 3, MSG_FROM_MASTER, true) \
	X(MSG_DRAIN, "drain", 10, MSG_FROM_MASTER, false) \
	X(MSG_STOP, "stop", 0, MSG_FROM_MASTER, false) \
	X(MSG_READY, "ready", 0, MSG_FROM_WORKER, false) \
	X(MSG_APPLIED, "applied", 8, MSG_FROM_WORKER, false) \
	X(MSG_DIAL_FAILED, "dial-failed", 8, MSG_FROM_WORKER, false) \
	X(MSG_DRAINED, "drained", 0, MSG_FROM_WORKER, false)

struct kind {
	enum msg_type type;
	const char *name;
	size_t size;
	enum msg_sender sender;
	bool has_fd;
};

#define KIND(type, name, size, sender, has_fd) { type, name, size, sender, has_fd },
static const struct kind kinds[] = { MSG_LIST(KIND) };

static const struct kind *
find_kind(unsigned type)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if ((unsigned)kinds[i].type == type)
			return &kinds[i];
	return NULL;
}

const char *
msg_name(enum msg_type type)
{
	const struct kind *k = find_kind(type);

	return k ? k->name : "unknown";
}

/* A payload of known small size, written where no memory can run out. */
struct payload {
	uint8_t bytes[PAYLOAD_MAX];
	size_t len;
};

static void
put(struct payload *p, uint64_t value, size_t len)
{
	for (size_t i = 0; i < len; i++)
		p->bytes[p->len++] = (uint8_t)(value >> (8 * i));
}

int
msg_send_table(int chan_fd, const struct msg_table *m, int table_fd)
{
	struct payload p = { .len = 0 };

	put(&p, m->number, 8);
	return chan_send(chan_fd, MSG_TABLE, p.bytes, p.len, table_fd);
}

int
msg_send_log(int chan_fd, const struct msg_log *m, int log_fd)
{
	struct payload p = { .len = 0 };

	put(&p, m->level, 1);
	put(&p, m->format, 1);
	put(&p, m->syslog, 1);
	return chan_send(chan_fd, MSG_LOG, p.bytes, p.len, log_fd);
}

int
msg_send_drain(int chan_fd, const struct msg_drain *m)
{
	struct payload p = { .len = 0 };

	put(&p, m->whole_process, 1);
	put(&p, m->keep_accepting, 1);
	put(&p, (uint64_t)m->left_ns, 8);
	return chan_send(chan_fd, MSG_DRAIN, p.bytes, p.len, -1);
}

int
msg_send_stop(int chan_fd)
{
	return chan_send(chan_fd, MSG_STOP, NULL, 0, -1);
}

int
msg_send_ready(int chan_fd)
{
	return chan_send(chan_fd, MSG_READY, NULL, 0, -1);
}

int
msg_send_applied(int chan_fd, const struct msg_applied *m)
{
	struct payload p = { .len = 0 };

	put(&p, m->number, 8);
	return chan_send(chan_fd, MSG_APPLIED, p.bytes, p.len, -1);
}

int
msg_send_dial_failed(int chan_fd, const struct msg_dial_failed *m)
{
	struct payload p = { .len = 0 };

	put(&p, m->cell, 4);
	put(&p, (uint32_t)m->error, 4);
	return chan_send(chan_fd, MSG_DIAL_FAILED, p.bytes, p.len, -1);
}

int
msg_send_drained(int chan_fd)
{
	return chan_send(chan_fd, MSG_DRAINED, NULL, 0, -1);
}

static bool
get_bool(struct wire_reader *r)
{
	uint8_t v = wire_get_u8(r);

	if (v > 1)
		r->bad = true;
	return v == 1;
}

static void
decode_log(struct wire_reader *r, struct msg_log *m)
{
	m->level = wire_get_u8(r);
	m->format = wire_get_u8(r);
	m->syslog = get_bool(r);
	if (m->level > LOG_LEVEL_ERROR || m->format > LOG_FORMAT_JSON)
		r->bad = true;
}

static void
decode_drain(struct wire_reader *r, struct msg_drain *m)
{
	m->whole_process = get_bool(r);
	m->keep_accepting = get_bool(r);
	m->left_ns = wire_get_i64(r);
	if (m->left_ns < 0)
		r->bad = true;
}

static void
decode_dial_failed(struct wire_reader *r, struct msg_dial_failed *m)
{
	m->cell = wire_get_u32(r);
	m->error = (int32_t)wire_get_u32(r);
	if (m->cell >= SCOREBOARD_CELLS || m->error < 0 || m->error > ERRNO_MAX)
		r->bad = true;
}

static int
decode_payload(const struct chan_message *in, struct msg *m)
{
	struct wire_reader r;

	wire_reader_init(&r, in->payload, in->len);
	switch (m->type) {
	case MSG_TABLE:
		m->table.number = wire_get_u64(&r);
		break;
	case MSG_LOG:
		decode_log(&r, &m->log);
		break;
	case MSG_DRAIN:
		decode_drain(&r, &m->drain);
		break;
	case MSG_APPLIED:
		m->applied.number = wire_get_u64(&r);
		break;
	case MSG_DIAL_FAILED:
		decode_dial_failed(&r, &m->dial_failed);
		break;
	case MSG_STOP:
	case MSG_READY:
	case MSG_DRAINED:
		break;
	}
	return wire_end(&r);
}

int
msg_decode(const struct chan_message *in, enum msg_sender sender, struct msg *out)
{
	const struct kind *k = find_kind(in->type);
	struct msg m = { .fd = in->fd };

	if (!k || k->sender != sender || in->len != k->size || (in->fd >= 0) != k->has_fd)
		goto bad;
	m.type = k->type;
	if (decode_payload(in, &m) < 0)
		goto bad;
	*out = m;
	return 0;
bad:
	if (in->fd >= 0)
		close(in->fd);
	return -EBADMSG;
}
