/* Made-up snapshots. What is out of memory in a test ends the test. */
#include "config.h"

#include "scene.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "iaido/clock.h"
#include "iaido/version.h"

#define START_NS (INT64_C(1767225600) * NSEC_PER_SEC) /* 2026-01-01 */

static void *
allocate(size_t count, size_t size)
{
	void *p = calloc(count, size);

	if (!p)
		abort();
	return p;
}

static char *
copy(const char *s)
{
	char *p = strdup(s);

	if (!p)
		abort();
	return p;
}

static void
fill_head(struct snapshot *s)
{
	*s = (struct snapshot){
		.version = version_string(),
		.pid = 4711,
		.started_wall_ns = START_NS,
		.now_wall_ns = START_NS + 90 * NSEC_PER_SEC,
		.uptime_ns = 90 * NSEC_PER_SEC + 250 * NSEC_PER_MSEC,
		.generation = 2,
		.config_path = copy("/etc/iaido/iaido.yaml"),
		.loaded_wall_ns = START_NS + 30 * NSEC_PER_SEC,
		.reload_wall_ns = START_NS + 60 * NSEC_PER_SEC,
		.reload_error = copy("iaido.yaml:3:5: frontends[0].\"x\": unknown\nkey"),
		.reload_success_wall_ns = START_NS + 30 * NSEC_PER_SEC,
		.reloads_ok = 1,
		.reloads_failed = 1,
		.worker_restarts = 3,
		.pipe_shortages = 4,
		.listening = true,
		.workers_ready = true,
	};
}

static void
fill_workers(struct snapshot *s)
{
	s->worker_count = 3;
	s->workers = allocate(3, sizeof(*s->workers));
	s->workers[0] = (struct snapshot_worker){ 4720, 2, WORKER_READY, 7 };
	s->workers[1] = (struct snapshot_worker){ 4713, 1, WORKER_DRAINING, 2 };
	s->workers[2] = (struct snapshot_worker){ 4721, 2, WORKER_STARTING, 0 };
}

static void
fill_backends(struct snapshot_frontend *f)
{
	static const enum backend_state states[] = { BACKEND_UP, BACKEND_FAILED,
		BACKEND_STATE_DISABLED, BACKEND_DRAINING, BACKEND_STATE_GONE };

	f->backend_count = 5;
	f->backends = allocate(5, sizeof(*f->backends));
	for (unsigned i = 0; i < 5; i++) {
		struct snapshot_backend *b = &f->backends[i];
		char address[32];

		(void)snprintf(address, sizeof(address), "10.0.0.%u:5432", i + 1);
		*b = (struct snapshot_backend){
			.address = copy(i == 3 ? "[2001:db8::4]:5432" : address),
			.host = copy(i == 2 ? "we\"ird\\ho\nst\x01\xff" : "db1.example.net"),
			.tier = i / 2,
			.configured_tier = i / 3,
			.latency_ns = i == 1 ? 0 : (int64_t)(i + 1) * 300500,
			.state = states[i],
			.active = i == 4 ? 0 : i + 1,
			.max = i == 0 ? 10 : 0,
			.total = 100 + i,
			.dials_ok = 100 + i,
			.dials_failed = i,
			.probes_ok = 50 + i,
			.probes_failed = 2 * i,
			.bytes_in = 1000 + i,
			.bytes_out = UINT64_C(9007199254740993) + i,
			.last_change_wall_ns = START_NS + (int64_t)i * NSEC_PER_SEC,
			.last_error = i == 1 ? ECONNREFUSED : 0,
		};
	}
}

static void
fill_names(struct snapshot *s)
{
	s->name_count = 2;
	s->names = allocate(2, sizeof(*s->names));
	s->names[0] = (struct snapshot_name){
		.host = copy("db1.example.net"),
		.address_count = 2,
		.addresses = allocate(2, sizeof(char *)),
		.age_ns = 12345 * NSEC_PER_MSEC,
		.ttl_ns = 60 * NSEC_PER_SEC,
		.lookups_success = 5,
		.lookups_timeout = 1,
	};
	s->names[0].addresses[0] = copy("10.0.0.1");
	s->names[0].addresses[1] = copy("2001:db8::4");
	s->names[1] = (struct snapshot_name){
		.host = copy("no"),
		.age_ns = -1,
		.ttl_ns = -1,
		.last_error = copy("no such name"),
		.lookups_error = 4,
	};
}

void
scene_fill(struct snapshot *s)
{
	struct snapshot_frontend *f;

	fill_head(s);
	fill_workers(s);
	fill_names(s);
	s->frontend_count = 2;
	s->frontends = f = allocate(2, sizeof(*f));
	f[0] = (struct snapshot_frontend){
		.bind_address = copy("127.0.0.1:5432"),
		.accepting = true,
		.active = 9,
		.total = 1234,
		.waiting = 1,
		.accept_pauses = 2,
		.queue_drops = 3,
		.bytes_in = 5000,
		.bytes_out = 70000,
		.dial_us_sum = 2500000,
		.duration_us_sum = 1500000,
	};
	f[0].ended[ENDED_BY_CLIENT][ENDED_EOF] = 1000;
	f[0].ended[ENDED_BY_BACKEND][ENDED_EOF] = 200;
	f[0].ended[ENDED_BY_IAIDO][ENDED_IDLE] = 25;
	for (unsigned i = 0; i < DIAL_BUCKETS; i++)
		f[0].dial_us[i] = i;
	for (unsigned i = 0; i < DURATION_BUCKETS; i++)
		f[0].duration_us[i] = 1;
	fill_backends(&f[0]);
	f[1] = (struct snapshot_frontend){
		.bind_address = copy("[::1]:80"),
		.removed = true,
		.active = 1,
	};
}

void
scene_fill_many(struct snapshot *s, size_t backend_count)
{
	struct snapshot_frontend *f;

	fill_head(s);
	s->frontend_count = 1;
	s->frontends = f = allocate(1, sizeof(*f));
	f->bind_address = copy("127.0.0.1:5432");
	f->accepting = true;
	f->backend_count = backend_count;
	f->backends = allocate(backend_count, sizeof(*f->backends));
	for (size_t i = 0; i < backend_count; i++) {
		struct snapshot_backend *b = &f->backends[i];
		char address[32];

		(void)snprintf(address, sizeof(address), "10.%u.%u.%u:80",
			(unsigned)(i >> 16) & 255, (unsigned)(i >> 8) & 255, (unsigned)i & 255);
		b->address = copy(address);
		b->host = copy("many.example.net");
		b->latency_ns = 2 * NSEC_PER_MSEC;
		b->last_change_wall_ns = START_NS;
	}
}
