/* The endpoint as its clients see it: paths, methods, limits, and clients that mean no good. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "diag/scene.h"
#include "diag/serve.h"
#include "iaido/clock.h"
#include "iaido/diag.h"
#include "iaido/text.h"
#include "unit.h"

#define CLOSING "Host: x\r\nConnection: close\r\n\r\n"

static void
check_answer(const struct serve *s, const char *request, const char *start, const char *part)
{
	char *answer = serve_ask(s, request);

	ck_assert_msg(strncmp(answer, start, strlen(start)) == 0, "%s -> %s", request, answer);
	ck_assert_msg(strstr(answer, part), "%s -> %s", request, answer);
	free(answer);
}

static void
fill_large(struct snapshot *s)
{
	scene_fill_many(s, 20000);
}

START_TEST(paths_answer)
{
	struct serve *s = serve_start(scene_fill);

	check_answer(s, "GET /healthz HTTP/1.1\r\n" CLOSING, "HTTP/1.1 200 ", "\r\n\r\nOK\n");
	check_answer(s, "GET /readyz HTTP/1.1\r\n" CLOSING, "HTTP/1.1 200 ", "\r\n\r\nOK\n");
	check_answer(s, "GET /readyz?backends=any HTTP/1.1\r\n" CLOSING, "HTTP/1.1 200 ", "OK");
	check_answer(s, "GET /readyz?backends=all HTTP/1.1\r\n" CLOSING, "HTTP/1.1 200 ", "OK");
	check_answer(s, "GET /readyz?backends=x HTTP/1.1\r\n" CLOSING, "HTTP/1.1 400 ", "any");
	check_answer(s, "GET /statusz HTTP/1.1\r\n" CLOSING, "HTTP/1.1 200 ",
		"Content-Type: text/plain");
	check_answer(s, "GET /statusz?format=json HTTP/1.1\r\n" CLOSING, "HTTP/1.1 200 ",
		"\r\n\r\n{\"version\":");
	check_answer(s, "GET /statusz HTTP/1.1\r\nAccept: application/json\r\n" CLOSING,
		"HTTP/1.1 200 ", "Content-Type: application/json");
	check_answer(s, "GET /statusz?format=xml HTTP/1.1\r\n" CLOSING, "HTTP/1.1 400 ", "json");
	check_answer(
		s, "GET /configz HTTP/1.1\r\n" CLOSING, "HTTP/1.1 200 ", "\ngracePeriod: 7s\n");
	check_answer(s, "GET /configz?format=json HTTP/1.1\r\n" CLOSING, "HTTP/1.1 200 ",
		"\"gracePeriod\":");
	check_answer(s, "GET /metrics HTTP/1.1\r\n" CLOSING, "HTTP/1.1 200 ",
		"Content-Type: text/plain; version=0.0.4");
	check_answer(s, "GET /etc/passwd HTTP/1.1\r\n" CLOSING, "HTTP/1.1 404 ", "not found");
	check_answer(s, "GET //healthz HTTP/1.1\r\n" CLOSING, "HTTP/1.1 404 ", "not found");
	check_answer(s, "GET /statusz?%zz=%&&= HTTP/1.1\r\n" CLOSING, "HTTP/1.1 ", "\r\n\r\n");
	serve_stop(s);
}
END_TEST

START_TEST(the_page_is_self_contained)
{
	struct serve *s = serve_start(scene_fill);
	char *answer = serve_ask(s, "GET / HTTP/1.1\r\n" CLOSING);

	ck_assert_int_eq(strncmp(answer, "HTTP/1.1 200 ", 13), 0);
	ck_assert_ptr_nonnull(strstr(answer, "\r\nContent-Type: text/html; charset=utf-8\r\n"));
	ck_assert_ptr_nonnull(strstr(answer,
		"\r\nContent-Security-Policy: default-src 'none'; "
		"script-src 'sha256-"));
	ck_assert_ptr_null(strstr(answer, "unsafe-inline"));
	ck_assert_ptr_null(strstr(answer, "src="));
	ck_assert_ptr_null(strstr(answer, "https:"));
	ck_assert_ptr_null(strstr(answer, "@import"));
	ck_assert_ptr_null(strstr(answer, "@script@"));
	ck_assert_ptr_nonnull(strstr(answer, "</script>\n</body>\n</html>\n"));
	free(answer);
	serve_stop(s);
}
END_TEST

START_TEST(head_tells_the_length_only)
{
	static const char *const paths[] = { "/", "/healthz", "/statusz", "/metrics", "/nothing" };
	struct serve *s = serve_start(scene_fill);

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		char request[128], length[64];
		char *get, *head, *body;

		(void)snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\n" CLOSING, paths[i]);
		get = serve_ask(s, request);
		(void)snprintf(request, sizeof(request), "HEAD %s HTTP/1.1\r\n" CLOSING, paths[i]);
		head = serve_ask(s, request);
		body = strstr(get, "\r\n\r\n");
		ck_assert_ptr_nonnull(body);
		(void)snprintf(
			length, sizeof(length), "\r\nContent-Length: %zu\r\n", strlen(body + 4));
		ck_assert_ptr_nonnull(strstr(get, length));
		ck_assert_ptr_nonnull(strstr(head, length));
		ck_assert_str_eq(strstr(head, "\r\n\r\n"), "\r\n\r\n");
		free(get);
		free(head);
	}
	serve_stop(s);
}
END_TEST

START_TEST(other_methods_are_refused)
{
	static const char *const known[] = { "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH" };
	struct serve *s = serve_start(scene_fill);
	char request[128];

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		(void)snprintf(
			request, sizeof(request), "%s /healthz HTTP/1.1\r\n" CLOSING, known[i]);
		check_answer(s, request, "HTTP/1.1 405 ", "Allow: GET, HEAD\r\n");
	}
	check_answer(s, "POST / HTTP/1.1\r\nContent-Length: 3\r\n" CLOSING "abc", "HTTP/1.1 405 ",
		"Allow: GET, HEAD\r\n");
	check_answer(s, "CONNECT a:1 HTTP/1.1\r\n" CLOSING, "HTTP/1.1 405 ", "Allow: GET, HEAD");
	check_answer(s, "BREW /healthz HTTP/1.1\r\n" CLOSING, "HTTP/1.1 501 ", "501");
	check_answer(s, "get /healthz HTTP/1.1\r\n" CLOSING, "HTTP/1.1 501 ", "501");
	serve_stop(s);
}
END_TEST

START_TEST(nonsense_is_refused)
{
	static const char *const requests[] = { "\r\n\r\n\r\n", "GET\r\n\r\n",
		"GET /healthz\r\n\r\n", "GET /healthz HTTP/9.9.9\r\n\r\n",
		"GET /healthz HTTP/1.1\r\nno colon\r\n\r\n",
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" };
	struct serve *s = serve_start(scene_fill);

	/* What matters: it neither hangs nor falls, and the next one is served. */
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		int fd = serve_connect(s);

		ck_assert_int_gt(send(fd, requests[i], strlen(requests[i]), MSG_NOSIGNAL), 0);
		ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
		free(serve_read_all(fd));
		close(fd);
		check_answer(s, "GET /healthz HTTP/1.1\r\n" CLOSING, "HTTP/1.1 200 ", "OK");
	}
	serve_stop(s);
}
END_TEST

