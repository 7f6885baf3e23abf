/* Files that are too large, too deep, or no configuration at all: refused with a line, cheaply. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf_case.h"

#define MIB (1024 * 1024)
#define NODES_MAX 100000

#if defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif

/* From here on 32 MiB more than now are all there is; a sanitizer's shadow does not fit in that. */
static void
limit_memory(void)
{
#ifndef HAS_ASAN
	unsigned long pages = 0;
	struct rlimit limit;
	FILE *f = fopen("/proc/self/statm", "r");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fscanf(f, "%lu", &pages), 1);
	(void)fclose(f);
	limit.rlim_cur = limit.rlim_max = pages * (unsigned long)sysconf(_SC_PAGESIZE) + 32UL * MIB;
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
#endif
}

static void
expect_error(const char *text, size_t len, const char *want)
{
	struct conf_case k;

	conf_case_parse_bytes(&k, text, len);
	ck_assert_msg(
		strstr(k.errors, want) == k.errors, "report:\n%.400s\nwanted:\n%s", k.errors, want);
	ck_assert_uint_eq(k.report.error_count, 1);
	conf_case_fini(&k);
}

static void
add_repeated(struct text *t, const char *s, int count)
{
	for (int i = 0; i < count; i++)
		text_add(t, s);
}

/* What is wrong with an unknown key whose value is `depth` lists in each other. */
static void
expect_nested(int depth, const char *want)
{
	struct text t;

	text_init(&t);
	text_add(&t, FRONTENDS "x: ");
	add_repeated(&t, "[", depth);
	add_repeated(&t, "]", depth);
	expect_error(t.data, t.len, want);
	text_fini(&t);
}

START_TEST(nesting_is_limited_to_64)
{
	limit_memory();
	/* The mapping at the top counts as well. */
	expect_nested(63, "f:2:1: x: unknown key\n");
	expect_nested(64, "f:2:67: nested more than 64 levels deep\n");
	expect_nested(10000, "f:2:67: nested more than 64 levels deep\n");
	expect_nested(500000, "f:2:67: nested more than 64 levels deep\n");
}
END_TEST

START_TEST(other_ways_to_nest_are_limited_too)
{
	struct text t;

	limit_memory();
	text_init(&t);
	add_repeated(&t, "- ", 100000);
	expect_error(t.data, t.len, "f:1:129: nested more than 64 levels deep\n");
	text_reset(&t);
	add_repeated(&t, "{a: ", 100000);
	expect_error(t.data, t.len, "f:1:257: nested more than 64 levels deep\n");
	text_reset(&t);
	for (int i = 0; i < 1000; i++) {
		add_repeated(&t, " ", i);
		text_add(&t, "a:\n");
	}
	expect_error(t.data, t.len, "f:65:65: nested more than 64 levels deep\n");
	text_fini(&t);
}
END_TEST

START_TEST(aliases_cannot_nest_deeper)
{
	struct text t;

	text_init(&t);
	text_add(&t, FRONTENDS "x:\n- &a0 []\n");
	for (int i = 1; i < 100; i++)
		text_addf(&t, "- &a%d [*a%d]\n", i, i - 1);
	expect_error(t.data, t.len, "f:65:9: nested more than 64 levels deep\n");
	text_fini(&t);
}
END_TEST

START_TEST(nodes_are_counted_with_aliases_expanded)
{
	struct text t;

	limit_memory();
	text_init(&t);
	text_add(&t, FRONTENDS "x: &x [");
	/* 17 nodes in FRONTENDS and the mapping at the top, and this list with its key. */
	add_repeated(&t, "a,", NODES_MAX - 19);
	text_add(&t, "]\n");
	expect_error(t.data, t.len, "f:2:1: x: unknown key\n");
	text_add(&t, "y: *x\n");
	expect_error(
		t.data, t.len, "f:3:1: more than 100000 nodes, counting what aliases stand for\n");
	text_fini(&t);
}
END_TEST

