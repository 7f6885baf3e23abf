/* The connection log: a line per finished connection. */
#ifndef IAIDO_WORKER_CONNLOG_H
#define IAIDO_WORKER_CONNLOG_H

#include "worker/conn.h"

void connlog_write(const struct conn *c, int64_t now_ns);

#endif
