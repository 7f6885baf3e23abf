/* The version of this build. */
#ifndef IAIDO_VERSION_H
#define IAIDO_VERSION_H

/* "MAJOR.MINOR.PATCH", a constant. */
const char *version_string(void);

#endif