START_TEST(exploding_aliases_are_refused)
{
	struct text t;

	limit_memory();
	text_init(&t);
	text_add(&t, "x:\n- &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
	for (int i = 1; i < 10; i++) {
		text_addf(&t, "- &a%d [", i);
		for (int j = 0; j < 10; j++)
			text_addf(&t, "*a%d,", i - 1);
		text_add(&t, "]\n");
	}
	expect_error(
		t.data, t.len, "f:6:36: more than 100000 nodes, counting what aliases stand for\n");
	text_reset(&t);
	/* The same with merge keys. */
	text_add(&t, "x:\n- &a0 {workers: 1}\n");
	for (int i = 1; i < 10; i++) {
		text_addf(&t, "- &a%d {<<: [", i);
		for (int j = 0; j < 30; j++)
			text_addf(&t, "*a%d,", i - 1);
		text_add(&t, "]}\n");
	}
	expect_error(
		t.data, t.len, "f:6:13: more than 100000 nodes, counting what aliases stand for\n");
	text_fini(&t);
}
END_TEST

START_TEST(many_anchors_and_aliases_take_no_quadratic_time)
{
	struct conf_case k;
	struct text t;

	limit_memory();
	text_init(&t);
	text_add(&t, FRONTENDS "x: [");
	for (int i = 0; i < 40000; i++)
		text_addf(&t, "&a%d b,", i);
	for (int i = 0; i < 40000; i++)
		text_addf(&t, "*a%d ,", i);
	text_add(&t, "]\n");
	ck_assert_uint_lt(t.len, MIB);
	expect_error(t.data, t.len, "f:2:1: x: unknown key\n");
	text_reset(&t);
	for (int i = 0; i < 60000; i++)
		text_addf(&t, "%%TAG !a%d! x\n", i);
	expect_error(t.data, t.len, "f:1:1: tags are not supported: leave out the %TAG line\n");
	text_reset(&t);
	for (int i = 0; i < 49000; i++)
		text_addf(&t, "k%d: 1\n", i);
	conf_case_parse(&k, t.data);
	ck_assert_uint_eq(k.report.error_count, CONF_ERRORS_MAX);
	conf_case_fini(&k);
	text_fini(&t);
}
END_TEST

START_TEST(one_mebibyte_is_the_limit)
{
	struct conf_case k;
	struct text t;

	text_init(&t);
	text_add(&t, FRONTENDS);
	while (t.len < MIB)
		text_add_bytes(&t, "#\n", MIB - t.len > 1 ? 2 : 1);
	conf_case_parse_bytes(&k, t.data, MIB);
	ck_assert_str_eq(k.errors, "");
	conf_case_fini(&k);
	/* With the place where it becomes too large. */
	text_add(&t, "\xc3\xa9x\n");
	expect_error(t.data, t.len, "f:524253:1: larger than 1 MiB\n");
	text_fini(&t);
}
END_TEST

START_TEST(a_huge_scalar_is_no_problem)
{
	struct conf_case k;
	struct text t;

	limit_memory();
	text_init(&t);
	text_add(&t, FRONTENDS "user: ");
	while (t.len < MIB - 1)
		text_add_bytes(&t, "aaaaaaaa", MIB - 1 - t.len < 8 ? MIB - 1 - t.len : 8);
	conf_case_parse(&k, t.data);
	ck_assert_str_eq(k.errors, "f:2:7: user: longer than 4095 bytes\n");
	conf_case_fini(&k);
	memcpy(t.data + strlen(FRONTENDS), "worker", 6);
	expect_error(t.data, t.len, "f:2:1: not valid YAML: a key needs ");
	text_fini(&t);
}
END_TEST

/* It might be looked at as often as there may be aliases to it. */
START_TEST(a_long_value_of_any_kind_is_not_even_looked_at)
{
	static const char *const rows[][3] = {
		{ "workers: ", "\n", "f:1:10: workers: " },
		{ "gracePeriod: ", "\n", "f:1:14: gracePeriod: " },
		{ "keepAccepting: ", "\n", "f:1:16: keepAccepting: " },
		{ "diagAddr: ", "\n", "f:1:11: diagAddr: " },
		{ "log: {level: ", "}\n", "f:1:14: log.level: " },
		{ "log: {target: ", "}\n", "f:1:15: log.target: " },
		{ "resolver: {servers: [", "]}\n", "f:1:22: resolver.servers[0]: " },
	};
	struct conf_case k;
	char want[80];
	struct text t;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		text_init(&t);
		text_add(&t, rows[i][0]);
		add_repeated(&t, "99999999", 60000);
		text_add(&t, rows[i][1]);
		text_add(&t, FRONTENDS);
		(void)snprintf(want, sizeof(want), "%slonger than 4095 bytes\n", rows[i][2]);
		expect_error(t.data, t.len, want);
		text_fini(&t);
	}
	text_init(&t);
	text_add(&t, "frontends: [{backendPool: {tiers: [{targets: [{port: 1, hosts: [&h ");
	add_repeated(&t, "99999999", 60000);
	add_repeated(&t, ", *h", 65000);
	text_add(&t, "]}]}]}}]\n");
	conf_case_parse_bytes(&k, t.data, t.len);
	ck_assert_uint_eq(k.report.error_count, CONF_ERRORS_MAX);
	ck_assert_ptr_nonnull(strstr(k.errors, ".hosts[19]: longer than 4095 bytes\n"));
	conf_case_fini(&k);
	text_fini(&t);
}
END_TEST

