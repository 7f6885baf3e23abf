/* Memory put by for those who cannot do without. It is the program's own from the start, so that
 * nobody else can take it; blocks are cut off it one after the other, and it is whole again when the
 * last of them is freed. */
#include "config.h"

#include "iaido/reserve.h"

#include <malloc.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct block {
	alignas(max_align_t) size_t size; /* of what follows */
};

static struct {
	alignas(max_align_t) uint8_t bytes[RESERVE_SIZE];
	size_t used;
	unsigned blocks;
} reserve;

static bool
is_ours(const void *p)
{
	const uint8_t *at = p;

	return at >= reserve.bytes && at < reserve.bytes + RESERVE_SIZE;
}

static void *
take(size_t size)
{
	struct block *b;
	size_t whole;

	if (size > RESERVE_SIZE)
		return NULL;
	whole = sizeof(*b) +
		(size + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);
	if (whole > RESERVE_SIZE - reserve.used)
		return NULL;
	b = (struct block *)(void *)(reserve.bytes + reserve.used);
	b->size = size;
	reserve.used += whole;
	reserve.blocks++;
	return b + 1;
}

void *
reserve_malloc(size_t size)
{
	void *p = malloc(size);

	if (!p)
		p = take(size);
	return p;
}

void
reserve_free(void *p)
{
	if (!is_ours(p)) {
		free(p);
	} else if (--reserve.blocks == 0) {
		reserve.used = 0;
	}
}

/* Out of the heap, where it has room. */
static void *
grow(void *p, size_t former, size_t size)
{
	void *moved = reserve_malloc(size);

	if (!moved)
		return NULL;
	memcpy(moved, p, former < size ? former : size);
	reserve_free(p);
	return moved;
}

void *
reserve_realloc(void *p, size_t size)
{
	void *moved;

	if (!p)
		return reserve_malloc(size);
	if (size == 0) {
		reserve_free(p);
		return NULL;
	}
	if (is_ours(p))
		return grow(p, ((struct block *)p - 1)->size, size);
	moved = realloc(p, size);
	if (!moved)
		moved = grow(p, malloc_usable_size(p), size);
	return moved;
}

bool
reserve_is_used(void)
{
	return reserve.blocks > 0;
}
