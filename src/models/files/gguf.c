#include "gguf_internal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_ALIGNMENT = 32, MAX_TENSORS = 1 << 16 };

/* ---- Taking what comes next ----------------------------------------------------------- */

size_t gguf_left(const gguf *file) { return file->bytes - file->at; }

const unsigned char *gguf_take(gguf *file, uint64_t bytes)
{
    if (bytes > gguf_left(file)) {
        return NULL;
    }
    const unsigned char *taken = file->data + file->at;
    file->at += (size_t)bytes;
    return taken;
}

/* Files are little-endian, as are the machines this runs on. */
bool gguf_take_number(gguf *file, void *out, size_t bytes)
{
    const unsigned char *taken = gguf_take(file, bytes);
    if (taken) {
        memcpy(out, taken, bytes);
    }
    return taken != NULL;
}

bool gguf_take_string(gguf *file, gguf_text *out)
{
    uint64_t length;
    const unsigned char *taken =
        gguf_take_number(file, &length, sizeof length) ? gguf_take(file, length) : NULL;
    if (taken) {
        *out = (gguf_text){(const char *)taken, (size_t)length};
    }
    return taken != NULL;
}

/* ---- Tensors -------------------------------------------------------------------------- */

/* Names by their numbers in the file; where there is no block, the type cannot be had. */
static const struct {
    const char *name;
    short elements, bytes;
} types[] = {
    [GGUF_F32] = {"F32", 1, 4},
    [GGUF_F16] = {"F16", 1, 2},
    [GGUF_Q4_0] = {"Q4_0", 32, 18},
    [GGUF_Q4_1] = {"Q4_1", 32, 20},
    [6] = {"Q5_0", 0, 0},
    [7] = {"Q5_1", 0, 0},
    [GGUF_Q8_0] = {"Q8_0", 32, 34},
    [9] = {"Q8_1", 0, 0},
    [10] = {"Q2_K", 0, 0},
    [11] = {"Q3_K", 0, 0},
    [GGUF_Q4_K] = {"Q4_K", 256, 144},
    [13] = {"Q5_K", 0, 0},
    [GGUF_Q6_K] = {"Q6_K", 256, 210},
    [15] = {"Q8_K", 0, 0},
    [16] = {"IQ2_XXS", 0, 0},
    [17] = {"IQ2_XS", 0, 0},
    [18] = {"IQ3_XXS", 0, 0},
    [19] = {"IQ1_S", 0, 0},
    [20] = {"IQ4_NL", 0, 0},
    [21] = {"IQ3_S", 0, 0},
    [22] = {"IQ2_S", 0, 0},
    [23] = {"IQ4_XS", 0, 0},
    [24] = {"I8", 0, 0},
    [25] = {"I16", 0, 0},
    [26] = {"I32", 0, 0},
    [27] = {"I64", 0, 0},
    [28] = {"F64", 0, 0},
    [29] = {"IQ1_M", 0, 0},
    [GGUF_BF16] = {"BF16", 1, 2},
    [34] = {"TQ1_0", 0, 0},
    [35] = {"TQ2_0", 0, 0},
    [39] = {"MXFP4", 0, 0},
};
enum { TYPES = sizeof types / sizeof types[0] };

const char *gguf_type_name(uint32_t type)
{
    return type < TYPES && types[type].name ? types[type].name : "unknown";
}

int gguf_block_elements(gguf_type type) { return types[type].elements; }
int gguf_block_bytes(gguf_type type) { return types[type].bytes; }

static bool can_be_had(uint32_t type) { return type < TYPES && types[type].elements > 0; }

