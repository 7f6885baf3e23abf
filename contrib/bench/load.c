/*
 * The client in front of every proxy that is measured: one process, one epoll loop, one workload
 * for each run. It reads the proxy's CPU clocks itself, at the very edges of the measured window,
 * and prints what it saw as one line of JSON.
 *
 *     load -k answer|down|up|close|idle -p PORT [-n CONNECTIONS] [-s ANSWER-BYTES]
 *          [-w WARM-UP-SECONDS] [-t SECONDS | -u UNITS] [-c COUNTERS-FILE] [-P PID,PID,...]
 *
 * With -u it asks exactly so often (answer, close), then ends: for counting, not for timing.
 *
 * answer: each connection sends a request, waits for the whole answer, sends the next.
 * close: connect, one request, its answer, close; -n of them at any time.
 * down, up: each connection carries bytes one way as fast as it can.
 * idle: each connection has had one answer, then all are held until standard input ends.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>

#include "bench.h"

#define PIDS_MAX 64
#define ERRORS_MAX 1000
#define SUB_BITS 5 /* a latency is kept to 1 part in 32 */
#define BUCKETS (64 << SUB_BITS)

enum load_kind { LOAD_ANSWER, LOAD_DOWN, LOAD_UP, LOAD_CLOSE, LOAD_IDLE };

static const char *const kind_names[] = { "answer", "down", "up", "close", "idle" };

struct client {
	int fd;
	bool is_sent; /* a request is on its way */
	uint64_t left; /* of the answer */
	uint64_t started_ns; /* for the latency: the request, or the connect */
};

struct edge {
	uint64_t now_ns, cpu_ns, units, bytes;
};

static struct {
	enum load_kind kind;
	unsigned port, connections;
	uint64_t answer_bytes, warm_up_ns, run_ns, units_max;
	clockid_t clocks[PIDS_MAX];
	unsigned clock_count;
	const struct bench_counters *counters;
} options = { .connections = 1, .answer_bytes = 64, .run_ns = 1000000000 };

static char chunk[BENCH_CHUNK];
static uint64_t latencies[BUCKETS], units, begun, bytes, errors;
static bool is_measuring;
static int epoll_fd;

static uint64_t
cpu_ns(void)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < options.clock_count; i++) {
		struct timespec ts;

		if (clock_gettime(options.clocks[i], &ts) == 0)
			sum += (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
	}
	return sum;
}

static struct edge
edge_now(void)
{
	struct edge e = { .units = units, .bytes = bytes };

	if (options.kind == LOAD_UP)
		e.bytes = __atomic_load_n(&options.counters->received_bytes, __ATOMIC_RELAXED);
	e.cpu_ns = cpu_ns();
	e.now_ns = bench_now_ns();
	return e;
}

static unsigned
bucket_of(uint64_t ns)
{
	unsigned log2;

	if (ns < 1u << SUB_BITS)
		return (unsigned)ns;
	log2 = 63u - (unsigned)__builtin_clzll(ns);
	return ((log2 - SUB_BITS + 1) << SUB_BITS) +
		(unsigned)((ns >> (log2 - SUB_BITS)) & ((1u << SUB_BITS) - 1));
}

static uint64_t
bucket_ns(unsigned bucket)
{
	unsigned shift = bucket >> SUB_BITS;

	if (shift == 0)
		return bucket;
	return ((1ull << SUB_BITS) + (bucket & ((1u << SUB_BITS) - 1))) << (shift - 1);
}

static uint64_t
percentile_ns(double share)
{
	uint64_t total = 0, seen = 0;
	unsigned i;

	for (i = 0; i < BUCKETS; i++)
		total += latencies[i];
	for (i = 0; i < BUCKETS && total > 0; i++) {
		seen += latencies[i];
		if ((double)seen >= share * (double)total)
			return bucket_ns(i);
	}
	return 0;
}

static void
fail(const char *what)
{
	if (errors++ == 0)
		warn("%s", what);
	if (errors >= ERRORS_MAX)
		errx(1, "%u faults: giving up", ERRORS_MAX);
}

