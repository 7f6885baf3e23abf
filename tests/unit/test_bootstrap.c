/* Bootstrap: specs to a file, grouped and ordered, written in one step or not at all. */
#include "config.h"

#include "iaido/bootstrap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf_case.h"

START_TEST(specs_are_grouped_and_ordered)
{
	static const char *const specs[] = { "8080:zeta:80", "443:a:9000", "8080:alpha:80",
		"8080:beta:79", "8080:alpha:80", "8080:Beta:80", "8080:ALPHA:80",
		"80:[2001:DB8::1]:1", "443:a:800" };
	struct bootstrap b = { 0 };
	struct conf_report report;
	struct conf *made = NULL, *want;

	for (size_t i = 0; i < ARRAY_SIZE(specs); i++)
		ck_assert_ptr_null(bootstrap_add(&b, specs[i]));
	ck_assert_int_eq(bootstrap_make(&b, "127.0.0.1", &made, &report), 0);
	want = conf_case_good(
		"diagAddr: 127.0.0.1:13013\nfrontends:\n"
		"- bindAddress: 127.0.0.1:80\n"
		"  backendPool: {tiers: [{targets: [{hosts: ['2001:db8::1'], port: 1}]}]}\n"
		"- bindAddress: 127.0.0.1:443\n"
		"  backendPool: {tiers: [{targets: [{hosts: [a], port: 800},\n"
		"    {hosts: [a], port: 9000}]}]}\n"
		"- bindAddress: 127.0.0.1:8080\n"
		"  backendPool: {tiers: [{targets: [{hosts: [beta], port: 79},\n"
		"    {hosts: [alpha, Beta, zeta], port: 80}]}]}\n");
	ck_assert(conf_equal(made, want));
	ck_assert_uint_eq(report.warning_count, 0);
	conf_free(made);
	conf_free(want);
	conf_report_fini(&report);
	bootstrap_fini(&b);
}
END_TEST

START_TEST(the_address_may_be_ipv6)
{
	struct bootstrap b = { 0 };
	struct conf_report report;
	struct conf *made = NULL;

	ck_assert_ptr_null(bootstrap_add(&b, "80:a:80"));
	ck_assert_int_eq(bootstrap_make(&b, "::1", &made, &report), 0);
	ck_assert_str_eq(made->diag_addr, "[::1]:13013");
	ck_assert_str_eq(made->frontends[0].bind_address, "[::1]:80");
	conf_free(made);
	conf_report_fini(&report);
	bootstrap_fini(&b);
}
END_TEST

START_TEST(malformed_specs_are_refused_with_the_reason)
{
	static const struct {
		const char *spec;
		const char *what;
	} rows[] = {
		{ "", "must be localPort:remoteHost:remotePort" },
		{ "80", "must be localPort:remoteHost:remotePort" },
		{ "80:a", "must be localPort:remoteHost:remotePort" },
		{ ":a:80", "the local port must be from 1 to 65535" },
		{ "0:a:80", "the local port must be from 1 to 65535" },
		{ "65536:a:80", "the local port must be from 1 to 65535" },
		{ "123456789:a:80", "the local port must be from 1 to 65535" },
		{ "x:a:80", "the local port must be from 1 to 65535" },
		{ "80:a:0", "the port must be from 1 to 65535" },
		{ "80:a:", "the port is missing: write host:port" },
		{ "80:a:x", "the port must be a number from 1 to 65535" },
		{ "80::80", "the host must not be empty" },
		{ "80:::1:80", "an IPv6 address needs brackets: [address]:port" },
		{ "80:a:80:x", "an IPv6 address needs brackets: [address]:port" },
		{ "80:x:80:80", "must be host:port" },
		{ "80:[::1:80", "must be [address]:port" },
		{ "80:[a]:80", "not an IPv6 address" },
		{ "80:a b:80", "not a host name: only letters, digits, hyphens and dots" },
	};
	struct bootstrap b = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *what = bootstrap_add(&b, rows[i].spec);

		ck_assert_msg(what && strcmp(what, rows[i].what) == 0, "%s: %s", rows[i].spec,
			what ? what : "taken");
	}
	ck_assert_uint_eq(b.count, 0);
	bootstrap_fini(&b);
}
END_TEST

START_TEST(specs_that_cannot_work_together_are_reported)
{
	struct bootstrap b = { 0 };
	struct conf_report report;
	struct conf *made = NULL;

	ck_assert_ptr_null(bootstrap_add(&b, "13013:a:80"));
	ck_assert_ptr_null(bootstrap_add(&b, "80:127.0.0.1:80"));
	ck_assert_int_eq(bootstrap_make(&b, "127.0.0.1", &made, &report), -EINVAL);
	ck_assert_uint_eq(report.error_count, 2);
	conf_report_fini(&report);
	bootstrap_fini(&b);
}
END_TEST

