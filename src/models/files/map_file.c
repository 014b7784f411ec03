#define _DEFAULT_SOURCE /* madvise */
#include "map_file.h"
#include "load.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

/* Nothing can be mapped of an empty file. */
static const unsigned char nothing[1];

#ifdef _WIN32

#include <io.h>
#include <windows.h>

static const void *map(FILE *file, size_t bytes, reason *why)
{
    HANDLE handle = (HANDLE)_get_osfhandle(_fileno(file));
    HANDLE mapping = CreateFileMappingA(handle, NULL, PAGE_READONLY, 0, 0, NULL);
    const void *data = mapping ? MapViewOfFile(mapping, FILE_MAP_READ, 0, 0, bytes) : NULL;
    if (!data) {
        refuse(why, "cannot be mapped (Windows error %lu)", GetLastError());
    }
    if (mapping) {
        CloseHandle(mapping); /* the view keeps it */
    }
    return data;
}

static void unmap(const unsigned char *data, size_t bytes)
{
    (void)bytes;
    UnmapViewOfFile(data);
}

static void give_back(const unsigned char *begin, const unsigned char *end)
{
    VirtualUnlock((void *)(uintptr_t)begin, (size_t)(end - begin)); /* from the working set */
}

#else

#include <sys/mman.h>
#include <unistd.h>

static const void *map(FILE *file, size_t bytes, reason *why)
{
    void *data = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fileno(file), 0);
    if (data == MAP_FAILED) {
        refuse(why, "cannot be mapped: %s", strerror(errno));
        return NULL;
    }
    return data;
}

static void unmap(const unsigned char *data, size_t bytes)
{
    munmap((void *)(uintptr_t)data, bytes);
}

static void give_back(const unsigned char *begin, const unsigned char *end)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t first = ((uintptr_t)begin + page - 1) / page * page;
    const size_t last = (uintptr_t)end / page * page;
    if (first < last) {
        madvise((void *)first, last - first, MADV_DONTNEED); /* saves memory, or does not */
    }
}

#endif

bool map_file(const char *path, mapped_file *out, reason *why)
{
    uint64_t bytes;
    *out = (mapped_file){0};
    FILE *file = file_open(path, &bytes, why);
    if (!file) {
        return false;
    }
    if (bytes > SIZE_MAX) {
        refuse(why, "larger than memory can be");
    } else {
        out->bytes = (size_t)bytes;
        out->data = bytes ? map(file, out->bytes, why) : nothing;
    }
    fclose(file);
    return out->data != NULL;
}

void map_file_give_back(const mapped_file *file, const void *part, size_t bytes)
{
    if (file->data && file->data != nothing) {
        give_back(part, (const unsigned char *)part + bytes);
    }
}

void unmap_file(mapped_file *file)
{
    if (file->data && file->data != nothing) {
        unmap(file->data, file->bytes);
    }
    *file = (mapped_file){0};
}
