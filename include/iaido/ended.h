/* How a connection ended, in the words that status, metrics and logs share (REFERENCE 9). */
#ifndef IAIDO_ENDED_H
#define IAIDO_ENDED_H

enum ended_by { ENDED_BY_CLIENT, ENDED_BY_BACKEND, ENDED_BY_IAIDO, ENDED_BY_COUNT };

enum ended_reason {
	ENDED_EOF,
	ENDED_RESET,
	ENDED_TIMEOUT,
	ENDED_IDLE,
	ENDED_HALF_CLOSED,
	ENDED_AGE,
	ENDED_OVERLOAD,
	ENDED_PROMOTION,
	ENDED_FAILED,
	ENDED_GONE,
	ENDED_DISABLED,
	ENDED_DRAIN,
	ENDED_NO_BACKEND,
	ENDED_DIAL_FAILED,
	ENDED_WORKER_LOST,
	ENDED_ERROR,
	ENDED_REASON_COUNT
};

/* "client", "backend", "iaido" */
const char *ended_by_name(enum ended_by by);
/* "eof", "reset", … "no-backend", "dial-failed", "worker-lost", "error" */
const char *ended_reason_name(enum ended_reason reason);

#endif
