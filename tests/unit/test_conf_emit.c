/* What is printed loads again and means and prints the same, as YAML and as JSON. */
#include "config.h"

#include <stdlib.h>

#include "conf/schema.h"
#include "conf_case.h"
#include "iaido/duration.h"
#include "iaido/rng.h"

/* A file of random values for random keys, made along the schema. */
struct maker {
	struct rng rng;
	struct text t;
	int next_port;
};

static void make_section(struct maker *m, const struct conf_section *section, bool in_tiers);

static const char *
pick(struct maker *m, const char *const *words, size_t count)
{
	return words[rng_below(&m->rng, count)];
}

static void
make_duration(struct maker *m, const struct conf_field *f)
{
	char buf[DURATION_TEXT_MAX];
	int64_t max = f->max;

	/* So that the one stays below the other. */
	if (strcmp(f->key, "minTTL") == 0)
		max = 900 * INT64_C(1000000);
	if ((f->flags & CONF_NEGATIVE_ALLOWED) && rng_below(&m->rng, 4) == 0)
		text_add(&m->t, "-7");
	else if ((f->flags & (CONF_ZERO_ALLOWED | CONF_ZERO_IS_DEFAULT)) &&
		rng_below(&m->rng, 4) == 0)
		text_add(&m->t, "0");
	else if (strcmp(f->key, "maxTTL") == 0)
		text_add(&m->t, duration_format(rng_between(&m->rng, 1000000000, max), buf));
	else
		text_add(&m->t, duration_format(rng_between(&m->rng, f->min, max), buf));
}

/* Strings that a careless printer of YAML gets wrong. */
static void
make_string(struct maker *m)
{
	static const char *const words[] = { "x", "null", "~", "yes", "1", "0x1f", "1e3", "- a",
		"a: b", "a #b", "#a", " a ", "'", "\"", "\\", "[a]", "{a}", "*a", "&a", "!a", "%a",
		"@a", "`a", "|", ">", "?", ": ", "a:", "caf\xc3\xa9", "\xe2\x80\xa8",
		"\xf0\x9f\x98\x80", "<<", "=", ".inf", "-", "--- a", "2001-01-01", "12:30:45",
		"/var/log/x y", "a,b" };

	text_add_json(&m->t, pick(m, words, ARRAY_SIZE(words)));
	if (rng_below(&m->rng, 3) == 0) {
		m->t.len--;
		text_add_json(&m->t, pick(m, words, ARRAY_SIZE(words)));
		/* Two JSON strings in a row: join them into one. */
		for (size_t i = m->t.len - 2; i > 0; i--) {
			if (m->t.data[i] == '"' && m->t.data[i - 1] != '\\') {
				memmove(m->t.data + i, m->t.data + i + 1, m->t.len - i);
				m->t.len--;
				break;
			}
		}
	}
}

static void
make_host(struct maker *m, bool bind)
{
	static const char *const hosts[] = { "node1", "a.b.c", "10.1.2.3", "xn--caf-dma.example",
		"null", "yes", "n", "on", "192.0.2.7", "_srv.x" };
	static const char *const six[] = { "[2001:db8::1]", "[::ffff:10.0.0.1]", "[1:2::3]" };

	if (bind && rng_below(&m->rng, 3) == 0)
		return;
	if (rng_below(&m->rng, 3) == 0)
		text_add(&m->t, pick(m, six, ARRAY_SIZE(six)));
	else
		text_add(&m->t, pick(m, hosts, ARRAY_SIZE(hosts)));
}

static void
make_list(struct maker *m, const struct conf_field *f)
{
	uint64_t count = 1 + rng_below(&m->rng, 3);

	if (strcmp(f->key, "frontends") == 0)
		count--;
	text_add(&m->t, "[");
	for (uint64_t i = 0; i < count; i++) {
		make_section(m, f->section, true);
		text_add(&m->t, ", ");
	}
	text_add(&m->t, "]");
}

static void
make_value(struct maker *m, const struct conf_field *f)
{
	static const char *const bools[] = { "true", "False", "yes", "OFF", "n" };
	static const char *const protos[] = { "TCP", "tcp", "Tcp" };
	static const char *const diags[] = { "unix:/run/a b", "unix:/x", ":1", "'[::1]:2'" };
	static const char *const servers[] = { "[]", "[10.0.0.53]", "['::1', '[::2]:99']" };
	size_t names = 0;

	switch (f->kind) {
	case CONF_KIND_DURATION:
		make_duration(m, f);
		break;
	case CONF_KIND_WORKERS:
		if (rng_below(&m->rng, 2) == 0) {
			text_add(&m->t, "auto");
			break;
		}
		__attribute__((fallthrough));
	case CONF_KIND_NUMBER:
	case CONF_KIND_PORT:
		text_addf(&m->t, "%lld", (long long)rng_between(&m->rng, f->min, f->max));
		break;
	case CONF_KIND_BOOL:
		text_add(&m->t, pick(m, bools, ARRAY_SIZE(bools)));
		break;
	case CONF_KIND_ENUM:
		while (f->names[names])
			names++;
		text_add(&m->t, pick(m, f->names, names));
		break;
	case CONF_KIND_STRING:
	case CONF_KIND_LOG_TARGET:
		make_string(m);
		break;
	case CONF_KIND_DIAG:
		text_add(&m->t, pick(m, diags, ARRAY_SIZE(diags)));
		break;
	case CONF_KIND_BIND:
		text_add(&m->t, "'");
		make_host(m, true);
		text_addf(&m->t, ":%d'", m->next_port++);
		break;
	case CONF_KIND_PROTO:
		text_add(&m->t, pick(m, protos, ARRAY_SIZE(protos)));
		break;
	case CONF_KIND_SERVERS:
		text_add(&m->t, pick(m, servers, ARRAY_SIZE(servers)));
		break;
	case CONF_KIND_HOSTS:
		text_add(&m->t, "['");
		make_host(m, false);
		text_add(&m->t, "', '");
		make_host(m, false);
		text_add(&m->t, "']");
		break;
	case CONF_KIND_SECTION:
		make_section(m, f->section, false);
		break;
	case CONF_KIND_LIST:
		make_list(m, f);
		break;
	}
}

