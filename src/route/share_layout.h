/* Where things lie in a share's map; known to share.c and audit.c only. */
#ifndef IAIDO_ROUTE_SHARE_LAYOUT_H
#define IAIDO_ROUTE_SHARE_LAYOUT_H

#include "iaido/scoreboard.h"

#define SHARE_HEAD_SIZE 4096
#define SHARE_CELLS_OFFSET SHARE_HEAD_SIZE
#define SHARE_FRONTENDS_OFFSET (SHARE_CELLS_OFFSET + SCOREBOARD_CELLS * sizeof(struct share_cell))
#define SHARE_SIZE \
	((SHARE_FRONTENDS_OFFSET + SCOREBOARD_FRONTENDS * sizeof(struct share_frontend) + 4095) & \
		~(size_t)4095)

#endif
