#include "variant.h"

#include "runtime/error.h"

#include <stdio.h>
#include <string.h>

bool clattn__names_variant(const char *text, const struct clattn__variant *variant)
{
    const char *slash = strchr(variant->name, '/');
    return !strcmp(text, variant->name) || (slash && !strcmp(text, slash + 1));
}

int clattn__param(const struct clattn__variant *variant, const int *params, const char *name)
{
    for (int i = 0; i < CLATTN__MAX_PARAMS && variant->params[i].name; i++) {
        if (!strcmp(variant->params[i].name, name)) {
            return params[i];
        }
    }
    return 0;
}

bool clattn__fits_wide(const clattn_device_facts *facts, const void *desc, const int *params,
                       char reason[CLATTN__REASON_BYTES])
{
    (void)desc;
    (void)params;
    if (facts->vector_width != 4 && facts->vector_width != 8 && facts->vector_width != 16) {
        snprintf(reason, CLATTN__REASON_BYTES,
                 "is for CPUs with float vectors of 4, 8 or 16, the device has %d",
                 facts->vector_width);
        return false;
    }
    return true;
}

/* The tile, the vectors it is multiplied with and one broadcast value; AVX-512 and ARM have 32
 * registers, AVX2 has 16. */
bool clattn__fits_registers(const clattn_device_facts *facts, int values, int vectors,
                            char reason[CLATTN__REASON_BYTES])
{
    const int needed = values * vectors + vectors + 1, there = facts->vector_width == 8 ? 16 : 32;
    if (needed > there) {
        snprintf(reason, CLATTN__REASON_BYTES, "needs %d vector registers, the device has %d",
                 needed, there);
        return false;
    }
    return true;
}

bool clattn__fits_group(const clattn_device_facts *facts, size_t items, size_t local_bytes,
                        char reason[CLATTN__REASON_BYTES])
{
    if (facts->max_work_group < items) {
        snprintf(reason, CLATTN__REASON_BYTES, "needs work-groups of %zu, the device allows %zu",
                 items, facts->max_work_group);
        return false;
    }
    if (facts->local_bytes < local_bytes) {
        snprintf(reason, CLATTN__REASON_BYTES,
                 "needs %zu bytes of local memory, the device has %llu", local_bytes,
                 (unsigned long long)facts->local_bytes);
        return false;
    }
    return true;
}

void clattn__cells(const int *params, const int64_t extent[3], size_t global[3], size_t local[3])
{
    (void)params;
    for (int i = 0; i < 3; i++) {
        global[i] = (size_t)extent[i];
        local[i] = 1;
    }
}

const char *clattn__variant_file(const struct clattn__variant *variant)
{
    return variant->file ? variant->file : variant->name;
}

const struct clattn__variant *clattn__variant_at(const struct clattn__family *family,
                                                 const struct clattn__variant *chosen, size_t n)
{
    const size_t place = chosen ? (size_t)(chosen - family->variants) : 0;
    return chosen && n == 0       ? chosen
           : chosen && n <= place ? &family->variants[n - 1]
                                  : &family->variants[n];
}

clattn_status clattn__check_kernel_name(const struct clattn__family *family, const char *kernel)
{
    char list[512] = "";
    for (const struct clattn__variant *v = family->variants; v->name; v++) {
        if (!kernel || clattn__names_variant(kernel, v)) {
            return CLATTN_OK;
        }
        const size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "", v->name);
    }
    return clattn__refuse("%s: kernel '%s' is not one of %s", family->op, kernel, list);
}
