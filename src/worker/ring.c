/* io_uring: one system call carries out a list of receives or sends, and is over when all of them are.
 * Their sockets do not block, so that nothing is ever left under way. */
#include "config.h"

#include "worker/ring.h"

#include <errno.h>

#if HAVE_DECL_IORING_SETUP_SINGLE_ISSUER

#include <linux/io_uring.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "iaido/macros.h"

/* What is shared with the kernel: of the two queues' indices each side writes its own (io_uring(7)). */
struct ring {
	int fd;
	bool refused; /* a filter lets us have a ring, and not use it */
	unsigned *tail; /* of the submissions */
	unsigned mask;
	struct io_uring_sqe *entries;
	unsigned *done_head; /* of the completions */
	unsigned *done_tail;
	unsigned done_mask;
	struct io_uring_cqe *done;
	void *queues; /* both queues' memory */
	size_t queues_size;
	size_t entries_size;
};

static int
enter(struct ring *r, unsigned submit, unsigned wait_for)
{
	return (int)syscall(
		SYS_io_uring_enter, r->fd, submit, wait_for, IORING_ENTER_GETEVENTS, NULL, 0);
}

static void *
map(struct ring *r, size_t size, off_t what)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, what);

	if (p == MAP_FAILED)
		return NULL;
	return p;
}

static unsigned *
at(struct ring *r, uint32_t offset)
{
	return (unsigned *)(void *)((char *)r->queues + offset);
}

/* The entries are used in their order: so the array that could change it is set once. */
static void
set_order(struct ring *r, const struct io_uring_params *p)
{
	unsigned *order = at(r, p->sq_off.array);

	for (unsigned i = 0; i < p->sq_entries; i++)
		order[i] = i;
}

static int
map_queues(struct ring *r, const struct io_uring_params *p)
{
	size_t submitted = p->sq_off.array + p->sq_entries * sizeof(unsigned);
	size_t completed = p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe);

	/* One memory for both since Linux 5.4. */
	r->queues_size = submitted > completed ? submitted : completed;
	r->entries_size = p->sq_entries * sizeof(struct io_uring_sqe);
	r->queues = map(r, r->queues_size, IORING_OFF_SQ_RING);
	r->entries = map(r, r->entries_size, IORING_OFF_SQES);
	if (r->queues == NULL || r->entries == NULL)
		return -errno;
	r->tail = at(r, p->sq_off.tail);
	r->mask = *at(r, p->sq_off.ring_mask);
	r->done_head = at(r, p->cq_off.head);
	r->done_tail = at(r, p->cq_off.tail);
	r->done_mask = *at(r, p->cq_off.ring_mask);
	r->done = (struct io_uring_cqe *)(void *)at(r, p->cq_off.cqes);
	set_order(r, p);
	return 0;
}

struct ring *
ring_open(unsigned capacity)
{
	/* One thread asks, and looks at once; what is wrong with one entry does not stop the others. */
	struct io_uring_params p = { .flags = IORING_SETUP_SINGLE_ISSUER |
			IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL };
	struct ring *r = calloc(1, sizeof(*r));
	int error;

	if (r == NULL)
		return NULL;
	r->fd = (int)syscall(SYS_io_uring_setup, capacity, &p);
	error = r->fd < 0 ? -errno : map_queues(r, &p);
	if (error < 0) {
		ring_close(r);
		errno = -error;
		return NULL;
	}
	return r;
}

void
ring_close(struct ring *r)
{
	if (r == NULL)
		return;
	if (r->entries != NULL)
		munmap(r->entries, r->entries_size);
	if (r->queues != NULL)
		munmap(r->queues, r->queues_size);
	if (r->fd >= 0)
		close(r->fd);
	free(r);
}

static void
fill(struct io_uring_sqe *e, uint8_t operation, const struct transfer *t, unsigned number)
{
	memset(e, 0, sizeof(*e));
	e->opcode = operation;
	e->fd = t->fd;
	e->addr = (uintptr_t)t->data;
	e->len = (uint32_t)t->len;
	e->msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL;
	e->user_data = number;
}

/* Returns how many there were. */
static unsigned
take_results(struct ring *r, struct transfer *t)
{
	unsigned head = *r->done_head, tail = __atomic_load_n(r->done_tail, __ATOMIC_ACQUIRE);
	unsigned count = tail - head;

	for (; head != tail; head++) {
		const struct io_uring_cqe *e = &r->done[head & r->done_mask];

		t[e->user_data].result = e->res;
	}
	__atomic_store_n(r->done_head, head, __ATOMIC_RELEASE);
	return count;
}

static unsigned
carry_out(struct ring *r, uint8_t operation, struct transfer *t, unsigned count)
{
	unsigned tail = *r->tail, taken, done;
	int n;

	if (UNLIKELY(r->refused))
		return 0;
	for (unsigned i = 0; i < count; i++)
		fill(&r->entries[(tail + i) & r->mask], operation, &t[i], i);
	__atomic_store_n(r->tail, tail + count, __ATOMIC_RELEASE);
	n = enter(r, count, count);
	r->refused = n < 0 && (errno == EPERM || errno == EACCES || errno == ENOSYS);
	taken = n > 0 ? (unsigned)n : 0;
	/* What the kernel did not take is taken back. */
	if (taken < count)
		__atomic_store_n(r->tail, tail + taken, __ATOMIC_RELEASE);
	done = take_results(r, t);
	/* No buffer is left to the kernel. */
	while (done < taken) {
		(void)enter(r, 0, taken - done);
		done += take_results(r, t);
	}
	return taken;
}

unsigned
ring_receive(struct ring *r, struct transfer *t, unsigned count)
{
	return carry_out(r, IORING_OP_RECV, t, count);
}

unsigned
ring_send(struct ring *r, struct transfer *t, unsigned count)
{
	return carry_out(r, IORING_OP_SEND, t, count);
}

#else /* built with the headers of an older kernel */

struct ring *
ring_open(unsigned capacity)
{
	(void)capacity;
	errno = ENOSYS;
	return NULL;
}

void
ring_close(struct ring *r)
{
	(void)r;
}

unsigned
ring_receive(struct ring *r, struct transfer *t, unsigned count)
{
	(void)r;
	(void)t;
	(void)count;
	return 0;
}

unsigned
ring_send(struct ring *r, struct transfer *t, unsigned count)
{
	(void)r;
	(void)t;
	(void)count;
	return 0;
}

#endif
