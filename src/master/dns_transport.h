/* The sockets under c-ares. */
#ifndef IAIDO_MASTER_DNS_TRANSPORT_H
#define IAIDO_MASTER_DNS_TRANSPORT_H

#include <ares.h>
#include <stdint.h>

struct dns_transport;

/* timeout_ns: of one try. NULL: no memory. */
struct dns_transport *dns_transport_new(int64_t timeout_ns);
/* After the channels that use it. */
void dns_transport_free(struct dns_transport *t);
/* From now on that channel's sockets are this one's: each question over UDP leaves from a port of
 * its own with a random id, and what arrives there with another one is never shown to c-ares. */
void dns_transport_use(struct dns_transport *t, ares_channel channel);

#endif
