/* Made-up snapshots for tests of what renders them. */
#ifndef IAIDO_TESTS_SCENE_H
#define IAIDO_TESTS_SCENE_H

#include "iaido/snapshot.h"

/* Two frontends, tiers, failed and draining backends, names, awkward strings: a bit of everything
 * that a status can hold. The same each time; to be given to snapshot_fini(). */
void scene_fill(struct snapshot *s);

/* One frontend with that many backends. */
void scene_fill_many(struct snapshot *s, size_t backend_count);

#endif
