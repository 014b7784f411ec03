/* What libFuzzer calls, and run_corpus.c where there is no libFuzzer. */
#ifndef FUZZ_TARGET_H
#define FUZZ_TARGET_H

#include <clattn/models/array.h>

#include <stdint.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* A file that holds the data, at its first byte. */
FILE *file_of(const uint8_t *data, size_t bytes);

/* Stops the program unless a refusal gives a reason, and an array read is whole. */
void check_outcome(bool read, const clattn_array *a);

/* Stops the program with the condition's text where it does not hold. */
#define REQUIRE(condition) require((condition), #condition)
void require(bool holds, const char *condition);

#endif /* FUZZ_TARGET_H */
