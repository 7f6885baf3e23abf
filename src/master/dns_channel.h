/* c-ares in a libevent loop: a pair of channels with their sockets and their timer. */
#ifndef IAIDO_MASTER_DNS_CHANNEL_H
#define IAIDO_MASTER_DNS_CHANNEL_H

#include <ares.h>
#include <stddef.h>
#include <stdint.h>

#include "iaido/addr.h"
#include "iaido/macros.h"

struct dns_channels;
struct dns_search;
struct event_base;

/* c-ares 1.18 goes on to the next server where one answers with an error, and then does not tell
 * which: who gets no answer from the usual channel asks the plain one, which passes errors on. */
enum dns_channel { DNS_USUAL, DNS_PLAIN, DNS_CHANNEL_COUNT };

/* Servers (none: those of resolv.conf, of which search domains and options come in any case) and
 * the time of one try. Returns 0, -ENOMEM, or -EIO: resolv.conf cannot be read. */
int dns_channels_open(struct event_base *base, const struct addr *servers, size_t server_count,
	int64_t timeout_ns, struct dns_channels **out) MUST_CHECK;
/* Whoever waits for an answer is called back with ARES_EDESTRUCTION from in here. */
void dns_channels_close(struct dns_channels *c);
/* What is searched for, in what order; valid as long as these channels. */
const struct dns_search *dns_channels_search(const struct dns_channels *c);
/* Asks for the addresses of one family; `done` may be called from in here, and else from inside
 * c-ares: it must not call into it. */
void dns_channels_ask(struct dns_channels *c, enum dns_channel which, const char *host, int family,
	ares_addrinfo_callback done, void *arg);

#endif
