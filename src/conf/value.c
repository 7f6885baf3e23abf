/* One function a kind of value. Each message says what was found and what would be right. */
#include "config.h"

#include "value.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#include "hostport.h"
#include "iaido/conf.h"
#include "iaido/duration.h"
#include "report.h"
#include "schema.h"
#include "tree.h"

#define STRING_LEN_MAX 4095 /* as a path */

_Static_assert(sizeof(enum conf_on_failure) == sizeof(int), "enums are stored as int");

static void *
member(const struct conf_field *f, void *base)
{
	return (char *)base + f->offset;
}

static bool
is_word(const struct node *n, const char *const *words)
{
	for (; n->is_plain && *words; words++)
		if (strcmp(n->value, *words) == 0)
			return true;
	return false;
}

bool
value_is_null(const struct node *n)
{
	static const char *const words[] = { "", "~", "null", "Null", "NULL", NULL };

	return n->kind == NODE_SCALAR && is_word(n, words);
}

bool
value_is_short(struct report *r, const struct node *n)
{
	if (n->len <= STRING_LEN_MAX)
		return true;
	report_error(r, n->mark, "longer than %d bytes", STRING_LEN_MAX);
	return false;
}

/* Takes the place of what the member held. */
static bool
store_string(struct report *r, char **at, const char *value)
{
	char *copy = strdup(value);

	if (!copy) {
		r->is_out_of_memory = true;
		return false;
	}
	free(*at);
	*at = copy;
	return true;
}

/* "1ms to 576h0m0s (0 = the kernel's)" */
static void
describe_range(const struct conf_field *f, char *buf, size_t size)
{
	char low[DURATION_TEXT_MAX], high[DURATION_TEXT_MAX];

	if (f->kind == CONF_KIND_DURATION) {
		duration_format(f->min, low);
		duration_format(f->max, high);
	} else {
		(void)snprintf(low, sizeof(low), "%" PRId64, f->min);
		(void)snprintf(high, sizeof(high), "%" PRId64, f->max);
	}
	(void)snprintf(buf, size, "from %s to %s%s%s%s", low, high, f->special ? " (" : "",
		f->special ? f->special : "", f->special ? ")" : "");
}

/* Whole numbers as YAML and the original's language had them: 0x1f, 0o17, 017, 0b11, 1_000. */
static int
parse_number(const char *s, int64_t *out)
{
	bool negative = *s == '-';
	unsigned base = 10;
	int64_t v = 0;

	if (*s == '-' || *s == '+')
		s++;
	if (s[0] == '0' && s[1] != '\0') {
		char c = (char)tolower((unsigned char)s[1]);

		base = c == 'x' ? 16 : c == 'b' ? 2 : 8;
		s += c == 'x' || c == 'b' || c == 'o' ? 2 : 1;
	}
	if (*s == '\0' || *s == '_')
		return -EINVAL;
	for (; *s; s++) {
		unsigned c = (unsigned char)*s;
		unsigned digit = isdigit((int)c) ? c - '0'
			: isxdigit((int)c)       ? (unsigned)tolower((int)c) - 'a' + 10
						 : 99;

		if (c == '_')
			continue;
		if (digit >= base)
			return -EINVAL;
		if (v > (INT64_MAX - (int64_t)digit) / (int64_t)base)
			return -ERANGE;
		v = v * (int64_t)base + (int64_t)digit;
	}
	*out = negative ? -v : v;
	return 0;
}

/* Whether YAML would take it for a number: "5", "1.5", "1e3", "0x10", "1_000". */
static bool
is_number(const char *s)
{
	int64_t whole;
	char *end;

	if (parse_number(s, &whole) == 0)
		return true;
	if (!isdigit((unsigned char)s[strspn(s, "+-.")])) /* strtod() knows words as well */
		return false;
	(void)strtod(s, &end);
	return *end == '\0';
}

static bool
refuse_duration(struct report *r, const struct conf_field *f, const struct node *n, int error)
{
	char quoted[REPORT_QUOTE_MAX], range[160];

	report_quote(n->value, quoted);
	/* A bare negative number is a duration, however large. */
	if (error == -EDOM || (error < 0 && n->value[0] != '-' && is_number(n->value))) {
		report_error(
			r, n->mark, "%s lacks a unit: write it as 300ms, 10s or 1h0m0s", quoted);
	} else if (error == -EINVAL) {
		report_error(r, n->mark, "%s is not a duration: write it as 300ms, 10s or 1h0m0s",
			quoted);
	} else {
		describe_range(f, range, sizeof(range));
		report_error(r, n->mark, "must be %s, not %s", range, quoted);
	}
	return false;
}

