/* A diagnostics endpoint inside a test, and small clients that talk to it over blocking sockets from
 * the test's own thread while the endpoint runs in another. */
#ifndef IAIDO_TESTS_SERVE_H
#define IAIDO_TESTS_SERVE_H

#include <stdatomic.h>
#include <stdint.h>

#include "iaido/snapshot.h"

struct serve;

/* Serves what `fill` fills in, on 127.0.0.1, a port of its own. */
struct serve *serve_start(void (*fill)(struct snapshot *s));
/* Ends the endpoint and its thread. */
void serve_stop(struct serve *s);
uint16_t serve_port(const struct serve *s);
/* How many snapshots were asked for. */
unsigned serve_snapshots(const struct serve *s);

/* A connected socket that gives up waiting after 30 s. */
int serve_connect(const struct serve *s);
/* Sends a whole request and reads until the other side closes (or the answer to `Connection: close`
 * ends). Returns the answer, to be freed. */
char *serve_ask(const struct serve *s, const char *request);
/* Reads until the end of the stream; to be freed. */
char *serve_read_all(int fd);

#endif
