/* The clocks: nanoseconds as signed 64-bit numbers, so that differences never wrap. */
#ifndef IAIDO_CLOCK_H
#define IAIDO_CLOCK_H

#include <stdint.h>

#define NSEC_PER_USEC INT64_C(1000)
#define NSEC_PER_MSEC INT64_C(1000000)
#define NSEC_PER_SEC INT64_C(1000000000)

/* CLOCK_MONOTONIC: for measuring. */
int64_t clock_now_ns(void);
/* CLOCK_MONOTONIC_COARSE: for the hot path; a few ms behind at most, no system call. */
int64_t clock_coarse_ns(void);
/* CLOCK_REALTIME: for people only, never for a decision. */
int64_t clock_wall_ns(void);

/* "2026-01-31T12:00:00.123Z" for a CLOCK_REALTIME value. Returns buf. */
#define CLOCK_TEXT_MAX 32
const char *clock_format_wall(int64_t wall_ns, char buf[CLOCK_TEXT_MAX]);

#endif
