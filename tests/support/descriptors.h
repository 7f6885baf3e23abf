/* Counts a process's open descriptors, so that a test sees one that leaks. */
#ifndef IAIDO_TESTS_DESCRIPTORS_H
#define IAIDO_TESTS_DESCRIPTORS_H

#include <dirent.h>
#include <stdlib.h>

static inline int
count_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	int count = 0;

	if (!d)
		abort();
	while (readdir(d))
		count++;
	closedir(d);
	return count;
}

#endif
