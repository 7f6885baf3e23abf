/* The packets under way, the next one due on top: a binary heap, equal times in order of arrival. */
#ifndef IAIDO_TESTS_WAN_QUEUE_H
#define IAIDO_TESTS_WAN_QUEUE_H

#include <stddef.h>
#include <stdint.h>

enum { PACKET_MAX_LEN = 2048 };

struct packet {
	int64_t due_ns;
	uint64_t serial;
	int fd; /* where it goes */
	size_t len;
	uint8_t data[PACKET_MAX_LEN];
};

/* A packet to fill in; NULL when too many are under way. */
struct packet *packet_new(void);
void packet_free(struct packet *p);

/* Queues p, or gives it up where there is no memory. */
void queue_push(struct packet *p);
/* The packet due next, NULL if there is none; queue_pop() takes that one out. */
struct packet *queue_top(void);
struct packet *queue_pop(void);

#endif
