/* The routing table as bytes and back. The reader believes nothing: counts are bounded before they
 * are allocated, indices before they are used, and a table that breaks a promise of the header is
 * refused whole. */
#define _GNU_SOURCE
#include "config.h"

#include "iaido/table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "iaido/conf.h"
#include "iaido/file.h"
#include "iaido/scoreboard.h"
#include "iaido/wire.h"

#define TABLE_MAGIC UINT32_C(0x6c624154) /* "TAbl" */
#define TABLE_VERSION 1

/* The smallest encodings, so that a count cannot ask for more memory than its bytes justify. */
#define FRONTEND_WIRE_MIN 102
#define TIER_WIRE_SIZE 16
#define BACKEND_WIRE_MIN 31
#define NAME_MAX_LEN 1024
#define TABLE_FD_MAX ((size_t)64 << 20)

#define TABLE_SEALS (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK)

struct route_table *
table_new(void)
{
	return calloc(1, sizeof(struct route_table));
}

void
table_free(struct route_table *t)
{
	if (!t)
		return;
	for (uint32_t i = 0; t->frontends && i < t->frontend_count; i++)
		table_frontend_fini(&t->frontends[i]);
	free(t->frontends);
	free(t);
}

void
table_frontend_fini(struct table_frontend *f)
{
	free(f->name);
	free(f->tiers);
	free(f->backends);
	free(f->slot_owners);
	memset(f, 0, sizeof(*f));
}

static void
encode_backend(const struct table_backend *b, struct wire_writer *w)
{
	wire_put_u32(w, b->cell);
	wire_put_addr(w, &b->addr);
	wire_put_u32(w, b->rank);
	wire_put_u16(w, b->tier);
	wire_put_u8(w, b->use);
	wire_put_u8(w, b->drain);
	wire_put_u32(w, b->limit);
	wire_put_i64(w, b->latency_ns);
}

void
table_put_settings(const struct table_frontend *f, struct wire_writer *w)
{
	wire_put_u32(w, f->max_connections);
	wire_put_i64(w, f->idle_ns);
	wire_put_i64(w, f->half_close_ns);
	wire_put_i64(w, f->max_age_ns);
	wire_put_i64(w, f->wait_ns);
	wire_put_i64(w, f->maintenance_ns);
	wire_put_i64(w, f->hedge_ns);
	wire_put_i64(w, f->keepalive_idle_ns);
	wire_put_i64(w, f->keepalive_interval_ns);
	wire_put_u32(w, f->keepalive_count);
	wire_put_i64(w, f->user_timeout_ns);
	wire_put_u8(w, f->shed_failed);
}

static void
encode_frontend(const struct table_frontend *f, struct wire_writer *w)
{
	wire_put_u32(w, f->id);
	wire_put_u8(w, f->removed);
	wire_put_string(w, f->name ? f->name : "");
	table_put_settings(f, w);
	wire_put_u32(w, f->tier_count);
	for (uint32_t i = 0; i < f->tier_count; i++) {
		wire_put_i64(w, f->tiers[i].dial_timeout_ns);
		wire_put_i64(w, f->tiers[i].dial_failure_timeout_ns);
	}
	wire_put_u32(w, f->backend_count);
	for (uint32_t i = 0; i < f->backend_count; i++)
		encode_backend(&f->backends[i], w);
	wire_put_u32(w, f->slot_count);
	for (uint32_t i = 0; i < f->slot_count; i++)
		wire_put_u32(w, f->slot_owners[i]);
}

void
table_encode(const struct route_table *t, struct wire_writer *w)
{
	wire_put_u32(w, TABLE_MAGIC);
	wire_put_u32(w, TABLE_VERSION);
	wire_put_u64(w, t->number);
	wire_put_u8(w, t->log_connections);
	wire_put_u32(w, t->frontend_count);
	for (uint32_t i = 0; i < t->frontend_count; i++)
		encode_frontend(&t->frontends[i], w);
}

static void
refuse_unless(struct wire_reader *r, bool holds)
{
	if (!holds)
		r->bad = true;
}

