/* GGUF's metadata: checked entry by entry, then asked by key. */
#include "gguf_internal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ENTRIES = 1 << 16 };

/* Types of values, by their numbers in the file. */
enum { U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64, TYPES };
static const unsigned char type_bytes[TYPES] = {
    [U8] = 1,  [I8] = 1,  [BOOL] = 1, [U16] = 2, [I16] = 2, [U32] = 4,
    [I32] = 4, [F32] = 4, [U64] = 8,  [I64] = 8, [F64] = 8,
};

/* ---- Reading ------------------------------------------------------------------------ */

static bool skip_strings(gguf *file, uint64_t count)
{
    gguf_text skipped;
    while (count > 0 && gguf_take_string(file, &skipped)) {
        count--;
    }
    return count == 0;
}

static bool read_array(gguf *file, gguf_entry *e, reason *why)
{
    if (!gguf_take_number(file, &e->element, 4) || !gguf_take_number(file, &e->count, 8)) {
        return refuse(why, "truncated within '%.*s'", GGUF_SHOWN(e->key));
    }
    if (e->element >= TYPES || e->element == ARRAY) {
        return refuse(why, "'%.*s' is an array of type %" PRIu32 ", which cannot be read",
                      GGUF_SHOWN(e->key), e->element);
    }
    e->value = file->data + file->at;
    const bool strings = e->element == STRING;
    const size_t least = strings ? 8 : type_bytes[e->element];
    if (e->count > gguf_left(file) / least) {
        return refuse(why, "truncated: '%.*s' has %" PRIu64 " elements, %zu bytes are left",
                      GGUF_SHOWN(e->key), e->count, gguf_left(file));
    }
    if (strings ? !skip_strings(file, e->count) : !gguf_take(file, e->count * least)) {
        return refuse(why, "truncated within the strings of '%.*s'", GGUF_SHOWN(e->key));
    }
    return true;
}

static bool read_entry(gguf *file, gguf_entry *e, reason *why)
{
    gguf_text skipped;
    if (!gguf_take_string(file, &e->key)) {
        return refuse(why, "truncated within the key of metadata entry %zu", file->entry_count);
    }
    if (!gguf_take_number(file, &e->type, 4)) {
        return refuse(why, "truncated within '%.*s'", GGUF_SHOWN(e->key));
    }
    if (e->type >= TYPES) {
        return refuse(why, "'%.*s' is of type %" PRIu32 ", which does not exist",
                      GGUF_SHOWN(e->key), e->type);
    }
    if (e->type == ARRAY) {
        return read_array(file, e, why);
    }
    e->value = file->data + file->at;
    if (e->type == STRING ? !gguf_take_string(file, &skipped)
                          : !gguf_take(file, type_bytes[e->type])) {
        return refuse(why, "truncated within '%.*s'", GGUF_SHOWN(e->key));
    }
    return true;
}

bool gguf_read_entries(gguf *file, uint64_t count, reason *why)
{
    if (count > MAX_ENTRIES) {
        return refuse(why, "%" PRIu64 " entries of metadata, at most %d can be", count,
                      MAX_ENTRIES);
    }
    file->entries = calloc((size_t)count + 1, sizeof *file->entries);
    if (!file->entries || !lookup_make(&file->keys, (size_t)count)) {
        return refuse(why, "out of memory");
    }
    for (; file->entry_count < count; file->entry_count++) {
        gguf_entry *e = &file->entries[file->entry_count];
        if (!read_entry(file, e, why)) {
            return false;
        }
        if (!lookup_add(&file->keys, e->key.bytes, e->key.length, (int32_t)file->entry_count)) {
            return refuse(why, "'%.*s' is there twice", GGUF_SHOWN(e->key));
        }
    }
    return true;
}

/* ---- Values where they lie ------------------------------------------------------------ */

static int64_t integer_at(const unsigned char *at, uint32_t type)
{
    union {
        int8_t i8;
        int16_t i16;
        int32_t i32;
        int64_t i64;
        uint64_t u64;
    } x = {.u64 = 0};
    memcpy(&x, at, type_bytes[type]);
    switch (type) {
    case I8: return x.i8;
    case I16: return x.i16;
    case I32: return x.i32;
    case I64: return x.i64;
    default: return x.u64 > INT64_MAX ? INT64_MAX : (int64_t)x.u64;
    }
}

