/* What libevent is told once: that its memory comes with a reserve, and that its words go to the log. */
#include "config.h"

#include "libevent.h"

#include <event2/event.h>

#include "iaido/clock.h"
#include "iaido/log.h"
#include "iaido/reserve.h"

static void
on_log(int severity, const char *message)
{
	static struct log_limit limit;
	uint64_t left_out;

	if (severity < EVENT_LOG_WARN || !log_limit_allow(&limit, clock_now_ns(), &left_out))
		return;
	log_event(LOG_LEVEL_WARN, "libevent.warning", message, LOG_INT("leftOut", left_out));
}

void
libevent_prepare(void)
{
	event_set_mem_functions(reserve_malloc, reserve_realloc, reserve_free);
	event_set_log_callback(on_log);
}
