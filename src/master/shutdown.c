/* The end: workers are told to drain for gracePeriod, or to end at once; the program ends when the
 * last of them is gone. */
#include "config.h"

#include <event2/event.h>

#include "iaido/clock.h"
#include "iaido/duration.h"
#include "iaido/log.h"

#include "listener.h"
#include "notify.h"
#include "state.h"
#include "supervisor.h"
#include "upgrade.h"

#define AGAIN_NS (100 * NSEC_PER_MSEC) /* a second signal that soon is the first one, twice */
#define STOP_GRACE_NS (500 * NSEC_PER_MSEC)

void
shutdown_check(struct master *m)
{
	const struct share *total = &m->supervisor.total;

	if (!m->shutdown.under_way || !TAILQ_EMPTY(&m->supervisor.workers))
		return;
	log_event(LOG_LEVEL_INFO, "master.stopped", "stopped",
		LOG_INT("closed",
			SHARE_GET(total->head->closed_for_drain) - m->shutdown.closed_before +
				m->shutdown.cut));
	event_base_loopbreak(m->base);
}

static void
begin(struct master *m)
{
	m->shutdown.under_way = true;
	m->shutdown.asked_ns = clock_now_ns();
	m->shutdown.cut = 0;
	m->shutdown.closed_before = supervisor_closed_for_drain(m);
	notify_stopping();
	reload_cancel(m);
	upgrade_cancel(m);
}

static void
end_now(struct master *m)
{
	m->shutdown.at_once = true;
	log_event(LOG_LEVEL_INFO, "master.stopping", "ending at once");
	listeners_close(m->listeners);
	supervisor_stop_all(m, STOP_GRACE_NS);
	shutdown_check(m);
}

void
shutdown_begin(struct master *m)
{
	char text[DURATION_TEXT_MAX];

	if (m->shutdown.under_way) {
		if (!m->shutdown.at_once && clock_now_ns() - m->shutdown.asked_ns > AGAIN_NS)
			end_now(m);
		return;
	}
	begin(m);
	m->shutdown.keep_accepting = m->conf->keep_accepting;
	log_event(LOG_LEVEL_INFO, "master.stopping", "stopping",
		LOG_STR("grace", duration_format(m->conf->grace_period_ns, text)));
	supervisor_drain_all(m, m->shutdown.keep_accepting, m->conf->grace_period_ns);
	if (!m->shutdown.keep_accepting)
		listeners_close(m->listeners);
	shutdown_check(m);
}

void
shutdown_now(struct master *m)
{
	if (m->shutdown.at_once)
		return;
	if (!m->shutdown.under_way)
		begin(m);
	end_now(m);
}
