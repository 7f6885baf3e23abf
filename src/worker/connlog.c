/* The connection log: who, where to, how much, how long, how it ended. */
#include "config.h"

#include "worker/connlog.h"

#include <sys/socket.h>

#include "iaido/addr.h"
#include "iaido/clock.h"
#include "iaido/log.h"

#include "worker/frontend.h"

static const char *
client_name(const struct conn *c, char buf[ADDR_TEXT_MAX])
{
	if (c->setup == NULL || !c->setup->client_known)
		return "-";
	return addr_format(&c->setup->client, buf);
}

static const char *
backend_name(const struct conn *c, char buf[ADDR_TEXT_MAX])
{
	const struct table_backend *b = NULL;

	if (c->cell != NO_CELL)
		b = frontend_backend(c->frontend, c->cell);
	return b != NULL ? addr_format(&b->addr, buf) : "-";
}

void
connlog_write(const struct conn *c, int64_t now_ns)
{
	char client[ADDR_TEXT_MAX], backend[ADDR_TEXT_MAX];
	const char *by = ended_by_name((enum ended_by)c->ended_by);
	const char *reason = ended_reason_name((enum ended_reason)c->ended_reason);

	log_event(LOG_LEVEL_INFO, "connection.ended", "connection ended",
		LOG_STR("client", client_name(c, client)),
		LOG_STR("frontend", c->frontend->conf.name),
		LOG_STR("backend", backend_name(c, backend)), LOG_INT("bytesIn", c->bytes[CLIENT]),
		LOG_INT("bytesOut", c->bytes[BACKEND]),
		LOG_INT("waitMicros", c->wait_us - c->dial_us), LOG_INT("dialMicros", c->dial_us),
		LOG_INT("totalMicros", (now_ns - c->accepted_ns) / NSEC_PER_USEC),
		LOG_STR("ended", by), LOG_STR("reason", reason));
}