/* Requests with bytes changed, left out and doubled, many on a connection. The seed is fixed. */
START_TEST(random_nonsense_does_no_harm)
{
	static const char good[] = "GET /statusz?format=json HTTP/1.1\r\nHost: x\r\n"
				   "Accept: */*\r\nContent-Length: 0\r\n\r\n";
	struct serve *s = serve_start(scene_fill);
	unsigned seed = 20260131;

	for (int i = 0; i < 1000; i++) {
		char request[4 * sizeof(good)];
		size_t len = 0;
		int fd = serve_connect(s);

		for (size_t j = 0; j < 3 * strlen(good); j++) {
			unsigned r = (unsigned)rand_r(&seed) % 100;

			if (r == 0)
				request[len++] = (char)rand_r(&seed);
			else if (r > 1)
				request[len++] = good[j % strlen(good)];
			if (r == 2)
				j -= j > 20 ? (unsigned)rand_r(&seed) % 20 : 0;
			if (len == sizeof(request))
				break;
		}
		(void)send(fd, request, len, MSG_NOSIGNAL);
		ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
		free(serve_read_all(fd));
		close(fd);
	}
	check_answer(s, "GET /healthz HTTP/1.1\r\n" CLOSING, "HTTP/1.1 200 ", "OK");
	serve_stop(s);
}
END_TEST

