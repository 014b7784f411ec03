/* Gives a target every file named on the command line, each of its beginnings, and each
 * file with one byte changed: a fuzzer's first steps, for compilers without libFuzzer. */
#include "target.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_BYTES = 1 << 20, MAX_MUTATED = 2048 };

static uint8_t *read_whole(const char *path, size_t *bytes)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(MAX_BYTES);
    if (!file || !data) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(EXIT_FAILURE);
    }
    *bytes = fread(data, 1, MAX_BYTES, file);
    fclose(file);
    return data;
}

/* In a block of its own size, so that a sanitizer sees what reads past it. */
static void run_exactly(const uint8_t *data, size_t bytes)
{
    uint8_t *copy = malloc(bytes ? bytes : 1);
    REQUIRE(copy != NULL);
    memcpy(copy, data, bytes);
    LLVMFuzzerTestOneInput(copy, bytes);
    free(copy);
}

static long run_changed(uint8_t *data, size_t bytes)
{
    static const uint8_t changes[] = {0x01, 0x80, 0xff, 'x' ^ '0', ' '};
    const size_t places = bytes < MAX_MUTATED ? bytes : MAX_MUTATED;
    for (size_t i = 0; i < places; i++) {
        for (size_t c = 0; c < sizeof changes; c++) {
            data[i] ^= changes[c];
            run_exactly(data, bytes);
            data[i] ^= changes[c];
        }
        run_exactly(data, i);
    }
    return (long)(places * (sizeof changes + 1));
}

int main(int argc, char **argv)
{
    long inputs = 0;
    for (int i = 1; i < argc; i++) {
        size_t bytes;
        uint8_t *data = read_whole(argv[i], &bytes);
        run_exactly(data, bytes);
        inputs += 1 + run_changed(data, bytes);
        free(data);
    }
    printf("%d files, %ld inputs\n", argc - 1, inputs);
    return argc > 1 ? EXIT_SUCCESS : EXIT_FAILURE;
}
