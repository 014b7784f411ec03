#include "ids.h"

#include <stdlib.h>

bool ids_add(ids *list, int32_t id)
{
    if (list->count == list->room) {
        const size_t room = list->room ? 2 * list->room : 64;
        int32_t *items = realloc(list->items, room * sizeof *items);
        if (!items) {
            return false;
        }
        list->items = items;
        list->room = room;
    }
    list->items[list->count++] = id;
    return true;
}

void ids_free(ids *list)
{
    free(list->items);
    *list = (ids){0};
}
