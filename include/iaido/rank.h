/* Ranking: from measured latencies to held ones, from those to latency groups and ranks. Pure. */
#ifndef IAIDO_RANK_H
#define IAIDO_RANK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "iaido/macros.h"

/* What is remembered of one backend's latency. Zeroed = nothing known. */
struct latency {
	int64_t samples_ns[3]; /* the last three, newest last */
	uint8_t count;
	uint8_t apart; /* rounds running that measured and held differed too much */
	int64_t held_ns; /* 0 = not known */
};

/* One probe round's measurement. Returns true when the held latency changed. */
bool latency_add(struct latency *l, int64_t sample_ns, int64_t bucket_ns);
int64_t latency_measured_ns(const struct latency *l);

struct rank_item {
	uint32_t tier; /* configured tier */
	int64_t latency_ns; /* held; 0 = not known: after the known ones of its tier */
	uint32_t rank; /* out: dense from 0 over the pool */
};

/* Fills in the ranks. bucket_ns < 0: the configured tiers alone. Returns the number of ranks, or
 * -ENOMEM. */
int rank_assign(struct rank_item *items, size_t count, int64_t bucket_ns) MUST_CHECK;

#endif
