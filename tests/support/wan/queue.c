/*
 * The heap of packets under way, and the pool they come from: packets are kept for reuse, so that
 * the wire's own work per packet stays small and even.
 */
#include "config.h"

#include "queue.h"

#include <stdbool.h>
#include <stdlib.h>

enum { MAX_PACKETS = 200000 };

static struct packet **heap;
static size_t heap_len, heap_size;
static struct packet *spare[4096];
static size_t spare_count, packet_count;
static uint64_t next_serial;

struct packet *
packet_new(void)
{
	struct packet *p;

	if (spare_count > 0)
		return spare[--spare_count];
	if (packet_count == MAX_PACKETS || (p = malloc(sizeof(*p))) == NULL)
		return NULL;
	packet_count++;
	return p;
}

void
packet_free(struct packet *p)
{
	if (spare_count < sizeof(spare) / sizeof(spare[0])) {
		spare[spare_count++] = p;
		return;
	}
	packet_count--;
	free(p);
}

static bool
is_before(const struct packet *a, const struct packet *b)
{
	return a->due_ns < b->due_ns || (a->due_ns == b->due_ns && a->serial < b->serial);
}

void
queue_push(struct packet *p)
{
	size_t i;

	if (heap_len == heap_size) {
		size_t size = heap_size > 0 ? heap_size * 2 : 1024;
		struct packet **grown = realloc(heap, size * sizeof(struct packet *));

		if (grown == NULL) {
			packet_free(p);
			return;
		}
		heap = grown;
		heap_size = size;
	}
	p->serial = next_serial++;
	for (i = heap_len++; i > 0 && is_before(p, heap[(i - 1) / 2]); i = (i - 1) / 2)
		heap[i] = heap[(i - 1) / 2];
	heap[i] = p;
}

struct packet *
queue_top(void)
{
	return heap_len > 0 ? heap[0] : NULL;
}

struct packet *
queue_pop(void)
{
	struct packet *top, *last;
	size_t i = 0, child;

	if (heap_len == 0)
		return NULL;
	top = heap[0];
	last = heap[--heap_len];
	while ((child = 2 * i + 1) < heap_len) {
		if (child + 1 < heap_len && is_before(heap[child + 1], heap[child]))
			child++;
		if (!is_before(heap[child], last))
			break;
		heap[i] = heap[child];
		i = child;
	}
	heap[i] = last;
	return top;
}
