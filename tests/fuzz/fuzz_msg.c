/* Fuzz target: what comes over a channel. The first byte says who sends and how many descriptors
 * come along, the rest is the frame. No descriptor may stay open. */
#define _GNU_SOURCE
#include "config.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "descriptors.h"
#include "iaido/log.h"
#include "iaido/msg.h"
#include "iaido/scoreboard.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
send_frame(int to, const uint8_t *data, size_t len, unsigned fd_count)
{
	union {
		struct cmsghdr align;
		char data[CMSG_SPACE(3 * sizeof(int))];
	} control = { 0 };
	int fds[3] = { STDIN_FILENO, STDIN_FILENO, STDIN_FILENO };
	struct iovec part = { (void *)(uintptr_t)data, len };
	struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1 };
	struct cmsghdr *head;

	if (fd_count > 0) {
		m.msg_control = control.data;
		m.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		head = CMSG_FIRSTHDR(&m);
		assert(head);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memcpy(CMSG_DATA(head), fds, fd_count * sizeof(int));
	}
	(void)sendmsg(to, &m, MSG_DONTWAIT);
}

static void
check_message(const struct msg *m)
{
	if (m->type == MSG_LOG &&
		(m->log.level > LOG_LEVEL_ERROR || m->log.format > LOG_FORMAT_JSON))
		abort();
	if (m->type == MSG_DRAIN && m->drain.left_ns < 0)
		abort();
	if (m->type == MSG_DIAL_FAILED && m->dial_failed.cell >= SCOREBOARD_CELLS)
		abort();
	if ((m->type == MSG_TABLE || m->type == MSG_LOG) != (m->fd >= 0))
		abort();
	if (m->fd >= 0)
		close(m->fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct chan_message in;
	int fds[2], before = count_descriptors();
	struct msg m;

	if (len < 2 || len > CHAN_MESSAGE_MAX + 100 || chan_pair(fds) < 0)
		return 0;
	send_frame(fds[0], data + 1, len - 1, data[0] / 2 % 4);
	if (chan_receive(fds[1], &in) == 1 &&
		msg_decode(&in, data[0] % 2 ? MSG_FROM_WORKER : MSG_FROM_MASTER, &m) == 0)
		check_message(&m);
	close(fds[0]);
	close(fds[1]);
	if (count_descriptors() != before)
		abort();
	return 0;
}
