/* Taking an event out of the loop just before its socket is closed, without a system call. */
#ifndef IAIDO_WORKER_EPOLL_H
#define IAIDO_WORKER_EPOLL_H

struct event;

/* Like event_del() for an event whose descriptor is closed right after by its only owner. */
void forget_event(struct event *e);

#endif
