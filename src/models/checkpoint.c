#include "checkpoint.h"
#include "models/files/load.h"
#include "models/files/safetensors.h"

/* ---- Weights ---------------------------------------------------------------------------- */

static bool read_weight(const checkpoint *c, const char *name, const checkpoint_row *w, array *out,
                        reason *why)
{
    array stored = {0};
    reason inner;
    char is[SHAPE_TEXT_BYTES], must[SHAPE_TEXT_BYTES];
    const int64_t matrix[2] = {w->rows, w->columns};
    const int rank = w->rows ? 2 : 1;
    const int64_t *shape = w->rows ? matrix : &matrix[1];
    rewind(c->file);
    if (!safetensors_read(c->file, c->bytes, name, &stored, &inner)) {
        array_free(&stored);
        return refuse(why, "%s: %.400s", name, inner.text);
    }
    bool done = stored.rank == rank;
    for (int i = 0; done && i < rank; i++) {
        done = stored.shape[i] == shape[i];
    }
    done = done ? array_convert(&stored, ARRAY_F32, out, why)
                : refuse(why, "%s: its shape is %s, must be %s", name,
                         shape_text(stored.rank, stored.shape, is), shape_text(rank, shape, must));
    array_free(&stored);
    return done;
}

/* Made by the first of its parts. */
static bool make_tensor(const checkpoint *c, const checkpoint_row *w, buffers *owner)
{
    const int64_t parts = w->parts ? w->parts : 1;
    const int64_t rows = w->rows ? w->rows * parts : 1;
    const int64_t columns = w->rows ? w->columns : w->columns * parts;
    if (w->part == 0) {
        reason why;
        const size_t bytes = (size_t)(rows * columns) * sizeof(float);
        *w->to = (clattn_tensor){.mem = buffers_make(c->session, owner, bytes, NULL, &why),
                                 .size = {1, rows, 1, columns}};
        if (!w->to->mem) {
            fail("the model: %s", why.text);
        }
    }
    return w->to->mem;
}

static bool fill(const checkpoint *c, const checkpoint_row *w, const array *values)
{
    const size_t bytes = (size_t)array_count(values) * sizeof(float);
    const cl_int code =
        clEnqueueWriteBuffer(c->session->queue, w->to->mem, CL_TRUE, (size_t)w->part * bytes, bytes,
                             values->data, 0, NULL, NULL);
    if (code != CL_SUCCESS) {
        fail("clEnqueueWriteBuffer gave OpenCL error %d", code);
    }
    return code == CL_SUCCESS;
}

static bool load(const checkpoint *c, const char *prefix, const checkpoint_row *w, buffers *owner)
{
    char name[128];
    reason why;
    array values = {0};
    snprintf(name, sizeof name, "%s%s", prefix, w->name);
    if (!read_weight(c, name, w, &values, &why)) {
        fail("--model %s: model.safetensors: %s", c->directory, why.text);
        return false;
    }
    const bool done = make_tensor(c, w, owner) && fill(c, w, &values);
    array_free(&values);
    return done;
}

bool checkpoint_load(const checkpoint *c, const char *prefix, const checkpoint_row *rows,
                     size_t count, buffers *owner)
{
    for (size_t i = 0; i < count; i++) {
        if (!load(c, prefix, &rows[i], owner)) {
            return false;
        }
    }
    return true;
}

/* ---- The file ---------------------------------------------------------------------------- */

bool checkpoint_open(const session *session, const char *directory, checkpoint *out)
{
    char path[4096];
    reason why;
    *out = (checkpoint){.session = session, .directory = directory};
    snprintf(path, sizeof path, "%s/model.safetensors", directory);
    out->file = file_open(path, &out->bytes, &why);
    if (!out->file) {
        fail("--model %s: model.safetensors: %s", directory, why.text);
    }
    return out->file;
}

void checkpoint_close(checkpoint *c) { fclose(c->file); }
