/* Upgrade in place: the running program becomes the one now at its path, with the same PID, sockets
 * and workers. Rehearsed first by a child; a fault found even after that leads back. */
#ifndef IAIDO_MASTER_UPGRADE_H
#define IAIDO_MASTER_UPGRADE_H

#include <stdbool.h>
#include <sys/types.h>

#include "iaido/macros.h"

struct event;
struct master;

enum upgrade_mode {
	UPGRADE_NONE,
	UPGRADE_REHEARSAL, /* a child of the running program: touches nothing of it */
	UPGRADE_TAKEOVER, /* the new program, until its workers are ready */
	UPGRADE_RETURN, /* the old one again: the new one had a fault */
};

#define UPGRADE_REPORT_MAX 4096

struct upgrade {
	enum upgrade_mode mode; /* how this program began, until it is settled */
	int record_fd; /* as handed over; -1 = none */
	int previous_fd; /* the program before, to go back to; -1 = none */
	int diag_fd; /* the socket of its diagnostics, until ours serve; -1 = none */
	bool gave_up;
	bool wanted;
	pid_t child; /* rehearses; 0 = none */
	bool timed_out;
	int report_fd; /* what the child says; -1 = none */
	struct event *report;
	struct event *timer;
	char said[UPGRADE_REPORT_MAX];
	size_t said_len;
};

int upgrade_init(struct master *m) MUST_CHECK;
void upgrade_fini(struct master *m);
/* Finds out how this program began; to be called first. */
void upgrade_recognise(struct master *m);
/* The absolute path that the program was started by; a new string or NULL. */
char *upgrade_find_program(const char *argv0, const char *directory);

void upgrade_want(struct master *m);
/* One that waits may begin. */
void upgrade_advance(struct master *m);
bool upgrade_is_busy(const struct master *m);
void upgrade_cancel(struct master *m);
/* A child that is no worker. */
void upgrade_child_ended(struct master *m, pid_t pid, int status);

/* In the new program. */
void upgrade_rehearsed(struct master *m);
/* It serves: workers of before are its own, signals are heard. */
void upgrade_settle(struct master *m);
/* It cannot serve: ends a rehearsal, goes back from a takeover. */
void upgrade_give_up(struct master *m, const char *why);

#endif
