/* The table of keys, and finding what was meant by a key that is not in it. */
#include "config.h"

#include "schema.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "iaido/clock.h"
#include "iaido/conf.h"

#define MS NSEC_PER_MSEC
#define SECOND NSEC_PER_SEC
#define MINUTE (60 * NSEC_PER_SEC)
#define HOUR (60 * MINUTE)
/* A hundred years: a deadline this far from now still fits into a number. */
#define FOREVER (876000 * HOUR)

#define WORD_LEN_MAX 40 /* no key is near to a longer one */

#define KEY(name, what, type, member, text) \
	.key = (name), .kind = (what), .offset = offsetof(type, member), .initial = (text)
#define FIELDS(array) .fields = (array), .field_count = sizeof(array) / sizeof((array)[0])

static const char *const level_names[] = { "debug", "info", "warn", "error", NULL };
static const char *const format_names[] = { "text", "json", NULL };
static const char *const on_failure_names[] = { "keep", "shed", NULL };
static const char *const on_gone_names[] = { "drain", "keep", NULL };

/* clang-format off: one row a key reads better than what it makes of this */
static const struct conf_field target_fields[] = {
	{ KEY("hosts", CONF_KIND_HOSTS, struct target_conf, hosts, NULL),
		.count_offset = offsetof(struct target_conf, host_count),
		.flags = CONF_REQUIRED | CONF_NOT_EMPTY },
	{ KEY("port", CONF_KIND_PORT, struct target_conf, port, NULL), .min = 1, .max = 65535,
		.flags = CONF_REQUIRED },
	{ .key = "proto", .kind = CONF_KIND_PROTO, .initial = "TCP" },
	{ KEY("disabled", CONF_KIND_BOOL, struct target_conf, disabled, "false") },
};

static const struct conf_section target_section = {
	FIELDS(target_fields),
	sizeof(struct target_conf),
	offsetof(struct target_conf, mark),
};

static const struct conf_field tier_fields[] = {
	{ KEY("dialTimeout", CONF_KIND_DURATION, struct tier_conf, dial_timeout_ns, "2s"),
		.min = MS, .max = FOREVER },
	{ KEY("dialFailureTimeout", CONF_KIND_DURATION, struct tier_conf, dial_failure_timeout_ns,
		  "1s"),
		.min = MS, .max = FOREVER, .flags = CONF_ZERO_IS_DEFAULT },
	{ KEY("forcePromotionAfter", CONF_KIND_DURATION, struct tier_conf, force_promotion_after_ns,
		  "0s"),
		.min = MS, .max = FOREVER, .flags = CONF_ZERO_ALLOWED, .special = "0 = never" },
	{ KEY("maxBackendConnections", CONF_KIND_NUMBER, struct tier_conf, max_backend_connections,
		  "0"),
		.min = 0, .max = INT32_MAX, .special = "0 = no limit" },
	{ KEY("targets", CONF_KIND_LIST, struct tier_conf, targets, NULL),
		.section = &target_section,
		.count_offset = offsetof(struct tier_conf, target_count), .max = CONF_BACKENDS_MAX,
		.flags = CONF_REQUIRED | CONF_NOT_EMPTY },
};

static const struct conf_section tier_section = {
	FIELDS(tier_fields),
	sizeof(struct tier_conf),
	offsetof(struct tier_conf, mark),
};

static const struct conf_field pool_fields[] = {
	{ KEY("latencyBucket", CONF_KIND_DURATION, struct pool_conf, latency_bucket_ns, "10ms"),
		.min = 1, .max = FOREVER, .flags = CONF_ZERO_IS_DEFAULT | CONF_NEGATIVE_ALLOWED,
		.special = "negative = no probing" },
	{ KEY("maintenanceTime", CONF_KIND_DURATION, struct pool_conf, maintenance_time_ns, "30s"),
		.min = 10 * MS, .max = FOREVER, .flags = CONF_ZERO_IS_DEFAULT },
	{ KEY("hedgeDelay", CONF_KIND_DURATION, struct pool_conf, hedge_delay_ns, "300ms"),
		.min = MS, .max = FOREVER, .flags = CONF_ZERO_ALLOWED,
		.special = "0 = one dial at a time" },
	{ KEY("onFailure", CONF_KIND_ENUM, struct pool_conf, on_failure, "keep"),
		.names = on_failure_names },
	{ KEY("onGone", CONF_KIND_ENUM, struct pool_conf, on_gone, "drain"),
		.names = on_gone_names },
	{ KEY("tiers", CONF_KIND_LIST, struct pool_conf, tiers, NULL), .section = &tier_section,
		.count_offset = offsetof(struct pool_conf, tier_count), .max = UINT16_MAX,
		.flags = CONF_REQUIRED | CONF_NOT_EMPTY },
};

