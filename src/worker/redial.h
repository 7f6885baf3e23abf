/* A backend that reset a new connection before a byte went either way: another one is dialled. */
#ifndef IAIDO_WORKER_REDIAL_H
#define IAIDO_WORKER_REDIAL_H

#include <stdbool.h>

struct conn;

/* The backend's side was reset. True when the connection is on its way to another backend; false
 * when its client has to hear of the reset. */
bool conn_redial(struct conn *c);

#endif
