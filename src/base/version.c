/* The version, in one place, as the program and its endpoints report it. */
#include "config.h"

#include "iaido/version.h"

const char *
version_string(void)
{
	return PACKAGE_VERSION;
}
