/* A load inside an integration test, against a frontend with peers (peer.h) behind it: short clients
 * that connect, ask and close without end, and streams that stay and exchange patterned bytes. */
#ifndef IAIDO_TESTS_SWARM_H
#define IAIDO_TESTS_SWARM_H

#include <stdint.h>

struct swarm_counts {
	uint64_t short_ok;
	uint64_t refused; /* could not even connect */
	uint64_t short_failed; /* connected, and then got no answer */
	unsigned int streams_cut; /* ended before they were told to */
	unsigned int streams_wrong; /* got another byte than they sent */
	uint64_t stream_bytes;
	char first_error[160];
};

struct swarm;

/* Starts the threads; returns once every stream has been greeted. */
struct swarm *swarm_start(uint16_t port, unsigned int shorts, unsigned int streams);
/* So far; may be called at any time. */
void swarm_look(struct swarm *s, struct swarm_counts *out);
/* Ends all, waits for it, and frees it. */
void swarm_stop(struct swarm *s, struct swarm_counts *out);
/* Prints one line of figures, for people. */
void swarm_print(const char *title, const struct swarm_counts *c);

#endif
