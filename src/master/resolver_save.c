/* The resolver's answers as others see them: for diagnostics, and for an upgrade in place. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "iaido/clock.h"
#include "iaido/snapshot.h"
#include "iaido/wire.h"
#include "resolver_priv.h"

#define HOST_LEN_MAX 1024
#define ADDR_WIRE_MIN 7

static int
fill_addresses(const struct name *n, struct snapshot_name *out)
{
	char text[ADDR_TEXT_MAX];

	out->addresses = calloc(n->count + 1, sizeof(*out->addresses));
	if (!out->addresses)
		return -ENOMEM;
	for (size_t i = 0; i < n->count; i++) {
		out->addresses[i] = strdup(addr_format_host(&n->addrs[i], text));
		if (!out->addresses[i])
			return -ENOMEM;
		out->address_count++;
	}
	return 0;
}

static int
fill_name(const struct name *n, int64_t now_ns, struct snapshot_name *out)
{
	out->age_ns = out->ttl_ns = -1;
	out->host = strdup(n->host);
	if (!out->host)
		return -ENOMEM;
	/* As old as the older of what is in use. */
	for (size_t i = 0; i < 2; i++) {
		const struct family *f = &n->families[i];

		if (f->count == 0 || now_ns - f->answered_ns < out->age_ns)
			continue;
		out->age_ns = now_ns - f->answered_ns;
		out->ttl_ns = f->ttl_ns;
	}
	out->lookups_success = n->lookups_success;
	out->lookups_error = n->lookups_error;
	out->lookups_timeout = n->lookups_timeout;
	if (n->fault != DNS_OK) {
		out->last_error = strdup(dns_kind_text(n->fault));
		if (!out->last_error)
			return -ENOMEM;
	}
	return fill_addresses(n, out);
}

int
resolver_snapshot(const struct resolver *r, struct snapshot *out)
{
	int64_t now_ns = clock_now_ns();
	const struct name *n;

	out->names = calloc(r->count + 1, sizeof(*out->names));
	if (!out->names)
		return -ENOMEM;
	TAILQ_FOREACH(n, &r->names, link) {
		if (n->is_literal)
			continue;
		out->name_count++; /* first, so that what was made is freed */
		if (fill_name(n, now_ns, &out->names[out->name_count - 1]) < 0)
			return -ENOMEM;
	}
	return 0;
}

static void
save_family(const struct family *f, struct wire_writer *w)
{
	wire_put_i64(w, f->answered_ns);
	wire_put_i64(w, f->ttl_ns);
	wire_put_u8(w, (uint8_t)f->last);
	wire_put_u8(w, (uint8_t)f->settled);
	wire_put_u32(w, (uint32_t)f->count);
	for (size_t i = 0; i < f->count; i++)
		wire_put_addr(w, &f->addrs[i]);
}

void
resolver_save(const struct resolver *r, struct wire_writer *w)
{
	const struct name *n;
	uint32_t count = 0;

	TAILQ_FOREACH(n, &r->names, link)
		count += !n->is_literal;
	wire_put_u32(w, count);
	TAILQ_FOREACH(n, &r->names, link) {
		if (n->is_literal)
			continue;
		wire_put_string(w, n->host);
		wire_put_u8(w, (uint8_t)n->fault);
		wire_put_u64(w, n->lookups_success);
		wire_put_u64(w, n->lookups_error);
		wire_put_u64(w, n->lookups_timeout);
		save_family(&n->families[0], w);
		save_family(&n->families[1], w);
	}
}

static enum dns_kind
get_kind(struct wire_reader *rd)
{
	uint8_t kind = wire_get_u8(rd);

	if (kind > DNS_LOCAL)
		rd->bad = true;
	return rd->bad ? DNS_NONE : (enum dns_kind)kind;
}

static void
load_family(struct family *f, struct wire_reader *rd, int64_t now_ns)
{
	f->answered_ns = wire_get_i64(rd);
	f->ttl_ns = wire_get_i64(rd);
	f->last = get_kind(rd);
	f->settled = get_kind(rd);
	f->count = wire_get_count(rd, ADDR_WIRE_MIN, DNS_ADDRESSES_MAX);
	if (f->ttl_ns < 0 || f->answered_ns < 0 || f->answered_ns > now_ns)
		rd->bad = true;
	f->addrs = calloc(f->count + 1, sizeof(*f->addrs));
	if (!f->addrs)
		rd->bad = true;
	for (size_t i = 0; i < f->count && !rd->bad; i++)
		wire_get_addr(rd, &f->addrs[i]);
	if (rd->bad)
		f->count = 0;
	else if (f->answered_ns > 0 && f->ttl_ns < INT64_MAX - f->answered_ns)
		family_schedule(f, f->answered_ns + f->ttl_ns);
}

static void
load_name(struct resolver *r, struct wire_reader *rd, int64_t now_ns)
{
	char *host = wire_get_string(rd, HOST_LEN_MAX);
	struct name *n;

	if (!host)
		return;
	n = resolver_find(r, host) ? NULL : resolver_add(r, host);
	free(host);
	if (!n || n->is_literal) {
		rd->bad = true;
		return;
	}
	n->fault = get_kind(rd);
	n->lookups_success = wire_get_u64(rd);
	n->lookups_error = wire_get_u64(rd);
	n->lookups_timeout = wire_get_u64(rd);
	load_family(&n->families[0], rd, now_ns);
	load_family(&n->families[1], rd, now_ns);
	(void)name_join_families(n);
}

int
resolver_load(struct resolver *r, struct wire_reader *rd)
{
	int64_t now_ns = clock_now_ns();
	uint32_t count = wire_get_count(rd, 1, CONF_BACKENDS_MAX);

	for (uint32_t i = 0; i < count && !rd->bad; i++)
		load_name(r, rd, now_ns);
	return rd->bad ? -EBADMSG : 0;
}
