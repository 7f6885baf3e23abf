/* The pool of pipes: what it keeps, what it gives back, and what it does at the user's quota. */
#include "config.h"

#include "worker/pipe.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "iaido/clock.h"

#include "worker/loop.h"

#include "unit.h"

/* Nobody's: its quota is this test's alone. */
#define LONELY_UID 61234
#define HOARD_MAX 4096
#define COUNT 5

static struct share share;
static struct worker worker;

static void
set_up(void)
{
	memset(&worker, 0, sizeof(worker));
	ck_assert_int_eq(share_create(&share), 0);
	worker.share = &share;
	worker.descriptor_limit = 1U << 20;
	ck_assert_ptr_nonnull(worker.pipes = pipe_pool_new());
}

static void
tear_down(void)
{
	pipe_pool_free(&worker, worker.pipes);
	ck_assert_uint_eq(worker.descriptors, 0);
	share_close(&share);
}

START_TEST(a_clean_pipe_is_used_again_and_a_dirty_one_closed)
{
	struct pipe *p;
	int fd;

	set_up();
	ck_assert_ptr_nonnull(p = pipe_take(&worker));
	ck_assert_uint_ge(p->size, COPY_BUFFER_SIZE);
	fd = p->read_fd;
	pipe_give(&worker, p);
	ck_assert_ptr_nonnull(p = pipe_take(&worker));
	ck_assert_int_eq(p->read_fd, fd);
	ck_assert_uint_eq(worker.descriptors, 2);
	ck_assert_int_eq(write(p->write_fd, "x", 1), 1);
	p->bytes = 1;
	pipe_give(&worker, p);
	ck_assert_uint_eq(worker.descriptors, 0);
	tear_down();
}
END_TEST

START_TEST(what_nobody_needed_since_the_last_trim_is_closed)
{
	struct pipe *p[COUNT];

	set_up();
	for (int i = 0; i < COUNT; i++)
		ck_assert_ptr_nonnull(p[i] = pipe_take(&worker));
	for (int i = 0; i < COUNT; i++)
		pipe_give(&worker, p[i]);
	/* All were needed until now. */
	pipe_pool_trim(&worker);
	ck_assert_uint_eq(worker.descriptors, 2 * COUNT);
	/* Two at once at the most since then. */
	p[0] = pipe_take(&worker);
	p[1] = pipe_take(&worker);
	pipe_give(&worker, p[0]);
	pipe_give(&worker, p[1]);
	pipe_pool_trim(&worker);
	ck_assert_uint_eq(worker.descriptors, 4);
	pipe_pool_trim(&worker);
	ck_assert_uint_eq(worker.descriptors, 0);
	tear_down();
}
END_TEST

START_TEST(the_last_descriptors_are_for_connections)
{
	set_up();
	worker.descriptor_limit = 7;
	ck_assert_ptr_null(pipe_take(&worker));
	tear_down();
}
END_TEST

/* Takes pipes until this user gets no more than tiny ones. */
static int
hoard_pipes(int fds[HOARD_MAX])
{
	int count = 0;

	while (count + 2 <= HOARD_MAX && pipe2(fds + count, O_CLOEXEC) == 0) {
		count += 2;
		if (fcntl(fds[count - 1], F_SETPIPE_SZ, 1 << 20) < 0 &&
			fcntl(fds[count - 1], F_GETPIPE_SZ) < COPY_BUFFER_SIZE)
			break;
	}
	return count;
}

START_TEST(tiny_pipes_are_not_used_and_not_asked_for_again_at_once)
{
	static int fds[HOARD_MAX];
	int count, deadline = 1000;
	struct pipe *p;

	/* Only ordinary users have a quota. */
	if (geteuid() == 0)
		ck_assert_int_eq(setuid(LONELY_UID), 0);
	set_up();
	count = hoard_pipes(fds);
	ck_assert_int_lt(count, HOARD_MAX);
	ck_assert_ptr_null(pipe_take(&worker));
	ck_assert_uint_eq(worker.descriptors, 0);
	while (count > 0)
		close(fds[--count]);
	/* There is room now, but nobody looks. */
	ck_assert_ptr_null(pipe_take(&worker));
	ck_assert_uint_eq(SHARE_GET(share.head->pipe_shortages), 1);
	while (!(p = pipe_take(&worker)) && deadline-- > 0)
		poll(NULL, 0, 10);
	ck_assert_ptr_nonnull(p);
	pipe_give(&worker, p);
	tear_down();
}
END_TEST

UNIT_MAIN("pipe", a_clean_pipe_is_used_again_and_a_dirty_one_closed,
	what_nobody_needed_since_the_last_trim_is_closed, the_last_descriptors_are_for_connections,
	tiny_pipes_are_not_used_and_not_asked_for_again_at_once)
