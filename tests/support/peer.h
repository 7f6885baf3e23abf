/* A backend for integration tests: a process of its own that greets with its letter, then echoes.
 * Counts what it sees where the test can read it. */
#ifndef IAIDO_TESTS_PEER_H
#define IAIDO_TESTS_PEER_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

struct peer_counts {
	_Atomic uint32_t open; /* connections now */
	_Atomic uint32_t most; /* at any one time */
	_Atomic uint32_t total;
};

struct peer {
	char letter;
	uint16_t port;
	pid_t pid; /* 0 = not running */
	struct peer_counts *counts;
};

/* Starts it on a free port, or on p->port where that is set (to come back after peer_stop()). */
void peer_start(struct peer *p, char letter);
/* Kills it: its connections are reset, its port refuses. */
void peer_stop(struct peer *p);

/* A client's socket to 127.0.0.1:port, with the deadline of run.h for each read and write. */
int peer_connect(uint16_t port);
/* Reads the greeting: the letter, or 0 when the connection ended without one. */
char peer_greeting(int fd);
/* Sends a byte and expects it back; returns 0, or -1 when the connection is broken. */
int peer_echo(int fd);
/* Connects, reads the greeting, closes; 0 = failed. */
char peer_ask(uint16_t port);

#endif
