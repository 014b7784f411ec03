/* GGUF's metadata: checked entry by entry, then asked by key. */
#include "gguf_values.h"
#include "models/common/error.h"

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

static bool skip_strings(clattn_gguf *file, uint64_t count)
{
    clattn_text skipped;
    while (count > 0 && clattn__gguf_take_string(file, &skipped)) {
        count--;
    }
    return count == 0;
}

static clattn_status read_array(clattn_gguf *file, clattn__gguf_entry *e)
{
    if (!clattn__gguf_take_number(file, &e->element, 4) ||
        !clattn__gguf_take_number(file, &e->count, 8)) {
        return clattn__refuse("truncated within '%.*s'", CLATTN__SHOWN(e->key));
    }
    if (e->element >= TYPES || e->element == ARRAY) {
        return clattn__refuse("'%.*s' is an array of type %" PRIu32 ", which cannot be read",
                              CLATTN__SHOWN(e->key), e->element);
    }
    e->value = file->data + file->at;
    const bool strings = e->element == STRING;
    const size_t least = strings ? 8 : type_bytes[e->element];
    if (e->count > clattn__gguf_left(file) / least) {
        return clattn__refuse("truncated: '%.*s' has %" PRIu64 " elements, %zu bytes are left",
                              CLATTN__SHOWN(e->key), e->count, clattn__gguf_left(file));
    }
    if (strings ? !skip_strings(file, e->count) : !clattn__gguf_take(file, e->count * least)) {
        return clattn__refuse("truncated within the strings of '%.*s'", CLATTN__SHOWN(e->key));
    }
    return CLATTN_OK;
}

static clattn_status read_entry(clattn_gguf *file, clattn__gguf_entry *e)
{
    clattn_text skipped;
    if (!clattn__gguf_take_string(file, &e->key)) {
        return clattn__refuse("truncated within the key of metadata entry %zu", file->entry_count);
    }
    if (!clattn__gguf_take_number(file, &e->type, 4)) {
        return clattn__refuse("truncated within '%.*s'", CLATTN__SHOWN(e->key));
    }
    if (e->type >= TYPES) {
        return clattn__refuse("'%.*s' is of type %" PRIu32 ", which does not exist",
                              CLATTN__SHOWN(e->key), e->type);
    }
    if (e->type == ARRAY) {
        return read_array(file, e);
    }
    e->value = file->data + file->at;
    if (e->type == STRING ? !clattn__gguf_take_string(file, &skipped)
                          : !clattn__gguf_take(file, type_bytes[e->type])) {
        return clattn__refuse("truncated within '%.*s'", CLATTN__SHOWN(e->key));
    }
    return CLATTN_OK;
}