START_TEST(bytes_that_are_no_text_are_refused)
{
	static const char nul[] = FRONTENDS "user: a\0b\n";

	expect_error(nul, sizeof(nul) - 1, "f:2:8: a NUL byte: this is no text file\n");
	conf_case_errors(
		FRONTENDS "user: \"a\\0b\"\n", "f:2:7: a NUL character, which no value may hold\n");
	conf_case_errors(FRONTENDS "user: a\xff\n", "f:2:8: byte 0xff: not valid UTF-8\n");
	conf_case_errors(
		FRONTENDS "user: \xc3\xa9\xc0\xaf\n", "f:2:8: byte 0xc0: not valid UTF-8\n");
	conf_case_errors(FRONTENDS "user: \xed\xa0\x80\n", "f:2:7: byte 0xed: not valid UTF-8\n");
	conf_case_errors(FRONTENDS "user: a\x1b[2J\n", "f:2:8: control character 0x1b\n");
	conf_case_errors(FRONTENDS "user: a\xc2\x80\n", "f:2:8: control character 0x80\n");
	conf_case_errors(FRONTENDS "user: a\xef\xbf\xbe\n", "f:2:8: control character 0xfffe\n");
	expect_error("\xff\xfe"
		     "a\0",
		4, "f:1:1: byte 0xff: not valid UTF-8\n");
	/* A byte order mark is harmless, and so are the line ends of other systems. */
	conf_free(conf_case_good("\xef\xbb\xbf" FRONTENDS));
	conf_free(conf_case_good("\xef\xbb\xbf"
				 "workers: 1\n" FRONTENDS));
	conf_case_errors("\xef\xbb\xbf"
			 "workers: 0\n" FRONTENDS,
		"f:1:10: workers: must be auto or from 1 to 1024, not \"0\"\n");
	conf_free(conf_case_good("workers: 1\r\n" FRONTENDS));
}
END_TEST

START_TEST(tags_are_refused)
{
	conf_case_errors("workers: !!int 1\n" FRONTENDS,
		"f:1:10: tags (\"!...\") are not supported: leave it out\n");
	conf_case_errors(
		"!mine\n" FRONTENDS, "f:1:1: tags (\"!...\") are not supported: leave it out\n");
	conf_case_errors("frontends: !!python/object [a]\n",
		"f:1:12: tags (\"!...\") are not supported: leave it out\n");
}
END_TEST

START_TEST(one_document_is_all)
{
	conf_case_errors("---\n" FRONTENDS "---\nworkers: 1\n",
		"f:3:1: a second document: the file holds only one\n");
	conf_case_errors(FRONTENDS "---\n", "f:2:1: a second document: the file holds only one\n");
	conf_free(conf_case_good("%YAML 1.1\n---\n" FRONTENDS "...\n"));
}
END_TEST

START_TEST(broken_yaml_is_named_by_line)
{
	struct conf_case k;

	conf_case_parse(&k, "frontends:\n- bindAddress: :80\n backendPool: x\n");
	ck_assert_msg(strstr(k.errors, "f:3:2: not valid YAML: ") == k.errors, "%s", k.errors);
	conf_case_fini(&k);
	conf_case_parse(&k, "a: [1, 2\nb: }\n");
	ck_assert_msg(strstr(k.errors, "f:2:") == k.errors && strstr(k.errors, "from line 1"), "%s",
		k.errors);
	conf_case_fini(&k);
	conf_case_parse(&k, "a: \"open\n");
	ck_assert_msg(strstr(k.errors, "f:2:1: not valid YAML: ") == k.errors, "%s", k.errors);
	conf_case_fini(&k);
}
END_TEST

START_TEST(common_slips_are_explained)
{
	conf_case_errors("log:\n\tlevel: info\n" FRONTENDS,
		"f:2:1: not valid YAML: a tab stands here: indent with spaces\n");
	conf_case_errors("user: @x\n" FRONTENDS,
		"f:1:7: not valid YAML: a value that begins with this character needs quotes\n");
	conf_case_errors("frontends: [{bindAddress: :80}]\n",
		"f:1:27: not valid YAML: a value that begins with \":\" needs quotes between "
		"{ } and [ ]\n");
	conf_case_errors("user: caf\xc3\xa9: 1\n" FRONTENDS,
		"f:1:11: not valid YAML: a \":\" does not fit here: quote the value, or mend "
		"the indentation\n");
	conf_case_errors(FRONTENDS "workers:1\n",
		"f:2:1: not valid YAML: a key needs \":\" and a blank after it\n");
	conf_case_errors(" " FRONTENDS "workers: 1\n",
		"f:2:1: not valid YAML: this stands outside of what began above: mend the "
		"indentation\n");
}
END_TEST