static bool
load_duration(struct report *r, const struct conf_field *f, void *base, const struct node *n)
{
	int64_t ns = 0;
	int error = duration_parse(n->value, &ns);

	if (error < 0)
		return refuse_duration(r, f, n, error);
	if (ns == 0 && (f->flags & CONF_ZERO_IS_DEFAULT)) {
		value_load_initial(r, f, base);
		return true;
	}
	if (ns < 0 && (f->flags & CONF_NEGATIVE_ALLOWED))
		ns = -1;
	else if ((ns < f->min || ns > f->max) && !(ns == 0 && (f->flags & CONF_ZERO_ALLOWED)))
		return refuse_duration(r, f, n, 0);
	*(int64_t *)member(f, base) = ns;
	return true;
}

static bool
refuse_number(struct report *r, const struct conf_field *f, const struct node *n, int error)
{
	const char *or_auto = f->kind == CONF_KIND_WORKERS ? "auto or " : "";
	char quoted[REPORT_QUOTE_MAX], range[160];

	describe_range(f, range, sizeof(range));
	report_error(r, n->mark, "must be %s%s%s, not %s", or_auto,
		error == -EINVAL ? "a whole number " : "", range, report_quote(n->value, quoted));
	return false;
}

/* Reports, and returns false, unless it is a whole number in the row's range. */
static bool
load_in_range(struct report *r, const struct conf_field *f, const struct node *n, int64_t *out)
{
	int64_t v = 0;
	int error = parse_number(n->value, &v);

	if (error == 0 && !n->is_plain) {
		report_error(r, n->mark, "must be a number, not a string: leave out the quotes");
		return false;
	}
	if (error < 0 || v < f->min || v > f->max)
		return refuse_number(r, f, n, error);
	*out = v;
	return true;
}

static bool
load_number(struct report *r, const struct conf_field *f, void *base, const struct node *n)
{
	int64_t v = 0;

	if (!load_in_range(r, f, n, &v))
		return false;
	*(uint32_t *)member(f, base) = (uint32_t)v;
	return true;
}

static bool
load_port(struct report *r, const struct conf_field *f, void *base, const struct node *n)
{
	int64_t v = 0;

	if (!load_in_range(r, f, n, &v))
		return false;
	*(uint16_t *)member(f, base) = (uint16_t)v;
	return true;
}

static bool
load_workers(struct report *r, const struct conf_field *f, void *base, const struct node *n)
{
	if (strcmp(n->value, "auto") == 0) {
		*(uint32_t *)member(f, base) = CONF_WORKERS_AUTO;
		return true;
	}
	return load_number(r, f, base, n);
}

static bool
load_bool(struct report *r, const struct conf_field *f, void *base, const struct node *n)
{
	static const char *const yes[] = { "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On",
		"ON", "y", "Y", NULL };
	static const char *const no[] = { "false", "False", "FALSE", "no", "No", "NO", "off", "Off",
		"OFF", "n", "N", NULL };
	char quoted[REPORT_QUOTE_MAX];
	bool is_yes = is_word(n, yes);

	if (!is_yes && !is_word(n, no)) {
		report_error(r, n->mark, "must be true or false%s, not %s",
			n->is_plain ? "" : " without quotes", report_quote(n->value, quoted));
		return false;
	}
	*(bool *)member(f, base) = is_yes;
	return true;
}

static bool
load_enum(struct report *r, const struct conf_field *f, void *base, const struct node *n)
{
	char quoted[REPORT_QUOTE_MAX], list[128];
	size_t len = 0;

	for (int i = 0; f->names[i]; i++) {
		if (strcmp(f->names[i], n->value) == 0) {
			memcpy(member(f, base), &i, sizeof(i));
			return true;
		}
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s",
			i == 0                    ? ""
				: f->names[i + 1] ? ", "
						  : " or ",
			f->names[i]);
	}
	report_error(r, n->mark, "must be %s, not %s", list, report_quote(n->value, quoted));
	return false;
}

static bool
check_string(struct report *r, const struct node *n)
{
	for (const char *s = n->value; *s; s++) {
		if ((unsigned char)*s < 0x20 || *s == 0x7f) {
			report_error(r, n->mark, "must not hold control characters");
			return false;
		}
	}
	return true;
}

static bool
load_string(struct report *r, const struct conf_field *f, void *base, const struct node *n)
{
	return check_string(r, n) && store_string(r, member(f, base), n->value);
}

static bool
load_log_target(struct report *r, const struct conf_field *f, void *base, const struct node *n)
{
	static const struct {
		const char *word;
		const char *meant;
	} words[] = {
		{ "stderr", "stderr" },
		{ "syslog", "syslog" },
		{ "stdout", "/dev/stdout" },
	};
	char quoted[REPORT_QUOTE_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(words) && !strchr(n->value, '/'); i++) {
		/* Rather not a new file called "sterr". */
		if (strcmp(n->value, words[i].meant) == 0 ||
			schema_word_distance(n->value, words[i].word) > 2)
			continue;
		report_error(r, n->mark,
			"must be stderr, syslog or a path, not %s (did you mean %s?)",
			report_quote(n->value, quoted), words[i].meant);
		return false;
	}
	return load_string(r, f, base, n);
}

