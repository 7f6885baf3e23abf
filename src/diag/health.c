/* /readyz: whether to send it traffic, and if not, why. */
#include "config.h"

#include "iaido/snapshot.h"
#include "iaido/text.h"
#include "render.h"

static bool
has_usable_backend(const struct snapshot_frontend *f)
{
	for (size_t i = 0; i < f->backend_count; i++)
		if (f->backends[i].state == BACKEND_UP)
			return true;
	return false;
}

static bool
backends_suffice(const struct snapshot *s, enum ready_backends backends, struct text *why)
{
	size_t usable = 0;
	const struct snapshot_frontend *lacking = NULL;

	for (size_t i = 0; i < s->frontend_count; i++) {
		const struct snapshot_frontend *f = &s->frontends[i];

		if (f->removed)
			continue;
		if (has_usable_backend(f))
			usable++;
		else if (!lacking)
			lacking = f;
	}
	if (backends == READY_BACKENDS_ALL && lacking) {
		text_addf(why, "frontend %s has no usable backend\n", lacking->bind_address);
		return false;
	}
	if (backends == READY_BACKENDS_ANY && usable == 0) {
		text_add(why, "no frontend has a usable backend\n");
		return false;
	}
	return true;
}

bool
render_readiness(const struct snapshot *s, enum ready_backends backends, struct text *why)
{
	if (s->shutting_down)
		text_add(why, "shutting down\n");
	else if (!s->listening)
		text_add(why, "listeners are not open yet\n");
	else if (!s->workers_ready)
		text_add(why, "workers are not ready yet\n");
	else
		return backends == READY_BACKENDS_IGNORED || backends_suffice(s, backends, why);
	return false;
}
