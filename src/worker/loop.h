/* A worker's own state: one event loop, its connections, its view of the routing table. */
#ifndef IAIDO_WORKER_LOOP_H
#define IAIDO_WORKER_LOOP_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "iaido/clock.h"
#include "iaido/log.h"
#include "iaido/macros.h"
#include "iaido/rng.h"
#include "iaido/scoreboard.h"
#include "iaido/shed.h"
#include "iaido/wheel.h"

#include "worker/alarm.h"

struct acceptor;
struct batch;
struct conn;
struct dial;
struct frontend;
struct pipe_pool;
struct worker_start;

/* What one recv() may bring: a read that fills it shows a stream. */
#define COPY_BUFFER_SIZE 65536
/* How often connections with recent traffic are looked at again. */
#define ACTIVE_LOOK_NS (100 * NSEC_PER_MSEC)

TAILQ_HEAD(conn_queue, conn);
LIST_HEAD(conn_list, conn);
LIST_HEAD(dial_list, dial);

struct worker {
	/* What every event touches. */
	struct batch *batch;
	uint8_t *copy_buffer; /* COPY_BUFFER_SIZE */
	struct conn_queue closed; /* to be freed after this turn; linked by all_link */
	bool draining;

	uint32_t number;
	int chan_fd;
	struct event_base *base;
	struct scoreboard *board;
	struct share *share;
	struct rng rng;

	struct event chan_event;
	struct event drain_event; /* the drain's end, or a look whether all is empty */
	struct alarms alarms;
	uint32_t active_pass;

	/* Routing. */
	bool log_connections;
	uint64_t table_number;
	struct frontend **frontends; /* by the order of their ids */
	size_t frontend_count;
	uint32_t *backend_of_cell; /* [SCOREBOARD_CELLS]: index in its frontend's table + 1 */
	struct conn_list *conns_of_cell; /* [SCOREBOARD_CELLS] */

	/* Connections. */
	struct acceptor *acceptor;
	struct conn_queue conns;
	/* Have used up their budget: go on after a look at all events. Linked by turn_link. */
	struct conn_queue ready;
	struct conn_queue active; /* linked by active_link */
	struct dial_list dials; /* hedges and overtaken dials */
	uint32_t conn_count;
	struct conn *free_conns;
	struct conn_slab *slabs;

	/* Descriptors: sockets and pipes of this worker against its limit. */
	uint64_t descriptors;
	uint64_t descriptor_limit;
	int spare_fd; /* -1 = none */
	struct log_limit limit_log;

	/* Relaying. */
	struct pipe_pool *pipes;
	struct chunk *free_chunks;
	unsigned free_chunk_count;

	/* Ending. */
	bool ready_sent;
	bool keep_accepting;
	bool drain_has_end;
	bool stop;
	int exit_status;
	int64_t empty_since_ns; /* keepAccepting: nothing open anywhere since; 0 = not so */
	struct drain_plan drain;

	/* Large, so last. */
	struct wheel wheel; /* of connections */
	struct wheel dial_wheel; /* of dials beside them */
};

/* The nanoseconds as what event_add() takes. */
struct timeval worker_timeval(int64_t ns);

#endif
