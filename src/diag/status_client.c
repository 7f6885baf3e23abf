/* `iaido --status`: asks the running instance and shows what it says, once or each second. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "iaido/diag.h"
#include "iaido/text.h"
#include "table.h"

static bool
wants_colour(void)
{
	const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(no_colour && *no_colour) &&
		!(term && strcmp(term, "dumb") == 0);
}

static void
complain(const char *diag_addr, int r)
{
	if (r < 0)
		(void)fprintf(stderr, "iaido: no answer from %s: %s\n", diag_addr, strerror(-r));
	else
		(void)fprintf(stderr, "iaido: no answer from %s: HTTP status %d\n", diag_addr, r);
}

/* Whether it is ready, with what is to be printed in `out`. */
static bool
make_output(const char *diag_addr, const struct status_options *options, struct text *out)
{
	struct text ready, status;
	bool is_ready = false;
	int code, r;

	text_init(&ready);
	text_init(&status);
	code = diag_ask(diag_addr, "/readyz", &ready);
	r = code < 0 ? code : diag_ask(diag_addr, "/statusz?format=json", &status);
	if (r != 200) {
		complain(diag_addr, r);
	} else if (options->json) {
		text_add_bytes(out, status.data, status.len);
		is_ready = code == 200;
	} else if (table_render(&status, code == 200 ? NULL : ready.data, wants_colour(), out) <
		0) {
		(void)fprintf(stderr, "iaido: %s does not answer as iaido does\n", diag_addr);
	} else {
		is_ready = code == 200;
	}
	text_fini(&ready);
	text_fini(&status);
	return is_ready && !out->bad;
}

static bool
print(const struct text *t)
{
	return fwrite(t->data ? t->data : "", 1, t->len, stdout) == t->len && fflush(stdout) == 0;
}

int
status_run(const char *diag_addr, const struct status_options *options)
{
	const char *clear = isatty(STDOUT_FILENO) && !options->json ? "\033[H\033[2J" : "";
	struct text out;
	bool is_ready;

	for (;;) {
		text_init(&out);
		if (options->watch)
			text_add(&out, clear);
		is_ready = make_output(diag_addr, options, &out);
		if (!print(&out))
			is_ready = false;
		text_fini(&out);
		if (!options->watch || ferror(stdout))
			return is_ready ? EXIT_SUCCESS : EXIT_FAILURE;
		(void)sleep(1);
		if (!options->json && !*clear)
			(void)putchar('\n');
	}
}
