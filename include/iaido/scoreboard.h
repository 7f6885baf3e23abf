/* The scoreboard: what all processes must agree on at once, as atomics in shared memory, and one
 * map per worker for what is its own (shares of the counts, totals, histograms, heartbeat).
 *
 * Every function here is lock-free and makes no system call, except create, attach and close.
 * The master takes no pointer, index or length from these maps, and clamps what it reads. */
#ifndef IAIDO_SCOREBOARD_H
#define IAIDO_SCOREBOARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "iaido/ended.h"
#include "iaido/macros.h"

#define SCOREBOARD_CELLS 65536
#define SCOREBOARD_FRONTENDS 4096
#define SCOREBOARD_MAJOR 1 /* another major is refused */

/* A backend's word: active connections (dials included), overtaken dials under way, failed. */
#define PLACE_ACTIVE(word) ((uint32_t)((word)&0xffffffffu))
#define PLACE_SUSPECT_ONE (UINT64_C(1) << 32)
#define PLACE_SUSPECTS(word) ((uint32_t)(((word) >> 32) & 0xffffu))
#define PLACE_FAILED (UINT64_C(1) << 48)

#define NO_LIMIT UINT32_MAX

/* Histogram bounds, in microseconds: dial times and connection durations. The last bucket is +Inf. */
#define DIAL_BUCKETS 14
#define DURATION_BUCKETS 14
extern const uint64_t dial_bucket_us[DIAL_BUCKETS - 1];
extern const uint64_t duration_bucket_us[DURATION_BUCKETS - 1];

/* Rare facts about one backend, shared by all. */
struct scoreboard_cell {
	_Atomic int64_t failed_at_ns; /* CLOCK_MONOTONIC; of the last failed dial or probe */
	_Atomic int32_t last_error; /* errno of the last failed dial or probe; 0 = none */
	_Atomic uint32_t promotable; /* 1: a better tier has had room for long enough */
	_Atomic uint32_t promotions; /* connections that may be closed for promotion now */
	_Atomic uint32_t spare_before;
	_Atomic int64_t idle_seen_ns; /* while over its limit: when a worker last saw an idle one */
	_Atomic uint32_t spare[8];
};

struct scoreboard_frontend {
	_Atomic uint32_t active; /* connections over all workers, for maxConnections */
	_Atomic uint32_t spare[15];
};

struct scoreboard {
	int fd;
	void *map;
	_Atomic uint64_t *words; /* [SCOREBOARD_CELLS], dense, for picking */
	struct scoreboard_cell *cells; /* [SCOREBOARD_CELLS] */
	struct scoreboard_frontend *frontends; /* [SCOREBOARD_FRONTENDS] */
};

/* One worker's own part, written by it alone: plain stores, read by the master. */
struct share_cell {
	_Atomic uint32_t active;
	_Atomic uint32_t suspects;
	_Atomic uint64_t total; /* connections relayed */
	_Atomic uint64_t dials_ok;
	_Atomic uint64_t dials_failed;
	_Atomic uint64_t bytes_in; /* from the client to the backend */
	_Atomic uint64_t bytes_out;
	_Atomic int64_t last_dial_ns; /* CLOCK_MONOTONIC of the last dial answered */
	_Atomic uint32_t last_dial_us; /* how long it took; 0 = none yet */
	_Atomic int32_t spare;
};

struct share_frontend {
	_Atomic uint32_t active;
	_Atomic uint32_t waiting; /* accepted, not yet connected to a backend */
	_Atomic uint64_t total;
	_Atomic uint64_t accept_pauses;
	_Atomic uint64_t ended[ENDED_BY_COUNT][ENDED_REASON_COUNT];
	_Atomic uint64_t dial_us[DIAL_BUCKETS]; /* counts, not cumulative */
	_Atomic uint64_t dial_us_sum;
	_Atomic uint64_t duration_us[DURATION_BUCKETS];
	_Atomic uint64_t duration_us_sum;
	_Atomic uint64_t spare[8];
};

