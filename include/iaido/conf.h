/* The configuration as a value: what the YAML file means, every default filled in. */
#ifndef IAIDO_CONF_H
#define IAIDO_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "iaido/addr.h"
#include "iaido/log.h"
#include "iaido/macros.h"

struct text;

#define CONF_WORKERS_AUTO 0
#define CONF_WORKERS_MAX 1024
#define CONF_BACKENDS_MAX 65536
#define CONF_FRONTENDS_MAX 4096
#define CONF_ERRORS_MAX 20

enum conf_on_failure { CONF_ON_FAILURE_KEEP, CONF_ON_FAILURE_SHED };
enum conf_on_gone { CONF_ON_GONE_DRAIN, CONF_ON_GONE_KEEP };

/* Where in the file something stood, for messages that name it. Lines and columns count from 1. */
struct conf_mark {
	uint32_t line;
	uint32_t column;
};

struct target_conf {
	char **hosts;
	size_t host_count;
	uint16_t port;
	bool disabled;
	struct conf_mark mark;
};

struct tier_conf {
	int64_t dial_timeout_ns;
	int64_t dial_failure_timeout_ns;
	int64_t force_promotion_after_ns; /* 0 = never */
	uint32_t max_backend_connections; /* 0 = no limit */
	struct target_conf *targets;
	size_t target_count;
	struct conf_mark mark;
};

struct pool_conf {
	int64_t latency_bucket_ns; /* negative = no probing, no automatic tiers */
	int64_t maintenance_time_ns;
	int64_t hedge_delay_ns; /* 0 = one dial at a time */
	enum conf_on_failure on_failure;
	enum conf_on_gone on_gone;
	struct tier_conf *tiers;
	size_t tier_count;
};

struct keepalive_conf {
	int64_t idle_ns;
	int64_t interval_ns;
	uint32_t count;
	int64_t user_timeout_ns; /* 0 = the kernel's */
};

struct frontend_conf {
	char *bind_address; /* normalised: "host:port", empty host = all addresses */
	char *bind_host; /* "" = all addresses, both families; no brackets */
	uint16_t bind_port; /* 0 = any */
	uint32_t max_connections; /* 0 = what the descriptor limit allows */
	int64_t idle_duration_ns; /* negative = never */
	int64_t half_close_duration_ns; /* negative = never */
	int64_t max_connection_age_ns; /* 0 = never */
	int64_t rebalance_duration_ns;
	int64_t wait_timeout_ns;
	uint32_t backlog;
	struct keepalive_conf tcp;
	struct pool_conf pool;
	struct conf_mark mark;
};

struct resolver_conf {
	struct addr *servers; /* none = /etc/resolv.conf */
	size_t server_count;
	int64_t min_ttl_ns;
	int64_t max_ttl_ns;
	int64_t timeout_ns;
};

struct log_conf {
	enum log_level level;
	enum log_format format;
	char *target;
	bool connections;
};

struct conf {
	char *diag_addr; /* normalised "host:port" or "unix:/path"; NULL = none */
	int64_t grace_period_ns;
	bool keep_accepting;
	int64_t drain_timeout_ns; /* 0 = until they end */
	uint32_t max_generations;
	uint32_t workers; /* CONF_WORKERS_AUTO or 1..CONF_WORKERS_MAX */
	char *user; /* NULL = none */
	char *group;
	char *pid_file;
	struct log_conf log;
	struct resolver_conf resolver;
	struct frontend_conf *frontends;
	size_t frontend_count;
};

/* The faults and warnings of one load, each a whole line "FILE:LINE:COL: path: what". */
struct conf_report {
	char *errors[CONF_ERRORS_MAX];
	size_t error_count;
	char *warnings[CONF_ERRORS_MAX];
	size_t warning_count;
};

void conf_report_fini(struct conf_report *r);

/* Reads, parses and validates a file (a regular file or a symlink to one, at most 1 MiB). Returns
 * 0 and a new value, or -errno (-EINVAL: see the report); *out is set on success only. */
int conf_load(const char *path, struct conf **out, struct conf_report *report) MUST_CHECK;
/* The same from memory; `name` stands for the file in messages. */
int conf_parse(const char *name, const void *data, size_t len, struct conf **out,
	struct conf_report *report) MUST_CHECK;
void conf_free(struct conf *c);

/* Only the diagAddr of a file, which may have faults elsewhere: *out is the caller's to free, NULL
 * without a good one, whatever is returned (as by conf_load()). */
int conf_load_diag_addr(const char *path, char **out, struct conf_report *report) MUST_CHECK;

/* Whether two configurations mean the same. */
bool conf_equal(const struct conf *a, const struct conf *b);

/* The complete normalised configuration, as YAML that conf_parse() takes, or as JSON. */
int conf_emit_yaml(const struct conf *c, struct text *out) MUST_CHECK;
int conf_emit_json(const struct conf *c, struct text *out) MUST_CHECK;

#endif
