/* A GGUF file as a whole: its header, its tensors, and where these lie. */
#include "gguf_types.h"
#include "gguf_values.h"
#include "models/common/error.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_ALIGNMENT = 32, MAX_TENSORS = 1 << 16 };

/* ---- Tensors -------------------------------------------------------------------------- */

static clattn_status read_sizes(clattn_gguf *file, clattn_gguf_tensor *t, uint64_t *elements)
{
    uint32_t rank;
    if (!clattn__gguf_take_number(file, &rank, 4)) {
        return clattn__refuse("truncated within tensor '%.*s'", CLATTN__SHOWN(t->name));
    }
    if (rank > CLATTN_GGUF_RANK) {
        return clattn__refuse("tensor '%.*s' has %" PRIu32 " axes, at most %d can be",
                              CLATTN__SHOWN(t->name), rank, CLATTN_GGUF_RANK);
    }
    *elements = 1;
    t->rank = (int)rank;
    for (int i = 0; i < CLATTN_GGUF_RANK; i++) {
        uint64_t size = 1;
        if (i < t->rank && !clattn__gguf_take_number(file, &size, 8)) {
            return clattn__refuse("truncated within tensor '%.*s'", CLATTN__SHOWN(t->name));
        }
        if (size > INT64_MAX || (size > 0 && *elements > INT64_MAX / size)) {
            return clattn__refuse("tensor '%.*s' is larger than memory can be",
                                  CLATTN__SHOWN(t->name));
        }
        t->size[i] = (int64_t)size;
        *elements *= size;
    }
    return CLATTN_OK;
}

/* The offset counts from where the data begin, which is known when all tensors are read. */
static clattn_status read_tensor(clattn_gguf *file, clattn_gguf_tensor *t, uint64_t *offset)
{
    uint64_t elements = 0;
    if (!clattn__gguf_take_string(file, &t->name)) {
        return clattn__refuse("truncated within the name of tensor %zu", file->tensor_count);
    }
    TRY(read_sizes(file, t, &elements));
    if (!clattn__gguf_take_number(file, &t->type, 4) ||
        !clattn__gguf_take_number(file, offset, 8)) {
        return clattn__refuse("truncated within tensor '%.*s'", CLATTN__SHOWN(t->name));
    }
    if (!clattn__gguf_can_be_had(t->type)) {
        return CLATTN_OK;
    }
    const uint64_t block = (uint64_t)clattn__gguf_block_elements(t->type);
    if ((uint64_t)t->size[0] % block) {
        return clattn__refuse("tensor '%.*s' has rows of %" PRId64 ", no multiple of %s's %" PRIu64,
                              CLATTN__SHOWN(t->name), t->size[0], clattn_gguf_type_name(t->type),
                              block);
    }
    const uint64_t blocks = elements / block, bytes = (uint64_t)clattn__gguf_block_bytes(t->type);
    if (blocks > SIZE_MAX / bytes) {
        return clattn__refuse("tensor '%.*s' is larger than memory can be", CLATTN__SHOWN(t->name));
    }
    t->bytes = (size_t)(blocks * bytes);
    return CLATTN_OK;
}

static clattn_status place_tensor(const clattn_gguf *file, clattn_gguf_tensor *t, uint64_t offset)
{
    /* Of a file without data the alignment may lie behind the end. */
    const size_t start = (file->at + file->alignment - 1) & ~(file->alignment - 1);
    const size_t room = start < file->bytes ? file->bytes - start : 0;
    if (offset % file->alignment) {
        return clattn__refuse("tensor '%.*s' begins at byte %" PRIu64 ", no multiple of %zu",
                              CLATTN__SHOWN(t->name), offset, file->alignment);
    }
    if (offset > room || t->bytes > room - offset) {
        return clattn__refuse("truncated: tensor '%.*s' has %zu bytes from byte %" PRIu64
                              " of the data, which end at %zu",
                              CLATTN__SHOWN(t->name), t->bytes, offset, room);
    }
    t->data =
        clattn__gguf_can_be_had(t->type) ? file->data + (t->bytes ? start + offset : 0) : NULL;
    return CLATTN_OK;
}

static clattn_status read_tensors(clattn_gguf *file, uint64_t count)
{
    if (count > MAX_TENSORS) {
        return clattn__refuse("%" PRIu64 " tensors, at most %d can be", count, MAX_TENSORS);
    }
    uint64_t *offsets = calloc((size_t)count + 1, sizeof *offsets);
    file->tensors = calloc((size_t)count + 1, sizeof *file->tensors);
    clattn_status status =
        offsets && file->tensors && clattn__lookup_make(&file->names, (size_t)count)
            ? CLATTN_OK
            : clattn__no_memory();
    for (; status == CLATTN_OK && file->tensor_count < count; file->tensor_count++) {
        clattn_gguf_tensor *t = &file->tensors[file->tensor_count];
        status = read_tensor(file, t, &offsets[file->tensor_count]);
        if (status == CLATTN_OK && !clattn__lookup_add(&file->names, t->name.bytes, t->name.length,
                                                       (int32_t)file->tensor_count)) {
            status = clattn__refuse("tensor '%.*s' is there twice", CLATTN__SHOWN(t->name));
        }
    }
    for (size_t i = 0; status == CLATTN_OK && i < count; i++) {
        status = place_tensor(file, &file->tensors[i], offsets[i]);
    }
    free(offsets);
    return status;
}

