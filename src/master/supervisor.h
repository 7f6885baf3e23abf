/* The workers' lives: fork, watch, replace, reap. Which generation accepts is said by reload.c, what
 * they serve by the tables. */
#ifndef IAIDO_MASTER_SUPERVISOR_H
#define IAIDO_MASTER_SUPERVISOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "iaido/macros.h"
#include "iaido/scoreboard.h"
#include "iaido/snapshot.h"

#include "channel.h"

struct event;
struct listeners;
struct master;
struct table_frontend;

struct worker {
	TAILQ_ENTRY(worker) link;
	struct master *master;
	pid_t pid;
	uint32_t number; /* unique for the life of the program */
	uint32_t generation;
	uint32_t seat; /* its place in its generation */
	enum worker_state state;
	struct share share;
	struct channel channel;
	int kept_chan_fd; /* of an earlier program's worker, until its channel is opened; or -1 */
	uint64_t applied; /* the table it follows */
	int64_t table_sent_ns; /* when it was last sent one */
	int64_t forked_ns;
	int64_t ready_ns;
	int64_t beat_ns; /* the last sign of life, as the worker wrote it */
	int64_t beat_seen_ns; /* and when that was seen here */
	bool unfit; /* silent or paused: its slots are with its siblings */
	int64_t deadline_ns; /* it has to be gone; 0 = no such time */
	bool aborted; /* SIGABRT was sent; the next is SIGKILL */
	bool stopped; /* was told to end at once */
};
TAILQ_HEAD(worker_list, worker);

/* A place in the generation that accepts: what is remembered of those who held it. */
struct seat {
	int64_t debt_ns; /* grows with each death, shrinks with the life of those that follow */
	int64_t respawn_ns; /* 0 = somebody holds it */
};

struct supervisor {
	struct worker_list workers; /* oldest first */
	uint32_t next_number;
	uint32_t generation; /* the one that accepts; 0 = none yet */
	uint32_t making; /* the one being made; 0 = none */
	uint32_t making_count;
	struct seat *making_seats;
	struct seat *seats;
	uint32_t seat_count;
	struct share total; /* of all workers that are gone */
	struct audit audit;
	int64_t audited_ns; /* life.c, from here on */
	int64_t ticked_ns;
	struct event *tick;
	struct event *respawn;
	uint64_t restarts;
};

int supervisor_init(struct master *m) MUST_CHECK;
void supervisor_fini(struct master *m);

/* How many workers the configuration means: `auto` is the usable CPUs, at most 4. */
uint32_t supervisor_worker_count(uint32_t configured);

/* Forks `count` workers of a new generation, none of which accepts before supervisor_promote().
 * On failure none is left, and -errno is returned. */
int supervisor_start(struct master *m, uint32_t count, const struct listeners *listeners)
	MUST_CHECK;
/* Whether all of the generation being made are ready. */
bool supervisor_is_ready(const struct master *m);
/* The generation being made becomes the one that accepts; the workers of the one before are to be
 * drained by supervisor_drain_old(). */
void supervisor_promote(struct master *m);
void supervisor_drain_old(struct master *m);
/* Ends the generation being made. */
void supervisor_abandon(struct master *m);

/* One more worker, for a seat of a generation. Returns 0 or -errno. */
int supervisor_fork(struct master *m, uint32_t generation, uint32_t seat,
	const struct listeners *listeners) MUST_CHECK;
/* Takes it off the list and frees it. */
void supervisor_forget(struct master *m, struct worker *w);

/* Any of the accepting generation that is ready. */
bool supervisor_has_ready(const struct master *m);
/* All of them. */
bool supervisor_all_ready(const struct master *m);

/* Opens the channels of the workers that an earlier program left, and tells them what they may have
 * missed. Returns 0 or -ENOMEM. */
int supervisor_adopt(struct master *m) MUST_CHECK;
/* Kills and reaps every worker that this program has started; they stay on the list. */
void supervisor_kill_own(struct master *m);

/* How many connections a worker says that it has; nonsense is 0. */
uint32_t supervisor_connections(const struct worker *w);
/* The table in force, to all of them and to one. */
void supervisor_send_table(struct master *m);
void supervisor_send_table_to(struct master *m, struct worker *w);
void supervisor_send_log(struct master *m);
/* All of them, whatever their generation. */
void supervisor_drain_all(struct master *m, bool keep_accepting, int64_t left_ns);
void supervisor_stop_all(struct master *m, int64_t kill_after_ns);
/* The table that all living workers follow. */
uint64_t supervisor_applied(const struct master *m);
/* Connections closed for a drain since the program began. */
uint64_t supervisor_closed_for_drain(const struct master *m);
/* How often a worker got no pipe for a stream since then. */
uint64_t supervisor_pipe_shortages(const struct master *m);
size_t supervisor_shares(const struct master *m, struct share **out, size_t max);

#endif
