/* The typed messages of the channel: numbers, sizes, senders, encoding. */
#ifndef IAIDO_MSG_H
#define IAIDO_MSG_H

#include <stdbool.h>
#include <stdint.h>

#include "iaido/chan.h"
#include "iaido/macros.h"

enum msg_type {
	/* master to worker */
	MSG_TABLE = 1, /* a table's memfd; payload: its number */
	MSG_LOG = 2, /* the log's descriptor, level, format, whether it is syslog */
	MSG_DRAIN = 3, /* close the listeners; how long connections may go on */
	MSG_STOP = 4, /* end at once */
	/* worker to master */
	MSG_READY = 16, /* first table applied, listeners registered */
	MSG_APPLIED = 17, /* payload: the table's number */
	MSG_DIAL_FAILED = 18, /* cell and errno: one per change of state */
	MSG_DRAINED = 19, /* no connection left; exits */
};

struct msg_table {
	uint64_t number;
};
struct msg_log {
	uint8_t level;
	uint8_t format;
	bool syslog;
};
struct msg_drain {
	bool whole_process; /* shutdown (gracePeriod), not a replaced generation */
	bool keep_accepting; /* go on accepting until nothing has been open for 1 s or the end */
	int64_t left_ns; /* 0 = no end: until the last connection ends */
};
struct msg_applied {
	uint64_t number;
};
struct msg_dial_failed {
	uint32_t cell;
	int32_t error;
};

/* Each returns what chan_send() returns. */
int msg_send_table(int chan_fd, const struct msg_table *m, int table_fd) MUST_CHECK;
int msg_send_log(int chan_fd, const struct msg_log *m, int log_fd) MUST_CHECK;
int msg_send_drain(int chan_fd, const struct msg_drain *m) MUST_CHECK;
int msg_send_stop(int chan_fd) MUST_CHECK;
int msg_send_ready(int chan_fd) MUST_CHECK;
int msg_send_applied(int chan_fd, const struct msg_applied *m) MUST_CHECK;
int msg_send_dial_failed(int chan_fd, const struct msg_dial_failed *m) MUST_CHECK;
int msg_send_drained(int chan_fd) MUST_CHECK;

enum msg_sender { MSG_FROM_MASTER, MSG_FROM_WORKER };

struct msg {
	enum msg_type type;
	int fd; /* -1 = none; the receiver's to close */
	union {
		struct msg_table table;
		struct msg_log log;
		struct msg_drain drain;
		struct msg_applied applied;
		struct msg_dial_failed dial_failed;
	};
};

/* Decodes a message from that sender: type known and allowed, sizes right, a descriptor exactly
 * where one belongs. Returns 0 or -EBADMSG (a descriptor that came is closed then). */
int msg_decode(const struct chan_message *in, enum msg_sender sender, struct msg *out) MUST_CHECK;
const char *msg_name(enum msg_type type);

#endif
