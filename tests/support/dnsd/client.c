/* Starting a dnsd and talking to it through pipes. */
#include "config.h"

#include "dnsd/client.h"

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct dns_server {
	pid_t pid;
	FILE *in;
	FILE *out;
	uint16_t port;
	char *queries; /* their lines, one after the other */
	size_t len;
};

static void
run(int in, int out)
{
	const char *dir = getenv("BUILDDIR");
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/tests/support/dnsd/dnsd", dir ? dir : ".");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	execl(path, path, (char *)NULL);
	perror(path);
	_exit(127);
}

/* The next line that is no query; those are kept. */
static void
read_answer(struct dns_server *s, char *line, size_t size)
{
	for (;;) {
		size_t len;

		ck_assert_msg(fgets(line, (int)size, s->out) != NULL, "dnsd has ended");
		len = strlen(line);
		if (strncmp(line, "query ", 6) != 0)
			return;
		s->queries = realloc(s->queries, s->len + len + 1);
		ck_assert_ptr_nonnull(s->queries);
		memcpy(s->queries + s->len, line, len + 1);
		s->len += len;
	}
}

struct dns_server *
dns_server_start(void)
{
	struct dns_server *s = calloc(1, sizeof(*s));
	int to[2], from[2];
	char line[256];

	ck_assert_ptr_nonnull(s);
	ck_assert_int_eq(pipe2(to, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(from, O_CLOEXEC), 0);
	/* Nobody reads while the test waits for something else. */
	(void)fcntl(from[0], F_SETPIPE_SZ, 1 << 20);
	s->pid = fork();
	ck_assert_int_ge(s->pid, 0);
	if (s->pid == 0)
		run(to[0], from[1]);
	close(to[0]);
	close(from[1]);
	s->in = fdopen(to[1], "w");
	s->out = fdopen(from[0], "r");
	read_answer(s, line, sizeof(line));
	ck_assert_msg(strncmp(line, "ready ", 6) == 0, "dnsd says: %s", line);
	s->port = (uint16_t)strtoul(strrchr(line, ':') + 1, NULL, 10);
	return s;
}

uint16_t
dns_server_port(const struct dns_server *s)
{
	return s->port;
}

void
dns_server_say(struct dns_server *s, const char *text)
{
	char line[256];

	fprintf(s->in, "%s\n", text);
	fflush(s->in);
	for (const char *at = text; at; at = strchr(at + 1, '\n')) {
		read_answer(s, line, sizeof(line));
		ck_assert_msg(strcmp(line, "ok\n") == 0, "dnsd says of '%s': %s", text, line);
	}
}

const char *
dns_server_log(struct dns_server *s)
{
	/* Its answer comes after all queries that it has read. */
	dns_server_say(s, "no.such.name del");
	return s->queries ? s->queries : "";
}

unsigned
dns_server_queries(struct dns_server *s, const char *part)
{
	unsigned count = 0;

	(void)dns_server_log(s);
	for (char *at = s->queries; at && *at;) {
		char *end = strchr(at, '\n') + 1, after = *end;

		*end = '\0';
		count += strstr(at, part) != NULL;
		*end = after;
		at = end;
	}
	return count;
}

void
dns_server_stop(struct dns_server *s)
{
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	fclose(s->in);
	fclose(s->out);
	free(s->queries);
	free(s);
}
