/* Keeps the library from being empty until its first module lands. */
#include "config.h"

int ipc_placeholder(void);

int
ipc_placeholder(void)
{
	return 0;
}
