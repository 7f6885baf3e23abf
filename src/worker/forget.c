/* A socket that is closed leaves its epoll set by itself (epoll(7)), as long as no other descriptor
 * refers to it; libevent 2.1 takes it out first all the same, and has no way to be told. Two of the
 * seventeen system calls of a short connection are saved by answering that one call here. The
 * program's own epoll_ctl() stands before the C library's for everything linked to it. */
#include "config.h"

#include "worker/forget.h"

#include <event2/event.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The descriptor that is about to be closed; -1 = none. One thread, and only within this call. */
static int closing_fd = -1;

int
epoll_ctl(int epoll_fd, int op, int fd, struct epoll_event *event)
{
	if (op == EPOLL_CTL_DEL && fd == closing_fd)
		return 0;
	return (int)syscall(SYS_epoll_ctl, epoll_fd, op, fd, event);
}

void
forget_event(struct event *e)
{
	closing_fd = (int)event_get_fd(e);
	(void)event_del(e);
	closing_fd = -1;
}