/* A head of `size` bytes in all. */
static char *
make_head(size_t size)
{
	static const char start[] = "GET /healthz HTTP/1.1\r\n"
				    "Connection: close\r\nX: ";
	char *head = malloc(size + 1);

	ck_assert_ptr_nonnull(head);
	memset(head, 'a', size);
	memcpy(head, start, strlen(start));
	memcpy(head + size - 4, "\r\n\r\n", 5);
	return head;
}

static void
check_head(const struct serve *s, char *head, const char *start)
{
	check_answer(s, head, start, "");
	free(head);
}

START_TEST(large_heads_are_refused)
{
	struct serve *s = serve_start(scene_fill);
	char *many;

	check_head(s, make_head(7900), "HTTP/1.1 200 ");
	check_head(s, make_head(8192), "HTTP/1.1 200 ");
	check_head(s, make_head(8193), "HTTP/1.1 400 ");
	check_head(s, make_head(8300), "HTTP/1.1 400 ");
	/* Of many short lines the ends count too. */
	many = make_head(10000);
	for (size_t i = 60; i + 10 < 10000; i += 4)
		memcpy(many + i, "\r\nX:", 4);
	check_head(s, many, "HTTP/1.1 400 ");
	serve_stop(s);
}
END_TEST

START_TEST(a_line_without_end_is_cut)
{
	struct serve *s = serve_start(scene_fill);
	int fd = serve_connect(s);
	static char line[1 << 16];
	bool cut = false;

	memset(line, 'a', sizeof(line));
	for (int i = 0; i < 1000 && !cut; i++)
		cut = send(fd, line, sizeof(line), MSG_NOSIGNAL) < 0;
	ck_assert(cut);
	close(fd);
	check_answer(s, "GET /healthz HTTP/1.1\r\n" CLOSING, "HTTP/1.1 200 ", "OK");
	serve_stop(s);
}
END_TEST

START_TEST(pipelined_requests_are_answered_in_order)
{
	struct serve *s = serve_start(scene_fill);
	char *answer = serve_ask(s,
		"GET /healthz HTTP/1.1\r\n\r\nHEAD /statusz HTTP/1.1\r\n\r\n"
		"GET /nothing HTTP/1.1\r\n\r\nGET /readyz HTTP/1.1\r\n" CLOSING);
	const char *second = strstr(answer + 1, "HTTP/1.1 200 ");
	const char *third = strstr(answer, "HTTP/1.1 404 ");

	ck_assert_ptr_nonnull(second);
	ck_assert_ptr_nonnull(third);
	ck_assert(second < third);
	ck_assert_ptr_nonnull(strstr(third, "HTTP/1.1 200 "));
	ck_assert_str_eq(answer + strlen(answer) - 3, "OK\n");
	free(answer);
	serve_stop(s);
}
END_TEST

/* How many of the sockets get an answer to what was sent on them within the time. */
static unsigned
count_readable(const int *fds, unsigned count, int wait_ms)
{
	unsigned n = 0;

	for (unsigned i = 0; i < count; i++) {
		struct pollfd p = { .fd = fds[i], .events = POLLIN };

		n += poll(&p, 1, n == 0 ? wait_ms : 0) > 0;
	}
	return n;
}

