/* What a configuration file may say, what it means, and what is wrong with the rest. */
#include "config.h"

#include <stdlib.h>

#include "conf_case.h"
#include "iaido/clock.h"

#define SECOND NSEC_PER_SEC
#define MS NSEC_PER_MSEC

START_TEST(defaults_are_those_of_the_manual)
{
	struct conf *c = conf_case_good(FRONTENDS);
	const struct frontend_conf *fe = &c->frontends[0];
	const struct tier_conf *tier = &fe->pool.tiers[0];

	ck_assert_ptr_null(c->diag_addr);
	ck_assert_int_eq(c->grace_period_ns, 5 * SECOND);
	ck_assert(!c->keep_accepting);
	ck_assert_int_eq(c->drain_timeout_ns, 0);
	ck_assert_uint_eq(c->max_generations, 32);
	ck_assert_uint_eq(c->workers, CONF_WORKERS_AUTO);
	ck_assert_ptr_null(c->user);
	ck_assert_ptr_null(c->group);
	ck_assert_ptr_null(c->pid_file);
	ck_assert_int_eq(c->log.level, LOG_LEVEL_INFO);
	ck_assert_int_eq(c->log.format, LOG_FORMAT_TEXT);
	ck_assert_str_eq(c->log.target, "stderr");
	ck_assert(!c->log.connections);
	ck_assert_uint_eq(c->resolver.server_count, 0);
	ck_assert_int_eq(c->resolver.min_ttl_ns, SECOND);
	ck_assert_int_eq(c->resolver.max_ttl_ns, 60 * SECOND);
	ck_assert_int_eq(c->resolver.timeout_ns, 2 * SECOND);
	ck_assert_str_eq(fe->bind_address, ":0");
	ck_assert_str_eq(fe->bind_host, "");
	ck_assert_uint_eq(fe->bind_port, 0);
	ck_assert_uint_eq(fe->max_connections, 0);
	ck_assert_int_eq(fe->idle_duration_ns, 3600 * SECOND);
	ck_assert_int_eq(fe->half_close_duration_ns, 300 * SECOND);
	ck_assert_int_eq(fe->max_connection_age_ns, 0);
	ck_assert_int_eq(fe->rebalance_duration_ns, 10 * SECOND);
	ck_assert_int_eq(fe->wait_timeout_ns, 30 * SECOND);
	ck_assert_uint_eq(fe->backlog, 4096);
	ck_assert_int_eq(fe->tcp.idle_ns, 15 * SECOND);
	ck_assert_int_eq(fe->tcp.interval_ns, 15 * SECOND);
	ck_assert_uint_eq(fe->tcp.count, 3);
	ck_assert_int_eq(fe->tcp.user_timeout_ns, 60 * SECOND);
	ck_assert_int_eq(fe->pool.latency_bucket_ns, 10 * MS);
	ck_assert_int_eq(fe->pool.maintenance_time_ns, 30 * SECOND);
	ck_assert_int_eq(fe->pool.hedge_delay_ns, 300 * MS);
	ck_assert_int_eq(fe->pool.on_failure, CONF_ON_FAILURE_KEEP);
	ck_assert_int_eq(fe->pool.on_gone, CONF_ON_GONE_DRAIN);
	ck_assert_int_eq(tier->dial_timeout_ns, 2 * SECOND);
	ck_assert_int_eq(tier->dial_failure_timeout_ns, SECOND);
	ck_assert_int_eq(tier->force_promotion_after_ns, 0);
	ck_assert_uint_eq(tier->max_backend_connections, 0);
	ck_assert(!tier->targets[0].disabled);
	conf_free(c);
}
END_TEST

