/* Ranking. A measured latency is the median of three, so that one bad sample decides nothing; a held
 * one follows only where both have been apart for two rounds, so that jitter moves nobody. */
#include "config.h"

#include "iaido/rank.h"

#include <errno.h>
#include <stdlib.h>

static int64_t
smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t
larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

int64_t
latency_measured_ns(const struct latency *l)
{
	const int64_t *s = l->samples_ns;

	switch (l->count) {
	case 0:
		return 0;
	case 1:
		return s[2];
	case 2:
		return smaller(s[1], s[2]); /* what is out of line is too long, never too short */
	default:
		return larger(smaller(s[0], s[1]), smaller(larger(s[0], s[1]), s[2]));
	}
}

/* Whether the last two samples are both apart from what is held, and to one side: medians of three
 * overlap, so two of them alone may be one sample's word. */
static bool
newest_agree(const struct latency *l, int64_t half)
{
	const int64_t *s = l->samples_ns;

	return smaller(s[1], s[2]) > l->held_ns + half || larger(s[1], s[2]) < l->held_ns - half;
}

bool
latency_add(struct latency *l, int64_t sample_ns, int64_t bucket_ns)
{
	int64_t measured, distance, half = bucket_ns > 0 ? bucket_ns / 2 : 0;

	if (sample_ns <= 0)
		return false;
	l->samples_ns[0] = l->samples_ns[1];
	l->samples_ns[1] = l->samples_ns[2];
	l->samples_ns[2] = sample_ns;
	if (l->count < 3)
		l->count++;
	measured = latency_measured_ns(l);
	if (l->held_ns <= 0) {
		l->held_ns = measured;
		return true;
	}
	distance = measured > l->held_ns ? measured - l->held_ns : l->held_ns - measured;
	if (distance <= half) {
		l->apart = 0;
		return false;
	}
	if (++l->apart < 2 || !newest_agree(l, half))
		return false;
	l->apart = 0;
	/* After a small step the held latency stays in the middle of the noise, not on its rim. */
	l->held_ns = distance <= half + half / 2 ? l->held_ns + (measured - l->held_ns) / 2
						 : measured;
	return true;
}

/* By configured tier, then the known latencies before the unknown, then by latency. */
static int
compare_items(const void *left, const void *right)
{
	const struct rank_item *a = *(struct rank_item *const *)left;
	const struct rank_item *b = *(struct rank_item *const *)right;

	if (a->tier != b->tier)
		return a->tier < b->tier ? -1 : 1;
	if ((a->latency_ns > 0) != (b->latency_ns > 0))
		return a->latency_ns > 0 ? -1 : 1;
	if (a->latency_ns != b->latency_ns)
		return a->latency_ns < b->latency_ns ? -1 : 1;
	return 0;
}

/* Whether `item` begins a new group, `first` being the fastest of the one before it. */
static bool
begins_group(const struct rank_item *first, const struct rank_item *item, int64_t bucket_ns)
{
	if (first->tier != item->tier)
		return true;
	if (bucket_ns < 0)
		return false;
	if ((first->latency_ns > 0) != (item->latency_ns > 0))
		return true;
	return item->latency_ns > 0 && item->latency_ns - first->latency_ns > bucket_ns;
}

int
rank_assign(struct rank_item *items, size_t count, int64_t bucket_ns)
{
	struct rank_item **sorted;
	const struct rank_item *first;
	int rank = 0;

	if (count == 0)
		return 0;
	sorted = calloc(count, sizeof(struct rank_item *));
	if (!sorted)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		sorted[i] = &items[i];
	qsort(sorted, count, sizeof(struct rank_item *), compare_items);
	first = sorted[0];
	for (size_t i = 0; i < count; i++) {
		if (begins_group(first, sorted[i], bucket_ns)) {
			first = sorted[i];
			rank++;
		}
		sorted[i]->rank = (uint32_t)rank;
	}
	free(sorted);
	return rank + 1;
}