struct share_head {
	uint64_t magic;
	uint32_t major;
	uint32_t size; /* of this header */
	_Atomic int64_t heartbeat_ns; /* CLOCK_MONOTONIC of the last turn of the loop */
	_Atomic int64_t paused_since_ns; /* out of descriptors since; 0 = accepting */
	_Atomic uint64_t table_applied;
	_Atomic uint32_t connections;
	_Atomic uint64_t pipe_shortages; /* times that none could be had: streams are copied then */
	_Atomic uint64_t closed_for_drain;
};

struct share {
	int fd;
	void *map;
	struct share_head *head;
	struct share_cell *cells; /* [SCOREBOARD_CELLS] */
	struct share_frontend *frontends; /* [SCOREBOARD_FRONTENDS] */
};

/* A new map: a sealed memfd of fixed size (sparse), close-on-exec. Returns 0 or -errno. */
int scoreboard_create(struct scoreboard *b) MUST_CHECK;
int share_create(struct share *s) MUST_CHECK;
/* One that was inherited; takes the descriptor on success. -EPROTO: not one of ours or of another
 * major version. */
int scoreboard_attach(int fd, struct scoreboard *b) MUST_CHECK;
int share_attach(int fd, struct share *s) MUST_CHECK;
void scoreboard_close(struct scoreboard *b);
void share_close(struct share *s);

/* Takes one place on a backend that is not failed and below the limit: first in the board, then in
 * the worker's share. False: no place. */
bool place_reserve(struct scoreboard *b, struct share *s, uint32_t cell, uint32_t limit);
/* Gives it back, in the opposite order, so that a crash in between errs towards "taken". */
void place_release(struct scoreboard *b, struct share *s, uint32_t cell);
/* Gives it back only while the backend has more than `limit`: so that only the excess goes. */
bool place_release_excess(struct scoreboard *b, struct share *s, uint32_t cell, uint32_t limit);

void place_suspect_add(struct scoreboard *b, struct share *s, uint32_t cell);
void place_suspect_remove(struct scoreboard *b, struct share *s, uint32_t cell);

/* Sets the failed flag; true when it was not set before (then it is worth a message). */
bool place_fail(struct scoreboard *b, uint32_t cell, int error, int64_t now_ns);
/* The master's: the backend is back. */
void place_restore(struct scoreboard *b, uint32_t cell);
/* The master's: a cell to be used anew (count and flags 0, facts cleared). */
void place_reset(struct scoreboard *b, uint32_t cell);

/* One connection of a frontend against its maxConnections. */
bool frontend_reserve(struct scoreboard *b, struct share *s, uint32_t frontend, uint32_t limit);
void frontend_release(struct scoreboard *b, struct share *s, uint32_t frontend);

/* Takes one of the promotions that the master allows now. */
bool promotion_take(struct scoreboard *b, uint32_t cell);

/* The master's, for a worker that is gone: gives all its shares back to the board, counts its
 * connections as ended by iaido, worker-lost, and adds its totals to `total`. Whatever the dead one
 * left there, no count in the board goes below 0; figures that cannot be are left out. Leaves the
 * share empty, so that doing it twice does no harm. */
void share_give_back(struct scoreboard *b, struct share *dead, struct share *total);

/* The master's audit: a cell that differs from the sum of the shares by the same amount on two
 * looks a second apart is put right. `state` remembers the differences (zeroed at first). Returns
 * how many cells were put right. Only cells below cell_count are looked at. */
struct audit {
	int32_t *difference; /* [SCOREBOARD_CELLS], owned; made by the first audit */
	int32_t *suspect_difference;
	int32_t *frontend_difference;
};
void audit_fini(struct audit *a);
int scoreboard_audit(struct scoreboard *b, struct share *const *shares, size_t share_count,
	uint32_t cell_count, uint32_t frontend_count, struct audit *state);

/* For the writer of a share: relaxed load and store, which compile to a plain add. */
#define SHARE_ADD(field, amount) \
	atomic_store_explicit(&(field), \
		atomic_load_explicit(&(field), memory_order_relaxed) + (amount), \
		memory_order_relaxed)
#define SHARE_GET(field) atomic_load_explicit(&(field), memory_order_relaxed)
#define SHARE_SET(field, value) atomic_store_explicit(&(field), (value), memory_order_relaxed)

/* Index of the histogram bucket for a value, by bisection. */
unsigned histogram_bucket(const uint64_t *bounds_us, unsigned bound_count, uint64_t value_us);

#endif
