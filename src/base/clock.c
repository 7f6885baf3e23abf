/* The clocks, as signed nanoseconds. */
#include "config.h"

#include "iaido/clock.h"

#include <time.h>

static int64_t
read_clock(clockid_t id)
{
	struct timespec ts = { 0 };

	/* Cannot fail for these clocks: the kernel has had them since 2.6.32. */
	(void)clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

int64_t
clock_now_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

int64_t
clock_coarse_ns(void)
{
	return read_clock(CLOCK_MONOTONIC_COARSE);
}

int64_t
clock_wall_ns(void)
{
	return read_clock(CLOCK_REALTIME);
}

/* Not printf(), whose cost shows where each of thousands of things has its time. */
static char *
add_digits(char *at, int value, int count, char end)
{
	for (int i = count - 1; i >= 0; i--, value /= 10)
		at[i] = (char)('0' + value % 10);
	at[count] = end;
	return at + count + 1;
}

const char *
clock_format_wall(int64_t wall_ns, char buf[CLOCK_TEXT_MAX])
{
	int64_t ns = wall_ns % NSEC_PER_SEC;
	time_t sec = (time_t)(wall_ns / NSEC_PER_SEC);
	struct tm tm = { 0 };
	char *at = buf;

	if (ns < 0) {
		ns += NSEC_PER_SEC;
		sec--;
	}
	(void)gmtime_r(&sec, &tm); /* int64 nanoseconds reach from 1677 to 2262 */
	at = add_digits(at, tm.tm_year + 1900, 4, '-');
	at = add_digits(at, tm.tm_mon + 1, 2, '-');
	at = add_digits(at, tm.tm_mday, 2, 'T');
	at = add_digits(at, tm.tm_hour, 2, ':');
	at = add_digits(at, tm.tm_min, 2, ':');
	at = add_digits(at, tm.tm_sec, 2, '.');
	at = add_digits(at, (int)(ns / NSEC_PER_MSEC), 3, 'Z');
	*at = '\0';
	return buf;
}
