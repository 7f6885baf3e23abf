/* A snapshot owns what it points to. */
#include "config.h"

#include "iaido/snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "unit.h"

static void *
make(size_t size)
{
	void *p = calloc(1, size);

	ck_assert_ptr_nonnull(p);
	return p;
}

START_TEST(all_of_it_is_freed)
{
	struct snapshot s = { .version = "1", .frontend_count = 1, .name_count = 1 };

	s.config_path = strdup("/etc/iaido.yaml");
	s.reload_error = strdup("no");
	s.workers = make(sizeof(*s.workers));
	s.worker_count = 1;
	s.frontends = make(sizeof(*s.frontends));
	s.frontends[0].bind_address = strdup("127.0.0.1:1");
	s.frontends[0].backends = make(sizeof(*s.frontends[0].backends));
	s.frontends[0].backends[0].address = strdup("127.0.0.1:2");
	s.frontends[0].backends[0].host = strdup("localhost");
	s.frontends[0].backend_count = 1;
	s.names = make(sizeof(*s.names));
	s.names[0].host = strdup("localhost");
	s.names[0].last_error = strdup("no answer");
	s.names[0].addresses = make(sizeof(char *));
	s.names[0].addresses[0] = strdup("127.0.0.1");
	s.names[0].address_count = 1;
	snapshot_fini(&s);
	ck_assert_ptr_null(s.frontends);
	ck_assert_uint_eq(s.frontend_count, 0);
	snapshot_fini(&s);
}
END_TEST

UNIT_MAIN("snapshot", all_of_it_is_freed)
