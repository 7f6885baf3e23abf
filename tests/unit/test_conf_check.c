/* The rules about more than one key. */
#include "config.h"

#include "conf_case.h"

#define FE(address) "- bindAddress: '" address "'\n  " POOL "\n"
#define OF(n) "frontends[" #n "].bindAddress: "

START_TEST(one_address_twice_names_both_lines)
{
	conf_case_errors("frontends:\n" FE("127.0.0.1:80") FE(":81") FE("127.0.0.1:80"),
		"f:6:16: " OF(2) "127.0.0.1:80 is the same address as 127.0.0.1:80 in line 2\n");
	conf_case_errors("frontends:\n" FE("Db.Example:80") FE("db.example:80"),
		"f:4:16: " OF(1) "db.example:80 is the same address as Db.Example:80 in line 2\n");
	conf_case_errors("frontends:\n" FE(":80") FE("tcp::80") FE(":80"),
		"f:4:16: " OF(1) ":80 is the same address as :80 in line 2\n"
				 "f:6:16: " OF(2) ":80 is the same address as :80 in line 2\n");
	conf_case_errors("frontends:\n" FE("[::ffff:1.2.3.4]:80") FE("1.2.3.4:80"),
		"f:4:16: " OF(1) "1.2.3.4:80 is the same address as 1.2.3.4:80 in line 2\n");
}
END_TEST

START_TEST(an_address_that_another_line_covers_is_refused)
{
	conf_case_errors("frontends:\n" FE("127.0.0.1:80") FE(":80"),
		"f:2:16: " OF(0) "127.0.0.1:80 is covered by :80 in line 4\n");
	conf_case_errors("frontends:\n" FE(":80") FE("[::1]:80") FE("name:80") FE("0.0.0.0:80"),
		"f:4:16: " OF(1) "[::1]:80 is covered by :80 in line 2\n"
				 "f:6:16: " OF(
					 2) "name:80 is covered by :80 in line 2\n"
					    "f:8:16: " OF(
						    3) "0.0.0.0:80 is covered by :80 in line 2\n");
	conf_case_errors("frontends:\n" FE("0.0.0.0:80") FE("10.0.0.1:80") FE("[::1]:80"),
		"f:4:16: " OF(1) "10.0.0.1:80 is covered by 0.0.0.0:80 in line 2\n");
	conf_case_errors("frontends:\n" FE("[::]:80") FE("[::1]:80") FE("10.0.0.1:80"),
		"f:4:16: " OF(1) "[::1]:80 is covered by [::]:80 in line 2\n");
}
END_TEST

START_TEST(the_diagnostics_address_counts_too)
{
	conf_case_errors("diagAddr: :80\nfrontends:\n" FE(":80"),
		"f:3:16: " OF(0) ":80 is the same address as :80 in line 1 (diagAddr)\n");
	conf_case_errors("diagAddr: 127.0.0.1:80\nfrontends:\n" FE(":80"),
		"f:1:11: diagAddr: 127.0.0.1:80 is covered by :80 in line 3\n");
	conf_free(conf_case_good("diagAddr: unix:/x\nfrontends:\n" FE(":80")));
}
END_TEST

START_TEST(addresses_that_differ_stand_together)
{
	conf_free(conf_case_good("diagAddr: :0\nfrontends:\n" FE(":0") FE(":0") FE("127.0.0.1:0")
			FE("127.0.0.1:80") FE("127.0.0.2:80") FE("[::1]:80") FE(":81") FE("[::]:82")
				FE("0.0.0.0:82") FE("localhost:83") FE("127.0.0.1:83")));
}
END_TEST

