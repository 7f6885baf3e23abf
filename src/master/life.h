/* Watching workers: signs of life, deadlines, deaths, replacement, the audit of what they counted. */
#ifndef IAIDO_MASTER_LIFE_H
#define IAIDO_MASTER_LIFE_H

#include <stdint.h>

#include "iaido/macros.h"

struct master;
struct seat;

int life_init(struct master *m) MUST_CHECK;
void life_fini(struct master *m);

/* Reaps every child that has ended, orphans too. */
void life_reap(struct master *m);

/* Starts a worker for each seat of the accepting generation that nobody holds. */
void life_fill_empty_seats(struct master *m);

/* How long to wait before a seat is filled again, after a death at the age of lived_ns: nothing the
 * first time, then from 100 ms up to 10 s if they keep dying. Pure. */
int64_t life_backoff_ns(struct seat *seat, int64_t lived_ns);

#endif