static bool read_sizes(gguf *file, gguf_tensor *t, uint64_t *elements, reason *why)
{
    uint32_t rank;
    if (!gguf_take_number(file, &rank, 4)) {
        return refuse(why, "truncated within tensor '%.*s'", GGUF_SHOWN(t->name));
    }
    if (rank > GGUF_MAX_RANK) {
        return refuse(why, "tensor '%.*s' has %" PRIu32 " axes, at most %d can be",
                      GGUF_SHOWN(t->name), rank, GGUF_MAX_RANK);
    }
    *elements = 1;
    t->rank = (int)rank;
    for (int i = 0; i < GGUF_MAX_RANK; i++) {
        uint64_t size = 1;
        if (i < t->rank && !gguf_take_number(file, &size, 8)) {
            return refuse(why, "truncated within tensor '%.*s'", GGUF_SHOWN(t->name));
        }
        if (size > INT64_MAX || (size > 0 && *elements > INT64_MAX / size)) {
            return refuse(why, "tensor '%.*s' is larger than memory can be", GGUF_SHOWN(t->name));
        }
        t->size[i] = (int64_t)size;
        *elements *= size;
    }
    return true;
}

/* The offset counts from where the data begin, which is known when all tensors are read. */
static bool read_tensor(gguf *file, gguf_tensor *t, uint64_t *offset, reason *why)
{
    uint64_t elements = 0;
    if (!gguf_take_string(file, &t->name)) {
        return refuse(why, "truncated within the name of tensor %zu", file->tensor_count);
    }
    if (!read_sizes(file, t, &elements, why)) {
        return false;
    }
    if (!gguf_take_number(file, &t->type, 4) || !gguf_take_number(file, offset, 8)) {
        return refuse(why, "truncated within tensor '%.*s'", GGUF_SHOWN(t->name));
    }
    if (!can_be_had(t->type)) {
        return true;
    }
    const uint64_t block = (uint64_t)types[t->type].elements;
    if ((uint64_t)t->size[0] % block) {
        return refuse(why, "tensor '%.*s' has rows of %" PRId64 ", no multiple of %s's %" PRIu64,
                      GGUF_SHOWN(t->name), t->size[0], types[t->type].name, block);
    }
    const uint64_t blocks = elements / block, bytes = (uint64_t)types[t->type].bytes;
    if (blocks > SIZE_MAX / bytes) {
        return refuse(why, "tensor '%.*s' is larger than memory can be", GGUF_SHOWN(t->name));
    }
    t->bytes = (size_t)(blocks * bytes);
    return true;
}

static bool place_tensor(const gguf *file, gguf_tensor *t, uint64_t offset, reason *why)
{
    /* Of a file without data the alignment may lie behind the end. */
    const size_t start = (file->at + file->alignment - 1) & ~(file->alignment - 1);
    const size_t room = start < file->bytes ? file->bytes - start : 0;
    if (offset % file->alignment) {
        return refuse(why, "tensor '%.*s' begins at byte %" PRIu64 ", no multiple of %zu",
                      GGUF_SHOWN(t->name), offset, file->alignment);
    }
    if (offset > room || t->bytes > room - offset) {
        return refuse(why,
                      "truncated: tensor '%.*s' has %zu bytes from byte %" PRIu64
                      " of the data, which end at %zu",
                      GGUF_SHOWN(t->name), t->bytes, offset, room);
    }
    t->data = can_be_had(t->type) ? file->data + (t->bytes ? start + offset : 0) : NULL;
    return true;
}

static bool read_tensors(gguf *file, uint64_t count, reason *why)
{
    if (count > MAX_TENSORS) {
        return refuse(why, "%" PRIu64 " tensors, at most %d can be", count, MAX_TENSORS);
    }
    uint64_t *offsets = calloc((size_t)count + 1, sizeof *offsets);
    file->tensors = calloc((size_t)count + 1, sizeof *file->tensors);
    bool done = offsets && file->tensors && lookup_make(&file->names, (size_t)count);
    if (!done) {
        refuse(why, "out of memory");
    }
    for (; done && file->tensor_count < count; file->tensor_count++) {
        gguf_tensor *t = &file->tensors[file->tensor_count];
        done = read_tensor(file, t, &offsets[file->tensor_count], why);
        if (done &&
            !lookup_add(&file->names, t->name.bytes, t->name.length, (int32_t)file->tensor_count)) {
            done = refuse(why, "tensor '%.*s' is there twice", GGUF_SHOWN(t->name));
        }
    }
    for (size_t i = 0; done && i < count; i++) {
        done = place_tensor(file, &file->tensors[i], offsets[i], why);
    }
    free(offsets);
    return done;
}

