/* Keeps the library from being empty until its first module lands. */
#include "config.h"

int diag_placeholder(void);

int
diag_placeholder(void)
{
	return 0;
}
