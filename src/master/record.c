/* The record of an upgrade: head, the master's own part, the pools' part. Fields are only ever
 * appended to the master's part; a reader takes what it knows and leaves the rest. What cannot be read
 * at all has another major number, and is refused. */
#include "config.h"

#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "iaido/chan.h"
#include "iaido/clock.h"
#include "iaido/diag.h"
#include "iaido/file.h"
#include "iaido/log.h"
#include "iaido/text.h"

#include "listener.h"
#include "pool.h"
#include "state.h"
#include "supervisor.h"

#define RECORD_MAGIC UINT64_C(0x6f6469616961ff02)
#define RECORD_MAJOR 1
#define RECORD_SIZE_MAX (INT64_C(256) << 20)
#define HEAD_SIZE (8 + 4 + 4 + 8 + 8)
#define WORKERS_MAX 65536
#define TEXT_LEN_MAX (4 << 20)

/* ---- writing ---- */

static void
put_fd(struct wire_writer *w, int fd)
{
	wire_put_u32(w, (uint32_t)fd);
}

static void
put_text(struct wire_writer *w, const char *s)
{
	wire_put_string(w, s ? s : "");
}

static void
put_worker(struct wire_writer *w, const struct worker *worker)
{
	wire_put_u32(w, (uint32_t)worker->pid);
	wire_put_u32(w, worker->number);
	wire_put_u32(w, worker->generation);
	wire_put_u32(w, worker->seat);
	wire_put_u8(w, (uint8_t)worker->state);
	wire_put_u8(w, worker->stopped);
	wire_put_i64(w, worker->forked_ns);
	wire_put_i64(w, worker->deadline_ns);
	wire_put_u64(w, worker->applied);
	put_fd(w, worker->share.fd);
	put_fd(w, worker->channel.fd);
}

static void
put_supervisor(struct wire_writer *w, const struct supervisor *s)
{
	const struct worker *worker;
	uint32_t n = 0;

	TAILQ_FOREACH(worker, &s->workers, link)
		n++;
	put_fd(w, s->total.fd);
	wire_put_u32(w, s->next_number);
	wire_put_u32(w, s->generation);
	wire_put_u32(w, s->seat_count);
	wire_put_u64(w, s->restarts);
	wire_put_u32(w, n);
	TAILQ_FOREACH(worker, &s->workers, link)
		put_worker(w, worker);
}

static void
put_reload(struct wire_writer *w, const struct reload *r)
{
	wire_put_i64(w, r->loaded_wall_ns);
	wire_put_i64(w, r->tried_wall_ns);
	wire_put_i64(w, r->succeeded_wall_ns);
	wire_put_u8(w, r->ok);
	put_text(w, r->error);
	wire_put_u64(w, r->succeeded_count);
	wire_put_u64(w, r->failed_count);
}

static int
put_conf(struct wire_writer *w, const struct master *m)
{
	struct text t;
	int r;

	text_init(&t);
	r = conf_emit_yaml(m->conf, &t);
	if (r == 0)
		put_text(w, t.data);
	text_fini(&t);
	return r;
}

static int
put_master(struct wire_writer *w, const struct master *m)
{
	wire_put_u32(w, CHAN_VERSION);
	put_text(w, m->directory);
	put_text(w, m->config_path);
	put_text(w, m->program);
	wire_put_i64(w, m->started_ns);
	wire_put_i64(w, m->started_wall_ns);
	wire_put_u8(w, m->daemon.detached);
	put_fd(w, log_descriptor());
	wire_put_u8(w, log_is_syslog());
	wire_put_u8(w, (uint8_t)log_current_level());
	wire_put_u8(w, (uint8_t)log_current_format());
	put_text(w, m->log_target);
	put_fd(w, m->diag ? diag_descriptor(m->diag) : -1);
	put_text(w, m->diag_addr);
	put_fd(w, m->pidfile.fd);
	put_text(w, m->pidfile.path);
	put_fd(w, m->board.fd);
	put_fd(w, m->tables.fd);
	wire_put_u64(w, m->tables.number);
	frontend_ids_save(&m->ids, w);
	listeners_save(m->listeners, w);
	put_supervisor(w, &m->supervisor);
	put_reload(w, &m->reload);
	return put_conf(w, m);
}

static int
write_sealed(const struct wire_writer *parts, size_t count)
{
	int fd = memfd_create("iaido-state", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r = fd < 0 ? -errno : 0;
	size_t i;

	for (i = 0; i < count && r == 0; i++)
		r = file_write_all(fd, parts[i].data, parts[i].len);
	if (r == 0 &&
		fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) <
			0)
		r = -errno;
	if (r < 0 && fd >= 0)
		close(fd);
	return r < 0 ? r : fd;
}

