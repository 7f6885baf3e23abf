/* One HTTP request to a diagnostics endpoint, over a blocking socket: for the command line only. */
#ifndef IAIDO_DIAG_ASK_H
#define IAIDO_DIAG_ASK_H

#include "iaido/macros.h"

struct text;

/* GETs `path` from a diagAddr. Returns the HTTP status with the body in `body`, or -errno. */
int diag_ask(const char *diag_addr, const char *path, struct text *body) MUST_CHECK;

#endif
