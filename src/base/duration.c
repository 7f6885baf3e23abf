/* Durations in Go's notation: the same grammar, rounding and limits as time.ParseDuration, and
 * the same text as Duration.String, so that a file means here what it meant there. */
#include "config.h"

#include "iaido/duration.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* The magnitude of the most negative duration. */
#define DURATION_LIMIT (UINT64_C(1) << 63)

struct unit {
	const char *name;
	uint64_t ns;
};

static const struct unit units[] = {
	{ "ns", 1 },
	{ "us", 1000 },
	{ "\xc2\xb5s", 1000 }, /* U+00B5, the micro sign */
	{ "\xce\xbcs", 1000 }, /* U+03BC, the Greek letter */
	{ "ms", 1000000 },
	{ "s", 1000000000 },
	{ "m", UINT64_C(60) * 1000000000 },
	{ "h", UINT64_C(3600) * 1000000000 },
};

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Reads digits; -ERANGE when they are more than a duration can hold. */
static int
parse_whole(const char **at, uint64_t *out)
{
	uint64_t v = 0;

	for (; is_digit(**at); (*at)++) {
		if (v > DURATION_LIMIT / 10)
			return -ERANGE;
		v = v * 10 + (uint64_t)(**at - '0');
		if (v > DURATION_LIMIT)
			return -ERANGE;
	}
	*out = v;
	return 0;
}

/* Reads the digits after the point; those that no longer fit do not count. */
static void
parse_fraction(const char **at, uint64_t *out, double *scale)
{
	uint64_t v = 0;
	bool full = false;

	*scale = 1;
	for (; is_digit(**at); (*at)++) {
		if (full || v > (DURATION_LIMIT - 1) / 10 ||
			v * 10 + (uint64_t)(**at - '0') > DURATION_LIMIT) {
			full = true;
			continue;
		}
		v = v * 10 + (uint64_t)(**at - '0');
		*scale *= 10;
	}
	*out = v;
}

static int
parse_unit(const char **at, uint64_t *out)
{
	size_t len = 0;

	while ((*at)[len] != '\0' && (*at)[len] != '.' && !is_digit((*at)[len]))
		len++;
	if (len == 0)
		return -EDOM;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (strlen(units[i].name) == len && memcmp(units[i].name, *at, len) == 0) {
			*out = units[i].ns;
			*at += len;
			return 0;
		}
	}
	return -EINVAL;
}

/* One number and its unit, added to *total. */
static int
parse_term(const char **at, uint64_t *total)
{
	uint64_t whole = 0, fraction = 0, unit = 0;
	double scale = 1;
	const char *start = *at;
	size_t digits;
	int r = parse_whole(at, &whole);

	if (r < 0)
		return r;
	digits = (size_t)(*at - start);
	if (**at == '.') {
		(*at)++;
		start = *at;
		parse_fraction(at, &fraction, &scale);
		digits += (size_t)(*at - start);
	}
	if (digits == 0)
		return -EINVAL;
	r = parse_unit(at, &unit);
	if (r < 0)
		return r;
	if (whole > DURATION_LIMIT / unit)
		return -ERANGE;
	whole *= unit;
	if (fraction > 0)
		whole += (uint64_t)((double)fraction * ((double)unit / scale));
	if (whole > DURATION_LIMIT || *total + whole > DURATION_LIMIT)
		return -ERANGE;
	*total += whole;
	return 0;
}

static int
apply_sign(uint64_t magnitude, bool negative, int64_t *out_ns)
{
	if (!negative && magnitude == DURATION_LIMIT)
		return -ERANGE;
	if (negative)
		*out_ns = magnitude == DURATION_LIMIT ? INT64_MIN : -(int64_t)magnitude;
	else
		*out_ns = (int64_t)magnitude;
	return 0;
}

int
duration_parse(const char *text, int64_t *out_ns)
{
	const char *at = text;
	uint64_t total = 0;
	bool negative = *at == '-';
	int r;

	if (*at == '-' || *at == '+')
		at++;
	if (strcmp(at, "0") == 0) {
		*out_ns = 0;
		return 0;
	}
	if (*at == '\0')
		return -EINVAL;
	if (negative && at[strspn(at, "0123456789")] == '\0') {
		r = parse_whole(&at, &total);
		return r < 0 ? r : apply_sign(total, true, out_ns);
	}
	while (*at != '\0') {
		r = parse_term(&at, &total);
		if (r < 0)
			return r;
	}
	return apply_sign(total, negative, out_ns);
}

/* Writes value / 10^digits without trailing zeros, and the suffix. */
static size_t
format_decimal(char *buf, size_t size, uint64_t value, int digits, const char *suffix)
{
	uint64_t scale = 1;
	int n;

	for (int i = 0; i < digits; i++)
		scale *= 10;
	if (value % scale == 0) {
		n = snprintf(buf, size, "%llu%s", (unsigned long long)(value / scale), suffix);
		return (size_t)n;
	}
	for (; value % 10 == 0; value /= 10, scale /= 10)
		digits--;
	n = snprintf(buf, size, "%llu.%0*llu%s", (unsigned long long)(value / scale), digits,
		(unsigned long long)(value % scale), suffix);
	return (size_t)n;
}

const char *
duration_format(int64_t ns, char buf[DURATION_TEXT_MAX])
{
	uint64_t u = ns < 0 ? -(uint64_t)ns : (uint64_t)ns;
	uint64_t minutes = u / UINT64_C(60000000000);
	char *at = buf;
	char *end = buf + DURATION_TEXT_MAX;

	if (ns < 0)
		*at++ = '-';
	if (u == 0)
		(void)snprintf(at, (size_t)(end - at), "0s");
	else if (u < 1000)
		format_decimal(at, (size_t)(end - at), u, 0, "ns");
	else if (u < 1000000)
		format_decimal(at, (size_t)(end - at), u, 3, "\xc2\xb5s");
	else if (u < 1000000000)
		format_decimal(at, (size_t)(end - at), u, 6, "ms");
	else {
		if (minutes >= 60)
			at += format_decimal(at, (size_t)(end - at), minutes / 60, 0, "h");
		if (minutes > 0)
			at += format_decimal(at, (size_t)(end - at), minutes % 60, 0, "m");
		format_decimal(at, (size_t)(end - at), u % UINT64_C(60000000000), 9, "s");
	}
	return buf;
}
