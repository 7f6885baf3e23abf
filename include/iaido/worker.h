/* What the master hands to the function that a forked worker runs. */
#ifndef IAIDO_WORKER_H
#define IAIDO_WORKER_H

#include <stddef.h>
#include <stdint.h>

#include "iaido/scoreboard.h"

struct worker_listener {
	uint32_t frontend; /* id */
	uint32_t slot;
	int fd;
};

struct worker_start {
	uint32_t number; /* unique among the living; what slot_owners holds */
	uint32_t generation;
	int chan_fd;
	struct scoreboard *board;
	struct share *share;
	struct worker_listener *listeners;
	size_t listener_count;
};

/* Runs a worker to its end and returns its exit status. Called in the child with signals still
 * blocked, everything that it does not need already closed, event bases of the parent already
 * disposed of; owns everything in `start` from then on. */
int worker_run(const struct worker_start *start);

/* The same as a type, so that main introduces master and worker to each other. */
typedef int worker_function(const struct worker_start *start);

#endif