START_TEST(every_key_is_read)
{
	struct conf *c = conf_case_good(
		"diagAddr: unix:/run/iaido.sock\n"
		"gracePeriod: 30s\nkeepAccepting: yes\ndrainTimeout: 1h\nmaxGenerations: 4\n"
		"workers: 3\nuser: nobody\ngroup: nogroup\npidFile: /run/iaido.pid\n"
		"log: {level: debug, format: json, target: syslog, connections: on}\n"
		"resolver: {servers: [10.0.0.53, '[::1]:5353'], minTTL: 2s, maxTTL: 3s, timeout: "
		"1s}\n"
		"frontends:\n"
		"- bindAddress: tcp:127.0.0.1:8080\n"
		"  maxConnections: 10\n  idleDuration: -1\n  halfCloseDuration: -1m\n"
		"  maxConnectionAge: 24h\n  rebalanceDuration: 2s\n  waitTimeout: 3s\n"
		"  backlog: 128\n"
		"  tcp: {keepAliveIdle: 1s, keepAliveInterval: 2s, keepAliveCount: 9, userTimeout: "
		"0}\n"
		"  backendPool:\n"
		"    latencyBucket: -5s\n    maintenanceTime: 1m\n    hedgeDelay: 0\n"
		"    onFailure: shed\n    onGone: keep\n"
		"    tiers:\n"
		"    - dialTimeout: 4s\n      dialFailureTimeout: 5s\n"
		"      forcePromotionAfter: 6s\n      maxBackendConnections: 7\n"
		"      targets:\n"
		"      - {hosts: [a, '[::2]', 10.1.1.1], port: 65535, proto: tcp, disabled: "
		"True}\n");
	const struct frontend_conf *fe = &c->frontends[0];
	const struct tier_conf *tier = &fe->pool.tiers[0];
	char buf[ADDR_TEXT_MAX];

	ck_assert_str_eq(c->diag_addr, "unix:/run/iaido.sock");
	ck_assert_int_eq(c->grace_period_ns, 30 * SECOND);
	ck_assert(c->keep_accepting);
	ck_assert_int_eq(c->drain_timeout_ns, 3600 * SECOND);
	ck_assert_uint_eq(c->max_generations, 4);
	ck_assert_uint_eq(c->workers, 3);
	ck_assert_str_eq(c->user, "nobody");
	ck_assert_str_eq(c->group, "nogroup");
	ck_assert_str_eq(c->pid_file, "/run/iaido.pid");
	ck_assert_int_eq(c->log.level, LOG_LEVEL_DEBUG);
	ck_assert_int_eq(c->log.format, LOG_FORMAT_JSON);
	ck_assert_str_eq(c->log.target, "syslog");
	ck_assert(c->log.connections);
	ck_assert_uint_eq(c->resolver.server_count, 2);
	ck_assert_str_eq(addr_format(&c->resolver.servers[0], buf), "10.0.0.53:53");
	ck_assert_str_eq(addr_format(&c->resolver.servers[1], buf), "[::1]:5353");
	ck_assert_int_eq(c->resolver.min_ttl_ns, 2 * SECOND);
	ck_assert_int_eq(c->resolver.max_ttl_ns, 3 * SECOND);
	ck_assert_int_eq(c->resolver.timeout_ns, SECOND);
	ck_assert_str_eq(fe->bind_address, "127.0.0.1:8080");
	ck_assert_str_eq(fe->bind_host, "127.0.0.1");
	ck_assert_uint_eq(fe->bind_port, 8080);
	ck_assert_uint_eq(fe->max_connections, 10);
	ck_assert_int_lt(fe->idle_duration_ns, 0);
	ck_assert_int_eq(fe->half_close_duration_ns, -1);
	ck_assert_int_eq(fe->max_connection_age_ns, 24 * 3600 * SECOND);
	ck_assert_int_eq(fe->rebalance_duration_ns, 2 * SECOND);
	ck_assert_int_eq(fe->wait_timeout_ns, 3 * SECOND);
	ck_assert_uint_eq(fe->backlog, 128);
	ck_assert_int_eq(fe->tcp.idle_ns, SECOND);
	ck_assert_int_eq(fe->tcp.interval_ns, 2 * SECOND);
	ck_assert_uint_eq(fe->tcp.count, 9);
	ck_assert_int_eq(fe->tcp.user_timeout_ns, 0);
	ck_assert_int_lt(fe->pool.latency_bucket_ns, 0);
	ck_assert_int_eq(fe->pool.maintenance_time_ns, 60 * SECOND);
	ck_assert_int_eq(fe->pool.hedge_delay_ns, 0);
	ck_assert_int_eq(fe->pool.on_failure, CONF_ON_FAILURE_SHED);
	ck_assert_int_eq(fe->pool.on_gone, CONF_ON_GONE_KEEP);
	ck_assert_int_eq(tier->dial_timeout_ns, 4 * SECOND);
	ck_assert_int_eq(tier->dial_failure_timeout_ns, 5 * SECOND);
	ck_assert_int_eq(tier->force_promotion_after_ns, 6 * SECOND);
	ck_assert_uint_eq(tier->max_backend_connections, 7);
	ck_assert_uint_eq(tier->targets[0].host_count, 3);
	ck_assert_str_eq(tier->targets[0].hosts[1], "::2");
	ck_assert_uint_eq(tier->targets[0].port, 65535);
	ck_assert(tier->targets[0].disabled);
	conf_free(c);
}
END_TEST

START_TEST(null_and_zero_stand_for_the_default_as_in_the_original)
{
	struct conf *plain = conf_case_good(FRONTENDS);
	struct conf *zeros = conf_case_good(
		"gracePeriod: 0\nfrontends:\n- idleDuration: 0\n  rebalanceDuration: 0s\n"
		"  backendPool:\n    latencyBucket: 0\n    maintenanceTime: 0h\n"
		"    tiers: [{dialFailureTimeout: '0', " TARGETS "}]\n");
	struct conf *nulls = conf_case_good(
		"diagAddr: ~\ngracePeriod:\nkeepAccepting: null\nworkers: Null\nuser: ''\n"
		"log: NULL\nresolver: {servers: ~, minTTL: }\npidFile: \"\"\n"
		"frontends:\n- bindAddress: null\n  tcp: ~\n  backlog: ~\n"
		"  backendPool: {onGone: ~, tiers: [{dialTimeout: ~,\n"
		"    targets: [{hosts: [b], port: 1, proto: ~, disabled: }]}]}\n");

	ck_assert(conf_equal(plain, zeros));
	ck_assert(conf_equal(plain, nulls));
	conf_free(plain);
	conf_free(zeros);
	conf_free(nulls);
}
END_TEST