static clattn_status read_alignment(clattn_gguf *file)
{
    static const char key[] = "general.alignment";
    int64_t value = DEFAULT_ALIGNMENT;
    if (clattn_gguf_has(file, key)) {
        TRY(clattn_gguf_integer(file, key, 1, 1 << 30, &value));
    }
    if (value & (value - 1)) {
        return clattn__refuse("'%s' is %" PRId64 ", no power of two", key, value);
    }
    file->alignment = (size_t)value;
    return CLATTN_OK;
}

/* ---- The whole file -------------------------------------------------------------------- */

static clattn_status read_all(clattn_gguf *file)
{
    const unsigned char *magic = clattn__gguf_take(file, 4);
    uint32_t version;
    uint64_t tensors, entries;
    if (!magic || memcmp(magic, "GGUF", 4)) {
        return clattn__refuse("not a GGUF file");
    }
    if (!clattn__gguf_take_number(file, &version, 4)) {
        return clattn__refuse("truncated within the header");
    }
    if (version > 0xffff && !(version & 0xffff)) {
        return clattn__refuse("a big-endian GGUF file, which cannot be read");
    }
    if (version < 2 || version > 3) {
        return clattn__refuse("GGUF version %" PRIu32 ", can read 2 and 3", version);
    }
    if (!clattn__gguf_take_number(file, &tensors, 8) ||
        !clattn__gguf_take_number(file, &entries, 8)) {
        return clattn__refuse("truncated within the header");
    }
    TRY(clattn__gguf_read_entries(file, entries));
    TRY(read_alignment(file));
    return read_tensors(file, tensors);
}

static clattn_status make(clattn__mapped_file mapped, const void *data, size_t bytes,
                          clattn_gguf **out)
{
    clattn_gguf *file = calloc(1, sizeof *file);
    if (!file) {
        clattn__unmap_file(&mapped);
        return clattn__no_memory();
    }
    file->mapped = mapped;
    file->data = data;
    file->bytes = bytes;
    const clattn_status status = read_all(file);
    if (status == CLATTN_OK) {
        *out = file;
    } else {
        clattn_gguf_close(file);
    }
    return status;
}

clattn_status clattn_gguf_parse(const void *data, size_t bytes, clattn_gguf **out)
{
    NEED(data, "gguf: data");
    NEED(out, "gguf: out");
    return make((clattn__mapped_file){0}, data, bytes, out);
}

clattn_status clattn_gguf_open(const char *path, clattn_gguf **out)
{
    clattn__mapped_file mapped;
    NEED(path, "gguf: path");
    NEED(out, "gguf: out");
    TRY(clattn__map_file(path, &mapped));
    return make(mapped, mapped.data, mapped.bytes, out);
}

void clattn_gguf_close(clattn_gguf *file)
{
    if (!file) {
        return;
    }
    clattn__lookup_free(&file->names);
    clattn__lookup_free(&file->keys);
    free(file->tensors);
    free(file->entries);
    clattn__unmap_file(&file->mapped);
    free(file);
}

size_t clattn_gguf_tensors(const clattn_gguf *file) { return file->tensor_count; }

const clattn_gguf_tensor *clattn_gguf_tensor_at(const clattn_gguf *file, size_t index)
{
    return index < file->tensor_count ? &file->tensors[index] : NULL;
}

bool clattn_gguf_has_tensor(const clattn_gguf *file, const char *name)
{
    return clattn__lookup_find(&file->names, name, strlen(name)) >= 0;
}

clattn_status clattn_gguf_find_tensor(const clattn_gguf *file, const char *name,
                                      const clattn_gguf_tensor **out)
{
    const int32_t index = clattn__lookup_find(&file->names, name, strlen(name));
    if (index < 0) {
        return clattn__refuse("there is no tensor '%s'", name);
    }
    const clattn_gguf_tensor *t = &file->tensors[index];
    if (!clattn__gguf_can_be_had(t->type)) {
        return clattn__refuse("tensor '%s' is of type %s (%" PRIu32 "), which is not supported",
                              name, clattn_gguf_type_name(t->type), t->type);
    }
    *out = t;
    return CLATTN_OK;
}

void clattn_gguf_give_back(const clattn_gguf *file, const clattn_gguf_tensor *tensor)
{
    clattn__map_file_give_back(&file->mapped, tensor->data, tensor->bytes);
}
