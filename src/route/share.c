/* A worker's share: what it alone writes. Its map, and the histograms' bounds. */
#include "config.h"

#include <errno.h>
#include <stddef.h>

#include "iaido/scoreboard.h"
#include "share_layout.h"
#include "map.h"

#define SHARE_MAGIC UINT64_C(0x657261686f646961) /* "aidohare" */

_Static_assert(sizeof(struct share_head) <= SHARE_HEAD_SIZE, "the header fits its page");
_Static_assert(sizeof(struct share_cell) == 64, "one cache line");

const uint64_t dial_bucket_us[DIAL_BUCKETS - 1] = {
	250,
	500,
	1000,
	2500,
	5000,
	10000,
	25000,
	50000,
	100000,
	250000,
	500000,
	1000000,
	2500000,
};

const uint64_t duration_bucket_us[DURATION_BUCKETS - 1] = {
	1000,
	10000,
	100000,
	1000000,
	5000000,
	10000000,
	30000000,
	60000000,
	300000000,
	900000000,
	UINT64_C(3600000000),
	UINT64_C(21600000000),
	UINT64_C(86400000000),
};

static void
share_point(struct share *s)
{
	char *at = s->map;

	s->head = s->map;
	s->cells = (struct share_cell *)(void *)(at + SHARE_CELLS_OFFSET);
	s->frontends = (struct share_frontend *)(void *)(at + SHARE_FRONTENDS_OFFSET);
}

int
share_create(struct share *s)
{
	struct share new = { .fd = -1 };
	int r = map_create("iaido-share", SHARE_SIZE, &new.fd, &new.map);

	if (r < 0)
		return r;
	share_point(&new);
	new.head->magic = SHARE_MAGIC;
	new.head->major = SCOREBOARD_MAJOR;
	new.head->size = sizeof(*new.head);
	*s = new;
	return 0;
}

int
share_attach(int fd, struct share *s)
{
	struct share new = { .fd = fd };
	int r = map_attach(fd, SHARE_SIZE, &new.map);

	if (r < 0)
		return r;
	share_point(&new);
	if (new.head->magic != SHARE_MAGIC || new.head->major != SCOREBOARD_MAJOR) {
		map_close(-1, new.map, SHARE_SIZE);
		return -EPROTO;
	}
	*s = new;
	return 0;
}

void
share_close(struct share *s)
{
	map_close(s->fd, s->map, SHARE_SIZE);
	*s = (struct share){ .fd = -1 };
}

unsigned
histogram_bucket(const uint64_t *bounds_us, unsigned bound_count, uint64_t value_us)
{
	unsigned low = 0, high = bound_count;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (value_us <= bounds_us[middle])
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}
