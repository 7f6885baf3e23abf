/* The command line: options, and which part of the program they start. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "iaido/version.h"

int
main(int argc, char **argv)
{
	if (argc == 2 && (strcmp(argv[1], "-V") == 0 || strcmp(argv[1], "--version") == 0)) {
		printf("iaido %s\n", version_string());
		return 0;
	}
	fprintf(stderr, "usage: iaido -V\n");
	return 2;
}
