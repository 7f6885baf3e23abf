/* The configuration's loader: any bytes are refused with a report, or come back as they were. */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>

#include "iaido/conf.h"
#include "iaido/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* What was taken prints as something that is taken and means the same. */
static void
check_round_trip(const struct conf *c)
{
	struct conf_report report;
	struct conf *again = NULL;
	struct text t;

	text_init(&t);
	if (conf_emit_yaml(c, &t) < 0)
		abort();
	/* Aliases make a small file print as one that is too large to load. */
	if (t.len <= 1024 * 1024) {
		if (conf_parse("again", t.data, t.len, &again, &report) < 0)
			abort();
		if (!conf_equal(c, again))
			abort();
		conf_free(again);
		conf_report_fini(&report);
	}
	text_fini(&t);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct conf_report report;
	struct conf *c = NULL;

	if (conf_parse("fuzz", data, len, &c, &report) == 0)
		check_round_trip(c);
	else if (report.error_count == 0)
		abort();
	conf_free(c);
	conf_report_fini(&report);
	return 0;
}
