/* What the parts of the pools share. pool.c: configuring, the loop; pool_settings.c: what the file
 * says; pool_backends.c: which backends there are, their cells; pool_sweep.c: giving them up;
 * pool_health.c: probes and failures; pool_rank.c: their order; pool_table.c: tables;
 * pool_promote.c: promotion; pool_save.c: upgrades; pool_snapshot.c: diagnostics. */
#ifndef IAIDO_MASTER_POOL_PRIV_H
#define IAIDO_MASTER_POOL_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "iaido/addr.h"
#include "iaido/conf.h"
#include "iaido/log.h"
#include "iaido/rank.h"
#include "iaido/rng.h"
#include "iaido/scoreboard.h"
#include "iaido/table.h"
#include "iaido/wheel.h"
#include "pool.h"
#include "prober.h"
#include "resolver.h"

struct event;
struct pool;

#define POOL_SHARES_MAX 4096
#define NEVER_NS INT64_MAX
#define POOL_ROUND_MAX 5 /* probes of one round, and of the first one */

/* Where a backend stands with the tables, so that its cell is given up only when no worker can use
 * it any more: in use, quiet (takes no new ones), left out of tables. */
enum table_stand { STAND_USED, STAND_QUIET, STAND_LEFT_OUT };

/* Counters of a cell, as of all shares together. */
struct cell_totals {
	uint64_t total;
	uint64_t dials_ok;
	uint64_t dials_failed;
	uint64_t bytes_in;
	uint64_t bytes_out;
};

struct backend {
	TAILQ_ENTRY(backend) link; /* of its pool */
	struct backend *next; /* in its bucket */
	struct pool *pool;
	struct addr addr;
	char *host; /* the name, or literal, that gave it */
	uint32_t cell;
	uint16_t tier;
	enum backend_use use;
	enum backend_use wanted; /* this and the next three: while backends are found anew */
	bool is_new;
	bool seen;
	bool is_double; /* it stands in several tiers */
	bool was_warned; /* that it does */
	uint32_t rank;
	struct latency latency;
	int64_t round_ns[POOL_ROUND_MAX]; /* answers of this round's probes */
	uint8_t round_count;
	bool is_measured; /* its first probes are done */
	bool failed;
	int64_t changed_wall_ns; /* of its state */
	struct wheel_entry due; /* the first of the times below */
	int64_t probe_ns; /* the next probe */
	int64_t probed_ns; /* the present probe, or the last one, began */
	int64_t restore_ns; /* without probing: when a failure is over */
	int64_t absent_ns; /* gone: when that has lasted one more TTL */
	bool was_absent; /* it has */
	struct probe *probe; /* under way */
	int64_t since_ns; /* earlier real dials tell nothing: they were others', or before a failure */
	uint64_t probes_ok;
	uint64_t probes_failed;
	enum table_stand stand; /* what the next table says */
	enum table_stand built; /* what the last one built said */
	uint64_t stand_table; /* the first table sent that says so; 0 = none yet */
	struct cell_totals before; /* what the cell had counted for others */
	uint32_t granted; /* promotions last written to the cell */
};

TAILQ_HEAD(backend_list, backend);

/* One that is no more: its counters are told for a while yet. */
struct departed {
	TAILQ_ENTRY(departed) link;
	struct addr addr;
	char *host;
	uint32_t rank;
	uint16_t tier;
	struct cell_totals totals;
	uint64_t probes_ok;
	uint64_t probes_failed;
	int last_error;
	int64_t changed_wall_ns;
	int64_t until_ns;
};

TAILQ_HEAD(departed_list, departed);

/* What the configuration says of one frontend, copied: a removed frontend outlives its file. */
struct pool_settings {
	char *title; /* the bind address, for the log */
	struct table_frontend frontend; /* without id, name, backends and slots; owns its tiers */
	int64_t *promote_after_ns; /* of each tier */
	uint32_t *limits; /* of each tier */
	int64_t bucket_ns; /* negative = no probing */
	int64_t rebalance_ns;
	bool keep_gone; /* onGone: keep */
	bool promotes; /* a tier has forcePromotionAfter */
};

/* The backends of one frontend. */
struct pool {
	TAILQ_ENTRY(pool) link;
	struct pools *pools;
	uint32_t id;
	const struct frontend_conf *conf; /* NULL: removed */
	struct pool_settings *settings; /* NULL: not configured yet */
	struct pool_settings *next; /* while a configuration is taken over */
	const struct frontend_conf *next_conf;
	bool is_dirty; /* its backends are to be found anew */
	bool is_unranked;
	unsigned told; /* changes logged while backends are found anew */
	size_t left_out; /* addresses for which there was no cell or no memory */
	struct backend_list backends;
	size_t backend_count;
	struct departed_list departed; /* oldest first */
	size_t departed_count;
	struct promote_state *promote;
	bool was_promoting;
	enum table_stand stand; /* of the frontend itself */
	enum table_stand built;
	uint64_t stand_table;
	uint64_t gone_bytes_in; /* of backends that are no more */
	uint64_t gone_bytes_out;
};

TAILQ_HEAD(pool_list, pool);