/* ---- The file ---- */

static char dir[] = "/tmp/iaido-test-bootstrap-XXXXXX";
static char path[64], link_path[64];

static void
make_dir(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/conf", dir);
	(void)snprintf(link_path, sizeof(link_path), "%s/link", dir);
}

/* Also sees that no temporary file was left behind. */
static void
remove_dir(void)
{
	unlink(path);
	unlink(link_path);
	ck_assert_int_eq(rmdir(dir), 0);
}

static void
expect_content(const char *want)
{
	char buf[64] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_ge(read(fd, buf, sizeof(buf) - 1), 0);
	close(fd);
	ck_assert_str_eq(buf, want);
}

START_TEST(a_new_file_is_written_with_the_usual_mode)
{
	struct stat st;

	make_dir();
	(void)umask(027);
	ck_assert_int_eq(bootstrap_write(path, "one", 3, false), 0);
	expect_content("one");
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0640);
	remove_dir();
}
END_TEST

START_TEST(an_existing_file_is_overwritten_only_by_force)
{
	struct stat before, after;

	make_dir();
	ck_assert_int_eq(bootstrap_write(path, "one", 3, false), 0);
	ck_assert_int_eq(chmod(path, 0604), 0);
	ck_assert_int_eq(stat(path, &before), 0);
	ck_assert_int_eq(bootstrap_write(path, "two", 3, false), -EEXIST);
	expect_content("one");
	ck_assert_int_eq(bootstrap_write(path, "two", 3, true), 0);
	expect_content("two");
	ck_assert_int_eq(stat(path, &after), 0);
	/* Another file, under the old name: whoever reads the old one goes on doing so. */
	ck_assert_uint_ne(before.st_ino, after.st_ino);
	ck_assert_uint_eq(after.st_mode & 0777, 0604);
	remove_dir();
}
END_TEST

START_TEST(a_symlink_stays_and_its_file_is_replaced)
{
	struct stat st;

	make_dir();
	/* Relative to its own directory, and first to nothing. */
	ck_assert_int_eq(symlink("conf", link_path), 0);
	ck_assert_int_eq(bootstrap_write(link_path, "one", 3, false), 0);
	expect_content("one");
	ck_assert_int_eq(bootstrap_write(link_path, "two", 3, false), -EEXIST);
	ck_assert_int_eq(bootstrap_write(link_path, "two", 3, true), 0);
	expect_content("two");
	ck_assert_int_eq(lstat(link_path, &st), 0);
	ck_assert(S_ISLNK(st.st_mode));
	remove_dir();
}
END_TEST

START_TEST(a_file_in_the_current_directory_needs_no_slash)
{
	make_dir();
	ck_assert_int_eq(chdir(dir), 0);
	ck_assert_int_eq(bootstrap_write("conf", "one", 3, false), 0);
	expect_content("one");
	ck_assert_int_eq(bootstrap_write("conf", "two", 3, true), 0);
	expect_content("two");
	ck_assert_int_eq(chdir("/"), 0);
	remove_dir();
}
END_TEST

START_TEST(the_longest_name_is_not_too_long)
{
	char name[NAME_MAX + 1];

	make_dir();
	memset(name, 'n', NAME_MAX);
	name[NAME_MAX] = '\0';
	ck_assert_int_eq(chdir(dir), 0);
	ck_assert_int_eq(bootstrap_write(name, "one", 3, false), 0);
	ck_assert_int_eq(bootstrap_write(name, "two", 3, true), 0);
	ck_assert_int_eq(unlink(name), 0);
	ck_assert_int_eq(chdir("/"), 0);
	remove_dir();
}
END_TEST

START_TEST(what_is_no_regular_file_is_not_replaced)
{
	make_dir();
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_eq(bootstrap_write(path, "one", 3, true), -EINVAL);
	ck_assert_int_eq(bootstrap_write(dir, "one", 3, true), -EISDIR);
	ck_assert_int_eq(symlink("link", link_path), 0);
	ck_assert_int_eq(bootstrap_write(link_path, "one", 3, true), -ELOOP);
	ck_assert_int_eq(bootstrap_write("/nonexistent/dir/conf", "one", 3, false), -ENOENT);
	remove_dir();
}
END_TEST

UNIT_MAIN("bootstrap", specs_are_grouped_and_ordered, the_address_may_be_ipv6,
	malformed_specs_are_refused_with_the_reason, specs_that_cannot_work_together_are_reported,
	a_new_file_is_written_with_the_usual_mode, an_existing_file_is_overwritten_only_by_force,
	a_symlink_stays_and_its_file_is_replaced, a_file_in_the_current_directory_needs_no_slash,
	the_longest_name_is_not_too_long, what_is_no_regular_file_is_not_replaced)
