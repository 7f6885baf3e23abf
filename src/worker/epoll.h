/* What the loop cannot be asked by way of libevent: whether there was an error; and taking an event out
 * just before its socket is closed, without a system call. */
#ifndef IAIDO_WORKER_EPOLL_H
#define IAIDO_WORKER_EPOLL_H

#include <stdbool.h>

struct event;

/* Some socket has an error, by what this pass of the loop was told. Whose is not known: the socket's
 * own SO_ERROR tells. */
bool epoll_told_error(void);

/* Like event_del() for an event whose descriptor is closed right after by its only owner. */
void forget_event(struct event *e);

#endif