START_TEST(min_ttl_must_not_pass_max_ttl)
{
	conf_case_errors("resolver: {minTTL: 2s, maxTTL: 1s}\n" FRONTENDS,
		"f:1:32: resolver.maxTTL: minTTL (2s) must not be larger than maxTTL (1s)\n");
	conf_case_errors("resolver: {minTTL: 2m}\n" FRONTENDS,
		"f:1:20: resolver.minTTL: minTTL (2m0s) must not be larger than maxTTL (1m0s)\n");
	conf_case_errors("resolver: {maxTTL: 1ms}\n" FRONTENDS,
		"f:1:20: resolver.maxTTL: minTTL (1s) must not be larger than maxTTL (1ms)\n");
	/* No second message about what stands in for a bad value. */
	conf_case_errors("resolver: {minTTL: 5, maxTTL: 1ms}\n" FRONTENDS,
		"f:1:20: resolver.minTTL: \"5\" lacks a unit: write it as 300ms, 10s or 1h0m0s\n");
}
END_TEST

START_TEST(a_group_needs_a_user)
{
	conf_case_errors("group: g\n" FRONTENDS, "f:1:8: group: needs `user` as well\n");
	conf_free(conf_case_good("group: g\nuser: u\n" FRONTENDS));
	conf_free(conf_case_good("user: u\n" FRONTENDS));
}
END_TEST

START_TEST(two_keys_must_not_name_one_file)
{
	conf_case_errors("pidFile: /x\nlog: {target: /x}\n" FRONTENDS,
		"f:2:15: log.target: is the same file as pidFile\n");
	conf_case_errors("pidFile: /x\ndiagAddr: unix:/x\n" FRONTENDS,
		"f:2:11: diagAddr: is the same file as pidFile\n");
	conf_case_errors("pidFile: f\n" FRONTENDS,
		"f:1:10: pidFile: is the same file as the configuration\n");
}
END_TEST

START_TEST(an_address_in_several_tiers_is_warned_about)
{
	conf_case_warnings("frontends:\n"
			   "- backendPool:\n"
			   "    tiers:\n"
			   "    - targets: [{hosts: [10.0.0.1, '::1'], port: 1}]\n"
			   "    - targets:\n"
			   "      - {hosts: [10.0.0.1], port: 2}\n"
			   "      - {hosts: ['[0::1]', 10.0.0.1], port: 1}\n",
		"f:7:18: frontends[0].backendPool.tiers[1].targets[1].hosts[0]: "
		"[::1]:1 stands in tiers[0] already, in line 4: it counts once, there\n"
		"f:7:28: frontends[0].backendPool.tiers[1].targets[1].hosts[1]: "
		"10.0.0.1:1 stands in tiers[0] already, in line 4: it counts once, there\n");
	conf_case_warnings("frontends: [{backendPool: {tiers: [{targets: [\n"
			   "{hosts: [a, A], port: 1}]}]}}]\n",
		"f:2:13: frontends[0].backendPool.tiers[0].targets[0].hosts[1]: "
		"A:1 stands in this tier already, in line 2: it counts once\n");
	/* Each frontend has its own backends. */
	conf_case_warnings("frontends: [{" POOL "}, {" POOL "}]\n", "");
}
END_TEST

START_TEST(a_frontend_without_an_enabled_target_is_warned_about)
{
	conf_case_warnings("frontends:\n- backendPool: {tiers: [{targets: [{hosts: [a], port: 1, "
			   "disabled: true}]}]}\n",
		"f:2:3: frontends[0]: all its targets are disabled: no connection will be "
		"served\n");
}
END_TEST

static void
expect_self(const char *bind, const char *host, bool is_self)
{
	struct conf_case k;
	char file[512], want[512] = "";

	(void)snprintf(file, sizeof(file),
		"frontends:\n- bindAddress: '%s:80'\n  backendPool: {tiers: [{targets: [\n"
		"   {hosts: ['%s'], port: 80}]}]}\n",
		bind, host);
	if (is_self)
		(void)snprintf(want, sizeof(want),
			"f:4:13: frontends[0].backendPool.tiers[0].targets[0].hosts[0]: %s port 80 "
			"is this frontend's own address (%s:80): it would connect to itself\n",
			host, bind);
	conf_case_parse(&k, file);
	ck_assert_str_eq(k.errors, want);
	conf_case_fini(&k);
}

