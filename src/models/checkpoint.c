#include "checkpoint.h"

#include "common/error.h"
#include "files/file.h"
#include "files/safetensors.h"

static const char file_name[] = "model.safetensors";

/* ---- Weights ---------------------------------------------------------------------------- */

/* As floats, if its shape is the right one. */
static clattn_status convert(const clattn__checkpoint_row *w, const char *name,
                             const clattn_array *stored, clattn_array *out)
{
    char is[CLATTN_SHAPE_BYTES], must[CLATTN_SHAPE_BYTES];
    const int64_t matrix[2] = {w->rows, w->columns};
    const int rank = w->rows ? 2 : 1;
    const int64_t *shape = w->rows ? matrix : &matrix[1];
    bool fits = stored->rank == rank;
    for (int i = 0; fits && i < rank; i++) {
        fits = stored->shape[i] == shape[i];
    }
    return fits ? clattn_array_convert(stored, CLATTN_ARRAY_F32, out)
                : clattn__refuse("%s: its shape is %s, must be %s", name,
                                 clattn_shape_text(stored->rank, stored->shape, is),
                                 clattn_shape_text(rank, shape, must));
}

static clattn_status read_weight(const clattn__checkpoint *c, const char *prefix,
                                 const clattn__checkpoint_row *w, clattn_array *out)
{
    char name[128];
    clattn_array stored;
    snprintf(name, sizeof name, "%s%s", prefix, w->name);
    rewind(c->file);
    clattn_status status = clattn__safetensors_read(c->file, c->bytes, name, &stored);
    if (status != CLATTN_OK) {
        return clattn__within(status, "%s", name);
    }
    status = convert(w, name, &stored, out);
    clattn_array_free(&stored);
    return status;
}

/* Made by the first of its parts. */
static clattn_status make_tensor(const clattn__checkpoint *c, const clattn__checkpoint_row *w,
                                 clattn__buffers *owner)
{
    const int64_t parts = w->parts ? w->parts : 1;
    const int64_t rows = w->rows ? w->rows * parts : 1;
    const int64_t columns = w->rows ? w->columns : w->columns * parts;
    if (w->part != 0) {
        return CLATTN_OK;
    }
    *w->to = (clattn_tensor){.size = {1, rows, 1, columns}};
    return clattn__buffers_add(c->home, owner, (size_t)(rows * columns) * sizeof(float), NULL,
                               &w->to->mem);
}

static clattn_status fill(const clattn__checkpoint *c, const clattn__checkpoint_row *w,
                          const clattn_array *values)
{
    const size_t bytes = (size_t)clattn_array_count(values) * sizeof(float);
    return CL(clEnqueueWriteBuffer, c->home->queue, w->to->mem, CL_TRUE, (size_t)w->part * bytes,
              bytes, values->data, 0, NULL, NULL);
}

static clattn_status load(const clattn__checkpoint *c, const char *prefix,
                          const clattn__checkpoint_row *w, clattn__buffers *owner)
{
    clattn_array values;
    TRY(read_weight(c, prefix, w, &values));
    clattn_status status = make_tensor(c, w, owner);
    if (status == CLATTN_OK) {
        status = fill(c, w, &values);
    }
    clattn_array_free(&values);
    return status;
}

clattn_status clattn__checkpoint_load(const clattn__checkpoint *c, const char *prefix,
                                      const clattn__checkpoint_row *rows, size_t count,
                                      clattn__buffers *owner)
{
    for (size_t i = 0; i < count; i++) {
        const clattn_status status = load(c, prefix, &rows[i], owner);
        if (status != CLATTN_OK) {
            return clattn__within(status, "%s", file_name);
        }
    }
    return CLATTN_OK;
}

/* ---- The file ---------------------------------------------------------------------------- */

clattn_status clattn__checkpoint_open(const clattn__home *home, const char *directory,
                                      clattn__checkpoint *out)
{
    char path[4096];
    clattn__checkpoint c = {.home = home};
    if ((size_t)snprintf(path, sizeof path, "%s/%s", directory, file_name) >= sizeof path) {
        return clattn__refuse("%s: the name is too long", file_name);
    }
    const clattn_status status = clattn__file_open(path, &c.bytes, &c.file);
    if (status != CLATTN_OK) {
        return clattn__within(status, "%s", file_name);
    }
    *out = c;
    return CLATTN_OK;
}

void clattn__checkpoint_close(clattn__checkpoint *c) { fclose(c->file); }
