/* Frames over a SOCK_SEQPACKET socketpair: the kernel keeps messages whole, this file checks that
 * each is one of ours and that no descriptor comes in which nobody will close. */
#define _GNU_SOURCE
#include "config.h"

#include "iaido/chan.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* Both ends are on one host and in one byte order. */
struct frame_head {
	uint16_t version;
	uint16_t type;
	uint32_t len;
};

/* Room for what may come uninvited, so that it can be closed; the kernel closes the rest. */
#define CONTROL_FDS 16

union control {
	struct cmsghdr align;
	char data[CMSG_SPACE(CONTROL_FDS * sizeof(int))];
};

int
chan_pair(int fds[2])
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	return 0;
}

static void
put_descriptor(struct msghdr *m, union control *control, int fd)
{
	struct cmsghdr *c;

	memset(control, 0, sizeof(*control));
	m->msg_control = control->data;
	m->msg_controllen = CMSG_SPACE(sizeof(int));
	c = CMSG_FIRSTHDR(m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
}

int
chan_send(int chan_fd, uint16_t type, const void *payload, size_t len, int fd)
{
	struct frame_head head = { CHAN_VERSION, type, (uint32_t)len };
	struct iovec parts[2] = { { &head, sizeof(head) }, { (void *)(uintptr_t)payload, len } };
	struct msghdr m = { .msg_iov = parts, .msg_iovlen = len > 0 ? 2 : 1 };
	union control control;
	ssize_t n;

	if (len > CHAN_MESSAGE_MAX)
		return -EMSGSIZE;
	if (fd >= 0)
		put_descriptor(&m, &control, fd);
	do {
		n = sendmsg(chan_fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		return 0;
	if (errno == ECONNRESET || errno == ENOTCONN || errno == ECONNREFUSED)
		return -EPIPE;
	return -errno;
}

/* Takes one descriptor out of the control data into *fd and closes all others; returns how many
 * there were. */
static unsigned
take_descriptors(struct msghdr *m, int *fd)
{
	unsigned count = 0;

	*fd = -1;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		size_t here;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		here = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < here; i++) {
			int one;

			memcpy(&one, CMSG_DATA(c) + i * sizeof(int), sizeof(one));
			if (count++ == 0)
				*fd = one;
			else
				close(one);
		}
	}
	return count;
}

int
chan_receive(int chan_fd, struct chan_message *out)
{
	struct frame_head head = { 0 };
	struct iovec parts[2] = { { &head, sizeof(head) }, { out->payload, sizeof(out->payload) } };
	union control control;
	struct msghdr m = {
		.msg_iov = parts,
		.msg_iovlen = 2,
		.msg_control = control.data,
		.msg_controllen = sizeof(control.data),
	};
	unsigned fds;
	ssize_t n;

	out->fd = -1;
	do {
		n = recvmsg(chan_fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET || errno == EPIPE ? 0 : -errno;
	fds = take_descriptors(&m, &out->fd);
	if (n == 0 && fds == 0)
		return 0;
	if ((size_t)n < sizeof(head) || (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || fds > 1 ||
		head.version != CHAN_VERSION || head.len != (size_t)n - sizeof(head)) {
		if (out->fd >= 0)
			close(out->fd);
		out->fd = -1;
		return -EBADMSG;
	}
	out->type = head.type;
	out->len = head.len;
	return 1;
}