START_TEST(connecting_to_itself_is_refused_where_it_is_certain)
{
	expect_self("", "127.0.0.1", true);
	expect_self("", "127.9.9.9", true);
	expect_self("", "::1", true);
	expect_self("", "localhost", true);
	expect_self("0.0.0.0", "127.0.0.1", true);
	expect_self("0.0.0.0", "::1", false);
	expect_self("[::]", "::1", true);
	expect_self("[::]", "127.0.0.1", false);
	expect_self("10.0.0.1", "10.0.0.1", true);
	expect_self("10.0.0.1", "10.0.0.2", false);
	expect_self("10.0.0.1", "127.0.0.1", false);
	expect_self("127.0.0.1", "localhost", true);
	expect_self("localhost", "127.0.0.1", true);
	expect_self("localhost", "LOCALHOST", true);
	expect_self("my.name", "my.name", true);
	expect_self("my.name", "other.name", false);
	expect_self("", "10.0.0.1", false);
	/* Another port, a disabled target, any port. */
	conf_free(conf_case_good("frontends: [{bindAddress: ':80', backendPool: {tiers: "
				 "[{targets: [{hosts: [127.0.0.1], port: 81}]}]}}]"));
	conf_free(conf_case_good("frontends: [{bindAddress: ':80', backendPool: {tiers: "
				 "[{targets: [{hosts: [127.0.0.1], port: 80, disabled: true}, "
				 "{hosts: [a], port: 1}]}]}}]"));
}
END_TEST

START_TEST(more_backends_than_there_are_places_for_are_refused)
{
	struct conf_case k;
	struct text t;

	text_init(&t);
	text_add(&t, "frontends:\n- backendPool: {tiers: [{targets: [{port: 1, hosts: [\n");
	for (int i = 0; i < CONF_BACKENDS_MAX; i++)
		text_addf(&t, "10.%d.%d.%d,\n", i >> 16, i >> 8 & 255, i & 255);
	text_add(&t, "]}]}]}\n");
	conf_case_parse(&k, t.data);
	ck_assert_str_eq(k.errors, "");
	conf_case_fini(&k);
	text_add(&t,
		"- " POOL "\n- backendPool: {tiers: [{targets: [{port: 1, hosts: ['::2']}]}]}\n");
	conf_case_parse(&k, t.data);
	ck_assert_str_eq(
		k.errors, "f:2:3: frontends: 65537 backends in all: at most 65536 are allowed\n");
	conf_case_fini(&k);
	text_fini(&t);
}
END_TEST

START_TEST(more_than_4096_frontends_are_refused)
{
	struct conf_case k;
	struct text t;

	text_init(&t);
	text_add(&t, "frontends:\n- &f {" POOL "}\n");
	for (int i = 1; i < CONF_FRONTENDS_MAX; i++)
		text_add(&t, "- *f\n");
	conf_case_parse(&k, t.data);
	ck_assert_str_eq(k.errors, "");
	ck_assert_uint_eq(k.conf->frontend_count, CONF_FRONTENDS_MAX);
	conf_case_fini(&k);
	text_add(&t, "- *f\n");
	conf_case_parse(&k, t.data);
	ck_assert_str_eq(k.errors, "f:2:1: frontends: has 4097 items: at most 4096 are allowed\n");
	conf_case_fini(&k);
	text_fini(&t);
}
END_TEST

UNIT_MAIN("conf_check", one_address_twice_names_both_lines,
	an_address_that_another_line_covers_is_refused, the_diagnostics_address_counts_too,
	addresses_that_differ_stand_together, min_ttl_must_not_pass_max_ttl, a_group_needs_a_user,
	two_keys_must_not_name_one_file, an_address_in_several_tiers_is_warned_about,
	a_frontend_without_an_enabled_target_is_warned_about,
	connecting_to_itself_is_refused_where_it_is_certain,
	more_backends_than_there_are_places_for_are_refused, more_than_4096_frontends_are_refused)
