/* The order of search: as it is, or below the search domains first. */
#include "config.h"

#include "master/dns_search.h"

#include "unit.h"

static char first[] = "ns.svc.cluster.local", second[] = "cluster.local.";
static char *domains[] = { first, second };

START_TEST(few_dots_are_searched_for_below_the_domains_first)
{
	const struct dns_search s = { domains, 2, 2 };

	ck_assert_uint_eq(dns_search_place(&s, "a.b", "a.b.ns.svc.cluster.local"), 0);
	ck_assert_uint_eq(dns_search_place(&s, "a.b", "A.B.Cluster.Local"), 1);
	ck_assert_uint_eq(dns_search_place(&s, "a.b", "a.b"), 2);
}
END_TEST

START_TEST(enough_dots_are_tried_as_they_are_first)
{
	const struct dns_search s = { domains, 2, 1 };

	ck_assert_uint_eq(dns_search_place(&s, "a.b", "a.b"), 0);
	ck_assert_uint_eq(dns_search_place(&s, "a.b", "a.b.ns.svc.cluster.local."), 1);
	ck_assert_uint_eq(dns_search_place(&s, "a.b", "a.b.cluster.local"), 2);
	ck_assert_uint_eq(dns_search_place(&s, "a.b.", "a.b"), 0);
}
END_TEST

START_TEST(what_is_none_of_them_has_no_place)
{
	const struct dns_search s = { domains, 2, 1 }, none = { 0 };

	ck_assert_uint_eq(dns_search_place(&s, "a", "b"), DNS_PLACE_UNKNOWN);
	ck_assert_uint_eq(dns_search_place(&s, "a", "ab.cluster.local"), DNS_PLACE_UNKNOWN);
	ck_assert_uint_eq(dns_search_place(&s, "a", "a.other"), DNS_PLACE_UNKNOWN);
	ck_assert_uint_eq(dns_search_place(&s, "a", ""), DNS_PLACE_UNKNOWN);
	ck_assert_uint_eq(dns_search_place(&none, "a", "a.cluster.local"), DNS_PLACE_UNKNOWN);
	ck_assert_uint_eq(dns_search_place(&none, "a", "a"), 0);
}
END_TEST

UNIT_MAIN("dns_search", few_dots_are_searched_for_below_the_domains_first,
	enough_dots_are_tried_as_they_are_first, what_is_none_of_them_has_no_place)
