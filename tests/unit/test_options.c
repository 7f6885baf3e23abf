/* The command line: what is taken, what is bad usage, and what is said about it. */
#include "config.h"

#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "iaido/clock.h"
#include "unit.h"

#define ARGS_MAX 16

static char message[OPTIONS_MESSAGE_MAX];

/* Splits the line at blanks and parses it. */
static int
parse(const char *line, struct options *o)
{
	static char words[512];
	static char *argv[ARGS_MAX + 1];
	char *save = NULL;
	int argc = 0;

	(void)snprintf(words, sizeof(words), "iaido %s", line);
	for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		ck_assert_int_lt(argc, ARGS_MAX);
		argv[argc++] = w;
	}
	argv[argc] = NULL;
	message[0] = '\0';
	return options_parse(argc, argv, o, message);
}

START_TEST(without_options_the_defaults_hold)
{
	struct options o;

	ck_assert_int_eq(parse("", &o), 0);
	ck_assert_int_eq(o.action, OPTIONS_RUN);
	ck_assert_str_eq(o.config_path, "iaido.yaml");
	ck_assert_ptr_null(o.pid_file);
	ck_assert_int_eq(o.reload_period_ns, NSEC_PER_SEC);
	ck_assert(!o.daemon && !o.force && !o.watch && !o.json);
	ck_assert_str_eq(o.bootstrap_address, "127.0.0.1");
	ck_assert_uint_eq(o.bootstrap.count, 0);
	options_fini(&o);
}
END_TEST

START_TEST(each_option_is_taken_in_both_forms)
{
	static const char *const lines[] = { "-c f -d -p p --reloadPeriod 500ms",
		"--config f --daemon --pidFile p --reloadPeriod=500ms",
		"--config=f -dpp --reloadPeriod 0.5s" };
	struct options o;

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		ck_assert_msg(parse(lines[i], &o) == 0, "%s", message);
		ck_assert_int_eq(o.action, OPTIONS_RUN);
		ck_assert_str_eq(o.config_path, "f");
		ck_assert_str_eq(o.pid_file, "p");
		ck_assert(o.daemon);
		ck_assert_int_eq(o.reload_period_ns, 500 * NSEC_PER_MSEC);
		options_fini(&o);
	}
	ck_assert_int_eq(parse("--reloadPeriod 0", &o), 0);
	ck_assert_int_eq(o.reload_period_ns, 0);
	options_fini(&o);
}
END_TEST

START_TEST(actions_are_told_apart)
{
	static const struct {
		const char *line;
		enum options_action action;
	} rows[] = {
		{ "-t", OPTIONS_TEST },
		{ "--test", OPTIONS_TEST },
		{ "--check", OPTIONS_CHECK },
		{ "-b 1:a:2", OPTIONS_BOOTSTRAP },
		{ "--bootstrap=1:a:2", OPTIONS_BOOTSTRAP },
		{ "--status", OPTIONS_STATUS },
		{ "-V", OPTIONS_VERSION },
		{ "--version", OPTIONS_VERSION },
		{ "-h", OPTIONS_HELP },
		{ "--help", OPTIONS_HELP },
		{ "-t -h", OPTIONS_HELP },
		/* How one tests a whole command line before running it. */
		{ "-d -p x --reloadPeriod 1s -t", OPTIONS_TEST },
		{ "--check -d", OPTIONS_CHECK },
	};
	struct options o;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		ck_assert_msg(parse(rows[i].line, &o) == 0, "%s: %s", rows[i].line, message);
		ck_assert_int_eq(o.action, rows[i].action);
		options_fini(&o);
	}
}
END_TEST

