/* The members that are lists of single values: name servers and hosts. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "hostport.h"
#include "iaido/addr.h"
#include "iaido/conf.h"
#include "report.h"
#include "tree.h"
#include "value.h"

#define DNS_PORT 53

/* An item of a list of single values: a scalar that is not null, or a report. */
static const struct node *
take_item(struct report *r, const struct node *n, const char *of_what)
{
	if (n->kind == NODE_SCALAR && !value_is_null(n))
		return value_is_short(r, n) ? n : NULL;
	report_error(r, n->mark, "must be %s, not %s", of_what,
		n->kind == NODE_LIST          ? "a list"
			: n->kind == NODE_MAP ? "a mapping"
					      : "empty");
	return NULL;
}

static bool
load_server(struct report *r, const struct node *n, struct addr *out)
{
	char quoted[REPORT_QUOTE_MAX], host[HOST_TEXT_MAX];
	uint16_t port = DNS_PORT;
	struct addr bare;
	bool is_bare = addr_parse(n->value, port, &bare) == 0;
	const char *what = is_bare ? host_normalise(n->value, HOST_TO_CONNECT, host)
				   : hostport_split(n->value, HOST_TO_CONNECT, host, &port);

	if (!what && addr_parse(host, port, out) == 0)
		return true;
	if (is_bare)
		report_error(r, n->mark, "%s: %s", report_quote(n->value, quoted), what);
	else
		report_error(r, n->mark,
			"must be an IP address, or address:port ([address]:port), not %s",
			report_quote(n->value, quoted));
	return false;
}

bool
value_load_servers(struct report *r, const struct conf_field *f, void *base, const struct node *n)
{
	struct resolver_conf *resolver = base;
	bool good = true;
	size_t i = 0;

	(void)f;
	if (n->child_count == 0)
		return true;
	resolver->servers = calloc(n->child_count, sizeof(*resolver->servers));
	if (!resolver->servers) {
		r->is_out_of_memory = true;
		return false;
	}
	for (const struct node_child *c = n->first; c && !report_is_full(r); c = c->next, i++) {
		size_t former = report_enter_index(r, i);
		const struct node *item = take_item(r, c->value, "an IP address");

		if (item && load_server(r, item, &resolver->servers[resolver->server_count]))
			resolver->server_count++;
		else
			good = false;
		report_leave(r, former);
	}
	return good;
}

static bool
load_host(struct report *r, const struct node *n, char **out)
{
	char quoted[REPORT_QUOTE_MAX], host[HOST_TEXT_MAX];
	const char *what = host_normalise(n->value, HOST_TO_CONNECT, host);

	if (what) {
		report_error(r, n->mark, "%s: %s", report_quote(n->value, quoted), what);
		return false;
	}
	*out = strdup(host);
	if (!*out)
		r->is_out_of_memory = true;
	return *out != NULL;
}

bool
value_load_hosts(struct report *r, const struct conf_field *f, void *base, const struct node *n)
{
	struct target_conf *target = base;
	bool good = true;
	size_t i = 0;

	(void)f;
	target->hosts = calloc(n->child_count ? n->child_count : 1, sizeof(*target->hosts));
	if (!target->hosts) {
		r->is_out_of_memory = true;
		return false;
	}
	for (const struct node_child *c = n->first; c && !report_is_full(r); c = c->next, i++) {
		char **slot = &target->hosts[target->host_count];
		size_t former = report_enter_index(r, i);
		const struct node *item = take_item(r, c->value, "a name or an address");

		if (item && load_host(r, item, slot)) {
			report_set_place(r, slot, item->mark, false);
			target->host_count++;
		} else {
			good = false;
		}
		report_leave(r, former);
	}
	return good;
}
