/* What libevent 2.1 cannot be told about epoll. The program's own epoll_ctl() and epoll_wait() stand
 * before the C library's for everything linked to it; what they do costs no system call.
 *
 * A socket that is closed leaves its epoll set by itself (epoll(7)), as long as no other descriptor
 * refers to it; libevent takes it out first all the same. Two of the seventeen system calls of a short
 * connection are saved by answering that one call here.
 *
 * Urgent data is an event of its own, which libevent neither asks for nor passes on: it is asked for
 * beside the others where an event is edge-triggered, as a connection's are.
 *
 * An error looks like any other event once it has passed libevent, and behind a FIN no read tells of it:
 * that there was one is remembered until the next wait. */
#include "config.h"

#include "worker/epoll.h"

#include <event2/event.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "iaido/macros.h"

/* The descriptor that is about to be closed; -1 = none. One thread, and only within this call. */
static int closing_fd = -1;
/* The last wait brought an error. */
static bool told_error;

int
epoll_ctl(int epoll_fd, int op, int fd, struct epoll_event *event)
{
	if (op == EPOLL_CTL_DEL && fd == closing_fd)
		return 0;
	if (event != NULL && (event->events & EPOLLET))
		event->events |= EPOLLPRI;
	return (int)syscall(SYS_epoll_ctl, epoll_fd, op, fd, event);
}

/* Both would hide behind a short read, which then looks like the last one for now: so they are told as
 * a close is. */
static void
tell_hidden(struct epoll_event *event)
{
	/* libevent makes of an error "readable and writable", and no more. */
	if (event->events & EPOLLERR) {
		event->events |= EPOLLOUT;
		told_error = true;
	}
	event->events &= ~(uint32_t)(EPOLLERR | EPOLLHUP);
	event->events |= EPOLLIN | EPOLLRDHUP;
}

int
epoll_wait(int epoll_fd, struct epoll_event *events, int max, int timeout_ms)
{
	int n = (int)syscall(SYS_epoll_pwait, epoll_fd, events, max, timeout_ms, NULL, (size_t)0);
	int i;

	told_error = false;
	for (i = 0; i < n; i++) {
		if (UNLIKELY(events[i].events & (EPOLLPRI | EPOLLERR)))
			tell_hidden(&events[i]);
	}
	return n;
}

bool
epoll_told_error(void)
{
	return told_error;
}

void
forget_event(struct event *e)
{
	closing_fd = (int)event_get_fd(e);
	(void)event_del(e);
	closing_fd = -1;
}
