#include <clattn/models/text.h>

#include "models/common/error.h"

#include <stdlib.h>

clattn_status clattn_ids_add(clattn_ids *list, int32_t id)
{
    if (list->count == list->room) {
        const size_t room = list->room ? 2 * list->room : 64;
        int32_t *items = realloc(list->items, room * sizeof *items);
        if (!items) {
            return clattn__no_memory();
        }
        list->items = items;
        list->room = room;
    }
    list->items[list->count++] = id;
    return CLATTN_OK;
}

void clattn_ids_free(clattn_ids *list)
{
    free(list->items);
    *list = (clattn_ids){0};
}
