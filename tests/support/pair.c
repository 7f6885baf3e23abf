/* Pairs of a client and a backend: see pair.h. */
#include "config.h"

#include "pair.h"

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <linux/sockios.h>
#include <unistd.h>

#include "iaido/clock.h"

/* So little on its way is never in anybody's way: it arrives even if a reset follows. */
#define LITTLE 16384

static uint8_t buffer[65536];

static uint8_t
pattern(const struct pair *p, int side, uint64_t at)
{
	uint64_t x = (at + ((uint64_t)p->number << 33) + ((uint64_t)side << 32)) *
		UINT64_C(0x9e3779b97f4a7c15);

	return (uint8_t)(x >> 56);
}

static void
fill(const struct pair *p, int side, uint64_t at, size_t len)
{
	for (size_t i = 0; i < len; i++)
		buffer[i] = pattern(p, side, at + i);
}

void
pair_connect(const struct stage *s, struct pair *p)
{
	static unsigned last;

	memset(p, 0, sizeof(*p));
	p->number = ++last;
	p->reset_by = p->fd[PAIR_BACKEND] = -1;
	p->fd[PAIR_CLIENT] = stage_connect(s);
}

void
pair_greet(const struct pair *p)
{
	ck_assert_int_eq(
		send(p->fd[PAIR_CLIENT], &p->number, sizeof(p->number), 0), sizeof(p->number));
}

void
pairs_accept(const struct stage *s, unsigned backend, struct pair *pairs, unsigned count)
{
	unsigned done = 0;

	while (done < count) {
		int fd = stage_accept(s, backend);
		unsigned number = 0, i = 0;

		if (recv(fd, &number, sizeof(number), MSG_WAITALL) != (ssize_t)sizeof(number) ||
			number == 0) {
			close(fd);
			continue;
		}
		while (i < count && pairs[i].number != number)
			i++;
		ck_assert_msg(
			i < count && pairs[i].fd[PAIR_BACKEND] < 0, "nobody's number %u", number);
		pairs[i].fd[PAIR_BACKEND] = fd;
		done++;
	}
}

void
pairs_open(const struct stage *s, struct pair *pairs, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		pair_connect(s, &pairs[i]);
		pair_greet(&pairs[i]);
	}
	pairs_accept(s, 0, pairs, count);
}

void
pair_close(struct pair *p)
{
	for (int side = 0; side < 2; side++) {
		if (p->fd[side] >= 0)
			close(p->fd[side]);
		p->fd[side] = -1;
	}
}

/* Says what the socket takes. */
static void
flush(struct pair *p, int side)
{
	struct line *l = &p->line[side];

	while (l->said < l->due && !l->error_met) {
		size_t len = l->due - l->said < sizeof(buffer) ? (size_t)(l->due - l->said)
							       : sizeof(buffer);
		ssize_t n;

		fill(p, side, l->said, len);
		n = send(p->fd[side], buffer, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			ck_assert_msg(p->reset_by == !side, "pair %u: %s met %s, and nobody reset",
				p->number, side == PAIR_CLIENT ? "client" : "backend",
				strerror(errno));
			l->error_met = true;
			return;
		}
		l->said += (uint64_t)n;
	}
	if (!l->fin_due || l->fin_said || l->error_met)
		return;
	l->fin_said = true;
	/* It fails where the other side has reset it. */
	if (shutdown(p->fd[side], SHUT_WR) < 0)
		ck_assert_int_eq(p->reset_by, !side);
}

void
pair_say(struct pair *p, int side, uint64_t bytes)
{
	if (p->line[side].fin_due)
		return;
	p->line[side].due += bytes;
	flush(p, side);
}

void
pair_say_urgent(struct pair *p, int side)
{
	struct line *l = &p->line[side];
	uint8_t byte = pattern(p, side, l->said);

	ck_assert_uint_eq(l->said, l->due);
	l->due++;
	if (send(p->fd[side], &byte, 1, MSG_OOB | MSG_DONTWAIT | MSG_NOSIGNAL) == 1)
		l->said++;
	else
		flush(p, side);
}

void
pair_end(struct pair *p, int side)
{
	p->line[side].fin_due = true;
	flush(p, side);
}

void
pair_reset(struct pair *p, int side)
{
	static const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
	struct line *l = &p->line[side];
	int fd = p->fd[side], left = 0;

	ck_assert_int_eq(p->reset_by, -1);
	/* What its own kernel has not sent goes with it. */
	ck_assert_int_eq(ioctl(fd, SIOCOUTQNSD, &left), 0);
	p->whole = left == 0 && !l->deaf && l->said - l->heard <= LITTLE;
	p->reset_by = side;
	l->due = l->said;
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
	close(fd);
	p->fd[side] = -1;
}

static void
hear_bytes(struct pair *p, int side, size_t len)
{
	struct line *l = &p->line[!side];

	/* libcheck writes something for each assertion: so none for each byte. */
	for (size_t i = 0; i < len; i++) {
		if (buffer[i] != pattern(p, !side, l->heard + i))
			ck_abort_msg("pair %u: byte %llu from the %s is another", p->number,
				(unsigned long long)(l->heard + i),
				side == PAIR_CLIENT ? "backend" : "client");
	}
	l->heard += len;
	ck_assert_uint_le(l->heard, l->said);
}

