/* The command line: options, and which part of the program they start. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "iaido/version.h"

int
main(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-V") == 0 || strcmp(argv[i], "--version") == 0) {
			printf("iaido %s\n", version_string());
			return 0;
		}
	}
	fprintf(stderr, "usage: iaido -V\n");
	return 2;
}
