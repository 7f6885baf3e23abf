/* Detaching into the background, such that whoever started it learns how the start went. */
#ifndef IAIDO_MASTER_DAEMON_H
#define IAIDO_MASTER_DAEMON_H

#include <stdbool.h>

#include "iaido/macros.h"

/* Embedded. */
struct daemon {
	bool detached;
	int status_fd; /* to the waiting parent; -1 = told, or none */
};

/* Forks; the parent waits and never returns: it exits 0 once daemon_ready() is called, with the
 * child's status when that ends before. The child returns 0, in a session of its own and in the
 * root directory. */
int daemon_detach(struct daemon *d) MUST_CHECK;

/* Once detached: standard input, output and error become /dev/null, but for a standard error that
 * is a file when keep_stderr. A worker does so at birth: whoever reads the starter's pipe to its end
 * would wait for it otherwise. */
void daemon_leave_terminal(const struct daemon *d, bool keep_stderr);
/* The same for the master; and lets the parent go. */
void daemon_ready(struct daemon *d, bool keep_stderr);

#endif
