/* What differs between POSIX and Windows, and nothing else. */
#ifndef CLATTN_PLATFORM_H
#define CLATTN_PLATFORM_H

#include <stdbool.h>
#include <stddef.h>

#ifdef _WIN32
typedef struct clattn__mutex {
    void *srw; /* an SRWLOCK, which is one pointer */
} clattn__mutex;
#define CLATTN__MUTEX_INIT                                                                         \
    {                                                                                              \
        0                                                                                          \
    }
#else
#include <pthread.h>
typedef pthread_mutex_t clattn__mutex;
#define CLATTN__MUTEX_INIT PTHREAD_MUTEX_INITIALIZER
#endif

void clattn__mutex_init(clattn__mutex *mutex);
void clattn__mutex_destroy(clattn__mutex *mutex);
void clattn__lock(clattn__mutex *mutex);
void clattn__unlock(clattn__mutex *mutex);

/* Milliseconds of a clock that never goes back. */
double clattn__now_ms(void);

/* Makes a directory and its parents; true if it exists afterwards. */
bool clattn__make_directories(const char *path);

/* Renames, replacing what was there. */
bool clattn__replace_file(const char *from, const char *to);

/* A number no other live process of this machine has. */
unsigned long clattn__process_id(void);

/* Whether such a process lives; true if that cannot be found out. */
bool clattn__process_lives(unsigned long id);

/* The user's cache directory, without a trailing separator. */
bool clattn__user_cache_directory(char *path, size_t bytes);

#endif /* CLATTN_PLATFORM_H */
