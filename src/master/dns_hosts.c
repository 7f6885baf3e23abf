/* The hosts file, read for one name at a time. (c-ares 1.18 would read it, too: but it asks DNS for
 * the family that the file does not have, loses memory on a name of several lines, and does not
 * say where an answer came from.) */
#include "config.h"

#include "dns_hosts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dns_search.h"

#define ADDRESSES_MAX 4096

static bool
is_localhost(const char *host)
{
	static const char local[] = "localhost";
	size_t len = strlen(host), n = sizeof(local) - 1;

	if (len > 0 && host[len - 1] == '.')
		len--;
	return len >= n && strncasecmp(host + len - n, local, n) == 0 &&
		(len == n || host[len - n - 1] == '.');
}

static int
add(struct addr **addrs, size_t *count, const struct addr *a)
{
	struct addr *grown;

	if (*count == ADDRESSES_MAX)
		return 0;
	grown = realloc(*addrs, (*count + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	*addrs = grown;
	grown[(*count)++] = *a;
	return 0;
}

/* "ADDRESS NAME [ALIAS...]"; what cannot be read is passed over, as everybody does. */
static bool
line_names(char *line, const char *host, struct addr *out)
{
	char *save = NULL, *word;

	line[strcspn(line, "#")] = '\0';
	word = strtok_r(line, " \t\r\n", &save);
	if (!word || addr_parse(word, 0, out) < 0)
		return false;
	while ((word = strtok_r(NULL, " \t\r\n", &save)))
		if (dns_same_name(word, host))
			return true;
	return false;
}

static int
add_loopback(struct addr **addrs, size_t *count)
{
	struct addr a;
	int r = addr_parse("127.0.0.1", 0, &a);

	if (r == 0)
		r = add(addrs, count, &a);
	if (r == 0)
		r = addr_parse("::1", 0, &a);
	return r == 0 ? add(addrs, count, &a) : r;
}

int
dns_hosts_find(const char *path, const char *host, struct addr **out, size_t *count)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	struct addr a;
	int r = 0;

	*out = NULL;
	*count = 0;
	while (f && r == 0 && getline(&line, &size, f) >= 0)
		if (line_names(line, host, &a))
			r = add(out, count, &a);
	free(line);
	if (f)
		(void)fclose(f);
	if (r == 0 && *count == 0 && is_localhost(host))
		r = add_loopback(out, count);
	if (r < 0) {
		free(*out);
		*out = NULL;
		*count = 0;
	}
	return r;
}
