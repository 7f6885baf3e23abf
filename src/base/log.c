/* The log: makes one line of an event and hands it to one descriptor, without ever waiting for it
 * and without memory from the heap. A line is at most LOG_LINE_MAX bytes (a pipe takes that whole
 * or not at all); fields that no longer fit are left out. SIGPIPE is the program's to ignore. */
#include "config.h"

#include "iaido/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "iaido/clock.h"
#include "iaido/text.h"

#define LOG_LINE_MAX 4096
#define LOG_VALUE_MAX 1024 /* of one value before escaping */
#define LOG_TAIL_SPACE 48 /* kept free for the count of dropped lines and the end */

/* How a descriptor is written to without waiting. */
enum log_fd_kind { LOG_FD_UNKNOWN, LOG_FD_PLAIN, LOG_FD_POLL, LOG_FD_SOCKET };

static struct {
	enum log_level level;
	enum log_format format;
	int fd;
	enum log_fd_kind kind;
	bool is_syslog;
	bool is_torn; /* the last line was taken in part */
	uint64_t dropped;
	int64_t reconnect_ns; /* when the system log may be tried again */
	int64_t date_sec; /* the second that `date` is of */
	char date[CLOCK_TEXT_MAX];
} state = { .level = LOG_LEVEL_INFO, .format = LOG_FORMAT_TEXT, .fd = STDERR_FILENO };

/* A line under construction. */
struct line {
	size_t len;
	size_t limit;
	bool is_full;
	char data[LOG_LINE_MAX];
};

static const char *const level_names[] = { "debug", "info", "warn", "error" };
static const int level_priorities[] = { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERR };

static void
add_bytes(struct line *l, const char *data, size_t len)
{
	if (l->is_full || len > l->limit - l->len) {
		l->is_full = true;
		return;
	}
	memcpy(l->data + l->len, data, len);
	l->len += len;
}

static void
add(struct line *l, const char *s)
{
	add_bytes(l, s, strlen(s));
}

PRINTF_LIKE(2, 3)
static void
addf(struct line *l, const char *format, ...)
{
	char piece[128];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(piece, sizeof(piece), format, ap);
	va_end(ap);
	add(l, piece);
}

static void
add_escape(struct line *l, uint8_t c, bool json)
{
	if (c == '"' || c == '\\')
		addf(l, "\\%c", c);
	else if (c == '\n')
		add(l, "\\n");
	else if (c == '\r')
		add(l, "\\r");
	else if (c == '\t')
		add(l, "\\t");
	else
		addf(l, json ? "\\u%04x" : "\\x%02x", c);
}

/* C1 controls (U+0080 to U+009F) drive terminals as well as the old ones do. */
static bool
is_control(const char *s, size_t n)
{
	uint8_t c = (uint8_t)s[0];

	return c < 0x20 || c == 0x7f || (n == 2 && c == 0xc2 && (uint8_t)s[1] < 0xa0);
}

/* How much of s is printable ASCII that stands for itself everywhere: most is all of it. */
static size_t
plain_len(const char *s, size_t len)
{
	size_t n = 0;

	while (n < len && s[n] >= 0x20 && s[n] < 0x7f && s[n] != '"' && s[n] != '\\')
		n++;
	return n;
}

/* The value with everything escaped that could end the line or drive a terminal. */
static void
add_escaped(struct line *l, const char *s, bool quoted, bool json)
{
	size_t len = strnlen(s, LOG_VALUE_MAX);
	bool clipped = len == LOG_VALUE_MAX;

	while (len > 0) {
		size_t plain = plain_len(s, len), n;

		add_bytes(l, s, plain);
		s += plain;
		len -= plain;
		if (len == 0)
			break;
		n = text_utf8_len(s, len);

		if (n == 0 || is_control(s, n) || (quoted && (*s == '"' || *s == '\\'))) {
			n = 1;
			add_escape(l, (uint8_t)*s, json);
		} else {
			add_bytes(l, s, n);
		}
		s += n;
		len -= n;
	}
	if (clipped)
		add(l, "...");
}

static void
add_json_string(struct line *l, const char *s)
{
	add(l, "\"");
	add_escaped(l, s, true, true);
	add(l, "\"");
}

static bool
is_plain_word(const char *s)
{
	const char *at = s;

	while ((*at >= '-' && *at <= ':') || (*at >= '@' && *at <= '[') ||
		(*at >= 'a' && *at <= 'z') || *at == '_' || *at == ']' || *at == '+' ||
		*at == ',' || *at == '*' || *at == '%')
		at++;
	return *s != '\0' && *at == '\0';
}

