/* The diagnostics endpoint: HTTP in the master's loop, rendering snapshots that it asks for. */
#ifndef IAIDO_DIAG_H
#define IAIDO_DIAG_H

#include <stdbool.h>

#include "iaido/macros.h"

struct conf;
struct diag;
struct event_base;
struct snapshot;

/* How diag asks the master; copied. take_snapshot() returns 0 or -errno. */
struct diag_source {
	int (*take_snapshot)(void *arg, struct snapshot *out);
	const struct conf *(*current_conf)(void *arg);
	void *arg;
};

/* Opens a listening socket for a normalised diagAddr ("host:port" or "unix:/path", the latter
 * unlinked first where it is a dead socket). Returns the descriptor or -errno. */
int diag_listen(const char *diag_addr) MUST_CHECK;

/* Removes the file of a "unix:/path" that this program listened on; nothing for other addresses. */
void diag_unlisten(const char *diag_addr);

/* Serves on fd, which it takes on success (it may be one that an earlier program opened; an upgrade
 * hands on diag_descriptor()). SIGPIPE has to be ignored. Returns 0 or -errno. */
int diag_new(struct event_base *base, int fd, const struct diag_source *source, struct diag **out)
	MUST_CHECK;
int diag_descriptor(const struct diag *d);
/* Cuts what is being answered and closes the socket; a forked child calls it after event_reinit().
 * Not from within a diag_source function. */
void diag_free(struct diag *d);

/* `iaido --status`: asks the instance at diag_addr and prints. Returns the exit status. */
struct status_options {
	bool watch;
	bool json;
};
int status_run(const char *diag_addr, const struct status_options *options);

#endif
