/* What words of a case mean. */
#include "case.h"

#include <stdlib.h>
#include <string.h>

int64_t case_number(const char *list, int64_t n)
{
    for (; n > 0 && strchr(list, ','); n--) {
        list = strchr(list, ',') + 1;
    }
    return strtoll(list, NULL, 10);
}

clattn_type case_weight_type(const struct test_case *c)
{
    const clattn_type type = c->own.project.weight_type;
    return type == CLATTN_F32 ? c->type : type;
}
