/* The master's end of a worker's channel: sends without ever waiting. Of each kind of message only
 * the newest is kept until it can be sent, so that a worker that does not read costs nothing. */
#ifndef IAIDO_MASTER_CHANNEL_H
#define IAIDO_MASTER_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "iaido/macros.h"
#include "iaido/msg.h"

struct event;
struct event_base;

struct channel_owner {
	/* A message that was decoded and may come from a worker; no descriptor comes with these. */
	void (*received)(void *arg, const struct msg *m);
	/* The worker has closed its end (error 0), sent nonsense, or cannot be reached. The channel
	 * is closed already; freeing it is the owner's. */
	void (*closed)(void *arg, int error);
	void *arg;
};

/* Embedded; a zeroed one with fd -1 is closed. */
struct channel {
	int fd;
	struct channel_owner owner;
	struct event *readable;
	struct event *writable;
	bool has_log;
	struct msg_log log;
	int log_fd; /* a copy */
	bool has_table;
	struct msg_table table;
	int table_fd; /* a copy */
	bool has_drain;
	struct msg_drain drain;
	bool has_stop;
};

/* Takes fd on success. Returns 0, -ENOMEM. */
int channel_open(struct channel *c, struct event_base *base, int fd,
	const struct channel_owner *owner) MUST_CHECK;
void channel_close(struct channel *c);

/* Each takes effect at once or when the worker reads again; does nothing on a closed channel. */
void channel_send_table(struct channel *c, uint64_t number, int table_fd);
void channel_send_log(struct channel *c, const struct msg_log *m, int log_fd);
void channel_send_drain(struct channel *c, const struct msg_drain *m);
void channel_send_stop(struct channel *c);

#endif
