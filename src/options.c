/* Reads the command line: which action, with what. Prints nothing and does nothing. */
#include "config.h"

#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "iaido/clock.h"
#include "iaido/duration.h"

#define RELOAD_PERIOD_MIN NSEC_PER_MSEC
#define RELOAD_PERIOD_MAX (INT64_C(876000) * 3600 * NSEC_PER_SEC)

enum {
	OPT_CHECK = 256,
	OPT_BOOTSTRAP_ADDR,
	OPT_RELOAD_PERIOD,
	OPT_STATUS,
	OPT_WATCH,
	OPT_JSON,
};

/* "+": operands are an error and nothing is reordered; ":": a missing argument is told apart. */
static const char short_options[] = "+:c:tb:fdp:Vh";

static const struct option long_options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "test", no_argument, NULL, 't' },
	{ "check", no_argument, NULL, OPT_CHECK },
	{ "bootstrap", required_argument, NULL, 'b' },
	{ "bootstrapAddr", required_argument, NULL, OPT_BOOTSTRAP_ADDR },
	{ "force", no_argument, NULL, 'f' },
	{ "daemon", no_argument, NULL, 'd' },
	{ "pidFile", required_argument, NULL, 'p' },
	{ "reloadPeriod", required_argument, NULL, OPT_RELOAD_PERIOD },
	{ "status", no_argument, NULL, OPT_STATUS },
	{ "watch", no_argument, NULL, OPT_WATCH },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static const char help_text[] =
	"usage: iaido [-c FILE] [-t | --check] [-d] [-p FILE] [--reloadPeriod DUR]\n"
	"       iaido [-c FILE] --status [--watch] [--json]\n"
	"       iaido -c FILE [--bootstrapAddr ADDR] -b LPORT:HOST:RPORT [-b ...] [-f]\n"
	"\n"
	"Relays TCP connections to the nearest backend that can be used.\n"
	"\n"
	"  -c, --config FILE         configuration file [iaido.yaml]\n"
	"  -t, --test                report every fault of the configuration, and exit\n"
	"      --check               the same, then print it with every default filled in\n"
	"  -d, --daemon              go into the background once ready\n"
	"  -p, --pidFile FILE        overrides pidFile of the configuration\n"
	"      --reloadPeriod DUR    how often to look whether the file changed [1s];\n"
	"                            0 = only on SIGHUP\n"
	"      --status              ask the running iaido how it is; exit status 0 = ready\n"
	"      --watch               with --status: again each second\n"
	"      --json                with --status: all of it, as JSON\n"
	"  -b, --bootstrap SPEC      write a configuration file; SPEC is\n"
	"                            localPort:remoteHost:remotePort (an IPv6 host in\n"
	"                            brackets), and may be given many times\n"
	"      --bootstrapAddr ADDR  address that its frontends bind to [127.0.0.1]\n"
	"  -f, --force               let -b overwrite an existing file\n"
	"  -V, --version             print the version, and exit\n"
	"  -h, --help                print this, and exit\n"
	"\n"
	"Exit status: 0 success, 1 failure, 2 bad usage. See iaido(8) and iaido.yaml(5).\n";

/* Which options were seen that only some actions take. */
struct seen {
	const char *running; /* the last one about how to run */
	bool force;
	bool bootstrap_address;
};

const char *
options_help(void)
{
	return help_text;
}

void
options_fini(struct options *o)
{
	bootstrap_fini(&o->bootstrap);
}

PRINTF_LIKE(2, 3)
static int
fail(char *message, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(message, OPTIONS_MESSAGE_MAX, format, ap);
	va_end(ap);
	return -EINVAL;
}

static const char *
action_name(enum options_action action)
{
	static const char *const names[] = {
		[OPTIONS_RUN] = "",
		[OPTIONS_TEST] = "--test",
		[OPTIONS_CHECK] = "--check",
		[OPTIONS_BOOTSTRAP] = "--bootstrap",
		[OPTIONS_STATUS] = "--status",
		[OPTIONS_VERSION] = "--version",
		[OPTIONS_HELP] = "--help",
	};

	return names[action];
}

static int
set_action(struct options *o, enum options_action action, char *message)
{
	if (o->action != OPTIONS_RUN && o->action != action)
		return fail(message, "%s and %s do not go together", action_name(o->action),
			action_name(action));
	o->action = action;
	return 0;
}

static int
set_path(const char **out, const char *name, char *message)
{
	if (optarg[0] == '\0')
		return fail(message, "%s: the file name must not be empty", name);
	*out = optarg;
	return 0;
}