static bool read_alignment(gguf *file, reason *why)
{
    static const char key[] = "general.alignment";
    int64_t value = DEFAULT_ALIGNMENT;
    if (gguf_has(file, key) && !gguf_integer(file, key, 1, 1 << 30, &value, why)) {
        return false;
    }
    if (value & (value - 1)) {
        return refuse(why, "'%s' is %" PRId64 ", no power of two", key, value);
    }
    file->alignment = (size_t)value;
    return true;
}

/* ---- The whole file -------------------------------------------------------------------- */

static bool read_all(gguf *file, reason *why)
{
    const unsigned char *magic = gguf_take(file, 4);
    uint32_t version;
    uint64_t tensors, entries;
    if (!magic || memcmp(magic, "GGUF", 4)) {
        return refuse(why, "not a GGUF file");
    }
    if (!gguf_take_number(file, &version, 4)) {
        return refuse(why, "truncated within the header");
    }
    if (version > 0xffff && !(version & 0xffff)) {
        return refuse(why, "a big-endian GGUF file, which cannot be read");
    }
    if (version < 2 || version > 3) {
        return refuse(why, "GGUF version %" PRIu32 ", can read 2 and 3", version);
    }
    if (!gguf_take_number(file, &tensors, 8) || !gguf_take_number(file, &entries, 8)) {
        return refuse(why, "truncated within the header");
    }
    return gguf_read_entries(file, entries, why) && read_alignment(file, why) &&
           read_tensors(file, tensors, why);
}

static bool make(mapped_file mapped, const void *data, size_t bytes, gguf **out, reason *why)
{
    gguf *file = calloc(1, sizeof *file);
    *out = file;
    if (!file) {
        unmap_file(&mapped);
        return refuse(why, "out of memory");
    }
    file->mapped = mapped;
    file->data = data;
    file->bytes = bytes;
    if (!read_all(file, why)) {
        gguf_close(file);
        *out = NULL;
        return false;
    }
    return true;
}

bool gguf_parse(const void *data, size_t bytes, gguf **out, reason *why)
{
    return make((mapped_file){0}, data, bytes, out, why);
}

bool gguf_open(const char *path, gguf **out, reason *why)
{
    mapped_file mapped;
    *out = NULL;
    return map_file(path, &mapped, why) && make(mapped, mapped.data, mapped.bytes, out, why);
}

void gguf_close(gguf *file)
{
    if (!file) {
        return;
    }
    lookup_free(&file->names);
    lookup_free(&file->keys);
    free(file->tensors);
    free(file->entries);
    unmap_file(&file->mapped);
    free(file);
}

size_t gguf_tensors(const gguf *file) { return file->tensor_count; }

const gguf_tensor *gguf_tensor_at(const gguf *file, size_t index)
{
    assert(index < file->tensor_count);
    return &file->tensors[index];
}

bool gguf_has_tensor(const gguf *file, const char *name)
{
    return lookup_find(&file->names, name, strlen(name)) >= 0;
}

const gguf_tensor *gguf_find_tensor(const gguf *file, const char *name, reason *why)
{
    const int32_t index = lookup_find(&file->names, name, strlen(name));
    const gguf_tensor *t = index < 0 ? NULL : &file->tensors[index];
    if (!t) {
        refuse(why, "there is no tensor '%s'", name);
    } else if (!can_be_had(t->type)) {
        refuse(why, "tensor '%s' is of type %s (%" PRIu32 "), which is not supported", name,
               gguf_type_name(t->type), t->type);
        t = NULL;
    }
    return t;
}

void gguf_give_back(const gguf *file, const gguf_tensor *tensor)
{
    map_file_give_back(&file->mapped, tensor->data, tensor->bytes);
}