static bool
load_proto(struct report *r, const struct conf_field *f, void *base, const struct node *n)
{
	char quoted[REPORT_QUOTE_MAX];

	(void)f;
	(void)base;
	if (strcasecmp(n->value, "tcp") == 0)
		return true;
	if (strcasecmp(n->value, "udp") == 0)
		report_error(r, n->mark, "UDP is not supported: only TCP is relayed");
	else
		report_error(r, n->mark, "must be TCP, not %s", report_quote(n->value, quoted));
	return false;
}

static bool
load_diag(struct report *r, const struct conf_field *f, void *base, const struct node *n)
{
	char host[HOST_TEXT_MAX], joined[HOST_TEXT_MAX + 16], quoted[REPORT_QUOTE_MAX];
	const char *what;
	uint16_t port = 0;

	if (!check_string(r, n))
		return false;
	if (strncmp(n->value, "unix:", 5) == 0) {
		const char *path = n->value + 5;
		size_t path_max = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;

		if (path[0] == '/' && path[1] != '\0' && strlen(path) <= path_max)
			return store_string(r, member(f, base), n->value);
		report_error(r, n->mark,
			"must be unix:/path, an absolute path of at most %zu bytes", path_max);
		return false;
	}
	what = hostport_split(n->value, HOST_TO_BIND, host, &port);
	if (what) {
		report_error(r, n->mark, "%s: %s", report_quote(n->value, quoted), what);
		return false;
	}
	return store_string(r, member(f, base), hostport_join(host, port, joined, sizeof(joined)));
}

static bool
load_bind(struct report *r, const struct conf_field *f, void *base, const struct node *n)
{
	struct frontend_conf *fe = base;
	char host[HOST_TEXT_MAX], joined[HOST_TEXT_MAX + 16], quoted[REPORT_QUOTE_MAX];
	const char *text = n->value, *what;
	uint16_t port = 0;

	(void)f;
	if (strncasecmp(text, "udp:", 4) == 0 && strchr(text + 4, ':')) {
		report_error(r, n->mark, "%s: UDP is not supported: only TCP is relayed",
			report_quote(n->value, quoted));
		return false;
	}
	/* "tcp:80" is port 80 of a host called tcp. */
	if (strncasecmp(text, "tcp:", 4) == 0 && strchr(text + 4, ':'))
		text += 4;
	what = hostport_split(text, HOST_TO_BIND, host, &port);
	if (what) {
		report_error(r, n->mark, "%s: %s", report_quote(n->value, quoted), what);
		return false;
	}
	hostport_join(host, port, joined, sizeof(joined));
	if (!store_string(r, &fe->bind_address, joined) || !store_string(r, &fe->bind_host, host))
		return false;
	fe->bind_port = port;
	/* Messages about a frontend point to its address, where the file has one. */
	if (n->mark.line > 0)
		fe->mark = n->mark;
	return true;
}

typedef bool load_function(
	struct report *r, const struct conf_field *f, void *base, const struct node *n);

static load_function *const loaders[] = {
	[CONF_KIND_DURATION] = load_duration,
	[CONF_KIND_NUMBER] = load_number,
	[CONF_KIND_PORT] = load_port,
	[CONF_KIND_BOOL] = load_bool,
	[CONF_KIND_ENUM] = load_enum,
	[CONF_KIND_WORKERS] = load_workers,
	[CONF_KIND_STRING] = load_string,
	[CONF_KIND_LOG_TARGET] = load_log_target,
	[CONF_KIND_DIAG] = load_diag,
	[CONF_KIND_BIND] = load_bind,
	[CONF_KIND_PROTO] = load_proto,
};

/* An empty string is how the original printed the default of these. */
static bool
is_empty_text(const struct conf_field *f, const struct node *n)
{
	return n->value[0] == '\0' &&
		(f->kind == CONF_KIND_STRING || f->kind == CONF_KIND_DIAG ||
			f->kind == CONF_KIND_BIND || f->kind == CONF_KIND_LOG_TARGET);
}

bool
value_load(struct report *r, const struct conf_field *f, void *base, const struct node *n)
{
	if (is_empty_text(f, n))
		return true;
	if (!value_is_short(r, n))
		return false;
	return loaders[f->kind](r, f, base, n);
}

void
value_load_initial(struct report *r, const struct conf_field *f, void *base)
{
	/* Its length is nobody's concern. */
	struct node n = { .kind = NODE_SCALAR, .is_plain = true, .value = f->initial };

	if (f->initial)
		(void)loaders[f->kind](r, f, base, &n);
}
