/* A growing list of token ids; zeros = an empty one. */
#ifndef TOOLS_IDS_H
#define TOOLS_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ids {
    int32_t *items;
    size_t count, room;
} ids;

/* False if memory ran out; what was in it stays. */
bool ids_add(ids *list, int32_t id);
void ids_free(ids *list);

#endif /* TOOLS_IDS_H */
