/* sd_notify(3) in a few lines: one datagram to the socket that $NOTIFY_SOCKET names. */
#include "config.h"

#include "notify.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "iaido/clock.h"
#include "iaido/log.h"

void
notify_send(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	size_t len = path ? strlen(path) : 0;
	int fd;

	if (len < 2 || len >= sizeof(sun.sun_path) || (*path != '/' && *path != '@'))
		return;
	memcpy(sun.sun_path, path, len + 1);
	if (*path == '@') /* an abstract name */
		sun.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&sun,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		log_event(LOG_LEVEL_WARN, "notify.failed", "cannot reach the service manager",
			LOG_STR("socket", path));
	close(fd);
}

void
notify_ready(void)
{
	char state[64];

	(void)snprintf(state, sizeof(state), "READY=1\nMAINPID=%d\n", (int)getpid());
	notify_send(state);
}

void
notify_reloading(void)
{
	char state[64];

	(void)snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%lld\n",
		(long long)(clock_now_ns() / NSEC_PER_USEC));
	notify_send(state);
}

void
notify_stopping(void)
{
	notify_send("STOPPING=1\n");
}