START_TEST(at_most_64_connections_at_a_time)
{
	static const char request[] = "GET /healthz HTTP/1.1\r\n\r\n";
	struct serve *s = serve_start(scene_fill);
	int fds[65], i;
	char got[512];

	for (i = 0; i < 64; i++) {
		fds[i] = serve_connect(s);
		ck_assert_int_gt(send(fds[i], request, strlen(request), MSG_NOSIGNAL), 0);
		ck_assert_int_gt(recv(fds[i], got, sizeof(got), 0), 0);
	}
	ck_assert_uint_eq(count_readable(fds, 1, 300), 0);
	ck_assert_uint_eq(count_readable(fds, 64, 0), 0);
	fds[i] = serve_connect(s);
	ck_assert_int_gt(send(fds[i], request, strlen(request), MSG_NOSIGNAL), 0);
	ck_assert_int_gt(recv(fds[i], got, sizeof(got), 0), 0);
	/* Others, who had nothing more to ask, have made room for it. */
	ck_assert_uint_gt(count_readable(fds, 64, 0), 0);
	for (i = 0; i < 65; i++)
		close(fds[i]);
	serve_stop(s);
}
END_TEST

START_TEST(silent_clients_hold_up_nobody)
{
	struct serve *s = serve_start(scene_fill);
	int64_t began_ns = clock_now_ns();
	int fds[300];

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = serve_connect(s);
	check_answer(s, "GET /healthz HTTP/1.1\r\n" CLOSING, "HTTP/1.1 200 ", "OK");
	ck_assert_int_lt(clock_now_ns() - began_ns, 5 * NSEC_PER_SEC);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	serve_stop(s);
}
END_TEST

/* Takes what comes until the other side closes; true when it has within the time. */
static bool
drain_until_closed(int fd, int64_t deadline_ns)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char got[65536];

	for (;;) {
		int64_t left_ns = deadline_ns - clock_now_ns();

		if (left_ns < 0 || poll(&p, 1, (int)(left_ns / NSEC_PER_MSEC) + 1) < 0)
			return false;
		if (p.revents && recv(fd, got, sizeof(got), MSG_DONTWAIT) <= 0)
			return errno != EAGAIN;
	}
}

/* One that says nothing, one that says it slowly, one that does not read, all at once; while a
 * fourth, which reads slowly but steadily, is served to the end. */
START_TEST(slow_clients_are_cut)
{
	static const char request[] = "GET /statusz HTTP/1.1\r\n" CLOSING;
	struct serve *s = serve_start(fill_large);
	int64_t began_ns = clock_now_ns(), limit_ns = began_ns + 25 * NSEC_PER_SEC;
	int silent = serve_connect(s), slow = serve_connect(s), deaf = serve_connect(s);
	int steady = serve_connect(s);
	size_t taken = 0;
	bool slow_is_cut = false;
	char got[65536];
	ssize_t n;

	ck_assert_int_gt(send(deaf, request, strlen(request), 0), 0);
	ck_assert_int_gt(send(steady, request, strlen(request), 0), 0);
	while (clock_now_ns() < limit_ns && !slow_is_cut) {
		struct pollfd p = { .fd = slow, .events = POLLIN };

		slow_is_cut = poll(&p, 1, 200) > 0 || send(slow, "G", 1, MSG_NOSIGNAL) < 0;
		n = recv(steady, got, 4096, 0);
		ck_assert_int_gt(n, 0);
		taken += (size_t)n;
	}
	ck_assert(slow_is_cut);
	ck_assert_int_gt(clock_now_ns() - began_ns, 9 * NSEC_PER_SEC);
	ck_assert(drain_until_closed(silent, limit_ns));
	while ((n = recv(steady, got, sizeof(got), 0)) > 0)
		taken += (size_t)n;
	ck_assert_uint_gt(taken, 1 << 22);
	/* The deaf one gets what is under way and then the end, well before all of it. */
	ck_assert(drain_until_closed(deaf, limit_ns));
	close(silent);
	close(slow);
	close(deaf);
	close(steady);
	serve_stop(s);
}
END_TEST

