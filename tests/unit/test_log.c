/* The log: its two formats, nothing forged, nothing waited for, drops counted. */
#include "config.h"

#include "iaido/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "iaido/clock.h"
#include "unit.h"

static char captured[65536];
static int read_fd = -1;

/* Each test runs in a process of its own. */
static void
capture_into_pipe(enum log_format format)
{
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
	read_fd = fds[0];
	log_take_descriptor(fds[1], false);
	log_set_format(format);
}

static const char *
read_captured(void)
{
	ssize_t n = read(read_fd, captured, sizeof(captured) - 1);

	captured[n > 0 ? n : 0] = '\0';
	return captured;
}

/* The line without its time, which is checked for its shape only. */
static const char *
read_untimed(void)
{
	const char *line = read_captured();

	ck_assert_msg(strlen(line) > 25 && line[10] == 'T' && line[23] == 'Z' && line[24] == ' ',
		"%s", line);
	return line + 25;
}

START_TEST(a_text_line_has_time_level_message_event_and_fields)
{
	capture_into_pipe(LOG_FORMAT_TEXT);
	log_event(LOG_LEVEL_WARN, "backend.failed", "backend 10.0.0.1:80 failed",
		LOG_STR("frontend", ":8080"), LOG_INT("active", -3),
		LOG_ERR("error", -ECONNREFUSED));
	ck_assert_str_eq(read_untimed(),
		"warn backend 10.0.0.1:80 failed event=backend.failed "
		"frontend=:8080 active=-3 error=\"Connection refused\"\n");
	log_event(LOG_LEVEL_INFO, "bare", "no fields");
	ck_assert_str_eq(read_untimed(), "info no fields event=bare\n");
}
END_TEST

START_TEST(a_json_line_is_one_object)
{
	capture_into_pipe(LOG_FORMAT_JSON);
	log_event(LOG_LEVEL_ERROR, "x.y", "say \"hi\"\n", LOG_STR("s", "a\\b\xff"),
		LOG_INT("n", INT64_MIN), LOG_ERR("error", ENOENT), LOG_STR("null", NULL));
	ck_assert_ptr_nonnull(strstr(read_captured(),
		"\"level\":\"error\",\"event\":\"x.y\",\"message\":\"say \\\"hi\\\"\\n\","
		"\"s\":\"a\\\\b\\u00ff\",\"n\":-9223372036854775808,"
		"\"error\":\"No such file or directory\",\"null\":\"\"}\n"));
	ck_assert_ptr_eq(strstr(captured, "{\"time\":\"20"), captured);
}
END_TEST

START_TEST(nothing_from_outside_forges_a_line_or_a_field)
{
	capture_into_pipe(LOG_FORMAT_TEXT);
	log_event(LOG_LEVEL_INFO, "e", "a\n2026-01-01T00:00:00.000Z error forged",
		LOG_STR("host", "x\" event=forged y=\"\r\n\x1b[2J\xc2\x9b\x7f\xff"));
	ck_assert_str_eq(read_untimed(),
		"info a\\n2026-01-01T00:00:00.000Z error forged event=e "
		"host=\"x\\\" event=forged y=\\\"\\r\\n\\x1b[2J\\xc2\\x9b\\x7f\\xff\"\n");
}
END_TEST

START_TEST(any_bytes_make_one_line_of_bounded_length)
{
	char value[5001];

	for (int format = LOG_FORMAT_TEXT; format <= LOG_FORMAT_JSON; format++) {
		for (int c = 1; c < 256; c++) {
			size_t len;

			memset(value, c, sizeof(value) - 1);
			value[sizeof(value) - 1] = '\0';
			capture_into_pipe((enum log_format)format);
			log_event(LOG_LEVEL_INFO, "e", value, LOG_STR("a", value),
				LOG_STR("b", value), LOG_STR("c", value), LOG_STR("d", value));
			len = strlen(read_captured());
			ck_assert_uint_le(len, 4096);
			ck_assert_uint_gt(len, 30);
			ck_assert_ptr_eq(strchr(captured, '\n'), captured + len - 1);
			if (format == LOG_FORMAT_JSON)
				ck_assert(captured[len - 2] == '}');
			close(read_fd);
		}
	}
}
END_TEST

