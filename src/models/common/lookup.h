/* From strings of bytes to numbers: a hash table that is made once and then only asked. */
#ifndef MODELS_COMMON_LOOKUP_H
#define MODELS_COMMON_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct clattn__lookup_slot;

typedef struct clattn__lookup {
    struct clattn__lookup_slot *slots;
    size_t mask; /* slots - 1 */
} clattn__lookup;

/* Room for so many keys.  False if memory ran out. */
bool clattn__lookup_make(clattn__lookup *table, size_t keys);
void clattn__lookup_free(clattn__lookup *table);

/* The key's bytes are not copied and stay where they are.  False if it is there already; its value
 * then stays as it was. */
bool clattn__lookup_add(clattn__lookup *table, const void *key, size_t bytes, int32_t value);

/* The key's value; -1 = there is none. */
int32_t clattn__lookup_find(const clattn__lookup *table, const void *key, size_t bytes);

#endif /* MODELS_COMMON_LOOKUP_H */