START_TEST(booleans_have_all_their_yaml_words)
{
	static const char *const yes[] = { "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On",
		"ON", "y", "Y" };
	static const char *const no[] = { "false", "False", "FALSE", "no", "No", "NO", "off", "Off",
		"OFF", "n", "N" };
	char file[256];

	for (size_t i = 0; i < 2 * ARRAY_SIZE(yes); i++) {
		struct conf *c;

		(void)snprintf(file, sizeof(file), "keepAccepting: %s\n" FRONTENDS,
			i % 2 ? yes[i / 2] : no[i / 2]);
		c = conf_case_good(file);
		ck_assert_int_eq(c->keep_accepting, i % 2);
		conf_free(c);
	}
}
END_TEST

START_TEST(numbers_have_all_forms_of_the_original)
{
	static const struct {
		const char *text;
		uint32_t value;
	} rows[] = {
		{ "0", 0 },
		{ "+7", 7 },
		{ "1_000", 1000 },
		{ "0x1F", 31 },
		{ "0o17", 15 },
		{ "017", 15 },
		{ "0b101", 5 },
		{ "2147483647", 2147483647 },
	};
	char file[256];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct conf *c;

		(void)snprintf(file, sizeof(file), "frontends: [{maxConnections: %s, " POOL "}]\n",
			rows[i].text);
		c = conf_case_good(file);
		ck_assert_uint_eq(c->frontends[0].max_connections, rows[i].value);
		conf_free(c);
	}
}
END_TEST

/* One key of a frontend, and the message that its value brings. */
struct bad_value {
	const char *where; /* 't': top, 'f': frontend, 'p': pool, 'i': tier, 'g': target */
	const char *line;
	const char *message; /* after "f:LINE:COL: PATH: " */
};

#define FROM_TO(a, b) "must be from " a " to " b
#define EVER "876000h0m0s"
#define NO_DURATION " is not a duration: write it as 300ms, 10s or 1h0m0s"
#define NO_UNIT " lacks a unit: write it as 300ms, 10s or 1h0m0s"