static int
client_connect(struct client *c, bool is_blocking)
{
	struct sockaddr_in sin = bench_loopback(options.port);
	int type = SOCK_STREAM | SOCK_CLOEXEC | (is_blocking ? 0 : SOCK_NONBLOCK);

	c->is_sent = false;
	c->started_ns = bench_now_ns();
	c->fd = socket(AF_INET, type, 0);
	if (c->fd < 0)
		err(1, "socket");
	bench_set_nodelay(c->fd);
	if (connect(c->fd, (struct sockaddr *)&sin, sizeof sin) < 0 && errno != EINPROGRESS) {
		fail("connect");
		close(c->fd);
		return -1;
	}
	return 0;
}

static void
client_watch(struct client *c, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = c };

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &ev) < 0)
		err(1, "epoll_ctl");
}

/* Says whether one more may begin, and counts it. */
static bool
begin_unit(void)
{
	if (options.units_max > 0 && begun >= options.units_max)
		return false;
	begun++;
	return true;
}

static int
client_ask(struct client *c, enum bench_kind kind, uint64_t size)
{
	struct bench_request request = { .kind = kind, .size = size };

	c->is_sent = true;
	c->left = size;
	if (send(c->fd, &request, sizeof request, MSG_NOSIGNAL) != sizeof request) {
		fail("send");
		return -1;
	}
	return 0;
}

static void
client_restart(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	if (!begin_unit())
		return;
	while (client_connect(c, false) < 0)
		;
	client_watch(c, EPOLLIN | EPOLLOUT | EPOLLET);
}

static void
client_answered(struct client *c)
{
	uint64_t now_ns = bench_now_ns();

	units++;
	if (is_measuring)
		latencies[bucket_of(now_ns - c->started_ns)]++;
	if (options.kind == LOAD_CLOSE) {
		client_restart(c);
		return;
	}
	if (!begin_unit())
		return;
	c->started_ns = now_ns;
	if (client_ask(c, BENCH_ANSWER, options.answer_bytes) < 0)
		errx(1, "a connection was lost");
}

/* An answer may be taken in by several receives, but nothing may follow it. */
static void
on_answer_readable(struct client *c)
{
	ssize_t n = recv(c->fd, chunk, sizeof chunk, MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0 || (uint64_t)n > c->left) {
		fail(n < 0 ? "recv" : n == 0 ? "closed before the answer" : "more than the answer");
		if (options.kind != LOAD_CLOSE)
			errx(1, "a connection was lost");
		client_restart(c);
		return;
	}
	bytes += (uint64_t)n;
	c->left -= (uint64_t)n;
	if (c->left == 0)
		client_answered(c);
}

