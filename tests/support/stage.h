/* A stage for worker tests: one real worker in a process of its own, a frontend, some backends that
 * the test plays itself, a routing table that the test makes. */
#ifndef IAIDO_TESTS_STAGE_H
#define IAIDO_TESTS_STAGE_H

#include <stdint.h>
#include <sys/types.h>

#include "iaido/msg.h"
#include "iaido/scoreboard.h"
#include "iaido/table.h"

#define STAGE_BACKENDS 4
#define STAGE_DEADLINE_MS 20000

struct stage {
	pid_t pid;
	int chan_fd;
	int listen_fd; /* the master's copy */
	uint16_t port;
	int backend_fds[STAGE_BACKENDS]; /* listening; -1 = nobody listens there */
	uint16_t backend_ports[STAGE_BACKENDS];
	unsigned int backend_count;
	struct scoreboard board;
	struct share share;
	struct table_frontend frontend; /* to be changed by the test, then stage_push() */
	uint64_t table_number;
};

/* Opens everything with `backends` backends of rank 0, 1, 2 … and starts the worker. */
void stage_open(struct stage *s, unsigned int backends);
/* Sends the frontend as it stands now and waits until the worker has applied it. */
void stage_push(struct stage *s);
void stage_drain(struct stage *s, const struct msg_drain *m);
/* Waits until the worker has left and returns its exit status (128 + signal when killed). */
int stage_wait_exit(struct stage *s);
/* Stops the worker: what happens until it goes on, it sees in one pass of its loop. */
void stage_hold(const struct stage *s);
void stage_go_on(const struct stage *s);
void stage_close(struct stage *s);

/* A connected client socket (blocking, with a receive timeout of the deadline). */
int stage_connect(const struct stage *s);
/* The next connection to a backend; ends the test when none comes. */
int stage_accept(const struct stage *s, unsigned int backend);

/* Waits until the cell's active count is that. */
void stage_wait_active(struct stage *s, uint32_t cell, uint32_t active);
uint64_t stage_ended(struct stage *s, enum ended_by by, enum ended_reason reason);
void stage_wait_ended(struct stage *s, enum ended_by by, enum ended_reason reason, uint64_t count);

#endif
