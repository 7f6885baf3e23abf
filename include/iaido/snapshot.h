/* A snapshot of the whole program for diagnostics: filled by the master, rendered by diag. */
#ifndef IAIDO_SNAPSHOT_H
#define IAIDO_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "iaido/ended.h"
#include "iaido/scoreboard.h"

/* GONE: it left and its last connection has ended. For 10 minutes the master still lists it, so that
 * its metrics are scraped once more; the status leaves it out. */
enum backend_state {
	BACKEND_UP,
	BACKEND_FAILED,
	BACKEND_STATE_DISABLED,
	BACKEND_DRAINING,
	BACKEND_STATE_GONE,
};

struct snapshot_backend {
	char *address;
	char *host;
	uint32_t tier; /* its rank */
	uint32_t configured_tier;
	int64_t latency_ns; /* 0 = not known */
	enum backend_state state;
	uint32_t active;
	uint32_t max; /* 0 = no limit */
	uint64_t total;
	uint64_t dials_ok;
	uint64_t dials_failed;
	uint64_t probes_ok;
	uint64_t probes_failed;
	uint64_t bytes_in;
	uint64_t bytes_out;
	int64_t last_change_wall_ns;
	int last_error; /* errno; 0 = none */
};

struct snapshot_frontend {
	char *bind_address; /* the real one */
	bool accepting;
	bool removed;
	uint32_t active;
	uint64_t total;
	uint32_t waiting; /* in the listen queues, and accepted but not connected */
	uint64_t accept_pauses;
	uint64_t queue_drops; /* by the kernel, since the sockets were opened */
	uint64_t ended[ENDED_BY_COUNT][ENDED_REASON_COUNT];
	uint64_t bytes_in; /* over all backends, also those long gone */
	uint64_t bytes_out;
	uint64_t dial_us[DIAL_BUCKETS];
	uint64_t dial_us_sum;
	uint64_t duration_us[DURATION_BUCKETS];
	uint64_t duration_us_sum;
	struct snapshot_backend *backends;
	size_t backend_count;
};

enum worker_state { WORKER_STARTING, WORKER_READY, WORKER_DRAINING };

struct snapshot_worker {
	pid_t pid;
	uint32_t generation;
	enum worker_state state;
	uint32_t connections;
};

struct snapshot_name {
	char *host;
	char **addresses;
	size_t address_count;
	int64_t age_ns; /* -1 = before the first answer */
	int64_t ttl_ns; /* -1 = before the first answer */
	char *last_error; /* NULL = none */
	uint64_t lookups_success;
	uint64_t lookups_error;
	uint64_t lookups_timeout;
};

struct snapshot {
	const char *version;
	pid_t pid;
	int64_t started_wall_ns;
	int64_t now_wall_ns;
	int64_t uptime_ns;
	uint32_t generation;
	char *config_path;
	int64_t loaded_wall_ns;
	int64_t reload_wall_ns; /* of the last try, or of the start */
	bool reload_ok;
	char *reload_error; /* NULL = none */
	int64_t reload_success_wall_ns;
	uint64_t reloads_ok;
	uint64_t reloads_failed;
	uint64_t worker_restarts;
	uint64_t pipe_shortages;
	bool listening;
	bool workers_ready;
	bool shutting_down;
	struct snapshot_worker *workers;
	size_t worker_count;
	struct snapshot_frontend *frontends;
	size_t frontend_count;
	struct snapshot_name *names;
	size_t name_count;
};

/* Frees what it points to and zeroes it. */
void snapshot_fini(struct snapshot *s);

#endif
