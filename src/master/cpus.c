/* Usable CPUs: the affinity mask, and what the CPU controller of the cgroups on the way up allows. */
#include "config.h"

#include "cpus.h"

#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_TEXT_MAX 4352

/* Numbers at the start of a file; returns how many there were. "max" is none. */
static int
read_numbers(const char *path, long *a, long *b)
{
	FILE *f = fopen(path, "re");
	char line[64], *end;
	int n = 0;

	if (!f)
		return 0;
	if (fgets(line, sizeof(line), f)) {
		*a = strtol(line, &end, 10);
		if (end != line) {
			char *second = end;

			n = 1;
			*b = strtol(second, &end, 10);
			n += end != second;
		}
	}
	fclose(f);
	return n;
}

static uint32_t
divide_up(long quota, long period)
{
	if (quota <= 0 || period <= 0 || quota / period >= INT_MAX)
		return UINT32_MAX;
	return (uint32_t)((quota + period - 1) / period);
}

static uint32_t
quota_at(const char *root, const char *path, bool v2)
{
	char name[PATH_TEXT_MAX];
	long quota = -1, period = -1, ignored;

	if (v2) {
		(void)snprintf(name, sizeof(name), "%s/sys/fs/cgroup%s/cpu.max", root, path);
		return read_numbers(name, &quota, &period) == 2 ? divide_up(quota, period)
								: UINT32_MAX;
	}
	(void)snprintf(name, sizeof(name), "%s/sys/fs/cgroup/cpu%s/cpu.cfs_quota_us", root, path);
	if (read_numbers(name, &quota, &ignored) < 1)
		return UINT32_MAX;
	(void)snprintf(name, sizeof(name), "%s/sys/fs/cgroup/cpu%s/cpu.cfs_period_us", root, path);
	return read_numbers(name, &period, &ignored) < 1 ? UINT32_MAX : divide_up(quota, period);
}

/* The least on the way from `path` to the top. */
static uint32_t
quota_upwards(const char *root, char *path, bool v2)
{
	uint32_t least = UINT32_MAX;

	for (;;) {
		char *slash = strrchr(path, '/');
		uint32_t q = quota_at(root, path, v2);

		if (q < least)
			least = q;
		if (!slash)
			return least;
		*slash = '\0';
	}
}

/* Whether a line of /proc/self/cgroup, "id:controllers:path", is about CPU time. */
static bool
parse_line(char *line, char **path, bool *v2)
{
	char *controllers = strchr(line, ':'), *end, *word, *rest;

	end = controllers ? strchr(controllers + 1, ':') : NULL;
	if (!end)
		return false;
	*end = '\0';
	*path = end + 1;
	(*path)[strcspn(*path, "\n")] = '\0';
	*v2 = controllers[1] == '\0';
	if (*v2)
		return true;
	for (word = strtok_r(controllers + 1, ",", &rest); word; word = strtok_r(NULL, ",", &rest))
		if (strcmp(word, "cpu") == 0)
			return true;
	return false;
}

uint32_t
cpus_quota(const char *root)
{
	char name[PATH_TEXT_MAX], line[4096], *path;
	uint32_t least = UINT32_MAX;
	bool v2;
	FILE *f;

	(void)snprintf(name, sizeof(name), "%s/proc/self/cgroup", root);
	f = fopen(name, "re");
	if (!f)
		return least;
	while (fgets(line, sizeof(line), f)) {
		if (parse_line(line, &path, &v2)) {
			uint32_t q = quota_upwards(root, path, v2);

			if (q < least)
				least = q;
		}
	}
	fclose(f);
	return least;
}

uint32_t
cpus_usable(void)
{
	uint32_t usable = 1, quota = cpus_quota("");
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		usable = (uint32_t)CPU_COUNT(&set);
	if (quota < usable)
		usable = quota;
	return usable > 0 ? usable : 1;
}
