#include "facts.h"

#include <stdio.h>

static const char *type_name(cl_device_type type)
{
    return type & CL_DEVICE_TYPE_GPU           ? "GPU"
           : type & CL_DEVICE_TYPE_CPU         ? "CPU"
           : type & CL_DEVICE_TYPE_ACCELERATOR ? "accelerator"
                                               : "other";
}

void facts_add(cJSON *json, const clattn_device_facts *f)
{
    cJSON_AddStringToObject(json, "name", f->name);
    cJSON_AddStringToObject(json, "vendor", f->vendor);
    cJSON_AddStringToObject(json, "platform", f->platform);
    cJSON_AddStringToObject(json, "platform_version", f->platform_version);
    cJSON_AddStringToObject(json, "driver", f->driver);
    cJSON_AddStringToObject(json, "type", type_name(f->type));
    cJSON_AddNumberToObject(json, "vendor_id", f->vendor_id);
    cJSON_AddNumberToObject(json, "compute_units", f->compute_units);
    cJSON_AddNumberToObject(json, "vector_width", f->vector_width);
    cJSON_AddNumberToObject(json, "max_work_group", (double)f->max_work_group);
    cJSON_AddNumberToObject(json, "local_bytes", (double)f->local_bytes);
    cJSON_AddBoolToObject(json, "local_dedicated", f->local_dedicated);
    cJSON_AddNumberToObject(json, "global_bytes", (double)f->global_bytes);
    cJSON_AddNumberToObject(json, "max_alloc_bytes", (double)f->max_alloc_bytes);
    cJSON_AddBoolToObject(json, "unified_memory", f->unified_memory);
    cJSON_AddBoolToObject(json, "fp16", f->fp16);
    cJSON_AddStringToObject(json, "lanes", clattn_lanes_name(f->lanes));
    cJSON_AddStringToObject(json, "lanes_reason", f->lanes_reason);
    cJSON *sizes = cJSON_AddArrayToObject(json, "subgroup_sizes");
    for (uint32_t size = 8; size <= 64; size *= 2) {
        if (f->subgroup_sizes & size) {
            cJSON_AddItemToArray(sizes, cJSON_CreateNumber(size));
        }
    }
    cJSON_AddStringToObject(json, "engine", clattn_engine_name(f->engine));
    cJSON_AddStringToObject(json, "engine_reason", f->engine_reason);
    cJSON_AddBoolToObject(json, "engine_subnormals", f->engine_subnormals);
}

static void print_lanes(const clattn_device_facts *f)
{
    if (!f->lanes) {
        printf("  %-16snone (%s)\n", "sub-groups", f->lanes_reason);
        return;
    }
    printf("  %-16sof", "sub-groups");
    for (uint32_t size = 8; size <= 64; size *= 2) {
        if (f->subgroup_sizes & size) {
            printf(" %u", (unsigned)size);
        }
    }
    printf(" lanes (%s)\n", clattn_lanes_name(f->lanes));
}

static void print_engine(const clattn_device_facts *f)
{
    if (f->engine) {
        printf("  %-16s%s%s\n", "matrix engine", clattn_engine_name(f->engine),
               f->engine_subnormals ? "" : ", which takes the smallest numbers of f16 for 0");
    } else {
        printf("  %-16snone (%s)\n", "matrix engine", f->engine_reason);
    }
}

void facts_print(const clattn_device_facts *f)
{
    printf("  %-16s%s, %s\n", "platform", f->platform, f->platform_version);
    printf("  %-16s%s, driver %s\n", "vendor", f->vendor, f->driver);
    printf("  %-16s%s, %d compute units, float vectors of %d, work-groups up to %zu\n", "type",
           type_name(f->type), f->compute_units, f->vector_width, f->max_work_group);
    printf("  %-16s%.1f GiB%s, buffers up to %.1f GiB; local %.0f KiB, %s\n", "memory",
           (double)f->global_bytes / 0x1p30, f->unified_memory ? " shared with the host" : "",
           (double)f->max_alloc_bytes / 0x1p30, (double)f->local_bytes / 0x1p10,
           f->local_dedicated ? "dedicated" : "in ordinary memory");
    printf("  %-16s%s\n", "fp16 arithmetic", f->fp16 ? "yes" : "no (f16 storage works everywhere)");
    print_lanes(f);
    print_engine(f);
}
