/* An iaido whose memory fails: while the file that $IAIDO_TEST_SCARCE names exists, one allocation in
 * ALLOCATIONS finds none, drawn with a fixed seed. Its own allocations and libevent's; not
 * the C library's. */
#include "config.h"

#include <errno.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ALLOCATIONS 200
#define CALLS_BETWEEN_LOOKS 16

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t size);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t size);
char *__wrap_strdup(const char *s);

static bool
is_scarce(void)
{
	static unsigned int calls;
	static bool scarce;

	if (calls++ % CALLS_BETWEEN_LOOKS == 0) {
		const char *path = getenv("IAIDO_TEST_SCARCE");

		scarce = path && access(path, F_OK) == 0;
	}
	return scarce;
}

static bool
fails(void)
{
	static uint64_t state = UINT64_C(0x9e3779b97f4a7c15);

	if (!is_scarce())
		return false;
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	if (state % ALLOCATIONS != 0)
		return false;
	errno = ENOMEM;
	return true;
}

void *
__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

void *
__wrap_realloc(void *p, size_t size)
{
	return fails() ? NULL : __real_realloc(p, size);
}

char *
__wrap_strdup(const char *s)
{
	return fails() ? NULL : __real_strdup(s);
}

/* Until the program tells libevent otherwise. */
__attribute__((constructor)) static void
starve_libevent(void)
{
	event_set_mem_functions(__wrap_malloc, __wrap_realloc, free);
}
