/*
 * A small WAN: joins network namespaces by a wire of its own over TUN devices, which delays,
 * jitters, loses or swallows packets by address, and may be changed while it runs.
 *
 *     wan -s SOCKET NAMESPACE:PREFIX[,PREFIX...] ...
 *     wan -c SOCKET COMMAND ...
 *
 * The first form makes a device `wan0` in each NAMESPACE (a name of `ip netns`, or a path), which
 * is where packets to its PREFIXes go; prints `ready` and runs until it is killed; the devices end
 * with it. Addresses and routes are the caller's to set (stage.sh does). The second form sends one
 * command to a running wire and prints its answer; it exits 1 if that is an error:
 *
 *     set PREFIX KEY VALUE ...  what happens to packets to or from these addresses; both ends of a
 *                               packet count and add up; of two prefixes the narrower one holds,
 *                               for each key by itself
 *         delay DUR             how long a packet is under way (a round trip is twice that)
 *         jitter DUR|SHARE%     more or less than that by up to so much, or by a share of the delay;
 *                               packets of one flow still arrive in order
 *         loss SHARE%           thrown away at random
 *         blackhole on|off|to|from     swallowed without a word (all, or one way only)
 *     unset PREFIX              forget what was set for exactly this prefix
 *     show                      the rules
 *     stats                     packets carried, lost, swallowed, under way
 *
 * A refused connection is the business of the kernel at the other end: it needs no rule.
 */
#include "config.h"

#include "queue.h"
#include "rules.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { MAX_ENDS = 64, MAX_PREFIXES = 8, READ_BUDGET = 64, FLOW_SLOTS = 8192 };

struct end {
	int fd;
	struct prefix prefixes[MAX_PREFIXES];
	int prefix_count;
};

static struct end ends[MAX_ENDS];
static int end_count;
static int64_t flow_last_ns[FLOW_SLOTS]; /* when the last packet of a flow (by hash) is due */
static uint64_t carried, lost, swallowed, astray;
static uint64_t random_state = 88172645463325252ull;

