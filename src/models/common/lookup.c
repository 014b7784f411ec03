#include "lookup.h"

#include <stdlib.h>
#include <string.h>

struct clattn__lookup_slot {
    const void *key; /* NULL = free */
    size_t bytes;
    uint32_t hash;
    int32_t value;
};

/* FNV-1a, and its upper bits into the lower ones, of which the slot is made. */
static uint32_t hash_of(const void *key, size_t bytes)
{
    const unsigned char *c = key;
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < bytes; i++) {
        hash = (hash ^ c[i]) * 16777619u;
    }
    return hash ^ hash >> 15;
}

/* The slot of the key, or the free one where it would be; slots are never all taken. */
static struct clattn__lookup_slot *slot_of(const clattn__lookup *table, const void *key,
                                           size_t bytes, uint32_t hash)
{
    for (size_t i = hash & table->mask;; i = (i + 1) & table->mask) {
        struct clattn__lookup_slot *slot = &table->slots[i];
        if (!slot->key ||
            (slot->hash == hash && slot->bytes == bytes && !memcmp(slot->key, key, bytes))) {
            return slot;
        }
    }
}

bool clattn__lookup_make(clattn__lookup *table, size_t keys)
{
    size_t slots = 2;
    while (slots / 2 < keys) {
        slots *= 2;
    }
    table->slots = calloc(slots, sizeof *table->slots);
    table->mask = slots - 1;
    return table->slots != NULL;
}

void clattn__lookup_free(clattn__lookup *table)
{
    free(table->slots);
    *table = (clattn__lookup){0};
}

bool clattn__lookup_add(clattn__lookup *table, const void *key, size_t bytes, int32_t value)
{
    const uint32_t hash = hash_of(key, bytes);
    struct clattn__lookup_slot *slot = slot_of(table, key, bytes, hash);
    if (slot->key) {
        return false;
    }
    *slot = (struct clattn__lookup_slot){key, bytes, hash, value};
    return true;
}

int32_t clattn__lookup_find(const clattn__lookup *table, const void *key, size_t bytes)
{
    const struct clattn__lookup_slot *slot = slot_of(table, key, bytes, hash_of(key, bytes));
    return slot->key ? slot->value : -1;
}
