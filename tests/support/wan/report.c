/*
 * Keeps what the load program saw, and sums it up. A second's line of key=value: clients greeted,
 * failed, broken, their worst wait (ms), long sessions cut and hung; for each region the clients it
 * greeted, and as REGION_long the long sessions it has. A phase's:
 *
 *     phase secs             its name, its length
 *     new failed broken      clients that began in it; not greeted; greeted and then left
 *     astray                 clients that began in the second before it and failed, or waited, into
 *                            it: what the change of scene caught halfway, counted here only
 *     p50 p99 worst          ms from connect to greeting, of those that began in it
 *     p99_later              the same, of those that began 0.5 s into it or later
 *     home                   share of the greeted that were greeted by the home region, %
 *     first_home ninety_home s until the first client was greeted there; and until 90 % of those
 *                            greeted in a quarter of a second, and in the next, were (- : never)
 *     cut cut_second         long sessions that ended while working; most of them in one second
 *     hung hung_worst        long sessions that ended while waiting for an answer for more than 1 s;
 *                            the longest wait (s)
 *     thawed                 that waited more than 1 s and went on
 *     left left_worst        that were still waiting at its end; for how long (s)
 */
#include "config.h"

#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_REGIONS = 16 };

struct region {
	char name[NAME_MAX_LEN];
	size_t greeted; /* in this second */
	size_t long_now; /* sessions it has */
};

static struct event *events;
static size_t event_count, event_size;

/* What happened in the second under way. */
static struct {
	size_t greeted, failed, broken, cut, hung;
	int64_t worst_ns;
	struct region regions[MAX_REGIONS];
	size_t region_count;
} second;

/* The region of a backend's name; the last place is for those that found none. */
static struct region *
find_region(const char *name)
{
	const char *dash = strrchr(name, '-');
	int len = dash != NULL ? (int)(dash - name) : (int)strlen(name);
	struct region *r = second.regions;

	for (; r < second.regions + second.region_count; r++)
		if (strncmp(r->name, name, (size_t)len) == 0 && r->name[len] == '\0')
			return r;
	if (second.region_count == MAX_REGIONS)
		return r - 1;
	second.region_count++;
	snprintf(r->name, sizeof(r->name), "%.*s", len, name);
	return r;
}

static void
count_in_second(enum event_kind kind, int64_t value_ns, const char *name)
{
	if (kind == EVENT_GREETED) {
		second.greeted++;
		find_region(name)->greeted++;
		if (value_ns > second.worst_ns)
			second.worst_ns = value_ns;
	} else if (kind == EVENT_LONG_UP) {
		find_region(name)->long_now++;
	} else if (kind == EVENT_LONG_CUT || kind == EVENT_LONG_HUNG) {
		find_region(name)->long_now--;
	}
	second.failed += kind == EVENT_FAILED;
	second.broken += kind == EVENT_BROKEN;
	second.cut += kind == EVENT_LONG_CUT;
	second.hung += kind == EVENT_LONG_HUNG;
}

void
record(enum event_kind kind, int64_t at_ns, int64_t value_ns, const char *name)
{
	struct event *e;

	count_in_second(kind, value_ns, name);
	if (event_count == event_size) {
		size_t size = event_size > 0 ? event_size * 2 : 4096;

		e = realloc(events, size * sizeof(*e));
		if (e == NULL) {
			perror("load");
			exit(1);
		}
		events = e;
		event_size = size;
	}
	e = &events[event_count++];
	memset(e, 0, sizeof(*e));
	e->kind = kind;
	e->at_ns = at_ns;
	e->value_ns = value_ns;
	snprintf(e->name, sizeof(e->name), "%s", name);
}

void
report_events(const char *path)
{
	static const char *const kinds[] = { "greeted", "failed", "broken", "long-up", "long-cut",
		"long-hung", "long-thawed", "long-left", "mark" };
	FILE *f = fopen(path, "we");
	size_t i;

	if (f == NULL) {
		perror(path);
		return;
	}
	for (i = 0; i < event_count; i++)
		fprintf(f, "%.6f %s %.3f %s\n", (double)events[i].at_ns / 1e9,
			kinds[events[i].kind], (double)events[i].value_ns / 1e6, events[i].name);
	fclose(f);
}