static const struct conf_section pool_section = {
	FIELDS(pool_fields),
	sizeof(struct pool_conf),
	SIZE_MAX,
};

/* The kernel takes whole seconds, at most 32767 of them, and 127 probes. */
static const struct conf_field tcp_fields[] = {
	{ KEY("keepAliveIdle", CONF_KIND_DURATION, struct keepalive_conf, idle_ns, "15s"),
		.min = SECOND, .max = 32767 * SECOND },
	{ KEY("keepAliveInterval", CONF_KIND_DURATION, struct keepalive_conf, interval_ns, "15s"),
		.min = SECOND, .max = 32767 * SECOND },
	{ KEY("keepAliveCount", CONF_KIND_NUMBER, struct keepalive_conf, count, "3"), .min = 1,
		.max = 127 },
	{ KEY("userTimeout", CONF_KIND_DURATION, struct keepalive_conf, user_timeout_ns, "1m0s"),
		.min = MS, .max = 576 * HOUR, .flags = CONF_ZERO_ALLOWED,
		.special = "0 = the kernel's" },
};

static const struct conf_section tcp_section = {
	FIELDS(tcp_fields),
	sizeof(struct keepalive_conf),
	SIZE_MAX,
};

static const struct conf_field frontend_fields[] = {
	{ KEY("bindAddress", CONF_KIND_BIND, struct frontend_conf, bind_address, ":0") },
	{ KEY("maxConnections", CONF_KIND_NUMBER, struct frontend_conf, max_connections, "0"),
		.min = 0, .max = INT32_MAX, .special = "0 = what the descriptor limit allows" },
	{ KEY("idleDuration", CONF_KIND_DURATION, struct frontend_conf, idle_duration_ns, "1h0m0s"),
		.min = MS, .max = FOREVER, .flags = CONF_ZERO_IS_DEFAULT | CONF_NEGATIVE_ALLOWED,
		.special = "negative = never" },
	{ KEY("halfCloseDuration", CONF_KIND_DURATION, struct frontend_conf, half_close_duration_ns,
		  "5m0s"),
		.min = MS, .max = FOREVER, .flags = CONF_NEGATIVE_ALLOWED,
		.special = "negative = never" },
	{ KEY("maxConnectionAge", CONF_KIND_DURATION, struct frontend_conf, max_connection_age_ns,
		  "0s"),
		.min = MS, .max = FOREVER, .flags = CONF_ZERO_ALLOWED, .special = "0 = never" },
	{ KEY("rebalanceDuration", CONF_KIND_DURATION, struct frontend_conf, rebalance_duration_ns,
		  "10s"),
		.min = 10 * MS, .max = FOREVER, .flags = CONF_ZERO_IS_DEFAULT },
	{ KEY("waitTimeout", CONF_KIND_DURATION, struct frontend_conf, wait_timeout_ns, "30s"),
		.min = MS, .max = FOREVER },
	{ KEY("backlog", CONF_KIND_NUMBER, struct frontend_conf, backlog, "4096"), .min = 1,
		.max = 65535 },
	{ KEY("tcp", CONF_KIND_SECTION, struct frontend_conf, tcp, NULL), .section = &tcp_section },
	{ KEY("backendPool", CONF_KIND_SECTION, struct frontend_conf, pool, NULL),
		.section = &pool_section, .flags = CONF_REQUIRED },
};

static const struct conf_section frontend_section = {
	FIELDS(frontend_fields),
	sizeof(struct frontend_conf),
	offsetof(struct frontend_conf, mark),
};

static const struct conf_field resolver_fields[] = {
	{ KEY("servers", CONF_KIND_SERVERS, struct resolver_conf, servers, NULL),
		.count_offset = offsetof(struct resolver_conf, server_count) },
	{ KEY("minTTL", CONF_KIND_DURATION, struct resolver_conf, min_ttl_ns, "1s"), .min = MS,
		.max = FOREVER },
	{ KEY("maxTTL", CONF_KIND_DURATION, struct resolver_conf, max_ttl_ns, "1m0s"), .min = MS,
		.max = FOREVER },
	{ KEY("timeout", CONF_KIND_DURATION, struct resolver_conf, timeout_ns, "2s"), .min = MS,
		.max = HOUR },
};

static const struct conf_section resolver_section = {
	FIELDS(resolver_fields),
	sizeof(struct resolver_conf),
	SIZE_MAX,
};

