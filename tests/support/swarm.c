/* See swarm.h. A thread for each short client, and one with poll() for all streams. */
#include "config.h"

#include "swarm.h"

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "peer.h"
#include "run.h"

#define CHUNK 1024 /* on its way in each stream at most */
#define SHORT_PAUSE_NS (4 * 1000 * 1000)
#define STREAM_PAUSE_MS 10

struct stream {
	int fd;
	uint64_t sent, received;
};

struct swarm {
	uint16_t port;
	unsigned int short_count, stream_count;
	pthread_t *shorts;
	pthread_t streamer;
	struct stream *streams;
	pthread_mutex_t lock;
	struct swarm_counts counts; /* under the lock */
	bool ending; /* under the lock */
};

static bool
is_ending(struct swarm *s)
{
	bool ending;

	pthread_mutex_lock(&s->lock);
	ending = s->ending;
	pthread_mutex_unlock(&s->lock);
	return ending;
}

/* Counts one, and keeps the first error's words. */
static void count_fault(struct swarm *s, void *counter, bool is_wide, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static void
count_fault(struct swarm *s, void *counter, bool is_wide, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	pthread_mutex_lock(&s->lock);
	if (is_wide)
		++*(uint64_t *)counter;
	else
		++*(unsigned int *)counter;
	if (s->counts.first_error[0] == '\0')
		vsnprintf(s->counts.first_error, sizeof(s->counts.first_error), format, ap);
	pthread_mutex_unlock(&s->lock);
	va_end(ap);
}

static void
ask_once(struct swarm *s)
{
	int fd = peer_connect(s->port);

	if (fd < 0) {
		count_fault(s, &s->counts.refused, true, "connect: %s", strerror(errno));
		return;
	}
	errno = 0;
	if (peer_greeting(fd) == 0 || peer_echo(fd) < 0) {
		count_fault(s, &s->counts.short_failed, true, "short client: %s", strerror(errno));
	} else {
		pthread_mutex_lock(&s->lock);
		s->counts.short_ok++;
		pthread_mutex_unlock(&s->lock);
	}
	close(fd);
}

static void *
run_short(void *arg)
{
	const struct timespec pause = { 0, SHORT_PAUSE_NS };
	struct swarm *s = arg;

	while (!is_ending(s)) {
		ask_once(s);
		nanosleep(&pause, NULL);
	}
	return NULL;
}

static uint8_t
pattern(size_t which, uint64_t at)
{
	return (uint8_t)(at * 131 + at / 251 + which * 17);
}

static void
drop_stream(struct stream *st)
{
	close(st->fd);
	st->fd = -1;
}

/* Sends the next chunk once the one before has come back whole. */
static void
feed(struct swarm *s, size_t i)
{
	struct stream *st = &s->streams[i];
	uint8_t buf[CHUNK];
	ssize_t n;
	size_t k;

	if (st->sent != st->received)
		return;
	for (k = 0; k < CHUNK; k++)
		buf[k] = pattern(i, st->sent + k);
	n = send(st->fd, buf, CHUNK, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n > 0) {
		st->sent += (uint64_t)n;
	} else if (n < 0 && errno != EAGAIN) {
		count_fault(s, &s->counts.streams_cut, false, "stream %zu: send: %s", i,
			strerror(errno));
		drop_stream(st);
	}
}

static void
take(struct swarm *s, size_t i)
{
	struct stream *st = &s->streams[i];
	uint8_t buf[CHUNK];
	ssize_t n = recv(st->fd, buf, CHUNK, MSG_DONTWAIT), k;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		count_fault(s, &s->counts.streams_cut, false, "stream %zu: after %llu bytes: %s", i,
			(unsigned long long)st->received, n < 0 ? strerror(errno) : "end");
		drop_stream(st);
		return;
	}
	for (k = 0; k < n && buf[k] == pattern(i, st->received + (uint64_t)k); k++)
		;
	if (k < n) {
		count_fault(s, &s->counts.streams_wrong, false, "stream %zu: wrong byte at %llu", i,
			(unsigned long long)(st->received + (uint64_t)k));
		drop_stream(st);
		return;
	}
	st->received += (uint64_t)n;
	pthread_mutex_lock(&s->lock);
	s->counts.stream_bytes += (uint64_t)n;
	pthread_mutex_unlock(&s->lock);
}

static void *
run_streams(void *arg)
{
	const struct timespec pause = { 0, STREAM_PAUSE_MS * 1000000L };
	struct swarm *s = arg;
	struct pollfd *polls = calloc(s->stream_count + 1, sizeof(*polls));
	size_t i;

	while (polls != NULL && !is_ending(s)) {
		for (i = 0; i < s->stream_count; i++) {
			polls[i] = (struct pollfd){ .fd = s->streams[i].fd, .events = POLLIN };
			if (s->streams[i].fd >= 0)
				feed(s, i);
			polls[i].fd = s->streams[i].fd;
		}
		poll(polls, s->stream_count, STREAM_PAUSE_MS);
		for (i = 0; i < s->stream_count; i++)
			if (s->streams[i].fd >= 0 && polls[i].revents != 0)
				take(s, i);
		nanosleep(&pause, NULL);
	}
	free(polls);
	return NULL;
}

struct swarm *
swarm_start(uint16_t port, unsigned int shorts, unsigned int streams)
{
	struct swarm *s = calloc(1, sizeof(*s));
	unsigned int i;

	ck_assert_ptr_nonnull(s);
	s->port = port;
	s->short_count = shorts;
	s->stream_count = streams;
	s->shorts = calloc(shorts + 1, sizeof(*s->shorts));
	s->streams = calloc(streams + 1, sizeof(*s->streams));
	ck_assert(s->shorts != NULL && s->streams != NULL);
	pthread_mutex_init(&s->lock, NULL);
	for (i = 0; i < streams; i++) {
		s->streams[i].fd = peer_connect(port);
		ck_assert_int_ge(s->streams[i].fd, 0);
		ck_assert_int_ne(peer_greeting(s->streams[i].fd), 0);
	}
	ck_assert_int_eq(pthread_create(&s->streamer, NULL, run_streams, s), 0);
	for (i = 0; i < shorts; i++)
		ck_assert_int_eq(pthread_create(&s->shorts[i], NULL, run_short, s), 0);
	return s;
}

void
swarm_look(struct swarm *s, struct swarm_counts *out)
{
	pthread_mutex_lock(&s->lock);
	*out = s->counts;
	pthread_mutex_unlock(&s->lock);
}

void
swarm_stop(struct swarm *s, struct swarm_counts *out)
{
	unsigned int i;

	pthread_mutex_lock(&s->lock);
	s->ending = true;
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->streamer, NULL);
	for (i = 0; i < s->short_count; i++)
		pthread_join(s->shorts[i], NULL);
	*out = s->counts;
	for (i = 0; i < s->stream_count; i++)
		if (s->streams[i].fd >= 0)
			close(s->streams[i].fd);
	pthread_mutex_destroy(&s->lock);
	free(s->shorts);
	free(s->streams);
	free(s);
}

void
swarm_print(const char *title, const struct swarm_counts *c)
{
	fprintf(stderr,
		"%s: %llu short connections, %llu refused, %llu failed; streams: %u cut, %u wrong, "
		"%llu bytes%s%s\n",
		title, (unsigned long long)(c->short_ok + c->refused + c->short_failed),
		(unsigned long long)c->refused, (unsigned long long)c->short_failed, c->streams_cut,
		c->streams_wrong, (unsigned long long)c->stream_bytes,
		c->first_error[0] ? "; first: " : "", c->first_error);
}