static const struct bad_value bad_values[] = {
	{ "t", "gracePeriod: 5", "\"5\"" NO_UNIT },
	{ "t", "gracePeriod: 1.5", "\"1.5\"" NO_UNIT },
	{ "t", "gracePeriod: 1e3", "\"1e3\"" NO_UNIT },
	{ "t", "gracePeriod: 0x10", "\"0x10\"" NO_UNIT },
	{ "t", "gracePeriod: 99999999999999999999", "\"99999999999999999999\"" NO_UNIT },
	{ "t", "gracePeriod: soon", "\"soon\"" NO_DURATION },
	{ "t", "gracePeriod: 1d", "\"1d\"" NO_DURATION },
	{ "t", "gracePeriod: -1s", FROM_TO("1ms", EVER) ", not \"-1s\"" },
	{ "t", "gracePeriod: 1ns", FROM_TO("1ms", EVER) ", not \"1ns\"" },
	{ "t", "gracePeriod: 1000000h", FROM_TO("1ms", EVER) ", not \"1000000h\"" },
	{ "t", "gracePeriod: 99999999999999999999h",
		FROM_TO("1ms", EVER) ", not \"99999999999999999999h\"" },
	{ "t", "gracePeriod: [5s]", "must be a single value, not a list" },
	{ "t", "gracePeriod: {a: b}", "must be a single value, not a mapping" },
	{ "t", "drainTimeout: -1", FROM_TO("1ms", EVER) " (0 = until they end), not \"-1\"" },
	{ "t", "keepAccepting: 1", "must be true or false, not \"1\"" },
	{ "t", "keepAccepting: 'yes'", "must be true or false without quotes, not \"yes\"" },
	{ "t", "maxGenerations: 0", FROM_TO("1", "1024") ", not \"0\"" },
	{ "t", "maxGenerations: many", "must be a whole number from 1 to 1024, not \"many\"" },
	{ "t", "maxGenerations: 1.5", "must be a whole number from 1 to 1024, not \"1.5\"" },
	{ "t", "maxGenerations: 08", "must be a whole number from 1 to 1024, not \"08\"" },
	{ "t", "maxGenerations: '8'", "must be a number, not a string: leave out the quotes" },
	{ "t", "workers: 0", "must be auto or from 1 to 1024, not \"0\"" },
	{ "t", "workers: 1025", "must be auto or from 1 to 1024, not \"1025\"" },
	{ "t", "workers: Auto", "must be auto or a whole number from 1 to 1024, not \"Auto\"" },
	{ "t", "user: \"a\\tb\"", "must not hold control characters" },
	{ "t", "log: {level: trace}", "must be debug, info, warn or error, not \"trace\"" },
	{ "t", "log: {format: xml}", "must be text or json, not \"xml\"" },
	{ "t", "log: {target: sderr}",
		"must be stderr, syslog or a path, not \"sderr\" (did you mean stderr?)" },
	{ "t", "log: {target: STDERR}",
		"must be stderr, syslog or a path, not \"STDERR\" (did you mean stderr?)" },
	{ "t", "log: {target: stdout}",
		"must be stderr, syslog or a path, not \"stdout\" (did you mean /dev/stdout?)" },
	{ "t", "log: {connections: often}", "must be true or false, not \"often\"" },
	{ "t", "log: text", "must be a mapping (key: value), not a single value" },
	{ "t", "log: [text]", "must be a mapping (key: value), not a list" },
	{ "t", "resolver: {servers: 10.0.0.1}", "must be a list, not a single value" },
	{ "t", "resolver: {servers: [dns.example]}",
		"must be an IP address, or address:port ([address]:port), not \"dns.example\"" },
	{ "t", "resolver: {servers: [10.0.0.1:0]}",
		"must be an IP address, or address:port ([address]:port), not \"10.0.0.1:0\"" },
	{ "t", "resolver: {servers: [0.0.0.0]}",
		"\"0.0.0.0\": must be one address, not all of them" },
	{ "t", "resolver: {servers: ['fe80::1']}",
		"\"fe80::1\": a link-local address needs a zone, which is not supported" },
	{ "t", "resolver: {servers: [~]}", "must be an IP address, not empty" },
	{ "t", "resolver: {servers: [[]]}", "must be an IP address, not a list" },
	{ "t", "resolver: {minTTL: 0}", FROM_TO("1ms", EVER) ", not \"0\"" },
	{ "t", "resolver: {timeout: 2h}", FROM_TO("1ms", "1h0m0s") ", not \"2h\"" },
	{ "t", "diagAddr: 6060", "\"6060\": must be host:port, or :port for all addresses" },
	{ "t", "diagAddr: ':70000'", "\":70000\": the port must be at most 65535" },
	{ "t", "diagAddr: 'unix:run/x'",
		"must be unix:/path, an absolute path of at most 107 bytes" },
	{ "t", "diagAddr: 'unix:/'", "must be unix:/path, an absolute path of at most 107 bytes" },
	{ "t",
		"diagAddr: unix:/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"must be unix:/path, an absolute path of at most 107 bytes" },
	{ "f", "maxConnections: -1",
		FROM_TO("0", "2147483647") " (0 = what the descriptor limit allows), not \"-1\"" },
	{ "f", "maxConnections: 2147483648",
		FROM_TO("0", "2147483647") " (0 = what the descriptor limit allows), not "
					   "\"2147483648\"" },
	{ "f", "maxConnections: 99999999999999999999999",
		FROM_TO("0", "2147483647") " (0 = what the descriptor limit allows), not "
					   "\"99999999999999999999999\"" },
	{ "f", "halfCloseDuration: 0", FROM_TO("1ms", EVER) " (negative = never), not \"0\"" },
	{ "f", "maxConnectionAge: -1", FROM_TO("1ms", EVER) " (0 = never), not \"-1\"" },
	{ "f", "rebalanceDuration: -1", FROM_TO("10ms", EVER) ", not \"-1\"" },
	{ "f", "waitTimeout: 0s", FROM_TO("1ms", EVER) ", not \"0s\"" },
	{ "f", "backlog: 0", FROM_TO("1", "65535") ", not \"0\"" },
	{ "f", "backlog: 65536", FROM_TO("1", "65535") ", not \"65536\"" },
	{ "f", "tcp: {keepAliveIdle: 999ms}", FROM_TO("1s", "9h6m7s") ", not \"999ms\"" },
	{ "f", "tcp: {keepAliveInterval: 10h}", FROM_TO("1s", "9h6m7s") ", not \"10h\"" },
	{ "f", "tcp: {keepAliveCount: 128}", FROM_TO("1", "127") ", not \"128\"" },
	{ "f", "tcp: {userTimeout: -1s}",
		FROM_TO("1ms", "576h0m0s") " (0 = the kernel's), not \"-1s\"" },
	{ "f", "bindAddress: localhost",
		"\"localhost\": must be host:port, or :port for all addresses" },
	{ "f", "bindAddress: ':'", "\":\": the port is missing: write host:port" },
	{ "f", "bindAddress: ':http'", "\":http\": the port must be a number from 0 to 65535" },
	{ "f", "bindAddress: ':65536'", "\":65536\": the port must be at most 65535" },
	{ "f", "bindAddress: ':-1'", "\":-1\": the port must be a number from 0 to 65535" },
	{ "f", "bindAddress: '::1:80'",
		"\"::1:80\": an IPv6 address needs brackets: [address]:port" },
	{ "f", "bindAddress: 'fe80::1%lo:80'",
		"\"fe80::1%lo:80\": an address with a zone (%) is not supported" },
	{ "f", "bindAddress: 'tcp4:localhost:80'",
		"\"tcp4:localhost:80\": must be host:port, or :port for all addresses" },
	{ "f", "bindAddress: '[::1'", "\"[::1\": must be [address]:port" },
	{ "f", "bindAddress: '[::1]'", "\"[::1]\": must be [address]:port" },
	{ "f", "bindAddress: '[::1%lo]:80'",
		"\"[::1%lo]:80\": an address with a zone (%) is not supported" },
	{ "f", "bindAddress: '[fe80::1]:80'",
		"\"[fe80::1]:80\": a link-local address needs a zone, which is not supported" },
	{ "f", "bindAddress: '*:80'",
		"\"*:80\": leave the host empty for all addresses: \":port\"" },
	{ "f", "bindAddress: 'a b:80'",
		"\"a b:80\": not a host name: only letters, digits, hyphens and dots" },
	{ "f", "bindAddress: '10.0.0.256:80'",
		"\"10.0.0.256:80\": not an IPv4 address: write four numbers from 0 to 255" },
	{ "f", "bindAddress: '224.0.0.1:80'",
		"\"224.0.0.1:80\": a multicast or broadcast address takes no TCP connections" },
	{ "f", "bindAddress: 'udp::80'", "\"udp::80\": UDP is not supported: only TCP is relayed" },
	{ "f", "bindAddress: 'UDP:localhost:80'",
		"\"UDP:localhost:80\": UDP is not supported: only TCP is relayed" },
	{ "p", "latencyBucket: 2", "\"2\"" NO_UNIT },
	{ "p", "maintenanceTime: -5s", FROM_TO("10ms", EVER) ", not \"-5s\"" },
	{ "p", "hedgeDelay: -1", FROM_TO("1ms", EVER) " (0 = one dial at a time), not \"-1\"" },
	{ "p", "onFailure: drop", "must be keep or shed, not \"drop\"" },
	{ "p", "onGone: shed", "must be drain or keep, not \"shed\"" },
	{ "i", "dialTimeout: 0", FROM_TO("1ms", EVER) ", not \"0\"" },
	{ "i", "dialFailureTimeout: -1s", FROM_TO("1ms", EVER) ", not \"-1s\"" },
	{ "i", "forcePromotionAfter: -1s", FROM_TO("1ms", EVER) " (0 = never), not \"-1s\"" },
	{ "i", "maxBackendConnections: -1",
		FROM_TO("0", "2147483647") " (0 = no limit), not \"-1\"" },
	{ "g", "port: 0", FROM_TO("1", "65535") ", not \"0\"" },
	{ "g", "port: 65536", FROM_TO("1", "65535") ", not \"65536\"" },
	{ "g", "port: -5", FROM_TO("1", "65535") ", not \"-5\"" },
	{ "g", "port: http", "must be a whole number from 1 to 65535, not \"http\"" },
	{ "g", "port: ~", "is required" },
	{ "g", "proto: UDP", "UDP is not supported: only TCP is relayed" },
	{ "g", "proto: udp", "UDP is not supported: only TCP is relayed" },
	{ "g", "proto: SCTP", "must be TCP, not \"SCTP\"" },
	{ "g", "disabled: maybe", "must be true or false, not \"maybe\"" },
	{ "g", "hosts: []", "must not be empty" },
	{ "g", "hosts: ~", "is required" },
	{ "g", "hosts: b", "must be a list, not a single value" },
	{ "g", "hosts: ['']", "\"\": the host must not be empty" },
	{ "g", "hosts: [~]", "must be a name or an address, not empty" },
	{ "g", "hosts: [b:80]", "\"b:80\": a host has no port here: it stands under `port`" },
	{ "g", "hosts: ['[::1]:80']",
		"\"[::1]:80\": a host has no port here: it stands under `port`" },
	{ "g", "hosts: ['[b]']", "\"[b]\": not an IPv6 address" },
	{ "g", "hosts: ['::1::2']", "\"::1::2\": not an IPv6 address" },
	{ "g", "hosts: ['fe80::1%eth0']",
		"\"fe80::1%eth0\": an address with a zone (%) is not supported" },
	{ "g", "hosts: [a..b]",
		"\"a..b\": not a host name: two dots in a row, or one at the start" },
	{ "g", "hosts: [-a]", "\"-a\": not a host name: a hyphen at the start or end of a part" },
	{ "g", "hosts: [caf\xc3\xa9.example]",
		"\"caf\xc3\xa9.example\": not a host name: write international names as xn--..." },
	{ "g", "hosts: [127.1]",
		"\"127.1\": not an IPv4 address: write four numbers from 0 to 255" },
	{ "g", "hosts: [0.0.0.0]", "\"0.0.0.0\": must be one address, not all of them" },
	{ "g", "hosts: ['::']", "\"::\": must be one address, not all of them" },
	{ "g", "hosts: [255.255.255.255]",
		"\"255.255.255.255\": a multicast or broadcast address takes no TCP connections" },
	{ "g", "hosts: ['ff02::1']", "\"ff02::1\": a multicast address takes no TCP connections" },
	{ "g", "hosts: [aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]",
		"\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\": "
		"not a host name: more than 63 characters between dots" },
};

/* A good file around one line, which stands in line 2. */
static void
wrap_line(const struct bad_value *v, char *out, size_t size)
{
	const char *hosts = strncmp(v->line, "hosts", 5) == 0 ? "" : ", hosts: [b]";
	const char *port = strncmp(v->line, "port", 4) == 0 ? "" : ", port: 1";

	switch (v->where[0]) {
	case 't':
		(void)snprintf(out, size, FRONTENDS "%s\n", v->line);
		break;
	case 'f':
		(void)snprintf(out, size, "frontends: [{\n%s, " POOL "}]\n", v->line);
		break;
	case 'p':
		(void)snprintf(out, size,
			"frontends: [{backendPool: {\n%s, tiers: [{" TARGETS "}]}}]\n", v->line);
		break;
	case 'i':
		(void)snprintf(out, size,
			"frontends: [{backendPool: {tiers: [{\n%s, " TARGETS "}]}}]\n", v->line);
		break;
	default:
		(void)snprintf(out, size,
			"frontends: [{backendPool: {tiers: [{targets: [{\n%s%s%s}]}]}}]\n", v->line,
			hosts, port);
	}
}

START_TEST(each_bad_value_is_named_with_what_would_be_right)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad_values); i++) {
		const struct bad_value *v = &bad_values[i];
		struct conf_case k;
		char file[1024], path[128], message[1024];
		int line = 0, column = 0;

		wrap_line(v, file, sizeof(file));
		conf_case_parse(&k, file);
		ck_assert_msg(k.report.error_count == 1, "%s\n%s", file, k.errors);
		ck_assert_msg(sscanf(k.errors, "f:%d:%d: %127[^ ]: %1023[^\n]", &line, &column,
				      path, message) == 4 ||
				sscanf(k.errors, "f:%d:%d: %127[^:]: %1023[^\n]", &line, &column,
					path, message) == 4,
			"%s", k.errors);
		ck_assert_msg(line == 2 && column > 1, "%s", k.errors);
		ck_assert_msg(strstr(k.errors, v->message) &&
				strcmp(strstr(k.errors, v->message) + strlen(v->message), "\n") ==
					0,
			"%s\nwanted: %s", k.errors, v->message);
		conf_case_fini(&k);
	}
}
END_TEST

