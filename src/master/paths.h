/* Names in the configuration, as meant from the directory that the program was started in: a daemon
 * lives elsewhere. Each returns a new string, or NULL without memory. */
#ifndef IAIDO_MASTER_PATHS_H
#define IAIDO_MASTER_PATHS_H

char *path_of_file(const char *directory, const char *path);
/* "stderr" and "syslog" stay. */
char *path_of_log(const char *directory, const char *target);
/* "unix:PATH"; anything else stays. */
char *path_of_unix(const char *directory, const char *addr);

#endif
