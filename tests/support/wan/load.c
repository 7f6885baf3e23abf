/*
 * The clients of the WAN stage, all in one process.
 *
 *     load [-n CLIENTS] [-l LONG] [-p PAUSE_MS] [-H HOME] [-q] [-v] [-o FILE] ADDR PORT
 *
 * CLIENTS (200) connect, wait for the greeting, ask three times, close, pause for half to one and
 * a half PAUSE_MS (500), and begin again. LONG (60) sessions stay, and exchange a line every 100 to
 * 300 ms (with -q they are silent once greeted); one that ends connects again. Whoever waits for 10 s for a greeting or an answer of a
 * client's has failed; long sessions wait for as long as it takes.
 *
 * Lines on stdin begin a phase of that name; `end` or the end of stdin ends the run. Then stdout
 * gets a line of key=value for each phase (see report.c); with -v also one each second. FILE gets
 * every event.
 */
#include "config.h"

#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MS INT64_C(1000000)

enum { BATCH = 256, QUESTIONS = 3, TIMEOUT_MS = 10000 };

enum state { PAUSED, GREETING, ASKING, RESTING };

/* A client or a long session. PAUSED has no connection; RESTING is a long one between two lines. */
struct client {
	struct client *next_due;
	enum state state;
	bool is_long, is_stalled;
	int fd;
	int asked;
	int64_t began_ns, asked_ns, due_ns;
	char name[NAME_MAX_LEN];
	char line[128];
	size_t len;
};

static struct sockaddr_in addr;
static int epoll_fd;
static int64_t pause_ns = 500 * MS;
static struct client *clients;
static int client_count = 200, long_count = 60;
static bool is_quiet;
static int64_t now_ns;

static void
read_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	now_ns = (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static int64_t
draw_ns(int64_t from, int64_t to)
{
	return from + (int64_t)((double)random() / RAND_MAX * (double)(to - from));
}

static void
hang_up(struct client *c, bool by_reset)
{
	struct linger lg = { 1, 0 };

	if (by_reset && c->fd >= 0)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &lg, sizeof(lg));
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->state = PAUSED;
	c->due_ns = now_ns + (c->is_long ? 20 * MS : draw_ns(pause_ns / 2, pause_ns * 3 / 2));
}

/* The connection ended, or its time is over, before it should have. */
static void
fail(struct client *c)
{
	int64_t waited_ns = now_ns - c->asked_ns;

	if (!c->is_long)
		record(c->state == GREETING ? EVENT_FAILED : EVENT_BROKEN, c->began_ns,
			now_ns - c->began_ns, c->name);
	else if (c->state == ASKING && waited_ns > 1000 * MS)
		record(EVENT_LONG_HUNG, now_ns, waited_ns, c->name);
	else if (c->state == ASKING || c->state == RESTING)
		record(EVENT_LONG_CUT, now_ns, 0, c->name);
	hang_up(c, true);
}

static void
begin(struct client *c)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };
	int one = 1;

	c->state = GREETING;
	c->began_ns = now_ns;
	c->due_ns = now_ns + TIMEOUT_MS * MS;
	c->asked = 0;
	c->len = 0;
	strcpy(c->name, "?");
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0 ||
		(connect(c->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 &&
			errno != EINPROGRESS)) {
		fail(c);
		return;
	}
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &ev) < 0)
		fail(c);
}

static void
ask(struct client *c)
{
	c->state = ASKING;
	c->asked++;
	c->asked_ns = now_ns;
	c->due_ns = c->is_long ? INT64_MAX : now_ns + TIMEOUT_MS * MS;
	if (send(c->fd, "ask\n", 4, MSG_NOSIGNAL) != 4)
		fail(c);
}

static void
on_line(struct client *c)
{
	if (c->state == GREETING) {
		snprintf(c->name, sizeof(c->name), "%.*s", (int)strcspn(c->line, "\n"), c->line);
		record(c->is_long ? EVENT_LONG_UP : EVENT_GREETED, c->began_ns,
			now_ns - c->began_ns, c->name);
		if (c->is_long && is_quiet) {
			c->state = RESTING;
			c->due_ns = INT64_MAX;
		} else {
			ask(c);
		}
	} else if (!c->is_long && c->asked < QUESTIONS) {
		ask(c);
	} else if (!c->is_long) {
		hang_up(c, false);
	} else {
		if (now_ns - c->asked_ns > 1000 * MS)
			record(EVENT_LONG_THAWED, now_ns, now_ns - c->asked_ns, c->name);
		c->state = RESTING;
		c->due_ns = now_ns + draw_ns(100 * MS, 300 * MS);
	}
}

