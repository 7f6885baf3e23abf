/*
 * The wire's rules. Each stands for a prefix and says some things about it; what it does not say is
 * taken from the next wider prefix that does. There are few, so they are searched one by one.
 */
#include "config.h"

#include "rules.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_RULES = 256 };

enum hole { HOLE_NONE, HOLE_TO, HOLE_FROM, HOLE_BOTH };

struct rule {
	char text[64];
	struct prefix prefix;
	bool has_delay, has_jitter, has_loss, has_hole;
	int64_t delay_ns, jitter_ns;
	double jitter_share; /* of the delay; instead of jitter_ns where above 0 */
	double loss;
	enum hole hole;
};

static struct rule rules[MAX_RULES]; /* the narrowest first */
static size_t rule_count;

bool
prefix_parse(const char *text, struct prefix *out)
{
	char copy[64], *slash;
	int widest = 128;

	if (snprintf(copy, sizeof(copy), "%s", text) >= (int)sizeof(copy))
		return false;
	slash = strchr(copy, '/');
	if (slash != NULL)
		*slash = '\0';
	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, copy, out->addr + 12) == 1) {
		out->addr[10] = out->addr[11] = 0xff;
		widest = 32;
	} else if (inet_pton(AF_INET6, copy, out->addr) != 1) {
		return false;
	}
	out->bits = slash != NULL ? (int)strtol(slash + 1, NULL, 10) : widest;
	if (out->bits < 0 || out->bits > widest)
		return false;
	out->bits += 128 - widest;
	return true;
}

bool
prefix_contains(const struct prefix *p, const uint8_t addr[16])
{
	int whole = p->bits / 8, rest = p->bits % 8;

	if (memcmp(p->addr, addr, (size_t)whole) != 0)
		return false;
	return rest == 0 || (p->addr[whole] ^ addr[whole]) >> (8 - rest) == 0;
}

static void
add_end(const uint8_t addr[16], bool is_dst, struct treatment *out)
{
	bool delay = false, jitter = false, loss = false, hole = false;
	int64_t delay_ns = 0;
	double share = 0;
	size_t i;

	for (i = 0; i < rule_count; i++) {
		const struct rule *r = &rules[i];

		if (!prefix_contains(&r->prefix, addr))
			continue;
		if (r->has_delay && !delay) {
			delay = true;
			delay_ns = r->delay_ns;
		}
		if (r->has_jitter && !jitter) {
			jitter = true;
			out->jitter_ns += r->jitter_ns;
			share = r->jitter_share;
		}
		if (r->has_loss && !loss) {
			loss = true;
			out->loss += r->loss;
		}
		if (r->has_hole && !hole) {
			hole = true;
			out->dropped |= r->hole == HOLE_BOTH ||
				r->hole == (is_dst ? HOLE_TO : HOLE_FROM);
		}
	}
	out->delay_ns += delay_ns;
	out->jitter_ns += (int64_t)(share * (double)delay_ns);
}

void
rules_look_up(const uint8_t src[16], const uint8_t dst[16], struct treatment *out)
{
	memset(out, 0, sizeof(*out));
	add_end(src, false, out);
	add_end(dst, true, out);
}

static bool
parse_duration(const char *text, int64_t *ns)
{
	char *unit;
	double v = strtod(text, &unit);

	if (unit == text || v < 0 || v > 1e9)
		return false;
	if (strcmp(unit, "us") == 0)
		v *= 1e3;
	else if (strcmp(unit, "ms") == 0)
		v *= 1e6;
	else if (strcmp(unit, "s") == 0)
		v *= 1e9;
	else if (v != 0 || *unit != '\0')
		return false;
	*ns = (int64_t)v;
	return true;
}

static bool
parse_share(const char *text, double *share)
{
	char *end;
	double v = strtod(text, &end);

	if (end == text || strcmp(end, "%") != 0 || v < 0 || v > 100)
		return false;
	*share = v / 100;
	return true;
}

static bool
parse_hole(const char *text, enum hole *hole)
{
	static const char *const names[] = { "off", "to", "from", "on" };
	size_t i;

	for (i = 0; i < 4; i++) {
		if (strcmp(text, names[i]) == 0) {
			*hole = (enum hole)i;
			return true;
		}
	}
	return false;
}

