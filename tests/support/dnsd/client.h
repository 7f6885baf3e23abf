/* A dnsd of one's own: started, told lines of its zone, asked what queries it has seen. */
#ifndef IAIDO_TESTS_DNSD_CLIENT_H
#define IAIDO_TESTS_DNSD_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct dns_server;

/* Ends the test where it cannot be started; it ends with the test. */
struct dns_server *dns_server_start(void);
uint16_t dns_server_port(const struct dns_server *s);
/* A line of the zone, or several at once (see dnsd.c); they hold when it returns. */
void dns_server_say(struct dns_server *s, const char *line);
/* How many queries came of which the line ("udp 127.0.0.1:4242 17 A NAME") has this in it. */
unsigned dns_server_queries(struct dns_server *s, const char *part);
/* The lines of all queries so far; they are the server's, until it is asked again. */
const char *dns_server_log(struct dns_server *s);
/* Ends it: from now on its port is closed. */
void dns_server_stop(struct dns_server *s);

#endif
