/* Little-endian values in memory: a reader that cannot leave its bounds, and a writer that grows.
 * Strings are a 32-bit length and the bytes; addresses a family (4 or 6), the port and the bytes. */
#include "config.h"

#include "iaido/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "iaido/addr.h"

enum { WIRE_FAMILY_IN = 4, WIRE_FAMILY_IN6 = 6 };

void
wire_reader_init(struct wire_reader *r, const void *data, size_t len)
{
	/* No arithmetic on a null pointer, even by 0. */
	r->at = data;
	r->end = len > 0 ? r->at + len : r->at;
	r->bad = r->no_memory = false;
}

/* The next len bytes, or NULL: then the reader is bad and stays so. */
static const uint8_t *
take(struct wire_reader *r, size_t len)
{
	const uint8_t *at = r->at;

	if (r->bad || len > (size_t)(r->end - r->at)) {
		r->bad = true;
		return NULL;
	}
	r->at += len;
	return at;
}

static uint64_t
get_number(struct wire_reader *r, size_t len)
{
	const uint8_t *at = take(r, len);
	uint64_t v = 0;

	if (!at)
		return 0;
	for (size_t i = len; i-- > 0;)
		v = v << 8 | at[i];
	return v;
}

uint8_t
wire_get_u8(struct wire_reader *r)
{
	return (uint8_t)get_number(r, 1);
}

uint16_t
wire_get_u16(struct wire_reader *r)
{
	return (uint16_t)get_number(r, 2);
}

uint32_t
wire_get_u32(struct wire_reader *r)
{
	return (uint32_t)get_number(r, 4);
}

uint64_t
wire_get_u64(struct wire_reader *r)
{
	return get_number(r, 8);
}

int64_t
wire_get_i64(struct wire_reader *r)
{
	return (int64_t)get_number(r, 8);
}

uint32_t
wire_get_count(struct wire_reader *r, size_t item_min, uint32_t max)
{
	uint32_t count = wire_get_u32(r);

	if (r->bad)
		return 0;
	if (count > max || (item_min > 0 && count > (size_t)(r->end - r->at) / item_min)) {
		r->bad = true;
		return 0;
	}
	return count;
}

char *
wire_get_string(struct wire_reader *r, size_t max)
{
	uint32_t len = wire_get_u32(r);
	const uint8_t *at;
	char *s;

	if (len > max)
		r->bad = true;
	at = take(r, len);
	if (!at)
		return NULL;
	if (len > 0 && memchr(at, '\0', len)) {
		r->bad = true;
		return NULL;
	}
	s = malloc((size_t)len + 1);
	if (!s) {
		r->bad = r->no_memory = true;
		return NULL;
	}
	if (len > 0)
		memcpy(s, at, len);
	s[len] = '\0';
	return s;
}

void
wire_get_addr(struct wire_reader *r, struct addr *out)
{
	uint8_t family = wire_get_u8(r);
	uint16_t port = wire_get_u16(r);
	const uint8_t *at;

	memset(out, 0, sizeof(*out));
	if (family != WIRE_FAMILY_IN && family != WIRE_FAMILY_IN6)
		r->bad = true;
	at = take(r, family == WIRE_FAMILY_IN ? 4 : 16);
	if (!at)
		return;
	if (family == WIRE_FAMILY_IN) {
		out->in.sin_family = AF_INET;
		memcpy(&out->in.sin_addr, at, 4);
	} else {
		out->in6.sin6_family = AF_INET6;
		memcpy(&out->in6.sin6_addr, at, 16);
	}
	addr_set_port(out, port);
}

int
wire_end(const struct wire_reader *r)
{
	return r->bad || r->at != r->end ? -EBADMSG : 0;
}

void
wire_writer_init(struct wire_writer *w)
{
	*w = (struct wire_writer){ 0 };
}

void
wire_writer_fini(struct wire_writer *w)
{
	free(w->data);
	wire_writer_init(w);
}

static void
put_bytes(struct wire_writer *w, const void *data, size_t len)
{
	if (w->bad || len == 0)
		return;
	if (len > w->size - w->len) {
		size_t size = w->size ? w->size : 256;
		uint8_t *grown;

		while (size - w->len < len && size <= SIZE_MAX / 2)
			size *= 2;
		grown = size - w->len < len ? NULL : realloc(w->data, size);
		if (!grown) {
			w->bad = true;
			return;
		}
		w->data = grown;
		w->size = size;
	}
	memcpy(w->data + w->len, data, len);
	w->len += len;
}

static void
put_number(struct wire_writer *w, uint64_t v, size_t len)
{
	uint8_t bytes[8];

	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(v >> (8 * i));
	put_bytes(w, bytes, len);
}

void
wire_put_u8(struct wire_writer *w, uint8_t v)
{
	put_number(w, v, 1);
}

void
wire_put_u16(struct wire_writer *w, uint16_t v)
{
	put_number(w, v, 2);
}

void
wire_put_u32(struct wire_writer *w, uint32_t v)
{
	put_number(w, v, 4);
}

void
wire_put_u64(struct wire_writer *w, uint64_t v)
{
	put_number(w, v, 8);
}

void
wire_put_i64(struct wire_writer *w, int64_t v)
{
	put_number(w, (uint64_t)v, 8);
}

void
wire_put_string(struct wire_writer *w, const char *s)
{
	size_t len = strlen(s);

	if (len > UINT32_MAX) {
		w->bad = true;
		return;
	}
	wire_put_u32(w, (uint32_t)len);
	put_bytes(w, s, len);
}

void
wire_put_addr(struct wire_writer *w, const struct addr *a)
{
	bool is_in = a->sa.sa_family == AF_INET;

	wire_put_u8(w, is_in ? WIRE_FAMILY_IN : WIRE_FAMILY_IN6);
	wire_put_u16(w, addr_port(a));
	if (is_in)
		put_bytes(w, &a->in.sin_addr, 4);
	else
		put_bytes(w, &a->in6.sin6_addr, 16);
}