START_TEST(bootstrap_and_status_have_their_own)
{
	struct options o;

	ck_assert_int_eq(parse("-b 1:a:2 -b 3:[::1]:4 -f --bootstrapAddr ::1 -c x", &o), 0);
	ck_assert_uint_eq(o.bootstrap.count, 2);
	ck_assert_uint_eq(o.bootstrap.specs[1].local_port, 3);
	ck_assert_str_eq(o.bootstrap.specs[1].host, "::1");
	ck_assert(o.force);
	ck_assert_str_eq(o.bootstrap_address, "::1");
	options_fini(&o);
	ck_assert_int_eq(parse("--status --watch --json", &o), 0);
	ck_assert(o.watch && o.json);
	options_fini(&o);
}
END_TEST

START_TEST(bad_usage_says_what)
{
	static const struct {
		const char *line;
		const char *message;
	} rows[] = {
		{ "-x", "unknown option -x" },
		{ "-tx", "unknown option -x" },
		{ "--nope", "unknown or ambiguous option --nope" },
		{ "--nope=1", "unknown or ambiguous option --nope=1" },
		{ "--bootstra 1:a:2", "unknown or ambiguous option --bootstra" },
		{ "--test=1", "--test=1: this option takes no argument" },
		{ "-c", "-c needs an argument" },
		{ "-tc", "-c needs an argument" },
		{ "--config", "--config needs an argument" },
		{ "--config=", "--config: the file name must not be empty" },
		{ "--pidFile=", "--pidFile: the file name must not be empty" },
		{ "file", "unexpected argument \"file\"" },
		{ "-t file", "unexpected argument \"file\"" },
		{ "-- -t", "unexpected argument \"-t\"" },
		{ "-t --check", "--test and --check do not go together" },
		{ "--status -t", "--status and --test do not go together" },
		{ "-b 1:a:2 --check", "--bootstrap and --check do not go together" },
		{ "-b 1:a:2 -d", "--daemon and --bootstrap do not go together" },
		{ "--status -p x", "--pidFile and --status do not go together" },
		{ "-f", "--force needs --bootstrap" },
		{ "--bootstrapAddr ::1", "--bootstrapAddr needs --bootstrap" },
		{ "--watch", "--watch needs --status" },
		{ "--json -t", "--json needs --status" },
		{ "--reloadPeriod 5", "--reloadPeriod: \"5\" lacks a unit: write 1s or 500ms" },
		{ "--reloadPeriod soon", "--reloadPeriod: \"soon\" is not a duration" },
		{ "--reloadPeriod -1s",
			"--reloadPeriod: must be 0 (only on SIGHUP), or from 1ms to 876000h, "
			"not \"-1s\"" },
		{ "--reloadPeriod 1ns",
			"--reloadPeriod: must be 0 (only on SIGHUP), or from 1ms to 876000h, "
			"not \"1ns\"" },
		{ "--reloadPeriod 9999999h",
			"--reloadPeriod: must be 0 (only on SIGHUP), or from 1ms to 876000h, "
			"not \"9999999h\"" },
		{ "-b 1:2", "--bootstrap: \"1:2\": must be localPort:remoteHost:remotePort" },
		{ "--bootstrapAddr a:b -b 1:a:2",
			"--bootstrapAddr: \"a:b\": must be an address without a port" },
	};
	struct options o;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		ck_assert_msg(parse(rows[i].line, &o) == -EINVAL, "%s", rows[i].line);
		ck_assert_str_eq(message, rows[i].message);
		options_fini(&o);
	}
}
END_TEST

START_TEST(help_names_every_option)
{
	static const char *const names[] = { "-c, --config FILE", "-t, --test", "--check",
		"-b, --bootstrap SPEC", "--bootstrapAddr ADDR", "-f, --force", "-d, --daemon",
		"-p, --pidFile FILE", "--reloadPeriod DUR", "--status", "--watch", "--json",
		"-V, --version", "-h, --help" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		ck_assert_msg(strstr(options_help(), names[i]), "%s", names[i]);
}
END_TEST

UNIT_MAIN("options", without_options_the_defaults_hold, each_option_is_taken_in_both_forms,
	actions_are_told_apart, bootstrap_and_status_have_their_own, bad_usage_says_what,
	help_names_every_option)