START_TEST(every_cut_of_a_file_is_refused_or_good)
{
	static const char file[] = "diagAddr: :1\nfrontends:\n- &a {" POOL "}\n- <<: *a\n"
				   "  bindAddress: 'a:1'\nlog: {level: \"info\"}\n";
	struct conf_case k;

	conf_case_parse_bytes(&k, NULL, 0);
	conf_case_fini(&k);
	for (size_t len = 0; len < sizeof(file); len++) {
		char *part = malloc(len > 0 ? len : 1);

		ck_assert_ptr_nonnull(part);
		memcpy(part, file, len);
		conf_case_parse_bytes(&k, part, len);
		conf_case_fini(&k);
		free(part);
	}
}
END_TEST

/* ---- Files ---- */

static char dir[] = "/tmp/iaido-test-conf-XXXXXX";
static char path[64];

static void
make_dir(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/f", dir);
}

static void
remove_dir(void)
{
	unlink(path);
	rmdir(path);
	rmdir(dir);
}

static void
expect_at(int want, const char *place, const char *what)
{
	struct conf_report report;
	struct conf *c = NULL;
	char line[256];

	ck_assert_int_eq(conf_load(path, &c, &report), want);
	ck_assert_ptr_null(c);
	ck_assert_uint_eq(report.error_count, 1);
	(void)snprintf(line, sizeof(line), "%s%s: %s", path, place, what);
	ck_assert_str_eq(report.errors[0], line);
	conf_report_fini(&report);
}

static void
expect_file(int want, const char *what)
{
	expect_at(want, "", what);
}

static void
write_file(const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

START_TEST(a_file_is_loaded_also_through_a_symlink)
{
	struct conf_report report;
	struct conf *c = NULL;
	char link[64];

	make_dir();
	write_file(FRONTENDS);
	(void)snprintf(link, sizeof(link), "%s/link", dir);
	ck_assert_int_eq(symlink("f", link), 0);
	ck_assert_int_eq(conf_load(link, &c, &report), 0);
	ck_assert_uint_eq(c->frontend_count, 1);
	conf_free(c);
	conf_report_fini(&report);
	unlink(link);
	remove_dir();
}
END_TEST

START_TEST(what_is_no_regular_file_is_refused_at_once)
{
	make_dir();
	expect_file(-ENOENT, "No such file or directory");
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	expect_file(-EINVAL, "is not a regular file");
	unlink(path);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	expect_file(-EINVAL, "is a directory, not a file");
	rmdir(path);
	ck_assert_int_eq(symlink("f", path), 0);
	expect_file(-ELOOP, "Too many levels of symbolic links");
	remove_dir();
}
END_TEST

START_TEST(of_a_huge_file_no_more_than_the_limit_is_read)
{
	make_dir();
	write_file("");
	ck_assert_int_eq(truncate(path, (off_t)1 << 30), 0);
	limit_memory();
	expect_at(-EINVAL, ":1:1048577", "larger than 1 MiB");
	ck_assert_int_eq(truncate(path, MIB + 1), 0);
	expect_at(-EINVAL, ":1:1048577", "larger than 1 MiB");
	remove_dir();
}
END_TEST

START_TEST(a_thousand_bad_files_leak_no_descriptor)
{
	int before, after;

	make_dir();
	write_file("frontends: [\n");
	before = dup(0);
	close(before);
	for (int i = 0; i < 1000; i++) {
		struct conf_report report;
		struct conf *c = NULL;

		ck_assert_int_eq(conf_load(path, &c, &report), -EINVAL);
		conf_report_fini(&report);
	}
	after = dup(0);
	close(after);
	ck_assert_int_eq(before, after);
	remove_dir();
}
END_TEST

UNIT_MAIN("conf_limits", nesting_is_limited_to_64, other_ways_to_nest_are_limited_too,
	aliases_cannot_nest_deeper, nodes_are_counted_with_aliases_expanded,
	exploding_aliases_are_refused, many_anchors_and_aliases_take_no_quadratic_time,
	one_mebibyte_is_the_limit, a_huge_scalar_is_no_problem,
	a_long_value_of_any_kind_is_not_even_looked_at, bytes_that_are_no_text_are_refused,
	tags_are_refused, one_document_is_all, broken_yaml_is_named_by_line,
	common_slips_are_explained, every_cut_of_a_file_is_refused_or_good,
	a_file_is_loaded_also_through_a_symlink, what_is_no_regular_file_is_refused_at_once,
	of_a_huge_file_no_more_than_the_limit_is_read, a_thousand_bad_files_leak_no_descriptor)
