#include "safetensors.h"

#include "array.h"
#include "file.h"
#include "models/common/error.h"

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

static clattn_status refuse_name(const cJSON *header, const char *name)
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
        return clattn__refuse("name a tensor as FILE.safetensors:NAME; it holds %s%s", list, more);
    }
    return clattn__refuse("no tensor '%.100s'; it holds %s%s", name, shown ? list : "none", more);
}

static clattn_status read_type(const cJSON *tensor, clattn_array_type *type)
{
    static const struct {
        const char *name;
        clattn_array_type type;
    } types[] = {{"F32", CLATTN_ARRAY_F32}, {"F16", CLATTN_ARRAY_F16}, {"BF16", CLATTN_ARRAY_BF16}};
    const char *dtype = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(tensor, "dtype"));
    for (size_t i = 0; dtype && i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(types[i].name, dtype) == 0) {
            *type = types[i].type;
            return CLATTN_OK;
        }
    }
    return clattn__refuse("dtype %.32s is not supported (F32, F16, BF16)",
                          dtype ? dtype : "missing");
}

static clattn_status read_shape(const cJSON *tensor, int *rank, int64_t *shape)
{
    const cJSON *sizes = cJSON_GetObjectItemCaseSensitive(tensor, "shape");
    *rank = 0;
    if (!cJSON_IsArray(sizes)) {
        return clattn__refuse("bad header: no shape");
    }
    for (const cJSON *size = sizes->child; size; size = size->next) {
        if (*rank == CLATTN_ARRAY_RANK) {
            return clattn__refuse("more than %d axes", CLATTN_ARRAY_RANK);
        }
        if (!whole_number(size, &shape[(*rank)++])) {
            return clattn__refuse("the shape holds something that is not a size");
        }
    }
    return CLATTN_OK;
}

/* Where the tensor's bytes are: [begin, begin + needed) of the data behind the header. */
static clattn_status read_extent(const cJSON *tensor, uint64_t data_bytes, size_t needed,
                                 int64_t *begin)
{
    const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(tensor, "data_offsets");
    int64_t end;
    if (cJSON_GetArraySize(offsets) != 2 || !whole_number(cJSON_GetArrayItem(offsets, 0), begin) ||
        !whole_number(cJSON_GetArrayItem(offsets, 1), &end) || *begin > end) {
        return clattn__refuse("bad header: data_offsets");
    }
    if ((uint64_t)end > data_bytes) {
        return clattn__refuse("truncated: the tensor ends at byte %" PRId64 " of %" PRIu64, end,
                              data_bytes);
    }
    if ((uint64_t)(end - *begin) != needed) {
        return clattn__refuse("%" PRId64 " bytes of data where the shape needs %zu", end - *begin,
                              needed);
    }
    return CLATTN_OK;
}

static clattn_status read_tensor(FILE *file, uint64_t start, uint64_t bytes, const cJSON *tensor,
                                 clattn_array *out)
{
    clattn_array_type type = CLATTN_ARRAY_F32;
    int rank;
    int64_t shape[CLATTN_ARRAY_RANK], begin = 0;
    size_t needed;
    TRY(read_type(tensor, &type));
    TRY(read_shape(tensor, &rank, shape));
    if (!clattn__array_bytes(type, rank, shape, &needed)) {
        return clattn__refuse("the shape is larger than memory can be");
    }
    TRY(read_extent(tensor, bytes - start, needed, &begin));
    if (fseeko(file, (off_t)(start + (uint64_t)begin), SEEK_SET) != 0) {
        return clattn__refuse("cannot seek");
    }
    return clattn__file_array(file, type, rank, shape, out);
}

static clattn_status read_named(FILE *file, uint64_t start, uint64_t bytes, const cJSON *header,
                                const char *name, clattn_array *out)
{
    const cJSON *tensor = cJSON_GetObjectItemCaseSensitive(header, name);
    return cJSON_IsObject(tensor) && strcmp(name, metadata) != 0
               ? read_tensor(file, start, bytes, tensor, out)
               : refuse_name(header, name);
}

clattn_status clattn__safetensors_read(FILE *file, uint64_t bytes, const char *name,
                                       clattn_array *out)
{
    unsigned char lead[8];
    uint64_t length = 0;
    if (bytes < sizeof lead) {
        return clattn__refuse("truncated: no safetensors header");
    }
    TRY(clattn__file_fill(file, lead, sizeof lead));
    for (int i = 7; i >= 0; i--) {
        length = length << 8 | lead[i];
    }
    if (length > MAX_HEADER) {
        return clattn__refuse("not a safetensors file: a header of %" PRIu64 " bytes", length);
    }
    if (length > bytes - sizeof lead) {
        return clattn__refuse("truncated within the header");
    }

    char *text = malloc((size_t)length + 1);
    if (!text) {
        return clattn__no_memory();
    }
    cJSON *header = NULL;
    clattn_status status = clattn__file_fill(file, text, (size_t)length);
    if (status == CLATTN_OK) {
        header = cJSON_ParseWithLength(text, (size_t)length);
        status = cJSON_IsObject(header)
                     ? read_named(file, sizeof lead + length, bytes, header, name, out)
                     : clattn__refuse("not a safetensors file: the header is not a JSON object");
    }
    cJSON_Delete(header);
    free(text);
    return status;
}
