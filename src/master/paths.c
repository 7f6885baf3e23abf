/* Relative names made absolute, without looking at the file system. */
#include "config.h"

#include "paths.h"

#include <stdio.h>
#include <string.h>

char *
path_of_file(const char *directory, const char *path)
{
	char *out;

	if (*path == '/')
		return strdup(path);
	return asprintf(&out, "%s/%s", directory, path) < 0 ? NULL : out;
}

char *
path_of_log(const char *directory, const char *target)
{
	if (strcmp(target, "stderr") == 0 || strcmp(target, "syslog") == 0)
		return strdup(target);
	return path_of_file(directory, target);
}

char *
path_of_unix(const char *directory, const char *addr)
{
	static const char prefix[] = "unix:";
	const char *path = addr + strlen(prefix);
	char *out;

	if (strncmp(addr, prefix, strlen(prefix)) != 0 || *path == '/' || *path == '@')
		return strdup(addr);
	return asprintf(&out, "%s%s/%s", prefix, directory, path) < 0 ? NULL : out;
}
