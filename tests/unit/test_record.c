/* The record of an upgrade: what a program writes another one reads, and nonsense is refused. */
#include "config.h"

#include "unit.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "iaido/conf.h"
#include "iaido/rng.h"
#include "iaido/text.h"
#include "master/pool.h"
#include "master/record.h"
#include "master/state.h"

#define CONF \
	"workers: 2\n" \
	"frontends:\n" \
	"  - bindAddress: 127.0.0.1:0\n" \
	"    backendPool:\n" \
	"      latencyBucket: -1\n" \
	"      tiers: [{targets: [{hosts: [192.0.2.1], port: 1}]}]\n"

static size_t
no_shares(void *arg, struct share **out, size_t max)
{
	(void)arg;
	(void)out;
	(void)max;
	return 0;
}

static uint64_t
none_applied(void *arg)
{
	(void)arg;
	return 0;
}

static void
nothing_changed(void *arg)
{
	(void)arg;
}

static const struct pools_owner owner = { nothing_changed, no_shares, none_applied, NULL };

/* As much of a master as a record is made of. */
static void
make_master(struct master *m)
{
	struct conf_report report = { 0 };
	size_t failed;

	*m = (struct master){ .upgrade.diag_fd = -1, .pidfile.fd = -1, .tables.fd = -1 };
	TAILQ_INIT(&m->supervisor.workers);
	m->directory = strdup("/somewhere");
	m->config_path = strdup("/somewhere/iaido.yaml");
	m->program = strdup("/usr/sbin/iaido");
	m->log_target = strdup("stderr");
	m->started_ns = 42;
	m->tables.number = 7;
	m->base = event_base_new();
	ck_assert_int_eq(scoreboard_create(&m->board), 0);
	ck_assert_int_eq(share_create(&m->supervisor.total), 0);
	m->supervisor.generation = 3;
	m->supervisor.seat_count = 2;
	m->supervisor.next_number = 9;
	m->reload.error = strdup("what was wrong");
	ck_assert_int_eq(conf_parse("test", CONF, strlen(CONF), &m->conf, &report), 0);
	ck_assert_int_eq(
		listeners_open(NULL, m->conf, 2, &m->ids, NULL, 0, &m->listeners, &failed), 0);
	m->frontend_of = calloc(1, sizeof(*m->frontend_of));
	m->frontend_of[0] = m->listeners->items[0].id;
	ck_assert_int_eq(pools_new(m->base, &m->board, &owner, &m->pools), 0);
	ck_assert_int_eq(pools_configure(m->pools, m->conf, m->frontend_of), 0);
}

/* What was read names the descriptors of the one it was read from: they are not closed twice. */
static void
free_master(struct master *m, bool is_copy)
{
	for (size_t i = 0; is_copy && m->listeners && i < m->listeners->count; i++)
		m->listeners->items[i].slot_count = 0;
	if (m->pools)
		pools_free(m->pools);
	listeners_free(m->listeners);
	frontend_ids_fini(&m->ids);
	if (is_copy)
		m->board.fd = -1;
	if (m->board.map)
		scoreboard_close(&m->board);
	if (m->supervisor.total.map)
		share_close(&m->supervisor.total);
	if (m->base)
		event_base_free(m->base);
	conf_free(m->conf);
	free(m->frontend_of);
	free(m->supervisor.seats);
	free(m->reload.error);
	free(m->directory);
	free(m->config_path);
	free(m->program);
	free(m->log_target);
	free(m->diag_addr);
	free(m->pidfile.path);
}

static int
read_into(struct master *copy, int fd, struct record *rec)
{
	struct text why;
	int r;

	*copy = (struct master){ .upgrade.diag_fd = -1, .pidfile.fd = -1, .tables.fd = -1 };
	TAILQ_INIT(&copy->supervisor.workers);
	text_init(&why);
	r = record_read(copy, fd, false, rec, &why);
	ck_assert((r < 0) == (why.len > 0));
	text_fini(&why);
	return r;
}

START_TEST(what_was_written_is_read)
{
	struct master m, copy;
	struct record rec;
	int fd;

	make_master(&m);
	fd = record_write(&m);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(read_into(&copy, fd, &rec), 0);
	ck_assert_str_eq(copy.directory, m.directory);
	ck_assert_str_eq(copy.config_path, m.config_path);
	ck_assert_str_eq(copy.program, m.program);
	ck_assert_int_eq(copy.started_ns, 42);
	ck_assert_uint_eq(copy.tables.number, 7);
	ck_assert_uint_eq(copy.supervisor.generation, 3);
	ck_assert_uint_eq(copy.supervisor.next_number, 9);
	ck_assert_str_eq(copy.reload.error, "what was wrong");
	ck_assert_str_eq(copy.listeners->items[0].name, m.listeners->items[0].name);
	ck_assert_ptr_nonnull(strstr(rec.conf_yaml, "192.0.2.1"));
	copy.base = event_base_new();
	ck_assert_int_eq(pools_new(copy.base, &copy.board, &owner, &copy.pools), 0);
	ck_assert_int_eq(pools_load(copy.pools, &rec.pools), 0);
	record_fini(&rec);
	free_master(&copy, true);
	free_master(&m, false);
	close(fd);
}
END_TEST

/* A memfd with these bytes: a record that somebody has changed. */
static int
make_file(const void *data, size_t len)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, data, len), (ssize_t)len);
	return fd;
}

static void
expect_refused(const void *data, size_t len)
{
	struct master copy;
	struct record rec;
	int fd = make_file(data, len);

	ck_assert_int_lt(read_into(&copy, fd, &rec), 0);
	record_fini(&rec);
	free_master(&copy, true);
	close(fd);
}

START_TEST(a_truncated_record_is_refused)
{
	static uint8_t bytes[65536];
	struct master m;
	ssize_t len;
	int fd;

	make_master(&m);
	fd = record_write(&m);
	len = pread(fd, bytes, sizeof(bytes), 0);
	ck_assert_int_gt(len, 0);
	for (ssize_t i = 0; i < len; i += i < 256 ? 1 : 7)
		expect_refused(bytes, (size_t)i);
	/* One of another make. */
	bytes[8]++;
	expect_refused(bytes, (size_t)len);
	free_master(&m, false);
	close(fd);
}
END_TEST

START_TEST(random_bytes_do_no_harm)
{
	static uint8_t bytes[65536], broken[65536];
	struct master m, copy;
	struct record rec;
	struct rng rng;
	ssize_t len;
	int fd;

	rng_seed_from(&rng, 4711);
	make_master(&m);
	fd = record_write(&m);
	len = pread(fd, bytes, sizeof(bytes), 0);
	close(fd);
	for (int i = 0; i < 400; i++) {
		memcpy(broken, bytes, (size_t)len);
		for (uint64_t k = 1 + rng_below(&rng, 8); k > 0; k--)
			broken[rng_below(&rng, (uint64_t)len)] = (uint8_t)rng_next(&rng);
		fd = make_file(broken, (size_t)len);
		/* Read or refused: both will do. */
		(void)!read_into(&copy, fd, &rec);
		record_fini(&rec);
		free_master(&copy, true);
		close(fd);
	}
	free_master(&m, false);
}
END_TEST

UNIT_MAIN(
	"record", what_was_written_is_read, a_truncated_record_is_refused, random_bytes_do_no_harm)