START_TEST(ten_thousand_that_go_away_in_the_middle)
{
	static const char request[] = "GET /statusz HTTP/1.1\r\n\r\n";
	static const struct linger at_once = { .l_onoff = 1 };
	struct serve *s = serve_start(scene_fill);

	for (int i = 0; i < 10000; i++) {
		int fd = serve_connect(s);

		if (i % 3 == 0)
			(void)send(fd, request, strlen(request), MSG_NOSIGNAL);
		else if (i % 3 == 1)
			(void)send(fd, request, 9, MSG_NOSIGNAL);
		if (i % 2 == 0)
			(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
		close(fd);
	}
	check_answer(s, "GET /healthz HTTP/1.1\r\n" CLOSING, "HTTP/1.1 200 ", "OK");
	serve_stop(s);
}
END_TEST

/* Asking often does not mean rendering often: at most a tenth of the time goes into it. */
START_TEST(answers_are_shared_while_they_are_fresh)
{
	struct serve *s = serve_start(fill_large);

	for (int i = 0; i < 10; i++)
		check_answer(s, "HEAD /statusz HTTP/1.1\r\n" CLOSING, "HTTP/1.1 200 ", "\r\n\r\n");
	ck_assert_uint_lt(serve_snapshots(s), 10);
	serve_stop(s);
}
END_TEST

START_TEST(it_can_be_freed_while_it_answers)
{
	static const char request[] = "GET /statusz HTTP/1.1\r\n\r\n";
	struct serve *s = serve_start(fill_large);
	int busy = serve_connect(s), idle = serve_connect(s);
	char got;

	ck_assert_int_gt(send(busy, request, strlen(request), MSG_NOSIGNAL), 0);
	ck_assert_int_eq(recv(busy, &got, 1, 0), 1);
	serve_stop(s);
	close(busy);
	close(idle);
}
END_TEST

START_TEST(addresses_that_cannot_be_had_are_said)
{
	char path[] = "/tmp/iaido-diag.XXXXXX", address[64];
	struct stat st;
	int fd, again;

	ck_assert_int_ge(fd = diag_listen("127.0.0.1:0"), 0);
	close(fd);
	ck_assert_int_ge(fd = diag_listen(":0"), 0);
	close(fd);
	ck_assert_int_ge(fd = diag_listen("localhost:0"), 0);
	close(fd);
	ck_assert_int_lt(diag_listen("192.0.2.1:0"), 0);
	ck_assert_ptr_nonnull(mkdtemp(path));
	(void)snprintf(address, sizeof(address), "unix:%s/socket", path);
	ck_assert_int_ge(fd = diag_listen(address), 0);
	ck_assert_int_eq(diag_listen(address), -EADDRINUSE);
	close(fd);
	/* Dead now: it is taken over. */
	ck_assert_int_ge(again = diag_listen(address), 0);
	close(again);
	ck_assert_int_eq(unlink(address + 5), 0);
	/* What is no socket stays as it is. */
	fd = open(address + 5, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(fd);
	ck_assert_int_eq(diag_listen(address), -EADDRINUSE);
	ck_assert_int_eq(stat(address + 5, &st), 0);
	ck_assert_int_eq(unlink(address + 5), 0);
	ck_assert_int_eq(rmdir(path), 0);
}
END_TEST

UNIT_MAIN("diag_http", paths_answer, the_page_is_self_contained, head_tells_the_length_only,
	other_methods_are_refused, nonsense_is_refused, random_nonsense_does_no_harm,
	large_heads_are_refused, a_line_without_end_is_cut,
	pipelined_requests_are_answered_in_order, at_most_64_connections_at_a_time,
	silent_clients_hold_up_nobody, slow_clients_are_cut,
	ten_thousand_that_go_away_in_the_middle, answers_are_shared_while_they_are_fresh,
	it_can_be_freed_while_it_answers, addresses_that_cannot_be_had_are_said)
