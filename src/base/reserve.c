/* Memory put by for those who cannot do without: one block, given up when there is no other, taken
 * anew as soon as there is some. */
#include "config.h"

#include "iaido/reserve.h"

#include <stdlib.h>

/* A mapping of its own that nobody touches: address space, but no memory until it is needed. */
#define RESERVE_SIZE ((size_t)1024 * 1024)

static void *reserve;

static void
fill(void)
{
	if (!reserve)
		reserve = malloc(RESERVE_SIZE);
}

/* False: there was none left. */
static bool
use(void)
{
	bool was_there = reserve != NULL;

	free(reserve);
	reserve = NULL;
	return was_there;
}

void *
reserve_malloc(size_t size)
{
	void *p = malloc(size);

	if (p)
		fill();
	else if (use())
		p = malloc(size);
	return p;
}

void *
reserve_realloc(void *p, size_t size)
{
	void *moved = realloc(p, size);

	/* Of size 0 it is free(). */
	if (!moved && size > 0 && use())
		moved = realloc(p, size);
	return moved;
}

bool
reserve_is_used(void)
{
	fill();
	return !reserve;
}