START_TEST(levels_below_the_threshold_are_not_written)
{
	capture_into_pipe(LOG_FORMAT_TEXT);
	for (int threshold = LOG_LEVEL_DEBUG; threshold <= LOG_LEVEL_ERROR; threshold++) {
		log_set_level((enum log_level)threshold);
		ck_assert_int_eq(log_current_level(), threshold);
		for (int level = LOG_LEVEL_DEBUG; level <= LOG_LEVEL_ERROR; level++) {
			log_event((enum log_level)level, "e", "m");
			ck_assert_int_eq(read_captured()[0] != '\0', level >= threshold);
			ck_assert_int_eq(log_enabled((enum log_level)level), level >= threshold);
		}
	}
}
END_TEST

START_TEST(a_full_pipe_drops_lines_and_says_how_many)
{
	unsigned long long dropped = 0;
	int written = 0;

	capture_into_pipe(LOG_FORMAT_TEXT);
	/* A pipe holds 64 KiB by default: this is several times that. */
	for (; written < 10000; written++)
		log_event(LOG_LEVEL_INFO, "e", "a line that nobody reads for now");
	while (read_captured()[0] != '\0')
		for (const char *at = captured; (at = strchr(at, '\n')); at++)
			written--;
	ck_assert_int_gt(written, 0);
	log_event(LOG_LEVEL_INFO, "e", "again");
	ck_assert_int_eq(sscanf(strstr(read_captured(), "dropped="), "dropped=%llu", &dropped), 1);
	ck_assert_uint_eq(dropped, (unsigned long long)written);
	log_event(LOG_LEVEL_INFO, "e", "and again");
	ck_assert_ptr_null(strstr(read_captured(), "dropped="));
}
END_TEST

START_TEST(a_blocking_descriptor_is_not_waited_for)
{
	int fds[2];

	/* As a terminal or a pipe that a shell set up: not ours to make non-blocking. */
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	log_take_descriptor(fds[1], false);
	for (int i = 0; i < 10000; i++)
		log_event(LOG_LEVEL_INFO, "e", "a line that nobody reads for now");
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	log_take_descriptor(fds[1], false);
	for (int i = 0; i < 10000; i++)
		log_event(LOG_LEVEL_INFO, "e", "a line that nobody reads for now");
}
END_TEST

