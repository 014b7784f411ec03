/* What was found out about a device, as lines and as JSON. */
#ifndef TOOLS_FACTS_H
#define TOOLS_FACTS_H

#include <cjson/cJSON.h>
#include <clattn/clattn.h>

/* Adds a member for each fact to an object. */
void facts_add(cJSON *json, const clattn_device_facts *facts);

/* Prints them, two columns in, without the device's name. */
void facts_print(const clattn_device_facts *facts);

#endif /* TOOLS_FACTS_H */
