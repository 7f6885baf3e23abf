/* A worker's first steps after fork(), before its own code runs. */
#ifndef IAIDO_MASTER_CHILD_H
#define IAIDO_MASTER_CHILD_H

#include "iaido/macros.h"

struct listeners;
struct master;
struct worker;

/* In the child: gives up everything of the master's that a worker must not have (its event base,
 * descriptors, siblings' maps, capabilities) and runs the worker. All signals are blocked. */
void child_run(struct master *m, struct worker *w, int chan_fd, const struct listeners *listeners)
	NORETURN;

/* Closes every descriptor from 3 on but those given. `keep` is sorted by this. */
void child_close_others(int *keep, size_t count);

#endif
