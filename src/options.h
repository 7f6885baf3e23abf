/* The command line as a value. */
#ifndef IAIDO_OPTIONS_H
#define IAIDO_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "iaido/bootstrap.h"
#include "iaido/macros.h"

enum options_action {
	OPTIONS_RUN,
	OPTIONS_TEST,
	OPTIONS_CHECK,
	OPTIONS_BOOTSTRAP,
	OPTIONS_STATUS,
	OPTIONS_VERSION,
	OPTIONS_HELP,
};

/* Strings are the command line's own. */
struct options {
	enum options_action action;
	const char *config_path;
	const char *pid_file; /* NULL = as in the file */
	int64_t reload_period_ns; /* 0 = only on SIGHUP */
	bool daemon;
	bool force;
	bool watch;
	bool json;
	const char *bootstrap_address;
	struct bootstrap bootstrap;
};

#define OPTIONS_MESSAGE_MAX 256

/* Returns 0, or -EINVAL with what is wrong in message. *out is options_fini()'s in any case. */
int options_parse(int argc, char **argv, struct options *out, char message[OPTIONS_MESSAGE_MAX])
	MUST_CHECK;
void options_fini(struct options *o);

/* What --help prints. */
const char *options_help(void);

#endif