static void
on_event(struct client *c, uint32_t events)
{
	ssize_t n;

	switch (options.kind) {
	case LOAD_CLOSE:
		if (!c->is_sent && events & EPOLLOUT && !(events & (EPOLLERR | EPOLLHUP))) {
			if (client_ask(c, BENCH_ANSWER, options.answer_bytes) < 0)
				client_restart(c);
			return;
		}
		on_answer_readable(c);
		return;
	case LOAD_UP:
		n = send(c->fd, chunk, sizeof chunk, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN)
			err(1, "send");
		return;
	case LOAD_DOWN:
		n = recv(c->fd, chunk, sizeof chunk, MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			err(1, "recv");
		bytes += n > 0 ? (uint64_t)n : 0;
		return;
	default:
		on_answer_readable(c);
	}
}

/* Every connection has had an answer before the clock starts, so that all stand. */
static void
client_first_answer(struct client *c)
{
	uint64_t left = sizeof(struct bench_request);

	if (client_connect(c, true) < 0 || client_ask(c, BENCH_ANSWER, left) < 0)
		errx(1, "no connection");
	while (left > 0) {
		ssize_t n = recv(c->fd, chunk, left, 0);

		if (n <= 0)
			err(1, "no first answer");
		left -= (uint64_t)n;
	}
}

static void
client_start(struct client *c)
{
	if (options.kind == LOAD_CLOSE) {
		c->fd = -1;
		client_restart(c);
		return;
	}
	client_first_answer(c);
	if (options.kind == LOAD_IDLE)
		return;
	client_watch(c, options.kind == LOAD_UP ? EPOLLOUT : EPOLLIN);
	if (!begin_unit())
		return;
	c->started_ns = bench_now_ns();
	if (client_ask(c,
		    options.kind == LOAD_UP             ? BENCH_UP
			    : options.kind == LOAD_DOWN ? BENCH_DOWN
							: BENCH_ANSWER,
		    options.answer_bytes) < 0)
		errx(1, "a connection was lost");
}

static void
print_result(const struct edge *from, const struct edge *to)
{
	printf("{\"units\": %llu, \"bytes\": %llu, \"elapsed_ns\": %llu, \"cpu_ns\": %llu, "
	       "\"p50_ns\": %llu, \"p99_ns\": %llu, \"p999_ns\": %llu, \"errors\": %llu}\n",
		(unsigned long long)(to->units - from->units),
		(unsigned long long)(to->bytes - from->bytes),
		(unsigned long long)(to->now_ns - from->now_ns),
		(unsigned long long)(to->cpu_ns - from->cpu_ns),
		(unsigned long long)percentile_ns(0.5), (unsigned long long)percentile_ns(0.99),
		(unsigned long long)percentile_ns(0.999), (unsigned long long)errors);
}

static void
run(void)
{
	struct epoll_event events[256];
	struct edge from = { 0 }, to;
	uint64_t warm_ns = bench_now_ns() + options.warm_up_ns;

	for (;;) {
		int n = epoll_wait(epoll_fd, events, 256, 100);
		uint64_t now_ns = bench_now_ns();

		if (!is_measuring && now_ns >= warm_ns) {
			is_measuring = true;
			from = edge_now();
		} else if (is_measuring &&
			(options.units_max > 0 ? units - from.units >= options.units_max
					       : now_ns >= from.now_ns + options.run_ns)) {
			break;
		}
		for (int i = 0; i < n; i++)
			on_event(events[i].data.ptr, events[i].events);
	}
	to = edge_now();
	print_result(&from, &to);
}

static void
add_clocks(char *pids)
{
	for (char *pid = strtok(pids, ","); pid != NULL; pid = strtok(NULL, ",")) {
		if (options.clock_count == PIDS_MAX)
			errx(2, "at most %u processes", PIDS_MAX);
		if (clock_getcpuclockid(
			    (pid_t)bench_number(pid), &options.clocks[options.clock_count++]) != 0)
			errx(1, "no process %s", pid);
	}
}

static const struct bench_counters *
counters_open(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	void *map;

	if (fd < 0)
		err(1, "%s", path);
	map = mmap(NULL, sizeof(struct bench_counters), PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		err(1, "%s: mmap", path);
	close(fd);
	return map;
}

static uint64_t
seconds_ns(const char *text)
{
	char *end;
	double seconds = strtod(text, &end);

	if (end == text || *end != '\0' || !(seconds >= 0 && seconds < 1e6))
		errx(2, "not a number of seconds: %s", text);
	return (uint64_t)(seconds * 1e9);
}

static void
parse_options(int argc, char **argv)
{
	bool has_kind = false;

	for (int c; (c = getopt(argc, argv, "k:p:n:s:w:t:u:c:P:")) != -1;) {
		switch (c) {
		case 'k':
			for (unsigned i = 0; i <= LOAD_IDLE; i++) {
				if (strcmp(optarg, kind_names[i]) == 0) {
					options.kind = (enum load_kind)i;
					has_kind = true;
				}
			}
			break;
		case 'p':
			options.port = bench_number(optarg);
			break;
		case 'n':
			options.connections = bench_number(optarg);
			break;
		case 's':
			options.answer_bytes = strtoull(optarg, NULL, 10);
			break;
		case 'w':
			options.warm_up_ns = seconds_ns(optarg);
			break;
		case 't':
			options.run_ns = seconds_ns(optarg);
			break;
		case 'u':
			options.units_max = strtoull(optarg, NULL, 10);
			break;
		case 'c':
			options.counters = counters_open(optarg);
			break;
		case 'P':
			add_clocks(optarg);
			break;
		default:
			exit(2);
		}
	}
	if (!has_kind || options.port == 0 || options.connections == 0 || optind != argc ||
		(options.kind == LOAD_UP && options.counters == NULL))
		errx(2, "usage: load -k KIND -p PORT ... (see the top of load.c)");
}

int
main(int argc, char **argv)
{
	struct client *clients;

	parse_options(argc, argv);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	clients = calloc(options.connections, sizeof *clients);
	if (epoll_fd < 0 || clients == NULL)
		err(1, "start");
	for (unsigned i = 0; i < options.connections; i++)
		client_start(&clients[i]);
	if (options.kind == LOAD_IDLE) {
		printf("held %u\n", options.connections);
		fflush(stdout);
		while (read(0, chunk, sizeof chunk) > 0)
			;
	} else {
		run();
	}
	free(clients);
	return 0;
}
