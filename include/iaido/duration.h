/* Durations in Go's notation (time.ParseDuration and Duration.String). */
#ifndef IAIDO_DURATION_H
#define IAIDO_DURATION_H

#include <stddef.h>
#include <stdint.h>

#include "iaido/macros.h"

#define DURATION_TEXT_MAX 40

/* Parses "300ms", "1.5s", "-1h2m", "0", or a bare negative integer. Returns 0; -EINVAL (not a
 * duration), -ERANGE (does not fit in int64 nanoseconds) or -EDOM (a number without a unit). */
int duration_parse(const char *text, int64_t *out_ns) MUST_CHECK;

/* As Go prints it: "1h0m0s", "1.5s", "300ms", "0s". Returns buf. */
const char *duration_format(int64_t ns, char buf[DURATION_TEXT_MAX]);

#endif