static bool
get_bool(struct wire_reader *r)
{
	uint8_t v = wire_get_u8(r);

	refuse_unless(r, v <= 1);
	return v == 1;
}

static int64_t
get_duration(struct wire_reader *r)
{
	int64_t v = wire_get_i64(r);

	refuse_unless(r, v >= 0);
	return v;
}

void
table_get_settings(struct table_frontend *f, struct wire_reader *r)
{
	f->max_connections = wire_get_u32(r);
	f->idle_ns = wire_get_i64(r);
	f->half_close_ns = wire_get_i64(r); /* negative: never */
	f->max_age_ns = get_duration(r);
	f->wait_ns = get_duration(r);
	f->maintenance_ns = get_duration(r);
	f->hedge_ns = get_duration(r);
	f->keepalive_idle_ns = get_duration(r);
	f->keepalive_interval_ns = get_duration(r);
	f->keepalive_count = wire_get_u32(r);
	f->user_timeout_ns = get_duration(r);
	f->shed_failed = get_bool(r);
}

/* What a table is decoded with: the reader, and the cells seen so far. */
struct decoder {
	struct wire_reader *r;
	uint8_t cells_seen[SCOREBOARD_CELLS / 8];
};

/* An array of so many items, zeroed; NULL for none, or when something is wrong. */
static void *
get_array(struct decoder *d, uint32_t count, size_t size)
{
	void *items;

	if (d->r->bad || count == 0)
		return NULL;
	items = calloc(count, size);
	if (!items)
		d->r->bad = d->r->no_memory = true;
	return items;
}

static void
decode_tiers(struct decoder *d, struct table_frontend *f)
{
	uint32_t count = wire_get_count(d->r, TIER_WIRE_SIZE, UINT16_MAX);

	f->tiers = get_array(d, count, sizeof(*f->tiers));
	f->tier_count = f->tiers ? count : 0;
	for (uint32_t i = 0; i < f->tier_count; i++) {
		f->tiers[i].dial_timeout_ns = get_duration(d->r);
		f->tiers[i].dial_failure_timeout_ns = get_duration(d->r);
	}
}

/* A cell stands for one backend of one frontend. */
static bool
take_cell(struct decoder *d, uint32_t cell)
{
	uint8_t bit = (uint8_t)(1u << (cell % 8));

	if (cell >= SCOREBOARD_CELLS || (d->cells_seen[cell / 8] & bit))
		return false;
	d->cells_seen[cell / 8] |= bit;
	return true;
}

static void
decode_backend(struct decoder *d, const struct table_frontend *f, struct table_backend *b)
{
	b->cell = wire_get_u32(d->r);
	wire_get_addr(d->r, &b->addr);
	b->rank = wire_get_u32(d->r);
	b->tier = wire_get_u16(d->r);
	b->use = wire_get_u8(d->r);
	b->drain = get_bool(d->r);
	b->limit = wire_get_u32(d->r);
	b->latency_ns = get_duration(d->r);
	if (d->r->bad)
		return;
	refuse_unless(d->r, take_cell(d, b->cell));
	refuse_unless(d->r, b->rank < f->backend_count);
	refuse_unless(d->r, b->tier < f->tier_count);
	refuse_unless(d->r, b->use <= BACKEND_REMOVED);
}

/* Those that may be used come first, and they by rank. */
static bool
in_order(const struct table_backend *before, const struct table_backend *b)
{
	if (b->use != BACKEND_ENABLED)
		return true;
	return before->use == BACKEND_ENABLED && before->rank <= b->rank;
}

static void
decode_backends(struct decoder *d, struct table_frontend *f)
{
	uint32_t count = wire_get_count(d->r, BACKEND_WIRE_MIN, SCOREBOARD_CELLS);

	f->backends = get_array(d, count, sizeof(*f->backends));
	f->backend_count = f->backends ? count : 0;
	for (uint32_t i = 0; i < f->backend_count && !d->r->bad; i++) {
		decode_backend(d, f, &f->backends[i]);
		if (i > 0)
			refuse_unless(d->r, in_order(&f->backends[i - 1], &f->backends[i]));
	}
}

