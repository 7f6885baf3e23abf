/* What makes the "next version" of iaido that upgrades are tested with: another version string, and,
 * when the environment asks for it, a fault that shows only once it has taken over. */
#include "config.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "iaido/version.h"
#include "iaido/worker.h"

int __real_worker_run(const struct worker_start *start);
int __wrap_worker_run(const struct worker_start *start);

static bool is_faulty;

/* Before the program removes it from its environment. */
__attribute__((constructor)) static void
look_at_environment(void)
{
	const char *state = getenv("IAIDO_STATE"), *fault = getenv("IAIDO_TEST_FAULT");

	is_faulty = fault != NULL && strcmp(fault, "takeover") == 0 && state != NULL &&
		strncmp(state, "takeover:", strlen("takeover:")) == 0;
}

int
__wrap_worker_run(const struct worker_start *start)
{
	return is_faulty ? EXIT_FAILURE : __real_worker_run(start);
}

const char *
version_string(void)
{
	return "9.9.9";
}
