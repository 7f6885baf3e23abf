/* From what c-ares answers to addresses, a TTL and a kind of failure. */
#ifndef IAIDO_MASTER_DNS_ANSWER_H
#define IAIDO_MASTER_DNS_ANSWER_H

#include "dns.h"

struct ares_addrinfo;

enum dns_kind dns_kind_of_status(int status);
/* Copies the addresses of that family and the smallest TTL, and tidies. */
void dns_answer_take(struct dns_answer *a, int family, const struct ares_addrinfo *res);
/* Sorts the addresses and leaves each there once, no more than DNS_ADDRESSES_MAX, none that leads
 * nowhere; without any, the kind becomes DNS_NO_DATA. */
void dns_answer_tidy(struct dns_answer *a);

#endif
