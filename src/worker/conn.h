/* A connection: two endpoints, two independent directions between them, one owner (the worker). */
#ifndef IAIDO_WORKER_CONN_H
#define IAIDO_WORKER_CONN_H

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "iaido/addr.h"
#include "iaido/ended.h"
#include "iaido/macros.h"
#include "iaido/pick.h"
#include "iaido/wheel.h"

#include "worker/loop.h"

struct chunk;
struct pipe;

enum side { CLIENT, BACKEND };

/* A single small segment goes out at once without TCP_NODELAY: short connections never pay for it. */
enum nodelay { NODELAY_UNSENT, NODELAY_SENT_ONE, NODELAY_SET };

/* One socket. Registered once for read, write and closed, edge-triggered: the flags remember what
 * the edges said. */
struct endpoint {
	int fd; /* -1 = none */
	uint8_t side; /* which of its connection's endpoints this is */
	bool registered;
	bool readable; /* may have something to read */
	bool writable; /* took all of what it was last given */
	bool closed_seen; /* a FIN, a reset or urgent data has come: a short read tells nothing */
	uint8_t nodelay; /* enum nodelay: set before anything could wait for it */
	bool sent; /* bytes given to it since its acknowledgements were last looked at */
	bool heard; /* bytes came from it since then */
	bool abortive; /* closed by the kernel (the process died), it ends by a reset */
	bool failed; /* a send failed: nothing more goes to it */
	bool error_told; /* it may have an error, which no read tells once a FIN has come */
	struct event event;
};

/* From one endpoint to the other. Bytes that the receiver did not take yet are in the chunk or in
 * the pipe, the pipe's being the newer when both hold some. */
struct direction {
	struct chunk *chunk;
	struct pipe *pipe;
	bool splicing;
	bool never_splice; /* the kernel refused it for one of these sockets */
	bool ended; /* FIN (or an error) came from the sender */
	bool passed; /* and was passed on */
	uint8_t small_reads; /* running, while splicing */
};

enum conn_state {
	CONN_FREE,
	CONN_WAITING, /* accepted, no backend to dial at present */
	CONN_DIALING,
	CONN_RELAYING,
	CONN_RESETTING, /* a reset is passed on once what came before it is delivered */
	CONN_CLOSED, /* to be freed after this turn of the loop */
};

/* What only a connection needs that is on its way to a backend, or that is logged at its end. */
struct conn_setup {
	struct tried tried;
	struct addr client;
	int64_t dial_started_ns; /* CLOCK_MONOTONIC, of the present dial */
	int64_t wait_until_ns;
	int64_t dial_until_ns;
	int64_t hedge_at_ns; /* INT64_MAX = none */
	struct dial *hedge;
	bool suspect; /* the present dial is marked as suspect in the board */
	bool dial_failed; /* some dial failed: says how the connection ended */
	bool client_known;
};

/* What a message touches comes first, in as few cache lines as can be: with many connections they
 * are what it waits for. */
struct conn {
	_Alignas(CACHE_LINE) struct worker *worker;
	struct share_cell *share; /* of its cell */
	struct direction from[2]; /* from[CLIENT] carries bytes from the client to the backend */
	enum conn_state state;
	bool in_active;
	bool in_batch;
	bool rechecked; /* read once more since it went quiet */
	uint64_t bytes[2]; /* by the side they came from */
	int64_t last_ns; /* last byte either way; a coarse time, as the next */
	int64_t backend_last_ns; /* last byte from the backend */
	struct endpoint end[2];

	struct frontend *frontend;
	uint32_t cell; /* its place; NO_CELL = none */
	struct conn_setup *setup; /* NULL once relaying, unless connections are logged */

	TAILQ_ENTRY(conn) all_link;
	TAILQ_ENTRY(conn) turn_link; /* in the worker's ready queue or its frontend's waiting */
	TAILQ_ENTRY(conn) active_link;
	LIST_ENTRY(conn) cell_link;
	struct wheel_entry wheel;

	int64_t accepted_ns;
	int64_t tick_ns; /* next maintenance tick */
	int64_t age_ns; /* when it is too old; INT64_MAX = never */
	int64_t reset_until_ns; /* CONN_RESETTING: delivering goes on until then */
	int64_t active_ns; /* since when there was traffic, without a quiet moment */
	int64_t looked_ns; /* acknowledgements were last looked at */
	uint32_t draw; /* its own random number: when a drain closes it */
	uint32_t dial_us;
	uint32_t wait_us;
	uint8_t strikes; /* maintenance ticks running on which it ought to go */
	uint8_t reset_from; /* CONN_RESETTING: the side that failed */
	uint8_t first_ended; /* the side whose FIN came first; 2 = none yet */
	uint8_t ended_by;
	uint8_t ended_reason;
	bool has_ending; /* the two above are decided */
	bool in_ready;
	bool in_waiting;
	uint32_t active_pass;
	bool place_given_back;
	bool keepalive_armed;
	bool redialled; /* reset by its first backend before a byte went either way */
	bool at_pause; /* to be closed at the next pause in its traffic */
	uint8_t at_pause_reason;
};

#define NO_CELL UINT32_MAX

static inline struct conn *
endpoint_conn(struct endpoint *e)
{
	return CONTAINER_OF(e - e->side, struct conn, end[0]);
}

static inline enum side
other_side(enum side s)
{
	return s == CLIENT ? BACKEND : CLIENT;
}

/* Takes one from the worker's slabs, with an empty setup. NULL without memory. */
struct conn *conn_new(struct worker *w);
/* Gives back one that was never accepted. */
void conn_discard(struct conn *c);
/* Frees those that were closed during this pass of the loop. */
void conn_reap(struct worker *w);
void conn_free_slabs(struct worker *w);

/* A client was accepted, its frontend's place reserved: takes fd; lists, timers, counts. */
void conn_accepted(struct conn *c, struct frontend *f, int fd);
/* Takes on a place that picker_take() reserved, or lets go of it. */
void conn_take_place(struct conn *c, uint32_t cell);
void conn_release_place(struct conn *c);
/* The place goes on being held, by a dial that runs on without the connection. */
void conn_give_away_place(struct conn *c);

/* A backend is connected: setup is over, relaying begins. */
void conn_connected(struct conn *c);

/* Registers the endpoint once: read, write, closed, edge-triggered. Returns 0 or -errno. */
int endpoint_register(struct conn *c, enum side side) MUST_CHECK;
/* From now on a death of the process resets the connection: a stream that is cut off must not look
 * complete. */
void endpoint_make_abortive(struct endpoint *e);
/* Takes the event out and closes the socket. */
void endpoint_close(struct worker *w, struct endpoint *e, bool reset);

/* Remembers who ended it and why; the first word counts. */
void conn_set_ending(struct conn *c, enum ended_by by, enum ended_reason reason);
/* Ends it now: leaves every list and event, gives its place back, counts and logs. With `reset`
 * both sides get a reset, else a FIN. Can be asked for twice. */
void conn_close(struct conn *c, bool reset);
/* iaido ends it: by FIN if everything is delivered and both directions are quiet, else by reset. */
void conn_end(struct conn *c, enum ended_reason reason);
/* True while something read from either side has not been taken by the other. */
bool conn_has_pending(const struct conn *c);

/* The rare half of conn_mark_active(): it is not in the list yet. */
void conn_enter_active(struct conn *c);

/* Traffic was seen: into the list of those to look at again. */
static inline void
conn_mark_active(struct conn *c)
{
	c->rechecked = false;
	if (UNLIKELY(!c->in_active))
		conn_enter_active(c);
}

#endif
