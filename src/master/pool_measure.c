/* From probes to one measurement a round. The first probes of a backend come close together, and what
 * is held is their median: a first answer that the start of everything made slow would stand for
 * long. Later a round is one probe where it agrees with what is held; where it does not, several
 * are made and their median counts, so that jitter as wide as the hysteresis moves nobody. */
#include "config.h"

#include <assert.h>

#include "pool_priv.h"

/* An answer so far from what is held, in parts of a bucket, is looked into. */
#define DOUBT_PARTS 4

static int64_t
median(const int64_t *values_ns, unsigned count)
{
	int64_t sorted[POOL_ROUND_MAX] = { 0 };

	assert(count > 0 && count <= POOL_ROUND_MAX);
	for (unsigned i = 0; i < count; i++) {
		unsigned at = i;

		for (; at > 0 && sorted[at - 1] > values_ns[i]; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = values_ns[i];
	}
	return sorted[(count - 1) / 2];
}

void
backend_take_sample(struct backend *b, int64_t latency_ns)
{
	if (latency_add(&b->latency, latency_ns, b->pool->settings->bucket_ns))
		pool_set_unranked(b->pool);
}

/* What is held follows at once; the samples are kept for later rounds. */
static void
take_first(struct backend *b, int64_t latency_ns)
{
	int64_t held_ns = median(b->round_ns, b->round_count);
	bool differs = held_ns != b->latency.held_ns;

	(void)latency_add(&b->latency, latency_ns, b->pool->settings->bucket_ns);
	b->latency.held_ns = held_ns;
	b->latency.apart = 0;
	if (differs)
		pool_set_unranked(b->pool);
}

static bool
agrees(const struct backend *b, int64_t latency_ns)
{
	int64_t held_ns = b->latency.held_ns;
	int64_t apart_ns = latency_ns > held_ns ? latency_ns - held_ns : held_ns - latency_ns;

	return apart_ns <= b->pool->settings->bucket_ns / DOUBT_PARTS;
}

bool
backend_measure(struct backend *b, int64_t latency_ns)
{
	assert(b->round_count < POOL_ROUND_MAX);
	b->round_ns[b->round_count++] = latency_ns;
	if (!b->is_measured) {
		take_first(b, latency_ns);
		if (b->round_count < POOL_ROUND_MAX)
			return false;
		b->is_measured = true;
	} else if (b->round_count == 1 && agrees(b, latency_ns)) {
		backend_take_sample(b, latency_ns);
	} else if (b->round_count < POOL_ROUND_MAX) {
		return false;
	} else {
		backend_take_sample(b, median(b->round_ns, b->round_count));
	}
	b->round_count = 0;
	return true;
}
