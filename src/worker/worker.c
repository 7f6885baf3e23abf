/* Keeps the library from being empty until its first module lands. */
#include "config.h"

int worker_placeholder(void);

int
worker_placeholder(void)
{
	return 0;
}