int
record_write(const struct master *m)
{
	struct wire_writer parts[3], *head = &parts[0], *own = &parts[1], *pools = &parts[2];
	size_t i;
	int r;

	for (i = 0; i < ARRAY_SIZE(parts); i++)
		wire_writer_init(&parts[i]);
	r = put_master(own, m);
	pools_save(m->pools, pools);
	wire_put_u64(head, RECORD_MAGIC);
	wire_put_u32(head, RECORD_MAJOR);
	wire_put_u32(head, 0);
	wire_put_u64(head, own->len);
	wire_put_u64(head, pools->len);
	if (r == 0 && (head->bad || own->bad || pools->bad))
		r = -ENOMEM;
	if (r == 0)
		r = write_sealed(parts, ARRAY_SIZE(parts));
	for (i = 0; i < ARRAY_SIZE(parts); i++)
		wire_writer_fini(&parts[i]);
	return r;
}

/* ---- reading ---- */

/* One that is open here, or -1. */
static int
get_fd(struct wire_reader *r)
{
	int fd = (int)wire_get_u32(r);

	if (fd < -1 || (fd >= 0 && fcntl(fd, F_GETFD) < 0))
		r->bad = true;
	return r->bad ? -1 : fd;
}

/* NULL for an empty one. */
static char *
get_text(struct wire_reader *r)
{
	char *s = wire_get_string(r, TEXT_LEN_MAX);

	if (s && *s == '\0') {
		free(s);
		s = NULL;
	}
	return s;
}

static int
get_worker(struct wire_reader *r, struct master *m, bool attach)
{
	struct worker *w = calloc(1, sizeof(*w));
	int share_fd, e = 0;

	if (!w)
		return -ENOMEM;
	w->master = m;
	w->pid = (pid_t)wire_get_u32(r);
	w->number = wire_get_u32(r);
	w->generation = wire_get_u32(r);
	w->seat = wire_get_u32(r);
	w->state = (enum worker_state)wire_get_u8(r);
	w->stopped = wire_get_u8(r) != 0;
	w->forked_ns = wire_get_i64(r);
	w->deadline_ns = wire_get_i64(r);
	w->applied = wire_get_u64(r);
	share_fd = get_fd(r);
	w->channel.fd = w->channel.log_fd = w->channel.table_fd = -1;
	w->kept_chan_fd = get_fd(r);
	w->beat_seen_ns = clock_now_ns();
	if (r->bad || w->pid <= 0 || w->state > WORKER_DRAINING)
		e = -EBADMSG;
	if (e == 0 && attach)
		e = share_attach(share_fd, &w->share);
	if (e < 0 || !attach) {
		free(w);
		return e;
	}
	TAILQ_INSERT_TAIL(&m->supervisor.workers, w, link);
	return 0;
}

static int
get_supervisor(struct wire_reader *r, struct master *m, bool attach)
{
	struct supervisor *s = &m->supervisor;
	int e = 0, total_fd = get_fd(r);
	uint32_t i, n;

	s->next_number = wire_get_u32(r);
	s->generation = wire_get_u32(r);
	s->seat_count = wire_get_u32(r);
	s->restarts = wire_get_u64(r);
	n = wire_get_count(r, 1, WORKERS_MAX);
	if (r->bad || s->seat_count == 0 || s->seat_count > CONF_WORKERS_MAX)
		return -EBADMSG;
	s->seats = calloc(s->seat_count, sizeof(*s->seats));
	if (!s->seats)
		return -ENOMEM;
	if (attach)
		e = share_attach(total_fd, &s->total);
	for (i = 0; i < n && e == 0; i++)
		e = get_worker(r, m, attach);
	return e;
}

static void
get_reload(struct wire_reader *r, struct reload *out)
{
	out->loaded_wall_ns = wire_get_i64(r);
	out->tried_wall_ns = wire_get_i64(r);
	out->succeeded_wall_ns = wire_get_i64(r);
	out->ok = wire_get_u8(r) != 0;
	out->error = get_text(r);
	out->succeeded_count = wire_get_u64(r);
	out->failed_count = wire_get_u64(r);
}

static int
get_places(struct wire_reader *r, struct master *m, struct record *out)
{
	if (wire_get_u32(r) != CHAN_VERSION)
		return -EPROTO;
	m->directory = get_text(r);
	m->config_path = get_text(r);
	m->program = get_text(r);
	m->started_ns = wire_get_i64(r);
	m->started_wall_ns = wire_get_i64(r);
	m->daemon.detached = wire_get_u8(r) != 0;
	out->log_fd = get_fd(r);
	out->log_is_syslog = wire_get_u8(r) != 0;
	out->log_level = wire_get_u8(r);
	out->log_format = wire_get_u8(r);
	m->log_target = get_text(r);
	m->upgrade.diag_fd = get_fd(r);
	m->diag_addr = get_text(r);
	m->pidfile.fd = get_fd(r);
	m->pidfile.path = get_text(r);
	return r->bad || !m->directory || !m->config_path || !m->program ? -EBADMSG : 0;
}