START_TEST(a_host_of_256_bytes_is_refused)
{
	char host[257], file[512], want[600];

	for (size_t i = 0; i < sizeof(host) - 1; i++)
		host[i] = i % 32 == 31 ? '.' : 'a';
	host[sizeof(host) - 2] = 'a';
	host[sizeof(host) - 1] = '\0';
	(void)snprintf(file, sizeof(file), "frontends: [{bindAddress: '%s:1', " POOL "}]", host);
	(void)snprintf(want, sizeof(want),
		"f:1:27: frontends[0].bindAddress: \"%.112s...\": "
		"not a host name: longer than 253 characters\n",
		host);
	conf_case_errors(file, want);
	/* 253 are the most that DNS takes. */
	host[253] = '\0';
	(void)snprintf(file, sizeof(file), "frontends: [{bindAddress: '%s:1', " POOL "}]", host);
	conf_free(conf_case_good(file));
}
END_TEST

START_TEST(errors_carry_file_line_column_and_path)
{
	conf_case_errors("gracePeriod: 5\n"
			 "frontends:\n"
			 "- backendPool:\n"
			 "    tiers:\n"
			 "    - targets:\n"
			 "      - hosts: [a, b]\n"
			 "        port: 70000\n"
			 "- backendPool: {}\n",
		"f:1:14: gracePeriod: \"5\"" NO_UNIT "\n"
		"f:7:15: frontends[0].backendPool.tiers[0].targets[0].port: "
		"must be from 1 to 65535, not \"70000\"\n"
		"f:8:16: frontends[1].backendPool.tiers: is required\n");
}
END_TEST