static int
set_reload_period(struct options *o, char *message)
{
	int64_t ns = 0;
	int r = duration_parse(optarg, &ns);

	if (r == -EDOM)
		return fail(message, "--reloadPeriod: \"%.60s\" lacks a unit: write 1s or 500ms",
			optarg);
	if (r == -EINVAL)
		return fail(message, "--reloadPeriod: \"%.60s\" is not a duration", optarg);
	if (r < 0 || (ns != 0 && (ns < RELOAD_PERIOD_MIN || ns > RELOAD_PERIOD_MAX)))
		return fail(message,
			"--reloadPeriod: must be 0 (only on SIGHUP), or from 1ms to 876000h, "
			"not \"%.60s\"",
			optarg);
	o->reload_period_ns = ns;
	return 0;
}

static int
add_spec(struct options *o, char *message)
{
	const char *what = bootstrap_add(&o->bootstrap, optarg);

	if (what)
		return fail(message, "--bootstrap: \"%.60s\": %s", optarg, what);
	return set_action(o, OPTIONS_BOOTSTRAP, message);
}

static int
set_bootstrap_address(struct options *o, char *message)
{
	const char *what = bootstrap_check_address(optarg);

	if (what)
		return fail(message, "--bootstrapAddr: \"%.60s\": %s", optarg, what);
	o->bootstrap_address = optarg;
	return 0;
}

static int
refuse_option(int c, const char *word, char *message)
{
	if (c == ':' && optopt < 256 && strncmp(word, "--", 2) != 0)
		return fail(message, "-%c needs an argument", optopt);
	if (c == ':')
		return fail(message, "%.60s needs an argument", word);
	if (optopt > 0 && strncmp(word, "--", 2) == 0)
		return fail(message, "%.60s: this option takes no argument", word);
	if (optopt > 0)
		return fail(message, "unknown option -%c", optopt);
	return fail(message, "unknown or ambiguous option %.60s", word);
}

static int
take_option(struct options *o, struct seen *seen, int c, char *message)
{
	switch (c) {
	case 'c':
		return set_path(&o->config_path, "--config", message);
	case 't':
		return set_action(o, OPTIONS_TEST, message);
	case OPT_CHECK:
		return set_action(o, OPTIONS_CHECK, message);
	case 'b':
		return add_spec(o, message);
	case OPT_BOOTSTRAP_ADDR:
		seen->bootstrap_address = true;
		return set_bootstrap_address(o, message);
	case 'f':
		seen->force = o->force = true;
		return 0;
	case 'd':
		seen->running = "--daemon";
		o->daemon = true;
		return 0;
	case 'p':
		seen->running = "--pidFile";
		return set_path(&o->pid_file, "--pidFile", message);
	case OPT_RELOAD_PERIOD:
		seen->running = "--reloadPeriod";
		return set_reload_period(o, message);
	case OPT_STATUS:
		return set_action(o, OPTIONS_STATUS, message);
	case OPT_WATCH:
		o->watch = true;
		return 0;
	default:
		o->json = true;
		return 0;
	}
}

static int
check_together(const struct options *o, const struct seen *seen, char *message)
{
	if (seen->force && o->action != OPTIONS_BOOTSTRAP)
		return fail(message, "--force needs --bootstrap");
	if (seen->bootstrap_address && o->action != OPTIONS_BOOTSTRAP)
		return fail(message, "--bootstrapAddr needs --bootstrap");
	if ((o->watch || o->json) && o->action != OPTIONS_STATUS)
		return fail(message, "%s needs --status", o->watch ? "--watch" : "--json");
	/* With --test and --check they are let through: that is how one tests a whole line. */
	if (seen->running && (o->action == OPTIONS_BOOTSTRAP || o->action == OPTIONS_STATUS))
		return fail(message, "%s and %s do not go together", seen->running,
			action_name(o->action));
	return 0;
}

int
options_parse(int argc, char **argv, struct options *out, char message[OPTIONS_MESSAGE_MAX])
{
	struct seen seen = { 0 };
	int c, r;

	*out = (struct options){
		.config_path = "iaido.yaml",
		.reload_period_ns = NSEC_PER_SEC,
		.bootstrap_address = "127.0.0.1",
	};
	opterr = 0;
	optind = 0; /* glibc: begin anew */
	for (;;) {
		/* The word that getopt_long() is at: it may hold several short options. */
		int at = optind > 0 ? optind : 1;

		c = getopt_long(argc, argv, short_options, long_options, NULL);
		if (c == -1)
			break;
		if (c == '?' || c == ':')
			return refuse_option(c, argv[at], message);
		if (c == 'V' || c == 'h') {
			out->action = c == 'V' ? OPTIONS_VERSION : OPTIONS_HELP;
			return 0;
		}
		r = take_option(out, &seen, c, message);
		if (r < 0)
			return r;
	}
	if (optind < argc)
		return fail(message, "unexpected argument \"%.60s\"", argv[optind]);
	return check_together(out, &seen, message);
}