static double float_at(const unsigned char *at, uint32_t type)
{
    float narrow;
    double wide;
    if (type == F32) {
        memcpy(&narrow, at, sizeof narrow);
        return narrow;
    }
    memcpy(&wide, at, sizeof wide);
    return wide;
}

static gguf_text string_at(const unsigned char *at)
{
    uint64_t length;
    memcpy(&length, at, sizeof length);
    return (gguf_text){(const char *)at + sizeof length, (size_t)length};
}

/* ---- Asking ---------------------------------------------------------------------------- */

static bool is_float(uint32_t type) { return type == F32 || type == F64; }
static bool is_bool(uint32_t type) { return type == BOOL; }
static bool is_string(uint32_t type) { return type == STRING; }
static bool is_array(uint32_t type) { return type == ARRAY; }
static bool is_integer(uint32_t type)
{
    return !is_float(type) && !is_bool(type) && !is_string(type) && !is_array(type);
}

static const gguf_entry *find(const gguf *file, const char *key)
{
    const int32_t index = lookup_find(&file->keys, key, strlen(key));
    return index < 0 ? NULL : &file->entries[index];
}

/* The entry if it is there and of the kind. */
static const gguf_entry *want(const gguf *file, const char *key, bool (*is_kind)(uint32_t),
                              const char *kind, reason *why)
{
    const gguf_entry *e = find(file, key);
    if (!e) {
        refuse(why, "'%s' is missing", key);
        return NULL;
    }
    if (!is_kind(e->type)) {
        refuse(why, "'%s' is no %s", key, kind);
        return NULL;
    }
    return e;
}

bool gguf_has(const gguf *file, const char *key) { return find(file, key) != NULL; }

bool gguf_integer(const gguf *file, const char *key, int64_t low, int64_t high, int64_t *out,
                  reason *why)
{
    const gguf_entry *e = want(file, key, is_integer, "whole number", why);
    if (!e) {
        return false;
    }
    const int64_t value = integer_at(e->value, e->type);
    if (value < low || value > high) {
        return refuse(why, "'%s' is %" PRId64 ", must be %" PRId64 " to %" PRId64, key, value, low,
                      high);
    }
    *out = value;
    return true;
}

bool gguf_float(const gguf *file, const char *key, double *out, reason *why)
{
    const gguf_entry *e = want(file, key, is_float, "float", why);
    if (e) {
        *out = float_at(e->value, e->type);
    }
    return e != NULL;
}

bool gguf_bool(const gguf *file, const char *key, bool *out, reason *why)
{
    const gguf_entry *e = want(file, key, is_bool, "truth value", why);
    if (e) {
        *out = *e->value != 0;
    }
    return e != NULL;
}

bool gguf_string(const gguf *file, const char *key, gguf_text *out, reason *why)
{
    const gguf_entry *e = want(file, key, is_string, "string", why);
    if (e) {
        *out = string_at(e->value);
    }
    return e != NULL;
}

bool gguf_array_of(const gguf *file, const char *key, gguf_kind kind, gguf_array *out, reason *why)
{
    static const struct {
        bool (*is_kind)(uint32_t);
        const char *name;
    } kinds[] = {[GGUF_INTEGERS] = {is_integer, "whole numbers"},
                 [GGUF_FLOATS] = {is_float, "floats"},
                 [GGUF_BOOLS] = {is_bool, "truth values"},
                 [GGUF_STRINGS] = {is_string, "strings"}};
    const gguf_entry *e = want(file, key, is_array, "array", why);
    if (!e) {
        return false;
    }
    if (!kinds[kind].is_kind(e->element)) {
        return refuse(why, "'%s' is no array of %s", key, kinds[kind].name);
    }
    *out = (gguf_array){(size_t)e->count, e->element, e->value};
    return true;
}

static const unsigned char *step(gguf_array *array, size_t bytes)
{
    const unsigned char *at = array->at;
    assert(array->left > 0);
    array->left--;
    array->at += bytes;
    return at;
}

int64_t gguf_next_integer(gguf_array *array)
{
    return integer_at(step(array, type_bytes[array->type]), array->type);
}

double gguf_next_float(gguf_array *array)
{
    return float_at(step(array, type_bytes[array->type]), array->type);
}

bool gguf_next_bool(gguf_array *array) { return *step(array, 1) != 0; }

gguf_text gguf_next_string(gguf_array *array)
{
    const gguf_text text = string_at(array->at);
    step(array, sizeof(uint64_t) + text.length);
    return text;
}
