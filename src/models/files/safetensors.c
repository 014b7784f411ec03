#include "safetensors.h"
#include "load.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_HEADER = 100000000 }; /* the format's own bound */
static const char metadata[] = "__metadata__";

/* Sizes and offsets are JSON numbers, exact in a double up to 2^53. */
static bool whole_number(const cJSON *item, int64_t *out)
{
    const double x = cJSON_IsNumber(item) ? item->valuedouble : -1;
    if (!(x >= 0 && x <= 0x1p53) || floor(x) != x) {
        return false;
    }
    *out = (int64_t)x;
    return true;
}

static bool refuse_name(const cJSON *header, const char *name, reason *why)
{
    char list[256] = "";
    size_t used = 0;
    int shown = 0, others = 0;
    for (const cJSON *item = header->child; item; item = item->next) {
        if (strcmp(item->string, metadata) == 0) {
            continue;
        }
        const size_t length = strlen(item->string);
        if (shown < 5 && used + length + 3 < sizeof list) {
            used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", shown ? ", " : "",
                                     item->string);
            shown++;
        } else {
            others++;
        }
    }
    char more[32] = "";
    if (others) {
        snprintf(more, sizeof more, " and %d more", others);
    }
    if (!*name) {
        return refuse(why, "name a tensor as FILE.safetensors:NAME; it holds %s%s", list, more);
    }
    return refuse(why, "no tensor '%.100s'; it holds %s%s", name, shown ? list : "none", more);
}

static bool read_type(const cJSON *tensor, array_type *type, reason *why)
{
    static const struct {
        const char *name;
        array_type type;
    } types[] = {{"F32", ARRAY_F32}, {"F16", ARRAY_F16}, {"BF16", ARRAY_BF16}};
    const char *dtype = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(tensor, "dtype"));
    for (size_t i = 0; dtype && i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(types[i].name, dtype) == 0) {
            *type = types[i].type;
            return true;
        }
    }
    return refuse(why, "dtype %.32s is not supported (F32, F16, BF16)", dtype ? dtype : "missing");
}

static bool read_shape(const cJSON *tensor, int *rank, int64_t *shape, reason *why)
{
    const cJSON *sizes = cJSON_GetObjectItemCaseSensitive(tensor, "shape");
    *rank = 0;
    if (!cJSON_IsArray(sizes)) {
        return refuse(why, "bad header: no shape");
    }
    for (const cJSON *size = sizes->child; size; size = size->next) {
        if (*rank == ARRAY_MAX_RANK) {
            return refuse(why, "more than %d axes", ARRAY_MAX_RANK);
        }
        if (!whole_number(size, &shape[(*rank)++])) {
            return refuse(why, "the shape holds something that is not a size");
        }
    }
    return true;
}

/* Where the tensor's bytes are: [begin, begin + needed) of the data behind the header. */
static bool read_extent(const cJSON *tensor, uint64_t data_bytes, size_t needed, int64_t *begin,
                        reason *why)
{
    const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(tensor, "data_offsets");
    int64_t end;
    if (cJSON_GetArraySize(offsets) != 2 || !whole_number(cJSON_GetArrayItem(offsets, 0), begin) ||
        !whole_number(cJSON_GetArrayItem(offsets, 1), &end) || *begin > end) {
        return refuse(why, "bad header: data_offsets");
    }
    if ((uint64_t)end > data_bytes) {
        return refuse(why, "truncated: the tensor ends at byte %" PRId64 " of %" PRIu64, end,
                      data_bytes);
    }
    if ((uint64_t)(end - *begin) != needed) {
        return refuse(why, "%" PRId64 " bytes of data where the shape needs %zu", end - *begin,
                      needed);
    }
    return true;
}

static bool read_tensor(FILE *file, uint64_t start, uint64_t bytes, const cJSON *tensor, array *out,
                        reason *why)
{
    array_type type = ARRAY_F32;
    int rank;
    int64_t shape[ARRAY_MAX_RANK], begin = 0;
    size_t needed;
    if (!read_type(tensor, &type, why) || !read_shape(tensor, &rank, shape, why)) {
        return false;
    }
    if (!array_bytes(type, rank, shape, &needed)) {
        return refuse(why, "the shape is larger than memory can be");
    }
    if (!read_extent(tensor, bytes - start, needed, &begin, why)) {
        return false;
    }
    if (fseeko(file, (off_t)(start + (uint64_t)begin), SEEK_SET) != 0) {
        return refuse(why, "cannot seek");
    }
    return array_make(type, rank, shape, out, why) && file_fill(file, out->data, needed, why);
}

bool safetensors_read(FILE *file, uint64_t bytes, const char *name, array *out, reason *why)
{
    unsigned char lead[8];
    uint64_t length = 0;
    if (bytes < sizeof lead) {
        return refuse(why, "truncated: no safetensors header");
    }
    if (!file_fill(file, lead, sizeof lead, why)) {
        return false;
    }
    for (int i = 7; i >= 0; i--) {
        length = length << 8 | lead[i];
    }
    if (length > MAX_HEADER) {
        return refuse(why, "not a safetensors file: a header of %" PRIu64 " bytes", length);
    }
    if (length > bytes - sizeof lead) {
        return refuse(why, "truncated within the header");
    }

    char *text = malloc((size_t)length + 1);
    if (!text) {
        return refuse(why, "out of memory");
    }
    bool done = false;
    cJSON *header = NULL;
    if (!file_fill(file, text, (size_t)length, why)) {
        goto end;
    }
    header = cJSON_ParseWithLength(text, (size_t)length);
    if (!cJSON_IsObject(header)) {
        refuse(why, "not a safetensors file: the header is not a JSON object");
        goto end;
    }
    const cJSON *tensor = cJSON_GetObjectItemCaseSensitive(header, name);
    if (!cJSON_IsObject(tensor) || strcmp(name, metadata) == 0) {
        refuse_name(header, name, why);
    } else {
        done = read_tensor(file, sizeof lead + length, bytes, tensor, out, why);
    }
end:
    cJSON_Delete(header);
    free(text);
    return done;
}
