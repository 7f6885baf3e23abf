/* Routing tables for tests, benchmarks and fuzz targets: plausible, and valid as made. */
#ifndef IAIDO_TESTS_SAMPLE_TABLE_H
#define IAIDO_TESTS_SAMPLE_TABLE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "iaido/scoreboard.h"
#include "iaido/table.h"

/* calloc() for a test: there is memory, or the test is over. */
static inline void *
sample_alloc(size_t count, size_t size)
{
	void *p = calloc(count + 1, size);

	if (!p)
		abort();
	return p;
}

/* Backends with the cells from first_cell on; all enabled, without limit, in rank 0. */
static inline void
sample_frontend(struct table_frontend *f, uint32_t id, uint32_t first_cell, uint32_t backend_count)
{
	char name[32];

	snprintf(name, sizeof(name), "127.0.0.1:%u", 1000 + id);
	*f = (struct table_frontend){
		.id = id,
		.name = strdup(name),
		.max_connections = NO_LIMIT,
		.idle_ns = INT64_C(3600000000000),
		.half_close_ns = INT64_C(300000000000),
		.wait_ns = INT64_C(30000000000),
		.maintenance_ns = INT64_C(30000000000),
		.hedge_ns = 300000000,
		.keepalive_idle_ns = INT64_C(15000000000),
		.keepalive_interval_ns = INT64_C(15000000000),
		.keepalive_count = 3,
		.user_timeout_ns = INT64_C(60000000000),
		.tier_count = 2,
		.tiers = sample_alloc(2, sizeof(struct table_tier)),
		.backend_count = backend_count,
		.backends = sample_alloc(backend_count, sizeof(struct table_backend)),
		.slot_count = 2,
		.slot_owners = sample_alloc(2, sizeof(uint32_t)),
	};
	for (uint32_t i = 0; i < 2; i++) {
		f->tiers[i] = (struct table_tier){ INT64_C(2000000000), INT64_C(1000000000) };
		f->slot_owners[i] = i;
	}
	for (uint32_t i = 0; i < backend_count; i++) {
		struct table_backend *b = &f->backends[i];

		b->cell = first_cell + i;
		b->addr.in.sin_family = AF_INET;
		b->addr.in.sin_addr.s_addr = htonl(0x0a000001 + i);
		addr_set_port(&b->addr, 80);
		b->limit = NO_LIMIT;
		b->latency_ns = 1000000;
	}
}

/* Frontends 0, 2, 4, … with so many backends each. */
static inline struct route_table *
sample_table(uint32_t frontend_count, uint32_t backend_count)
{
	struct route_table *t = table_new();

	if (!t)
		abort();
	t->number = 7;
	t->log_connections = true;
	t->frontend_count = frontend_count;
	t->frontends = sample_alloc(frontend_count, sizeof(struct table_frontend));
	for (uint32_t i = 0; i < frontend_count; i++)
		sample_frontend(&t->frontends[i], 2 * i, i * backend_count, backend_count);
	return t;
}

#endif
