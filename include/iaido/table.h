/* The routing table: a whole snapshot of what *should* be used, made by the master, decoded by each
 * worker. Applying one twice, or skipping one, does no harm. */
#ifndef IAIDO_TABLE_H
#define IAIDO_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "iaido/addr.h"
#include "iaido/macros.h"

struct wire_reader;
struct wire_writer;

enum backend_use {
	BACKEND_ENABLED,
	BACKEND_DISABLED, /* takes no new ones and is drained: by the file */
	BACKEND_GONE, /* takes no new ones; left DNS; drained once `drain` is set */
	BACKEND_REMOVED, /* no longer in the file: drained */
};

struct table_backend {
	uint32_t cell;
	struct addr addr;
	uint32_t rank; /* dense from 0, so less than the number of backends */
	uint16_t tier; /* index into the frontend's tiers, for every use: the configured tier */
	uint8_t use; /* enum backend_use */
	bool drain; /* its connections are shed (limit 0), two ticks and so on */
	uint32_t limit; /* NO_LIMIT = none */
	int64_t latency_ns; /* held latency; 0 = not known */
};

struct table_tier {
	int64_t dial_timeout_ns;
	int64_t dial_failure_timeout_ns;
};

struct table_frontend {
	uint32_t id; /* index into the scoreboard's frontends */
	bool removed; /* no longer in the file: its connections are kept, none accepted */
	char *name; /* the real bind address, for the connection log */
	uint32_t max_connections; /* NO_LIMIT = none */
	int64_t idle_ns; /* negative = never */
	int64_t half_close_ns;
	int64_t max_age_ns; /* 0 = never */
	int64_t wait_ns;
	int64_t maintenance_ns;
	int64_t hedge_ns; /* 0 = one dial at a time */
	int64_t keepalive_idle_ns;
	int64_t keepalive_interval_ns;
	uint32_t keepalive_count;
	int64_t user_timeout_ns; /* 0 = the kernel's */
	bool shed_failed; /* onFailure: shed */
	uint32_t tier_count;
	struct table_tier *tiers;
	uint32_t backend_count;
	struct table_backend *backends; /* enabled ones first, sorted by rank; then all others */
	uint32_t slot_count;
	uint32_t *slot_owners; /* the number of the worker that accepts from each slot */
};

struct route_table {
	uint64_t number;
	bool log_connections;
	uint32_t frontend_count;
	struct table_frontend *frontends; /* sorted by id */
};

/* Allocates a zeroed table; the arrays are calloc'ed by who fills it. */
struct route_table *table_new(void);
void table_free(struct route_table *t);
/* For one that was moved out of its table. Frees what it owns and zeroes it. */
void table_frontend_fini(struct table_frontend *f);

/* What the file says of a frontend and no address changes: the numbers from max_connections to
 * shed_failed. Reading marks r as bad where one is out of bounds. */
void table_put_settings(const struct table_frontend *f, struct wire_writer *w);
void table_get_settings(struct table_frontend *f, struct wire_reader *r);

void table_encode(const struct route_table *t, struct wire_writer *w);
/* Returns 0, -EBADMSG (short, out of bounds, not sorted, an index out of range) or -ENOMEM; *out is
 * set on success only, and is then the caller's to pass to table_free(). */
int table_decode(struct wire_reader *r, struct route_table **out) MUST_CHECK;

/* As a sealed memfd for the channel. Returns the descriptor or -errno. */
int table_to_memfd(const struct route_table *t) MUST_CHECK;
/* Checks the seals, maps and decodes it. Does not close fd. */
int table_from_memfd(int fd, struct route_table **out) MUST_CHECK;

const struct table_frontend *table_find_frontend(const struct route_table *t, uint32_t id);

#endif