START_TEST(what_is_required_is_asked_for)
{
	conf_case_errors("", "f:1:1: frontends: is required (an empty list, [], is allowed)\n");
	conf_case_errors(
		"# nothing\n", "f:1:1: frontends: is required (an empty list, [], is allowed)\n");
	conf_case_errors(
		"frontends:\n", "f:1:11: frontends: is required (an empty list, [], is allowed)\n");
	conf_case_errors("frontends: [{}]\n", "f:1:13: frontends[0].backendPool: is required\n");
	conf_case_errors("frontends: [{backendPool: {tiers: []}}]\n",
		"f:1:35: frontends[0].backendPool.tiers: must not be empty\n");
	conf_case_errors("frontends: [{backendPool: {tiers: [{}]}}]\n",
		"f:1:36: frontends[0].backendPool.tiers[0].targets: is required\n");
	conf_case_errors("frontends: [{backendPool: {tiers: [{targets: []}]}}]\n",
		"f:1:46: frontends[0].backendPool.tiers[0].targets: must not be empty\n");
	conf_case_errors("frontends: [{backendPool: {tiers: [{targets: [{}]}]}}]\n",
		"f:1:47: frontends[0].backendPool.tiers[0].targets[0].hosts: is required\n"
		"f:1:47: frontends[0].backendPool.tiers[0].targets[0].port: is required\n");
	conf_case_errors("frontends: [~]\n",
		"f:1:13: frontends[0]: must be a mapping (key: value), not empty\n");
	conf_case_errors("- a\n", "f:1:1: must be a mapping (key: value), not a list\n");
	conf_case_errors("word\n", "f:1:1: must be a mapping (key: value), not a single value\n");
	conf_free(conf_case_good("frontends: []\n"));
}
END_TEST