static void
hear_end(struct pair *p, int side, int error)
{
	struct line *l = &p->line[!side];
	bool reset = error == ECONNRESET || p->line[side].error_met;

	ck_assert_msg(error == 0 || error == ECONNRESET, "pair %u: %s", p->number, strerror(error));
	if (!reset) {
		ck_assert_msg(l->fin_said, "pair %u: a FIN that nobody sent", p->number);
		ck_assert_uint_eq(l->heard, l->said);
		l->told = END_FIN;
		return;
	}
	ck_assert_msg(p->reset_by == !side, "pair %u: a reset that nobody made", p->number);
	if (p->whole)
		ck_assert_uint_eq(l->heard, l->said);
	l->told = END_RESET;
}

void
pair_hear(struct pair *p, int side)
{
	struct line *l = &p->line[!side];

	while (l->told == END_NONE && !l->deaf) {
		ssize_t n = recv(p->fd[side], buffer, sizeof(buffer), MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n > 0)
			hear_bytes(p, side, (size_t)n);
		else
			hear_end(p, side, n < 0 ? errno : 0);
	}
}

/* A reset behind a FIN is told by no read. */
static void
hear_error(struct pair *p, int side)
{
	struct line *l = &p->line[!side];
	socklen_t len = sizeof(int);
	int error = 0;

	if (l->told != END_FIN)
		return;
	ck_assert_int_eq(getsockopt(p->fd[side], SOL_SOCKET, SO_ERROR, &error, &len), 0);
	if (error != 0)
		p->line[side].error_met = true;
	if (!p->line[side].error_met)
		return;
	ck_assert_msg(
		p->reset_by == !side, "pair %u: %s that nobody made", p->number, strerror(error));
	l->told = END_RESET;
}

bool
pair_is_over(const struct pair *p)
{
	return p->reset_by >= 0 || (p->line[PAIR_CLIENT].fin_due && p->line[PAIR_BACKEND].fin_due);
}

static bool
is_settled(const struct pair *p, int side)
{
	const struct line *l = &p->line[side];

	if (p->reset_by == !side || l->deaf)
		return true;
	if (p->reset_by == side)
		return l->told == END_RESET;
	return l->heard == l->due && (!l->fin_due || l->told == END_FIN);
}

bool
pairs_are_settled(const struct pair *pairs, unsigned count)
{
	for (unsigned i = 0; i < 2 * count; i++) {
		if (!is_settled(&pairs[i / 2], (int)(i % 2)))
			return false;
	}
	return true;
}

/* What that side waits for; fd -1 = nothing. */
static struct pollfd
what_to_wait_for(const struct pair *p, int side)
{
	const struct line *own = &p->line[side], *other = &p->line[!side];
	struct pollfd w = { .fd = -1 };

	if (p->fd[side] < 0)
		return w;
	if (own->said < own->due && !own->error_met)
		w.events |= POLLOUT;
	if (!is_settled(p, !side) && other->told == END_NONE)
		w.events |= POLLIN;
	if (w.events != 0 || (p->reset_by == !side && other->told == END_FIN))
		w.fd = p->fd[side];
	return w;
}

static void
fail_for(const struct pair *pairs, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		for (int side = 0; side < 2; side++) {
			const struct line *l = &pairs[i].line[side];

			ck_assert_msg(is_settled(&pairs[i], side),
				"pair %u (reset by %d): of the %s %llu bytes were due, %llu said, "
				"%llu "
				"heard, end %d due, %d told",
				pairs[i].number, pairs[i].reset_by,
				side == PAIR_CLIENT ? "client's" : "backend's",
				(unsigned long long)l->due, (unsigned long long)l->said,
				(unsigned long long)l->heard, l->fin_due, (int)l->told);
		}
	}
}

static void
serve(struct pair *p, int side, short revents)
{
	if (revents == 0)
		return;
	if (revents & (POLLIN | POLLHUP | POLLERR))
		pair_hear(p, side);
	if (revents & POLLOUT)
		flush(p, side);
	if (revents & (POLLHUP | POLLERR))
		hear_error(p, side);
}

void
pairs_settle(struct pair *pairs, unsigned count)
{
	int64_t end_ns = clock_now_ns() + STAGE_DEADLINE_MS * NSEC_PER_MSEC;
	struct pollfd *wait = calloc(2 * (size_t)count, sizeof(*wait));

	ck_assert_ptr_nonnull(wait);
	while (!pairs_are_settled(pairs, count)) {
		for (unsigned i = 0; i < 2 * count; i++)
			wait[i] = what_to_wait_for(&pairs[i / 2], (int)(i % 2));
		if (clock_now_ns() > end_ns || poll(wait, 2 * count, STAGE_DEADLINE_MS) <= 0)
			fail_for(pairs, count);
		for (unsigned i = 0; i < 2 * count; i++)
			serve(&pairs[i / 2], (int)(i % 2), wait[i].revents);
	}
	free(wait);
}

void
pairs_wait_turn(struct pair *probe)
{
	/* The first may be of the same turn as what came before it. */
	for (int i = 0; i < 2; i++) {
		pair_say(probe, PAIR_CLIENT, 1);
		pairs_settle(probe, 1);
	}
}