static void
decode_slots(struct decoder *d, struct table_frontend *f)
{
	uint32_t count = wire_get_count(d->r, 4, CONF_WORKERS_MAX);

	f->slot_owners = get_array(d, count, sizeof(*f->slot_owners));
	f->slot_count = f->slot_owners ? count : 0;
	for (uint32_t i = 0; i < f->slot_count; i++)
		f->slot_owners[i] = wire_get_u32(d->r);
}

static void
decode_frontend(struct decoder *d, struct table_frontend *f)
{
	f->id = wire_get_u32(d->r);
	refuse_unless(d->r, f->id < SCOREBOARD_FRONTENDS);
	f->removed = get_bool(d->r);
	f->name = wire_get_string(d->r, NAME_MAX_LEN);
	table_get_settings(f, d->r);
	decode_tiers(d, f);
	decode_backends(d, f);
	decode_slots(d, f);
}

static void
decode_table(struct decoder *d, struct route_table *t)
{
	uint32_t count;

	refuse_unless(d->r, wire_get_u32(d->r) == TABLE_MAGIC);
	refuse_unless(d->r, wire_get_u32(d->r) == TABLE_VERSION);
	t->number = wire_get_u64(d->r);
	t->log_connections = get_bool(d->r);
	count = wire_get_count(d->r, FRONTEND_WIRE_MIN, SCOREBOARD_FRONTENDS);
	t->frontends = get_array(d, count, sizeof(*t->frontends));
	t->frontend_count = t->frontends ? count : 0;
	for (uint32_t i = 0; i < t->frontend_count && !d->r->bad; i++) {
		decode_frontend(d, &t->frontends[i]);
		if (i > 0)
			refuse_unless(d->r, t->frontends[i - 1].id < t->frontends[i].id);
	}
}

int
table_decode(struct wire_reader *r, struct route_table **out)
{
	struct decoder d = { .r = r };
	struct route_table *t = table_new();

	if (!t)
		return -ENOMEM;
	decode_table(&d, t);
	if (wire_end(r) < 0) {
		table_free(t);
		return r->no_memory ? -ENOMEM : -EBADMSG;
	}
	*out = t;
	return 0;
}

int
table_to_memfd(const struct route_table *t)
{
	struct wire_writer w;
	int r, fd = -1;

	wire_writer_init(&w);
	table_encode(t, &w);
	if (w.bad) {
		r = -ENOMEM;
		goto fail;
	}
	fd = memfd_create("iaido-table", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0) {
		r = -errno;
		goto fail;
	}
	r = file_write_all(fd, w.data, w.len);
	if (r < 0)
		goto fail;
	if (fcntl(fd, F_ADD_SEALS, TABLE_SEALS | F_SEAL_SEAL) < 0) {
		r = -errno;
		goto fail;
	}
	wire_writer_fini(&w);
	return fd;
fail:
	wire_writer_fini(&w);
	if (fd >= 0)
		close(fd);
	return r;
}

int
table_from_memfd(int fd, struct route_table **out)
{
	int r, seals = fcntl(fd, F_GET_SEALS);
	struct wire_reader reader;
	struct stat st;
	void *map;

	/* Unsealed, it could change under the reader, or shrink and fault. */
	if (seals < 0 || (seals & TABLE_SEALS) != TABLE_SEALS)
		return -EBADMSG;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size <= 0 || (size_t)st.st_size > TABLE_FD_MAX)
		return -EBADMSG;
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	wire_reader_init(&reader, map, (size_t)st.st_size);
	r = table_decode(&reader, out);
	munmap(map, (size_t)st.st_size);
	return r;
}

const struct table_frontend *
table_find_frontend(const struct route_table *t, uint32_t id)
{
	uint32_t low = 0, high = t->frontend_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (t->frontends[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < t->frontend_count && t->frontends[low].id == id ? &t->frontends[low] : NULL;
}