static int
get_master(struct wire_reader *r, struct master *m, bool attach, struct record *out)
{
	int board_fd, e = get_places(r, m, out);

	if (e < 0)
		return e;
	board_fd = get_fd(r);
	m->tables.fd = get_fd(r);
	m->tables.number = wire_get_u64(r);
	e = r->bad ? -EBADMSG : 0;
	/* Also where it is not used: a rehearsal is to find out whether it can be. */
	if (e == 0)
		e = scoreboard_attach(board_fd, &m->board);
	if (e == 0)
		e = frontend_ids_load(&m->ids, r);
	if (e == 0)
		e = listeners_load(r, &m->listeners);
	if (e == 0)
		e = get_supervisor(r, m, attach);
	if (e < 0)
		return e;
	get_reload(r, &m->reload);
	out->conf_yaml = wire_get_string(r, TEXT_LEN_MAX);
	return r->bad ? -EBADMSG : 0;
}

static int
read_all(int fd, void **data, size_t *len)
{
	struct stat st;
	char *buf;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size < HEAD_SIZE || st.st_size > RECORD_SIZE_MAX)
		return -EBADMSG;
	*len = (size_t)st.st_size;
	buf = malloc(*len);
	if (!buf)
		return -ENOMEM;
	n = pread(fd, buf, *len, 0);
	if (n != st.st_size) {
		free(buf);
		return n < 0 ? -errno : -EBADMSG;
	}
	*data = buf;
	return 0;
}

/* Where the two parts are. */
static int
split(const void *data, size_t len, struct wire_reader *own, struct wire_reader *pools)
{
	struct wire_reader head;
	uint64_t own_len, pools_len, left = len - HEAD_SIZE;
	uint32_t major;
	bool known;

	wire_reader_init(&head, data, HEAD_SIZE);
	known = wire_get_u64(&head) == RECORD_MAGIC;
	major = wire_get_u32(&head);
	(void)wire_get_u32(&head);
	own_len = wire_get_u64(&head);
	pools_len = wire_get_u64(&head);
	if (!known || own_len > left || pools_len > left - own_len)
		return -EBADMSG;
	if (major != RECORD_MAJOR)
		return -EPROTO;
	wire_reader_init(own, (const char *)data + HEAD_SIZE, own_len);
	wire_reader_init(pools, (const char *)data + HEAD_SIZE + own_len, pools_len);
	return 0;
}

int
record_read(struct master *m, int fd, bool attach, struct record *out, struct text *why)
{
	struct wire_reader own;
	size_t len = 0;
	int r;

	*out = (struct record){ .log_fd = -1 };
	r = read_all(fd, &out->data, &len);
	if (r == 0)
		r = split(out->data, len, &own, &out->pools);
	if (r == 0)
		r = get_master(&own, m, attach, out);
	if (r == -EPROTO)
		text_add(why, "the running program's state is of another version");
	else if (r < 0)
		text_addf(why, "the running program's state cannot be read: %s", strerror(-r));
	return r;
}

void
record_fini(struct record *r)
{
	free(r->data);
	free(r->conf_yaml);
	*r = (struct record){ .log_fd = -1 };
}

/* ---- descriptors ---- */

static void
set_fd(int fd, bool inheritable)
{
	/* It is open: this cannot fail. */
	if (fd > STDERR_FILENO)
		(void)fcntl(fd, F_SETFD, inheritable ? 0 : FD_CLOEXEC);
}

void
record_set_inheritable(const struct master *m, bool inheritable)
{
	const struct worker *w;
	size_t i;
	uint32_t k;

	set_fd(log_descriptor(), inheritable);
	set_fd(m->diag ? diag_descriptor(m->diag) : m->upgrade.diag_fd, inheritable);
	set_fd(m->pidfile.fd, inheritable);
	set_fd(m->board.fd, inheritable);
	set_fd(m->tables.fd, inheritable);
	set_fd(m->supervisor.total.fd, inheritable);
	for (i = 0; m->listeners && i < m->listeners->count; i++)
		for (k = 0; k < m->listeners->items[i].slot_count; k++)
			set_fd(m->listeners->items[i].fds[k], inheritable);
	TAILQ_FOREACH(w, &m->supervisor.workers, link) {
		set_fd(w->share.fd, inheritable);
		set_fd(w->channel.fd >= 0 ? w->channel.fd : w->kept_chan_fd, inheritable);
	}
}
