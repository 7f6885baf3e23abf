/* The words for how a connection ended. */
#include "config.h"

#include "iaido/ended.h"

static const char *const by_names[ENDED_BY_COUNT] = {
	[ENDED_BY_CLIENT] = "client",
	[ENDED_BY_BACKEND] = "backend",
	[ENDED_BY_IAIDO] = "iaido",
};

static const char *const reason_names[ENDED_REASON_COUNT] = {
	[ENDED_EOF] = "eof",
	[ENDED_RESET] = "reset",
	[ENDED_TIMEOUT] = "timeout",
	[ENDED_IDLE] = "idle",
	[ENDED_HALF_CLOSED] = "half-closed",
	[ENDED_AGE] = "age",
	[ENDED_OVERLOAD] = "overload",
	[ENDED_PROMOTION] = "promotion",
	[ENDED_FAILED] = "failed",
	[ENDED_GONE] = "gone",
	[ENDED_DISABLED] = "disabled",
	[ENDED_DRAIN] = "drain",
	[ENDED_NO_BACKEND] = "no-backend",
	[ENDED_DIAL_FAILED] = "dial-failed",
	[ENDED_WORKER_LOST] = "worker-lost",
	[ENDED_ERROR] = "error",
};

const char *
ended_by_name(enum ended_by by)
{
	return (unsigned)by < ENDED_BY_COUNT ? by_names[by] : "iaido";
}

const char *
ended_reason_name(enum ended_reason reason)
{
	return (unsigned)reason < ENDED_REASON_COUNT ? reason_names[reason] : "error";
}
