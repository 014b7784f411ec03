#include "report.h"
#include "message.h"

#include <stdio.h>

bool report_print(cJSON *root)
{
    char *text = cJSON_Print(root);
    cJSON_Delete(root);
    if (!text) {
        fail("out of memory");
        return false;
    }
    puts(text);
    cJSON_free(text);
    return true;
}
