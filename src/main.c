/* The program: does what the options ask for, and introduces master and worker to each other. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "iaido/bootstrap.h"
#include "iaido/conf.h"
#include "iaido/diag.h"
#include "iaido/master.h"
#include "iaido/text.h"
#include "iaido/version.h"
#include "iaido/worker.h"
#include "options.h"

enum { EXIT_USAGE = 2 };

/* A descriptor from 0 to 2 that is closed would be given to the next socket, and be printed to. */
static void
open_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

/* Writes to standard output; a full disk or a closed reader is a failure. */
static int
print(const char *text)
{
	if (fputs(text, stdout) == EOF || fflush(stdout) == EOF) {
		(void)fprintf(stderr, "iaido: standard output: %s\n", strerror(errno));
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}

static int
print_version(void)
{
	char line[64];

	(void)snprintf(line, sizeof(line), "iaido %s\n", version_string());
	return print(line);
}

/* What is wrong with a file, where r is negative. */
static void
print_errors(const struct conf_report *report, const char *path, int r)
{
	for (size_t i = 0; i < report->error_count; i++)
		(void)fprintf(stderr, "%s\n", report->errors[i]);
	if (r < 0 && report->error_count == 0)
		(void)fprintf(stderr, "%s: %s\n", path, strerror(-r));
}

static void
print_warnings(const struct conf_report *report)
{
	for (size_t i = 0; i < report->warning_count; i++)
		(void)fprintf(stderr, "%s (warning)\n", report->warnings[i]);
}

/* NULL, with the faults printed, unless the configuration is good. */
static struct conf *
load_conf(const char *path)
{
	struct conf_report report;
	struct conf *c = NULL;
	int r = conf_load(path, &c, &report);

	print_errors(&report, path, r);
	print_warnings(&report);
	if (r < 0)
		(void)fprintf(stderr, "iaido: configuration file %s test failed\n", path);
	conf_report_fini(&report);
	return r < 0 ? NULL : c;
}

static int
test(const struct options *o)
{
	struct conf *c = load_conf(o->config_path);

	if (!c)
		return EXIT_FAILURE;
	conf_free(c);
	(void)fprintf(stderr, "iaido: configuration file %s test is successful\n", o->config_path);
	return EXIT_SUCCESS;
}

static int
check(const struct options *o)
{
	struct conf *c = load_conf(o->config_path);
	struct text t;
	int status = EXIT_FAILURE;

	if (!c)
		return EXIT_FAILURE;
	text_init(&t);
	if (conf_emit_yaml(c, &t) == 0)
		status = print(t.data);
	else
		(void)fprintf(stderr, "iaido: %s\n", strerror(ENOMEM));
	text_fini(&t);
	conf_free(c);
	return status;
}

/* The file first, so that what is on standard output is also in the file. */
static int
write_bootstrapped(const struct options *o, const struct text *t)
{
	int r = bootstrap_write(o->config_path, t->data, t->len, o->force);

	if (r < 0) {
		(void)fprintf(stderr, "iaido: %s: %s%s\n", o->config_path,
			r == -EINVAL ? "is not a regular file" : strerror(-r),
			r == -EEXIST ? ": give --force to overwrite it" : "");
		return EXIT_FAILURE;
	}
	(void)fprintf(stderr, "wrote bootstrapped configuration file to %s\n", o->config_path);
	return print(t->data);
}

static int
bootstrap(const struct options *o)
{
	struct conf_report report;
	struct conf *c = NULL;
	struct text t;
	int status = EXIT_FAILURE;
	int r = bootstrap_make(&o->bootstrap, o->bootstrap_address, &c, &report);

	print_errors(&report, "bootstrap", r);
	print_warnings(&report);
	conf_report_fini(&report);
	if (r < 0) {
		(void)fprintf(stderr, "iaido: nothing was written\n");
		return EXIT_FAILURE;
	}
	text_init(&t);
	if (conf_emit_yaml(c, &t) == 0)
		status = write_bootstrapped(o, &t);
	else
		(void)fprintf(stderr, "iaido: %s\n", strerror(ENOMEM));
	text_fini(&t);
	conf_free(c);
	return status;
}

static int
run(const struct options *o, char **argv)
{
	struct master_options m = {
		.config_path = o->config_path,
		.pid_file = o->pid_file,
		.daemon = o->daemon,
		.reload_period_ns = o->reload_period_ns,
		.argv = argv,
		.worker = worker_run,
	};

	return master_run(&m);
}

static int
status(const struct options *o)
{
	const struct status_options options = { .watch = o->watch, .json = o->json };
	struct conf_report report;
	char *diag_addr = NULL;
	int exit_status = EXIT_FAILURE;
	int r = conf_load_diag_addr(o->config_path, &diag_addr, &report);

	/* Who has just spoilt the file wants to see what runs on with the former one. */
	print_errors(&report, o->config_path, r);
	conf_report_fini(&report);
	if (diag_addr)
		exit_status = status_run(diag_addr, &options);
	else if (r == 0)
		(void)fprintf(stderr, "iaido: %s has no diagAddr to ask\n", o->config_path);
	free(diag_addr);
	return exit_status;
}

static int
act(const struct options *o, char **argv)
{
	switch (o->action) {
	case OPTIONS_TEST:
		return test(o);
	case OPTIONS_CHECK:
		return check(o);
	case OPTIONS_BOOTSTRAP:
		return bootstrap(o);
	case OPTIONS_VERSION:
		return print_version();
	case OPTIONS_HELP:
		return print(options_help());
	case OPTIONS_STATUS:
		return status(o);
	default:
		return run(o, argv);
	}
}

int
main(int argc, char **argv)
{
	char message[OPTIONS_MESSAGE_MAX];
	struct options o;
	int status;

	open_standard_descriptors();
	if (options_parse(argc, argv, &o, message) < 0) {
		(void)fprintf(
			stderr, "iaido: %s\nTry 'iaido --help' for more information.\n", message);
		status = EXIT_USAGE;
	} else {
		status = act(&o, argv);
	}
	options_fini(&o);
	return status;
}