START_TEST(unknown_keys_are_refused_with_a_suggestion)
{
	conf_case_errors("gracePeriode: 5s\n" FRONTENDS,
		"f:1:1: gracePeriode: unknown key (did you mean gracePeriod?)\n");
	conf_case_errors("graceperiod: 5s\n" FRONTENDS,
		"f:1:1: graceperiod: unknown key (did you mean gracePeriod?)\n");
	conf_case_errors("diagAdress: 5s\n" FRONTENDS,
		"f:1:1: diagAdress: unknown key (did you mean diagAddr?)\n");
	conf_case_errors("completelyElse: 1\n" FRONTENDS, "f:1:1: completelyElse: unknown key\n");
	conf_case_errors("bindAddress: :80\n" FRONTENDS,
		"f:1:1: bindAddress: unknown key here: it belongs under frontends[]\n");
	conf_case_errors("frontends: [{gracePeriod: 1s, " POOL "}]\n",
		"f:1:14: frontends[0].gracePeriod: unknown key here: "
		"it belongs at the top of the file\n");
	/* What is near goes before what is the same elsewhere: log has a target. */
	conf_case_errors("frontends: [{backendPool: {tiers: [{target: [], " TARGETS "}]}}]\n",
		"f:1:37: frontends[0].backendPool.tiers[0].target: unknown key "
		"(did you mean targets?)\n");
	conf_case_errors("\"a\\nb\": 1\n" FRONTENDS, "f:1:1: \"a\\x0ab\": unknown key\n");
	conf_case_errors("'<<': {}\n" FRONTENDS, "f:1:1: \"<<\": unknown key\n");
	conf_case_errors(
		"[a]: 1\n" FRONTENDS, "f:1:1: a key must be a word, not a list or a mapping\n");
}
END_TEST

START_TEST(a_long_key_is_cut_between_characters)
{
	struct conf_case k;
	struct text t;

	text_init(&t);
	text_add(&t, "a");
	for (int i = 0; i < 200; i++)
		text_add(&t, "\xc3\xa9");
	text_add(&t, ": 1\n" FRONTENDS);
	conf_case_parse(&k, t.data);
	ck_assert_msg(strstr(k.errors, "\xc3\xa9...\": unknown key\n"), "%s", k.errors);
	conf_case_fini(&k);
	text_fini(&t);
}
END_TEST

START_TEST(duplicate_keys_are_refused)
{
	conf_case_errors("gracePeriod: 1s\nworkers: 1\ngracePeriod: 2s\n" FRONTENDS,
		"f:3:1: gracePeriod: stands here twice: first in line 1\n");
	conf_case_errors("frontends: [{" POOL ", \"backendPool\": {tiers: [{" TARGETS "}]}}]\n",
		"f:1:74: frontends[0].backendPool: stands here twice: first in line 1\n");
}
END_TEST

START_TEST(all_faults_come_in_one_run_but_at_most_twenty)
{
	struct conf_case k;
	struct text t;

	conf_case_errors("workers: none\ngracePeriod: 1\nnope: 1\nfrontends: 3\n",
		"f:1:10: workers: must be auto or a whole number from 1 to 1024, not \"none\"\n"
		"f:2:14: gracePeriod: \"1\"" NO_UNIT "\n"
		"f:3:1: nope: unknown key\n"
		"f:4:12: frontends: must be a list, not a single value\n");
	text_init(&t);
	for (int i = 0; i < 500; i++)
		text_addf(&t, "key%d: 1\n", i);
	text_add(&t, FRONTENDS);
	conf_case_parse(&k, t.data);
	ck_assert_uint_eq(k.report.error_count, CONF_ERRORS_MAX);
	conf_case_fini(&k);
	text_fini(&t);
}
END_TEST

START_TEST(merge_keys_and_aliases_work)
{
	struct conf *merged = conf_case_good(
		"frontends:\n"
		"- &base\n"
		"  bindAddress: 127.0.0.1:1001\n"
		"  idleDuration: 10s\n"
		"  backlog: 5\n"
		"  backendPool: &pool\n"
		"    tiers: [{targets: [{hosts: &hosts [a, b], port: 1}]}]\n"
		"- <<: *base\n"
		"  bindAddress: 127.0.0.1:1002\n"
		"- backendPool: {<<: *pool, hedgeDelay: 1s}\n"
		"  <<: [{idleDuration: 20s}, *base]\n"
		"  bindAddress: 127.0.0.1:1003\n"
		"- backendPool: {tiers: [{targets: [{hosts: *hosts, port: 2}]}]}\n");
	struct conf *plain = conf_case_good(
		"frontends:\n"
		"- bindAddress: 127.0.0.1:1001\n  idleDuration: 10s\n  backlog: 5\n"
		"  backendPool: {tiers: [{targets: [{hosts: [a, b], port: 1}]}]}\n"
		"- bindAddress: 127.0.0.1:1002\n  idleDuration: 10s\n  backlog: 5\n"
		"  backendPool: {tiers: [{targets: [{hosts: [a, b], port: 1}]}]}\n"
		"- bindAddress: 127.0.0.1:1003\n  idleDuration: 20s\n  backlog: 5\n"
		"  backendPool: {tiers: [{targets: [{hosts: [a, b], port: 1}]}], hedgeDelay: 1s}\n"
		"- backendPool: {tiers: [{targets: [{hosts: [a, b], port: 2}]}]}\n");

	ck_assert(conf_equal(merged, plain));
	conf_free(merged);
	conf_free(plain);
}
END_TEST

