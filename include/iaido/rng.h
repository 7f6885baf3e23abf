/* A small fast random number generator (xoshiro256**), one per owner; not for secrets. */
#ifndef IAIDO_RNG_H
#define IAIDO_RNG_H

#include <stdint.h>

struct rng {
	uint64_t s[4];
};

/* From getrandom(2), so that no two processes, and no two hosts of a fleet, act in step. */
void rng_seed(struct rng *r);
/* For tests: the same numbers each time. */
void rng_seed_from(struct rng *r, uint64_t seed);

uint64_t rng_next(struct rng *r);
/* Uniform in [0, bound), bound > 0. */
uint64_t rng_below(struct rng *r, uint64_t bound);
/* Uniform in [low, high]. */
int64_t rng_between(struct rng *r, int64_t low, int64_t high);

#endif
