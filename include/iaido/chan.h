/* The channel between master and worker: whole messages over a SOCK_SEQPACKET socketpair, each with
 * at most one descriptor. Never blocks; neither side trusts the other's lengths. */
#ifndef IAIDO_CHAN_H
#define IAIDO_CHAN_H

#include <stddef.h>
#include <stdint.h>

#include "iaido/macros.h"

#define CHAN_VERSION 1
#define CHAN_MESSAGE_MAX 4096

/* Two connected ends, close-on-exec and non-blocking. Returns 0 or -errno. */
int chan_pair(int fds[2]) MUST_CHECK;

/* Sends one message {version, type, length, payload}; fd -1 = none; fd stays the caller's.
 * Returns 0, -EAGAIN (full: try again when writable), -EPIPE (the peer is gone) or -errno. */
int chan_send(int chan_fd, uint16_t type, const void *payload, size_t len, int fd) MUST_CHECK;

struct chan_message {
	uint16_t type;
	size_t len;
	int fd; /* -1 = none; the receiver's to close */
	uint8_t payload[CHAN_MESSAGE_MAX];
};

/* Receives one message. Returns 1, 0 (the peer is gone), -EAGAIN, -EBADMSG (a wrong version or
 * length, truncated, more than one descriptor: all descriptors are closed) or -errno. */
int chan_receive(int chan_fd, struct chan_message *out) MUST_CHECK;

#endif
