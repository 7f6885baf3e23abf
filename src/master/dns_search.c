/* The order in which a name is searched for: as it is, and below each of the search domains. */
#include "config.h"

#include "dns_search.h"

#include <string.h>
#include <strings.h>

static size_t
length_without_dot(const char *name)
{
	size_t len = strlen(name);

	return len > 1 && name[len - 1] == '.' ? len - 1 : len;
}

bool
dns_same_name(const char *a, const char *b)
{
	size_t len = length_without_dot(a);

	return len == length_without_dot(b) && strncasecmp(a, b, len) == 0;
}

static unsigned
count_dots(const char *name)
{
	unsigned dots = 0;

	for (; *name; name++)
		dots += *name == '.';
	return dots;
}

unsigned
dns_search_place(const struct dns_search *s, const char *host, const char *found)
{
	bool as_is_first = count_dots(host) >= s->ndots;
	size_t len = strlen(host);

	if (dns_same_name(found, host))
		return as_is_first ? 0 : (unsigned)s->count;
	if (strncasecmp(found, host, len) != 0 || found[len] != '.')
		return DNS_PLACE_UNKNOWN;
	for (size_t i = 0; i < s->count; i++)
		if (dns_same_name(found + len + 1, s->domains[i]))
			return (unsigned)i + as_is_first;
	return DNS_PLACE_UNKNOWN;
}