/* Takes one `key value` of a set line. */
static bool
set_value(struct rule *r, const char *key, const char *value)
{
	if (strcmp(key, "delay") == 0)
		return r->has_delay = parse_duration(value, &r->delay_ns);
	if (strcmp(key, "jitter") == 0) {
		r->jitter_share = 0;
		r->jitter_ns = 0;
		return r->has_jitter = parse_share(value, &r->jitter_share) ||
			parse_duration(value, &r->jitter_ns);
	}
	if (strcmp(key, "loss") == 0)
		return r->has_loss = parse_share(value, &r->loss);
	if (strcmp(key, "blackhole") == 0)
		return r->has_hole = parse_hole(value, &r->hole);
	return false;
}

/* The rule of exactly this prefix, made where there is none. */
static struct rule *
find_rule(const char *text, const struct prefix *p)
{
	size_t i, at = 0;

	for (i = 0; i < rule_count; i++) {
		if (rules[i].prefix.bits == p->bits &&
			memcmp(rules[i].prefix.addr, p->addr, sizeof(p->addr)) == 0)
			return &rules[i];
		if (rules[i].prefix.bits >= p->bits)
			at = i + 1;
	}
	if (rule_count == MAX_RULES)
		return NULL;
	memmove(&rules[at + 1], &rules[at], (rule_count - at) * sizeof(rules[0]));
	rule_count++;
	memset(&rules[at], 0, sizeof(rules[at]));
	rules[at].prefix = *p;
	snprintf(rules[at].text, sizeof(rules[at].text), "%s", text);
	return &rules[at];
}

static const char *
obey_set(char **words, int count)
{
	struct prefix p;
	struct rule *r, changed;
	int i;

	if (count < 4 || count % 2 != 0)
		return "set PREFIX KEY VALUE ...";
	if (!prefix_parse(words[1], &p))
		return "bad prefix";
	r = find_rule(words[1], &p);
	if (r == NULL)
		return "too many rules";
	changed = *r;
	for (i = 2; i < count; i += 2)
		if (!set_value(&changed, words[i], words[i + 1]))
			return "bad key or value";
	*r = changed;
	return NULL;
}

static const char *
obey_unset(const char *text)
{
	struct prefix p;
	size_t i;

	if (!prefix_parse(text, &p))
		return "bad prefix";
	for (i = 0; i < rule_count; i++) {
		if (rules[i].prefix.bits != p.bits || memcmp(rules[i].prefix.addr, p.addr, 16) != 0)
			continue;
		memmove(&rules[i], &rules[i + 1], (rule_count - i - 1) * sizeof(rules[0]));
		rule_count--;
		return NULL;
	}
	return "no such rule";
}

static void
show(char *out, size_t size)
{
	static const char *const holes[] = { "off", "to", "from", "on" };
	size_t i, n = 0;

	*out = '\0';
	for (i = 0; i < rule_count && n < size; i++) {
		const struct rule *r = &rules[i];

		n += (size_t)snprintf(out + n, size - n, "%s%s", n > 0 ? "\n" : "", r->text);
		if (r->has_delay && n < size)
			n += (size_t)snprintf(
				out + n, size - n, " delay %.3fms", (double)r->delay_ns / 1e6);
		if (r->has_jitter && n < size)
			n += (size_t)snprintf(out + n, size - n, " jitter %.3fms %g%%",
				(double)r->jitter_ns / 1e6, r->jitter_share * 100);
		if (r->has_loss && n < size)
			n += (size_t)snprintf(out + n, size - n, " loss %g%%", r->loss * 100);
		if (r->has_hole && n < size)
			n += (size_t)snprintf(out + n, size - n, " blackhole %s", holes[r->hole]);
	}
}

void
rules_obey(char *line, char *out, size_t size)
{
	char *words[64], *save = NULL, *w;
	const char *wrong = "no such command";
	int count = 0;

	for (w = strtok_r(line, " \t\r\n", &save); w != NULL && count < 64;
		w = strtok_r(NULL, " \t\r\n", &save))
		words[count++] = w;
	if (count >= 1 && strcmp(words[0], "set") == 0) {
		wrong = obey_set(words, count);
	} else if (count == 2 && strcmp(words[0], "unset") == 0) {
		wrong = obey_unset(words[1]);
	} else if (count == 1 && strcmp(words[0], "show") == 0) {
		show(out, size);
		return;
	}
	if (wrong != NULL)
		snprintf(out, size, "error: %s", wrong);
	else
		snprintf(out, size, "ok");
}
