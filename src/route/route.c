/* Keeps the library from being empty until its first module lands. */
#include "config.h"

int route_placeholder(void);

int
route_placeholder(void)
{
	return 0;
}