clattn_status clattn__gguf_read_entries(clattn_gguf *file, uint64_t count)
{
    if (count > MAX_ENTRIES) {
        return clattn__refuse("%" PRIu64 " entries of metadata, at most %d can be", count,
                              MAX_ENTRIES);
    }
    file->entries = calloc((size_t)count + 1, sizeof *file->entries);
    if (!file->entries || !clattn__lookup_make(&file->keys, (size_t)count)) {
        return clattn__no_memory();
    }
    for (; file->entry_count < count; file->entry_count++) {
        clattn__gguf_entry *e = &file->entries[file->entry_count];
        TRY(read_entry(file, e));
        if (!clattn__lookup_add(&file->keys, e->key.bytes, e->key.length,
                                (int32_t)file->entry_count)) {
            return clattn__refuse("'%.*s' is there twice", CLATTN__SHOWN(e->key));
        }
    }
    return CLATTN_OK;
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

static clattn_text string_at(const unsigned char *at)
{
    uint64_t length;
    memcpy(&length, at, sizeof length);
    return (clattn_text){(const char *)at + sizeof length, (size_t)length};
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

static const clattn__gguf_entry *find(const clattn_gguf *file, const char *key)
{
    const int32_t index = clattn__lookup_find(&file->keys, key, strlen(key));
    return index < 0 ? NULL : &file->entries[index];
}

/* The entry if it is there and of the kind. */
static clattn_status want(const clattn_gguf *file, const char *key, bool (*is_kind)(uint32_t),
                          const char *kind, const clattn__gguf_entry **out)
{
    const clattn__gguf_entry *e = find(file, key);
    if (!e) {
        return clattn__refuse("'%s' is missing", key);
    }
    if (!is_kind(e->type)) {
        return clattn__refuse("'%s' is no %s", key, kind);
    }
    *out = e;
    return CLATTN_OK;
}

bool clattn_gguf_has(const clattn_gguf *file, const char *key) { return find(file, key) != NULL; }

clattn_status clattn_gguf_integer(const clattn_gguf *file, const char *key, int64_t low,
                                  int64_t high, int64_t *out)
{
    const clattn__gguf_entry *e = NULL;
    TRY(want(file, key, is_integer, "whole number", &e));
    const int64_t value = integer_at(e->value, e->type);
    if (value < low || value > high) {
        return clattn__refuse("'%s' is %" PRId64 ", must be %" PRId64 " to %" PRId64, key, value,
                              low, high);
    }
    *out = value;
    return CLATTN_OK;
}

clattn_status clattn_gguf_float(const clattn_gguf *file, const char *key, double *out)
{
    const clattn__gguf_entry *e = NULL;
    TRY(want(file, key, is_float, "float", &e));
    *out = float_at(e->value, e->type);
    return CLATTN_OK;
}

clattn_status clattn_gguf_bool(const clattn_gguf *file, const char *key, bool *out)
{
    const clattn__gguf_entry *e = NULL;
    TRY(want(file, key, is_bool, "truth value", &e));
    *out = *e->value != 0;
    return CLATTN_OK;
}

clattn_status clattn_gguf_string(const clattn_gguf *file, const char *key, clattn_text *out)
{
    const clattn__gguf_entry *e = NULL;
    TRY(want(file, key, is_string, "string", &e));
    *out = string_at(e->value);
    return CLATTN_OK;
}

clattn_status clattn_gguf_array_of(const clattn_gguf *file, const char *key, clattn_gguf_kind kind,
                                   clattn_gguf_array *out)
{
    static const struct {
        bool (*is_kind)(uint32_t);
        const char *name;
    } kinds[] = {[CLATTN_GGUF_INTEGERS] = {is_integer, "whole numbers"},
                 [CLATTN_GGUF_FLOATS] = {is_float, "floats"},
                 [CLATTN_GGUF_BOOLS] = {is_bool, "truth values"},
                 [CLATTN_GGUF_STRINGS] = {is_string, "strings"}};
    const clattn__gguf_entry *e = NULL;
    if ((size_t)kind >= sizeof kinds / sizeof *kinds) {
        return clattn__refuse("gguf: kind is %d", (int)kind);
    }
    TRY(want(file, key, is_array, "array", &e));
    if (!kinds[kind].is_kind(e->element)) {
        return clattn__refuse("'%s' is no array of %s", key, kinds[kind].name);
    }
    *out = (clattn_gguf_array){(size_t)e->count, e->element, e->value};
    return CLATTN_OK;
}

/* The next element, if there is one and it is of the kind; else NULL. */
static const unsigned char *step(clattn_gguf_array *array, bool (*is_kind)(uint32_t))
{
    const unsigned char *at = array->at;
    if (array->left == 0 || !is_kind(array->type)) {
        return NULL;
    }
    array->left--;
    array->at +=
        is_string(array->type) ? sizeof(uint64_t) + string_at(at).length : type_bytes[array->type];
    return at;
}

int64_t clattn_gguf_next_integer(clattn_gguf_array *array)
{
    const unsigned char *at = step(array, is_integer);
    return at ? integer_at(at, array->type) : 0;
}

double clattn_gguf_next_float(clattn_gguf_array *array)
{
    const unsigned char *at = step(array, is_float);
    return at ? float_at(at, array->type) : 0;
}

bool clattn_gguf_next_bool(clattn_gguf_array *array)
{
    const unsigned char *at = step(array, is_bool);
    return at && *at != 0;
}

clattn_text clattn_gguf_next_string(clattn_gguf_array *array)
{
    const unsigned char *at = step(array, is_string);
    return at ? string_at(at) : (clattn_text){"", 0};
}
