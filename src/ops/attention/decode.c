/* attention/decode: how its work-items share keys on a device. */
#include "attention.h"

#include <stdio.h>
#include <string.h>

enum { LANES_BY, SUBGROUP, LANES, ROWS, KEYS, ITEMS }; /* places in its params */

/* Numbers of a query and a result, for all rows, that a work-item keeps in registers, and 16-byte
 * units of keys and values that it has asked for. */
enum { MOST_NUMBERS = 128, MOST_UNITS = 16 };

static int greater(int a, int b) { return a > b ? a : b; }

/* 16-byte units of so many columns that a work-item has, and the columns of one. */
static int columns_of_unit(const clattn_attention_desc *d)
{
    return d->kv_type == CLATTN_F32 ? 4 : d->kv_type == CLATTN_I8 ? 16 : 8;
}

static int units(const clattn_attention_desc *d, int columns, const int *params)
{
    const int step = columns_of_unit(d) * params[LANES];
    return (columns + step - 1) / step;
}

static int units_of_both(const clattn_attention_desc *d, const int *params)
{
    return units(d, d->head_dim, params) + units(d, d->value_dim, params);
}

static size_t local_bytes(const clattn_attention_desc *d, const int *params)
{
    const int results = params[ITEMS] * units(d, d->value_dim, params) * columns_of_unit(d);
    const int exchanged = params[LANES_BY] ? 0 : params[ROWS] * params[KEYS] * (params[ITEMS] + 4);
    const int softmax = 2 * params[ITEMS] / params[LANES] * params[ROWS];
    return sizeof(float) * (size_t)(greater(results, exchanged) + softmax);
}

static bool numbers_fit(const clattn_attention_desc *d, const int *params)
{
    return params[ROWS] * units_of_both(d, params) * columns_of_unit(d) <= MOST_NUMBERS;
}

bool clattn__decode_slots_fits(const clattn_device_facts *facts, const void *desc,
                               const int *params, char reason[CLATTN__REASON_BYTES])
{
    const clattn_attention_desc *d = desc;
    const size_t bytes = local_bytes(d, params);
    if (params[LANES_BY] && !clattn__lanes_fit(facts, params[SUBGROUP], reason)) {
        return false;
    }
    if (!params[LANES_BY] && params[SUBGROUP] != 32) {
        snprintf(reason, CLATTN__REASON_BYTES, "SUBGROUP %d is for devices with sub-groups: %s",
                 params[SUBGROUP], facts->lanes_reason);
        return false;
    }
    if ((params[LANES_BY] && params[LANES] > params[SUBGROUP]) ||
        params[ITEMS] < params[SUBGROUP]) {
        snprintf(reason, CLATTN__REASON_BYTES, "SUBGROUP %d is not between LANES %d and ITEMS %d",
                 params[SUBGROUP], params[LANES], params[ITEMS]);
        return false;
    }
    if (params[ROWS] * params[KEYS] > params[LANES]) {
        snprintf(reason, CLATTN__REASON_BYTES, "ROWS %d times KEYS %d is more than LANES %d",
                 params[ROWS], params[KEYS], params[LANES]);
        return false;
    }
    if (params[ROWS] > 1 && !numbers_fit(d, params)) {
        snprintf(reason, CLATTN__REASON_BYTES, "ROWS %d of %d and %d columns are not for registers",
                 params[ROWS], d->head_dim, d->value_dim);
        return false;
    }
    if (facts->max_work_group < (size_t)params[ITEMS] || facts->local_bytes < bytes) {
        snprintf(reason, CLATTN__REASON_BYTES,
                 "needs work-groups of %d and %zu bytes of local memory, the device has %zu and "
                 "%llu",
                 params[ITEMS], bytes, facts->max_work_group,
                 (unsigned long long)facts->local_bytes);
        return false;
    }
    return true;
}

/* As many lanes to a key as make it one unit each; as many rows as share a kv head and stay in
 * registers; then as many keys at a time as memory needs to be kept busy. */
void clattn__decode_slots_adapt(const clattn_device_facts *facts, const void *desc, int *params)
{
    const clattn_attention_desc *d = desc;
    const int widest = greater(d->head_dim, d->value_dim), group = d->query_heads / d->kv_heads;
    clattn__lanes_adapt(facts, &params[LANES_BY], &params[SUBGROUP]);
    params[LANES] = 8;
    while (params[LANES] < 32 && params[LANES] < params[SUBGROUP] &&
           params[LANES] * columns_of_unit(d) < widest) {
        params[LANES] *= 2;
    }
    params[ROWS] = 1;
    while (params[ROWS] < 8 && params[ROWS] < group) {
        params[ROWS] *= 2;
    }
    while (params[ROWS] > 1 && !numbers_fit(d, params)) {
        params[ROWS] /= 2;
    }
    params[KEYS] = 8;
    while (params[KEYS] > 1 && (params[ROWS] * params[KEYS] > params[LANES] ||
                                params[KEYS] * units_of_both(d, params) > MOST_UNITS)) {
        params[KEYS] /= 2;
    }
    params[ITEMS] = facts->max_work_group < 128 ? 64 : 128;
}

void clattn__decode_slots_geometry(const int *params, const int64_t extent[3], size_t global[3],
                                   size_t local[3])
{
    const size_t items = (size_t)params[ITEMS];
    const size_t g[3] = {(size_t)extent[0] * items, (size_t)extent[1], (size_t)extent[2]};
    const size_t l[3] = {items, 1, 1};
    memcpy(global, g, sizeof g);
    memcpy(local, l, sizeof l);
}
