/* xoshiro256** by Blackman and Vigna, its state filled by splitmix64. */
#include "config.h"

#include "iaido/rng.h"

#include <assert.h>
#include <sys/random.h>
#include <unistd.h>

#include "iaido/clock.h"

static uint64_t
rotate_left(uint64_t x, int k)
{
	return x << k | x >> (64 - k);
}

void
rng_seed_from(struct rng *r, uint64_t seed)
{
	for (int i = 0; i < 4; i++) {
		uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);

		z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
		z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
		r->s[i] = z ^ z >> 31;
	}
}

void
rng_seed(struct rng *r)
{
	if (getrandom(r->s, sizeof(r->s), 0) == (ssize_t)sizeof(r->s) &&
		(r->s[0] | r->s[1] | r->s[2] | r->s[3]) != 0)
		return;
	/* A sandbox without getrandom(2): at least no two processes the same. */
	rng_seed_from(r,
		(uint64_t)clock_wall_ns() ^ (uint64_t)clock_now_ns() << 20 ^
			(uint64_t)getpid() << 44);
}

uint64_t
rng_next(struct rng *r)
{
	uint64_t result = rotate_left(r->s[1] * 5, 7) * 9;
	uint64_t t = r->s[1] << 17;

	r->s[2] ^= r->s[0];
	r->s[3] ^= r->s[1];
	r->s[1] ^= r->s[2];
	r->s[0] ^= r->s[3];
	r->s[2] ^= t;
	r->s[3] = rotate_left(r->s[3], 45);
	return result;
}

uint64_t
rng_below(struct rng *r, uint64_t bound)
{
	uint64_t x, reject;

	assert(bound > 0);
	/* Numbers under 2^64 mod bound would come once too often. */
	reject = -bound % bound;
	do
		x = rng_next(r);
	while (x < reject);
	return x % bound;
}

int64_t
rng_between(struct rng *r, int64_t low, int64_t high)
{
	uint64_t span = (uint64_t)high - (uint64_t)low;
	uint64_t offset;

	assert(low <= high);
	offset = span == UINT64_MAX ? rng_next(r) : rng_below(r, span + 1);
	return (int64_t)((uint64_t)low + offset);
}