START_TEST(bad_merges_and_aliases_are_refused)
{
	conf_case_errors("<<: 5\n" FRONTENDS,
		"f:1:5: <<: must be a mapping or a list of mappings, not a single value\n");
	conf_case_errors(
		"<<: [5]\n" FRONTENDS, "f:1:6: <<: must be a mapping, not a single value\n");
	conf_case_errors("<<: {workers: 1}\n<<: {}\n" FRONTENDS,
		"f:2:1: <<: stands here twice: write a list of mappings\n");
	conf_case_errors("<<: {workerz: 1}\n" FRONTENDS,
		"f:1:6: workerz: unknown key (did you mean workers?)\n");
	conf_case_errors(
		"workers: *none\n" FRONTENDS, "f:1:10: *none: no anchor &none stands before it\n");
	conf_case_errors(
		"frontends: &a [*a]\n", "f:1:16: *a: stands inside of what it stands for\n");
	conf_case_errors(
		"<<: &a {<<: *a}\n" FRONTENDS, "f:1:13: *a: stands inside of what it stands for\n");
}
END_TEST

START_TEST(a_fault_that_is_anchored_is_told_once)
{
	conf_case_errors("frontends:\n"
			 "- &a\n  backlog: 0\n  " POOL "\n"
			 "- *a\n- <<: *a\n",
		"f:3:12: frontends[0].backlog: must be from 1 to 65535, not \"0\"\n");
}
END_TEST

START_TEST(addresses_are_brought_to_one_form)
{
	static const struct {
		const char *in;
		const char *out;
		const char *host;
	} rows[] = {
		{ ":0", ":0", "" },
		{ "tcp::26257", ":26257", "" },
		{ "TCP:LocalHost:80", "LocalHost:80", "LocalHost" },
		{ "tcp:80", "tcp:80", "tcp" },
		{ "[2001:DB8:0:0::1]:80", "[2001:db8::1]:80", "2001:db8::1" },
		{ "tcp:[::1]:80", "[::1]:80", "::1" },
		{ "[::ffff:127.0.0.1]:80", "127.0.0.1:80", "127.0.0.1" },
		{ "0.0.0.0:80", "0.0.0.0:80", "0.0.0.0" },
		{ "[::]:80", "[::]:80", "::" },
		{ "my_host.example.:80", "my_host.example.:80", "my_host.example." },
	};
	char file[256];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct conf *c;

		(void)snprintf(file, sizeof(file), "frontends: [{bindAddress: '%s', " POOL "}]\n",
			rows[i].in);
		c = conf_case_good(file);
		ck_assert_str_eq(c->frontends[0].bind_address, rows[i].out);
		ck_assert_str_eq(c->frontends[0].bind_host, rows[i].host);
		conf_free(c);
	}
}
END_TEST

START_TEST(marks_point_into_the_file)
{
	struct conf *c = conf_case_good("frontends:\n"
					"- " POOL "\n"
					"- bindAddress: :0\n"
					"  backendPool:\n"
					"    tiers:\n"
					"    - targets:\n"
					"      - {hosts: [a], port: 1}\n");

	ck_assert_uint_eq(c->frontends[0].mark.line, 2);
	ck_assert_uint_eq(c->frontends[0].mark.column, 3);
	ck_assert_uint_eq(c->frontends[1].mark.line, 3);
	ck_assert_uint_eq(c->frontends[1].mark.column, 16);
	ck_assert_uint_eq(c->frontends[1].pool.tiers[0].mark.line, 6);
	ck_assert_uint_eq(c->frontends[1].pool.tiers[0].targets[0].mark.line, 7);
	conf_free(c);
}
END_TEST

UNIT_MAIN("conf_load", defaults_are_those_of_the_manual, every_key_is_read,
	null_and_zero_stand_for_the_default_as_in_the_original, booleans_have_all_their_yaml_words,
	numbers_have_all_forms_of_the_original, each_bad_value_is_named_with_what_would_be_right,
	a_host_of_256_bytes_is_refused, errors_carry_file_line_column_and_path,
	what_is_required_is_asked_for, unknown_keys_are_refused_with_a_suggestion,
	a_long_key_is_cut_between_characters, duplicate_keys_are_refused,
	all_faults_come_in_one_run_but_at_most_twenty, merge_keys_and_aliases_work,
	bad_merges_and_aliases_are_refused, a_fault_that_is_anchored_is_told_once,
	addresses_are_brought_to_one_form, marks_point_into_the_file)
