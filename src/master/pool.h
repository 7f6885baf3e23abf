/* The pools: which backends each frontend has (names resolved), how they are (probes, failures,
 * latency), how they rank, who may be promoted; makes the backends' part of routing tables. */
#ifndef IAIDO_MASTER_POOL_H
#define IAIDO_MASTER_POOL_H

#include <stddef.h>
#include <stdint.h>

#include "iaido/macros.h"
#include "iaido/scoreboard.h"

struct conf;
struct event_base;
struct pools;
struct route_table;
struct snapshot;
struct wire_reader;
struct wire_writer;

struct pools_owner {
	/* Something that a table says has changed: build and push one soon (calls are many; the
	 * owner coalesces them into one per turn of the loop). */
	void (*changed)(void *arg);
	/* All living worker shares (and the one with the totals of the dead), for what real dials
	 * told. Returns their number, at most max. */
	size_t (*shares)(void *arg, struct share **out, size_t max);
	/* The smallest table number that every living worker has applied: a cell is reused only
	 * once a table without it is applied everywhere and its count is 0. */
	uint64_t (*applied)(void *arg);
	void *arg;
	/* The real bind address of a frontend that is being configured, for the log; NULL: as in the
	 * file. */
	const char *(*name)(void *arg, uint32_t id);
};

int pools_new(struct event_base *base, struct scoreboard *board, const struct pools_owner *owner,
	struct pools **out) MUST_CHECK;
void pools_free(struct pools *p);

/* Takes over a configuration (kept by reference until the next call returns): frontend i of it has
 * the id ids[i] (an index into the scoreboard, stable over reloads while its bind address stays).
 * Backends that stay (same frontend id, address and port) keep cell, latency and state. Frontends
 * and backends that left are shown as removed until their last connection ends. Starts the lookups
 * and probes that are due; never blocks. Returns 0 or -errno (then nothing changed). */
int pools_configure(struct pools *p, const struct conf *conf, const uint32_t *ids) MUST_CHECK;

/* A new table with every frontend (removed ones with connections too) and its backends, all but
 * what the listeners know: number, name, slots. */
int pools_build_table(struct pools *p, struct route_table **out) MUST_CHECK;
/* The table of that number, sent to the workers, was the last one built. */
void pools_table_sent(struct pools *p, uint64_t number);

/* A worker's dial failed and set the cell's failed flag. The cell is checked. */
void pools_dial_failed(struct pools *p, uint32_t cell, int error);

/* Cells and frontends in use are all below these, for the audit. */
uint32_t pools_cell_bound(const struct pools *p);

/* Fills in names, and the backends of frontends[i], for snapshot->frontends whose ids are given;
 * counters come from the shares. Returns 0 or -ENOMEM. */
int pools_snapshot(struct pools *p, struct snapshot *out, const uint32_t *ids) MUST_CHECK;
/* Ids of frontends that are removed but still have connections. Returns how many, at most max. */
size_t pools_removed(const struct pools *p, uint32_t *ids, size_t max);

/* For an upgrade in place: what must not be forgotten (cells, held latencies, failures, last good
 * answers). pools_load() is called before the first pools_configure(). -EBADMSG: not readable. */
void pools_save(const struct pools *p, struct wire_writer *w);
int pools_load(struct pools *p, struct wire_reader *r) MUST_CHECK;

#endif
