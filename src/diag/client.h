/* The connections of the endpoint: how many, and how long each may take. evhttp knows neither. */
#ifndef IAIDO_DIAG_CLIENT_H
#define IAIDO_DIAG_CLIENT_H

#include <stddef.h>

#include "iaido/macros.h"

#define DIAG_CLIENTS_MAX 64
#define DIAG_REQUEST_SECONDS 10 /* for a whole request, from its start */
#define DIAG_PROGRESS_SECONDS 10 /* for the next byte of an answer to be taken */

struct clients;
struct event_base;
struct evhttp;
struct evhttp_request;

/* Takes `http` (on success) and makes it accept from fd (not taken) through a listener that is off at
 * the cap. Returns 0 or -ENOMEM. */
int clients_new(struct event_base *base, struct evhttp *http, int fd, struct clients **out)
	MUST_CHECK;
void clients_free(struct clients *c);

/* A whole request has come: from now on its client is to take the answer. Returns how long its head is,
 * as it came. */
size_t clients_answer(struct clients *c, struct evhttp_request *req);

#endif
