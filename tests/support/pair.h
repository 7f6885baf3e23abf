/* Clients and backends with a worker between them. All that they say is a pattern by pair, side and place,
 * and looked at by who hears it: a byte that is lost, doubled, late or another's ends the test, and so
 * does an end that nobody made. */
#ifndef IAIDO_TESTS_PAIR_H
#define IAIDO_TESTS_PAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stage.h"

enum { PAIR_CLIENT, PAIR_BACKEND };

enum pair_end { END_NONE, END_FIN, END_RESET };

/* What one side says to the other. */
struct line {
	uint64_t due; /* bytes that are to be said in all */
	uint64_t said;
	uint64_t heard;
	bool fin_due; /* to be ended once all is said */
	bool fin_said;
	bool error_met; /* who says it found that the connection was reset */
	bool deaf; /* it is not listened to at present */
	enum pair_end told; /* the end that was heard */
};

struct pair {
	unsigned number; /* makes the pattern */
	int fd[2]; /* by side; -1 = none (any more) */
	struct line line[2]; /* by the side that says it */
	int reset_by; /* the side; -1 = none */
	bool whole; /* all that it said before must arrive */
};

/* A client that has no backend yet; with a number, which no other pair has. */
void pair_connect(const struct stage *s, struct pair *p);
/* It says its number, which is not part of the pattern. */
void pair_greet(const struct pair *p);
/* The backends of those that greeted, whichever comes first; who says nothing, or 0, is nobody's. */
void pairs_accept(const struct stage *s, unsigned backend, struct pair *pairs, unsigned count);
/* All three, for each. */
void pairs_open(const struct stage *s, struct pair *pairs, unsigned count);
void pair_close(struct pair *p);

/* To be said: what the socket does not take now, pairs_settle() says. Nothing, for a side that has ended. */
void pair_say(struct pair *p, int side, uint64_t bytes);
/* One byte of the pattern, as urgent data if the socket takes it now; where all before it is said. */
void pair_say_urgent(struct pair *p, int side);
/* A FIN behind all that is to be said. */
void pair_end(struct pair *p, int side);
/* At once. */
void pair_reset(struct pair *p, int side);
/* What there is just now. */
void pair_hear(struct pair *p, int side);

/* Neither side has anything to add. */
bool pair_is_over(const struct pair *p);
bool pairs_are_settled(const struct pair *pairs, unsigned count);
/* Goes on until all is said, heard (but by the deaf), and all ends are told. */
void pairs_settle(struct pair *pairs, unsigned count);
/* The worker has done all that it could have done before this call. */
void pairs_wait_turn(struct pair *probe);

#endif