#define POOL_BUCKETS 16384

struct pools {
	struct event_base *base;
	struct scoreboard *board;
	struct pools_owner owner;
	struct resolver *resolver;
	struct prober *prober;
	struct rng rng;
	const struct conf *conf;
	bool log_connections;
	bool is_closing; /* what ends now ends for good: nobody is told */
	struct pool_list list; /* sorted by id */
	struct backend *buckets[POOL_BUCKETS];
	struct backend *cells[SCOREBOARD_CELLS];
	uint32_t cell_bound;
	uint32_t cell_hint; /* all below are taken */
	struct log_limit local_faults;
	struct wheel wheel; /* backends, by what is next for them */
	struct event *timer;
	struct event *find; /* pools are dirty */
	struct event *rank; /* pools are unranked */
	struct event *sweep; /* each second */
	struct event *promote; /* each 100 ms, where a tier asks for it */
	struct share *shares[POOL_SHARES_MAX];
	size_t share_count;
};

/* pool.c */
struct pool *pools_find(const struct pools *p, uint32_t id);
/* A new, empty, removed one; NULL without memory. */
struct pool *pool_new(struct pools *p, uint32_t id);
void pool_free(struct pool *pool);
/* Whether its targets name that host, with that port (0 = any). */
bool pool_names_host(const struct pool *pool, const char *host, uint16_t port);
void pools_changed(struct pools *p);
/* To when the first of the backends is due. */
void pools_set_timer(struct pools *p);
/* Asks the owner for the shares anew: they are good until the loop turns. */
void pools_take_shares(struct pools *p);
void timer_set_ns(struct event *timer, int64_t wait_ns);

/* pool_settings.c */
int pool_settings_new(const struct frontend_conf *f, const char *title, struct pool_settings **out)
	MUST_CHECK;
/* For who fills them in. */
int pool_settings_alloc_tiers(struct pool_settings *s, uint32_t count) MUST_CHECK;
void pool_settings_free(struct pool_settings *s);
const char *pool_title(const struct pool *pool);
/* Of the backend's tier; one that left may stand in a tier that is no more. */
uint32_t backend_tier(const struct backend *b);
uint32_t backend_limit(const struct backend *b);
bool pool_probes(const struct pool *pool);

/* pool_backends.c */
/* Finds the pool's backends: what its configuration and the resolver say now. */
void pool_find_backends(struct pool *pool, int64_t now_ns);
struct backend *pool_find_backend(const struct pool *pool, const struct addr *a);
/* Makes one, in the given cell or (SCOREBOARD_CELLS) a free one. Returns 0, -ENOMEM, -ENOSPC (no
 * free cell) or -EEXIST (that one is taken). */
int backend_new(struct pool *pool, const struct addr *a, const char *host, uint32_t cell,
	struct backend **out) MUST_CHECK;
/* Its cell is free for others from now on. */
void backend_free(struct backend *b);
void backend_set_use(struct backend *b, enum backend_use use, int64_t now_ns);
uint32_t backend_active(const struct backend *b);
/* What the shares have counted for it. */
void backend_totals(const struct backend *b, struct cell_totals *out);
/* Whether its connections are to end. */
bool backend_drains(const struct backend *b);
/* One that left DNS has been absent for long enough. */
void backend_end_absence(struct backend *b);

/* pool_departed.c */
/* Remembers what one counted that is about to be freed. */
void pool_note_departed(struct backend *b, int64_t now_ns);
/* Forgets those whose time is over, or all (NEVER_NS). */
void pool_forget_departed(struct pool *pool, int64_t now_ns);

/* pool_sweep.c */
void backend_set_stand(struct backend *b, enum table_stand stand);
void pool_set_stand(struct pool *pool, enum table_stand stand);
/* Gives up what nobody uses any more. */
void pools_sweep(struct pools *p, int64_t now_ns);

/* pool_health.c */
/* It is new, or its use or its settings have changed: probes begin or end. */
void backend_watch(struct backend *b, int64_t now_ns);
/* Sets its timer to the first of its times. */
void backend_set_due(struct backend *b);
/* One of its times has come. */
void backend_step(struct backend *b, int64_t now_ns);
void backend_fail(struct backend *b, int error, int64_t now_ns);
/* Looks for failures in the board that no message told. */
void pools_sweep_failures(struct pools *p, int64_t now_ns);

/* pool_measure.c */
/* A probe was answered. False: this round wants another one, soon. */
bool backend_measure(struct backend *b, int64_t latency_ns);
/* A round's measurement. */
void backend_take_sample(struct backend *b, int64_t latency_ns);

/* pool_rank.c */
/* Its backends get a new order, soon: several changes make one. */
void pool_set_unranked(struct pool *pool);
/* Now, for all that want it. Returns 0, or -ENOMEM: then these keep the order they have. */
int pools_rank(struct pools *p) MUST_CHECK;
/* All backends but those left out, those that take new ones first, by rank. NULL without memory. */
struct backend **pool_sort_backends(const struct pool *pool, size_t *count);

/* pool_promote.c */
void pools_promote(struct pools *p, int64_t now_ns);

#endif
