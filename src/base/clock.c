/* The clocks, as signed nanoseconds. */
#include "config.h"

#include "iaido/clock.h"

#include <stdio.h>
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

const char *
clock_format_wall(int64_t wall_ns, char buf[CLOCK_TEXT_MAX])
{
	int64_t ns = wall_ns % NSEC_PER_SEC;
	time_t sec = (time_t)(wall_ns / NSEC_PER_SEC);
	struct tm tm = { 0 };

	if (ns < 0) {
		ns += NSEC_PER_SEC;
		sec--;
	}
	(void)gmtime_r(&sec, &tm);
	/* The bounds tell the compiler that the text fits; int64 nanoseconds end in 2262. */
	(void)snprintf(buf, CLOCK_TEXT_MAX, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
		(tm.tm_year + 1900) % 10000, (tm.tm_mon + 1) % 100, tm.tm_mday % 100,
		tm.tm_hour % 100, tm.tm_min % 100, tm.tm_sec % 100,
		(int)(ns / NSEC_PER_MSEC) % 1000);
	return buf;
}
