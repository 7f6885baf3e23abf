/* The prober against listeners of this host. */
#include "config.h"

#include "master/prober.h"

#include <errno.h>
#include <event2/event.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "iaido/clock.h"
#include "loop.h"
#include "unit.h"

struct outcome {
	unsigned calls;
	int error;
	bool local;
	int64_t latency_ns;
};

static struct event_base *base;
static struct prober *prober;

static void
on_probed(void *arg, int error, bool local, int64_t latency_ns)
{
	struct outcome *o = arg;

	o->calls++;
	o->error = error;
	o->local = local;
	o->latency_ns = latency_ns;
}

static void
begin(void)
{
	base = event_base_new();
	ck_assert_ptr_nonnull(base);
	ck_assert_int_eq(prober_new(base, &prober), 0);
}

static void
end(void)
{
	prober_free(prober);
	event_base_free(base);
}

static int
open_listener(struct addr *a, int backlog)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(*a);

	ck_assert_int_eq(addr_parse("127.0.0.1", 0, a), 0);
	ck_assert_int_eq(bind(fd, &a->sa, addr_len(a)), 0);
	ck_assert_int_eq(listen(fd, backlog), 0);
	ck_assert_int_eq(getsockname(fd, &a->sa, &len), 0);
	return fd;
}

/* A listener whose queue is full: the kernel drops what comes then, as a black hole does. */
static int
open_black_hole(struct addr *a)
{
	int fd = open_listener(a, 0);

	for (int i = 0; i < 8; i++) {
		int c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

		(void)connect(c, &a->sa, addr_len(a));
	}
	return fd;
}

static bool
was_called(void *arg)
{
	return ((struct outcome *)arg)->calls > 0;
}

static struct outcome
probe(const struct addr *a, int64_t timeout_ns)
{
	struct outcome o = { 0 };

	ck_assert_ptr_nonnull(prober_start(prober, a, false, timeout_ns, on_probed, &o));
	ck_assert_uint_eq(o.calls, 0);
	ck_assert(loop_until(base, was_called, &o));
	return o;
}

START_TEST(a_listener_answers)
{
	struct outcome o;
	struct addr a;

	begin();
	open_listener(&a, 16);
	o = probe(&a, NSEC_PER_SEC);
	ck_assert_int_eq(o.error, 0);
	ck_assert(!o.local);
	ck_assert_int_gt(o.latency_ns, 0);
	end();
}
END_TEST

START_TEST(accept_never_sees_a_probe)
{
	struct addr a;
	int client, fd;

	begin();
	fd = open_listener(&a, 16);
	for (int i = 0; i < 100; i++) {
		ck_assert_int_eq(probe(&a, NSEC_PER_SEC).error, 0);
		ck_assert_int_lt(accept(fd, NULL, NULL), 0);
		ck_assert_int_eq(errno, EAGAIN);
	}
	/* and this test would see one: a real client is accepted */
	client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(connect(client, &a.sa, addr_len(&a)), 0);
	ck_assert_int_ge(accept(fd, NULL, NULL), 0);
	ck_assert_int_lt(accept(fd, NULL, NULL), 0);
	close(client);
	end();
}
END_TEST

START_TEST(a_closed_port_is_refused)
{
	struct outcome o;
	struct addr a;

	begin();
	close(open_listener(&a, 16));
	o = probe(&a, NSEC_PER_SEC);
	ck_assert_int_eq(o.error, ECONNREFUSED);
	ck_assert(!o.local);
	end();
}
END_TEST

START_TEST(a_black_hole_takes_its_time_and_no_longer)
{
	struct outcome o;
	struct addr a;

	begin();
	open_black_hole(&a);
	o = probe(&a, 50 * NSEC_PER_MSEC);
	ck_assert_int_eq(o.error, ETIMEDOUT);
	ck_assert(!o.local);
	end();
}
END_TEST

START_TEST(a_fault_of_this_host_is_marked)
{
	struct rlimit limit = { 0, 0 };
	struct outcome o;
	struct addr a;

	begin();
	open_listener(&a, 16);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 0, limit.rlim_max }), 0);
	o = probe(&a, NSEC_PER_SEC);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_int_eq(o.error, EMFILE);
	ck_assert(o.local);
	end();
}
END_TEST

static bool
all_called(void *arg)
{
	struct outcome *o = arg;

	for (int i = 0; i < 2000; i++)
		if (o[i].calls == 0)
			return false;
	return true;
}

START_TEST(more_than_may_run_at_once_wait_their_turn)
{
	static struct outcome o[2000];
	struct rlimit limit = { 700, 700 };
	struct addr a;

	begin();
	open_listener(&a, 4096);
	/* as many descriptors as 512 probes need, and not 2,000 */
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	for (int i = 0; i < 2000; i++)
		ck_assert_ptr_nonnull(
			prober_start(prober, &a, i % 2 == 0, NSEC_PER_SEC, on_probed, &o[i]));
	ck_assert(loop_until(base, all_called, o));
	for (int i = 0; i < 2000; i++) {
		ck_assert_int_eq(o[i].error, 0);
		ck_assert_uint_eq(o[i].calls, 1);
	}
	end();
}
END_TEST

START_TEST(dead_targets_delay_nothing_else)
{
	static struct outcome dead[2000];
	struct addr hole, alive;
	struct outcome o;

	begin();
	open_black_hole(&hole);
	open_listener(&alive, 16);
	for (int i = 0; i < 2000; i++)
		ck_assert_ptr_nonnull(prober_start(
			prober, &hole, true, 3600 * NSEC_PER_SEC, on_probed, &dead[i]));
	loop_for(base, 20 * NSEC_PER_MSEC);
	o = probe(&alive, NSEC_PER_SEC);
	ck_assert_int_eq(o.error, 0);
	for (int i = 0; i < 2000; i++)
		ck_assert_uint_eq(dead[i].calls, 0);
	end();
}
END_TEST

START_TEST(a_cancelled_probe_is_not_heard_of)
{
	struct outcome waiting = { 0 }, running = { 0 };
	struct addr hole, alive;
	struct probe *p;

	begin();
	open_black_hole(&hole);
	open_listener(&alive, 16);
	p = prober_start(prober, &alive, false, NSEC_PER_SEC, on_probed, &waiting);
	probe_cancel(p);
	p = prober_start(prober, &hole, false, 30 * NSEC_PER_MSEC, on_probed, &running);
	loop_for(base, 5 * NSEC_PER_MSEC);
	probe_cancel(p);
	loop_for(base, 60 * NSEC_PER_MSEC);
	ck_assert_uint_eq(waiting.calls, 0);
	ck_assert_uint_eq(running.calls, 0);
	end();
}
END_TEST

UNIT_MAIN("prober", a_listener_answers, accept_never_sees_a_probe, a_closed_port_is_refused,
	a_black_hole_takes_its_time_and_no_longer, a_fault_of_this_host_is_marked,
	more_than_may_run_at_once_wait_their_turn, dead_targets_delay_nothing_else,
	a_cancelled_probe_is_not_heard_of)