static void
on_readable(struct client *c)
{
	ssize_t n;

	if (c->fd < 0)
		return;
	n = recv(c->fd, c->line + c->len, sizeof(c->line) - 1 - c->len, 0);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		fail(c);
		return;
	}
	c->len += (size_t)n;
	c->line[c->len] = '\0';
	if (strchr(c->line, '\n') != NULL) {
		c->len = 0; /* one line an answer: nothing follows it */
		on_line(c);
	} else if (c->len == sizeof(c->line) - 1) {
		fail(c);
	}
}

static void
on_due(struct client *c)
{
	if (c->state == PAUSED)
		begin(c);
	else if (c->state == RESTING)
		ask(c);
	else
		fail(c);
}

/* A phase begins (or the last one ends): what hangs now hung in the one before. */
static void
begin_phase(const char *name)
{
	int i;

	for (i = client_count; i < client_count + long_count; i++)
		if (clients[i].state == ASKING && now_ns - clients[i].asked_ns > 1000 * MS)
			record(EVENT_LONG_LEFT, now_ns - 1, now_ns - clients[i].asked_ns,
				clients[i].name);
	if (name != NULL)
		record(EVENT_MARK, now_ns, 0, name);
}

/* Returns false when the run is over. */
static bool
on_stdin(void)
{
	static char buf[256];
	static size_t len;
	ssize_t n = read(STDIN_FILENO, buf + len, sizeof(buf) - 1 - len);
	char *end;

	if (n <= 0)
		return false;
	len += (size_t)n;
	while ((end = memchr(buf, '\n', len)) != NULL) {
		size_t line = (size_t)(end - buf) + 1;

		*end = '\0';
		if (strcmp(buf, "end") == 0)
			return false;
		begin_phase(buf);
		len -= line;
		memmove(buf, end + 1, len);
	}
	return true;
}

static void
run(bool verbose)
{
	struct epoll_event ready[BATCH], ev = { .events = EPOLLIN };
	int64_t second_ns, due_ns;
	int i, n;

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &ev) < 0)
		return;
	read_clock();
	for (i = 0; i < client_count + long_count; i++) {
		clients[i].fd = -1;
		clients[i].is_long = i >= client_count;
		clients[i].due_ns = now_ns + draw_ns(0, pause_ns);
	}
	second_ns = now_ns;
	for (;;) {
		due_ns = second_ns + 1000 * MS;
		for (i = 0; i < client_count + long_count; i++)
			if (clients[i].due_ns < due_ns)
				due_ns = clients[i].due_ns;
		due_ns = (due_ns - now_ns + MS - 1) / MS;
		n = epoll_wait(epoll_fd, ready, BATCH, due_ns < 0 ? 0 : (int)due_ns);
		read_clock();
		for (i = 0; i < n; i++) {
			if (ready[i].data.ptr != NULL)
				on_readable(ready[i].data.ptr);
			else if (!on_stdin())
				return;
		}
		for (i = 0; i < client_count + long_count; i++)
			if (clients[i].due_ns <= now_ns)
				on_due(&clients[i]);
		if (now_ns - second_ns >= 1000 * MS) {
			if (verbose)
				report_second(now_ns);
			second_ns = now_ns;
		}
	}
}

int
main(int argc, char **argv)
{
	const char *home = "near", *events_path = NULL;
	bool verbose = false;
	int c;

	while ((c = getopt(argc, argv, "n:l:p:H:qvo:")) != -1) {
		if (c == 'n')
			client_count = (int)strtol(optarg, NULL, 10);
		else if (c == 'l')
			long_count = (int)strtol(optarg, NULL, 10);
		else if (c == 'p')
			pause_ns = strtol(optarg, NULL, 10) * MS;
		else if (c == 'H')
			home = optarg;
		else if (c == 'q')
			is_quiet = true;
		else if (c == 'o')
			events_path = optarg;
		else if (c == 'v')
			verbose = true;
		else
			goto usage;
	}
	if (argc - optind != 2 || inet_pton(AF_INET, argv[optind], &addr.sin_addr) != 1)
		goto usage;
	addr.sin_family = AF_INET;
	addr.sin_port = htons((uint16_t)strtoul(argv[optind + 1], NULL, 10));
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	setvbuf(stdout, NULL, _IOLBF, 0);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	clients = calloc((size_t)client_count + (size_t)long_count, sizeof(*clients));
	if (epoll_fd < 0 || clients == NULL) {
		perror("load");
		return 1;
	}
	run(verbose);
	begin_phase(NULL);
	report_phases(home, now_ns);
	if (events_path != NULL)
		report_events(events_path);
	return 0;
usage:
	fputs("usage: load [-n CLIENTS] [-l LONG] [-p PAUSE_MS] [-H HOME] [-q] [-v] [-o FILE]"
	      " ADDR PORT\n",
		stderr);
	return 2;
}