static const struct conf_field log_fields[] = {
	{ KEY("level", CONF_KIND_ENUM, struct log_conf, level, "info"), .names = level_names },
	{ KEY("format", CONF_KIND_ENUM, struct log_conf, format, "text"), .names = format_names },
	{ KEY("target", CONF_KIND_LOG_TARGET, struct log_conf, target, "stderr") },
	{ KEY("connections", CONF_KIND_BOOL, struct log_conf, connections, "false") },
};

static const struct conf_section log_section = {
	FIELDS(log_fields),
	sizeof(struct log_conf),
	SIZE_MAX,
};

static const struct conf_field conf_fields[] = {
	{ KEY("diagAddr", CONF_KIND_DIAG, struct conf, diag_addr, NULL) },
	{ KEY("gracePeriod", CONF_KIND_DURATION, struct conf, grace_period_ns, "5s"), .min = MS,
		.max = FOREVER, .flags = CONF_ZERO_IS_DEFAULT },
	{ KEY("keepAccepting", CONF_KIND_BOOL, struct conf, keep_accepting, "false") },
	{ KEY("drainTimeout", CONF_KIND_DURATION, struct conf, drain_timeout_ns, "0s"), .min = MS,
		.max = FOREVER, .flags = CONF_ZERO_ALLOWED, .special = "0 = until they end" },
	{ KEY("maxGenerations", CONF_KIND_NUMBER, struct conf, max_generations, "32"), .min = 1,
		.max = 1024 },
	{ KEY("workers", CONF_KIND_WORKERS, struct conf, workers, "auto"), .min = 1,
		.max = CONF_WORKERS_MAX },
	{ KEY("user", CONF_KIND_STRING, struct conf, user, NULL) },
	{ KEY("group", CONF_KIND_STRING, struct conf, group, NULL) },
	{ KEY("pidFile", CONF_KIND_STRING, struct conf, pid_file, NULL) },
	{ KEY("log", CONF_KIND_SECTION, struct conf, log, NULL), .section = &log_section },
	{ KEY("resolver", CONF_KIND_SECTION, struct conf, resolver, NULL),
		.section = &resolver_section },
	{ KEY("frontends", CONF_KIND_LIST, struct conf, frontends, NULL),
		.section = &frontend_section, .count_offset = offsetof(struct conf, frontend_count),
		.max = CONF_FRONTENDS_MAX, .flags = CONF_REQUIRED },
};

static const struct conf_section root_section = {
	FIELDS(conf_fields),
	sizeof(struct conf),
	SIZE_MAX,
};
/* clang-format on */

const struct conf_section *
schema_root(void)
{
	return &root_section;
}

const struct conf_field *
schema_find_field(const struct conf_section *section, const char *key)
{
	for (size_t i = 0; i < section->field_count; i++)
		if (strcmp(section->fields[i].key, key) == 0)
			return &section->fields[i];
	return NULL;
}

static unsigned
min3(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;

	return m < c ? m : c;
}

unsigned
schema_word_distance(const char *a, const char *b)
{
	unsigned row[WORD_LEN_MAX + 1];
	size_t a_len = strlen(a), b_len = strlen(b);

	if (a_len > WORD_LEN_MAX || b_len > WORD_LEN_MAX)
		return UINT_MAX;
	for (unsigned j = 0; j <= b_len; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= b_len; j++) {
			unsigned change = diagonal;

			if (tolower((unsigned char)a[i - 1]) != tolower((unsigned char)b[j - 1]))
				change++;
			diagonal = row[j];
			row[j] = min3(row[j] + 1, row[j - 1] + 1, change);
		}
	}
	return row[b_len];
}

const char *
schema_find_similar(const struct conf_section *section, const char *key)
{
	unsigned best = (unsigned)strlen(key) * 2 / 5 + 1;
	const char *found = NULL;

	for (size_t i = 0; i < section->field_count; i++) {
		unsigned distance = schema_word_distance(section->fields[i].key, key);

		if (distance < best) {
			best = distance;
			found = section->fields[i].key;
		}
	}
	return found;
}

static bool
find_home(const struct conf_section *section, const char *key, char *buf, size_t size, size_t len)
{
	for (size_t i = 0; i < section->field_count; i++) {
		const struct conf_field *f = &section->fields[i];
		int n;

		if (strcmp(f->key, key) == 0)
			return true;
		if (!f->section)
			continue;
		n = snprintf(buf + len, size - len, "%s%s%s", len > 0 ? "." : "", f->key,
			f->kind == CONF_KIND_LIST ? "[]" : "");
		if (n > 0 && (size_t)n < size - len &&
			find_home(f->section, key, buf, size, len + (size_t)n))
			return true;
		buf[len] = '\0';
	}
	return false;
}

bool
schema_find_home(const char *key, char *buf, size_t size)
{
	buf[0] = '\0';
	return find_home(&root_section, key, buf, size, 0);
}
