/* The state that an upgrade in place hands to the next program: one versioned record in a sealed
 * memfd, in which descriptors stand by number. */
#ifndef IAIDO_MASTER_RECORD_H
#define IAIDO_MASTER_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "iaido/macros.h"
#include "iaido/wire.h"

struct master;
struct text;

struct record {
	void *data; /* all of it */
	struct wire_reader pools; /* for pools_load() */
	char *conf_yaml; /* what was in force */
	int log_fd;
	bool log_is_syslog;
	uint8_t log_level;
	uint8_t log_format;
};

/* Everything that `m` is, its configuration included. Returns a descriptor or -errno. */
int record_write(const struct master *m) MUST_CHECK;

/* Fills `m` with what the record says; with `attach`, also takes its scoreboard, shares and workers
 * (whose channels stay closed). Descriptors stay inheritable until record_set_inheritable(). Returns
 * 0, or -errno with what is wrong added to `why`; `out` is to be freed in either case. */
int record_read(struct master *m, int fd, bool attach, struct record *out, struct text *why)
	MUST_CHECK;
void record_fini(struct record *r);

/* Whether what the record names goes over an exec. */
void record_set_inheritable(const struct master *m, bool inheritable);

#endif
