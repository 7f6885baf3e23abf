/* The order in which a name is searched for. */
#ifndef IAIDO_MASTER_DNS_SEARCH_H
#define IAIDO_MASTER_DNS_SEARCH_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#define DNS_PLACE_UNKNOWN UINT_MAX

struct dns_search {
	char **domains;
	size_t count;
	unsigned ndots; /* with so many dots a name is first tried as it is */
};

/* Whatever the case, and with or without a final dot. */
bool dns_same_name(const char *a, const char *b);
/* Which one in the order of search `found` is, of the names that `host` may stand for: 0 = the
 * first. DNS_PLACE_UNKNOWN: it is none of them. */
unsigned dns_search_place(const struct dns_search *s, const char *host, const char *found);

#endif
