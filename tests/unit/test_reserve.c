/* The reserve: what comes out of it when the heap gives nothing, and how it becomes whole again. */
#include "config.h"

#include "iaido/reserve.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

void *__real_malloc(size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_realloc(void *p, size_t size);

static bool is_empty; /* the heap */

void *
__wrap_malloc(size_t size)
{
	return is_empty ? NULL : __real_malloc(size);
}

void *
__wrap_realloc(void *p, size_t size)
{
	return is_empty && size > 0 ? NULL : __real_realloc(p, size);
}

/* Only in here: libcheck wants memory too. */
static void *
malloc_without_heap(size_t size)
{
	void *p;

	is_empty = true;
	p = reserve_malloc(size);
	is_empty = false;
	return p;
}

static void *
realloc_without_heap(void *p, size_t size)
{
	is_empty = true;
	p = reserve_realloc(p, size);
	is_empty = false;
	return p;
}

START_TEST(the_heap_is_asked_first)
{
	char *p = reserve_malloc(10);

	ck_assert_ptr_nonnull(p);
	ck_assert(!reserve_is_used());
	p = reserve_realloc(p, 1000);
	ck_assert_ptr_nonnull(p);
	ck_assert(!reserve_is_used());
	reserve_free(p);
	reserve_free(NULL);
	ck_assert_ptr_null(reserve_realloc(reserve_malloc(1), 0));
}
END_TEST

START_TEST(without_heap_blocks_come_from_the_reserve_until_it_is_used_up)
{
	void *blocks[RESERVE_SIZE / 1000 + 1];
	size_t count = 0;

	while ((blocks[count] = malloc_without_heap(1000))) {
		ck_assert_uint_eq((uintptr_t)blocks[count] % _Alignof(max_align_t), 0);
		memset(blocks[count], (int)count, 1000);
		count++;
	}
	ck_assert_uint_gt(count, RESERVE_SIZE / 1000 - 3);
	ck_assert_ptr_null(malloc_without_heap(SIZE_MAX));
	for (size_t i = 0; i < count; i++) {
		const unsigned char *bytes = blocks[i];

		ck_assert(reserve_is_used());
		ck_assert(bytes[0] == (unsigned char)i && bytes[999] == (unsigned char)i);
		reserve_free(blocks[i]);
	}
	ck_assert(!reserve_is_used());
	/* It is whole again. */
	blocks[0] = malloc_without_heap(RESERVE_SIZE / 2);
	ck_assert_ptr_nonnull(blocks[0]);
	reserve_free(blocks[0]);
}
END_TEST

START_TEST(what_grows_moves_between_heap_and_reserve_unharmed)
{
	char *p = reserve_malloc(16);

	memcpy(p, "fifteen letters", 16);
	p = realloc_without_heap(p, 300);
	ck_assert_ptr_nonnull(p);
	ck_assert(reserve_is_used());
	ck_assert_str_eq(p, "fifteen letters");
	p = realloc_without_heap(p, 600);
	ck_assert_str_eq(p, "fifteen letters");
	/* What cannot grow stays. */
	ck_assert_ptr_null(realloc_without_heap(p, 2 * RESERVE_SIZE));
	ck_assert_str_eq(p, "fifteen letters");
	p = reserve_realloc(p, 20);
	ck_assert_str_eq(p, "fifteen letters");
	ck_assert(!reserve_is_used());
	p = realloc_without_heap(p, 8);
	ck_assert_mem_eq(p, "fifteen ", 8);
	reserve_free(p);
	ck_assert(!reserve_is_used());
	p = realloc_without_heap(NULL, 8);
	ck_assert(reserve_is_used());
	reserve_free(p);
}
END_TEST

UNIT_MAIN("reserve", the_heap_is_asked_first,
	without_heap_blocks_come_from_the_reserve_until_it_is_used_up,
	what_grows_moves_between_heap_and_reserve_unharmed)