static void
die(const char *what)
{
	fprintf(stderr, "wan: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* Evenly from 0 to 1 (xorshift: cheap, and good enough to lose packets by). */
static double
draw(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (double)(random_state >> 11) / 9007199254740992.0;
}

/* Finds both addresses, as IPv6, and a hash of the flow. False if it is no IP packet. */
static bool
parse_packet(const uint8_t *p, size_t len, uint8_t src[16], uint8_t dst[16], uint32_t *flow)
{
	size_t i, payload;

	if (len >= 20 && p[0] >> 4 == 4) {
		memset(src, 0, 10);
		memset(dst, 0, 10);
		src[10] = src[11] = dst[10] = dst[11] = 0xff;
		memcpy(src + 12, p + 12, 4);
		memcpy(dst + 12, p + 16, 4);
		payload = (size_t)(p[0] & 15) * 4;
	} else if (len >= 40 && p[0] >> 4 == 6) {
		memcpy(src, p + 8, 16);
		memcpy(dst, p + 24, 16);
		payload = 40;
	} else {
		return false;
	}
	*flow = 2166136261u;
	for (i = 10; i < 16; i++)
		*flow = ((*flow ^ src[i]) * 16777619u ^ dst[i]) * 16777619u;
	for (i = payload; i < payload + 4 && i < len; i++) /* both ports */
		*flow = (*flow ^ p[i]) * 16777619u;
	*flow ^= *flow >> 15;
	return true;
}

static int
find_end(const uint8_t dst[16])
{
	int i, j;

	for (i = 0; i < end_count; i++)
		for (j = 0; j < ends[i].prefix_count; j++)
			if (prefix_contains(&ends[i].prefixes[j], dst))
				return ends[i].fd;
	return -1;
}

static void
deliver(struct packet *p)
{
	if (write(p->fd, p->data, p->len) == (ssize_t)p->len)
		carried++;
	else
		lost++;
	packet_free(p);
}

/* Decides when, if ever, a packet that just came in arrives. Takes p. */
static void
take_packet(struct packet *p)
{
	struct treatment t;
	uint8_t src[16], dst[16];
	uint32_t flow;
	int64_t now = now_ns(), *last;

	if (!parse_packet(p->data, p->len, src, dst, &flow) || (p->fd = find_end(dst)) < 0) {
		astray++;
		packet_free(p);
		return;
	}
	rules_look_up(src, dst, &t);
	if (t.dropped || (t.loss > 0 && draw() < t.loss)) {
		swallowed += t.dropped;
		lost += !t.dropped;
		packet_free(p);
		return;
	}
	if (t.jitter_ns > 0)
		t.delay_ns += (int64_t)((draw() * 2 - 1) * (double)t.jitter_ns);
	p->due_ns = now + (t.delay_ns > 0 ? t.delay_ns : 0);
	last = &flow_last_ns[flow % FLOW_SLOTS];
	if (t.jitter_ns > 0 && *last > p->due_ns && *last - p->due_ns <= 2 * t.jitter_ns)
		p->due_ns = *last;
	*last = p->due_ns;
	if (p->due_ns <= now)
		deliver(p);
	else
		queue_push(p);
}

static void
on_readable(int fd)
{
	struct packet *p;
	ssize_t n;
	int i;

	for (i = 0; i < READ_BUDGET; i++) {
		if ((p = packet_new()) == NULL)
			return;
		n = read(fd, p->data, sizeof(p->data));
		if (n <= 0) {
			packet_free(p);
			return;
		}
		p->len = (size_t)n;
		take_packet(p);
	}
}

/* Delivers what is due and sets the timer to the rest. */
static void
deliver_due(int timer_fd)
{
	struct itimerspec when = { { 0, 0 }, { 0, 0 } };
	struct packet *p;
	static int64_t armed_ns;

	while ((p = queue_top()) != NULL && p->due_ns <= now_ns())
		deliver(queue_pop());
	if (p == NULL || p->due_ns == armed_ns)
		return;
	armed_ns = p->due_ns;
	when.it_value.tv_sec = armed_ns / 1000000000;
	when.it_value.tv_nsec = armed_ns % 1000000000;
	timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static void
on_command(int fd)
{
	char line[1024], out[16384];
	struct sockaddr_un from;
	socklen_t len = sizeof(from);
	ssize_t n = recvfrom(fd, line, sizeof(line) - 1, 0, (struct sockaddr *)&from, &len);

	if (n < 0)
		return;
	line[n] = '\0';
	if (strncmp(line, "stats", 5) == 0)
		snprintf(out, sizeof(out), "carried %ju lost %ju swallowed %ju astray %ju",
			(uintmax_t)carried, (uintmax_t)lost, (uintmax_t)swallowed,
			(uintmax_t)astray);
	else
		rules_obey(line, out, sizeof(out));
	(void)!sendto(fd, out, strlen(out), MSG_DONTWAIT, (struct sockaddr *)&from, len);
}

static int
open_tun(const char *name)
{
	char path[256];
	struct ifreq ifr = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int fd, ns_fd, home_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	snprintf(path, sizeof(path), "%s%s", strchr(name, '/') ? "" : "/run/netns/", name);
	ns_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (home_fd < 0 || ns_fd < 0 || setns(ns_fd, CLONE_NEWNET) < 0)
		die(path);
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		die("/dev/net/tun");
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "wan0");
	if (ioctl(fd, TUNSETIFF, &ifr) < 0)
		die("TUNSETIFF");
	if (setns(home_fd, CLONE_NEWNET) < 0)
		die("setns");
	close(ns_fd);
	close(home_fd);
	return fd;
}

/* `NAMESPACE:PREFIX,PREFIX` */
static void
add_end(char *spec)
{
	struct end *e = &ends[end_count];
	char *save = NULL, *w, *colon = strchr(spec, ':');

	if (colon == NULL || end_count == MAX_ENDS) {
		fprintf(stderr, "wan: bad or one too many: %s\n", spec);
		exit(2);
	}
	*colon = '\0';
	for (w = strtok_r(colon + 1, ",", &save); w != NULL; w = strtok_r(NULL, ",", &save)) {
		if (e->prefix_count == MAX_PREFIXES ||
			!prefix_parse(w, &e->prefixes[e->prefix_count++])) {
			fprintf(stderr, "wan: bad prefix: %s\n", w);
			exit(2);
		}
	}
	e->fd = open_tun(spec);
	end_count++;
}

static int
open_control(const char *path, bool bind_it)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(sun.sun_path)) {
		errno = fd < 0 ? errno : ENAMETOOLONG;
		die(path);
	}
	memcpy(sun.sun_path, path, strlen(path));
	if (bind_it) {
		unlink(path);
		if (bind(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0)
			die(path);
	} else if (bind(fd, (struct sockaddr *)&sun, sizeof(sa_family_t)) < 0 ||
		connect(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0) {
		die(path);
	}
	return fd;
}

static int
send_command(const char *path, char **words, int count)
{
	struct timeval timeout = { 5, 0 };
	char line[1024] = "", out[16384];
	int i, fd = open_control(path, false);
	size_t at = 0;
	ssize_t n = -1;

	for (i = 0; i < count && at < sizeof(line); i++)
		at += (size_t)snprintf(line + at, sizeof(line) - at, "%s ", words[i]);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	if (send(fd, line, strlen(line), 0) < 0 || (n = recv(fd, out, sizeof(out) - 1, 0)) < 0)
		die(path);
	out[n] = '\0';
	puts(out);
	return strncmp(out, "error", 5) == 0;
}

static void
carry(int control_fd)
{
	int timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	int i, n, epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event ready[MAX_ENDS + 2];

	if (timer_fd < 0 || epoll_fd < 0)
		die("epoll");
	for (i = -2; i < end_count; i++) {
		int fd = i == -2 ? timer_fd : i == -1 ? control_fd : ends[i].fd;
		struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

		if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
			die("epoll_ctl");
	}
	for (;;) {
		n = epoll_wait(epoll_fd, ready, MAX_ENDS + 2, -1);
		if (n < 0 && errno != EINTR)
			die("epoll_wait");
		for (i = 0; i < n; i++) {
			uint64_t expirations;

			if (ready[i].data.fd == timer_fd)
				(void)!read(timer_fd, &expirations, sizeof(expirations));
			else if (ready[i].data.fd == control_fd)
				on_command(control_fd);
			else
				on_readable(ready[i].data.fd);
		}
		deliver_due(timer_fd);
	}
}

int
main(int argc, char **argv)
{
	const char *socket_path = NULL;
	bool is_command = false;
	int c;

	while ((c = getopt(argc, argv, "+s:c:")) != -1) {
		if (c == '?')
			goto usage;
		is_command = c == 'c';
		socket_path = optarg;
	}
	if (socket_path == NULL || optind == argc)
		goto usage;
	if (is_command)
		return send_command(socket_path, argv + optind, argc - optind);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	prctl(PR_SET_TIMERSLACK, 1);
	random_state ^= (uint64_t)now_ns();
	for (c = optind; c < argc; c++)
		add_end(argv[c]);
	c = open_control(socket_path, true);
	puts("ready");
	fflush(stdout);
	carry(c);
usage:
	fputs("usage: wan -s SOCKET NAMESPACE:PREFIX[,PREFIX] ... | wan -c SOCKET COMMAND\n",
		stderr);
	return 2;
}
