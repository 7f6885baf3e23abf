/*
 * dnsd's zone: a list of lines, each a record or a behaviour, searched from the start for each
 * query (it is short).
 */
#include "config.h"

#include "dnsd.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

static const char *const what_names[DO_COUNT] = {
	"answer",
	"delay",
	"silent",
	"nxdomain",
	"servfail",
	"refused",
	"formerr",
	"notimp",
	"nodata",
	"truncate",
	"wrongid",
	"wrongname",
	"wrongtype",
	"wrongport",
	"wrongaddr",
	"spoofed",
	"garbage",
	"short",
	"empty",
	"loop",
	"badcount",
	"badlength",
	"big",
	"close",
};

static struct entry *zone, **zone_end = &zone;

static void
zone_delete(const char *name)
{
	struct entry **p = &zone, *e;

	while ((e = *p) != NULL) {
		if (name == NULL || strcasecmp(e->name, name) == 0) {
			*p = e->next;
			free(e);
		} else {
			p = &e->next;
		}
	}
	zone_end = p;
}

static struct entry *
zone_add(const char *name)
{
	struct entry *e = calloc(1, sizeof(*e));

	if (e == NULL)
		die("calloc");
	snprintf(e->name, sizeof(e->name), "%s", name);
	*zone_end = e;
	zone_end = &e->next;
	return e;
}

static bool
add_addresses(const char *name, int type, uint32_t ttl, const char *text, int count)
{
	uint8_t addr[16];

	if (inet_pton(type == TYPE_A ? AF_INET : AF_INET6, text, addr) != 1)
		return false;
	while (count-- > 0) {
		struct entry *e = zone_add(name);
		int i = type == TYPE_A ? 3 : 15;

		e->type = type;
		e->ttl = ttl;
		memcpy(e->addr, addr, sizeof(addr));
		while (i >= 0 && ++addr[i] == 0)
			i--;
	}
	return true;
}

static const char *
add_rule(const char *name, char **words, int count)
{
	struct entry *e;
	enum what w;
	int i = 1;

	for (w = 0; w < DO_COUNT; w++)
		if (count > 0 && strcmp(words[0], what_names[w]) == 0)
			break;
	if (w == DO_COUNT)
		return "no such behaviour";
	e = zone_add(name);
	e->is_rule = true;
	e->what = w;
	e->transports = UDP | TCP;
	if (w == DO_DELAY && i < count)
		e->delay_ms = (int)strtol(words[i++], NULL, 10);
	for (; i < count; i++) {
		if (strcmp(words[i], "A") == 0)
			e->type = TYPE_A;
		else if (strcmp(words[i], "AAAA") == 0)
			e->type = TYPE_AAAA;
		else if (strcmp(words[i], "udp") == 0)
			e->transports = UDP;
		else if (strcmp(words[i], "tcp") == 0)
			e->transports = TCP;
		else
			return "not A, AAAA, udp or tcp";
	}
	return NULL;
}

const char *
zone_line(char *line)
{
	char *words[256], *save = NULL, *w, *hash = strchr(line, '#');
	int count = 0, i;
	uint32_t ttl;

	if (hash != NULL)
		*hash = '\0';
	for (w = strtok_r(line, " \t\r\n", &save); w != NULL && count < 256;
		w = strtok_r(NULL, " \t\r\n", &save))
		words[count++] = w;
	if (count == 0)
		return NULL;
	if (count == 1 && strcmp(words[0], "clear") == 0) {
		zone_delete(NULL);
		return NULL;
	}
	if (count == 2 && strcmp(words[1], "del") == 0) {
		zone_delete(words[0]);
		return NULL;
	}
	if (count >= 3 && strcmp(words[1], "do") == 0)
		return add_rule(words[0], words + 2, count - 2);
	if (count == 5 && strcmp(words[1], "many") == 0)
		return add_addresses(words[0], strchr(words[4], ':') ? TYPE_AAAA : TYPE_A,
			       (uint32_t)strtoul(words[3], NULL, 10), words[4],
			       (int)strtol(words[2], NULL, 10))
			? NULL
			: "bad address";
	if (count < 4)
		return "too few words";
	ttl = (uint32_t)strtoul(words[2], NULL, 10);
	if (strcmp(words[1], "CNAME") == 0) {
		struct entry *e = zone_add(words[0]);

		e->type = TYPE_CNAME;
		e->ttl = ttl;
		snprintf(e->target, sizeof(e->target), "%s", words[3]);
		return NULL;
	}
	if (strcmp(words[1], "A") != 0 && strcmp(words[1], "AAAA") != 0)
		return "no such type";
	for (i = 3; i < count; i++)
		if (!add_addresses(
			    words[0], words[1][1] == '\0' ? TYPE_A : TYPE_AAAA, ttl, words[i], 1))
			return "bad address";
	return NULL;
}

void
zone_refresh(const char *path)
{
	static struct stat last;
	struct stat st;
	char line[16384];
	const char *wrong;
	FILE *f;
	int n = 0;

	if (stat(path, &st) < 0 ||
		(st.st_ino == last.st_ino && st.st_size == last.st_size &&
			st.st_mtim.tv_sec == last.st_mtim.tv_sec &&
			st.st_mtim.tv_nsec == last.st_mtim.tv_nsec))
		return;
	if ((f = fopen(path, "re")) == NULL)
		return;
	last = st;
	zone_delete(NULL);
	while (fgets(line, sizeof(line), f) != NULL) {
		n++;
		if ((wrong = zone_line(line)) != NULL)
			printf("error: %s:%d: %s\n", path, n, wrong);
	}
	fclose(f);
}

const char *
zone_name(const char *name)
{
	const struct entry *e;
	const char *found = NULL;

	for (e = zone; e != NULL; e = e->next) {
		if (strcasecmp(e->name, name) == 0)
			return e->name;
		if (strcmp(e->name, "*") == 0)
			found = e->name;
	}
	return found;
}

enum what
zone_rule(const struct query *q, int *delay_ms)
{
	const char *name = zone_name(q->name);
	const struct entry *e;
	bool found = false;
	enum what w = DO_ANSWER;

	*delay_ms = 0;
	for (e = zone; e != NULL; e = e->next) {
		if (!e->is_rule || strcasecmp(e->name, name != NULL ? name : "") != 0 ||
			(e->type != 0 && e->type != q->type) ||
			!(e->transports & q->peer.transport))
			continue;
		if (e->what == DO_DELAY) {
			*delay_ms += e->delay_ms;
		} else if (!found) {
			w = e->what;
			found = true;
		}
	}
	return w;
}

const struct entry *
zone_first(void)
{
	return zone;
}
