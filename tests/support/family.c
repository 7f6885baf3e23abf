/* See family.h. */
#include "config.h"

#include "family.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run.h"

size_t
family_children(pid_t parent, pid_t *out, size_t max)
{
	char path[64];
	size_t n = 0;
	int pid;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)parent, (int)parent);
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	while (n < max && fscanf(f, "%d", &pid) == 1)
		out[n++] = pid;
	fclose(f);
	return n;
}

struct family_wait {
	pid_t parent;
	const pid_t *pids;
	size_t count;
};

static bool
has_count(void *arg)
{
	struct family_wait *w = arg;
	pid_t pids[FAMILY_MAX];

	return family_children(w->parent, pids, FAMILY_MAX) == w->count;
}

void
family_wait_count(pid_t parent, size_t count)
{
	struct family_wait w = { .parent = parent, .count = count };

	ck_assert_msg(run_wait_until(has_count, &w), "there are not %zu workers", count);
}

static bool
has_none_of(void *arg)
{
	struct family_wait *w = arg;
	pid_t pids[FAMILY_MAX];
	size_t i, k, n = family_children(w->parent, pids, FAMILY_MAX);

	for (i = 0; i < n; i++)
		for (k = 0; k < w->count; k++)
			if (pids[i] == w->pids[k])
				return false;
	return true;
}

void
family_wait_none_of(pid_t parent, const pid_t *pids, size_t count)
{
	struct family_wait w = { parent, pids, count };

	ck_assert_msg(run_wait_until(has_none_of, &w), "an old worker did not leave");
}

static bool
is_gone(void *arg)
{
	char buf[64];

	return family_status(*(pid_t *)arg, "State", buf, sizeof(buf)) == NULL || buf[0] == 'Z' ||
		buf[0] == 'X';
}

void
family_wait_gone(pid_t pid)
{
	ck_assert_msg(run_wait_until(is_gone, &pid), "process %d did not end", (int)pid);
}

size_t
family_count_fds(pid_t pid)
{
	char path[64];
	size_t n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	d = opendir(path);
	ck_assert_ptr_nonnull(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n - 2;
}

const char *
family_status(pid_t pid, const char *name, char *buf, size_t size)
{
	char path[64], line[512];
	const char *found = NULL;
	size_t len = strlen(name);
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	if (f == NULL)
		return NULL;
	while (found == NULL && fgets(line, sizeof(line), f) != NULL) {
		if (strncmp(line, name, len) != 0 || line[len] != ':')
			continue;
		line[strcspn(line, "\n")] = '\0';
		snprintf(buf, size, "%s", line + len + 1 + strspn(line + len + 1, "\t "));
		found = buf;
	}
	fclose(f);
	return found;
}
