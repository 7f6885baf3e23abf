/* The words for how a connection ended, each in one place. */
#include "config.h"

#include "iaido/ended.h"

#include "iaido/macros.h"

static const char *const by_names[] = {
	[ENDED_BY_CLIENT] = "client",
	[ENDED_BY_BACKEND] = "backend",
	[ENDED_BY_IAIDO] = "iaido",
};
_Static_assert(ARRAY_SIZE(by_names) == ENDED_BY_COUNT, "each has a name");

static const char *const reason_names[] = {
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
_Static_assert(ARRAY_SIZE(reason_names) == ENDED_REASON_COUNT, "each has a name");

const char *
ended_by_name(enum ended_by by)
{
	return (unsigned)by < ENDED_BY_COUNT ? by_names[by] : "unknown";
}

const char *
ended_reason_name(enum ended_reason reason)
{
	return (unsigned)reason < ENDED_REASON_COUNT ? reason_names[reason] : "unknown";
}
