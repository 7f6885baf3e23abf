/* What counts as a changed file, and where names are meant from. */
#include "config.h"

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "master/paths.h"
#include "master/watch.h"

static char dir[] = "/tmp/iaido-watch.XXXXXX";

static void
write_file(const char *name, const char *text)
{
	FILE *f = fopen(name, "we");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	ck_assert_int_eq(fclose(f), 0);
}

static struct file_look
look(const char *name)
{
	struct file_look l;

	file_look_take(name, &l);
	return l;
}

START_TEST(each_kind_of_change_is_seen)
{
	struct timespec times[2] = { { 1000, 1 }, { 1000, 1 } };
	struct file_look before, after;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chdir(dir), 0);
	write_file("one", "text");
	write_file("two", "text");
	ck_assert_int_eq(utimensat(AT_FDCWD, "one", times, 0), 0);
	ck_assert_int_eq(utimensat(AT_FDCWD, "two", times, 0), 0);
	ck_assert_int_eq(symlink("one", "link"), 0);
	before = look("link");
	after = look("link");
	ck_assert(file_look_equal(&before, &after));
	/* A nanosecond. */
	times[1].tv_nsec++;
	ck_assert_int_eq(utimensat(AT_FDCWD, "one", times, 0), 0);
	after = look("link");
	ck_assert(!file_look_equal(&before, &after));
	/* Same size, same time, another file. */
	before = look("one");
	ck_assert_int_eq(utimensat(AT_FDCWD, "two", times, 0), 0);
	ck_assert_int_eq(unlink("link"), 0);
	ck_assert_int_eq(symlink("two", "link"), 0);
	after = look("link");
	ck_assert(!file_look_equal(&before, &after));
	/* Gone. */
	ck_assert_int_eq(unlink("two"), 0);
	after = look("link");
	ck_assert_int_eq(after.error, ENOENT);
	ck_assert(!file_look_equal(&before, &after));
	unlink("link");
	unlink("one");
	ck_assert_int_eq(chdir("/"), 0);
	rmdir(dir);
}
END_TEST

static void
expect_path(char *got, const char *wanted)
{
	ck_assert_str_eq(got, wanted);
	free(got);
}

START_TEST(relative_names_are_meant_from_the_start)
{
	expect_path(path_of_file("/home/me", "a/b"), "/home/me/a/b");
	expect_path(path_of_file("/home/me", "/a/b"), "/a/b");
	expect_path(path_of_log("/home/me", "stderr"), "stderr");
	expect_path(path_of_log("/home/me", "syslog"), "syslog");
	expect_path(path_of_log("/home/me", "x.log"), "/home/me/x.log");
	expect_path(path_of_unix("/home/me", "unix:s"), "unix:/home/me/s");
	expect_path(path_of_unix("/home/me", "unix:/s"), "unix:/s");
	expect_path(path_of_unix("/home/me", "127.0.0.1:1"), "127.0.0.1:1");
}
END_TEST

UNIT_MAIN("watch", each_kind_of_change_is_seen, relative_names_are_meant_from_the_start)
