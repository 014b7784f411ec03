#define _DEFAULT_SOURCE /* madvise */
#include "map_file.h"

#include "file.h"
#include "models/common/error.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

/* Nothing can be mapped of an empty file. */
static const unsigned char nothing[1];

#ifdef _WIN32

#include <io.h>
#include <windows.h>

static clattn_status map(FILE *file, size_t bytes, const unsigned char **out)
{
    HANDLE handle = (HANDLE)_get_osfhandle(_fileno(file));
    HANDLE mapping = CreateFileMappingA(handle, NULL, PAGE_READONLY, 0, 0, NULL);
    const void *data = mapping ? MapViewOfFile(mapping, FILE_MAP_READ, 0, 0, bytes) : NULL;
    const DWORD code = data ? 0 : GetLastError();
    if (mapping) {
        CloseHandle(mapping); /* the view keeps it */
    }
    if (!data) {
        return clattn__refuse("cannot be mapped (Windows error %lu)", code);
    }
    *out = data;
    return CLATTN_OK;
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

static clattn_status map(FILE *file, size_t bytes, const unsigned char **out)
{
    void *data = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fileno(file), 0);
    if (data == MAP_FAILED) {
        return clattn__refuse("cannot be mapped: %s", strerror(errno));
    }
    *out = data;
    return CLATTN_OK;
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

clattn_status clattn__map_file(const char *path, clattn__mapped_file *out)
{
    uint64_t bytes;
    FILE *file;
    *out = (clattn__mapped_file){0};
    TRY(clattn__file_open(path, &bytes, &file));
    clattn_status status = CLATTN_OK;
    if (bytes > SIZE_MAX) {
        status = clattn__refuse("larger than memory can be");
    } else if (bytes == 0) {
        out->data = nothing;
    } else {
        out->bytes = (size_t)bytes;
        status = map(file, out->bytes, &out->data);
    }
    fclose(file);
    return status;
}

void clattn__map_file_give_back(const clattn__mapped_file *file, const void *part, size_t bytes)
{
    if (file->data && file->data != nothing) {
        give_back(part, (const unsigned char *)part + bytes);
    }
}

void clattn__unmap_file(clattn__mapped_file *file)
{
    if (file->data && file->data != nothing) {
        unmap(file->data, file->bytes);
    }
    *file = (clattn__mapped_file){0};
}
