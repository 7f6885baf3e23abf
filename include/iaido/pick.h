/* The picker: which backend takes the next connection. No lock, no system call. */
#ifndef IAIDO_PICK_H
#define IAIDO_PICK_H

#include <stdbool.h>
#include <stdint.h>

#include "iaido/macros.h"

struct rng;
struct scoreboard;
struct share;
struct table_frontend;

/* A frontend's backends laid out for picking: only those that may take connections, by rank. */
struct picker {
	uint32_t count;
	uint32_t *cells; /* by rank */
	uint32_t *limits;
	uint32_t *index; /* of each in the table's backends */
	uint32_t rank_count;
	uint32_t *rank_start; /* [rank_count + 1] */
	uint32_t *turn; /* [rank_count]: where the next tie is broken */
};

int picker_init(struct picker *p, const struct table_frontend *f, struct rng *rng) MUST_CHECK;
void picker_fini(struct picker *p);

/* What was tried for a client already: every one is tried before any a second time. Grows only
 * when a dial has failed. */
struct tried {
	uint32_t *cells;
	uint32_t count;
	uint32_t size;
};
void tried_fini(struct tried *t);
/* Running out of memory forgets what was tried. */
void tried_add(struct tried *t, uint32_t cell);

#define PICK_NONE (-1)

/* Reserves a place on the best usable backend: lowest rank first, there the fewest active
 * connections, ties in turn, suspects only where there is no other, none that was tried (NULL =
 * none). Returns its index in the table's backends, or PICK_NONE. */
int picker_take(struct picker *p, struct scoreboard *b, struct share *s, const struct tried *tried,
	struct rng *rng);
/* Whether picker_take() would find one now; reserves nothing. */
bool picker_usable(const struct picker *p, const struct scoreboard *b, const struct tried *tried);

#endif
