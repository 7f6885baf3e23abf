/* Keeps the library from being empty until its first module lands. */
#include "config.h"

int conf_placeholder(void);

int
conf_placeholder(void)
{
	return 0;
}