START_TEST(a_line_cut_by_the_target_does_not_swallow_the_next)
{
	char *at;
	int fds[2];

	ck_assert_int_eq(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	read_fd = fds[0];
	log_take_descriptor(fds[1], false);
	log_set_format(LOG_FORMAT_JSON);
	for (int i = 0; i < 3000; i++)
		log_event(LOG_LEVEL_INFO, "e", "a line that nobody reads for now");
	while (read_captured()[0] != '\0')
		continue;
	log_event(LOG_LEVEL_INFO, "e", "whole");
	at = strstr(read_captured(), "{\"time\"");
	ck_assert_ptr_nonnull(at);
	ck_assert(at == captured || at[-1] == '\n');
}
END_TEST

START_TEST(a_reader_that_is_gone_or_a_closed_descriptor_kills_nobody)
{
	ck_assert(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	capture_into_pipe(LOG_FORMAT_TEXT);
	close(read_fd);
	errno = 12345;
	log_event(LOG_LEVEL_ERROR, "e", "m");
	ck_assert_int_eq(errno, 12345);
	close(log_descriptor());
	log_event(LOG_LEVEL_ERROR, "e", "m");
	ck_assert_int_eq(errno, 12345);
}
END_TEST

START_TEST(a_file_is_appended_to_and_can_be_opened_again)
{
	char dir[] = "/tmp/iaido-test-log-XXXXXX";
	char path[64], moved[64];
	bool is_syslog = true;
	int fd;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/log", dir);
	(void)snprintf(moved, sizeof(moved), "%s/log.1", dir);
	for (int i = 0; i < 2; i++) {
		struct stat st;

		fd = log_open_target(path, &is_syslog);
		ck_assert_int_ge(fd, 3);
		ck_assert(!is_syslog);
		ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
		log_take_descriptor(fd, is_syslog);
		log_event(LOG_LEVEL_INFO, "e", "one");
		ck_assert_int_eq(stat(path, &st), 0);
		ck_assert_int_gt(st.st_size, 30);
		ck_assert_int_eq(rename(path, moved), 0);
		log_event(LOG_LEVEL_INFO, "e", "two");
		ck_assert_int_ne(access(path, F_OK), 0);
	}
	ck_assert_int_eq(log_open_target("/nonexistent/dir/log", &is_syslog), -ENOENT);
	unlink(moved);
	rmdir(dir);
}
END_TEST

START_TEST(standard_error_is_not_made_non_blocking_for_others)
{
	bool is_syslog = true;
	int fds[2], flags, fd;

	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
	flags = fcntl(STDERR_FILENO, F_GETFL);
	fd = log_open_target("stderr", &is_syslog);
	ck_assert_int_ge(fd, 3);
	ck_assert(!is_syslog);
	ck_assert_int_eq(fcntl(STDERR_FILENO, F_GETFL), flags);
	log_take_descriptor(fd, false);
	for (int i = 0; i < 10000; i++)
		log_event(LOG_LEVEL_INFO, "e", "a line that nobody reads for now");
	ck_assert_int_eq(fcntl(STDERR_FILENO, F_GETFL), flags);
}
END_TEST

START_TEST(syslog_lines_carry_a_priority_and_no_line_end)
{
	char want[64];
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	read_fd = fds[0];
	log_take_descriptor(fds[1], true);
	ck_assert(log_is_syslog());
	log_event(LOG_LEVEL_ERROR, "e", "m", LOG_INT("n", 1));
	read_captured();
	ck_assert_msg(strncmp(captured, "<27>", 4) == 0, "%s", captured);
	(void)snprintf(want, sizeof(want), " iaido[%d]: error m event=e n=1", (int)getpid());
	ck_assert_str_eq(captured + strlen("<27>Jan  1 00:00:00"), want);
}
END_TEST

START_TEST(a_limit_lets_one_through_a_second_and_counts_the_rest)
{
	struct log_limit limit = { 0 };
	uint64_t left_out = 77;
	int64_t now = 5 * NSEC_PER_SEC;

	ck_assert(log_limit_allow(&limit, now, &left_out));
	ck_assert_uint_eq(left_out, 0);
	for (int i = 0; i < 9; i++)
		ck_assert(!log_limit_allow(&limit, now + i * NSEC_PER_SEC / 10, &left_out));
	ck_assert(log_limit_allow(&limit, now + NSEC_PER_SEC, &left_out));
	ck_assert_uint_eq(left_out, 9);
}
END_TEST

UNIT_MAIN("log", a_text_line_has_time_level_message_event_and_fields, a_json_line_is_one_object,
	nothing_from_outside_forges_a_line_or_a_field, any_bytes_make_one_line_of_bounded_length,
	levels_below_the_threshold_are_not_written, a_full_pipe_drops_lines_and_says_how_many,
	a_blocking_descriptor_is_not_waited_for, a_line_cut_by_the_target_does_not_swallow_the_next,
	a_reader_that_is_gone_or_a_closed_descriptor_kills_nobody,
	a_file_is_appended_to_and_can_be_opened_again,
	standard_error_is_not_made_non_blocking_for_others,
	syslog_lines_carry_a_priority_and_no_line_end,
	a_limit_lets_one_through_a_second_and_counts_the_rest)
