/* Fuzz target: a routing table from bytes. What is taken is written back as the same bytes. */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "iaido/table.h"
#include "iaido/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct route_table *t = NULL;
	struct wire_reader r;
	struct wire_writer w;

	wire_reader_init(&r, data, len);
	if (table_decode(&r, &t) < 0) {
		if (t)
			abort();
		return 0;
	}
	wire_writer_init(&w);
	table_encode(t, &w);
	if (w.bad || w.len != len || memcmp(w.data, data, len) != 0)
		abort();
	for (uint32_t i = 0; i < t->frontend_count; i++)
		if (table_find_frontend(t, t->frontends[i].id) != &t->frontends[i])
			abort();
	wire_writer_fini(&w);
	table_free(t);
	return 0;
}
