/* The master's entry: what the command line gives it. */
#ifndef IAIDO_MASTER_H
#define IAIDO_MASTER_H

#include <stdbool.h>
#include <stdint.h>

#include "iaido/macros.h"
#include "iaido/worker.h"

struct master_options {
	const char *config_path;
	const char *pid_file; /* overrides the file's; NULL = as in the file */
	bool daemon;
	int64_t reload_period_ns; /* 0 = only on SIGHUP */
	char **argv; /* for an upgrade in place: executed again as they are */
	worker_function *worker; /* what a forked worker runs */
};

/* Runs the master to its end. Returns the exit status. */
int master_run(const struct master_options *options);

#endif
