#include "files.h"

#include "runtime/source.h"

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void join(char path[PATH_TEXT_BYTES], const char *directory, const char *name)
{
    const int length = snprintf(path, PATH_TEXT_BYTES, "%s/%s", directory, name);
    ck_assert_int_lt(length, PATH_TEXT_BYTES);
}

void directory_make(char path[PATH_TEXT_BYTES])
{
    const char *root = getenv("TMPDIR");
    join(path, root && root[0] ? root : "/tmp", "clattn-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(path));
}

void directory_clear(const char *path)
{
    DIR *directory = opendir(path);
    ck_assert_msg(directory != NULL, "cannot list %s", path);
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..")) {
            char below[PATH_TEXT_BYTES];
            struct stat state;
            join(below, path, entry->d_name);
            if (lstat(below, &state) == 0 && S_ISDIR(state.st_mode)) {
                directory_remove(below);
            } else {
                unlink(below);
            }
        }
    }
    closedir(directory);
}

void directory_remove(const char *path)
{
    directory_clear(path);
    rmdir(path);
}

void file_write(const char *directory, const char *name, const void *data, size_t bytes)
{
    char path[PATH_TEXT_BYTES];
    join(path, directory, name);
    for (char *slash = path + strlen(directory) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(path, 0777);
        *slash = '/';
    }
    FILE *file = fopen(path, "wb");
    ck_assert_msg(file != NULL, "cannot write %s", path);
    ck_assert_uint_eq(fwrite(data, 1, bytes, file), bytes);
    ck_assert_int_eq(fclose(file), 0);
}

void file_write_text(const char *directory, const char *name, const char *text)
{
    file_write(directory, name, text, strlen(text));
}

char *file_read(const char *directory, const char *name, size_t *bytes)
{
    char path[PATH_TEXT_BYTES];
    join(path, directory, name);
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "cannot read %s", path);
    ck_assert_int_eq(fseek(file, 0, SEEK_END), 0);
    const long length = ftell(file);
    ck_assert_int_ge(length, 0);
    rewind(file);
    char *data = malloc((size_t)length + 1);
    ck_assert_ptr_nonnull(data);
    *bytes = fread(data, 1, (size_t)length, file);
    ck_assert_uint_eq(*bytes, (size_t)length);
    data[length] = '\0';
    fclose(file);
    return data;
}

int directory_count(const char *path, const char *suffix, char name[PATH_TEXT_BYTES])
{
    DIR *directory = opendir(path);
    ck_assert_msg(directory != NULL, "cannot list %s", path);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(directory));) {
        const size_t length = strlen(entry->d_name), tail = strlen(suffix);
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") || length < tail ||
            strcmp(entry->d_name + length - tail, suffix)) {
            continue;
        }
        if (name && count == 0) {
            snprintf(name, PATH_TEXT_BYTES, "%s", entry->d_name);
        }
        count++;
    }
    closedir(directory);
    return count;
}

void kernels_write(const char *directory)
{
    for (const struct clattn__embedded *e = clattn__embedded_kernels; e->path; e++) {
        file_write_text(directory, e->path, e->text);
    }
}
