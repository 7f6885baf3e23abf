/* What the hosts file says of a name. */
#include "config.h"

#include "master/dns_hosts.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"

static char path[] = "/tmp/iaido-hosts-XXXXXX";

static void
write_hosts(const char *text)
{
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

/* "10.0.0.1,fd00::1" */
static const char *
find(const char *host)
{
	static char text[1024];
	char one[ADDR_TEXT_MAX];
	struct addr *addrs;
	size_t count, len = 0;

	ck_assert_int_eq(dns_hosts_find(path, host, &addrs, &count), 0);
	text[0] = '\0';
	for (size_t i = 0; i < count; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i ? "," : "",
			addr_format_host(&addrs[i], one));
	free(addrs);
	return text;
}

START_TEST(every_line_of_a_name_counts)
{
	write_hosts("10.0.0.1 db db.example # the first\n"
		    "fd00::1\tDB\n"
		    "10.0.0.2 other db\n"
		    "10.0.0.3 other\n");
	ck_assert_str_eq(find("db"), "10.0.0.1,fd00::1,10.0.0.2");
	ck_assert_str_eq(find("Db.Example."), "10.0.0.1");
	ck_assert_str_eq(find("nobody"), "");
	ck_assert_str_eq(find("d"), "");
	unlink(path);
}
END_TEST

START_TEST(what_cannot_be_read_is_passed_over)
{
	write_hosts("not-an-address db\n\n   \n#10.0.0.9 db\n10.0.0.1\n10.0.0.2 # db\n"
		    "10.0.0.256 db\n10.0.0.7 db");
	ck_assert_str_eq(find("db"), "10.0.0.7");
	unlink(path);
}
END_TEST

START_TEST(localhost_is_this_host_without_the_file)
{
	ck_assert_str_eq(find("localhost"), "127.0.0.1,::1");
	ck_assert_str_eq(find("a.LocalHost."), "127.0.0.1,::1");
	ck_assert_str_eq(find("notlocalhost"), "");
}
END_TEST

START_TEST(the_file_may_say_where_localhost_is)
{
	write_hosts("127.0.0.9 localhost\n");
	ck_assert_str_eq(find("localhost"), "127.0.0.9");
	unlink(path);
}
END_TEST

UNIT_MAIN("dns_hosts", every_line_of_a_name_counts, what_cannot_be_read_is_passed_over,
	localhost_is_this_host_without_the_file, the_file_may_say_where_localhost_is)
