/* Shedding and promotion: who has to go, how many, and how fast. Pure: time is an argument. */
#ifndef IAIDO_SHED_H
#define IAIDO_SHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "iaido/clock.h"
#include "iaido/macros.h"

/* Without a byte for this long a connection is idle; less where a whole drain is short. */
#define SHED_IDLE_NS NSEC_PER_SEC

struct rng;

/* The next maintenance tick: now + [0.5, 1.5] x maintenance time, drawn anew each time. */
int64_t shed_next_tick_ns(int64_t now_ns, int64_t maintenance_ns, struct rng *rng);

/* One backend as promotion sees it. */
struct promote_backend {
	uint32_t rank;
	bool usable; /* enabled and not failed */
	uint32_t active;
	uint32_t limit; /* NO_LIMIT = none */
	int64_t promote_after_ns; /* of its configured tier; 0 = never */
	uint32_t granted; /* out: how many of its connections may be closed now */
	bool promotable; /* out: a better rank has had room for long enough */
};

/* What the master remembers per pool: since when each rank has had room, and what was granted
 * within the last maintenance time. Zeroed = nothing. */
struct promote_state;
struct promote_state *promote_state_new(void);
void promote_state_free(struct promote_state *s);

/* Called every 100 ms or so: decides how many connections of each backend may be closed so that
 * their clients come back on a better rank: none before a better rank had room for
 * promote_after_ns without a break, never more than the better ranks have room for, those of the
 * last maintenance time counted as taken, and spread over one maintenance time (5 s where that is
 * shorter). `spent[i]` says how many of the earlier grants to backend i were used since the last
 * call: grants are not added up, so take back what is left (exchange for 0) before the call, and
 * store `granted` after it. Returns 0 or -ENOMEM (then nothing is granted). */
int promote_step(struct promote_state *s, struct promote_backend *backends, size_t count,
	const uint32_t *spent, int64_t maintenance_ns, int64_t now_ns) MUST_CHECK;

/* The plan of a drain (shutdown, drainTimeout): idle connections are closed spread over the first
 * half of the time that is left, busy ones in its last fifth (at most 5 s) at a pause, never all
 * at the last moment. `draw` in [0, 1000000) is the connection's own number. Returns when it may
 * be closed: for an idle one, whose last byte came at last_ns, and for a busy one. */
struct drain_plan {
	int64_t start_ns;
	int64_t end_ns;
};
int64_t drain_idle_due_ns(const struct drain_plan *p, int64_t last_ns, uint32_t draw);
int64_t drain_busy_due_ns(const struct drain_plan *p, uint32_t draw);
/* When a busy one that never paused is closed: spread over the rest, before end_ns. */
int64_t drain_last_due_ns(const struct drain_plan *p, uint32_t draw);

/* Close after this age +-10 %: the age drawn for one connection. */
int64_t shed_age_ns(int64_t max_age_ns, struct rng *rng);

#endif