static void
make_section(struct maker *m, const struct conf_section *section, bool in_tiers)
{
	(void)in_tiers;
	text_add(&m->t, "{");
	for (size_t i = 0; i < section->field_count; i++) {
		const struct conf_field *f = &section->fields[i];
		/* A group needs a user. */
		bool is_wanted = (f->flags & CONF_REQUIRED) || strcmp(f->key, "user") == 0;

		if (!is_wanted && rng_below(&m->rng, 3) == 0)
			continue;
		text_addf(&m->t, "%s: ", f->key);
		make_value(m, f);
		text_add(&m->t, ", ");
	}
	text_add(&m->t, "}");
}

/* Prints, loads, prints: both ways, both formats. */
static void
check_round_trip(const struct conf *c)
{
	char *yaml = conf_case_yaml(c);
	struct conf *again = conf_case_good(yaml), *from_json;
	char *yaml_again = conf_case_yaml(again);
	struct text json;

	ck_assert_str_eq(yaml, yaml_again);
	ck_assert(conf_equal(c, again));
	text_init(&json);
	ck_assert_int_eq(conf_emit_json(c, &json), 0);
	from_json = conf_case_good(json.data);
	ck_assert(conf_equal(c, from_json));
	text_fini(&json);
	free(yaml);
	free(yaml_again);
	conf_free(again);
	conf_free(from_json);
}

START_TEST(random_configurations_come_back_as_they_were)
{
	struct maker m;
	int good = 0;

	rng_seed_from(&m.rng, 1);
	for (int i = 0; i < 1500; i++) {
		struct conf_case k;

		text_init(&m.t);
		m.next_port = 1000;
		make_section(&m, schema_root(), false);
		conf_case_parse(&k, m.t.data);
		/* A few name one file twice, or mean "stderr" by accident. */
		if (k.result == 0) {
			check_round_trip(k.conf);
			good++;
		}
		conf_case_fini(&k);
		text_fini(&m.t);
	}
	ck_assert_int_gt(good, 1000);
}
END_TEST

START_TEST(the_originals_file_keeps_its_meaning)
{
	struct conf *c = conf_case_good("diagAddr: :6060\n"
					"frontends:\n"
					"  - backendPool:\n"
					"      latencyBucket: 10ms\n"
					"      maintenanceTime: 5s\n"
					"      tiers:\n"
					"        - dialFailureTimeout: 30s\n"
					"          forcePromotionAfter: 0s\n"
					"          maxBackendConnections: 32\n"
					"          targets:\n"
					"            - {disabled: false, hosts: [node1, node2, "
					"node3], port: 26257, proto: TCP}\n"
					"    bindAddress: :26257\n"
					"    idleDuration: 1h0m0s\n"
					"    rebalanceDuration: 10s\n"
					"gracePeriod: 30s\n");
	const struct tier_conf *tier = &c->frontends[0].pool.tiers[0];
	char *yaml = conf_case_yaml(c);

	ck_assert_str_eq(c->diag_addr, ":6060");
	ck_assert_str_eq(c->frontends[0].bind_address, ":26257");
	ck_assert_uint_eq(tier->max_backend_connections, 32);
	ck_assert_int_eq(tier->dial_failure_timeout_ns, INT64_C(30000000000));
	ck_assert_uint_eq(tier->targets[0].host_count, 3);
	ck_assert_ptr_nonnull(strstr(yaml, "diagAddr: :6060\ngracePeriod: 30s\n"));
	ck_assert_ptr_nonnull(strstr(yaml, "- bindAddress: :26257\n"));
	ck_assert_ptr_nonnull(strstr(yaml, "  idleDuration: 1h0m0s\n"));
	ck_assert_ptr_nonnull(strstr(yaml,
		"      targets:\n      - hosts:\n        - node1\n        - node2\n        - "
		"node3\n"
		"        port: 26257\n        proto: TCP\n        disabled: false\n"));
	check_round_trip(c);
	free(yaml);
	conf_free(c);
}
END_TEST

START_TEST(equal_means_the_same_text_or_not)
{
	struct conf *a = conf_case_good(FRONTENDS);
	struct conf *b = conf_case_good("# a comment\ngracePeriod: 5000ms\n" FRONTENDS);
	struct conf *c = conf_case_good("gracePeriod: 6s\n" FRONTENDS);

	ck_assert(conf_equal(a, b));
	ck_assert(!conf_equal(a, c));
	conf_free(a);
	conf_free(b);
	conf_free(c);
}
END_TEST

START_TEST(an_empty_configuration_prints_too)
{
	struct conf *c = conf_case_good("frontends: []\n");

	check_round_trip(c);
	conf_free(c);
}
END_TEST

UNIT_MAIN("conf_emit", random_configurations_come_back_as_they_were,
	the_originals_file_keeps_its_meaning, equal_means_the_same_text_or_not,
	an_empty_configuration_prints_too)
