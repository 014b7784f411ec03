/* Rows of an array by how alike they are to one of them. */
#ifndef TOOLS_SIMILAR_H
#define TOOLS_SIMILAR_H

#include <clattn/models/array.h>

typedef struct ranked {
    size_t row; /* counted from the first that is ranked */
    double cosine;
} ranked;

/* All rows of vectors from first on, the most alike to row first; of equal ones the upper. vectors:
 * f4 [rows, columns], each 1 long. */
void rank_rows(const clattn_array *vectors, size_t row, size_t first, ranked *to);

#endif /* TOOLS_SIMILAR_H */
