/* What the tests of the configuration share: text in, configuration or report out. */
#ifndef IAIDO_TESTS_CONF_CASE_H
#define IAIDO_TESTS_CONF_CASE_H

#include <stdio.h>
#include <string.h>

#include "iaido/conf.h"
#include "iaido/text.h"
#include "unit.h"

/* The shortest file that is good: one frontend, one backend. */
#define TARGETS "targets: [{hosts: [b], port: 1}]"
#define POOL "backendPool: {tiers: [{" TARGETS "}]}"
#define FRONTENDS "frontends: [{" POOL "}]\n"

/* What conf_parse() returned, and the report as one text, a finding a line. */
struct conf_case {
	int result;
	struct conf *conf;
	struct conf_report report;
	char errors[16384];
	char warnings[16384];
};

static inline void
join_lines(char *out, size_t size, char *const *lines, size_t count)
{
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < count && len < size; i++)
		len += (size_t)snprintf(out + len, size - len, "%s\n", lines[i]);
}

static inline void
conf_case_parse_bytes(struct conf_case *k, const void *data, size_t len)
{
	memset(k, 0, sizeof(*k));
	k->result = conf_parse("f", data, len, &k->conf, &k->report);
	join_lines(k->errors, sizeof(k->errors), k->report.errors, k->report.error_count);
	join_lines(k->warnings, sizeof(k->warnings), k->report.warnings, k->report.warning_count);
	ck_assert_int_eq(k->result == 0, k->conf != NULL);
	ck_assert_int_eq(k->result == 0, k->report.error_count == 0);
}

static inline void
conf_case_parse(struct conf_case *k, const char *text)
{
	conf_case_parse_bytes(k, text, strlen(text));
}

static inline void
conf_case_fini(struct conf_case *k)
{
	conf_free(k->conf);
	conf_report_fini(&k->report);
}

/* The file is good; the caller frees. */
static inline struct conf *
conf_case_good(const char *text)
{
	struct conf_case k;

	conf_case_parse(&k, text);
	ck_assert_msg(k.result == 0, "%s\n%s", text, k.errors);
	conf_report_fini(&k.report);
	return k.conf;
}

/* The report is exactly these lines; each begins after "f:". */
static inline void
conf_case_errors(const char *text, const char *want)
{
	struct conf_case k;

	conf_case_parse(&k, text);
	ck_assert_msg(strcmp(k.errors, want) == 0, "file:\n%s\nreport:\n%s\nwanted:\n%s", text,
		k.errors, want);
	conf_case_fini(&k);
}

static inline void
conf_case_warnings(const char *text, const char *want)
{
	struct conf_case k;

	conf_case_parse(&k, text);
	ck_assert_msg(k.result == 0, "file:\n%s\nreport:\n%s", text, k.errors);
	ck_assert_msg(strcmp(k.warnings, want) == 0, "file:\n%s\nreport:\n%s\nwanted:\n%s", text,
		k.warnings, want);
	conf_case_fini(&k);
}

/* The configuration as YAML; the caller frees. */
static inline char *
conf_case_yaml(const struct conf *c)
{
	struct text t;

	text_init(&t);
	ck_assert_int_eq(conf_emit_yaml(c, &t), 0);
	return t.data;
}

#endif