/* printf() is half of what a line costs, and connections may have one each. */
static void
add_number(struct line *l, int64_t number)
{
	char digits[24];
	char *at = digits + sizeof(digits);
	uint64_t u = number < 0 ? -(uint64_t)number : (uint64_t)number;

	do
		*--at = (char)('0' + u % 10);
	while (u /= 10);
	if (number < 0)
		*--at = '-';
	add_bytes(l, at, (size_t)(digits + sizeof(digits) - at));
}

static void
add_text_value(struct line *l, const char *s, bool quoted)
{
	if (!quoted && is_plain_word(s)) {
		add_escaped(l, s, false, false);
		return;
	}
	add(l, "\"");
	add_escaped(l, s, true, false);
	add(l, "\"");
}

static void
add_field(struct line *l, const struct log_field *f)
{
	bool json = state.format == LOG_FORMAT_JSON;
	const char *s = f->string ? f->string : "";
	char message[128];
	size_t before = l->len;

	add(l, json ? ",\"" : " ");
	add(l, f->name);
	add(l, json ? "\":" : "=");
	if (f->type == LOG_FIELD_INT) {
		add_number(l, f->number);
	} else {
		if (f->type == LOG_FIELD_ERROR) {
			int error = (int)(f->number < 0 ? -f->number : f->number);

			s = strerror_r(error, message, sizeof(message));
		}
		if (json)
			add_json_string(l, s);
		else
			add_text_value(l, s, f->type == LOG_FIELD_ERROR);
	}
	/* All of it or nothing, so that what is there can be parsed. */
	if (l->is_full) {
		l->len = before;
		l->is_full = false;
	}
}

static void
add_syslog_head(struct line *l, enum log_level level)
{
	time_t now = (time_t)(clock_wall_ns() / NSEC_PER_SEC);
	char date[32] = "";
	struct tm tm;

	/* The daemon reads local time, in the C locale, which this program never leaves. */
	if (localtime_r(&now, &tm))
		(void)strftime(date, sizeof(date), "%b %e %H:%M:%S", &tm);
	addf(l, "<%d>%s iaido[%d]: ", LOG_DAEMON | level_priorities[level], date, (int)getpid());
}

/* The time, all but its milliseconds made once a second. */
static void
add_date(struct line *l)
{
	int64_t now_ns = clock_wall_ns();
	unsigned ms = (unsigned)(now_ns / NSEC_PER_MSEC % 1000);
	char *point = state.date + strlen("2026-01-31T12:00:00");

	if (now_ns / NSEC_PER_SEC != state.date_sec) {
		clock_format_wall(now_ns, state.date);
		state.date_sec = now_ns / NSEC_PER_SEC;
	}
	point[1] = (char)('0' + ms / 100);
	point[2] = (char)('0' + ms / 10 % 10);
	point[3] = (char)('0' + ms % 10);
	add(l, state.date);
}

static void
make_line(struct line *l, enum log_level level, const char *event, const char *message,
	const struct log_field *fields)
{
	bool json = state.format == LOG_FORMAT_JSON;

	l->len = 0;
	l->limit = sizeof(l->data) - LOG_TAIL_SPACE;
	l->is_full = false;
	if (state.is_syslog)
		add_syslog_head(l, level);
	if (json) {
		add(l, "{\"time\":\"");
		add_date(l);
		add(l, "\",\"level\":\"");
		add(l, level_names[level]);
		add(l, "\",\"event\":");
		add_json_string(l, event);
		add(l, ",\"message\":");
		add_json_string(l, message);
	} else {
		if (!state.is_syslog) {
			add_date(l);
			add(l, " ");
		}
		add(l, level_names[level]);
		add(l, " ");
		add_escaped(l, message, false, false);
		add(l, " event=");
		add_text_value(l, event, false);
	}
	for (; fields && fields->name; fields++)
		add_field(l, fields);
	l->limit = sizeof(l->data);
	if (state.dropped > 0)
		addf(l, json ? ",\"dropped\":%llu" : " dropped=%llu",
			(unsigned long long)state.dropped);
	add(l, json ? "}" : "");
	if (!state.is_syslog)
		add(l, "\n");
}

static int
connect_syslog(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };
	int r, fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

