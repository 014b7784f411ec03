#include "platform.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef _WIN32

#include <direct.h>
#include <windows.h>

void clattn__mutex_init(clattn__mutex *mutex) { InitializeSRWLock((SRWLOCK *)mutex); }
void clattn__mutex_destroy(clattn__mutex *mutex) { (void)mutex; }
void clattn__lock(clattn__mutex *mutex) { AcquireSRWLockExclusive((SRWLOCK *)mutex); }
void clattn__unlock(clattn__mutex *mutex) { ReleaseSRWLockExclusive((SRWLOCK *)mutex); }

double clattn__now_ms(void)
{
    LARGE_INTEGER count, frequency;
    QueryPerformanceCounter(&count);
    QueryPerformanceFrequency(&frequency);
    return 1e3 * (double)count.QuadPart / (double)frequency.QuadPart;
}

static bool make_directory(const char *path)
{
    return _mkdir(path) == 0 || GetLastError() == ERROR_ALREADY_EXISTS;
}
bool clattn__replace_file(const char *from, const char *to)
{
    return MoveFileExA(from, to, MOVEFILE_REPLACE_EXISTING);
}
unsigned long clattn__process_id(void) { return GetCurrentProcessId(); }

bool clattn__process_lives(unsigned long id)
{
    DWORD code = STILL_ACTIVE;
    HANDLE process = OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, id);
    if (!process) {
        return GetLastError() != ERROR_INVALID_PARAMETER;
    }
    GetExitCodeProcess(process, &code);
    CloseHandle(process);
    return code == STILL_ACTIVE;
}

static bool join(char *path, size_t bytes, const char *base, const char *rest)
{
    return base && base[0] && (size_t)snprintf(path, bytes, "%s%s", base, rest) < bytes;
}

bool clattn__user_cache_directory(char *path, size_t bytes)
{
    return join(path, bytes, getenv("LOCALAPPDATA"), "\\clattn");
}

#else

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void clattn__mutex_init(clattn__mutex *mutex) { pthread_mutex_init(mutex, NULL); }
void clattn__mutex_destroy(clattn__mutex *mutex) { pthread_mutex_destroy(mutex); }
void clattn__lock(clattn__mutex *mutex) { pthread_mutex_lock(mutex); }
void clattn__unlock(clattn__mutex *mutex) { pthread_mutex_unlock(mutex); }

double clattn__now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return 1e3 * (double)now.tv_sec + 1e-6 * (double)now.tv_nsec;
}

static bool make_directory(const char *path) { return mkdir(path, 0777) == 0 || errno == EEXIST; }
bool clattn__replace_file(const char *from, const char *to) { return rename(from, to) == 0; }
unsigned long clattn__process_id(void) { return (unsigned long)getpid(); }
bool clattn__process_lives(unsigned long id) { return kill((pid_t)id, 0) == 0 || errno != ESRCH; }

static bool join(char *path, size_t bytes, const char *base, const char *rest)
{
    return base && base[0] && (size_t)snprintf(path, bytes, "%s%s", base, rest) < bytes;
}

bool clattn__user_cache_directory(char *path, size_t bytes)
{
    return join(path, bytes, getenv("XDG_CACHE_HOME"), "/clattn") ||
           join(path, bytes, getenv("HOME"), "/.cache/clattn");
}

#endif

bool clattn__make_directories(const char *path)
{
    char part[4096];
    if (strlen(path) >= sizeof part) {
        return false;
    }
    for (size_t i = 1; path[i]; i++) {
        if (path[i] == '/' || path[i] == '\\') {
            memcpy(part, path, i);
            part[i] = '\0';
            make_directory(part); /* a parent that cannot be made shows in the last call */
        }
    }
    return make_directory(path);
}
