/* Keeps the library from being empty until its first module lands. */
#include "config.h"

int master_placeholder(void);

int
master_placeholder(void)
{
	return 0;
}