static int
compare_ns(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static bool
is_of(const char *name, const char *region)
{
	size_t len = strlen(region);

	return strncmp(name, region, len) == 0 && (name[len] == '-' || name[len] == '\0');
}

static bool
is_in(const struct event *e, int64_t from_ns, int64_t to_ns)
{
	return e->at_ns >= from_ns && e->at_ns < to_ns;
}

static double
in_ms(int64_t ns)
{
	return (double)ns / 1e6;
}

/* Prints p50, p99 and worst wait of the clients that began in a time. */
static void
print_waits(int64_t from_ns, int64_t to_ns, bool only_p99)
{
	int64_t *waits = malloc((event_count + 1) * sizeof(*waits));
	size_t i, n = 0;

	if (waits == NULL)
		return;
	for (i = 0; i < event_count; i++)
		if (events[i].kind == EVENT_GREETED && is_in(&events[i], from_ns, to_ns))
			waits[n++] = events[i].value_ns;
	qsort(waits, n, sizeof(*waits), compare_ns);
	if (n == 0)
		printf(only_p99 ? " p99_later=-" : " p50=- p99=- worst=-");
	else if (only_p99)
		printf(" p99_later=%.1f", in_ms(waits[n * 99 / 100]));
	else
		printf(" p50=%.1f p99=%.1f worst=%.1f", in_ms(waits[n / 2]),
			in_ms(waits[n * 99 / 100]), in_ms(waits[n - 1]));
	free(waits);
}

/* Of the clients greeted in a time, how many were greeted at home. */
static size_t
count_greeted(const char *home, int64_t from_ns, int64_t to_ns, size_t *at_home)
{
	size_t i, n = 0;

	*at_home = 0;
	for (i = 0; i < event_count; i++) {
		const struct event *e = &events[i];
		int64_t end_ns = e->at_ns + e->value_ns;

		if (e->kind != EVENT_GREETED || end_ns < from_ns || end_ns >= to_ns)
			continue;
		n++;
		*at_home += is_of(e->name, home);
	}
	return n;
}

static void
print_home(const char *home, int64_t from_ns, int64_t to_ns)
{
	const int64_t step_ns = 250000000;
	size_t i, n, at_home, total = 0, total_at_home = 0, good_steps = 0;
	int64_t t, first_ns = -1, ninety_ns = -1;

	for (i = 0; i < event_count; i++) {
		const struct event *e = &events[i];
		int64_t end_ns = e->at_ns + e->value_ns;

		if (e->kind != EVENT_GREETED || !is_in(e, from_ns, to_ns))
			continue;
		total++;
		if (!is_of(e->name, home))
			continue;
		total_at_home++;
		if (first_ns < 0 || end_ns - from_ns < first_ns)
			first_ns = end_ns - from_ns;
	}
	for (t = from_ns; t + step_ns <= to_ns && ninety_ns < 0; t += step_ns) {
		n = count_greeted(home, t, t + step_ns, &at_home);
		good_steps = n > 0 && at_home * 10 >= n * 9 ? good_steps + 1 : 0;
		if (good_steps == 2)
			ninety_ns = t - step_ns - from_ns;
	}
	printf(" home=%.1f", total > 0 ? 100.0 * (double)total_at_home / (double)total : 0);
	if (first_ns >= 0)
		printf(" first_home=%.2f", (double)first_ns / 1e9);
	else
		printf(" first_home=-");
	if (ninety_ns >= 0)
		printf(" ninety_home=%.2f", (double)ninety_ns / 1e9);
	else
		printf(" ninety_home=-");
}

static void
print_clients(int64_t from_ns, int64_t to_ns)
{
	size_t i, began = 0, failed = 0, broken = 0, astray = 0;

	for (i = 0; i < event_count; i++) {
		const struct event *e = &events[i];
		int64_t end_ns = e->at_ns + e->value_ns;
		bool fell_over = end_ns >= to_ns && e->at_ns > to_ns - 1000000000;

		if (e->kind > EVENT_BROKEN)
			continue;
		if (is_in(e, from_ns, to_ns)) {
			began += e->kind != EVENT_BROKEN;
			failed += e->kind == EVENT_FAILED && !fell_over;
			broken += e->kind == EVENT_BROKEN && !fell_over;
		} else if (is_in(e, from_ns - 1000000000, from_ns) && end_ns >= from_ns) {
			astray += e->kind != EVENT_GREETED || e->value_ns > 200000000;
		}
	}
	printf(" new=%zu failed=%zu broken=%zu astray=%zu", began, failed, broken, astray);
}

/* How many of one kind happened, and their largest value. */
static size_t
count_kind(enum event_kind kind, int64_t from_ns, int64_t to_ns, double *worst_s)
{
	size_t i, n = 0;
	int64_t worst_ns = 0;

	for (i = 0; i < event_count; i++) {
		if (events[i].kind != kind || !is_in(&events[i], from_ns, to_ns))
			continue;
		n++;
		if (events[i].value_ns > worst_ns)
			worst_ns = events[i].value_ns;
	}
	*worst_s = (double)worst_ns / 1e9;
	return n;
}

static void
print_long(int64_t from_ns, int64_t to_ns)
{
	size_t i, j, n, cut_second = 0, cut, hung;
	double worst_s;

	for (i = 0; i < event_count; i++) { /* events come in order of time, but for clients' */
		if (events[i].kind != EVENT_LONG_CUT || !is_in(&events[i], from_ns, to_ns))
			continue;
		for (n = 0, j = i; j < event_count; j++)
			n += events[j].kind == EVENT_LONG_CUT &&
				is_in(&events[j], events[i].at_ns, events[i].at_ns + 1000000000) &&
				events[j].at_ns < to_ns;
		if (n > cut_second)
			cut_second = n;
	}
	cut = count_kind(EVENT_LONG_CUT, from_ns, to_ns, &worst_s);
	printf(" cut=%zu cut_second=%zu", cut, cut_second);
	hung = count_kind(EVENT_LONG_HUNG, from_ns, to_ns, &worst_s);
	printf(" hung=%zu hung_worst=%.1f", hung, worst_s);
	n = count_kind(EVENT_LONG_THAWED, from_ns, to_ns, &worst_s);
	printf(" thawed=%zu", n);
	n = count_kind(EVENT_LONG_LEFT, from_ns, to_ns, &worst_s);
	printf(" left=%zu left_worst=%.1f", n, worst_s);
}

void
report_phases(const char *home, int64_t end_ns)
{
	size_t i, j;

	for (i = 0; i < event_count; i++) {
		int64_t from_ns = events[i].at_ns, to_ns = end_ns;

		if (events[i].kind != EVENT_MARK)
			continue;
		for (j = i + 1; j < event_count && events[j].kind != EVENT_MARK; j++)
			;
		if (j < event_count)
			to_ns = events[j].at_ns;
		printf("phase=%s secs=%.1f", events[i].name, (double)(to_ns - from_ns) / 1e9);
		print_clients(from_ns, to_ns);
		print_waits(from_ns, to_ns, false);
		print_waits(from_ns + 500000000, to_ns, true);
		print_home(home, from_ns, to_ns);
		print_long(from_ns, to_ns);
		putchar('\n');
	}
}

void
report_second(int64_t now_ns)
{
	static int64_t first_ns;
	size_t i;

	if (first_ns == 0)
		first_ns = now_ns - 1000000000;
	printf("second=%.0f greeted=%zu failed=%zu broken=%zu worst=%.1f cut=%zu hung=%zu",
		(double)(now_ns - first_ns) / 1e9, second.greeted, second.failed, second.broken,
		in_ms(second.worst_ns), second.cut, second.hung);
	for (i = 0; i < second.region_count; i++) {
		struct region *r = &second.regions[i];

		printf(" %s=%zu %s_long=%zu", r->name, r->greeted, r->name, r->long_now);
		r->greeted = 0;
	}
	putchar('\n');
	second.greeted = second.failed = second.broken = second.cut = second.hung = 0;
	second.worst_ns = 0;
}