/* The daemon was restarted: its socket is a new one. Tried at most once a second. */
static bool
reconnect_syslog(void)
{
	int64_t now = clock_coarse_ns();
	int fd;

	if (now < state.reconnect_ns)
		return false;
	state.reconnect_ns = now + NSEC_PER_SEC;
	fd = connect_syslog();
	if (fd < 0)
		return false;
	/* The same number, since others may have been told it. */
	if (dup3(fd, state.fd, O_CLOEXEC) < 0) {
		close(fd);
		return false;
	}
	close(fd);
	return true;
}

static enum log_fd_kind
find_fd_kind(int fd)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);

	if (fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode))
		return LOG_FD_SOCKET;
	return flags >= 0 && (flags & O_NONBLOCK) ? LOG_FD_PLAIN : LOG_FD_POLL;
}

/* Bytes taken, or -errno; never waits. */
static ssize_t
write_once(const char *data, size_t len)
{
	ssize_t n;

	if (state.kind == LOG_FD_UNKNOWN)
		state.kind = find_fd_kind(state.fd);
	if (state.kind == LOG_FD_POLL) {
		struct pollfd p = { .fd = state.fd, .events = POLLOUT };

		/* Somebody else's blocking descriptor: whole lines fit once it is writable. */
		if (poll(&p, 1, 0) <= 0)
			return -EAGAIN;
	}
	do {
		n = state.kind == LOG_FD_SOCKET
			? send(state.fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL)
			: write(state.fd, data, len);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static void
write_line(const struct line *l)
{
	ssize_t n;

	if (state.is_torn && write_once("\n", 1) == 1)
		state.is_torn = false;
	n = state.is_torn ? -EAGAIN : write_once(l->data, l->len);
	if (state.is_syslog && (n == -ECONNREFUSED || n == -ENOTCONN || n == -ECONNRESET) &&
		reconnect_syslog())
		n = write_once(l->data, l->len);
	if (n == (ssize_t)l->len) {
		state.dropped = 0;
		return;
	}
	state.is_torn = state.is_torn || n > 0;
	state.dropped++;
}

void
log_write(enum log_level level, const char *event, const char *message,
	const struct log_field *fields)
{
	struct line line;
	int saved = errno;

	if (!log_enabled(level))
		return;
	make_line(&line, level, event, message, fields);
	write_line(&line);
	errno = saved;
}

bool
log_enabled(enum log_level level)
{
	return level >= state.level;
}

void
log_set_level(enum log_level level)
{
	state.level = level;
}

void
log_set_format(enum log_format format)
{
	state.format = format;
}

enum log_level
log_current_level(void)
{
	return state.level;
}

enum log_format
log_current_format(void)
{
	return state.format;
}

/* Standard error is shared with others, so O_NONBLOCK must not be set on it: a pipe or terminal
 * is opened anew; a file never waits and keeps its offset; for the rest there is poll(2). */
static int
open_stderr(void)
{
	struct stat st;
	int fd;

	if (fstat(STDERR_FILENO, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode))) {
		fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
		if (fd >= 0)
			return fd;
	}
	fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	return fd < 0 ? -errno : fd;
}

int
log_open_target(const char *target, bool *is_syslog)
{
	int fd;

	*is_syslog = strcmp(target, "syslog") == 0;
	if (*is_syslog)
		return connect_syslog();
	if (strcmp(target, "stderr") == 0)
		return open_stderr();
	fd = open(target, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0640);
	if (fd < 0)
		return -errno;
	return fd;
}

void
log_take_descriptor(int fd, bool is_syslog)
{
	if (state.fd > STDERR_FILENO && state.fd != fd)
		close(state.fd);
	state.fd = fd;
	state.kind = LOG_FD_UNKNOWN;
	state.is_syslog = is_syslog;
	state.is_torn = false;
}

int
log_descriptor(void)
{
	return state.fd;
}

bool
log_is_syslog(void)
{
	return state.is_syslog;
}

bool
log_limit_allow(struct log_limit *l, int64_t now_ns, uint64_t *left_out)
{
	if (now_ns < l->next_ns) {
		l->left_out++;
		return false;
	}
	l->next_ns = now_ns + NSEC_PER_SEC;
	*left_out = l->left_out;
	l->left_out = 0;
	return true;
}

void
fatal(const char *format, ...)
{
	char message[LOG_VALUE_MAX];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(message, sizeof(message), format, ap);
	va_end(ap);
	log_write(LOG_LEVEL_ERROR, "fatal", message, NULL);
	exit(EXIT_FAILURE);
}
